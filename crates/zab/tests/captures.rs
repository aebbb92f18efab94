//! Whole conversations between Apache servers, with our machine in the place of one of them: it must say what Apache said,
//! byte for byte and in the same order. What the outside world decides (when a client writes, when the disk is done, when half a
//! tick is over) is taken from what comes next in the capture.

mod machine;

use machine::{HELPER, Machine, QUORUM, acknowledge, capture, follow, from, help, lead};
use std::collections::VecDeque;
use wire::{
    Decode, ForwardedRequest, LearnerInfo, PacketType, QuorumPacket, Reader, StatPersisted, TouchedSession,
    Writer, Zxid,
};
use zab::{DiskState, Ensemble, Epoch, Event, Input, LogSlice, Port, Read, ToLeader, ToLearner, Txn};

/// A packet, or the snapshot stream behind a SNAP.
#[derive(Clone, PartialEq, Eq)]
struct Piece {
    kind: Option<PacketType>,
    zxid: Zxid,
    data: Vec<u8>,
    bytes: Vec<u8>,
}

impl std::fmt::Debug for Piece {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {} {} bytes", self.kind, self.zxid, self.bytes.len())
    }
}

/// Cuts a stream into its pieces.
fn pieces(bytes: &[u8]) -> VecDeque<Piece> {
    let mut r = Reader::new(bytes);
    let mut out = VecDeque::new();
    while !r.is_empty() {
        let start = r.position();
        let packet = QuorumPacket::decode(&mut r).expect("a packet");
        let data = packet.data.as_deref().unwrap_or_default().to_vec();
        let (kind, zxid) = (packet.kind(), packet.zxid);
        out.push_back(Piece { kind, zxid, data, bytes: bytes[start..r.position()].to_vec() });
        if kind == Some(PacketType::Snap) {
            let start = r.position();
            skip_snapshot(&mut r).expect("a snapshot");
            let stream = bytes[start..r.position()].to_vec();
            out.push_back(Piece { kind: None, zxid, data: vec![], bytes: stream });
        }
    }
    out
}

fn skip_snapshot(r: &mut Reader<'_>) -> Result<(), wire::DecodeError> {
    r.vector(TouchedSession::decode)?;
    r.vector(|r| {
        r.long()?;
        r.vector(wire::Acl::decode)
    })?;
    while r.ustring()?.as_deref() != Some("/") {
        r.buffer()?;
        r.long()?;
        StatPersisted::decode(r)?;
    }
    r.ustring().map(|_| ())
}

fn config_of(leader: &VecDeque<Piece>) -> Ensemble {
    let packet = leader.iter().find(|piece| piece.kind == Some(PacketType::NewLeader)).expect("NEWLEADER");
    Ensemble::parse(std::str::from_utf8(&packet.data).expect("text")).expect("a configuration")
}

/// Puts our machine in the learner's place.
fn replay_learner(name: &str, leader_id: i64) {
    let mut theirs = pieces(&capture(&format!("{name}.leader.bin")));
    let expected = pieces(&capture(&format!("{name}.learner.bin")));
    let info = LearnerInfo::decode(&mut Reader::new(&expected[0].data)).expect("its first packet");
    let ensemble = Ensemble { version: info.config_version, ..config_of(&theirs) };
    let current = i32::from_be_bytes(expected[1].data[..4].try_into().expect("an epoch"));
    let accepted = Epoch::of(expected[0].zxid);
    let disk = DiskState {
        last_zxid: expected[1].zxid,
        accepted_epoch: accepted,
        current_epoch: if current < 0 { accepted } else { Epoch(current as u32) },
        recent: vec![],
    };
    let mut machine = Machine::new(info.server_id, &ensemble, disk);
    follow(&mut machine, info.server_id, leader_id);
    assert_eq!(machine.answer_dials(Port::Quorum, QUORUM.0), [QUORUM], "{name}: it dials the leader");

    let mut sent = pieces(&machine.take_sent(QUORUM));
    for (at, piece) in expected.iter().enumerate() {
        while sent.is_empty() {
            match piece.kind {
                Some(PacketType::Request) => {
                    let packet = QuorumPacket::decode(&mut Reader::new(&piece.bytes)).expect("a packet");
                    let ids = packet.auth_info.map(|ids| ids.into_iter().map(wire::Id::into_owned).collect());
                    let request = ToLeader::Request { data: piece.data.clone(), auth_info: ids };
                    machine.step(Input::ToLeader(request));
                }
                Some(PacketType::Revalidate) => {
                    let session = TouchedSession::decode(&mut Reader::new(&piece.data)).expect("a session");
                    machine.step(Input::ToLeader(ToLeader::Revalidate(session)));
                }
                Some(PacketType::Ack | PacketType::AckEpoch) if !machine.plans.is_empty() => machine.disk(),
                _ => {
                    let next = theirs.pop_front();
                    let next =
                        next.unwrap_or_else(|| panic!("{name}: nothing leads to number {at}: {piece:?}"));
                    machine.step(Input::Received { conn: QUORUM, bytes: &next.bytes });
                }
            }
            answer_pings(&mut machine, &expected, at);
            sent.extend(pieces(&machine.take_sent(QUORUM)));
        }
        let ours = sent.pop_front().expect("something was sent");
        assert_eq!(ours, *piece, "{name}: number {at}");
        assert_eq!(ours.bytes, piece.bytes, "{name}: number {at}");
    }
}

/// Answers the leader's pings with the sessions of the capture.
fn answer_pings(machine: &mut Machine, expected: &VecDeque<Piece>, at: usize) {
    while let Some(event) = machine.events.pop_front() {
        if let Event::Ping { zxid } = event {
            let answer = expected.iter().skip(at).find(|piece| piece.kind == Some(PacketType::Ping));
            let touched = answer
                .map(|answer| TouchedSession::decode_all(&mut Reader::new(&answer.data)).expect("sessions"));
            machine.step(Input::ToLeader(ToLeader::Pong { zxid, touched: touched.unwrap_or_default() }));
        }
    }
}

#[test]
fn a_follower_of_a_fresh_ensemble_speaks_like_apaches() {
    replay_learner("395-fresh-follower1", 3);
    replay_learner("395-fresh-follower2", 3);
    replay_learner("395-local-session-follower", 3);
}

#[test]
fn a_follower_that_missed_something_speaks_like_apaches() {
    replay_learner("395-restart-diff", 3);
    replay_learner("393-learner-395-leader-diff", 3);
}

#[test]
fn an_observer_speaks_like_apaches() {
    replay_learner("395-reconfig-observer", 2);
}

#[test]
fn a_follower_of_an_ensemble_that_reconfigures_speaks_like_apaches() {
    replay_learner("395-reconfig-follower", 2);
}

#[test]
fn a_joiner_that_needs_a_snapshot_speaks_like_apaches() {
    replay_learner("395-reconfig-joiner-snap", 2);
}

/// Puts our machine in the leader's place. `fresh`: the learner was there when the epoch was found.
fn replay_leader(name: &str, me: i64, fresh: bool) {
    let mut expected = pieces(&capture(&format!("{name}.leader.bin")));
    let mut theirs = pieces(&capture(&format!("{name}.learner.bin")));
    // Reconfigurations are not led yet: up to there.
    let end = expected.iter().position(|piece| {
        piece.kind == Some(PacketType::CommitAndActivate) || piece.kind == Some(PacketType::InformAndActivate)
    });
    expected.truncate(end.unwrap_or(expected.len()));
    let ensemble = config_of(&expected);
    let epoch = Epoch::of(expected[0].zxid);
    let info = LearnerInfo::decode(&mut Reader::new(&theirs[0].data)).expect("its first packet");
    let helper = [1, 2, 3].into_iter().find(|id| *id != me && *id != info.server_id).expect("a third one");
    let disk = DiskState {
        last_zxid: Zxid::ZERO,
        accepted_epoch: Epoch(epoch.0 - 1),
        current_epoch: Epoch(0),
        recent: vec![],
    };
    let mut machine = Machine::new(me, &ensemble, disk);
    lead(&mut machine, me);
    machine.step(Input::Accepted { conn: QUORUM, port: Port::Quorum });
    if fresh {
        let hello = theirs.pop_front().expect("its first packet");
        machine.step(Input::Received { conn: QUORUM, bytes: &hello.bytes });
    }
    help(&mut machine, helper, epoch, !fresh);
    if !fresh {
        machine.disk();
        write_history(&mut machine, &expected);
    }

    let mut sent = pieces(&machine.take_sent(QUORUM));
    let mut stream = None;
    for (at, piece) in expected.iter().enumerate() {
        if piece.kind.is_none() {
            continue;
        }
        if piece.kind == Some(PacketType::Snap) {
            stream = expected.get(at + 1).cloned();
        }
        for tries in 0.. {
            if !sent.is_empty() {
                break;
            }
            assert!(tries < 200, "{name}: nothing leads to number {at}: {piece:?}");
            drive(&mut machine, piece, &mut theirs, &stream);
            sent.extend(pieces(&machine.take_sent(QUORUM)));
            if fresh && piece.kind == Some(PacketType::UpToDate) {
                acknowledge(&mut machine, epoch.start());
            }
        }
        let ours = sent.pop_front().expect("something was sent");
        assert_eq!(ours, *piece, "{name}: number {at}");
        if let Some(stream) = stream.take_if(|_| piece.kind == Some(PacketType::Snap)) {
            assert_eq!(sent.pop_front(), Some(stream), "{name}: the snapshot behind number {at}");
        }
    }
}

/// Does what leads to the next piece.
fn drive(machine: &mut Machine, piece: &Piece, theirs: &mut VecDeque<Piece>, stream: &Option<Piece>) {
    match piece.kind.expect("a packet") {
        PacketType::Proposal | PacketType::Inform => {
            let txn = Txn { zxid: piece.zxid, bytes: piece.data.as_slice().into() };
            if machine.peer.next_zxid() == Some(txn.zxid) {
                machine.step(Input::Propose(txn));
            } else {
                acknowledge(machine, piece.zxid);
                machine.disk();
            }
        }
        PacketType::Commit => {
            acknowledge(machine, piece.zxid);
            from(machine, QUORUM, PacketType::Ack, piece.zxid, None);
            machine.disk();
        }
        PacketType::Ping => {
            machine.now += 250_000;
            machine.step(Input::Tick);
            for conn in [QUORUM, HELPER] {
                from(machine, conn, PacketType::Ping, piece.zxid, Some(&[]));
            }
        }
        _ => {
            machine.disk();
            if let Some(read) = machine.reads.pop_front() {
                return answer_read(machine, read, stream);
            }
            if let Some(packet) = theirs.pop_front() {
                machine.step(Input::Received { conn: QUORUM, bytes: &packet.bytes });
            }
        }
    }
    for event in std::mem::take(&mut machine.events) {
        match event {
            Event::Request { conn, data, .. } => {
                let request = ForwardedRequest::decode(&mut Reader::new(&data)).expect("a request");
                if request.op == wire::OpCode::Sync as i32 {
                    machine.step(Input::ToLearner { conn, message: ToLearner::Sync });
                }
            }
            Event::Revalidate { conn, session } => {
                let valid = piece.data.last() == Some(&1);
                let message = ToLearner::Revalidated { session: session.session, valid };
                machine.step(Input::ToLearner { conn, message });
            }
            _ => {}
        }
    }
}

fn answer_read(machine: &mut Machine, read: Read, stream: &Option<Piece>) {
    match read {
        Read::Log { conn, .. } => machine.step(Input::Log { conn, slice: LogSlice::default() }),
        Read::Snapshot { conn } => {
            let stream = stream.as_ref().expect("a snapshot in the capture");
            let signature = 4 + "BenWasHere".len();
            let bytes = stream.bytes[..stream.bytes.len() - signature].to_vec();
            machine.step(Input::Snapshot { conn, zxid: stream.zxid, bytes, last: true });
        }
    }
}

/// Brings the leader to where it was in the capture: with the transactions that the learner was then sent, and others before.
fn write_history(machine: &mut Machine, expected: &VecDeque<Piece>) {
    let synced = |kind| expected.iter().take(20).find(|piece| piece.kind == Some(kind));
    let start = [PacketType::Diff, PacketType::Snap, PacketType::Trunc].into_iter().find_map(synced);
    let last = start.expect("DIFF, SNAP or TRUNC").zxid;
    while let Some(zxid) = machine.peer.next_zxid().filter(|zxid| *zxid <= last) {
        let known =
            expected.iter().find(|piece| piece.kind == Some(PacketType::Proposal) && piece.zxid == zxid);
        let bytes = known.map_or_else(|| dummy(zxid), |piece| piece.data.clone());
        machine.step(Input::Propose(Txn { zxid, bytes: bytes.into() }));
        machine.disk();
        acknowledge(machine, zxid);
    }
}

fn dummy(zxid: Zxid) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut w = Writer::new(&mut bytes);
    w.long(0);
    w.int(0);
    w.long(zxid.0);
    w.long(0);
    w.int(-1);
    w.int(-101);
    bytes
}

#[test]
fn a_fresh_leader_speaks_like_apaches() {
    replay_leader("395-fresh-follower1", 3, true);
    replay_leader("395-fresh-follower2", 3, true);
    replay_leader("395-local-session-follower", 3, true);
    replay_leader("395-reconfig-follower", 2, true);
}

#[test]
fn a_leader_informs_an_observer_like_apaches() {
    replay_leader("395-reconfig-observer", 2, true);
}

#[test]
fn a_leader_brings_a_restarted_follower_up_to_date_like_apaches() {
    replay_leader("395-restart-diff", 3, false);
}

#[test]
fn a_leader_cuts_a_follower_back_like_apaches() {
    replay_leader("395-leader-trunc", 3, false);
}

#[test]
fn a_leader_sends_a_snapshot_like_apaches() {
    replay_leader("395-leader-snap-live", 3, false);
    replay_leader("395-reconfig-joiner-snap", 2, false);
}
