//! The seventy surprises of the client protocol (reference: client-protocol §15), each a named story that runs against
//! any server: told by Apache's, it proves the story; told by ours, it proves the server.

mod acls;
mod creating;
mod encoding;
mod headers;
mod multis;
mod sessions;
pub(crate) mod talk;
mod watching;

use crate::process::Program;
use std::net::SocketAddr;
use std::path::Path;
use talk::{Talk, Told};

/// Where a story takes place.
#[derive(Clone, Copy, Debug)]
pub struct Stage {
    /// A server with default settings, short ticks, and a sweep of containers every 300 ms.
    pub plain: SocketAddr,
    /// The same with TTL nodes and enforced quotas.
    pub extended: SocketAddr,
    /// Is it Apache's? Where ours differs on purpose, the story says what both do.
    pub apache: bool,
}

impl Stage {
    fn talk(&self) -> Told<Talk> {
        Talk::new(self.plain)
    }

    fn talk_extended(&self) -> Told<Talk> {
        Talk::new(self.extended)
    }
}

/// How a story is told, or why it cannot be on one server.
#[derive(Clone, Copy)]
pub enum Telling {
    /// By doing it.
    By(fn(&Stage) -> Result<(), String>),
    /// Not with a standalone server.
    Elsewhere(&'static str),
}

/// One surprise.
#[derive(Clone, Copy)]
pub struct Story {
    /// Its number in the list.
    pub number: u32,
    /// What is surprising.
    pub name: &'static str,
    /// How it is told.
    pub telling: Telling,
}

const fn by(number: u32, name: &'static str, tell: fn(&Stage) -> Result<(), String>) -> Story {
    Story { number, name, telling: Telling::By(tell) }
}

const fn elsewhere(number: u32, name: &'static str, why: &'static str) -> Story {
    Story { number, name, telling: Telling::Elsewhere(why) }
}

const ENSEMBLE: &str = "needs an ensemble, as `cargo xtask roles` has";

/// All of them.
pub const STORIES: &[Story] = &[
    by(1, "a failing multi has header err 0", multis::header_err_is_zero),
    by(2, "operations before the failing one carry code 0", multis::codes_around_the_failure),
    by(3, "creates with a stat are tagged 15", multis::tagged_fifteen),
    by(4, "a failing write takes a zxid", headers::failing_write_takes_zxid),
    by(5, "the reply's zxid is the last applied one", headers::reply_zxid_is_last_applied),
    by(6, "zxid 0 for auth and sasl, -1 for unknown operations", headers::odd_zxids),
    by(7, "ping replies carry xid -2", headers::ping_xid),
    by(8, "auth replies may come early", headers::auth_behind_writes),
    by(9, "addWatch answers four bytes, the others none", watching::bodies),
    by(10, "setWatches lists data, exist, child", watching::list_order),
    by(11, "cversion is 2 * created - children", creating::cversion),
    by(12, "the sequence counts all creations", creating::sequence),
    by(13, "deletion moves cversion but not the sequence", creating::deletion_and_sequence),
    by(14, "setACL changes aversion and nothing else", acls::only_aversion),
    by(15, "setACL's version is the aversion", acls::version_is_aversion),
    by(16, "a bad ACL beats a missing node", acls::bad_acl_first),
    by(17, "create looks at the parent before the path's syntax", creating::parent_first),
    by(18, "NOAUTH, then NODEEXISTS, then NOCHILDRENFOREPHEMERALS", creating::order_of_errors),
    by(19, "delete needs DELETE on the parent", acls::delete_is_the_parents),
    by(20, "the order of delete's errors", acls::delete_errors),
    by(21, "a trailing slash with the sequential flag is a name", creating::slash_sequential),
    by(22, "containers and TTL nodes have no visible owner", creating::no_owner),
    by(23, "which creates make containers", creating::container_by_op),
    by(24, "TTL flags through create", creating::ttl_flags),
    by(25, "TTL counts from the node's own mtime", creating::ttl_from_mtime),
    by(26, "a container that was never used stays", creating::unused_container),
    by(27, "exists watches what is not there", watching::exists_watches_nothing),
    by(28, "the empty path is the root", encoding::empty_path),
    by(29, "exists needs READ", acls::exists_needs_read),
    by(30, "a filtered event uses up the watch", watching::filtered_event),
    by(31, "one NodeDeleted per connection", watching::one_deleted),
    by(32, "recursive watchers hear of no children", watching::recursive_without_children),
    by(33, "setWatches: what exists was created", watching::exist_list),
    by(34, "persistent watches catch up with nothing", watching::no_catch_up),
    by(35, "setWatches' events carry zxid -1", watching::set_watches_events),
    by(36, "setWatches' reply has the request's xid, in order", watching::set_watches_xid),
    by(37, "the event comes before the writer's reply", watching::event_first),
    by(38, "usage changes without a version", creating::quota_usage),
    by(39, "a multi overshoots a hard quota; quota comes before version", creating::quota_overshoot),
    by(40, "quotas are not enforced by default", creating::quota_default),
    by(41, "wrong password and no session look alike", sessions::invalid_alike),
    by(42, "a renewal kicks before its password is checked", sessions::kicked),
    by(43, "a client ahead of the server is closed silently", sessions::ahead),
    by(44, "timeouts are clamped and may change", sessions::timeouts),
    by(45, "old clients get 36 bytes", sessions::old_client),
    by(46, "frames may follow the handshake at once", sessions::pipelined_handshake),
    by(47, "expiry closes without a word", sessions::expiry_is_silent),
    by(48, "an expired session gets no reply", sessions::expired_session),
    elsewhere(49, "SESSIONMOVED is a close", ENSEMBLE),
    by(50, "null is not empty", encoding::null_and_empty),
    by(51, "a bad record is answered, a bad header is not", encoding::bad_record),
    by(52, "check alone is refused", encoding::check_alone),
    by(53, "deleteContainer from a client", creating::delete_container),
    by(54, "multiRead sets no watch", multis::multi_read),
    elsewhere(
        55,
        "/zookeeper/config has version -1",
        "needs an ensemble; a story of crates/sim/tests/stories",
    ),
    by(56, "reconfig answers other errors before NOAUTH", acls::reconfig),
    by(57, "sync echoes any path", encoding::sync_any_path),
    by(58, "a multi has one zxid", multis::one_zxid),
    by(59, "digests are masked without ADMIN", acls::masked),
    by(60, "auth expands to what authenticates, and ip does not", acls::auth_expands),
    by(61, "no emoji in paths", encoding::no_emoji),
    by(62, "children have no order", encoding::all_children),
    by(63, "isro has no newline", encoding::isro),
    elsewhere(64, "read-only mode needs local sessions", ENSEMBLE),
    by(65, "no surplus byte", encoding::no_surplus),
    by(66, "auth and setWatches under ordinary xids", headers::ordinary_xids),
    by(67, "an unknown operation behind writes loses replies, not writes", headers::writes_survive),
    by(68, "the client's address as an ACL sees it", acls::ip_identity),
    elsewhere(69, "an ephemeral in a multi on a local session", ENSEMBLE),
    by(70, "a fresh config node", encoding::config_node),
];

/// Starts the two servers of a stage and tells the stories on them, or only those of the numbers given; `heard` gets each
/// with its outcome.
///
/// # Errors
/// When a server cannot be started.
pub fn tell(
    program: &Program,
    ports: (u16, u16),
    directory: &Path,
    only: &[u32],
    mut heard: impl FnMut(&Story, Result<(), String>),
) -> Result<(), String> {
    let [plain, extended] = profiles();
    let fail = |e: std::io::Error| e.to_string();
    let plain = program.start(&plain, ports.0, &directory.join("plain")).map_err(fail)?;
    let extended = program.start(&extended, ports.1, &directory.join("extended")).map_err(fail)?;
    let apache = matches!(program, Program::Apache { .. });
    let stage = Stage { plain: plain.address, extended: extended.address, apache };
    for story in STORIES.iter().filter(|story| only.is_empty() || only.contains(&story.number)) {
        if let Telling::By(tell) = story.telling {
            heard(story, tell(&stage));
        }
    }
    Ok(())
}

/// Settings for [`Stage::plain`] and [`Stage::extended`].
pub fn profiles() -> [crate::profile::Profile; 2] {
    let plain = crate::profile::Profile {
        properties: &[("znode.container.checkIntervalMs", "300")],
        ..crate::profile::Profile::plain("stories", &[])
    };
    let extended = crate::profile::Profile {
        name: "stories-extended",
        properties: &[
            ("znode.container.checkIntervalMs", "300"),
            ("zookeeper.extendedTypesEnabled", "true"),
            ("zookeeper.enforceQuota", "true"),
        ],
        extended_types: true,
        enforce_quota: true,
        ..plain.clone()
    };
    [plain, extended]
}

/// Asserts inside a story.
macro_rules! same {
    ($left:expr, $right:expr) => {{
        let (left, right) = (&$left, &$right);
        if *left != *right {
            return Err(format!("{}: {left:?} and not {right:?} (line {})", stringify!($left), line!()));
        }
    }};
}
use same;
