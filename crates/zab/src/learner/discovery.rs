//! A learner accepts its leader's epoch (reference: quorum-protocol §5.2, F2 and F3).

use super::Synchronisation;
use crate::context::{Context, Leave, Start};
use crate::io::ConnId;
use crate::packets;
use crate::promise::{Accepted, EpochAck, Promise, write_accepted_epoch};
use crate::{Epoch, Txn};
use wire::Zxid;

/// Until ACKEPOCH is sent. Consumed by [`Discovery::finish`].
#[derive(Debug)]
pub(crate) struct Discovery {
    start: Start,
    /// The leader's epoch, on its way to the disk.
    accepting: Option<(Epoch, Promise<Accepted>)>,
    /// ACKEPOCH has been sent.
    acked: Option<Epoch>,
}

impl Discovery {
    /// Says who this server is.
    pub(crate) fn new(start: Start, conn: ConnId, follower: bool, ctx: &mut Context<'_>) -> Discovery {
        let (me, version) = (ctx.settings.me(), ctx.settings.config.ensemble.version);
        packets::hello(ctx.out.send(conn), follower, start.accepted, me, version);
        Discovery { start, accepting: None, acked: None }
    }

    /// LEADERINFO. An epoch is accepted once; the second time it does not count, and an older one is not followed.
    pub(crate) fn leader_info(
        &mut self,
        epoch: Epoch,
        conn: ConnId,
        ctx: &mut Context<'_>,
    ) -> Result<(), Leave> {
        if self.accepting.is_some() || self.acked.is_some() {
            return Err(Leave("the leader told its epoch twice".to_owned()));
        }
        match epoch.cmp(&self.start.accepted) {
            std::cmp::Ordering::Less => {
                let accepted = self.start.accepted;
                Err(Leave(format!("the leader's epoch {epoch} is older than the accepted {accepted}")))
            }
            std::cmp::Ordering::Equal => {
                EpochAck::again(self.start.last.get()).write(ctx.out.send(conn));
                self.acked = Some(epoch);
                Ok(())
            }
            std::cmp::Ordering::Greater => {
                self.accepting = Some((epoch, write_accepted_epoch(epoch, ctx.disk, ctx.out)));
                Ok(())
            }
        }
    }

    /// Looks what the disk has done: accepted first, told afterwards.
    pub(crate) fn progress(&mut self, conn: ConnId, ctx: &mut Context<'_>) {
        let Some((epoch, promise)) = &mut self.accepting else { return };
        promise.newly_kept(ctx.disk);
        if let Some(accepted) = promise.kept() {
            EpochAck::first(accepted, self.start.last.get(), self.start.current).write(ctx.out.send(conn));
            self.acked = Some(*epoch);
            self.accepting = None;
        }
    }

    /// The leader begins to send its history.
    pub(crate) fn finish(self) -> Result<Synchronisation, Leave> {
        let early = || Leave("the leader sent its history before its epoch was accepted".to_owned());
        let epoch = self.acked.ok_or_else(early)?;
        Ok(Synchronisation::new(epoch, self.start.last))
    }
}

/// A transaction that a leader proposes: its place in the history is checked here, once.
#[derive(Debug)]
pub(crate) struct Sequence {
    /// Everything up to there was there before.
    base: Zxid,
    /// The last one proposed, or the base.
    newest: Zxid,
    /// Has nothing been proposed yet?
    fresh: bool,
}

impl Sequence {
    pub(crate) fn new(base: Zxid) -> Sequence {
        Sequence { base, newest: base, fresh: true }
    }

    pub(crate) fn newest(&self) -> Zxid {
        self.newest
    }

    /// Takes the next proposal. The first ones may repeat what a snapshot already holds.
    pub(crate) fn take(&mut self, txn: &Txn) -> Result<(), Leave> {
        let repeats = self.fresh && txn.zxid <= self.base;
        if !repeats && !crate::epoch::follows(self.newest, txn.zxid) {
            return Err(Leave(format!("{} does not follow {}", txn.zxid, self.newest)));
        }
        self.fresh = false;
        self.newest = txn.zxid;
        Ok(())
    }
}
