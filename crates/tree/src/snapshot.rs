//! Snapshots at an exact zxid while writes go on (reference: storage-formats §4), several at a time.
//!
//! Every node carries a bit per snapshot that may be under way: does the snapshot have the node, or is the node too young for
//! it? A snapshot walks the slab; whatever changes or removes a node that a snapshot does not have first puts the node's old
//! form aside for it. Before a node go its ancestors, so that a reader finds every parent before its children: a node
//! that the snapshot does not have has not changed since it began, and neither have its ancestors' places.
//!
//! What the bit of one that has the node is changes from snapshot to snapshot: when one has ended, all nodes carry the
//! same, and the next one in its place begins by reading it the other way round. After one that was dropped, they have to be
//! made alike first.

use crate::nodes::{NodeId, ROOT};
use crate::tree::Tree;
use wire::{Acl, Encode, SessionId, Writer, Zxid};

/// How many snapshots may be under way at once.
pub const SNAPSHOTS_MAX: usize = 16;

/// A snapshot under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SnapshotId {
    place: u8,
    /// Counts all snapshots: a place is used again.
    number: u64,
}

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

/// All snapshots under way.
#[derive(Default)]
pub(crate) struct Snapshots {
    places: [Option<Snapshot>; SNAPSHOTS_MAX],
    /// What the bits of a node are that every snapshot has, or that is too young for all.
    pub(crate) taken: u16,
    /// The places with a snapshot.
    active: u16,
    /// The places whose last snapshot was dropped: nodes differ in their bits.
    untidy: u16,
    count: u64,
}

struct Snapshot {
    number: u64,
    /// The next slot to look at.
    next: NodeId,
    /// Slots from here on are younger than the snapshot.
    end: NodeId,
    /// Records of nodes that changed before their turn came.
    aside: Vec<u8>,
    /// How many bytes of them have been taken.
    aside_taken: usize,
}

impl Snapshot {
    /// Moves so many bytes of what was put aside to `out`.
    fn take_aside(&mut self, out: &mut Vec<u8>, max_bytes: usize) {
        let end = self.aside.len().min(self.aside_taken.saturating_add(max_bytes));
        out.extend_from_slice(&self.aside[self.aside_taken..end]);
        self.aside_taken = end;
        if end == self.aside.len() {
            (self.aside, self.aside_taken) = (Vec::new(), 0);
        } else if end > self.aside.len() / 2 {
            self.aside.drain(..end);
            self.aside_taken = 0;
        }
    }
}

impl Snapshots {
    fn find(&mut self, id: SnapshotId) -> Option<&mut Snapshot> {
        self.places[usize::from(id.place)].as_mut().filter(|snapshot| snapshot.number == id.number)
    }

    fn end(&mut self, place: u8) {
        self.places[usize::from(place)] = None;
        self.active &= !bit(place);
    }
}

fn bit(place: u8) -> u16 {
    1 << place
}

impl Tree {
    /// How many more snapshots can be under way.
    pub fn snapshots_free(&self) -> usize {
        self.snapshots.active.count_zeros() as usize
    }

    /// Starts a snapshot of the state as it is now. It ends with its last chunk, or is dropped.
    ///
    /// # Panics
    /// When [`SNAPSHOTS_MAX`] are under way.
    pub fn begin_snapshot(&mut self) -> (SnapshotId, SnapshotHead) {
        let place = self.free_place();
        let (nodes, snapshots) = (&self.nodes, &mut self.snapshots);
        snapshots.count += 1;
        snapshots.taken ^= bit(place);
        snapshots.active |= bit(place);
        let snapshot = Snapshot {
            number: snapshots.count,
            next: 0,
            end: nodes.end(),
            aside: Vec::new(),
            aside_taken: 0,
        };
        snapshots.places[usize::from(place)] = Some(snapshot);
        let head = SnapshotHead {
            zxid: self.last_zxid,
            digest: self.digest,
            sessions: self.sessions.iter().map(|(id, timeout)| (*id, *timeout)).collect(),
            acls: self.acls.entries(),
        };
        (SnapshotId { place, number: self.snapshots.count }, head)
    }

    /// A place without a snapshot, in which all nodes' bits are alike.
    fn free_place(&mut self) -> u8 {
        let Snapshots { taken, active, untidy, .. } = self.snapshots;
        assert_ne!(active, u16::MAX, "no more than {SNAPSHOTS_MAX} snapshots are under way");
        let tidy = !(active | untidy);
        if tidy != 0 {
            return tidy.trailing_zeros() as u8;
        }
        for id in 0..self.nodes.end() {
            let node = self.nodes.at_mut(id);
            node.mark = (node.mark & !untidy) | (taken & untidy);
        }
        self.snapshots.untidy = 0;
        untidy.trailing_zeros() as u8
    }

    /// Appends further nodes of a snapshot to `out` as records of part 4, parents before children, until about
    /// `max_bytes` are appended. False when nothing is left (the end mark of part 5 is the caller's).
    pub fn snapshot_chunk(&mut self, id: SnapshotId, out: &mut Vec<u8>, max_bytes: usize) -> bool {
        let Some(snapshot) = self.snapshots.find(id) else { return false };
        let enough = out.len().saturating_add(max_bytes);
        // All of it comes before the walk goes on: it may hold the ancestors of what comes next.
        snapshot.take_aside(out, max_bytes);
        let (mut next, end) = (snapshot.next, snapshot.end);
        if !snapshot.aside.is_empty() {
            return true;
        }
        while next < end && out.len() < enough {
            if self.nodes.at(next).is_live() && self.lacks(id.place, next) {
                self.emit(id.place, next, out);
            }
            next += 1;
        }
        let snapshot = self.snapshots.find(id).expect("it is under way");
        snapshot.next = next;
        if next < end {
            return true;
        }
        self.snapshots.end(id.place);
        false
    }

    /// Bytes put aside for a snapshot: what changed since it began, and was not asked for yet.
    pub fn snapshot_bytes(&self, id: SnapshotId) -> usize {
        let snapshot = self.snapshots.places[usize::from(id.place)].as_ref();
        let snapshot = snapshot.filter(|snapshot| snapshot.number == id.number);
        snapshot.map_or(0, |snapshot| snapshot.aside.len() - snapshot.aside_taken)
    }

    /// Drops a snapshot that is under way.
    pub fn abort_snapshot(&mut self, id: SnapshotId) {
        if self.snapshots.find(id).is_some() {
            self.snapshots.end(id.place);
            self.snapshots.untidy |= bit(id.place);
        }
    }

    /// Puts a node's present form aside for the snapshots that still need it. Comes before every change of a node.
    pub(crate) fn preserve(&mut self, id: NodeId) {
        let mut lacking = (self.nodes.at(id).mark ^ self.snapshots.taken) & self.snapshots.active;
        while lacking != 0 {
            let place = lacking.trailing_zeros() as u8;
            lacking &= lacking - 1;
            let Some(snapshot) = &mut self.snapshots.places[usize::from(place)] else { continue };
            let mut aside = std::mem::take(&mut snapshot.aside);
            self.emit(place, id, &mut aside);
            if let Some(snapshot) = &mut self.snapshots.places[usize::from(place)] {
                snapshot.aside = aside;
            }
        }
    }

    /// Does the snapshot of this place not have the node yet?
    fn lacks(&self, place: u8, id: NodeId) -> bool {
        (self.nodes.at(id).mark ^ self.snapshots.taken) & bit(place) != 0
    }

    /// Writes a node's record after those of its ancestors that are not out yet, and marks them.
    fn emit(&mut self, place: u8, id: NodeId, out: &mut Vec<u8>) {
        let mut chain = vec![id];
        let mut at = id;
        while at != ROOT {
            at = self.nodes.at(at).parent;
            if !self.lacks(place, at) {
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
            self.nodes.at_mut(id).mark ^= bit(place);
            let node = self.nodes.at(id);
            let mut w = Writer::new(out);
            w.ustring(Some(&path[..end]));
            w.buffer(node.data());
            w.long(self.acls.id(node.acl));
            node.persisted().encode(&mut w);
        }
    }
}
