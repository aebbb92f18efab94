//! What several clients ask, drawn at random.

use proptest::prelude::*;
use proptest::sample::select;
use wire::{Acl, MultiOp, OpCode, Request, SetWatches, Ustring};

const PATHS: [&str; 12] = [
    "/a",
    "/b",
    "/a/x",
    "/a/y",
    "/a/x/p",
    "/b/z",
    "/",
    "",
    "/a/",
    "x",
    "/zookeeper/quota",
    "/zookeeper/config",
];
/// What happens to a server and its model.
#[derive(Clone, Debug)]
pub enum Step {
    Ask(usize, Box<Request<'static>>),
    /// A connection's credentials grow.
    Authenticate(usize),
    /// The client comes again, with the watches it had if `resume`.
    Reconnect(usize, Box<SetWatches<'static>>),
    /// The session ends; a new one takes its place.
    Close(usize),
    Wait(u64),
    /// From now on the log takes its time.
    Hold,
    Release,
}

fn path() -> impl Strategy<Value = Ustring<'static>> {
    select(&PATHS[..]).prop_map(|path| Some(path.into()))
}

fn version() -> impl Strategy<Value = i32> {
    -1..2
}

fn data() -> impl Strategy<Value = wire::Buffer<'static>> {
    select(&[None, Some(""), Some("one"), Some("a longer one")][..])
        .prop_map(|data| data.map(|text| text.as_bytes().into()))
}

fn acl() -> impl Strategy<Value = Option<Vec<Acl<'static>>>> {
    let one = |perms, scheme, id| Some(vec![Acl::new(perms, scheme, id)]);
    prop_oneof![
        12 => Just(one(31, "world", "anyone")),
        1 => Just(one(1, "world", "anyone")),
        1 => Just(one(30, "world", "anyone")),
        1 => Just(one(31, "auth", "")),
        1 => Just(one(31, "digest", "alice:nobody")),
        1 => Just(one(31, "ip", "10.0.0.0/24")),
        1 => Just(one(31, "ip", "10.1.0.0/16")),
        1 => Just(one(31, "sasl", "x")),
        1 => Just(Some(Vec::new())),
    ]
}

fn creation() -> impl Strategy<Value = Request<'static>> {
    let op = select(&[OpCode::Create, OpCode::Create2, OpCode::CreateContainer][..]);
    let plain = (op, path(), data(), acl(), -1..6).prop_map(|(op, path, data, acl, flags)| Request::Create {
        op,
        path,
        data,
        acl,
        flags,
        ttl: -1,
    });
    let ttl = (path(), data(), acl(), 5..7, 0..50i64).prop_map(|(path, data, acl, flags, ttl)| {
        Request::Create { op: OpCode::CreateTtl, path, data, acl, flags, ttl }
    });
    prop_oneof![8 => plain, 1 => ttl]
}

fn part() -> impl Strategy<Value = MultiOp<'static>> {
    // What the decoder refuses or rewrites is another test's business.
    let creation = (select(&[OpCode::Create, OpCode::Create2][..]), path(), data(), acl(), 0..4)
        .prop_map(|(op, path, data, acl, flags)| MultiOp::Create { op, path, data, acl, flags, ttl: -1 });
    prop_oneof![
        4 => creation,
        2 => (path(), version()).prop_map(|(path, version)| MultiOp::Delete { path, version }),
        2 => (path(), data(), version()).prop_map(|(path, data, version)| MultiOp::SetData { path, data, version }),
        1 => (path(), version()).prop_map(|(path, version)| MultiOp::Check { path, version }),
    ]
}

fn part_of_read() -> impl Strategy<Value = MultiOp<'static>> {
    prop_oneof![
        path().prop_map(|path| MultiOp::GetData { path }),
        path().prop_map(|path| MultiOp::GetChildren { path }),
    ]
}

const QUOTA_TEXTS: [&str; 5] =
    ["count=5,bytes=-1", "count=0,bytes=0", "bytes=7,count=,else=1", "count=x,bytes=1", "nothing"];

/// A quota's nodes, in any order, with good texts and bad ones; one quota may be below another.
fn quota() -> impl Strategy<Value = Request<'static>> {
    let node = select(&["", "/zookeeper_limits", "/zookeeper_stats"][..]);
    let path = (select(&["/a", "/a/x", "/b", "/zookeeper", ""][..]), node)
        .prop_map(|(subject, node)| Some(format!("/zookeeper/quota{subject}{node}").into()));
    let create = |path, data| Request::Create {
        op: OpCode::Create,
        path,
        data,
        acl: Some(vec![Acl::open()]),
        flags: 0,
        ttl: -1,
    };
    (path, select(&QUOTA_TEXTS[..]), 0..8).prop_map(move |(path, text, kind)| match kind {
        0..4 => create(path, Some(text.as_bytes().into())),
        4 => Request::SetData { path, data: Some(text.as_bytes().into()), version: -1 },
        5 => Request::Delete { path, version: -1 },
        _ => Request::GetData { path, watch: true },
    })
}

fn request() -> impl Strategy<Value = Request<'static>> {
    let watch = any::<bool>;
    let parts = || prop::collection::vec(part(), 0..4);
    let reads = prop::collection::vec(part_of_read(), 0..4);
    prop_oneof![
        10 => creation(),
        4 => (path(), version()).prop_map(|(path, version)| Request::Delete { path, version }),
        5 => (path(), data(), version()).prop_map(|(path, data, version)| Request::SetData { path, data, version }),
        2 => (path(), acl(), version()).prop_map(|(path, acl, version)| Request::SetAcl { path, acl, version }),
        4 => parts().prop_map(|ops| Request::Multi { ops }),
        3 => (path(), watch()).prop_map(|(path, watch)| Request::Exists { path, watch }),
        3 => (path(), watch()).prop_map(|(path, watch)| Request::GetData { path, watch }),
        2 => (path(), watch()).prop_map(|(path, watch)| Request::GetChildren { path, watch }),
        2 => (path(), watch()).prop_map(|(path, watch)| Request::GetChildren2 { path, watch }),
        1 => path().prop_map(|path| Request::GetAcl { path }),
        1 => path().prop_map(|path| Request::GetAllChildrenNumber { path }),
        1 => path().prop_map(|prefix| Request::GetEphemerals { prefix }),
        1 => path().prop_map(|path| Request::Sync { path }),
        1 => reads.prop_map(|ops| Request::MultiRead { ops }),
        2 => (path(), 0..2).prop_map(|(path, mode)| Request::AddWatch { path, mode }),
        1 => (path(), 1..6).prop_map(|(path, watch_type)| Request::RemoveWatches { path, watch_type }),
        1 => (path(), 1..6).prop_map(|(path, watch_type)| Request::CheckWatches { path, watch_type }),
        1 => Just(Request::Ping),
        10 => quota(),
    ]
}

fn lists() -> impl Strategy<Value = SetWatches<'static>> {
    let paths = || prop::collection::vec(path(), 0..3).prop_map(Some);
    (0..40i64, paths(), paths(), paths(), paths(), paths()).prop_map(
        |(relative_zxid, data, exist, child, persistent, persistent_recursive)| SetWatches {
            relative_zxid,
            data,
            exist,
            child,
            persistent,
            persistent_recursive,
        },
    )
}

pub fn step() -> impl Strategy<Value = Step> {
    let who = || 0..3usize;
    prop_oneof![
        60 => (who(), request()).prop_map(|(who, request)| Step::Ask(who, Box::new(request))),
        1 => who().prop_map(Step::Authenticate),
        2 => (who(), lists()).prop_map(|(who, lists)| Step::Reconnect(who, Box::new(lists))),
        1 => who().prop_map(Step::Close),
        2 => (0..30u64).prop_map(Step::Wait),
        3 => Just(Step::Hold),
        5 => Just(Step::Release),
    ]
}
