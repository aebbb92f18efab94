//! The newest snapshot that can be believed.

use super::RecoveryError;
use crate::{
    Dir, Disk, DiskFile, DiskOp, FileName, SnapshotCandidate, SnapshotError, SnapshotErrorKind,
    SnapshotReader, StoreConfig, snapshot_candidates,
};
use tree::{Tree, TreeConfig, TreeLoader};
use wire::{Limits, TxnDigest, Zxid};

/// Damaged snapshots get this in front of their name: kept for the operator, seen by no server.
const QUARANTINE_PREFIX: &str = "corrupt-";

/// A tree and what the snapshot says about its digest.
pub(super) struct Loaded {
    pub(super) tree: Tree,
    /// The tree's digest right after that zxid, which may be one that is still to be replayed.
    pub(super) digest: Option<(Zxid, TxnDigest)>,
    /// To do once everything has been read.
    pub(super) repairs: Vec<DiskOp>,
}

impl Loaded {
    pub(super) fn nothing(config: TreeConfig) -> Loaded {
        Loaded { tree: Tree::new(config), digest: None, repairs: Vec::new() }
    }
}

/// Tries the snapshots that look valid, newest first; `None` when there is none.
pub(super) fn load_newest(
    disk: &mut dyn Disk,
    config: &StoreConfig,
    tree_config: &TreeConfig,
    notices: &mut Vec<String>,
) -> Result<Option<Loaded>, RecoveryError> {
    let mut reasons = Vec::new();
    let mut repairs = Vec::new();
    for candidate in snapshot_candidates(disk)? {
        let path = disk.path(&candidate.file);
        if !candidate.looks_valid {
            notices.push(format!("{path} is not a whole snapshot: skipped"));
            continue;
        }
        // Every attempt starts from nothing (reference: storage-formats §4.3, "Bug to avoid").
        match load(disk, &candidate, config.limits, tree_config) {
            Ok((tree, digest)) => {
                notices
                    .extend(reasons.into_iter().map(|reason| format!("{reason}; an older snapshot is used")));
                return Ok(Some(Loaded { tree, digest, repairs }));
            }
            Err(error) => {
                let is_damaged = !matches!(error.kind, SnapshotErrorKind::Disk(_));
                reasons.push(format!("problem reading snap file {path}: {error}"));
                repairs.extend(is_damaged.then(|| quarantine(candidate.file)).into_iter().flatten());
            }
        }
    }
    if reasons.is_empty() {
        return Ok(None);
    }
    let snap_dir = disk.path(&FileName::new(Dir::Snap, "")).trim_end_matches('/').to_owned();
    Err(RecoveryError::NoValidSnapshot { snap_dir, reasons })
}

fn load(
    disk: &mut dyn Disk,
    candidate: &SnapshotCandidate,
    limits: Limits,
    tree_config: &TreeConfig,
) -> Result<(Tree, Option<(Zxid, TxnDigest)>), SnapshotError> {
    let file = DiskFile::new(disk, candidate.file.clone());
    let mut reader = SnapshotReader::open(file, candidate.compression, limits)?;
    let mut loader = TreeLoader::new(tree_config.clone());
    reader.sessions(|id, timeout_ms| loader.session(id, timeout_ms))?;
    reader.acls(|id, acl| loader.acl(id, acl))?;
    let tree_error = |offset, error: tree::LoadError| SnapshotError {
        offset,
        kind: SnapshotErrorKind::Tree(error.to_string()),
    };
    loop {
        let offset = reader.position();
        let Some(node) = reader.node()? else { break };
        loader
            .node(&node.path, node.data, node.acl_id, &node.stat)
            .map_err(|error| tree_error(offset, error))?;
    }
    let offset = reader.position();
    let tail = reader.tail()?;
    // Apache's part 8 may be later than the name, never earlier.
    if let Some(zxid) = tail.last_zxid.filter(|zxid| *zxid < candidate.zxid) {
        return Err(SnapshotError { offset, kind: SnapshotErrorKind::OlderThanItsName(zxid) });
    }
    let tree = loader.finish(candidate.zxid).map_err(|error| tree_error(offset, error))?;
    // A digest from before the snapshot is of a leader that had not begun its epoch yet.
    let digest = tail.digest.filter(|(zxid, _)| *zxid > Zxid::ZERO && *zxid >= candidate.zxid);
    Ok((tree, digest))
}

fn quarantine(file: FileName) -> [DiskOp; 2] {
    let to = FileName::new(file.dir, format!("{QUARANTINE_PREFIX}{}", file.name));
    let dir = file.dir;
    [DiskOp::Rename { from: file, to }, DiskOp::SyncDir { dir }]
}
