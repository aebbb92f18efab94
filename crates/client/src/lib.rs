//! A small blocking ZooKeeper client: for the shell, the load tool and the tests.
//!
//! What it is: sockets and the [`wire`] records, in order. What it is not: a client library for applications; it caches nothing
//! and it never repeats a request whose outcome is unknown.
//!
//! The types to know:
//! * [`Connection`]: one TCP connection after its handshake. Requests go out in order, answers come back in the same order,
//!   notifications are kept aside in the order they came. It reconnects nowhere and pings only when asked.
//! * [`Socket`]: frames on a TCP stream, before or without a handshake: what tests use to send what no client should.
//! * [`Session`]: a session that a background thread keeps alive: pings, reconnection, watches and credentials set again, events
//!   handed over as they come.
//! * [`Servers`]: `host:port,host:port/chroot` taken apart.
//!
//! A request's way: [`Connection::send`] encodes it into the output buffer, [`Connection::flush`] writes everything buffered at
//! once, [`Connection::recv`] returns the [`Reply`] of the oldest request still open, which [`Reply::response`] decodes.

mod connection;
mod error;
mod open;
mod servers;
mod session;
mod socket;
pub mod subtree;
mod watches;

pub use connection::{Connection, Incoming, Notification, Options, Reply};
pub use error::Error;
pub use servers::Servers;
pub use session::{Session, SessionEvent, SessionState};
pub use socket::{Socket, four_letter_word};
pub use subtree::Caller;
