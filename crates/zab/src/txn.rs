//! Transactions as this crate sees them: a zxid and bytes.

use std::fmt;
use std::sync::Arc;
use wire::{DecodeError, Limits, Reader, TxnRecord, Zxid};

/// A transaction: what a PROPOSAL carries and a log record holds. Its bytes are shared.
#[derive(Clone, PartialEq, Eq)]
pub struct Txn {
    /// Its zxid.
    pub zxid: Zxid,
    /// A [`wire::TxnRecord`]'s bytes.
    pub bytes: Arc<[u8]>,
}

impl Txn {
    /// A packet's transaction. What cannot be read never gets into a log, where it would stand in the way of every start;
    /// and the header must name the packet's zxid, or the log would hold what nobody can find.
    pub(crate) fn understand(zxid: Zxid, bytes: &[u8]) -> Result<Txn, DecodeError> {
        // The packet has kept the limit of its connection.
        let mut reader = Reader::with_limits(bytes, Limits { field_max: bytes.len() });
        let record = TxnRecord::decode(&mut reader)?;
        if record.header.zxid != zxid {
            return Err(reader.invalid("a transaction under another zxid"));
        }
        Ok(Txn { zxid, bytes: bytes.into() })
    }
}

impl fmt::Debug for Txn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.zxid, self.bytes.len())
    }
}
