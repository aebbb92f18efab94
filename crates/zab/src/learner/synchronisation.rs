//! A learner takes over its leader's history (reference: quorum-protocol §5.2, F4 to F11; §5.3).
//!
//! What is committed is logged as it comes. What is not committed when NEWLEADER comes waits for UPTODATE: acknowledging
//! NEWLEADER does not acknowledge it (ZOOKEEPER-4394, 4646).

use super::discovery::Sequence;
use super::following::Following;
use crate::context::{Context, Leave};
use crate::io::{ConnId, Event};
use crate::journal::Journal;
use crate::packets::{FromLeader, Inbox};
use crate::promise::{Current, DiskAction, Durable, NewLeaderAck, Pending, Promise, write_current_epoch};
use crate::report::SyncMode;
use crate::snapshot_stream::SnapshotScanner;
use crate::{Epoch, ServerId, Txn};
use std::collections::VecDeque;
use wire::Zxid;

/// Proposals that may wait for their commit or for UPTODATE.
const QUEUE_MAX: usize = 1 << 20;
/// Bytes of a snapshot handed to the disk at once.
const SNAPSHOT_CHUNK: usize = 256 << 10;

/// Until UPTODATE. Consumed by [`Synchronisation::finish`].
#[derive(Debug)]
pub(crate) struct Synchronisation {
    epoch: Epoch,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// The leader has not said how: DIFF, TRUNC or SNAP.
    Unknown { last: Durable<Zxid> },
    /// The log is being cut.
    Truncating { keep: Zxid, cut: Pending<Zxid> },
    /// A snapshot comes in.
    Receiving(Receiving),
    /// It has come, and is being made the only history.
    Installing(Promise<Zxid>),
    /// There is something to build on.
    History(History),
}

#[derive(Debug)]
struct Receiving {
    zxid: Zxid,
    scanner: SnapshotScanner,
    flying: VecDeque<Pending<usize>>,
    flying_bytes: usize,
}

/// The history above the base.
#[derive(Debug)]
struct History {
    journal: Journal,
    sequence: Sequence,
    /// Proposals without a commit.
    queue: VecDeque<Txn>,
    /// Commits that came behind NEWLEADER.
    held: VecDeque<(Zxid, Option<ServerId>)>,
    ack: AckStep,
}

/// The way to the acknowledgement of NEWLEADER: history, epoch, acknowledgement.
#[derive(Debug)]
enum AckStep {
    NotAsked,
    Logging,
    WritingEpoch(Durable<Zxid>, Promise<Current>),
    Sent,
}

impl Synchronisation {
    pub(crate) fn new(epoch: Epoch, last: Durable<Zxid>) -> Synchronisation {
        Synchronisation { epoch, step: Step::Unknown { last } }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// How this server is brought up to date, as soon as the leader has said it.
    pub(crate) fn mode(&self) -> Option<SyncMode> {
        match self.step {
            Step::Unknown { .. } => None,
            Step::Truncating { .. } => Some(SyncMode::Trunc),
            Step::Receiving(_) | Step::Installing(_) => Some(SyncMode::Snap),
            Step::History(_) => Some(SyncMode::Diff),
        }
    }

    /// Must the bytes that follow wait for the disk?
    pub(crate) fn is_blocked(&self) -> bool {
        matches!(self.step, Step::Truncating { .. } | Step::Installing(_))
    }

    /// Is NEWLEADER acknowledged? From then on the leader has to be heard more often.
    pub(crate) fn has_acked(&self) -> bool {
        matches!(&self.step, Step::History(History { ack: AckStep::Sent, .. }))
    }

    pub(crate) fn flying_bytes(&self) -> usize {
        match &self.step {
            Step::Receiving(receiving) => receiving.flying_bytes,
            Step::History(history) => history.journal.flying_bytes(),
            _ => 0,
        }
    }

    /// Takes the raw bytes of a snapshot, if that is what comes; true if there may be more to do.
    pub(crate) fn take_raw(&mut self, inbox: &mut Inbox, ctx: &mut Context<'_>) -> Result<bool, Leave> {
        let Step::Receiving(receiving) = &mut self.step else { return Ok(false) };
        if let Some(end) = receiving.take(inbox, ctx)? {
            self.step = Step::Installing(Promise::Pending(end));
        }
        Ok(true)
    }

    /// Is a snapshot coming in, so that the bytes are no packets?
    pub(crate) fn is_receiving(&self) -> bool {
        matches!(self.step, Step::Receiving(_))
    }

    /// One packet before UPTODATE.
    pub(crate) fn take(&mut self, message: FromLeader, ctx: &mut Context<'_>) -> Result<(), Leave> {
        match (&mut self.step, message) {
            (Step::Unknown { last }, FromLeader::Diff(zxid)) => {
                ctx.out.note(format!("Getting a diff from the leader {zxid}"));
                self.step = Step::History(History::new(*last));
            }
            (Step::Unknown { .. }, FromLeader::Trunc(keep)) => {
                ctx.out.warn(format!("Truncating log to get in sync with the leader {keep}"));
                let cut = ctx.disk.submit(DiskAction::Truncate { keep }, keep, ctx.out);
                self.step = Step::Truncating { keep, cut };
            }
            (Step::Unknown { .. }, FromLeader::Snap(zxid)) => {
                ctx.out.note(format!("Getting a snapshot from leader {zxid}"));
                self.step = Step::Receiving(Receiving::begin(zxid, ctx));
            }
            (Step::History(history), FromLeader::Proposal(txn)) => history.propose(txn)?,
            (Step::History(history), FromLeader::Commit(zxid, activate)) => {
                history.commit(zxid, activate, ctx)?;
            }
            (Step::History(history), FromLeader::Inform(txn, activate)) => {
                let zxid = txn.zxid;
                history.propose(txn)?;
                history.commit(zxid, activate, ctx)?;
            }
            (Step::History(history), FromLeader::NewLeader(zxid, config)) => {
                if zxid != self.epoch.start() {
                    return Err(Leave(format!("NEWLEADER {zxid} is not of epoch {}", self.epoch)));
                }
                if !matches!(history.ack, AckStep::NotAsked) {
                    return Err(Leave("NEWLEADER came twice".to_owned()));
                }
                ctx.out.events.extend(config.map(Event::Config));
                history.ack = AckStep::Logging;
            }
            // No answer before UPTODATE, and other packets are of no interest yet.
            (Step::History(_), FromLeader::Ping(_) | FromLeader::Unknown(_)) => {}
            (Step::History(_), FromLeader::Revalidated { .. } | FromLeader::Synced) => {}
            (step, message) => {
                let step = step.name();
                return Err(Leave(format!("the leader sent {message:?} where it was not due ({step})")));
            }
        }
        Ok(())
    }

    /// The log has been cut, and ends there now.
    pub(crate) fn truncated(&mut self, last: Zxid, ctx: &mut Context<'_>) -> Result<(), Leave> {
        let Step::Truncating { keep, cut } = &self.step else { return Ok(()) };
        let Some(left) = ctx.disk.prove_cut(cut, last) else { return Ok(()) };
        if last != *keep {
            // The leader believed that this server has it. Next time it hears what is really here.
            return Err(Leave(format!("TRUNC to {keep}, but the log goes from {last} to something later")));
        }
        self.step = Step::History(History::new(left));
        Ok(())
    }

    /// Looks what the disk has done.
    pub(crate) fn progress(&mut self, conn: ConnId, ctx: &mut Context<'_>) {
        match &mut self.step {
            Step::Installing(installed) => {
                installed.newly_kept(ctx.disk);
                if let Some(base) = installed.kept() {
                    self.step = Step::History(History::new(base));
                }
            }
            Step::Receiving(receiving) => receiving.progress(ctx),
            Step::History(history) => history.progress(self.epoch, conn, ctx),
            Step::Unknown { .. } | Step::Truncating { .. } => {}
        }
    }

    /// UPTODATE: what waited is logged, and what of it is committed is committed.
    pub(crate) fn finish(self, follower: bool, ctx: &mut Context<'_>) -> Result<Following, Leave> {
        let early = || Leave("UPTODATE came before NEWLEADER was acknowledged".to_owned());
        match self.step {
            Step::History(history) if matches!(history.ack, AckStep::Sent) => {
                let History { journal, sequence, queue, held, .. } = history;
                let held_already = journal.last();
                let mut following = Following::new(self.epoch, follower, journal, sequence.newest());
                for txn in queue {
                    following.log(txn, ctx);
                }
                for (zxid, activate) in held.into_iter().filter(|(zxid, _)| *zxid > held_already) {
                    following.commit(zxid, activate, ctx)?;
                }
                Ok(following)
            }
            _ => Err(early()),
        }
    }
}

impl Step {
    fn name(&self) -> &'static str {
        match self {
            Step::Unknown { .. } => "before DIFF, TRUNC or SNAP",
            Step::Truncating { .. } => "while the log is cut",
            Step::Receiving(_) => "while a snapshot comes",
            Step::Installing(_) => "while a snapshot is installed",
            Step::History(_) => "before UPTODATE",
        }
    }
}

impl Receiving {
    fn begin(zxid: Zxid, ctx: &mut Context<'_>) -> Receiving {
        let begin = ctx.disk.submit(DiskAction::InstallBegin { zxid }, 0, ctx.out);
        let scanner = SnapshotScanner::new(ctx.settings.config.limits);
        Receiving { zxid, scanner, flying: [begin].into(), flying_bytes: 0 }
    }

    /// Hands what is there to the disk; at the end of the stream, what will prove that it is installed.
    fn take(&mut self, inbox: &mut Inbox, ctx: &mut Context<'_>) -> Result<Option<Pending<Zxid>>, Leave> {
        loop {
            let scanned = inbox.raw(|bytes| {
                let chunk = &bytes[..bytes.len().min(SNAPSHOT_CHUNK)];
                match self.scanner.scan(chunk) {
                    Ok(scanned) => (scanned.used, Ok((scanned, chunk[..scanned.content].to_vec()))),
                    Err(error) => (0, Err(Leave(format!("the leader's snapshot is damaged: {error}")))),
                }
            });
            let (scanned, content) = scanned?;
            if !content.is_empty() {
                self.flying_bytes += content.len();
                let len = content.len();
                self.flying.push_back(ctx.disk.submit(DiskAction::InstallData(content), len, ctx.out));
            }
            if scanned.end {
                return Ok(Some(ctx.disk.submit(DiskAction::InstallEnd, self.zxid, ctx.out)));
            }
            if scanned.used == 0 {
                return Ok(None);
            }
        }
    }

    fn progress(&mut self, ctx: &Context<'_>) {
        while let Some(pending) = self.flying.pop_front() {
            match ctx.disk.prove(pending) {
                Ok(written) => self.flying_bytes -= written.get(),
                Err(pending) => return self.flying.push_front(pending),
            }
        }
    }
}

impl History {
    fn new(base: Durable<Zxid>) -> History {
        History {
            journal: Journal::new(base),
            sequence: Sequence::new(base.get()),
            queue: VecDeque::new(),
            held: VecDeque::new(),
            ack: AckStep::NotAsked,
        }
    }

    fn propose(&mut self, txn: Txn) -> Result<(), Leave> {
        self.sequence.take(&txn)?;
        if self.queue.len() >= QUEUE_MAX {
            return Err(Leave("too many proposals wait for their commit".to_owned()));
        }
        self.queue.push_back(txn);
        Ok(())
    }

    fn commit(&mut self, zxid: Zxid, activate: Option<ServerId>, ctx: &mut Context<'_>) -> Result<(), Leave> {
        if !matches!(self.ack, AckStep::NotAsked) {
            self.held.push_back((zxid, activate));
            return Ok(());
        }
        match self.queue.pop_front() {
            Some(txn) if txn.zxid == zxid => {
                // A snapshot may already hold it.
                if zxid > self.journal.last() {
                    self.journal.append(txn, ctx.disk, ctx.out);
                    self.journal.commit(zxid, activate, ctx.out);
                }
                Ok(())
            }
            head => Err(Leave(format!("a commit of {zxid} where {head:?} is next"))),
        }
    }

    fn progress(&mut self, epoch: Epoch, conn: ConnId, ctx: &mut Context<'_>) {
        self.journal.progress(ctx.disk, ctx.out);
        if matches!(self.ack, AckStep::Logging)
            && let Some(history) = self.journal.all_durable()
        {
            self.ack = AckStep::WritingEpoch(history, write_current_epoch(history, epoch, ctx.disk, ctx.out));
        }
        if let AckStep::WritingEpoch(history, promise) = &mut self.ack {
            promise.newly_kept(ctx.disk);
            if let Some(current) = promise.kept() {
                NewLeaderAck::new(*history, current).write(ctx.out.send(conn));
                self.ack = AckStep::Sent;
            }
        }
    }
}
