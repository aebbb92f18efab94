//! What the protocol wants of the disk, one after the other, transactions that come together in one batch.

use crate::io::{Halt, Outputs, Recover, RecoverFailure};
use crate::member::Role;
use crate::member::figures::made_ms;
use crate::member::learning::Learning;
use crate::node::Node;
use std::collections::VecDeque;
use store::{DiskBatch, DiskError, EpochFile, Lane, LogBatch, Recovered, write_epoch};
use wire::Zxid;
use zab::{DiskAction, DiskOutcome, DiskPlan, DiskState, Epoch, Txn};

/// Bytes of transactions that go to the disk at once; more wait for the next batch.
const BATCH_BYTES: usize = 8 << 20;

/// The plans that are not done.
#[derive(Debug, Default)]
pub(crate) struct DiskLine {
    waiting: VecDeque<DiskPlan>,
    current: Option<Current>,
}

/// The plan under way.
#[derive(Debug)]
struct Current {
    /// The last plan that it covers.
    plan: zab::Ticket,
    work: Work,
}

#[derive(Debug)]
enum Work {
    /// A batch of the log's lane, with what it proves if it holds transactions.
    Batch {
        ticket: store::Ticket,
        proof: Option<store::Pending>,
        epoch: Option<(EpochFile, Epoch)>,
        sent_us: u64,
        /// When the transactions were made that are acknowledged then.
        made_ms: Vec<i64>,
    },
    /// Nothing may be under way in any lane: then what is behind `keep` is removed and the history read again. `installed`:
    /// the history up to `keep` has just come as a snapshot.
    Recovery { keep: Zxid, installed: bool, asked: bool },
    /// The installed tree is being written as a snapshot.
    Snapshot,
}

impl DiskLine {
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.current.is_none()
    }

    /// The transactions at the front, as many as go into one batch, and the last ticket among them.
    fn take_appends(&mut self) -> (Vec<Txn>, zab::Ticket) {
        let (mut txns, mut bytes, mut last) = (Vec::new(), 0, zab::Ticket(0));
        while bytes < BATCH_BYTES
            && let Some(DiskPlan { ticket, action: DiskAction::Append(_) }) = self.waiting.front()
        {
            last = *ticket;
            let Some(DiskPlan { action: DiskAction::Append(more), .. }) = self.waiting.pop_front() else {
                break;
            };
            bytes += more.iter().map(|txn| txn.bytes.len()).sum::<usize>();
            txns.extend(more);
        }
        (txns, last)
    }
}

impl Node {
    /// Takes a plan in.
    pub(super) fn plan(&mut self, plan: DiskPlan) {
        if let DiskAction::Append(txns) = &plan.action
            && matches!(self.member().role, Role::Learning(Learning { votes: true, .. }))
        {
            for txn in txns {
                let age_ms = self.age_ms(made_ms(txn));
                self.stats.metrics.learner_proposal_received_count += 1;
                self.stats.metrics.proposal_latency.add(age_ms);
            }
        }
        self.member().line.waiting.push_back(plan);
    }

    /// Starts what can be started; true if that was something.
    pub(super) fn run_line(&mut self, out: &mut Outputs) -> bool {
        let mut started = false;
        // The others go on while this server stops. What it does not begin is acknowledged to nobody.
        while !self.pipeline.lane.is_finished() {
            let line = &mut self.member().line;
            match &mut line.current {
                Some(Current { work: Work::Recovery { .. }, .. }) => {
                    self.ask_recovery(out);
                    return started;
                }
                Some(_) => return started,
                None => {}
            }
            let Some(DiskPlan { ticket, action }) = line.waiting.front() else { return started };
            let ticket = *ticket;
            started = true;
            if matches!(action, DiskAction::Append(_)) {
                self.start_append(out);
                continue;
            }
            let plan = self.member().line.waiting.pop_front().expect("there is a front");
            match plan.action {
                DiskAction::Append(_) => unreachable!("appends are taken together"),
                DiskAction::AcceptedEpoch(epoch) => self.start_epoch(EpochFile::Accepted, epoch, ticket, out),
                DiskAction::CurrentEpoch(epoch) => self.start_epoch(EpochFile::Current, epoch, ticket, out),
                DiskAction::Truncate { keep } => {
                    let work = Work::Recovery { keep, installed: false, asked: false };
                    self.member().line.current = Some(Current { plan: ticket, work });
                    self.give_up_snapshot();
                }
                DiskAction::InstallBegin { zxid } => self.begin_install(zxid, ticket),
                DiskAction::InstallData(bytes) => self.install_data(&bytes, ticket),
                DiskAction::InstallEnd => {
                    if self.end_install(ticket) {
                        self.member().line.current = Some(Current { plan: ticket, work: Work::Snapshot });
                    }
                }
                DiskAction::Reload => self.reload(ticket),
            }
        }
        started
    }

    fn start_append(&mut self, out: &mut Outputs) {
        let (txns, plan) = self.member().line.take_appends();
        self.stats.metrics.sync_processor_batch_size.add(txns.len() as u64);
        let acknowledges = match &self.member().role {
            Role::Leading | Role::Learning(Learning { votes: true, .. }) => true,
            Role::Looking | Role::ReadOnly | Role::Learning(_) => false,
        };
        let made_ms = if acknowledges { txns.iter().map(made_ms).collect() } else { Vec::new() };
        for txn in txns {
            self.pipeline.lane.append(txn.zxid, &txn.bytes);
            // Only now: a history that is replaced by a plan before this one takes its own transactions along.
            self.member().unapplied.push(txn.clone());
            self.member().recent.push(txn);
        }
        let LogBatch { ops, pending } = self.pipeline.lane.take_batch();
        self.start_batch(ops, Some(pending), None, plan, made_ms, out);
    }

    fn start_epoch(&mut self, which: EpochFile, epoch: Epoch, plan: zab::Ticket, out: &mut Outputs) {
        self.start_batch(write_epoch(which, epoch.0), None, Some((which, epoch)), plan, Vec::new(), out);
    }

    fn start_batch(
        &mut self,
        ops: Vec<store::DiskOp>,
        proof: Option<store::Pending>,
        epoch: Option<(EpochFile, Epoch)>,
        plan: zab::Ticket,
        made_ms: Vec<i64>,
        out: &mut Outputs,
    ) {
        let ticket = self.pipeline.lane.ticket();
        out.disk.push(DiskBatch { ticket, lane: Lane::Log, ops });
        let work = Work::Batch { ticket, proof, epoch, sent_us: self.now.mono_us, made_ms };
        self.member().line.current = Some(Current { plan, work });
    }

    /// Is this the ticket of the line's batch?
    pub(crate) fn is_in_line(&self, ticket: store::Ticket) -> bool {
        let current = self.member.as_ref().and_then(|member| member.line.current.as_ref());
        matches!(current, Some(Current { work: Work::Batch { ticket: flying, .. }, .. }) if *flying == ticket)
    }

    /// The line's batch has ended.
    pub(crate) fn line_done(&mut self, result: Result<(), DiskError>, out: &mut Outputs) {
        let current = self.member().line.current.take();
        let Some(Current { plan, work: Work::Batch { proof, epoch, sent_us, made_ms, .. } }) = current else {
            unreachable!("the batch was under way");
        };
        let result = match proof {
            Some(proof) => proof.completed(result).map(|_| ()),
            None => result,
        };
        if let Err(error) = result {
            self.stats.metrics.unrecoverable_error_count += 1;
            self.step_peer(zab::Input::DiskDone {
                ticket: plan,
                outcome: DiskOutcome::Failed(error.to_string()),
            });
            return self.halt(Halt::Disk(error), out);
        }
        let took_us = self.now.mono_us.saturating_sub(sent_us);
        self.stats.metrics.fsynctime.add(took_us / 1000);
        for made_ms in made_ms {
            let age_ms = self.age_ms(made_ms);
            self.stats.metrics.proposal_ack_creation_latency.add(age_ms);
        }
        match epoch {
            None => self.pipeline.lane.written(self.now.mono_us),
            Some((EpochFile::Accepted, epoch)) => self.member().membership.epochs.accepted = epoch.0,
            Some((EpochFile::Current, epoch)) => self.member().membership.epochs.current = epoch.0,
        }
        self.plan_done(plan, DiskOutcome::Done);
    }

    pub(super) fn plan_done(&mut self, plan: zab::Ticket, outcome: DiskOutcome) {
        self.step_peer(zab::Input::DiskDone { ticket: plan, outcome });
    }

    /// Once no lane has anything under way, the shell may read the history again.
    fn ask_recovery(&mut self, out: &mut Outputs) {
        let busy = self.snapshots.is_writing() || self.pipeline.lane.is_tidying();
        let current = &mut self.member().line.current;
        let Some(Current { work: Work::Recovery { keep, asked, .. }, .. }) = current else { return };
        if !busy && !*asked {
            *asked = true;
            out.recover = Some(Recover { truncate_to: *keep });
        }
    }

    /// The history has been read again, without its end.
    pub(crate) fn recovered(&mut self, result: Result<Box<Recovered>, RecoverFailure>, out: &mut Outputs) {
        let current = self.member().line.current.take();
        let Some(Current { plan, work: Work::Recovery { installed, asked: true, .. } }) = current else {
            unreachable!("a recovery was asked for")
        };
        match result {
            Ok(recovered) => {
                let last = recovered.last_zxid();
                let Recovered { tree, log, notices, .. } = *recovered;
                notices.into_iter().for_each(|notice| self.note_info(out, || notice));
                self.tree = tree;
                self.write_config_node();
                self.pipeline.lane.replace(log);
                self.snapshots.wanted = true;
                let member = self.member();
                member.unapplied = Default::default();
                member.recent.cut(last);
                let outcome = if installed { DiskOutcome::Done } else { DiskOutcome::Truncated { last } };
                self.plan_done(plan, outcome);
            }
            Err(RecoverFailure::Refused(why)) => self.plan_done(plan, DiskOutcome::Refused(why)),
            Err(RecoverFailure::Failed(why)) => self.halt(Halt::Unusable(why), out),
        }
    }

    /// The snapshot that makes an installed tree durable is written. A history that went further is given up then, and not
    /// before: until the new one is on the disk, a crash has to leave the old one.
    pub(crate) fn snapshot_is_durable(&mut self) {
        let Some(member) = self.member.as_mut() else { return };
        let current = member.line.current.take_if(|current| matches!(current.work, Work::Snapshot));
        let Some(Current { plan, .. }) = current else { return };
        member.distrusted = false;
        let zxid = self.tree.last_zxid();
        if self.pipeline.lane.last_zxid() > zxid {
            let work = Work::Recovery { keep: zxid, installed: true, asked: false };
            self.member().line.current = Some(Current { plan, work });
            return;
        }
        self.pipeline.lane.restart_after(zxid);
        self.plan_done(plan, DiskOutcome::Done);
    }

    /// Is a snapshot being written without which an installed tree is not durable?
    pub(crate) fn needs_snapshot(&self) -> bool {
        let current = self.member.as_ref().and_then(|member| member.line.current.as_ref());
        matches!(current, Some(Current { work: Work::Snapshot, .. }))
    }

    /// May a snapshot be made at all? One of an empty directory that is not trusted would be believed at the next start.
    pub(crate) fn may_keep_tree(&self) -> bool {
        self.member.as_ref().is_none_or(|member| !member.distrusted) || self.needs_snapshot()
    }

    /// A role has ended, and everything asked for before is done: the tree becomes what the disk holds.
    fn reload(&mut self, ticket: zab::Ticket) {
        self.member().install = None;
        self.fast_forward();
        let last_zxid = self.pipeline.lane.last_zxid();
        self.tree.set_last_zxid(last_zxid);
        let member = self.member();
        let disk = DiskState {
            last_zxid: if member.distrusted { Zxid(-1) } else { last_zxid },
            accepted_epoch: Epoch(member.membership.epochs.accepted),
            current_epoch: Epoch(member.membership.epochs.current),
            recent: member.recent.txns.iter().cloned().collect(),
        };
        self.step_peer(zab::Input::Recovered { ticket, disk });
    }
}
