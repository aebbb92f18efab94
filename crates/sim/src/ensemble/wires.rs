//! What happens on connections: they are made, carry bytes, and end.

use super::World;
use super::event::{Event, Wish};
use super::network::{End, Host, Purpose, Taken};
use node::{Input, PeerInput};
use zab::Port;

/// How long the kernel of the other machine may go on believing in a connection that is gone.
const HALF_OPEN_MAX_US: u64 = 60_000_000;

impl World {
    // ---- making connections

    pub(super) fn wish(&mut self, from: Host, life: u32, wish: Wish, target: usize) {
        let delay = self.net.delay_us();
        self.queue.after(delay, Event::Syn { from, life, wish, target });
    }

    /// A wish to connect arrives, or does not.
    pub(super) fn syn(&mut self, from: Host, life: u32, wish: Wish, target: usize) {
        let to = Host::Server(target);
        let delay = self.net.delay_us();
        if self.net.is_blocked(from, to) || self.net.is_blocked(to, from) {
            let timeout = match wish {
                Wish::Peer { timeout_us, .. } => timeout_us,
                Wish::Client { .. } | Wish::Stranger { .. } => 1_000_000,
            };
            return self.queue.after(timeout, Event::Dialled { from, life, wish, link: None });
        }
        let server = &self.servers[target];
        let (purpose, listens) = match wish {
            Wish::Client { .. } => (Purpose::Client, true),
            Wish::Peer { port, .. } | Wish::Stranger { port } => match port {
                Port::Election => (Purpose::Election, true),
                Port::Quorum => (Purpose::Quorum, server.listens),
                Port::Observers => (Purpose::Observers, server.takes_observers),
            },
        };
        let refused = !server.machine.is_running() || !listens || self.net.rng.below(1000) < self.refusals;
        if refused || !self.is_alive(from, life) {
            return self.queue.after(delay, Event::Dialled { from, life, wish, link: None });
        }
        let link = self.net.connect(purpose, from, target);
        let at_us = self.queue.now_us() + delay;
        if let Some(direction) = self.net.towards(End::dialler(link)) {
            direction.not_before(at_us);
        }
        self.queue.at(at_us, Event::Dialled { from, life, wish, link: Some(link) });
        self.accepted(target, End::acceptor(link), purpose, from);
    }

    fn accepted(&mut self, target: usize, end: End, purpose: Purpose, from: Host) {
        let port = match purpose {
            Purpose::Election => Port::Election,
            Purpose::Quorum => Port::Quorum,
            Purpose::Observers => Port::Observers,
            Purpose::Client => {
                let conn = self.net.links[&end.link].conn;
                let Host::Client(client) = from else { return };
                let peer = ([10, 0, 0, client as u8 + 1], 4000 + (end.link % 60_000) as u16).into();
                return self.input(target, Input::Accepted { conn, peer });
            }
        };
        self.input(target, Input::Peer(PeerInput::Accepted { conn: end.peer_conn(), port }));
    }

    /// Somebody hears how a wish to connect ended.
    pub(super) fn dialled(&mut self, from: Host, wish: Wish, link: Option<u64>) {
        let end = link.map(End::dialler).filter(|end| self.net.is_open(*end));
        match (from, wish) {
            (Host::Server(server), Wish::Peer { dial, .. }) => {
                let conn = end.map(End::peer_conn);
                self.input(server, Input::Peer(PeerInput::Dialled { dial, conn }));
            }
            (Host::Client(client), Wish::Client { attempt }) => self.client_dialled(client, attempt, end),
            (Host::Client(client), Wish::Stranger { .. }) => self.guest_dialled(client, end),
            _ => unreachable!("servers dial servers, clients connect"),
        }
    }

    // ---- carrying bytes

    pub(super) fn send(&mut self, end: End, bytes: &[u8]) {
        if !self.net.is_open(end) {
            return;
        }
        if let Some(direction) = self.net.from(end) {
            direction.unsent.extend_from_slice(bytes);
        }
        self.pump(end);
    }

    fn pump(&mut self, end: End) {
        let pending = self.net.pump(end, self.queue.now_us());
        self.kick(end.other());
        let (Some(pending), true) = (pending, self.net.is_open(end)) else { return };
        let Some(link) = self.net.links.get(&end.link) else { return };
        let (purpose, conn) = (link.purpose, link.conn);
        if let Some(Host::Server(server)) = self.net.host(end) {
            let input = match purpose {
                Purpose::Client => Input::Written { conn, pending },
                _ => Input::Peer(PeerInput::Written { conn: end.peer_conn(), pending }),
            };
            self.input(server, input);
        }
    }

    /// Makes sure that what is under way to an end arrives in time.
    pub(super) fn kick(&mut self, end: End) {
        let Some(at_us) = self.net.next_at(end) else { return };
        let Some(direction) = self.net.towards(end) else { return };
        let at_us = at_us.max(direction.held_until_us);
        if !std::mem::replace(&mut direction.scheduled, true) {
            self.queue.at(at_us, Event::Arrive { end });
        }
    }

    pub(super) fn kick_all(&mut self) {
        for link in self.net.links.keys().copied().collect::<Vec<_>>() {
            self.kick(End::dialler(link));
            self.kick(End::acceptor(link));
        }
    }

    pub(super) fn arrive(&mut self, end: End) {
        let Some(direction) = self.net.towards(end) else { return };
        direction.scheduled = false;
        let host = self.net.host(end);
        if let Some(Host::Server(server)) = host
            && self.servers[server].is_paused()
            && self.net.is_open(end)
        {
            return;
        }
        match self.net.take(end, self.queue.now_us()) {
            Taken::Nothing => return,
            Taken::Later => return self.kick(end),
            Taken::Fin => self.lost(end),
            Taken::Bytes(bytes) => {
                self.trace.mix_bytes(&bytes);
                self.received(end, &bytes);
                self.pump(end.other());
            }
        }
        self.kick(end);
    }

    fn received(&mut self, end: End, bytes: &[u8]) {
        let Some(link) = self.net.links.get(&end.link).filter(|_| self.net.is_open(end)) else { return };
        let (purpose, conn) = (link.purpose, link.conn);
        match link.hosts[end.side as usize] {
            Host::Client(client) => self.client_received(client, bytes),
            Host::Server(server) if purpose == Purpose::Client => {
                self.input(server, Input::Received { conn, bytes });
            }
            Host::Server(server) => {
                self.input(server, Input::Peer(PeerInput::Received { conn: end.peer_conn(), bytes }));
            }
        }
    }

    // ---- ends

    /// The owner of an end closes it: what it has said still arrives.
    pub(super) fn close(&mut self, end: End) {
        if !self.net.is_open(end) {
            return;
        }
        if let Some(link) = self.net.links.get_mut(&end.link) {
            link.open[end.side as usize] = false;
        }
        self.net.shut(end);
        self.queue.after(1, Event::Gone { end });
        self.pump(end);
        self.kick(end);
    }

    /// The other side has closed, or the system has given up.
    pub(super) fn lost(&mut self, end: End) {
        if !self.net.is_open(end) {
            return;
        }
        if let Some(link) = self.net.links.get_mut(&end.link) {
            link.open[end.side as usize] = false;
        }
        self.net.shut(end);
        self.pump(end);
        self.gone(end);
    }

    /// The owner of an end hears that the connection is gone.
    pub(super) fn gone(&mut self, end: End) {
        let Some(link) = self.net.links.get(&end.link) else { return };
        let (purpose, conn, host) = (link.purpose, link.conn, link.hosts[end.side as usize]);
        self.told(end);
        match host {
            Host::Client(client) => self.client_closed(client, end.link),
            Host::Server(server) if purpose == Purpose::Client => {
                self.input(server, Input::Disconnected { conn });
            }
            Host::Server(server) => {
                self.input(server, Input::Peer(PeerInput::Closed { conn: end.peer_conn() }));
            }
        }
    }

    /// A connection breaks: a part of what is under way arrives, and each side notices in its own time.
    pub(super) fn cut(&mut self, link: u64) {
        for end in [End::dialler(link), End::acceptor(link)] {
            self.net.break_towards(end);
            self.give_up_later(end);
        }
    }

    fn give_up_later(&mut self, end: End) {
        let delay = match self.net.rng.below(10) {
            0..5 => self.net.delay_us() * 2,
            5..8 => self.net.rng.below(2_000_000),
            _ => self.net.rng.below(HALF_OPEN_MAX_US),
        };
        self.queue.after(delay, Event::Reset { end });
    }

    /// A process is gone. Its system closes what it had open, unless it is gone as well.
    pub(super) fn orphan(&mut self, server: usize, power: bool) {
        for end in self.net.ends_of(Host::Server(server)) {
            if let Some(link) = self.net.links.get_mut(&end.link) {
                link.open[end.side as usize] = false;
            }
            if power {
                self.net.break_towards(end.other());
                self.give_up_later(end.other());
            } else {
                if let Some(direction) = self.net.from(end) {
                    direction.unsent.clear();
                }
                self.net.shut(end);
                self.pump(end);
            }
            self.told(end);
        }
    }

    fn told(&mut self, end: End) {
        if self.net.told(end) {
            self.checks.link_is_gone(end.link);
        }
    }
}
