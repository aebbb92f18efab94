//! multi and multiRead: their operations and their results (reference: client-protocol §5).

use crate::request::{acls, write_acls};
use crate::{
    Acl, Buffer, CreateMode, Decode, DecodeError, Encode, ErrorCode, OpCode, Reader, Stat, Ustring, Writer,
};

/// One operation of a multi or multiRead.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "field names are ZooKeeper's own; their rules are in the client protocol, §5")]
pub enum MultiOp<'a> {
    /// As in [`crate::Request::Create`], after the decode-time rewriting of §5.1.
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
    SetData {
        path: Ustring<'a>,
        data: Buffer<'a>,
        version: i32,
    },
    Check {
        path: Ustring<'a>,
        version: i32,
    },
    GetData {
        path: Ustring<'a>,
    },
    GetChildren {
        path: Ustring<'a>,
    },
}

impl MultiOp<'_> {
    /// The operation.
    pub fn op(&self) -> OpCode {
        match self {
            MultiOp::Create { op, .. } => *op,
            MultiOp::Delete { .. } => OpCode::Delete,
            MultiOp::SetData { .. } => OpCode::SetData,
            MultiOp::Check { .. } => OpCode::Check,
            MultiOp::GetData { .. } => OpCode::GetData,
            MultiOp::GetChildren { .. } => OpCode::GetChildren,
        }
    }

    /// Is it one of multiRead's operations?
    pub fn is_read(&self) -> bool {
        matches!(self, MultiOp::GetData { .. } | MultiOp::GetChildren { .. })
    }

    /// The path it names.
    pub fn path(&self) -> Option<&str> {
        match self {
            MultiOp::Create { path, .. }
            | MultiOp::Delete { path, .. }
            | MultiOp::SetData { path, .. }
            | MultiOp::Check { path, .. }
            | MultiOp::GetData { path }
            | MultiOp::GetChildren { path } => path.as_deref(),
        }
    }
}

/// The header before each operation and each result.
struct MultiHeader {
    op: i32,
    done: bool,
    err: i32,
}

const END: MultiHeader = MultiHeader { op: -1, done: true, err: -1 };

impl Encode for MultiHeader {
    fn encode(&self, w: &mut Writer<'_>) {
        w.int(self.op);
        w.bool(self.done);
        w.int(self.err);
    }
}

impl Decode<'_> for MultiHeader {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(MultiHeader { op: r.int()?, done: r.bool()?, err: r.int()? })
    }
}

/// Reads the operations of a multi or multiRead up to the terminator.
///
/// Applies upstream's decode-time rules (reference: client-protocol §5.1, and what a 3.9.5 server was seen to do):
/// container flags make createContainer of any create, createTTL with other flags becomes create; elsewhere flags that
/// fit no mode, TTL flags outside createTTL, a null ACL list, and a mixture of reads and writes are errors of the whole
/// request. Of these only the null ACL list ([`DecodeError::Unacceptable`]) takes no zxid. Null paths are left to the
/// server, which answers -5 as well.
///
/// # Errors
/// When the bytes are no such list.
pub fn decode_multi<'a>(r: &mut Reader<'a>) -> Result<Vec<MultiOp<'a>>, DecodeError> {
    let mut ops: Vec<MultiOp<'a>> = Vec::new();
    loop {
        let header = MultiHeader::decode(r)?;
        if header.done {
            return Ok(ops);
        }
        let op = decode_op(header.op, r)?;
        if ops.first().is_some_and(|first| first.is_read() != op.is_read()) {
            return Err(r.invalid("reads and writes in one multi"));
        }
        ops.push(op);
    }
}

fn decode_op<'a>(code: i32, r: &mut Reader<'a>) -> Result<MultiOp<'a>, DecodeError> {
    Ok(match OpCode::from_code(code) {
        Some(op @ (OpCode::Create | OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl)) => {
            decode_create(op, r)?
        }
        Some(OpCode::Delete) => MultiOp::Delete { path: r.ustring()?, version: r.int()? },
        Some(OpCode::SetData) => {
            MultiOp::SetData { path: r.ustring()?, data: r.buffer()?, version: r.int()? }
        }
        Some(OpCode::Check) => MultiOp::Check { path: r.ustring()?, version: r.int()? },
        Some(OpCode::GetData) => {
            let path = r.ustring()?;
            r.bool()?;
            MultiOp::GetData { path }
        }
        Some(OpCode::GetChildren) => {
            let path = r.ustring()?;
            r.bool()?;
            MultiOp::GetChildren { path }
        }
        _ => return Err(r.invalid("an operation that a multi cannot hold")),
    })
}

fn decode_create<'a>(op: OpCode, r: &mut Reader<'a>) -> Result<MultiOp<'a>, DecodeError> {
    let (path, data, acl, flags) = (r.ustring()?, r.buffer()?, acls(r)?, r.int()?);
    let ttl = if op == OpCode::CreateTtl { r.long()? } else { -1 };
    let mode = CreateMode::from_flags(flags);
    // createTTL refuses nothing here: its mistakes are errors of the one operation.
    let (op, ttl) = match (op, mode) {
        (OpCode::CreateTtl, Some(mode)) if mode.is_ttl() => (op, ttl),
        (OpCode::CreateTtl, Some(CreateMode::Container)) => (OpCode::CreateContainer, -1),
        (OpCode::CreateTtl, _) => (OpCode::Create, -1),
        (_, None) => return Err(r.invalid("create flags outside 0..6")),
        _ if acl.is_none() => return Err(r.unacceptable("a null ACL list in a multi")),
        (_, Some(mode)) if mode.is_ttl() => return Err(r.invalid("TTL flags outside createTTL")),
        (_, Some(CreateMode::Container)) => (OpCode::CreateContainer, -1),
        _ => (op, -1),
    };
    Ok(MultiOp::Create { op, path, data, acl, flags, ttl })
}

/// Writes the operations and the terminator.
pub fn encode_multi(w: &mut Writer<'_>, ops: &[MultiOp<'_>]) {
    for op in ops {
        w.record(&MultiHeader { op: op.op().code(), done: false, err: -1 });
        match op {
            MultiOp::Create { op, path, data, acl, flags, ttl } => {
                w.ustring(path.as_deref());
                w.buffer(data.as_deref());
                write_acls(w, acl.as_deref());
                w.int(*flags);
                if *op == OpCode::CreateTtl {
                    w.long(*ttl);
                }
            }
            MultiOp::Delete { path, version } | MultiOp::Check { path, version } => {
                w.ustring(path.as_deref());
                w.int(*version);
            }
            MultiOp::SetData { path, data, version } => {
                w.ustring(path.as_deref());
                w.buffer(data.as_deref());
                w.int(*version);
            }
            MultiOp::GetData { path } | MultiOp::GetChildren { path } => {
                w.ustring(path.as_deref());
                w.bool(false);
            }
        }
    }
    w.record(&END);
}

/// One result in the answer to a multi or multiRead.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "field names are ZooKeeper's own; their rules are in the client protocol, §5")]
pub enum MultiResult<'a> {
    Create {
        path: Ustring<'a>,
    },
    /// create2, createContainer and createTTL alike: type 15 on the wire.
    Create2 {
        path: Ustring<'a>,
        stat: Stat,
    },
    Delete,
    SetData {
        stat: Stat,
    },
    Check,
    GetData {
        data: Buffer<'a>,
        stat: Stat,
    },
    GetChildren {
        children: Option<Vec<Ustring<'a>>>,
    },
    /// `None` is code 0: an operation before the failing one.
    Error(Option<ErrorCode>),
}

impl MultiResult<'_> {
    /// Writes the results and the terminator.
    pub fn encode_all(results: &[MultiResult<'_>], w: &mut Writer<'_>) {
        for result in results {
            result.encode(w);
        }
        w.record(&END);
    }
}

impl<'a> MultiResult<'a> {
    /// Reads results up to the terminator.
    ///
    /// # Errors
    /// When the bytes are no such list.
    pub fn decode_all(r: &mut Reader<'a>) -> Result<Vec<MultiResult<'a>>, DecodeError> {
        let mut out = Vec::new();
        loop {
            let header = MultiHeader::decode(r)?;
            if header.done {
                return Ok(out);
            }
            out.push(match header.op {
                -1 => MultiResult::Error(ErrorCode::from_code(r.int()?)),
                1 => MultiResult::Create { path: r.ustring()? },
                15 => MultiResult::Create2 { path: r.ustring()?, stat: Stat::decode(r)? },
                2 => MultiResult::Delete,
                5 => MultiResult::SetData { stat: Stat::decode(r)? },
                13 => MultiResult::Check,
                4 => MultiResult::GetData { data: r.buffer()?, stat: Stat::decode(r)? },
                8 => MultiResult::GetChildren { children: r.ustrings()? },
                _ => return Err(r.invalid("a result of unknown type")),
            });
        }
    }
}

impl Encode for MultiResult<'_> {
    fn encode(&self, w: &mut Writer<'_>) {
        let head =
            |w: &mut Writer<'_>, op: OpCode| w.record(&MultiHeader { op: op.code(), done: false, err: 0 });
        match self {
            MultiResult::Create { path } => {
                head(w, OpCode::Create);
                w.ustring(path.as_deref());
            }
            MultiResult::Create2 { path, stat } => {
                head(w, OpCode::Create2);
                w.ustring(path.as_deref());
                w.record(stat);
            }
            MultiResult::Delete => head(w, OpCode::Delete),
            MultiResult::SetData { stat } => {
                head(w, OpCode::SetData);
                w.record(stat);
            }
            MultiResult::Check => head(w, OpCode::Check),
            MultiResult::GetData { data, stat } => {
                head(w, OpCode::GetData);
                w.buffer(data.as_deref());
                w.record(stat);
            }
            MultiResult::GetChildren { children } => {
                head(w, OpCode::GetChildren);
                w.ustrings(children.as_deref());
            }
            MultiResult::Error(code) => {
                let err = code.map_or(0, ErrorCode::code);
                w.record(&MultiHeader { op: -1, done: false, err });
                w.int(err);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_back(op: OpCode, acl: Option<Vec<Acl<'_>>>, flags: i32) -> Result<OpCode, DecodeError> {
        let path = Some("/a".into());
        let bytes = encoded(&[MultiOp::Create { op, path, data: None, acl, flags, ttl: 5 }]);
        Ok(decode_multi(&mut Reader::new(&bytes))?[0].op())
    }

    fn encoded(ops: &[MultiOp<'_>]) -> Vec<u8> {
        let mut out = Vec::new();
        encode_multi(&mut Writer::new(&mut out), ops);
        out
    }

    /// The server gives a zxid to an invalid multi and none to an unacceptable one, as Apache's does.
    #[test]
    fn only_a_null_acl_list_takes_no_zxid() {
        let read = MultiOp::GetChildren { path: Some("/a".into()) };
        let check = MultiOp::Check { path: Some("/a".into()), version: 2 };
        let mixed = encoded(&[read, check]);
        assert!(matches!(decode_multi(&mut Reader::new(&mixed)), Err(DecodeError::Invalid { .. })));
        for op in [OpCode::Create, OpCode::Create2, OpCode::CreateContainer] {
            let open = || Some(vec![Acl::open()]);
            assert!(matches!(read_back(op, open(), 100), Err(DecodeError::Invalid { .. })));
            assert!(matches!(read_back(op, open(), 5), Err(DecodeError::Invalid { .. })));
            assert!(matches!(read_back(op, None, 100), Err(DecodeError::Invalid { .. })));
            assert!(matches!(read_back(op, None, 0), Err(DecodeError::Unacceptable { .. })));
            assert!(matches!(read_back(op, None, 5), Err(DecodeError::Unacceptable { .. })));
        }
    }

    #[test]
    fn the_flags_decide_what_a_create_becomes() {
        let open = || Some(vec![Acl::open()]);
        assert_eq!(read_back(OpCode::Create, open(), 4), Ok(OpCode::CreateContainer));
        assert_eq!(read_back(OpCode::CreateTtl, open(), 4), Ok(OpCode::CreateContainer));
        assert_eq!(read_back(OpCode::CreateTtl, open(), 5), Ok(OpCode::CreateTtl));
        assert_eq!(read_back(OpCode::CreateTtl, open(), 0), Ok(OpCode::Create));
        assert_eq!(
            read_back(OpCode::CreateTtl, open(), 100),
            Ok(OpCode::Create),
            "answered -8 for this operation"
        );
        assert_eq!(
            read_back(OpCode::CreateTtl, None, 0),
            Ok(OpCode::Create),
            "answered -114 for this operation"
        );
    }
}
