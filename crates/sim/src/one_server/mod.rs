//! A standalone server, its clients, and the connections between them, from a seed (reference: simulation §2.3).
//!
//! Events are ordered by time; among those of one time, and for every delay, chance decides. Whoever drives the world breaks
//! connections, ends the process, or looks at what the disk does next; what clients see is judged by [`crate::checks`] all the
//! while, and where a [`History`] is kept, what a disk may lose.

mod promises;
mod wires;

pub use wires::Tamper;

use crate::checks::{Checks, Counts, Expectations, Held, Violation};
use crate::clients::{Client, ClientInput, ClientSetup, WorkloadSetup};
use crate::{History, Lie, Machine, MachineSetup, Rng, SimDisk};
use node::{Halt, Input, Now};
use promises::{Promises, logged};
use std::collections::{BTreeMap, VecDeque};
use store::{DiskBatch, DiskError, DiskOp, Lane, RecoveryError, Ticket};
use wire::Zxid;
use wires::Wires;

const START_WALL_MS: i64 = 1_795_389_508_617;

/// What a world is made of.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Everything follows from it.
    pub seed: u64,
    /// The server's settings.
    pub machine: MachineSetup,
    /// Logs and snapshots have directories of their own.
    pub separate_logs: bool,
    /// A disk that breaks its promises.
    pub lie: Option<Lie>,
    /// An operation of the disk takes that many µs at most, one in a hundred 50 ms.
    pub disk_slowness_us: u64,
    /// How many clients there are.
    pub clients: usize,
    /// How much each of them asks.
    pub requests: u32,
}

/// One server, one clock.
pub struct World {
    /// The server, whether it runs or not.
    pub machine: Machine,
    setup: Setup,
    now_us: u64,
    rng: Rng,
    /// By time, chance, and a number.
    events: BTreeMap<(u64, u64, u64), Event>,
    count: u64,
    /// Counts processes: events of an earlier one are void.
    life: u32,
    flush_is_due: bool,
    busy: BTreeMap<Lane, bool>,
    /// When a lane's last completion is told.
    told_us: BTreeMap<Lane, u64>,
    clients: Vec<Client>,
    wires: Wires,
    /// Written, not known to be durable.
    pending: VecDeque<(Ticket, Zxid, Vec<u8>)>,
    checks: Checks,
    promises: Option<Promises>,
}

#[derive(Clone, Debug)]
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
        result: Result<(), DiskError>,
    },
    Start,
    Wake {
        client: usize,
    },
    /// For the client's end of a connection; void when it has another one.
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

impl World {
    /// A server that is switched off, with an empty disk, and clients that have not done anything yet.
    pub fn new(setup: Setup) -> World {
        let mut disk = SimDisk::new(Rng::new(setup.seed, "disk"), setup.separate_logs);
        if let Some(lie) = setup.lie {
            disk.lie_about(lie);
        }
        let workload = WorkloadSetup::draw(&mut Rng::new(setup.seed, "workload"));
        let client = |number| {
            let Setup { seed, requests, .. } = setup;
            Client::new(&ClientSetup { seed, number, servers: 1, requests, workload: workload.clone() })
        };
        let extended_types = setup.machine.tree.extended_types;
        let mut world = World {
            machine: Machine::new(disk, setup.machine.clone()),
            now_us: 0,
            rng: Rng::new(setup.seed, "world"),
            events: BTreeMap::new(),
            count: 0,
            life: 0,
            flush_is_due: false,
            busy: BTreeMap::new(),
            told_us: BTreeMap::new(),
            clients: (0..setup.clients).map(client).collect(),
            wires: Wires::new(setup.clients),
            pending: VecDeque::new(),
            checks: Checks::new(model::Options { extended_types }),
            promises: None,
            setup,
        };
        (0..world.clients.len()).for_each(|client| world.after(0, Event::Wake { client }));
        world
    }

    /// From now on it is kept what the disk is asked for, and what that promises to clients.
    pub fn keep_history(&mut self) {
        let history = History::new(self.setup.machine.tree.clone());
        self.promises = Some(Promises::new(history));
    }

    /// What was kept.
    ///
    /// # Panics
    /// When nothing was.
    pub fn history(&self) -> &History {
        &self.promises.as_ref().expect("a history is kept").history
    }

    /// Demands more of what clients see.
    pub fn expect(&mut self, expectations: Expectations) {
        self.checks.expect(expectations);
    }

    /// Something is done to what the server says on its way to the clients.
    pub fn tamper(&mut self, how: Tamper) {
        self.wires.tamper = Some(how);
    }

    // ---- time

    /// Microseconds since the start of the world.
    pub fn now_us(&self) -> u64 {
        self.now_us
    }

    /// How much was judged so far.
    pub fn counts(&self) -> Counts {
        self.checks.counts()
    }

    /// The clients ask for so much more at most.
    pub fn ask_at_most(&mut self, requests: u32) {
        self.clients.iter_mut().for_each(|client| client.ask_at_most(requests));
    }

    /// Has every client a session and a connection, and nothing more to ask?
    pub fn is_at_rest(&self) -> bool {
        self.clients.iter().all(Client::is_at_rest)
    }

    /// Lets things happen until a time.
    ///
    /// # Errors
    /// What must never happen, and has.
    pub fn run_until(&mut self, at_us: u64) -> Result<(), Violation> {
        while self.events.first_key_value().is_some_and(|((at, ..), _)| *at <= at_us) {
            self.happen()?;
        }
        self.now_us = self.now_us.max(at_us);
        Ok(())
    }

    /// The operation of the disk that happens next, if nothing else does.
    pub fn upcoming(&mut self) -> Option<DiskOp> {
        match self.events.first_key_value()?.1 {
            Event::Disk { life, lane } if *life == self.life => self.machine.next_op(*lane),
            _ => None,
        }
    }

    /// Lets the next thing happen.
    ///
    /// # Errors
    /// What must never happen, and has.
    pub fn happen(&mut self) -> Result<(), Violation> {
        let Some(((at_us, ..), event)) = self.events.pop_first() else { return Ok(()) };
        self.now_us = self.now_us.max(at_us);
        match event {
            Event::Flush { life } if life == self.life => {
                self.flush_is_due = false;
                let now = self.now();
                self.machine.step(now, Input::Flush);
                return self.deliver();
            }
            Event::Tick { life } if life == self.life => self.input(Input::Tick),
            Event::Disk { life, lane } if life == self.life => self.disk(lane),
            Event::DiskDone { life, ticket, result } if life == self.life => {
                return self.disk_done(ticket, result);
            }
            Event::Start => self.start()?,
            Event::Wake { client } => return self.client(client, ClientInput::Wake),
            Event::ToClient { client, serial, input } => return self.reach_client(client, serial, input),
            Event::Open { client, serial } => self.open(client, serial),
            Event::ToServer { serial, bytes } => self.reach_server(serial, bytes),
            Event::Gone { serial } => self.gone(serial),
            Event::Flush { .. } | Event::Tick { .. } | Event::Disk { .. } | Event::DiskDone { .. } => {}
        }
        Ok(())
    }

    /// Compares what the server holds at the end with what clients were told.
    ///
    /// # Errors
    /// What is missing or different.
    ///
    /// # Panics
    /// When the server does not run.
    pub fn finish(&mut self) -> Result<Counts, Violation> {
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
        self.events.insert((self.now_us + delay_us, tie, self.count), event);
    }

    // ---- the process

    /// Starts the process on what its disk has.
    ///
    /// # Errors
    /// When recovery refuses.
    pub fn start(&mut self) -> Result<(), StartError> {
        let (now, seed) = (self.now(), self.rng.next_u64());
        self.machine.start(now, seed).map_err(StartError::Refused)?;
        // What the disk has kept is committed now; the rest has never happened.
        let tree = self.machine.node().expect("it runs").tree();
        let last = tree.last_zxid();
        if let Some(promises) = &mut self.promises {
            promises.history.survived(tree).map_err(StartError::Lost)?;
        }
        for (_, zxid, payload) in std::mem::take(&mut self.pending) {
            if zxid <= last {
                self.checks.committed(zxid, &payload).map_err(StartError::Seen)?;
            }
        }
        self.deliver().map_err(StartError::Seen)
    }

    /// Starts the process later.
    pub fn start_later(&mut self, delay_us: u64) {
        self.after(delay_us, Event::Start);
    }

    /// The process is gone, and its disk is what a crash has left of it.
    pub fn crash(&mut self, disk: SimDisk) {
        self.machine.disk = disk;
        self.process_is_gone();
    }

    fn process_is_gone(&mut self) {
        self.life += 1;
        self.machine.kill();
        self.flush_is_due = false;
        self.busy.clear();
        self.told_us.clear();
        self.close_all();
    }

    /// What would be if the process ended now and the machine's disk were this one. Clients still get what is on its way to them.
    #[must_use]
    pub fn crashed(&self, disk: SimDisk, rng: Rng) -> World {
        let mut world = World {
            machine: Machine::new(disk, self.setup.machine.clone()),
            setup: self.setup.clone(),
            now_us: self.now_us,
            rng,
            events: self.events.clone(),
            count: self.count,
            life: self.life,
            flush_is_due: false,
            busy: BTreeMap::new(),
            told_us: BTreeMap::new(),
            clients: self.clients.clone(),
            wires: self.wires.clone(),
            pending: self.pending.clone(),
            checks: self.checks.clone(),
            promises: self.promises.as_ref().map(Promises::fork),
        };
        world.process_is_gone();
        world
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

    /// What the shell does with a node's outputs.
    fn deliver(&mut self) -> Result<(), Violation> {
        let out = std::mem::take(self.machine.outputs());
        self.machine.notes.extend(out.notes.into_iter().map(|note| note.text));
        for (conn, bytes) in out.sends {
            self.say(conn, bytes)?;
        }
        for batch in out.disk {
            self.written(&batch)?;
            let lane = batch.lane;
            self.machine.submit(batch);
            self.run_lane(lane);
        }
        if let Some(keep) = out.purge {
            self.machine.submit_purge(keep);
            self.run_lane(Lane::Snapshot);
        }
        out.pauses.into_iter().for_each(|conn| self.pause(conn));
        out.resumes.into_iter().for_each(|conn| self.resume(conn));
        out.closes.into_iter().for_each(|conn| self.close(conn));
        if let Some(at_us) = out.wake_at_us {
            let life = self.life;
            self.after(at_us.saturating_sub(self.now_us), Event::Tick { life });
        }
        if let Some(halt) = out.halt {
            self.machine.halt = Some(halt);
            self.process_is_gone();
        }
        Ok(())
    }

    /// Did the server end because its disk failed?
    pub fn disk_failure(&self) -> Option<&DiskError> {
        match &self.machine.halt {
            Some(Halt::Disk(error)) => Some(error),
            _ => None,
        }
    }

    // ---- the disk

    /// Notes what is on its way to the log.
    fn written(&mut self, batch: &DiskBatch) -> Result<(), Violation> {
        for payload in logged(batch)? {
            let record = wire::TxnRecord::decode(&mut wire::Reader::new(&payload)).expect("a record");
            if record.header.txn_type == wire::OpCode::CloseSession.code() {
                self.checks.ending(record.header.client_id);
            }
            if let Some(promises) = &mut self.promises {
                promises.history.issue(&payload);
            }
            self.pending.push_back((batch.ticket, record.header.zxid, payload));
        }
        Ok(())
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
            // Completions of one lane come in order.
            let delay = self.rng.below(30);
            let told = self.told_us.entry(lane).or_default();
            *told = (self.now_us + delay).max(*told + 1);
            let delay = *told - self.now_us;
            self.after(delay, Event::DiskDone { life, ticket, result });
        }
        let slow_us = if self.rng.chance(1) { 50_000 } else { self.setup.disk_slowness_us };
        let delay = 5 + self.rng.below(slow_us);
        self.after(delay, Event::Disk { life, lane });
    }

    fn disk_done(&mut self, ticket: Ticket, result: Result<(), DiskError>) -> Result<(), Violation> {
        if result.is_ok() {
            while self.pending.front().is_some_and(|(of, _, _)| *of == ticket) {
                let (_, zxid, payload) = self.pending.pop_front().expect("there is a front");
                self.checks.committed(zxid, &payload)?;
            }
        }
        let failed = result.is_err();
        self.input(Input::DiskDone { ticket, result });
        // A failing disk is told at once, not at the end of the round.
        if failed { self.deliver() } else { Ok(()) }
    }
}

/// Why a server did not start, or should not have.
#[derive(Debug)]
pub enum StartError {
    /// Recovery refused.
    Refused(RecoveryError),
    /// What was promised is not there, or what was never asked for is.
    Lost(String),
    /// Somebody has seen what is not so.
    Seen(Violation),
}

impl From<StartError> for Violation {
    fn from(error: StartError) -> Violation {
        match error {
            StartError::Seen(violation) => violation,
            other => {
                Violation::new("start", "docs/durability.md: what is read at a start", other.to_string())
            }
        }
    }
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StartError::Refused(error) => write!(f, "refused: {error}"),
            StartError::Lost(text) => f.write_str(text),
            StartError::Seen(violation) => write!(f, "{violation}"),
        }
    }
}
