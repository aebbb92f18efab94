//! Connections between servers: the election port, and the quorum port while this server leads.
//!
//! There are few of them and each carries much, so they live apart from the table of clients.

use super::conn::{Conn, ReadOutcome};
use super::dial::{Dialled, Dials};
use super::listen::{ListenConfig, Listener};
use crate::disk::lanes::Outbox;
use crate::machine::Machine;
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use node::{Input, NoteLevel, Now, Outputs, PeerInput};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use zab::{ConnId, Port};

/// Tokens of what is between servers have this bit; those of clients are far below it.
const PEER_BIT: usize = 1 << 62;
/// Names below are those of listeners.
const FIRST_CONN: u64 = 256;
/// Between two tries to bind the election port.
const BIND_PAUSE: Duration = Duration::from_secs(1);
/// What may wait for one server that does not read; behind it the connection ends.
const QUEUE_BYTES_MAX: usize = 256 << 20;

/// Where a member is reached by the others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeersConfig {
    /// Where elections are held; at least one.
    pub election: Vec<Place>,
    /// Where a leader listens; at least one.
    pub quorum: Vec<Place>,
    /// Where a follower takes observers, if it does.
    pub observers: Vec<Place>,
    /// How often the election port is tried again, a second apart; 0 is for ever.
    pub bind_retries: u32,
    /// `tcpKeepAlive`: SO_KEEPALIVE on all connections between servers.
    pub keep_alive: bool,
}

/// Somewhere to listen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// A name or an address of this machine; without one every address, of both families.
    pub host: Option<String>,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { host, port } = self;
        match host.as_deref() {
            None => write!(f, "every address, port {port}"),
            Some(host) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Some(host) => write!(f, "{host}:{port}"),
        }
    }
}

/// All connections to other servers.
pub struct Peers {
    config: PeersConfig,
    /// By the names in their tokens.
    listeners: BTreeMap<usize, (Port, Listener)>,
    conns: BTreeMap<ConnId, Conn>,
    next: u64,
    outbox: Arc<Outbox>,
    dials: Dials,
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
    /// Binds the election port. In a cluster of containers this server's own name may come a little later than the server.
    ///
    /// # Errors
    /// When it cannot be had after `electionPortBindRetry` more tries.
    pub(crate) fn open(config: PeersConfig, outbox: Arc<Outbox>) -> io::Result<Peers> {
        let mut tries = 0;
        let listeners = loop {
            match bind(Port::Election, &config.election, config.keep_alive) {
                Ok(listeners) => break listeners,
                Err(error) if config.bind_retries > 0 && tries >= config.bind_retries => {
                    return Err(io::Error::other(format!(
                        "As a result of {error}, nobody can elect this server"
                    )));
                }
                Err(error) => log::warn!("{error}; trying again in a second"),
            }
            tries += 1;
            thread::sleep(BIND_PAUSE);
        };
        let listeners = listeners.into_iter().enumerate().collect();
        Ok(Peers {
            dials: Dials::new(config.keep_alive),
            config,
            listeners,
            conns: BTreeMap::new(),
            next: FIRST_CONN,
            outbox,
        })
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
    pub(crate) fn dialled<M: Machine>(&mut self, ended: Dialled, turn: &mut Turn<'_, M>) {
        let (dial, stream) = self.dials.ended(ended, turn.log);
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
            self.dials.start(dial, &self.outbox);
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
        match bind(port, addresses, self.config.keep_alive) {
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
            Err(error) => (turn.log)(NoteLevel::Error, &error.to_string()),
        }
    }
}

/// Listens at every place that can be had; one is enough.
fn bind(port: Port, places: &[Place], keep_alive: bool) -> io::Result<Vec<(Port, Listener)>> {
    let (mut listeners, mut failures) = (Vec::new(), Vec::new());
    for place in places {
        match listen(place, keep_alive) {
            Ok(here) => listeners.extend(here.into_iter().map(|listener| (port, listener))),
            Err(error) => failures.push(format!("{place} ({error})")),
        }
    }
    let failures = failures.join(", ");
    if listeners.is_empty() {
        return Err(io::Error::other(format!("Couldn't bind to {failures}")));
    }
    if !failures.is_empty() {
        log::warn!("Couldn't bind to {failures}; other addresses have to do");
    }
    Ok(listeners)
}

/// Everything that a name stands for, as far as it is here; where no address is given, both families.
fn listen(place: &Place, keep_alive: bool) -> io::Result<Vec<Listener>> {
    let one = |ip: IpAddr| {
        let address = SocketAddr::new(ip, place.port);
        Listener::bind(&ListenConfig { address, backlog: -1, keep_alive })
    };
    let Some(host) = &place.host else {
        // The one takes both, where there are both.
        let any = one(Ipv6Addr::UNSPECIFIED.into()).or_else(|_| one(Ipv4Addr::UNSPECIFIED.into()))?;
        return Ok(vec![any]);
    };
    let mut addresses: Vec<IpAddr> =
        (host.as_str(), place.port).to_socket_addrs()?.map(|address| address.ip()).collect();
    addresses.sort();
    addresses.dedup();
    let (mut listeners, mut last) = (Vec::new(), io::Error::other("the name stands for no address"));
    for address in addresses {
        match one(address) {
            Ok(listener) => listeners.push(listener),
            Err(error) => last = error,
        }
    }
    if listeners.is_empty() { Err(last) } else { Ok(listeners) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    fn at(host: &str, port: u16) -> Place {
        Place { host: Some(host.to_owned()), port }
    }

    fn port_of(listeners: &[(Port, Listener)]) -> u16 {
        listeners[0].1.address().port()
    }

    fn reaches(host: &str, port: u16) -> bool {
        TcpStream::connect((host, port)).is_ok()
    }

    fn has_ipv6() -> bool {
        TcpListener::bind("[::1]:0").is_ok()
    }

    /// `quorumListenOnAllIPs`
    #[test]
    fn every_address_is_of_both_families() {
        let listeners = bind(Port::Quorum, &[Place { host: None, port: 0 }], false).unwrap();
        let port = port_of(&listeners);
        assert!(reaches("127.0.0.1", port) && reaches("127.0.0.2", port));
        assert_eq!(reaches("::1", port), has_ipv6());
    }

    #[test]
    fn each_of_several_addresses_is_listened_at() {
        let listeners = bind(Port::Election, &[at("127.0.0.1", 0), at("127.0.0.2", 0)], false).unwrap();
        assert_eq!(listeners.len(), 2);
        for (n, (_, listener)) in listeners.iter().enumerate() {
            let address = listener.address();
            assert_eq!(address.ip().to_string(), format!("127.0.0.{}", n + 1));
            assert!(reaches(&address.ip().to_string(), address.port()));
        }
        if has_ipv6() {
            let listeners = bind(Port::Election, &[at("::1", 0)], false).unwrap();
            assert!(reaches("::1", port_of(&listeners)));
        }
    }

    /// Apache's servers dial the IPv4 address of a name, others may dial the other one.
    #[test]
    fn a_name_is_listened_at_under_all_its_addresses() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let _listeners = bind(Port::Election, &[at("localhost", free)], false).unwrap();
        for address in ("localhost", free).to_socket_addrs().unwrap() {
            assert!(TcpStream::connect(address).is_ok(), "{address}");
        }
    }

    #[test]
    fn one_address_that_can_be_had_is_enough() {
        let places = [at("no.such.host.invalid", 0), at("192.0.2.1", 0), at("127.0.0.1", 0)];
        let listeners = bind(Port::Quorum, &places, false).unwrap();
        assert_eq!(listeners.len(), 1);
        let error = bind(Port::Quorum, &places[..2], false).unwrap_err().to_string();
        assert!(error.starts_with("Couldn't bind to no.such.host.invalid:0 ("), "{error}");
        assert!(error.contains("192.0.2.1:0 ("), "{error}");
    }

    #[test]
    fn places_read_as_in_the_configuration() {
        assert_eq!(at("zk1", 3888).to_string(), "zk1:3888");
        assert_eq!(at("::1", 3888).to_string(), "[::1]:3888");
        assert_eq!(Place { host: None, port: 3888 }.to_string(), "every address, port 3888");
    }
}
