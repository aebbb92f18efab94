//! Headers, xids and zxids (reference: client-protocol §3).

use super::talk::*;
use super::{Stage, same};
use crate::item::Frame;
use crate::patience::PATIENCE;
use crate::socket::Got;
use wire::{OpCode, Request, SetWatches};

pub(super) fn failing_write_takes_zxid(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    let before = s.ping()?.zxid;
    let reply = s.delete("/s4-none")?;
    reply.fails(-101)?;
    same!(reply.zxid, before + 1);
    same!(s.multi(vec![op_delete("/s4-none")])?.zxid, before + 2);
    // A record that cannot be decoded takes none, a multi that cannot be decoded does.
    let bad = |op: OpCode| Frame { xid: None, op: op.code(), body: vec![0, 0], relative: None };
    s.call_frame(bad(OpCode::Delete))?.fails(-5)?;
    same!(s.ping()?.zxid, before + 2);
    s.call_frame(bad(OpCode::Multi))?.fails(-5)?;
    same!(s.ping()?.zxid, before + 3);
    Ok(())
}

pub(super) fn reply_zxid_is_last_applied(stage: &Stage) -> Told {
    let (mut s, mut other) = (stage.talk()?, stage.talk()?);
    let stat = other.make("/s5")?;
    same!(s.exists("/s5-none", false)?.zxid, stat.czxid);
    same!(s.get("/", false)?.zxid, stat.czxid);
    same!(s.ping()?.zxid, stat.czxid);
    Ok(())
}

pub(super) fn odd_zxids(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    same!(s.auth("digest", "u:p")?.zxid, 0);
    let sasl = s.call(Request::Sasl { token: Some(vec![1, 2].into()) })?;
    same!((sasl.zxid, sasl.err), (0, 0));
    same!(sasl.body, [255; 4]);
    let unknown = s.call_frame(Frame { xid: None, op: 500, body: vec![], relative: None })?;
    unknown.fails(-6)?;
    same!(unknown.zxid, -1);
    s.closed()
}

pub(super) fn ping_xid(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    for xid in [77, 0, -5] {
        same!(s.call_frame(Frame { xid: Some(xid), ..Frame::of(&Request::Ping) })?.xid, -2);
    }
    Ok(())
}

/// Apache's auth reply may overtake; ours never does.
pub(super) fn auth_behind_writes(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    let mut frames: Vec<Frame> =
        (0..20).map(|n| Frame::of(&create(OpCode::Create, &format!("/s8-{n}"), 0))).collect();
    frames.push(auth_frame("digest", "u:p"));
    s.send(&frames);
    let mut xids = Vec::new();
    for _ in 0..21 {
        xids.push(s.reply(Some(OpCode::Create))?.xid);
    }
    let mut writes = xids.clone();
    writes.retain(|xid| *xid != -4);
    same!(writes, (1..=20).collect::<Vec<i32>>());
    if !stage.apache {
        same!(xids.last(), Some(&-4));
    }
    Ok(())
}

pub(super) fn ordinary_xids(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    let auth = Frame { xid: Some(7), ..auth_frame("digest", "u:p") };
    same!(s.call_frame(auth)?.xid, 7);
    let lists =
        SetWatches { data: Some(vec![]), exist: Some(vec![]), child: Some(vec![]), ..SetWatches::default() };
    let watches = Frame { xid: Some(8), ..Frame::of(&Request::SetWatches(lists)) };
    same!(s.call_frame(watches)?.xid, 8);
    Ok(())
}

pub(super) fn writes_survive(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    let mut frames: Vec<Frame> =
        (0..30).map(|n| Frame::of(&create(OpCode::Create, &format!("/s67-{n}"), 0))).collect();
    frames.push(Frame { xid: None, op: 500, body: vec![], relative: None });
    s.send(&frames);
    let mut replies = 0;
    while let Got::Frame(_) = s.socket.frame(PATIENCE) {
        replies += 1;
    }
    if !stage.apache {
        same!(replies, 31);
    }
    let mut other = stage.talk()?;
    other.call(Request::Sync { path: text("/") })?.ok()?;
    for n in 0..30 {
        other.exists(&format!("/s67-{n}"), false)?.ok()?;
    }
    Ok(())
}
