//! Connections: ordered, cut-able, sometimes slow, and told apart by their ends.

use super::{Event, MS, World, checks};
use std::collections::VecDeque;
use zab::{ConnId, DialId, Input, Port};

/// One side of a connection.
pub struct End {
    pub owner: usize,
    life: u64,
    other: ConnId,
    /// The side of a learner on a quorum port.
    learner: bool,
    pub arriving: VecDeque<Arriving>,
    last_at: u64,
    pub paused: bool,
    reported: bool,
}

pub enum Arriving {
    Bytes(Vec<u8>),
    Close,
}

impl World {
    pub(super) fn latency(&mut self) -> u64 {
        100 + self.rng.below(900) + if self.rng.one_in(20) { self.rng.below(20 * MS) } else { 0 }
    }

    /// One side is gone; the other hears of it later.
    pub(super) fn hang_up(&mut self, end: ConnId) {
        if let Some(End { other, .. }) = self.ends.remove(&end) {
            self.arrive(other, Arriving::Close);
        }
    }

    pub(super) fn arrive(&mut self, end: ConnId, what: Arriving) {
        let latency = self.latency();
        let now = self.now;
        let Some(to) = self.ends.get_mut(&end) else { return };
        to.arriving.push_back(what);
        to.last_at = to.last_at.max(now + latency);
        let delay = to.last_at - now;
        self.at(delay, Event::Arrive { end });
    }

    pub fn can_talk(&self, a: usize, b: usize) -> bool {
        !self.cut.contains(&(a.min(b), a.max(b)))
    }

    /// Cuts two servers off from each other; their connections break.
    pub fn cut(&mut self, a: usize, b: usize) {
        self.cut.insert((a.min(b), a.max(b)));
        let between: Vec<ConnId> = (self.ends.iter())
            .filter(|(_, end)| {
                let other = self.ends.get(&end.other).map(|other| other.owner);
                (end.owner == a && other == Some(b)) || (end.owner == b && other == Some(a))
            })
            .map(|(id, _)| *id)
            .collect();
        for end in between {
            self.break_end(end);
        }
    }

    pub fn isolate(&mut self, a: usize) {
        (0..self.servers.len())
            .filter(|b| *b != a)
            .collect::<Vec<_>>()
            .into_iter()
            .for_each(|b| self.cut(a, b));
    }

    /// A connection breaks: bytes under way are lost, and each side notices in its own time.
    pub(super) fn break_end(&mut self, id: ConnId) {
        let Some(end) = self.ends.get_mut(&id) else { return };
        let keep =
            if end.arriving.is_empty() { 0 } else { self.rng.below(end.arriving.len() as u64) as usize };
        end.arriving.truncate(keep);
        end.arriving.push_back(Arriving::Close);
        let delay = self.latency() * 10;
        self.at(delay, Event::Arrive { end: id });
        (0..keep).for_each(|_| self.at(delay / 2, Event::Arrive { end: id }));
    }

    pub(super) fn send(&mut self, index: usize, conn: ConnId, bytes: Vec<u8>) {
        let Some(end) = self.ends.get(&conn) else { return };
        let other = end.other;
        if end.learner {
            checks::promises_are_kept(&self.servers[index], &bytes);
        }
        if bytes.len() > 1 && self.rng.one_in(4) {
            let cut = 1 + self.rng.below(bytes.len() as u64 - 1) as usize;
            self.arrive(other, Arriving::Bytes(bytes[..cut].to_vec()));
            self.arrive(other, Arriving::Bytes(bytes[cut..].to_vec()));
        } else {
            self.arrive(other, Arriving::Bytes(bytes));
        }
        self.at(0, Event::Report { end: conn });
    }

    /// Tells a sender how much is still under way, if that is much, until it is nothing.
    pub(super) fn report(&mut self, conn: ConnId) {
        let Some(other) = self.ends.get(&conn).map(|end| end.other) else { return };
        let left: usize = self.ends.get(&other).map_or(0, |end| {
            end.arriving.iter().map(|what| if let Arriving::Bytes(b) = what { b.len() } else { 0 }).sum()
        });
        let Some(end) = self.ends.get_mut(&conn) else { return };
        if left > 2000 || end.reported {
            end.reported = left > 0;
            let (server, life) = (end.owner, end.life);
            self.step_if(server, life, Input::Written { conn, pending: left });
        }
    }

    pub(super) fn arrived(&mut self, id: ConnId) {
        let Some(end) = self.ends.get_mut(&id).filter(|end| !end.paused) else { return };
        let (server, life, other) = (end.owner, end.life, end.other);
        match end.arriving.pop_front() {
            Some(Arriving::Bytes(bytes)) => {
                self.step_if(server, life, Input::Received { conn: id, bytes: &bytes });
                self.at(0, Event::Report { end: other });
            }
            Some(Arriving::Close) => {
                self.hang_up(id);
                self.step_if(server, life, Input::Closed { conn: id });
            }
            None => {}
        }
    }

    pub(super) fn dialled(&mut self, server: usize, life: u64, dial: DialId, port: Port, target: usize) {
        if self.servers[server].life != life {
            return;
        }
        let there = &self.servers[target];
        let open = match port {
            Port::Election => true,
            Port::Quorum => there.listens,
            Port::Observers => there.takes_observers,
        };
        let (runs, dying) = (there.peer.is_some(), self.now < there.port_open_until);
        let reached = self.can_talk(server, target);
        if reached && !runs && dying && port == Port::Election {
            return self.dialled_in_vain(server, dial, target);
        }
        if !(reached && runs && open) {
            return self.step(server, Input::Dialled { dial, conn: None });
        }
        self.serial += 2;
        let (near, far) = (ConnId(self.serial), ConnId(self.serial + 1));
        self.serial += 1;
        let mut open = |id, owner: usize, other, learner| {
            let life = self.servers[owner].life;
            let arriving = VecDeque::new();
            self.ends.insert(
                id,
                End { owner, life, other, learner, arriving, last_at: 0, paused: false, reported: false },
            );
        };
        open(near, server, far, port != Port::Election);
        open(far, target, near, false);
        self.step(target, Input::Accepted { conn: far, port });
        self.step(server, Input::Dialled { dial, conn: Some(near) });
    }

    /// The kernel takes the connection for a process that is about to be gone.
    fn dialled_in_vain(&mut self, server: usize, dial: DialId, target: usize) {
        self.serial += 2;
        let (near, far) = (ConnId(self.serial), ConnId(self.serial + 1));
        self.serial += 1;
        let (owner, life) = (server, self.servers[server].life);
        let arriving = VecDeque::new();
        let end = End {
            owner,
            life,
            other: far,
            learner: false,
            arriving,
            last_at: 0,
            paused: false,
            reported: false,
        };
        self.ends.insert(near, end);
        self.servers[target].dialled_in_vain += 1;
        self.step(server, Input::Dialled { dial, conn: Some(near) });
        self.arrive(near, Arriving::Close);
    }
}
