//! The transactions of the logs, read again for a server that has fallen behind (reference: quorum-protocol §5.4).

use crate::{Dir, Disk, DiskError, DiskFile, LogIndex, LogReader, StoreConfig, names};
use wire::Zxid;

/// A piece of the logs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HistorySlice {
    /// The last transaction at or before the zxid asked for; `None` if the logs do not reach back so far, or do not go on
    /// from there.
    pub at_or_before: Option<Zxid>,
    /// The first ones behind it, in order, as zxid and payload; none behind the last one that may be told.
    pub txns: Vec<(Zxid, Vec<u8>)>,
}

/// Reads about `max_bytes` of what follows `after`, and nothing behind `upto`: the caller knows how far the logs are
/// durable. The log may be written to meanwhile.
///
/// Logs from before a snapshot that came from another server end anywhere, even with what nobody ever committed, and
/// those behind it begin with a new epoch, so that their numbers alone show no hole (ZOOKEEPER-2099, 2846). Such a
/// snapshot is one whose last transaction is in no log: nothing from before it is told.
///
/// # Errors
/// When a file cannot be read.
pub fn read_history(
    disk: &mut dyn Disk,
    config: &StoreConfig,
    after: Zxid,
    upto: Zxid,
    max_bytes: usize,
) -> Result<HistorySlice, DiskError> {
    let mut logs: Vec<Zxid> =
        disk.list(Dir::Log)?.iter().filter_map(|(name, _)| names::log_zxid(name)).collect();
    logs.sort();
    let mut snapshots: Vec<Zxid> =
        disk.list(Dir::Snap)?.iter().filter_map(|(name, _)| names::snapshot_zxid(name)).collect();
    snapshots.sort();
    let mut slice = HistorySlice::default();
    let first_newer = snapshots.partition_point(|zxid| *zxid <= after);
    for snapshot in snapshots[first_newer..].iter().filter(|zxid| **zxid <= upto) {
        if !contain(disk, config, &logs, *snapshot)? {
            return Ok(slice);
        }
    }
    let mut bytes = 0;
    let from = logs.partition_point(|first| *first <= after).saturating_sub(1);
    for log in &logs[from..] {
        let start = start_of(disk, *log, after)?;
        let mut source = DiskFile::new(disk, names::log_file(*log));
        // The header of a log that is just being made may be missing; damage is recovery's business.
        let Ok(reader) = LogReader::open(&mut source, config.limits) else { break };
        let mut reader = match start {
            None => reader,
            Some((offset, before)) => {
                slice.at_or_before = slice.at_or_before.max(Some(before));
                drop(reader);
                LogReader::at(&mut source, offset, config.limits)
            }
        };
        while let Some(record) = reader.next_record()? {
            match record.zxid {
                Some(zxid) if zxid <= after => slice.at_or_before = slice.at_or_before.max(Some(zxid)),
                Some(zxid) if zxid <= upto && bytes < max_bytes => {
                    bytes += record.payload.len();
                    slice.txns.push((zxid, record.payload.to_vec()));
                }
                _ => return Ok(based(slice, &snapshots, after)),
            }
        }
    }
    Ok(based(slice, &snapshots, after))
}

/// Is there a transaction in the logs? The index finds one that a snapshot was taken at: the log was rolled there.
fn contain(disk: &mut dyn Disk, config: &StoreConfig, logs: &[Zxid], zxid: Zxid) -> Result<bool, DiskError> {
    let Some(log) = logs[..logs.partition_point(|first| *first <= zxid)].last() else { return Ok(false) };
    let start = start_of(disk, *log, zxid)?;
    let mut source = DiskFile::new(disk, names::log_file(*log));
    let mut reader = match start {
        Some((_, before)) if before == zxid => return Ok(true),
        Some((offset, _)) => LogReader::at(&mut source, offset, config.limits),
        None => match LogReader::open(&mut source, config.limits) {
            Ok(reader) => reader,
            Err(_) => return Ok(false),
        },
    };
    while let Some(record) = reader.next_record()? {
        match record.zxid {
            Some(found) if found < zxid => {}
            found => return Ok(found == Some(zxid)),
        }
    }
    Ok(false)
}

/// What the logs have before a snapshot that they do not contain does not lead to what comes behind it; the snapshot does.
fn based(mut slice: HistorySlice, snapshots: &[Zxid], after: Zxid) -> HistorySlice {
    let base = snapshots[..snapshots.partition_point(|zxid| *zxid <= after)].last().copied();
    if base > slice.at_or_before && base > Some(Zxid::ZERO) {
        slice.at_or_before = base.filter(|base| *base == after);
    }
    slice
}

/// Where reading may begin so that nothing behind `after` is missed, and the last zxid before that place: the index saves
/// reading a long log from its beginning.
fn start_of(disk: &mut dyn Disk, log: Zxid, after: Zxid) -> Result<Option<(u64, Zxid)>, DiskError> {
    let index = names::index_file(log);
    if log > after || !disk.list(Dir::Log)?.iter().any(|(name, _)| *name == index.name) {
        return Ok(None);
    }
    let index = LogIndex::load(disk, log)?;
    Ok(index.lines.iter().rev().find(|line| line.last <= after).map(|line| (line.end, line.last)))
}

/// How many bytes of logs have to be read to tell what follows `after`: what a snapshot is weighed against.
///
/// # Errors
/// When the directory cannot be read.
pub fn history_bytes(disk: &mut dyn Disk, after: Zxid) -> Result<u64, DiskError> {
    let mut logs: Vec<(Zxid, u64)> = disk
        .list(Dir::Log)?
        .into_iter()
        .filter_map(|(name, len)| Some((names::log_zxid(&name)?, len)))
        .collect();
    logs.sort();
    let from = logs.partition_point(|(first, _)| *first <= after).saturating_sub(1);
    Ok(logs[from..].iter().map(|(_, len)| len).sum())
}
