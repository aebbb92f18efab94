//! Several servers in one room: they hear each other at once, their disks work at once, and the clock moves when told.

#![allow(dead_code, reason = "every story uses its own part of it")]

mod clients;
#[path = "../world/disk.rs"]
mod disk;

#[allow(unused_imports, reason = "not every story looks closely")]
pub use clients::{Reply, create};

use disk::MemoryDisk;
use node::{ConnId, Halt, Input, Membership, Node, NodeConfig, Now, Outputs, PeerInput, RecoverFailure};
use std::collections::{BTreeMap, VecDeque};
use store::{DiskBatch, Lane, TruncateError};
use tree::TreeConfig;
use wire::SessionId;
use zab::{Address, Ensemble, PeerConfig, Port, ServerId};

const START_WALL_MS: i64 = 1_795_389_508_617;

/// A server's number, counted from 1 as `myid` is.
pub type Id = usize;

/// One server: its disk survives it.
struct Place {
    node: Option<Node>,
    disk: MemoryDisk,
    out: Outputs,
    wake_at_us: Option<u64>,
    listens: bool,
    takes_observers: bool,
    /// Nobody reaches it, and it reaches nobody.
    isolated: bool,
    halt: Option<Halt>,
    notes: Vec<String>,
}

/// A connection between two servers: the other end.
#[derive(Clone, Copy)]
struct End {
    place: Id,
    other: (Id, zab::ConnId),
}

/// A client's connection.
#[derive(Default)]
struct ClientWire {
    received: Vec<u8>,
    closed: bool,
}

/// A client somewhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Client {
    pub server: Id,
    pub conn: ConnId,
    pub session: SessionId,
}

enum Delivery {
    Peer { place: Id, conn: zab::ConnId, bytes: Vec<u8> },
    Closed { place: Id, conn: zab::ConnId },
}

pub struct Cluster {
    places: BTreeMap<Id, Place>,
    ends: BTreeMap<zab::ConnId, End>,
    next_conn: u64,
    mono_us: u64,
    clients: BTreeMap<(Id, ConnId), ClientWire>,
    next_client: u64,
    next_xid: i32,
    ensemble: Ensemble,
    pub settings: NodeConfig,
    /// Learners always get a snapshot.
    pub force_snapshot: bool,
    /// `leaderServes`, from the next start on.
    pub leader_serves: bool,
    /// `observerMasterPort` is set, from the next start on.
    pub observer_masters: bool,
    /// Hard quotas, from the next start on.
    pub enforce_quota: bool,
    /// The server of which one lane of the disk does nothing until [`Cluster::release_disk`].
    pub hold_disk: Option<(Id, Lane)>,
    held: Vec<DiskBatch>,
}

impl Cluster {
    /// So many voters, all running, with a leader among them.
    pub fn settled(voters: usize) -> Cluster {
        let mut cluster = Cluster::new(voters, 0);
        (1..=voters).for_each(|id| cluster.start(id));
        cluster.settle();
        cluster
    }

    /// So many voters and, with higher numbers, observers; none is running.
    pub fn new(voters: usize, observers: usize) -> Cluster {
        let mut text = String::new();
        for id in 1..=voters + observers {
            let role = if id > voters { ":observer" } else { "" };
            text.push_str(&format!("server.{id}=host{id}:2888:3888{role}\n"));
        }
        let ensemble = Ensemble::parse(&text).expect("an ensemble");
        let mut settings = NodeConfig {
            tick_time_ms: 500,
            min_session_timeout_ms: 1000,
            max_session_timeout_ms: 40_000,
            ..NodeConfig::default()
        };
        settings.store.prealloc_bytes = 0;
        settings.store.recent_count = 500;
        let places = (1..=voters + observers)
            .map(|id| {
                let place = Place {
                    node: None,
                    disk: MemoryDisk::default(),
                    out: Outputs::default(),
                    wake_at_us: None,
                    listens: false,
                    takes_observers: false,
                    isolated: false,
                    halt: None,
                    notes: Vec::new(),
                };
                (id, place)
            })
            .collect();
        Cluster {
            places,
            ends: BTreeMap::new(),
            next_conn: 1,
            mono_us: 1_000_000,
            clients: BTreeMap::new(),
            next_client: 1,
            next_xid: 0,
            ensemble,
            settings,
            force_snapshot: false,
            leader_serves: true,
            observer_masters: false,
            enforce_quota: false,
            hold_disk: None,
            held: Vec::new(),
        }
    }

    fn now(&self) -> Now {
        Now { mono_us: self.mono_us, wall_ms: START_WALL_MS + (self.mono_us / 1000) as i64 }
    }

    /// Starts a server from what its disk has.
    pub fn start(&mut self, id: Id) {
        let now = self.now();
        let mut peer = PeerConfig::new(ServerId(id as i64), self.ensemble.clone());
        peer.tick_time_ms = self.settings.tick_time_ms as u64;
        peer.force_snapshot = self.force_snapshot;
        peer.observer_master_port = self.observer_masters.then_some(2999);
        let settings = NodeConfig { server_id: id as u8, ..self.settings.clone() };
        let leader_serves = self.leader_serves;
        let tree = TreeConfig { enforce_quota: self.enforce_quota, ..TreeConfig::default() };
        let place = self.place(id);
        let recovered = store::recover(&mut place.disk, &settings.store, tree).expect("a disk");
        let last = recovered.last_zxid();
        let (epochs, repairs) = store::load_epochs(&mut place.disk, last).expect("epochs");
        repairs.iter().for_each(|op| store::Disk::execute(&mut place.disk, op).expect("memory"));
        let membership = Membership { peer, epochs, snapshot_size_factor: 0.33, leader_serves };
        place.out = Outputs::default();
        place.halt = None;
        place.node = Some(Node::join(settings, membership, recovered, id as u64, now, &mut place.out));
        self.run();
    }

    /// The process dies.
    pub fn kill(&mut self, id: Id) {
        let place = self.place(id);
        place.node = None;
        (place.listens, place.takes_observers) = (false, false);
        let ends: Vec<zab::ConnId> =
            self.ends.iter().filter(|(_, end)| end.place == id).map(|(conn, _)| *conn).collect();
        for conn in ends {
            self.cut(conn);
        }
        self.clients.iter_mut().filter(|((at, _), _)| *at == id).for_each(|(_, wire)| wire.closed = true);
        self.run();
    }

    /// Nothing goes in or out any more; connections break.
    pub fn isolate(&mut self, id: Id) {
        self.place(id).isolated = true;
        let ends: Vec<zab::ConnId> =
            self.ends.iter().filter(|(_, end)| end.place == id).map(|(conn, _)| *conn).collect();
        for conn in ends {
            let end = self.ends[&conn];
            self.cut(conn);
            self.step(end.place, Input::Peer(PeerInput::Closed { conn }));
        }
        self.run();
    }

    /// It is reached again.
    pub fn reconnect_server(&mut self, id: Id) {
        self.place(id).isolated = false;
    }

    fn place(&mut self, id: Id) -> &mut Place {
        self.places.get_mut(&id).expect("a server of the ensemble")
    }

    pub fn node(&self, id: Id) -> &Node {
        self.places[&id].node.as_ref().expect("it runs")
    }

    pub fn notes(&self, id: Id) -> &[String] {
        &self.places[&id].notes
    }

    pub fn mode(&self, id: Id) -> &'static str {
        self.node(id).server_stats().mode
    }

    /// Time passes until everybody who runs has a role, at most a minute.
    pub fn settle(&mut self) {
        for _ in 0..600 {
            let running: Vec<Id> = self
                .places
                .iter()
                .filter(|(_, p)| p.node.is_some() && !p.isolated)
                .map(|(id, _)| *id)
                .collect();
            let settled = |id: &Id| !matches!(self.mode(*id), "looking" | "read-only");
            if running.iter().all(settled) {
                return;
            }
            self.advance_ms(100);
        }
        let notes: Vec<_> = self.places.iter().map(|(id, place)| (id, &place.notes)).collect();
        panic!("no leader: {notes:#?}");
    }

    /// What was held is written.
    pub fn release_disk(&mut self) {
        let (id, _) = self.hold_disk.take().expect("a server whose disk is held");
        for batch in std::mem::take(&mut self.held) {
            let result = self.place(id).disk.run(&batch);
            self.step(id, Input::DiskDone { ticket: batch.ticket, result });
        }
        self.run();
    }

    /// Who leads.
    pub fn leader(&self) -> Id {
        let leads = |id: &&Id| self.places[id].node.is_some() && self.mode(**id) == "leader";
        *self.places.keys().find(leads).expect("a leader")
    }

    pub fn followers(&self) -> Vec<Id> {
        let follows = |id: &Id| self.places[id].node.is_some() && self.mode(*id) == "follower";
        self.places.keys().copied().filter(follows).collect()
    }

    fn step(&mut self, id: Id, input: Input<'_>) {
        let now = self.now();
        let place = self.place(id);
        if let Some(node) = &mut place.node {
            node.step(now, input, &mut place.out);
        }
    }

    /// Rounds until nothing happens any more at this time.
    pub fn run(&mut self) {
        for _ in 0..100_000 {
            let mut busy = false;
            for id in self.places.keys().copied().collect::<Vec<_>>() {
                self.step(id, Input::Flush);
                busy |= self.deliver(id);
            }
            let now_us = self.mono_us;
            let due = |place: &Place| place.node.is_some() && place.wake_at_us.is_some_and(|at| at <= now_us);
            if !busy && !self.places.values().any(due) {
                return;
            }
        }
        panic!("the servers never come to rest");
    }

    pub fn advance_ms(&mut self, ms: u64) {
        let end_us = self.mono_us + ms * 1000;
        self.run();
        loop {
            let wakes = self
                .places
                .values()
                .filter(|place| place.node.is_some())
                .filter_map(|place| place.wake_at_us);
            let Some(at_us) = wakes.min().filter(|at| *at <= end_us) else { break };
            self.mono_us = at_us.max(self.mono_us);
            for id in self.places.keys().copied().collect::<Vec<_>>() {
                self.step(id, Input::Tick);
            }
            self.run();
        }
        self.mono_us = end_us;
        self.run();
    }

    /// Carries out what a server wants; true if that gave anybody something to do.
    fn deliver(&mut self, id: Id) -> bool {
        if self.places[&id].node.is_none() {
            return false;
        }
        let place = self.place(id);
        let out = std::mem::take(&mut place.out);
        place.wake_at_us = out.wake_at_us;
        place.notes.extend(out.notes.into_iter().map(|note| note.text));
        let mut busy = false;
        if let Some(halt) = out.halt {
            place.halt = Some(halt);
            place.node = None;
            return true;
        }
        for batch in out.disk {
            if self.hold_disk == Some((id, batch.lane)) {
                self.held.push(batch);
                continue;
            }
            let result = self.place(id).disk.run(&batch);
            self.step(id, Input::DiskDone { ticket: batch.ticket, result });
            busy = true;
        }
        if let Some(recover) = out.recover {
            let settings = self.settings.store.clone();
            let disk = &mut self.place(id).disk;
            let result = match store::truncate(disk, &settings, recover.truncate_to) {
                Ok(()) => match store::recover(disk, &settings, TreeConfig::default()) {
                    Ok(recovered) => Ok(Box::new(recovered)),
                    Err(error) => Err(RecoverFailure::Failed(error.to_string())),
                },
                Err(error @ TruncateError::NoOlderSnapshot { .. }) => {
                    Err(RecoverFailure::Refused(error.to_string()))
                }
                Err(error) => Err(RecoverFailure::Failed(error.to_string())),
            };
            self.step(id, Input::Recovered(result));
            busy = true;
        }
        for query in out.histories {
            let settings = self.settings.store.clone();
            let disk = &mut self.place(id).disk;
            let slice = store::read_history(disk, &settings, query.after, query.upto, query.max_bytes).ok();
            self.step(id, Input::History { learner: query.learner, slice });
            busy = true;
        }
        if let Some(listen) = out.peer.quorum_port {
            self.place(id).listens = listen;
        }
        if let Some(listen) = out.peer.observer_port {
            self.place(id).takes_observers = listen;
        }
        for dial in out.peer.dials {
            self.dial(id, &dial);
            busy = true;
        }
        let mut deliveries = VecDeque::new();
        for (conn, bytes) in out.peer.sends {
            if let Some(end) = self.ends.get(&conn) {
                let (place, conn) = end.other;
                deliveries.push_back(Delivery::Peer { place, conn, bytes });
            }
        }
        for conn in out.peer.closes {
            if let Some(end) = self.ends.remove(&conn) {
                let (place, other) = end.other;
                self.ends.remove(&other);
                deliveries.push_back(Delivery::Closed { place: id, conn });
                deliveries.push_back(Delivery::Closed { place, conn: other });
            }
        }
        busy |= !deliveries.is_empty();
        for delivery in deliveries {
            match delivery {
                Delivery::Peer { place, conn, bytes } => {
                    self.step(place, Input::Peer(PeerInput::Received { conn, bytes: &bytes }));
                }
                Delivery::Closed { place, conn } => self.step(place, Input::Peer(PeerInput::Closed { conn })),
            }
        }
        for (conn, bytes) in out.sends {
            if let Some(wire) = self.clients.get_mut(&(id, conn)) {
                wire.received.extend_from_slice(&bytes);
            }
        }
        for conn in out.closes {
            if let Some(wire) = self.clients.get_mut(&(id, conn)).filter(|wire| !wire.closed) {
                wire.closed = true;
                self.step(id, Input::Disconnected { conn });
                busy = true;
            }
        }
        busy
    }

    fn dial(&mut self, id: Id, dial: &zab::Dial) {
        let target = dial
            .addresses
            .first()
            .and_then(|address: &Address| address.host.strip_prefix("host")?.parse::<Id>().ok());
        let reached = target.filter(|target| {
            let there = &self.places[target];
            let open = match dial.port {
                Port::Election => true,
                Port::Quorum => there.listens,
                Port::Observers => there.takes_observers,
            };
            there.node.is_some() && open && !there.isolated && !self.places[&id].isolated
        });
        let conn = reached.map(|target| {
            let (mine, theirs) = (zab::ConnId(self.next_conn), zab::ConnId(self.next_conn + 1));
            self.next_conn += 2;
            self.ends.insert(mine, End { place: id, other: (target, theirs) });
            self.ends.insert(theirs, End { place: target, other: (id, mine) });
            self.step(target, Input::Peer(PeerInput::Accepted { conn: theirs, port: dial.port }));
            mine
        });
        self.step(id, Input::Peer(PeerInput::Dialled { dial: dial.dial, conn }));
    }

    /// Somebody who is no server of the room connects to one. Nobody hears what is said to it.
    pub fn knock(&mut self, id: Id, port: Port) -> zab::ConnId {
        let conn = zab::ConnId(self.next_conn);
        self.next_conn += 1;
        self.step(id, Input::Peer(PeerInput::Accepted { conn, port }));
        conn
    }

    /// Bytes of [`Cluster::knock`]'s.
    pub fn say(&mut self, id: Id, conn: zab::ConnId, bytes: &[u8]) {
        self.step(id, Input::Peer(PeerInput::Received { conn, bytes }));
    }

    /// A connection breaks at its far end.
    fn cut(&mut self, conn: zab::ConnId) {
        if let Some(End { other: (place, other), .. }) = self.ends.remove(&conn) {
            self.ends.remove(&other);
            self.step(place, Input::Peer(PeerInput::Closed { conn: other }));
        }
    }

    /// What a server's tree has at a path.
    pub fn has(&self, id: Id, path: &str) -> bool {
        self.node(id).tree().node(path).is_some()
    }

    /// All running servers have the same tree.
    pub fn assert_equal(&self) {
        let running: Vec<&Node> = self.places.values().filter_map(|place| place.node.as_ref()).collect();
        for node in &running {
            assert_eq!(node.tree().digest(), running[0].tree().digest());
            assert_eq!(node.tree().sessions(), running[0].tree().sessions());
            assert_eq!(node.tree().digest(), node.tree().recomputed_digest());
        }
    }
}
