//! Transaction log, snapshots and recovery as plans of disk operations; no file handles.

mod disk;

pub use disk::{Compression, Dir, Disk, DiskBatch, DiskError, DiskOp, FileName, Lane, Ticket};
