//! Listening sockets, and accepting from them without spinning when descriptors run out.

use mio::net::{TcpListener, TcpStream};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};

/// Accepts per round, so that a storm of connections does not starve those that exist.
const ACCEPTS_PER_ROUND: usize = 256;
/// How long nothing is accepted after the process ran out of descriptors or memory.
const EXHAUSTED_PAUSE_US: u64 = 100_000;
/// The backlog of Java's server socket when none is given.
const DEFAULT_BACKLOG: i32 = 50;

/// Where and how to listen.
#[derive(Clone, Debug)]
pub struct ListenConfig {
    /// The address; port 0 takes a free port.
    pub address: SocketAddr,
    /// `clientPortListenBacklog`; -1 is Java's default of 50.
    pub backlog: i32,
    /// `clientTcpKeepAlive`: SO_KEEPALIVE on accepted connections.
    pub keep_alive: bool,
}

/// A bound socket, which listens once it is told to.
#[derive(Debug)]
pub struct Listener {
    pub(crate) inner: TcpListener,
    address: SocketAddr,
    backlog: i32,
    keep_alive: bool,
    /// A connection may be waiting.
    pub(crate) ready: bool,
    /// Out of descriptors: not before this time.
    pub(crate) blocked_until_us: Option<u64>,
}

/// What a round of accepting came to.
#[derive(Debug, Default)]
pub(crate) struct Accepted {
    pub(crate) streams: Vec<(TcpStream, SocketAddr)>,
    /// Why accepting stopped, if not for want of connections.
    pub(crate) trouble: Option<io::Error>,
}

impl Listener {
    /// Binds and listens. The IPv6 wildcard takes IPv4 as well.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub fn bind(config: &ListenConfig) -> io::Result<Listener> {
        let listener = Listener::reserve(config)?;
        listener.listen()?;
        Ok(listener)
    }

    /// Binds only, which fails where somebody listens: whoever connects is refused.
    pub(crate) fn reserve(config: &ListenConfig) -> io::Result<Listener> {
        let socket = Socket::new(Domain::for_address(config.address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if config.address.is_ipv6() {
            socket.set_only_v6(false)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&config.address.into())?;
        let inner = TcpListener::from_std(socket.into());
        let address = inner.local_addr()?;
        let backlog = if config.backlog <= 0 { DEFAULT_BACKLOG } else { config.backlog };
        let keep_alive = config.keep_alive;
        Ok(Listener { inner, address, backlog, keep_alive, ready: false, blocked_until_us: None })
    }

    /// From now on connections wait to be accepted. It fails if somebody else listens there by now.
    pub(crate) fn listen(&self) -> io::Result<()> {
        SockRef::from(&self.inner).listen(self.backlog)
    }

    /// Where it listens, with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes what waits, in bounds.
    pub(crate) fn accept(&mut self, now_us: u64) -> Accepted {
        let mut accepted = Accepted::default();
        for _ in 0..ACCEPTS_PER_ROUND {
            match self.inner.accept() {
                Ok((stream, peer)) => {
                    // Neither option can fail on a live socket; on a dead one the first read tells.
                    let _ = stream.set_nodelay(true);
                    if self.keep_alive {
                        let _ = SockRef::from(&stream).set_keepalive(true);
                    }
                    accepted.streams.push((stream, unmapped(peer)));
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    self.ready = false;
                    return accepted;
                }
                Err(e) if is_about_the_peer(&e) => {}
                Err(e) => {
                    self.blocked_until_us = Some(now_us + EXHAUSTED_PAUSE_US);
                    accepted.trouble = Some(e);
                    return accepted;
                }
            }
        }
        accepted
    }
}

/// Errors of accept(2) that belong to the connection that was just taken, not to the listener.
fn is_about_the_peer(e: &io::Error) -> bool {
    matches!(
        e.kind(),
        ErrorKind::Interrupted
            | ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
    )
}

/// An IPv4 peer on a dual-stack socket, as IPv4.
fn unmapped(peer: SocketAddr) -> SocketAddr {
    let IpAddr::V6(v6) = peer.ip() else { return peer };
    v6.to_ipv4_mapped().map_or(peer, |v4| SocketAddr::new(IpAddr::V4(v4), peer.port()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener as StdListener, TcpStream as StdStream};

    #[test]
    fn mapped_peers_come_out_as_ipv4() {
        assert_eq!(unmapped("[::ffff:10.1.2.3]:77".parse().unwrap()), "10.1.2.3:77".parse().unwrap());
        assert_eq!(unmapped("[::1]:77".parse().unwrap()), "[::1]:77".parse().unwrap());
    }

    #[test]
    fn port_zero_gives_a_free_port() {
        let config = ListenConfig { address: "127.0.0.1:0".parse().unwrap(), backlog: -1, keep_alive: true };
        assert_ne!(Listener::bind(&config).unwrap().address().port(), 0);
    }

    #[test]
    fn a_reserved_port_refuses_until_it_listens() {
        let config = ListenConfig { address: "127.0.0.1:0".parse().unwrap(), backlog: -1, keep_alive: false };
        let mut listener = Listener::reserve(&config).unwrap();
        let address = listener.address();
        assert_eq!(StdStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        let other = StdListener::bind(address).unwrap();
        assert_eq!(listener.listen().unwrap_err().kind(), ErrorKind::AddrInUse);
        let taken = ListenConfig { address, ..config };
        assert_eq!(Listener::reserve(&taken).unwrap_err().kind(), ErrorKind::AddrInUse);
        drop(other);
        listener.listen().unwrap();
        let _client = StdStream::connect(address).unwrap();
        assert_eq!(listener.accept(0).streams.len(), 1);
    }
}
