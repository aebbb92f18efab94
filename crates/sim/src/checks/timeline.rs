//! The reference model along the one sequence of committed transactions, with every earlier state at hand.

use super::requests::{Name, Write};
use model::{Change, Context, Model, Options, Znode};
use std::collections::{BTreeMap, BTreeSet};
use wire::{ErrorCode, Request, Response, SessionId, Txn, TxnRecord, Zxid};

/// What the model says of one transaction.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) zxid: Zxid,
    /// What watches are told, in this order.
    pub(crate) changes: Vec<Change>,
    /// The answer to whoever asked; none where nobody gets one.
    pub(crate) answer: Option<Result<Response<'static>, ErrorCode>>,
    edits: Vec<Edit>,
}

#[derive(Clone, Debug)]
struct Edit {
    path: String,
    before: Option<Znode>,
    after: Option<Znode>,
}

/// All steps so far.
#[derive(Clone, Debug)]
pub(crate) struct Timeline {
    /// Behind the last step.
    now: Model,
    /// Where somebody looked last: behind that many steps.
    then: Model,
    then_at: usize,
    steps: Vec<Step>,
    by_name: BTreeMap<Name, usize>,
    /// There are sessions that only their own server knows.
    local_sessions: bool,
    /// Some servers learn from followers.
    observer_masters: bool,
}

impl Timeline {
    pub(crate) fn new(options: Options) -> Timeline {
        let (now, then) = (Model::new(options), Model::new(options));
        let by_name = BTreeMap::new();
        let (then_at, steps) = (0, Vec::new());
        let (local_sessions, observer_masters) = (false, false);
        Timeline { now, then, then_at, steps, by_name, local_sessions, observer_masters }
    }

    /// From now on there are sessions that only their own server knows.
    pub(crate) fn allow_local_sessions(&mut self) {
        self.local_sessions = true;
    }

    /// From now on there are servers that learn from followers.
    pub(crate) fn allow_observer_masters(&mut self) {
        self.observer_masters = true;
    }

    /// The last committed transaction.
    pub(crate) fn last(&self) -> Zxid {
        self.steps.last().map_or(Zxid::ZERO, |step| step.zxid)
    }

    /// The state behind the last one.
    pub(crate) fn now(&self) -> &Model {
        &self.now
    }

    /// A request's transaction.
    pub(crate) fn of(&self, name: Name) -> Option<&Step> {
        self.by_name.get(&name).map(|at| &self.steps[*at])
    }

    /// The first of these requests that is a transaction.
    pub(crate) fn first_of(
        &self,
        session: SessionId,
        xids: impl IntoIterator<Item = i32>,
    ) -> Option<(i32, Zxid)> {
        xids.into_iter().find_map(|xid| self.of((session, xid)).map(|step| (xid, step.zxid)))
    }

    /// How many transactions there are up to `zxid`.
    pub(crate) fn count(&self, zxid: Zxid) -> usize {
        self.steps.partition_point(|step| step.zxid <= zxid)
    }

    /// The transactions in their order.
    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// A follower that observers learn from sends something else in the place of a request that comes through an observer
    /// whose client has left it: it fails with BADARGUMENTS at every leader. Nobody is told.
    fn is_stand_in(&self, txn: &Txn<'_>, context: &Context<'_>, request: &Request<'_>) -> bool {
        let bad = ErrorCode::BadArguments;
        self.observer_masters
            && *txn == Txn::Error { code: bad.code() }
            && self.now.clone().write(context, request).answer != Err(bad)
    }

    /// Can a server be there? It can be behind any committed transaction, and where a new epoch begins.
    pub(crate) fn is_reached(&self, zxid: Zxid) -> bool {
        zxid <= self.last() || zxid.counter() == 0
    }

    /// The state behind `zxid`.
    pub(crate) fn at(&mut self, zxid: Zxid) -> &Model {
        self.seek(self.count(zxid));
        &self.then
    }

    fn seek(&mut self, at: usize) {
        while self.then_at > at {
            self.then_at -= 1;
            for edit in self.steps[self.then_at].edits.iter().rev() {
                self.then.put(&edit.path, edit.before.clone());
            }
        }
        while self.then_at < at {
            for edit in &self.steps[self.then_at].edits {
                self.then.put(&edit.path, edit.after.clone());
            }
            self.then_at += 1;
        }
    }

    /// The next transaction; `write` is what was asked for, unless the server did it by itself.
    pub(crate) fn push(&mut self, record: &TxnRecord<'_>, write: Option<&Write>) -> &Step {
        self.seek(self.steps.len());
        let header = &record.header;
        let context = Context {
            zxid: header.zxid.0,
            time_ms: header.time_ms,
            session: header.client_id.0,
            credentials: write.map_or(&[][..], |write| &write.credentials),
        };
        // Of a session that it does not know a leader cannot tell whether it is a local one of another server or is over.
        self.now.admit_strangers(self.local_sessions && !refuses_session(&record.txn));
        let (mut changes, mut answer, mut touched) = (Vec::new(), None, BTreeSet::new());
        match (&record.txn, write) {
            (txn, _) if is_moved(txn) => {}
            (txn, Some(write)) if self.is_stand_in(txn, &context, &write.request) => {}
            (_, Some(write)) => {
                let outcome = self.now.write(&context, &write.request);
                (changes, answer) = (outcome.changes, Some(outcome.answer));
                if let Request::SetAcl { path: Some(path), .. } = &*write.request {
                    touched.insert(path.clone().into_owned());
                }
            }
            (Txn::CreateSession { timeout_ms }, None) => {
                self.now.write(&context, &Request::CreateSession { timeout_ms: *timeout_ms });
            }
            (Txn::CloseSession { .. }, None) => {
                changes = self.now.write(&context, &Request::CloseSession).changes;
            }
            (Txn::DeleteContainer { path: Some(path) }, None) => {
                changes = self.now.remove_empty(header.zxid.0, path);
            }
            _ => {}
        }
        for change in &changes {
            let above = change.path.rfind('/').filter(|at| *at > 0).map_or("/", |at| &change.path[..at]);
            touched.extend([above.to_owned(), change.path.clone()]);
        }
        if !changes.is_empty() {
            touched.extend(self.now.usage_nodes());
        }
        let edits = touched.into_iter().map(|path| Edit {
            before: self.then.node(&path).cloned(),
            after: self.now.node(&path).cloned(),
            path,
        });
        let step = Step { zxid: header.zxid, changes, answer, edits: edits.collect() };
        if write.is_some() {
            self.by_name.insert((header.client_id, header.cxid), self.steps.len());
        }
        self.steps.push(step);
        self.steps.last().expect("just pushed")
    }
}

/// Was it refused because the session lives elsewhere by now? Nobody is told.
pub(crate) fn is_moved(txn: &Txn<'_>) -> bool {
    let moved = |txn: &Txn<'_>| *txn == Txn::Error { code: ErrorCode::SessionMoved.code() };
    moved(txn) || matches!(txn, Txn::Multi { ops } if ops.iter().any(moved))
}

/// Was it refused because there is no such session?
fn refuses_session(txn: &Txn<'_>) -> bool {
    let refused = |txn: &Txn<'_>| *txn == Txn::Error { code: ErrorCode::SessionExpired.code() };
    refused(txn) || matches!(txn, Txn::Multi { ops } if ops.first().is_some_and(refused))
}

/// Does it change anything?
pub(crate) fn has_effect(txn: &Txn<'_>) -> bool {
    let fails = |txn: &Txn<'_>| matches!(txn, Txn::Error { .. });
    !fails(txn) && !matches!(txn, Txn::Multi { ops } if ops.iter().any(fails))
}
