//! Learning: from the decision of the election to the loss of the leader (reference: quorum-protocol §5.2, §6.4).
//!
//! A table of contents of a learner's life: it connects, accepts the epoch, takes over the history, and follows. Each phase is
//! made of the one before; the last one dies with the connection, and the next role starts from the disk.

mod connecting;
mod discovery;
mod following;
mod synchronisation;

use synchronisation::Synchronisation;

use crate::ServerId;
use crate::context::{Context, Leave, Start};
use crate::io::{ConnId, DialId, Event, RoleChange, ToLeader};
use crate::leader::Leader;
use crate::packets::{self, FromLeader, Inbox};
use crate::report::{PeerState, SyncMode, ZabPhase};
use connecting::Connecting;
use discovery::Discovery;
use following::Following;
use wire::{ServerState, Zxid};

#[derive(Debug)]
pub(crate) struct Learner {
    leader: ServerId,
    master: ServerId,
    turn: usize,
    follower: bool,
    phase: Phase,
    inbox: Inbox,
    paused: bool,
    /// Bytes for the leader that wait in the shell, as it last said.
    unsent: usize,
    /// When the leader was last heard.
    heard_us: u64,
    /// The observers that learn from here, while this server follows.
    observers: Option<Box<Leader>>,
}

#[derive(Debug)]
enum Phase {
    Connecting(Connecting, Start),
    Discovery(ConnId, Discovery),
    Synchronisation(ConnId, Synchronisation),
    Following(ConnId, Following),
    /// Only inside a transition.
    Between,
}

impl Learner {
    pub(crate) fn new(
        leader: ServerId,
        follower: bool,
        start: Start,
        turn: usize,
        ctx: &mut Context<'_>,
    ) -> Result<Learner, Leave> {
        let connecting = Connecting::new(leader, follower, turn, ctx)?;
        Ok(Learner {
            leader,
            master: leader,
            turn,
            follower,
            phase: Phase::Connecting(connecting, start),
            inbox: Inbox::new(ctx.settings.config.limits),
            paused: false,
            unsent: 0,
            heard_us: ctx.now_us,
            observers: None,
        })
    }

    /// Whom it is connected to: the leader, or a follower that takes observers.
    pub(crate) fn master(&self) -> ServerId {
        self.master
    }

    /// Does it get proposals? Otherwise it is an observer.
    pub(crate) fn is_follower(&self) -> bool {
        self.follower
    }

    /// Where the next search for a master goes on.
    pub(crate) fn turn(&self) -> usize {
        match &self.phase {
            Phase::Connecting(connecting, _) => connecting.turn(),
            _ => self.turn,
        }
    }

    pub(crate) fn leader(&self) -> ServerId {
        self.leader
    }

    /// The connection to the leader, if there is one.
    pub(crate) fn conn(&self) -> Option<ConnId> {
        match &self.phase {
            Phase::Discovery(conn, _) | Phase::Synchronisation(conn, _) | Phase::Following(conn, _) => {
                Some(*conn)
            }
            Phase::Connecting(..) | Phase::Between => None,
        }
    }

    /// Is it up to date?
    pub(crate) fn following(&self) -> Option<crate::Epoch> {
        match &self.phase {
            Phase::Following(_, following) => Some(following.epoch()),
            _ => None,
        }
    }

    /// A dial has ended; false if it was not ours.
    pub(crate) fn dialled(&mut self, dial: DialId, conn: Option<ConnId>, ctx: &mut Context<'_>) -> bool {
        let Phase::Connecting(connecting, _) = &mut self.phase else { return false };
        let Some((conn, master)) = connecting.dialled(dial, conn, ctx) else { return conn.is_none() };
        (self.turn, self.master) = (connecting.turn(), master);
        if master != self.leader {
            ctx.out.note(format!("Connected to server {master}, which takes observers"));
        }
        self.heard_us = ctx.now_us;
        self.phase = match std::mem::replace(&mut self.phase, Phase::Between) {
            Phase::Connecting(_, start) => {
                Phase::Discovery(conn, Discovery::new(start, conn, self.follower, ctx))
            }
            phase => phase,
        };
        true
    }

    pub(crate) fn received(&mut self, bytes: &[u8], ctx: &mut Context<'_>) -> Result<(), Leave> {
        self.heard_us = ctx.now_us;
        self.inbox.push(bytes);
        self.drain(ctx)
    }

    pub(crate) fn written(&mut self, pending: usize) {
        self.unsent = pending;
    }

    /// The log has been cut.
    pub(crate) fn truncated(&mut self, last: Zxid, ctx: &mut Context<'_>) -> Result<(), Leave> {
        if let Phase::Synchronisation(_, synchronisation) = &mut self.phase {
            synchronisation.truncated(last, ctx)?;
        }
        self.progress(ctx)
    }

    /// Looks what the disk has done.
    pub(crate) fn progress(&mut self, ctx: &mut Context<'_>) -> Result<(), Leave> {
        match &mut self.phase {
            Phase::Discovery(conn, discovery) => discovery.progress(*conn, ctx),
            Phase::Synchronisation(conn, synchronisation) => {
                if synchronisation.is_blocked() {
                    self.heard_us = ctx.now_us;
                }
                synchronisation.progress(*conn, ctx);
            }
            Phase::Following(conn, following) => following.progress(*conn, ctx),
            Phase::Connecting(..) | Phase::Between => {}
        }
        self.drain(ctx)
    }

    pub(crate) fn tell(&self, message: ToLeader, ctx: &mut Context<'_>) {
        if let Phase::Following(conn, following) = &self.phase {
            following.tell(message, *conn, ctx);
        }
    }

    pub(crate) fn tick(&mut self, ctx: &mut Context<'_>) -> Result<(), Leave> {
        if let Phase::Connecting(connecting, _) = &mut self.phase {
            connecting.tick(ctx)?;
            ctx.out.wake(connecting.wake_at_us());
            return Ok(());
        }
        if let Some(deadline_us) = self.deadline_us(ctx) {
            if ctx.now_us >= deadline_us {
                return Err(Leave(format!("server {} was not heard in time", self.master)));
            }
            ctx.out.wake(deadline_us);
        }
        self.hold_observers(ctx);
        match &mut self.observers {
            Some(observers) => observers.tick(ctx),
            None => Ok(()),
        }
    }

    /// A leader that does not take what observers ask makes them wait.
    fn hold_observers(&mut self, ctx: &mut Context<'_>) {
        let (Some(conn), Some(observers)) = (self.conn(), &mut self.observers) else { return };
        let full = self.unsent + ctx.out.queued(conn) > ctx.settings.config.send_bytes;
        if full && self.unsent == 0 {
            // The shell may write all of it at once, and then says nothing.
            ctx.out.wake(ctx.now_us);
        }
        observers.hold(full, ctx);
    }

    /// When the leader counts as gone. While this server's own disk is busy it cannot be heard.
    fn deadline_us(&self, ctx: &Context<'_>) -> Option<u64> {
        let limit_us = match &self.phase {
            Phase::Synchronisation(_, synchronisation) if synchronisation.is_blocked() => return None,
            Phase::Synchronisation(_, synchronisation) if synchronisation.has_acked() => ctx.settings.sync_us,
            Phase::Following(..) => ctx.settings.sync_us,
            _ => ctx.settings.init_us,
        };
        (!self.paused).then_some(self.heard_us + limit_us)
    }

    /// Works on what has come in, until there is no whole packet left or the disk has to do something first.
    fn drain(&mut self, ctx: &mut Context<'_>) -> Result<(), Leave> {
        while let Some(conn) = self.conn() {
            if let Phase::Synchronisation(_, synchronisation) = &mut self.phase {
                if synchronisation.is_blocked() {
                    break;
                }
                if synchronisation.take_raw(&mut self.inbox, ctx)? {
                    if synchronisation.is_receiving() {
                        break;
                    }
                    continue;
                }
            }
            let next = self.inbox.next(FromLeader::understand);
            let next = next.map_err(|error| Leave(format!("the leader sent nonsense: {error}")))?;
            let Some(message) = next else { break };
            self.take(conn, message, ctx)?;
        }
        self.set_pause(ctx);
        self.feed_observers(ctx);
        Ok(())
    }

    /// What was delivered here goes to the observers.
    fn feed_observers(&mut self, ctx: &mut Context<'_>) {
        if let (Phase::Following(_, following), Some(observers)) = (&mut self.phase, &mut self.observers) {
            observers.deliver(following.take_delivered(), ctx);
        }
    }

    /// Those who learn from here.
    pub(crate) fn observers(&mut self) -> Option<&mut Leader> {
        self.observers.as_deref_mut()
    }

    /// The same, to look at.
    pub(crate) fn observers_view(&self) -> Option<&Leader> {
        self.observers.as_deref()
    }

    fn take(&mut self, conn: ConnId, message: FromLeader, ctx: &mut Context<'_>) -> Result<(), Leave> {
        match (&mut self.phase, message) {
            (Phase::Discovery(_, discovery), FromLeader::LeaderInfo(epoch)) => {
                discovery.leader_info(epoch, conn, ctx)
            }
            (Phase::Discovery(..), first) => {
                self.start_synchronisation()?;
                let Phase::Synchronisation(_, synchronisation) = &mut self.phase else { return Ok(()) };
                synchronisation.take(first, ctx)?;
                let sync = synchronisation.mode();
                self.tell_state(ZabPhase::Synchronization, sync, ctx);
                Ok(())
            }
            (Phase::Synchronisation(..), FromLeader::UpToDate) => self.start_following(ctx),
            (Phase::Synchronisation(_, synchronisation), message) => {
                synchronisation.take(message, ctx)?;
                synchronisation.progress(conn, ctx);
                Ok(())
            }
            (Phase::Following(_, following), message) => following.take(message, ctx),
            (Phase::Connecting(..) | Phase::Between, _) => Ok(()),
        }
    }

    fn tell_state(&self, phase: ZabPhase, sync: Option<SyncMode>, ctx: &mut Context<'_>) {
        let state = if self.follower { ServerState::Following } else { ServerState::Observing };
        ctx.out.state(PeerState { state, phase, sync });
    }

    fn start_synchronisation(&mut self) -> Result<(), Leave> {
        self.phase = match std::mem::replace(&mut self.phase, Phase::Between) {
            Phase::Discovery(conn, discovery) => Phase::Synchronisation(conn, discovery.finish()?),
            phase => phase,
        };
        Ok(())
    }

    /// UPTODATE: acknowledged once more, with the epoch's zxid, before any transaction is.
    fn start_following(&mut self, ctx: &mut Context<'_>) -> Result<(), Leave> {
        self.tell_state(ZabPhase::Broadcast, None, ctx);
        self.phase = match std::mem::replace(&mut self.phase, Phase::Between) {
            Phase::Synchronisation(conn, synchronisation) => {
                let epoch = synchronisation.epoch();
                let mut following = synchronisation.finish(self.follower, ctx)?;
                packets::ack(ctx.out.send(conn), epoch.start());
                let leader = self.leader;
                ctx.out.events.push(Event::Role(if self.follower {
                    RoleChange::Following { leader, epoch }
                } else {
                    RoleChange::Observing { leader, epoch }
                }));
                if self.follower && ctx.settings.config.observer_master_port.is_some() {
                    let last = following.begin_mastering();
                    self.observers = Some(Box::new(Leader::mastering(epoch, last, ctx)));
                }
                Phase::Following(conn, following)
            }
            phase => phase,
        };
        Ok(())
    }

    /// A disk that does not keep up makes the leader wait.
    fn set_pause(&mut self, ctx: &mut Context<'_>) {
        let Some(conn) = self.conn() else { return };
        let (blocked, flying) = match &self.phase {
            Phase::Synchronisation(_, synchronisation) => {
                (synchronisation.is_blocked(), synchronisation.flying_bytes())
            }
            Phase::Following(_, following) => (false, following.flying_bytes()),
            _ => (false, 0),
        };
        let full = blocked || flying > ctx.settings.config.receive_bytes;
        if full != self.paused {
            self.paused = full;
            self.heard_us = ctx.now_us;
            if full { ctx.out.pauses.push(conn) } else { ctx.out.resumes.push(conn) }
        }
    }

    /// Gives up.
    pub(crate) fn leave(self, ctx: &mut Context<'_>) {
        ctx.out.closes.extend(self.conn());
        if let Some(observers) = self.observers {
            observers.leave(ctx);
        }
    }
}
