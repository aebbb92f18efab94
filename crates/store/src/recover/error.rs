//! Why a server must not start from what is on the disk.

use crate::{DiskError, Fault, StartFault};
use std::fmt;
use wire::Zxid;

/// Recovery refused. Nothing that was there has been changed. The text says what was found, where, and what an operator
/// can do; Apache's words are part of it where Apache has some.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RecoveryError {
    /// The disk itself.
    Disk(DiskError),
    /// Logs and snapshots are in each other's directory (ZOOKEEPER-2967): Apache's text.
    Directories(&'static str),
    /// There are logs but no snapshot, and `snapshot.trust.empty` is off.
    NoSnapshot {
        /// The log directory.
        log_dir: String,
    },
    /// There are snapshots, and none of them is whole.
    NoValidSnapshot {
        /// The snapshot directory.
        snap_dir: String,
        /// What is wrong with each, newest first.
        reasons: Vec<String>,
    },
    /// Nothing is there, and that is not allowed.
    Empty {
        /// The parent of the log directory, where `initialize` would be.
        log_parent: String,
    },
    /// A log cannot be believed.
    Log(LogDamage),
    /// Transactions are known to have existed that no file holds any more.
    Lost {
        /// What says so, a full path.
        witness: String,
        /// The last transaction that is there.
        last: Zxid,
        /// A later one that must have been there.
        known: Zxid,
    },
}

/// Damage in a log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogDamage {
    /// The file's full path.
    pub path: String,
    /// Where in it, in bytes.
    pub offset: u64,
    /// The last transaction before the damage.
    pub last_good: Zxid,
    /// What is wrong.
    pub kind: LogDamageKind,
}

/// See [`LogDamage`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LogDamageKind {
    /// The file does not begin as a log.
    Start(StartFault),
    /// A record that is none.
    Record {
        /// What is wrong with it.
        fault: Fault,
        /// Why it is not taken for the torn end of the log.
        because: NotTorn,
    },
    /// The records end where more of them are known to have been.
    EndsEarly {
        /// Why that is known.
        because: NotTorn,
    },
    /// The records are well formed, but not those that were once synced.
    Changed {
        /// Where the range begins, in bytes.
        from: u64,
        /// The last zxid of the changed range.
        last: Zxid,
    },
    /// Transactions are missing between two records, or between the snapshot and the first record.
    Gap {
        /// The zxid found.
        found: Zxid,
    },
}

/// How damage is told from a write that was cut off by a crash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NotTorn {
    /// The index says that the log was synced beyond this place, up to that zxid.
    Synced(Zxid),
    /// A well-formed record stands behind it.
    RecordBehind {
        /// Where, in bytes.
        offset: u64,
        /// Its zxid.
        zxid: Zxid,
    },
    /// A checksum fits if only the length were another one.
    OnlyLengthWrong {
        /// Which one, in bytes.
        length: usize,
    },
    /// The checksum fits: only the last byte is another one.
    OnlyEndMarkWrong,
    /// Every sector of it is there.
    NothingMissing,
    /// A crash does not leave this behind by Apache's rules, and no index knows better.
    ApacheRules,
}

impl From<DiskError> for RecoveryError {
    fn from(error: DiskError) -> RecoveryError {
        RecoveryError::Disk(error)
    }
}

impl fmt::Display for RecoveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecoveryError::Disk(error) => error.fmt(f),
            RecoveryError::Directories(text) => f.write_str(text),
            RecoveryError::NoSnapshot { log_dir } => write!(
                f,
                "No snapshot found, but there are log entries. Something is broken! ({log_dir}) If the logs begin with the \
                 very first transaction, as after an upgrade from before 3.5.3, start once with snapshot.trust.empty=true; \
                 otherwise restore the snapshot they continue from"
            ),
            RecoveryError::NoValidSnapshot { snap_dir, reasons } => write!(
                f,
                "Not able to find valid snapshots in {snap_dir}: {}. Restore one from a backup",
                reasons.join("; ")
            ),
            RecoveryError::Empty { log_parent } => write!(
                f,
                "the data directory is empty and db.autocreate is false: if this server is meant to start without data, \
                 create an empty file {log_parent}/initialize; otherwise restore its data"
            ),
            RecoveryError::Log(damage) => damage.fmt(f),
            RecoveryError::Lost { witness, last, known } => write!(
                f,
                "{witness} proves that transaction {known} was written, but the logs end with {last}: a log is missing or \
                 was cut. Restore it from a backup. To give up what follows {last}, move {witness} out of the directory"
            ),
        }
    }
}

impl std::error::Error for RecoveryError {}

impl fmt::Display for LogDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LogDamage { path, offset, last_good, kind } = self;
        write!(f, "{path} is damaged at byte {offset}, behind transaction {last_good}: ")?;
        match kind {
            LogDamageKind::Start(fault) => write!(f, "Transaction log: {path} has {fault}")?,
            LogDamageKind::Record { fault, because } => write!(f, "{fault}, and {because}")?,
            LogDamageKind::EndsEarly { because } => write!(f, "the records end here, but {because}")?,
            LogDamageKind::Changed { from, last } => write!(
                f,
                "the bytes from {from} to the end of transaction {last} are not those that were synced"
            )?,
            LogDamageKind::Gap { found } => write!(
                f,
                "{found} is not the next transaction of {last_good}: what stood between them is missing"
            )?,
        }
        write!(
            f,
            ". Restore the file from a backup. To give up everything behind {last_good}, cut the file to {offset} bytes \
             and move its index (idx-log.*) and all later logs and snapshots out of the directory"
        )
    }
}

impl fmt::Display for NotTorn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotTorn::Synced(zxid) => {
                write!(f, "the log's index says that it was synced up to transaction {zxid}")
            }
            NotTorn::RecordBehind { offset, zxid } => {
                write!(f, "transaction {zxid} follows, well formed, at byte {offset}")
            }
            NotTorn::OnlyLengthWrong { length } => {
                write!(f, "the record is whole if its length is taken as {length}")
            }
            NotTorn::OnlyEndMarkWrong => f.write_str("the record is whole but for its last byte"),
            NotTorn::NothingMissing => f.write_str("no part of it is missing, as would be after a crash"),
            NotTorn::ApacheRules => f.write_str("a crash does not leave that behind"),
        }
    }
}
