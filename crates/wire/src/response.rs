//! What answers a request, behind the reply header (reference: client-protocol §4.2).

use crate::request::{acls, write_acls};
use crate::{Acl, Buffer, Decode, DecodeError, Encode, MultiResult, OpCode, Reader, Stat, Ustring, Writer};

/// One credential in the answer to whoAmI.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientInfo<'a> {
    /// Such as `ip` or `digest`.
    pub scheme: Ustring<'a>,
    /// The display name: for digest what stands before the colon.
    pub user: Ustring<'a>,
}

/// The record behind a reply header with err 0.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names are ZooKeeper's own and say it all")]
pub enum Response<'a> {
    /// Header only.
    Empty,
    /// create and sync.
    Path(Ustring<'a>),
    /// create2, createContainer, createTTL.
    PathStat(Ustring<'a>, Stat),
    /// exists, setData, setACL.
    Stat(Stat),
    /// getData and reconfig.
    Data(Buffer<'a>, Stat),
    Acl(Option<Vec<Acl<'a>>>, Stat),
    /// getChildren and getEphemerals.
    Children(Option<Vec<Ustring<'a>>>),
    Children2(Option<Vec<Ustring<'a>>>, Stat),
    Multi(Vec<MultiResult<'a>>),
    /// addWatch's 4-byte error record, always 0; getAllChildrenNumber's count.
    Int(i32),
    /// sasl.
    Token(Buffer<'a>),
    WhoAmI(Option<Vec<ClientInfo<'a>>>),
}

impl<'a> Response<'a> {
    /// Reads the record that answers operation `op` when err is 0.
    ///
    /// # Errors
    /// When the bytes are not such a record.
    pub fn decode(op: OpCode, r: &mut Reader<'a>) -> Result<Response<'a>, DecodeError> {
        Ok(match op {
            OpCode::Create | OpCode::Sync => Response::Path(r.ustring()?),
            OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl => {
                Response::PathStat(r.ustring()?, Stat::decode(r)?)
            }
            OpCode::Exists | OpCode::SetData | OpCode::SetAcl => Response::Stat(Stat::decode(r)?),
            OpCode::GetData | OpCode::Reconfig => Response::Data(r.buffer()?, Stat::decode(r)?),
            OpCode::GetAcl => Response::Acl(acls(r)?, Stat::decode(r)?),
            OpCode::GetChildren | OpCode::GetEphemerals => Response::Children(r.ustrings()?),
            OpCode::GetChildren2 => Response::Children2(r.ustrings()?, Stat::decode(r)?),
            OpCode::Multi | OpCode::MultiRead => Response::Multi(MultiResult::decode_all(r)?),
            OpCode::AddWatch | OpCode::GetAllChildrenNumber => Response::Int(r.int()?),
            OpCode::Sasl => Response::Token(r.buffer()?),
            OpCode::WhoAmI => {
                Response::WhoAmI(r.vector(|r| Ok(ClientInfo { scheme: r.ustring()?, user: r.ustring()? }))?)
            }
            OpCode::Delete
            | OpCode::DeleteContainer
            | OpCode::Ping
            | OpCode::Check
            | OpCode::CheckWatches
            | OpCode::RemoveWatches
            | OpCode::Auth
            | OpCode::SetWatches
            | OpCode::SetWatches2
            | OpCode::CreateSession
            | OpCode::CloseSession => Response::Empty,
        })
    }
}

impl Encode for Response<'_> {
    fn encode(&self, w: &mut Writer<'_>) {
        match self {
            Response::Empty => {}
            Response::Path(path) => w.ustring(path.as_deref()),
            Response::PathStat(path, stat) => {
                w.ustring(path.as_deref());
                w.record(stat);
            }
            Response::Stat(stat) => w.record(stat),
            Response::Data(data, stat) => {
                w.buffer(data.as_deref());
                w.record(stat);
            }
            Response::Acl(acl, stat) => {
                write_acls(w, acl.as_deref());
                w.record(stat);
            }
            Response::Children(names) => w.ustrings(names.as_deref()),
            Response::Children2(names, stat) => {
                w.ustrings(names.as_deref());
                w.record(stat);
            }
            Response::Multi(results) => MultiResult::encode_all(results, w),
            Response::Int(v) => w.int(*v),
            Response::Token(token) => w.buffer(token.as_deref()),
            Response::WhoAmI(infos) => w.vector(infos.as_deref(), |w, info| {
                w.ustring(info.scheme.as_deref());
                w.ustring(info.user.as_deref());
            }),
        }
    }
}
