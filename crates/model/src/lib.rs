//! A second opinion: a naive tree and plain definitions, sharing no logic with the product's crates.
//!
//! What it is: the slowest thing that is obviously right, to compare with. What it is not: fast, incremental, or used by the
//! server.
//!
//! * [`Model`]: the znodes, changed by requests one at a time, each at its zxid: what a server that takes one request at a
//!   time would answer.
//! * [`Watches`]: who watches what, as one list.
//! * [`digest`]: the tree's digest by its definition.

mod acl;
pub mod digest;
mod path;
mod quota;
mod read;
mod tree;
mod watch;
mod write;

pub use tree::{Model, Options, Znode};
pub use watch::{Event, WatchMode, WatchTable, Watches};
pub use write::{Change, ChangeKind, Context, Outcome};
