//! How a learner is brought up to date: DIFF, TRUNC or SNAP (reference: quorum-protocol §5.4).

use wire::Zxid;

/// What the leader knows of its own history at the moment of the choice.
#[derive(Clone, Copy, Debug)]
pub struct HistoryView<'a> {
    /// The last transaction applied, or the epoch's start.
    pub last_processed: Zxid,
    /// The committed transactions kept in memory, in rising order.
    pub committed: &'a [Zxid],
    /// Transactions of the log on disk from the one at or before the learner's zxid up to the memory's first, in
    /// rising order; empty if the log does not reach back or is too long to be worth it.
    pub logged: &'a [Zxid],
    /// `zookeeper.forceSnapshotSync`
    pub force_snapshot: bool,
}

/// What the learner gets before NEWLEADER.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SyncPlan {
    /// DIFF with this zxid, then these transactions, each with its commit.
    Diff {
        /// The packet's zxid: informative.
        upto: Zxid,
        /// What follows.
        txns: Vec<Zxid>,
    },
    /// TRUNC to this zxid, then these transactions, each with its commit.
    Trunc {
        /// The last zxid the learner keeps: one that it certainly has.
        keep: Zxid,
        /// What follows.
        txns: Vec<Zxid>,
    },
    /// The whole tree.
    Snap,
}

/// Chooses for a learner whose last zxid is `learner`. The first matching row of the reference's table wins.
pub fn choose_sync(learner: Zxid, history: &HistoryView<'_>) -> SyncPlan {
    let last = history.last_processed;
    let (min, max) = match history.committed {
        [] => (last, last),
        [first, ..] => (*first, history.committed[history.committed.len() - 1]),
    };
    let at_epoch_start = learner.counter() == 0;
    if history.force_snapshot {
        SyncPlan::Snap
    } else if learner == last {
        SyncPlan::Diff { upto: learner, txns: vec![] }
    } else if learner > max && !at_epoch_start {
        SyncPlan::Trunc { keep: max, txns: vec![] }
    } else if min <= learner && learner <= max {
        walk(learner, max, history.committed.iter())
    } else if learner < min && reaches(history.logged, learner, min) {
        let logged = history.logged.iter().filter(|zxid| **zxid < min);
        walk(learner, max, logged.chain(history.committed))
    } else {
        SyncPlan::Snap
    }
}

/// Does the log begin at or before the learner's zxid and end where the memory begins? Anything else would leave a hole.
fn reaches(logged: &[Zxid], learner: Zxid, min: Zxid) -> bool {
    let starts = logged.first().is_some_and(|first| *first <= learner);
    starts && logged.last().is_some_and(|last| *last >= min)
}

/// Goes through the history from before the learner's zxid to `max`.
fn walk<'a>(learner: Zxid, max: Zxid, entries: impl Iterator<Item = &'a Zxid>) -> SyncPlan {
    let at_epoch_start = learner.counter() == 0;
    let mut before = None;
    let mut found = false;
    let mut txns = Vec::new();
    let mut keep = None;
    for entry in entries.copied().filter(|zxid| *zxid <= max) {
        if entry < learner {
            before = Some(entry);
        } else if entry == learner {
            found = true;
        } else {
            if txns.is_empty() && !found && !at_epoch_start {
                // The learner has a transaction that this history lacks: cut back to the last common one, but only
                // inside the epoch; across epochs nobody knows what is common.
                match before {
                    Some(before) if entry.epoch() == learner.epoch() => keep = Some(before),
                    _ => return SyncPlan::Snap,
                }
            }
            if txns.last().is_none_or(|last| *last < entry) {
                txns.push(entry);
            }
        }
    }
    match keep {
        Some(keep) => SyncPlan::Trunc { keep, txns },
        None if found || at_epoch_start => SyncPlan::Diff { upto: max, txns },
        None => SyncPlan::Snap,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn z(epoch: u32, counter: u32) -> Zxid {
        Zxid::from_parts(epoch, counter)
    }

    fn choose(learner: Zxid, last: Zxid, logged: &[Zxid], committed: &[Zxid]) -> SyncPlan {
        let view = HistoryView { last_processed: last, committed, logged, force_snapshot: false };
        choose_sync(learner, &view)
    }

    fn epoch_5_and_6() -> Vec<Zxid> {
        vec![z(5, 18), z(5, 19), z(6, 1), z(6, 2), z(6, 3)]
    }

    #[test]
    fn a_learner_at_the_leaders_zxid_needs_nothing() {
        let plan = SyncPlan::Diff { upto: z(6, 3), txns: vec![] };
        assert_eq!(choose(z(6, 3), z(6, 3), &[], &epoch_5_and_6()), plan);
        let fresh = SyncPlan::Diff { upto: Zxid(0), txns: vec![] };
        assert_eq!(choose(Zxid(0), Zxid(0), &[], &[]), fresh);
    }

    #[test]
    fn a_learner_a_little_behind_gets_what_it_misses() {
        let plan = SyncPlan::Diff { upto: z(6, 3), txns: vec![z(6, 2), z(6, 3)] };
        assert_eq!(choose(z(6, 1), z(6, 3), &[], &epoch_5_and_6()), plan);
    }

    #[test]
    fn a_learner_ahead_of_everything_is_cut_back_whatever_its_epoch() {
        let plan = SyncPlan::Trunc { keep: z(2, 2), txns: vec![] };
        assert_eq!(choose(z(9, 1), z(2, 2), &[], &[z(2, 1), z(2, 2)]), plan);
    }

    #[test]
    fn a_tail_that_nobody_else_has_is_cut_inside_its_epoch() {
        let history = [z(5, 18), z(5, 19), z(5, 23)];
        let plan = SyncPlan::Trunc { keep: z(5, 19), txns: vec![z(5, 23)] };
        assert_eq!(choose(z(5, 21), z(5, 23), &[], &history), plan);
    }

    #[test]
    fn a_tail_of_an_older_epoch_costs_a_snapshot() {
        assert_eq!(choose(z(5, 21), z(6, 3), &[], &epoch_5_and_6()), SyncPlan::Snap);
    }

    #[test]
    fn an_epoch_start_is_no_transaction_and_needs_no_match() {
        let plan = SyncPlan::Diff { upto: z(6, 3), txns: vec![z(6, 1), z(6, 2), z(6, 3)] };
        assert_eq!(choose(z(6, 0), z(6, 3), &[], &epoch_5_and_6()), plan);
    }

    #[test]
    fn the_log_on_disk_serves_a_learner_further_behind() {
        let logged = [z(5, 10), z(5, 11), z(5, 12), z(5, 13)];
        let memory = [z(5, 13), z(5, 14)];
        let plan = SyncPlan::Diff { upto: z(5, 14), txns: vec![z(5, 12), z(5, 13), z(5, 14)] };
        assert_eq!(choose(z(5, 11), z(5, 14), &logged, &memory), plan);
    }

    #[test]
    fn a_log_that_leaves_a_hole_is_not_used() {
        let memory = [z(5, 13), z(5, 14)];
        assert_eq!(
            choose(z(5, 9), z(5, 14), &[z(5, 10), z(5, 13)], &memory),
            SyncPlan::Snap,
            "starts too late"
        );
        assert_eq!(choose(z(5, 9), z(5, 14), &[z(5, 8), z(5, 9)], &memory), SyncPlan::Snap, "ends too early");
        assert_eq!(choose(z(5, 9), z(5, 14), &[], &memory), SyncPlan::Snap);
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
                    let end = match choose(last, leader[leader.len() - 1], &[], &leader[kept..]) {
                        SyncPlan::Snap => continue,
                        SyncPlan::Diff { txns, .. } => [learner.clone(), txns].concat(),
                        SyncPlan::Trunc { keep, txns } => {
                            cuts += 1;
                            // Below the kept history nothing is known: the learner says so and asks for a snapshot.
                            if !learner.contains(&keep) {
                                continue;
                            }
                            [learner.iter().copied().filter(|x| *x <= keep).collect(), txns].concat()
                        }
                    };
                    assert_eq!(end, leader, "learner {learner:?}, leader keeps from {kept}");
                }
            }
        }
        assert!(cuts > 0);
    }
}
