//! Z8: after each transaction all servers have the same digest, also when they read it from their disks again.
//!
//! Source: simulation §2.8; storage-formats §4.

use super::Violation;
use std::collections::{BTreeMap, BTreeSet};
use wire::Zxid;

/// The digest after each transaction, as somebody had it first.
#[derive(Default)]
pub(super) struct SameDigest {
    /// Servers that keep none.
    without: BTreeSet<usize>,
    after: BTreeMap<Zxid, (i64, usize)>,
}

impl SameDigest {
    pub(super) fn new(without: BTreeSet<usize>) -> SameDigest {
        SameDigest { without, ..SameDigest::default() }
    }

    pub(super) fn check(&mut self, server: usize, zxid: Zxid, digest: i64) -> Result<(), Violation> {
        if zxid.counter() == 0 || self.without.contains(&server) {
            return Ok(());
        }
        let (first, whose) = *self.after.entry(zxid).or_insert((digest, server));
        if first == digest {
            return Ok(());
        }
        let text = format!(
            "after {zxid} the digest of s{} is {digest:x}, that of s{} was {first:x}",
            server + 1,
            whose + 1
        );
        Err(Violation::new("Z8", text))
    }

    /// The same of a server that has just read its disk, whose last transactions may not be committed.
    pub(super) fn reloaded(&self, server: usize, zxid: Zxid, digest: i64) -> Result<(), Violation> {
        match self.after.get(&zxid) {
            Some((first, whose)) if *first != digest && !self.without.contains(&server) => {
                Err(Violation::new(
                    "Z8",
                    format!(
                        "s{} reads a tree from its disk whose digest after {zxid} is {digest:x}, that of s{} was {first:x}",
                        server + 1,
                        whose + 1
                    ),
                ))
            }
            _ => Ok(()),
        }
    }
}
