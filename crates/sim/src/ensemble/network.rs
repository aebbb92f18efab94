//! Connections as TCP makes them: ordered bytes that may be late, held up, or cut off anywhere (reference: simulation §2.4).
//!
//! Here is what a connection is; what happens on it is in [`super::wires`].

use crate::Rng;
use node::ConnId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A machine on the network.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Host {
    /// A server, by its place.
    Server(usize),
    /// A client, by its place.
    Client(usize),
}

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Purpose {
    /// Votes.
    Election,
    /// A learner's to its leader.
    Quorum,
    /// An observer's to its master.
    Observers,
    /// A client's.
    Client,
}

/// Which of its two ends: who dialled, or who was dialled.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Side {
    Dialler = 0,
    Acceptor = 1,
}

/// One end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct End {
    pub(super) link: u64,
    pub(super) side: Side,
}

impl End {
    pub(super) fn dialler(link: u64) -> End {
        End { link, side: Side::Dialler }
    }

    pub(super) fn acceptor(link: u64) -> End {
        End { link, side: Side::Acceptor }
    }

    pub(super) fn other(self) -> End {
        let side = if self.side == Side::Dialler { Side::Acceptor } else { Side::Dialler };
        End { side, ..self }
    }

    /// Its name between servers.
    pub(super) fn peer_conn(self) -> zab::ConnId {
        zab::ConnId(self.link * 2 + self.side as u64)
    }

    pub(super) fn of_peer_conn(conn: zab::ConnId) -> End {
        let side = if conn.0.is_multiple_of(2) { Side::Dialler } else { Side::Acceptor };
        End { link: conn.0 / 2, side }
    }
}

/// How slow the network is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Latency {
    /// No byte is faster.
    pub min_us: u64,
    /// What comes on top, on average about twice this; sometimes many times.
    pub tail_us: u64,
    /// Bytes under way in one direction before a sender has to wait.
    pub window: usize,
}

/// So often a delay may double.
const DOUBLINGS_MAX: u32 = 8;

impl Latency {
    /// No byte is slower, unless something goes wrong.
    pub(super) fn slowest_us(&self) -> u64 {
        self.min_us + (self.tail_us << DOUBLINGS_MAX)
    }
}

/// Something under way.
pub(super) enum Segment {
    Bytes(Vec<u8>),
    /// The sender has closed.
    Fin,
}

/// What is on its way from one end to the other.
#[derive(Default)]
pub(super) struct Direction {
    /// Not yet taken by the sender's system.
    pub(super) unsent: Vec<u8>,
    flying: VecDeque<(u64, Segment)>,
    flying_bytes: usize,
    last_at_us: u64,
    /// The sender will say no more.
    closing: bool,
    /// Nothing that is sent from now on arrives.
    pub(super) broken: bool,
    /// Nothing arrives before then.
    pub(super) held_until_us: u64,
    /// The reader does not want to hear more for now.
    pub(super) paused: bool,
    /// An arrival is in the queue.
    pub(super) scheduled: bool,
    told_pending: bool,
}

/// A connection.
pub(super) struct Link {
    pub(super) purpose: Purpose,
    pub(super) hosts: [Host; 2],
    /// Does the owner of the end still use it?
    pub(super) open: [bool; 2],
    /// Does the owner of the end know that it is gone?
    told: [bool; 2],
    /// A client's connection as its server calls it.
    pub(super) conn: ConnId,
    /// From each side to the other.
    pub(super) to_other: [Direction; 2],
}

/// What a reader finds.
pub(super) enum Taken {
    Nothing,
    /// Not yet.
    Later,
    Bytes(Vec<u8>),
    Fin,
}

/// All connections.
pub(super) struct Network {
    pub(super) links: BTreeMap<u64, Link>,
    next_link: u64,
    /// From whom nothing gets to whom.
    blocked: BTreeSet<(Host, Host)>,
    pub(super) rng: Rng,
    pub(super) latency: Latency,
    /// Connections of clients, by server and name.
    clients: BTreeMap<(usize, ConnId), u64>,
    next_serial: u64,
}

impl Network {
    pub(super) fn new(rng: Rng, latency: Latency) -> Network {
        Network {
            links: BTreeMap::new(),
            next_link: 1,
            blocked: BTreeSet::new(),
            rng,
            latency,
            clients: BTreeMap::new(),
            next_serial: 0,
        }
    }

    /// How long something takes this time.
    pub(super) fn delay_us(&mut self) -> u64 {
        let Latency { min_us, tail_us, .. } = self.latency;
        let doublings = self.rng.next_u64().trailing_zeros().min(DOUBLINGS_MAX);
        min_us + (self.rng.below(tail_us + 1) << doublings)
    }

    pub(super) fn connect(&mut self, purpose: Purpose, from: Host, to: usize) -> u64 {
        let link = self.next_link;
        self.next_link += 1;
        let conn = self.client_conn(purpose, to);
        if purpose == Purpose::Client {
            self.clients.insert((to, conn), link);
        }
        let hosts = [from, Host::Server(to)];
        let to_other = [Direction::default(), Direction::default()];
        self.links.insert(link, Link { purpose, hosts, open: [true; 2], told: [false; 2], conn, to_other });
        link
    }

    /// A name with the smallest free slot.
    fn client_conn(&mut self, purpose: Purpose, server: usize) -> ConnId {
        if purpose != Purpose::Client {
            return ConnId(0);
        }
        self.next_serial += 1;
        let range = (server, ConnId(0))..(server + 1, ConnId(0));
        let used: BTreeSet<u32> = self.clients.range(range).map(|((_, conn), _)| conn.slot()).collect();
        let slot = (0..).find(|slot| !used.contains(slot)).expect("a free slot");
        ConnId((self.next_serial << 24) | u64::from(slot))
    }

    pub(super) fn client_link(&self, server: usize, conn: ConnId) -> Option<End> {
        self.clients.get(&(server, conn)).map(|link| End::acceptor(*link))
    }

    /// The owner of an end knows that it is gone. The connection is forgotten, and that is told, when both do.
    pub(super) fn told(&mut self, end: End) -> bool {
        let Some(link) = self.links.get_mut(&end.link) else { return false };
        link.told[end.side as usize] = true;
        if let (Side::Acceptor, Host::Server(server)) = (end.side, link.hosts[1]) {
            self.clients.remove(&(server, link.conn));
        }
        let all = link.told == [true; 2];
        if all {
            self.links.remove(&end.link);
        }
        all
    }

    pub(super) fn host(&self, end: End) -> Option<Host> {
        self.links.get(&end.link).map(|link| link.hosts[end.side as usize])
    }

    pub(super) fn is_open(&self, end: End) -> bool {
        self.links.get(&end.link).is_some_and(|link| link.open[end.side as usize])
    }

    /// Ends that a host still uses.
    pub(super) fn ends_of(&self, host: Host) -> Vec<End> {
        let both = self.links.keys().flat_map(|link| [End::dialler(*link), End::acceptor(*link)]);
        both.filter(|end| self.is_open(*end) && self.host(*end) == Some(host)).collect()
    }

    /// What is on its way to an end.
    pub(super) fn towards(&mut self, end: End) -> Option<&mut Direction> {
        let link = self.links.get_mut(&end.link)?;
        Some(&mut link.to_other[end.other().side as usize])
    }

    pub(super) fn from(&mut self, end: End) -> Option<&mut Direction> {
        self.towards(end.other())
    }

    pub(super) fn block(&mut self, from: Host, to: Host) {
        self.blocked.insert((from, to));
    }

    pub(super) fn unblock(&mut self, from: Host, to: Host) {
        self.blocked.remove(&(from, to));
    }

    pub(super) fn unblock_all(&mut self) {
        self.blocked.clear();
    }

    pub(super) fn is_blocked(&self, from: Host, to: Host) -> bool {
        self.blocked.contains(&(from, to))
    }

    /// The sender's system takes what it can; what the sender is to be told is left, if anything.
    pub(super) fn pump(&mut self, end: End, now_us: u64) -> Option<usize> {
        let window = self.latency.window;
        loop {
            let delay = self.delay_us();
            let cut = if self.rng.chance(15) { self.rng.next_u64() } else { u64::MAX };
            let direction = self.from(end)?;
            let room = window.saturating_sub(direction.flying_bytes).min(direction.unsent.len());
            if room == 0 {
                break;
            }
            let take = if cut == u64::MAX { room } else { 1 + (cut % room as u64) as usize };
            let rest = direction.unsent.split_off(take);
            let bytes = std::mem::replace(&mut direction.unsent, rest);
            direction.flying_bytes += take;
            if !direction.broken {
                direction.push(now_us + delay, Segment::Bytes(bytes));
            }
        }
        let delay = self.delay_us();
        let direction = self.from(end)?;
        if direction.closing && direction.unsent.is_empty() && !direction.broken {
            direction.closing = false;
            direction.push(now_us + delay, Segment::Fin);
        }
        let pending = direction.unsent.len();
        let told = std::mem::replace(&mut direction.told_pending, pending > 0);
        (pending > 0 || told).then_some(pending)
    }

    /// Takes the next segment at its receiving end, if it is there.
    pub(super) fn take(&mut self, end: End, now_us: u64) -> Taken {
        let Some(link) = self.links.get(&end.link) else { return Taken::Nothing };
        let (to, from) = (link.hosts[end.side as usize], link.hosts[end.other().side as usize]);
        let (blocked, open) = (self.is_blocked(from, to), self.is_open(end));
        let Some(direction) = self.towards(end) else { return Taken::Nothing };
        if blocked || (direction.paused && open) {
            return Taken::Nothing;
        }
        match direction.flying.front() {
            None => Taken::Nothing,
            Some(_) if direction.held_until_us > now_us => Taken::Later,
            Some((at, _)) if *at > now_us => Taken::Later,
            Some(_) => match direction.flying.pop_front() {
                Some((_, Segment::Bytes(bytes))) => {
                    direction.flying_bytes -= bytes.len();
                    Taken::Bytes(bytes)
                }
                _ => Taken::Fin,
            },
        }
    }

    /// The sender says no more; what it has said still arrives.
    pub(super) fn shut(&mut self, end: End) {
        if let Some(direction) = self.from(end) {
            direction.closing = true;
        }
    }

    /// Of what is on its way to an end only a part arrives, and nothing behind it.
    pub(super) fn break_towards(&mut self, end: End) {
        let cut = self.rng.next_u64();
        let Some(direction) = self.towards(end) else { return };
        direction.broken = true;
        let keep = (cut % (direction.flying.len() as u64 + 1)) as usize;
        direction.flying.truncate(keep);
        if let Some((_, Segment::Bytes(bytes))) = direction.flying.back_mut() {
            let len = ((cut >> 32) % (bytes.len() as u64 + 1)) as usize;
            let lost = bytes.len() - len;
            bytes.truncate(len);
            direction.flying_bytes -= lost;
        }
    }

    /// When the next segment can arrive at an end, if there is one.
    pub(super) fn next_at(&mut self, end: End) -> Option<u64> {
        self.towards(end)?.flying.front().map(|(at, _)| *at)
    }
}

impl Direction {
    /// Nothing overtakes anything.
    fn push(&mut self, at_us: u64, segment: Segment) {
        self.last_at_us = at_us.max(self.last_at_us + 1);
        self.flying.push_back((self.last_at_us, segment));
    }

    /// Nothing arrives before then.
    pub(super) fn not_before(&mut self, at_us: u64) {
        self.last_at_us = self.last_at_us.max(at_us);
    }
}
