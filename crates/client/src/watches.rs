//! The watches of a session, to be set again on its next connection (reference: client-protocol §7).

use std::collections::{BTreeMap, BTreeSet};
use wire::{ErrorCode, Request, SetWatches, Ustring, WatcherEvent, event_type};

/// Path bytes in one setWatches request, as client libraries do it.
const BATCH_BYTES: usize = 128 << 10;

/// The lists of a setWatches request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Kind {
    Data,
    Exist,
    Child,
    Persistent,
    PersistentRecursive,
}

/// What is being watched, and what has been asked for.
#[derive(Debug, Default)]
pub struct Watches {
    set: BTreeSet<(Kind, String)>,
    asked: BTreeMap<i32, Asked>,
}

#[derive(Debug)]
enum Asked {
    /// The kind when the answer is good, and when it is NONODE.
    Set(Kind, Option<Kind>, String),
    Remove(i32, String),
}

impl Watches {
    /// A request goes out.
    pub fn asked(&mut self, xid: i32, request: &Request<'_>) {
        let (kind, missing, path) = match request {
            Request::GetData { path: Some(path), watch: true } => (Kind::Data, None, path),
            Request::Exists { path: Some(path), watch: true } => (Kind::Data, Some(Kind::Exist), path),
            Request::GetChildren { path: Some(path), watch: true } => (Kind::Child, None, path),
            Request::GetChildren2 { path: Some(path), watch: true } => (Kind::Child, None, path),
            Request::AddWatch { path: Some(path), mode: 0 } => (Kind::Persistent, None, path),
            Request::AddWatch { path: Some(path), mode: 1 } => (Kind::PersistentRecursive, None, path),
            Request::RemoveWatches { path: Some(path), watch_type } => {
                self.asked.insert(xid, Asked::Remove(*watch_type, path.to_string()));
                return;
            }
            _ => return,
        };
        self.asked.insert(xid, Asked::Set(kind, missing, path.to_string()));
    }

    /// Its answer has come.
    pub fn answered(&mut self, xid: i32, err: i32) {
        match self.asked.remove(&xid) {
            Some(Asked::Set(kind, _, path)) if err == 0 => {
                self.set.insert((kind, path));
            }
            Some(Asked::Set(_, Some(kind), path)) if err == ErrorCode::NoNode.code() => {
                self.set.insert((kind, path));
            }
            Some(Asked::Remove(watch_type, path)) if err == 0 => {
                self.set.retain(|(kind, set)| *set != path || !kind.is_of_type(watch_type));
            }
            _ => {}
        }
    }

    /// The connection is gone, and the answers with it.
    pub fn forget_asked(&mut self) {
        self.asked.clear();
    }

    /// A watch fired: the one-shot ones it uses up are gone.
    pub fn fired(&mut self, event: &WatcherEvent<'_>) {
        let Some(path) = event.path.as_deref() else { return };
        let kinds: &[Kind] = match event.event_type {
            event_type::NODE_CREATED => &[Kind::Exist, Kind::Data],
            event_type::NODE_DATA_CHANGED => &[Kind::Exist, Kind::Data],
            event_type::NODE_DELETED => &[Kind::Exist, Kind::Data, Kind::Child],
            event_type::NODE_CHILDREN_CHANGED => &[Kind::Child],
            _ => &[],
        };
        for kind in kinds {
            self.set.remove(&(*kind, path.to_owned()));
        }
    }

    /// The requests that set everything again.
    pub fn batches(&self, relative_zxid: i64) -> Vec<SetWatches<'static>> {
        let mut out: Vec<SetWatches<'static>> = Vec::new();
        let mut bytes = BATCH_BYTES;
        for (kind, path) in &self.set {
            bytes += path.len();
            if bytes >= BATCH_BYTES {
                let none = || Some(Vec::new());
                out.push(SetWatches {
                    relative_zxid,
                    data: none(),
                    exist: none(),
                    child: none(),
                    persistent: none(),
                    persistent_recursive: none(),
                });
                bytes = path.len();
            }
            if let Some(batch) = out.last_mut() {
                let list: &mut Option<Vec<Ustring<'static>>> = match kind {
                    Kind::Data => &mut batch.data,
                    Kind::Exist => &mut batch.exist,
                    Kind::Child => &mut batch.child,
                    Kind::Persistent => &mut batch.persistent,
                    Kind::PersistentRecursive => &mut batch.persistent_recursive,
                };
                list.get_or_insert_default().push(Some(path.clone().into()));
            }
        }
        out
    }
}

impl Kind {
    /// Is it what removeWatches of this type clears?
    fn is_of_type(self, watch_type: i32) -> bool {
        match watch_type {
            1 => self == Kind::Child,
            2 => matches!(self, Kind::Data | Kind::Exist),
            3 => true,
            4 => self == Kind::Persistent,
            5 => self == Kind::PersistentRecursive,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(requests: &[(Request<'_>, i32)]) -> Watches {
        let mut watches = Watches::default();
        for (xid, (request, err)) in requests.iter().enumerate() {
            watches.asked(xid as i32, request);
            watches.answered(xid as i32, *err);
        }
        watches
    }

    fn path(p: &str) -> Ustring<'_> {
        Some(p.into())
    }

    #[test]
    fn what_was_set_is_set_again() {
        let watches = after(&[
            (Request::GetData { path: path("/a"), watch: true }, 0),
            (Request::GetData { path: path("/no"), watch: true }, -101),
            (Request::Exists { path: path("/later"), watch: true }, -101),
            (Request::GetChildren2 { path: path("/c"), watch: true }, 0),
            (Request::GetChildren2 { path: path("/d"), watch: false }, 0),
            (Request::AddWatch { path: path("/p"), mode: 0 }, 0),
            (Request::AddWatch { path: path("/r"), mode: 1 }, 0),
        ]);
        let batches = watches.batches(7);
        assert_eq!(batches.len(), 1);
        let lists = [
            &batches[0].data,
            &batches[0].exist,
            &batches[0].child,
            &batches[0].persistent,
            &batches[0].persistent_recursive,
        ];
        for (list, expected) in lists.into_iter().zip(["/a", "/later", "/c", "/p", "/r"]) {
            assert_eq!(list.as_deref(), Some([path(expected)].as_slice()));
        }
        assert!(Watches::default().batches(0).is_empty());
    }

    #[test]
    fn one_shot_watches_are_used_up_and_removed_ones_gone() {
        let mut watches = after(&[
            (Request::GetData { path: path("/a"), watch: true }, 0),
            (Request::AddWatch { path: path("/a"), mode: 0 }, 0),
            (Request::AddWatch { path: path("/a"), mode: 1 }, 0),
            (Request::RemoveWatches { path: path("/a"), watch_type: 5 }, 0),
            (Request::RemoveWatches { path: path("/a"), watch_type: 1 }, -121),
        ]);
        watches.fired(&WatcherEvent { event_type: 3, state: 3, path: path("/a") });
        assert_eq!(watches.set.into_iter().collect::<Vec<_>>(), [(Kind::Persistent, "/a".into())]);
    }

    #[test]
    fn many_paths_go_in_several_requests() {
        let long = "/".repeat(50 << 10);
        let mut watches = Watches::default();
        for i in 0..5 {
            watches.set.insert((Kind::Data, format!("{long}{i}")));
        }
        let sizes: Vec<usize> =
            watches.batches(1).iter().map(|b| b.data.as_ref().map_or(0, Vec::len)).collect();
        assert_eq!(sizes, [2, 2, 1]);
    }
}
