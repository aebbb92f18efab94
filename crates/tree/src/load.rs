//! A tree from a snapshot's records.

use crate::acl_table::LoadedIds;
use crate::nodes::{NodeId, ROOT};
use crate::path;
use crate::tree::{CONTAINER_OWNER, TTL_MAX, Tree};
use crate::{NodeKind, TreeConfig};
use std::fmt;
use wire::{Acl, SessionId, StatPersisted, Zxid};

/// Why a snapshot's records are no tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoadError {
    /// The record concerned.
    pub path: String,
    /// What is wrong with it.
    pub what: &'static str,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Invalid Datatree, {} of path {:?}", self.what, self.path)
    }
}

impl std::error::Error for LoadError {}

/// Builds a [`Tree`] from parts 2 to 4 of a snapshot, in the order of the file (reference: storage-formats §4).
pub struct TreeLoader {
    tree: Tree,
    acl_ids: LoadedIds,
    has_root: bool,
    /// The last parent and its path: the next node mostly has the same.
    parent: NodeId,
    parent_path: String,
}

impl TreeLoader {
    /// A loader without any node. Every attempt to load a snapshot takes a new one: nothing of a damaged file must
    /// leak into the next attempt.
    pub fn new(config: TreeConfig) -> TreeLoader {
        TreeLoader {
            tree: Tree::bare(config),
            acl_ids: LoadedIds::default(),
            has_root: false,
            parent: ROOT,
            parent_path: String::new(),
        }
    }

    /// A session and its timeout in ms.
    pub fn session(&mut self, id: SessionId, timeout_ms: i32) {
        self.tree.sessions.insert(id, timeout_ms);
    }

    /// An entry of the ACL map.
    pub fn acl(&mut self, id: i64, list: Vec<Acl<'static>>) {
        self.acl_ids.insert(&mut self.tree.acls, id, list);
    }

    /// A node; the root's path is empty. An ACL id without a list is kept, and denies everything.
    ///
    /// # Errors
    /// When the parent is missing, the path is there already, or the owner is none.
    pub fn node(
        &mut self,
        path: &str,
        data: Option<&[u8]>,
        acl_id: i64,
        stat: &StatPersisted,
    ) -> Result<(), LoadError> {
        let error = |what| LoadError { path: path.to_owned(), what };
        let kind = self.kind(stat.ephemeral_owner).map_err(error)?;
        if path.is_empty() {
            return self.root(data, acl_id, stat).map_err(error);
        }
        let (parent_path, name) = path::split_kept(path).ok_or_else(|| error("a name without a parent"))?;
        if parent_path != self.parent_path || !self.has_root {
            self.parent = match self.tree.nodes.find(parent_path) {
                Some(id) if self.has_root => id,
                _ => return Err(error("unable to find parent")),
            };
            self.parent_path.clear();
            self.parent_path.push_str(parent_path);
        }
        if name.is_empty() || self.tree.nodes.child(self.parent, name).is_some() {
            return Err(error("a second record"));
        }
        let acl = self.acl_ids.user(&mut self.tree.acls, acl_id);
        self.tree.insert_below(self.parent, path, data, acl, kind, *stat);
        Ok(())
    }

    fn root(&mut self, data: Option<&[u8]>, acl_id: i64, stat: &StatPersisted) -> Result<(), &'static str> {
        if self.has_root {
            return Err("a second record");
        }
        self.has_root = true;
        let acl = self.acl_ids.user(&mut self.tree.acls, acl_id);
        self.tree.change_data(ROOT, "", data, |root| {
            root.acl = acl;
            root.czxid = stat.czxid;
            root.mzxid = stat.mzxid;
            root.pzxid = stat.pzxid;
            root.ctime = stat.ctime;
            root.mtime = stat.mtime;
            root.version = stat.version;
            root.cversion = stat.cversion;
            root.aversion = stat.aversion;
            root.owner = stat.ephemeral_owner;
        });
        Ok(())
    }

    /// The kind a stored owner stands for (reference: storage-formats §3.5). With extended types off, Apache takes a TTL
    /// node for the ephemeral of an unknown session and deletes it; here it stays a TTL node.
    fn kind(&self, owner: i64) -> Result<NodeKind, &'static str> {
        let is_extended = (owner as u64) >> 56 == 0xff;
        let feature = (owner as u64) >> 40 & 0xffff;
        let config = &self.tree.config;
        Ok(match owner {
            0 => NodeKind::Persistent,
            CONTAINER_OWNER => NodeKind::Container,
            ..0 if config.emulate_353_ttl => NodeKind::Ttl,
            _ if is_extended && config.extended_types && feature != 0 => {
                return Err("invalid ephemeralOwner");
            }
            _ if is_extended && config.extended_types => NodeKind::Ttl,
            _ if is_extended && feature == 0 && owner & TTL_MAX != 0 => {
                let of_session = self.tree.sessions.contains_key(&SessionId(owner));
                if of_session { NodeKind::Ephemeral } else { NodeKind::Ttl }
            }
            _ => NodeKind::Ephemeral,
        })
    }

    /// The tree as of `zxid`: adds built-in nodes that are missing, counts quotas anew, drops unused ACLs.
    ///
    /// # Errors
    /// When there was no root.
    pub fn finish(self, zxid: Zxid) -> Result<Tree, LoadError> {
        let TreeLoader { mut tree, acl_ids, has_root, .. } = self;
        if !has_root {
            return Err(LoadError { path: String::new(), what: "unable to find the root" });
        }
        acl_ids.finish(&mut tree.acls);
        tree.add_built_in();
        tree.recount_all();
        tree.last_zxid = zxid;
        Ok(tree)
    }
}
