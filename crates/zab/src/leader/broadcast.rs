//! The leader replicates (reference: quorum-protocol §6.3, §7.2).

use crate::context::Context;
use crate::history::History;
use crate::io::Event;
use crate::journal::Journal;
use crate::promise::Durable;
use crate::{Epoch, ServerId, Txn};
use std::collections::BTreeMap;
use wire::Zxid;

/// The last counter that is given out: Apache's leaders step down rather than use the one behind it (ZOOKEEPER-1277).
const LAST_COUNTER: u32 = u32::MAX - 1;

/// An established epoch.
#[derive(Debug)]
pub(crate) struct Broadcast {
    epoch: Epoch,
    /// This server's own log.
    journal: Journal,
    /// How far every voter's log is durable, this server's too. Logs have no holes, so one zxid says it all; it stays
    /// when a connection breaks, for what is durable stays, until the voter comes back.
    acked: BTreeMap<ServerId, Zxid>,
    /// When to ping next, twice per tick; at every second time somebody must be there.
    half_tick_at_us: u64,
    half_ticks: u64,
}

impl Broadcast {
    pub(crate) fn new(epoch: Epoch, history: Durable<Zxid>, ctx: &Context<'_>) -> Broadcast {
        Broadcast {
            epoch,
            journal: Journal::new(history),
            acked: BTreeMap::new(),
            half_tick_at_us: ctx.now_us + ctx.settings.tick_us / 2,
            half_ticks: 0,
        }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The zxid of the next transaction; none are left at the end of the counter.
    pub(crate) fn next_zxid(&self, history: &History) -> Option<Zxid> {
        let last = history.last_proposed();
        assert_eq!(Epoch::of(last), self.epoch, "an established leader's last zxid is of its epoch");
        (last.counter() < LAST_COUNTER).then(|| last.next())
    }

    /// Gives a transaction to the log; the learners get it at the same time.
    pub(crate) fn append(&mut self, txn: Txn, ctx: &mut Context<'_>) {
        self.journal.append(txn, ctx.disk, ctx.out);
    }

    /// Looks what the disk has done.
    pub(crate) fn progress(&mut self, history: &History, ctx: &mut Context<'_>) {
        if self.journal.progress(ctx.disk, ctx.out) {
            let (me, durable) = (ctx.settings.me(), self.journal.durable().get());
            let before = self.acked.insert(me, durable).unwrap_or(self.epoch.start());
            let frequency = ctx.settings.ack_logging_frequency();
            let next = frequency
                .and_then(|f| before.max(self.epoch.start()).0.div_euclid(f).checked_add(1)?.checked_mul(f));
            if let Some(zxid) = next.map(Zxid).filter(|zxid| *zxid <= durable) {
                self.tell_ack(me, zxid, history, ctx);
            }
        }
    }

    /// Tells those who watch of an acknowledgement, if its turn has come.
    pub(crate) fn tell_ack(&self, server: ServerId, zxid: Zxid, history: &History, ctx: &mut Context<'_>) {
        let due = ctx.settings.ack_logging_frequency().is_some_and(|frequency| zxid.0 % frequency == 0);
        if let Some(txn) = history.outstanding(zxid).filter(|_| due) {
            ctx.out.events.push(Event::Acked { server, txn: txn.clone() });
        }
    }

    /// A follower's log is durable up to there. Repetitions and old news do no harm.
    pub(crate) fn ack(&mut self, server: ServerId, zxid: Zxid) {
        let acked = self.acked.entry(server).or_insert(zxid);
        *acked = zxid.max(*acked);
    }

    /// A voter comes back and is brought up to date, which may cut from its log what it had acknowledged and nobody had
    /// committed. It gets all of that again, and acknowledges it again.
    pub(crate) fn take_back_acks(&mut self, server: ServerId) {
        self.acked.remove(&server);
    }

    /// Commits what a quorum has, in order; true if that was something.
    pub(crate) fn commit(&mut self, history: &mut History, ctx: &mut Context<'_>) -> bool {
        let mut any = false;
        while let Some(zxid) = history.oldest_outstanding() {
            let has = |server: ServerId| self.acked.get(&server).is_some_and(|acked| *acked >= zxid);
            if !ctx.settings.quorums.are_met_by(&has) {
                break;
            }
            history.commit_oldest();
            self.journal.commit(zxid, None, ctx.out);
            any = true;
        }
        history.trim(self.journal.durable().get());
        any
    }

    /// Is it time to ping? Then also says if it is time to count who is there.
    pub(crate) fn half_tick(&mut self, ctx: &Context<'_>) -> Option<bool> {
        if ctx.now_us < self.half_tick_at_us {
            return None;
        }
        self.half_tick_at_us = ctx.now_us + ctx.settings.tick_us / 2;
        self.half_ticks += 1;
        Some(self.half_ticks.is_multiple_of(2))
    }

    pub(crate) fn wake_at_us(&self) -> u64 {
        self.half_tick_at_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Dials;
    use crate::io::Outputs;
    use crate::promise::DiskQueue;
    use crate::settings::Settings;
    use crate::{DiskState, Ensemble, PeerConfig};

    /// ZOOKEEPER-1277: the counter never runs over into the epoch.
    #[test]
    fn zookeeper_1277_the_last_counter_is_not_given_out() {
        let settings = Settings::new(PeerConfig::new(ServerId(1), Ensemble::default()));
        let (mut disk, mut dials, mut out) = (DiskQueue::default(), Dials::default(), Outputs::default());
        let ctx =
            Context { now_us: 0, settings: &settings, disk: &mut disk, dials: &mut dials, out: &mut out };
        let next = |counter| {
            let last_zxid = Zxid::from_parts(7, counter);
            let state =
                DiskState { last_zxid, accepted_epoch: Epoch(7), current_epoch: Epoch(7), recent: vec![] };
            let history = History::new(vec![], last_zxid, settings.config.window);
            Broadcast::new(Epoch(7), Durable::recovered(&state), &ctx).next_zxid(&history)
        };
        assert_eq!(next(0), Some(Zxid::from_parts(7, 1)));
        assert_eq!(next(u32::MAX - 2), Some(Zxid::from_parts(7, u32::MAX - 1)));
        assert_eq!(next(u32::MAX - 1), None);
    }
}
