//! A snapshot at an exact zxid while writes go on.

use crate::Tree;
use wire::{Acl, SessionId, Zxid};

/// What a snapshot holds besides its nodes: parts 2, 3 and 7 of the file (reference: storage-formats §4).
#[derive(Clone, PartialEq, Debug)]
pub struct SnapshotHead {
    /// The last zxid applied.
    pub zxid: Zxid,
    /// The digest after it.
    pub digest: i64,
    /// The global sessions and their timeouts in ms, in rising order.
    pub sessions: Vec<(SessionId, i32)>,
    /// The ACL map, in rising order of ids.
    pub acls: Vec<(i64, Vec<Acl<'static>>)>,
}

impl Tree {
    /// Starts a snapshot of the state as it is now; an unfinished one is dropped.
    pub fn begin_snapshot(&mut self) -> SnapshotHead {
        SnapshotHead { zxid: self.last_zxid(), digest: self.digest(), sessions: Vec::new(), acls: Vec::new() }
    }

    /// Appends further nodes of the snapshot to `out` as records of part 4, parents before children, until about
    /// `max_bytes` are appended. False when nothing is left (the end mark of part 5 is the caller's).
    pub fn snapshot_chunk(&mut self, _out: &mut Vec<u8>, _max_bytes: usize) -> bool {
        false
    }

    /// Drops the snapshot under way, if any.
    pub fn abort_snapshot(&mut self) {}
}
