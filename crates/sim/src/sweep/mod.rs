//! Stop at every disk operation, with each choice of what survives; start again, and judge what is there.
//!
//! Every start that follows is itself stopped at its own operations, and goes on to work (and to be stopped) behind a
//! start that succeeded. [`mod@store`] does this to the store alone, [`mod@node`] to a whole server with its clients.
//! [`damage`] breaks files instead, and reads.
//!
//! Not covered: `forceSync=no`. It acknowledges what is not durable, on the operator's own wish, so there is no promise
//! to check.

pub mod damage;
pub mod node;
pub mod store;

use crate::Seen;
use std::fmt;

/// How much was tried.
#[derive(Clone, Copy, Default, Debug)]
pub struct Report {
    /// Disk operations of the first life, at each of which the machine was stopped.
    pub stops: u64,
    /// Starts after a crash, all kinds together.
    pub starts: u64,
    /// Starts that were stopped themselves.
    pub stopped_starts: u64,
    /// Starts that went on to work.
    pub lives: u64,
    /// Answers to writes, each checked against its transaction; only of whole servers.
    pub acknowledged: u64,
    /// What happened in first lives.
    pub seen: Seen,
}

impl Report {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Report) -> Report {
        Report {
            stops: self.stops + other.stops,
            starts: self.starts + other.starts,
            stopped_starts: self.stopped_starts + other.stopped_starts,
            lives: self.lives + other.lives,
            acknowledged: self.acknowledged + other.acknowledged,
            seen: self.seen.and(other.seen),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { stops, starts, stopped_starts, lives, acknowledged, seen } = self;
        let Seen { txns, logs, snapshots, removed } = seen;
        write!(
            f,
            "{txns} transactions ({acknowledged} answers checked) in {logs} logs, {snapshots} snapshots, {removed} old files removed; stopped at {stops} disk operations, {starts} starts afterwards: {stopped_starts} of them \
             stopped themselves, {lives} went on to work and were stopped again"
        )
    }
}
