//! What a sequence consists of: a flat list, so that a failing one can be shrunk by leaving items out.

use std::fmt;
use wire::{OpCode, Reader, Request, RequestHeader};

/// One thing to do, with its place in the sequence that was generated.
#[derive(Clone, Debug)]
pub struct Item {
    /// The place; a renewal names the session by the place of the connect that made it.
    pub id: usize,
    /// Sent together with the item before it, without waiting for an answer in between.
    pub glued: bool,
    /// What to do.
    pub act: Act,
}

/// What an item does, always to both servers.
#[derive(Clone, Debug)]
pub enum Act {
    /// Open a connection and shake hands.
    Connect(Connect),
    /// Send one request.
    Frame {
        /// On which connection.
        conn: usize,
        /// What.
        frame: Frame,
    },
    /// Send bytes that end the connection: a bad length, a header that is too short.
    Break {
        /// On which connection.
        conn: usize,
        /// What.
        bytes: Vec<u8>,
    },
    /// Close the socket without a word.
    Drop {
        /// Which connection.
        conn: usize,
    },
    /// Open a connection and send this instead of a handshake; the server closes.
    Handshake(Vec<u8>),
    /// A four-letter word on a connection of its own.
    Word([u8; 4]),
    /// Send requests and no more: the server sees the end of the stream behind them, and what it answers is read up to
    /// its close and forgotten.
    HalfClose {
        /// On which connection.
        conn: usize,
        /// What.
        frames: Vec<Frame>,
    },
    /// End both servers and start them again, with the trees compared before and after.
    Restart {
        /// Are they asked to end, with SIGTERM, and not killed?
        asked: bool,
        /// Does each server take up the other's data directory?
        swap: bool,
    },
    /// A session of the shortest timeout does something, then falls silent until it has expired.
    Expire {
        /// What it does first.
        frames: Vec<Frame>,
        /// Does it close its socket before?
        hang_up: bool,
    },
}

/// A handshake.
#[derive(Clone, Debug)]
pub struct Connect {
    /// The connection's name in the sequence.
    pub conn: usize,
    /// The place of the connect whose session to renew; `None` for a new session.
    pub renew: Option<usize>,
    /// The password to show.
    pub password: Password,
    /// Asked for, in ms.
    pub timeout_ms: i32,
    /// Added to the newest zxid seen; `None` says 0.
    pub last_seen: Option<i64>,
    /// `None` is the 44-byte form of old clients.
    pub read_only: Option<bool>,
    /// Ignored by servers.
    pub protocol_version: i32,
}

/// A password in a handshake.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Password {
    /// The session's own; sixteen zeros for a new session.
    Right,
    /// The session's own with one bit changed.
    Wrong,
    /// Other bytes, or none.
    Other(Option<Vec<u8>>),
}

/// A request.
#[derive(Clone, Debug)]
pub struct Frame {
    /// `None`: the connection's next number.
    pub xid: Option<i32>,
    /// Any number.
    pub op: i32,
    /// The record, right or wrong.
    pub body: Vec<u8>,
    /// The first 8 bytes of the body become the newest zxid seen on the connection plus this.
    pub relative: Option<i64>,
}

impl Frame {
    /// A well-formed request.
    pub fn of(request: &Request<'_>) -> Frame {
        let body = wire::Encode::to_bytes(request);
        Frame { xid: None, op: request.op().code(), body, relative: None }
    }

    /// The payload as sent, given the xid and the newest zxid seen.
    pub fn payload(&self, xid: i32, last_zxid: i64) -> Vec<u8> {
        let mut out = wire::Encode::to_bytes(&RequestHeader { xid, op: self.op });
        out.extend_from_slice(&self.body);
        if let (Some(relative), true) = (self.relative, self.body.len() >= 8) {
            out[8..16].copy_from_slice(&last_zxid.wrapping_add(relative).to_be_bytes());
        }
        out
    }

    /// The request, if the body is one.
    pub fn request(&self) -> Option<Request<'_>> {
        Request::decode(OpCode::from_code(self.op)?, &mut Reader::new(&self.body)).ok()
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(xid) = self.xid {
            write!(f, "xid {xid} ")?;
        }
        if let Some(relative) = self.relative {
            write!(f, "(relative zxid {relative:+}) ")?;
        }
        match self.request() {
            Some(request) if wire::Encode::to_bytes(&request) == self.body => {
                let text = format!("{request:?}");
                if text.len() < 2000 {
                    write!(f, "{text}")
                } else {
                    write!(f, "{}... ({} bytes)", text.chars().take(200).collect::<String>(), self.body.len())
                }
            }
            decoded => {
                let kind = if decoded.is_some() { "odd" } else { "undecodable" };
                write!(f, "op {} {kind} {}", self.op, hex(&self.body))
            }
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>5}{} ", self.id, if self.glued { "+" } else { ":" })?;
        match &self.act {
            Act::Connect(c) => write!(f, "{c:?}"),
            Act::Frame { conn, frame } => write!(f, "[{conn}] {frame}"),
            Act::Break { conn, bytes } => write!(f, "[{conn}] break with {}", hex(bytes)),
            Act::Drop { conn } => write!(f, "[{conn}] hang up"),
            Act::Handshake(bytes) => write!(f, "bad handshake {}", hex(bytes)),
            Act::Word(word) => write!(f, "four-letter word {}", String::from_utf8_lossy(word)),
            Act::HalfClose { conn, frames } => {
                write!(f, "[{conn}] half close behind")?;
                frames.iter().try_for_each(|frame| write!(f, " {frame};"))
            }
            Act::Restart { asked, swap } => {
                let end = if *asked { "asked to end" } else { "killed" };
                let whose = if *swap { " on each other's data" } else { "" };
                write!(f, "both servers are {end} and started again{whose}")
            }
            Act::Expire { frames, hang_up } => {
                write!(f, "a session expires (hang up: {hang_up}) after")?;
                frames.iter().try_for_each(|frame| write!(f, " {frame};"))
            }
        }
    }
}

/// Bytes for people, cut after the first 200.
pub fn hex(bytes: &[u8]) -> String {
    let mut out: String = bytes.iter().take(200).map(|b| format!("{b:02x}")).collect();
    if bytes.len() > 200 {
        out.push_str(&format!("... ({} bytes)", bytes.len()));
    }
    out
}
