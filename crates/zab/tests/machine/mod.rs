//! One machine, with a disk that waits to be told and nobody else around.
#![allow(dead_code, reason = "each test file uses its own part of it")]

use std::collections::{BTreeMap, VecDeque};
use wire::{
    ElectionHandshake, Encode, LearnerInfo, Notification, PacketType, QuorumPacket, ServerState, Zxid,
};
use zab::{
    ConnId, DiskAction, DiskOutcome, DiskPlan, DiskState, Ensemble, Epoch, Event, Input, Outputs, Peer,
    PeerConfig, Port, Read, ServerId,
};

pub fn capture(name: &str) -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/quorum-captures");
    std::fs::read(folder.join(name)).expect(name)
}

/// The machine, with a disk that waits to be told and nobody else around.
pub struct Machine {
    pub peer: Peer,
    pub now: u64,
    pub out: Outputs,
    pub plans: VecDeque<DiskPlan>,
    pub sent: BTreeMap<ConnId, Vec<u8>>,
    pub events: VecDeque<Event>,
    pub reads: VecDeque<Read>,
}

pub const QUORUM: ConnId = ConnId(100);
pub const HELPER: ConnId = ConnId(101);

impl Machine {
    pub fn new(me: i64, ensemble: &Ensemble, disk: DiskState) -> Machine {
        Machine::with(me, ensemble, disk, false)
    }

    pub fn with(me: i64, ensemble: &Ensemble, disk: DiskState, multi_address: bool) -> Machine {
        let mut config = PeerConfig::new(ServerId(me), ensemble.clone());
        config.tick_time_ms = 500;
        config.init_limit = 20;
        config.sync_limit = 8;
        config.multi_address = multi_address;
        let mut out = Outputs::default();
        let peer = Peer::new(config, disk, 0, &mut out);
        let (plans, events, reads) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
        let mut machine = Machine { peer, now: 0, out, plans, sent: BTreeMap::new(), events, reads };
        machine.collect();
        machine
    }

    pub fn step(&mut self, input: Input<'_>) {
        self.peer.step(self.now, input, &mut self.out);
        self.collect();
    }

    pub fn collect(&mut self) {
        assert_eq!(self.out.halt, None);
        for (conn, bytes) in self.out.sends.drain(..) {
            self.sent.entry(conn).or_default().extend(bytes);
        }
        assert!(!self.out.closes.contains(&QUORUM), "it hung up: {:?}", self.out.notes);
        self.plans.extend(self.out.disk.drain(..));
        self.events.extend(self.out.events.drain(..));
        self.reads.extend(self.out.reads.drain(..));
    }

    /// The disk does everything it was asked for.
    pub fn disk(&mut self) {
        while let Some(DiskPlan { ticket, action }) = self.plans.pop_front() {
            let outcome = match action {
                DiskAction::Truncate { keep } => DiskOutcome::Truncated { last: keep },
                _ => DiskOutcome::Done,
            };
            self.step(Input::DiskDone { ticket, outcome });
        }
    }

    /// A server with a larger id connects to the election port.
    pub fn dialled_by(&mut self, id: i64, conn: ConnId) {
        self.step(Input::Accepted { conn, port: Port::Election });
        let hello = ElectionHandshake { server_id: id, addresses: Some("h:1".into()) };
        self.step(Input::Received { conn, bytes: &hello.encode(false) });
    }

    /// Answers all dials of a port: with connections that count from `first`.
    pub fn answer_dials(&mut self, port: Port, first: u64) -> Vec<ConnId> {
        let dials: Vec<_> = self.out.dials.iter().filter(|dial| dial.port == port).cloned().collect();
        self.out.dials.retain(|dial| dial.port != port);
        let conns: Vec<_> = (first..).zip(&dials).map(|(n, _)| ConnId(n)).collect();
        for (dial, conn) in dials.iter().zip(&conns) {
            self.step(Input::Dialled { dial: dial.dial, conn: Some(*conn) });
        }
        conns
    }

    pub fn vote(&mut self, conn: ConnId, state: ServerState, leader: i64, zxid: Zxid, epoch: i64) {
        let vote = Notification {
            state,
            leader,
            zxid,
            election_epoch: 1,
            peer_epoch: epoch,
            version: 2,
            config: Some("version=0".into()),
        };
        let payload = vote.encode();
        let frame = [&(payload.len() as i32).to_be_bytes()[..], &payload].concat();
        self.step(Input::Received { conn, bytes: &frame });
    }

    /// Everything sent over a connection since the last time.
    pub fn take_sent(&mut self, conn: ConnId) -> Vec<u8> {
        self.sent.remove(&conn).unwrap_or_default()
    }
}

/// Makes a machine lead: everyone votes for it.
pub fn lead(machine: &mut Machine, me: i64) {
    let dialled = machine.answer_dials(Port::Election, 1);
    let others: Vec<i64> = [1, 2, 3].into_iter().filter(|id| *id != me).collect();
    for (id, conn) in others.iter().zip(dialled) {
        let conn = if *id > me {
            let conn = ConnId(60 + *id as u64);
            machine.dialled_by(*id, conn);
            conn
        } else {
            conn
        };
        machine.vote(conn, ServerState::Looking, me, Zxid::ZERO, 0);
    }
    assert_eq!(machine.peer.state(), ServerState::Leading);
}

/// A third server follows. It acknowledges NEWLEADER at once, or only when it is asked to.
pub fn help(machine: &mut Machine, id: i64, epoch: Epoch, at_once: bool) {
    machine.step(Input::Accepted { conn: HELPER, port: Port::Quorum });
    let info = LearnerInfo { server_id: id, protocol_version: 0x10000, config_version: 0 };
    from_helper(machine, PacketType::FollowerInfo, Epoch(epoch.0 - 1).start(), Some(&info.to_bytes()));
    machine.disk();
    from_helper(machine, PacketType::AckEpoch, Zxid::ZERO, Some(&[0; 4]));
    if at_once {
        machine.disk();
        acknowledge(machine, epoch.start());
    }
}

pub fn acknowledge(machine: &mut Machine, zxid: Zxid) {
    from_helper(machine, PacketType::Ack, zxid, None);
}

pub fn from_helper(machine: &mut Machine, kind: PacketType, zxid: Zxid, data: Option<&[u8]>) {
    from(machine, HELPER, kind, zxid, data);
}

pub fn from(machine: &mut Machine, conn: ConnId, kind: PacketType, zxid: Zxid, data: Option<&[u8]>) {
    let packet = QuorumPacket::new(kind, zxid, data.map(Into::into));
    machine.step(Input::Received { conn, bytes: &packet.to_bytes() });
}
