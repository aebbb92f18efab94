//! A client for stories: says exactly what it is told and shows everything it hears.

use crate::item::Frame;
use crate::patience::PATIENCE;
use crate::socket::{Got, Socket, framed};
use std::net::SocketAddr;
use wire::{
    Acl, ConnectRequest, ConnectResponse, Decode, Encode, MultiOp, MultiResult, NOTIFICATION_XID, OpCode,
    Reader, ReplyHeader, Request, Response, Stat, WatcherEvent,
};

/// How a story ends early.
pub(crate) type Told<T = ()> = Result<T, String>;

/// A session over one connection.
pub(crate) struct Talk {
    pub socket: Socket,
    address: SocketAddr,
    xid: i32,
    /// From the handshake.
    pub id: i64,
    pub password: Vec<u8>,
    pub timeout_ms: i32,
    /// Events heard and not yet looked at: type, path, zxid.
    pub events: Vec<(i32, String, i64)>,
    pub last_zxid: i64,
}

/// A reply.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub xid: i32,
    pub zxid: i64,
    pub err: i32,
    pub body: Vec<u8>,
    op: Option<OpCode>,
}

impl Reply {
    pub fn response(&self) -> Told<Response<'_>> {
        let op = self.op.ok_or("a reply to no known operation")?;
        if self.err != 0 {
            return Err(format!("{} failed with {}", op.name(), self.err));
        }
        let mut r = Reader::new(&self.body);
        let response = Response::decode(op, &mut r).map_err(|e| format!("{}: {e}", op.name()))?;
        if !r.is_empty() {
            return Err(format!("{}: surplus bytes behind {response:?}", op.name()));
        }
        Ok(response)
    }

    pub fn stat(&self) -> Told<Stat> {
        match self.response()? {
            Response::Stat(stat)
            | Response::Data(_, stat)
            | Response::PathStat(_, stat)
            | Response::Children2(_, stat)
            | Response::Acl(_, stat) => Ok(stat),
            other => Err(format!("no stat in {other:?}")),
        }
    }

    pub fn path(&self) -> Told<String> {
        match self.response()? {
            Response::Path(Some(path)) | Response::PathStat(Some(path), _) => Ok(path.into_owned()),
            other => Err(format!("no path in {other:?}")),
        }
    }

    pub fn data(&self) -> Told<Option<Vec<u8>>> {
        match self.response()? {
            Response::Data(data, _) => Ok(data.map(|data| data.into_owned())),
            other => Err(format!("no data in {other:?}")),
        }
    }

    pub fn names(&self) -> Told<Vec<String>> {
        match self.response()? {
            Response::Children(Some(names)) | Response::Children2(Some(names), _) => {
                let mut names: Vec<String> =
                    names.into_iter().flatten().map(|name| name.into_owned()).collect();
                names.sort();
                Ok(names)
            }
            other => Err(format!("no names in {other:?}")),
        }
    }

    pub fn acl(&self) -> Told<Vec<Acl<'static>>> {
        match self.response()? {
            Response::Acl(Some(list), _) => Ok(list.into_iter().map(Acl::into_owned).collect()),
            other => Err(format!("no ACL in {other:?}")),
        }
    }

    /// The results of a multi; `None` in an error's place is code 0.
    pub fn results(&self) -> Told<Vec<MultiResult<'_>>> {
        match self.response()? {
            Response::Multi(results) => Ok(results),
            other => Err(format!("no results in {other:?}")),
        }
    }

    /// The codes of a failed multi.
    pub fn codes(&self) -> Told<Vec<i32>> {
        self.results()?
            .into_iter()
            .map(|result| match result {
                MultiResult::Error(code) => Ok(code.map_or(0, |code| code.code())),
                other => Err(format!("{other:?} in a failed multi")),
            })
            .collect()
    }

    pub fn fails(&self, code: i32) -> Told {
        if self.err != code {
            return Err(format!("{:?}: error {} and not {code}", self.op, self.err));
        }
        if !self.body.is_empty() {
            return Err(format!("{:?}: error {code} with a body", self.op));
        }
        Ok(())
    }

    pub fn ok(&self) -> Told {
        if self.err != 0 { Err(format!("{:?}: error {}", self.op, self.err)) } else { Ok(()) }
    }
}

/// A handshake for a new session.
pub(crate) fn hello(timeout_ms: i32) -> ConnectRequest<'static> {
    ConnectRequest {
        protocol_version: 0,
        last_zxid_seen: 0,
        timeout_ms,
        session_id: 0,
        password: Some(vec![0; 16].into()),
        read_only: Some(false),
    }
}

impl Talk {
    /// Shakes hands; `None` when the server closes without a word.
    pub fn shake(address: SocketAddr, request: &ConnectRequest<'_>) -> Told<Option<Talk>> {
        let mut socket = Socket::open(address).map_err(|e| e.to_string())?;
        socket.send(&framed(&request.to_bytes()));
        let payload = match socket.frame(PATIENCE) {
            Got::Frame(payload) => payload,
            Got::Closed => return Ok(None),
            Got::Silence => return Err("no answer to the handshake".to_owned()),
        };
        let expected = if request.read_only.is_some() { 37 } else { 36 };
        if payload.len() != expected {
            return Err(format!("the handshake's answer has {} bytes", payload.len()));
        }
        let answer = ConnectResponse::decode(&mut Reader::new(&payload)).map_err(|e| e.to_string())?;
        let (id, password, timeout_ms) = (answer.session_id, answer.password.to_vec(), answer.timeout_ms);
        Ok(Some(Talk { socket, address, xid: 0, id, password, timeout_ms, events: Vec::new(), last_zxid: 0 }))
    }

    /// A new session with a long timeout.
    pub fn new(address: SocketAddr) -> Told<Talk> {
        Talk::shake(address, &hello(60_000))?.ok_or_else(|| "the server closes a new connection".to_owned())
    }

    /// A handshake that renews this session.
    pub fn renewal(&self) -> ConnectRequest<'static> {
        let password = Some(self.password.clone().into());
        ConnectRequest { session_id: self.id, password, ..hello(60_000) }
    }

    /// The session on a new connection.
    pub fn renew(&self) -> Told<Talk> {
        Talk::shake(self.address, &self.renewal())?.ok_or_else(|| "the server refuses a renewal".to_owned())
    }

    /// Sends requests together, without reading.
    pub fn send(&mut self, frames: &[Frame]) {
        let mut bytes = Vec::new();
        for frame in frames {
            self.xid += 1;
            bytes.extend(framed(&frame.payload(frame.xid.unwrap_or(self.xid), self.last_zxid)));
        }
        self.socket.send(&bytes);
    }

    /// The next reply; events on the way are kept.
    pub fn reply(&mut self, op: Option<OpCode>) -> Told<Reply> {
        loop {
            let payload = match self.socket.frame(PATIENCE) {
                Got::Frame(payload) => payload,
                Got::Closed => return Err(format!("closed instead of a reply to {op:?}")),
                Got::Silence => return Err(format!("no reply to {op:?}")),
            };
            let header = ReplyHeader::decode(&mut Reader::new(&payload)).map_err(|e| e.to_string())?;
            let body = payload[16..].to_vec();
            if header.xid == NOTIFICATION_XID {
                let event = WatcherEvent::decode(&mut Reader::new(&body)).map_err(|e| e.to_string())?;
                let path = event.path.unwrap_or_default().into_owned();
                self.events.push((event.event_type, path, header.zxid));
                continue;
            }
            self.last_zxid = self.last_zxid.max(header.zxid);
            return Ok(Reply { xid: header.xid, zxid: header.zxid, err: header.err, body, op });
        }
    }

    /// Sends a request and reads its reply.
    pub fn call(&mut self, request: Request<'_>) -> Told<Reply> {
        self.call_frame(Frame::of(&request))
    }

    /// Sends a frame and reads its reply.
    pub fn call_frame(&mut self, frame: Frame) -> Told<Reply> {
        let op = OpCode::from_code(frame.op);
        self.send(&[frame]);
        self.reply(op)
    }

    /// The connection ends here, without another frame.
    pub fn closed(&mut self) -> Told {
        match self.socket.frame(PATIENCE) {
            Got::Closed => Ok(()),
            Got::Frame(payload) => {
                Err(format!("a frame where a close is due: {}", crate::item::hex(&payload)))
            }
            Got::Silence => Err("still open".to_owned()),
        }
    }

    /// The events heard up to now, as `type path`.
    pub fn heard(&mut self) -> Told<Vec<String>> {
        self.ping()?;
        Ok(self.events.drain(..).map(|(kind, path, _)| format!("{kind} {path}")).collect())
    }

    pub fn ping(&mut self) -> Told<Reply> {
        self.call(Request::Ping)
    }

    pub fn create(&mut self, path: &str, flags: i32) -> Told<Reply> {
        self.call(create(OpCode::Create2, path, flags))
    }

    /// Creates a persistent node that must not exist.
    pub fn make(&mut self, path: &str) -> Told<Stat> {
        self.create(path, 0)?.stat()
    }

    pub fn delete(&mut self, path: &str) -> Told<Reply> {
        self.call(Request::Delete { path: text(path), version: -1 })
    }

    pub fn set(&mut self, path: &str, data: &str) -> Told<Reply> {
        self.call(Request::SetData {
            path: text(path),
            data: Some(data.as_bytes().to_vec().into()),
            version: -1,
        })
    }

    pub fn exists(&mut self, path: &str, watch: bool) -> Told<Reply> {
        self.call(Request::Exists { path: text(path), watch })
    }

    pub fn get(&mut self, path: &str, watch: bool) -> Told<Reply> {
        self.call(Request::GetData { path: text(path), watch })
    }

    pub fn children(&mut self, path: &str, watch: bool) -> Told<Reply> {
        self.call(Request::GetChildren2 { path: text(path), watch })
    }

    pub fn set_acl(&mut self, path: &str, acl: &[Acl<'static>]) -> Told<Reply> {
        self.call(Request::SetAcl { path: text(path), acl: Some(acl.to_vec()), version: -1 })
    }

    pub fn get_acl(&mut self, path: &str) -> Told<Reply> {
        self.call(Request::GetAcl { path: text(path) })
    }

    pub fn auth(&mut self, scheme: &str, auth: &str) -> Told<Reply> {
        self.call_frame(auth_frame(scheme, auth))
    }

    pub fn multi(&mut self, ops: Vec<MultiOp<'_>>) -> Told<Reply> {
        self.call(Request::Multi { ops })
    }

    pub fn add_watch(&mut self, path: &str, mode: i32) -> Told<Reply> {
        self.call(Request::AddWatch { path: text(path), mode })
    }
}

pub(crate) fn text(path: &str) -> wire::Ustring<'static> {
    Some(path.to_owned().into())
}

pub(crate) fn create(op: OpCode, path: &str, flags: i32) -> Request<'static> {
    create_as(op, path, flags, Some(vec![Acl::open()]))
}

pub(crate) fn create_as(
    op: OpCode,
    path: &str,
    flags: i32,
    acl: Option<Vec<Acl<'static>>>,
) -> Request<'static> {
    Request::Create { op, path: text(path), data: Some(b"x".to_vec().into()), acl, flags, ttl: -1 }
}

pub(crate) fn auth_frame(scheme: &str, auth: &str) -> Frame {
    let request = Request::Auth {
        auth_type: 0,
        scheme: Some(scheme.to_owned().into()),
        auth: Some(auth.as_bytes().to_vec().into()),
    };
    Frame { xid: Some(wire::AUTH_XID), ..Frame::of(&request) }
}

pub(crate) fn op_create(op: OpCode, path: &str, flags: i32) -> MultiOp<'static> {
    let ttl = if op == OpCode::CreateTtl { 60_000 } else { -1 };
    MultiOp::Create { op, path: text(path), data: None, acl: Some(vec![Acl::open()]), flags, ttl }
}

pub(crate) fn op_delete(path: &str) -> MultiOp<'static> {
    MultiOp::Delete { path: text(path), version: -1 }
}

pub(crate) fn op_set(path: &str) -> MultiOp<'static> {
    MultiOp::SetData { path: text(path), data: None, version: -1 }
}

pub(crate) fn op_check(path: &str, version: i32) -> MultiOp<'static> {
    MultiOp::Check { path: text(path), version }
}
