//! One server of an ensemble, as a machine: it looks for a leader, leads or learns, and looks again.

use crate::context::{Context, Dials, Leave, Legacy, Start};
use crate::election::{Election, Elections};
use crate::io::{ConnId, DiskState, Event, Input, Outputs, Port, RoleChange};
use crate::leader::{Leader, LearnerView};
use crate::learner::Learner;
use crate::promise::{DiskAction, DiskOutcome, DiskQueue, Ticket};
use crate::report::{PeerState, ZabPhase};
use crate::settings::{PeerConfig, Settings};
use crate::transport::Mesh;
use crate::{Decision, Epoch, ServerId};
use wire::{Notification, ServerState, Zxid};

/// The replication of one server. Everything it does is a consequence of [`Peer::step`]'s arguments.
#[derive(Debug)]
pub struct Peer {
    now_us: u64,
    settings: Settings,
    disk: DiskQueue,
    dials: Dials,
    election: Election,
    mesh: Mesh,
    legacy: Legacy,
    /// Where an observer's next search for a master goes on.
    turn: usize,
    /// Until when an observer whose role has ended pauses.
    pause_until_us: Option<u64>,
    role: Role,
}

/// What the server is. Each role owns all it knows; the next one starts from the disk.
#[derive(Debug)]
enum Role {
    /// A role has ended: the disk says what is left of it.
    Reloading(Ticket),
    /// An observer has lost its master and pauses, so that not all of them look for a leader at once.
    Pausing(DiskState, u64),
    Looking(Start),
    Leading(Leader),
    Learning(Learner),
    /// The disk has failed.
    Halted,
    /// Only inside a transition.
    Between,
}

macro_rules! context {
    ($peer:ident, $out:ident) => {
        Context {
            now_us: $peer.now_us,
            settings: &$peer.settings,
            disk: &mut $peer.disk,
            dials: &mut $peer.dials,
            out: $out,
        }
    };
}

impl Peer {
    /// A server that begins to look for a leader, from what is on its disk.
    pub fn new(config: PeerConfig, disk: DiskState, now_us: u64, out: &mut Outputs) -> Peer {
        let settings = Settings::new(config);
        let observer = settings.is_observer();
        let (quorums, text) = (settings.quorums.clone(), settings.config_text.clone());
        let mut peer = Peer {
            now_us,
            disk: DiskQueue::default(),
            dials: Dials::default(),
            election: Election::new(settings.me(), quorums, text, observer),
            mesh: Mesh::default(),
            legacy: Legacy::default(),
            // Observers begin with different masters.
            turn: settings.me().0.unsigned_abs() as usize,
            pause_until_us: None,
            role: Role::Between,
            settings,
        };
        peer.look(disk, out);
        peer.tick(out);
        peer
    }

    /// Takes one input and appends to `out` what it leads to.
    ///
    /// # Panics
    /// When the driver breaks its contract: the clock goes back, or a proposal has another zxid than
    /// [`Peer::next_zxid`].
    pub fn step(&mut self, now_us: u64, input: Input<'_>, out: &mut Outputs) {
        assert!(now_us >= self.now_us, "the clock does not go back");
        if matches!(self.role, Role::Halted) {
            return;
        }
        self.now_us = now_us;
        out.wake_at_us = None;
        match input {
            Input::Tick => {}
            Input::DiskDone { ticket, outcome } => self.disk_done(ticket, outcome, out),
            Input::Recovered { ticket, disk } => self.recovered(ticket, disk, out),
            Input::Accepted { conn, port } => self.accepted(conn, port, out),
            Input::Dialled { dial, conn } => self.dialled(dial, conn, out),
            Input::Received { conn, bytes } => self.received(conn, bytes, out),
            Input::Written { conn, pending } => self.written(conn, pending, out),
            Input::Closed { conn } => self.closed(conn, out),
            input => self.role_input(input, out),
        }
        self.tick(out);
    }

    /// The zxid that the next proposal must have; `None` unless this server leads an established epoch.
    pub fn next_zxid(&self) -> Option<Zxid> {
        match &self.role {
            Role::Leading(leader) => leader.next_zxid(),
            _ => None,
        }
    }

    /// What this server is, in the words of notifications and `srvr`.
    pub fn state(&self) -> ServerState {
        match &self.role {
            Role::Leading(_) => ServerState::Leading,
            Role::Learning(_) if self.settings.is_observer() => ServerState::Observing,
            Role::Learning(_) => ServerState::Following,
            _ => ServerState::Looking,
        }
    }

    /// Is it in an election? Not while it learns what the last role has left on its disk, and not from the decision on.
    pub fn is_electing(&self) -> bool {
        matches!(self.role, Role::Looking(_))
    }

    /// The epoch that is established here: it leads, or is up to date with the one that does.
    pub fn epoch(&self) -> Option<Epoch> {
        match &self.role {
            Role::Leading(leader) => leader.established(),
            Role::Learning(learner) => learner.following(),
            _ => None,
        }
    }

    /// The leader this server leads or learns from; it may not be established yet.
    pub fn leader(&self) -> Option<ServerId> {
        match &self.role {
            Role::Leading(_) => Some(self.settings.me()),
            Role::Learning(learner) => Some(learner.leader()),
            _ => None,
        }
    }

    /// Whom this server learns from: the leader, or a follower that takes observers.
    pub fn master(&self) -> Option<ServerId> {
        match &self.role {
            Role::Learning(learner) => Some(learner.master()),
            _ => None,
        }
    }

    /// Those who learn from this server.
    pub fn learners(&self) -> Vec<LearnerView> {
        match &self.role {
            Role::Leading(leader) => leader.learners().collect(),
            Role::Learning(learner) => {
                learner.observers_view().into_iter().flat_map(Leader::learners).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Transactions whose commit syncs of learners wait for.
    pub fn pending_syncs(&self) -> usize {
        match &self.role {
            Role::Leading(leader) => leader.pending_syncs(),
            _ => 0,
        }
    }

    fn disk_done(&mut self, ticket: Ticket, outcome: DiskOutcome, out: &mut Outputs) {
        match outcome {
            DiskOutcome::Failed(why) => {
                self.role = Role::Halted;
                out.halt = Some(why);
                return;
            }
            DiskOutcome::Refused(why) => return self.leave(Leave(why), out),
            DiskOutcome::Done | DiskOutcome::Truncated { .. } => self.disk.completed(ticket),
        }
        let mut ctx = context!(self, out);
        let result = match (&mut self.role, outcome) {
            (Role::Leading(leader), _) => leader.progress(&mut ctx),
            (Role::Learning(learner), DiskOutcome::Truncated { last }) => learner.truncated(last, &mut ctx),
            (Role::Learning(learner), _) => learner.progress(&mut ctx),
            _ => Ok(()),
        };
        self.check(result, out);
    }

    fn recovered(&mut self, ticket: Ticket, disk: DiskState, out: &mut Outputs) {
        if matches!(self.role, Role::Reloading(expected) if expected == ticket) {
            self.disk.completed(ticket);
            match self.pause_until_us.take().filter(|until_us| *until_us > self.now_us) {
                Some(until_us) => self.role = Role::Pausing(disk, until_us),
                None => self.look(disk, out),
            }
        }
    }

    fn accepted(&mut self, conn: ConnId, port: Port, out: &mut Outputs) {
        let mut ctx = context!(self, out);
        match (port, &mut self.role) {
            (Port::Election, _) => self.mesh.accepted(conn, &mut ctx),
            (Port::Quorum, Role::Leading(leader)) => leader.accepted(conn, &mut ctx),
            (Port::Observers, Role::Learning(learner)) => match learner.observers() {
                Some(observers) => observers.accepted(conn, &mut ctx),
                None => out.closes.push(conn),
            },
            (Port::Quorum | Port::Observers, _) => out.closes.push(conn),
        }
    }

    fn dialled(&mut self, dial: crate::DialId, conn: Option<ConnId>, out: &mut Outputs) {
        let mut ctx = context!(self, out);
        if self.mesh.owns_dial(dial) {
            let silent = self.mesh.dialled(dial, conn, &mut ctx);
            if let Some(server) = silent {
                self.elect(out, |election, now_us, todo| election.unreachable(now_us, server, todo));
            }
            return;
        }
        let taken = match &mut self.role {
            Role::Learning(learner) => learner.dialled(dial, conn, &mut ctx),
            _ => false,
        };
        if !taken {
            out.closes.extend(conn);
        }
    }

    fn received(&mut self, conn: ConnId, bytes: &[u8], out: &mut Outputs) {
        let mut ctx = context!(self, out);
        if self.mesh.owns(conn) {
            for (from, notification) in self.mesh.received(conn, bytes, &mut ctx) {
                let elsewhere = notification.state == ServerState::Looking
                    && notification.leader != self.settings.me().0
                    && self.settings.quorums.is_voter(from);
                if let (Role::Leading(leader), true) = (&mut self.role, elsewhere) {
                    leader.looks_elsewhere(from);
                }
                if self.is_awaited_in_vain(from, &notification) {
                    self.leave(Leave(format!("server {from} votes for another one")), out);
                }
                if matches!(self.role, Role::Looking(_)) {
                    out.note(notification_line(from, &notification));
                }
                self.elect(out, |election, now_us, todo| election.receive(now_us, from, &notification, todo));
            }
            return;
        }
        let result = match &mut self.role {
            Role::Leading(leader) if leader.owns(conn) => leader.received(conn, bytes, &mut ctx),
            Role::Learning(learner) if learner.conn() == Some(conn) => learner.received(bytes, &mut ctx),
            Role::Learning(learner) => match learner.observers() {
                Some(observers) => observers.received(conn, bytes, &mut ctx),
                None => Ok(()),
            },
            _ => Ok(()),
        };
        self.check(result, out);
    }

    /// Does the server that this one tries to follow not lead, as it says? Otherwise it would be dialled until `initLimit` is over.
    fn is_awaited_in_vain(&self, from: ServerId, n: &Notification) -> bool {
        let Role::Learning(learner) = &self.role else { return false };
        let votes_elsewhere = n.state == ServerState::Looking && n.leader != from.0;
        let is_new = n.election_epoch >= self.election.clock();
        learner.leader() == from && learner.conn().is_none() && votes_elsewhere && is_new
    }

    fn written(&mut self, conn: ConnId, pending: usize, out: &mut Outputs) {
        let mut ctx = context!(self, out);
        self.mesh.written(conn, pending, &mut ctx);
        if let Role::Learning(learner) = &mut self.role
            && learner.conn() == Some(conn)
        {
            return learner.written(pending);
        }
        if let Some(leader) = master(&mut self.role) {
            leader.written(conn, pending, &mut ctx);
        }
    }

    fn closed(&mut self, conn: ConnId, out: &mut Outputs) {
        if let Some(server) = self.mesh.closed(conn) {
            out.warn(format!("Connection broken for id {server}, my id = {}", self.settings.me()));
            self.elect(out, |election, _, todo| election.connection_lost(server, todo));
        }
        let mut ctx = context!(self, out);
        match &mut self.role {
            Role::Leading(leader) => leader.closed(conn, &mut ctx),
            Role::Learning(learner) if learner.conn() == Some(conn) => {
                self.leave(Leave("the connection to the leader broke".to_owned()), out);
            }
            Role::Learning(learner) => {
                if let Some(observers) = learner.observers() {
                    observers.closed(conn, &mut ctx);
                }
            }
            _ => {}
        }
    }

    /// What only one role understands; another one has forgotten why it was asked for.
    fn role_input(&mut self, input: Input<'_>, out: &mut Outputs) {
        let mut ctx = context!(self, out);
        match (&mut self.role, input) {
            (Role::Leading(leader), Input::Propose(txn)) => leader.propose(txn, &mut ctx),
            (Role::Learning(learner), Input::ToLeader(message)) => learner.tell(message, &mut ctx),
            (role, input) => {
                let Some(leader) = master(role) else { return };
                match input {
                    Input::ToLearner { conn, message } => leader.answer(conn, message, &mut ctx),
                    Input::Refuse { conn, why } => leader.turn_away(conn, why, &mut ctx),
                    Input::Log { conn, slice } => leader.log(conn, &slice, &mut ctx),
                    Input::Snapshot { conn, zxid, bytes, last } => {
                        leader.snapshot(conn, zxid, &bytes, last, &mut ctx);
                    }
                    _ => {}
                }
            }
        }
    }

    /// Lets time pass, and says when to be woken.
    fn tick(&mut self, out: &mut Outputs) {
        match std::mem::replace(&mut self.role, Role::Between) {
            Role::Pausing(disk, until_us) if until_us <= self.now_us => self.look(disk, out),
            role => self.role = role,
        }
        if let Role::Pausing(_, until_us) = self.role {
            out.wake(until_us);
        }
        self.elect(out, |election, now_us, todo| election.tick(now_us, todo));
        let mut ctx = context!(self, out);
        self.mesh.tick(&mut ctx);
        let result = match &mut self.role {
            Role::Leading(leader) => leader.tick(&mut ctx),
            Role::Learning(learner) => learner.tick(&mut ctx),
            _ => Ok(()),
        };
        self.check(result, out);
        if let Some(epoch) = self.epoch() {
            self.election.update_epoch(i64::from(epoch.0));
        }
    }

    /// Lets the election do something, and does what it wants.
    fn elect(&mut self, out: &mut Outputs, act: impl FnOnce(&mut Election, u64, &mut Elections)) {
        let mut todo = Elections::default();
        act(&mut self.election, self.now_us, &mut todo);
        for (to, notification) in &todo.sends {
            self.mesh.send(*to, notification, &mut context!(self, out));
        }
        for server in todo.calls {
            self.mesh.call(server, &mut context!(self, out));
        }
        if let Some(at_us) = todo.wake_at_us {
            out.wake(at_us);
        }
        if let Some(decision) = todo.decision {
            self.decided(&decision, out);
        }
    }

    fn look(&mut self, disk: DiskState, out: &mut Outputs) {
        if disk.accepted_epoch < disk.current_epoch {
            let (accepted, current) = (disk.accepted_epoch, disk.current_epoch);
            out.halt = Some(format!(
                "acceptedEpoch {accepted} is less than currentEpoch {current}: a file of another server was copied here, \
                 or one is old; restore both from a backup, or empty the data directory of this server alone"
            ));
            self.role = Role::Halted;
            return;
        }
        out.state(PeerState::LOOKING);
        let start = Start::new(disk, self.legacy.clone());
        let standing = start.standing();
        self.role = Role::Looking(start);
        self.elect(out, |election, now_us, todo| election.look(now_us, standing, todo));
    }

    /// The election is over: the role is made of what is on disk.
    fn decided(&mut self, decision: &Decision, out: &mut Outputs) {
        let Role::Looking(start) = std::mem::replace(&mut self.role, Role::Between) else {
            unreachable!("only a server that looks decides");
        };
        let leader: ServerId = decision.vote.leader;
        let supporters: Vec<_> = decision.supporters.iter().map(ServerId::to_string).collect();
        out.note(format!("Election decided: leader {leader}, voted for by [{}]", supporters.join(", ")));
        out.state(PeerState::of(decision.state, ZabPhase::Discovery));
        let turn = self.turn;
        let mut ctx = context!(self, out);
        let role = if decision.state == ServerState::Leading {
            Leader::new(start, &mut ctx).map(Role::Leading)
        } else {
            let follower = decision.state == ServerState::Following;
            Learner::new(leader, follower, start, turn, &mut ctx).map(Role::Learning)
        };
        match role {
            Ok(role) => self.role = role,
            Err(why) => self.leave(why, out),
        }
    }

    fn check(&mut self, result: Result<(), Leave>, out: &mut Outputs) {
        if let Err(leave) = result {
            self.leave(leave, out);
        }
    }

    /// The role is over: it is consumed, and the disk is asked what is left.
    fn leave(&mut self, Leave(why): Leave, out: &mut Outputs) {
        let mut ctx = context!(self, out);
        match std::mem::replace(&mut self.role, Role::Between) {
            Role::Leading(leader) => {
                self.legacy = leader.legacy().clone();
                leader.leave(&mut ctx);
            }
            Role::Learning(learner) => {
                self.turn = learner.turn();
                if !learner.is_follower() {
                    let pause_us = ctx.observers_pause_us(ctx.settings.config.observer_election_delay_ms);
                    self.pause_until_us = Some(ctx.now_us.saturating_add(pause_us));
                }
                learner.leave(&mut ctx);
            }
            _ => {}
        }
        let reload = ctx.disk.submit(DiskAction::Reload, (), ctx.out);
        self.role = Role::Reloading(reload.ticket());
        self.election.stop();
        out.events.push(Event::Role(RoleChange::Looking { why }));
    }
}

/// Where others learn from this server: a leader, or a follower that takes observers.
fn master(role: &mut Role) -> Option<&mut Leader> {
    match role {
        Role::Leading(leader) => Some(leader),
        Role::Learning(learner) => learner.observers(),
        _ => None,
    }
}

/// Apache's line for a vote that came in.
fn notification_line(from: ServerId, n: &Notification) -> String {
    let state = match n.state {
        ServerState::Looking => "LOOKING",
        ServerState::Following => "FOLLOWING",
        ServerState::Leading => "LEADING",
        ServerState::Observing => "OBSERVING",
    };
    format!(
        "Notification: my state:LOOKING; n.sid:{from}, n.state:{state}, n.leader:{}, n.round:0x{:x}, n.peerEpoch:0x{:x}, \
         n.zxid:{}, message format version:0x{:x}",
        n.leader, n.election_epoch, n.peer_epoch, n.zxid, n.version
    )
}
