//! A client's own list of its watches, from which it sets them again on another connection (reference: client-protocol
//! §2.6, §7.6; the rules are those of the Java client).

use std::collections::BTreeSet;
use wire::{ErrorCode, Request, SetWatches, Ustring, event_type};

type Paths = BTreeSet<String>;

/// What the client watches, as far as it knows.
#[derive(Clone, Default, Debug)]
pub(crate) struct Watching {
    data: Paths,
    exist: Paths,
    child: Paths,
    persistent: Paths,
    recursive: Paths,
}

impl Watching {
    /// A request has been answered.
    pub(crate) fn answered(&mut self, request: &Request<'_>, err: i32) {
        let ok = err == 0;
        match request {
            Request::GetData { path, watch: true } if ok => add(&mut self.data, path),
            Request::Exists { path, watch: true } if ok => add(&mut self.data, path),
            Request::Exists { path, watch: true } if err == ErrorCode::NoNode.code() => {
                add(&mut self.exist, path);
            }
            Request::GetChildren { path, watch: true } | Request::GetChildren2 { path, watch: true }
                if ok =>
            {
                add(&mut self.child, path);
            }
            Request::AddWatch { path, mode: 0 } if ok => add(&mut self.persistent, path),
            Request::AddWatch { path, mode: 1 } if ok => add(&mut self.recursive, path),
            Request::RemoveWatches { path, watch_type } if ok => {
                self.removed(path.as_deref().unwrap_or_default(), *watch_type);
            }
            _ => {}
        }
    }

    fn removed(&mut self, path: &str, watch_type: i32) {
        let [data, exist, child] = [&mut self.data, &mut self.exist, &mut self.child];
        let (persistent, recursive) = (&mut self.persistent, &mut self.recursive);
        let lists: Vec<&mut Paths> = match watch_type {
            1 => vec![child],
            2 => vec![data, exist],
            3 => vec![data, exist, child, persistent, recursive],
            4 => vec![persistent],
            5 => vec![recursive],
            _ => vec![],
        };
        for list in lists {
            list.remove(path);
        }
    }

    /// An event has come: one-shot watches are used up.
    pub(crate) fn notified(&mut self, kind: i32, path: &str) {
        if kind == event_type::NODE_CHILDREN_CHANGED {
            self.child.remove(path);
            return;
        }
        self.data.remove(path);
        self.exist.remove(path);
        if kind == event_type::NODE_DELETED {
            self.child.remove(path);
        }
    }

    /// One of the nodes with a watch, and a type of watch that it has.
    pub(crate) fn any(&self, at: u64) -> Option<(&str, i32)> {
        let lists = [
            (&self.data, 2),
            (&self.exist, 2),
            (&self.child, 1),
            (&self.persistent, 4),
            (&self.recursive, 5),
        ];
        let all = lists.iter().flat_map(|(list, kind)| list.iter().map(|path| (path.as_str(), *kind)));
        let count = lists.iter().map(|(list, _)| list.len()).sum::<usize>() as u64;
        all.clone().nth((at % count.max(1)) as usize)
    }

    /// The requests that set everything again, each of about `bytes` of paths. Without persistent ones it is setWatches.
    pub(crate) fn again(&self, relative_zxid: i64, bytes: usize) -> Vec<Request<'static>> {
        let lists = [&self.data, &self.exist, &self.child, &self.persistent, &self.recursive];
        let mut todo =
            lists.iter().enumerate().flat_map(|(at, list)| list.iter().map(move |path| (at, path)));
        let mut requests = Vec::new();
        loop {
            let (mut batch, mut used): ([Vec<Ustring<'static>>; 5], usize) = Default::default();
            while used < bytes
                && let Some((at, path)) = todo.next()
            {
                used += path.len();
                batch[at].push(Some(path.clone().into()));
            }
            if used == 0 {
                return requests;
            }
            requests.push(set_watches(relative_zxid, batch));
        }
    }
}

fn add(list: &mut Paths, path: &Ustring<'_>) {
    list.extend(path.as_deref().map(str::to_owned));
}

fn set_watches(relative_zxid: i64, batch: [Vec<Ustring<'static>>; 5]) -> Request<'static> {
    let [data, exist, child, persistent, recursive] = batch;
    let old = persistent.is_empty() && recursive.is_empty();
    let lists = SetWatches {
        relative_zxid,
        data: Some(data),
        exist: Some(exist),
        child: Some(child),
        persistent: (!old).then_some(persistent),
        persistent_recursive: (!old).then_some(recursive),
    };
    if old { Request::SetWatches(lists) } else { Request::SetWatches2(lists) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exists(path: &'static str) -> Request<'static> {
        Request::Exists { path: Some(path.into()), watch: true }
    }

    #[test]
    fn what_was_answered_is_set_again_until_its_event_comes() {
        let mut watching = Watching::default();
        watching.answered(&exists("/a"), 0);
        watching.answered(&exists("/b"), ErrorCode::NoNode.code());
        watching.answered(&exists("/c"), ErrorCode::NoAuth.code());
        let [Request::SetWatches(lists)] = &watching.again(7, 1000)[..] else { panic!("one request") };
        assert_eq!((lists.relative_zxid, &lists.data), (7, &Some(vec![Some("/a".into())])));
        assert_eq!(lists.exist, Some(vec![Some("/b".into())]));
        watching.notified(event_type::NODE_DATA_CHANGED, "/a");
        watching.notified(event_type::NODE_CREATED, "/b");
        assert!(watching.again(7, 1000).is_empty());
    }

    #[test]
    fn persistent_watches_stay_and_need_the_newer_request() {
        let mut watching = Watching::default();
        for mode in [0, 1] {
            watching.answered(&Request::AddWatch { path: Some("/a".into()), mode }, 0);
        }
        watching.notified(event_type::NODE_DELETED, "/a");
        assert!(matches!(watching.again(7, 1000)[..], [Request::SetWatches2(_)]));
        assert_eq!(watching.again(7, 1).len(), 2, "in batches of one path");
        watching.answered(&Request::RemoveWatches { path: Some("/a".into()), watch_type: 3 }, 0);
        assert!(watching.again(7, 1000).is_empty());
    }
}
