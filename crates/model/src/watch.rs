//! Watches: one list, searched from end to end (reference: client-protocol §7).

use crate::acl::allows;
use crate::path::parent;
use crate::tree::Model;
use crate::write::{Change, ChangeKind};
use std::collections::BTreeSet;
use wire::{Acl, Id, event_type, perms};

/// Which of the two tables.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum WatchTable {
    /// Set by getData, exists and addWatch.
    Data,
    /// Set by getChildren and by addWatch in persistent mode.
    Child,
}

/// How long it lasts and how far it reaches.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum WatchMode {
    /// Goes with its first event.
    Standard,
    /// Stays.
    Persistent,
    /// Stays, and reaches everything below; data table only.
    Recursive,
}

/// An event for one connection.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Event<C> {
    /// Whose.
    pub to: C,
    /// A number of [`event_type`].
    pub kind: i32,
    /// The node it is about.
    pub path: String,
}

/// Who watches what. `C` names connections.
#[derive(Clone, Debug)]
pub struct Watches<C>(BTreeSet<(C, String, WatchTable, WatchMode)>);

impl<C> Default for Watches<C> {
    fn default() -> Self {
        Watches(BTreeSet::new())
    }
}

impl<C: Copy + Ord> Watches<C> {
    /// Adds one.
    pub fn add(&mut self, conn: C, path: &str, table: WatchTable, mode: WatchMode) {
        self.0.insert((conn, path.to_owned(), table, mode));
    }

    /// addWatch: mode 0 is persistent, mode 1 recursive.
    pub fn add_watch(&mut self, conn: C, path: &str, mode: i32) {
        if mode == 1 {
            return self.add(conn, path, WatchTable::Data, WatchMode::Recursive);
        }
        for table in [WatchTable::Data, WatchTable::Child] {
            self.add(conn, path, table, WatchMode::Persistent);
        }
    }

    /// The connection is gone, and its watches with it.
    pub fn forget(&mut self, conn: C) {
        self.0.retain(|watch| watch.0 != conn);
    }

    /// checkWatches: is there one of the type?
    pub fn contains(&self, conn: C, path: &str, watch_type: i32) -> bool {
        self.0
            .iter()
            .any(|watch| watch.0 == conn && watch.1 == path && is_looked_at(watch_type, watch.2, watch.3))
    }

    /// removeWatches: takes away those of the type; false if there was none.
    pub fn remove(&mut self, conn: C, path: &str, watch_type: i32) -> bool {
        let found = self.contains(conn, path, watch_type);
        if found {
            self.0.retain(|watch| {
                let both = watch_type == 4 && watch.3 == WatchMode::Persistent;
                watch.0 != conn || watch.1 != path || !(both || is_looked_at(watch_type, watch.2, watch.3))
            });
        }
        found
    }

    /// setWatches and setWatches2: events for what was missed, watches for the rest. Of nodes that the caller may not
    /// read nothing is told.
    pub fn set(
        &mut self,
        conn: C,
        model: &Model,
        credentials: &[Id<'static>],
        lists: &wire::SetWatches<'_>,
    ) -> Vec<Event<C>> {
        let paths = |list: &Option<Vec<wire::Ustring<'_>>>| -> Vec<String> {
            list.iter().flatten().map(|path| path.clone().unwrap_or_default().into_owned()).collect()
        };
        let mut events = Vec::new();
        let mut missed = |path: &str, kind: Option<i32>| {
            let unreadable =
                model.node(path).is_some_and(|node| !allows(&node.acl, perms::READ, credentials));
            let kind = kind.filter(|_| !unreadable);
            events.extend(kind.map(|kind| Event { to: conn, kind, path: path.to_owned() }));
            kind.is_some()
        };
        for path in paths(&lists.data) {
            let changed = |stat: wire::Stat| {
                (stat.mzxid > lists.relative_zxid).then_some(event_type::NODE_DATA_CHANGED)
            };
            if !missed(&path, model.stat(&path).map_or(Some(event_type::NODE_DELETED), changed)) {
                self.add(conn, &path, WatchTable::Data, WatchMode::Standard);
            }
        }
        for path in paths(&lists.exist) {
            if !missed(&path, model.stat(&path).map(|_| event_type::NODE_CREATED)) {
                self.add(conn, &path, WatchTable::Data, WatchMode::Standard);
            }
        }
        for path in paths(&lists.child) {
            let changed = |stat: wire::Stat| {
                (stat.pzxid > lists.relative_zxid).then_some(event_type::NODE_CHILDREN_CHANGED)
            };
            if !missed(&path, model.stat(&path).map_or(Some(event_type::NODE_DELETED), changed)) {
                self.add(conn, &path, WatchTable::Child, WatchMode::Standard);
            }
        }
        paths(&lists.persistent).iter().for_each(|path| self.add_watch(conn, path, 0));
        paths(&lists.persistent_recursive).iter().for_each(|path| self.add_watch(conn, path, 1));
        events
    }

    /// What a change tells whom, in the order of the tables; within a table in the order of connections. `credentials`
    /// says what each connection may read.
    pub fn fire<'c>(
        &mut self,
        change: &Change,
        credentials: impl Fn(C) -> &'c [Id<'static>],
    ) -> Vec<Event<C>> {
        let path = change.path.as_str();
        let above = parent(path).unwrap_or("/");
        let mut events = Vec::new();
        let mut tell = |to: Vec<C>, kind, path: &str, acl: &[Acl<'_>]| {
            let readers = to.into_iter().filter(|conn| allows(acl, perms::READ, credentials(*conn)));
            events.extend(readers.map(|to| Event { to, kind, path: path.to_owned() }));
        };
        match change.kind {
            ChangeKind::DataChanged => {
                tell(self.take(path, WatchTable::Data), event_type::NODE_DATA_CHANGED, path, &change.acl);
            }
            ChangeKind::Created => {
                tell(self.take(path, WatchTable::Data), event_type::NODE_CREATED, path, &change.acl);
                tell(
                    self.take(above, WatchTable::Child),
                    event_type::NODE_CHILDREN_CHANGED,
                    above,
                    &change.parent_acl,
                );
            }
            ChangeKind::Deleted => {
                let first = self.take(path, WatchTable::Data);
                let mut second = self.take(path, WatchTable::Child);
                second.retain(|conn| !first.contains(conn));
                tell(first, event_type::NODE_DELETED, path, &change.acl);
                tell(second, event_type::NODE_DELETED, path, &change.acl);
                tell(
                    self.take(above, WatchTable::Child),
                    event_type::NODE_CHILDREN_CHANGED,
                    above,
                    &change.parent_acl,
                );
            }
        }
        events
    }

    /// The connections that a table has for a path; those that wanted one event are taken out.
    fn take(&mut self, path: &str, table: WatchTable) -> Vec<C> {
        let concerned = |(_, watched, of, mode): &(C, String, WatchTable, WatchMode)| {
            *of == table && (watched == path || (*mode == WatchMode::Recursive && is_below(path, watched)))
        };
        let conns: BTreeSet<C> =
            self.0.iter().filter(|watch| concerned(watch)).map(|watch| watch.0).collect();
        self.0.retain(|(_, watched, of, mode)| {
            !(*of == table && watched == path && *mode == WatchMode::Standard)
        });
        conns.into_iter().collect()
    }
}

/// Is it what checkWatches and removeWatches of the type look at?
fn is_looked_at(watch_type: i32, table: WatchTable, mode: WatchMode) -> bool {
    match watch_type {
        1 => table == WatchTable::Child && mode == WatchMode::Standard,
        2 => table == WatchTable::Data && mode == WatchMode::Standard,
        3 => true,
        4 => table == WatchTable::Data && mode == WatchMode::Persistent,
        5 => mode == WatchMode::Recursive,
        _ => false,
    }
}

/// Events name the root `/`: nothing is below the empty path.
fn is_below(path: &str, top: &str) -> bool {
    top == "/" || !top.is_empty() && path.strip_prefix(top).is_some_and(|rest| rest.starts_with('/'))
}
