//! A role's own log: what was appended, what of it is durable, what is committed, and what the tree may see.
//!
//! A transaction is delivered when it is committed **and** on this server's own disk, in order: memory is never ahead of
//! the disk, so a server whose disk fails for a while has nothing to forget (ZOOKEEPER-4882).

use crate::epoch::follows;
use crate::io::{Event, Outputs};
use crate::promise::{DiskQueue, Durable, Pending};
use crate::{ServerId, Txn};
use std::collections::VecDeque;
use wire::Zxid;

#[derive(Debug)]
pub(crate) struct Journal {
    /// Appended and not delivered; the first `durable_entries` are durable.
    entries: VecDeque<Entry>,
    durable_entries: usize,
    /// Appended and not durable, oldest first.
    flying: VecDeque<Pending<Zxid>>,
    flying_bytes: usize,
    last: Zxid,
    durable: Durable<Zxid>,
    committed: Zxid,
    /// The last transaction delivered.
    delivered: Zxid,
    /// What was delivered lately, if somebody wants it.
    sink: Option<Vec<Txn>>,
    /// What was committed when the leader answered a sync whose time has not come.
    syncs: VecDeque<Zxid>,
}

#[derive(Debug)]
struct Entry {
    txn: Txn,
    activate: Option<ServerId>,
}

impl Journal {
    /// Goes on behind what is durable.
    pub(crate) fn new(durable: Durable<Zxid>) -> Journal {
        let last = durable.get();
        Journal {
            entries: VecDeque::new(),
            durable_entries: 0,
            flying: VecDeque::new(),
            flying_bytes: 0,
            last,
            durable,
            committed: last,
            delivered: last,
            sink: None,
            syncs: VecDeque::new(),
        }
    }

    /// The last transaction appended.
    pub(crate) fn last(&self) -> Zxid {
        self.last
    }

    pub(crate) fn durable(&self) -> Durable<Zxid> {
        self.durable
    }

    /// The last transaction appended, if it is durable.
    pub(crate) fn all_durable(&self) -> Option<Durable<Zxid>> {
        self.flying.is_empty().then_some(self.durable)
    }

    /// The last transaction delivered; [`Journal::take_delivered`] gives those that follow.
    pub(crate) fn begin_sink(&mut self) -> Zxid {
        self.sink = Some(Vec::new());
        self.delivered
    }

    /// What was delivered since the last time.
    pub(crate) fn take_delivered(&mut self) -> Vec<Txn> {
        self.sink.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Bytes on their way to the disk.
    pub(crate) fn flying_bytes(&self) -> usize {
        self.flying_bytes
    }

    /// Asks for a transaction to be logged.
    ///
    /// # Panics
    /// When it does not follow the last one: the caller must have looked.
    pub(crate) fn append(&mut self, txn: Txn, disk: &mut DiskQueue, out: &mut Outputs) {
        assert!(follows(self.last, txn.zxid), "{} does not follow {}", txn.zxid, self.last);
        self.last = txn.zxid;
        self.flying_bytes += txn.bytes.len();
        self.flying.push_back(disk.append(txn.clone(), out));
        self.entries.push_back(Entry { txn, activate: None });
    }

    /// Everything up to the zxid, which has been appended, is committed.
    pub(crate) fn commit(&mut self, zxid: Zxid, activate: Option<ServerId>, out: &mut Outputs) {
        assert!(zxid <= self.last && zxid >= self.committed, "commits come in order, behind their proposals");
        self.committed = zxid;
        if activate.is_some()
            && let Some(entry) = self.entries.iter_mut().find(|entry| entry.txn.zxid == zxid)
        {
            entry.activate = activate;
        }
        self.deliver(out);
    }

    /// Looks what the disk has done; true if more is durable than before.
    pub(crate) fn progress(&mut self, disk: &DiskQueue, out: &mut Outputs) -> bool {
        let before = self.durable;
        while let Some(pending) = self.flying.pop_front() {
            match disk.prove(pending) {
                Ok(durable) => {
                    self.durable = durable;
                    self.flying_bytes -= self.entries[self.durable_entries].txn.bytes.len();
                    self.durable_entries += 1;
                }
                Err(pending) => {
                    self.flying.push_front(pending);
                    break;
                }
            }
        }
        self.deliver(out);
        self.durable > before
    }

    /// The leader has answered a sync: it is done once everything committed so far is delivered.
    pub(crate) fn synced(&mut self, out: &mut Outputs) {
        self.syncs.push_back(self.committed);
        self.deliver(out);
    }

    fn deliver(&mut self, out: &mut Outputs) {
        loop {
            let next = self.entries.front().map(|entry| entry.txn.zxid);
            // A client's next write may wait for its sync: each takes its place in the order of the leader's words.
            while self.syncs.pop_front_if(|upto| next.is_none_or(|next| next > *upto)).is_some() {
                out.events.push(Event::Synced);
            }
            if self.durable_entries == 0 || next.is_none_or(|next| next > self.committed) {
                return;
            }
            let Entry { txn, activate } = self.entries.pop_front().expect("it is there");
            self.durable_entries -= 1;
            self.delivered = txn.zxid;
            self.sink.iter_mut().for_each(|sink| sink.push(txn.clone()));
            out.events.push(Event::Deliver { txn, activate });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At the start of epoch 1.
    fn empty() -> (DiskQueue, Outputs, Journal) {
        let empty = crate::DiskState {
            last_zxid: Zxid(0x1_0000_0000),
            accepted_epoch: crate::Epoch(1),
            current_epoch: crate::Epoch(1),
            recent: Vec::new(),
        };
        (DiskQueue::default(), Outputs::default(), Journal::new(Durable::recovered(&empty)))
    }

    fn txn(counter: u32) -> Txn {
        Txn { zxid: Zxid::from_parts(1, counter), bytes: vec![].into() }
    }

    /// A learner whose disk is slower than the others' must not answer a sync before it shows what came before it.
    #[test]
    fn a_sync_waits_for_what_was_committed_before_it() {
        let (mut disk, mut out, mut journal) = empty();
        journal.append(txn(1), &mut disk, &mut out);
        let first = out.disk[0].ticket;
        journal.commit(Zxid::from_parts(1, 1), None, &mut out);
        journal.synced(&mut out);
        assert_eq!(out.events, []);
        disk.completed(first);
        journal.progress(&disk, &mut out);
        assert_eq!(out.events, [Event::Deliver { txn: txn(1), activate: None }, Event::Synced]);
        out.events.clear();
        journal.synced(&mut out);
        assert_eq!(out.events, [Event::Synced], "nothing is left to wait for");
    }

    /// A client asks for a sync and then for a write, and the learner's disk is slower than the leader's answers to both:
    /// the write was delivered first, and the node found the sync in its way.
    #[test]
    fn a_sync_comes_before_what_was_committed_behind_it() {
        let (mut disk, mut out, mut journal) = empty();
        (1..=2).for_each(|counter| journal.append(txn(counter), &mut disk, &mut out));
        let tickets: Vec<_> = out.disk.iter().map(|plan| plan.ticket).collect();
        journal.commit(Zxid::from_parts(1, 1), None, &mut out);
        journal.synced(&mut out);
        journal.commit(Zxid::from_parts(1, 2), None, &mut out);
        tickets.into_iter().for_each(|ticket| disk.completed(ticket));
        journal.progress(&disk, &mut out);
        let deliver = |counter| Event::Deliver { txn: txn(counter), activate: None };
        assert_eq!(out.events, [deliver(1), Event::Synced, deliver(2)]);
    }
}
