//! The leader waits until a quorum has its history (reference: quorum-protocol §5.1, L6).

use super::Broadcast;
use crate::context::Context;
use crate::promise::{Current, Durable, NewLeaderAck, Promise};
use crate::{Epoch, ServerId};
use std::collections::BTreeSet;
use wire::Zxid;

/// Until a quorum has acknowledged NEWLEADER. Consumed by [`Synchronisation::finish`].
#[derive(Debug)]
pub(crate) struct Synchronisation {
    epoch: Epoch,
    history: Durable<Zxid>,
    current: Promise<Current>,
    acks: BTreeSet<ServerId>,
    deadline_us: u64,
}

impl Synchronisation {
    pub(crate) fn new(
        epoch: Epoch,
        history: Durable<Zxid>,
        current: Promise<Current>,
        ctx: &Context<'_>,
    ) -> Synchronisation {
        let deadline_us = ctx.now_us + ctx.settings.init_us;
        Synchronisation { epoch, history, current, acks: BTreeSet::new(), deadline_us }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Looks what the disk has done: the leader acknowledges its own NEWLEADER like everybody else, on disk.
    pub(crate) fn progress(&mut self, ctx: &Context<'_>) {
        self.current.newly_kept(ctx.disk);
        if let Some(current) = self.current.kept() {
            let ack = NewLeaderAck::new(self.history, current);
            assert_eq!(ack.epoch(), self.epoch);
            self.acks.insert(ctx.settings.me());
        }
    }

    pub(crate) fn ack(&mut self, server: ServerId) {
        self.acks.insert(server);
    }

    /// The leader itself must be among them: it does not lead an epoch that its own disk does not know.
    pub(crate) fn has_quorum(&self, ctx: &Context<'_>) -> bool {
        self.acks.contains(&ctx.settings.me()) && ctx.settings.quorums.contain_quorum(&self.acks)
    }

    /// A quorum has the history: the epoch is established.
    pub(crate) fn finish(self, ctx: &Context<'_>) -> Broadcast {
        Broadcast::new(self.epoch, self.history, ctx)
    }

    pub(crate) fn deadline_us(&self) -> u64 {
        self.deadline_us
    }

    /// Who has the history, for the log.
    pub(crate) fn supporters(&self) -> String {
        self.acks.iter().map(ServerId::to_string).collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn waits_for(&self) -> String {
        format!("a quorum to take over the history of epoch {}, only {:?} did", self.epoch, self.acks)
    }
}
