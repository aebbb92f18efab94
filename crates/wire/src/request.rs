//! Client requests (reference: client-protocol §4.2).

use crate::{Acl, Buffer, Decode, DecodeError, Encode, MultiOp, OpCode, Reader, Ustring, Writer, multi};

/// The lists of setWatches and setWatches2; an absent list stays absent.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SetWatches<'a> {
    /// The newest zxid the client has seen.
    pub relative_zxid: i64,
    /// Paths with a data watch.
    pub data: Option<Vec<Ustring<'a>>>,
    /// Paths with an exist watch.
    pub exist: Option<Vec<Ustring<'a>>>,
    /// Paths with a child watch.
    pub child: Option<Vec<Ustring<'a>>>,
    /// Paths with a persistent watch; setWatches2 only.
    pub persistent: Option<Vec<Ustring<'a>>>,
    /// Paths with a persistent recursive watch; setWatches2 only.
    pub persistent_recursive: Option<Vec<Ustring<'a>>>,
}

/// A request, borrowed from its frame. Nothing in it is validated beyond the layout.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "field names are ZooKeeper's own; their rules are in the client protocol, §4")]
pub enum Request<'a> {
    /// create, create2, createContainer and createTTL: `op` says which; `ttl` is -1 but for createTTL.
    Create {
        op: OpCode,
        path: Ustring<'a>,
        data: Buffer<'a>,
        acl: Option<Vec<Acl<'a>>>,
        flags: i32,
        ttl: i64,
    },
    Delete {
        path: Ustring<'a>,
        version: i32,
    },
    /// The path is a buffer on the wire.
    DeleteContainer {
        path: Ustring<'a>,
    },
    Exists {
        path: Ustring<'a>,
        watch: bool,
    },
    GetData {
        path: Ustring<'a>,
        watch: bool,
    },
    SetData {
        path: Ustring<'a>,
        data: Buffer<'a>,
        version: i32,
    },
    GetAcl {
        path: Ustring<'a>,
    },
    SetAcl {
        path: Ustring<'a>,
        acl: Option<Vec<Acl<'a>>>,
        version: i32,
    },
    GetChildren {
        path: Ustring<'a>,
        watch: bool,
    },
    GetChildren2 {
        path: Ustring<'a>,
        watch: bool,
    },
    Sync {
        path: Ustring<'a>,
    },
    Ping,
    Check {
        path: Ustring<'a>,
        version: i32,
    },
    Multi {
        ops: Vec<MultiOp<'a>>,
    },
    MultiRead {
        ops: Vec<MultiOp<'a>>,
    },
    Reconfig {
        joining: Ustring<'a>,
        leaving: Ustring<'a>,
        new_members: Ustring<'a>,
        config_id: i64,
    },
    CheckWatches {
        path: Ustring<'a>,
        watch_type: i32,
    },
    RemoveWatches {
        path: Ustring<'a>,
        watch_type: i32,
    },
    Auth {
        auth_type: i32,
        scheme: Ustring<'a>,
        auth: Buffer<'a>,
    },
    SetWatches(SetWatches<'a>),
    SetWatches2(SetWatches<'a>),
    AddWatch {
        path: Ustring<'a>,
        mode: i32,
    },
    Sasl {
        token: Buffer<'a>,
    },
    GetEphemerals {
        prefix: Ustring<'a>,
    },
    GetAllChildrenNumber {
        path: Ustring<'a>,
    },
    WhoAmI,
    CreateSession {
        timeout_ms: i32,
    },
    CloseSession,
}

pub(crate) fn acls<'a>(r: &mut Reader<'a>) -> Result<Option<Vec<Acl<'a>>>, DecodeError> {
    r.vector(Acl::decode)
}

pub(crate) fn write_acls(w: &mut Writer<'_>, acl: Option<&[Acl<'_>]>) {
    w.vector(acl, |w, a| w.record(a));
}

impl<'a> Request<'a> {
    /// Reads the record of operation `op`; bytes behind it are ignored.
    ///
    /// # Errors
    /// When the bytes are not such a record: the server answers MARSHALLINGERROR (reference: client-protocol §1.1).
    pub fn decode(op: OpCode, r: &mut Reader<'a>) -> Result<Request<'a>, DecodeError> {
        Ok(match op {
            OpCode::Create | OpCode::Create2 | OpCode::CreateContainer => Request::Create {
                op,
                path: r.ustring()?,
                data: r.buffer()?,
                acl: acls(r)?,
                flags: r.int()?,
                ttl: -1,
            },
            OpCode::CreateTtl => Request::Create {
                op,
                path: r.ustring()?,
                data: r.buffer()?,
                acl: acls(r)?,
                flags: r.int()?,
                ttl: r.long()?,
            },
            OpCode::Delete => Request::Delete { path: r.ustring()?, version: r.int()? },
            OpCode::DeleteContainer => Request::DeleteContainer { path: r.ustring()? },
            OpCode::Exists => Request::Exists { path: r.ustring()?, watch: r.bool()? },
            OpCode::GetData => Request::GetData { path: r.ustring()?, watch: r.bool()? },
            OpCode::SetData => Request::SetData { path: r.ustring()?, data: r.buffer()?, version: r.int()? },
            OpCode::GetAcl => Request::GetAcl { path: r.ustring()? },
            OpCode::SetAcl => Request::SetAcl { path: r.ustring()?, acl: acls(r)?, version: r.int()? },
            OpCode::GetChildren => Request::GetChildren { path: r.ustring()?, watch: r.bool()? },
            OpCode::GetChildren2 => Request::GetChildren2 { path: r.ustring()?, watch: r.bool()? },
            OpCode::Sync => Request::Sync { path: r.ustring()? },
            OpCode::Ping => Request::Ping,
            OpCode::Check => Request::Check { path: r.ustring()?, version: r.int()? },
            OpCode::Multi => Request::Multi { ops: multi::decode_multi(r)? },
            OpCode::MultiRead => Request::MultiRead { ops: multi::decode_multi(r)? },
            OpCode::Reconfig => Request::Reconfig {
                joining: r.ustring()?,
                leaving: r.ustring()?,
                new_members: r.ustring()?,
                config_id: r.long()?,
            },
            OpCode::CheckWatches => Request::CheckWatches { path: r.ustring()?, watch_type: r.int()? },
            OpCode::RemoveWatches => Request::RemoveWatches { path: r.ustring()?, watch_type: r.int()? },
            OpCode::Auth => Request::Auth { auth_type: r.int()?, scheme: r.ustring()?, auth: r.buffer()? },
            OpCode::SetWatches => Request::SetWatches(SetWatches {
                relative_zxid: r.long()?,
                data: r.ustrings()?,
                exist: r.ustrings()?,
                child: r.ustrings()?,
                persistent: None,
                persistent_recursive: None,
            }),
            OpCode::SetWatches2 => Request::SetWatches2(SetWatches {
                relative_zxid: r.long()?,
                data: r.ustrings()?,
                exist: r.ustrings()?,
                child: r.ustrings()?,
                persistent: r.ustrings()?,
                persistent_recursive: r.ustrings()?,
            }),
            OpCode::AddWatch => Request::AddWatch { path: r.ustring()?, mode: r.int()? },
            OpCode::Sasl => Request::Sasl { token: r.buffer()? },
            OpCode::GetEphemerals => Request::GetEphemerals { prefix: r.ustring()? },
            OpCode::GetAllChildrenNumber => Request::GetAllChildrenNumber { path: r.ustring()? },
            OpCode::WhoAmI => Request::WhoAmI,
            OpCode::CreateSession => Request::CreateSession { timeout_ms: r.int()? },
            OpCode::CloseSession => Request::CloseSession,
        })
    }

    /// The operation.
    pub fn op(&self) -> OpCode {
        match self {
            Request::Create { op, .. } => *op,
            Request::Delete { .. } => OpCode::Delete,
            Request::DeleteContainer { .. } => OpCode::DeleteContainer,
            Request::Exists { .. } => OpCode::Exists,
            Request::GetData { .. } => OpCode::GetData,
            Request::SetData { .. } => OpCode::SetData,
            Request::GetAcl { .. } => OpCode::GetAcl,
            Request::SetAcl { .. } => OpCode::SetAcl,
            Request::GetChildren { .. } => OpCode::GetChildren,
            Request::GetChildren2 { .. } => OpCode::GetChildren2,
            Request::Sync { .. } => OpCode::Sync,
            Request::Ping => OpCode::Ping,
            Request::Check { .. } => OpCode::Check,
            Request::Multi { .. } => OpCode::Multi,
            Request::MultiRead { .. } => OpCode::MultiRead,
            Request::Reconfig { .. } => OpCode::Reconfig,
            Request::CheckWatches { .. } => OpCode::CheckWatches,
            Request::RemoveWatches { .. } => OpCode::RemoveWatches,
            Request::Auth { .. } => OpCode::Auth,
            Request::SetWatches(_) => OpCode::SetWatches,
            Request::SetWatches2(_) => OpCode::SetWatches2,
            Request::AddWatch { .. } => OpCode::AddWatch,
            Request::Sasl { .. } => OpCode::Sasl,
            Request::GetEphemerals { .. } => OpCode::GetEphemerals,
            Request::GetAllChildrenNumber { .. } => OpCode::GetAllChildrenNumber,
            Request::WhoAmI => OpCode::WhoAmI,
            Request::CreateSession { .. } => OpCode::CreateSession,
            Request::CloseSession => OpCode::CloseSession,
        }
    }
}

impl Encode for Request<'_> {
    fn encode(&self, w: &mut Writer<'_>) {
        match self {
            Request::Create { op, path, data, acl, flags, ttl } => {
                w.ustring(path.as_deref());
                w.buffer(data.as_deref());
                write_acls(w, acl.as_deref());
                w.int(*flags);
                if *op == OpCode::CreateTtl {
                    w.long(*ttl);
                }
            }
            Request::Delete { path, version } | Request::Check { path, version } => {
                w.ustring(path.as_deref());
                w.int(*version);
            }
            Request::Exists { path, watch }
            | Request::GetData { path, watch }
            | Request::GetChildren { path, watch }
            | Request::GetChildren2 { path, watch } => {
                w.ustring(path.as_deref());
                w.bool(*watch);
            }
            Request::SetData { path, data, version } => {
                w.ustring(path.as_deref());
                w.buffer(data.as_deref());
                w.int(*version);
            }
            Request::SetAcl { path, acl, version } => {
                w.ustring(path.as_deref());
                write_acls(w, acl.as_deref());
                w.int(*version);
            }
            Request::DeleteContainer { path }
            | Request::GetAcl { path }
            | Request::Sync { path }
            | Request::GetEphemerals { prefix: path }
            | Request::GetAllChildrenNumber { path } => w.ustring(path.as_deref()),
            Request::Ping | Request::WhoAmI | Request::CloseSession => {}
            Request::Multi { ops } | Request::MultiRead { ops } => multi::encode_multi(w, ops),
            Request::Reconfig { joining, leaving, new_members, config_id } => {
                w.ustring(joining.as_deref());
                w.ustring(leaving.as_deref());
                w.ustring(new_members.as_deref());
                w.long(*config_id);
            }
            Request::CheckWatches { path, watch_type } | Request::RemoveWatches { path, watch_type } => {
                w.ustring(path.as_deref());
                w.int(*watch_type);
            }
            Request::Auth { auth_type, scheme, auth } => {
                w.int(*auth_type);
                w.ustring(scheme.as_deref());
                w.buffer(auth.as_deref());
            }
            Request::SetWatches(s) | Request::SetWatches2(s) => {
                w.long(s.relative_zxid);
                w.ustrings(s.data.as_deref());
                w.ustrings(s.exist.as_deref());
                w.ustrings(s.child.as_deref());
                if matches!(self, Request::SetWatches2(_)) {
                    w.ustrings(s.persistent.as_deref());
                    w.ustrings(s.persistent_recursive.as_deref());
                }
            }
            Request::AddWatch { path, mode } => {
                w.ustring(path.as_deref());
                w.int(*mode);
            }
            Request::Sasl { token } => w.buffer(token.as_deref()),
            Request::CreateSession { timeout_ms } => w.int(*timeout_ms),
        }
    }
}
