//! Connections held by hand: stories are told with them.

use super::World;
use super::event::Wish;
use super::network::{End, Host};
use std::collections::BTreeMap;
use wire::{
    ConnectRequest, ConnectResponse, Decode, Encode, NOTIFICATION_XID, OpCode, Reader, ReplyHeader, Request,
    RequestHeader, Response, SessionId, WatcherEvent, Writer, finish_frame, session_password, start_frame,
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
    /// The attempt has ended.
    dialled: bool,
    received: Vec<u8>,
    closed: bool,
}

/// Places of guests among the clients begin here.
const FIRST_GUEST: usize = 100;
/// How long a story waits for something.
const PATIENCE_US: u64 = 60_000_000;

impl World {
    /// A new session at a server; `None` when it is refused.
    pub fn visit(&mut self, server: usize) -> Option<Guest> {
        self.revisit(server, SessionId(0))
    }

    /// Another connection for a session; `None` when it is refused or cut.
    pub fn revisit(&mut self, server: usize, session: SessionId) -> Option<Guest> {
        let number = FIRST_GUEST + self.guests.wires.len();
        self.guests.wires.insert(number, GuestWire::default());
        self.wish(Host::Client(number), 0, Wish::Client { attempt: 0 }, server);
        let until = self.now_us() + PATIENCE_US;
        self.so(until, |world| world.guests.wires[&number].dialled);
        let guest = Guest { server, session, number };
        let password = if session.0 == 0 { [0; 16] } else { session_password(session) };
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: 0,
            timeout_ms: 10_000,
            session_id: session.0,
            password: Some(password.to_vec().into()),
            read_only: Some(false),
        };
        self.say_frame(&guest, |writer| request.encode(writer));
        self.so(until, |world| world.guests.wires[&number].has_frame_or_end());
        let frame = self.frame(&guest)?;
        let response = ConnectResponse::decode(&mut Reader::new(&frame)).expect("a connect response");
        (response.session_id != 0).then_some(Guest { session: SessionId(response.session_id), ..guest })
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

    /// Sends a request and waits for what comes; `None` if the connection ended instead.
    pub fn call(&mut self, guest: &Guest, request: &Request<'_>) -> Option<Reply> {
        self.ask(guest, request);
        let until = self.now_us() + PATIENCE_US;
        let number = guest.number;
        self.so(until, |world| world.guests.wires[&number].has_frame_or_end());
        self.replies(guest).into_iter().next()
    }

    /// Waits in a story: a violation ends it.
    fn so(&mut self, until_us: u64, so: impl Fn(&World) -> bool) -> bool {
        self.run_until_so(until_us, so).unwrap_or_else(|violation| panic!("{violation}"))
    }

    fn say_frame(&mut self, guest: &Guest, write: impl FnOnce(&mut Writer<'_>)) {
        let mut frame = Vec::new();
        let at = start_frame(&mut frame);
        write(&mut Writer::new(&mut frame));
        finish_frame(&mut frame, at);
        if let Some(end) = self.guests.wires[&guest.number].end {
            self.send(end, &frame);
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
        (wire.end, wire.dialled, wire.closed) = (end, true, end.is_none());
    }

    pub(super) fn guest_received(&mut self, number: usize, bytes: &[u8]) {
        self.guests.wires.get_mut(&number).expect("a guest").received.extend_from_slice(bytes);
    }

    pub(super) fn guest_closed(&mut self, number: usize) {
        self.guests.wires.get_mut(&number).expect("a guest").closed = true;
    }
}

impl GuestWire {
    fn has_frame_or_end(&self) -> bool {
        let length = self.received.first_chunk::<4>().map(|length| i32::from_be_bytes(*length) as usize);
        self.closed || length.is_some_and(|length| self.received.len() >= 4 + length)
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

/// Is this place one of a guest?
pub(super) fn is_guest(client: usize) -> bool {
    client >= FIRST_GUEST
}
