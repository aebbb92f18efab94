//! One client connection: what came in and waits, what goes out, who it speaks for.

use crate::expiry::Deadline;
use crate::io::ConnId;
use crate::views::Latency;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use wire::{ErrorCode, Id, OpCode, ReplyHeader, Writer, Zxid, finish_frame, start_frame};

/// The credentials of a connection at some moment; requests that wait keep those they came with.
pub(crate) type Credentials = Arc<Vec<Id<'static>>>;

/// A client connection from accept to disconnect.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnId,
    pub(crate) peer: SocketAddr,
    pub(crate) phase: Phase,
    /// The slot of its session, from the handshake's start to the connection's end.
    pub(crate) session: Option<u32>,
    pub(crate) credentials: Credentials,
    /// Received and not yet taken: a piece of a frame, or whole frames while it is stalled.
    pub(crate) input: Vec<u8>,
    /// Since when it has not been read, if it is in the list of the stalled.
    pub(crate) stalled_since_us: Option<u64>,
    /// Has the shell been told not to read?
    pub(crate) paused: bool,
    /// Since when the request throttle has held its next request back.
    pub(crate) throttled_since_us: Option<u64>,
    /// Answers that must wait for the session's earlier writes, in the order of their requests.
    pub(crate) waiting: VecDeque<Waiting>,
    /// Bytes of frames in `waiting`.
    pub(crate) waiting_bytes: usize,
    /// Requests with an xid above 0 that have no answer yet: what the outstanding limit looks at.
    pub(crate) outstanding: usize,
    /// Ready for the shell.
    pub(crate) output: Vec<u8>,
    /// Whole frames in `output`.
    pub(crate) frames: u32,
    /// Left in the shell when it last reported.
    pub(crate) unsent: usize,
    /// Is it in the list of those with output?
    pub(crate) dirty: bool,
    /// When the shell is to be rid of it for silence.
    pub(crate) deadline: Deadline,
    pub(crate) figures: Figures,
}

/// How far a connection has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// Nothing but perhaps a piece of the first frame.
    Fresh,
    /// A session is being created for it; what comes meanwhile is left unread.
    Connecting {
        /// The negotiated timeout in ms.
        timeout_ms: i32,
        /// Did the request have the read-only byte? Then the response has it too.
        has_read_only: bool,
        /// When it asked.
        since_us: u64,
    },
    /// Requests are taken.
    Open {
        /// The negotiated timeout in ms.
        timeout_ms: i32,
    },
    /// The last request has been taken; it is closed when everything before is answered.
    Draining,
    /// Given back to the shell; whatever still comes is ignored.
    Closed,
}

/// An answer in its session's order. It can be given when everything before it is given.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// A transaction that has not been applied yet: stops the queue.
    Write {
        /// Which; a learner does not know it before.
        zxid: Option<Zxid>,
        request: RequestInfo,
        /// What this server knows better than the leader, should the transaction fail.
        refusal: Option<ErrorCode>,
    },
    /// A learner's sync, as it came: stops the queue until the leader has answered.
    Sync { frame: Box<[u8]>, request: RequestInfo, done: bool },
    /// A read as it came, to be executed when its turn comes.
    Read { frame: Box<[u8]>, credentials: Credentials, request: RequestInfo },
    /// Settled already; only the order holds it back.
    Ready { reply: Ready, request: RequestInfo },
}

/// What an answer needs to know of its request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestInfo {
    pub(crate) xid: i32,
    pub(crate) op: Option<OpCode>,
    pub(crate) received_us: u64,
    /// Bytes of the frame if it counts as a large request, otherwise 0.
    pub(crate) large_bytes: usize,
}

/// An answer that depends on nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ready {
    /// A header with the last applied zxid.
    Err(i32),
    /// Refused because this server only reads, which no statistics count.
    NotReadOnly,
    /// The end of a session that only this server knew.
    Closed,
    /// An answer of the connection rather than the pipeline: a header with zxid 0.
    Auth { err: i32, close: bool },
    /// SASL is not configured: no error and a null token.
    SaslNullToken,
    /// An operation nobody knows: zxid -1, and the end of the connection.
    Unimplemented,
}

/// Statistics of one connection (reference: operations §3.4).
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) established_wall_ms: i64,
    pub(crate) last_op: &'static str,
    pub(crate) last_cxid: i32,
    pub(crate) last_zxid: i64,
    pub(crate) last_response_ms: u64,
    pub(crate) last_latency_ms: u64,
    pub(crate) latency: LatencyFigures,
}

/// Whole milliseconds per request: Apache's minimum, mean and maximum.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LatencyFigures {
    count: u64,
    total_ms: u64,
    min_ms: u64,
    max_ms: u64,
}

impl LatencyFigures {
    pub(crate) fn add(&mut self, ms: u64) {
        self.min_ms = if self.count == 0 { ms } else { self.min_ms.min(ms) };
        self.max_ms = self.max_ms.max(ms);
        self.count += 1;
        self.total_ms += ms;
    }

    pub(crate) fn view(&self) -> Latency {
        let avg_ms = if self.count == 0 { 0.0 } else { self.total_ms as f64 / self.count as f64 };
        Latency { min_ms: self.min_ms, avg_ms, max_ms: self.max_ms }
    }
}

impl Figures {
    fn new(established_wall_ms: i64) -> Figures {
        Figures {
            received: 0,
            sent: 0,
            established_wall_ms,
            last_op: "NA",
            last_cxid: -1,
            last_zxid: -1,
            last_response_ms: 0,
            last_latency_ms: 0,
            latency: LatencyFigures::default(),
        }
    }

    /// Remembers an answer. Special xids do not count as the client's last request.
    pub(crate) fn answered(&mut self, request: RequestInfo, zxid: i64, now_ms: u64, latency_ms: u64) {
        self.last_op = request.op.map_or("NA", short_name);
        if request.xid >= 0 {
            self.last_cxid = request.xid;
        }
        self.last_zxid = zxid;
        self.last_response_ms = now_ms;
        self.last_latency_ms = latency_ms;
        self.latency.add(latency_ms);
    }

    /// `crst`: counters and the last request, not the connection's age.
    pub(crate) fn reset(&mut self) {
        *self = Figures::new(self.established_wall_ms);
    }
}

/// An operation's name in `cons` (reference: operations §3.4).
fn short_name(op: OpCode) -> &'static str {
    match op {
        OpCode::CreateSession => "SESS",
        OpCode::CloseSession => "CLOS",
        OpCode::Create | OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl => "CREA",
        OpCode::Delete | OpCode::DeleteContainer => "DELE",
        OpCode::Exists => "EXIS",
        OpCode::GetData => "GETD",
        OpCode::SetData => "SETD",
        OpCode::GetAcl => "GETA",
        OpCode::SetAcl => "SETA",
        OpCode::GetChildren | OpCode::GetChildren2 => "GETC",
        OpCode::GetAllChildrenNumber => "GETACN",
        OpCode::GetEphemerals => "GETE",
        OpCode::Sync => "SYNC",
        OpCode::Ping => "PING",
        OpCode::Check => "CHEC",
        OpCode::Multi => "MULT",
        OpCode::MultiRead => "MLTR",
        OpCode::Reconfig => "RECO",
        OpCode::SetWatches => "SETW",
        OpCode::SetWatches2 => "STW2",
        OpCode::AddWatch => "ADDW",
        OpCode::CheckWatches => "CHKW",
        OpCode::RemoveWatches => "REMW",
        OpCode::WhoAmI => "HOMI",
        OpCode::Auth | OpCode::Sasl => "NA",
    }
}

impl Ready {
    /// Is the connection closed behind it?
    pub(crate) fn closes(self) -> bool {
        matches!(self, Ready::Auth { close: true, .. } | Ready::Closed | Ready::Unimplemented)
    }
}

impl Connection {
    /// A connection that has just been accepted; its first credential is its address.
    pub(crate) fn new(id: ConnId, peer: SocketAddr, credential: Id<'static>, wall_ms: i64) -> Connection {
        Connection {
            id,
            peer,
            phase: Phase::Fresh,
            session: None,
            credentials: Arc::new(vec![credential]),
            input: Vec::new(),
            stalled_since_us: None,
            paused: false,
            throttled_since_us: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            outstanding: 0,
            output: Vec::new(),
            frames: 0,
            unsent: 0,
            dirty: false,
            deadline: Deadline::default(),
            figures: Figures::new(wall_ms),
        }
    }

    /// Bytes made for the client and not yet known to be written.
    pub(crate) fn output_len(&self) -> usize {
        self.output.len() + self.unsent
    }

    /// Appends one frame: the header, and what `body` writes.
    pub(crate) fn reply(&mut self, header: ReplyHeader, body: impl FnOnce(&mut Writer<'_>)) {
        let at = start_frame(&mut self.output);
        let mut writer = Writer::new(&mut self.output);
        writer.record(&header);
        body(&mut writer);
        finish_frame(&mut self.output, at);
        self.frames += 1;
    }
}
