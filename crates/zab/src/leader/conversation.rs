//! What a learner says and what it leads to, packet by packet (reference: quorum-protocol §5.1, H1 to H11).

use super::link::{LearnerKind, Stage, Tally};
use super::{Leader, Phase};
use crate::context::{Context, Leave, Refusal};
use crate::io::{ConnId, Event, Read};
use crate::packets::{FromLearner, PacketWriter};
use crate::report::SyncMode;
use crate::sync::{HistoryView, LogView, SyncPlan, choose_sync, needs_log};
use crate::{Epoch, ServerId};
use wire::{LearnerInfo, PacketType, Zxid};

/// How much of the log is read to see where a learner's zxid stands.
const FIRST_READ_BYTES: usize = 64 << 10;

/// How many epochs without an established leader are believed.
const EPOCH_LEAP_MAX: u32 = 1000;

impl Leader {
    /// One packet of a learner.
    pub(super) fn take(
        &mut self,
        conn: ConnId,
        message: FromLearner,
        ctx: &mut Context<'_>,
    ) -> Result<(), Leave> {
        let Some(link) = self.links.get_mut(&conn) else { return Ok(()) };
        link.heard(ctx.now_us);
        match (link.stage, message) {
            (Stage::Hello, FromLearner::Hello { follower, accepted, info }) => {
                self.hello(conn, follower, accepted, info, ctx)?;
            }
            (Stage::AwaitingAckEpoch, FromLearner::AckEpoch { last, current }) => {
                self.ack_epoch(conn, last, current, ctx);
            }
            (Stage::AwaitingAck, FromLearner::Ack(zxid)) => self.ack_new_leader(conn, zxid, ctx),
            (Stage::AwaitingActivation | Stage::Live, FromLearner::Ack(zxid)) => {
                // What was never sent to it cannot be meant; counter 0 is NEWLEADER or UPTODATE once more.
                if zxid.counter() != 0 && zxid <= link.sent {
                    self.ack(conn, zxid, ctx);
                }
            }
            (stage, FromLearner::Pong(touched)) if stage.has_epoch() => {
                ctx.out.events.push(Event::Touched(touched));
            }
            (stage, FromLearner::Revalidate(session)) if stage.has_epoch() => {
                ctx.out.events.push(Event::Revalidate { conn, session });
            }
            (stage, FromLearner::Request { data, auth_info }) if stage.has_epoch() => {
                ctx.out.events.push(Event::Request { conn, data, auth_info });
            }
            (stage, FromLearner::Unknown(kind)) if stage.has_epoch() => {
                ctx.out.warn(format!("server {} sent a packet of unknown type {kind}", link.server));
            }
            (stage, message) => {
                let why = format!("it sent {message:?} where it was not due ({stage:?})");
                self.refuse(conn, Refusal(why), ctx);
            }
        }
        Ok(())
    }

    fn hello(
        &mut self,
        conn: ConnId,
        follower: bool,
        accepted: Epoch,
        info: LearnerInfo,
        ctx: &mut Context<'_>,
    ) -> Result<(), Leave> {
        let server = ServerId(info.server_id);
        if info.config_version > ctx.settings.config.ensemble.version {
            let why = "it has a later configuration than its leader".to_owned();
            self.refuse(conn, Refusal(why), ctx);
            return Ok(());
        }
        if follower && matches!(self.phase, Phase::Mastering(_)) {
            let why = "only observers may learn from a follower".to_owned();
            self.refuse(conn, Refusal(why), ctx);
            return Ok(());
        }
        // An older connection of the same server is a dead one whose end has not been noticed.
        let older = self.links.values().find(|link| link.server == server).map(|link| link.conn);
        if let Some(older) = older {
            self.refuse(older, Refusal("it has connected again".to_owned()), ctx);
        }
        let link = self.links.get_mut(&conn).expect("it has just sent something");
        link.server = server;
        link.kind = if follower { LearnerKind::Follower } else { LearnerKind::Observer };
        link.enter(Stage::AwaitingEpoch, ctx.now_us);
        let votes = link.votes(ctx.settings);
        let info = ctx.settings.config.ensemble.members.get(&server).map(|spec| spec.text(false));
        let info = info.unwrap_or_else(|| "not in the configuration".to_owned());
        let what = if follower { "Follower" } else { "Observer" };
        ctx.out.note(format!("{what} sid: {server} : info : {info}"));
        if let Phase::Discovery(discovery) = &mut self.phase
            && let Err(Leave(why)) = discovery.connect(server, votes, accepted, ctx)
        {
            self.refuse(conn, Refusal(why), ctx);
            return Ok(());
        }
        if votes {
            self.check_accepted(server, accepted)?;
        }
        self.tell_epoch(ctx);
        Ok(())
    }

    /// A voter that has accepted a later epoch may not follow this one. It would be left out until the next leader, so there is
    /// a next leader: its epoch begins above. An epoch far above is no accident of elections, but a damaged file, and
    /// no reason to do anything.
    fn check_accepted(&mut self, server: ServerId, accepted: Epoch) -> Result<(), Leave> {
        match self.fixed_epoch() {
            Some(epoch) if accepted > epoch && accepted.0 - epoch.0 <= EPOCH_LEAP_MAX => {
                self.legacy.epoch_floor = accepted;
                Err(Leave(format!("server {server} has accepted epoch {accepted}, later than {epoch}")))
            }
            _ => Ok(()),
        }
    }

    fn ack_epoch(&mut self, conn: ConnId, last: Zxid, current: Option<Epoch>, ctx: &mut Context<'_>) {
        let link = self.links.get_mut(&conn).expect("it has just sent something");
        let (server, votes) = (link.server, link.votes(ctx.settings));
        link.enter(Stage::AwaitingEpochQuorum { last }, ctx.now_us);
        let Phase::Discovery(discovery) = &mut self.phase else {
            return self.synchronise(conn, last, None, false, ctx);
        };
        match discovery.ack(server, votes, last, current) {
            Ok(()) => self.advance(ctx),
            Err(why) => self.refuse(conn, why, ctx),
        }
    }

    fn ack_new_leader(&mut self, conn: ConnId, zxid: Zxid, ctx: &mut Context<'_>) {
        let epoch = self.epoch().expect("NEWLEADER was sent in an epoch");
        let link = self.links.get_mut(&conn).expect("it has just sent something");
        if zxid != epoch.start() {
            // Learners of 3.8.0 acknowledge transactions of the synchronisation as soon as they have them.
            if zxid <= link.sent && zxid.counter() != 0 {
                link.early_ack = link.early_ack.max(Some(zxid));
            }
            return;
        }
        link.enter(Stage::AwaitingActivation, ctx.now_us);
        let Tally { how, since_us, txns, bytes } = link.tally;
        ctx.out.events.extend(how.map(Event::Synchronised));
        ctx.out.note(format!(
            "Received NEWLEADER-ACK message from {}: {bytes} bytes of history, {txns} transactions among them, in {} ms",
            link.server,
            (ctx.now_us - since_us) / 1000
        ));
        let (server, votes, early) = (link.server, link.votes(ctx.settings), link.early_ack.take());
        if let (Phase::Synchronisation(synchronisation), true) = (&mut self.phase, votes) {
            synchronisation.ack(server);
        }
        if let Some(early) = early {
            self.ack(conn, early, ctx);
        }
        self.advance(ctx);
        self.activate(ctx);
    }

    fn ack(&mut self, conn: ConnId, zxid: Zxid, ctx: &mut Context<'_>) {
        let link = self.links.get_mut(&conn).expect("it has just sent something");
        link.acked(zxid);
        if let Phase::Broadcast(broadcast) = &self.phase {
            broadcast.tell_ack(link.server, zxid, &self.history, ctx);
        }
        if let (Phase::Broadcast(broadcast), true) = (&mut self.phase, link.votes(ctx.settings)) {
            broadcast.ack(link.server, zxid);
            self.commit(ctx);
        }
    }

    /// Chooses how a learner is brought up to date, and begins.
    pub(super) fn synchronise(
        &mut self,
        conn: ConnId,
        last: Zxid,
        logged: Option<LogView>,
        asked: bool,
        ctx: &mut Context<'_>,
    ) {
        let Some(link) = self.links.get_mut(&conn) else { return };
        let committed = self.history.committed_zxids();
        let view = HistoryView {
            last_processed: self.history.last_processed(),
            committed: &committed,
            logged,
            force_snapshot: ctx.settings.config.force_snapshot
                || self.legacy.snapshot_only.contains(&link.server),
        };
        if !asked && last >= Zxid::ZERO && needs_log(last, &view) {
            link.enter(Stage::AskingLog { last }, ctx.now_us);
            let read = Read::Log { conn, after: last, first: true, max_bytes: FIRST_READ_BYTES };
            return ctx.out.reads.push(read);
        }
        let plan = choose_sync(last, &view);
        if let Err(why) = self.throttle(conn, plan.mode(), ctx) {
            return self.refuse(conn, why, ctx);
        }
        let Some(link) = self.links.get_mut(&conn) else { return };
        if let Phase::Broadcast(broadcast) = &mut self.phase {
            broadcast.take_back_acks(link.server);
        }
        let (server, processed) = (link.server, self.history.last_processed());
        let (min, max) = (committed.first().unwrap_or(&processed), committed.last().unwrap_or(&processed));
        ctx.out.note(format!(
            "Synchronizing with Learner sid: {server} maxCommittedLog={max} minCommittedLog={min} \
             lastProcessedZxid={processed} peerLastZxid={last}: {plan}"
        ));
        let how = plan.mode();
        ctx.out.events.push(Event::Synchronising(how));
        link.tally = Tally { how: Some(how), since_us: ctx.now_us, txns: 0, bytes: 0 };
        match plan {
            SyncPlan::Snap => {
                self.legacy.snapshot_only.remove(&link.server);
                link.enter(Stage::Snapshot { zxid: None }, ctx.now_us);
            }
            SyncPlan::Diff { upto, after } => {
                ctx.out.send(conn).packet(PacketType::Diff, upto, None);
                link.feed_after(after, ctx.now_us);
            }
            SyncPlan::Trunc { keep } => {
                ctx.out.send(conn).packet(PacketType::Trunc, keep, None);
                link.feed_after(keep, ctx.now_us);
            }
        }
        self.pump(conn, ctx);
    }

    /// May one more learner be brought up to date in this way? Followers always may, and count.
    fn throttle(&self, conn: ConnId, how: SyncMode, ctx: &Context<'_>) -> Result<(), Refusal> {
        let config = &ctx.settings.config;
        let snap = |how: SyncMode| how == SyncMode::Snap;
        let (kind, max) =
            if snap(how) { ("snap", config.snap_syncs_max) } else { ("diff", config.diff_syncs_max) };
        let exempt = self.links.get(&conn).is_none_or(|link| link.kind == LearnerKind::Follower);
        let under_way = self.learners().filter_map(|learner| learner.syncing);
        let count = under_way.filter(|other| snap(*other) == snap(how)).count() + 1;
        if exempt || count <= max {
            return Ok(());
        }
        let why = format!("new {kind} sync would make {count} concurrently in progress; maximum is {max}");
        Err(Refusal(format!("too many concurrent sync: {why}")))
    }
}
