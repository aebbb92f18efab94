//! Elections among a few servers on a network that delivers at once, late, or not at all.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use wire::{Notification, ServerState, Zxid};
use zab::{Decision, Election, Elections, QuorumRule, Quorums, ServerId, Standing};

/// Servers, the messages between them, and a clock.
struct World {
    now_us: u64,
    servers: BTreeMap<ServerId, Election>,
    standings: BTreeMap<ServerId, Standing>,
    wakes: BTreeMap<ServerId, u64>,
    wire: VecDeque<(ServerId, ServerId, Notification)>,
    decisions: BTreeMap<ServerId, (u64, Decision)>,
    /// Servers that neither send nor receive.
    cut_off: BTreeSet<ServerId>,
    random: u64,
    delivered: usize,
}

impl World {
    /// Voters 1, 2, … with these last zxids and epochs.
    fn new(standings: &[(Zxid, i64)]) -> World {
        let ids: Vec<_> = (1..=standings.len() as i64).map(ServerId).collect();
        let quorums = Quorums::of(QuorumRule::Majority { voters: ids.iter().copied().collect() });
        let server = |id: &ServerId| (*id, Election::new(*id, quorums.clone(), "version=0".into(), false));
        let standing = |(id, (last_zxid, current_epoch)): (&ServerId, &(Zxid, i64))| {
            (*id, Standing { last_zxid: *last_zxid, current_epoch: *current_epoch })
        };
        World {
            now_us: 0,
            servers: ids.iter().map(server).collect(),
            standings: ids.iter().zip(standings).map(standing).collect(),
            wakes: BTreeMap::new(),
            wire: VecDeque::new(),
            decisions: BTreeMap::new(),
            cut_off: BTreeSet::new(),
            random: 1,
            delivered: 0,
        }
    }

    fn act(&mut self, id: ServerId, act: impl FnOnce(&mut Election, u64, &mut Elections)) {
        let mut out = Elections::default();
        act(self.servers.get_mut(&id).expect("a server"), self.now_us, &mut out);
        self.wire.extend(out.sends.into_iter().map(|(to, n)| (id, to, n)));
        if let Some(decision) = out.decision {
            self.decisions.insert(id, (self.now_us, decision));
        }
        match out.wake_at_us {
            Some(at) => self.wakes.insert(id, at),
            None => self.wakes.remove(&id),
        };
    }

    fn look(&mut self, id: i64) {
        let standing = self.standings[&ServerId(id)];
        self.decisions.remove(&ServerId(id));
        self.act(ServerId(id), |election, now, out| election.look(now, standing, out));
    }

    /// Delivers what is under way until nothing is; with `shuffle`, in any order.
    fn deliver(&mut self, shuffle: bool) {
        while !self.wire.is_empty() {
            self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Any connection may be next; on one connection the order stays.
            let any = if shuffle { (self.random >> 33) as usize % self.wire.len() } else { 0 };
            let pair = (self.wire[any].0, self.wire[any].1);
            let at = self.wire.iter().position(|(from, to, _)| (*from, *to) == pair).expect("it is there");
            self.delivered += 1;
            assert!(self.delivered < 100_000, "the servers talk for ever: {:?}", self.wire[at]);
            let (from, to, n) = self.wire.remove(at).expect("in range");
            if self.cut_off.contains(&from) || self.cut_off.contains(&to) || !self.servers.contains_key(&to) {
                continue;
            }
            self.act(to, |election, now, out| election.receive(now, from, &n, out));
        }
    }

    /// Runs until every reachable server has decided or `limit_us` is reached.
    fn run(&mut self, limit_us: u64, shuffle: bool) {
        self.deliver(shuffle);
        while let Some(at) = self.wakes.values().copied().min().filter(|at| *at <= limit_us) {
            self.now_us = at;
            for id in
                self.wakes.iter().filter(|(_, wake)| **wake <= at).map(|(id, _)| *id).collect::<Vec<_>>()
            {
                self.act(id, |election, now, out| election.tick(now, out));
            }
            self.deliver(shuffle);
        }
    }

    fn leader_of(&self, id: i64) -> Option<i64> {
        self.decisions.get(&ServerId(id)).map(|(_, decision)| decision.vote.leader.0)
    }
}

fn zxid(epoch: u32, counter: u32) -> Zxid {
    Zxid::from_parts(epoch, counter)
}

#[test]
fn three_empty_servers_elect_the_highest_id_without_waiting_out_the_timer() {
    let mut world = World::new(&[(Zxid(0), 0); 3]);
    (1..=3).for_each(|id| world.look(id));
    world.run(10_000_000, false);
    for id in 1..=3 {
        assert_eq!(world.leader_of(id), Some(3));
        assert_eq!(world.decisions[&ServerId(id)].0, 0, "everyone has voted, so nobody waits");
    }
    assert_eq!(world.decisions[&ServerId(3)].1.state, ServerState::Leading);
    assert_eq!(world.decisions[&ServerId(1)].1.state, ServerState::Following);
}

#[test]
fn two_of_three_wait_a_little_for_the_third() {
    let mut world = World::new(&[(Zxid(0), 0); 3]);
    world.cut_off.insert(ServerId(3));
    (1..=2).for_each(|id| world.look(id));
    world.run(10_000_000, false);
    assert_eq!((world.leader_of(1), world.leader_of(2)), (Some(2), Some(2)));
    assert_eq!(world.decisions[&ServerId(2)].0, 200_000);
}

/// A killed leader's port answers at once that nobody is there: that is worth 200 ms.
#[test]
fn nobody_waits_for_a_voter_that_cannot_be_reached() {
    let mut world = World::new(&[(Zxid(0), 0); 3]);
    world.cut_off.insert(ServerId(3));
    (1..=2).for_each(|id| world.look(id));
    world.deliver(false);
    assert_eq!(world.leader_of(1), None);
    for id in [1, 2] {
        world.act(ServerId(id), |election, now, out| election.unreachable(now, ServerId(3), out));
    }
    world.run(10_000_000, false);
    assert_eq!((world.leader_of(1), world.leader_of(2)), (Some(2), Some(2)));
    assert_eq!(world.decisions[&ServerId(2)].0, 0);
}

/// It counts again as soon as it is heard.
#[test]
fn a_voter_that_comes_back_is_waited_for() {
    let mut world = World::new(&[(Zxid(0), 0), (Zxid(0), 0), (zxid(1, 1), 1)]);
    world.look(1);
    world.act(ServerId(1), |election, now, out| election.unreachable(now, ServerId(3), out));
    [3, 2].into_iter().for_each(|id| world.look(id));
    world.run(10_000_000, false);
    assert_eq!(world.leader_of(1), Some(3));
}

#[test]
fn votes_that_come_between_two_rounds_are_kept() {
    let mut world = World::new(&[(Zxid(0), 0); 3]);
    (1..=2).for_each(|id| world.look(id));
    world.deliver(false);
    world.look(3);
    world.run(0, false);
    assert_eq!(world.leader_of(3), Some(3), "servers 1 and 2 had voted before server 3 began to look");
}

#[test]
fn one_of_three_decides_nothing() {
    let mut world = World::new(&[(Zxid(0), 0); 3]);
    world.cut_off.extend([ServerId(2), ServerId(3)]);
    world.look(1);
    world.run(30_000_000, false);
    assert_eq!(world.leader_of(1), None);
}

#[test]
fn the_longest_history_of_the_newest_epoch_wins() {
    let mut world = World::new(&[(zxid(2, 1), 2), (zxid(1, 900), 1), (zxid(1, 950), 1)]);
    (1..=3).for_each(|id| world.look(id));
    world.run(10_000_000, true);
    assert_eq!(world.leader_of(3), Some(1));
}

#[test]
fn a_late_server_follows_a_settled_ensemble_at_once() {
    let mut world = World::new(&[(Zxid(0), 0), (Zxid(0), 0), (zxid(7, 7), 0)]);
    world.cut_off.insert(ServerId(3));
    (1..=2).for_each(|id| world.look(id));
    world.run(10_000_000, false);
    for id in 1..=2 {
        world.servers.get_mut(&ServerId(id)).expect("a server").update_epoch(1);
    }
    world.cut_off.clear();
    world.now_us = 20_000_000;
    world.look(3);
    world.run(40_000_000, false);
    assert_eq!(world.leader_of(3), Some(2), "even though its own history is longer");
    assert_eq!(world.decisions[&ServerId(3)].0, 20_000_000);
    assert_eq!(
        world.decisions[&ServerId(3)].1.vote.peer_epoch,
        1,
        "the new epoch, not the one of the election"
    );
}

#[test]
fn a_settled_follower_alone_convinces_nobody() {
    let mut world = World::new(&[(Zxid(0), 0); 3]);
    (1..=3).for_each(|id| world.look(id));
    world.run(10_000_000, false);
    world.cut_off.insert(ServerId(3));
    world.now_us = 20_000_000;
    world.look(2);
    world.run(60_000_000, false);
    assert_eq!(world.leader_of(2), None, "the leader has not said itself that it leads");
}

#[test]
fn an_empty_untrusted_server_does_not_help_to_elect() {
    let mut world = World::new(&[(Zxid(-1), 0), (Zxid(0), 0), (Zxid(0), 0)]);
    world.cut_off.insert(ServerId(3));
    (1..=2).for_each(|id| world.look(id));
    world.run(10_000_000, false);
    assert_eq!((world.leader_of(1), world.leader_of(2)), (None, None));
}

/// The only voter, beside observers.
#[test]
fn an_empty_untrusted_server_does_not_elect_itself() {
    let mut world = World::new(&[(Zxid(-1), 0)]);
    world.look(1);
    world.run(10_000_000, false);
    assert_eq!(world.leader_of(1), None);
}

#[test]
fn observers_learn_the_leader_and_are_never_elected() {
    let mut world = World::new(&[(Zxid(0), 0); 3]);
    let quorums = Quorums::of(QuorumRule::Majority { voters: (1..=3).map(ServerId).collect() });
    world.servers.insert(ServerId(9), Election::new(ServerId(9), quorums, "version=0".into(), true));
    world.standings.insert(ServerId(9), Standing { last_zxid: zxid(9, 9), current_epoch: 9 });
    [9, 1, 2, 3].into_iter().for_each(|id| world.look(id));
    world.run(10_000_000, true);
    for id in [1, 2, 3, 9] {
        assert_eq!(world.leader_of(id), Some(3));
    }
    assert_eq!(world.decisions[&ServerId(9)].1.state, ServerState::Observing);
}

/// In whatever order messages arrive and servers start, whoever decides names one leader, and everyone decides.
#[test]
fn any_order_of_messages_elects_one_leader() {
    for seed in 1..500 {
        let n = 3 + seed % 3;
        let standings: Vec<_> =
            (0..n).map(|i| (zxid(1, (seed * 7 + i * 13) as u32 % 5), (seed + i) as i64 % 2)).collect();
        let mut world = World::new(&standings);
        world.random = seed;
        let mut order: Vec<_> = (1..=n as i64).collect();
        order.rotate_left(seed as usize % n as usize);
        for id in order {
            world.look(id);
            if seed % 4 == 0 {
                world.deliver(true);
            }
        }
        world.run(60_000_000, true);
        let leaders: BTreeSet<_> = (1..=n as i64).map(|id| world.leader_of(id)).collect();
        assert_eq!(leaders.len(), 1, "seed {seed}: {leaders:?}");
        assert!(!leaders.contains(&None), "seed {seed}: somebody never decided");
    }
}
