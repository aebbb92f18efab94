//! Writing a snapshot: which disk operations, in which order.

use super::{END_MARK, SNAPSHOT_DBID, SNAPSHOT_MAGIC, SNAPSHOT_VERSION};
use crate::{Compression, Dir, DiskOp, StoreConfig, names};
use wire::{Acl, DIGEST_VERSION, Encode, SessionId, Writer, Zxid};

/// A snapshot that is being written. Its bytes go into a file that no server looks at; only when everything is
/// synced does the file get its name, and the name is synced too (reference: storage-formats §11, checklist).
///
/// One snapshot at a time: the stream operations name no file after the first one.
#[derive(Debug)]
pub struct SnapshotPlan {
    zxid: Zxid,
    compression: Compression,
    digest_enabled: bool,
    serialize_last_zxid: bool,
}

impl SnapshotPlan {
    /// Starts the snapshot of a tree at exactly `zxid`, with its sessions (id, timeout in ms) and its ACL table.
    /// The operations are for [`crate::Lane::Snapshot`], like all of a snapshot's.
    pub fn begin<'a>(
        config: &StoreConfig,
        zxid: Zxid,
        sessions: impl ExactSizeIterator<Item = (SessionId, i32)>,
        acls: impl ExactSizeIterator<Item = (i64, &'a [Acl<'a>])>,
    ) -> (SnapshotPlan, Vec<DiskOp>) {
        let plan = SnapshotPlan {
            zxid,
            compression: config.compression,
            digest_enabled: config.digest_enabled,
            serialize_last_zxid: config.serialize_last_zxid,
        };
        let file = names::snapshot_temp_file(zxid, config.compression);
        let ops = vec![
            DiskOp::SnapshotBegin { file, compression: config.compression },
            DiskOp::SnapshotData { bytes: head(sessions, acls) },
        ];
        (plan, ops)
    }

    /// The zxid that will be in the file's name.
    pub fn zxid(&self) -> Zxid {
        self.zxid
    }

    /// Some of the nodes: part 4 of the format, cut anywhere.
    pub fn data(&self, bytes: Vec<u8>) -> DiskOp {
        DiskOp::SnapshotData { bytes }
    }

    /// The end. `digest` is the tree's at the snapshot's zxid; the operations make the file durable and give it its name.
    pub fn finish(self, digest: i64) -> Vec<DiskOp> {
        let mut ops = vec![DiskOp::SnapshotData { bytes: END_MARK.to_vec() }, DiskOp::SnapshotSeal];
        if self.digest_enabled {
            let mut bytes = Vec::new();
            let mut w = Writer::new(&mut bytes);
            w.long(self.zxid.0);
            w.int(DIGEST_VERSION);
            // Apache says "none yet" for a tree without a transaction.
            w.long(if self.zxid == Zxid::ZERO { 0 } else { digest });
            ops.extend([DiskOp::SnapshotData { bytes }, DiskOp::SnapshotSeal]);
        }
        if self.serialize_last_zxid {
            ops.extend([
                DiskOp::SnapshotData { bytes: self.zxid.0.to_be_bytes().to_vec() },
                DiskOp::SnapshotSeal,
            ]);
        }
        let from = names::snapshot_temp_file(self.zxid, self.compression);
        let to = names::snapshot_file(self.zxid, self.compression);
        ops.extend([DiskOp::SnapshotEnd, DiskOp::Rename { from, to }, DiskOp::SyncDir { dir: Dir::Snap }]);
        ops
    }
}

fn head<'a>(
    sessions: impl ExactSizeIterator<Item = (SessionId, i32)>,
    acls: impl ExactSizeIterator<Item = (i64, &'a [Acl<'a>])>,
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64 + sessions.len() * 12 + acls.len() * 64);
    let mut w = Writer::new(&mut bytes);
    w.int(SNAPSHOT_MAGIC);
    w.int(SNAPSHOT_VERSION);
    w.long(SNAPSHOT_DBID);
    write_tables(&mut w, sessions, acls);
    bytes
}

/// Parts 2 and 3.
pub(super) fn write_tables<'a>(
    w: &mut Writer<'_>,
    sessions: impl ExactSizeIterator<Item = (SessionId, i32)>,
    acls: impl ExactSizeIterator<Item = (i64, &'a [Acl<'a>])>,
) {
    w.int(sessions.len() as i32);
    for (id, timeout_ms) in sessions {
        w.long(id.0);
        w.int(timeout_ms);
    }
    w.int(acls.len() as i32);
    for (id, acl) in acls {
        w.long(id);
        w.vector(Some(acl), |w, entry| entry.encode(w));
    }
}
