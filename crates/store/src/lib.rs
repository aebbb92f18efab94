//! Transaction log, snapshots and recovery as plans of disk operations; no file handles.
//!
//! What it is: Apache ZooKeeper's file formats, read and written byte for byte, plus the rules for what of them may be
//! believed after a crash. What it is not: it opens no file, syncs nothing and starts no thread. It says what must be done
//! as [`DiskOp`] values, whose order is the promise; the shell or the simulator carries them out.
//!
//! The types to know:
//! * [`LogWriter`]: collects records; [`LogBatch`]: how they become durable; [`Durable`]: the proof that they are.
//! * [`SnapshotPlan`] and, on the executor's side, [`SnapshotSink`]: a snapshot on its way into a file.
//! * [`recover()`] and [`Recovered`]: from a directory to a tree, or the reason why not.
//! * [`LogReader`] and [`SnapshotReader`]: streaming readers with exact verdicts, for recovery and offline tools.
//! * [`LogIndex`]: the file beside each log that tells a torn write from damage.
//! * For members of an ensemble: [`load_epochs`] and [`write_epoch`], [`truncate()`], [`read_history`].
//!
//! A write's way: [`LogWriter::append`] → [`LogWriter::take_batch`] → the disk → [`Pending::completed`] → a
//! [`Durable`] zxid, without which nothing may be acknowledged.

mod config;
mod disk;
mod durable;
mod epochs;
mod history;
mod index;
pub mod names;
mod purge;
mod read_at;
mod recover;
mod snapshot;
mod truncate;
mod txnlog;

pub use config::{EmptyDirectory, StoreConfig};
pub use disk::{Compression, Dir, Disk, DiskBatch, DiskError, DiskOp, FileName, Lane, Ticket};
pub use durable::{Durable, Pending};
pub use epochs::{EpochError, EpochFile, Epochs, load_epochs, write_epoch};
pub use history::{HistorySlice, history_bytes, read_history};
pub use index::{IndexLine, LogIndex};
pub use purge::purge_plan;
pub use read_at::{DiskFile, ReadAt};
pub use recover::{DIGEST_MILESTONE, LogDamage, LogDamageKind, NotTorn, Recovered, RecoveryError, recover};
pub use snapshot::{
    SNAPSHOT_MAGIC, STREAM_END, SnapshotCandidate, SnapshotError, SnapshotErrorKind, SnapshotHeader,
    SnapshotNode, SnapshotPlan, SnapshotReader, SnapshotSink, SnapshotStream, SnapshotTail,
    snapshot_candidates, stream_head,
};
pub use truncate::{TruncateError, truncate};
pub use txnlog::{
    Fault, LOG_HEADER_LEN, LOG_MAGIC, LogBatch, LogEnd, LogReader, LogRecord, LogWriter, RECORD_OVERHEAD,
    StartFault, encode_record, log_header, record_behind, zeros_only,
};
