//! Connections between servers: the election port, the quorum port while this server leads, and dials.
//!
//! There are few of them and each carries much, so they live apart from the table of clients. Names are resolved at every
//! dial, in a thread that blocks on nobody's behalf but its own: a name that does not resolve costs one failed dial.

use super::conn::{Conn, ReadOutcome};
use super::listen::{ListenConfig, Listener};
use crate::disk::lanes::{News, Outbox};
use crate::machine::Machine;
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use node::{Input, NoteLevel, Now, Outputs, PeerInput};
use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpStream as StdStream, ToSocketAddrs};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use zab::{ConnId, Dial, DialId, Port};

/// Tokens of what is between servers have this bit; those of clients are far below it.
const PEER_BIT: usize = 1 << 62;
/// Names below are those of listeners.
const FIRST_CONN: u64 = 256;
/// What may wait for one server that does not read; behind it the connection ends.
const QUEUE_BYTES_MAX: usize = 256 << 20;

/// Where a member is reached by the others.
#[derive(Clone, Debug)]
pub struct PeersConfig {
    /// Where elections are held; at least one.
    pub election: Vec<SocketAddr>,
    /// Where a leader listens; at least one.
    pub quorum: Vec<SocketAddr>,
    /// Where a follower takes observers, if it does.
    pub observers: Vec<SocketAddr>,
}

/// All connections to other servers.
pub struct Peers {
    config: PeersConfig,
    /// By the names in their tokens.
    listeners: BTreeMap<usize, (Port, Listener)>,
    conns: BTreeMap<ConnId, Conn>,
    next: u64,
    outbox: Arc<Outbox>,
}

/// What a turn of the connections needs.
pub(crate) struct Turn<'t, M> {
    pub(crate) registry: &'t Registry,
    pub(crate) now: Now,
    pub(crate) machine: &'t mut M,
    pub(crate) out: &'t mut Outputs,
    pub(crate) buffer: &'t mut [u8],
    pub(crate) log: &'t mut dyn FnMut(NoteLevel, &str),
}

impl<M: Machine> Turn<'_, M> {
    fn tell(&mut self, input: PeerInput<'_>) {
        self.machine.step(self.now, Input::Peer(input), self.out);
    }
}

impl Peers {
    /// Binds the election port.
    ///
    /// # Errors
    /// When it cannot be had.
    pub(crate) fn open(config: PeersConfig, outbox: Arc<Outbox>) -> io::Result<Peers> {
        let listeners = bind(Port::Election, &config.election)?.into_iter().enumerate().collect();
        Ok(Peers { config, listeners, conns: BTreeMap::new(), next: FIRST_CONN, outbox })
    }

    /// Begins to accept.
    pub(crate) fn watch(&mut self, registry: &Registry) -> io::Result<()> {
        for (name, (_, listener)) in &mut self.listeners {
            registry.register(&mut listener.inner, Token(PEER_BIT | name), Interest::READABLE)?;
            listener.ready = true;
        }
        Ok(())
    }

    /// Is this one of ours?
    pub(crate) fn owns(token: Token) -> bool {
        token.0 & PEER_BIT != 0 && token.0 < usize::MAX / 2 + 1
    }

    /// News of a socket.
    pub(crate) fn event(&mut self, event: &Event) {
        let name = event.token().0 & !PEER_BIT;
        if (name as u64) < FIRST_CONN {
            if let Some((_, listener)) = self.listeners.get_mut(&name) {
                listener.ready = true;
            }
            return;
        }
        let Some(conn) = self.conns.get_mut(&ConnId(name as u64)) else { return };
        if event.is_writable() {
            conn.set_writable();
        }
        if event.is_error() || event.is_read_closed() {
            conn.ended = true;
        }
        conn.readable |= event.is_readable() || conn.ended;
    }

    /// Is there something to do at once?
    pub(crate) fn is_eager(&self) -> bool {
        self.conns.values().any(|conn| conn.readable && !conn.paused)
            || self
                .listeners
                .values()
                .any(|(_, listener)| listener.ready && listener.blocked_until_us.is_none())
    }

    /// When accepting goes on after it had to stop.
    pub(crate) fn blocked_until_us(&self) -> Option<u64> {
        self.listeners.values().filter_map(|(_, listener)| listener.blocked_until_us).min()
    }

    /// Accepts and reads.
    pub(crate) fn turn<M: Machine>(&mut self, turn: &mut Turn<'_, M>) {
        self.accept(turn);
        let readable = self.conns.iter().filter(|(_, conn)| conn.readable && !conn.paused);
        for id in readable.map(|(id, _)| *id).collect::<Vec<_>>() {
            let conn = self.conns.get_mut(&id).expect("it was just there");
            match conn.read(turn.buffer) {
                ReadOutcome::Bytes(n) => {
                    let bytes = &turn.buffer[..n];
                    let input = Input::Peer(PeerInput::Received { conn: id, bytes });
                    turn.machine.step(turn.now, input, turn.out);
                }
                ReadOutcome::Nothing => {}
                ReadOutcome::End => self.end(id, turn),
            }
        }
    }

    fn accept<M: Machine>(&mut self, turn: &mut Turn<'_, M>) {
        for name in self.listeners.keys().copied().collect::<Vec<_>>() {
            let Some((port, listener)) = self.listeners.get_mut(&name) else { continue };
            let blocked = listener.blocked_until_us.is_some_and(|until| until > turn.now.mono_us);
            if blocked || !listener.ready {
                continue;
            }
            listener.blocked_until_us = None;
            let (port, accepted) = (*port, listener.accept(turn.now.mono_us));
            for (stream, _) in accepted.streams {
                if let Some(conn) = self.insert(stream, turn.registry) {
                    turn.tell(PeerInput::Accepted { conn, port });
                }
            }
            if let Some(error) = accepted.trouble {
                (turn.log)(NoteLevel::Error, &format!("cannot accept connections of other servers: {error}"));
            }
        }
    }

    fn insert(&mut self, mut stream: TcpStream, registry: &Registry) -> Option<ConnId> {
        let id = ConnId(self.next);
        self.next += 1;
        let interest = Interest::READABLE | Interest::WRITABLE;
        registry.register(&mut stream, Token(PEER_BIT | id.0 as usize), interest).ok()?;
        self.conns.insert(id, Conn::new(stream));
        Some(id)
    }

    /// A dial has ended.
    pub(crate) fn dialled<M: Machine>(
        &mut self,
        dial: DialId,
        stream: Option<StdStream>,
        turn: &mut Turn<'_, M>,
    ) {
        let conn = stream.and_then(|stream| self.insert(TcpStream::from_std(stream), turn.registry));
        turn.tell(PeerInput::Dialled { dial, conn });
    }

    /// Does what the machine wants of other servers; true if it was told something.
    pub(crate) fn carry_out<M: Machine>(&mut self, turn: &mut Turn<'_, M>) -> bool {
        let wants = std::mem::take(&mut turn.out.peer);
        // What is closed is closed first: the addresses of two ports may be the same.
        let mut ports = [(Port::Quorum, wants.quorum_port), (Port::Observers, wants.observer_port)];
        ports.sort_by_key(|(_, listen)| *listen);
        for (port, listen) in ports {
            if let Some(listen) = listen {
                self.listen_for_learners(port, listen, turn);
            }
        }
        for dial in wants.dials {
            self.dial(dial);
        }
        let mut told = false;
        for (id, bytes) in wants.sends {
            let Some(conn) = self.conns.get_mut(&id) else { continue };
            conn.queue(bytes);
            if conn.pending() > QUEUE_BYTES_MAX {
                (turn.log)(NoteLevel::Warn, "a server that does not read what it is sent is cut off");
                self.end(id, turn);
                told = true;
            }
        }
        told |= self.write(turn);
        for id in wants.closes {
            if self.conns.contains_key(&id) {
                self.end(id, turn);
                told = true;
            }
        }
        for (ids, pause) in [(wants.pauses, true), (wants.resumes, false)] {
            for id in ids {
                if let Some(conn) = self.conns.get_mut(&id) {
                    conn.paused = pause;
                }
            }
        }
        told
    }

    /// Writes what the kernel takes; true if the machine was told something.
    fn write<M: Machine>(&mut self, turn: &mut Turn<'_, M>) -> bool {
        let mut told = false;
        let waiting = self.conns.iter().filter(|(_, conn)| conn.pending() > 0);
        for id in waiting.map(|(id, _)| *id).collect::<Vec<_>>() {
            let conn = self.conns.get_mut(&id).expect("it was just there");
            let before = conn.pending();
            if conn.flush().is_err() {
                self.end(id, turn);
                told = true;
                continue;
            }
            let pending = conn.pending();
            if pending == 0 {
                drop(conn.take_spare());
            }
            if (pending > 0 && (pending != before || !conn.told_pending))
                || (pending == 0 && conn.told_pending)
            {
                conn.told_pending = pending > 0;
                turn.tell(PeerInput::Written { conn: id, pending });
                told = true;
            }
        }
        told
    }

    fn end<M: Machine>(&mut self, id: ConnId, turn: &mut Turn<'_, M>) {
        if let Some(mut conn) = self.conns.remove(&id) {
            // The other side finds the connection closed either way.
            let _ = conn.flush();
            conn.shutdown_write();
            let _ = turn.registry.deregister(conn.stream_mut());
            turn.tell(PeerInput::Closed { conn: id });
        }
    }

    /// A leader listens for learners, a follower for observers; nobody else does, so that they notice at once.
    fn listen_for_learners<M: Machine>(&mut self, port: Port, listen: bool, turn: &mut Turn<'_, M>) {
        self.listeners.retain(|_, (other, _)| *other != port);
        if !listen {
            return;
        }
        let addresses = if port == Port::Quorum { &self.config.quorum } else { &self.config.observers };
        match bind(port, addresses) {
            Ok(listeners) => {
                for (port, mut listener) in listeners {
                    let name = (0..).find(|name| !self.listeners.contains_key(name)).unwrap_or_default();
                    let token = Token(PEER_BIT | name);
                    if let Err(error) = turn.registry.register(&mut listener.inner, token, Interest::READABLE)
                    {
                        (turn.log)(NoteLevel::Error, &format!("cannot watch the {port:?} port: {error}"));
                    }
                    listener.ready = true;
                    self.listeners.insert(name, (port, listener));
                }
            }
            Err(error) => {
                (turn.log)(NoteLevel::Error, &format!("Couldn't bind to {addresses:?}: {error}"));
            }
        }
    }

    fn dial(&self, dial: Dial) {
        let outbox = Arc::clone(&self.outbox);
        let Dial { dial, addresses, timeout_us, .. } = dial;
        let limit = Duration::from_micros(timeout_us);
        let work = move || {
            let hosts: Vec<(String, u16)> = addresses.into_iter().map(|a| (a.host, a.port)).collect();
            let stream = connect(&hosts, limit);
            outbox.deliver(News::Dialled { dial, stream });
        };
        if let Err(error) = thread::Builder::new().name("dial".to_owned()).spawn(work) {
            log::warn!("cannot start a thread to connect to another server: {error}");
            self.outbox.deliver(News::Dialled { dial, stream: None });
        }
    }
}

fn bind(port: Port, addresses: &[SocketAddr]) -> io::Result<Vec<(Port, Listener)>> {
    let bind = |address: &SocketAddr| {
        let config = ListenConfig { address: *address, backlog: -1, keep_alive: false };
        Listener::bind(&config).map(|listener| (port, listener))
    };
    addresses.iter().map(bind).collect()
}

/// The first address that answers; they share the time.
fn connect(hosts: &[(String, u16)], limit: Duration) -> Option<StdStream> {
    let start = Instant::now();
    let resolve = |(host, port): &(String, u16)| match (host.as_str(), *port).to_socket_addrs() {
        Ok(addresses) => addresses.collect(),
        Err(error) => {
            log::debug!("cannot resolve {host}: {error}");
            Vec::new()
        }
    };
    let addresses: Vec<SocketAddr> = hosts.iter().flat_map(resolve).collect();
    for (index, address) in addresses.iter().enumerate() {
        let left = limit.saturating_sub(start.elapsed()) / (addresses.len() - index) as u32;
        if left.is_zero() {
            return None;
        }
        match StdStream::connect_timeout(address, left) {
            Ok(stream) => {
                stream.set_nodelay(true).ok()?;
                stream.set_nonblocking(true).ok()?;
                return Some(stream);
            }
            Err(error) => log::debug!("cannot connect to {address}: {error}"),
        }
    }
    None
}
