//! C1, linearizable writes: there is one sequence of writes, each is one request of one client, each answer is what the
//! model says at that place, and a write that was asked for after another one's answer comes behind it
//! (reference: simulation §2.8 C1; client-protocol §10.3).

use super::multi_atomicity::is_whole;
use super::requests::{Name, Write};
use super::timeline::{Step, Timeline};
use super::{Violation, shown};
use std::collections::BTreeMap;
use wire::{ErrorCode, MultiResult, Reader, Request, Response, SessionId, Txn, TxnRecord, Zxid};

const CHECK: &str = "C1 linearizable writes";
const SOURCE: &str = "client protocol §10.3: writes are totally ordered, linearizable";

/// C1.
#[derive(Clone, Debug, Default)]
pub(crate) struct LinearizableWrites {
    /// The newest write that somebody was told of.
    told: Zxid,
    /// Requests that have become transactions.
    done: BTreeMap<Name, Zxid>,
}

impl LinearizableWrites {
    /// What is asked for now comes behind this.
    pub(crate) fn told(&self) -> Zxid {
        self.told
    }

    /// A transaction whose request, if it has one, is `write`.
    pub(crate) fn committed(
        &mut self,
        record: &TxnRecord<'_>,
        write: Option<&Write>,
    ) -> Result<(), Violation> {
        let (name, zxid) = ((record.header.client_id, record.header.cxid), record.header.zxid);
        let by_itself = match record.txn {
            Txn::CreateSession { .. } | Txn::CloseSession { .. } | Txn::DeleteContainer { .. } => true,
            // The server's own sweep came too late: somebody wrote below the container, or deleted it.
            Txn::Error { .. } => name.0 == SessionId(0),
            _ => false,
        };
        let Some(write) = write else {
            let before = self.done.get(&name).map(|zxid| format!(", and it already was transaction {zxid}"));
            return match by_itself {
                true => Ok(()),
                false => objection(format!(
                    "transaction {zxid} is request {} of session {}, which nobody asked for{}: {}",
                    name.1,
                    name.0,
                    before.unwrap_or_default(),
                    shown(&record.txn)
                )),
            };
        };
        self.done.insert(name, zxid);
        if zxid <= write.after {
            return objection(format!(
                "request {} of session {} is transaction {zxid}, but when it was asked for {} was already answered",
                name.1, name.0, write.after
            ));
        }
        Ok(())
    }

    /// The transaction is what the model makes of the request.
    pub(crate) fn compare(
        record: &TxnRecord<'_>,
        write: Option<&Write>,
        step: &Step,
    ) -> Result<(), Violation> {
        // Without an answer it was refused, since its session had gone elsewhere.
        let (Some(write), Some(_)) = (write, &step.answer) else { return Ok(()) };
        if agrees(&record.txn, &write.request, step) {
            return Ok(());
        }
        objection(format!(
            "transaction {} is {} for {}, but the model answers {}",
            step.zxid,
            shown(&record.txn),
            shown(&write.request),
            shown(&step.answer)
        ))
    }

    /// An answer to a write.
    pub(crate) fn answered(
        &mut self,
        name: Name,
        request: &Request<'_>,
        (zxid, err, body): (i64, i32, &[u8]),
        timeline: &Timeline,
    ) -> Result<(), Violation> {
        let what = || format!("request {} of session {}, {}", name.1, name.0, shown(request));
        let Some(step) = timeline.of(name) else {
            return objection(format!("{} is answered, but no transaction of it was committed", what()));
        };
        if zxid != step.zxid.0 {
            let at = Zxid(zxid);
            return objection(format!("{} is transaction {}, but its answer says {at}", what(), step.zxid));
        }
        self.told = self.told.max(step.zxid);
        let Some(expected) = &step.answer else {
            return objection(format!("{} came through a server that had lost the session", what()));
        };
        match (expected, answer(request, err, body)) {
            (expected, Ok(found)) if *expected == found => Ok(()),
            (expected, found) => objection(format!(
                "{} is answered {}, but at {} the model answers {}",
                what(),
                shown(&found),
                step.zxid,
                shown(expected)
            )),
        }
    }
}

/// What a client takes an answer for. Nothing may be left over, and nothing follows an error.
pub(crate) fn answer<'b>(
    request: &Request<'_>,
    err: i32,
    body: &'b [u8],
) -> Result<Result<Response<'b>, ErrorCode>, String> {
    if err != 0 {
        let code = ErrorCode::from_code(err).ok_or_else(|| format!("an unknown error {err}"))?;
        return if body.is_empty() { Ok(Err(code)) } else { Err(format!("{code} with a body")) };
    }
    let mut reader = Reader::new(body);
    let response = Response::decode(request.op(), &mut reader).map_err(|error| error.to_string())?;
    if reader.is_empty() { Ok(Ok(response)) } else { Err(format!("{response:?} and more bytes")) }
}

fn objection(facts: String) -> Result<(), Violation> {
    Err(Violation::new(CHECK, SOURCE, facts))
}

/// Does the transaction do what the model did?
fn agrees(txn: &Txn<'_>, request: &Request<'_>, step: &Step) -> bool {
    match (step.answer.as_ref(), txn) {
        (Some(Err(expected)), Txn::Error { code }) => *code == expected.code(),
        (Some(Ok(Response::Multi(results))), Txn::Multi { ops }) => {
            let Request::Multi { ops: asked } = request else { return false };
            results.len() == ops.len()
                && asked.len() == ops.len()
                && results.iter().zip(ops).all(|(result, txn)| part_agrees(result, txn))
                && is_whole(ops) != results.iter().any(|result| matches!(result, MultiResult::Error(_)))
        }
        (Some(Ok(answer)), txn) => single_agrees(answer, request, txn),
        _ => false,
    }
}

fn single_agrees(answer: &Response<'_>, request: &Request<'_>, txn: &Txn<'_>) -> bool {
    match (answer, request, txn) {
        (
            Response::Path(made) | Response::PathStat(made, _),
            Request::Create { data: wanted, .. },
            Txn::Create { create, .. },
        ) => create.path == *made && create.data == *wanted,
        (
            Response::PathStat(made, _),
            Request::Create { data: wanted, .. },
            Txn::CreateContainer { path, data, .. } | Txn::CreateTtl { path, data, .. },
        ) => path == made && data == wanted,
        (Response::Empty, Request::Delete { path: wanted, .. }, Txn::Delete { path }) => path == wanted,
        (
            Response::Stat(stat),
            Request::SetData { path: wanted, data: value, .. },
            Txn::SetData { path, data, version },
        ) => path == wanted && data == value && *version == stat.version,
        (Response::Stat(stat), Request::SetAcl { path: wanted, .. }, Txn::SetAcl { path, version, .. }) => {
            path == wanted && *version == stat.aversion
        }
        (Response::Empty, Request::CloseSession, Txn::CloseSession { .. }) => true,
        _ => false,
    }
}

fn part_agrees(result: &MultiResult<'_>, txn: &Txn<'_>) -> bool {
    match (result, txn) {
        // Operations in front of the failing one are as they would have been.
        (MultiResult::Error(None), txn) => !matches!(txn, Txn::Error { .. }),
        (MultiResult::Error(Some(expected)), Txn::Error { code }) => expected.code() == *code,
        (MultiResult::Create { path: made } | MultiResult::Create2 { path: made, .. }, txn) => match txn {
            Txn::Create { create, .. } => create.path == *made,
            Txn::CreateContainer { path, .. } | Txn::CreateTtl { path, .. } => path == made,
            _ => false,
        },
        (MultiResult::Delete, Txn::Delete { .. }) | (MultiResult::Check, Txn::Check { .. }) => true,
        (MultiResult::SetData { stat }, Txn::SetData { version, .. }) => stat.version == *version,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::checks::story::{Story, create, delete, is, session, set};
    use crate::clients::ClientEvent;
    use wire::{CreateMode, ErrorCode, Request, SessionId, Txn, Zxid};

    /// Of server 0, whose id is 1.
    const LOCAL: SessionId = SessionId(1 << 56 | 7);

    fn with_node() -> Story {
        let mut story = Story::of(2);
        story.write(0, create("/a", CreateMode::Persistent));
        story
    }

    #[test]
    fn a_good_history() {
        let mut story = with_node();
        story.write(1, set("/a", "x"));
        let (early, late) = (story.ask(0, set("/a", "y")), story.ask(1, delete("/none")));
        story.commit(1, late).expect("an error takes a zxid too");
        story.commit(0, early).expect("a write");
        story.answer(1, late).expect("NONODE");
        story.answer(0, early).expect("a stat");
    }

    #[test]
    fn an_answer_without_a_transaction() {
        let mut story = with_node();
        let xid = story.ask(0, set("/a", "x"));
        is("C1", story.answer_with(0, xid, (3, 0, vec![0; 68])));
    }

    #[test]
    fn an_answer_that_names_another_transaction() {
        let mut story = with_node();
        let (one, other) = (story.ask(0, set("/a", "x")), story.ask(1, set("/a", "y")));
        story.commit(0, one).expect("a write");
        story.commit(1, other).expect("a write");
        let (zxid, err, body) = story.reply(0, one);
        is("C1", story.answer_with(0, one, (zxid + 1, err, body)));
    }

    #[test]
    fn another_answer_than_the_models() {
        let mut story = with_node();
        let xid = story.ask(0, set("/a", "x"));
        let zxid = story.commit(0, xid).expect("a write");
        let mut body = story.reply(0, xid).2;
        body[35] += 1;
        is("C1", story.answer_with(0, xid, (zxid, 0, body)));
    }

    #[test]
    fn success_for_what_fails_and_bytes_that_are_left_over() {
        let mut story = with_node();
        let xid = story.ask(0, delete("/none"));
        let zxid = story.commit(0, xid).expect("an error");
        is("C1", story.answer_with(0, xid, (zxid, 0, Vec::new())));
        let mut story = with_node();
        let xid = story.ask(0, delete("/none"));
        let zxid = story.commit(0, xid).expect("an error");
        is("C1", story.answer_with(0, xid, (zxid, ErrorCode::NoNode.code(), vec![0])));
    }

    #[test]
    fn a_transaction_that_is_not_the_request() {
        let mut story = with_node();
        let xid = story.ask(0, set("/a", "x"));
        is("C1", story.commit_next(session(0), xid, Txn::Delete { path: Some("/a".into()) }));
    }

    #[test]
    fn a_transaction_that_nobody_asked_for_and_one_twice() {
        let mut story = with_node();
        is("C1", story.commit_next(session(0), 77, Txn::Delete { path: Some("/a".into()) }));
        let mut story = with_node();
        let xid = story.ask(0, set("/a", "x"));
        story.commit(0, xid).expect("a write");
        let again = Txn::SetData { path: Some("/a".into()), data: None, version: 2 };
        is("C1", story.commit_next(session(0), xid, again));
    }

    #[test]
    fn only_the_sweep_fails_without_being_asked() {
        let mut story = with_node();
        let error = || Txn::Error { code: ErrorCode::NotEmpty.code() };
        story.commit_next(SessionId(0), 0, error()).expect("somebody wrote below the container before");
        is("C1", story.commit_next(session(0), 77, error()));
    }

    /// The client has left an observer: the observer's master sends something else up, and nobody is told of that.
    #[test]
    fn only_a_master_of_observers_refuses_what_a_client_has_left_behind() {
        let refused = || Txn::Error { code: ErrorCode::BadArguments.code() };
        let mut story = with_node();
        let xid = story.ask(0, set("/a", "x"));
        is("C1", story.commit_next(session(0), xid, refused()));
        let mut story = with_node();
        story.checks.allow_observer_masters();
        let xid = story.ask(0, set("/a", "x"));
        story.commit_next(session(0), xid, refused()).expect("it has left");
        is("C1", story.answer_with(0, xid, (story.zxid, ErrorCode::BadArguments.code(), Vec::new())));
    }

    /// The client 2 has a session that its server alone knows, and asks it for a node.
    fn local_session(mode: CreateMode) -> (Story, i32) {
        let mut story = with_node();
        story.checks.allow_local_sessions();
        story.connect(2, 0, None);
        story
            .see(2, ClientEvent::SessionGiven { session: LOCAL, timeout_ms: 4000 })
            .expect("the server's own");
        let xid = story.ask(2, create("/b", mode));
        (story, xid)
    }

    #[test]
    fn a_local_session_writes_like_any_other_but_owns_nothing() {
        let create = wire::CreateTxn {
            path: Some("/b".into()),
            data: None,
            acl: Some(vec![wire::Acl::open()]),
            ephemeral: false,
            parent_cversion: 2,
        };
        let created = || Txn::Create { op: wire::OpCode::Create, create: create.clone() };
        let expired = || Txn::Error { code: ErrorCode::SessionExpired.code() };
        let (mut story, xid) = local_session(CreateMode::Persistent);
        story.commit_next(LOCAL, xid, created()).expect("it needs no session");
        let (mut story, xid) = local_session(CreateMode::Persistent);
        story.commit_next(LOCAL, xid, expired()).expect("the leader may take it for one that is over");
        let (mut story, xid) = local_session(CreateMode::Ephemeral);
        is(
            "C8",
            story.commit_next(
                LOCAL,
                xid,
                Txn::Create {
                    op: wire::OpCode::Create,
                    create: wire::CreateTxn { ephemeral: true, ..create },
                },
            ),
        );
        let (mut story, xid) = local_session(CreateMode::Ephemeral);
        story.commit_next(LOCAL, xid, expired()).expect("it has to become global first");
    }

    /// Another server says that there is no such session, and is right at that moment.
    #[test]
    fn a_session_that_becomes_global_too_late() {
        let (mut story, xid) = local_session(CreateMode::Persistent);
        let lost = |outstanding| ClientEvent::Lost { outstanding, by_client: false };
        story.see(2, lost(vec![xid])).expect("that happens");
        story.connect(2, 1, Some(LOCAL));
        story.commit_next(LOCAL, 0, Txn::CreateSession { timeout_ms: 4000 }).expect("an upgrade");
        story.see(2, ClientEvent::SessionExpired { session: LOCAL }).expect("its server alone knew it");
        let mut held = story.held();
        held.sessions.insert(LOCAL.0, 4000);
        story.checks.finish(std::slice::from_ref(&held)).expect("it was so when it was said");
        story.see(2, lost(Vec::new())).expect("that happens");
        story.connect(2, 1, Some(LOCAL));
        story.see(2, ClientEvent::SessionExpired { session: LOCAL }).expect("judged in the end");
        is("C8", story.checks.finish(&[held]));
    }

    #[test]
    fn the_end_of_a_local_session_is_no_transaction() {
        let (mut story, xid) = local_session(CreateMode::Persistent);
        story.see(2, ClientEvent::Lost { outstanding: vec![xid], by_client: false }).expect("that happens");
        story.connect(2, 0, Some(LOCAL));
        story
            .see(2, ClientEvent::SessionRenewed { session: LOCAL, timeout_ms: 4000 })
            .expect("its server is there");
        let end = story.ask(2, Request::CloseSession);
        story.answer_with(2, end, (story.zxid, 0, Vec::new())).expect("an answer is all there is");
        let mut elsewhere = with_node();
        elsewhere.checks.allow_local_sessions();
        elsewhere.connect(2, 1, None);
        is("C8", elsewhere.see(2, ClientEvent::SessionGiven { session: LOCAL, timeout_ms: 4000 }));
    }

    /// The second write was asked for when the first one had been answered, and went in front of it.
    #[test]
    fn real_time_counts() {
        let mut story = with_node();
        let mut checks = super::LinearizableWrites { told: Zxid(9), ..Default::default() };
        let xid = story.ask(1, set("/a", "x"));
        let write = super::Write {
            request: std::rc::Rc::new(set("/a", "x")),
            credentials: [].into(),
            after: checks.told(),
        };
        let header =
            wire::TxnHeader { client_id: session(1), cxid: xid, zxid: Zxid(9), time_ms: 0, txn_type: 5 };
        let txn = Txn::SetData { path: Some("/a".into()), data: None, version: 1 };
        let record = wire::TxnRecord { header, txn, digest: None };
        is("C1", checks.committed(&record, Some(&write)));
    }
}
