//! One learner, as its leader sees it (reference: quorum-protocol §5.1, H1 to H11).

use crate::context::{Context, Refusal};
use crate::io::{ConnId, Event, Outputs};
use crate::packets::{Inbox, PacketWriter};
use crate::report::SyncMode;
use crate::settings::Settings;
use crate::{Epoch, ServerId};
use std::collections::VecDeque;
use wire::{Limits, PacketType, Zxid};

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) conn: ConnId,
    /// Known from the first packet on.
    pub(crate) server: ServerId,
    pub(crate) kind: LearnerKind,
    pub(crate) stage: Stage,
    pub(crate) inbox: Inbox,
    /// Bytes that wait in the shell, as it last said.
    pub(crate) unsent: usize,
    /// The last transaction it has, or has been sent. There is no queue per learner: what it lacks is taken from the leader's
    /// history whenever there is room, so that a slow learner costs no memory.
    pub(crate) sent: Zxid,
    /// Proposals sent to it whose commit was not.
    pub(crate) uncommitted: VecDeque<Zxid>,
    /// What it was sent to bring it up to date.
    pub(crate) tally: Tally,
    /// A read for it is under way.
    pub(crate) reading: bool,
    /// An acknowledgement that overtook the one of NEWLEADER, as 3.8.0 sends them.
    pub(crate) early_ack: Option<Zxid>,
    /// Syncs to answer when what was proposed up to there is committed.
    pub(crate) syncs: VecDeque<Zxid>,
    /// Something was heard, or something that waited was written.
    alive_us: u64,
    unacked: Unacked,
    /// What stood at the end of what waited for it some time ago, and when.
    marker: Option<(Zxid, u64)>,
}

/// The size of a synchronisation, for the log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) how: Option<SyncMode>,
    pub(crate) since_us: u64,
    pub(crate) txns: u64,
    pub(crate) bytes: u64,
}

/// A learner's part; its first packet says it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LearnerKind {
    /// Gets proposals and acknowledges them, whether or not it has a vote.
    Follower,
    /// Gets what is committed.
    Observer,
}

/// How far a learner has come. Each stage is left through one packet or one completion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    /// It has not said who it is.
    Hello,
    /// The epoch is not found yet.
    AwaitingEpoch,
    /// LEADERINFO has been sent.
    AwaitingAckEpoch,
    /// Its last zxid is known; others have to accept the epoch too.
    AwaitingEpochQuorum { last: Zxid },
    /// The log on disk is looked into.
    AskingLog { last: Zxid },
    /// A snapshot is on its way; its zxid is known from the first chunk on.
    Snapshot { zxid: Option<Zxid> },
    /// The history above what it has is on its way.
    History,
    /// NEWLEADER has been sent.
    AwaitingAck,
    /// It has the history; a quorum has to have it too.
    AwaitingActivation,
    /// UPTODATE has been sent.
    Live,
}

impl Stage {
    /// Is it being sent the history, or what is new?
    pub(crate) fn is_fed(&self) -> bool {
        *self == Stage::History || self.is_synced()
    }

    /// Is the way of its synchronisation chosen? From then on it gets whatever is new.
    pub(crate) fn is_registered(&self) -> bool {
        matches!(self, Stage::Snapshot { .. }) || self.is_fed()
    }

    /// Has NEWLEADER been sent? From then on it is pinged.
    pub(crate) fn is_synced(&self) -> bool {
        matches!(self, Stage::AwaitingAck | Stage::AwaitingActivation | Stage::Live)
    }

    /// Has it acknowledged NEWLEADER? From then on its acknowledgements count.
    pub(crate) fn has_epoch(&self) -> bool {
        matches!(self, Stage::AwaitingActivation | Stage::Live)
    }
}

impl Link {
    pub(crate) fn new(conn: ConnId, limits: Limits, now_us: u64) -> Link {
        Link {
            conn,
            server: ServerId::NOBODY,
            kind: LearnerKind::Observer,
            stage: Stage::Hello,
            inbox: Inbox::new(limits),
            unsent: 0,
            sent: Zxid::ZERO,
            uncommitted: VecDeque::new(),
            tally: Tally::default(),
            reading: false,
            early_ack: None,
            syncs: VecDeque::new(),
            alive_us: now_us,
            unacked: Unacked::default(),
            marker: None,
        }
    }

    /// Tells those who watch how much waits for it, and how long that takes; `last` is what it gets last.
    pub(crate) fn measure(&mut self, last: Zxid, ctx: &mut Context<'_>) {
        let sent = if Epoch::of(self.sent) == Epoch::of(last) { self.sent.counter() } else { 0 };
        let packets = u64::from(last.counter().saturating_sub(sent));
        ctx.out.events.push(Event::Queued { server: self.server, packets });
        self.marker.get_or_insert((last, ctx.now_us));
        self.reach_marker(ctx);
    }

    /// Has it got what was last when somebody looked?
    pub(crate) fn reach_marker(&mut self, ctx: &mut Context<'_>) {
        let sent = self.sent;
        if let Some((_, since_us)) = self.marker.take_if(|(zxid, _)| *zxid <= sent || zxid.counter() == 0) {
            ctx.out.events.push(Event::Waited { server: self.server, us: ctx.now_us - since_us });
        }
    }

    /// Does its acknowledgement count? An observer's never does, whoever it says it is (ZOOKEEPER-2959).
    pub(crate) fn votes(&self, settings: &Settings) -> bool {
        self.kind == LearnerKind::Follower && settings.quorums.is_voter(self.server)
    }

    /// What it is called in the log.
    pub(crate) fn name(&self) -> String {
        match (self.stage, self.kind) {
            (Stage::Hello, _) => "a learner that has not said who it is".to_owned(),
            (_, LearnerKind::Follower) => format!("follower {}", self.server),
            (_, LearnerKind::Observer) => format!("observer {}", self.server),
        }
    }

    pub(crate) fn heard(&mut self, now_us: u64) {
        self.alive_us = now_us;
    }

    pub(crate) fn written(&mut self, pending: usize, now_us: u64) {
        if pending < self.unsent {
            self.alive_us = now_us;
        }
        self.unsent = pending;
    }

    pub(crate) fn enter(&mut self, stage: Stage, now_us: u64) {
        self.stage = stage;
        self.alive_us = now_us;
    }

    pub(crate) fn has_room(&self, ctx: &Context<'_>) -> bool {
        self.unsent + ctx.out.queued(self.conn) < ctx.settings.config.send_bytes
    }

    /// When it counts as gone unless something is heard.
    pub(crate) fn deadline_us(&self, settings: &Settings) -> u64 {
        let limit = if self.stage == Stage::Live { settings.sync_us } else { settings.init_us };
        self.alive_us + limit
    }

    /// Is it too late?
    pub(crate) fn check_time(&self, ctx: &Context<'_>) -> Result<(), Refusal> {
        if ctx.now_us >= self.deadline_us(ctx.settings) {
            return Err(Refusal(format!("nothing was heard in time ({:?})", self.stage)));
        }
        match self.unacked.oldest {
            Some((zxid, sent_us)) if ctx.now_us >= sent_us + ctx.settings.sync_us => {
                Err(Refusal(format!("{zxid} was not acknowledged in time")))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn proposal_sent(&mut self, zxid: Zxid, now_us: u64) {
        if self.kind == LearnerKind::Follower && self.stage == Stage::Live {
            self.unacked.sent(zxid, now_us);
        }
    }

    pub(crate) fn acked(&mut self, zxid: Zxid) {
        self.unacked.acked(zxid);
    }

    pub(crate) fn send_leader_info(&mut self, epoch: Epoch, ctx: &mut Context<'_>) {
        let version = wire::LEARNER_PROTOCOL_VERSION.to_be_bytes();
        ctx.out.send(self.conn).packet(PacketType::LeaderInfo, epoch.start(), Some(&version));
        self.enter(Stage::AwaitingAckEpoch, ctx.now_us);
    }

    /// From now on the history above `sent` is sent.
    pub(crate) fn feed_after(&mut self, sent: Zxid, now_us: u64) {
        self.sent = sent;
        self.enter(Stage::History, now_us);
    }

    pub(crate) fn send_up_to_date(&mut self, ctx: &mut Context<'_>) {
        ctx.out.send(self.conn).packet(PacketType::UpToDate, Zxid(-1), None);
        self.enter(Stage::Live, ctx.now_us);
    }

    pub(crate) fn ping(&self, zxid: Zxid, out: &mut Outputs) {
        out.send(self.conn).packet(PacketType::Ping, zxid, None);
    }
}

/// The proposals whose acknowledgement is waited for; like Apache's leader, only the oldest and the newest are timed.
#[derive(Debug, Default)]
struct Unacked {
    oldest: Option<(Zxid, u64)>,
    newest: Option<(Zxid, u64)>,
}

impl Unacked {
    fn sent(&mut self, zxid: Zxid, now_us: u64) {
        let mark = if self.oldest.is_none() { &mut self.oldest } else { &mut self.newest };
        *mark = Some((zxid, now_us));
    }

    fn acked(&mut self, acked: Zxid) {
        if self.oldest.is_some_and(|(zxid, _)| zxid <= acked) {
            self.oldest = self.newest.take().filter(|(zxid, _)| *zxid > acked);
        }
    }
}
