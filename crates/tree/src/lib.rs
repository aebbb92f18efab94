//! The replicated state machine: what all servers of an ensemble hold alike, as a function of the transactions so far.
//!
//! What it is: znodes with their stats, the ACL table, quotas, sessions and the digest ([`Tree`]); the checks that turn
//! a request into a transaction ([`Projection`]); and the application of transactions, live and on replay alike. What
//! it is not: it has no watches, no connections, no clock, no files. Whoever owns it tells the time, hands in zxids and
//! passes the changes on.
//!
//! The types to know:
//! * [`Tree`]: the applied state, read through [`NodeRef`]; changed by [`Tree::apply`] alone.
//! * [`Projection`]: the state as it will be when everything prepared so far is applied; [`Projection::prepare`].
//! * [`Change`] and [`TxnResult`]: what an application tells the watches and the waiting client.
//! * [`TreeLoader`]: a tree from a snapshot's records; [`Tree::begin_snapshot`]: a snapshot's records from a tree.
//! * [`auth`] and [`acl`]: who a connection is, and what it may do.
//!
//! A write's way: [`Projection::prepare`] checks it against tree and projection and makes a `TxnRecord`, which may be an
//! error; the record is logged and agreed on elsewhere; [`Tree::apply`] changes the nodes, calls back once per change, and
//! returns the result; [`Projection::applied`] forgets what is now in the tree. A read's way: [`Tree::node`].

pub mod acl;
mod acl_table;
mod apply;
pub mod auth;
mod change;
mod config;
mod digest;
mod load;
mod nodes;
mod path;
mod possible;
mod projection;
mod quota;
mod snapshot;
mod sweep;
mod tree;

pub use change::{Change, ChangeKind, TxnDetail, TxnResult};
pub use config::TreeConfig;
pub use load::{LoadError, TreeLoader};
pub use nodes::NodeKind;
pub use projection::{PrepContext, Projection, SessionState};
pub use quota::{QuotaExcess, QuotaView, Usage};
pub use snapshot::{SNAPSHOTS_MAX, SnapshotHead, SnapshotId};
pub use tree::{NodeRef, Tree};
