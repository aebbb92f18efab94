//! One server as a pure machine: sessions, watches, client connections, request order.

#![allow(dead_code, reason = "the parts land before the machine that uses them")]

mod config;
mod expiry;
mod io;
mod slab;
mod views;
mod watches;

pub use config::{
    AuthConfig, BatchConfig, ConnectionLimits, ConnectionThrottle, NodeConfig, PurgeConfig, RequestLimits,
    SweepConfig,
};
pub use io::{Admin, ConnId, Halt, Input, Note, NoteLevel, Now, Outputs};
pub use views::{
    ConnectionSessionView, ConnectionView, DigestEntry, Expiring, Histogram, Latency, Metrics, ServerStats,
    Summary, WatchSummary,
};
