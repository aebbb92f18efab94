//! Who can lose everything without any promise being broken: an observer, and a voter whose every promise all other voters
//! have kept as well. Then whatever quorum comes together later has one in it that knows.

use super::Checks;
use crate::ensemble::server::Server;

/// With fewer voters a quorum needs each of them.
const VOTERS_MIN: usize = 3;

impl Checks {
    /// Can the others spare a server's disk at this moment?
    pub(in crate::ensemble) fn is_spare(&mut self, server: usize, servers: &[Server]) -> bool {
        if server >= self.voters {
            return true;
        }
        let is_known = (0..self.voters).all(|voter| self.look_at(voter, servers).is_ok());
        let mut others = (0..self.voters).filter(|voter| *voter != server);
        self.voters >= VOTERS_MIN && is_known && others.all(|other| self.knows_as_much(other, server))
    }

    /// Does one disk hold everything that another one holds: transactions, epochs, and all that is committed?
    fn knows_as_much(&self, one: usize, other: usize) -> bool {
        let (one, other) = (&self.disks[one], &self.disks[other]);
        let has_logs = other.log.iter().all(|(zxid, payload)| one.holds(*zxid, payload));
        let has_committed =
            self.sequence.behind(one.snapshot).all(|(zxid, payload)| one.holds(zxid, payload));
        // A snapshot may hold more than anybody has committed.
        let snapshot_is_committed = other.snapshot.is_none_or(|snapshot| snapshot <= self.sequence.last());
        let has_epochs =
            one.accepted_epoch >= other.accepted_epoch && one.current_epoch >= other.current_epoch;
        has_logs && has_committed && snapshot_is_committed && has_epochs
    }
}
