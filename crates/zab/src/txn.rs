//! Transactions as this crate sees them: a zxid and bytes.

use std::fmt;
use std::sync::Arc;
use wire::{DecodeError, Reader, Zxid};

/// A transaction: what a PROPOSAL carries and a log record holds. Its bytes are shared, never looked into beyond the zxid.
#[derive(Clone, PartialEq, Eq)]
pub struct Txn {
    /// Its zxid.
    pub zxid: Zxid,
    /// A [`wire::TxnRecord`]'s bytes.
    pub bytes: Arc<[u8]>,
}

impl Txn {
    /// A packet's transaction; the header inside must name the same zxid, or a log would hold what nobody can find.
    pub(crate) fn understand(zxid: Zxid, bytes: &[u8]) -> Result<Txn, DecodeError> {
        let mut header = Reader::new(bytes);
        header.long()?;
        header.int()?;
        if header.long()? != zxid.0 {
            return Err(header.invalid("a transaction under another zxid"));
        }
        Ok(Txn { zxid, bytes: bytes.into() })
    }
}

impl fmt::Debug for Txn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.zxid, self.bytes.len())
    }
}
