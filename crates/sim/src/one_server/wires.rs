//! Connections: each has a client's end and the server's end, and neither knows what the other one knows.

use super::{Event, World};
use crate::Rng;
use crate::checks::Violation;
use crate::clients::{ClientInput, ClientOutput};
use node::{ConnId, Input};
use std::collections::BTreeMap;
use std::rc::Rc;

/// What the network does to the server's words, which are whole frames.
pub type Tamper = Rc<dyn Fn(&mut Rng, &[u8]) -> Vec<u8>>;

/// All connections.
#[derive(Clone)]
pub(super) struct Wires {
    pub(super) tamper: Option<Tamper>,
    /// The connection that each client believes to have, and when its last bytes arrive.
    current: Vec<Option<(u64, u64)>>,
    /// Until then nothing gets through from a client.
    away_until_us: Vec<u64>,
    links: BTreeMap<u64, Link>,
    serial: u64,
}

/// A connection as the server has it.
#[derive(Clone)]
struct Link {
    client: usize,
    conn: ConnId,
    /// The node does not want to hear more for now.
    paused: bool,
    held: Vec<u8>,
    /// Given up by the node, which has not been told yet that it is gone: the slot is not free.
    closed: bool,
    /// Nothing gets through any more, and perhaps nobody knows.
    cut: bool,
    to_server_us: u64,
}

impl Wires {
    pub(super) fn new(clients: usize) -> Wires {
        Wires {
            tamper: None,
            current: vec![None; clients],
            away_until_us: vec![0; clients],
            links: BTreeMap::new(),
            serial: 0,
        }
    }

    /// Is this the connection that the client believes to have?
    fn has(&self, client: usize, serial: u64) -> bool {
        self.current[client].is_some_and(|(current, _)| current == serial)
    }

    fn serial_of(&self, conn: ConnId) -> Option<u64> {
        let mut open = self.links.iter().filter(|(_, link)| !link.closed);
        open.find(|(_, link)| link.conn == conn).map(|(serial, _)| *serial)
    }

    fn link_of(&mut self, conn: ConnId) -> Option<&mut Link> {
        let serial = self.serial_of(conn)?;
        self.links.get_mut(&serial)
    }
}

impl World {
    /// Some connection breaks: what is on its way is lost, and both ends learn of it, sooner or later.
    pub fn cut(&mut self) {
        let serials: Vec<u64> = self.wires.links.keys().copied().collect();
        let chosen = self.rng.below(serials.len() as u64) as usize;
        let Some(serial) = serials.get(chosen).copied() else { return };
        let link = self.wires.links.get_mut(&serial).expect("it is there");
        link.cut = true;
        let client = link.client;
        if self.rng.chance(50) {
            self.wires.away_until_us[client] = self.now_us + self.rng.below(12_000_000);
        }
        self.events.retain(|_, event| match event {
            Event::ToServer { serial: of, .. } => *of != serial,
            Event::ToClient { serial: of, input: ClientInput::Received(_), .. } => *of != serial,
            _ => true,
        });
        let delay = self.rng.below(8_000_000);
        self.after(delay, Event::Gone { serial });
        if self.rng.chance(70) {
            self.tell_closed(client, serial);
        }
    }

    /// The server's machine closes what its process had open; what is on its way to clients arrives.
    pub(super) fn close_all(&mut self) {
        for (serial, link) in std::mem::take(&mut self.wires.links) {
            self.tell_closed(link.client, serial);
        }
    }

    fn tell_closed(&mut self, client: usize, serial: u64) {
        let current = self.wires.current[client].filter(|(current, _)| *current == serial);
        let last_us = current.map_or(0, |(_, at)| at);
        let delay = last_us.saturating_sub(self.now_us) + 1;
        self.after(delay, Event::ToClient { client, serial, input: ClientInput::Closed });
    }

    // ---- the client's end

    pub(super) fn reach_client(
        &mut self,
        client: usize,
        serial: u64,
        input: ClientInput,
    ) -> Result<(), Violation> {
        if !self.wires.has(client, serial) {
            return Ok(());
        }
        if input == ClientInput::Closed {
            self.wires.current[client] = None;
        }
        self.client(client, input)
    }

    pub(super) fn client(&mut self, client: usize, input: ClientInput) -> Result<(), Violation> {
        let mut out = Vec::new();
        self.clients[client].step(self.now_us, input, &mut out);
        for output in out {
            match output {
                ClientOutput::Connect { .. } => {
                    self.wires.serial += 1;
                    let serial = self.wires.serial;
                    self.wires.current[client] = Some((serial, 0));
                    let delay = 50 + self.rng.below(1000);
                    self.after(delay, Event::Open { client, serial });
                }
                ClientOutput::Send(bytes) => self.ask(client, bytes),
                ClientOutput::Close => {
                    if let Some((serial, _)) = self.wires.current[client].take() {
                        let at = self.wires.links.get(&serial).map_or(0, |link| link.to_server_us);
                        self.after(at.saturating_sub(self.now_us) + 10, Event::Gone { serial });
                    }
                }
                ClientOutput::WakeAt(at) => {
                    self.after(at.saturating_sub(self.now_us), Event::Wake { client });
                }
                ClientOutput::Saw(event) => self.checks.client(self.now_us, client, &event)?,
            }
        }
        Ok(())
    }

    fn ask(&mut self, client: usize, bytes: Vec<u8>) {
        let Some((serial, _)) = self.wires.current[client] else { return };
        let latency = 20 + self.rng.below(2000);
        let Some(link) = self.wires.links.get_mut(&serial).filter(|link| !link.cut) else { return };
        let at = (self.now_us + latency).max(link.to_server_us + 1);
        link.to_server_us = at;
        self.after(at - self.now_us, Event::ToServer { serial, bytes });
    }

    // ---- the server's end

    pub(super) fn open(&mut self, client: usize, serial: u64) {
        if !self.wires.has(client, serial) {
            return;
        }
        if !self.machine.is_running() || self.now_us < self.wires.away_until_us[client] {
            return self.tell_closed(client, serial);
        }
        let links = &mut self.wires.links;
        let slot = (0..).find(|slot| links.values().all(|link| link.conn.slot() != *slot));
        let conn = ConnId((serial << 24) | u64::from(slot.expect("a free slot")));
        let (held, to_server_us) = (Vec::new(), 0);
        links.insert(
            serial,
            Link { client, conn, paused: false, held, closed: false, cut: false, to_server_us },
        );
        let peer = ([10, 0, 0, client as u8], 4000 + serial as u16).into();
        self.input(Input::Accepted { conn, peer });
        self.after(20, Event::ToClient { client, serial, input: ClientInput::Connected });
    }

    pub(super) fn reach_server(&mut self, serial: u64, bytes: Vec<u8>) {
        match self.wires.links.get_mut(&serial) {
            Some(link) if link.closed => {}
            Some(link) if link.paused => link.held.extend(bytes),
            Some(&mut Link { conn, .. }) => self.input(Input::Received { conn, bytes: &bytes }),
            None => {}
        }
    }

    pub(super) fn gone(&mut self, serial: u64) {
        if let Some(link) = self.wires.links.remove(&serial) {
            self.input(Input::Disconnected { conn: link.conn });
        }
    }

    /// Frames leave the server.
    pub(super) fn say(&mut self, conn: ConnId, mut bytes: Vec<u8>) -> Result<(), Violation> {
        let Some(serial) = self.wires.serial_of(conn) else { return Ok(()) };
        if self.wires.links[&serial].cut {
            return Ok(());
        }
        if let Some(promises) = &mut self.promises {
            promises.said(serial, &bytes)?;
        }
        if let Some(tamper) = self.wires.tamper.clone() {
            bytes = tamper(&mut self.rng, &bytes);
        }
        let client = self.wires.links[&serial].client;
        let latency = 20 + self.rng.below(2000);
        let Some((current, at)) = &mut self.wires.current[client] else { return Ok(()) };
        if *current == serial {
            *at = (self.now_us + latency).max(*at + 1);
            let delay = *at - self.now_us;
            self.after(delay, Event::ToClient { client, serial, input: ClientInput::Received(bytes) });
        }
        Ok(())
    }

    pub(super) fn pause(&mut self, conn: ConnId) {
        if let Some(link) = self.wires.link_of(conn) {
            link.paused = true;
        }
    }

    pub(super) fn resume(&mut self, conn: ConnId) {
        if let Some(link) = self.wires.link_of(conn) {
            link.paused = false;
            let held = std::mem::take(&mut link.held);
            self.input(Input::Received { conn, bytes: &held });
        }
    }

    pub(super) fn close(&mut self, conn: ConnId) {
        let Some(serial) = self.wires.serial_of(conn) else { return };
        let link = self.wires.links.get_mut(&serial).expect("it is open");
        link.closed = true;
        let client = link.client;
        self.tell_closed(client, serial);
        self.after(1, Event::Gone { serial });
    }
}
