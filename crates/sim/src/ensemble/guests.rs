//! Connections held by hand: stories are told with them.

use super::World;
use super::event::Wish;
use super::network::{End, Host};
use std::collections::BTreeMap;
use wire::{
    Acl, ConnectRequest, ConnectResponse, CreateMode, Decode, Encode, NOTIFICATION_XID, OpCode, PASSWORD_LEN,
    Reader, ReplyHeader, Request, RequestHeader, Response, SessionId, WatcherEvent, Writer, finish_frame,
    session_password, start_frame,
};

/// A connection to a server, made by a story.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Guest {
    /// Whose it is.
    pub server: usize,
    /// The session it has.
    pub session: SessionId,
    number: usize,
}

/// What came back.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names are those of the reply's header")]
pub struct Reply {
    pub xid: i32,
    pub zxid: i64,
    pub err: i32,
    /// What follows the header.
    pub body: Vec<u8>,
}

/// All of them, by their place among the clients.
#[derive(Default)]
pub(super) struct Guests {
    wires: BTreeMap<usize, GuestWire>,
    next_xid: i32,
}

#[derive(Default)]
struct GuestWire {
    end: Option<End>,
    received: Vec<u8>,
    closed: bool,
}

/// Places of guests among the clients begin here.
const FIRST_GUEST: usize = 100;

impl World {
    /// A new session at a server.
    ///
    /// # Panics
    /// When it is refused.
    pub fn connect(&mut self, server: usize) -> Guest {
        self.visit(server).expect("a session")
    }

    /// A new session at a server; `None` when it is refused.
    pub fn visit(&mut self, server: usize) -> Option<Guest> {
        self.revisit(server, SessionId(0))
    }

    /// Another connection for a session; `None` when it is refused or cut.
    pub fn revisit(&mut self, server: usize, session: SessionId) -> Option<Guest> {
        let (guest, response) = self.shake(server, &hello(session, false));
        (response?.session_id != 0).then_some(guest)
    }

    /// A connection that asks for a session in these words, and what it is told.
    ///
    /// # Panics
    /// When the answer is none to a handshake.
    pub fn shake(&mut self, server: usize, request: &ConnectRequest<'_>) -> (Guest, Option<ConnectResponse>) {
        let (guest, frame) = self.knock(server, request);
        let response = frame.map(|frame| ConnectResponse::decode(&mut Reader::new(&frame)));
        let response = response.map(|response| response.expect("a connect response"));
        let session = response.as_ref().map_or(guest.session, |response| SessionId(response.session_id));
        (Guest { session, ..guest }, response)
    }

    /// A connection that asks for a session in these words, and the first frame that comes back.
    pub fn knock(&mut self, server: usize, request: &ConnectRequest<'_>) -> (Guest, Option<Vec<u8>>) {
        let guest = self.dial(server, Wish::Client { attempt: 0 });
        let guest = Guest { session: SessionId(request.session_id), ..guest };
        self.say_frame(&guest, |writer| request.encode(writer));
        self.come_to_rest();
        let frame = self.frame(&guest);
        (guest, frame)
    }

    /// A connection of somebody who is no server to a port for servers.
    pub fn stranger(&mut self, server: usize, port: zab::Port) -> Guest {
        self.dial(server, Wish::Stranger { port })
    }

    fn dial(&mut self, server: usize, wish: Wish) -> Guest {
        let number = FIRST_GUEST + self.guests.wires.len();
        self.guests.wires.insert(number, GuestWire::default());
        self.wish(Host::Client(number), 0, wish, server);
        self.come_to_rest();
        Guest { server, session: SessionId(0), number }
    }

    /// Has the server closed the connection?
    pub fn is_closed(&self, guest: &Guest) -> bool {
        self.guests.wires[&guest.number].closed
    }

    /// Sends a request and lets nothing happen yet.
    pub fn ask(&mut self, guest: &Guest, request: &Request<'_>) -> i32 {
        self.guests.next_xid += 1;
        let xid = self.guests.next_xid;
        self.say_frame(guest, |writer| {
            writer.record(&RequestHeader { xid, op: request.op().code() });
            writer.raw(&request.to_bytes());
        });
        xid
    }

    /// What has come so far.
    pub fn replies(&mut self, guest: &Guest) -> Vec<Reply> {
        let mut replies = Vec::new();
        while let Some(frame) = self.frame(guest) {
            let mut reader = Reader::new(&frame);
            let header = ReplyHeader::decode(&mut reader).expect("a header");
            let body = reader.rest().to_vec();
            replies.push(Reply { xid: header.xid, zxid: header.zxid, err: header.err, body });
        }
        replies
    }

    /// Sends a request; the one answer that has come when all are at rest again.
    ///
    /// # Panics
    /// When anything else has come, or nothing.
    pub fn call(&mut self, guest: &Guest, request: &Request<'_>) -> Reply {
        self.ask(guest, request);
        self.come_to_rest();
        let mut replies = self.replies(guest);
        assert_eq!(replies.len(), 1, "{request:?} got {replies:?}");
        replies.remove(0)
    }

    /// Creates a node that stays, with the data `data`.
    pub fn create(&mut self, guest: &Guest, path: &str) -> Reply {
        self.call(guest, &create(path, CreateMode::Persistent))
    }

    fn say_frame(&mut self, guest: &Guest, write: impl FnOnce(&mut Writer<'_>)) {
        let mut frame = Vec::new();
        let at = start_frame(&mut frame);
        write(&mut Writer::new(&mut frame));
        finish_frame(&mut frame, at);
        self.say_bytes(guest, &frame);
    }

    /// Sends bytes and lets nothing happen yet.
    pub fn say_bytes(&mut self, guest: &Guest, bytes: &[u8]) {
        if let Some(end) = self.guests.wires[&guest.number].end {
            self.send(end, bytes);
        }
    }

    fn frame(&mut self, guest: &Guest) -> Option<Vec<u8>> {
        let wire = self.guests.wires.get_mut(&guest.number)?;
        let length = i32::from_be_bytes(*wire.received.first_chunk::<4>()?) as usize;
        let frame = wire.received.get(4..4 + length)?.to_vec();
        wire.received.drain(..4 + length);
        Some(frame)
    }

    pub(super) fn guest_dialled(&mut self, number: usize, end: Option<End>) {
        let wire = self.guests.wires.get_mut(&number).expect("a guest");
        (wire.end, wire.closed) = (end, end.is_none());
    }

    pub(super) fn guest_received(&mut self, number: usize, bytes: &[u8]) {
        self.guests.wires.get_mut(&number).expect("a guest").received.extend_from_slice(bytes);
    }

    pub(super) fn guest_closed(&mut self, number: usize) {
        self.guests.wires.get_mut(&number).expect("a guest").closed = true;
    }
}

impl Reply {
    /// The record of a reply without an error.
    ///
    /// # Panics
    /// When it is another one.
    pub fn response(&self, op: OpCode) -> Response<'_> {
        assert_eq!(self.err, 0, "{self:?}");
        Response::decode(op, &mut Reader::new(&self.body)).expect("a record")
    }

    /// Type and path of an event.
    ///
    /// # Panics
    /// When it is none.
    pub fn event(&self) -> (i32, String) {
        assert_eq!(self.xid, NOTIFICATION_XID, "{self:?}");
        let event = WatcherEvent::decode(&mut Reader::new(&self.body)).expect("an event");
        (event.event_type, event.path.expect("a path").into_owned())
    }
}

/// Asks for a session, a new one if it is 0, of ten seconds.
pub fn hello(session: SessionId, read_only: bool) -> ConnectRequest<'static> {
    let password = if session.0 == 0 { [0; PASSWORD_LEN] } else { session_password(session) };
    ConnectRequest {
        protocol_version: 0,
        last_zxid_seen: 0,
        timeout_ms: 10_000,
        session_id: session.0,
        password: Some(password.to_vec().into()),
        read_only: Some(read_only),
    }
}

/// Asks for a node with the data `data`, open to everybody.
pub fn create(path: &str, mode: CreateMode) -> Request<'_> {
    Request::Create {
        op: OpCode::Create,
        path: Some(path.into()),
        data: Some(b"data".into()),
        acl: Some(vec![Acl::open()]),
        flags: mode.flags(),
        ttl: -1,
    }
}

/// Is this place one of a guest?
pub(super) fn is_guest(client: usize) -> bool {
    client >= FIRST_GUEST
}
