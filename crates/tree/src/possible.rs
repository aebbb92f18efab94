//! Transactions that are well-formed records and that no server writes.

use crate::tree::{CONTAINER_OWNER, TTL_MAX, Tree};
use wire::{SessionId, Txn, TxnHeader};

impl Tree {
    /// Why the transaction cannot be genuine: it would make a node that no snapshot can hold. Whoever reads a log takes it
    /// for damage.
    pub fn impossible(&self, header: &TxnHeader, txn: &Txn<'_>) -> Option<&'static str> {
        match txn {
            Txn::CreateTtl { ttl_ms, .. } if !(1..=TTL_MAX).contains(ttl_ms) => {
                Some("a ttl that is not between 1 and 2^40-1")
            }
            Txn::Create { create, .. } if create.ephemeral && !self.may_own(header.client_id) => {
                Some("an ephemeral node of a session that cannot be")
            }
            Txn::Multi { ops } => ops.iter().find_map(|op| self.impossible(header, op)),
            _ => None,
        }
    }

    /// Would the owner of an ephemeral node still be taken for a session when a snapshot is read?
    fn may_own(&self, session: SessionId) -> bool {
        let is_extended = (session.0 as u64) >> 56 == 0xff;
        session.0 != 0 && session.0 != CONTAINER_OWNER && !(is_extended && self.config().extended_types)
    }
}
