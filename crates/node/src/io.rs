//! The boundary of the machine: what goes in, what comes out.

use std::net::SocketAddr;
use store::{DiskBatch, DiskError, Epochs, HistorySlice, Recovered, Ticket};
use wire::Zxid;

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
    /// Something happened on a connection between servers.
    Peer(PeerInput<'a>),
    /// The answer to [`Outputs::recover`].
    Recovered(Result<Box<Recovered>, RecoverFailure>),
    /// The answer to a [`HistoryQuery`].
    History {
        /// Whom it was for.
        learner: zab::ConnId,
        /// The piece; `None` if reading failed or is not worth it.
        slice: Option<HistorySlice>,
    },
    /// An operator's wish.
    Admin(Admin),
    /// The end of a round: no more input is at hand. What was put off for the sake of bigger batches happens now:
    /// durable transactions are applied and answered, the next log batch is formed, [`Outputs::wake_at_us`] is set.
    Flush,
}

/// Apache writes a word's answer in buffers of so many characters and counts each as a packet.
pub const WORD_BUFFER_BYTES: usize = 8192;

/// What happens on the connections between servers.
#[derive(Debug)]
pub enum PeerInput<'a> {
    /// Another server connected to one of our ports.
    Accepted {
        /// The connection's name from now on.
        conn: zab::ConnId,
        /// To which port.
        port: zab::Port,
    },
    /// A [`zab::Dial`] has ended.
    Dialled {
        /// Which.
        dial: zab::DialId,
        /// With this connection, or with none.
        conn: Option<zab::ConnId>,
    },
    /// Bytes from another server, in order, cut anywhere.
    Received {
        /// From whom.
        conn: zab::ConnId,
        /// What.
        bytes: &'a [u8],
    },
    /// As [`Input::Written`].
    Written {
        /// To whom.
        conn: zab::ConnId,
        /// Bytes still queued in the shell.
        pending: usize,
    },
    /// The connection is gone.
    Closed {
        /// Which.
        conn: zab::ConnId,
    },
}

/// A member's history is to be read from the disk again, because its end is given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recover {
    /// What comes behind this is to be removed first: see [`store::truncate`].
    pub truncate_to: Zxid,
}

/// Why a [`Recover`] did not work.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RecoverFailure {
    /// Nothing has been changed: the history must come from the leader as a whole.
    Refused(String),
    /// What is on the disk cannot be used any more; the text is for the operator.
    Failed(String),
}

/// A piece of the logs is wanted for another server: see [`store::read_history`]. It may be read at any time and in any
/// thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HistoryQuery {
    /// For whom; one query is under way for each.
    pub learner: zab::ConnId,
    /// What follows this transaction.
    pub after: Zxid,
    /// Nothing behind this one.
    pub upto: Zxid,
    /// About how much.
    pub max_bytes: usize,
    /// If the logs from there on are larger than this, nothing (see [`store::history_bytes`]).
    pub worth_bytes: Option<u64>,
}

/// What a member wants of the connections between servers; as the fields of [`Outputs`] with the same names.
#[derive(Debug, Default)]
#[allow(missing_docs, reason = "the names are those of the fields for clients")]
pub struct PeerOutputs {
    pub sends: Vec<(zab::ConnId, Vec<u8>)>,
    /// Connections to make; see [`zab::Dial`].
    pub dials: Vec<zab::Dial>,
    pub closes: Vec<zab::ConnId>,
    pub pauses: Vec<zab::ConnId>,
    pub resumes: Vec<zab::ConnId>,
    /// Listen on the quorum port from now on, or not any more.
    pub quorum_port: Option<bool>,
    /// The same for `observerMasterPort`.
    pub observer_port: Option<bool>,
}

/// What a member of an ensemble is, besides a node: its place and its promises.
#[derive(Clone, PartialEq, Debug)]
pub struct Membership {
    /// The ensemble and its limits.
    pub peer: zab::PeerConfig,
    /// As the disk has them; see [`store::load_epochs`].
    pub epochs: Epochs,
    /// `snapshotSizeFactor`: how large the logs may be that are read for a learner, as a part of the data; negative never
    /// reads them.
    pub snapshot_size_factor: f64,
    /// `leaderServes`: does a leader take clients?
    pub leader_serves: bool,
}

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
    /// This member's files contradict each other, or could not be read again; the text is for the operator.
    Unusable(String),
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
    /// What is wanted of other servers.
    pub peer: PeerOutputs,
    /// Read the history from the disk again: no batch is under way. Answered with [`Input::Recovered`].
    pub recover: Option<Recover>,
    /// Pieces of the logs to read. Each is answered with [`Input::History`].
    pub histories: Vec<HistoryQuery>,
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
