//! From a directory to a tree, or the reason why not (reference: storage-formats §6; simulation §5, S1 and S2).

mod error;
mod logs;
mod snapshots;
mod tail;

pub use error::{LogDamage, LogDamageKind, NotTorn, RecoveryError};

use crate::durable::Durable;
use crate::{
    Dir, Disk, DiskError, DiskOp, EmptyDirectory, FileName, LogIndex, LogWriter, SnapshotPlan, StoreConfig,
    names,
};
use logs::Replay;
use snapshots::Loaded;
use tree::{Tree, TreeConfig};
use wire::Zxid;

/// The marker that an empty server is meant to be empty, in the parent of the log directory.
const INITIALIZE: &str = "initialize";
/// Beside the snapshots of a member of an ensemble.
const ACCEPTED_EPOCH: &str = "acceptedEpoch";
/// What a temporary file's name begins with.
const TEMPORARY_PREFIXES: [&str; 2] = ["tmp-snapshot.", "tmp-idx-log."];

/// Digests are remembered for zxids that are multiples of it, for operators to compare servers by.
pub const DIGEST_MILESTONE: i64 = 128;

/// A server's state, as its disk has it.
pub struct Recovered {
    /// The tree after the last transaction.
    pub tree: Tree,
    /// Goes on behind it, in a new file.
    pub log: LogWriter,
    /// The last transaction; everything up to it has been synced, even what a crash had left unsynced.
    pub last: Durable<Zxid>,
    /// How many transactions were read from the logs.
    pub replayed: u64,
    /// The digest after every replayed transaction whose zxid is a multiple of [`DIGEST_MILESTONE`], oldest first.
    pub milestones: Vec<(Zxid, i64)>,
    /// The last transactions that were read from the logs, without holes: as many as [`StoreConfig::recent_count`] asks for, if
    /// they are there and not too large.
    pub recent: Vec<(Zxid, Vec<u8>)>,
    /// Nothing was there: this is a new database.
    pub is_new: bool,
    /// See [`EmptyDirectory::Distrusted`]. The log must not be written before a leader's snapshot is there.
    pub distrusted: bool,
    /// Transactions whose digest is not the tree's. Apache writes some wrong digests itself, so this stops nobody.
    pub digest_mismatches: u64,
    /// What an operator should know: repairs, leftovers, oddities.
    pub notices: Vec<String>,
}

impl std::fmt::Debug for Recovered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recovered")
            .field("last", &self.last)
            .field("notices", &self.notices)
            .finish_non_exhaustive()
    }
}

impl Recovered {
    /// The last transaction.
    pub fn last_zxid(&self) -> Zxid {
        self.last.get()
    }

    /// What a member tells the others of its history: -1 if it is not to be trusted.
    pub fn end_of_history(&self) -> Zxid {
        if self.distrusted { Zxid(-1) } else { self.last_zxid() }
    }
}

/// Reads snapshots and logs, repairs what a crash left, and refuses whatever cannot be believed. Repairs are done
/// after everything has been read, so a refusal leaves the directory as it was.
///
/// The caller then writes a snapshot, as Apache does at every start; until it is complete the old files do.
///
/// # Errors
/// [`RecoveryError`], for the operator to read.
pub fn recover(
    disk: &mut dyn Disk,
    config: &StoreConfig,
    tree_config: TreeConfig,
) -> Result<Recovered, RecoveryError> {
    check_directories(disk)?;
    let mut notices = Vec::new();
    let mut repairs = Vec::new();
    let names = Names::list(disk)?;
    let loaded = snapshots::load_newest(disk, config, &tree_config, &mut notices)?;
    let had_snapshot = loaded.is_some();
    if !had_snapshot {
        check_may_start_without_snapshot(disk, config, &names)?;
    }
    let loaded = loaded.unwrap_or_else(|| Loaded::nothing(tree_config));
    repairs.extend(loaded.repairs);
    let base = loaded.tree.last_zxid();
    let replay = Replay::new(config, loaded.tree, loaded.digest);
    let replayed = replay.run(disk, &names)?;
    notices.extend(replayed.notices);
    repairs.extend(replayed.repairs);
    let mut tree = replayed.tree;
    let last = tree.last_zxid();
    check_nothing_is_lost(disk, config, &names, last, &mut notices)?;

    repairs.extend(names.leftovers.iter().map(|file| DiskOp::Remove { file: file.clone() }));
    if last > base {
        repairs.push(DiskOp::SyncDir { dir: Dir::Log });
    }
    if had_snapshot {
        // A snapshot from a leader may hold more than the logs, and a crash may have come before its name was durable.
        repairs.push(DiskOp::SyncDir { dir: Dir::Snap });
    }
    for op in &repairs {
        disk.execute(op)?;
    }
    let distrusted = !had_snapshot
        && names.logs.is_empty()
        && !names.initialize
        && config.empty == EmptyDirectory::Distrusted;
    if distrusted {
        // With a snapshot the next start would take this for a database.
        notices.push(format!(
            "Unexpected empty data tree, setting zxid to -1: this server's vote does not count until it has a leader's data. If \
             the whole ensemble is new, start its servers with an empty file {}/initialize each",
            disk.path(&FileName::new(Dir::LogParent, "")).trim_end_matches('/')
        ));
    } else if !had_snapshot {
        write_snapshot(disk, config, &mut tree)?;
    }
    if names.initialize {
        disk.execute(&DiskOp::Remove { file: FileName::new(Dir::LogParent, INITIALIZE) })?;
    }
    if tree.unexpected_ttl_nodes() > 0 {
        notices.push(format!(
            "there are {} TTL nodes although extendedTypesEnabled is false: they are kept and expire as they should; Apache \
             would delete them at once",
            tree.unexpected_ttl_nodes()
        ));
    }
    let log = LogWriter::new(config, last);
    let digest_mismatches = replayed.digest_mismatches;
    let is_new = !had_snapshot && last == Zxid::ZERO;
    Ok(Recovered {
        tree,
        log,
        last: Durable::proven(last),
        replayed: replayed.count,
        milestones: replayed.milestones,
        recent: replayed.recent,
        is_new,
        distrusted,
        digest_mismatches,
        notices,
    })
}

/// What is in the directories, by name.
pub(crate) struct Names {
    /// Logs by their first zxid, with their sizes in bytes, in rising order.
    pub(crate) logs: Vec<(Zxid, FileName, u64)>,
    /// Indexes by their log's first zxid.
    pub(crate) indexes: Vec<Zxid>,
    /// Everything named like a snapshot, by zxid.
    pub(crate) snapshots: Vec<(Zxid, FileName)>,
    /// Files that were being written.
    pub(crate) leftovers: Vec<FileName>,
    pub(crate) initialize: bool,
    /// What `acceptedEpoch` says: no leader of an earlier epoch is followed any more.
    pub(crate) accepted_epoch: Option<u32>,
}

impl Names {
    fn list(disk: &mut dyn Disk) -> Result<Names, DiskError> {
        let logs_dir = disk.list(Dir::Log)?;
        let snaps_dir = disk.list(Dir::Snap)?;
        let mut logs: Vec<(Zxid, FileName, u64)> = logs_dir
            .iter()
            .filter_map(|(name, len)| {
                Some((names::log_zxid(name)?, FileName::new(Dir::Log, name.as_str()), *len))
            })
            .collect();
        logs.sort();
        let leftovers = [(Dir::Log, &logs_dir), (Dir::Snap, &snaps_dir)]
            .into_iter()
            .filter(|(dir, _)| *dir == Dir::Log || separate_directories(disk))
            .flat_map(|(dir, list)| list.iter().map(move |(name, _)| FileName::new(dir, name.as_str())))
            .filter(|file| TEMPORARY_PREFIXES.iter().any(|prefix| file.name.starts_with(prefix)))
            .collect();
        Ok(Names {
            logs,
            indexes: logs_dir.iter().filter_map(|(name, _)| names::index_zxid(name)).collect(),
            snapshots: snaps_dir
                .iter()
                .filter_map(|(name, _)| {
                    Some((names::snapshot_zxid(name)?, FileName::new(Dir::Snap, name.as_str())))
                })
                .collect(),
            leftovers,
            initialize: disk.list(Dir::LogParent)?.iter().any(|(name, _)| name == INITIALIZE),
            accepted_epoch: match snaps_dir.iter().any(|(name, _)| name == ACCEPTED_EPOCH) {
                true => read_epoch(disk, ACCEPTED_EPOCH)?,
                false => None,
            },
        })
    }

    /// Could a transaction that was synced here have been cut off on purpose? Only by a leader of a later epoch, which
    /// this server has accepted before (reference: storage-formats §2.4, §6).
    fn may_be_truncated(&self, synced: Zxid) -> bool {
        self.accepted_epoch.is_some_and(|epoch| epoch > synced.epoch())
    }
}

/// The number on the first line of an epoch file, if it is one.
fn read_epoch(disk: &mut dyn Disk, name: &str) -> Result<Option<u32>, DiskError> {
    let mut bytes = [0; 32];
    let n = disk.read_at(&FileName::new(Dir::Snap, name), 0, &mut bytes)?;
    let text = std::str::from_utf8(&bytes[..n]).unwrap_or_default();
    Ok(text.lines().next().and_then(|line| line.trim().parse().ok()))
}

fn separate_directories(disk: &dyn Disk) -> bool {
    disk.path(&FileName::new(Dir::Log, "")) != disk.path(&FileName::new(Dir::Snap, ""))
}

/// Two directories must not hold each other's files (ZOOKEEPER-2967).
fn check_directories(disk: &mut dyn Disk) -> Result<(), RecoveryError> {
    if !separate_directories(disk) {
        return Ok(());
    }
    if disk.list(Dir::Log)?.iter().any(|(name, _)| name.starts_with("snapshot.")) {
        return Err(RecoveryError::Directories(
            "Log directory has snapshot files. Check if dataLogDir and dataDir configuration is correct.",
        ));
    }
    if disk.list(Dir::Snap)?.iter().any(|(name, _)| name.starts_with("log.")) {
        return Err(RecoveryError::Directories(
            "Snapshot directory has log files. Check if dataLogDir and dataDir configuration is correct.",
        ));
    }
    Ok(())
}

fn check_may_start_without_snapshot(
    disk: &dyn Disk,
    config: &StoreConfig,
    names: &Names,
) -> Result<(), RecoveryError> {
    let dir_path = |dir| disk.path(&FileName::new(dir, "")).trim_end_matches('/').to_owned();
    match names.logs.is_empty() {
        true if names.initialize || config.empty != EmptyDirectory::Error => Ok(()),
        true => Err(RecoveryError::Empty { log_parent: dir_path(Dir::LogParent) }),
        // Logs from the very first transaction on are the whole history (reference: simulation §5.4, start-up decision table).
        false if names.logs[0].0 == Zxid(1) => Ok(()),
        false if config.snapshot_trust_empty => Ok(()),
        false => Err(RecoveryError::NoSnapshot { log_dir: dir_path(Dir::Log) }),
    }
}

/// A name or an index that speaks of a later transaction than the last one found proves that a file is missing.
fn check_nothing_is_lost(
    disk: &mut dyn Disk,
    config: &StoreConfig,
    names: &Names,
    last: Zxid,
    notices: &mut Vec<String>,
) -> Result<(), RecoveryError> {
    let mut witnesses: Vec<(Zxid, FileName)> = names.snapshots.clone();
    for log in &names.indexes {
        // The logs that are there have been compared with their indexes already.
        if !names.logs.iter().any(|(zxid, ..)| zxid == log)
            && let Some(zxid) = LogIndex::load(disk, *log)?.last_zxid()
        {
            witnesses.push((zxid, names::index_file(*log)));
        }
    }
    for (known, file) in witnesses.into_iter().filter(|(zxid, _)| *zxid > last) {
        let witness = disk.path(&file);
        let reason = match names::index_zxid(&file.name) {
            Some(_) if names.may_be_truncated(known) => "another server has truncated them",
            _ if !config.force_sync => "forceSync=no allows that",
            _ => return Err(RecoveryError::Lost { witness, last, known }),
        };
        notices.push(format!(
            "{witness} says that transaction {known} was written, but the logs end with {last}: {reason}"
        ));
    }
    Ok(())
}

/// A new database begins with `snapshot.0`, before anything is acknowledged: logs without any snapshot would be
/// refused at the next start.
fn write_snapshot(disk: &mut dyn Disk, config: &StoreConfig, tree: &mut Tree) -> Result<(), DiskError> {
    let (id, head) = tree.begin_snapshot();
    let acls = head.acls.iter().map(|(id, acl)| (*id, acl.as_slice()));
    let (plan, mut ops) = SnapshotPlan::begin(config, head.zxid, head.sessions.iter().copied(), acls);
    loop {
        let mut bytes = Vec::new();
        let more = tree.snapshot_chunk(id, &mut bytes, 1 << 20);
        ops.push(plan.data(bytes));
        if !more {
            break;
        }
    }
    ops.extend(plan.finish(head.digest));
    for op in &ops {
        disk.execute(op)?;
    }
    Ok(())
}
