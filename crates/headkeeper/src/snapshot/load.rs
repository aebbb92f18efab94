//! Reading a snapshot from its first byte to its last checksum.

use crate::offline::{Failure, LIMITS, Source, file_name};
use std::collections::BTreeMap;
use std::path::Path;
use store::{SnapshotNode, SnapshotReader, SnapshotTail, names};
use wire::{Acl, SessionId, Zxid};

/// What a snapshot holds besides its nodes.
#[derive(Debug, Default)]
pub struct Frame {
    /// Ids and timeouts in ms.
    pub sessions: BTreeMap<SessionId, i32>,
    /// The ACL table.
    pub acls: BTreeMap<i64, Vec<Acl<'static>>>,
    /// What follows the nodes.
    pub tail: SnapshotTail,
    /// How many nodes.
    pub nodes: u64,
    /// The newest zxid in the name and in the nodes.
    pub last_zxid: Zxid,
    /// Ephemeral nodes by their owners.
    pub ephemerals: BTreeMap<SessionId, u64>,
}

/// Calls `each` for every node in the order of the file, then returns the rest, proven by the checksums.
pub fn read(
    path: &Path,
    mut each: impl FnMut(&BTreeMap<i64, Vec<Acl<'static>>>, &SnapshotNode<'_>) -> Result<(), Failure>,
) -> Result<Frame, Failure> {
    let damaged = |e| Failure::Damaged(format!("{}: {e}", path.display()));
    let name = file_name(path);
    let source = Source::open(path)?;
    let mut reader = SnapshotReader::open(source, names::name_compression(&name), LIMITS).map_err(damaged)?;
    let mut frame = Frame { last_zxid: names::snapshot_zxid(&name).unwrap_or_default(), ..Frame::default() };
    let session = |id, timeout_ms| {
        frame.sessions.insert(id, timeout_ms);
    };
    reader.sessions(session).map_err(damaged)?;
    let acl = |id, acl| {
        frame.acls.insert(id, acl);
    };
    reader.acls(acl).map_err(damaged)?;
    while let Some(node) = reader.node().map_err(damaged)? {
        frame.nodes += 1;
        frame.last_zxid = frame.last_zxid.max(Zxid(node.stat.mzxid)).max(Zxid(node.stat.pzxid));
        let owner = SessionId(node.stat.ephemeral_owner);
        if frame.sessions.contains_key(&owner) {
            *frame.ephemerals.entry(owner).or_default() += 1;
        }
        each(&frame.acls, &node)?;
    }
    frame.tail = reader.tail().map_err(damaged)?;
    Ok(frame)
}

/// The path as everybody writes it: the file's root is the empty string.
pub fn shown<'n>(node: &'n SnapshotNode<'_>) -> &'n str {
    if node.path.is_empty() { "/" } else { &node.path }
}
