//! A session that outlives its connections.

use crate::open::{Frame, OpenRequests};
use crate::watches::Watches;
use crate::{Caller, Connection, Error, Notification, Options, Reply, Servers, Socket};
use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use wire::{
    AUTH_XID, Encode, ErrorCode, OpCode, PASSWORD_LEN, PING_XID, Request, RequestHeader, SET_WATCHES_XID,
    SessionId, Writer,
};

/// How long to wait between two rounds over all servers.
const RETRY: Duration = Duration::from_millis(300);

/// What happens to a session besides answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SessionEvent {
    /// A server let the session in; true if it is a new session.
    Connected {
        /// Not the session of before.
        new_session: bool,
    },
    /// The connection is gone: open requests have failed, a new connection is being looked for.
    Disconnected,
    /// The session is gone, with its ephemerals and watches; a new one is being asked for.
    Expired,
    /// A server refuses a credential given earlier.
    AuthFailed,
    /// A watch fired.
    Watch(Notification),
}

/// Where a session stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionState {
    /// Looking for a server.
    Connecting,
    /// Connected.
    Connected,
    /// Closed by us.
    Closed,
}

/// A session with a thread of its own, which reads, pings, and reconnects: to any server of the list, with the same session as
/// long as it lives, with its credentials and watches.
///
/// Requests wait for a connection up to the request timeout. Requests that are open when a connection breaks fail with
/// [`Error::Closed`]: whether they were carried out is not known.
pub struct Session {
    shared: Arc<Shared>,
    reader: Option<JoinHandle<()>>,
}

struct Shared {
    options: Options,
    addresses: Vec<SocketAddr>,
    inner: Mutex<Inner>,
    connected: Condvar,
}

type Answer = Sender<Result<Reply, Error>>;

struct Inner {
    state: SessionState,
    /// The session is being ended: its connection is the last one.
    closing: bool,
    /// Another handle of the socket that the reader thread reads.
    stream: Option<TcpStream>,
    peer: Option<SocketAddr>,
    session: SessionId,
    password: [u8; PASSWORD_LEN],
    timeout: Duration,
    read_only: bool,
    last_zxid: i64,
    next_xid: i32,
    open: OpenRequests<Option<Answer>>,
    watches: Watches,
    credentials: Vec<(String, Vec<u8>)>,
    last_sent: Instant,
}

impl Session {
    /// Connects, and keeps connected. `on_event` is called from the session's thread.
    ///
    /// # Errors
    /// When no server lets us in at first.
    pub fn open(
        servers: &Servers,
        options: &Options,
        on_event: impl FnMut(SessionEvent) + Send + 'static,
    ) -> Result<Session, Error> {
        let addresses = servers.addresses()?;
        let connection = Connection::connect_any(&addresses, options)?;
        let inner = Inner {
            state: SessionState::Connecting,
            closing: false,
            stream: None,
            peer: None,
            session: SessionId(0),
            password: [0; PASSWORD_LEN],
            timeout: Duration::ZERO,
            read_only: false,
            last_zxid: options.last_zxid_seen,
            next_xid: 1,
            open: OpenRequests::new(),
            watches: Watches::default(),
            credentials: Vec::new(),
            last_sent: Instant::now(),
        };
        let shared = Arc::new(Shared {
            options: options.clone(),
            addresses,
            inner: Mutex::new(inner),
            connected: Condvar::new(),
        });
        let socket = shared.enter(connection)?;
        let reader = Arc::clone(&shared);
        let thread =
            thread::Builder::new().name("session".into()).spawn(move || reader.run(socket, on_event));
        let thread = thread.map_err(|e| Error::Io("start a thread", e))?;
        Ok(Session { shared, reader: Some(thread) })
    }

    /// Where the session stands.
    pub fn state(&self) -> SessionState {
        self.shared.lock().state
    }

    /// The session's id.
    pub fn id(&self) -> SessionId {
        self.shared.lock().session
    }

    /// The negotiated timeout.
    pub fn timeout(&self) -> Duration {
        self.shared.lock().timeout
    }

    /// Is the server read-only?
    pub fn read_only(&self) -> bool {
        self.shared.lock().read_only
    }

    /// The server connected to, if any.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.shared.lock().peer
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// [`Error::Timeout`], or [`Error::Closed`] when the connection breaks meanwhile. A refusal is in the reply.
    pub fn call(&self, request: &Request<'_>) -> Result<Reply, Error> {
        let answer = self.shared.submit(request)?;
        self.shared.wait(&answer)
    }

    /// Adds a credential to this and every later connection.
    ///
    /// # Errors
    /// [`Error::Server`] with AUTHFAILED when the server refuses it.
    pub fn authenticate(&self, scheme: &str, auth: &[u8]) -> Result<(), Error> {
        let request = auth_request(scheme, auth);
        self.call(&request)?.check()?;
        let credential = (scheme.to_owned(), auth.to_owned());
        let mut inner = self.shared.lock();
        if !inner.credentials.contains(&credential) {
            inner.credentials.push(credential);
        }
        Ok(())
    }

    /// Ends the session.
    ///
    /// # Errors
    /// When the server could not be told; it will forget the session in time.
    pub fn close(mut self) -> Result<(), Error> {
        self.shared.lock().closing = true;
        let told = match self.state() {
            SessionState::Connected => self.call(&Request::CloseSession).and_then(|reply| reply.check()),
            _ => Ok(()),
        };
        self.stop();
        told
    }

    fn stop(&mut self) {
        self.shared.stop();
        if let Some(reader) = self.reader.take() {
            // A panic over there has been printed there.
            let _ = reader.join();
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Caller for &Session {
    fn call_all(&mut self, requests: &[Request<'_>]) -> Result<Vec<Reply>, Error> {
        let answers = requests.iter().map(|r| self.shared.submit(r)).collect::<Result<Vec<_>, _>>()?;
        answers.iter().map(|answer| self.shared.wait(answer)).collect()
    }
}

fn auth_request<'a>(scheme: &'a str, auth: &'a [u8]) -> Request<'a> {
    Request::Auth { auth_type: 0, scheme: Some(scheme.into()), auth: Some(auth.into()) }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change under the lock is complete before anything that can panic.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self) {
        let mut inner = self.lock();
        inner.state = SessionState::Closed;
        if let Some(stream) = &inner.stream {
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.connected.notify_all();
    }

    /// Takes over a connection: credentials and watches first, then whoever waits.
    fn enter(&self, connection: Connection) -> Result<Socket, Error> {
        let mut inner = self.lock();
        inner.session = connection.session();
        inner.password = connection.password();
        inner.timeout = Duration::from_millis(connection.timeout_ms().max(1) as u64);
        inner.read_only = connection.read_only();
        let socket = connection.into_socket();
        inner.peer = socket.peer().ok();
        inner.stream = Some(socket.stream().try_clone().map_err(|e| Error::Io("share a socket", e))?);
        for (scheme, auth) in inner.credentials.clone() {
            self.write(&mut inner, AUTH_XID, &auth_request(&scheme, &auth), None)?;
        }
        for batch in inner.watches.batches(inner.last_zxid) {
            self.write(&mut inner, SET_WATCHES_XID, &Request::SetWatches2(batch), None)?;
        }
        if inner.state == SessionState::Connecting {
            inner.state = SessionState::Connected;
        }
        self.connected.notify_all();
        Ok(socket)
    }

    /// Sends a request, waiting for a connection if there is none.
    fn submit(&self, request: &Request<'_>) -> Result<Receiver<Result<Reply, Error>>, Error> {
        let deadline = Instant::now() + self.options.request_timeout;
        let mut inner = self.lock();
        while inner.state == SessionState::Connecting {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::Timeout);
            }
            inner = self.connected.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        if inner.state == SessionState::Closed {
            return Err(Error::Closed);
        }
        let xid = match request {
            Request::Ping => PING_XID,
            Request::Auth { .. } => AUTH_XID,
            _ => {
                let xid = inner.next_xid;
                inner.next_xid = xid.checked_add(1).unwrap_or(1);
                xid
            }
        };
        let (sender, receiver) = channel();
        inner.watches.asked(xid, request);
        self.write(&mut inner, xid, request, Some(sender))?;
        Ok(receiver)
    }

    fn wait(&self, answer: &Receiver<Result<Reply, Error>>) -> Result<Reply, Error> {
        answer.recv_timeout(self.options.request_timeout).unwrap_or(Err(Error::Timeout))
    }

    fn write(
        &self,
        inner: &mut Inner,
        xid: i32,
        request: &Request<'_>,
        answer: Option<Answer>,
    ) -> Result<(), Error> {
        let mut bytes = Vec::new();
        let at = wire::start_frame(&mut bytes);
        let mut w = Writer::new(&mut bytes);
        w.record(&RequestHeader { xid, op: request.op().code() });
        request.encode(&mut w);
        wire::finish_frame(&mut bytes, at);
        inner.open.push(xid, request.op(), answer);
        inner.last_sent = Instant::now();
        let deadline = Instant::now() + self.options.request_timeout;
        let Some(stream) = inner.stream.as_mut() else { return Err(Error::Closed) };
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            match stream.write(rest) {
                Ok(n) if n > 0 => rest = &rest[n..],
                // The socket's write timeout is short; the reader thread keeps the other direction moving.
                Err(e) if is_transient(&e) && Instant::now() < deadline => {}
                _ => {
                    // Half a frame may be out: this connection is of no use any more.
                    let _ = stream.shutdown(Shutdown::Both);
                    return Err(Error::Closed);
                }
            }
        }
        Ok(())
    }

    /// The session's thread.
    fn run(&self, mut socket: Socket, mut on_event: impl FnMut(SessionEvent)) {
        loop {
            self.read(&mut socket, &mut on_event);
            self.leave();
            if self.lock().state == SessionState::Closed {
                return;
            }
            on_event(SessionEvent::Disconnected);
            match self.reconnect(&mut on_event) {
                Some(next) => socket = next,
                None => return,
            }
        }
    }

    /// Reads until the connection is of no further use.
    fn read(&self, socket: &mut Socket, on_event: &mut impl FnMut(SessionEvent)) {
        let timeout = self.lock().timeout;
        let mut heard = Instant::now();
        loop {
            match socket.recv_frame(timeout / 6) {
                Ok(frame) => {
                    heard = Instant::now();
                    if self.frame(&frame, on_event).is_err() {
                        return socket.shutdown();
                    }
                }
                Err(Error::Timeout) if heard.elapsed() < timeout * 2 / 3 => {}
                Err(_) => return socket.shutdown(),
            }
            let mut inner = self.lock();
            if inner.last_sent.elapsed() >= timeout / 3
                && self.write(&mut inner, PING_XID, &Request::Ping, None).is_err()
            {
                return;
            }
        }
    }

    fn frame(&self, bytes: &[u8], on_event: &mut impl FnMut(SessionEvent)) -> Result<(), Error> {
        match Frame::parse(bytes)? {
            Frame::Notification(notification) => {
                self.lock().watches.fired(&notification.event);
                on_event(SessionEvent::Watch(notification));
            }
            Frame::Reply(header, body) => {
                let mut inner = self.lock();
                let (op, answer) = inner.open.take(header.xid)?;
                inner.last_zxid = inner.last_zxid.max(header.zxid);
                inner.watches.answered(header.xid, header.err);
                drop(inner);
                match answer {
                    // Whoever gave up waiting has dropped the other end.
                    Some(answer) => drop(answer.send(Ok(Reply { op, header, body: body.to_vec() }))),
                    None if op == OpCode::Auth && header.err == ErrorCode::AuthFailed.code() => {
                        self.lock().credentials.clear();
                        on_event(SessionEvent::AuthFailed);
                    }
                    None => {}
                }
            }
        }
        Ok(())
    }

    /// The connection is gone.
    fn leave(&self) {
        let mut inner = self.lock();
        inner.stream = None;
        inner.peer = None;
        if inner.closing {
            inner.state = SessionState::Closed;
        } else if inner.state == SessionState::Connected {
            inner.state = SessionState::Connecting;
        }
        inner.watches.forget_asked();
        for answer in inner.open.drain().flatten() {
            let _ = answer.send(Err(Error::Closed));
        }
    }

    /// Looks for a server until there is one or the session is closed by us.
    fn reconnect(&self, on_event: &mut impl FnMut(SessionEvent)) -> Option<Socket> {
        let mut new_session = false;
        loop {
            let options = {
                let inner = self.lock();
                if inner.state == SessionState::Closed {
                    return None;
                }
                let session = (!new_session).then_some((inner.session, inner.password));
                Options { session, last_zxid_seen: inner.last_zxid, ..self.options.clone() }
            };
            match Connection::connect_any(&self.addresses, &options) {
                Ok(connection) => {
                    if let Ok(socket) = self.enter(connection) {
                        on_event(SessionEvent::Connected { new_session });
                        return Some(socket);
                    }
                }
                Err(Error::SessionExpired) => {
                    new_session = true;
                    self.lock().watches = Watches::default();
                    on_event(SessionEvent::Expired);
                    continue;
                }
                Err(_) => {}
            }
            thread::sleep(RETRY);
        }
    }
}

fn is_transient(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}
