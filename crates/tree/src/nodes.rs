//! Znodes in memory: a slab of fixed-size nodes, one allocation for each node's name and data, and one table that finds
//! a child by its parent and name. No node stores its path, and no node owns a collection.

use crate::digest;
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::hash::{BuildHasher, Hasher};
use wire::{Stat, StatPersisted};

/// Where a node is in the slab. Ids of removed nodes are used again.
pub(crate) type NodeId = u32;
/// No node.
pub(crate) const NIL: NodeId = u32::MAX;
/// The root, always there.
pub(crate) const ROOT: NodeId = 0;

/// What kind of node it is (reference: client-protocol §6.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
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

/// One node. The order of fields keeps it at 112 bytes: a million nodes are held at once.
#[derive(Clone, Debug)]
pub(crate) struct Znode {
    pub(crate) czxid: i64,
    pub(crate) mzxid: i64,
    pub(crate) pzxid: i64,
    pub(crate) ctime: i64,
    pub(crate) mtime: i64,
    /// The stored owner: session id, container mark, or TTL.
    pub(crate) owner: i64,
    /// The name, then the data.
    text: Box<[u8]>,
    name_length: u32,
    pub(crate) version: i32,
    /// Children ever created.
    pub(crate) cversion: i32,
    pub(crate) aversion: i32,
    /// The ACL's slot in the table.
    pub(crate) acl: u32,
    pub(crate) parent: NodeId,
    first_child: NodeId,
    /// The next sibling; of a free slot the next free one.
    next: NodeId,
    previous: NodeId,
    pub(crate) children: u32,
    /// The digest's CRC over path and data; 0 where no digest is kept.
    prefix: u32,
    /// A bit for each snapshot that may be under way: does it have the node?
    pub(crate) mark: u16,
    kind: NodeKind,
    flags: u8,
}

/// The data is absent, which is not the same as empty.
const NULL_DATA: u8 = 1;
/// The node counts in the digest.
const COUNTED: u8 = 2;
/// The slot holds a node.
const LIVE: u8 = 4;

/// Everything a new node starts with, besides its place.
pub(crate) struct NewNode<'a> {
    pub(crate) data: Option<&'a [u8]>,
    pub(crate) acl: u32,
    pub(crate) kind: NodeKind,
    pub(crate) stat: StatPersisted,
    pub(crate) mark: u16,
}

impl Znode {
    pub(crate) fn is_live(&self) -> bool {
        self.flags & LIVE != 0
    }

    pub(crate) fn kind(&self) -> NodeKind {
        self.kind
    }

    pub(crate) fn name(&self) -> &str {
        std::str::from_utf8(self.name_bytes()).expect("a name was a string when it came in")
    }

    fn name_bytes(&self) -> &[u8] {
        &self.text[..self.name_length as usize]
    }

    pub(crate) fn data(&self) -> Option<&[u8]> {
        if self.flags & NULL_DATA != 0 { None } else { Some(&self.text[self.name_length as usize..]) }
    }

    pub(crate) fn data_length(&self) -> usize {
        self.text.len() - self.name_length as usize
    }

    /// Does it count in the digest?
    pub(crate) fn is_counted(&self) -> bool {
        self.flags & COUNTED != 0
    }

    pub(crate) fn prefix(&self) -> u32 {
        self.prefix
    }

    /// The node's part of the tree's digest.
    pub(crate) fn digest(&self) -> i64 {
        if self.is_counted() { i64::from(digest::node(self.prefix, &self.persisted())) } else { 0 }
    }

    /// Replaces the data; in place where the length stays.
    pub(crate) fn set_data(&mut self, path: &str, data: Option<&[u8]>) {
        let bytes = data.unwrap_or(&[]);
        if bytes.len() == self.data_length() {
            self.text[self.name_length as usize..].copy_from_slice(bytes);
        } else {
            let text = [self.name_bytes(), bytes].concat();
            self.text = text.into_boxed_slice();
        }
        self.flags = if data.is_none() { self.flags | NULL_DATA } else { self.flags & !NULL_DATA };
        if self.is_counted() {
            self.prefix = digest::prefix(path, data);
        }
    }

    pub(crate) fn persisted(&self) -> StatPersisted {
        StatPersisted {
            czxid: self.czxid,
            mzxid: self.mzxid,
            ctime: self.ctime,
            mtime: self.mtime,
            version: self.version,
            cversion: self.cversion,
            aversion: self.aversion,
            ephemeral_owner: self.owner,
            pzxid: self.pzxid,
        }
    }

    /// What clients see: the cversion also counts deletions, and only sessions show as owners.
    pub(crate) fn stat(&self) -> Stat {
        let children = self.children as i32;
        Stat {
            czxid: self.czxid,
            mzxid: self.mzxid,
            ctime: self.ctime,
            mtime: self.mtime,
            version: self.version,
            cversion: self.cversion.wrapping_mul(2).wrapping_sub(children),
            aversion: self.aversion,
            ephemeral_owner: if self.kind == NodeKind::Ephemeral { self.owner } else { 0 },
            data_length: self.data_length() as i32,
            num_children: children,
            pzxid: self.pzxid,
        }
    }
}

/// Nodes per chunk of the slab. Chunks never move, so growth copies nothing and holds nothing twice.
const CHUNK: usize = 1 << CHUNK_BITS;
const CHUNK_BITS: u32 = 10;

/// Tables of children. Each grows on its own: no single write pays for the rehashing of a million entries.
const SHARDS: usize = 256;

/// An entry of a table. The hash is kept with the id: a table that grows looks at no node, which would cost two cache
/// misses each and a fifth of the time that loading takes.
#[derive(Clone, Copy, Debug)]
struct Place {
    id: NodeId,
    hash: u32,
}

/// All nodes.
pub(crate) struct Nodes {
    chunks: Vec<Vec<Znode>>,
    first_free: NodeId,
    live: usize,
    shards: Box<[HashTable<Place>]>,
    hash: FixedState,
}

impl Nodes {
    /// Nothing but a root with `new`'s values.
    pub(crate) fn with_root(hash_seed: u64, counted: bool, new: &NewNode<'_>) -> Nodes {
        let mut nodes = Nodes {
            chunks: Vec::new(),
            first_free: NIL,
            live: 0,
            shards: (0..SHARDS).map(|_| HashTable::new()).collect(),
            hash: FixedState::with_seed(hash_seed),
        };
        let root = nodes.place(Znode::new("", NIL, counted, digest::prefix("", new.data), new));
        assert_eq!(root, ROOT, "the root is the first node");
        nodes
    }

    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// One more than the highest id ever used.
    pub(crate) fn end(&self) -> NodeId {
        self.chunks.last().map_or(0, |last| ((self.chunks.len() - 1) * CHUNK + last.len()) as NodeId)
    }

    pub(crate) fn at(&self, id: NodeId) -> &Znode {
        &self.chunks[(id >> CHUNK_BITS) as usize][id as usize & (CHUNK - 1)]
    }

    pub(crate) fn at_mut(&mut self, id: NodeId) -> &mut Znode {
        &mut self.chunks[(id >> CHUNK_BITS) as usize][id as usize & (CHUNK - 1)]
    }

    /// The node at `path`, component by component; the root is `/` or the empty path.
    pub(crate) fn find(&self, path: &str) -> Option<NodeId> {
        if path.len() <= 1 && (path.is_empty() || path == "/") {
            return Some(ROOT);
        }
        let mut id = ROOT;
        for name in path.strip_prefix('/')?.split('/') {
            id = self.child(id, name)?;
        }
        Some(id)
    }

    pub(crate) fn child(&self, parent: NodeId, name: &str) -> Option<NodeId> {
        let hash = self.hash(parent, name.as_bytes());
        let is_it = |place: &Place| place.hash == hash && self.is_child(place.id, parent, name);
        self.shards[shard(hash)].find(spread(hash), is_it).map(|place| place.id)
    }

    fn is_child(&self, id: NodeId, parent: NodeId, name: &str) -> bool {
        let node = self.at(id);
        node.parent == parent && node.name_bytes() == name.as_bytes()
    }

    fn hash(&self, parent: NodeId, name: &[u8]) -> u32 {
        let hash = hash(&self.hash, parent, name);
        (hash ^ hash >> 32) as u32
    }

    /// A seeded hash of a path, for tables beside the tree.
    pub(crate) fn hash_text(&self, path: &str) -> u64 {
        hash(&self.hash, NIL, path.as_bytes())
    }

    /// Adds a child that is not there yet. `counted` says whether it counts in the digest; `path` is its whole path.
    pub(crate) fn insert(
        &mut self,
        parent: NodeId,
        name: &str,
        path: &str,
        counted: bool,
        new: &NewNode<'_>,
    ) -> NodeId {
        let prefix = if counted { digest::prefix(path, new.data) } else { 0 };
        let id = self.place(Znode::new(name, parent, counted, prefix, new));
        self.link(parent, id);
        let hash = self.hash(parent, name.as_bytes());
        let table = &mut self.shards[shard(hash)];
        table.insert_unique(spread(hash), Place { id, hash }, |place| spread(place.hash));
        id
    }

    /// Removes a node that has no children.
    pub(crate) fn remove(&mut self, id: NodeId) {
        let node = self.at(id);
        let hash = self.hash(node.parent, node.name_bytes());
        let entry = self.shards[shard(hash)].find_entry(spread(hash), |place| place.id == id);
        entry.expect("every child is in its table").remove();
        self.unlink(id);
        let first_free = self.first_free;
        let node = self.at_mut(id);
        assert!(node.children == 0 && node.is_live() && id != ROOT, "only a childless node goes");
        node.text = Box::default();
        node.name_length = 0;
        node.flags = 0;
        node.next = first_free;
        self.first_free = id;
        self.live -= 1;
    }

    fn place(&mut self, node: Znode) -> NodeId {
        self.live += 1;
        if self.first_free != NIL {
            let id = self.first_free;
            self.first_free = self.at(id).next;
            *self.at_mut(id) = node;
            return id;
        }
        if self.chunks.last().is_none_or(|last| last.len() == CHUNK) {
            assert!(self.chunks.len() < (NIL >> CHUNK_BITS) as usize, "node ids are 32 bits");
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let id = self.end();
        self.chunks.last_mut().expect("there is a chunk with room").push(node);
        id
    }

    fn link(&mut self, parent: NodeId, id: NodeId) {
        let above = self.at_mut(parent);
        let first = std::mem::replace(&mut above.first_child, id);
        above.children += 1;
        self.at_mut(id).next = first;
        if first != NIL {
            self.at_mut(first).previous = id;
        }
    }

    fn unlink(&mut self, id: NodeId) {
        let node = self.at(id);
        let (parent, previous, next) = (node.parent, node.previous, node.next);
        if next != NIL {
            self.at_mut(next).previous = previous;
        }
        if previous != NIL {
            self.at_mut(previous).next = next;
        } else {
            self.at_mut(parent).first_child = next;
        }
        self.at_mut(parent).children -= 1;
    }

    pub(crate) fn children(&self, parent: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let mut id = self.at(parent).first_child;
        std::iter::from_fn(move || {
            let this = id;
            (this != NIL).then(|| {
                id = self.at(this).next;
                this
            })
        })
    }

    /// All nodes from `top` downwards, parents first.
    pub(crate) fn subtree(&self, top: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let mut id = top;
        std::iter::from_fn(move || {
            let this = id;
            (this != NIL).then(|| {
                id = self.after(this, top);
                this
            })
        })
    }

    /// The node after `id` in a walk that visits parents first and stays at and below `top`.
    fn after(&self, mut id: NodeId, top: NodeId) -> NodeId {
        if self.at(id).first_child != NIL {
            return self.at(id).first_child;
        }
        while id != top {
            if self.at(id).next != NIL {
                return self.at(id).next;
            }
            id = self.at(id).parent;
        }
        NIL
    }

    /// A node without children at or below `id`.
    pub(crate) fn a_leaf(&self, mut id: NodeId) -> NodeId {
        while self.at(id).first_child != NIL {
            id = self.at(id).first_child;
        }
        id
    }

    /// Writes a node's whole path into `out`; the root's is empty.
    pub(crate) fn path_into(&self, id: NodeId, out: &mut String) {
        out.clear();
        let mut length = 0;
        let mut at = id;
        while at != ROOT {
            let node = self.at(at);
            length += 1 + node.name_length as usize;
            at = node.parent;
        }
        out.reserve(length);
        self.push_path(id, out);
    }

    fn push_path(&self, id: NodeId, out: &mut String) {
        let mut chain = Vec::new();
        let mut at = id;
        while at != ROOT {
            chain.push(at);
            at = self.at(at).parent;
        }
        for id in chain.into_iter().rev() {
            out.push('/');
            out.push_str(self.at(id).name());
        }
    }

    /// A node's whole path; the root's is empty.
    pub(crate) fn path(&self, id: NodeId) -> String {
        let mut path = String::new();
        self.path_into(id, &mut path);
        path
    }

    /// Every live node's id.
    pub(crate) fn ids(&self) -> impl Iterator<Item = NodeId> + '_ {
        (0..self.end()).filter(|&id| self.at(id).is_live())
    }
}

impl Znode {
    fn new(name: &str, parent: NodeId, counted: bool, prefix: u32, new: &NewNode<'_>) -> Znode {
        let text = [name.as_bytes(), new.data.unwrap_or(&[])].concat();
        let null = if new.data.is_none() { NULL_DATA } else { 0 };
        let stat = &new.stat;
        Znode {
            czxid: stat.czxid,
            mzxid: stat.mzxid,
            pzxid: stat.pzxid,
            ctime: stat.ctime,
            mtime: stat.mtime,
            owner: stat.ephemeral_owner,
            text: text.into_boxed_slice(),
            name_length: name.len() as u32,
            version: stat.version,
            cversion: stat.cversion,
            aversion: stat.aversion,
            acl: new.acl,
            parent,
            first_child: NIL,
            next: NIL,
            previous: NIL,
            children: 0,
            prefix,
            mark: new.mark,
            kind: new.kind,
            flags: LIVE | null | if counted { COUNTED } else { 0 },
        }
    }
}

fn shard(hash: u32) -> usize {
    (hash >> 24) as usize % SHARDS
}

/// What the table wants: good bits at both ends.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn hash(state: &FixedState, parent: NodeId, name: &[u8]) -> u64 {
    let mut hasher = state.build_hasher();
    hasher.write_u32(parent);
    hasher.write(name);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_112_bytes() {
        assert_eq!(size_of::<Znode>(), 112);
    }
}
