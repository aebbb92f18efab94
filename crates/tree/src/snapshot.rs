//! A snapshot at an exact zxid while writes go on (reference: storage-formats §4).
//!
//! Every node carries the mark of the last snapshot that has it. A snapshot takes a new mark and walks the slab; whatever
//! changes or removes a node without the new mark first puts the node's old form aside. Nodes born meanwhile get the mark
//! at birth. Before a node go its ancestors, so that a reader finds every parent before its children: a node without the
//! mark has not changed since the snapshot began, and neither have its ancestors' places.

use crate::nodes::{NodeId, ROOT};
use crate::tree::Tree;
use wire::{Acl, Encode, SessionId, Writer, Zxid};

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

/// The snapshot under way.
pub(crate) struct Snapshot {
    /// The next slot to look at.
    next: NodeId,
    /// Slots from here on are younger than the snapshot.
    end: NodeId,
    /// Records of nodes that changed before their turn came.
    aside: Vec<u8>,
}

impl Tree {
    /// Starts a snapshot of the state as it is now; an unfinished one is dropped.
    pub fn begin_snapshot(&mut self) -> SnapshotHead {
        if self.mark == u16::MAX {
            // Nodes that dropped snapshots left behind must not look like this one's when the marks come round.
            for id in 0..self.nodes.end() {
                self.nodes.at_mut(id).mark = 0;
            }
            self.mark = 0;
        }
        self.mark += 1;
        self.snapshot = Some(Snapshot { next: 0, end: self.nodes.end(), aside: Vec::new() });
        SnapshotHead {
            zxid: self.last_zxid,
            digest: self.digest,
            sessions: self.sessions.iter().map(|(id, timeout)| (*id, *timeout)).collect(),
            acls: self.acls.entries(),
        }
    }

    /// Appends further nodes of the snapshot to `out` as records of part 4, parents before children, until about
    /// `max_bytes` are appended. False when nothing is left (the end mark of part 5 is the caller's).
    pub fn snapshot_chunk(&mut self, out: &mut Vec<u8>, max_bytes: usize) -> bool {
        let Some(mut snapshot) = self.snapshot.take() else { return false };
        let enough = out.len().saturating_add(max_bytes);
        out.append(&mut snapshot.aside);
        while snapshot.next < snapshot.end && out.len() < enough {
            let id = snapshot.next;
            snapshot.next += 1;
            let node = self.nodes.at(id);
            if node.is_live() && node.mark != self.mark {
                self.emit(id, out);
            }
        }
        let more = snapshot.next < snapshot.end;
        if more {
            self.snapshot = Some(snapshot);
        }
        more
    }

    /// Drops the snapshot under way, if any.
    pub fn abort_snapshot(&mut self) {
        self.snapshot = None;
    }

    /// Puts a node's present form aside if a snapshot still needs it. Comes before every change of a node.
    pub(crate) fn preserve(&mut self, id: NodeId) {
        if self.nodes.at(id).mark == self.mark {
            return;
        }
        if let Some(mut snapshot) = self.snapshot.take() {
            self.emit(id, &mut snapshot.aside);
            self.snapshot = Some(snapshot);
        }
    }

    /// Writes a node's record after those of its ancestors that are not out yet, and marks them.
    fn emit(&mut self, id: NodeId, out: &mut Vec<u8>) {
        let mut chain = vec![id];
        let mut at = id;
        while at != ROOT {
            at = self.nodes.at(at).parent;
            if self.nodes.at(at).mark == self.mark {
                break;
            }
            chain.push(at);
        }
        let path = self.nodes.path(id);
        let mut ends = Vec::with_capacity(chain.len());
        let mut end = path.len();
        for &id in &chain {
            ends.push(end);
            end -= if id == ROOT { 0 } else { 1 + self.nodes.at(id).name().len() };
        }
        for (&id, &end) in chain.iter().zip(&ends).rev() {
            self.nodes.at_mut(id).mark = self.mark;
            let node = self.nodes.at(id);
            let mut w = Writer::new(out);
            w.ustring(Some(&path[..end]));
            w.buffer(node.data());
            w.long(self.acls.id(node.acl));
            node.persisted().encode(&mut w);
        }
    }
}
