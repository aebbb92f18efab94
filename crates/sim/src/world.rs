//! The event loop: machines, clients, the connections between them, and one clock (reference: simulation §2.3).
//!
//! Events are ordered by time; among those of one time, and for every delay, chance decides. Whoever drives the world
//! looks at what comes next, may do something to the machines before it happens, and lets it happen.

use crate::{Client, Heard, Machine, Rng};
use node::{Admin, ConnId, Halt, Input, Now};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use store::{DiskBatch, DiskError, DiskOp, Lane, RecoveryError, Ticket};

const START_WALL_MS: i64 = 1_795_389_508_617;
const RECONNECT_US: u64 = 3_000;

/// A machine, by its place.
pub type MachineId = usize;

/// Is told what leaves a machine at the moment it leaves; what it objects to ends the run.
pub trait Witness {
    /// A batch is handed to the disk.
    ///
    /// # Errors
    /// The objection.
    fn submitted(&mut self, machine: MachineId, batch: &DiskBatch) -> Result<(), String>;

    /// A client hears something. It is called when the bytes leave the machine: they may arrive, whatever happens next.
    ///
    /// # Errors
    /// The objection.
    fn heard(&mut self, client: usize, heard: &Heard) -> Result<(), String>;
}

/// What happens next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Next {
    /// A machine's disk does an operation.
    Disk {
        /// Whose.
        machine: MachineId,
        /// In which lane.
        lane: Lane,
        /// Which.
        op: DiskOp,
    },
    /// Anything else.
    Other,
}

/// Machines and clients.
pub struct World {
    /// By their ids.
    pub machines: Vec<Machine>,
    /// All of them talk to the machine they were made for.
    pub clients: Vec<(MachineId, Client)>,
    now_us: u64,
    rng: Rng,
    events: BinaryHeap<Reverse<(u64, u64, u64, Event)>>,
    count: u64,
    /// How often each machine was started: events of an earlier process are void.
    lives: Vec<u32>,
    flush_is_due: Vec<bool>,
    lane_is_busy: Vec<BTreeMap<Lane, bool>>,
    /// When a lane's last completion is told.
    told_us: BTreeMap<(MachineId, Lane), u64>,
    conns: BTreeMap<(MachineId, ConnId), Pipe>,
    next_serial: u64,
}

/// A connection.
struct Pipe {
    client: usize,
    /// When the last bytes arrive, so that later ones do not overtake them.
    to_machine_us: u64,
    /// The node does not want to hear more for now.
    paused: bool,
    held: Vec<u8>,
    /// Given up by the node, which has not been told yet that it is gone: the slot is not free.
    closed: bool,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Event {
    Flush { machine: MachineId, life: u32 },
    Wake { machine: MachineId, life: u32 },
    Disk { machine: MachineId, life: u32, lane: Lane },
    DiskDone { machine: MachineId, life: u32, ticket: Ticket, error: Option<(&'static str, String, String)> },
    Connect { client: usize },
    Bytes { machine: MachineId, life: u32, conn: ConnId, bytes: Vec<u8> },
    Closed { machine: MachineId, life: u32, conn: ConnId },
    Ask { client: usize },
}

impl World {
    /// A world in which nothing runs yet.
    pub fn new(rng: Rng, machines: Vec<Machine>, clients: Vec<(MachineId, Client)>) -> World {
        let count = machines.len();
        World {
            machines,
            clients,
            now_us: 1_000_000,
            rng,
            events: BinaryHeap::new(),
            count: 0,
            lives: vec![0; count],
            flush_is_due: vec![false; count],
            lane_is_busy: vec![BTreeMap::new(); count],
            told_us: BTreeMap::new(),
            conns: BTreeMap::new(),
            next_serial: 0,
        }
    }

    /// Starts a machine; its clients connect.
    ///
    /// # Errors
    /// When recovery refuses.
    pub fn start(&mut self, machine: MachineId, witness: &mut dyn Witness) -> Result<(), StartError> {
        self.lives[machine] += 1;
        self.lane_is_busy[machine].clear();
        let (now, seed) = (self.now(), self.rng.next_u64());
        self.machines[machine].start(now, seed).map_err(StartError::Refused)?;
        for client in 0..self.clients.len() {
            if self.clients[client].0 == machine {
                let delay = self.rng.below(RECONNECT_US);
                self.after(delay, Event::Connect { client });
            }
        }
        self.deliver(machine, witness).map_err(StartError::Objection)
    }

    /// What happens next; `None` when nothing ever will.
    pub fn upcoming(&mut self) -> Option<Next> {
        loop {
            let Reverse((_, _, _, event)) = self.events.peek()?;
            let Event::Disk { machine, life, lane } = *event else { return Some(Next::Other) };
            if life == self.lives[machine]
                && let Some(op) = self.machines[machine].next_op(lane)
            {
                return Some(Next::Disk { machine, lane, op });
            }
            self.events.pop();
            if life == self.lives[machine] {
                self.lane_is_busy[machine].insert(lane, false);
            }
        }
    }

    /// Lets the next thing happen.
    ///
    /// # Errors
    /// The witness's objection, or what a client could not understand.
    pub fn happen(&mut self, witness: &mut dyn Witness) -> Result<(), String> {
        let Some(Reverse((at, _, _, event))) = self.events.pop() else { return Ok(()) };
        self.now_us = self.now_us.max(at);
        match event {
            Event::Flush { machine, life } if life == self.lives[machine] => {
                self.flush_is_due[machine] = false;
                let now = self.now();
                self.machines[machine].step(now, Input::Flush);
                return self.deliver(machine, witness);
            }
            Event::Wake { machine, life } if life == self.lives[machine] => self.input(machine, Input::Tick),
            Event::Disk { machine, life, lane } if life == self.lives[machine] => self.disk(machine, lane),
            Event::DiskDone { machine, life, ticket, error } if life == self.lives[machine] => {
                let result = match error {
                    None => Ok(()),
                    Some((action, path, reason)) => Err(DiskError { action, path, reason }),
                };
                self.input(machine, Input::DiskDone { ticket, result });
                // A failing disk is told at once, not at the end of the round.
                return self.deliver(machine, witness);
            }
            Event::Bytes { machine, life, conn, bytes } if life == self.lives[machine] => {
                self.arrive(machine, conn, &bytes);
            }
            Event::Closed { machine, life, conn } if life == self.lives[machine] => {
                self.conns.remove(&(machine, conn));
                self.input(machine, Input::Disconnected { conn });
            }
            Event::Connect { client } => self.connect(client),
            Event::Ask { client } => self.ask(client),
            _ => {}
        }
        Ok(())
    }

    /// The process of a machine is gone, and with it every connection.
    pub fn kill(&mut self, machine: MachineId) {
        self.lives[machine] += 1;
        self.machines[machine].kill();
        self.flush_is_due[machine] = false;
        self.lane_is_busy[machine].clear();
        self.conns.retain(|(of, _), _| *of != machine);
        for (of, client) in &mut self.clients {
            if *of == machine {
                client.lost_connection();
            }
        }
    }

    /// Asks a node for something.
    pub fn admin(&mut self, machine: MachineId, wish: Admin) {
        self.input(machine, Input::Admin(wish));
    }

    /// Microseconds since some start.
    pub fn now_us(&self) -> u64 {
        self.now_us
    }

    fn now(&self) -> Now {
        Now { mono_us: self.now_us, wall_ms: START_WALL_MS + (self.now_us / 1000) as i64 }
    }

    fn after(&mut self, delay_us: u64, event: Event) {
        self.count += 1;
        let tie = self.rng.next_u64();
        self.events.push(Reverse((self.now_us + delay_us, tie, self.count, event)));
    }

    fn input(&mut self, machine: MachineId, input: Input<'_>) {
        let now = self.now();
        self.machines[machine].step(now, input);
        if !self.flush_is_due[machine] {
            self.flush_is_due[machine] = true;
            let (delay, life) = (self.rng.below(60), self.lives[machine]);
            self.after(delay, Event::Flush { machine, life });
        }
    }

    /// What the shell does with a node's outputs.
    fn deliver(&mut self, machine: MachineId, witness: &mut dyn Witness) -> Result<(), String> {
        let out = std::mem::take(self.machines[machine].outputs());
        self.machines[machine].notes.extend(out.notes.into_iter().map(|note| note.text));
        for (conn, bytes) in out.sends {
            self.send(machine, conn, &bytes, witness)?;
        }
        for batch in out.disk {
            witness.submitted(machine, &batch)?;
            let lane = batch.lane;
            self.machines[machine].submit(batch);
            self.run_lane(machine, lane);
        }
        if let Some(keep) = out.purge {
            self.machines[machine].submit_purge(keep);
            self.run_lane(machine, Lane::Snapshot);
        }
        for conn in out.pauses {
            if let Some(pipe) = self.conns.get_mut(&(machine, conn)) {
                pipe.paused = true;
            }
        }
        for conn in out.resumes {
            if let Some(pipe) = self.conns.get_mut(&(machine, conn)) {
                pipe.paused = false;
                let held = std::mem::take(&mut pipe.held);
                self.input(machine, Input::Received { conn, bytes: &held });
            }
        }
        for conn in out.closes {
            self.close(machine, conn);
        }
        if let Some(at) = out.wake_at_us {
            let (delay, life) = (at.saturating_sub(self.now_us), self.lives[machine]);
            self.after(delay, Event::Wake { machine, life });
        }
        if let Some(halt) = out.halt {
            self.machines[machine].halt = Some(halt);
            self.kill(machine);
        }
        Ok(())
    }

    /// Bytes leave a machine. The client reads them at once: nobody could tell whether it had, when the machine dies.
    fn send(
        &mut self,
        machine: MachineId,
        conn: ConnId,
        bytes: &[u8],
        witness: &mut dyn Witness,
    ) -> Result<(), String> {
        let pipe = self.conns.get(&(machine, conn)).filter(|pipe| !pipe.closed);
        let Some(client) = pipe.map(|pipe| pipe.client) else { return Ok(()) };
        for heard in self.clients[client].1.hear(bytes)? {
            witness.heard(client, &heard)?;
        }
        let delay = 20 + self.rng.below(400);
        self.after(delay, Event::Ask { client });
        Ok(())
    }

    fn ask(&mut self, client: usize) {
        let (machine, asker) = &mut self.clients[client];
        let (machine, Some(conn)) = (*machine, asker.conn) else { return };
        let bytes = asker.ask();
        if bytes.is_empty() {
            return;
        }
        self.carry(machine, conn, bytes);
    }

    /// Bytes on their way to a machine, in order, perhaps in two pieces.
    fn carry(&mut self, machine: MachineId, conn: ConnId, bytes: Vec<u8>) {
        let cut = if self.rng.chance(20) { self.rng.below(bytes.len() as u64) as usize } else { 0 };
        let (first, second) = bytes.split_at(cut);
        for piece in [first, second] {
            if piece.is_empty() {
                continue;
            }
            let latency = 10 + self.rng.below(200);
            let Some(pipe) = self.conns.get_mut(&(machine, conn)) else { return };
            let at = (self.now_us + latency).max(pipe.to_machine_us + 1);
            pipe.to_machine_us = at;
            let life = self.lives[machine];
            self.after(at - self.now_us, Event::Bytes { machine, life, conn, bytes: piece.to_vec() });
        }
    }

    fn arrive(&mut self, machine: MachineId, conn: ConnId, bytes: &[u8]) {
        let Some(pipe) = self.conns.get_mut(&(machine, conn)).filter(|pipe| !pipe.closed) else { return };
        if pipe.paused {
            return pipe.held.extend_from_slice(bytes);
        }
        self.input(machine, Input::Received { conn, bytes });
    }

    fn connect(&mut self, client: usize) {
        let machine = self.clients[client].0;
        if !self.machines[machine].is_running() || self.clients[client].1.conn.is_some() {
            return;
        }
        self.next_serial += 1;
        let used = |slot: u32| self.conns.keys().any(|(of, conn)| *of == machine && conn.slot() == slot);
        let slot = (0..).find(|slot| !used(*slot)).expect("a free slot");
        let conn = ConnId((self.next_serial << 24) | u64::from(slot));
        let pipe = Pipe { client, to_machine_us: 0, paused: false, held: Vec::new(), closed: false };
        self.conns.insert((machine, conn), pipe);
        let peer = ([10, 0, 0, client as u8], 4000 + client as u16).into();
        self.input(machine, Input::Accepted { conn, peer });
        let hello = self.clients[client].1.hello(conn);
        self.carry(machine, conn, hello);
    }

    /// The node wants a connection closed; the client comes back.
    fn close(&mut self, machine: MachineId, conn: ConnId) {
        let Some(pipe) = self.conns.get_mut(&(machine, conn)).filter(|pipe| !pipe.closed) else { return };
        pipe.closed = true;
        let (client, life) = (pipe.client, self.lives[machine]);
        self.after(1, Event::Closed { machine, life, conn });
        self.clients[client].1.lost_connection();
        let delay = 100 + self.rng.below(RECONNECT_US);
        self.after(delay, Event::Connect { client });
    }

    fn run_lane(&mut self, machine: MachineId, lane: Lane) {
        if !self.lane_is_busy[machine].insert(lane, true).unwrap_or(false) {
            let life = self.lives[machine];
            let delay = 5 + self.rng.below(80);
            self.after(delay, Event::Disk { machine, life, lane });
        }
    }

    fn disk(&mut self, machine: MachineId, lane: Lane) {
        let life = self.lives[machine];
        if let Some((ticket, result)) = self.machines[machine].disk_op(lane) {
            let error = result.err().map(|DiskError { action, path, reason }| (action, path, reason));
            // Completions of one lane come in order.
            let told = self.told_us.entry((machine, lane)).or_default();
            *told = (self.now_us + self.rng.below(30)).max(*told + 1);
            let delay = *told - self.now_us;
            self.after(delay, Event::DiskDone { machine, life, ticket, error });
        }
        // Syncs take longer than anything else; here everything may.
        let delay = 5 + self.rng.below(150);
        self.after(delay, Event::Disk { machine, life, lane });
    }
}

/// Why a machine did not start.
#[derive(Debug)]
pub enum StartError {
    /// Recovery refused.
    Refused(RecoveryError),
    /// The witness objected to the first thing it did.
    Objection(String),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StartError::Refused(error) => write!(f, "refused: {error}"),
            StartError::Objection(text) => f.write_str(text),
        }
    }
}

impl World {
    /// Did the machine end because its disk failed?
    pub fn disk_failure(&self, machine: MachineId) -> Option<&DiskError> {
        match &self.machines[machine].halt {
            Some(Halt::Disk(error)) => Some(error),
            _ => None,
        }
    }
}
