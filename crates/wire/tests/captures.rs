//! Every byte that Apache peers were seen to send reads, and writes back equal.

use std::path::{Path, PathBuf};
use wire::{
    Decode, ElectionHandshake, Encode, ForwardedRequest, LearnerInfo, Notification, OpCode, PacketType,
    QuorumPacket, Reader, Request, StatPersisted, TouchedSession, TxnRecord,
};

fn captures(suffix: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/quorum-captures");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the captures")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.to_string_lossy().ends_with(suffix))
        .collect();
    files.sort();
    assert!(files.len() >= 8, "captures are missing: {files:?}");
    files
}

#[test]
fn election_connections() {
    let mut notifications = 0;
    for side in [".initiator.bin", ".acceptor.bin"] {
        for file in captures(side) {
            let bytes = std::fs::read(&file).expect("a capture");
            let mut at = 0;
            if side == ".initiator.bin" {
                let (hello, used) =
                    ElectionHandshake::decode(&bytes).expect("a handshake").expect("all of it");
                assert_eq!(hello.encode(bytes[7] == 1), bytes[..used], "{file:?}");
                at = used;
            }
            while at < bytes.len() {
                let length = u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize;
                let payload = &bytes[at + 4..at + 4 + length];
                let vote = Notification::decode(payload).unwrap_or_else(|e| panic!("{file:?} at {at}: {e}"));
                assert_eq!(vote.encode(), payload, "{file:?} at {at}");
                notifications += 1;
                at += 4 + length;
            }
        }
    }
    assert!(notifications >= 25, "only {notifications} notifications");
}

#[test]
fn quorum_connections() {
    let mut packets = 0;
    for side in [".learner.bin", ".leader.bin"] {
        for file in captures(side) {
            let bytes = std::fs::read(&file).expect("a capture");
            let mut r = Reader::new(&bytes);
            while !r.is_empty() {
                let at = r.position();
                let packet = QuorumPacket::decode(&mut r).unwrap_or_else(|e| panic!("{file:?} at {at}: {e}"));
                assert_eq!(packet.to_bytes(), bytes[at..r.position()], "{file:?} at {at}");
                check_data(&packet, side == ".learner.bin")
                    .unwrap_or_else(|e| panic!("{file:?} at {at}: {e}"));
                if packet.kind() == Some(PacketType::Snap) {
                    skip_snapshot(&mut r).unwrap_or_else(|e| panic!("{file:?} behind {at}: {e}"));
                }
                packets += 1;
            }
        }
    }
    assert!(packets > 500, "only {packets} packets");
}

/// The data of a packet reads and writes back too.
fn check_data(packet: &QuorumPacket<'_>, from_learner: bool) -> Result<(), wire::DecodeError> {
    let data = packet.data.as_deref();
    let mut r = Reader::new(data.unwrap_or_default());
    match packet.kind().expect("a known type") {
        PacketType::FollowerInfo | PacketType::ObserverInfo => {
            assert_eq!(LearnerInfo::decode(&mut r)?.to_bytes(), data.expect("data"));
        }
        PacketType::Proposal | PacketType::Inform => {
            let record = TxnRecord::decode(&mut r)?;
            assert_eq!(record.header.zxid, packet.zxid);
            assert_eq!(record.to_bytes(), data.expect("data"), "{record:?}");
        }
        PacketType::Request => {
            let request = ForwardedRequest::decode(&mut r)?;
            let op = OpCode::from_code(request.op).expect("a known operation");
            assert_eq!(Request::decode(op, &mut Reader::new(request.record))?.op(), op);
        }
        PacketType::Ping if from_learner => {
            TouchedSession::decode_all(&mut r)?;
        }
        _ => {}
    }
    Ok(())
}

/// Sessions, ACLs, nodes up to `/`, and the signature (reference: quorum-protocol §5.5).
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
    assert_eq!(r.ustring()?.as_deref(), Some("BenWasHere"));
    Ok(())
}
