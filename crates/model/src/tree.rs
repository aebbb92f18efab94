//! The znodes.

use crate::digest::{self, DigestNode};
use std::collections::BTreeMap;
use wire::{Acl, Stat, StatPersisted, perms};

/// What changes the answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// `extendedTypesEnabled`: TTL nodes may be created.
    pub extended_types: bool,
}

/// The stored owner of containers.
pub(crate) const CONTAINER: i64 = i64::MIN;
/// The top byte of the stored owner of TTL nodes; the rest is the time to live.
pub(crate) const TTL: i64 = 0xff << 56;

/// A node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Znode {
    /// Absent is not empty.
    pub data: Option<Vec<u8>>,
    /// Who may do what; empty is everybody everything.
    pub acl: Vec<Acl<'static>>,
    /// As stored: `cversion` counts the children ever created, the owner tells the kind.
    pub stat: StatPersisted,
}

/// The tree after the requests so far.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Model {
    pub(crate) options: Options,
    /// By path; the root is `/`.
    pub(crate) nodes: BTreeMap<String, Znode>,
    /// Timeouts in ms.
    pub(crate) sessions: BTreeMap<i64, i32>,
    /// Sessions that are not there may ask for what needs none.
    pub(crate) admits_strangers: bool,
}

impl Model {
    /// What a fresh server has.
    pub fn new(options: Options) -> Model {
        let mut nodes = BTreeMap::new();
        for path in ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"] {
            let (acl, aversion) = match path {
                "/zookeeper/config" => (Acl::new(perms::READ, "world", "anyone"), -1),
                _ => (Acl::open(), 0),
            };
            let stat = StatPersisted { aversion, ..StatPersisted::default() };
            nodes.insert(path.to_owned(), Znode { data: Some(Vec::new()), acl: vec![acl], stat });
        }
        Model { options, nodes, sessions: BTreeMap::new(), admits_strangers: false }
    }

    /// With local sessions only their own server knows them: from now on a session that is not there may do what leaves
    /// nothing of it behind, or may not (reference: client-protocol §8.3).
    pub fn admit_strangers(&mut self, admits: bool) {
        self.admits_strangers = admits;
    }

    /// All nodes by path.
    pub fn nodes(&self) -> &BTreeMap<String, Znode> {
        &self.nodes
    }

    /// The sessions and their timeouts in ms.
    pub fn sessions(&self) -> &BTreeMap<i64, i32> {
        &self.sessions
    }

    /// The node at `path`; the empty path is the root.
    pub fn node(&self, path: &str) -> Option<&Znode> {
        self.nodes.get(if path.is_empty() { "/" } else { path })
    }

    /// Puts a node as it was found elsewhere, or takes one away, with nothing that follows from it: to go back to an
    /// earlier state.
    pub fn put(&mut self, path: &str, node: Option<Znode>) {
        match node {
            Some(node) => self.nodes.insert(path.to_owned(), node),
            None => self.nodes.remove(path),
        };
    }

    /// The names of a node's children.
    pub fn children(&self, path: &str) -> Vec<&str> {
        let path = if path.is_empty() { "/" } else { path };
        let below =
            self.nodes.keys().filter(|child| *child != "/" && crate::path::parent(child) == Some(path));
        below.map(|child| &child[child.rfind('/').map_or(0, |slash| slash + 1)..]).collect()
    }

    /// What clients see of a node.
    pub fn stat(&self, path: &str) -> Option<Stat> {
        let Znode { data, stat, .. } = self.node(path)?;
        let children = self.children(path).len() as i32;
        let special = stat.ephemeral_owner == CONTAINER || self.is_ttl(stat.ephemeral_owner);
        Some(Stat {
            czxid: stat.czxid,
            mzxid: stat.mzxid,
            ctime: stat.ctime,
            mtime: stat.mtime,
            version: stat.version,
            cversion: stat.cversion.wrapping_mul(2).wrapping_sub(children),
            aversion: stat.aversion,
            ephemeral_owner: if special { 0 } else { stat.ephemeral_owner },
            data_length: data.as_ref().map_or(0, Vec::len) as i32,
            num_children: children,
            pzxid: stat.pzxid,
        })
    }

    /// Does a session own it?
    pub(crate) fn is_ephemeral(&self, node: &Znode) -> bool {
        let owner = node.stat.ephemeral_owner;
        owner != 0 && owner != CONTAINER && !self.is_ttl(owner)
    }

    fn is_ttl(&self, owner: i64) -> bool {
        self.options.extended_types && (owner as u64) >> 56 == 0xff
    }

    /// The tree's digest.
    pub fn digest(&self) -> i64 {
        digest::tree(self.nodes.iter().map(|(path, node)| DigestNode {
            path,
            data: node.data.as_deref(),
            stat: node.stat,
        }))
    }
}
