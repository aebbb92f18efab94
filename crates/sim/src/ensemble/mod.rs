//! Whole ensembles from a seed: servers with byte-exact wires and disks, clients, faults, and everything checked
//! (reference: simulation §2).
//!
//! The types to know:
//! * [`Setup`]: what a run is made of, drawn from its seed: how many servers, their limits, which faults.
//! * [`World`]: servers ([`node::Node`]s on [`crate::SimDisk`]s), connections, clients, and the queue of what happens when.
//! * [`Mistake`]: what was done wrong elsewhere, to be put in on purpose.
//! * [`checks`]: what must hold at every moment, by the disks and the wires.
//! * [`Run`]: a seed from beginning to end: faults, a majority that has to work, then everybody, from the disks.
//! * [`Guest`]: a connection held by hand, for stories.
//!
//! Every concern draws its chances from a stream of its own, so that a seed without one kind of fault deals the same cards to the rest.

pub mod checks;
mod event;
mod faults;
mod guests;
mod mistakes;
mod network;
mod population;
mod process;
mod queue;
mod run;
mod server;
mod setup;
mod shrink;
mod stories;
mod trace;
mod wipes;
mod wires;

pub use checks::Violation;
pub use faults::FaultKind;
pub use guests::{Guest, Reply, create, hello};
pub use mistakes::Mistake;
pub use network::Latency;
pub use run::{Outcome, Run};
pub use setup::Setup;
pub use shrink::shrunk;
pub use trace::Trace;
pub use wipes::Wiped;

use crate::{Machine, Rng, SimDisk};
use checks::Checks;
use event::Event;
use faults::Faults;
use guests::Guests;
use network::{Host, Network};
use node::{Input, Node};
use population::Population;
use queue::Queue;
use server::{Late, Server};
use wipes::Wipes;

/// Servers, clients, connections, and one clock.
pub struct World {
    /// What it is made of.
    pub setup: Setup,
    /// What has happened.
    pub trace: Trace,
    queue: Queue,
    net: Network,
    servers: Vec<Server>,
    guests: Guests,
    population: Population,
    faults: Faults,
    wipes: Wipes,
    checks: Checks,
    /// So many of a thousand connections are refused.
    refusals: u64,
    violation: Option<Violation>,
}

impl World {
    /// A world in which no server runs yet.
    pub fn new(setup: Setup) -> World {
        let seed = setup.seed;
        let servers: Vec<Server> = (0..setup.servers())
            .map(|at| {
                let disk = SimDisk::new(Rng::new(seed, &format!("disk{at}")), setup.separate_logs);
                let machine = Machine::new(disk, setup.machine(at));
                Server::new(machine, Rng::new(seed, &format!("server{at}")))
            })
            .collect();
        World {
            trace: Trace::default(),
            queue: Queue::new(seed),
            net: Network::new(Rng::new(seed, "net"), setup.latency),
            guests: Guests::default(),
            population: Population::default(),
            faults: Faults::new(Rng::new(seed, "faults")),
            wipes: Wipes::default(),
            checks: Checks::new(servers.len(), setup.voters, &setup.without_digest),
            servers,
            refusals: 0,
            violation: None,
            setup,
        }
    }

    /// Microseconds since some start.
    pub fn now_us(&self) -> u64 {
        self.queue.now_us()
    }

    /// A server's node, while its process runs.
    pub fn node(&self, server: usize) -> Option<&Node> {
        self.servers[server].machine.node()
    }

    /// What a server is, or `down`.
    pub fn mode(&self, server: usize) -> &'static str {
        self.node(server).map_or("down", Node::mode)
    }

    /// Everything that was ever committed, as the checks know it.
    pub fn committed(&self) -> &checks::Sequence {
        self.checks.sequence()
    }

    /// Who leads an established epoch, if somebody does.
    pub fn leader(&self) -> Option<usize> {
        (0..self.servers.len()).find(|server| self.mode(*server) == "leader")
    }

    /// Lets things happen until a time.
    ///
    /// # Errors
    /// What must never happen, and has.
    pub fn run_until(&mut self, at_us: u64) -> Result<(), Violation> {
        self.run_until_so(at_us, |_| false).map(|_| ())
    }

    /// Lets things happen until something is so, which is returned, or until a time.
    ///
    /// # Errors
    /// What must never happen, and has.
    pub fn run_until_so(&mut self, at_us: u64, so: impl Fn(&World) -> bool) -> Result<bool, Violation> {
        while !so(self) {
            let Some(event) = self.queue.pop(at_us) else { return Ok(false) };
            self.trace.events += 1;
            self.trace.mix(self.queue.now_us());
            event.code().into_iter().for_each(|word| self.trace.mix(word));
            self.happen(event);
            let told = self.tell_committed();
            self.judge(told);
            if let Some(violation) = self.violation.take() {
                self.say(|| violation.to_string());
                return Err(violation);
            }
        }
        Ok(true)
    }

    fn happen(&mut self, event: Event) {
        if let Some((server, life)) = event.process() {
            let place = &mut self.servers[server];
            if place.life != life {
                return;
            }
            if let Some(late) = &mut place.pause {
                return late.push(Late::Event(event));
            }
        }
        match event {
            Event::Flush { server, .. } => self.flush(server),
            Event::Wake { server, serial, .. } if self.servers[server].wake_serial == serial => {
                self.input(server, Input::Tick);
            }
            Event::Wake { .. } => {}
            Event::Disk { server, lane, .. } => self.disk(server, lane),
            Event::DiskDone { server, ticket, result, .. } => self.disk_done(server, ticket, result),
            Event::Recover { server, recover, .. } => self.recover(server, recover),
            Event::History { server, query, .. } => self.read_history(server, query),
            Event::Syn { from, life, wish, target } => self.syn(from, life, wish, target),
            Event::Dialled { from, wish, link, .. } => self.dialled(from, wish, link),
            Event::Arrive { end } => self.arrive(end),
            Event::Gone { end } => self.gone(end),
            Event::Reset { end } => self.lost(end),
            Event::ClientWake { client, serial } => self.client_wakes(client, serial),
            Event::Start { server, life } if self.servers[server].life == life => self.start(server),
            Event::Start { .. } => {}
            Event::Fault => self.fault(),
            Event::Undo(undo) => self.undo(undo),
        }
    }

    /// Does who asked still live?
    fn is_alive(&self, host: Host, life: u32) -> bool {
        match host {
            Host::Server(server) => self.servers[server].life == life,
            Host::Client(_) => true,
        }
    }

    fn judge(&mut self, result: Result<(), Violation>) {
        if let Err(violation) = result {
            self.violation.get_or_insert(violation);
        }
    }

    fn violated(&mut self, rule: &'static str, text: String) {
        self.judge(Err(Violation { rule, text }));
    }

    fn say(&self, line: impl FnOnce() -> String) {
        self.trace.say(self.queue.now_us(), line);
    }
}
