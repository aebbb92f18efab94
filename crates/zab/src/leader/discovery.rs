//! The leader finds a new epoch and the quorum that accepts it (reference: quorum-protocol §5.1, L2 to L5).

use super::Synchronisation;
use crate::context::{Context, Leave, Refusal};
use crate::promise::{Accepted, Durable, Promise, write_accepted_epoch, write_current_epoch};
use crate::{Epoch, ServerId};
use std::collections::BTreeSet;
use wire::Zxid;

/// Until a quorum has accepted the epoch. Consumed by [`Discovery::finish`].
#[derive(Debug)]
pub(crate) struct Discovery {
    /// This server's own history, which must be the newest of the quorum.
    current: Epoch,
    history: Durable<Zxid>,
    /// Higher than every epoch that anybody here has accepted.
    epoch: Epoch,
    connected: BTreeSet<ServerId>,
    /// From the moment a quorum is connected the epoch is fixed.
    accepted: Option<Promise<Accepted>>,
    acks: BTreeSet<ServerId>,
    /// Voters that look for another leader.
    disloyal: BTreeSet<ServerId>,
    started_us: u64,
    deadline_us: u64,
}

impl Discovery {
    pub(crate) fn new(
        accepted: Epoch,
        current: Epoch,
        history: Durable<Zxid>,
        ctx: &mut Context<'_>,
    ) -> Result<Discovery, Leave> {
        let mut discovery = Discovery {
            current,
            history,
            epoch: Epoch::default(),
            connected: BTreeSet::new(),
            accepted: None,
            acks: BTreeSet::new(),
            disloyal: BTreeSet::new(),
            started_us: ctx.now_us,
            deadline_us: ctx.now_us + ctx.settings.init_us,
        };
        discovery.connect(ctx.settings.me(), true, accepted, ctx)?;
        Ok(discovery)
    }

    /// A server connects and tells the epoch that it has accepted last. Only voters count, but everyone raises the epoch.
    pub(crate) fn connect(
        &mut self,
        server: ServerId,
        votes: bool,
        accepted: Epoch,
        ctx: &mut Context<'_>,
    ) -> Result<(), Leave> {
        if self.accepted.is_some() {
            return Ok(());
        }
        let above = accepted.next().ok_or_else(|| Leave(format!("no epoch is left behind {accepted}")))?;
        self.epoch = self.epoch.max(above);
        if votes {
            self.connected.insert(server);
            self.disloyal.remove(&server);
        }
        if ctx.settings.epoch_rule().contains_quorum(&self.connected) {
            self.accepted = Some(write_accepted_epoch(self.epoch, ctx.disk, ctx.out));
            self.deadline_us = ctx.now_us + ctx.settings.init_us;
        }
        Ok(())
    }

    /// Looks what the disk has done; true when the epoch may now be told. Telling it is this server's own ACKEPOCH.
    pub(crate) fn progress(&mut self, ctx: &mut Context<'_>) -> bool {
        let told = self.accepted.as_mut().is_some_and(|accepted| accepted.newly_kept(ctx.disk));
        if told {
            self.acks.insert(ctx.settings.me());
        }
        told
    }

    /// The epoch, as soon as a quorum is connected.
    pub(crate) fn fixed_epoch(&self) -> Option<Epoch> {
        self.accepted.as_ref().map(|_| self.epoch)
    }

    /// The epoch, as soon as it may be told.
    pub(crate) fn epoch(&self) -> Option<Epoch> {
        self.accepted.as_ref().and_then(Promise::kept).map(|accepted| accepted.get().0)
    }

    /// A server has accepted the epoch.
    ///
    /// # Errors
    /// When its history is newer than this server's: it must not follow (ZOOKEEPER-1154). It may come back later.
    pub(crate) fn ack(
        &mut self,
        server: ServerId,
        votes: bool,
        last: Zxid,
        current: Option<Epoch>,
    ) -> Result<(), Refusal> {
        let Some(current) = current else { return Ok(()) };
        if (current, last) > (self.current, self.history.get()) {
            let (mine, here) = (self.history.get(), self.current);
            return Err(Refusal(format!(
                "{last} of epoch {current} is ahead of the leader's {mine} of epoch {here}"
            )));
        }
        if votes && last != Zxid(-1) {
            self.acks.insert(server);
        }
        Ok(())
    }

    pub(crate) fn has_quorum(&self, ctx: &Context<'_>) -> bool {
        ctx.settings.epoch_rule().contains_quorum(&self.acks)
    }

    /// A quorum has accepted: this server's history becomes that of the epoch.
    pub(crate) fn finish(self, ctx: &mut Context<'_>) -> Synchronisation {
        let current = write_current_epoch(self.history, self.epoch, ctx.disk, ctx.out);
        Synchronisation::new(self.epoch, self.history, current, ctx)
    }

    /// A voter votes for somebody else.
    pub(crate) fn looks_elsewhere(&mut self, server: ServerId) {
        if !self.connected.contains(&server) {
            self.disloyal.insert(server);
        }
    }

    /// Has half a tick passed, and have too many of those who elected this server changed their minds (ZOOKEEPER-3109)?
    /// Then waiting for them costs `initLimit` and leads nowhere.
    pub(crate) fn is_deserted(&self, ctx: &Context<'_>) -> bool {
        ctx.now_us >= self.patience_ends_us(ctx)
            && !ctx.settings.epoch_rule().is_met_by(&|server| !self.disloyal.contains(&server))
    }

    fn patience_ends_us(&self, ctx: &Context<'_>) -> u64 {
        self.started_us + ctx.settings.tick_us / 2
    }

    /// When something is due at the latest.
    pub(crate) fn wake_at_us(&self, ctx: &Context<'_>) -> u64 {
        let patience = self.patience_ends_us(ctx);
        if ctx.now_us < patience { patience.min(self.deadline_us) } else { self.deadline_us }
    }

    pub(crate) fn deadline_us(&self) -> u64 {
        self.deadline_us
    }

    /// What is missing, for the log.
    pub(crate) fn waits_for(&self) -> String {
        match self.accepted {
            None => format!("a quorum to connect, only {:?} did", self.connected),
            Some(_) => format!("a quorum to accept epoch {}, only {:?} did", self.epoch, self.acks),
        }
    }
}
