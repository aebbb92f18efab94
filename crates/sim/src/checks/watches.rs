//! What each connection is to be told: the model's watches, along the committed transactions.

use super::timeline::Timeline;
use model::{WatchMode, WatchTable, Watches};
use std::collections::VecDeque;
use std::rc::Rc;
use wire::{ErrorCode, Id, Request, SetWatches, Ustring, Zxid};

/// An event: its transaction, its kind, its node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Due {
    /// -1 for what setWatches makes up for.
    pub(crate) zxid: Zxid,
    pub(crate) kind: i32,
    pub(crate) path: String,
}

/// The watches of one connection.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    watches: Watches<()>,
    is_empty: bool,
    credentials: Rc<[Id<'static>]>,
    /// How many transactions have been looked at.
    at: usize,
    /// Not told yet, in order.
    pub(crate) due: VecDeque<Due>,
}

impl Watched {
    pub(crate) fn new(credentials: Rc<[Id<'static>]>) -> Watched {
        Watched { watches: Watches::default(), is_empty: true, credentials, at: 0, due: VecDeque::new() }
    }

    /// The server is at `zxid`: everything up to it is due.
    pub(crate) fn advance(&mut self, zxid: Zxid, timeline: &Timeline) {
        let upto = timeline.count(zxid);
        if !self.is_empty {
            for step in timeline.steps().get(self.at..upto).unwrap_or_default() {
                for change in &step.changes {
                    let events = self.watches.fire(change, |()| &self.credentials);
                    self.due.extend(events.into_iter().map(|event| Due {
                        zxid: step.zxid,
                        kind: event.kind,
                        path: event.path,
                    }));
                }
            }
        }
        self.at = self.at.max(upto);
    }

    /// A request has been answered at the state that was advanced to: what it registers, and what it takes away.
    pub(crate) fn registered(&mut self, request: &Request<'_>, err: i32) {
        let ok = err == 0;
        let no_node = err == ErrorCode::NoNode.code();
        let (path, table) = match request {
            Request::GetData { path, watch: true } if ok => (path, WatchTable::Data),
            Request::Exists { path, watch: true } if ok || no_node => (path, WatchTable::Data),
            Request::GetChildren { path, watch: true } | Request::GetChildren2 { path, watch: true }
                if ok =>
            {
                (path, WatchTable::Child)
            }
            Request::AddWatch { path, mode } if ok => {
                self.is_empty = false;
                return self.watches.add_watch((), text(path), *mode);
            }
            Request::RemoveWatches { path, watch_type } => {
                self.watches.remove((), text(path), *watch_type);
                return;
            }
            _ => return,
        };
        self.is_empty = false;
        self.watches.add((), text(path), table, WatchMode::Standard);
    }

    /// Is there a watch as checkWatches and removeWatches look for it?
    pub(crate) fn has(&self, path: &Ustring<'_>, watch_type: i32) -> bool {
        self.watches.contains((), text(path), watch_type)
    }

    /// setWatches at the state that was advanced to: what it must tell at once.
    pub(crate) fn set(&mut self, zxid: Zxid, lists: &SetWatches<'_>, timeline: &mut Timeline) -> Vec<Due> {
        self.is_empty = false;
        let events = self.watches.set((), timeline.at(zxid), &self.credentials, lists);
        let due = |event: model::Event<()>| Due { zxid: Zxid(-1), kind: event.kind, path: event.path };
        events.into_iter().map(due).collect()
    }
}

fn text<'a>(path: &'a Ustring<'_>) -> &'a str {
    path.as_deref().unwrap_or_default()
}
