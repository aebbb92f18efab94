//! A learner that is up to date (reference: quorum-protocol §6.4, §6.5, §8).

use crate::context::{Context, Leave};
use crate::io::{ConnId, Event, ToLeader};
use crate::journal::Journal;
use crate::packets::{self, FromLeader, PacketWriter};
use crate::promise::Ack;
use crate::{Epoch, ServerId, Txn};
use std::collections::VecDeque;
use wire::{Encode, PacketType, Zxid};

/// From UPTODATE to the loss of the leader.
#[derive(Debug)]
pub(crate) struct Following {
    epoch: Epoch,
    /// Observers get what is committed and acknowledge nothing.
    follower: bool,
    journal: Journal,
    /// The last transaction proposed.
    newest: Zxid,
    /// Proposed and not committed.
    uncommitted: VecDeque<Zxid>,
    /// Logged and not acknowledged.
    unacked: VecDeque<Zxid>,
}

impl Following {
    pub(crate) fn new(epoch: Epoch, follower: bool, journal: Journal, newest: Zxid) -> Following {
        let (uncommitted, unacked) = (VecDeque::new(), VecDeque::new());
        Following { epoch, follower, journal, newest, uncommitted, unacked }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Observers are to learn from here what is delivered from now on; returns what was the last.
    pub(crate) fn begin_mastering(&mut self) -> Zxid {
        self.journal.begin_sink()
    }

    pub(crate) fn take_delivered(&mut self) -> Vec<Txn> {
        self.journal.take_delivered()
    }

    pub(crate) fn flying_bytes(&self) -> usize {
        self.journal.flying_bytes()
    }

    pub(crate) fn take(&mut self, message: FromLeader, ctx: &mut Context<'_>) -> Result<(), Leave> {
        match message {
            FromLeader::Proposal(txn) if self.follower => self.propose(txn, ctx)?,
            FromLeader::Commit(zxid, activate) if self.follower => self.commit(zxid, activate, ctx)?,
            FromLeader::Inform(txn, activate) if !self.follower => {
                let zxid = txn.zxid;
                self.propose(txn, ctx)?;
                if self.uncommitted.back() == Some(&zxid) {
                    self.commit(zxid, activate, ctx)?;
                }
            }
            FromLeader::Ping(zxid) => ctx.out.events.push(Event::Ping { zxid }),
            FromLeader::Synced => self.journal.synced(ctx.out),
            FromLeader::Revalidated { session, valid } => {
                ctx.out.events.push(Event::Revalidated { session, valid });
            }
            // Apache's learners only warn of these too.
            other => ctx.out.warn(format!("the leader sent {other:?}, which means nothing here")),
        }
        Ok(())
    }

    /// The next transaction. One that was there already is none (reference: quorum-protocol §13).
    fn propose(&mut self, txn: Txn, ctx: &mut Context<'_>) -> Result<(), Leave> {
        if txn.zxid <= self.newest {
            ctx.out.warn(format!("{} was proposed again", txn.zxid));
            return Ok(());
        }
        if !crate::epoch::follows(self.newest, txn.zxid) || Epoch::of(txn.zxid) != self.epoch {
            let (zxid, newest) = (txn.zxid, self.newest);
            return Err(Leave(format!("{zxid} does not follow {newest} in epoch {}", self.epoch)));
        }
        self.newest = txn.zxid;
        self.log(txn, ctx);
        Ok(())
    }

    /// Logs a transaction whose place in the history has been checked.
    pub(crate) fn log(&mut self, txn: Txn, ctx: &mut Context<'_>) {
        if txn.zxid <= self.journal.last() {
            return;
        }
        self.uncommitted.push_back(txn.zxid);
        if self.follower {
            self.unacked.push_back(txn.zxid);
        }
        self.journal.append(txn, ctx.disk, ctx.out);
    }

    pub(crate) fn commit(
        &mut self,
        zxid: Zxid,
        activate: Option<ServerId>,
        ctx: &mut Context<'_>,
    ) -> Result<(), Leave> {
        match self.uncommitted.front() {
            Some(next) if *next == zxid => {
                self.uncommitted.pop_front();
                self.journal.commit(zxid, activate, ctx.out);
                Ok(())
            }
            Some(next) => Err(Leave(format!("a commit of {zxid} where {next} is next"))),
            None => {
                ctx.out.warn(format!("a commit of {zxid}, which was not proposed"));
                Ok(())
            }
        }
    }

    /// Looks what the disk has done and acknowledges it, every transaction by itself, as Apache's leaders count them.
    pub(crate) fn progress(&mut self, conn: ConnId, ctx: &mut Context<'_>) {
        self.journal.progress(ctx.disk, ctx.out);
        let durable = self.journal.durable();
        while let Some(ack) = self.unacked.front().and_then(|zxid| Ack::new(durable, *zxid)) {
            self.unacked.pop_front();
            ack.write(ctx.out.send(conn));
        }
    }

    pub(crate) fn tell(&self, message: ToLeader, conn: ConnId, ctx: &mut Context<'_>) {
        let packets = ctx.out.send(conn);
        match message {
            ToLeader::Request { data, auth_info } => packets::request(packets, &data, auth_info),
            ToLeader::Revalidate(session) => {
                packets.packet(PacketType::Revalidate, Zxid(-1), Some(&session.to_bytes()));
            }
            ToLeader::Pong { zxid, touched } => packets::pong(packets, zxid, &touched),
        }
    }
}
