//! multi and multiRead (reference: client-protocol §5).

use super::talk::*;
use super::{Stage, same};
use wire::{MultiOp, MultiResult, OpCode, Request};

pub(super) fn header_err_is_zero(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    let reply = s.multi(vec![op_delete("/s1-none")])?;
    same!(reply.err, 0);
    same!(reply.codes()?, [-101]);
    Ok(())
}

pub(super) fn codes_around_the_failure(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    let ops =
        vec![op_create(OpCode::Create, "/s2", 0), op_check("/", -1), op_check("/s2", 9), op_delete("/s2")];
    same!(s.multi(ops)?.codes()?, [0, 0, -103, -2]);
    s.exists("/s2", false)?.fails(-101)
}

pub(super) fn tagged_fifteen(stage: &Stage) -> Told {
    let mut s = stage.talk_extended()?;
    let ops = vec![
        op_create(OpCode::Create, "/s3", 0),
        op_create(OpCode::Create2, "/s3/b", 0),
        op_create(OpCode::CreateContainer, "/s3/c", 4),
        op_create(OpCode::CreateTtl, "/s3/d", 5),
    ];
    let reply = s.multi(ops)?;
    let tags: Vec<i32> = reply
        .results()?
        .iter()
        .map(|result| match result {
            MultiResult::Create { .. } => 1,
            MultiResult::Create2 { .. } => 15,
            _ => 0,
        })
        .collect();
    same!(tags, [1, 15, 15, 15]);
    Ok(())
}

pub(super) fn multi_read(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    s.make("/s54")?;
    // The watch byte of the record is true here: the body is written by hand.
    let mut body = Vec::new();
    let mut w = wire::Writer::new(&mut body);
    w.int(4);
    w.bool(false);
    w.int(-1);
    w.text("/s54");
    w.bool(true);
    w.int(-1);
    w.bool(true);
    w.int(-1);
    let frame = crate::item::Frame { xid: None, op: OpCode::MultiRead.code(), body, relative: None };
    let reply = s.call_frame(frame)?;
    same!(reply.results()?.len(), 1);
    s.set("/s54", "y")?.ok()?;
    same!(s.heard()?, Vec::<String>::new());
    let missing =
        vec![MultiOp::GetData { path: text("/s54-none") }, MultiOp::GetChildren { path: text("/s54") }];
    let reply = s.call(Request::MultiRead { ops: missing })?;
    same!(reply.err, 0);
    same!(reply.results()?.len(), 2);
    let reply = s.call(Request::MultiRead { ops: vec![op_check("/s54", -1)] })?;
    same!(reply.err, -5);
    if !stage.apache {
        same!(reply.body.len(), 0);
    }
    Ok(())
}

pub(super) fn one_zxid(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    s.make("/s58")?;
    let ops = vec![
        op_create(OpCode::Create2, "/s58/a", 0),
        op_create(OpCode::Create2, "/s58/b", 0),
        op_set("/s58/a"),
    ];
    let reply = s.multi(ops)?;
    same!(reply.results()?.len(), 3);
    let (a, b, parent) = (
        s.exists("/s58/a", false)?.stat()?,
        s.exists("/s58/b", false)?.stat()?,
        s.exists("/s58", false)?.stat()?,
    );
    same!([a.mzxid, b.czxid, parent.pzxid], [a.czxid; 3]);
    same!((a.version, parent.cversion), (1, 2));
    Ok(())
}
