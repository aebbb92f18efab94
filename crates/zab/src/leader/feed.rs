//! What a learner gets of the leader's history, before and after NEWLEADER (reference: quorum-protocol §5.2, §5.4, §6.3).
//!
//! One function serves a learner that is a million transactions behind and one that is up to date: it sends what
//! comes next, as long as there is room.

use super::link::{LearnerKind, Link, Stage};
use crate::context::{Context, Refusal};
use crate::epoch::follows;
use crate::history::{History, Next};
use crate::io::{LogSlice, Read};
use crate::packets::PacketWriter;
use crate::{Epoch, Txn};
use wire::{PacketType, Zxid};

/// How much of the log is read at once.
const LOG_READ_BYTES: usize = 256 << 10;

/// The leader's side of it.
pub(crate) struct Feed<'a> {
    pub(crate) history: &'a History,
    pub(crate) epoch: Epoch,
}

/// The history that the learner needs next is not to be had: only a snapshot helps.
pub(crate) struct Hole(pub(crate) Refusal);

impl Feed<'_> {
    /// Sends what there is and what there is room for.
    pub(crate) fn pump(&self, link: &mut Link, ctx: &mut Context<'_>) -> Result<(), Hole> {
        while link.stage.is_fed() {
            if !link.has_room(ctx) {
                if link.unsent == 0 {
                    ctx.out.wake(ctx.now_us);
                }
                return Ok(());
            }
            match self.history.next(link.sent) {
                Next::OnDisk => {
                    self.read_log(link, ctx);
                    return Ok(());
                }
                Next::Committed(txn) => self.send(link, txn, true, ctx)?,
                Next::Outstanding(txn) if link.kind == LearnerKind::Follower => {
                    self.send(link, txn, false, ctx)?;
                }
                Next::Outstanding(_) | Next::End if link.stage == Stage::History => {
                    let config = ctx.settings.config_text.as_bytes();
                    let packets = ctx.out.send(link.conn);
                    packets.packet(PacketType::NewLeader, self.epoch.start(), Some(config));
                    link.enter(Stage::AwaitingAck, ctx.now_us);
                }
                Next::Outstanding(_) | Next::End => break,
            }
        }
        link.reach_marker(ctx);
        if link.stage == Stage::Live {
            self.send_commits(link, ctx);
            self.answer_rest(link, ctx);
        }
        Ok(())
    }

    /// Sends what was read of the log, whether or not there is room: it was asked for when there was.
    pub(crate) fn log(&self, link: &mut Link, slice: &LogSlice, ctx: &mut Context<'_>) -> Result<(), Hole> {
        let (start, last) = (link.sent, self.history.last_processed());
        for txn in slice.txns.iter().filter(|txn| txn.zxid > start && txn.zxid <= last) {
            self.send(link, txn, true, ctx)?;
        }
        if link.sent == start {
            return Err(hole(start, "the log ends"));
        }
        self.pump(link, ctx)
    }

    fn read_log(&self, link: &mut Link, ctx: &mut Context<'_>) {
        if !link.reading {
            link.reading = true;
            let (conn, after) = (link.conn, link.sent);
            ctx.out.reads.push(Read::Log { conn, after, first: false, max_bytes: LOG_READ_BYTES });
        }
    }

    /// Before NEWLEADER a transaction and its commit go together, to observers too. Behind it a commit waits until
    /// UPTODATE is out: learners up to 3.8.6 and 3.9.2 cannot bear one in between (ZOOKEEPER-4394).
    fn send(&self, link: &mut Link, txn: &Txn, committed: bool, ctx: &mut Context<'_>) -> Result<(), Hole> {
        if !follows(link.sent, txn.zxid) {
            return Err(hole(link.sent, &format!("the log goes on with {}", txn.zxid)));
        }
        link.sent = txn.zxid;
        if link.stage == Stage::History {
            link.tally.txns += 1;
            link.tally.bytes += txn.bytes.len() as u64;
        }
        if link.kind == LearnerKind::Observer && link.stage != Stage::History {
            answer_before(link, txn.zxid, ctx);
            ctx.out.send(link.conn).packet(PacketType::Inform, txn.zxid, Some(&txn.bytes));
            return Ok(());
        }
        let commits_flow = matches!(link.stage, Stage::History | Stage::Live);
        let at_once = committed && commits_flow && link.uncommitted.is_empty();
        if at_once {
            answer_before(link, txn.zxid, ctx);
        }
        let packets = ctx.out.send(link.conn);
        packets.packet(PacketType::Proposal, txn.zxid, Some(&txn.bytes));
        if at_once {
            packets.packet(PacketType::Commit, txn.zxid, None);
        } else {
            link.uncommitted.push_back(txn.zxid);
        }
        link.proposal_sent(txn.zxid, ctx.now_us);
        Ok(())
    }

    fn send_commits(&self, link: &mut Link, ctx: &mut Context<'_>) {
        let last = self.history.last_processed();
        while link.uncommitted.front().is_some_and(|zxid| *zxid <= last) {
            let zxid = link.uncommitted.pop_front().expect("it is there");
            answer_before(link, zxid, ctx);
            ctx.out.send(link.conn).packet(PacketType::Commit, zxid, None);
        }
    }

    /// Syncs that nothing keeps waiting, when all there is has been sent.
    fn answer_rest(&self, link: &mut Link, ctx: &mut Context<'_>) {
        let last = self.history.last_processed();
        let all_sent = matches!(self.history.next(link.sent), Next::End | Next::Outstanding(_));
        let told = if all_sent { last } else { last.min(link.sent) };
        let before = link.uncommitted.front().map_or(told.next(), |first| told.next().min(*first));
        answer_before(link, before, ctx);
    }
}

/// Answers syncs that wait for less than what is committed next. A learner of Apache's matches commits and these answers with
/// what it asked for in one line, so that each has to come between the commits it belongs between.
fn answer_before(link: &mut Link, zxid: Zxid, ctx: &mut Context<'_>) {
    while link.syncs.pop_front_if(|waits_for| *waits_for < zxid).is_some() {
        ctx.out.send(link.conn).packet(PacketType::Sync, Zxid::ZERO, None);
    }
}

fn hole(after: Zxid, what: &str) -> Hole {
    Hole(Refusal(format!("behind {after} {what}: it gets a snapshot when it comes back")))
}
