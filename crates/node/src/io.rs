//! The boundary of the machine: what goes in, what comes out.

use std::net::SocketAddr;
use store::{DiskBatch, DiskError, Ticket};

/// A client connection, named by the shell: the low 24 bits are a small slot number, used again after
/// [`Input::Disconnected`]; the rest is a serial number, so that no two connections ever have the same name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnId(pub u64);

impl ConnId {
    /// The slot: fewer than 2^24 connections exist at once.
    pub fn slot(self) -> u32 {
        (self.0 & 0xff_ffff) as u32
    }
}

/// The two clocks at the moment of a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// Microseconds since some start, never going back: timers and latencies.
    pub mono_us: u64,
    /// Milliseconds since 1970: times in stats and transactions.
    pub wall_ms: i64,
}

/// Something that happened outside.
#[derive(Debug)]
pub enum Input<'a> {
    /// The time asked for with [`Outputs::wake_at_us`] has come, or simply some time has passed.
    Tick,
    /// A client connected.
    Accepted {
        /// Its name from now on.
        conn: ConnId,
        /// Where it comes from; an IPv4 address on a dual-stack socket arrives unmapped.
        peer: SocketAddr,
    },
    /// Bytes from a client, in order, cut anywhere.
    Received {
        /// From whom.
        conn: ConnId,
        /// What; at most a read buffer's worth.
        bytes: &'a [u8],
    },
    /// The shell has tried to write what was queued for the connection; `pending` bytes are left.
    ///
    /// Reported when an attempt leaves bytes behind, and then for every attempt until none are left; the common case of
    /// everything written at once is not reported.
    Written {
        /// To whom.
        conn: ConnId,
        /// Bytes still queued in the shell.
        pending: usize,
    },
    /// The connection is gone: closed by the peer, failed, or closed as asked.
    Disconnected {
        /// Which.
        conn: ConnId,
    },
    /// A disk batch has ended.
    DiskDone {
        /// Which.
        ticket: Ticket,
        /// How.
        result: Result<(), DiskError>,
    },
    /// An operator's wish.
    Admin(Admin),
    /// The end of a round: no more input is at hand. What was put off for the sake of bigger batches happens now:
    /// durable transactions are applied and answered, the next log batch is formed, [`Outputs::wake_at_us`] is set.
    Flush,
}

/// Apache writes a word's answer in buffers of so many characters and counts each as a packet.
pub const WORD_BUFFER_BYTES: usize = 8192;

/// What an operator may ask of a running node, besides looking.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admin {
    /// `srst`: forget the server's statistics.
    ResetServerStats,
    /// `crst`: forget every connection's statistics.
    ResetConnectionStats,
    /// A four-letter word has been answered with so many buffers, which count as sent.
    WordAnswered {
        /// Buffers of [`WORD_BUFFER_BYTES`], the last one perhaps not full.
        buffers: u64,
    },
    /// What the node goes on from was read from disk in this time.
    Loaded {
        /// ms.
        took_ms: u64,
    },
    /// Take a snapshot now.
    TakeSnapshot,
    /// Finish what is durable, answer it, close the connections, then [`Outputs::halt`] with [`Halt::Stopped`].
    Shutdown,
}

/// Why a node stops for good.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Halt {
    /// As asked.
    Stopped,
    /// The disk failed: nothing that was not durable has been acknowledged.
    Disk(DiskError),
}

/// What a step wants done. The shell empties it after [`Input::Flush`]; it may empty [`Outputs::disk`] after any step.
#[derive(Debug, Default)]
pub struct Outputs {
    /// Bytes to send, per connection, in order of first use; several entries may name one connection.
    pub sends: Vec<(ConnId, Vec<u8>)>,
    /// Connections to close after what was sent so far is written (bounded time), in order.
    pub closes: Vec<ConnId>,
    /// Connections to stop reading from until they appear in `resumes`.
    pub pauses: Vec<ConnId>,
    /// Connections to read from again.
    pub resumes: Vec<ConnId>,
    /// Four-letter words asked for: the shell writes the answer and closes.
    pub words: Vec<(ConnId, [u8; 4])>,
    /// Batches for the disk, in order.
    pub disk: Vec<DiskBatch>,
    /// Old snapshots and logs are to be removed: carry out [`store::purge_plan`] with this count of snapshots to keep, in
    /// the snapshot lane. Errors are only logged.
    pub purge: Option<usize>,
    /// When to step next at the latest, in [`Now::mono_us`]'s terms.
    pub wake_at_us: Option<u64>,
    /// The end.
    pub halt: Option<Halt>,
    /// What an operator should read in the log.
    pub notes: Vec<Note>,
    /// Empty buffers that the shell gives back: the node takes them for `sends` before it allocates.
    pub spare: Vec<Vec<u8>>,
}

/// A line for the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// How important.
    pub level: NoteLevel,
    /// The whole line.
    pub text: String,
}

/// How important a [`Note`] is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum NoteLevel {
    /// Only with debug logging.
    Debug,
    /// Worth a line.
    Info,
    /// Somebody should look.
    Warn,
    /// Somebody must look.
    Error,
}
