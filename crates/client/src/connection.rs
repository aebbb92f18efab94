//! One connection after its handshake.

use crate::open::{Frame, LIMITS, OpenRequests};
use crate::{Error, Servers, Socket};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use wire::{
    AUTH_XID, ConnectRequest, ConnectResponse, Decode, Encode, OpCode, PASSWORD_LEN, PING_XID, Reader,
    ReplyHeader, Request, RequestHeader, Response, SessionId, WatcherEvent, Writer,
};

/// Buffered output that is written without waiting for [`Connection::flush`].
const OUTPUT_BYTES_MAX: usize = 256 << 10;

/// How to connect. The default asks for a new session of 30 s.
#[derive(Clone, Debug)]
pub struct Options {
    /// The session timeout to ask for, in ms.
    pub session_timeout_ms: i32,
    /// How long a TCP connection, and then the handshake, may take.
    pub connect_timeout: Duration,
    /// How long [`Connection::recv`] and [`Connection::flush`] wait.
    pub request_timeout: Duration,
    /// The session to take up again, with its password.
    pub session: Option<(SessionId, [u8; PASSWORD_LEN])>,
    /// The newest zxid seen; a server that is behind it closes the connection.
    pub last_zxid_seen: i64,
    /// The readOnly byte of the handshake; `None` leaves it out, as clients before 3.4 do.
    pub read_only: Option<bool>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            session_timeout_ms: 30_000,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(30),
            session: None,
            last_zxid_seen: 0,
            read_only: Some(false),
        }
    }
}

/// A watch event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notification {
    /// The reply header's zxid: the transaction's, or -1.
    pub zxid: i64,
    /// What happened.
    pub event: WatcherEvent<'static>,
}

/// An answer: the header decoded, the record behind it as it came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// The operation it answers.
    pub op: OpCode,
    /// xid, zxid and err.
    pub header: ReplyHeader,
    /// The bytes behind the header.
    pub body: Vec<u8>,
}

impl Reply {
    /// The record, when err is 0.
    ///
    /// # Errors
    /// [`Error::Server`] when err is not 0, [`Error::Decode`] when the body is not the operation's record.
    pub fn response(&self) -> Result<Response<'_>, Error> {
        Error::check(self.header.err)?;
        Ok(Response::decode(self.op, &mut Reader::with_limits(&self.body, LIMITS))?)
    }

    /// Nothing but the refusal, if it was refused.
    ///
    /// # Errors
    /// [`Error::Server`] when err is not 0.
    pub fn check(&self) -> Result<(), Error> {
        Error::check(self.header.err)
    }
}

/// What a server sends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Incoming {
    /// An answer.
    Reply(Reply),
    /// A watch event.
    Notification(Notification),
}

/// A connection with an established session. Dropping it closes the socket and leaves the session to its timeout;
/// [`Connection::close`] ends the session.
#[derive(Debug)]
pub struct Connection {
    socket: Socket,
    session: SessionId,
    password: [u8; PASSWORD_LEN],
    timeout_ms: i32,
    read_only: bool,
    request_timeout: Duration,
    last_zxid: i64,
    next_xid: i32,
    open: OpenRequests<()>,
    notifications: VecDeque<Notification>,
}

impl Connection {
    /// Connects to the first server of the list (`host:port,host:port`; a chroot is ignored) that lets us in.
    ///
    /// # Errors
    /// [`Error::SessionExpired`] when a server says so; otherwise the last server's failure.
    pub fn connect(servers: &str, options: &Options) -> Result<Connection, Error> {
        Connection::connect_any(&servers.parse::<Servers>()?.addresses()?, options)
    }

    /// Connects to the first of the addresses that lets us in.
    ///
    /// # Errors
    /// As [`Connection::connect`].
    pub fn connect_any(addresses: &[SocketAddr], options: &Options) -> Result<Connection, Error> {
        let mut failed = Error::Address("no server is named".into());
        for address in addresses {
            let attempt = Socket::connect(*address, options.connect_timeout);
            match attempt.and_then(|socket| Connection::handshake(socket, options)) {
                Ok(connection) => return Ok(connection),
                Err(Error::SessionExpired) => return Err(Error::SessionExpired),
                Err(e) => failed = Error::NoServer(address.to_string(), Box::new(e)),
            }
        }
        Err(failed)
    }

    /// Makes the handshake on a fresh socket.
    ///
    /// # Errors
    /// [`Error::SessionExpired`] for the server's "invalid" answer, [`Error::Closed`] when it closes instead.
    pub fn handshake(mut socket: Socket, options: &Options) -> Result<Connection, Error> {
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: options.last_zxid_seen,
            timeout_ms: options.session_timeout_ms,
            session_id: options.session.map_or(0, |(id, _)| id.0),
            password: Some(
                options.session.map_or([0; PASSWORD_LEN], |(_, password)| password).to_vec().into(),
            ),
            read_only: options.read_only,
        };
        socket.put_frame(|out| request.encode(&mut Writer::new(out)));
        socket.flush(options.connect_timeout)?;
        let frame = socket.recv_frame(options.connect_timeout)?;
        let response = ConnectResponse::decode(&mut Reader::new(&frame))?;
        if response.timeout_ms <= 0 || response.session_id == 0 {
            return Err(Error::SessionExpired);
        }
        Ok(Connection {
            socket,
            session: SessionId(response.session_id),
            password: response.password,
            timeout_ms: response.timeout_ms,
            read_only: response.read_only.unwrap_or(false),
            request_timeout: options.request_timeout,
            last_zxid: options.last_zxid_seen,
            next_xid: 1,
            open: OpenRequests::new(),
            notifications: VecDeque::new(),
        })
    }

    /// The session.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// The session's password.
    pub fn password(&self) -> [u8; PASSWORD_LEN] {
        self.password
    }

    /// The negotiated session timeout in ms.
    pub fn timeout_ms(&self) -> i32 {
        self.timeout_ms
    }

    /// Is the server read-only?
    pub fn read_only(&self) -> bool {
        self.read_only
    }

    /// The newest zxid in any reply so far.
    pub fn last_zxid(&self) -> i64 {
        self.last_zxid
    }

    /// Numbers requests from where an earlier connection of the same session stopped, as Apache's clients do: its servers
    /// match what was asked with what is committed by these numbers alone.
    pub fn continue_from(&mut self, earlier: &Connection) {
        self.next_xid = earlier.next_xid;
    }

    /// How many requests have no answer yet.
    pub fn open_requests(&self) -> usize {
        self.open.len()
    }

    /// The socket below, for bytes that no client should send.
    pub fn socket(&mut self) -> &mut Socket {
        &mut self.socket
    }

    /// Changes how long [`Connection::recv`] and [`Connection::flush`] wait.
    pub fn set_request_timeout(&mut self, timeout: Duration) {
        self.request_timeout = timeout;
    }

    /// Buffers a request and returns its xid: the next number, or the special one of a ping or auth packet.
    ///
    /// # Errors
    /// As [`Connection::flush`], which happens when much is buffered.
    pub fn send(&mut self, request: &Request<'_>) -> Result<i32, Error> {
        let xid = match request {
            Request::Ping => PING_XID,
            Request::Auth { .. } => AUTH_XID,
            _ => {
                let xid = self.next_xid;
                self.next_xid = self.next_xid.checked_add(1).unwrap_or(1);
                xid
            }
        };
        self.send_as(xid, request)?;
        Ok(xid)
    }

    /// Buffers a request under a given xid.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub fn send_as(&mut self, xid: i32, request: &Request<'_>) -> Result<(), Error> {
        self.send_record(xid, request.op().code(), request.op(), &request.to_bytes())
    }

    /// Buffers a frame of a header and any bytes; its answer is read as one to `op`.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub fn send_record(&mut self, xid: i32, op_code: i32, op: OpCode, record: &[u8]) -> Result<(), Error> {
        self.socket.put_frame(|out| {
            let mut w = Writer::new(out);
            w.record(&RequestHeader { xid, op: op_code });
            w.raw(record);
        });
        self.open.push(xid, op, ());
        if self.socket.unsent() >= OUTPUT_BYTES_MAX { self.flush() } else { Ok(()) }
    }

    /// Writes everything buffered.
    ///
    /// # Errors
    /// As [`Socket::flush`].
    pub fn flush(&mut self) -> Result<(), Error> {
        self.socket.flush(self.request_timeout)
    }

    /// The next frame, whatever it is. Writes everything buffered first.
    ///
    /// An answer belongs to the oldest open request with its xid, so a ping's or auth packet's answer may overtake others.
    ///
    /// # Errors
    /// [`Error::Timeout`] when nothing complete comes within `timeout`; [`Error::Protocol`] for an xid that is not open.
    pub fn recv_any(&mut self, timeout: Duration) -> Result<Incoming, Error> {
        self.flush()?;
        let frame = self.socket.recv_frame(timeout)?;
        self.sort(&frame)
    }

    fn sort(&mut self, frame: &[u8]) -> Result<Incoming, Error> {
        match Frame::parse(frame)? {
            Frame::Notification(notification) => Ok(Incoming::Notification(notification)),
            Frame::Reply(header, body) => {
                self.last_zxid = self.last_zxid.max(header.zxid);
                let (op, ()) = self.open.take(header.xid)?;
                Ok(Incoming::Reply(Reply { op, header, body: body.to_vec() }))
            }
        }
    }

    /// The next answer; events that come before it are kept for [`Connection::take_notifications`].
    ///
    /// # Errors
    /// As [`Connection::recv_any`], with the request timeout over all.
    pub fn recv(&mut self) -> Result<Reply, Error> {
        let deadline = Instant::now() + self.request_timeout;
        loop {
            match self.recv_any(deadline.saturating_duration_since(Instant::now()))? {
                Incoming::Reply(reply) => return Ok(reply),
                Incoming::Notification(n) => self.notifications.push_back(n),
            }
        }
    }

    /// Sends a request and waits for its answer; answers to requests sent before it are dropped.
    ///
    /// # Errors
    /// As [`Connection::recv`]. A refusal is in the reply, not an error here.
    pub fn call(&mut self, request: &Request<'_>) -> Result<Reply, Error> {
        let xid = self.send(request)?;
        self.recv_xid(xid)
    }

    fn recv_xid(&mut self, xid: i32) -> Result<Reply, Error> {
        loop {
            let reply = self.recv()?;
            if reply.header.xid == xid {
                return Ok(reply);
            }
        }
    }

    /// Adds a credential to this connection, such as `digest` and `user:password`.
    ///
    /// # Errors
    /// [`Error::Server`] with AUTHFAILED when the server refuses it (it then closes the connection).
    pub fn authenticate(&mut self, scheme: &str, auth: &[u8]) -> Result<(), Error> {
        self.call(&Request::Auth { auth_type: 0, scheme: Some(scheme.into()), auth: Some(auth.into()) })?
            .check()
    }

    /// Sends a ping and waits for its answer.
    ///
    /// # Errors
    /// As [`Connection::recv`].
    pub fn ping(&mut self) -> Result<(), Error> {
        self.call(&Request::Ping)?.check()
    }

    /// The events kept so far, oldest first.
    pub fn take_notifications(&mut self) -> Vec<Notification> {
        self.notifications.drain(..).collect()
    }

    /// The oldest event kept, or the next one that comes; `None` when none comes within `timeout`. Answers that come meanwhile
    /// (there should be none: receive them first) are dropped.
    ///
    /// # Errors
    /// As [`Connection::recv_any`], but for the timeout.
    pub fn next_notification(&mut self, timeout: Duration) -> Result<Option<Notification>, Error> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(n) = self.notifications.pop_front() {
                return Ok(Some(n));
            }
            match self.recv_any(deadline.saturating_duration_since(Instant::now())) {
                Ok(Incoming::Notification(n)) => return Ok(Some(n)),
                Ok(Incoming::Reply(_)) => {}
                Err(Error::Timeout) => return Ok(None),
                Err(e) => return Err(e),
            }
        }
    }

    /// The socket, for whoever goes on with the session on its own terms.
    pub fn into_socket(self) -> Socket {
        self.socket
    }

    /// Ends the session: the server deletes its ephemerals, answers and closes the connection.
    ///
    /// # Errors
    /// As [`Connection::recv`].
    pub fn close(mut self) -> Result<(), Error> {
        self.call(&Request::CloseSession)?.check()?;
        self.socket.shutdown();
        Ok(())
    }
}

impl crate::Caller for Connection {
    fn call_all(&mut self, requests: &[Request<'_>]) -> Result<Vec<Reply>, Error> {
        for request in requests {
            self.send(request)?;
        }
        requests.iter().map(|_| self.recv()).collect()
    }
}
