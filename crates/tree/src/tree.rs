//! The applied state and how it is read.

use crate::acl::READ_ONLY;
use crate::acl_table::{AclTable, UNSET};
use crate::nodes::{NewNode, NodeId, Nodes, ROOT};
use crate::snapshot::Snapshots;
use crate::{NodeKind, TreeConfig};
use std::collections::{BTreeMap, BTreeSet};
use wire::{Acl, DIGEST_VERSION, SessionId, Stat, StatPersisted, TxnDigest, Zxid};

/// The nodes every tree has.
pub(crate) const ZOOKEEPER: &str = "/zookeeper";
/// Below it are the quotas.
pub(crate) const QUOTA: &str = "/zookeeper/quota";
/// The ensemble's configuration.
pub(crate) const CONFIG: &str = "/zookeeper/config";

/// The stored owner of containers.
pub(crate) const CONTAINER_OWNER: i64 = i64::MIN;
/// The stored owner of TTL nodes has this top byte, then two bytes of zeros.
pub(crate) const TTL_OWNER: i64 = 0xff00_0000_0000_0000_u64 as i64;
/// The longest time to live in ms.
pub(crate) const TTL_MAX: i64 = (1 << 40) - 1;

/// The applied state: znodes, ACL table, quotas, digest, sessions.
pub struct Tree {
    pub(crate) config: TreeConfig,
    pub(crate) nodes: Nodes,
    pub(crate) acls: AclTable,
    pub(crate) sessions: BTreeMap<SessionId, i32>,
    /// Who owns which ephemeral nodes. A session without any is not in it.
    pub(crate) ephemerals: BTreeMap<SessionId, BTreeSet<NodeId>>,
    pub(crate) ephemeral_count: usize,
    pub(crate) containers: BTreeSet<NodeId>,
    pub(crate) ttls: BTreeSet<NodeId>,
    /// Limits nodes below `/zookeeper/quota`; while there are none, quotas cost nothing.
    pub(crate) quotas: usize,
    pub(crate) data_size: u64,
    pub(crate) last_zxid: Zxid,
    pub(crate) digest: i64,
    /// The snapshots under way.
    pub(crate) snapshots: Snapshots,
}

impl Tree {
    /// A tree with the built-in nodes, as a fresh Apache server has them.
    pub fn new(config: TreeConfig) -> Tree {
        let mut tree = Tree::bare(config);
        tree.add_built_in();
        tree
    }

    /// A tree with nothing but a root.
    pub(crate) fn bare(config: TreeConfig) -> Tree {
        let new = NewNode {
            data: Some(&[]),
            acl: UNSET,
            kind: NodeKind::Persistent,
            stat: StatPersisted::default(),
            mark: 0,
        };
        let mut tree = Tree {
            nodes: Nodes::with_root(config.hash_seed, config.digest_enabled, &new),
            acls: AclTable::new(config.hash_seed),
            sessions: BTreeMap::new(),
            ephemerals: BTreeMap::new(),
            ephemeral_count: 0,
            containers: BTreeSet::new(),
            ttls: BTreeSet::new(),
            quotas: 0,
            // Apache counts the root's alias `/`.
            data_size: 1,
            last_zxid: Zxid::ZERO,
            digest: 0,
            snapshots: Snapshots::default(),
            config,
        };
        tree.digest = tree.nodes.at(ROOT).digest();
        tree
    }

    /// Adds those built-in nodes that are missing.
    pub(crate) fn add_built_in(&mut self) {
        for path in [ZOOKEEPER, QUOTA] {
            if self.nodes.find(path).is_none() {
                let acl = self.acls.intern(None);
                self.insert(path, Some(&[]), acl, NodeKind::Persistent, StatPersisted::default());
            }
        }
        if self.nodes.find(CONFIG).is_none() {
            let acl = self.acls.intern(Some(&READ_ONLY));
            let stat = StatPersisted { aversion: -1, ..StatPersisted::default() };
            self.insert(CONFIG, Some(&[]), acl, NodeKind::Persistent, stat);
        }
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

    /// Puts an ensemble's configuration into `/zookeeper/config`, without a transaction: every member writes its own
    /// (reference: quorum-protocol §5.2, F5). The version is that of the configuration.
    pub fn set_config(&mut self, text: &str, version: i64) {
        let config = self.nodes.find(CONFIG).expect("a built-in node");
        self.change_data(config, CONFIG, Some(text.as_bytes()), |node| {
            node.version = -1;
            node.mzxid = version;
        });
    }

    /// The digest over all nodes; 0 when digests are off.
    pub fn digest(&self) -> i64 {
        self.digest
    }

    /// Does a transaction's digest say what this tree says? True when there is nothing to compare.
    pub fn check_digest(&self, digest: &TxnDigest) -> bool {
        !self.config.digest_enabled || digest.version != DIGEST_VERSION || digest.tree_digest == self.digest
    }

    /// The digest computed from scratch: what [`Tree::digest`] must be. For tests and inspections; takes a while.
    pub fn recomputed_digest(&self) -> i64 {
        let mut path = String::new();
        self.nodes.ids().fold(0, |sum: i64, id| {
            let node = self.nodes.at(id);
            self.nodes.path_into(id, &mut path);
            let counts = self.config.digest_enabled && !path.starts_with("/zookeeper/");
            let part = crate::digest::node(crate::digest::prefix(&path, node.data()), &node.persisted());
            if counts { sum.wrapping_add(i64::from(part)) } else { sum }
        })
    }

    /// Nodes, the root among them once. (Apache's `znode_count` is one higher: it counts the root's alias.)
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// What Apache calls the approximate data size: path lengths in UTF-16 units plus data lengths in bytes.
    pub fn approximate_data_size(&self) -> u64 {
        self.data_size
    }

    /// Ephemeral nodes of all sessions.
    pub fn ephemeral_count(&self) -> usize {
        self.ephemeral_count
    }

    /// Containers.
    pub fn container_count(&self) -> usize {
        self.containers.len()
    }

    /// TTL nodes.
    pub fn ttl_count(&self) -> usize {
        self.ttls.len()
    }

    /// The node at `path`; the root is `/` or the empty path.
    pub fn node(&self, path: &str) -> Option<NodeRef<'_>> {
        self.nodes.find(path).map(|id| NodeRef { tree: self, id })
    }

    /// How many nodes are below `path`. For the empty path, another name of the root, the root counts too: upstream
    /// counts the paths that begin with it and a slash.
    pub fn all_children_number(&self, path: &str) -> Option<i32> {
        let top = self.nodes.find(path)?;
        let nodes = if top == ROOT { self.nodes.len() } else { self.nodes.subtree(top).count() };
        Some((nodes - usize::from(!path.is_empty())) as i32)
    }

    /// The paths of a session's ephemeral nodes.
    pub fn ephemerals(&self, session: SessionId) -> impl Iterator<Item = String> + '_ {
        self.ephemerals.get(&session).into_iter().flatten().map(|&id| self.nodes.path(id))
    }

    /// The sessions that own ephemeral nodes, in rising order.
    pub fn ephemeral_owners(&self) -> impl Iterator<Item = SessionId> + '_ {
        self.ephemerals.keys().copied()
    }

    /// The global sessions and their timeouts in ms.
    pub fn sessions(&self) -> &BTreeMap<SessionId, i32> {
        &self.sessions
    }

    /// TTL nodes held although extended types are off: Apache would delete them at start (reference: storage-formats §3.5).
    /// They keep to their TTL.
    pub fn unexpected_ttl_nodes(&self) -> usize {
        if self.config.extended_types { 0 } else { self.ttls.len() }
    }

    /// Adds a node whose parent exists and that does not exist itself, and registers it everywhere but in quotas.
    pub(crate) fn insert(
        &mut self,
        path: &str,
        data: Option<&[u8]>,
        acl: u32,
        kind: NodeKind,
        stat: StatPersisted,
    ) -> NodeId {
        let (parent, _) = crate::path::split(path).expect("a path below the root has a slash");
        let parent = self.nodes.find(parent).expect("the parent exists");
        self.insert_below(parent, path, data, acl, kind, stat)
    }

    /// [`Tree::insert`] for a parent already found.
    pub(crate) fn insert_below(
        &mut self,
        parent: NodeId,
        path: &str,
        data: Option<&[u8]>,
        acl: u32,
        kind: NodeKind,
        stat: StatPersisted,
    ) -> NodeId {
        let name = path.rsplit('/').next().unwrap_or("");
        let counted = self.config.digest_enabled && !path.starts_with("/zookeeper/");
        let new = NewNode { data, acl, kind, stat, mark: self.snapshots.taken };
        let id = self.nodes.insert(parent, name, path, counted, &new);
        self.digest = self.digest.wrapping_add(self.nodes.at(id).digest());
        self.data_size += size(path, data.map_or(0, <[u8]>::len));
        match kind {
            NodeKind::Persistent => {}
            NodeKind::Container => {
                self.containers.insert(id);
            }
            NodeKind::Ttl => {
                self.ttls.insert(id);
            }
            NodeKind::Ephemeral => {
                self.ephemerals.entry(SessionId(stat.ephemeral_owner)).or_default().insert(id);
                self.ephemeral_count += 1;
            }
        }
        id
    }

    /// Takes a childless node out of the tree and of every index but quotas and ACL table.
    pub(crate) fn remove(&mut self, id: NodeId, path: &str) {
        self.preserve(id);
        let node = self.nodes.at(id);
        let (kind, owner) = (node.kind(), SessionId(node.owner));
        self.digest = self.digest.wrapping_sub(node.digest());
        self.data_size -= size(path, node.data_length());
        self.nodes.remove(id);
        match kind {
            NodeKind::Persistent => {}
            NodeKind::Container => {
                self.containers.remove(&id);
            }
            NodeKind::Ttl => {
                self.ttls.remove(&id);
            }
            NodeKind::Ephemeral => {
                let owned = self.ephemerals.get_mut(&owner).expect("every ephemeral is in the index");
                owned.remove(&id);
                if owned.is_empty() {
                    self.ephemerals.remove(&owner);
                }
                self.ephemeral_count -= 1;
            }
        }
    }

    /// Changes a node's stat, keeping snapshot and digest right.
    pub(crate) fn change(&mut self, id: NodeId, change: impl FnOnce(&mut crate::nodes::Znode)) {
        self.preserve(id);
        let node = self.nodes.at_mut(id);
        let before = node.digest();
        change(node);
        self.digest = self.digest.wrapping_sub(before).wrapping_add(node.digest());
    }

    /// Changes a node's data, and its stat with `change`.
    pub(crate) fn change_data(
        &mut self,
        id: NodeId,
        path: &str,
        data: Option<&[u8]>,
        change: impl FnOnce(&mut crate::nodes::Znode),
    ) {
        let before = self.nodes.at(id).data_length() as u64;
        self.change(id, |node| {
            node.set_data(path, data);
            change(node);
        });
        self.data_size = self.data_size + self.nodes.at(id).data_length() as u64 - before;
    }
}

/// What a node adds to [`Tree::approximate_data_size`].
fn size(path: &str, data: usize) -> u64 {
    let units = if path.is_ascii() { path.len() } else { path.encode_utf16().count() };
    (units + data) as u64
}

/// One node, for reading.
#[derive(Clone, Copy)]
pub struct NodeRef<'t> {
    tree: &'t Tree,
    id: NodeId,
}

impl<'t> NodeRef<'t> {
    fn node(&self) -> &'t crate::nodes::Znode {
        self.tree.nodes.at(self.id)
    }

    /// The stat that clients see.
    pub fn stat(&self) -> Stat {
        self.node().stat()
    }

    /// The stat that snapshots hold.
    pub fn persisted(&self) -> StatPersisted {
        self.node().persisted()
    }

    /// The data; absent is not empty.
    pub fn data(&self) -> Option<&'t [u8]> {
        self.node().data()
    }

    /// The access control list.
    pub fn acl(&self) -> &'t [Acl<'static>] {
        self.tree.acls.list(self.node().acl)
    }

    /// The names of the children, in no particular order.
    pub fn children(&self) -> impl Iterator<Item = &'t str> + use<'t> {
        let nodes = &self.tree.nodes;
        nodes.children(self.id).map(|id| nodes.at(id).name())
    }

    /// How many children there are.
    pub fn child_count(&self) -> usize {
        self.node().children as usize
    }

    /// The kind.
    pub fn kind(&self) -> NodeKind {
        self.node().kind()
    }

    /// The whole path; `/` for the root.
    pub fn path(&self) -> String {
        if self.id == ROOT { "/".to_owned() } else { self.tree.nodes.path(self.id) }
    }
}
