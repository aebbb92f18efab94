//! What a leader keeps in memory of its history: the last committed transactions, and those that are not committed yet.

use crate::epoch::follows;
use crate::{Epoch, Txn};
use std::collections::VecDeque;
use wire::Zxid;

/// How much of the committed history stays in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WindowLimits {
    /// `zookeeper.commitLogCount`: never fewer transactions than this.
    pub count_min: usize,
    /// More of them as long as they have no more bytes than this.
    pub bytes: usize,
}

#[derive(Debug)]
pub(crate) struct History {
    limits: WindowLimits,
    committed: VecDeque<Txn>,
    committed_bytes: usize,
    /// The zxid right before the first committed one, where it is known.
    floor: Option<Zxid>,
    /// The last committed one, or the start of the epoch.
    last_processed: Zxid,
    outstanding: VecDeque<Txn>,
}

/// What stands behind a zxid.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<'a> {
    /// A committed transaction.
    Committed(&'a Txn),
    /// One that is proposed and not committed.
    Outstanding(&'a Txn),
    /// Nothing.
    End,
    /// Only the log knows.
    OnDisk,
}

impl History {
    /// What recovery found. The transactions are the leader's own history: they count as committed as soon as it is
    /// established, and learners get all of them before. What stands before a hole is not believed.
    pub(crate) fn new(mut recent: Vec<Txn>, last: Zxid, limits: WindowLimits) -> History {
        assert!(recent.last().is_none_or(|txn| txn.zxid == last), "the recent transactions end at {last}");
        let hole = recent.windows(2).rposition(|pair| !follows(pair[0].zxid, pair[1].zxid));
        recent.drain(..hole.map_or(0, |at| at + 1));
        let floor = recent.is_empty().then_some(last);
        let committed_bytes = recent.iter().map(|txn| txn.bytes.len()).sum();
        History {
            limits,
            committed: recent.into(),
            committed_bytes,
            floor,
            last_processed: last,
            outstanding: VecDeque::new(),
        }
    }

    /// A new epoch is established.
    pub(crate) fn start_epoch(&mut self, epoch: Epoch) {
        self.last_processed = epoch.start();
    }

    pub(crate) fn last_processed(&self) -> Zxid {
        self.last_processed
    }

    /// The last transaction proposed.
    pub(crate) fn last_proposed(&self) -> Zxid {
        self.outstanding.back().map_or(self.last_processed, |txn| txn.zxid)
    }

    pub(crate) fn propose(&mut self, txn: Txn) {
        self.outstanding.push_back(txn);
    }

    pub(crate) fn oldest_outstanding(&self) -> Option<Zxid> {
        self.outstanding.front().map(|txn| txn.zxid)
    }

    /// One that is not committed yet.
    pub(crate) fn outstanding(&self, zxid: Zxid) -> Option<&Txn> {
        let at = self.outstanding.partition_point(|txn| txn.zxid < zxid);
        self.outstanding.get(at).filter(|txn| txn.zxid == zxid)
    }

    /// Commits the oldest outstanding one.
    pub(crate) fn commit_oldest(&mut self) -> Zxid {
        let txn = self.outstanding.pop_front().expect("something is outstanding");
        let zxid = txn.zxid;
        self.last_processed = zxid;
        self.committed_bytes += txn.bytes.len();
        self.committed.push_back(txn);
        zxid
    }

    /// Takes in a transaction that somebody else has committed.
    pub(crate) fn take_committed(&mut self, txn: Txn) {
        self.propose(txn);
        self.commit_oldest();
    }

    /// Forgets the oldest committed ones beyond the limits, but none above `keep`: those may be nowhere else.
    pub(crate) fn trim(&mut self, keep: Zxid) {
        while self.committed.len() > self.limits.count_min
            && self.committed_bytes > self.limits.bytes
            && self.committed[0].zxid <= keep
        {
            let txn = self.committed.pop_front().expect("it is there");
            self.committed_bytes -= txn.bytes.len();
            self.floor = Some(txn.zxid);
        }
    }

    /// The zxids in memory, for the choice of a synchronisation.
    pub(crate) fn committed_zxids(&self) -> Vec<Zxid> {
        self.committed.iter().map(|txn| txn.zxid).collect()
    }

    pub(crate) fn next(&self, after: Zxid) -> Next<'_> {
        if !self.reaches(after) {
            return Next::OnDisk;
        }
        let find = |txns: &VecDeque<Txn>| txns.partition_point(|txn| txn.zxid <= after);
        match (self.committed.get(find(&self.committed)), self.outstanding.get(find(&self.outstanding))) {
            (Some(txn), _) => Next::Committed(txn),
            (None, Some(txn)) => Next::Outstanding(txn),
            (None, None) => Next::End,
        }
    }

    /// Does memory hold everything behind the zxid?
    fn reaches(&self, after: Zxid) -> bool {
        let Some(first) = self.committed.front() else {
            return after >= self.last_processed || Some(after) == self.floor;
        };
        let right_before = first.zxid.epoch() == after.epoch() && follows(after, first.zxid);
        first.zxid <= after || Some(after) == self.floor || right_before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn z(epoch: u32, counter: u32) -> Zxid {
        Zxid::from_parts(epoch, counter)
    }

    fn txn(zxid: Zxid) -> Txn {
        Txn { zxid, bytes: vec![0; 10].into() }
    }

    fn history(recent: &[Zxid], last: Zxid) -> History {
        let limits = WindowLimits { count_min: 2, bytes: 30 };
        History::new(recent.iter().map(|zxid| txn(*zxid)).collect(), last, limits)
    }

    #[test]
    fn what_follows_a_zxid_is_in_memory_or_on_disk_but_never_guessed() {
        let history = history(&[z(1, 3), z(2, 1)], z(2, 1));
        assert_eq!(history.next(z(1, 2)), Next::Committed(&txn(z(1, 3))));
        assert_eq!(history.next(z(1, 1)), Next::OnDisk);
        assert_eq!(history.next(z(0, 9)), Next::OnDisk, "there may be a (1,1)");
        assert_eq!(history.next(z(1, 3)), Next::Committed(&txn(z(2, 1))));
        assert_eq!(history.next(z(2, 1)), Next::End);
    }

    #[test]
    fn what_stands_before_a_hole_is_not_kept() {
        let history = history(&[z(1, 1), z(1, 3), z(2, 1)], z(2, 1));
        assert_eq!(history.committed_zxids(), [z(1, 3), z(2, 1)]);
        assert_eq!(history.next(z(1, 1)), Next::OnDisk);
    }

    #[test]
    fn an_empty_memory_knows_what_follows_the_last_one() {
        let mut history = history(&[], z(1, 9));
        assert_eq!(history.next(z(1, 9)), Next::End);
        assert_eq!(history.next(z(1, 8)), Next::OnDisk);
        history.start_epoch(Epoch(2));
        history.propose(txn(z(2, 1)));
        assert_eq!(history.next(z(1, 9)), Next::Outstanding(&txn(z(2, 1))));
        assert_eq!(history.commit_oldest(), z(2, 1));
        assert_eq!(history.next(z(1, 9)), Next::Committed(&txn(z(2, 1))));
        assert_eq!(history.next(z(1, 8)), Next::OnDisk);
    }

    #[test]
    fn memory_is_bounded_and_keeps_what_the_disk_does_not_have() {
        let mut history = history(&[], z(1, 0));
        for counter in 1..=6 {
            history.propose(txn(z(1, counter)));
            history.commit_oldest();
        }
        history.trim(z(1, 1));
        assert_eq!(history.committed_zxids().len(), 5);
        history.trim(z(1, 6));
        assert_eq!(history.committed_zxids(), [z(1, 4), z(1, 5), z(1, 6)]);
        assert_eq!(history.next(z(1, 3)), Next::Committed(&txn(z(1, 4))));
        assert_eq!(history.next(z(1, 2)), Next::OnDisk);
    }
}
