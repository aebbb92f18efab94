//! A virtual world: one node, its disk, its clients, and a clock that only moves when told.

#![allow(dead_code, reason = "every story uses its own part of the world")]

mod disk;

pub use disk::MemoryDisk;

use node::{Admin, ConnId, Halt, Input, Node, NodeConfig, Now, Outputs};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use store::{DiskBatch, Lane};
use tree::TreeConfig;
use wire::{
    Acl, ConnectRequest, ConnectResponse, CreateMode, Decode, Encode, ErrorCode, NOTIFICATION_XID, OpCode,
    Reader, ReplyHeader, Request, RequestHeader, Response, SessionId, Stat, Ustring, WatcherEvent, Writer,
    finish_frame, session_password, start_frame,
};

pub const START_WALL_MS: i64 = 1_795_389_508_617;

/// A client's end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Client {
    pub conn: ConnId,
    pub session: SessionId,
}

/// A frame behind the handshake.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    pub xid: i32,
    pub zxid: i64,
    pub err: i32,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn code(&self) -> Option<ErrorCode> {
        ErrorCode::from_code(self.err)
    }

    /// The record behind a reply without an error.
    pub fn response(&self, op: OpCode) -> Response<'_> {
        assert_eq!(self.err, 0, "{self:?}");
        let mut reader = Reader::new(&self.body);
        let response = Response::decode(op, &mut reader).expect("a record");
        assert!(reader.is_empty(), "surplus bytes in {self:?}");
        response
    }

    /// A notification's type and path.
    pub fn event(&self) -> (i32, String) {
        assert_eq!((self.xid, self.err), (NOTIFICATION_XID, 0), "{self:?} is no notification");
        let event = WatcherEvent::decode(&mut Reader::new(&self.body)).expect("an event");
        assert_eq!(event.state, 3);
        (event.event_type, event.path.expect("a path").into_owned())
    }
}

#[derive(Default)]
struct Wire {
    received: Vec<u8>,
    closed: bool,
    paused: bool,
    /// Sent by the client, not read by the shell because the node said so.
    held: Vec<u8>,
}

pub struct World {
    pub node: Option<Node>,
    pub disk: MemoryDisk,
    pub now: Now,
    pub out: Outputs,
    pub halt: Option<Halt>,
    pub notes: Vec<String>,
    pub words: Vec<(ConnId, [u8; 4])>,
    pub purges: Vec<usize>,
    /// While set, batches of this kind wait in `batches`.
    pub hold_log: bool,
    pub hold_snapshots: bool,
    pub batches: VecDeque<DiskBatch>,
    pub log_batches: usize,
    wires: BTreeMap<ConnId, Wire>,
    next_serial: u64,
    next_xid: i32,
    node_config: NodeConfig,
    tree_config: TreeConfig,
}

impl World {
    pub fn new() -> World {
        World::with(|_, _| {})
    }

    /// A fresh server with settings of its own.
    pub fn with(change: impl FnOnce(&mut NodeConfig, &mut TreeConfig)) -> World {
        let mut node_config = NodeConfig {
            tick_time_ms: 2000,
            min_session_timeout_ms: 4000,
            max_session_timeout_ms: 40_000,
            ..NodeConfig::default()
        };
        node_config.store.prealloc_bytes = 0;
        let mut tree_config = TreeConfig::default();
        change(&mut node_config, &mut tree_config);
        let mut world = World {
            node: None,
            disk: MemoryDisk::default(),
            now: Now { mono_us: 1_000_000, wall_ms: START_WALL_MS },
            out: Outputs::default(),
            halt: None,
            notes: Vec::new(),
            words: Vec::new(),
            purges: Vec::new(),
            hold_log: false,
            hold_snapshots: false,
            batches: VecDeque::new(),
            log_batches: 0,
            wires: BTreeMap::new(),
            next_serial: 0,
            next_xid: 0,
            node_config,
            tree_config,
        };
        world.start();
        world
    }

    /// Starts a node from what the disk has.
    pub fn start(&mut self) {
        let recovered = store::recover(&mut self.disk, &self.node_config.store, self.tree_config.clone())
            .expect("the disk can be recovered");
        self.out = Outputs::default();
        self.node = Some(Node::new(self.node_config.clone(), recovered, 7, self.now, &mut self.out));
        self.run();
    }

    /// The process dies, and a new one starts. What the disk had not done is lost.
    pub fn crash_and_restart(&mut self) {
        self.batches.clear();
        self.wires.clear();
        self.disk.broken = None;
        self.halt = None;
        self.start();
    }

    pub fn node(&self) -> &Node {
        self.node.as_ref().expect("a node runs")
    }

    pub fn step(&mut self, input: Input<'_>) {
        self.node.as_mut().expect("a node runs").step(self.now, input, &mut self.out);
    }

    /// Rounds until nothing happens any more at this time.
    pub fn run(&mut self) {
        for _ in 0..10_000 {
            self.step(Input::Flush);
            let busy = self.deliver();
            if !busy && self.out.wake_at_us.is_none_or(|at| at > self.now.mono_us) {
                return;
            }
        }
        panic!("the node never comes to rest");
    }

    /// Moves the clock, waking the node whenever it asked for it.
    pub fn advance_ms(&mut self, ms: u64) {
        let end_us = self.now.mono_us + ms * 1000;
        self.run();
        while let Some(at_us) = self.out.wake_at_us.filter(|at| *at <= end_us) {
            self.set_clock(at_us.max(self.now.mono_us));
            self.step(Input::Tick);
            self.run();
        }
        self.set_clock(end_us);
        self.run();
    }

    fn set_clock(&mut self, mono_us: u64) {
        self.now.wall_ms += (mono_us / 1000) as i64 - (self.now.mono_us / 1000) as i64;
        self.now.mono_us = mono_us;
    }

    /// What a shell does with the outputs; true if that gave the node new inputs.
    fn deliver(&mut self) -> bool {
        let mut busy = false;
        for (conn, bytes) in std::mem::take(&mut self.out.sends) {
            assert!(!bytes.is_empty());
            if let Some(wire) = self.wires.get_mut(&conn) {
                wire.received.extend_from_slice(&bytes);
            }
        }
        self.words.append(&mut self.out.words);
        self.purges.extend(self.out.purge.take());
        self.notes.extend(self.out.notes.drain(..).map(|note| note.text));
        if self.halt.is_none() {
            self.halt = self.out.halt.take();
        }
        for conn in std::mem::take(&mut self.out.pauses) {
            let wire = self.wires.get_mut(&conn).expect("a known connection");
            assert!(!std::mem::replace(&mut wire.paused, true), "paused twice");
        }
        for conn in std::mem::take(&mut self.out.resumes) {
            let wire = self.wires.get_mut(&conn).expect("a known connection");
            assert!(std::mem::replace(&mut wire.paused, false), "resumed without a pause");
            let held = std::mem::take(&mut wire.held);
            self.step(Input::Received { conn, bytes: &held });
            busy = true;
        }
        for conn in std::mem::take(&mut self.out.closes) {
            if let Some(wire) = self.wires.get_mut(&conn).filter(|wire| !wire.closed) {
                wire.closed = true;
                self.step(Input::Disconnected { conn });
                busy = true;
            }
        }
        self.batches.extend(std::mem::take(&mut self.out.disk));
        busy |= self.complete_batches();
        busy
    }

    /// Carries out the batches that are not held.
    pub fn complete_batches(&mut self) -> bool {
        let mut kept = VecDeque::new();
        let mut busy = false;
        while let Some(batch) = self.batches.pop_front() {
            let held = match batch.lane {
                Lane::Log => self.hold_log,
                Lane::Snapshot => self.hold_snapshots,
            };
            if held {
                kept.push_back(batch);
                continue;
            }
            self.log_batches += usize::from(batch.lane == Lane::Log);
            let result = self.disk.run(&batch);
            self.step(Input::DiskDone { ticket: batch.ticket, result });
            busy = true;
        }
        self.batches = kept;
        busy
    }

    /// The log's batches go through again.
    pub fn release_log(&mut self) {
        self.hold_log = false;
        self.complete_batches();
        self.run();
    }

    // --- connections

    /// A connection without a handshake.
    pub fn open(&mut self) -> Client {
        self.open_from("10.0.0.1:5000")
    }

    pub fn open_from(&mut self, peer: &str) -> Client {
        let peer: SocketAddr = peer.parse().expect("an address");
        let used: BTreeSet<u64> =
            self.wires.iter().filter(|(_, w)| !w.closed).map(|(conn, _)| conn.0 & 0xff_ffff).collect();
        let slot = (0..).find(|slot| !used.contains(slot)).expect("a free slot");
        self.next_serial += 1;
        let conn = ConnId((self.next_serial << 24) | slot);
        self.wires.insert(conn, Wire::default());
        self.step(Input::Accepted { conn, peer });
        self.run();
        Client { conn, session: SessionId(0) }
    }

    /// A new session with a timeout of 10 s.
    pub fn connect(&mut self) -> Client {
        self.connect_with(10_000)
    }

    pub fn connect_with(&mut self, timeout_ms: i32) -> Client {
        let mut client = self.open();
        let response = self.handshake(&client, &new_session(timeout_ms)).expect("a session");
        client.session = SessionId(response.session_id);
        assert_ne!(client.session.0, 0);
        client
    }

    /// Another connection for a session.
    pub fn reconnect(&mut self, client: &Client) -> Client {
        let again = self.open();
        let response = self.handshake(&again, &renewal(client.session, 10_000)).expect("an answer");
        assert_eq!(response.session_id, client.session.0, "the session can be renewed");
        Client { session: client.session, ..again }
    }

    /// Sends a connect request; `None` if the server closes without a word.
    pub fn handshake(&mut self, client: &Client, request: &ConnectRequest<'_>) -> Option<ConnectResponse> {
        self.send_frame(client, &request.to_bytes());
        self.run();
        let frame = self.frame(client)?;
        let mut reader = Reader::new(&frame);
        let response = ConnectResponse::decode(&mut reader).expect("a connect response");
        assert!(reader.is_empty());
        Some(response)
    }

    pub fn is_closed(&self, client: &Client) -> bool {
        self.wires[&client.conn].closed
    }

    pub fn is_paused(&self, client: &Client) -> bool {
        self.wires[&client.conn].paused
    }

    /// The client cuts the connection.
    pub fn hang_up(&mut self, client: &Client) {
        self.wires.get_mut(&client.conn).expect("a connection").closed = true;
        self.step(Input::Disconnected { conn: client.conn });
        self.run();
    }

    // --- sending

    pub fn send_bytes(&mut self, client: &Client, bytes: &[u8]) {
        let wire = self.wires.get_mut(&client.conn).expect("a connection");
        if wire.closed {
            return;
        }
        if wire.paused {
            wire.held.extend_from_slice(bytes);
            return;
        }
        self.step(Input::Received { conn: client.conn, bytes });
    }

    pub fn send_frame(&mut self, client: &Client, frame: &[u8]) {
        let mut bytes = (frame.len() as i32).to_be_bytes().to_vec();
        bytes.extend_from_slice(frame);
        self.send_bytes(client, &bytes);
    }

    pub fn send(&mut self, client: &Client, xid: i32, request: &Request<'_>) {
        self.send_bytes(client, &frame_of(xid, request.op().code(), &request.to_bytes()));
    }

    // --- receiving

    /// The next frame, without its length.
    pub fn frame(&mut self, client: &Client) -> Option<Vec<u8>> {
        let received = &mut self.wires.get_mut(&client.conn).expect("a connection").received;
        let length = i32::from_be_bytes(*received.first_chunk::<4>()?) as usize;
        let frame = received.get(4..4 + length)?.to_vec();
        received.drain(..4 + length);
        Some(frame)
    }

    pub fn unread_bytes(&self, client: &Client) -> usize {
        self.wires[&client.conn].received.len()
    }

    /// Everything that has arrived.
    pub fn replies(&mut self, client: &Client) -> Vec<Reply> {
        let mut replies = Vec::new();
        while let Some(frame) = self.frame(client) {
            let mut reader = Reader::new(&frame);
            let header = ReplyHeader::decode(&mut reader).expect("a header");
            let body = reader.rest().to_vec();
            replies.push(Reply { xid: header.xid, zxid: header.zxid, err: header.err, body });
        }
        replies
    }

    /// The events that have arrived; anything else is a failure.
    pub fn events(&mut self, client: &Client) -> Vec<(i32, String)> {
        self.replies(client).iter().map(Reply::event).collect()
    }

    // --- whole calls

    /// Sends a request and returns what came in answer to it, events in front of it included.
    pub fn exchange(&mut self, client: &Client, request: &Request<'_>) -> Vec<Reply> {
        self.next_xid += 1;
        self.send(client, self.next_xid, request);
        self.run();
        self.replies(client)
    }

    /// Sends a request and returns the reply, which must be all that comes.
    pub fn call(&mut self, client: &Client, request: &Request<'_>) -> Reply {
        let mut replies = self.exchange(client, request);
        assert_eq!(replies.len(), 1, "{request:?} got {replies:?}");
        let reply = replies.remove(0);
        assert!(reply.xid == self.next_xid || request.op() == OpCode::Ping, "{reply:?}");
        reply
    }

    pub fn create(&mut self, client: &Client, path: &str) -> Reply {
        self.call(client, &create(path, CreateMode::Persistent))
    }

    pub fn create_ok(&mut self, client: &Client, path: &str) {
        assert_eq!(self.create(client, path).err, 0, "create {path}");
    }

    pub fn set(&mut self, client: &Client, path: &str, data: &str) -> Reply {
        self.call(client, &set(path, data, -1))
    }

    pub fn delete(&mut self, client: &Client, path: &str) -> Reply {
        self.call(client, &Request::Delete { path: Some(path.into()), version: -1 })
    }

    pub fn stat(&mut self, client: &Client, path: &str) -> Option<Stat> {
        let reply = self.call(client, &exists(path, false));
        match reply.code() {
            Some(ErrorCode::NoNode) => None,
            _ => match reply.response(OpCode::Exists) {
                Response::Stat(stat) => Some(stat),
                other => panic!("{other:?}"),
            },
        }
    }

    pub fn children(&mut self, client: &Client, path: &str) -> Vec<String> {
        let reply = self.call(client, &get_children(path, false));
        let Response::Children(Some(names)) = reply.response(OpCode::GetChildren) else {
            panic!("{reply:?}")
        };
        let mut names: Vec<String> = names.into_iter().map(|n| n.expect("a name").into_owned()).collect();
        names.sort();
        names
    }

    pub fn shut_down(&mut self) {
        self.step(Input::Admin(Admin::Shutdown));
        self.run();
    }
}

// --- requests

pub fn new_session(timeout_ms: i32) -> ConnectRequest<'static> {
    ConnectRequest {
        protocol_version: 0,
        last_zxid_seen: 0,
        timeout_ms,
        session_id: 0,
        password: Some(vec![0; 16].into()),
        read_only: Some(false),
    }
}

pub fn renewal(session: SessionId, timeout_ms: i32) -> ConnectRequest<'static> {
    let password = session_password(session).to_vec();
    ConnectRequest { session_id: session.0, password: Some(password.into()), ..new_session(timeout_ms) }
}

/// A whole frame with its length.
pub fn frame_of(xid: i32, op: i32, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let at = start_frame(&mut bytes);
    let mut writer = Writer::new(&mut bytes);
    writer.record(&RequestHeader { xid, op });
    writer.raw(body);
    finish_frame(&mut bytes, at);
    bytes
}

pub fn create(path: &str, mode: CreateMode) -> Request<'_> {
    create_with(OpCode::Create, path, mode, vec![Acl::open()])
}

pub fn create_with<'a>(op: OpCode, path: &'a str, mode: CreateMode, acl: Vec<Acl<'a>>) -> Request<'a> {
    Request::Create {
        op,
        path: Some(path.into()),
        data: Some(b"data".into()),
        acl: Some(acl),
        flags: mode.flags(),
        ttl: -1,
    }
}

pub fn set<'a>(path: &'a str, data: &'a str, version: i32) -> Request<'a> {
    Request::SetData { path: Some(path.into()), data: Some(data.as_bytes().into()), version }
}

pub fn get(path: &str, watch: bool) -> Request<'_> {
    Request::GetData { path: Some(path.into()), watch }
}

pub fn exists(path: &str, watch: bool) -> Request<'_> {
    Request::Exists { path: Some(path.into()), watch }
}

pub fn get_children(path: &str, watch: bool) -> Request<'_> {
    Request::GetChildren { path: Some(path.into()), watch }
}

pub fn auth<'a>(scheme: &'a str, auth: &'a str) -> Request<'a> {
    Request::Auth { auth_type: 0, scheme: Some(scheme.into()), auth: Some(auth.as_bytes().into()) }
}

pub fn some(paths: &[&'static str]) -> Option<Vec<Ustring<'static>>> {
    Some(paths.iter().map(|path| Some((*path).into())).collect())
}
