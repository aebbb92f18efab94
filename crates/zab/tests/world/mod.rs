//! A few servers on one clock: a network of ordered connections that may break or stall, disks that may lose what they have not
//! reported, and somebody who writes. Everything follows from the seed.
#![allow(dead_code, reason = "each test file uses its own part of it")]

pub mod checks;
pub mod disk;
mod faults;
mod net;
pub mod tree;

use checks::Checks;
use disk::Disk;
use net::End;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use wire::{ServerState, Zxid};
use zab::{
    ConnId, Dial, DialId, DiskAction, DiskOutcome, Ensemble, Event as News, Input, Outputs, Peer, PeerConfig,
    Port, Read, RoleChange, ServerId, ToLeader, Txn, WindowLimits,
};

const MS: u64 = 1000;

/// SplitMix64: frozen here, so that a seed stays what it is.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

pub struct Server {
    pub id: i64,
    pub disk: Disk,
    /// What has been applied; it dies with the process and is read from the disk again.
    pub tree: Vec<Txn>,
    pub peer: Option<Peer>,
    /// Which run of the process this is: what was scheduled for an earlier one is void.
    life: u64,
    wakes: u64,
    listens: bool,
    takes_observers: bool,
    /// Until then its election port takes connections although the process has died.
    port_open_until: u64,
    pub dialled_in_vain: u64,
    disk_busy: bool,
    /// A disk that needs this long more, in µs.
    pub slow_us: u64,
    snapshots: BTreeMap<ConnId, (Zxid, VecDeque<u8>)>,
    observer: bool,
    /// The leader it is up to date with, itself if it leads an established epoch.
    pub serves: Option<i64>,
    pub looked_because: Vec<String>,
}

enum Event {
    Wake { server: usize, number: u64 },
    Arrive { end: ConnId },
    Closed { server: usize, life: u64, end: ConnId },
    Dialled { server: usize, life: u64, dial: DialId, port: Port, target: usize },
    Disk { server: usize, life: u64 },
    Read { server: usize, life: u64, read: Read },
    Report { end: ConnId },
    Pong { server: usize, life: u64, zxid: Zxid },
    Restart { server: usize },
    Heal,
    Write,
    Fault,
}

pub struct World {
    pub now: u64,
    pub rng: Rng,
    pub servers: Vec<Server>,
    pub checks: Checks,
    ensemble: Ensemble,
    events: BTreeMap<(u64, u64, u64), Event>,
    serial: u64,
    ends: BTreeMap<ConnId, End>,
    /// Pairs that cannot reach each other.
    pub cut: BTreeSet<(usize, usize)>,
    /// Faults happen and writes come until then.
    pub faults_until: u64,
    pub writes_until: u64,
    pub write_gap_us: u64,
    pub faults: bool,
    written: u64,
    pub delivered: u64,
    pub steps: u64,
    pub plans: BTreeMap<&'static str, u64>,
    /// How often an observer came up to date with a follower's help.
    pub through_masters: u64,
    pub config: fn(&mut PeerConfig),
    /// How long the kernel needs to close the election port of a process that has died.
    pub port_closes_after_us: u64,
}

impl World {
    pub fn new(seed: u64, voters: usize, observers: usize) -> World {
        let mut text = String::new();
        for i in 1..=voters + observers {
            let role = if i > voters { ":observer" } else { "" };
            text += &format!("server.{i}=n{i}:{}:{}{role}\n", 1000 + i, 2000 + i);
        }
        let servers = (1..=voters + observers).map(|i| Server {
            id: i as i64,
            disk: Disk::default(),
            tree: Vec::new(),
            peer: None,
            life: 0,
            wakes: 0,
            listens: false,
            takes_observers: false,
            port_open_until: 0,
            dialled_in_vain: 0,
            disk_busy: false,
            slow_us: 0,
            snapshots: BTreeMap::new(),
            observer: i > voters,
            serves: None,
            looked_because: Vec::new(),
        });
        World {
            now: 0,
            rng: Rng(seed),
            servers: servers.collect(),
            checks: Checks::default(),
            ensemble: Ensemble::parse(&(text + "version=0")).expect("a configuration"),
            events: BTreeMap::new(),
            serial: 0,
            ends: BTreeMap::new(),
            cut: BTreeSet::new(),
            faults_until: 0,
            writes_until: 0,
            write_gap_us: 10 * MS,
            faults: false,
            written: 0,
            delivered: 0,
            steps: 0,
            plans: BTreeMap::new(),
            through_masters: 0,
            config: |_| {},
            port_closes_after_us: 0,
        }
    }

    fn at(&mut self, delay_us: u64, event: Event) {
        let tie = self.rng.next();
        self.serial += 1;
        self.events.insert((self.now + delay_us, tie, self.serial), event);
    }

    pub fn start_all(&mut self) {
        (0..self.servers.len()).for_each(|server| self.start(server));
    }

    /// A process begins with what its disk holds.
    pub fn start(&mut self, index: usize) {
        let recent = self.rng.below(40) as usize;
        let id = ServerId(self.servers[index].id);
        let mut config = PeerConfig::new(id, self.ensemble.clone());
        config.tick_time_ms = 100;
        config.init_limit = 10;
        config.sync_limit = 5;
        config.cnx_timeout_ms = 500;
        config.window = WindowLimits { count_min: 5, bytes: 1000 };
        config.send_bytes = 3000;
        config.receive_bytes = 3000;
        (self.config)(&mut config);
        let server = &mut self.servers[index];
        assert!(server.peer.is_none(), "it runs already");
        server.life += 1;
        server.tree = server.disk.history.clone();
        let mut out = Outputs::default();
        server.peer = Some(Peer::new(config, server.disk.state(recent), self.now, &mut out));
        self.carry_out(index, out);
    }

    /// Runs until the time or until `done`.
    pub fn run_until(&mut self, until: u64, done: impl Fn(&World) -> bool) -> bool {
        loop {
            if done(self) {
                return true;
            }
            let Some(next) = self.events.first_entry().filter(|next| next.key().0 <= until) else {
                self.now = until;
                return done(self);
            };
            let ((at, ..), event) = next.remove_entry();
            self.now = at;
            self.steps += 1;
            self.happen(event);
        }
    }

    pub fn run(&mut self, us: u64) {
        self.run_until(self.now + us, |_| false);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Wake { server, number } => {
                if self.servers[server].wakes == number {
                    self.step(server, Input::Tick);
                }
            }
            Event::Arrive { end } => self.arrived(end),
            Event::Closed { server, life, end } => self.step_if(server, life, Input::Closed { conn: end }),
            Event::Dialled { server, life, dial, port, target } => {
                self.dialled(server, life, dial, port, target)
            }
            Event::Disk { server, life } => self.disk_works(server, life),
            Event::Read { server, life, read } => self.read(server, life, read),
            Event::Report { end } => self.report(end),
            Event::Pong { server, life, zxid } => {
                let pong = ToLeader::Pong { zxid, touched: vec![] };
                self.step_if(server, life, Input::ToLeader(pong));
            }
            Event::Restart { server } => {
                if self.servers[server].peer.is_none() {
                    self.start(server);
                }
            }
            Event::Heal => self.cut.clear(),
            Event::Write => self.write_somewhere(),
            Event::Fault => self.fault(),
        }
    }

    fn step_if(&mut self, server: usize, life: u64, input: Input<'_>) {
        if self.servers[server].life == life {
            self.step(server, input);
        }
    }

    pub fn step(&mut self, index: usize, input: Input<'_>) {
        let now = self.now;
        let Some(peer) = &mut self.servers[index].peer else { return };
        let mut out = Outputs::default();
        peer.step(now, input, &mut out);
        self.carry_out(index, out);
    }

    fn carry_out(&mut self, index: usize, out: Outputs) {
        let life = self.servers[index].life;
        assert_eq!(out.halt, None, "server {}", index + 1);
        if let Some(listens) = out.quorum_port {
            self.servers[index].listens = listens;
        }
        if let Some(listens) = out.observer_port {
            self.servers[index].takes_observers = listens;
        }
        for (conn, bytes) in out.sends {
            self.send(index, conn, bytes);
        }
        for conn in out.closes {
            self.hang_up(conn);
            self.at(10, Event::Closed { server: index, life, end: conn });
        }
        for conn in out.pauses {
            self.ends.get_mut(&conn).into_iter().for_each(|end| end.paused = true);
        }
        for conn in out.resumes {
            if let Some(end) = self.ends.get_mut(&conn) {
                end.paused = false;
                let waiting = end.arriving.len();
                (0..waiting).for_each(|_| self.at(1, Event::Arrive { end: conn }));
            }
        }
        for Dial { dial, port, addresses, .. } in out.dials {
            let target = addresses[0].host[1..].parse::<usize>().expect("a number") - 1;
            let delay = if self.can_talk(index, target) { self.latency() } else { 500 * MS };
            self.at(delay, Event::Dialled { server: index, life, dial, port, target });
        }
        self.servers[index].disk.pending.extend(out.disk);
        self.kick_disk(index);
        for read in out.reads {
            let delay = self.latency();
            self.at(delay, Event::Read { server: index, life, read });
        }
        // Only the last wish to be woken counts.
        self.servers[index].wakes += 1;
        let number = self.servers[index].wakes;
        if let Some(at) = out.wake_at_us {
            self.at(at.saturating_sub(self.now), Event::Wake { server: index, number });
        }
        for news in out.events {
            self.news(index, news);
        }
    }

    fn kick_disk(&mut self, index: usize) {
        let server = &mut self.servers[index];
        if !server.disk_busy && !server.disk.pending.is_empty() {
            server.disk_busy = true;
            let (life, slow) = (server.life, server.slow_us);
            let delay = 50 + self.rng.below(2 * MS) + slow;
            self.at(delay, Event::Disk { server: index, life });
        }
    }

    fn disk_works(&mut self, index: usize, life: u64) {
        let recent = self.rng.below(40) as usize;
        let server = &mut self.servers[index];
        if server.life != life {
            return;
        }
        server.disk_busy = false;
        let Some(plan) = server.disk.pending.pop_front() else { return };
        let name = match &plan.action {
            DiskAction::Truncate { .. } => "truncate",
            DiskAction::InstallEnd => "install",
            DiskAction::Append(_) => "append",
            DiskAction::Reload => "reload",
            _ => "other",
        };
        *self.plans.entry(name).or_default() += 1;
        let reload = plan.action == DiskAction::Reload;
        let rebuilt = matches!(plan.action, DiskAction::Truncate { .. } | DiskAction::InstallEnd) || reload;
        let outcome: DiskOutcome = server.disk.execute(plan.action);
        if rebuilt {
            server.tree = server.disk.history.clone();
        }
        if reload {
            server.snapshots.clear();
            let disk = server.disk.state(recent);
            self.step(index, Input::Recovered { ticket: plan.ticket, disk });
        } else {
            self.step(index, Input::DiskDone { ticket: plan.ticket, outcome });
        }
        self.kick_disk(index);
    }

    fn read(&mut self, index: usize, life: u64, read: Read) {
        let max = 1 + self.rng.below(20) as usize;
        let server = &mut self.servers[index];
        if server.life != life {
            return;
        }
        match read {
            Read::Log { conn, after, .. } => {
                let slice = server.disk.slice(after, max);
                self.step(index, Input::Log { conn, slice });
            }
            Read::Snapshot { conn } => {
                let tree = &server.tree;
                let (zxid, left) = server.snapshots.entry(conn).or_insert_with(|| {
                    let last = tree.last().map_or(Zxid::ZERO, |txn| txn.zxid);
                    (last, tree::encode(tree).into())
                });
                let zxid = *zxid;
                let take = left.len().min(1 + max * 100);
                let bytes: Vec<u8> = left.drain(..take).collect();
                let last = left.is_empty();
                if last {
                    server.snapshots.remove(&conn);
                }
                self.step(index, Input::Snapshot { conn, zxid, bytes, last });
            }
        }
    }

    fn news(&mut self, index: usize, news: News) {
        let voters: Vec<&Server> = self.servers.iter().filter(|server| !server.observer).collect();
        match news {
            News::Deliver { txn, .. } => {
                self.delivered += 1;
                let at = self.servers[index].tree.len();
                // Before a server is up to date this is the history of a leader that may not be established.
                if self.servers[index].serves.is_some() {
                    let voters: Vec<&Server> =
                        self.servers.iter().filter(|server| !server.observer).collect();
                    self.checks.delivered(index as i64 + 1, at, &txn, &voters);
                }
                self.servers[index].tree.push(txn);
            }
            News::Role(RoleChange::Leading { epoch }) => {
                self.checks.established(&self.servers[index], epoch);
                self.checks.up_to_date(&self.servers[index], epoch, &voters);
                self.servers[index].serves = Some(index as i64 + 1);
            }
            News::Role(RoleChange::Following { leader, epoch } | RoleChange::Observing { leader, epoch }) => {
                self.checks.up_to_date(&self.servers[index], epoch, &voters);
                let master = self.servers[index].peer.as_ref().and_then(Peer::master);
                self.servers[index].serves = match master.filter(|master| *master != leader) {
                    None => Some(leader.0),
                    Some(master) => {
                        self.through_masters += 1;
                        // Its own election may have been one ago; its master knows.
                        self.servers[master.0 as usize - 1].serves.or(Some(leader.0))
                    }
                };
            }
            News::Role(RoleChange::Looking { why }) => {
                self.servers[index].serves = None;
                self.servers[index].looked_because.push(why);
            }
            News::Ping { zxid } => {
                let life = self.servers[index].life;
                self.at(1, Event::Pong { server: index, life, zxid });
            }
            _ => {}
        }
    }

    /// Whoever leads gets something to write.
    fn write_somewhere(&mut self) {
        for index in 0..self.servers.len() {
            if self.rng.one_in(4) {
                for _ in 0..self.rng.below(8) {
                    self.write(index);
                }
            } else {
                self.write(index);
            }
        }
        if self.now < self.writes_until {
            let gap = self.rng.below(self.write_gap_us * 2);
            self.at(gap, Event::Write);
        }
    }

    /// Proposes one transaction at a server, if it leads.
    pub fn write(&mut self, index: usize) -> Option<Txn> {
        let zxid = self.servers[index].peer.as_ref().and_then(Peer::next_zxid)?;
        self.written += 1;
        let txn = tree::txn(zxid, self.written, self.rng.below(120) as usize);
        self.step(index, Input::Propose(txn.clone()));
        Some(txn)
    }

    pub fn start_writing(&mut self, until: u64) {
        self.writes_until = until;
        self.at(0, Event::Write);
    }

    /// Everything works again.
    pub fn heal(&mut self) {
        self.cut.clear();
        for index in 0..self.servers.len() {
            self.servers[index].slow_us = 0;
            if self.servers[index].peer.is_none() {
                self.start(index);
            }
        }
    }

    pub fn leader(&self) -> Option<usize> {
        (0..self.servers.len()).find(|i| self.servers[*i].serves == Some(*i as i64 + 1))
    }

    /// Does every server serve, under one leader, with everything applied everywhere?
    pub fn agrees(&self) -> bool {
        let leader = self.servers[0].serves;
        let all = self.checks.committed.len();
        let at_rest = |server: &Server| {
            server.serves == leader && server.disk.pending.is_empty() && server.tree.len() == all
        };
        leader.is_some()
            && self.servers.iter().all(at_rest)
            && self.servers.iter().all(|server| server.tree == self.checks.committed)
    }

    pub fn state(&self, index: usize) -> Option<ServerState> {
        self.servers[index].peer.as_ref().map(Peer::state)
    }
}
