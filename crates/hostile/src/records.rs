//! Records of the wire: whatever is accepted can be written, and what was written reads as the same again.

use std::fmt::Debug;
use wire::{
    ConnectRequest, ConnectResponse, CreateMode, Decode, ELECTION_ADDRESS_MAX, ElectionHandshake, Encode,
    ForwardedRequest, LearnerInfo, MultiOp, Notification, OpCode, QuorumPacket, Reader, ReplyHeader, Request,
    RequestHeader, Response, TouchedSession, TxnRecord, WatcherEvent, decode_multi,
};

/// The first reading may repair (malformed UTF-8, counts below zero), so it is the second and third that must agree.
macro_rules! settles {
    ($decode:expr, $encode:expr, $bytes:expr) => {
        if let Ok(first) = $decode(&mut Reader::new($bytes)) {
            let written: Vec<u8> = $encode(&first);
            let mut reader = Reader::new(&written);
            let second = $decode(&mut reader).expect("what was written can be read");
            assert!(reader.is_empty(), "bytes are left behind {second:?}");
            let again: Vec<u8> = $encode(&second);
            let third = $decode(&mut Reader::new(&again)).expect("what was written twice can be read");
            same(&second, &third);
        }
    };
}

fn same<T: PartialEq + Debug>(second: &T, third: &T) {
    assert_eq!(second, third);
}

/// The operation is chosen by the first byte.
pub fn requests(input: &[u8]) {
    let Some((op, body)) = operation(input) else { return };
    let spoilt = match Request::decode(op, &mut Reader::new(body)) {
        Ok(Request::Multi { ops } | Request::MultiRead { ops }) => ops.iter().any(is_spoilt),
        _ => false,
    };
    if !spoilt {
        settles!(|r| Request::decode(op, r), |request: &Request<'_>| request.to_bytes(), body);
    }
    settles!(RequestHeader::decode, |header: &RequestHeader| header.to_bytes(), body);
    settles!(ConnectRequest::decode, |request: &ConnectRequest<'_>| request.to_bytes(), body);
    let ops = decode_multi(&mut Reader::new(body)).map(|ops| ops.len()).unwrap_or_default();
    assert!(ops <= body.len(), "every operation of a multi takes a byte at least");
}

/// A create that came as createTTL with whatever flags, which as a plain create nobody may send.
fn is_spoilt(op: &MultiOp<'_>) -> bool {
    let MultiOp::Create { op, acl, flags, .. } = op else { return false };
    *op != OpCode::CreateTtl
        && (acl.is_none() || CreateMode::from_flags(*flags).is_none_or(CreateMode::is_ttl))
}

/// The operation is chosen by the first byte.
pub fn responses(input: &[u8]) {
    let Some((op, body)) = operation(input) else { return };
    settles!(|r| Response::decode(op, r), |response: &Response<'_>| response.to_bytes(), body);
    settles!(ReplyHeader::decode, |header: &ReplyHeader| header.to_bytes(), body);
    settles!(ConnectResponse::decode, |response: &ConnectResponse| response.to_bytes(), body);
    settles!(WatcherEvent::decode, |event: &WatcherEvent<'_>| event.to_bytes(), body);
}

/// What a log holds and a proposal carries.
pub fn txns(input: &[u8]) {
    settles!(TxnRecord::decode, |record: &TxnRecord<'_>| record.to_bytes(), input);
}

/// A stream of packets of the quorum port, and what may be in them.
pub fn quorum(input: &[u8]) {
    let mut reader = Reader::new(input);
    while !reader.is_empty() {
        let before = reader.position();
        let Ok(packet) = QuorumPacket::decode(&mut reader) else { break };
        assert!(reader.position() > before);
        let _ = packet.kind();
        contents(packet.data.as_deref().unwrap_or_default());
    }
    settles!(QuorumPacket::decode, |packet: &QuorumPacket<'_>| packet.to_bytes(), input);
    contents(input);
}

fn contents(data: &[u8]) {
    settles!(LearnerInfo::decode, |info: &LearnerInfo| info.to_bytes(), data);
    settles!(TxnRecord::decode, |record: &TxnRecord<'_>| record.to_bytes(), data);
    if let Ok(touched) = TouchedSession::decode_all(&mut Reader::new(data)) {
        assert_eq!(touched.len() * 12, data.len());
    }
    if let Ok(request) = ForwardedRequest::decode(&mut Reader::new(data)) {
        assert_eq!(request.to_bytes(), data);
        if let Some(op) = OpCode::from_code(request.op) {
            let _ = Request::decode(op, &mut Reader::new(request.record));
        }
    }
}

/// The election port: a handshake, then notifications behind their lengths.
pub fn election(input: &[u8]) {
    let mut rest = input;
    if let Ok(Some((handshake, used))) = ElectionHandshake::decode(input) {
        assert!(used <= input.len());
        rest = &input[used..];
        // Malformed UTF-8 is replaced by something longer.
        let fits = handshake.addresses.as_ref().is_none_or(|text| text.len() <= ELECTION_ADDRESS_MAX);
        for written in [handshake.encode(false), handshake.encode(true)].iter().filter(|_| fits) {
            assert_eq!(ElectionHandshake::decode(written), Ok(Some((handshake.clone(), written.len()))));
        }
    }
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let Some(payload) = behind.get(..length) else { break };
        notification(payload);
        rest = &behind[length..];
    }
    notification(input);
}

fn notification(payload: &[u8]) {
    let Ok(first) = Notification::decode(payload) else { return };
    let second = Notification::decode(&first.encode()).expect("what was written can be read");
    let third = Notification::decode(&second.encode()).expect("what was written twice can be read");
    assert_eq!(second, third);
}

fn operation(input: &[u8]) -> Option<(OpCode, &[u8])> {
    let (first, body) = input.split_first()?;
    Some((OpCode::ALL[usize::from(*first) % OpCode::ALL.len()], body))
}
