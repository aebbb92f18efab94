//! Z4: there is one sequence of committed transactions; what a server applies is a part of it, byte for byte.
//!
//! Source: simulation §2.8; the Zab paper, "total order" and "agreement".

use super::durable::Durable;
use super::{History, Violation};
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::rc::Rc;
use wire::Zxid;

/// Everything that was ever committed.
#[derive(Default)]
pub struct Sequence {
    txns: History,
}

impl Sequence {
    /// The last transaction; 0 before the first one.
    pub fn last(&self) -> Zxid {
        self.txns.keys().next_back().copied().unwrap_or(Zxid(0))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.txns.len()
    }

    /// Is nothing committed yet?
    pub fn is_empty(&self) -> bool {
        self.txns.is_empty()
    }

    /// A transaction's bytes, as they stand in the logs.
    pub fn payload(&self, zxid: Zxid) -> Option<&[u8]> {
        self.txns.get(&zxid).map(|payload| &**payload)
    }

    pub(in crate::ensemble) fn behind(&self, zxid: Option<Zxid>) -> impl Iterator<Item = (Zxid, &Rc<[u8]>)> {
        let from = zxid.map_or(Unbounded, Excluded);
        self.txns.range((from, Unbounded)).map(|(zxid, payload)| (*zxid, payload))
    }

    pub(super) fn append(&mut self, zxid: Zxid, payload: &Rc<[u8]>) {
        self.txns.insert(zxid, Rc::clone(payload));
    }

    /// A server has gone from one transaction to another.
    pub(super) fn applied(
        &self,
        server: usize,
        from: Zxid,
        to: Zxid,
        durable: &Durable,
    ) -> Result<(), Violation> {
        if to.counter() != 0 && !self.txns.contains_key(&to) {
            let text = format!("s{} has applied {to}, which is not one of the committed ones", server + 1);
            return Err(Violation::new("Z4", text));
        }
        if from >= to {
            return Ok(());
        }
        let own = durable.log.range((Excluded(from), Included(to)));
        for (zxid, payload) in own {
            if self.txns.get(zxid) != Some(payload) {
                let text = format!("s{} has another transaction at {zxid} than was committed", server + 1);
                return Err(Violation::new("Z4", text));
            }
        }
        Ok(())
    }
}
