//! Requests without an answer yet, and frames told apart.

use crate::{Error, Notification};
use std::collections::VecDeque;
use wire::{Decode, Limits, NOTIFICATION_XID, OpCode, Reader, ReplyHeader, WatcherEvent};

/// No limit of our own on what a server's strings and buffers hold: the frame is already here.
pub const LIMITS: Limits = Limits { field_max: i32::MAX as usize };

/// Requests without an answer, oldest first, each with whatever is kept for it.
#[derive(Debug)]
pub struct OpenRequests<T>(VecDeque<(i32, OpCode, T)>);

impl<T> OpenRequests<T> {
    /// None.
    pub fn new() -> OpenRequests<T> {
        OpenRequests(VecDeque::new())
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// One more was sent.
    pub fn push(&mut self, xid: i32, op: OpCode, kept: T) {
        self.0.push_back((xid, op, kept));
    }

    /// The request that an answer with this xid belongs to: the oldest with that xid. Answers to special (negative) xids may
    /// overtake others.
    pub fn take(&mut self, xid: i32) -> Result<(OpCode, T), Error> {
        let at = self.0.iter().position(|(open, ..)| *open == xid);
        match at.filter(|at| *at == 0 || xid <= 0).and_then(|at| self.0.remove(at)) {
            Some((_, op, kept)) => Ok((op, kept)),
            None if at.is_some() => Err(Error::Protocol(format!(
                "xid {xid} answered before xid {}",
                self.0.front().map_or(0, |o| o.0)
            ))),
            None => Err(Error::Protocol(format!("an answer to xid {xid} which is not open"))),
        }
    }

    /// All of them: the connection is gone.
    pub fn drain(&mut self) -> impl Iterator<Item = T> + '_ {
        self.0.drain(..).map(|(_, _, kept)| kept)
    }
}

/// A server's frame behind the handshake.
pub enum Frame<'a> {
    /// A watch event.
    Notification(Notification),
    /// An answer: header, and the bytes of its record.
    Reply(ReplyHeader, &'a [u8]),
}

impl Frame<'_> {
    /// Tells what a frame is.
    pub fn parse(bytes: &[u8]) -> Result<Frame<'_>, Error> {
        let mut r = Reader::with_limits(bytes, LIMITS);
        let header = ReplyHeader::decode(&mut r)?;
        if header.xid != NOTIFICATION_XID {
            return Ok(Frame::Reply(header, r.rest()));
        }
        let event = WatcherEvent::decode(&mut r)?;
        let path = event.path.map(|p| p.into_owned().into());
        Ok(Frame::Notification(Notification { zxid: header.zxid, event: WatcherEvent { path, ..event } }))
    }
}
