//! The applied state and how it is read.

use crate::{Change, TreeConfig, TxnResult};
use std::collections::BTreeMap;
use wire::{Acl, SessionId, Stat, StatPersisted, Txn, TxnDigest, TxnHeader, Zxid};

/// What kind of node it is (reference: client-protocol §6.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NodeKind {
    /// Stays until it is deleted.
    Persistent,
    /// Goes with its session.
    Ephemeral,
    /// Goes when it has had children and has none left.
    Container,
    /// Goes when it has no children and its data has not been set for a time.
    Ttl,
}

/// The applied state: znodes, ACL table, quotas, digest, sessions.
pub struct Tree {
    config: TreeConfig,
    sessions: BTreeMap<SessionId, i32>,
    last_zxid: Zxid,
    digest: i64,
}

impl Tree {
    /// A tree with the built-in nodes, as a fresh Apache server has them.
    pub fn new(config: TreeConfig) -> Tree {
        Tree { config, sessions: BTreeMap::new(), last_zxid: Zxid::ZERO, digest: 0 }
    }

    /// The settings.
    pub fn config(&self) -> &TreeConfig {
        &self.config
    }

    /// The highest zxid applied, or that of the snapshot.
    pub fn last_zxid(&self) -> Zxid {
        self.last_zxid
    }

    /// Sets the last zxid without a transaction: a learner after its synchronisation, a new epoch.
    pub fn set_last_zxid(&mut self, zxid: Zxid) {
        self.last_zxid = zxid;
    }

    /// The digest over all nodes; 0 when digests are off.
    pub fn digest(&self) -> i64 {
        self.digest
    }

    /// Does a transaction's digest say what this tree says? True when there is nothing to compare.
    pub fn check_digest(&self, _digest: &TxnDigest) -> bool {
        true
    }

    /// Nodes, the root among them once. (Apache's `znode_count` is one higher: it counts the root's alias.)
    pub fn node_count(&self) -> usize {
        0
    }

    /// What Apache calls the approximate data size: path lengths plus data lengths, in bytes.
    pub fn approximate_data_size(&self) -> u64 {
        0
    }

    /// Ephemeral nodes of all sessions.
    pub fn ephemeral_count(&self) -> usize {
        0
    }

    /// The node at `path`; the root is `/` or the empty path.
    pub fn node(&self, _path: &str) -> Option<NodeRef<'_>> {
        None
    }

    /// How many nodes are below `path`.
    pub fn all_children_number(&self, _path: &str) -> Option<i32> {
        None
    }

    /// The paths of a session's ephemeral nodes.
    pub fn ephemerals(&self, _session: SessionId) -> impl Iterator<Item = String> + '_ {
        std::iter::empty()
    }

    /// The sessions that own ephemeral nodes, in rising order.
    pub fn ephemeral_owners(&self) -> impl Iterator<Item = SessionId> + '_ {
        std::iter::empty()
    }

    /// The global sessions and their timeouts in ms.
    pub fn sessions(&self) -> &BTreeMap<SessionId, i32> {
        &self.sessions
    }

    /// At most `limit` containers and TTL nodes that are due at wall-clock time `wall_ms`; a container that never had a
    /// child is due `max_never_used_ms` after its mtime, or never if that is 0 (reference: client-protocol §6.3).
    pub fn expired_containers(&self, _wall_ms: i64, _max_never_used_ms: i64, _limit: usize) -> Vec<String> {
        Vec::new()
    }

    /// Removes the ephemeral nodes whose session does not exist, as a server does when it starts to lead. No transaction
    /// tells of it. Returns the removed paths.
    pub fn remove_dead_ephemerals(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// TTL nodes held although extended types are off: Apache would delete them at start (reference: storage-formats §3.5).
    /// They keep to their TTL.
    pub fn unexpected_ttl_nodes(&self) -> usize {
        0
    }

    /// Applies a transaction, live or on replay, and sets the last zxid. Changes are told in order, each when it is done
    /// (reference: storage-formats §3.1).
    pub fn apply<'t>(
        &mut self,
        _header: &TxnHeader,
        _txn: &'t Txn<'_>,
        _on_change: &mut dyn FnMut(Change<'_>),
    ) -> TxnResult<'t> {
        TxnResult::error(wire::ErrorCode::Unimplemented)
    }
}

/// One node, for reading.
#[derive(Clone, Copy)]
pub struct NodeRef<'t> {
    _tree: &'t Tree,
}

impl<'t> NodeRef<'t> {
    /// The stat that clients see.
    pub fn stat(&self) -> Stat {
        Stat::default()
    }

    /// The stat that snapshots hold.
    pub fn persisted(&self) -> StatPersisted {
        StatPersisted::default()
    }

    /// The data; absent is not empty.
    pub fn data(&self) -> Option<&'t [u8]> {
        None
    }

    /// The access control list.
    pub fn acl(&self) -> &'t [Acl<'static>] {
        &[]
    }

    /// The names of the children, in no particular order.
    pub fn children(&self) -> impl Iterator<Item = &'t str> + use<'t> {
        std::iter::empty()
    }

    /// How many children there are.
    pub fn child_count(&self) -> usize {
        0
    }

    /// The kind.
    pub fn kind(&self) -> NodeKind {
        NodeKind::Persistent
    }

    /// The whole path; `/` for the root.
    pub fn path(&self) -> String {
        String::new()
    }
}
