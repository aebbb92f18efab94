//! Handshakes and sessions (reference: client-protocol §2, §8).

use super::talk::*;
use super::{Stage, same};
use crate::item::Frame;
use crate::patience::PATIENCE;
use crate::socket::{Got, Socket, framed};
use std::time::{Duration, Instant};
use wire::{ConnectRequest, Encode, OpCode, Request};

pub(super) fn invalid_alike(stage: &Stage) -> Told {
    let s = stage.talk()?;
    let wrong = ConnectRequest { password: Some(vec![1; 16].into()), ..s.renewal() };
    let unknown = ConnectRequest { session_id: 0x1234_5678, ..s.renewal() };
    for request in [wrong, unknown] {
        let mut answer = Talk::shake(stage.plain, &request)?.ok_or("closed without an answer")?;
        same!((answer.id, answer.timeout_ms, answer.password.clone()), (0, 0, vec![0; 16]));
        answer.closed()?;
    }
    Ok(())
}

pub(super) fn kicked(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    let wrong = ConnectRequest { password: Some(vec![1; 16].into()), ..s.renewal() };
    let mut answer = Talk::shake(stage.plain, &wrong)?.ok_or("closed without an answer")?;
    same!(answer.id, 0);
    answer.closed()?;
    s.closed()?;
    // The session itself lives.
    let renewed = s.renew()?;
    same!(renewed.id, s.id);
    Ok(())
}

pub(super) fn ahead(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    let newest = s.ping()?.zxid;
    let ahead = ConnectRequest { last_zxid_seen: newest + 1000, ..hello(60_000) };
    if Talk::shake(stage.plain, &ahead)?.is_some() {
        return Err("a client ahead of the server is answered".to_owned());
    }
    let renewal = ConnectRequest { last_zxid_seen: newest + 1000, ..s.renewal() };
    if Talk::shake(stage.plain, &renewal)?.is_some() {
        return Err("a renewal ahead of the server is answered".to_owned());
    }
    s.ping()?.ok()
}

pub(super) fn timeouts(stage: &Stage) -> Told {
    let ask = |timeout| Talk::shake(stage.plain, &hello(timeout))?.ok_or_else(|| "closed".to_owned());
    same!(ask(0)?.timeout_ms, 500);
    same!(ask(-5)?.timeout_ms, 500);
    same!(ask(i32::MAX)?.timeout_ms, 3_600_000);
    let s = ask(70_000)?;
    let renewal = ConnectRequest { timeout_ms: 80_000, ..s.renewal() };
    let renewed = Talk::shake(stage.plain, &renewal)?.ok_or("closed")?;
    same!((renewed.id, renewed.timeout_ms), (s.id, 80_000));
    Ok(())
}

pub(super) fn old_client(stage: &Stage) -> Told {
    // `shake` insists on 36 bytes here.
    let mut s =
        Talk::shake(stage.plain, &ConnectRequest { read_only: None, ..hello(60_000) })?.ok_or("closed")?;
    s.ping()?.ok()?;
    let renewal = ConnectRequest { read_only: None, ..s.renewal() };
    same!(Talk::shake(stage.plain, &renewal)?.ok_or("closed")?.id, s.id);
    Ok(())
}

pub(super) fn pipelined_handshake(stage: &Stage) -> Told {
    let mut socket = Socket::open(stage.plain).map_err(|e| e.to_string())?;
    let mut bytes = framed(&hello(60_000).to_bytes());
    bytes.extend(framed(&auth_frame("digest", "u:p").payload(-4, 0)));
    bytes.extend(framed(&Frame::of(&create(OpCode::Create, "/s46", 0)).payload(1, 0)));
    bytes.extend(framed(&Frame::of(&Request::Ping).payload(-2, 0)));
    socket.send(&bytes);
    let mut xids = Vec::new();
    for n in 0..4 {
        match socket.frame(PATIENCE) {
            Got::Frame(payload) if n == 0 => same!(payload.len(), 37),
            Got::Frame(payload) => {
                xids.push(i32::from_be_bytes([payload[0], payload[1], payload[2], payload[3]]))
            }
            other => return Err(format!("frame {n}: {other:?}")),
        }
    }
    same!(xids, [-4, 1, -2]);
    Ok(())
}

pub(super) fn expiry_is_silent(stage: &Stage) -> Told {
    // Long enough that it cannot expire before it has written, whatever the machine does.
    let timeout_ms = 10_000;
    let mut s = Talk::shake(stage.plain, &hello(timeout_ms))?.ok_or("closed")?;
    let mut other = stage.talk()?;
    let start = Instant::now();
    s.create("/s47", 1)?.ok()?;
    other.exists("/s47", true)?.ok()?;
    s.closed()?;
    if start.elapsed() < Duration::from_millis(timeout_ms as u64 - 100) {
        return Err(format!("expired after {:?}", start.elapsed()));
    }
    same!(other.heard()?, ["2 /s47"]);
    same!(s.renew()?.id, 0);
    Ok(())
}

pub(super) fn expired_session(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    // Requests behind the close of their own session get no success.
    let close = Frame::of(&Request::CloseSession);
    s.send(&[close, Frame::of(&create(OpCode::Create, "/s48", 0))]);
    s.reply(Some(OpCode::CloseSession))?.ok()?;
    while let Got::Frame(payload) = s.socket.frame(PATIENCE) {
        same!(&payload[12..16], &(-112_i32).to_be_bytes());
    }
    let mut other = stage.talk()?;
    other.call(Request::Sync { path: text("/") })?.ok()?;
    other.exists("/s48", false)?.fails(-101)
}
