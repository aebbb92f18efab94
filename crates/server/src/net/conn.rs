//! One client connection: its socket, what waits to be written, and how it ends.

use mio::net::TcpStream;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;

/// A queue whose storage outgrew this is given back to the system once it is written out.
const KEEP_CAPACITY_BYTES: usize = 64 * 1024;

/// A connection and its unwritten bytes.
#[derive(Debug)]
pub(crate) struct Conn {
    stream: TcpStream,
    queue: Vec<u8>,
    /// How much of the front of `queue` is written.
    written: usize,
    /// Where it is in its life.
    pub(crate) phase: Phase,
    /// The kernel may have bytes for us (edge triggered: stays set until a read comes up short).
    pub(crate) readable: bool,
    /// The peer has ended its side or the socket has failed: a read goes on to the very end.
    pub(crate) ended: bool,
    /// The node wants nothing more from it for now.
    pub(crate) paused: bool,
    /// It is on the list of connections to read from in this round.
    pub(crate) listed: bool,
    /// It has new bytes queued in this round.
    pub(crate) dirty: bool,
    /// The kernel would take bytes: false between a write that came up short and the next writable event.
    writable: bool,
    /// The node knows that bytes are pending here.
    pub(crate) told_pending: bool,
    /// Something was sent to it: a close is then done gently.
    sent_any: bool,
}

/// The life of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// In use.
    Open,
    /// The node has closed it; what is queued is still being written, until `deadline_us`.
    Flushing {
        /// When patience ends, in [`node::Now::mono_us`]'s terms.
        deadline_us: u64,
    },
    /// Written out and shut down on our side; what the peer still sends is thrown away until it closes, since closing
    /// with unread bytes would make the kernel send a reset that can destroy our last reply on its way.
    Lingering {
        /// When patience ends.
        deadline_us: u64,
    },
}

/// What a read came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ReadOutcome {
    /// So many bytes; more may be there if the connection is still `readable`.
    Bytes(usize),
    /// Nothing there for now.
    Nothing,
    /// The peer has ended its side, or the connection failed.
    End,
}

impl Conn {
    pub(crate) fn new(stream: TcpStream) -> Conn {
        Conn {
            stream,
            queue: Vec::new(),
            written: 0,
            phase: Phase::Open,
            readable: false,
            ended: false,
            paused: false,
            listed: false,
            dirty: false,
            writable: true,
            told_pending: false,
            sent_any: false,
        }
    }

    pub(crate) fn stream_mut(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// One read. A read that does not fill the buffer has emptied the socket, unless its end is near.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> ReadOutcome {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return ReadOutcome::End,
                Ok(n) => {
                    self.readable = n == buffer.len() || self.ended;
                    return ReadOutcome::Bytes(n);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    self.readable = false;
                    return ReadOutcome::Nothing;
                }
                Err(_) => return ReadOutcome::End,
            }
        }
    }

    /// Queues bytes; returns a buffer to reuse (the given one, or the queue's old one).
    pub(crate) fn queue(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        self.sent_any = true;
        if self.pending() == 0 {
            self.written = 0;
            self.queue.clear();
            std::mem::swap(&mut self.queue, &mut bytes);
        } else {
            if self.written > KEEP_CAPACITY_BYTES && self.written > self.queue.len() / 2 {
                self.queue.drain(..self.written);
                self.written = 0;
            }
            self.queue.extend_from_slice(&bytes);
        }
        bytes
    }

    /// Bytes queued and not yet written.
    pub(crate) fn pending(&self) -> usize {
        self.queue.len() - self.written
    }

    /// The kernel will take bytes again.
    pub(crate) fn set_writable(&mut self) {
        self.writable = true;
    }

    /// Writes what the kernel takes.
    ///
    /// # Errors
    /// When the connection is broken.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while self.writable && self.pending() > 0 {
            match self.stream.write(&self.queue[self.written..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => self.written += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// The storage of a written-out queue, for other connections to use.
    pub(crate) fn take_spare(&mut self) -> Option<Vec<u8>> {
        if self.pending() > 0 || self.queue.capacity() == 0 {
            return None;
        }
        self.written = 0;
        let mut spare = std::mem::take(&mut self.queue);
        spare.clear();
        (spare.capacity() <= KEEP_CAPACITY_BYTES).then_some(spare)
    }

    /// Ends our side. True if the peer may still be reading and a drop must wait.
    pub(crate) fn shutdown_write(&mut self) -> bool {
        self.sent_any && !self.ended && self.stream.shutdown(Shutdown::Write).is_ok()
    }
}
