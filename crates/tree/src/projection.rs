//! The state as it will be when everything prepared so far is applied.
//!
//! Writes are checked one after the other long before they are agreed on and applied. So each prepared transaction leaves
//! records of the nodes it changes, and later checks look at the records before they look at the tree. A record goes when
//! the last transaction that touched it is applied; without conflicts there are never more than those under way.

mod prepare;

pub use prepare::{PrepContext, SessionState};

use crate::acl_table::is_open;
use crate::nodes::{NodeId, Znode};
use crate::path::canonical;
use crate::{NodeKind, QuotaExcess, Tree, acl, digest};
use hashbrown::HashTable;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use wire::{Acl, ErrorCode, Id, SessionId, StatPersisted, Zxid};

/// A node as it will be.
#[derive(Clone, Debug)]
struct Pending {
    /// False: it will not be there.
    exists: bool,
    kind: NodeKind,
    stat: StatPersisted,
    children: u32,
    data_length: usize,
    acl: PendingAcl,
    /// Does it count in the digest?
    counted: bool,
    /// The digest's CRC over path and data.
    prefix: u32,
    /// Its part of the tree's digest; 0 when it is not there.
    digest: u32,
}

/// An ACL of a pending node: that of the node in the tree, or one on its way there.
#[derive(Clone, Debug)]
enum PendingAcl {
    InTree(u32),
    Open,
    List(Arc<[Acl<'static>]>),
}

impl PendingAcl {
    fn new(list: &[Acl<'_>]) -> PendingAcl {
        if is_open(list) {
            return PendingAcl::Open;
        }
        PendingAcl::List(list.iter().map(|entry| entry.clone().into_owned()).collect())
    }

    fn list<'a>(&'a self, tree: &'a Tree) -> &'a [Acl<'static>] {
        match self {
            PendingAcl::InTree(slot) => tree.acls.list(*slot),
            PendingAcl::Open => &acl::OPEN,
            PendingAcl::List(list) => list,
        }
    }
}

impl Pending {
    fn in_tree(node: &Znode) -> Pending {
        Pending {
            exists: true,
            kind: node.kind(),
            stat: node.persisted(),
            children: node.children,
            data_length: node.data_length(),
            acl: PendingAcl::InTree(node.acl),
            counted: node.is_counted(),
            prefix: node.prefix(),
            digest: node.digest() as u32,
        }
    }

    fn allows(&self, tree: &Tree, wanted: i32, credentials: &[Id<'_>]) -> bool {
        acl::allows(tree.config.skip_acl, self.acl.list(tree), wanted, credentials)
    }

    /// The session it belongs to, if any.
    fn owner(&self) -> Option<SessionId> {
        let is_owned = self.exists && self.kind == NodeKind::Ephemeral;
        is_owned.then_some(SessionId(self.stat.ephemeral_owner))
    }

    fn renew_digest(&mut self) {
        self.digest = if self.exists && self.counted { digest::node(self.prefix, &self.stat) } else { 0 };
    }
}

/// A place for a record; places and their text are used again.
struct Record {
    path: String,
    hash: u64,
    /// The last transaction that touched it; [`FREE`] for a place that is not in use.
    zxid: Zxid,
    node: Pending,
}

const FREE: Zxid = Zxid(i64::MIN);

/// What a record was before a part of a multi changed it.
struct Undo {
    record: u32,
    /// `None`: it was not there.
    before: Option<(Zxid, Pending)>,
}

/// Refusals by quotas that are kept for whoever asks.
const QUOTA_EXCESSES_MAX: usize = 256;

/// The changes prepared and not yet applied.
#[derive(Default)]
pub struct Projection {
    records: Vec<Record>,
    free: Vec<u32>,
    index: HashTable<u32>,
    /// Which record is touched by which transaction, in order.
    queue: VecDeque<(Zxid, u32)>,
    /// Records of ephemeral nodes by their owners.
    owned: BTreeSet<(SessionId, u32)>,
    /// Sessions whose end is prepared.
    closing: BTreeSet<SessionId>,
    closing_queue: VecDeque<(Zxid, SessionId)>,
    /// The tree's digest after everything in the queue.
    digest: i64,
    /// What a multi under way has changed.
    undo: Option<Vec<Undo>>,
    /// What hard quotas have refused and nobody has asked about yet.
    quota_excesses: Vec<QuotaExcess>,
}

impl Projection {
    /// What hard quotas have refused since somebody last asked.
    pub fn take_quota_excesses(&mut self) -> Vec<QuotaExcess> {
        std::mem::take(&mut self.quota_excesses)
    }

    fn check_quota(&mut self, tree: &Tree, path: &str, count: i64, bytes: i64) -> Result<(), ErrorCode> {
        match tree.quota_excess(path, count, bytes) {
            Some(excess) => {
                if self.quota_excesses.len() < QUOTA_EXCESSES_MAX {
                    self.quota_excesses.push(excess);
                }
                Err(ErrorCode::QuotaExceeded)
            }
            None => Ok(()),
        }
    }

    /// Nothing outstanding.
    pub fn new() -> Projection {
        Projection::default()
    }

    /// Is the session's end prepared and not yet applied?
    pub fn is_closing(&self, session: SessionId) -> bool {
        self.closing.contains(&session)
    }

    /// Records of changed nodes held at the moment.
    pub fn record_count(&self) -> usize {
        self.index.len()
    }

    /// Forgets what is in the tree by now: everything up to and including `upto`.
    pub fn applied(&mut self, upto: Zxid) {
        while let Some(&(zxid, record)) = self.queue.front()
            && zxid <= upto
        {
            self.queue.pop_front();
            // A later transaction keeps the record; a place already given back has another zxid.
            if self.records[record as usize].zxid == zxid {
                self.drop_record(record);
            }
        }
        while let Some(&(zxid, session)) = self.closing_queue.front()
            && zxid <= upto
        {
            self.closing_queue.pop_front();
            self.closing.remove(&session);
        }
    }

    /// Forgets everything: the server leaves its role.
    pub fn clear(&mut self) {
        *self = Projection::default();
    }

    /// Forgets what the tree has, and starts from its digest if nothing is outstanding.
    fn catch_up(&mut self, tree: &Tree) {
        self.applied(tree.last_zxid);
        if self.queue.is_empty() {
            self.digest = tree.digest;
        }
    }

    fn record_of(&self, hash: u64, path: &str) -> Option<u32> {
        if self.index.is_empty() {
            return None;
        }
        self.index.find(hash, |&at| self.records[at as usize].path == path).copied()
    }

    /// The node at `path` as it will be, and where the tree has it.
    fn node(&self, tree: &Tree, path: &str) -> Option<Pending> {
        let path = canonical(path);
        match self.record_of(tree.nodes.hash_text(path), path) {
            Some(at) => Some(self.records[at as usize].node.clone()).filter(|node| node.exists),
            None => tree.nodes.find(path).map(|id| Pending::in_tree(tree.nodes.at(id))),
        }
    }

    /// Will there be a node at `path`, the child `name` of the node that the tree has at `parent`?
    fn exists_below(&self, tree: &Tree, parent: Option<NodeId>, path: &str, name: &str) -> bool {
        match self.record_of(tree.nodes.hash_text(path), path) {
            Some(at) => self.records[at as usize].node.exists,
            None => parent.is_some_and(|parent| tree.nodes.child(parent, name).is_some()),
        }
    }

    /// Records what a transaction makes of the node at `path`; `before` is its part of the digest so far.
    fn put(&mut self, tree: &Tree, zxid: Zxid, path: &str, before: u32, node: Pending) {
        self.digest = self.digest.wrapping_sub(i64::from(before)).wrapping_add(i64::from(node.digest));
        let path = canonical(path);
        let hash = tree.nodes.hash_text(path);
        let owner = node.owner();
        let at = match self.record_of(hash, path) {
            Some(at) => {
                let record = &mut self.records[at as usize];
                let old_zxid = std::mem::replace(&mut record.zxid, zxid);
                let old = std::mem::replace(&mut record.node, node);
                if let Some(old_owner) = old.owner() {
                    self.owned.remove(&(old_owner, at));
                }
                if let Some(undo) = &mut self.undo {
                    undo.push(Undo { record: at, before: Some((old_zxid, old)) });
                }
                at
            }
            None => {
                let at = self.new_record(path, hash, zxid, node);
                if let Some(undo) = &mut self.undo {
                    undo.push(Undo { record: at, before: None });
                }
                at
            }
        };
        if let Some(owner) = owner {
            self.owned.insert((owner, at));
        }
        self.queue.push_back((zxid, at));
    }

    fn new_record(&mut self, path: &str, hash: u64, zxid: Zxid, node: Pending) -> u32 {
        let at = match self.free.pop() {
            Some(at) => {
                let record = &mut self.records[at as usize];
                record.path.push_str(path);
                (record.hash, record.zxid, record.node) = (hash, zxid, node);
                at
            }
            None => {
                self.records.push(Record { path: path.to_owned(), hash, zxid, node });
                (self.records.len() - 1) as u32
            }
        };
        let records = &self.records;
        self.index.insert_unique(hash, at, |&at| records[at as usize].hash);
        at
    }

    fn drop_record(&mut self, at: u32) {
        let record = &mut self.records[at as usize];
        record.zxid = FREE;
        record.path.clear();
        // Long paths are rare: their room is not kept.
        record.path.shrink_to(256);
        let (hash, owner) = (record.hash, record.node.owner());
        record.node.acl = PendingAcl::Open;
        if let Some(owner) = owner {
            self.owned.remove(&(owner, at));
        }
        let entry = self.index.find_entry(hash, |&other| other == at);
        entry.expect("every record is in the index").remove();
        self.free.push(at);
    }

    /// Starts to remember what a multi changes.
    fn begin_multi(&mut self) -> Mark {
        self.undo = Some(Vec::new());
        Mark { queue: self.queue.len(), digest: self.digest }
    }

    /// Keeps what the multi changed.
    fn keep_multi(&mut self) {
        self.undo = None;
    }

    /// Takes back what the multi changed.
    fn undo_multi(&mut self, mark: Mark) {
        for Undo { record: at, before } in self.undo.take().unwrap_or_default().into_iter().rev() {
            let Some((zxid, node)) = before else {
                self.drop_record(at);
                continue;
            };
            if let Some(owner) = self.records[at as usize].node.owner() {
                self.owned.remove(&(owner, at));
            }
            if let Some(owner) = node.owner() {
                self.owned.insert((owner, at));
            }
            (self.records[at as usize].zxid, self.records[at as usize].node) = (zxid, node);
        }
        self.queue.truncate(mark.queue);
        self.digest = mark.digest;
    }
}

/// Where a multi began.
struct Mark {
    queue: usize,
    digest: i64,
}
