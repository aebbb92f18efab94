//! One machine, with a disk that waits to be told and nobody else around.
#![allow(dead_code, reason = "each test file uses its own part of it")]

pub mod leading;
pub mod learning;

use std::collections::{BTreeMap, VecDeque};
use wire::{
    Decode, ElectionHandshake, Encode, LearnerInfo, Notification, PacketType, QuorumPacket, Reader,
    ServerState, Zxid,
};
use zab::{
    ConnId, DiskAction, DiskOutcome, DiskPlan, DiskState, Ensemble, Epoch, Event, Input, Outputs, Peer,
    PeerConfig, Port, Read, ServerId, Txn,
};

pub fn capture(name: &str) -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/quorum-captures");
    std::fs::read(folder.join(name)).expect(name)
}

/// The machine, with a disk that waits to be told and nobody else around.
pub struct Machine {
    pub peer: Peer,
    pub voters: Vec<i64>,
    pub now: u64,
    pub out: Outputs,
    pub plans: VecDeque<DiskPlan>,
    pub sent: BTreeMap<ConnId, Vec<u8>>,
    pub events: VecDeque<Event>,
    pub reads: VecDeque<Read>,
    /// Connections that the machine has closed.
    pub hung_up: Vec<ConnId>,
    pub may_hang_up: bool,
    pub halted: Option<String>,
    pub may_halt: bool,
}

pub const QUORUM: ConnId = ConnId(100);
pub const HELPER: ConnId = ConnId(101);

impl Machine {
    pub fn new(me: i64, ensemble: &Ensemble, disk: DiskState) -> Machine {
        Machine::with(me, ensemble, disk, |_| {})
    }

    /// A machine with other settings than most have.
    pub fn with(me: i64, ensemble: &Ensemble, disk: DiskState, set: impl FnOnce(&mut PeerConfig)) -> Machine {
        let mut config = PeerConfig::new(ServerId(me), ensemble.clone());
        config.tick_time_ms = 500;
        config.init_limit = 20;
        config.sync_limit = 8;
        set(&mut config);
        let mut out = Outputs::default();
        let peer = Peer::new(config, disk, 0, &mut out);
        let (plans, events, reads) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
        let mut machine = Machine {
            peer,
            voters: ensemble.rule().voters().into_iter().map(|id| id.0).collect(),
            now: 0,
            out,
            plans,
            sent: BTreeMap::new(),
            events,
            reads,
            hung_up: Vec::new(),
            may_hang_up: false,
            halted: None,
            may_halt: false,
        };
        machine.collect();
        machine
    }

    pub fn step(&mut self, input: Input<'_>) {
        self.peer.step(self.now, input, &mut self.out);
        self.collect();
    }

    pub fn collect(&mut self) {
        self.halted = self.halted.take().or(self.out.halt.take());
        assert!(self.may_halt || self.halted.is_none(), "{:?}", self.halted);
        for (conn, bytes) in self.out.sends.drain(..) {
            self.sent.entry(conn).or_default().extend(bytes);
        }
        let hung_up = self.out.closes.contains(&QUORUM);
        assert!(self.may_hang_up || !hung_up, "it hung up: {:?}", self.out.notes);
        self.hung_up.append(&mut self.out.closes);
        self.plans.extend(self.out.disk.drain(..));
        self.events.extend(self.out.events.drain(..));
        self.reads.extend(self.out.reads.drain(..));
    }

    /// The disk does everything it was asked for.
    pub fn disk(&mut self) {
        while !self.plans.is_empty() {
            self.disk_once();
        }
    }

    /// The disk does the next thing.
    pub fn disk_once(&mut self) {
        if let Some(DiskPlan { ticket, action }) = self.plans.pop_front() {
            let outcome = match action {
                DiskAction::Truncate { keep } => DiskOutcome::Truncated { last: keep },
                _ => DiskOutcome::Done,
            };
            self.step(Input::DiskDone { ticket, outcome });
        }
    }

    /// The disk does what it was asked for up to the reload, and tells this.
    pub fn recover(&mut self, disk: DiskState) {
        let ticket = self.plans.drain(..).next_back().expect("a reload was asked for").ticket;
        self.step(Input::Recovered { ticket, disk });
    }

    /// The votes that were sent, on whatever election connection.
    pub fn votes(&self) -> Vec<Notification> {
        let mut votes = Vec::new();
        for bytes in self.sent.iter().filter(|(conn, _)| **conn < QUORUM).map(|(_, bytes)| bytes) {
            let mut rest = bytes.as_slice();
            if let Ok(Some((_, used))) =
                ElectionHandshake::decode(rest).map(|hello| hello.filter(|_| rest[0] > 0x7f))
            {
                rest = &rest[used..];
            }
            while let Some((length, body)) = rest.split_first_chunk::<4>() {
                let (payload, behind) = body.split_at(u32::from_be_bytes(*length) as usize);
                votes.push(Notification::decode(payload).expect("a vote"));
                rest = behind;
            }
        }
        votes
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
    let others: Vec<i64> = machine.voters.iter().copied().filter(|id| *id != me).collect();
    for (id, conn) in others.iter().zip(dialled) {
        let conn = if *id > me {
            let conn = ConnId(60 + *id as u64);
            machine.dialled_by(*id, conn);
            conn
        } else {
            conn
        };
        let own = machine.votes()[0].clone();
        machine.vote(conn, ServerState::Looking, me, own.zxid, own.peer_epoch);
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

/// Makes a machine follow a settled leader.
pub fn follow(machine: &mut Machine, me: i64, leader: i64) {
    // The smaller ids are dialled, the larger ones dial: both come to the same here, so all connect to us or we to them.
    let dialled = machine.answer_dials(Port::Election, 1);
    let larger: Vec<i64> = machine.voters.iter().copied().filter(|id| *id > me).collect();
    for (n, id) in larger.iter().enumerate() {
        machine.dialled_by(*id, ConnId(50 + n as u64));
    }
    let smaller: Vec<i64> = machine.voters.iter().copied().filter(|id| *id < me).collect();
    // Dials to larger ids were hung up by the machine itself; those to smaller ones stay, in the order of ids.
    let conns = smaller.iter().zip(&dialled).map(|(id, conn)| (*id, *conn));
    let accepted = larger.iter().enumerate().map(|(n, id)| (*id, ConnId(50 + n as u64)));
    for (id, conn) in conns.chain(accepted).collect::<Vec<_>>() {
        let state = if id == leader { ServerState::Leading } else { ServerState::Following };
        machine.vote(conn, state, leader, Zxid::ZERO, 1);
    }
}

/// Voters 1 to `voters` and observers behind them.
pub fn ensemble(voters: i64, observers: i64) -> Ensemble {
    let line =
        |id| format!("server.{id}=h{id}:1:2:{}\n", if id > voters { "observer" } else { "participant" });
    let lines: String = (1..=voters + observers).map(line).collect();
    Ensemble::parse(&(lines + "version=0")).expect("a configuration")
}

/// The smallest transaction: an error, NONODE.
pub fn txn(zxid: Zxid) -> Txn {
    let mut bytes = vec![0; 12];
    bytes.extend(zxid.0.to_be_bytes());
    bytes.extend([0; 8]);
    bytes.extend((-1i32).to_be_bytes());
    bytes.extend((-101i32).to_be_bytes());
    Txn { zxid, bytes: bytes.into() }
}

/// The packets of a stream, by name and by the zxid where it says something.
pub fn kinds(bytes: &[u8]) -> Vec<String> {
    let mut r = Reader::new(bytes);
    let mut out = Vec::new();
    while !r.is_empty() {
        let packet = QuorumPacket::decode(&mut r).expect("a packet");
        let kind = packet.kind().expect("a known packet");
        let from_learner =
            matches!(kind, PacketType::FollowerInfo | PacketType::ObserverInfo | PacketType::AckEpoch);
        out.push(if from_learner {
            kind.name().to_owned()
        } else {
            format!("{} {}", kind.name(), packet.zxid)
        });
        if kind == PacketType::Snap {
            break;
        }
    }
    out
}

/// What was handed up, by zxid.
pub fn delivered(machine: &Machine) -> Vec<Zxid> {
    let zxid = |event: &Event| if let Event::Deliver { txn, .. } = event { Some(txn.zxid) } else { None };
    machine.events.iter().filter_map(zxid).collect()
}
