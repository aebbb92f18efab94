//! A client of the simulated world: sessions, requests under way, reconnects.

use crate::{Rng, Workload};
use node::ConnId;
use std::collections::VecDeque;
use wire::{
    ConnectRequest, ConnectResponse, Decode, Encode, OpCode, Reader, ReplyHeader, Request, RequestHeader,
    SessionId, Writer, finish_frame, start_frame,
};

/// A client at work until its requests are used up.
#[derive(Clone, Debug)]
pub struct Client {
    /// How many requests it will still make.
    pub requests_left: u32,
    /// Its connection, from the attempt on.
    pub conn: Option<ConnId>,
    /// Once the handshake is done.
    session: Option<Session>,
    is_welcome: bool,
    /// Requests kept under way.
    depth: usize,
    workload: Workload,
    rng: Rng,
    next_xid: i32,
    under_way: VecDeque<Asked>,
    last_zxid: i64,
    received: Vec<u8>,
}

/// A session as the client knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Session {
    /// Which.
    pub id: SessionId,
    password: [u8; wire::PASSWORD_LEN],
}

/// A request without an answer yet.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its number in the session's connection.
    pub xid: i32,
    /// What it is.
    pub request: Request<'static>,
}

/// What a client has learnt from a frame.
#[derive(Debug)]
pub enum Heard {
    /// The session it has now.
    Session(SessionId),
    /// Its session is gone.
    Expired,
    /// The answer to a request.
    Answer {
        /// In which session.
        session: SessionId,
        /// What was asked.
        asked: Asked,
        /// The answer's header.
        header: ReplyHeader,
    },
    /// An event.
    Event,
}

impl Client {
    /// A client that will make `requests` requests, `depth` at a time.
    pub fn new(rng: &Rng, label: u64, requests: u32, depth: usize) -> Client {
        let mut rng = Rng::new(rng.clone().next_u64().wrapping_add(label), "client");
        Client {
            requests_left: requests,
            conn: None,
            session: None,
            is_welcome: false,
            depth,
            workload: Workload::new(Rng::new(rng.next_u64(), "workload")),
            rng,
            next_xid: 1,
            under_way: VecDeque::new(),
            last_zxid: 0,
            received: Vec::new(),
        }
    }

    /// Nothing is left to ask and nothing is under way.
    pub fn is_done(&self) -> bool {
        self.requests_left == 0 && self.under_way.is_empty()
    }

    /// The first frame on a new connection.
    pub fn hello(&mut self, conn: ConnId) -> Vec<u8> {
        self.conn = Some(conn);
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: self.last_zxid,
            timeout_ms: 20_000,
            session_id: self.session.map_or(0, |session| session.id.0),
            password: Some(self.session.map_or([0; wire::PASSWORD_LEN], |s| s.password).to_vec().into()),
            read_only: Some(false),
        };
        let mut bytes = Vec::new();
        let at = start_frame(&mut bytes);
        request.encode(&mut Writer::new(&mut bytes));
        finish_frame(&mut bytes, at);
        bytes
    }

    /// The connection is gone: what was under way may or may not have happened.
    pub fn lost_connection(&mut self) {
        self.conn = None;
        self.is_welcome = false;
        self.under_way.clear();
        self.received.clear();
    }

    /// Further requests, as many as may be under way.
    pub fn ask(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.is_welcome && self.requests_left > 0 && self.under_way.len() < self.depth {
            self.requests_left -= 1;
            let request = match self.rng.below(12) {
                0 => Request::GetData { path: Some("/a".into()), watch: true },
                1 => Request::GetChildren2 { path: Some("/".into()), watch: false },
                2 if self.rng.below(3) == 0 => Request::CloseSession,
                _ => self.workload.request(),
            };
            let xid = self.next_xid;
            self.next_xid += 1;
            let at = start_frame(&mut bytes);
            let mut w = Writer::new(&mut bytes);
            RequestHeader { xid, op: request.op().code() }.encode(&mut w);
            request.encode(&mut w);
            finish_frame(&mut bytes, at);
            let closes = request == Request::CloseSession;
            self.under_way.push_back(Asked { xid, request });
            if closes {
                break;
            }
        }
        bytes
    }

    /// Takes bytes from the server.
    ///
    /// # Errors
    /// When they are not what a server may say.
    pub fn hear(&mut self, bytes: &[u8]) -> Result<Vec<Heard>, String> {
        self.received.extend_from_slice(bytes);
        let mut heard = Vec::new();
        while let Some((len, rest)) = self.received.split_first_chunk::<4>() {
            let len = u32::from_be_bytes(*len) as usize;
            let Some(frame) = rest.get(..len).map(<[u8]>::to_vec) else { break };
            self.received.drain(..4 + len);
            heard.push(self.frame(&frame)?);
        }
        Ok(heard)
    }

    fn frame(&mut self, frame: &[u8]) -> Result<Heard, String> {
        let mut reader = Reader::new(frame);
        if !self.is_welcome {
            let response = ConnectResponse::decode(&mut reader).map_err(|error| error.to_string())?;
            if response.session_id == 0 {
                self.session = None;
                return Ok(Heard::Expired);
            }
            let id = SessionId(response.session_id);
            self.session = Some(Session { id, password: response.password });
            self.is_welcome = true;
            return Ok(Heard::Session(id));
        }
        let header = ReplyHeader::decode(&mut reader).map_err(|error| error.to_string())?;
        if header.xid == wire::NOTIFICATION_XID {
            return Ok(Heard::Event);
        }
        if header.zxid < self.last_zxid {
            return Err(format!("the zxid went back from 0x{:x} in {header:?}", self.last_zxid));
        }
        self.last_zxid = header.zxid;
        let session = self.session.ok_or("an answer without a session")?.id;
        let asked = self.under_way.pop_front().ok_or_else(|| format!("nobody asked for {header:?}"))?;
        if asked.xid != header.xid {
            return Err(format!("{header:?} answers {asked:?}"));
        }
        if asked.request == Request::CloseSession {
            self.session = None;
            self.is_welcome = false;
        }
        Ok(Heard::Answer { session, asked, header })
    }
}

/// Does a request become a transaction?
pub fn is_write(request: &Request<'_>) -> bool {
    !matches!(request.op(), OpCode::GetData | OpCode::GetChildren2)
}
