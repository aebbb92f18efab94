//! The replication protocol without sockets or files; transactions are opaque here.
//!
//! What it is: the decisions of Zab as values. So far: the configuration of an ensemble ([`Ensemble`]), its quorum rules
//! ([`Quorums`]), the election ([`Election`]) and the choice of how a learner is brought up to date ([`choose_sync`]).
//! What it is not yet: discovery, the learner's durable steps and broadcast, so the server runs alone for now.
//!
//! An election's way: [`Election::look`] starts a round from what is durable ([`Standing`]) → notifications go out and
//! come in ([`Election::receive`], [`Election::tick`]) → a [`Decision`] names the leader; from then on the election
//! only answers servers that still look.

mod election;
mod ensemble;
mod quorum;
mod spec;
mod sync;
mod vote;

pub use election::{Decision, Election, Elections};
pub use ensemble::{Ensemble, EnsembleError};
pub use quorum::{QuorumRule, Quorums};
pub use spec::{Address, Role, ServerSpec, SpecError};
pub use sync::{HistoryView, SyncPlan, choose_sync};
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
