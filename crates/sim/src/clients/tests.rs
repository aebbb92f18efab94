//! The machine against a server of a few lines, which answers what it is told to.

use super::*;
use crate::Rng;
use wire::{
    ConnectRequest, ConnectResponse, Decode, Encode, OpCode, PING_XID, Reader, ReplyHeader, RequestHeader,
    SET_WATCHES_XID, finish_frame, start_frame,
};

const SESSION: i64 = 77;

/// A client, and what it said.
struct Talk {
    client: Client,
    now_us: u64,
    wake_us: u64,
    sent: Vec<u8>,
    server: Option<usize>,
    servers: Vec<usize>,
    saw: Vec<ClientEvent>,
}

impl Talk {
    fn new(seed: u64, requests: u32) -> Talk {
        let workload = WorkloadSetup::draw(&mut Rng::new(seed, "mix"));
        let client = Client::new(&ClientSetup { seed, number: 1, servers: 3, requests, workload });
        let mut talk = Talk {
            client,
            now_us: 0,
            wake_us: 0,
            sent: Vec::new(),
            server: None,
            servers: Vec::new(),
            saw: Vec::new(),
        };
        talk.step(ClientInput::Wake);
        talk
    }

    fn step(&mut self, input: ClientInput) {
        if input == ClientInput::Closed {
            self.server = None;
            self.sent.clear();
        }
        let mut out = Vec::new();
        self.client.step(self.now_us, input, &mut out);
        for output in out {
            match output {
                ClientOutput::Connect { server } => {
                    assert_eq!(self.server.replace(server), None, "one connection at a time");
                    self.servers.push(server);
                }
                ClientOutput::Send(bytes) => self.sent.extend(bytes),
                ClientOutput::Close => {
                    self.server = None;
                    self.sent.clear();
                }
                ClientOutput::WakeAt(at) => self.wake_us = at,
                ClientOutput::Saw(event) => self.saw.push(event),
            }
        }
    }

    fn wake(&mut self) {
        self.now_us = self.now_us.max(self.wake_us);
        self.step(ClientInput::Wake);
    }

    fn frames(&mut self) -> Vec<Vec<u8>> {
        let mut frames = frames::Frames::default();
        frames.push(&std::mem::take(&mut self.sent));
        std::iter::from_fn(|| frames.next().expect("a length")).collect()
    }

    /// Waits for the client to dial, takes the connection and its hello, and answers with a welcome.
    fn welcome(&mut self) -> (ConnectRequest<'static>, Vec<RequestHeader>) {
        while self.server.is_none() {
            self.wake();
        }
        self.step(ClientInput::Connected);
        let frames = self.frames();
        let hello = ConnectRequest::decode(&mut Reader::new(&frames[0])).expect("a hello");
        let hello = ConnectRequest { password: None, ..hello };
        let response = ConnectResponse {
            timeout_ms: hello.timeout_ms,
            session_id: SESSION,
            password: [7; 16],
            read_only: Some(false),
        };
        self.step(ClientInput::Received(frames::framed(&response)));
        (hello, frames[1..].iter().map(|frame| header(frame)).collect())
    }

    fn reply(&mut self, xid: i32, zxid: i64, err: i32) {
        let mut bytes = Vec::new();
        let at = start_frame(&mut bytes);
        ReplyHeader { xid, zxid, err }.encode(&mut wire::Writer::new(&mut bytes));
        finish_frame(&mut bytes, at);
        self.step(ClientInput::Received(bytes));
    }

    fn has_lost(&self) -> bool {
        self.saw.iter().any(|event| matches!(event, ClientEvent::Lost { by_client: true, .. }))
    }
}

fn header(frame: &[u8]) -> RequestHeader {
    RequestHeader::decode(&mut Reader::new(frame)).expect("a header")
}

#[test]
fn a_silent_server_is_given_up_and_the_session_goes_elsewhere() {
    let mut talk = Talk::new(3, 0);
    let (hello, first) = talk.welcome();
    assert_eq!((hello.session_id, hello.last_zxid_seen), (0, 0));
    assert_eq!(first, [RequestHeader { xid: wire::AUTH_XID, op: OpCode::Auth.code() }]);
    talk.reply(wire::AUTH_XID, 0, 0);
    let timeout_us = hello.timeout_ms as u64 * 1000;
    let heard_us = talk.now_us;
    while talk.frames().is_empty() {
        talk.wake();
    }
    assert_eq!((talk.now_us - heard_us) / 1000, timeout_us / 3000, "a ping at a third of the timeout");
    talk.reply(PING_XID, 9, 0);
    let heard_us = talk.now_us;
    while !talk.has_lost() {
        talk.wake();
    }
    assert_eq!((talk.now_us - heard_us) / 1000, timeout_us * 2 / 3000, "given up at two thirds of it");
    let (hello, _) = talk.welcome();
    assert_eq!((hello.session_id, hello.last_zxid_seen), (SESSION, 9));
    assert_ne!(talk.servers[0], talk.servers[1], "the next server");
    assert!(talk.saw.contains(&ClientEvent::SessionRenewed {
        session: SessionId(SESSION),
        timeout_ms: hello.timeout_ms
    }));
}

#[test]
fn watches_are_set_again_before_anything_else() {
    let watches = |talk: &Talk| {
        talk.saw.iter().find_map(|event| match event {
            ClientEvent::Asked { xid, request: Request::AddWatch { .. } } => Some(*xid),
            _ => None,
        })
    };
    // Some seed asks for a persistent watch soon.
    let found = (0..200).find_map(|seed| {
        let mut talk = Talk::new(seed, 60);
        talk.welcome();
        while talk.server.is_some() && watches(&talk).is_none() {
            talk.wake();
        }
        watches(&talk).map(|xid| (talk, xid))
    });
    let (mut talk, xid) = found.expect("a seed that watches");
    talk.reply(xid, 5, 0);
    talk.step(ClientInput::Closed);
    let (_, behind) = talk.welcome();
    let ops: Vec<(i32, i32)> = behind.iter().map(|header| (header.xid, header.op)).collect();
    let expected = [(wire::AUTH_XID, OpCode::Auth.code()), (SET_WATCHES_XID, OpCode::SetWatches2.code())];
    assert_eq!(ops, expected);
}

#[test]
fn what_no_server_may_say_ends_the_connection() {
    let mut talk = Talk::new(3, 0);
    talk.welcome();
    talk.reply(12345, 1, 0);
    assert!(matches!(&talk.saw[talk.saw.len() - 2..], [ClientEvent::Garbled(_), ClientEvent::Lost { .. }]));
    assert_eq!(talk.server, None);
}

#[test]
fn a_seed_decides_everything() {
    let run = |seed| {
        let mut talk = Talk::new(seed, 100);
        talk.welcome();
        for _ in 0..50 {
            talk.wake();
        }
        format!("{:?}", talk.saw)
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}
