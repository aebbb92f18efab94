//! Histories for the tests of the checks: a small honest server that commits what it is told to and answers what it is told
//! to, so that a test can tell a good story, or change one word of it.

use super::{Checks, Held, Violation};
use crate::clients::{ClientEvent, User};
use model::{Context, Model, Options};
use std::collections::BTreeMap;
use wire::{
    Acl, CreateMode, CreateTxn, Encode, ErrorCode, MultiOp, MultiResult, OpCode, Request, Response,
    SessionId, Txn, TxnHeader, TxnRecord, Zxid,
};

/// What an answer says: zxid, error, body.
pub(crate) type Reply = (i64, i32, Vec<u8>);

/// A story about client 0, client 1 and so on, all of them with a session.
pub(crate) struct Story {
    pub(crate) checks: Checks,
    model: Model,
    pub(crate) zxid: i64,
    xid: i32,
    pub(crate) at_us: u64,
    asked: BTreeMap<(usize, i32), Request<'static>>,
    answers: BTreeMap<(usize, i32), (i64, Result<Response<'static>, ErrorCode>)>,
}

impl Story {
    /// A story in which so many clients have got their sessions.
    pub(crate) fn of(clients: usize) -> Story {
        let mut story = Story {
            checks: Checks::new(Options::default()),
            model: Model::new(Options::default()),
            zxid: 0,
            xid: 0,
            at_us: 0,
            asked: BTreeMap::new(),
            answers: BTreeMap::new(),
        };
        for client in 0..clients {
            story.connect(client, 0, None);
            story.create_session(client).expect("a new session");
            story.see(client, given(client)).expect("a committed session");
        }
        story
    }

    pub(crate) fn see(&mut self, client: usize, event: ClientEvent) -> Result<(), Violation> {
        self.at_us += 10;
        self.checks.client(self.at_us, client, &event)
    }

    pub(crate) fn connect(&mut self, client: usize, server: usize, renews: Option<SessionId>) {
        let event = ClientEvent::Connected { server, renews, last_zxid: 0, user: None::<User> };
        self.see(client, event).expect("anybody may connect");
    }

    /// The connection breaks, and another server takes the session up.
    pub(crate) fn reconnect(&mut self, client: usize, server: usize) {
        self.see(client, ClientEvent::Lost { outstanding: Vec::new(), by_client: false })
            .expect("that happens");
        self.connect(client, server, Some(session(client)));
        let event = ClientEvent::SessionRenewed { session: session(client), timeout_ms: 4000 };
        self.see(client, event).expect("it lives");
    }

    pub(crate) fn ask(&mut self, client: usize, request: Request<'static>) -> i32 {
        self.xid += 1;
        self.ask_as(client, self.xid, request)
    }

    pub(crate) fn ask_as(&mut self, client: usize, xid: i32, request: Request<'static>) -> i32 {
        self.asked.insert((client, xid), request.clone());
        self.see(client, ClientEvent::Asked { xid, request }).expect("anybody may ask");
        xid
    }

    /// The request becomes the next transaction.
    pub(crate) fn commit(&mut self, client: usize, xid: i32) -> Result<i64, Violation> {
        let request = self.asked[&(client, xid)].clone();
        let outcome = self.apply(client, &request);
        let txn = txn(&request, &outcome);
        self.answers.insert((client, xid), (self.zxid, outcome));
        self.commit_txn(session(client), xid, txn).map(|()| self.zxid)
    }

    fn apply(&mut self, client: usize, request: &Request<'static>) -> Result<Response<'static>, ErrorCode> {
        self.zxid += 1;
        let session = session(client).0;
        let context = Context { zxid: self.zxid, time_ms: self.zxid, session, credentials: &[] };
        self.model.write(&context, request).answer
    }

    /// A transaction as it is, at the zxid of the story.
    pub(crate) fn commit_txn(
        &mut self,
        session: SessionId,
        cxid: i32,
        txn: Txn<'_>,
    ) -> Result<(), Violation> {
        let (zxid, txn_type) = (Zxid(self.zxid), txn.txn_type());
        let header = TxnHeader { client_id: session, cxid, zxid, time_ms: self.zxid, txn_type };
        self.checks.committed(zxid, &TxnRecord { header, txn, digest: None }.to_bytes())
    }

    /// The next transaction is this one, whatever that means.
    pub(crate) fn commit_next(
        &mut self,
        session: SessionId,
        cxid: i32,
        txn: Txn<'_>,
    ) -> Result<(), Violation> {
        self.zxid += 1;
        self.commit_txn(session, cxid, txn)
    }

    pub(crate) fn create_session(&mut self, client: usize) -> Result<(), Violation> {
        self.apply(client, &Request::CreateSession { timeout_ms: 4000 }).expect("a session");
        self.commit_txn(session(client), 0, Txn::CreateSession { timeout_ms: 4000 })
    }

    /// The right answer: a write's at its transaction, a read's at the end of the story.
    pub(crate) fn reply(&self, client: usize, xid: i32) -> Reply {
        let request = &self.asked[&(client, xid)];
        let (zxid, answer) = match self.answers.get(&(client, xid)) {
            Some((zxid, answer)) => (*zxid, answer.clone()),
            None => (self.zxid, self.read(client, request)),
        };
        match answer {
            Ok(response) => (zxid, 0, response.to_bytes()),
            Err(code) => (zxid, code.code(), Vec::new()),
        }
    }

    fn read(&self, client: usize, request: &Request<'_>) -> Result<Response<'static>, ErrorCode> {
        match request {
            Request::SetWatches(_) | Request::SetWatches2(_) => Ok(Response::Empty),
            Request::AddWatch { .. } => Ok(Response::Int(0)),
            request => self.model.read(session(client).0, &[], request),
        }
    }

    pub(crate) fn answer(&mut self, client: usize, xid: i32) -> Result<(), Violation> {
        let reply = self.reply(client, xid);
        self.answer_with(client, xid, reply)
    }

    pub(crate) fn answer_with(&mut self, client: usize, xid: i32, reply: Reply) -> Result<(), Violation> {
        let (zxid, err, body) = reply;
        self.see(client, ClientEvent::Answered { xid, zxid, err, body })
    }

    pub(crate) fn event(&mut self, client: usize, zxid: i64, kind: i32, path: &str) -> Result<(), Violation> {
        self.see(client, ClientEvent::Notified { zxid, kind, state: 3, path: path.to_owned() })
    }

    /// A write from the question to the answer.
    pub(crate) fn write(&mut self, client: usize, request: Request<'static>) -> i64 {
        let xid = self.ask(client, request);
        let zxid = self.commit(client, xid).expect("a good transaction");
        self.answer(client, xid).expect("a good answer");
        zxid
    }

    /// A read from the question to the answer.
    pub(crate) fn read_now(&mut self, client: usize, request: Request<'static>) -> Result<(), Violation> {
        let xid = self.ask(client, request);
        self.answer(client, xid)
    }

    /// What an honest server holds at the end.
    pub(crate) fn held(&self) -> Held {
        let (nodes, sessions) = (self.model.nodes().clone(), self.model.sessions().clone());
        Held { server: 0, last_zxid: Zxid(self.zxid), nodes, sessions }
    }
}

/// A client's session.
pub(crate) fn session(client: usize) -> SessionId {
    SessionId(0x100 + client as i64)
}

pub(crate) fn given(client: usize) -> ClientEvent {
    ClientEvent::SessionGiven { session: session(client), timeout_ms: 4000 }
}

pub(crate) fn create(path: &'static str, mode: CreateMode) -> Request<'static> {
    Request::Create {
        op: OpCode::Create,
        path: Some(path.into()),
        data: None,
        acl: Some(vec![Acl::open()]),
        flags: mode.flags(),
        ttl: -1,
    }
}

pub(crate) fn set(path: &'static str, value: &'static str) -> Request<'static> {
    Request::SetData { path: Some(path.into()), data: Some(value.as_bytes().into()), version: -1 }
}

pub(crate) fn delete(path: &'static str) -> Request<'static> {
    Request::Delete { path: Some(path.into()), version: -1 }
}

pub(crate) fn get(path: &'static str, watch: bool) -> Request<'static> {
    Request::GetData { path: Some(path.into()), watch }
}

/// Nothing but the check objects.
pub(crate) fn is(check: &str, outcome: Result<impl std::fmt::Debug, Violation>) {
    let violation = outcome.expect_err("a violation");
    assert!(violation.check.starts_with(&format!("{check} ")), "{violation}");
}

/// The transaction that an honest server makes.
fn txn(request: &Request<'static>, outcome: &Result<Response<'static>, ErrorCode>) -> Txn<'static> {
    let response = match outcome {
        Ok(response) => response,
        Err(code) => return Txn::Error { code: code.code() },
    };
    match (request, response) {
        (
            Request::Create { op, data, acl, flags, .. },
            Response::Path(path) | Response::PathStat(path, _),
        ) => create_txn(*op, path.clone(), data.clone(), acl.clone(), *flags),
        (Request::Delete { path, .. }, _) => Txn::Delete { path: path.clone() },
        (Request::SetData { path, data, .. }, Response::Stat(stat)) => {
            Txn::SetData { path: path.clone(), data: data.clone(), version: stat.version }
        }
        (Request::SetAcl { path, acl, .. }, Response::Stat(stat)) => {
            Txn::SetAcl { path: path.clone(), acl: acl.clone(), version: stat.aversion }
        }
        (Request::Multi { ops }, Response::Multi(results)) => {
            Txn::Multi { ops: ops.iter().zip(results).map(|(op, result)| part(op, result)).collect() }
        }
        other => panic!("no transaction for {other:?}"),
    }
}

fn part(op: &MultiOp<'static>, result: &MultiResult<'static>) -> Txn<'static> {
    match (op, result) {
        (_, MultiResult::Error(Some(code))) => Txn::Error { code: code.code() },
        (MultiOp::Create { op, data, acl, flags, .. }, MultiResult::Create { path }) => {
            create_txn(*op, path.clone(), data.clone(), acl.clone(), *flags)
        }
        (MultiOp::Create { op, path, data, acl, flags, .. }, _) => {
            create_txn(*op, path.clone(), data.clone(), acl.clone(), *flags)
        }
        (MultiOp::Delete { path, .. }, _) => Txn::Delete { path: path.clone() },
        (MultiOp::Check { path, version }, _) => Txn::Check { path: path.clone(), version: *version },
        (MultiOp::SetData { path, data, .. }, result) => {
            let version = if let MultiResult::SetData { stat } = result { stat.version } else { 0 };
            Txn::SetData { path: path.clone(), data: data.clone(), version }
        }
        other => panic!("no transaction for {other:?}"),
    }
}

fn create_txn(
    op: OpCode,
    path: wire::Ustring<'static>,
    data: wire::Buffer<'static>,
    acl: Option<Vec<Acl<'static>>>,
    flags: i32,
) -> Txn<'static> {
    let ephemeral = CreateMode::from_flags(flags).is_some_and(CreateMode::is_ephemeral);
    Txn::Create { op, create: CreateTxn { path, data, acl, ephemeral, parent_cversion: 1 } }
}
