//! Frames on a TCP stream.

use crate::Error;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Longest frame taken from a server: replies have no limit in the protocol, so this only guards our memory.
const FRAME_BYTES_MAX: usize = 1 << 30;
/// Room for a read: little for a lone reply, more as a long one comes in. Thousands of connections stay small.
const READ_BYTES_MIN: usize = 4 << 10;
const READ_BYTES_MAX: usize = 256 << 10;
/// How long a write waits before it looks whether the server wants to be read from first.
const WRITE_TURN: Duration = Duration::from_millis(20);

/// Length-prefixed frames on a TCP stream, buffered both ways. Knows nothing of what is in them.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    input: Vec<u8>,
    /// Where the bytes not yet handed out begin in `input`.
    start: usize,
    output: Vec<u8>,
    /// The read timeout the stream has now, to save system calls.
    read_timeout: Option<Duration>,
}

impl Socket {
    /// Connects to one address.
    ///
    /// # Errors
    /// [`Error::Io`] when there is no connection within `timeout`.
    pub fn connect(address: SocketAddr, timeout: Duration) -> Result<Socket, Error> {
        let io = |e| Error::Io("connect", e);
        let stream = TcpStream::connect_timeout(&address, timeout).map_err(io)?;
        stream.set_nodelay(true).map_err(io)?;
        stream.set_write_timeout(Some(WRITE_TURN)).map_err(io)?;
        Ok(Socket { stream, input: Vec::new(), start: 0, output: Vec::new(), read_timeout: None })
    }

    /// The server's address.
    ///
    /// # Errors
    /// [`Error::Io`] when the connection is gone.
    pub fn peer(&self) -> Result<SocketAddr, Error> {
        self.stream.peer_addr().map_err(|e| Error::Io("ask for the peer's address", e))
    }

    /// The stream below, to shut it down from another thread or to set options.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// The stream below and what was received and not yet handed out.
    pub fn into_parts(mut self) -> (TcpStream, Vec<u8>) {
        let rest = self.input.split_off(self.start);
        (self.stream, rest)
    }

    /// Buffers bytes as they are: nothing is added.
    pub fn put(&mut self, bytes: &[u8]) {
        self.output.extend_from_slice(bytes);
    }

    /// Buffers one frame whose content `fill` appends.
    pub fn put_frame(&mut self, fill: impl FnOnce(&mut Vec<u8>)) {
        let at = wire::start_frame(&mut self.output);
        fill(&mut self.output);
        wire::finish_frame(&mut self.output, at);
    }

    /// Bytes buffered and not yet written.
    pub fn unsent(&self) -> usize {
        self.output.len()
    }

    /// Writes everything buffered. While the server takes nothing, what it sends is taken in, so that two full pipes cannot
    /// hold each other up.
    ///
    /// # Errors
    /// [`Error::Timeout`] when not everything could be written within `timeout`; [`Error::Io`] or [`Error::Closed`] when the
    /// connection broke.
    pub fn flush(&mut self, timeout: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + timeout;
        let mut done = 0;
        let result = loop {
            if done == self.output.len() {
                break Ok(());
            }
            match self.stream.write(&self.output[done..]) {
                Ok(0) => break Err(Error::Closed),
                Ok(n) => done += n,
                Err(e) if is_timeout(&e) && Instant::now() < deadline => {
                    match self.fill(Duration::from_millis(1)) {
                        Ok(()) | Err(Error::Timeout) => {}
                        Err(e) => break Err(e),
                    }
                }
                Err(e) if is_timeout(&e) => break Err(Error::Timeout),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => break Err(broken("write", e)),
            }
        };
        self.output.drain(..done);
        result
    }

    /// The content of the next frame, if it is already here.
    ///
    /// # Errors
    /// [`Error::Protocol`] for a length that no frame can have.
    pub fn buffered_frame(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let here = &self.input[self.start..];
        let Some(prefix) = here.first_chunk::<4>() else { return Ok(None) };
        let length = i32::from_be_bytes(*prefix);
        if length < 0 || length as usize > FRAME_BYTES_MAX {
            return Err(Error::Protocol(format!("a frame of {length} bytes")));
        }
        let Some(content) = here.get(4..4 + length as usize) else { return Ok(None) };
        let content = content.to_vec();
        self.start += 4 + length as usize;
        Ok(Some(content))
    }

    /// The content of the next frame; waits for it.
    ///
    /// # Errors
    /// [`Error::Timeout`] when it is not complete within `timeout` (nothing is lost; zero looks once); [`Error::Closed`] at the end of the stream.
    pub fn recv_frame(&mut self, timeout: Duration) -> Result<Vec<u8>, Error> {
        let deadline = Instant::now() + timeout;
        let mut looked = false;
        loop {
            if let Some(frame) = self.buffered_frame()? {
                return Ok(frame);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() && looked {
                return Err(Error::Timeout);
            }
            self.fill(left)?;
            looked = true;
        }
    }

    /// Everything the server sends until it closes the connection, beginning with what is buffered.
    ///
    /// # Errors
    /// [`Error::Timeout`] when it has not closed within `timeout`.
    pub fn recv_to_end(&mut self, timeout: Duration) -> Result<Vec<u8>, Error> {
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::Timeout);
            }
            match self.fill(left) {
                Ok(()) => {}
                Err(Error::Closed) => return Ok(self.input.split_off(self.start)),
                Err(e) => return Err(e),
            }
        }
    }

    /// Reads once, whatever is there.
    fn fill(&mut self, timeout: Duration) -> Result<(), Error> {
        let timeout = Some(timeout.max(Duration::from_millis(1)));
        if self.read_timeout != timeout {
            self.stream.set_read_timeout(timeout).map_err(|e| Error::Io("set a timeout", e))?;
            self.read_timeout = timeout;
        }
        if self.start == self.input.len() {
            self.input.clear();
            self.start = 0;
        } else if self.start >= READ_BYTES_MAX {
            self.input.drain(..self.start);
            self.start = 0;
        }
        let end = self.input.len();
        self.input.resize(end + end.clamp(READ_BYTES_MIN, READ_BYTES_MAX), 0);
        let got = loop {
            match self.stream.read(&mut self.input[end..]) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                got => break got,
            }
        };
        self.input.truncate(end + *got.as_ref().unwrap_or(&0));
        match got {
            Ok(0) => Err(Error::Closed),
            Ok(_) => Ok(()),
            Err(e) if is_timeout(&e) => Err(Error::Timeout),
            Err(e) => Err(broken("read", e)),
        }
    }

    /// Closes both directions; a thread waiting in a read or write returns.
    pub fn shutdown(&self) {
        // A connection that is already gone is as closed as we want it.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// Sends a four-letter word (or any other text) and returns all that comes back before the server closes the connection.
///
/// # Errors
/// As [`Socket::connect`] and [`Socket::recv_to_end`].
pub fn four_letter_word(address: SocketAddr, word: &str, timeout: Duration) -> Result<String, Error> {
    let mut socket = Socket::connect(address, timeout)?;
    socket.put(word.as_bytes());
    socket.flush(timeout)?;
    Ok(String::from_utf8_lossy(&socket.recv_to_end(timeout)?).into_owned())
}

fn is_timeout(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// A reset by the peer is its way of closing when we had sent more than it read.
fn broken(what: &'static str, e: io::Error) -> Error {
    match e.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => {
            Error::Closed
        }
        _ => Error::Io(what, e),
    }
}
