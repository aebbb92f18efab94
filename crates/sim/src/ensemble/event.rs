//! Everything that can happen in the world of an ensemble.

use super::faults::Undo;
use super::network::{End, Host};
use node::{HistoryQuery, Recover};
use store::{DiskError, Lane, Ticket};

/// What happens next. Events of a process carry its life: those of an earlier process are void.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// The end of a server's round.
    Flush { server: usize, life: u32 },
    /// The time a server asked for; void if it has asked for another one since.
    Wake { server: usize, life: u32, serial: u64 },
    /// A lane does its next operation.
    Disk { server: usize, life: u32, lane: Lane },
    /// A server hears of a finished batch.
    DiskDone { server: usize, life: u32, ticket: Ticket, result: Result<(), DiskError> },
    /// A history is cut and read again.
    Recover { server: usize, life: u32, recover: Recover },
    /// A piece of the logs is read.
    History { server: usize, life: u32, query: HistoryQuery },
    /// Somebody's wish to connect reaches the other machine.
    Syn { from: Host, life: u32, wish: Wish, target: usize },
    /// Somebody hears how a wish to connect ended.
    Dialled { from: Host, life: u32, wish: Wish, link: Option<u64> },
    /// Bytes may have reached an end of a connection.
    Arrive { end: End },
    /// The owner of an end hears that the connection is gone.
    Gone { end: End },
    /// The system gives up a connection at one end.
    Reset { end: End },
    /// A client wants to go on.
    ClientWake { client: usize, serial: u64 },
    /// A server that was switched off is started.
    Start { server: usize, life: u32 },
    /// Something else goes wrong.
    Fault,
    /// Something does not go wrong any more.
    Undo(Undo),
}

/// What a connection is wanted for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wish {
    /// Between servers; the dial's timeout is when it is given up.
    Peer { dial: zab::DialId, port: zab::Port, timeout_us: u64 },
    /// A client's attempt with this number.
    Client { attempt: u64 },
    /// A guest's, who takes himself for a server.
    Stranger { port: zab::Port },
}

impl Event {
    /// The server that has to be awake for it, and its life.
    pub(super) fn process(&self) -> Option<(usize, u32)> {
        match *self {
            Event::Flush { server, life }
            | Event::Wake { server, life, .. }
            | Event::Disk { server, life, .. }
            | Event::DiskDone { server, life, .. }
            | Event::Recover { server, life, .. }
            | Event::History { server, life, .. }
            | Event::Dialled { from: Host::Server(server), life, .. } => Some((server, life)),
            _ => None,
        }
    }

    /// Is it a step of something under way, and no time that somebody waits for?
    pub(super) fn is_under_way(&self) -> bool {
        match self {
            Event::Flush { .. }
            | Event::Disk { .. }
            | Event::DiskDone { .. }
            | Event::Recover { .. }
            | Event::History { .. }
            | Event::Syn { .. }
            | Event::Arrive { .. }
            | Event::Gone { .. } => true,
            Event::Dialled { link, .. } => link.is_some(),
            Event::Wake { .. }
            | Event::Reset { .. }
            | Event::ClientWake { .. }
            | Event::Start { .. }
            | Event::Fault
            | Event::Undo(_) => false,
        }
    }

    /// For the trace.
    pub(super) fn code(&self) -> [u64; 3] {
        match *self {
            Event::Flush { server, .. } => [1, server as u64, 0],
            Event::Wake { server, serial, .. } => [2, server as u64, serial],
            Event::Disk { server, lane, .. } => [3, server as u64, lane as u64],
            Event::DiskDone { server, ticket, .. } => [4, server as u64, ticket.0],
            Event::Recover { server, recover, .. } => [5, server as u64, recover.truncate_to.0 as u64],
            Event::History { server, query, .. } => [6, server as u64, query.after.0 as u64],
            Event::Syn { target, life, .. } => [7, target as u64, u64::from(life)],
            Event::Dialled { link, life, .. } => [8, link.unwrap_or(0), u64::from(life)],
            Event::Arrive { end } => [9, end.link, end.side as u64],
            Event::Gone { end } => [10, end.link, end.side as u64],
            Event::Reset { end } => [11, end.link, end.side as u64],
            Event::ClientWake { client, serial } => [12, client as u64, serial],
            Event::Start { server, .. } => [13, server as u64, 0],
            Event::Fault => [14, 0, 0],
            Event::Undo(_) => [15, 0, 0],
        }
    }
}
