//! The shell around the node: sockets, files, threads, clock, configuration, four-letter words.
//!
//! This is the only crate that talks to the operating system. It decides nothing about ZooKeeper: it carries bytes,
//! time and disk completions to the machine (`node`) and carries out what the machine wants.
//!
//! Types to know:
//! - [`serve()`] is a server as a process; [`Server`] is one to run anywhere, such as in a test's thread;
//! - [`EventLoop`] runs a [`Machine`] on one thread: accept, read, step, submit to the disk, write;
//! - [`Lanes`] are the two disk threads, [`FileDisk`] the files they work on;
//! - [`DirectoryLocks`] keep a second server away from the data.
//!
//! How a write travels: the kernel says a connection is readable; one read takes all its bytes; the node splits them
//! into requests, prepares transactions and appends them to its log buffer; when all readable connections have had
//! their turn, the node hands over one disk batch; the log thread writes and syncs it and wakes the loop; the node
//! applies and answers; each connection with answers gets one write. While the disk works, reads go on and the next
//! batch grows.

mod clock;
pub mod config;
mod disk;
mod event_loop;
pub mod flw;
pub mod logging;
mod machine;
mod net;
mod serve;
mod serving;
mod start;
mod stop;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod utc;

pub use clock::Clock;
pub use disk::files::{DiskCounters, FileDisk, FilesConfig};
pub use disk::lanes::Lanes;
pub use disk::lock::DirectoryLocks;
pub use event_loop::{EventLoop, Log, Parts};
pub use machine::Machine;
pub use net::listen::{ListenConfig, Listener};
pub use serve::serve;
pub use serving::Serving;
pub use start::{Server, StartError};
pub use stop::Stop;
