//! Clients of a simulated ensemble, as machines: what a good client library with a busy application does
//! (reference: simulation §2.7, client-protocol §2.5, §2.6).
//!
//! What it is: [`Client::step`] takes the time and one thing that happened, and says what to do; a seed decides the rest.
//! What it is not: it judges nothing. It tells what it saw ([`ClientEvent`]), and [`crate::checks`] judges that.
//!
//! A client tries servers in an order of its own, backs off when none answers, keeps its session with id, password and
//! last zxid from server to server, pings, gives a silent connection up, sets its watches again after a reconnect, and
//! begins a new session when the old one has expired. Its application asks in bursts, thinks, rests, changes the server,
//! sleeps, and closes its session now and then.

mod client;
mod frames;
mod pace;
mod paths;
mod session;
#[cfg(test)]
mod tests;
mod users;
mod watching;
mod workload;

pub use client::{Client, ClientSetup};
pub use users::User;
pub use workload::{Workload, WorkloadSetup};

use wire::{Request, SessionId};

/// What happens to a client.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ClientInput {
    /// The connection that it asked for is there.
    Connected,
    /// Bytes from the server, in order, cut anywhere.
    Received(Vec<u8>),
    /// The connection is gone, or could not be made.
    Closed,
    /// A time that it asked for has come. A wake too many does no harm.
    Wake,
}

/// What a client wants done.
///
/// It has one connection at a time: after a `Close` or another `Connect`, nothing of an earlier connection, attempt or
/// end reaches it any more.
#[derive(Clone, PartialEq, Debug)]
pub enum ClientOutput {
    /// Connect to a server; answered by `Connected` or `Closed`.
    Connect {
        /// Which, from `0` on.
        server: usize,
    },
    /// Send bytes. What was sent before a `Close` may still arrive.
    Send(Vec<u8>),
    /// Close the connection, or give up the attempt. No `Closed` follows.
    Close,
    /// Step with `Wake` at this time, whatever was asked for before.
    WakeAt(u64),
    /// Nothing to do: for those who watch.
    Saw(ClientEvent),
}

/// What a client saw or did, in the order in which it did.
#[derive(Clone, PartialEq, Debug)]
pub enum ClientEvent {
    /// It has a connection, and introduces itself.
    Connected {
        /// To which server.
        server: usize,
        /// The session that it asks to go on with; none for a new one.
        renews: Option<SessionId>,
        /// The newest zxid that it has seen in that session.
        last_zxid: i64,
        /// Whose credentials it will show, if anybody's.
        user: Option<User>,
    },
    /// A new session.
    SessionGiven {
        /// Which.
        session: SessionId,
        /// ms.
        timeout_ms: i32,
    },
    /// The session goes on.
    SessionRenewed {
        /// Which.
        session: SessionId,
        /// ms.
        timeout_ms: i32,
    },
    /// The server does not know the session.
    SessionExpired {
        /// Which.
        session: SessionId,
    },
    /// A request is sent. Pings, auth packets and setWatches are requests too.
    Asked {
        /// Its number, unique for everything but those three.
        xid: i32,
        /// What it is.
        request: Request<'static>,
    },
    /// A reply.
    Answered {
        /// Whose.
        xid: i32,
        /// The server's last transaction.
        zxid: i64,
        /// 0 or an error.
        err: i32,
        /// What followed the header.
        body: Vec<u8>,
    },
    /// A watch event.
    Notified {
        /// Of its header: the transaction, or -1.
        zxid: i64,
        /// A number of [`wire::event_type`].
        kind: i32,
        /// Always 3.
        state: i32,
        /// The node.
        path: String,
    },
    /// The connection is gone: closed by either side, or silent for too long. The outcome of what is outstanding is unknown.
    Lost {
        /// Xids without an answer, in the order of asking.
        outstanding: Vec<i32>,
        /// The client gave it up.
        by_client: bool,
    },
    /// The server sent what no server may send; the client has closed the connection.
    Garbled(String),
}
