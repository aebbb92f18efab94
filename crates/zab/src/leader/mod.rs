//! Leading: from the decision of the election to the loss of the quorum (reference: quorum-protocol §5.1, §6.3, §7.2).
//!
//! Two machines work together: the [`Phase`] of the epoch, in which each phase is made of the one before, and one
//! [`Link`] per learner. What a learner says is handled in [`conversation`], every rule about what it gets is in [`feed`].

mod broadcast;
mod conversation;
mod discovery;
mod feed;
mod link;
mod mastering;
mod synchronisation;

pub(crate) use broadcast::Broadcast;
pub(crate) use discovery::Discovery;
pub(crate) use synchronisation::Synchronisation;

use crate::context::{Context, Leave, Legacy, Refusal, Start};
use crate::history::History;
use crate::io::{ConnId, Event, LogSlice, Read, RoleChange, ToLearner};
use crate::packets::{self, FromLearner, PacketWriter};
use crate::report::{PeerState, SyncMode, ZabPhase};
use crate::sync::LogView;
use crate::{Epoch, ServerId, Txn, snapshot_stream};
use feed::{Feed, Hole};
use link::{Link, Stage};
use mastering::Mastering;
use std::collections::{BTreeMap, BTreeSet};
use wire::{PacketType, ServerState, Zxid};

/// A learner as its leader sees it, for `mntr`, `cons` and the admin pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LearnerView {
    /// Its connection.
    pub conn: ConnId,
    /// Who it is.
    pub server: ServerId,
    /// Does it get proposals (a follower), or what is committed (an observer)?
    pub follower: bool,
    /// Is it up to date? Otherwise it is being brought there.
    pub live: bool,
    /// Will it get what is new without asking?
    pub registered: bool,
    /// How it is being brought up to date, until it has acknowledged that.
    pub syncing: Option<SyncMode>,
    /// The last transaction that was sent to it.
    pub sent: Zxid,
}

#[derive(Debug)]
pub(crate) struct Leader {
    phase: Phase,
    links: BTreeMap<ConnId, Link>,
    history: History,
    legacy: Legacy,
}

#[derive(Debug)]
enum Phase {
    Discovery(Discovery),
    Synchronisation(Synchronisation),
    Broadcast(Broadcast),
    /// This server follows, and observers learn from it.
    Mastering(Mastering),
    /// Only inside a transition.
    Between,
}

impl Leader {
    pub(crate) fn new(start: Start, ctx: &mut Context<'_>) -> Result<Leader, Leave> {
        let Start { last, accepted, current, recent, legacy } = start;
        ctx.out.quorum_port = Some(true);
        let discovery = Discovery::new(accepted.max(legacy.epoch_floor), current, last, ctx)?;
        Ok(Leader {
            phase: Phase::Discovery(discovery),
            links: BTreeMap::new(),
            history: History::new(recent, last.get(), ctx.settings.config.window),
            legacy,
        })
    }

    /// The zxid of the next transaction, while there is one to give.
    pub(crate) fn next_zxid(&self) -> Option<Zxid> {
        match &self.phase {
            Phase::Broadcast(broadcast) => broadcast.next_zxid(&self.history),
            _ => None,
        }
    }

    /// The established epoch.
    pub(crate) fn established(&self) -> Option<Epoch> {
        match &self.phase {
            Phase::Broadcast(broadcast) => Some(broadcast.epoch()),
            Phase::Mastering(mastering) => Some(mastering.epoch()),
            _ => None,
        }
    }

    /// A voter votes for somebody else.
    pub(crate) fn looks_elsewhere(&mut self, server: ServerId) {
        if let Phase::Discovery(discovery) = &mut self.phase {
            discovery.looks_elsewhere(server);
        }
    }

    /// Everyone who is connected, for those who ask.
    pub(crate) fn learners(&self) -> impl Iterator<Item = LearnerView> {
        let known = self.links.values().filter(|link| link.stage != Stage::Hello);
        known.map(|link| LearnerView {
            conn: link.conn,
            server: link.server,
            follower: link.kind == link::LearnerKind::Follower,
            live: link.stage == Stage::Live,
            registered: link.stage.is_registered(),
            syncing: link.tally.how.filter(|_| !link.stage.has_epoch()),
            sent: link.sent,
        })
    }

    /// Transactions whose commit syncs wait for.
    pub(crate) fn pending_syncs(&self) -> usize {
        self.links.values().flat_map(|link| &link.syncs).collect::<BTreeSet<_>>().len()
    }

    pub(crate) fn owns(&self, conn: ConnId) -> bool {
        self.links.contains_key(&conn)
    }

    pub(crate) fn accepted(&mut self, conn: ConnId, ctx: &mut Context<'_>) {
        self.links.insert(conn, Link::new(conn, ctx.settings.config.limits, ctx.now_us));
        if self.holds() {
            ctx.out.pauses.push(conn);
        }
    }

    pub(crate) fn closed(&mut self, conn: ConnId, ctx: &mut Context<'_>) {
        if let Some(link) = self.links.remove(&conn) {
            ctx.out.warn(format!("the connection of {} broke", link.name()));
            ctx.out.events.push(Event::LearnerGone(conn));
        }
    }

    pub(crate) fn written(&mut self, conn: ConnId, pending: usize, ctx: &mut Context<'_>) {
        if let Some(link) = self.links.get_mut(&conn) {
            link.written(pending, ctx.now_us);
            self.pump(conn, ctx);
        }
    }

    pub(crate) fn received(
        &mut self,
        conn: ConnId,
        bytes: &[u8],
        ctx: &mut Context<'_>,
    ) -> Result<(), Leave> {
        if let Some(link) = self.links.get_mut(&conn) {
            link.inbox.push(bytes);
        }
        while let Some(link) = self.links.get_mut(&conn) {
            match link.inbox.next(FromLearner::understand) {
                Ok(Some(message)) => self.take(conn, message, ctx)?,
                Ok(None) => break,
                Err(error) => self.refuse(conn, error.into(), ctx),
            }
        }
        Ok(())
    }

    /// Replicates a transaction of this server's own upper half.
    pub(crate) fn propose(&mut self, txn: Txn, ctx: &mut Context<'_>) {
        assert_eq!(Some(txn.zxid), self.next_zxid(), "a proposal has the next zxid");
        let Phase::Broadcast(broadcast) = &mut self.phase else { return };
        self.history.propose(txn.clone());
        broadcast.append(txn, ctx);
        self.pump_all(ctx);
    }

    pub(crate) fn answer(&mut self, conn: ConnId, message: ToLearner, ctx: &mut Context<'_>) {
        let last_proposed = self.history.last_proposed();
        let Some(link) = self.links.get_mut(&conn) else { return };
        match message {
            ToLearner::Revalidated { session, valid } => {
                packets::revalidated(ctx.out.send(conn), session, valid);
            }
            ToLearner::Sync => {
                link.syncs.push_back(last_proposed);
                self.pump(conn, ctx);
            }
        }
    }

    /// The upper half wants no more of a learner.
    pub(crate) fn turn_away(&mut self, conn: ConnId, why: String, ctx: &mut Context<'_>) {
        self.refuse(conn, Refusal(why), ctx);
    }

    /// Looks what the disk has done.
    pub(crate) fn progress(&mut self, ctx: &mut Context<'_>) -> Result<(), Leave> {
        match &mut self.phase {
            Phase::Discovery(discovery) => {
                if discovery.progress(ctx) {
                    self.tell_epoch(ctx);
                }
            }
            Phase::Synchronisation(synchronisation) => synchronisation.progress(ctx),
            Phase::Broadcast(broadcast) => {
                broadcast.progress(&self.history, ctx);
                self.commit(ctx);
            }
            Phase::Mastering(_) | Phase::Between => {}
        }
        self.advance(ctx);
        Ok(())
    }

    pub(crate) fn tick(&mut self, ctx: &mut Context<'_>) -> Result<(), Leave> {
        let heard = !self.holds();
        let late: Vec<(ConnId, Refusal)> = (self.links.values().filter(|_| heard))
            .filter_map(|link| link.check_time(ctx).err().map(|why| (link.conn, why)))
            .collect();
        for (conn, why) in late {
            self.refuse(conn, why, ctx);
        }
        match &mut self.phase {
            Phase::Discovery(d) if ctx.now_us >= d.deadline_us() => {
                return Err(Leave(format!("waited too long for {}", d.waits_for())));
            }
            Phase::Discovery(d) if d.is_deserted(ctx) => {
                ctx.out.events.push(Event::Disloyal);
                return Err(Leave("those who elected this server look for another leader".to_owned()));
            }
            Phase::Synchronisation(s) if ctx.now_us >= s.deadline_us() => {
                return Err(Leave(format!("waited too long for {}", s.waits_for())));
            }
            Phase::Broadcast(broadcast) => {
                if let Some(count) = broadcast.half_tick(ctx) {
                    if count {
                        self.check_quorum(ctx)?;
                    }
                    self.ping_all(ctx);
                }
                self.check_counter()?;
            }
            Phase::Mastering(mastering) => {
                let due = mastering.half_tick(ctx);
                if due {
                    self.ping_all(ctx);
                }
            }
            _ => {}
        }
        self.pump_all(ctx);
        self.set_wake(ctx);
        Ok(())
    }

    /// The log around a learner's zxid, or what comes next for it.
    pub(crate) fn log(&mut self, conn: ConnId, slice: &LogSlice, ctx: &mut Context<'_>) {
        let epoch = self.epoch();
        let Some(link) = self.links.get_mut(&conn) else { return };
        link.reading = false;
        if let Stage::AskingLog { last } = link.stage {
            // A log that ends before what is in memory begins has a hole there, in front of a snapshot.
            let next = slice.txns.first().map(|txn| txn.zxid);
            let view =
                slice.at_or_before.and_then(|at_or_before| Some(LogView { at_or_before, next: Some(next?) }));
            return self.synchronise(conn, last, view, true, ctx);
        }
        let Some(epoch) = epoch.filter(|_| link.stage.is_fed()) else { return };
        let feed = Feed { history: &self.history, epoch };
        let fed = feed.log(link, slice, ctx);
        self.check_fed(conn, fed, ctx);
    }

    /// The next bytes of a snapshot.
    pub(crate) fn snapshot(
        &mut self,
        conn: ConnId,
        at: Zxid,
        bytes: &[u8],
        last: bool,
        ctx: &mut Context<'_>,
    ) {
        let Some(link) = self.links.get_mut(&conn) else { return };
        link.reading = false;
        let Stage::Snapshot { zxid } = link.stage else { return };
        let packets = ctx.out.send(conn);
        if zxid.is_none() {
            packets.packet(PacketType::Snap, at, None);
        }
        packets.extend_from_slice(bytes);
        link.tally.bytes += bytes.len() as u64;
        if last {
            packets.extend_from_slice(snapshot_stream::SIGNATURE);
            link.feed_after(at, ctx.now_us);
        } else {
            link.enter(Stage::Snapshot { zxid: Some(at) }, ctx.now_us);
        }
        self.pump(conn, ctx);
    }

    /// The epoch, as soon as it may be told.
    fn epoch(&self) -> Option<Epoch> {
        match &self.phase {
            Phase::Discovery(discovery) => discovery.epoch(),
            Phase::Synchronisation(synchronisation) => Some(synchronisation.epoch()),
            Phase::Broadcast(broadcast) => Some(broadcast.epoch()),
            Phase::Mastering(mastering) => Some(mastering.epoch()),
            Phase::Between => None,
        }
    }

    /// The epoch, as soon as it cannot change any more.
    fn fixed_epoch(&self) -> Option<Epoch> {
        match &self.phase {
            Phase::Discovery(discovery) => discovery.fixed_epoch(),
            _ => self.epoch(),
        }
    }

    /// What the next leader here has to know.
    pub(crate) fn legacy(&self) -> &Legacy {
        &self.legacy
    }

    fn tell_epoch(&mut self, ctx: &mut Context<'_>) {
        let Some(epoch) = self.epoch() else { return };
        for link in self.links.values_mut().filter(|link| link.stage == Stage::AwaitingEpoch) {
            link.send_leader_info(epoch, ctx);
        }
    }

    /// Goes to the next phase as soon as this one has its quorum.
    fn advance(&mut self, ctx: &mut Context<'_>) {
        self.phase = match std::mem::replace(&mut self.phase, Phase::Between) {
            Phase::Discovery(discovery) if discovery.has_quorum(ctx) => {
                self.phase = Phase::Synchronisation(discovery.finish(ctx));
                ctx.out.state(PeerState::of(ServerState::Leading, ZabPhase::Synchronization));
                return self.start_synchronisations(ctx);
            }
            Phase::Synchronisation(synchronisation) if synchronisation.has_quorum(ctx) => {
                let supporters = synchronisation.supporters();
                let broadcast = synchronisation.finish(ctx);
                let epoch = broadcast.epoch();
                ctx.out.note(format!(
                    "Have quorum of supporters, sids: [[{supporters}]]; starting up and setting last processed zxid: {}",
                    epoch.start()
                ));
                ctx.out.state(PeerState::of(ServerState::Leading, ZabPhase::Broadcast));
                self.history.start_epoch(epoch);
                self.phase = Phase::Broadcast(broadcast);
                ctx.out.events.push(Event::Role(RoleChange::Leading { epoch }));
                return self.activate(ctx);
            }
            phase => phase,
        };
    }

    fn start_synchronisations(&mut self, ctx: &mut Context<'_>) {
        let waiting: Vec<(ConnId, Zxid)> = (self.links.values())
            .filter_map(|link| match link.stage {
                Stage::AwaitingEpochQuorum { last } => Some((link.conn, last)),
                _ => None,
            })
            .collect();
        for (conn, last) in waiting {
            self.synchronise(conn, last, None, false, ctx);
        }
    }

    /// The epoch is established: those who have its history may serve.
    fn activate(&mut self, ctx: &mut Context<'_>) {
        if self.established().is_none() {
            return;
        }
        let last = self.history.last_processed();
        for link in self.links.values_mut() {
            if link.stage == Stage::AwaitingActivation {
                link.send_up_to_date(ctx);
                link.measure(last, ctx);
            }
        }
        self.pump_all(ctx);
    }

    fn commit(&mut self, ctx: &mut Context<'_>) {
        if let Phase::Broadcast(broadcast) = &mut self.phase
            && broadcast.commit(&mut self.history, ctx)
        {
            self.pump_all(ctx);
        }
    }

    fn pump_all(&mut self, ctx: &mut Context<'_>) {
        let Some(epoch) = self.epoch() else { return };
        let feed = Feed { history: &self.history, epoch };
        let mut fed = Vec::new();
        for link in self.links.values_mut() {
            fed.extend(pump_link(&feed, link, ctx).err().map(|hole| (link.conn, hole)));
        }
        for (conn, hole) in fed {
            self.check_fed(conn, Err(hole), ctx);
        }
    }

    /// Sends a learner what it lacks, as far as there is room.
    fn pump(&mut self, conn: ConnId, ctx: &mut Context<'_>) {
        let Some(epoch) = self.epoch() else { return };
        let Some(link) = self.links.get_mut(&conn) else { return };
        let fed = pump_link(&Feed { history: &self.history, epoch }, link, ctx);
        self.check_fed(conn, fed, ctx);
    }

    fn check_fed(&mut self, conn: ConnId, fed: Result<(), Hole>, ctx: &mut Context<'_>) {
        if let Err(Hole(why)) = fed {
            self.legacy.snapshot_only.extend(self.links.get(&conn).map(|link| link.server));
            self.refuse(conn, why, ctx);
        }
    }

    /// A leader without a quorum of followers steps down; those that are being brought up to date count, since silent ones
    /// are gone by now (reference: quorum-protocol §7.2).
    fn check_quorum(&self, ctx: &Context<'_>) -> Result<(), Leave> {
        let there = |link: &&Link| link.votes(ctx.settings) && link.stage != Stage::Hello;
        let mut present: BTreeSet<ServerId> =
            self.links.values().filter(there).map(|link| link.server).collect();
        present.insert(ctx.settings.me());
        if ctx.settings.quorums.contain_quorum(&present) {
            return Ok(());
        }
        Err(Leave(format!("only {present:?} are there, which is no quorum")))
    }

    /// At the end of the counter a new epoch has to begin; what is outstanding is still committed.
    fn check_counter(&self) -> Result<(), Leave> {
        let done = self.history.oldest_outstanding().is_none();
        if self.established().is_some() && self.next_zxid().is_none() && done {
            return Err(Leave("the counter of this epoch is used up".to_owned()));
        }
        Ok(())
    }

    fn ping_all(&mut self, ctx: &mut Context<'_>) {
        let last = self.history.last_proposed();
        for link in self.links.values_mut().filter(|link| link.stage.is_synced()) {
            let comes =
                if link.kind == link::LearnerKind::Follower { last } else { self.history.last_processed() };
            link.measure(comes, ctx);
            link.ping(last, ctx.out);
        }
    }

    fn refuse(&mut self, conn: ConnId, Refusal(why): Refusal, ctx: &mut Context<'_>) {
        let Some(link) = self.links.remove(&conn) else { return };
        ctx.out.warn(format!("closing the connection of {}: {why}", link.name()));
        ctx.out.closes.push(conn);
        ctx.out.events.push(Event::LearnerGone(conn));
    }

    fn set_wake(&self, ctx: &mut Context<'_>) {
        let phase = match &self.phase {
            Phase::Discovery(discovery) => Some(discovery.wake_at_us(ctx)),
            Phase::Synchronisation(synchronisation) => Some(synchronisation.deadline_us()),
            Phase::Broadcast(broadcast) => Some(broadcast.wake_at_us()),
            Phase::Mastering(mastering) => Some(mastering.wake_at_us()),
            Phase::Between => None,
        };
        let heard = !self.holds();
        let links = self.links.values().filter(|_| heard).map(|link| link.deadline_us(ctx.settings));
        if let Some(at) = links.chain(phase).min() {
            ctx.out.wake(at);
        }
    }

    /// Gives up: all learners are let go.
    pub(crate) fn leave(self, ctx: &mut Context<'_>) {
        match self.phase {
            Phase::Mastering(_) => ctx.out.observer_port = Some(false),
            _ => ctx.out.quorum_port = Some(false),
        }
        ctx.out.closes.extend(self.links.keys());
    }
}

/// The next of what a learner is being sent: snapshot or history.
fn pump_link(feed: &Feed<'_>, link: &mut Link, ctx: &mut Context<'_>) -> Result<(), Hole> {
    if matches!(link.stage, Stage::Snapshot { .. }) && !link.reading && link.has_room(ctx) {
        link.reading = true;
        ctx.out.reads.push(Read::Snapshot { conn: link.conn });
    }
    feed.pump(link, ctx)
}
