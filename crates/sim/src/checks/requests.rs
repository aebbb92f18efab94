//! Who asked for what: the requests that become transactions, by session and xid.

use crate::clients::User;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use wire::{Id, OpCode, Request, SessionId, Zxid};

/// A request's name: clients count through all their connections.
pub(crate) type Name = (SessionId, i32);

/// A client's connection of the moment.
#[derive(Clone, Debug)]
pub(crate) struct Conn {
    /// Counts all connections of all clients.
    pub(crate) serial: u64,
    /// Since when.
    pub(crate) at_us: u64,
    pub(crate) server: usize,
    /// From the welcome on, or from the hello on when it is to go on.
    pub(crate) session: Option<SessionId>,
    pub(crate) credentials: Rc<[Id<'static>]>,
    /// Without an answer, in the order of asking.
    pub(crate) asked: VecDeque<Asked>,
}

/// A request under way.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) xid: i32,
    pub(crate) request: Rc<Request<'static>>,
    pub(crate) at_us: u64,
    /// The newest write that somebody knew of.
    pub(crate) after: Zxid,
}

/// A write that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) request: Rc<Request<'static>>,
    pub(crate) credentials: Rc<[Id<'static>]>,
    /// The newest write that somebody knew of when this one was asked for.
    pub(crate) after: Zxid,
}

/// All connections, and all writes that may still become transactions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests {
    conns: BTreeMap<usize, Conn>,
    connected: u64,
    writes: BTreeMap<Name, Write>,
}

impl Requests {
    pub(crate) fn connect(
        &mut self,
        at_us: u64,
        client: usize,
        server: usize,
        renews: Option<SessionId>,
        user: Option<User>,
    ) -> &Conn {
        self.connected += 1;
        let conn = Conn {
            serial: self.connected,
            at_us,
            server,
            session: renews,
            credentials: user.map(User::id).into_iter().collect(),
            asked: VecDeque::new(),
        };
        self.conns.insert(client, conn);
        &self.conns[&client]
    }

    pub(crate) fn conn(&self, client: usize) -> Option<&Conn> {
        self.conns.get(&client)
    }

    pub(crate) fn welcome(&mut self, client: usize, session: SessionId) {
        if let Some(conn) = self.conns.get_mut(&client) {
            conn.session = Some(session);
        }
    }

    pub(crate) fn ask(&mut self, client: usize, asked: Asked) {
        let Some(conn) = self.conns.get_mut(&client) else { return };
        if let (true, Some(session)) = (is_write(&asked.request), conn.session) {
            let write = Write {
                request: Rc::clone(&asked.request),
                credentials: Rc::clone(&conn.credentials),
                after: asked.after,
            };
            self.writes.insert((session, asked.xid), write);
        }
        conn.asked.push_back(asked);
    }

    /// The request that is answered, and whether it was its turn.
    pub(crate) fn answer(&mut self, client: usize, xid: i32) -> Option<(Asked, bool)> {
        let asked = &mut self.conns.get_mut(&client)?.asked;
        let at = asked.iter().position(|asked| asked.xid == xid)?;
        // Pings may overtake and be overtaken; client libraries do not count them.
        let first = asked.iter().position(|asked| *asked.request != Request::Ping).unwrap_or(at);
        let in_turn = at == first || *asked[at].request == Request::Ping;
        asked.remove(at).map(|asked| (asked, in_turn))
    }

    /// What is under way, with its client.
    pub(crate) fn under_way(&self) -> impl Iterator<Item = (usize, &Asked)> {
        self.conns.iter().flat_map(|(client, conn)| conn.asked.iter().map(|asked| (*client, asked)))
    }

    pub(crate) fn lost(&mut self, client: usize) -> Option<Conn> {
        self.conns.remove(&client)
    }

    /// The write that has become a transaction.
    pub(crate) fn committed(&mut self, name: Name) -> Option<Write> {
        self.writes.remove(&name)
    }
}

/// Does a request become a transaction?
pub(crate) fn is_write(request: &Request<'_>) -> bool {
    matches!(
        request.op(),
        OpCode::Create
            | OpCode::Create2
            | OpCode::CreateContainer
            | OpCode::CreateTtl
            | OpCode::Delete
            | OpCode::SetData
            | OpCode::SetAcl
            | OpCode::Multi
            | OpCode::CloseSession
    )
}
