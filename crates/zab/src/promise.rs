//! What may be said only after the disk has it: promises as types (reference: quorum-protocol §5.3; simulation §2.1).
//!
//! A phase asks for something with [`DiskQueue::submit`] and keeps the [`Pending`]; only a completion of its ticket turns it
//! into a [`Durable`], and acknowledgements are made of nothing else. So "acknowledged before it was durable", the
//! mistake behind ZOOKEEPER-3911, 4643, 4646 and 4785, does not compile.

use crate::io::Outputs;
use crate::packets::{self, PacketWriter};
use crate::{Epoch, Txn};
use wire::Zxid;

/// Names a plan; later plans have larger tickets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(pub u64);

/// Something the disk is to do. Plans are carried out in their order; each is durable (synced, with its directory entry) when
/// it is reported, and those behind it may then still be under way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DiskPlan {
    /// Comes back in the completion.
    pub ticket: Ticket,
    /// What.
    pub action: DiskAction,
}

/// What a plan does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DiskAction {
    /// Write the `acceptedEpoch` file.
    AcceptedEpoch(Epoch),
    /// Write the `currentEpoch` file.
    CurrentEpoch(Epoch),
    /// Append to the log. Several may be synced together.
    Append(Vec<Txn>),
    /// Cut the log behind the last transaction at or before `keep`, remove snapshots that are newer, and read the tree from
    /// disk again. Answered with [`DiskOutcome::Truncated`].
    Truncate {
        /// The last zxid to keep.
        keep: Zxid,
    },
    /// A snapshot stream follows that replaces everything: tree, snapshots and log.
    InstallBegin {
        /// Its zxid.
        zxid: Zxid,
    },
    /// Bytes of the snapshot stream (reference: quorum-protocol §5.5), without the signature.
    InstallData(Vec<u8>),
    /// The stream is complete: make it the tree and the only history, all at once even across a crash.
    InstallEnd,
    /// A role has ended. Finish what was asked before, drop the tree, and start from the disk again, or prove that both are
    /// equal. Answered with [`crate::Input::Recovered`]; what was being installed is given up.
    Reload,
}

/// How a plan ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DiskOutcome {
    /// It is durable.
    Done,
    /// The cut is durable, and this is the last transaction that is left.
    Truncated {
        /// Less than asked for if that one was never here.
        last: Zxid,
    },
    /// The snapshot stream makes no tree; the disk is as before.
    Refused(String),
    /// The disk failed. The process must stop: a failed sync may have dropped what a later sync would claim to have
    /// written.
    Failed(String),
}

/// Hands out tickets and turns completions into proofs.
#[derive(Debug)]
pub(crate) struct DiskQueue {
    next: u64,
    done: u64,
}

/// Not durable yet. Not `Clone`: one plan, one proof.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Pending<T> {
    ticket: Ticket,
    what: T,
}

impl<T> Pending<T> {
    pub(crate) fn ticket(&self) -> Ticket {
        self.ticket
    }
}

/// It has reached the disk for good.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Durable<T>(T);

impl<T: Copy> Durable<T> {
    pub(crate) fn get(self) -> T {
        self.0
    }
}

impl Durable<Zxid> {
    /// What recovery has read and synced.
    pub(crate) fn recovered(disk: &crate::DiskState) -> Durable<Zxid> {
        Durable(disk.last_zxid)
    }
}

impl Default for DiskQueue {
    fn default() -> DiskQueue {
        DiskQueue { next: 1, done: 0 }
    }
}

impl DiskQueue {
    /// Asks for something that makes `what` true.
    pub(crate) fn submit<T>(&mut self, action: DiskAction, what: T, out: &mut Outputs) -> Pending<T> {
        let ticket = Ticket(self.next);
        self.next += 1;
        out.disk.push(DiskPlan { ticket, action });
        Pending { ticket, what }
    }

    /// Asks for a transaction to be logged. Those of one step go together.
    pub(crate) fn append(&mut self, txn: Txn, out: &mut Outputs) -> Pending<Zxid> {
        let zxid = txn.zxid;
        if let Some(DiskPlan { ticket, action: DiskAction::Append(txns) }) = out.disk.last_mut() {
            txns.push(txn);
            return Pending { ticket: *ticket, what: zxid };
        }
        self.submit(DiskAction::Append(vec![txn]), zxid, out)
    }

    /// Takes a completion: everything up to the ticket is durable.
    pub(crate) fn completed(&mut self, ticket: Ticket) {
        assert!(ticket.0 < self.next, "a completion of something never asked for");
        self.done = self.done.max(ticket.0);
    }

    /// The proof, if it is there.
    pub(crate) fn prove<T>(&self, pending: Pending<T>) -> Result<Durable<T>, Pending<T>> {
        if self.has_done(pending.ticket) { Ok(Durable(pending.what)) } else { Err(pending) }
    }

    /// What a cut left, as the disk reports it.
    pub(crate) fn prove_cut(&self, cut: &Pending<Zxid>, last: Zxid) -> Option<Durable<Zxid>> {
        self.has_done(cut.ticket).then_some(Durable(last))
    }

    fn has_done(&self, ticket: Ticket) -> bool {
        ticket.0 <= self.done
    }
}

/// Something asked of the disk and, later, its proof.
#[derive(Debug)]
pub(crate) enum Promise<T> {
    Pending(Pending<T>),
    Kept(Durable<T>),
}

impl<T: Copy> Promise<T> {
    /// Looks again; true at the moment the proof arrives.
    pub(crate) fn newly_kept(&mut self, disk: &DiskQueue) -> bool {
        match self {
            Promise::Pending(pending) if disk.has_done(pending.ticket) => {
                *self = Promise::Kept(Durable(pending.what));
                true
            }
            _ => false,
        }
    }

    pub(crate) fn kept(&self) -> Option<Durable<T>> {
        match self {
            Promise::Kept(durable) => Some(*durable),
            Promise::Pending(_) => None,
        }
    }
}

/// The `acceptedEpoch` file: no older leader will be followed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Accepted(pub(crate) Epoch);

/// The `currentEpoch` file: the history of this epoch's leader has been taken over.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Current(pub(crate) Epoch);

/// ACKEPOCH: may be sent once the epoch has been accepted for good.
pub(crate) struct EpochAck {
    last: Zxid,
    /// `None`: the epoch had been accepted before, this time does not count.
    current: Option<Epoch>,
}

impl EpochAck {
    /// For an epoch that has just been accepted.
    pub(crate) fn first(_: Durable<Accepted>, last: Zxid, current: Epoch) -> EpochAck {
        EpochAck { last, current: Some(current) }
    }

    /// For an epoch that had been accepted before.
    pub(crate) fn again(last: Zxid) -> EpochAck {
        EpochAck { last, current: None }
    }

    pub(crate) fn write(self, out: &mut Vec<u8>) {
        let current = self.current.map_or(-1, |epoch| epoch.0 as i32);
        out.packet(wire::PacketType::AckEpoch, self.last, Some(&current.to_be_bytes()));
    }
}

/// The acknowledgement of NEWLEADER: the leader's history is durable here, and after it the epoch. The order on disk is
/// history, then epoch (ZOOKEEPER-4643): whoever asks for the epoch file shows the history first.
pub(crate) struct NewLeaderAck {
    epoch: Epoch,
}

impl NewLeaderAck {
    pub(crate) fn new(_history: Durable<Zxid>, epoch: Durable<Current>) -> NewLeaderAck {
        NewLeaderAck { epoch: epoch.get().0 }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        packets::ack(out, self.epoch.start());
    }
}

/// Writes the `currentEpoch` file. The history must be durable before.
pub(crate) fn write_current_epoch(
    _history: Durable<Zxid>,
    epoch: Epoch,
    disk: &mut DiskQueue,
    out: &mut Outputs,
) -> Promise<Current> {
    Promise::Pending(disk.submit(DiskAction::CurrentEpoch(epoch), Current(epoch), out))
}

/// Writes the `acceptedEpoch` file.
pub(crate) fn write_accepted_epoch(
    epoch: Epoch,
    disk: &mut DiskQueue,
    out: &mut Outputs,
) -> Promise<Accepted> {
    Promise::Pending(disk.submit(DiskAction::AcceptedEpoch(epoch), Accepted(epoch), out))
}

/// The acknowledgement of a proposal.
pub(crate) struct Ack(Zxid);

impl Ack {
    /// For a transaction of the durable part of the log.
    pub(crate) fn new(durable: Durable<Zxid>, zxid: Zxid) -> Option<Ack> {
        (zxid <= durable.get()).then_some(Ack(zxid))
    }

    pub(crate) fn write(self, out: &mut Vec<u8>) {
        packets::ack(out, self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_completion_makes_a_proof() {
        let (mut disk, mut out) = (DiskQueue::default(), Outputs::default());
        let first = write_accepted_epoch(Epoch(1), &mut disk, &mut out);
        let mut second = write_accepted_epoch(Epoch(2), &mut disk, &mut out);
        let Promise::Pending(first) = first else { panic!("not kept yet") };
        disk.completed(first.ticket());
        assert_eq!(disk.prove(first).map(Durable::get), Ok(Accepted(Epoch(1))));
        assert!(!second.newly_kept(&disk) && second.kept().is_none());
        disk.completed(Ticket(2));
        assert!(second.newly_kept(&disk) && !second.newly_kept(&disk));
    }

    #[test]
    fn transactions_of_one_step_share_a_ticket() {
        let (mut disk, mut out) = (DiskQueue::default(), Outputs::default());
        let txn = |n| Txn { zxid: Zxid(n), bytes: vec![].into() };
        let (a, b) = (disk.append(txn(1), &mut out), disk.append(txn(2), &mut out));
        assert_eq!((a.ticket(), out.disk.len()), (b.ticket(), 1));
        out.disk.clear();
        assert!(disk.append(txn(3), &mut out).ticket() > b.ticket());
    }

    #[test]
    fn an_ack_needs_its_transaction_in_the_durable_part() {
        assert!(Ack::new(Durable(Zxid(5)), Zxid(6)).is_none());
        assert!(Ack::new(Durable(Zxid(5)), Zxid(5)).is_some());
    }

    #[test]
    #[should_panic(expected = "never asked for")]
    fn completions_are_of_plans_that_were_made() {
        DiskQueue::default().completed(Ticket(1));
    }
}
