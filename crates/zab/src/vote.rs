//! Votes and their order (reference: quorum-protocol §3.3).

use crate::{QuorumRule, ServerId};
use wire::Zxid;

/// Where a server stands, read from its disk at the moment it starts to look for a leader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    /// The newest transaction in its log or snapshot; -1 for an empty server that may not be trusted.
    pub last_zxid: Zxid,
    /// The epoch of the last leader whose history it holds.
    pub current_epoch: i64,
}

/// Who should lead, and why.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Vote {
    /// Whom.
    pub leader: ServerId,
    /// That server's last zxid.
    pub zxid: Zxid,
    /// That server's current epoch.
    pub peer_epoch: i64,
}

impl Vote {
    /// The vote of a server that may not vote: it loses against every other.
    pub const NOBODY: Vote = Vote { leader: ServerId::NOBODY, zxid: Zxid(i64::MIN), peer_epoch: i64::MIN };

    /// What decides between two votes: the epoch, then the zxid, then the id.
    fn rank(&self) -> (i64, Zxid, ServerId) {
        (self.peer_epoch, self.zxid, self.leader)
    }

    /// Is this vote to be preferred? A candidate without weight never is.
    pub fn is_better_than(&self, other: &Vote, rule: &QuorumRule) -> bool {
        rule.weight(self.leader) != 0 && self.rank() > other.rank()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn votes() -> Vec<Vote> {
        let mut out = Vec::new();
        for epoch in [0, 1, 2] {
            for zxid in [Zxid(-1), Zxid(0), Zxid::from_parts(1, 5), Zxid::from_parts(2, 1)] {
                for id in 1..=3 {
                    out.push(Vote { leader: ServerId(id), zxid, peer_epoch: epoch });
                }
            }
        }
        out
    }

    /// Without a total order two servers could prefer each other's votes for ever.
    #[test]
    fn votes_are_totally_ordered() {
        let rule = QuorumRule::Majority { voters: (1..=3).map(ServerId).collect() };
        let all = votes();
        for a in &all {
            for b in &all {
                let (ab, ba) = (a.is_better_than(b, &rule), b.is_better_than(a, &rule));
                assert!(!(ab && ba), "{a:?} and {b:?} beat each other");
                assert!(ab || ba || a == b, "{a:?} and {b:?} are neither equal nor ordered");
                for c in &all {
                    assert!(
                        !(ab && b.is_better_than(c, &rule)) || a.is_better_than(c, &rule),
                        "{a:?} {b:?} {c:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_epoch_goes_before_the_zxid_and_the_zxid_before_the_id() {
        let rule = QuorumRule::Majority { voters: (1..=3).map(ServerId).collect() };
        let vote = |id, zxid, epoch| Vote { leader: ServerId(id), zxid: Zxid(zxid), peer_epoch: epoch };
        assert!(vote(1, 0, 2).is_better_than(&vote(3, 9, 1), &rule));
        assert!(vote(1, 9, 1).is_better_than(&vote(3, 8, 1), &rule));
        assert!(vote(3, 9, 1).is_better_than(&vote(1, 9, 1), &rule));
        assert!(!vote(7, 9, 9).is_better_than(&vote(1, 0, 0), &rule), "a stranger weighs nothing");
        assert!(vote(1, -1, 0).is_better_than(&Vote::NOBODY, &rule));
    }
}
