//! A disk that does what it was told in order, and at a power cut keeps a part of what it had not reported yet.

use std::collections::VecDeque;
use wire::Zxid;
use zab::{DiskAction, DiskOutcome, DiskPlan, DiskState, Epoch, LogSlice, Txn};

#[derive(Default)]
pub struct Disk {
    pub accepted: Epoch,
    pub current: Epoch,
    /// Everything this server has, from the first transaction on.
    pub history: Vec<Txn>,
    /// What stands before is in a snapshot, not in the log.
    pub log_from: usize,
    /// Asked for and not reported.
    pub pending: VecDeque<DiskPlan>,
    installing: Option<(Zxid, Vec<u8>)>,
}

impl Disk {
    pub fn last(&self) -> Zxid {
        self.history.last().map_or(Zxid::ZERO, |txn| txn.zxid)
    }

    pub fn holds(&self, txn: &Txn) -> bool {
        let at = self.history.partition_point(|other| other.zxid < txn.zxid);
        self.history.get(at) == Some(txn)
    }

    pub fn state(&self, recent_max: usize) -> DiskState {
        let from = self.log_from.max(self.history.len().saturating_sub(recent_max));
        DiskState {
            last_zxid: self.last(),
            accepted_epoch: self.accepted,
            current_epoch: self.current,
            recent: self.history[from..].to_vec(),
        }
    }

    pub fn slice(&self, after: Zxid, max: usize) -> LogSlice {
        let log = &self.history[self.log_from..];
        let next = log.partition_point(|txn| txn.zxid <= after);
        let at_or_before = log[..next].last().map(|txn| txn.zxid);
        // A log that begins right behind a snapshot still goes on from there.
        let base = self.log_from.checked_sub(1).map(|at| self.history[at].zxid).filter(|base| *base == after);
        LogSlice {
            at_or_before: at_or_before.or(base),
            txns: log[next..].iter().take(max).cloned().collect(),
        }
    }

    /// Does one thing. Everything is checked here that must hold of files (Z5, Z6).
    pub fn execute(&mut self, action: DiskAction) -> DiskOutcome {
        match action {
            DiskAction::AcceptedEpoch(epoch) => {
                assert!(epoch > self.accepted, "acceptedEpoch goes from {} to {epoch}", self.accepted);
                self.accepted = epoch;
            }
            DiskAction::CurrentEpoch(epoch) => {
                assert!(epoch >= self.current, "currentEpoch goes from {} to {epoch}", self.current);
                assert!(
                    epoch <= self.accepted,
                    "currentEpoch {epoch} is above acceptedEpoch {}",
                    self.accepted
                );
                self.current = epoch;
            }
            DiskAction::Append(txns) => txns.into_iter().for_each(|txn| self.append(txn)),
            DiskAction::Truncate { keep } => {
                self.history.retain(|txn| txn.zxid <= keep);
                self.log_from = self.log_from.min(self.history.len());
                return DiskOutcome::Truncated { last: self.last() };
            }
            DiskAction::InstallBegin { zxid } => self.installing = Some((zxid, Vec::new())),
            DiskAction::InstallData(bytes) => {
                self.installing.as_mut().expect("a snapshot was begun").1.extend(bytes);
            }
            DiskAction::InstallEnd => {
                let (zxid, bytes) = self.installing.take().expect("a snapshot was begun");
                self.history = super::tree::decode(&bytes);
                self.log_from = self.history.len();
                assert_eq!(self.last(), zxid, "the snapshot is of the zxid it was sent with");
            }
            DiskAction::Reload => self.installing = None,
        }
        DiskOutcome::Done
    }

    /// The power fails: of what was not reported, the first `kept` plans may have been carried out, and a part of the
    /// one behind them if it is an append.
    pub fn power_cut(&mut self, kept: usize, part: usize) {
        for _ in 0..kept {
            let Some(plan) = self.pending.pop_front() else { break };
            self.execute(plan.action);
        }
        if let Some(DiskPlan { action: DiskAction::Append(txns), .. }) = self.pending.front() {
            for txn in txns.clone().into_iter().take(part) {
                self.append(txn);
            }
        }
        self.pending.clear();
        self.installing = None;
    }

    fn append(&mut self, txn: Txn) {
        let (last, zxid) = (self.last(), txn.zxid);
        let next = zxid.epoch() == last.epoch() && zxid.counter() == last.counter() + 1;
        let first = zxid.epoch() > last.epoch() && zxid.counter() == 1;
        assert!(next || first, "the log has {zxid} behind {last}");
        self.history.push(txn);
    }
}
