//! The proof that bytes are on disk.

use crate::DiskError;
use wire::Zxid;

/// Something that has reached the disk for good. Only a completed batch makes one, so an acknowledgement that asks
/// for a `Durable` cannot leave before its bytes are safe (reference: simulation §2.1, "Durability as a type").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Durable<T>(T);

impl<T: Copy> Durable<T> {
    /// What is durable.
    pub fn get(&self) -> T {
        self.0
    }

    /// For recovery, after it has synced what it read.
    pub(crate) fn proven(what: T) -> Durable<T> {
        Durable(what)
    }
}

/// What a log batch will prove once the disk has done it. Not `Clone`: one batch, one proof.
#[must_use = "the batch's completion turns it into a proof"]
#[derive(PartialEq, Eq, Debug)]
pub struct Pending {
    last: Zxid,
}

impl Pending {
    pub(crate) fn new(last: Zxid) -> Pending {
        Pending { last }
    }

    /// The last zxid of the batch, which is not durable yet.
    pub fn last(&self) -> Zxid {
        self.last
    }

    /// Everything up to the batch's last zxid is durable, if the disk says so.
    ///
    /// # Errors
    /// The disk's own error: nothing is proven, and the log must not be used any further, because a failed sync may
    /// have dropped the pages that a later sync would claim to have written.
    pub fn completed(self, result: Result<(), DiskError>) -> Result<Durable<Zxid>, DiskError> {
        result.map(|()| Durable(self.last))
    }
}
