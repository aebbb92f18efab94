//! Fast leader election: one server's part in it, in every state (reference: quorum-protocol §3).

use crate::{Quorums, ServerId, Standing, Vote};
use std::collections::{BTreeMap, BTreeSet};
use wire::{NOTIFICATION_VERSION, Notification, ServerState};

/// How long a quorum must stay without a better vote before it counts, in µs (Apache: `finalizeWait`). When every voter has
/// already agreed there is nothing to wait for.
const FINALIZE_WAIT_US: u64 = 200_000;
/// When those that a quorum still waits for are called again if there is no connection to them, in µs and doubled each time: a
/// server that is just dying may take a connection, and only the next one is refused.
const CALL_AGAIN_US: u64 = 5_000;
/// How long to wait for votes before asking again, in µs, at first and at most (Apache: `fastleader.min/maxNotificationInterval`).
const ASK_AGAIN_MIN_US: u64 = 200_000;
/// Apache goes to 60 s and never starts over within an election; after a long partition that costs minutes.
const ASK_AGAIN_MAX_US: u64 = 3_200_000;

/// How long a vote that came too early is remembered, in µs.
const REMEMBERED_US: u64 = 1_000_000;

/// What the election wants done.
#[derive(Debug, Default)]
pub struct Elections {
    /// Notifications to send. Only the newest to a server matters: a link that is not up yet may drop older ones.
    pub sends: Vec<(ServerId, Notification)>,
    /// Voters that are waited for: to be dialled where there is no connection, since one that refuses it is waited for no longer.
    pub calls: Vec<ServerId>,
    /// The end of the round.
    pub decision: Option<Decision>,
    /// When to call [`Election::tick`] at the latest, in the caller's µs.
    pub wake_at_us: Option<u64>,
}

/// Who leads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// The vote that won.
    pub vote: Vote,
    /// What this server does now.
    pub state: ServerState,
    /// Who was seen to vote for it.
    pub supporters: BTreeSet<ServerId>,
}

/// A vote as it was received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Ballot {
    vote: Vote,
    election_epoch: i64,
    state: ServerState,
    version: i32,
}

impl Ballot {
    /// Do two ballots support the same leader? Settled servers of one ensemble may have been elected in different rounds, so
    /// between them only leader and epoch count, and against the oldest form only the leader.
    fn agrees_with(&self, other: &Ballot) -> bool {
        if self.state == ServerState::Looking || other.state == ServerState::Looking {
            return self.vote == other.vote && self.election_epoch == other.election_epoch;
        }
        let one_is_old = (self.version == 0) != (other.version == 0);
        self.vote.leader == other.vote.leader && (one_is_old || self.vote.peer_epoch == other.vote.peer_epoch)
    }
}

/// What one round knows; dropped when it ends.
#[derive(Debug)]
struct Round {
    initial: Vote,
    proposal: Vote,
    /// May this server's own history be trusted? An empty one (zxid -1) must not help to elect.
    trusted: bool,
    /// Votes of this round.
    received: BTreeMap<ServerId, Ballot>,
    /// What settled servers say, of whatever round.
    settled: BTreeMap<ServerId, Ballot>,
    /// Voters whose election port does not answer.
    unreachable: BTreeSet<ServerId>,
    /// Voters who were asked again because their connection broke, since everyone was asked last.
    asked_again: BTreeSet<ServerId>,
    ask_again_us: u64,
    ask_again_at_us: u64,
    wait: Option<Wait>,
}

/// A quorum has a vote in common, and waits a little for the others.
#[derive(Clone, Copy, Debug)]
struct Wait {
    finalize_at_us: u64,
    call_again_at_us: u64,
    call_again_us: u64,
}

impl Wait {
    fn begin(now_us: u64) -> Wait {
        Wait {
            finalize_at_us: now_us + FINALIZE_WAIT_US,
            call_again_at_us: now_us + CALL_AGAIN_US,
            call_again_us: CALL_AGAIN_US,
        }
    }
}

impl Round {
    /// The voters who may still have a better vote.
    fn silent(&self, voters: &BTreeSet<ServerId>, supporters: &BTreeSet<ServerId>) -> Vec<ServerId> {
        let heard = |voter: &&ServerId| supporters.contains(voter) || self.unreachable.contains(voter);
        voters.iter().filter(|voter| !heard(voter)).copied().collect()
    }
}

#[derive(Debug)]
enum Phase {
    /// Between roles: there is nothing to say.
    Idle,
    Looking(Round),
    Settled {
        state: ServerState,
        vote: Vote,
        election_epoch: i64,
    },
}

/// One server's part in elections. It outlives its rounds, since settled servers must answer those that look.
#[derive(Debug)]
pub struct Election {
    me: ServerId,
    quorums: Quorums,
    /// The committed configuration, sent along with every vote.
    config_text: String,
    observer: bool,
    clock: i64,
    /// Votes for the next round that came while this server was not looking. Often another server notices a moment earlier that the
    /// leader is gone, and it says what it has to say only once.
    heard: BTreeMap<ServerId, (u64, Notification)>,
    phase: Phase,
}

impl Election {
    /// A server that has not looked yet. `config_text` is its committed configuration in canonical form; `observer`: it is
    /// configured not to vote.
    pub fn new(me: ServerId, quorums: Quorums, config_text: String, observer: bool) -> Election {
        Election { me, quorums, config_text, observer, clock: 0, heard: BTreeMap::new(), phase: Phase::Idle }
    }

    /// The number of the current round.
    pub fn clock(&self) -> i64 {
        self.clock
    }

    /// Starts a round from what is on disk.
    pub fn look(&mut self, now_us: u64, standing: Standing, out: &mut Elections) {
        self.clock += 1;
        let votes = self.quorums.committed.is_voter(self.me);
        let initial = match (self.observer, votes) {
            (true, _) => Vote::NOBODY,
            (false, true) => {
                Vote { leader: self.me, zxid: standing.last_zxid, peer_epoch: standing.current_epoch }
            }
            (false, false) => Vote {
                leader: ServerId::NOBODY,
                zxid: standing.last_zxid,
                peer_epoch: standing.current_epoch,
            },
        };
        let round = Round {
            initial,
            proposal: initial,
            trusted: standing.last_zxid.0 != -1,
            received: BTreeMap::new(),
            settled: BTreeMap::new(),
            unreachable: BTreeSet::new(),
            asked_again: BTreeSet::new(),
            ask_again_us: ASK_AGAIN_MIN_US,
            ask_again_at_us: now_us + ASK_AGAIN_MIN_US,
            wait: None,
        };
        self.phase = Phase::Looking(round);
        self.announce(out);
        self.count(now_us, out);
        for (from, (at_us, notification)) in std::mem::take(&mut self.heard) {
            if now_us - at_us <= REMEMBERED_US {
                self.receive(now_us, from, &notification, out);
            }
        }
        self.set_wake(out);
    }

    /// A role has ended and the next round has to wait for the disk: until then nobody is told of the old leader.
    pub fn stop(&mut self) {
        self.phase = Phase::Idle;
    }

    /// The connection to a server broke. What it was asked is asked again, once: it answers on a new connection, or turns out to
    /// be gone.
    pub fn connection_lost(&mut self, server: ServerId, out: &mut Elections) {
        if let Phase::Looking(round) = &mut self.phase
            && self.quorums.is_voter(server)
            && round.asked_again.insert(server)
        {
            out.sends.extend(self.notification().map(|n| (server, n)));
        }
        self.set_wake(out);
    }

    /// A voter cannot be reached: nobody needs to wait for its better vote.
    pub fn unreachable(&mut self, now_us: u64, server: ServerId, out: &mut Elections) {
        if let Phase::Looking(round) = &mut self.phase {
            round.unreachable.insert(server);
            self.count(now_us, out);
            self.set_wake(out);
        }
    }

    /// After synchronisation every server reports the new epoch with its old vote, so that servers which come later see one
    /// vote at a quorum (ZOOKEEPER-1732, ZOOKEEPER-1805).
    pub fn update_epoch(&mut self, new_epoch: i64) {
        if let Phase::Settled { vote, .. } = &mut self.phase {
            vote.peer_epoch = new_epoch;
        }
    }

    /// Takes a notification from `from`.
    pub fn receive(&mut self, now_us: u64, from: ServerId, n: &Notification, out: &mut Elections) {
        if !self.quorums.is_voter(from) {
            out.sends.extend(self.notification().map(|n| (from, n)));
            return self.set_wake(out);
        }
        if let Phase::Looking(round) = &mut self.phase {
            round.unreachable.remove(&from);
        }
        match &mut self.phase {
            Phase::Idle => self.remember(now_us, from, n),
            Phase::Settled { .. } => {
                self.remember(now_us, from, n);
                if n.state == ServerState::Looking {
                    out.sends.extend(self.notification().map(|n| (from, n)));
                }
            }
            Phase::Looking(_) => {
                // A server that does not vote has nothing to say here; answering would make two servers talk for ever.
                let behind = n.state == ServerState::Looking && n.election_epoch < self.clock;
                if behind && self.quorums.is_voter(self.me) {
                    out.sends.extend(self.notification().map(|n| (from, n)));
                }
                self.weigh(now_us, from, n, out);
            }
        }
        self.set_wake(out);
    }

    /// Keeps a vote of a round that this server has not begun; what settled servers say now is old by then.
    fn remember(&mut self, now_us: u64, from: ServerId, n: &Notification) {
        self.heard.remove(&from);
        if n.state == ServerState::Looking && n.election_epoch > self.clock {
            self.heard.insert(from, (now_us, n.clone()));
        }
    }

    /// Lets time pass.
    pub fn tick(&mut self, now_us: u64, out: &mut Elections) {
        let Phase::Looking(round) = &mut self.phase else { return };
        if let Some(wait) = round.wait {
            return self.wait(now_us, wait, out);
        }
        if round.ask_again_at_us <= now_us {
            round.ask_again_us = (round.ask_again_us * 2).min(ASK_AGAIN_MAX_US);
            round.ask_again_at_us = now_us + round.ask_again_us;
            round.asked_again.clear();
            self.announce(out);
        }
        self.set_wake(out);
    }

    /// A quorum waits for a better vote.
    fn wait(&mut self, now_us: u64, mut wait: Wait, out: &mut Elections) {
        let supporters = self.supporters(&self.own_ballot(), |round| &round.received);
        let Phase::Looking(round) = &mut self.phase else { return };
        if wait.finalize_at_us <= now_us {
            let (vote, election_epoch) = (round.proposal, self.clock);
            return self.decide(vote, election_epoch, supporters, out);
        }
        if wait.call_again_at_us <= now_us {
            wait.call_again_us *= 2;
            wait.call_again_at_us = now_us + wait.call_again_us;
            out.calls.extend(round.silent(&self.quorums.voters(), &supporters));
        }
        round.wait = Some(wait);
        self.set_wake(out);
    }

    /// A vote of a voter, while looking.
    fn weigh(&mut self, now_us: u64, from: ServerId, n: &Notification, out: &mut Elections) {
        let leader = ServerId(n.leader);
        if !self.quorums.is_voter(leader) {
            return;
        }
        let vote = Vote { leader, zxid: n.zxid, peer_epoch: n.peer_epoch };
        let ballot = Ballot { vote, election_epoch: n.election_epoch, state: n.state, version: n.version };
        match n.state {
            ServerState::Looking => self.weigh_looking(now_us, from, ballot, out),
            ServerState::Observing => {}
            ServerState::Following | ServerState::Leading => self.weigh_settled(from, ballot, out),
        }
    }

    fn weigh_looking(&mut self, now_us: u64, from: ServerId, ballot: Ballot, out: &mut Elections) {
        let rule = &self.quorums.committed;
        let Phase::Looking(round) = &mut self.phase else { return };
        if !round.trusted || ballot.vote.zxid.0 == -1 || ballot.election_epoch < self.clock {
            return;
        }
        if ballot.election_epoch > self.clock {
            self.clock = ballot.election_epoch;
            round.received.clear();
            let better = ballot.vote.is_better_than(&round.initial, rule);
            round.proposal = if better { ballot.vote } else { round.initial };
            self.announce(out);
        } else if ballot.vote.is_better_than(&round.proposal, rule) {
            round.proposal = ballot.vote;
            self.announce(out);
        }
        let Phase::Looking(round) = &mut self.phase else { return };
        if round.received.insert(from, ballot).is_none() {
            round.ask_again_us = ASK_AGAIN_MIN_US;
        }
        self.count(now_us, out);
    }

    /// Is there a quorum for the proposal? Then wait a little for a better vote, or not at all if everyone who can be reached
    /// has voted.
    fn count(&mut self, now_us: u64, out: &mut Elections) {
        let supporters = self.supporters(&self.own_ballot(), |round| &round.received);
        let quorum = self.quorums.contain_quorum(&supporters);
        let voters = self.quorums.voters();
        let Phase::Looking(round) = &mut self.phase else { return };
        if !quorum || !round.trusted {
            round.wait = None;
        } else if round.silent(&voters, &supporters).is_empty() {
            let (vote, election_epoch) = (round.proposal, self.clock);
            self.decide(vote, election_epoch, supporters, out);
        } else {
            round.wait = round.wait.or(Some(Wait::begin(now_us)));
        }
    }

    /// A server that already has a leader: believed if a quorum agrees and the leader itself says so.
    fn weigh_settled(&mut self, from: ServerId, ballot: Ballot, out: &mut Elections) {
        let clock = self.clock;
        let Phase::Looking(round) = &mut self.phase else { return };
        if ballot.election_epoch == clock {
            // Apache keeps no form number with these, which makes only the leader count.
            round.received.insert(from, Ballot { version: 0, ..ballot });
            let supporters = self.supporters(&ballot, |round| &round.received);
            if self.quorums.contain_quorum(&supporters)
                && self.leader_agrees(&ballot, |round| &round.received)
            {
                return self.decide(ballot.vote, ballot.election_epoch, supporters, out);
            }
        }
        let Phase::Looking(round) = &mut self.phase else { return };
        round.settled.insert(from, ballot);
        let supporters = self.supporters(&ballot, |round| &round.settled);
        if self.quorums.contain_quorum(&supporters) && self.leader_agrees(&ballot, |round| &round.settled) {
            self.clock = ballot.election_epoch;
            self.decide(ballot.vote, ballot.election_epoch, supporters, out);
        }
    }

    /// The leader named must have said itself that it leads; if it is this server, the vote must be of this round.
    fn leader_agrees(&self, ballot: &Ballot, set: fn(&Round) -> &BTreeMap<ServerId, Ballot>) -> bool {
        let Phase::Looking(round) = &self.phase else { return false };
        if ballot.vote.leader == self.me {
            return self.clock == ballot.election_epoch;
        }
        set(round).get(&ballot.vote.leader).is_some_and(|leader| leader.state == ServerState::Leading)
    }

    /// The voters whose ballots agree with this one; this server's own vote counts among the votes of the round.
    fn supporters(
        &self,
        ballot: &Ballot,
        set: fn(&Round) -> &BTreeMap<ServerId, Ballot>,
    ) -> BTreeSet<ServerId> {
        let Phase::Looking(round) = &self.phase else { return BTreeSet::new() };
        let mut supporters: BTreeSet<_> =
            set(round).iter().filter(|(_, other)| ballot.agrees_with(other)).map(|(id, _)| *id).collect();
        let own_counts = self.quorums.is_voter(self.me) && std::ptr::eq(set(round), &round.received);
        if own_counts && ballot.agrees_with(&self.own_ballot()) {
            supporters.insert(self.me);
        }
        supporters
    }

    fn own_ballot(&self) -> Ballot {
        let vote = match &self.phase {
            Phase::Idle => Vote::NOBODY,
            Phase::Looking(round) => round.proposal,
            Phase::Settled { vote, .. } => *vote,
        };
        Ballot {
            vote,
            election_epoch: self.clock,
            state: ServerState::Looking,
            version: NOTIFICATION_VERSION,
        }
    }

    fn decide(
        &mut self,
        vote: Vote,
        election_epoch: i64,
        supporters: BTreeSet<ServerId>,
        out: &mut Elections,
    ) {
        let state = if vote.leader == self.me {
            ServerState::Leading
        } else if self.observer {
            ServerState::Observing
        } else {
            ServerState::Following
        };
        self.phase = Phase::Settled { state, vote, election_epoch };
        out.decision = Some(Decision { vote, state, supporters });
        out.wake_at_us = None;
    }

    /// Sends the proposal to every other voter.
    fn announce(&self, out: &mut Elections) {
        let Some(notification) = self.notification() else { return };
        for voter in self.quorums.voters().into_iter().filter(|voter| *voter != self.me) {
            out.sends.push((voter, notification.clone()));
        }
    }

    fn notification(&self) -> Option<Notification> {
        let (state, vote, election_epoch) = match &self.phase {
            Phase::Idle => return None,
            Phase::Looking(round) => (ServerState::Looking, round.proposal, self.clock),
            Phase::Settled { state, vote, election_epoch } => (*state, *vote, *election_epoch),
        };
        Some(Notification {
            state,
            leader: vote.leader.0,
            zxid: vote.zxid,
            election_epoch,
            peer_epoch: vote.peer_epoch,
            version: NOTIFICATION_VERSION,
            config: Some(self.config_text.clone()),
        })
    }

    fn set_wake(&self, out: &mut Elections) {
        out.wake_at_us = match &self.phase {
            Phase::Looking(Round { wait: Some(wait), .. }) => {
                Some(wait.finalize_at_us.min(wait.call_again_at_us))
            }
            Phase::Looking(round) => Some(round.ask_again_at_us),
            Phase::Idle | Phase::Settled { .. } => None,
        };
    }
}
