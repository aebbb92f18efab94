//! Transaction records: what the log, a proposal and a commit carry (reference: storage-formats §2, §3).

use crate::request::{acls, write_acls};
use crate::{Acl, Buffer, Decode, DecodeError, Encode, OpCode, Reader, SessionId, Ustring, Writer, Zxid};

/// The digest version written and compared.
pub const DIGEST_VERSION: i32 = 2;
/// The type of an error transaction.
pub const TXN_ERROR: i32 = -1;
/// The type of a session's creation.
pub const TXN_CREATE_SESSION: i32 = -10;
/// The type of a session's end.
pub const TXN_CLOSE_SESSION: i32 = -11;

/// The fixed part of every transaction: 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TxnHeader {
    /// The session that asked; 0 for the server's own sweeps.
    pub client_id: SessionId,
    /// The request's xid.
    pub cxid: i32,
    /// The transaction's own id.
    pub zxid: Zxid,
    /// Wall-clock ms since 1970 at the leader.
    pub time_ms: i64,
    /// The type; see [`Txn`].
    pub txn_type: i32,
}

impl TxnHeader {
    /// Encoded size in bytes.
    pub const LEN: usize = 32;
}

impl Encode for TxnHeader {
    fn encode(&self, w: &mut Writer<'_>) {
        w.long(self.client_id.0);
        w.int(self.cxid);
        w.long(self.zxid.0);
        w.long(self.time_ms);
        w.int(self.txn_type);
    }
}

impl Decode<'_> for TxnHeader {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(TxnHeader {
            client_id: SessionId(r.long()?),
            cxid: r.int()?,
            zxid: Zxid(r.long()?),
            time_ms: r.long()?,
            txn_type: r.int()?,
        })
    }
}

/// The tree's digest after a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TxnDigest {
    /// [`DIGEST_VERSION`].
    pub version: i32,
    /// The sum over all nodes (reference: storage-formats §5).
    pub tree_digest: i64,
}

impl Encode for TxnDigest {
    fn encode(&self, w: &mut Writer<'_>) {
        w.int(self.version);
        w.long(self.tree_digest);
    }
}

impl Decode<'_> for TxnDigest {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(TxnDigest { version: r.int()?, tree_digest: r.long()? })
    }
}

/// The body of types 1 and 15. `parent_cversion` is -1 in records of the oldest form (before 3.4).
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "field names are ZooKeeper's own")]
pub struct CreateTxn<'a> {
    pub path: Ustring<'a>,
    pub data: Buffer<'a>,
    pub acl: Option<Vec<Acl<'a>>>,
    pub ephemeral: bool,
    pub parent_cversion: i32,
}

/// The body of a transaction. Paths are final (sequence numbers are in), versions are the new ones.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "field names are ZooKeeper's own; their rules are in storage formats, §3")]
pub enum Txn<'a> {
    /// Type 1, and type 15 when `op` is Create2: they differ on replay.
    Create {
        op: OpCode,
        create: CreateTxn<'a>,
    },
    CreateContainer {
        path: Ustring<'a>,
        data: Buffer<'a>,
        acl: Option<Vec<Acl<'a>>>,
        parent_cversion: i32,
    },
    CreateTtl {
        path: Ustring<'a>,
        data: Buffer<'a>,
        acl: Option<Vec<Acl<'a>>>,
        parent_cversion: i32,
        ttl_ms: i64,
    },
    Delete {
        path: Ustring<'a>,
    },
    /// Also the end of TTL nodes.
    DeleteContainer {
        path: Ustring<'a>,
    },
    SetData {
        path: Ustring<'a>,
        data: Buffer<'a>,
        version: i32,
    },
    Reconfig {
        path: Ustring<'a>,
        data: Buffer<'a>,
        version: i32,
    },
    SetAcl {
        path: Ustring<'a>,
        acl: Option<Vec<Acl<'a>>>,
        version: i32,
    },
    Check {
        path: Ustring<'a>,
        version: i32,
    },
    Multi {
        ops: Vec<Txn<'a>>,
    },
    Error {
        code: i32,
    },
    CreateSession {
        timeout_ms: i32,
    },
    /// `None`: a record without a body, as servers before 3.6 write it.
    CloseSession {
        paths: Option<Vec<Ustring<'a>>>,
    },
}

impl Txn<'_> {
    /// The type number.
    pub fn txn_type(&self) -> i32 {
        match self {
            Txn::Create { op, .. } => op.code(),
            Txn::CreateContainer { .. } => OpCode::CreateContainer.code(),
            Txn::CreateTtl { .. } => OpCode::CreateTtl.code(),
            Txn::Delete { .. } => OpCode::Delete.code(),
            Txn::DeleteContainer { .. } => OpCode::DeleteContainer.code(),
            Txn::SetData { .. } => OpCode::SetData.code(),
            Txn::Reconfig { .. } => OpCode::Reconfig.code(),
            Txn::SetAcl { .. } => OpCode::SetAcl.code(),
            Txn::Check { .. } => OpCode::Check.code(),
            Txn::Multi { .. } => OpCode::Multi.code(),
            Txn::Error { .. } => TXN_ERROR,
            Txn::CreateSession { .. } => TXN_CREATE_SESSION,
            Txn::CloseSession { .. } => TXN_CLOSE_SESSION,
        }
    }
}

impl<'a> Txn<'a> {
    /// Reads the body of a transaction of type `txn_type`.
    ///
    /// # Errors
    /// For a type nobody writes, and when the bytes are not such a body.
    pub fn decode(txn_type: i32, r: &mut Reader<'a>) -> Result<Txn<'a>, DecodeError> {
        Ok(match txn_type {
            1 | 15 => Txn::Create {
                op: if txn_type == 1 { OpCode::Create } else { OpCode::Create2 },
                create: decode_create(r)?,
            },
            2 => Txn::Delete { path: r.ustring()? },
            5 => Txn::SetData { path: r.ustring()?, data: r.buffer()?, version: r.int()? },
            7 => Txn::SetAcl { path: r.ustring()?, acl: acls(r)?, version: r.int()? },
            13 => Txn::Check { path: r.ustring()?, version: r.int()? },
            14 => Txn::Multi { ops: decode_multi_ops(r)? },
            16 => Txn::Reconfig { path: r.ustring()?, data: r.buffer()?, version: r.int()? },
            19 => Txn::CreateContainer {
                path: r.ustring()?,
                data: r.buffer()?,
                acl: acls(r)?,
                parent_cversion: r.int()?,
            },
            20 => Txn::DeleteContainer { path: r.ustring()? },
            21 => Txn::CreateTtl {
                path: r.ustring()?,
                data: r.buffer()?,
                acl: acls(r)?,
                parent_cversion: r.int()?,
                ttl_ms: r.long()?,
            },
            TXN_ERROR => Txn::Error { code: r.int()? },
            TXN_CREATE_SESSION => Txn::CreateSession { timeout_ms: r.int()? },
            TXN_CLOSE_SESSION => Txn::CloseSession { paths: decode_close_session(r)? },
            _ => return Err(r.invalid("a transaction of unsupported type")),
        })
    }
}

/// Types 1 and 15; a body that ends before the parent's cversion is the form of 3.3 (reference: storage-formats §3).
fn decode_create<'a>(r: &mut Reader<'a>) -> Result<CreateTxn<'a>, DecodeError> {
    let (path, data, acl, ephemeral) = (r.ustring()?, r.buffer()?, acls(r)?, r.bool()?);
    let parent_cversion = if r.is_empty() { -1 } else { r.int()? };
    Ok(CreateTxn { path, data, acl, ephemeral, parent_cversion })
}

fn decode_multi_ops<'a>(r: &mut Reader<'a>) -> Result<Vec<Txn<'a>>, DecodeError> {
    let ops = r.vector(|r| {
        let txn_type = r.int()?;
        let body = match r.buffer()? {
            Some(std::borrow::Cow::Borrowed(bytes)) => bytes,
            _ => return Err(r.invalid("a sub-transaction without a body")),
        };
        match txn_type {
            1 | 2 | 5 | 13 | 15 | 19 | 20 | 21 | TXN_ERROR => Txn::decode(txn_type, &mut Reader::new(body)),
            _ => Err(r.invalid("a sub-transaction of unsupported type")),
        }
    })?;
    Ok(ops.unwrap_or_default())
}

/// A close without a body is followed by nothing or by a digest alone, and a digest reads like a vector of two
/// strings: so look before reading (reference: storage-formats §3, "closeSession ambiguity").
fn decode_close_session<'a>(r: &mut Reader<'a>) -> Result<Option<Vec<Ustring<'a>>>, DecodeError> {
    let rest = r.rest();
    if rest.is_empty() || (rest.len() == 12 && rest.starts_with(&DIGEST_VERSION.to_be_bytes())) {
        return Ok(None);
    }
    Ok(Some(r.ustrings()?.unwrap_or_default()))
}

impl Encode for Txn<'_> {
    fn encode(&self, w: &mut Writer<'_>) {
        match self {
            Txn::Create { create, .. } => {
                w.ustring(create.path.as_deref());
                w.buffer(create.data.as_deref());
                write_acls(w, create.acl.as_deref());
                w.bool(create.ephemeral);
                w.int(create.parent_cversion);
            }
            Txn::CreateContainer { path, data, acl, parent_cversion } => {
                w.ustring(path.as_deref());
                w.buffer(data.as_deref());
                write_acls(w, acl.as_deref());
                w.int(*parent_cversion);
            }
            Txn::CreateTtl { path, data, acl, parent_cversion, ttl_ms } => {
                w.ustring(path.as_deref());
                w.buffer(data.as_deref());
                write_acls(w, acl.as_deref());
                w.int(*parent_cversion);
                w.long(*ttl_ms);
            }
            Txn::Delete { path } | Txn::DeleteContainer { path } => w.ustring(path.as_deref()),
            Txn::SetData { path, data, version } | Txn::Reconfig { path, data, version } => {
                w.ustring(path.as_deref());
                w.buffer(data.as_deref());
                w.int(*version);
            }
            Txn::SetAcl { path, acl, version } => {
                w.ustring(path.as_deref());
                write_acls(w, acl.as_deref());
                w.int(*version);
            }
            Txn::Check { path, version } => {
                w.ustring(path.as_deref());
                w.int(*version);
            }
            Txn::Multi { ops } => w.vector(Some(ops), |w, op| {
                w.int(op.txn_type());
                w.buffer(Some(&op.to_bytes()));
            }),
            Txn::Error { code } => w.int(*code),
            Txn::CreateSession { timeout_ms } => w.int(*timeout_ms),
            Txn::CloseSession { paths } => {
                if let Some(paths) = paths {
                    w.ustrings(Some(paths));
                }
            }
        }
    }
}

/// A whole log record's payload: header, body, and the digest where there is one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TxnRecord<'a> {
    /// Who, when, which.
    pub header: TxnHeader,
    /// What.
    pub txn: Txn<'a>,
    /// The tree's digest after it; error transactions and old servers have none.
    pub digest: Option<TxnDigest>,
}

impl<'a> TxnRecord<'a> {
    /// Reads a payload; bytes behind the digest are ignored.
    ///
    /// # Errors
    /// When the payload is not a transaction.
    pub fn decode(r: &mut Reader<'a>) -> Result<TxnRecord<'a>, DecodeError> {
        let header = TxnHeader::decode(r)?;
        let txn = Txn::decode(header.txn_type, r)?;
        let digest = if r.rest().len() >= 12 { Some(TxnDigest::decode(r)?) } else { None };
        Ok(TxnRecord { header, txn, digest })
    }
}

impl Encode for TxnRecord<'_> {
    fn encode(&self, w: &mut Writer<'_>) {
        w.record(&self.header);
        w.record(&self.txn);
        if let Some(digest) = &self.digest {
            w.record(digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_bytes::hex;

    /// A create record written by Apache 3.9.5 (reference: storage-formats §10).
    #[test]
    fn a_real_create_record_reads_and_writes_back() {
        let payload = hex("0100001fd72b0000 00000001 0000000000000002 000001a2058dcc09 00000001
             00000004 2f617070 00000005 68656c6c6f 00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65
             00 00000001 00000002 00000000fc2c9909");
        let record = TxnRecord::decode(&mut Reader::new(&payload)).expect("a record");
        assert_eq!(record.header.zxid, Zxid(2));
        assert_eq!(record.digest, Some(TxnDigest { version: 2, tree_digest: 4_230_781_193 }));
        let Txn::Create { create, .. } = &record.txn else { panic!("not a create: {record:?}") };
        assert_eq!((create.path.as_deref(), create.parent_cversion), (Some("/app"), 1));
        assert_eq!(create.acl, Some(vec![Acl::open()]));
        assert_eq!(record.to_bytes(), payload);
    }

    #[test]
    fn a_create_of_the_oldest_form_has_no_parent_cversion() {
        let create = CreateTxn {
            path: Some("/a".into()),
            data: None,
            acl: Some(vec![]),
            ephemeral: false,
            parent_cversion: 9,
        };
        let full = Txn::Create { op: OpCode::Create, create }.to_bytes();
        let Ok(Txn::Create { create, .. }) = Txn::decode(1, &mut Reader::new(&full[..full.len() - 4])) else {
            panic!("no create")
        };
        assert_eq!(create.parent_cversion, -1);
    }

    #[test]
    fn a_close_session_without_a_body_is_told_from_its_digest() {
        fn read(rest: &[u8]) -> (Txn<'_>, usize) {
            let mut r = Reader::new(rest);
            let txn = Txn::decode(TXN_CLOSE_SESSION, &mut r).expect("a close");
            (txn, r.rest().len())
        }
        let digest = TxnDigest { version: 2, tree_digest: 77 }.to_bytes();
        assert_eq!(read(&[]), (Txn::CloseSession { paths: None }, 0));
        assert_eq!(read(&digest), (Txn::CloseSession { paths: None }, 12));
        let with_body = Txn::CloseSession { paths: Some(vec![Some("/e".into())]) };
        let mut encoded = with_body.to_bytes();
        encoded.extend_from_slice(&digest);
        assert_eq!(read(&encoded), (with_body, 12));
    }
}
