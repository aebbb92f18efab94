//! Removing what no restart needs any more (reference: storage-formats §8).

use crate::{Dir, Disk, DiskError, DiskOp, FileName, names, snapshot_candidates};
use wire::Zxid;

/// Keeps the `keep` (at least 3) newest snapshots that look valid, every log that a start from the oldest of them reads, and
/// everything newer; the rest goes, indexes and abandoned snapshots included. Empty when there is no valid snapshot.
///
/// What a crash brings back goes with the next purge; but no snapshot goes before the logs that are older are gone for good.
///
/// Unlike Apache's purge it leaves `log.foo` and other names that are no log's alone.
///
/// # Errors
/// When a directory cannot be read.
pub fn purge_plan(disk: &mut dyn Disk, keep: usize) -> Result<Vec<DiskOp>, DiskError> {
    let snapshots = snapshot_candidates(disk)?;
    let Some(oldest) = snapshots.iter().filter(|s| s.looks_valid).take(keep.max(3)).last().map(|s| s.zxid)
    else {
        return Ok(Vec::new());
    };
    let log_names: Vec<String> = disk.list(Dir::Log)?.into_iter().map(|(name, _)| name).collect();
    let first_log =
        log_names.iter().filter_map(|name| names::log_zxid(name)).filter(|zxid| *zxid <= oldest).max();
    let old_log = |zxid: Option<Zxid>| zxid.is_some_and(|zxid| zxid < oldest && Some(zxid) != first_log);
    // The log goes before its index: an index without its log, not the reverse, is what a crash may leave.
    let mut ops: Vec<DiskOp> = Vec::new();
    for zxid_of in [names::log_zxid, names::index_zxid] {
        ops.extend(
            log_names
                .iter()
                .filter(|name| old_log(zxid_of(name)))
                .map(|name| DiskOp::Remove { file: FileName::new(Dir::Log, name.as_str()) }),
        );
    }
    // A snapshot that came from a leader tells that the logs before it are no part of the history. It stays until they are
    // gone for good.
    if !ops.is_empty() {
        ops.push(DiskOp::SyncDir { dir: Dir::Log });
    }
    let old = snapshots.into_iter().filter(|snapshot| snapshot.zxid < oldest);
    ops.extend(old.map(|snapshot| DiskOp::Remove { file: snapshot.file }));
    Ok(ops)
}
