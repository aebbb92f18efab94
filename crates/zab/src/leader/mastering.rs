//! A follower that observers learn from (reference: quorum-protocol §8). It does with them what a leader does, in an epoch that
//! is established already, with a history that comes from its own leader.

use super::{Leader, Phase};
use crate::context::{Context, Legacy};
use crate::history::History;
use crate::{Epoch, Txn, WindowLimits};
use std::collections::BTreeMap;
use wire::Zxid;

/// The epoch that the follower follows.
#[derive(Debug)]
pub(crate) struct Mastering {
    epoch: Epoch,
    /// When to ping next, twice per tick.
    half_tick_at_us: u64,
    /// Nothing is read from observers at the moment.
    held: bool,
}

impl Mastering {
    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Is it time to ping?
    pub(crate) fn half_tick(&mut self, ctx: &Context<'_>) -> bool {
        let due = ctx.now_us >= self.half_tick_at_us;
        if due {
            self.half_tick_at_us = ctx.now_us + ctx.settings.tick_us / 2;
        }
        due
    }

    pub(crate) fn wake_at_us(&self) -> u64 {
        self.half_tick_at_us
    }
}

impl Leader {
    /// The master of observers; `last` is the last transaction that this follower has delivered.
    pub(crate) fn mastering(epoch: Epoch, last: Zxid, ctx: &mut Context<'_>) -> Leader {
        ctx.out.observer_port = Some(true);
        let half_tick_at_us = ctx.now_us + ctx.settings.tick_us / 2;
        let window = WindowLimits { count_min: 1, bytes: ctx.settings.config.observer_master_bytes };
        Leader {
            phase: Phase::Mastering(Mastering { epoch, half_tick_at_us, held: false }),
            links: BTreeMap::new(),
            history: History::new(Vec::new(), last, window),
            legacy: Legacy::default(),
        }
    }

    /// Reads nothing more of the observers, or goes on.
    pub(crate) fn hold(&mut self, hold: bool, ctx: &mut Context<'_>) {
        let Phase::Mastering(mastering) = &mut self.phase else { return };
        if std::mem::replace(&mut mastering.held, hold) == hold {
            return;
        }
        if hold {
            ctx.out.pauses.extend(self.links.keys());
        } else {
            ctx.out.resumes.extend(self.links.keys());
            self.links.values_mut().for_each(|link| link.heard(ctx.now_us));
        }
    }

    /// Are observers not read, so that their silence means nothing?
    pub(super) fn holds(&self) -> bool {
        matches!(&self.phase, Phase::Mastering(mastering) if mastering.held)
    }

    /// Transactions that are committed and on this server's disk: the observers get them.
    pub(crate) fn deliver(&mut self, txns: Vec<Txn>, ctx: &mut Context<'_>) {
        let Some(last) = txns.last().map(|txn| txn.zxid) else { return };
        for txn in txns {
            self.history.take_committed(txn);
        }
        self.history.trim(last);
        self.pump_all(ctx);
    }
}
