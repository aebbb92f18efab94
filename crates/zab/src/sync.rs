//! How a learner is brought up to date: DIFF, TRUNC or SNAP (reference: quorum-protocol §5.4).

use crate::report::SyncMode;
use std::fmt;
use wire::Zxid;

/// What the leader knows of its own history at the moment of the choice.
#[derive(Clone, Copy, Debug)]
pub struct HistoryView<'a> {
    /// The last transaction committed, or the epoch's start.
    pub last_processed: Zxid,
    /// The committed transactions kept in memory, in rising order.
    pub committed: &'a [Zxid],
    /// What stands around the learner's zxid in the log on disk. `None`: nobody has looked yet, or the log does not
    /// reach back or is too long to be worth it.
    pub logged: Option<LogView>,
    /// `zookeeper.forceSnapshotSync`
    pub force_snapshot: bool,
}

/// The log on disk around a zxid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogView {
    /// The last transaction at or before it.
    pub at_or_before: Zxid,
    /// The first one behind it.
    pub next: Option<Zxid>,
}

/// What the learner gets before NEWLEADER. Behind DIFF and TRUNC follow all transactions above one zxid, each with its
/// commit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SyncPlan {
    /// DIFF with this zxid.
    Diff {
        /// The packet's zxid: informative.
        upto: Zxid,
        /// What the learner has.
        after: Zxid,
    },
    /// TRUNC to this zxid.
    Trunc {
        /// The last zxid the learner keeps: one that it certainly has.
        keep: Zxid,
    },
    /// The whole tree.
    Snap,
}

impl SyncPlan {
    pub(crate) fn mode(&self) -> SyncMode {
        match self {
            SyncPlan::Diff { .. } => SyncMode::Diff,
            SyncPlan::Trunc { .. } => SyncMode::Trunc,
            SyncPlan::Snap => SyncMode::Snap,
        }
    }
}

impl fmt::Display for SyncPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SyncPlan::Diff { upto, .. } => write!(f, "Sending DIFF zxid={upto}"),
            SyncPlan::Trunc { keep } => write!(f, "Sending TRUNC zxid={keep}"),
            SyncPlan::Snap => f.write_str("Sending snapshot"),
        }
    }
}

/// Would the log on disk help a learner whose last zxid is `learner`? Only then it is worth reading.
pub fn needs_log(learner: Zxid, history: &HistoryView<'_>) -> bool {
    let (min, _) = range(history);
    !history.force_snapshot && learner != history.last_processed && learner < min
}

/// Chooses for a learner whose last zxid is `learner`. The first matching row of the reference's table wins.
pub fn choose_sync(learner: Zxid, history: &HistoryView<'_>) -> SyncPlan {
    let (min, max) = range(history);
    let at_epoch_start = learner.counter() == 0;
    if history.force_snapshot || learner < Zxid::ZERO {
        SyncPlan::Snap
    } else if learner == history.last_processed {
        SyncPlan::Diff { upto: learner, after: learner }
    } else if learner > max && !at_epoch_start {
        SyncPlan::Trunc { keep: max }
    } else if min <= learner && learner <= max {
        let next = history.committed.partition_point(|zxid| *zxid <= learner);
        let before = history.committed[..next].last().copied();
        meet(learner, before, history.committed.get(next).copied(), max)
    } else if learner < min
        && let Some(logged) = history.logged
    {
        meet(learner, Some(logged.at_or_before), logged.next.or(Some(min)), max)
    } else {
        SyncPlan::Snap
    }
}

fn range(history: &HistoryView<'_>) -> (Zxid, Zxid) {
    match history.committed {
        [] => (history.last_processed, history.last_processed),
        [first, .., last] => (*first, *last),
        [only] => (*only, *only),
    }
}

/// Where the learner's last zxid meets the history: `before` is the last one at or before it, `next` the first one behind it.
fn meet(learner: Zxid, before: Option<Zxid>, next: Option<Zxid>, max: Zxid) -> SyncPlan {
    let at_epoch_start = learner.counter() == 0;
    if before == Some(learner) || at_epoch_start {
        return SyncPlan::Diff { upto: max, after: learner };
    }
    // The learner has a transaction that this history lacks: cut back to the last common one, but only inside the epoch;
    // across epochs nobody knows what is common.
    match (before, next) {
        (Some(before), Some(next)) if next.epoch() == learner.epoch() => SyncPlan::Trunc { keep: before },
        _ => SyncPlan::Snap,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn z(epoch: u32, counter: u32) -> Zxid {
        Zxid::from_parts(epoch, counter)
    }

    /// The log on disk is given as a list; a log that does not reach back gives no view.
    fn choose(learner: Zxid, last: Zxid, logged: &[Zxid], committed: &[Zxid]) -> SyncPlan {
        let next = logged.iter().copied().find(|zxid| *zxid > learner);
        let before = logged.iter().copied().rfind(|zxid| *zxid <= learner);
        let logged = before.map(|at_or_before| LogView { at_or_before, next });
        let view = HistoryView { last_processed: last, committed, logged, force_snapshot: false };
        choose_sync(learner, &view)
    }

    fn diff(upto: Zxid, after: Zxid) -> SyncPlan {
        SyncPlan::Diff { upto, after }
    }

    fn epoch_5_and_6() -> Vec<Zxid> {
        vec![z(5, 18), z(5, 19), z(6, 1), z(6, 2), z(6, 3)]
    }

    #[test]
    fn a_learner_at_the_leaders_zxid_needs_nothing() {
        let plan = diff(z(6, 3), z(6, 3));
        assert_eq!(choose(z(6, 3), z(6, 3), &[], &epoch_5_and_6()), plan);
        let fresh = diff(Zxid(0), Zxid(0));
        assert_eq!(choose(Zxid(0), Zxid(0), &[], &[]), fresh);
    }

    #[test]
    fn a_learner_a_little_behind_gets_what_it_misses() {
        let plan = diff(z(6, 3), z(6, 1));
        assert_eq!(choose(z(6, 1), z(6, 3), &[], &epoch_5_and_6()), plan);
    }

    #[test]
    fn a_learner_ahead_of_everything_is_cut_back_whatever_its_epoch() {
        let plan = SyncPlan::Trunc { keep: z(2, 2) };
        assert_eq!(choose(z(9, 1), z(2, 2), &[], &[z(2, 1), z(2, 2)]), plan);
    }

    #[test]
    fn a_tail_that_nobody_else_has_is_cut_inside_its_epoch() {
        let history = [z(5, 18), z(5, 19), z(5, 23)];
        let plan = SyncPlan::Trunc { keep: z(5, 19) };
        assert_eq!(choose(z(5, 21), z(5, 23), &[], &history), plan);
    }

    #[test]
    fn a_tail_of_an_older_epoch_costs_a_snapshot() {
        assert_eq!(choose(z(5, 21), z(6, 3), &[], &epoch_5_and_6()), SyncPlan::Snap);
    }

    #[test]
    fn an_epoch_start_is_no_transaction_and_needs_no_match() {
        let plan = diff(z(6, 3), z(6, 0));
        assert_eq!(choose(z(6, 0), z(6, 3), &[], &epoch_5_and_6()), plan);
    }

    #[test]
    fn the_log_on_disk_serves_a_learner_further_behind() {
        let logged = [z(5, 10), z(5, 11), z(5, 12), z(5, 13)];
        let memory = [z(5, 13), z(5, 14)];
        let plan = diff(z(5, 14), z(5, 11));
        assert_eq!(choose(z(5, 11), z(5, 14), &logged, &memory), plan);
    }

    #[test]
    fn a_log_that_does_not_reach_back_is_not_used() {
        let memory = [z(5, 13), z(5, 14)];
        assert_eq!(choose(z(5, 9), z(5, 14), &[z(5, 10), z(5, 13)], &memory), SyncPlan::Snap);
        assert_eq!(choose(z(5, 9), z(5, 14), &[], &memory), SyncPlan::Snap);
        assert_eq!(choose(Zxid(0), z(5, 14), &[z(5, 1)], &memory), SyncPlan::Snap, "a fresh server");
    }

    #[test]
    fn a_tail_that_the_log_on_disk_lacks_is_cut_inside_its_epoch() {
        let memory = [z(6, 3)];
        let logged = [z(5, 8), z(5, 11), z(6, 1)];
        assert_eq!(choose(z(5, 9), z(6, 3), &logged, &memory), SyncPlan::Trunc { keep: z(5, 8) });
        assert_eq!(choose(z(5, 12), z(6, 3), &logged, &memory), SyncPlan::Snap);
    }

    #[test]
    fn the_log_is_read_only_for_learners_below_memory() {
        let memory = [z(5, 13), z(5, 14)];
        let view = |force_snapshot| HistoryView {
            last_processed: z(5, 14),
            committed: &memory,
            logged: None,
            force_snapshot,
        };
        assert!(needs_log(z(5, 12), &view(false)));
        assert!(!needs_log(z(5, 12), &view(true)) && !needs_log(z(5, 13), &view(false)));
        assert_eq!(choose_sync(Zxid(-1), &view(false)), SyncPlan::Snap, "it does not trust itself");
    }

    /// Whatever the two histories are, a learner that follows the plan ends with the leader's. Histories are as Zab makes
    /// them: without gaps inside an epoch; what a learner has more was never committed.
    #[test]
    fn every_plan_leads_to_the_leaders_history() {
        let leader = [z(1, 1), z(1, 2), z(1, 3), z(2, 1), z(2, 2), z(4, 1), z(4, 2)];
        let tails = [
            (0..=7, vec![]),
            (3..=3, vec![z(1, 4)]),
            (3..=3, vec![z(1, 4), z(1, 5)]),
            (5..=5, vec![z(2, 3)]),
            (0..=5, vec![z(3, 1), z(3, 2)]),
            (0..=7, vec![z(9, 1)]),
        ];
        let mut cuts = 0;
        for (commons, tail) in tails {
            for common in commons {
                let learner = [leader[..common].to_vec(), tail.clone()].concat();
                let Some(last) = learner.last().copied() else { continue };
                for kept in 0..leader.len() {
                    let behind = |after: Zxid| leader.iter().copied().filter(move |x| *x > after);
                    let end: Vec<_> = match choose(last, leader[leader.len() - 1], &[], &leader[kept..]) {
                        SyncPlan::Snap => continue,
                        SyncPlan::Diff { after, .. } => {
                            learner.iter().copied().chain(behind(after)).collect()
                        }
                        SyncPlan::Trunc { keep } => {
                            cuts += 1;
                            // Below the kept history nothing is known: the learner says so and asks for a snapshot.
                            if !learner.contains(&keep) {
                                continue;
                            }
                            let kept = learner.iter().copied().filter(|x| *x <= keep);
                            kept.chain(behind(keep)).collect()
                        }
                    };
                    assert_eq!(end, leader, "learner {learner:?}, leader keeps from {kept}");
                }
            }
        }
        assert!(cuts > 0);
    }
}
