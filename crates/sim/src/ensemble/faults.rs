//! What goes wrong, and when (reference: simulation §2.4 to §2.6).

use super::World;
use super::event::Event;
use super::network::{End, Host, Purpose};
use crate::{Fault, Rng, Survival};
use store::Lane;

const MS: u64 = 1000;

/// Kinds of things that go wrong. Each is on in half of the seeds, the last one in a quarter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum FaultKind {
    /// A process dies and is started again.
    Crash,
    /// A machine loses its power.
    PowerLoss,
    /// All machines lose their power at once.
    Blackout,
    /// A process dies again and again, soon after each start.
    CrashLoop,
    /// One after the other is stopped and started.
    RollingRestart,
    /// A process stands still for a while.
    Pause,
    /// A machine stops at some operation of its disk, wherever that is.
    StopAtOperation,
    /// A disk refuses an operation.
    DiskError,
    /// A disk is slow.
    SlowDisk,
    /// A disk does nothing for a while.
    StuckDisk,
    /// A connection breaks.
    Cut,
    /// Connections carry nothing for a while.
    Clog,
    /// Some cannot talk to some others, perhaps in one direction only.
    Partition,
    /// Connections are refused now and then.
    Refusals,
    /// A wall clock jumps.
    ClockJump,
    /// A server that the others can spare comes back with an empty disk.
    Wipe,
}

impl FaultKind {
    /// All of them.
    pub const ALL: [FaultKind; 16] = [
        FaultKind::Crash,
        FaultKind::PowerLoss,
        FaultKind::Blackout,
        FaultKind::CrashLoop,
        FaultKind::RollingRestart,
        FaultKind::Pause,
        FaultKind::StopAtOperation,
        FaultKind::DiskError,
        FaultKind::SlowDisk,
        FaultKind::StuckDisk,
        FaultKind::Cut,
        FaultKind::Clog,
        FaultKind::Partition,
        FaultKind::Refusals,
        FaultKind::ClockJump,
        FaultKind::Wipe,
    ];
}

/// Something that ends by itself.
#[derive(Clone, Copy, Debug)]
pub(super) enum Undo {
    Pause {
        server: usize,
    },
    SlowDisk {
        server: usize,
    },
    StuckDisk {
        server: usize,
    },
    Partition {
        number: u64,
    },
    Refusals,
    /// A step of a crash loop or of a rolling restart.
    Again {
        server: usize,
        left: u64,
        next: bool,
    },
}

/// The state of what goes wrong.
pub(super) struct Faults {
    rng: Rng,
    until_us: u64,
    partition: u64,
}

impl Faults {
    pub(super) fn new(rng: Rng) -> Faults {
        Faults { rng, until_us: 0, partition: 0 }
    }

    pub(super) fn chance_below(&mut self, n: u64) -> u64 {
        self.rng.below(n)
    }
}

impl World {
    /// From now on things go wrong, for a time.
    pub fn trouble(&mut self, until_us: u64) {
        self.faults.until_us = until_us;
        self.queue.after(100 * MS, Event::Fault);
    }

    /// Nothing goes wrong any more, and what is still wrong is repaired; who is down stays down.
    pub fn end_trouble(&mut self) {
        self.faults.until_us = 0;
        self.net.unblock_all();
        self.refusals = 0;
        for server in 0..self.servers.len() {
            self.resume(server);
            self.free_disk(server);
            let place = &mut self.servers[server];
            place.disk_slowness = 1;
            if !place.machine.disk.fault_happened() {
                place.machine.disk.forget_fault();
                place.disk_is_faulty = false;
            }
        }
        for link in self.net.links.values_mut() {
            link.to_other.iter_mut().for_each(|direction| direction.held_until_us = 0);
        }
        self.kick_all();
    }

    pub(super) fn fault(&mut self) {
        if self.queue.now_us() >= self.faults.until_us {
            return;
        }
        let kinds: Vec<FaultKind> = self.setup.faults.iter().copied().collect();
        if let Some(kind) = self.choose(&kinds) {
            self.go_wrong(kind);
        }
        let delay = self.faults.rng.below(self.setup.fault_gap_us);
        self.queue.after(delay, Event::Fault);
    }

    pub(super) fn choose<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        from.get(self.faults.rng.below(from.len() as u64) as usize).copied()
    }

    /// Some server; the leader more often than the others.
    fn victim(&mut self) -> usize {
        let any = self.faults.rng.below(self.servers.len() as u64) as usize;
        let leader = self.leader().filter(|_| self.faults.rng.chance(30));
        leader.unwrap_or(any)
    }

    /// Mostly short, sometimes long.
    fn span_us(&mut self, max_us: u64) -> u64 {
        let shift = self.faults.rng.below(8);
        self.faults.rng.below(max_us >> shift)
    }

    /// Something of this kind goes wrong.
    pub fn go_wrong(&mut self, kind: FaultKind) {
        let server = self.victim();
        self.say(|| format!("fault: {kind:?} (s{})", server + 1));
        match kind {
            FaultKind::Crash => self.crash(server, Survival::Everything),
            FaultKind::PowerLoss => {
                let survival = self.choose(&Survival::ALL).expect("there are some");
                self.crash(server, survival);
            }
            FaultKind::Blackout => {
                for server in 0..self.servers.len() {
                    let survival = self.choose(&Survival::ALL).expect("there are some");
                    self.crash(server, survival);
                }
            }
            FaultKind::CrashLoop => {
                let left = 2 + self.faults.rng.below(6);
                self.undo(Undo::Again { server, left, next: false });
            }
            FaultKind::RollingRestart => {
                let left = self.servers.len() as u64;
                self.undo(Undo::Again { server: 0, left, next: true });
            }
            FaultKind::Pause => {
                self.pause(server);
                let span = self.span_us(30_000 * MS);
                self.queue.after(span, Event::Undo(Undo::Pause { server }));
            }
            FaultKind::StopAtOperation => self.plan(server, Fault::Stop),
            FaultKind::DiskError => {
                let fault = self.choose(&[Fault::Error, Fault::NoSpace]).expect("there are some");
                self.plan(server, fault);
            }
            FaultKind::SlowDisk => {
                self.servers[server].disk_slowness = 2 << self.faults.rng.below(8);
                let span = self.span_us(10_000 * MS);
                self.queue.after(span, Event::Undo(Undo::SlowDisk { server }));
            }
            FaultKind::StuckDisk => {
                let span = self.span_us(20_000 * MS);
                [Lane::Log, Lane::Snapshot].into_iter().for_each(|lane| self.hold_disk(server, lane));
                self.queue.after(span, Event::Undo(Undo::StuckDisk { server }));
            }
            FaultKind::Cut => self.cut_some(),
            FaultKind::Clog => self.clog_some(),
            FaultKind::Partition => self.partition(server),
            FaultKind::Refusals => {
                self.refusals = 100 + self.faults.rng.below(800);
                let span = self.span_us(5_000 * MS);
                self.queue.after(span, Event::Undo(Undo::Refusals));
            }
            FaultKind::ClockJump => {
                self.servers[server].wall_offset_ms += self.faults.rng.below(7_200_000) as i64 - 3_600_000;
            }
            FaultKind::Wipe => self.wipe(),
        }
    }

    pub(super) fn crash(&mut self, server: usize, survival: Survival) {
        if self.servers[server].machine.is_running() {
            self.cut_power(server, survival);
        }
        let delay = self.span_us(5_000 * MS);
        self.start_later(server, delay);
    }

    /// The disk will fail at one of its next operations.
    fn plan(&mut self, server: usize, fault: Fault) {
        let ahead = self.faults.rng.below(40);
        let place = &mut self.servers[server];
        let at = place.machine.disk.ops_done() + ahead;
        place.machine.disk.plan_fault(at, fault);
        place.disk_is_faulty = true;
    }

    fn cut_some(&mut self) {
        let links: Vec<u64> = self.net.links.keys().copied().collect();
        if let Some(link) = self.choose(&links) {
            self.cut(link);
        }
    }

    /// One direction of one connection, or everything a machine says or hears.
    fn clog_some(&mut self) {
        let links: Vec<u64> = self.net.links.keys().copied().collect();
        let Some(link) = self.choose(&links) else { return };
        let end = if self.faults.rng.chance(50) { End::dialler(link) } else { End::acceptor(link) };
        let whole_host = self.faults.rng.chance(30);
        let ends = match self.net.host(end) {
            Some(host) if whole_host => self.net.ends_of(host),
            _ => vec![end],
        };
        let until_us = self.queue.now_us() + self.span_us(20_000 * MS);
        for end in ends {
            if let Some(direction) = self.net.towards(end) {
                direction.held_until_us = until_us;
            }
        }
    }

    /// Nothing gets through between some servers.
    fn partition(&mut self, victim: usize) {
        let count = self.servers.len();
        let shape = self.faults.rng.below(5);
        let one_way = self.faults.rng.chance(30);
        let side = self.faults.rng.next_u64();
        let cut_off = |a: usize, b: usize| match shape {
            // One alone.
            0 => a == victim,
            // One that its own kind cannot reach; clients can.
            1 => a == victim && b < count,
            // Two halves, and one that both can reach.
            2 => (side >> a) & 1 != (side >> b) & 1 && a != victim && b != victim,
            // Everybody sees another majority: those opposite in the ring are not seen.
            3 => a < count && b < count && (b + count - a) % count == count.div_ceil(2),
            // Any two halves.
            _ => (side >> a) & 1 != (side >> b) & 1,
        };
        for a in 0..count {
            for b in (0..count).filter(|b| *b != a) {
                if cut_off(a, b) || (!one_way && cut_off(b, a)) {
                    self.net.block(Host::Server(a), Host::Server(b));
                }
            }
            if shape == 0 && a == victim {
                for client in 0..self.setup.clients {
                    self.net.block(Host::Client(client), Host::Server(a));
                }
            }
        }
        self.faults.partition += 1;
        let number = self.faults.partition;
        if self.faults.rng.chance(50) {
            self.break_blocked();
        }
        let span = self.span_us(30_000 * MS);
        self.queue.after(span, Event::Undo(Undo::Partition { number }));
    }

    /// Connections through a partition are not only silent, they end.
    fn break_blocked(&mut self) {
        let blocked = self.net.links.iter().filter(|(_, link)| {
            let [a, b] = link.hosts;
            link.purpose != Purpose::Client && (self.net.is_blocked(a, b) || self.net.is_blocked(b, a))
        });
        for link in blocked.map(|(link, _)| *link).collect::<Vec<_>>() {
            self.cut(link);
        }
    }

    pub(super) fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::Pause { server } => self.resume(server),
            Undo::SlowDisk { server } => self.servers[server].disk_slowness = 1,
            Undo::StuckDisk { server } => self.free_disk(server),
            Undo::Partition { number } if number == self.faults.partition => {
                self.net.unblock_all();
                self.kick_all();
            }
            Undo::Partition { .. } => {}
            Undo::Refusals => self.refusals = 0,
            Undo::Again { .. } if self.queue.now_us() >= self.faults.until_us => {}
            Undo::Again { server, left, next } => {
                self.crash(server, Survival::Everything);
                if left > 1 {
                    let server = if next { (server + 1) % self.servers.len() } else { server };
                    let delay = self.span_us(4_000 * MS);
                    self.queue.after(delay, Event::Undo(Undo::Again { server, left: left - 1, next }));
                }
            }
        }
    }
}
