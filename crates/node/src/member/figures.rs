//! What a member counts, and what it says of itself (reference: operations §3.4, §5, §7).

use crate::io::{Note, NoteLevel, Outputs};
use crate::member::{Member, Role};
use crate::node::Node;
use crate::views::{LeadingView, MemberView, Metrics, Summary};
use zab::{Ensemble, PeerState, ServerId, SyncMode, Txn, ZabPhase};

/// Lines about other servers that may follow one another at once.
const NOTES_MAX: u64 = 100;
/// And how many a second may come on top.
const NOTES_PER_SECOND: u64 = 5;

/// What a member knows of its own course.
#[derive(Debug)]
pub(crate) struct Course {
    state: PeerState,
    /// When the election began.
    looking_ms: u64,
    /// When the leader began to send its history.
    syncing_ms: u64,
    /// Since when nobody is served; `None` while somebody is.
    unavailable_ms: Option<u64>,
    /// Since when this server leads.
    leading_ms: u64,
    proposals: ProposalSizes,
    notes: NoteBudget,
}

/// Bytes of proposals: last, smallest, largest; -1 before the first.
#[derive(Clone, Copy, Debug)]
struct ProposalSizes {
    last: i64,
    min: i64,
    max: i64,
}

const NO_PROPOSALS: ProposalSizes = ProposalSizes { last: -1, min: -1, max: -1 };

/// So that nobody outside can fill the log.
#[derive(Debug)]
struct NoteBudget {
    left: u64,
    filled_ms: u64,
    left_out: u64,
}

impl Course {
    pub(crate) fn new(now_ms: u64) -> Course {
        Course {
            state: PeerState::LOOKING,
            looking_ms: now_ms,
            syncing_ms: now_ms,
            unavailable_ms: Some(now_ms),
            leading_ms: now_ms,
            proposals: NO_PROPOSALS,
            notes: NoteBudget { left: NOTES_MAX, filled_ms: now_ms, left_out: 0 },
        }
    }

    /// What this server does now.
    pub(crate) fn state(&self) -> PeerState {
        self.state
    }

    /// `srst`.
    pub(crate) fn reset_proposals(&mut self) {
        self.proposals = NO_PROPOSALS;
    }

    pub(super) fn proposed(&mut self, txn: &Txn, metrics: &mut Metrics) {
        metrics.proposal_count += 1;
        let bytes = txn.bytes.len() as i64;
        let ProposalSizes { last, min, max } = &mut self.proposals;
        (*last, *max) = (bytes, bytes.max(*max));
        *min = if *min < 0 { bytes } else { bytes.min(*min) };
    }

    /// A new state: what it ended, in the metrics and for the log.
    fn enter(&mut self, state: PeerState, now_ms: u64, metrics: &mut Metrics) -> Vec<String> {
        let before = std::mem::replace(&mut self.state, state);
        let mut lines = Vec::new();
        if before != state {
            lines.push(format!("Peer state changed: {state}"));
        }
        let name = format!("{:?}", state.state).to_uppercase();
        match state.phase {
            ZabPhase::Election => {
                metrics.looking_count += 1;
                self.looking_ms = now_ms;
                self.unavailable_ms.get_or_insert(now_ms);
                lines.push(name);
            }
            ZabPhase::Discovery => {
                let took_ms = now_ms - self.looking_ms;
                lines.push(name.clone());
                if state.state == wire::ServerState::Observing {
                    return lines;
                }
                metrics.election_time.add(took_ms);
                lines.push(format!("{name} - LEADER ELECTION TOOK - {took_ms} MS"));
            }
            ZabPhase::Synchronization => self.syncing_ms = now_ms,
            ZabPhase::Broadcast => self.settled(state, now_ms, metrics),
        }
        lines
    }

    fn settled(&mut self, state: PeerState, now_ms: u64, metrics: &mut Metrics) {
        let unavailable_ms = self.unavailable_ms.take().map(|since| now_ms - since);
        let add = |summary: &mut Summary, ms: Option<u64>| ms.into_iter().for_each(|ms| summary.add(ms));
        add(&mut metrics.unavailable_time, unavailable_ms);
        let sync_ms = now_ms - self.syncing_ms;
        match state.state {
            wire::ServerState::Leading => {
                add(&mut metrics.leader_unavailable_time, unavailable_ms);
                self.leading_ms = now_ms;
                self.proposals = NO_PROPOSALS;
            }
            wire::ServerState::Following => metrics.follower_sync_time.add(sync_ms),
            _ => metrics.observer_sync_time.add(sync_ms),
        }
    }
}

impl NoteBudget {
    /// May one more line go to the log? Then also says how many were left out before it.
    fn take(&mut self, now_ms: u64) -> Option<u64> {
        let more = now_ms.saturating_sub(self.filled_ms) * NOTES_PER_SECOND / 1000;
        if more > 0 {
            self.left = (self.left + more).min(NOTES_MAX);
            self.filled_ms = now_ms;
        }
        if self.left == 0 {
            self.left_out += 1;
            return None;
        }
        self.left -= 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

impl Member {
    /// A view for words and metrics.
    pub(crate) fn view(&self, now_ms: u64) -> MemberView {
        let voters = || self.ensemble().members.values().filter(|spec| spec.role == zab::Role::Participant);
        let registered = || self.peer.learners().into_iter().filter(|learner| learner.registered);
        let takes_observers = match &self.role {
            Role::Leading => true,
            Role::Learning(learning) => learning.votes && self.membership.peer.observer_master_port.is_some(),
            Role::Looking | Role::ReadOnly => false,
        };
        MemberView {
            state: self.course.state,
            quorum_size: voters().count(),
            master: self.peer.master(),
            synced_observers: takes_observers.then(|| registered().filter(|l| !l.follower).count()),
            leading: matches!(self.role, Role::Leading).then(|| self.leading_view(now_ms)),
        }
    }

    fn leading_view(&self, now_ms: u64) -> LeadingView {
        let learners = self.peer.learners();
        let voter = |server: ServerId| {
            self.ensemble().members.get(&server).is_some_and(|spec| spec.role == zab::Role::Participant)
        };
        let followers = || learners.iter().filter(|learner| learner.registered && learner.follower);
        let ProposalSizes { last, min, max } = self.course.proposals;
        LeadingView {
            learners: learners.len(),
            synced_followers: followers().count(),
            synced_non_voting_followers: followers().filter(|learner| !voter(learner.server)).count(),
            pending_syncs: self.peer.pending_syncs(),
            uptime_ms: now_ms - self.course.leading_ms,
            last_proposal_bytes: last,
            min_proposal_bytes: min,
            max_proposal_bytes: max,
        }
    }

    /// The configuration in force.
    pub(crate) fn ensemble(&self) -> &Ensemble {
        &self.membership.peer.ensemble
    }
}

impl Node {
    /// The configuration of the ensemble, if this is a member of one.
    pub fn ensemble(&self) -> Option<&Ensemble> {
        self.member.as_ref().map(|member| member.ensemble())
    }

    pub(super) fn state_changed(&mut self, state: PeerState, out: &mut Outputs) {
        let now_ms = self.now_ms();
        let metrics = &mut self.stats.metrics;
        let Some(member) = &mut self.member else { return };
        for line in member.course.enter(state, now_ms, metrics) {
            out.notes.push(Note { level: NoteLevel::Info, text: line });
        }
        if state.phase == ZabPhase::Discovery {
            // As with Apache's, whose server object begins here.
            self.started_ms = now_ms;
        }
    }

    /// A learner begins to be brought up to date.
    pub(super) fn count_sync(&mut self, how: SyncMode) {
        let metrics = &mut self.stats.metrics;
        let count = if how == SyncMode::Snap { &mut metrics.snap_count } else { &mut metrics.diff_count };
        *count += 1;
    }

    /// One of this kind has begun or ended: how many are under way now?
    pub(super) fn sync_under_way(&mut self, how: SyncMode) {
        let Some(member) = &self.member else { return };
        let learners = member.peer.learners();
        let snap = how == SyncMode::Snap;
        let alike = learners.iter().filter_map(|learner| learner.syncing);
        let count = alike.filter(|how| (*how == SyncMode::Snap) == snap).count() as u64;
        let metrics = &mut self.stats.metrics;
        if snap {
            metrics.inflight_snap_count.add(count);
        } else {
            metrics.inflight_diff_count.add(count);
        }
    }

    /// Lines of the peer, but not more than somebody can read.
    pub(super) fn peer_notes(&mut self, notes: Vec<zab::Note>, out: &mut Outputs) {
        let now_ms = self.now_ms();
        let Some(member) = &mut self.member else { return };
        for zab::Note { warn, text } in notes {
            let Some(left_out) = member.course.notes.take(now_ms) else { continue };
            if left_out > 0 {
                let text = format!("{left_out} lines about other servers were left out: too many at once");
                out.notes.push(Note { level: NoteLevel::Warn, text });
            }
            let level = if warn { NoteLevel::Warn } else { NoteLevel::Info };
            out.notes.push(Note { level, text });
        }
    }

    /// ms from a transaction's making, on whatever server, to now.
    pub(super) fn age_ms(&self, made_ms: i64) -> u64 {
        u64::try_from(self.now.wall_ms.saturating_sub(made_ms)).unwrap_or(0)
    }
}

/// When a transaction was made: the fourth field of its header.
pub(super) fn made_ms(txn: &Txn) -> i64 {
    const AT: usize = 8 + 4 + 8;
    txn.bytes.get(AT..).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| i64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::{ServerState, Zxid};

    fn state(state: ServerState, phase: ZabPhase) -> PeerState {
        PeerState { state, phase, sync: None }
    }

    #[test]
    fn the_way_to_leading_is_told_in_apaches_words() {
        let (mut course, mut metrics) = (Course::new(1000), Metrics::default());
        assert_eq!(course.enter(PeerState::LOOKING, 1000, &mut metrics), ["LOOKING"]);
        let lines = course.enter(state(ServerState::Leading, ZabPhase::Discovery), 1042, &mut metrics);
        assert_eq!(
            lines,
            ["Peer state changed: leading - discovery", "LEADING", "LEADING - LEADER ELECTION TOOK - 42 MS"]
        );
        course.enter(state(ServerState::Leading, ZabPhase::Synchronization), 1050, &mut metrics);
        let lines = course.enter(state(ServerState::Leading, ZabPhase::Broadcast), 1060, &mut metrics);
        assert_eq!(lines, ["Peer state changed: leading - broadcast"]);
        assert_eq!((metrics.looking_count, metrics.election_time.sum), (1, 42));
        assert_eq!((metrics.unavailable_time.sum, metrics.leader_unavailable_time.sum), (60, 60));
        assert_eq!((metrics.follower_sync_time.count, metrics.observer_sync_time.count), (0, 0));
    }

    #[test]
    fn a_follower_that_loses_its_leader_is_unavailable_until_it_has_one_again() {
        let (mut course, mut metrics) = (Course::new(0), Metrics::default());
        for (phase, at) in
            [(ZabPhase::Discovery, 10), (ZabPhase::Synchronization, 20), (ZabPhase::Broadcast, 50)]
        {
            course.enter(state(ServerState::Following, phase), at, &mut metrics);
        }
        assert_eq!((metrics.follower_sync_time.sum, metrics.unavailable_time.sum), (30, 50));
        let lines = course.enter(PeerState::LOOKING, 1000, &mut metrics);
        assert_eq!(lines, ["Peer state changed: looking", "LOOKING"]);
        course.enter(state(ServerState::Observing, ZabPhase::Discovery), 1100, &mut metrics);
        course.enter(state(ServerState::Observing, ZabPhase::Synchronization), 1200, &mut metrics);
        course.enter(state(ServerState::Observing, ZabPhase::Broadcast), 1300, &mut metrics);
        assert_eq!(metrics.unavailable_time.sum, 350);
        assert_eq!((metrics.observer_sync_time.sum, metrics.election_time.count), (100, 1));
    }

    #[test]
    fn strangers_cannot_fill_the_log() {
        let mut notes = NoteBudget { left: 2, filled_ms: 0, left_out: 0 };
        let taken: Vec<Option<u64>> = (0..4).map(|_| notes.take(0)).collect();
        assert_eq!(taken, [Some(0), Some(0), None, None]);
        assert_eq!(notes.take(1000), Some(2), "and how many were left out is told");
        assert_eq!((0..1000).filter(|_| notes.take(1001).is_some()).count(), 4);
    }

    #[test]
    fn the_time_of_a_transaction_is_read_from_its_header() {
        let mut bytes = vec![0; 28];
        bytes[20..].copy_from_slice(&1_795_549_392_000i64.to_be_bytes());
        assert_eq!(made_ms(&Txn { zxid: Zxid(1), bytes: bytes.into() }), 1_795_549_392_000);
        assert_eq!(made_ms(&Txn { zxid: Zxid(1), bytes: vec![1; 5].into() }), 0);
    }
}
