//! Records that requests, replies, transactions and snapshots share (reference: client-protocol §1.3).

use crate::{Decode, DecodeError, Encode, Reader, Ustring, Writer};
use std::borrow::Cow;

/// Permission bits of an ACL entry.
pub mod perms {
    /// Read data, ACL and children.
    pub const READ: i32 = 1;
    /// Set data.
    pub const WRITE: i32 = 2;
    /// Create children.
    pub const CREATE: i32 = 4;
    /// Delete children.
    pub const DELETE: i32 = 8;
    /// Set the ACL.
    pub const ADMIN: i32 = 16;
    /// All of them.
    pub const ALL: i32 = 31;
}

/// Event types of a [`WatcherEvent`].
pub mod event_type {
    /// The node was created.
    pub const NODE_CREATED: i32 = 1;
    /// The node was deleted.
    pub const NODE_DELETED: i32 = 2;
    /// The node's data was set.
    pub const NODE_DATA_CHANGED: i32 = 3;
    /// A child was created or deleted.
    pub const NODE_CHILDREN_CHANGED: i32 = 4;
}

/// Who: an authentication scheme and an identity in it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Id<'a> {
    /// Such as `world`, `digest`, `ip`.
    pub scheme: Ustring<'a>,
    /// Such as `anyone`.
    pub id: Ustring<'a>,
}

impl<'a> Id<'a> {
    /// An id of two present strings.
    pub fn new(scheme: impl Into<Cow<'a, str>>, id: impl Into<Cow<'a, str>>) -> Id<'a> {
        Id { scheme: Some(scheme.into()), id: Some(id.into()) }
    }

    /// The same, owning its text.
    pub fn into_owned(self) -> Id<'static> {
        Id { scheme: owned(self.scheme), id: owned(self.id) }
    }
}

/// One entry of an access control list.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Acl<'a> {
    /// Bits of [`perms`]; unknown bits are kept.
    pub perms: i32,
    /// Who has them.
    pub id: Id<'a>,
}

impl<'a> Acl<'a> {
    /// An entry of present strings.
    pub fn new(perms: i32, scheme: impl Into<Cow<'a, str>>, id: impl Into<Cow<'a, str>>) -> Acl<'a> {
        Acl { perms, id: Id::new(scheme, id) }
    }

    /// `world:anyone` with all permissions.
    pub fn open() -> Acl<'static> {
        Acl::new(perms::ALL, "world", "anyone")
    }

    /// The same, owning its text.
    pub fn into_owned(self) -> Acl<'static> {
        Acl { perms: self.perms, id: self.id.into_owned() }
    }
}

/// A string that owns its text.
pub(crate) fn owned(s: Ustring<'_>) -> Ustring<'static> {
    s.map(|s| Cow::Owned(s.into_owned()))
}

impl Encode for Id<'_> {
    fn encode(&self, w: &mut Writer<'_>) {
        w.ustring(self.scheme.as_deref());
        w.ustring(self.id.as_deref());
    }
}

impl<'a> Decode<'a> for Id<'a> {
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Id { scheme: r.ustring()?, id: r.ustring()? })
    }
}

impl Encode for Acl<'_> {
    fn encode(&self, w: &mut Writer<'_>) {
        w.int(self.perms);
        w.record(&self.id);
    }
}

impl<'a> Decode<'a> for Acl<'a> {
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Acl { perms: r.int()?, id: Id::decode(r)? })
    }
}

/// What a client sees of a node besides its data: 68 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[allow(
    missing_docs,
    reason = "field names are ZooKeeper's own; their rules are in the client protocol, §4.1"
)]
pub struct Stat {
    pub czxid: i64,
    pub mzxid: i64,
    pub ctime: i64,
    pub mtime: i64,
    pub version: i32,
    pub cversion: i32,
    pub aversion: i32,
    pub ephemeral_owner: i64,
    pub data_length: i32,
    pub num_children: i32,
    pub pzxid: i64,
}

impl Encode for Stat {
    fn encode(&self, w: &mut Writer<'_>) {
        w.long(self.czxid);
        w.long(self.mzxid);
        w.long(self.ctime);
        w.long(self.mtime);
        w.int(self.version);
        w.int(self.cversion);
        w.int(self.aversion);
        w.long(self.ephemeral_owner);
        w.int(self.data_length);
        w.int(self.num_children);
        w.long(self.pzxid);
    }
}

impl Decode<'_> for Stat {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Stat {
            czxid: r.long()?,
            mzxid: r.long()?,
            ctime: r.long()?,
            mtime: r.long()?,
            version: r.int()?,
            cversion: r.int()?,
            aversion: r.int()?,
            ephemeral_owner: r.long()?,
            data_length: r.int()?,
            num_children: r.int()?,
            pzxid: r.long()?,
        })
    }
}

/// What a snapshot stores of a node besides its data: 60 bytes. `cversion` counts the children ever created and
/// `ephemeral_owner` is the stored one (reference: client-protocol §4.1, §6.1; storage-formats §4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[allow(
    missing_docs,
    reason = "field names are ZooKeeper's own; their rules are in the client protocol, §4.1"
)]
pub struct StatPersisted {
    pub czxid: i64,
    pub mzxid: i64,
    pub ctime: i64,
    pub mtime: i64,
    pub version: i32,
    pub cversion: i32,
    pub aversion: i32,
    pub ephemeral_owner: i64,
    pub pzxid: i64,
}

impl Encode for StatPersisted {
    fn encode(&self, w: &mut Writer<'_>) {
        w.long(self.czxid);
        w.long(self.mzxid);
        w.long(self.ctime);
        w.long(self.mtime);
        w.int(self.version);
        w.int(self.cversion);
        w.int(self.aversion);
        w.long(self.ephemeral_owner);
        w.long(self.pzxid);
    }
}

impl Decode<'_> for StatPersisted {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(StatPersisted {
            czxid: r.long()?,
            mzxid: r.long()?,
            ctime: r.long()?,
            mtime: r.long()?,
            version: r.int()?,
            cversion: r.int()?,
            aversion: r.int()?,
            ephemeral_owner: r.long()?,
            pzxid: r.long()?,
        })
    }
}

/// A notification's body.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct WatcherEvent<'a> {
    /// One of [`event_type`].
    pub event_type: i32,
    /// Always 3 (SyncConnected) on the wire.
    pub state: i32,
    /// The changed node, or the parent for NODE_CHILDREN_CHANGED.
    pub path: Ustring<'a>,
}

impl Encode for WatcherEvent<'_> {
    fn encode(&self, w: &mut Writer<'_>) {
        w.int(self.event_type);
        w.int(self.state);
        w.ustring(self.path.as_deref());
    }
}

impl<'a> Decode<'a> for WatcherEvent<'a> {
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(WatcherEvent { event_type: r.int()?, state: r.int()?, path: r.ustring()? })
    }
}
