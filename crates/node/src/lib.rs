//! One server as a pure machine: sessions, watches, client connections, request order.

mod config;
mod io;
mod views;

pub use config::{
    AuthConfig, BatchConfig, ConnectionLimits, ConnectionThrottle, NodeConfig, PurgeConfig, RequestLimits,
    SweepConfig,
};
pub use io::{Admin, ConnId, Halt, Input, Note, NoteLevel, Now, Outputs};
pub use views::{
    ConnectionSessionView, ConnectionView, DigestEntry, Expiring, Histogram, Latency, Metrics, ServerStats,
    Summary, WatchSummary,
};
