//! Giving up the end of a history that no quorum has (reference: storage-formats §2.4; quorum-protocol §5.3).

use crate::{Dir, Disk, DiskError, DiskFile, DiskOp, FileName, LogIndex, LogReader, StoreConfig, names};
use std::fmt;
use wire::Zxid;

/// Why a history cannot be cut at the wished place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TruncateError {
    /// The disk.
    Disk(DiskError),
    /// Every snapshot is newer: there is nothing to replay the logs on. Everything must come from the leader.
    NoOlderSnapshot {
        /// The last zxid to be kept.
        keep: Zxid,
    },
}

impl From<DiskError> for TruncateError {
    fn from(error: DiskError) -> TruncateError {
        TruncateError::Disk(error)
    }
}

impl fmt::Display for TruncateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TruncateError::Disk(error) => error.fmt(f),
            TruncateError::NoOlderSnapshot { keep } => {
                write!(f, "the logs cannot be cut behind {keep}: all snapshots are newer")
            }
        }
    }
}

impl std::error::Error for TruncateError {}

/// Removes every transaction behind `keep` from logs and snapshots; nobody may be writing. What is left ends at or
/// before `keep` and is to be recovered anew.
///
/// A crash in between leaves a shorter or equally long history that recovers: whole logs go first, from the newest on, then the
/// end of the log in the middle, whose index has stopped to vouch for it, and at last the snapshots that are too new. Were
/// they to go first, logs would be replayed on a snapshot that has come from another server for what is kept.
/// Unlike Apache's server, which keeps the first transaction behind `keep` when `keep` itself is absent, and newer snapshots
/// always.
///
/// # Errors
/// [`TruncateError`]; when it is not the disk's, nothing has been changed.
pub fn truncate(disk: &mut dyn Disk, config: &StoreConfig, keep: Zxid) -> Result<(), TruncateError> {
    let ops = plan(disk, config, keep)?;
    for op in &ops {
        disk.execute(op)?;
    }
    Ok(())
}

fn plan(disk: &mut dyn Disk, config: &StoreConfig, keep: Zxid) -> Result<Vec<DiskOp>, TruncateError> {
    let snapshots: Vec<(Zxid, String)> = disk
        .list(Dir::Snap)?
        .into_iter()
        .filter_map(|(name, _)| Some((names::snapshot_zxid(&name)?, name)))
        .collect();
    if !snapshots.iter().any(|(zxid, _)| *zxid <= keep) {
        return Err(TruncateError::NoOlderSnapshot { keep });
    }
    let mut ops = Vec::new();
    let mut logs: Vec<Zxid> =
        disk.list(Dir::Log)?.iter().filter_map(|(name, _)| names::log_zxid(name)).collect();
    logs.sort();
    for log in logs.iter().rev().take_while(|first| **first > keep) {
        // The index goes first: alone it would prove that transactions are missing.
        for file in [names::index_file(*log), names::log_file(*log)] {
            ops.extend([DiskOp::Remove { file }, DiskOp::SyncDir { dir: Dir::Log }]);
        }
    }
    if let Some(log) = logs.iter().rev().find(|first| **first <= keep) {
        ops.extend(plan_cut(disk, config, *log, keep)?);
    }
    let too_new = snapshots.into_iter().filter(|(zxid, _)| *zxid > keep);
    ops.extend(too_new.map(|(_, name)| DiskOp::Remove { file: FileName::new(Dir::Snap, name) }));
    ops.push(DiskOp::SyncDir { dir: Dir::Snap });
    Ok(ops)
}

/// Cuts one log behind `keep`.
fn plan_cut(
    disk: &mut dyn Disk,
    config: &StoreConfig,
    log: Zxid,
    keep: Zxid,
) -> Result<Vec<DiskOp>, DiskError> {
    let Some(end) = end_of(disk, config, log, keep)? else { return Ok(Vec::new()) };
    let mut ops = Vec::new();
    let mut index = LogIndex::load(disk, log)?;
    if index.end() > end {
        index.lines.retain(|line| line.end <= end);
        let file = names::index_file(log);
        let temporary = FileName::new(Dir::Log, format!("tmp-{}", file.name));
        ops.extend([
            DiskOp::Create { file: temporary.clone() },
            DiskOp::WriteAt { file: temporary.clone(), offset: 0, bytes: index.to_bytes(log) },
            DiskOp::Sync { file: temporary.clone() },
            DiskOp::Close { file: temporary.clone() },
            DiskOp::Rename { from: temporary, to: file },
            DiskOp::SyncDir { dir: Dir::Log },
        ]);
    }
    let file = names::log_file(log);
    ops.extend([
        DiskOp::SetLen { file: file.clone(), len: end },
        DiskOp::Sync { file: file.clone() },
        DiskOp::Close { file },
    ]);
    Ok(ops)
}

/// Where the first record behind `keep` begins; `None` if there is none.
fn end_of(
    disk: &mut dyn Disk,
    config: &StoreConfig,
    log: Zxid,
    keep: Zxid,
) -> Result<Option<u64>, DiskError> {
    let mut source = DiskFile::new(disk, names::log_file(log));
    // What is no log holds nothing to cut; recovery will say what it is.
    let Ok(mut reader) = LogReader::open(&mut source, config.limits) else { return Ok(None) };
    while let Some(record) = reader.next_record()? {
        if record.zxid.is_some_and(|zxid| zxid > keep) {
            return Ok(Some(record.offset));
        }
    }
    Ok(None)
}
