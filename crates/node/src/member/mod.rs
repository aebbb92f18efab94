//! A member of an ensemble: the node joined with the replication protocol (reference: quorum-protocol §6, §10).
//!
//! [`zab::Peer`] decides who leads and what is committed. Here is what the rest of the server makes of it: requests go to
//! the leader ([`learning`]), the leader answers for everybody's sessions ([`leading`]), the disk does what the protocol
//! wants in its order ([`line`]), and a server that has fallen behind is sent a snapshot ([`transfer`]).
//!
//! The tree holds what was committed while a role lasts. When a role ends it also takes what was only logged: so it is what
//! the disk would give after a restart, and the next role begins from that.

mod figures;
mod leading;
mod learning;
mod line;
mod read_only;
mod relaying;
mod transfer;
mod upgrade;

use crate::connection::Phase;
use crate::io::{Halt, Membership, Outputs, PeerInput};
use crate::node::Node;
use crate::pipeline::Entry;
use crate::stats::ResponseSizes;
use figures::Course;
use learning::Learning;
use line::DiskLine;
pub(crate) use read_only::{is_refused, not_read_only};
use std::collections::VecDeque;
use transfer::{Feeds, Install, SLICES_PER_ROUND};
pub(crate) use upgrade::{corrected, own_state};
use wire::{Reader, TxnRecord, Zxid};
use zab::{Event, Peer, RoleChange, Txn};

/// The last transactions that are kept in memory for learners: so many at least.
const RECENT_MIN: usize = 500;
/// And so many bytes of them at most, beyond the minimum.
const RECENT_BYTES: usize = 16 << 20;

/// The replicated side of a node.
pub(crate) struct Member {
    peer: Peer,
    membership: Membership,
    /// What the peer wants done; collected over a round.
    wants: zab::Outputs,
    wake_at_us: Option<u64>,
    /// Since when it has been in an election.
    electing_since_us: Option<u64>,
    pub(crate) role: Role,
    line: DiskLine,
    /// Logged or on its way there, and not applied.
    unapplied: Unapplied,
    recent: Recent,
    /// The directory was empty and should not have been: the others hear -1 for the end of the history, and nothing is written
    /// until a leader's snapshot is there.
    distrusted: bool,
    install: Option<Install>,
    feeds: Feeds,
    pub(crate) course: Course,
}

/// What the server is at the moment.
pub(crate) enum Role {
    /// Nobody is served.
    Looking,
    /// Nobody leads, and those who only read are served.
    ReadOnly,
    /// It leads an established epoch.
    Leading,
    /// It is up to date with a leader.
    Learning(Learning),
}

/// Transactions that the tree does not have yet.
#[derive(Debug, Default)]
struct Unapplied {
    txns: VecDeque<Txn>,
    bytes: usize,
}

impl Unapplied {
    fn push(&mut self, txn: Txn) {
        self.bytes += txn.bytes.len();
        self.txns.push_back(txn);
    }

    fn pop(&mut self) -> Option<Txn> {
        let txn = self.txns.pop_front()?;
        self.bytes -= txn.bytes.len();
        Some(txn)
    }
}

/// The end of the logged history.
#[derive(Debug, Default)]
struct Recent {
    txns: VecDeque<Txn>,
    bytes: usize,
}

impl Recent {
    fn push(&mut self, txn: Txn) {
        self.bytes += txn.bytes.len();
        self.txns.push_back(txn);
        while self.txns.len() > RECENT_MIN && self.bytes > RECENT_BYTES {
            self.bytes -= self.txns.pop_front().map_or(0, |txn| txn.bytes.len());
        }
    }

    /// Forgets what comes behind `last`.
    fn cut(&mut self, last: Zxid) {
        while let Some(txn) = self.txns.pop_back_if(|txn| txn.zxid > last) {
            self.bytes -= txn.bytes.len();
        }
    }
}

impl Member {
    /// A member that begins to look for a leader. `last` is the end of the history on disk, -1 if that is not trusted, and
    /// `read` as much of it as was read.
    pub(crate) fn new(membership: Membership, last: Zxid, read: Vec<(Zxid, Vec<u8>)>, now_us: u64) -> Member {
        let mut recent = Recent::default();
        read.into_iter().for_each(|(zxid, bytes)| recent.push(Txn { zxid, bytes: bytes.into() }));
        let mut wants = zab::Outputs::default();
        let disk = zab::DiskState {
            last_zxid: last,
            accepted_epoch: zab::Epoch(membership.epochs.accepted),
            current_epoch: zab::Epoch(membership.epochs.current),
            recent: recent.txns.iter().cloned().collect(),
        };
        let peer = Peer::new(membership.peer.clone(), disk, now_us, &mut wants);
        Member {
            wake_at_us: wants.wake_at_us,
            electing_since_us: peer.is_electing().then_some(now_us),
            peer,
            membership,
            wants,
            role: Role::Looking,
            line: DiskLine::default(),
            unapplied: Unapplied::default(),
            recent,
            distrusted: last == Zxid(-1),
            install: None,
            feeds: Feeds::default(),
            course: Course::new(now_us / 1000),
        }
    }

    fn step(&mut self, now_us: u64, input: zab::Input<'_>) {
        self.peer.step(now_us, input, &mut self.wants);
        self.wake_at_us = self.wants.wake_at_us;
        self.electing_since_us = self.peer.is_electing().then(|| self.electing_since_us.unwrap_or(now_us));
    }

    /// When the peer or the line want to go on.
    pub(crate) fn wake_at_us(&self, now_us: u64) -> Option<u64> {
        if self.feeds.has_work() { Some(now_us) } else { self.wake_at_us }
    }

    /// Has the disk nothing more to do?
    pub(crate) fn is_idle(&self) -> bool {
        self.line.is_idle()
    }

    /// Bytes on their way to the disk.
    pub(crate) fn unapplied_bytes(&self) -> usize {
        self.unapplied.bytes
    }
}

impl Node {
    /// Is this a member of an ensemble?
    pub fn is_member(&self) -> bool {
        self.member.is_some()
    }

    /// Do transactions begin here?
    pub(crate) fn leads(&self) -> bool {
        self.member.as_ref().is_none_or(|member| matches!(member.role, Role::Leading))
    }

    /// The state of a learner that is up to date.
    pub(crate) fn learning(&mut self) -> Option<&mut Learning> {
        match &mut self.member.as_mut()?.role {
            Role::Learning(learning) => Some(learning),
            _ => None,
        }
    }

    /// Are clients served at the moment? Most four-letter words are answered only then.
    pub fn is_serving(&self) -> bool {
        self.serves() && !self.stopping
    }

    /// May clients be served?
    pub(crate) fn serves(&self) -> bool {
        self.member.as_ref().is_none_or(|member| match member.role {
            Role::Looking => false,
            Role::Leading => member.membership.leader_serves,
            Role::ReadOnly | Role::Learning(_) => true,
        })
    }

    /// What the server is, as `srvr` says it.
    pub fn mode(&self) -> &'static str {
        match self.member.as_ref().map(|member| &member.role) {
            None => "standalone",
            Some(Role::Looking) => "looking",
            Some(Role::ReadOnly) => "read-only",
            Some(Role::Leading) => "leader",
            Some(Role::Learning(learning)) if learning.votes => "follower",
            Some(Role::Learning(_)) => "observer",
        }
    }

    /// The tree tells this member's own configuration.
    pub(crate) fn write_config_node(&mut self) {
        if let Some(member) = &self.member {
            let ensemble = &member.membership.peer.ensemble;
            self.tree.set_config(&ensemble.text(), ensemble.version);
        }
    }

    fn member_state(&self) -> String {
        self.member.as_ref().map(|member| member.course.state().to_string()).unwrap_or_default()
    }

    pub(crate) fn member(&mut self) -> &mut Member {
        self.member.as_mut().expect("only a member gets here")
    }

    pub(crate) fn step_peer(&mut self, input: zab::Input<'_>) {
        let now_us = self.now.mono_us;
        self.member().step(now_us, input);
        self.end_read_only();
    }

    /// Something happened between servers.
    pub(crate) fn peer_input(&mut self, input: PeerInput<'_>) {
        if self.member.is_none() {
            return;
        }
        self.step_peer(match input {
            PeerInput::Accepted { conn, port } => zab::Input::Accepted { conn, port },
            PeerInput::Dialled { dial, conn } => zab::Input::Dialled { dial, conn },
            PeerInput::Received { conn, bytes } => zab::Input::Received { conn, bytes },
            PeerInput::Written { conn, pending } => zab::Input::Written { conn, pending },
            PeerInput::Closed { conn } => zab::Input::Closed { conn },
        });
    }

    /// Lets the peer's clock go on.
    pub(crate) fn tick_peer(&mut self) {
        let now_us = self.now.mono_us;
        if self.member.as_ref().is_some_and(|member| member.wake_at_us.is_some_and(|at| at <= now_us)) {
            self.step_peer(zab::Input::Tick);
        }
    }

    /// Proposes what has been prepared.
    fn propose_prepared(&mut self) {
        for txn in self.pipeline.take_proposals() {
            let metrics = &mut self.stats.metrics;
            self.member.as_mut().expect("only a member gets here").course.proposed(&txn, metrics);
            self.step_peer(zab::Input::Propose(txn));
        }
    }

    /// Proposes what has been prepared, and carries out everything the peer wants, until it wants nothing more.
    pub(crate) fn carry_out(&mut self, out: &mut Outputs) {
        if self.member.is_none() {
            return;
        }
        let mut slices = SLICES_PER_ROUND;
        loop {
            self.propose_prepared();
            let wants = &mut self.member().wants;
            let (events, plans) = (std::mem::take(&mut wants.events), std::mem::take(&mut wants.disk));
            let (reads, notes) = (std::mem::take(&mut wants.reads), std::mem::take(&mut wants.notes));
            // What led to an event stands before it in the log.
            self.peer_notes(notes, out);
            let quiet = events.is_empty() && plans.is_empty() && reads.is_empty();
            events.into_iter().for_each(|event| self.peer_event(event, out));
            plans.into_iter().for_each(|plan| self.plan(plan));
            reads.into_iter().for_each(|read| self.read_for_learner(read, out));
            // Even if nothing is new: what was wanted earlier may have waited for something that has ended.
            let goes_on = self.run_line(out) | self.feed_learners(&mut slices);
            if quiet && !goes_on {
                break;
            }
        }
        self.hand_over_peer(out);
    }

    fn hand_over_peer(&mut self, out: &mut Outputs) {
        let wants = &mut self.member().wants;
        out.peer.sends.append(&mut wants.sends);
        out.peer.dials.append(&mut wants.dials);
        out.peer.closes.append(&mut wants.closes);
        out.peer.pauses.append(&mut wants.pauses);
        out.peer.resumes.append(&mut wants.resumes);
        if let Some(listen) = wants.quorum_port.take() {
            out.peer.quorum_port = Some(listen);
        }
        if let Some(listen) = wants.observer_port.take() {
            out.peer.observer_port = Some(listen);
        }
        let halt = wants.halt.take();
        if let Some(why) = halt {
            self.halt(Halt::Unusable(why), out);
        }
    }

    fn peer_event(&mut self, event: Event, out: &mut Outputs) {
        match event {
            Event::Role(change) => self.change_role(change, out),
            Event::Deliver { txn, .. } => self.deliver(&txn, out),
            Event::Request { conn, data, auth_info } if self.learning().is_some() => {
                self.relay_request(conn, data, auth_info);
            }
            Event::Touched(sessions) if self.learning().is_some() => self.relay_touched(&sessions),
            Event::Revalidate { conn, session } if self.learning().is_some() => {
                self.relay_revalidation(conn, session);
            }
            Event::Request { conn, data, auth_info } => self.learners_request(conn, &data, auth_info, out),
            Event::Touched(sessions) => self.learner_touched(&sessions),
            Event::Revalidate { conn, session } => self.revalidate(conn, session),
            Event::LearnerGone(conn) => {
                self.forget_learner(conn);
                self.learning().into_iter().for_each(|learning| learning.forget_observer(conn));
            }
            Event::Revalidated { session, valid } => self.revalidated(session, valid, out),
            Event::Synced => self.synced(),
            Event::Ping { zxid } => self.pong(zxid),
            Event::State(state) => self.state_changed(state, out),
            Event::Synchronising(how) => {
                self.count_sync(how);
                self.sync_under_way(how);
            }
            Event::Synchronised(how) => self.sync_under_way(how),
            Event::Acked { server, txn } => {
                let age_ms = self.age_ms(figures::made_ms(&txn));
                self.stats.metrics.learners.acked(server, age_ms);
            }
            Event::Queued { server, packets } => self.stats.metrics.learners.queued(server, packets),
            Event::Waited { server, us } => self.stats.metrics.learners.waited(server, us / 1000),
            Event::Disloyal => self.stats.metrics.quit_leading_due_to_disloyal_voter += 1,
            // Configurations change only by reconfiguration, which is not there yet.
            Event::Config(_) => {}
        }
    }

    fn change_role(&mut self, change: RoleChange, out: &mut Outputs) {
        match change {
            RoleChange::Looking { why } => {
                self.note_warn(out, || format!("No longer {}: {why}", self.member_state()));
                self.stop_serving();
            }
            RoleChange::Leading { epoch } => {
                self.note_info(out, || format!("This server leads epoch {epoch}"));
                self.start_serving();
                self.start_leading(epoch, out);
            }
            RoleChange::Following { leader, epoch } => {
                self.note_info(out, || format!("Server {leader} leads epoch {epoch}; this server follows"));
                self.start_serving();
                self.start_learning(true);
            }
            RoleChange::Observing { leader, epoch } => {
                let master = self.member().peer.master().unwrap_or(leader);
                self.note_info(out, || {
                    format!("This server observes epoch {epoch}, told by server {master}")
                });
                self.start_serving();
                self.start_learning(false);
            }
        }
    }

    /// What is told of a server begins anew with each of its roles, as with Apache's; its metrics go on.
    fn start_serving(&mut self) {
        self.stats.start_role();
        self.clients.sizes = ResponseSizes::default();
    }

    /// The role is over. Clients go and look for another server, as they do at Apache's; nobody waits here for an answer
    /// any more.
    pub(super) fn stop_serving(&mut self) {
        self.member().role = Role::Looking;
        self.forget_learners();
        let slots: Vec<u32> = self.clients.iter().map(|conn| conn.id.slot()).collect();
        for slot in slots {
            if self.clients.at(slot).phase != Phase::Closed {
                self.close(slot);
            }
        }
        self.in_process = 0;
        self.large_bytes = 0;
        self.pipeline.start_term(Zxid::ZERO);
        self.sessions.clear();
    }

    /// A committed transaction: the next one of the history.
    fn deliver(&mut self, txn: &Txn, out: &mut Outputs) {
        let next = self.member().unapplied.pop();
        assert!(next.is_some_and(|next| next.zxid == txn.zxid), "what is delivered was logged before");
        let age_ms = self.age_ms(figures::made_ms(txn));
        let metrics = &mut self.stats.metrics;
        let member = self.member.as_mut().expect("only a member gets here");
        let origin = match &mut member.role {
            Role::Learning(learning) => {
                metrics.learner_commit_received_count += 1;
                metrics.commit_propagation_latency.add(age_ms);
                learning.take_origin(&txn.bytes)
            }
            Role::Leading => {
                metrics.commit_count += 1;
                metrics.quorum_ack_latency.add(age_ms);
                self.pipeline.take_origin(txn.zxid)
            }
            Role::Looking | Role::ReadOnly => None,
        };
        // Before the tree changes: a read between a sync and a write does not see the write.
        if let Some(slot) = origin.and_then(|id| self.clients.find(id)) {
            self.overtake_syncs(slot);
        }
        let entry = Entry { zxid: txn.zxid, end: txn.bytes.len(), origin };
        self.apply(entry, &txn.bytes, out);
    }

    /// What was logged and not committed becomes part of the tree, as after a restart.
    fn fast_forward(&mut self) {
        while let Some(txn) = self.member().unapplied.pop() {
            let limits = self.log_limits;
            let record = TxnRecord::decode(&mut Reader::with_limits(&txn.bytes, limits))
                .expect("what was taken into the log can be read");
            self.tree.apply(&record.header, &record.txn, &mut |_| {});
        }
    }
}
