//! The replication protocol without sockets or files; transactions are opaque here.
//!
//! What it is: Zab as Apache ZooKeeper 3.8 and 3.9 speak it, byte for byte, as one state machine per server: [`Peer`]. What it is
//! not: it prepares no transaction, keeps no tree and no session, opens no socket and no file. The upper half does the first, the shell
//! the second; both talk to it with [`Input`] and [`Outputs`]. (References are to quorum-protocol.)
//!
//! # A server's life
//!
//! ```text
//!              ┌───────────── the disk: log, acceptedEpoch, currentEpoch ◄─────────────┐
//!              ▼                                                                       │
//!  Looking ── decision ──► Leading    Discovery ─► Synchronisation ─► Broadcast ─── why it ended
//!  (election, §3)    └───► Learning   Connecting ─► Discovery ─► Synchronisation ─► Following
//! ```
//!
//! * **Election** (`election`, `vote`, `transport`; §2, §3). [`Election`] weighs votes; the mesh of the election port carries them: one
//!   connection per pair, kept by the larger id. It begins with what is on disk ([`Standing`]) and ends with a [`Decision`].
//! * **Discovery** (`leader::discovery`, `learner::discovery`; §5.1 L2-L5, §5.2 F2-F3). The leader finds an epoch above all that a
//!   quorum has accepted; everyone writes `acceptedEpoch` before saying so.
//! * **Synchronisation** (`leader::{conversation, feed, synchronisation}`, `learner::synchronisation`, `sync`, `snapshot_stream`;
//!   §5.1 L6, §5.2 F4-F11, §5.4, §5.5). Every learner gets the leader's history by DIFF, TRUNC or SNAP; it acknowledges
//!   NEWLEADER when history and then `currentEpoch` are on its disk. A quorum of those establishes the epoch.
//! * **Broadcast** (`leader::broadcast`, `learner::following`, `journal`, `history`; §6, §7, §8). Proposals are logged everywhere at once;
//!   a quorum of logs commits, in order. A follower may do the same for observers (`leader::mastering`).
//!
//! Each phase is a value made of the one before, and dies with its role: a role that ends asks for [`DiskAction::Reload`], and the
//! next one knows what the disk knows and nothing else. What may be said only after something is on disk takes a proof that
//! only the disk's completion makes (`promise`).
//!
//! # A write's way
//!
//! The upper half asks for [`Peer::next_zxid`] and hands [`Input::Propose`] in → PROPOSAL to the followers and
//! [`DiskAction::Append`] to the own log, at once → ACKs, the own completion among them → COMMIT, INFORM → [`Event::Deliver`] on
//! every server, as soon as the transaction is committed and on that server's own disk.
//!
//! # What the driver promises
//!
//! * Each list of [`Outputs`] is carried out in its order; disk plans are carried out in order, across steps too.
//! * A [`DiskPlan`] is reported when it is durable, never before. A disk error is [`DiskOutcome::Failed`] and the end of the process.
//! * [`Event::Deliver`] before [`RoleChange::Following`] brings the tree to the leader's history; nothing of it may be shown to a
//!   client until that role is announced, for its leader may still fail to be established.
//! * The tree follows the disk: it is read again on [`DiskAction::Truncate`], [`DiskAction::InstallEnd`] and
//!   [`DiskAction::Reload`], and grows by [`Event::Deliver`] in between.

mod context;
mod election;
mod ensemble;
mod epoch;
mod history;
mod io;
mod journal;
mod leader;
mod learner;
mod packets;
mod peer;
mod promise;
mod quorum;
mod report;
mod settings;
mod snapshot_stream;
mod spec;
mod sync;
mod transport;
mod txn;
mod vote;

pub use election::{Decision, Election, Elections};
pub use ensemble::{Ensemble, EnsembleError};
pub use epoch::Epoch;
pub use history::WindowLimits;
pub use io::{
    ConnId, Dial, DialId, DiskState, Event, Input, LogSlice, Outputs, Port, Read, RoleChange, ToLeader,
    ToLearner,
};
pub use leader::LearnerView;
pub use peer::Peer;
pub use promise::{DiskAction, DiskOutcome, DiskPlan, Ticket};
pub use quorum::{QuorumRule, Quorums};
pub use report::{Note, PeerState, SyncMode, ZabPhase};
pub use settings::PeerConfig;
pub use spec::{Address, Role, ServerSpec, SpecError};
pub use sync::{HistoryView, LogView, SyncPlan, choose_sync, needs_log};
pub use txn::Txn;
pub use vote::{Standing, Vote};

/// A server's id (`myid`): 0 to 255, and to 254 with extended node types.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ServerId(pub i64);

impl ServerId {
    /// "Nobody": what observers and servers outside the configuration vote for.
    pub const NOBODY: ServerId = ServerId(i64::MIN);
}

impl std::fmt::Display for ServerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}
