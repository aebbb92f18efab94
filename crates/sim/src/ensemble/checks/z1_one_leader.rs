//! Z1: at most one server is established as the leader of an epoch.
//!
//! Source: simulation §2.8; the Zab paper (Junqueira, Reed, Serafini, DSN 2011), "there is at most one established leader per epoch".

use super::Violation;
use std::collections::BTreeMap;

/// Who leads which epoch.
#[derive(Default)]
pub(super) struct OneLeader {
    of_epoch: BTreeMap<u32, usize>,
}

impl OneLeader {
    /// A server tells others, or shows its clients, that an epoch is established under it.
    pub(super) fn established(&mut self, epoch: u32, server: usize) -> Result<(), Violation> {
        match self.of_epoch.insert(epoch, server) {
            Some(other) if other != server => Err(Violation::new(
                "Z1",
                format!("epoch {epoch} has two leaders: s{} and s{}", other + 1, server + 1),
            )),
            _ => Ok(()),
        }
    }

    /// Is this known already?
    pub(super) fn leads(&self, epoch: u32, server: usize) -> bool {
        self.of_epoch.get(&epoch) == Some(&server)
    }

    pub(super) fn count(&self) -> usize {
        self.of_epoch.len()
    }

    /// The last epoch that was ever established.
    pub(super) fn last_epoch(&self) -> u32 {
        self.of_epoch.last_key_value().map_or(0, |(epoch, _)| *epoch)
    }
}
