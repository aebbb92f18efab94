//! Z6: `acceptedEpoch` is never below `currentEpoch`, neither ever goes back, and a server that serves has the epoch of what it holds.
//!
//! Source: simulation §2.8; quorum-protocol §1.3; ZOOKEEPER-2307, 4269 and 1653.

use super::Violation;
use super::durable::Durable;

/// The highest epochs that the files of a server have ever held for good.
#[derive(Clone, Copy, Default)]
pub(super) struct EpochFiles {
    accepted: u32,
    current: u32,
}

impl EpochFiles {
    /// Something has changed on the disk.
    pub(super) fn check(&mut self, server: usize, durable: &Durable) -> Result<(), Violation> {
        let accepted = durable.accepted_epoch.unwrap_or(0);
        let current = durable.current_epoch.unwrap_or(0);
        if accepted < self.accepted || current < self.current || accepted < current {
            let EpochFiles { accepted: before_accepted, current: before_current } = *self;
            let text = format!(
                "s{}: acceptedEpoch {before_accepted} and currentEpoch {before_current} have become {accepted} and {current}",
                server + 1
            );
            return Err(Violation::new("Z6", text));
        }
        *self = EpochFiles { accepted, current };
        Ok(())
    }

    /// The server serves.
    pub(super) fn serves(&self, server: usize, durable: &Durable) -> Result<(), Violation> {
        let (last, current) = (durable.last(), self.current);
        if last.epoch() <= current {
            return Ok(());
        }
        let text = format!("s{} serves with {last} on its disk and currentEpoch {current}", server + 1);
        Err(Violation::new("Z6", text))
    }
}
