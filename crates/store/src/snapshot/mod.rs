//! The snapshot's format (reference: storage-formats §4).
//!
//! ```text
//! 1 header    i32 "ZKSN" | i32 version 2 | i64 dbid -1
//! 2 sessions  i32 n | n × (i64 id, i32 timeout)
//! 3 ACLs      i32 n | n × (i64 id, vector<ACL>)
//! 4 nodes     (ustring path, buffer data, i64 ACL id, StatPersisted)*, parents before children
//! 5 end       ustring "/"
//! 6 seal      i64 Adler-32 of all bytes before | ustring "/"
//! 7 digest    i64 zxid | i32 version 2 | i64 digest, and a seal       (may be absent)
//! 8 last zxid i64, and a seal                                         (may be absent)
//! ```
//! The whole stream may be compressed; the file name's suffix says so.

mod plan;
mod reader;
mod select;
mod sink;
mod snappy;
mod stream;

pub use plan::SnapshotPlan;
pub use reader::{
    SnapshotError, SnapshotErrorKind, SnapshotHeader, SnapshotNode, SnapshotReader, SnapshotTail,
};
pub use select::{SnapshotCandidate, snapshot_candidates};
pub use sink::SnapshotSink;
pub use stream::{STREAM_END, SnapshotStream, stream_head};

/// "ZKSN".
pub const SNAPSHOT_MAGIC: i32 = 0x5A4B_534E;

const SNAPSHOT_VERSION: i32 = 2;
/// Written as Apache writes it; nobody looks at it.
const SNAPSHOT_DBID: i64 = -1;
/// The path that ends the nodes, and the text behind each checksum.
const END_MARK: [u8; 5] = [0, 0, 0, 1, b'/'];
/// A seal: checksum and [`END_MARK`].
const SEAL_LEN: usize = 13;
/// gzip's first bytes.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
