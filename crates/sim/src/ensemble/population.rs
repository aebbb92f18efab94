//! The clients at work in a run.

use super::World;
use super::event::{Event, Wish};
use super::guests::is_guest;
use super::network::{End, Host};
use crate::{Client, Heard, Rng};

/// A client and its connection.
pub(super) struct Inhabitant {
    client: Client,
    rng: Rng,
    end: Option<End>,
    attempt: u64,
    serial: u64,
    /// It has left for good.
    is_home: bool,
}

impl World {
    /// The clients of the setup begin to work.
    pub fn populate(&mut self) {
        for at in 0..self.setup.clients {
            let mut rng = Rng::new(self.setup.seed, &format!("client{at}"));
            let depth = 1 + rng.below(6) as usize;
            let client = Client::new(&rng, at as u64, u32::MAX, depth);
            self.population.push(Inhabitant {
                client,
                rng,
                end: None,
                attempt: 0,
                serial: 0,
                is_home: false,
            });
            self.client_later(at, 1000);
        }
    }

    /// The clients leave; nobody comes any more.
    pub fn send_clients_home(&mut self) {
        for at in 0..self.population.len() {
            self.population[at].serial += 1;
            self.population[at].attempt += 1;
            self.population[at].is_home = true;
            if let Some(end) = self.population[at].end.take() {
                self.close(end);
            }
        }
    }

    /// Answers without an error so far.
    pub fn answers(&self) -> u64 {
        self.answers
    }

    fn client_later(&mut self, client: usize, delay_us: u64) {
        let it = &mut self.population[client];
        if it.end.is_none() && it.is_home {
            return;
        }
        it.serial += 1;
        let delay = it.rng.below(delay_us);
        self.queue.after(delay, Event::ClientWake { client, serial: it.serial });
    }

    pub(super) fn client_wakes(&mut self, client: usize, serial: u64) {
        let servers = self.servers.len() as u64;
        let it = &mut self.population[client];
        if it.serial != serial {
            return;
        }
        match it.end {
            None => {
                it.attempt += 1;
                let (attempt, target) = (it.attempt, it.rng.below(servers) as usize);
                self.wish(Host::Client(client), 0, Wish::Client { attempt }, target);
            }
            Some(end) => {
                let bytes = it.client.ask();
                self.send(end, &bytes);
            }
        }
    }

    pub(super) fn client_dialled(&mut self, client: usize, attempt: u64, end: Option<End>) {
        if is_guest(client) {
            return self.guest_dialled(client, end);
        }
        let it = &mut self.population[client];
        if it.attempt != attempt || it.end.is_some() {
            end.into_iter().for_each(|end| self.close(end));
            return;
        }
        it.end = end;
        match end {
            None => self.client_later(client, 500_000),
            Some(end) => {
                let hello = it.client.hello(node::ConnId(end.link));
                self.send(end, &hello);
            }
        }
    }

    pub(super) fn client_received(&mut self, client: usize, bytes: &[u8]) {
        if is_guest(client) {
            return self.guest_received(client, bytes);
        }
        match self.population[client].client.hear(bytes) {
            Err(why) => self.violated("client", format!("client {client}: {why}")),
            Ok(heard) => {
                let fine = |heard: &&Heard| matches!(heard, Heard::Answer { header, .. } if header.err == 0);
                self.answers += heard.iter().filter(fine).count() as u64;
                self.client_later(client, 50_000);
            }
        }
    }

    pub(super) fn client_closed(&mut self, client: usize, link: u64) {
        if is_guest(client) {
            return self.guest_closed(client);
        }
        let it = &mut self.population[client];
        if it.end == Some(End::dialler(link)) {
            it.end = None;
            it.client.lost_connection();
            self.client_later(client, 500_000);
        }
    }
}
