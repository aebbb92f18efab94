//! The clients' side of a room of servers.

use super::{Client, ClientWire, Cluster, Id};
use node::{ConnId, Input};
use wire::{
    Acl, ConnectRequest, ConnectResponse, CreateMode, Decode, Encode, NOTIFICATION_XID, OpCode, Reader,
    ReplyHeader, Request, RequestHeader, Response, SessionId, WatcherEvent, Writer, finish_frame,
    session_password, start_frame,
};

/// What came back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    pub xid: i32,
    pub zxid: i64,
    pub err: i32,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn response(&self, op: OpCode) -> Response<'_> {
        assert_eq!(self.err, 0, "{self:?}");
        Response::decode(op, &mut Reader::new(&self.body)).expect("a record")
    }

    pub fn event(&self) -> (i32, String) {
        assert_eq!(self.xid, NOTIFICATION_XID, "{self:?}");
        let event = WatcherEvent::decode(&mut Reader::new(&self.body)).expect("an event");
        (event.event_type, event.path.expect("a path").into_owned())
    }
}

impl Cluster {
    pub fn connect(&mut self, server: Id) -> Client {
        self.try_connect(server, SessionId(0)).expect("a session")
    }

    /// Another connection for a session; `None` when it is refused or cut.
    pub fn try_connect(&mut self, server: Id, session: SessionId) -> Option<Client> {
        let password = if session.0 == 0 { [0; 16] } else { session_password(session) };
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: 0,
            timeout_ms: 10_000,
            session_id: session.0,
            password: Some(password.to_vec().into()),
            read_only: Some(false),
        };
        let (client, frame) = self.shake(server, &request);
        let response = ConnectResponse::decode(&mut Reader::new(&frame?)).expect("a connect response");
        (response.session_id != 0).then_some(Client { session: SessionId(response.session_id), ..client })
    }

    /// A connection that asks for a session in these words, and the first frame that comes back.
    pub fn shake(&mut self, server: Id, request: &ConnectRequest<'_>) -> (Client, Option<Vec<u8>>) {
        let conn = ConnId((self.next_client << 24) | (self.next_client & 0xff_ffff));
        self.next_client += 1;
        self.clients.insert((server, conn), ClientWire::default());
        self.step(server, Input::Accepted { conn, peer: "10.0.0.1:5000".parse().expect("an address") });
        let client = Client { server, conn, session: SessionId(request.session_id) };
        let mut frame = Vec::new();
        let at = start_frame(&mut frame);
        request.encode(&mut Writer::new(&mut frame));
        finish_frame(&mut frame, at);
        self.send_bytes(&client, &frame);
        self.run();
        let frame = self.frame(&client);
        (client, frame)
    }

    pub fn is_closed(&self, client: &Client) -> bool {
        self.clients[&(client.server, client.conn)].closed
    }

    fn send_bytes(&mut self, client: &Client, bytes: &[u8]) {
        if !self.is_closed(client) {
            self.step(client.server, Input::Received { conn: client.conn, bytes });
        }
    }

    /// Sends a request and lets nothing happen yet.
    pub fn send(&mut self, client: &Client, request: &Request<'_>) -> i32 {
        self.next_xid += 1;
        let mut bytes = Vec::new();
        let at = start_frame(&mut bytes);
        let mut writer = Writer::new(&mut bytes);
        writer.record(&RequestHeader { xid: self.next_xid, op: request.op().code() });
        writer.raw(&request.to_bytes());
        finish_frame(&mut bytes, at);
        self.send_bytes(client, &bytes);
        self.next_xid
    }

    fn frame(&mut self, client: &Client) -> Option<Vec<u8>> {
        let received = &mut self.clients.get_mut(&(client.server, client.conn)).expect("a client").received;
        let length = i32::from_be_bytes(*received.first_chunk::<4>()?) as usize;
        let frame = received.get(4..4 + length)?.to_vec();
        received.drain(..4 + length);
        Some(frame)
    }

    pub fn replies(&mut self, client: &Client) -> Vec<Reply> {
        let mut replies = Vec::new();
        while let Some(frame) = self.frame(client) {
            let mut reader = Reader::new(&frame);
            let header = ReplyHeader::decode(&mut reader).expect("a header");
            replies.push(Reply {
                xid: header.xid,
                zxid: header.zxid,
                err: header.err,
                body: reader.rest().to_vec(),
            });
        }
        replies
    }

    pub fn call(&mut self, client: &Client, request: &Request<'_>) -> Reply {
        self.send(client, request);
        self.run();
        let mut replies = self.replies(client);
        assert_eq!(replies.len(), 1, "{request:?} got {replies:?}");
        replies.remove(0)
    }

    pub fn create(&mut self, client: &Client, path: &str) -> Reply {
        self.call(client, &create(path, CreateMode::Persistent))
    }
}

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
