//! A client's socket without a client: frames out, frames in, and what else can happen to a connection.

use crate::patience::PATIENCE;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// What came next on a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Got {
    /// A frame's payload.
    Frame(Vec<u8>),
    /// The server closed the connection.
    Closed,
    /// Nothing came in time.
    Silence,
}

/// One TCP connection that speaks frames and, if asked, anything else.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    inbox: Vec<u8>,
    start: usize,
    closed: bool,
}

impl Socket {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn open(address: SocketAddr) -> std::io::Result<Socket> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Socket { stream, inbox: Vec::new(), start: 0, closed: false })
    }

    /// Our port, by which the server lists this connection.
    pub fn local_port(&self) -> u16 {
        self.stream.local_addr().map_or(0, |address| address.port())
    }

    /// Says that nothing more is sent.
    pub fn half_close(&self) {
        // A connection that is gone shows itself in the next read.
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
    }

    /// Sends bytes as they are; a connection that breaks meanwhile shows itself in the next read.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Ends the stream in this direction.
    pub fn finish(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
    }

    /// The next frame, or what came instead, waiting no longer than `patience`.
    pub fn frame(&mut self, patience: Duration) -> Got {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(payload) = self.buffered() {
                return Got::Frame(payload);
            }
            if self.closed {
                return Got::Closed;
            }
            if !self.fill(deadline) {
                return Got::Silence;
            }
        }
    }

    /// Everything up to the close, for the text commands; `None` when the server leaves the connection open.
    pub fn text(&mut self, patience: Duration) -> Option<Vec<u8>> {
        let deadline = Instant::now() + patience;
        while !self.closed {
            if !self.fill(deadline) {
                return None;
            }
        }
        Some(self.inbox.split_off(self.start))
    }

    fn buffered(&mut self) -> Option<Vec<u8>> {
        let (length, rest) = self.inbox[self.start..].split_first_chunk::<4>()?;
        let length = u32::from_be_bytes(*length) as usize;
        let payload = rest.get(..length)?.to_vec();
        self.start += 4 + length;
        if self.start == self.inbox.len() {
            self.inbox.clear();
            self.start = 0;
        }
        Some(payload)
    }

    /// Reads once; false when the deadline has passed.
    fn fill(&mut self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || self.stream.set_read_timeout(Some(left)).is_err() {
            return false;
        }
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => self.closed = true,
            Ok(n) => self.inbox.extend_from_slice(&chunk[..n]),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return false,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(_) => self.closed = true,
        }
        true
    }
}

/// A frame around a payload.
pub fn framed(payload: &[u8]) -> Vec<u8> {
    let mut out = (payload.len() as i32).to_be_bytes().to_vec();
    out.extend_from_slice(payload);
    out
}
