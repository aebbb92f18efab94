//! One server, its clients, and the connections between them.

use super::lies::{Lie, lied};
use node::{ConnId, Input, NodeConfig, Now};
use sim::checks::{Calm, Checks, Counts, Expectations, ExpiryBounds, Held, Violation};
use sim::clients::{Client, ClientInput, ClientOutput, ClientSetup, WorkloadSetup};
use sim::{Machine, MachineSetup, Rng, SimDisk, Survival};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use store::{DiskBatch, Lane, StoreConfig, Ticket};
use tree::TreeConfig;
use wire::Zxid;

const START_WALL_MS: i64 = 1_795_389_508_617;
const CLIENTS: usize = 5;
/// Trouble ends here, and a while later the clients ask for nothing more.
const CALM_US: u64 = 40_000_000;
const STOP_US: u64 = 80_000_000;
const END_US: u64 = 110_000_000;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Event {
    Flush {
        life: u32,
    },
    Tick {
        life: u32,
    },
    Disk {
        life: u32,
        lane: Lane,
    },
    DiskDone {
        life: u32,
        ticket: Ticket,
    },
    Start,
    Kill,
    Cut,
    Wake {
        client: usize,
    },
    /// The client's part of a connection; void when it has another one.
    ToClient {
        client: usize,
        serial: u64,
        input: ClientInput,
    },
    Open {
        client: usize,
        serial: u64,
    },
    ToServer {
        serial: u64,
        bytes: Vec<u8>,
    },
    /// The server learns that the client's end is gone.
    Gone {
        serial: u64,
    },
}

/// A connection as the server has it.
struct Link {
    client: usize,
    conn: ConnId,
    paused: bool,
    held: Vec<u8>,
    closed: bool,
    /// Nothing gets through any more, and perhaps nobody knows.
    cut: bool,
    to_server_us: u64,
}

pub struct World {
    now_us: u64,
    rng: Rng,
    events: BinaryHeap<Reverse<(u64, u64, u64, Event)>>,
    count: u64,
    machine: Machine,
    life: u32,
    flush_is_due: bool,
    busy: BTreeMap<Lane, bool>,
    clients: Vec<Client>,
    /// The connection that each client believes to have, and when its last bytes arrive.
    current: Vec<Option<(u64, u64)>>,
    /// Until then nothing gets through from this client.
    away_until_us: [u64; CLIENTS],
    links: BTreeMap<u64, Link>,
    serial: u64,
    /// Written, not known to be durable.
    pending: VecDeque<(Ticket, Zxid, Vec<u8>)>,
    checks: Checks,
    /// What the network does to the server's words.
    pub lie: Option<Lie>,
}

impl World {
    pub fn new(seed: u64) -> World {
        let mut rng = Rng::new(seed, "world");
        let workload = WorkloadSetup::draw(&mut rng);
        let store = StoreConfig { prealloc_bytes: 0, snap_count: 200, ..StoreConfig::default() };
        let mut node = NodeConfig { store, ..NodeConfig::default() };
        node.sweep.check_interval_ms = 2_000;
        let extended = rng.chance(50);
        let tree = TreeConfig { extended_types: extended, ..TreeConfig::default() };
        let disk = SimDisk::new(Rng::new(seed, "disk"), false);
        let client = |number| {
            let workload = workload.clone();
            Client::new(&ClientSetup { seed, number, servers: 1, requests: 1500, workload })
        };
        World {
            now_us: 0,
            events: BinaryHeap::new(),
            count: 0,
            machine: Machine::new(disk, MachineSetup { node, tree }),
            life: 0,
            flush_is_due: false,
            busy: BTreeMap::new(),
            clients: (0..CLIENTS).map(client).collect(),
            current: vec![None; CLIENTS],
            away_until_us: [0; CLIENTS],
            links: BTreeMap::new(),
            serial: 0,
            pending: VecDeque::new(),
            checks: Checks::new(model::Options { extended_types: extended }),
            lie: None,
            rng,
        }
    }

    pub fn run(&mut self) -> Result<Counts, Violation> {
        // A wait for the disk, and what is noticed of broken connections when all is well again.
        let calm = Calm { from_us: CALM_US + 25_000_000, within_us: 2_000_000, p99_us: 1_000_000 };
        let expiry = ExpiryBounds { early_us: 0, late_us: 10_000_000 };
        self.checks.expect(Expectations {
            expiry: Some(expiry),
            sync_sees_everything: true,
            calm: Some(calm),
        });
        self.after(0, Event::Start);
        for client in 0..CLIENTS {
            self.after(0, Event::Wake { client });
        }
        let mut at = 0;
        while at < CALM_US {
            at += 100_000 + self.rng.below(6_000_000);
            let trouble = if self.rng.chance(70) { Event::Cut } else { Event::Kill };
            self.after(at, trouble);
        }
        while let Some(Reverse((at, _, _, event))) = self.events.pop() {
            if self.now_us < STOP_US && at >= STOP_US {
                self.clients.iter_mut().for_each(Client::stop);
            }
            self.now_us = self.now_us.max(at);
            if at > END_US {
                break;
            }
            self.happen(event)?;
        }
        let resting = self.clients.iter().filter(|client| client.is_at_rest()).count();
        assert_eq!(resting, CLIENTS, "everybody comes to rest");
        let held = Held::by(0, self.machine.node().expect("it runs").tree());
        self.checks.finish(&[held])?;
        Ok(self.checks.counts())
    }

    fn now(&self) -> Now {
        Now { mono_us: self.now_us, wall_ms: START_WALL_MS + (self.now_us / 1000) as i64 }
    }

    fn after(&mut self, delay_us: u64, event: Event) {
        self.count += 1;
        let tie = self.rng.next_u64();
        self.events.push(Reverse((self.now_us + delay_us, tie, self.count, event)));
    }

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        let life = self.life;
        match event {
            Event::Flush { life: of } if of == life => {
                self.flush_is_due = false;
                let now = self.now();
                self.machine.step(now, Input::Flush);
                return self.deliver();
            }
            Event::Tick { life: of } if of == life => self.input(Input::Tick),
            Event::Disk { life: of, lane } if of == life => self.disk(lane),
            Event::DiskDone { life: of, ticket } if of == life => {
                while self.pending.front().is_some_and(|(of, _, _)| *of == ticket) {
                    let (_, zxid, payload) = self.pending.pop_front().expect("there is a front");
                    self.checks.committed(zxid, &payload)?;
                }
                self.input(Input::DiskDone { ticket, result: Ok(()) });
            }
            Event::Start => return self.start(),
            Event::Kill => self.kill(),
            Event::Cut => self.cut(),
            Event::Wake { client } => return self.client(client, ClientInput::Wake),
            Event::ToClient { client, serial, input } if self.has(client, serial) => {
                if input == ClientInput::Closed {
                    self.current[client] = None;
                }
                return self.client(client, input);
            }
            Event::Open { client, serial } => self.open(client, serial),
            Event::ToServer { serial, bytes } => {
                let Some(link) = self.links.get_mut(&serial).filter(|link| !link.closed) else {
                    return Ok(());
                };
                if link.paused {
                    link.held.extend(bytes);
                } else {
                    let conn = link.conn;
                    self.input(Input::Received { conn, bytes: &bytes });
                }
            }
            Event::Gone { serial } => {
                if let Some(link) = self.links.remove(&serial) {
                    self.input(Input::Disconnected { conn: link.conn });
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn start(&mut self) -> Result<(), Violation> {
        let (now, seed) = (self.now(), self.rng.next_u64());
        self.machine.start(now, seed).expect("it starts");
        // What the disk has kept is committed now; the rest has never happened.
        let last = self.machine.node().expect("it runs").tree().last_zxid();
        for (_, zxid, payload) in std::mem::take(&mut self.pending) {
            if zxid <= last {
                self.checks.committed(zxid, &payload)?;
            }
        }
        self.deliver()
    }

    fn kill(&mut self) {
        self.life += 1;
        self.machine.kill();
        self.flush_is_due = false;
        self.busy.clear();
        let survival = if self.rng.chance(50) { Survival::Everything } else { Survival::Subset };
        let rng = Rng::new(self.rng.next_u64(), "crash");
        self.machine.disk = self.machine.disk.crashed(None, survival, rng);
        for (serial, link) in std::mem::take(&mut self.links) {
            self.tell_closed(link.client, serial);
        }
        let delay = self.rng.below(3_000_000);
        self.after(delay, Event::Start);
    }

    /// A connection breaks: what is on its way is lost, and both ends learn of it, sooner or later.
    fn cut(&mut self) {
        let serials: Vec<u64> = self.links.keys().copied().collect();
        let Some(serial) = serials.get(self.rng.below(serials.len() as u64) as usize).copied() else {
            return;
        };
        let link = self.links.get_mut(&serial).expect("it is there");
        link.cut = true;
        let client = link.client;
        if self.rng.chance(50) {
            self.away_until_us[client] = self.now_us + self.rng.below(12_000_000);
        }
        let of_it = |event: &Event| match event {
            Event::ToServer { serial: of, .. } => *of == serial,
            Event::ToClient { serial: of, input: ClientInput::Received(_), .. } => *of == serial,
            _ => false,
        };
        self.events.retain(|Reverse((_, _, _, event))| !of_it(event));
        let delay = self.rng.below(8_000_000);
        self.after(delay, Event::Gone { serial });
        if self.rng.chance(70) {
            self.tell_closed(client, serial);
        }
    }

    fn tell_closed(&mut self, client: usize, serial: u64) {
        let at = self.current[client].filter(|(current, _)| *current == serial).map_or(0, |(_, at)| at);
        let delay = at.saturating_sub(self.now_us) + 1;
        self.after(delay, Event::ToClient { client, serial, input: ClientInput::Closed });
    }

    fn input(&mut self, input: Input<'_>) {
        let now = self.now();
        self.machine.step(now, input);
        if !self.flush_is_due {
            self.flush_is_due = true;
            let (delay, life) = (self.rng.below(60), self.life);
            self.after(delay, Event::Flush { life });
        }
    }

    fn client(&mut self, client: usize, input: ClientInput) -> Result<(), Violation> {
        let mut out = Vec::new();
        self.clients[client].step(self.now_us, input, &mut out);
        for output in out {
            match output {
                ClientOutput::Connect { .. } => {
                    self.serial += 1;
                    let serial = self.serial;
                    self.current[client] = Some((serial, 0));
                    let delay = 50 + self.rng.below(1000);
                    self.after(delay, Event::Open { client, serial });
                }
                ClientOutput::Send(bytes) => {
                    let Some((serial, _)) = self.current[client] else { continue };
                    let latency = 20 + self.rng.below(2000);
                    let Some(link) = self.links.get_mut(&serial).filter(|link| !link.cut) else { continue };
                    let at = (self.now_us + latency).max(link.to_server_us + 1);
                    link.to_server_us = at;
                    self.after(at - self.now_us, Event::ToServer { serial, bytes });
                }
                ClientOutput::Close => {
                    if let Some((serial, _)) = self.current[client].take() {
                        let at = self.links.get(&serial).map_or(0, |link| link.to_server_us);
                        self.after(at.saturating_sub(self.now_us) + 10, Event::Gone { serial });
                    }
                }
                ClientOutput::WakeAt(at) => {
                    self.after(at.saturating_sub(self.now_us), Event::Wake { client })
                }
                ClientOutput::Saw(event) => self.checks.client(self.now_us, client, &event)?,
            }
        }
        Ok(())
    }

    /// Is this the connection that the client believes to have?
    fn has(&self, client: usize, serial: u64) -> bool {
        self.current[client].is_some_and(|(current, _)| current == serial)
    }

    fn open(&mut self, client: usize, serial: u64) {
        if !self.has(client, serial) {
            return;
        }
        if !self.machine.is_running() || self.now_us < self.away_until_us[client] {
            return self.tell_closed(client, serial);
        }
        let slot = (0..).find(|slot| self.links.values().all(|link| link.conn.slot() != *slot));
        let conn = ConnId((serial << 24) | u64::from(slot.expect("a free slot")));
        let link = Link {
            client,
            conn,
            paused: false,
            held: Vec::new(),
            closed: false,
            cut: false,
            to_server_us: 0,
        };
        self.links.insert(serial, link);
        let peer = ([10, 0, 0, client as u8], 4000 + serial as u16).into();
        self.input(Input::Accepted { conn, peer });
        self.after(20, Event::ToClient { client, serial, input: ClientInput::Connected });
    }

    /// What the shell does with a node's outputs.
    fn deliver(&mut self) -> Result<(), Violation> {
        let out = std::mem::take(self.machine.outputs());
        let serial_of = |links: &BTreeMap<u64, Link>, conn: ConnId| {
            links.iter().find(|(_, link)| link.conn == conn && !link.closed).map(|(serial, _)| *serial)
        };
        for (conn, mut bytes) in out.sends {
            let Some(serial) = serial_of(&self.links, conn).filter(|serial| !self.links[serial].cut) else {
                continue;
            };
            if let Some(lie) = self.lie {
                bytes = lied(lie, &mut self.rng, &bytes);
            }
            let client = self.links[&serial].client;
            let latency = 20 + self.rng.below(2000);
            let Some((_, at)) = self.current[client].as_mut().filter(|(current, _)| *current == serial)
            else {
                continue;
            };
            *at = (self.now_us + latency).max(*at + 1);
            let delay = *at - self.now_us;
            self.after(delay, Event::ToClient { client, serial, input: ClientInput::Received(bytes) });
        }
        for batch in out.disk {
            self.written(&batch);
            let lane = batch.lane;
            self.machine.submit(batch);
            self.run_lane(lane);
        }
        for conn in out.pauses {
            if let Some(serial) = serial_of(&self.links, conn) {
                self.links.get_mut(&serial).expect("it is there").paused = true;
            }
        }
        for conn in out.resumes {
            if let Some(serial) = serial_of(&self.links, conn) {
                let link = self.links.get_mut(&serial).expect("it is there");
                link.paused = false;
                let held = std::mem::take(&mut link.held);
                self.input(Input::Received { conn, bytes: &held });
            }
        }
        for conn in out.closes {
            if let Some(serial) = serial_of(&self.links, conn) {
                let link = self.links.get_mut(&serial).expect("it is there");
                link.closed = true;
                let client = link.client;
                self.tell_closed(client, serial);
                self.after(1, Event::Gone { serial });
            }
        }
        if let Some(at) = out.wake_at_us {
            let life = self.life;
            self.after(at.saturating_sub(self.now_us), Event::Tick { life });
        }
        assert_eq!(out.halt, None, "it goes on");
        Ok(())
    }

    /// Notes what is on its way to the log.
    fn written(&mut self, batch: &DiskBatch) {
        for payload in sim::logged(batch).expect("whole records are written") {
            let record = wire::TxnRecord::decode(&mut wire::Reader::new(&payload)).expect("a record");
            if record.header.txn_type == wire::OpCode::CloseSession.code() {
                self.checks.ending(record.header.client_id);
            }
            self.pending.push_back((batch.ticket, record.header.zxid, payload));
        }
    }

    fn run_lane(&mut self, lane: Lane) {
        if !self.busy.insert(lane, true).unwrap_or(false) {
            let (delay, life) = (5 + self.rng.below(80), self.life);
            self.after(delay, Event::Disk { life, lane });
        }
    }

    fn disk(&mut self, lane: Lane) {
        if self.machine.next_op(lane).is_none() {
            self.busy.insert(lane, false);
            return;
        }
        let life = self.life;
        if let Some((ticket, result)) = self.machine.disk_op(lane) {
            result.expect("nothing fails here");
            self.after(0, Event::DiskDone { life, ticket });
        }
        let slow_us = if self.rng.chance(1) { 50_000 } else { 300 };
        let delay = 5 + self.rng.below(slow_us);
        self.after(delay, Event::Disk { life, lane });
    }
}
