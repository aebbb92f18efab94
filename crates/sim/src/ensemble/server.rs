//! A server of the ensemble: its process, its disk, and how fast they are.

use super::event::Event;
use crate::{Machine, Rng};
use node::{ConnId, Input, PeerInput};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use store::Lane;

/// One server. Its disk survives it.
pub(super) struct Server {
    pub(super) machine: Machine,
    /// Which process this is; what was scheduled for an earlier one is void.
    pub(super) life: u32,
    /// Does it listen on the quorum port?
    pub(super) listens: bool,
    /// Does it listen on `observerMasterPort`?
    pub(super) takes_observers: bool,
    pub(super) flush_is_due: bool,
    /// Which of the times that it asked for is the last.
    pub(super) wake_serial: u64,
    pub(super) busy: BTreeMap<Lane, bool>,
    /// When a lane's last completion is told.
    pub(super) told_us: BTreeMap<Lane, u64>,
    pub(super) pause: Option<Vec<Late>>,
    /// Every operation takes so many times as long.
    pub(super) disk_slowness: u64,
    /// Lanes of the disk that do nothing, and whether work waits for them.
    pub(super) stuck: BTreeMap<Lane, bool>,
    /// Something was done to the disk that a process may die of.
    pub(super) disk_is_faulty: bool,
    /// Its wall clock is off by so much.
    pub(super) wall_offset_ms: i64,
    pub(super) rng: Rng,
}

/// What a paused process has not seen yet.
pub(super) enum Late {
    Event(Event),
    Accepted { conn: ConnId, peer: SocketAddr },
    Disconnected { conn: ConnId },
    Written { conn: ConnId, pending: usize },
    PeerAccepted { conn: zab::ConnId, port: zab::Port },
    PeerWritten { conn: zab::ConnId, pending: usize },
    PeerClosed { conn: zab::ConnId },
}

impl Server {
    pub(super) fn new(machine: Machine, rng: Rng) -> Server {
        Server {
            machine,
            life: 0,
            listens: false,
            takes_observers: false,
            flush_is_due: false,
            wake_serial: 0,
            busy: BTreeMap::new(),
            told_us: BTreeMap::new(),
            pause: None,
            disk_slowness: 1,
            stuck: BTreeMap::new(),
            disk_is_faulty: false,
            wall_offset_ms: 0,
            rng,
        }
    }

    pub(super) fn is_paused(&self) -> bool {
        self.pause.is_some()
    }

    /// Forgets everything about the process.
    pub(super) fn process_is_gone(&mut self) {
        self.life += 1;
        self.machine.kill();
        self.listens = false;
        self.takes_observers = false;
        self.flush_is_due = false;
        self.busy.clear();
        self.pause = None;
        self.stuck.values_mut().for_each(|waits| *waits = false);
    }

    /// How long the disk needs for its next operation.
    pub(super) fn disk_delay_us(&mut self, is_sync: bool) -> u64 {
        let base = if is_sync { 100 + self.rng.below(800) } else { 5 + self.rng.below(40) };
        base * self.disk_slowness
    }
}

impl Late {
    /// What of an input is kept for a paused process. Bytes are not: the system holds them back.
    pub(super) fn of(input: &Input<'_>) -> Option<Late> {
        Some(match *input {
            Input::Accepted { conn, peer } => Late::Accepted { conn, peer },
            Input::Disconnected { conn } => Late::Disconnected { conn },
            Input::Written { conn, pending } => Late::Written { conn, pending },
            Input::Peer(PeerInput::Accepted { conn, port }) => Late::PeerAccepted { conn, port },
            Input::Peer(PeerInput::Written { conn, pending }) => Late::PeerWritten { conn, pending },
            Input::Peer(PeerInput::Closed { conn }) => Late::PeerClosed { conn },
            _ => return None,
        })
    }

    /// The event, or the input.
    pub(super) fn into_input(self) -> Result<Input<'static>, Event> {
        Ok(match self {
            Late::Event(event) => return Err(event),
            Late::Accepted { conn, peer } => Input::Accepted { conn, peer },
            Late::Disconnected { conn } => Input::Disconnected { conn },
            Late::Written { conn, pending } => Input::Written { conn, pending },
            Late::PeerAccepted { conn, port } => Input::Peer(PeerInput::Accepted { conn, port }),
            Late::PeerWritten { conn, pending } => Input::Peer(PeerInput::Written { conn, pending }),
            Late::PeerClosed { conn } => Input::Peer(PeerInput::Closed { conn }),
        })
    }
}
