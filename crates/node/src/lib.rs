//! One server as a pure machine: sessions, watches, client connections, request order.

mod admission;
mod clients;
mod commit;
mod config;
mod connection;
mod credentials;
mod expiry;
mod handshake;
mod intake;
mod io;
mod learners;
mod log_lane;
mod member;
mod node;
mod pipeline;
mod reads;
mod sessions;
mod slab;
mod stats;
mod traffic;
mod upkeep;
mod views;
mod watches;

pub use config::{
    AuthConfig, BatchConfig, ConnectionLimits, ConnectionThrottle, NodeConfig, PurgeConfig, RequestLimits,
    SweepConfig,
};
pub use io::{
    Admin, ConnId, Halt, HistoryQuery, Input, Membership, Note, NoteLevel, Now, Outputs, PeerInput,
    PeerOutputs, Recover, RecoverFailure, WORD_BUFFER_BYTES,
};
pub use learners::{LearnerFigures, Learners};
pub use node::Node;
pub use traffic::{NamespaceTraffic, Traffic};
pub use views::{
    ConnectionSessionView, ConnectionView, DigestEntry, Expiring, Histogram, Latency, LeadingView,
    MemberView, Metrics, ServerStats, Summary, WatchSummary,
};
