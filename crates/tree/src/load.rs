//! A tree from a snapshot's records.

use crate::{Tree, TreeConfig};
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
        write!(f, "Invalid Datatree, {} (path {:?})", self.what, self.path)
    }
}

impl std::error::Error for LoadError {}

/// Builds a [`Tree`] from parts 2 to 4 of a snapshot, in the order of the file (reference: storage-formats §4).
pub struct TreeLoader {
    tree: Tree,
}

impl TreeLoader {
    /// A loader without any node. Every attempt to load a snapshot takes a new one.
    pub fn new(config: TreeConfig) -> TreeLoader {
        TreeLoader { tree: Tree::new(config) }
    }

    /// A session and its timeout in ms.
    pub fn session(&mut self, _id: SessionId, _timeout_ms: i32) {}

    /// An entry of the ACL map.
    pub fn acl(&mut self, _id: i64, _list: Vec<Acl<'static>>) {}

    /// A node; the root's path is empty. An id without a list is kept, and denies everything.
    ///
    /// # Errors
    /// When the parent is missing, the path is there already, or the owner is none.
    pub fn node(
        &mut self,
        _path: &str,
        _data: Option<&[u8]>,
        _acl_id: i64,
        _stat: &StatPersisted,
    ) -> Result<(), LoadError> {
        Ok(())
    }

    /// The tree as of `zxid`: adds built-in nodes that are missing, counts quotas anew, drops unused ACLs.
    ///
    /// # Errors
    /// When the records do not make a tree.
    pub fn finish(self, _zxid: Zxid) -> Result<Tree, LoadError> {
        Ok(self.tree)
    }
}
