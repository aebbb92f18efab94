//! What goes wrong in a world.

use super::{Event, MS, World};
use zab::ConnId;

impl World {
    /// A process ends. With `power`, the disk may lose what it has not reported.
    pub fn crash(&mut self, index: usize, power: bool) {
        let (kept, part) = (self.rng.below(6) as usize, self.rng.below(3) as usize);
        let server = &mut self.servers[index];
        server.peer = None;
        server.life += 1;
        server.wakes += 1;
        (server.listens, server.takes_observers) = (false, false);
        server.port_open_until = self.now + self.port_closes_after_us;
        server.serves = None;
        server.snapshots.clear();
        server.disk_busy = false;
        if power {
            server.disk.power_cut(kept, part);
        } else {
            server.disk.power_cut(usize::MAX, 0);
        }
        let mine: Vec<ConnId> =
            self.ends.iter().filter(|(_, end)| end.owner == index).map(|(id, _)| *id).collect();
        for end in mine {
            self.hang_up(end);
        }
    }

    pub fn start_faults(&mut self, until: u64) {
        self.faults_until = until;
        self.at(100 * MS, Event::Fault);
    }

    pub(super) fn fault(&mut self) {
        if self.now >= self.faults_until {
            return;
        }
        let count = self.servers.len();
        let index = self.rng.below(count as u64) as usize;
        match self.rng.below(10) {
            0..=2 if self.servers[index].peer.is_some() => {
                let power = !self.rng.one_in(3);
                self.crash(index, power);
                let delay = self.rng.below(1500) * MS;
                self.at(delay, Event::Restart { server: index });
            }
            3 => {
                let life_of = |world: &World, i: usize| world.servers[i].peer.is_some();
                let all: Vec<usize> = (0..count).filter(|i| life_of(self, *i)).collect();
                for index in all {
                    self.crash(index, true);
                    let delay = self.rng.below(300) * MS;
                    self.at(delay, Event::Restart { server: index });
                }
            }
            4 => {
                self.isolate(index);
                let delay = self.rng.below(2000) * MS;
                self.at(delay, Event::Heal);
            }
            5 => {
                let other = self.rng.below(count as u64) as usize;
                if other != index {
                    self.cut(index, other);
                }
                let delay = self.rng.below(2000) * MS;
                self.at(delay, Event::Heal);
            }
            6 | 7 => {
                let ends: Vec<ConnId> = self.ends.keys().copied().collect();
                if !ends.is_empty() {
                    let end = ends[self.rng.below(ends.len() as u64) as usize];
                    self.break_end(end);
                }
            }
            8 => self.servers[index].slow_us = self.rng.below(300) * MS,
            _ => self.servers.iter_mut().for_each(|server| server.slow_us = 0),
        }
        let delay = self.rng.below(800) * MS;
        self.at(delay, Event::Fault);
    }
}
