//! The boundary to the disk: what the store wants done, as values, and who does it, as a trait.
//!
//! The production shell carries the operations out on files, the simulator on a model that may lose, tear and refuse
//! them. Nothing else in the core knows that files exist.

use std::fmt;

/// One of the two `version-2` directories; they may be the same place (reference: storage-formats §1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Dir {
    /// `dataLogDir/version-2`: transaction logs.
    Log,
    /// `dataDir/version-2`: snapshots and epoch files.
    Snap,
    /// `dataLogDir` itself: the `initialize` marker.
    LogParent,
}

/// A file in one of the directories.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FileName {
    /// Where.
    pub dir: Dir,
    /// The plain name, without a directory.
    pub name: String,
}

impl FileName {
    /// A file by its directory and plain name.
    pub fn new(dir: Dir, name: impl Into<String>) -> FileName {
        FileName { dir, name: name.into() }
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// How a snapshot is compressed; the file name's suffix says it too.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Compression {
    /// As it is.
    #[default]
    None,
    /// One gzip member, suffix `.gz`.
    Gzip,
    /// snappy-java's stream framing, suffix `.snappy`.
    Snappy,
}

/// One thing to do. Operations of a [`DiskBatch`] happen in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DiskOp {
    /// Create the file, or empty it if it exists, and keep it open for writing.
    Create {
        /// Which.
        file: FileName,
    },
    /// Write bytes at an offset of a file created earlier.
    WriteAt {
        /// Which.
        file: FileName,
        /// Where, in bytes.
        offset: u64,
        /// What.
        bytes: Vec<u8>,
    },
    /// Cut or extend (with zeros) a file.
    SetLen {
        /// Which.
        file: FileName,
        /// To how many bytes.
        len: u64,
    },
    /// Make the file's bytes durable (fdatasync).
    Sync {
        /// Which.
        file: FileName,
    },
    /// No more writes will come: the handle may be dropped.
    Close {
        /// Which.
        file: FileName,
    },
    /// Rename inside one directory; replaces the target.
    Rename {
        /// From.
        from: FileName,
        /// To.
        to: FileName,
    },
    /// Remove; a file that is already gone is fine.
    Remove {
        /// Which.
        file: FileName,
    },
    /// Make the directory's names durable.
    SyncDir {
        /// Which.
        dir: Dir,
    },
    /// Start a snapshot stream into a new file; the executor keeps a snapshot sink for it.
    SnapshotBegin {
        /// The (temporary) file.
        file: FileName,
        /// How the stream is compressed on its way.
        compression: Compression,
    },
    /// Bytes of the logical snapshot stream, before compression.
    SnapshotData {
        /// What.
        bytes: Vec<u8>,
    },
    /// The checksum of everything so far and the end mark.
    SnapshotSeal,
    /// The end of the stream: flush the compressor, write, fsync, close.
    SnapshotEnd,
}

/// Which queue a batch waits in. Batches of one lane are carried out in order; the lanes are independent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Lane {
    /// The transaction log: what acknowledgements wait for.
    Log,
    /// Snapshots and purging: nobody waits.
    Snapshot,
}

/// Names a batch in its completion.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(pub u64);

/// Operations whose completion is reported once, when the last one is done or the first one fails.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DiskBatch {
    /// Comes back in the completion.
    pub ticket: Ticket,
    /// Which queue.
    pub lane: Lane,
    /// What, in order.
    pub ops: Vec<DiskOp>,
}

/// Why the disk did not do it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DiskError {
    /// What was tried, such as `fdatasync`.
    pub action: &'static str,
    /// The full path as an operator knows it.
    pub path: String,
    /// The system's words.
    pub reason: String,
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} failed: {}", self.action, self.path, self.reason)
    }
}

impl std::error::Error for DiskError {}

impl DiskError {
    /// The action of [`DiskOp::SyncDir`].
    pub const DIRECTORY_SYNC: &'static str = "directory sync";

    /// Names of any file of a directory may be lost, whoever asked for the sync: nothing may go on as if it had been done.
    pub fn puts_names_in_doubt(&self) -> bool {
        self.action == DiskError::DIRECTORY_SYNC
    }
}

/// Carries operations out and reads files. Recovery at start uses it directly; a running node only emits batches.
pub trait Disk {
    /// The names and sizes in bytes of the plain files in a directory, in no particular order; empty if it does not exist.
    ///
    /// # Errors
    /// When the directory cannot be read.
    fn list(&mut self, dir: Dir) -> Result<Vec<(String, u64)>, DiskError>;

    /// Reads into `buf` from `offset`; returns how many bytes were there (0 at the end).
    ///
    /// # Errors
    /// When the file cannot be read.
    fn read_at(&mut self, file: &FileName, offset: u64, buf: &mut [u8]) -> Result<usize, DiskError>;

    /// Does one thing.
    ///
    /// # Errors
    /// When it could not be done; the caller must not go on as if it had been.
    fn execute(&mut self, op: &DiskOp) -> Result<(), DiskError>;

    /// The full path of a file, for messages.
    fn path(&self, file: &FileName) -> String;
}
