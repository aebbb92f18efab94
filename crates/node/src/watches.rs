//! Who waits for what: the data and the child table (reference: client-protocol §7).
//!
//! One [`Watch`] is a pair of a path and a connection with its modes in both tables. It hangs in two lists, that of its
//! path and that of its connection, so that firing and closing cost what they touch. Recipients come in the order in
//! which they registered. Nothing here knows about ACLs or frames.

use crate::slab::{Slab, mix};
use hashbrown::HashTable;

/// One-shot.
pub(crate) const STANDARD: u8 = 1;
/// Stays.
pub(crate) const PERSISTENT: u8 = 2;
/// Stays, and hears the data events of the whole subtree; data table only.
pub(crate) const RECURSIVE: u8 = 4;

/// No entry.
const NONE: u32 = u32::MAX;

/// Which of the two tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Table {
    /// getData and exists.
    Data,
    /// getChildren.
    Child,
}

/// What checkWatches and removeWatches look for (reference: client-protocol §7.7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum WatchKind {
    Children,
    Data,
    Any,
    Persistent,
    Recursive,
}

impl WatchKind {
    /// The kind for a number on the wire.
    pub(crate) fn from_code(code: i32) -> Option<WatchKind> {
        use WatchKind::*;
        Some(match code {
            1 => Children,
            2 => Data,
            3 => Any,
            4 => Persistent,
            5 => Recursive,
            _ => return None,
        })
    }

    /// The modes looked at, in the data and in the child table.
    fn checked(self) -> [u8; 2] {
        match self {
            WatchKind::Children => [0, STANDARD],
            WatchKind::Data => [STANDARD, 0],
            WatchKind::Any => [u8::MAX, u8::MAX],
            WatchKind::Persistent => [PERSISTENT, 0],
            WatchKind::Recursive => [RECURSIVE, 0],
        }
    }

    /// The modes removed.
    fn removed(self) -> [u8; 2] {
        match self {
            WatchKind::Persistent => [PERSISTENT, PERSISTENT],
            other => other.checked(),
        }
    }
}

#[derive(Debug)]
struct Watch {
    path: u32,
    conn: u32,
    /// In the data and in the child table; both 0 only while the entry is being removed.
    modes: [u8; 2],
    /// The path's list.
    path_links: Links,
    /// The connection's list.
    conn_links: Links,
}

#[derive(Clone, Copy, Debug)]
struct Links {
    prev: u32,
    next: u32,
}

const UNLINKED: Links = Links { prev: NONE, next: NONE };

#[derive(Clone, Copy, Debug)]
struct List {
    first: u32,
    last: u32,
}

const EMPTY: List = List { first: NONE, last: NONE };

#[derive(Debug)]
struct WatchedPath {
    path: Box<str>,
    watches: List,
}

#[derive(Clone, Copy, Debug)]
struct ConnWatches {
    watches: List,
    /// How many entries the list has.
    count: u32,
    /// The last event this connection was counted in for: one per event, however many entries match.
    stamp: u64,
}

/// Both tables.
#[derive(Debug)]
pub(crate) struct Watches {
    seed: u64,
    paths: Slab<WatchedPath>,
    path_index: HashTable<u32>,
    entries: Slab<Watch>,
    /// By path and connection.
    pair_index: HashTable<u32>,
    /// By connection slot.
    conns: Vec<ConnWatches>,
    stamp: u64,
    /// Entries per table, for the gauges.
    counts: [usize; 2],
    /// Entries with the recursive mode: without any, ancestors need no look.
    recursive: usize,
}

impl Watches {
    /// Empty tables; `seed` decides the hash order, which nothing observes.
    pub(crate) fn new(seed: u64) -> Watches {
        Watches {
            seed,
            paths: Slab::default(),
            path_index: HashTable::new(),
            entries: Slab::default(),
            pair_index: HashTable::new(),
            conns: Vec::new(),
            stamp: 0,
            counts: [0; 2],
            recursive: 0,
        }
    }

    /// Entries of both tables together.
    pub(crate) fn count(&self) -> usize {
        self.counts[0] + self.counts[1]
    }

    /// Entries of one connection.
    pub(crate) fn count_of(&self, conn: u32) -> usize {
        self.conns.get(conn as usize).map_or(0, |c| c.count as usize)
    }

    /// Adds a mode.
    pub(crate) fn add(&mut self, conn: u32, path: &str, table: Table, mode: u8) {
        let path_id = self.intern(path);
        let entry = match self.pair(path_id, conn) {
            Some(entry) => entry,
            None => self.insert(path_id, conn),
        };
        let old = self.entries.at(entry).modes;
        let mut modes = old;
        modes[table as usize] |= mode;
        self.set_modes(entry, old, modes);
    }

    /// Is something of that kind registered?
    pub(crate) fn contains(&self, conn: u32, path: &str, kind: WatchKind) -> bool {
        let Some(entry) = self.lookup(path).and_then(|p| self.pair(p, conn)) else { return false };
        let (modes, checked) = (self.entries.at(entry).modes, kind.checked());
        modes[0] & checked[0] != 0 || modes[1] & checked[1] != 0
    }

    /// Removes everything of that kind; says whether [`Watches::contains`] held.
    pub(crate) fn remove(&mut self, conn: u32, path: &str, kind: WatchKind) -> bool {
        if !self.contains(conn, path, kind) {
            return false;
        }
        if let Some(entry) = self.lookup(path).and_then(|p| self.pair(p, conn)) {
            let (old, removed) = (self.entries.at(entry).modes, kind.removed());
            self.set_modes(entry, old, [old[0] & !removed[0], old[1] & !removed[1]]);
        }
        true
    }

    /// Forgets a connection's entries: it is closed, and its slot may be used again.
    pub(crate) fn remove_connection(&mut self, conn: u32) {
        while let Some(first) = self.conns.get(conn as usize).map(|c| c.watches.first)
            && first != NONE
        {
            let old = self.entries.at(first).modes;
            self.set_modes(first, old, [0; 2]);
        }
    }

    /// Starts a new event: each connection will be named once until the next call.
    pub(crate) fn begin_event(&mut self) {
        self.stamp += 1;
    }

    /// Appends who is to hear that something happened to `path`, consuming one-shot entries. In the data table
    /// that includes recursive entries on the path and its ancestors.
    pub(crate) fn fire(&mut self, table: Table, path: &str, out: &mut Vec<u32>) {
        if self.counts[table as usize] == 0 {
            return;
        }
        if let Some(path_id) = self.lookup(path) {
            self.fire_exact(table, path_id, out);
        }
        if table == Table::Data && self.recursive > 0 {
            let mut ancestor = path;
            while let Some(parent) = parent_of(ancestor) {
                if let Some(path_id) = self.lookup(parent) {
                    self.fire_recursive(path_id, out);
                }
                ancestor = parent;
            }
        }
    }

    fn fire_exact(&mut self, table: Table, path_id: u32, out: &mut Vec<u32>) {
        let mut next = self.paths.at(path_id).watches.first;
        while next != NONE {
            let entry = next;
            let watch = self.entries.at(entry);
            next = watch.path_links.next;
            let (old, conn) = (watch.modes, watch.conn);
            if old[table as usize] == 0 {
                continue;
            }
            self.name_once(conn, out);
            let mut modes = old;
            modes[table as usize] &= !STANDARD;
            self.set_modes(entry, old, modes);
        }
    }

    fn fire_recursive(&mut self, path_id: u32, out: &mut Vec<u32>) {
        let mut next = self.paths.at(path_id).watches.first;
        while next != NONE {
            let watch = self.entries.at(next);
            next = watch.path_links.next;
            let (modes, conn) = (watch.modes, watch.conn);
            if modes[Table::Data as usize] & RECURSIVE != 0 {
                self.name_once(conn, out);
            }
        }
    }

    fn name_once(&mut self, conn: u32, out: &mut Vec<u32>) {
        let stamp = &mut self.conns[conn as usize].stamp;
        if *stamp != self.stamp {
            *stamp = self.stamp;
            out.push(conn);
        }
    }

    /// The data table by connection: pairs of a slot and a path, in the order of slots and registration. The
    /// operator's commands look at this table only, as Apache's do.
    pub(crate) fn data_entries(&self) -> impl Iterator<Item = (u32, &str)> {
        (0..self.conns.len() as u32).flat_map(move |conn| {
            let mut next = self.conns[conn as usize].watches.first;
            std::iter::from_fn(move || {
                while next != NONE {
                    let watch = self.entries.at(next);
                    next = watch.conn_links.next;
                    if watch.modes[Table::Data as usize] != 0 {
                        return Some((conn, &*self.paths.at(watch.path).path));
                    }
                }
                None
            })
        })
    }

    fn set_modes(&mut self, entry: u32, old: [u8; 2], new: [u8; 2]) {
        for table in 0..2 {
            self.counts[table] += usize::from(new[table] != 0);
            self.counts[table] -= usize::from(old[table] != 0);
        }
        self.recursive += usize::from(new[0] & RECURSIVE != 0);
        self.recursive -= usize::from(old[0] & RECURSIVE != 0);
        self.entries.at_mut(entry).modes = new;
        if new == [0; 2] {
            self.unlink(entry);
        }
    }

    fn intern(&mut self, path: &str) -> u32 {
        if let Some(id) = self.lookup(path) {
            return id;
        }
        let id = self.paths.insert(WatchedPath { path: path.into(), watches: EMPTY });
        let (seed, paths) = (self.seed, &self.paths);
        self.path_index.insert_unique(hash_path(seed, path), id, |&id| hash_path(seed, &paths.at(id).path));
        id
    }

    fn lookup(&self, path: &str) -> Option<u32> {
        self.path_index.find(hash_path(self.seed, path), |&id| &*self.paths.at(id).path == path).copied()
    }

    fn pair(&self, path_id: u32, conn: u32) -> Option<u32> {
        let same = |&entry: &u32| {
            let watch = self.entries.at(entry);
            watch.path == path_id && watch.conn == conn
        };
        self.pair_index.find(hash_pair(self.seed, path_id, conn), same).copied()
    }

    fn insert(&mut self, path_id: u32, conn: u32) -> u32 {
        if self.conns.len() <= conn as usize {
            self.conns.resize(conn as usize + 1, ConnWatches { watches: EMPTY, count: 0, stamp: 0 });
        }
        let watch = Watch { path: path_id, conn, modes: [0; 2], path_links: UNLINKED, conn_links: UNLINKED };
        let entry = self.entries.insert(watch);
        let (seed, entries) = (self.seed, &self.entries);
        self.pair_index.insert_unique(hash_pair(seed, path_id, conn), entry, |&e| {
            let watch = entries.at(e);
            hash_pair(seed, watch.path, watch.conn)
        });
        append(&mut self.paths.at_mut(path_id).watches, entry, &mut self.entries, |w| &mut w.path_links);
        let of_conn = &mut self.conns[conn as usize];
        of_conn.count += 1;
        append(&mut of_conn.watches, entry, &mut self.entries, |w| &mut w.conn_links);
        entry
    }

    fn unlink(&mut self, entry: u32) {
        let (path_id, conn) = (self.entries.at(entry).path, self.entries.at(entry).conn);
        let list = &mut self.paths.at_mut(path_id).watches;
        detach(list, entry, &mut self.entries, |w| &mut w.path_links);
        let path_unused = list.first == NONE;
        let of_conn = &mut self.conns[conn as usize];
        of_conn.count -= 1;
        detach(&mut of_conn.watches, entry, &mut self.entries, |w| &mut w.conn_links);
        let found = self.pair_index.find_entry(hash_pair(self.seed, path_id, conn), |&e| e == entry);
        found.expect("every entry is indexed").remove();
        self.entries.remove(entry);
        if path_unused {
            let hash = hash_path(self.seed, &self.paths.at(path_id).path);
            let found = self.path_index.find_entry(hash, |&id| id == path_id);
            found.expect("every path is indexed").remove();
            self.paths.remove(path_id);
        }
    }
}

/// The parent's path; none for the root and for what is no path.
fn parent_of(path: &str) -> Option<&str> {
    match path.rfind('/')? {
        0 if path.len() == 1 => None,
        0 => Some("/"),
        at => Some(&path[..at]),
    }
}

fn append(list: &mut List, entry: u32, entries: &mut Slab<Watch>, links: fn(&mut Watch) -> &mut Links) {
    *links(entries.at_mut(entry)) = Links { prev: list.last, next: NONE };
    match list.last {
        NONE => list.first = entry,
        last => links(entries.at_mut(last)).next = entry,
    }
    list.last = entry;
}

fn detach(list: &mut List, entry: u32, entries: &mut Slab<Watch>, links: fn(&mut Watch) -> &mut Links) {
    let Links { prev, next } = *links(entries.at_mut(entry));
    match prev {
        NONE => list.first = next,
        prev => links(entries.at_mut(prev)).next = next,
    }
    match next {
        NONE => list.last = prev,
        next => links(entries.at_mut(next)).prev = prev,
    }
}

/// Eight bytes at a time through a multiplication; seeded so that nobody can prepare collisions.
fn hash_path(seed: u64, path: &str) -> u64 {
    let mut hash = seed ^ path.len() as u64;
    let mut chunks = path.as_bytes().chunks_exact(8);
    for chunk in &mut chunks {
        hash = mix(hash ^ u64::from_le_bytes(chunk.try_into().expect("8 bytes")));
    }
    let mut last = [0; 8];
    last[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
    mix(hash ^ u64::from_le_bytes(last))
}

fn hash_pair(seed: u64, path_id: u32, conn: u32) -> u64 {
    mix(seed ^ (u64::from(path_id) << 32) ^ u64::from(conn))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fired(watches: &mut Watches, table: Table, path: &str) -> Vec<u32> {
        let mut out = Vec::new();
        watches.begin_event();
        watches.fire(table, path, &mut out);
        out
    }

    #[test]
    fn one_shot_entries_fire_once_in_order_of_registration() {
        let mut watches = Watches::new(1);
        for conn in [3, 1, 2, 1] {
            watches.add(conn, "/a", Table::Data, STANDARD);
        }
        assert_eq!(watches.count(), 3);
        assert_eq!(fired(&mut watches, Table::Child, "/a"), []);
        assert_eq!(fired(&mut watches, Table::Data, "/a"), [3, 1, 2]);
        assert_eq!(fired(&mut watches, Table::Data, "/a"), []);
        assert_eq!((watches.count(), watches.paths.len(), watches.entries.len()), (0, 0, 0));
    }

    #[test]
    fn several_modes_on_one_path_are_one_event() {
        let mut watches = Watches::new(1);
        watches.add(1, "/a", Table::Data, STANDARD);
        watches.add(1, "/a", Table::Data, PERSISTENT);
        watches.add(1, "/", Table::Data, RECURSIVE);
        assert_eq!(fired(&mut watches, Table::Data, "/a"), [1]);
        assert!(!watches.contains(1, "/a", WatchKind::Data), "the one-shot mode is gone");
        assert!(watches.contains(1, "/a", WatchKind::Persistent));
        assert_eq!(fired(&mut watches, Table::Data, "/a"), [1]);
    }

    #[test]
    fn recursive_entries_hear_of_the_subtree_in_the_data_table_only() {
        let mut watches = Watches::new(1);
        watches.add(1, "/a", Table::Data, RECURSIVE);
        watches.add(2, "/", Table::Data, RECURSIVE);
        watches.add(3, "/a/b", Table::Child, STANDARD);
        assert_eq!(fired(&mut watches, Table::Data, "/a/b/c"), [1, 2]);
        assert_eq!(fired(&mut watches, Table::Data, "/ab"), [2]);
        assert_eq!(fired(&mut watches, Table::Data, "/"), [2]);
        assert_eq!(fired(&mut watches, Table::Child, "/a/b"), [3]);
    }

    #[test]
    fn removing_names_kinds() {
        let mut watches = Watches::new(1);
        let everything = |watches: &mut Watches| {
            watches.add(1, "/a", Table::Data, STANDARD | PERSISTENT | RECURSIVE);
            watches.add(1, "/a", Table::Child, STANDARD | PERSISTENT);
        };
        everything(&mut watches);
        for kind in [WatchKind::Data, WatchKind::Children, WatchKind::Recursive, WatchKind::Persistent] {
            assert!(watches.remove(1, "/a", kind), "{kind:?}");
            assert!(!watches.remove(1, "/a", kind), "{kind:?} twice");
        }
        assert_eq!(watches.count(), 0);
        everything(&mut watches);
        assert!(!watches.remove(2, "/a", WatchKind::Any));
        assert!(watches.remove(1, "/a", WatchKind::Any));
        assert_eq!((watches.count(), watches.recursive), (0, 0));
    }

    #[test]
    fn a_closed_connection_leaves_nothing() {
        let mut watches = Watches::new(1);
        for path in ["/a", "/b", "/c"] {
            watches.add(1, path, Table::Data, STANDARD);
            watches.add(1, path, Table::Child, STANDARD);
            watches.add(2, path, Table::Data, PERSISTENT);
        }
        assert_eq!(watches.count_of(1), 3);
        watches.remove_connection(1);
        assert_eq!((watches.count(), watches.count_of(1)), (3, 0));
        assert_eq!(watches.data_entries().collect::<Vec<_>>(), [(2, "/a"), (2, "/b"), (2, "/c")]);
    }
}
