//! The clients at work in a run, and what they may see.

use super::World;
use super::checks::Violation;
use super::event::{Event, Wish};
use super::guests::is_guest;
use super::network::{End, Host};
use crate::Rng;
use crate::checks::{Checks, Counts, Expectations, Held};
use crate::clients::{Client, ClientEvent, ClientInput, ClientOutput, ClientSetup, WorkloadSetup};
use wire::{PING_XID, Zxid};

/// All clients.
#[derive(Default)]
pub(super) struct Population {
    inhabitants: Vec<Inhabitant>,
    /// What they may see; there from the time on when there are clients.
    checks: Option<Checks>,
    /// The checks know of what is committed up to here.
    told: Zxid,
    answers: u64,
}

/// A client and its connection.
struct Inhabitant {
    client: Client,
    end: Option<End>,
    /// Counts the connections that it has wished for; an answer to an earlier wish is void.
    attempt: u64,
    /// Counts the times that it has asked for.
    serial: u64,
}

impl World {
    /// The clients of the setup begin to work.
    pub fn populate(&mut self) {
        let (seed, servers) = (self.setup.seed, self.servers.len());
        let workload = WorkloadSetup::draw(&mut Rng::new(seed, "workload"));
        let extended_types = self.setup.tree.extended_types;
        let mut checks = Checks::new(model::Options { extended_types });
        if self.setup.node.local_sessions_enabled {
            checks.allow_local_sessions();
        }
        if self.setup.observer_masters {
            checks.allow_observer_masters();
        }
        self.population.checks = Some(checks);
        for number in 0..self.setup.clients {
            let setup = ClientSetup { seed, number, servers, requests: u32::MAX, workload: workload.clone() };
            let client = Client::new(&setup);
            self.population.inhabitants.push(Inhabitant { client, end: None, attempt: 0, serial: 0 });
            self.client_step(number, ClientInput::Wake);
        }
    }

    /// The clients ask for nothing more; they stay.
    pub fn rest(&mut self) {
        self.population.inhabitants.iter_mut().for_each(|it| it.client.stop());
    }

    /// More is demanded of what clients see, or less.
    pub(super) fn expect(&mut self, expectations: Expectations) {
        if let Some(checks) = &mut self.population.checks {
            checks.expect(expectations);
        }
    }

    /// Has every client a session and a connection, and nothing under way?
    pub fn is_at_rest(&self) -> bool {
        self.population.inhabitants.iter().all(|it| it.client.is_at_rest())
    }

    /// Answers without an error so far, pings aside.
    pub fn answers(&self) -> u64 {
        self.population.answers
    }

    /// How much was judged of what clients have seen.
    pub fn seen(&self) -> Counts {
        self.population.checks.as_ref().map(Checks::counts).unwrap_or_default()
    }

    /// Tells the checks of what clients see what is committed by now, and which sessions are to end.
    pub(super) fn tell_committed(&mut self) -> Result<(), Violation> {
        let ending = self.checks.take_ending();
        let sequence = self.checks.sequence();
        let Some(checks) = &mut self.population.checks else { return Ok(()) };
        ending.into_iter().for_each(|session| checks.ending(session));
        if sequence.last() == self.population.told {
            return Ok(());
        }
        for (zxid, payload) in sequence.behind(Some(self.population.told)) {
            checks.committed(zxid, payload)?;
        }
        self.population.told = sequence.last();
        Ok(())
    }

    /// Compares what the servers hold at the end with what clients were told.
    ///
    /// # Errors
    /// What is missing or different.
    pub(super) fn finish_clients(&mut self) -> Result<(), Violation> {
        let held: Vec<Held> = (0..self.servers.len())
            .filter_map(|server| self.node(server).map(|node| Held::by(server, node.tree())))
            .collect();
        match &mut self.population.checks {
            Some(checks) => Ok(checks.finish(&held)?),
            None => Ok(()),
        }
    }

    pub(super) fn client_wakes(&mut self, client: usize, serial: u64) {
        if self.population.inhabitants[client].serial == serial {
            self.client_step(client, ClientInput::Wake);
        }
    }

    pub(super) fn client_dialled(&mut self, client: usize, attempt: u64, end: Option<End>) {
        if is_guest(client) {
            return self.guest_dialled(client, end);
        }
        let it = &mut self.population.inhabitants[client];
        if it.attempt != attempt {
            return end.into_iter().for_each(|end| self.close(end));
        }
        it.end = end;
        self.client_step(client, if end.is_some() { ClientInput::Connected } else { ClientInput::Closed });
    }

    pub(super) fn client_received(&mut self, client: usize, bytes: &[u8]) {
        if is_guest(client) {
            return self.guest_received(client, bytes);
        }
        self.client_step(client, ClientInput::Received(bytes.to_vec()));
    }

    pub(super) fn client_closed(&mut self, client: usize, link: u64) {
        if is_guest(client) {
            return self.guest_closed(client);
        }
        let it = &mut self.population.inhabitants[client];
        if it.end == Some(End::dialler(link)) {
            it.end = None;
            self.client_step(client, ClientInput::Closed);
        }
    }

    fn client_step(&mut self, client: usize, input: ClientInput) {
        let now_us = self.queue.now_us();
        let mut out = Vec::new();
        self.population.inhabitants[client].client.step(now_us, input, &mut out);
        for output in out {
            let it = &mut self.population.inhabitants[client];
            match output {
                ClientOutput::Connect { server } => {
                    it.attempt += 1;
                    let attempt = it.attempt;
                    self.wish(Host::Client(client), 0, Wish::Client { attempt }, server);
                }
                ClientOutput::Send(bytes) => {
                    if let Some(end) = it.end {
                        self.send(end, &bytes);
                    }
                }
                ClientOutput::Close => {
                    it.attempt += 1;
                    if let Some(end) = it.end.take() {
                        self.close(end);
                    }
                }
                ClientOutput::WakeAt(at_us) => {
                    it.serial += 1;
                    let serial = it.serial;
                    self.queue.at(at_us, Event::ClientWake { client, serial });
                }
                ClientOutput::Saw(event) => self.client_saw(now_us, client, &event),
            }
        }
    }

    fn client_saw(&mut self, now_us: u64, client: usize, event: &ClientEvent) {
        let fine = matches!(event, ClientEvent::Answered { err: 0, xid, .. } if *xid != PING_XID);
        self.population.answers += u64::from(fine);
        self.say(|| format!("c{client}: {event:?}"));
        let server = self.population.checks.as_ref().and_then(|checks| checks.server_of(client));
        let last = server.and_then(|server| self.node(server)).map(|node| node.tree().last_zxid());
        if let Some(checks) = &mut self.population.checks {
            if let (ClientEvent::SessionExpired { session }, Some(last)) = (event, last) {
                checks.answered_from(*session, last);
            }
            let result = checks.client(now_us, client, event).map_err(Violation::from);
            self.judge(result);
        }
    }
}

impl From<crate::checks::Violation> for Violation {
    fn from(violation: crate::checks::Violation) -> Violation {
        Violation::new(violation.check, format!("{} ({})", violation.facts, violation.source))
    }
}
