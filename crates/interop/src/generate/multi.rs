//! multi and multiRead, right, failing and malformed.

use super::{acl, names};
use crate::item::Frame;
use crate::rng::Rng;
use wire::{OpCode, Writer};

/// A multi. Malformed ones make up a tenth.
pub(super) fn multi(rng: &mut Rng) -> Frame {
    let count = match rng.below(10) {
        0 => 0,
        1..8 => rng.between(1, 5),
        8 => rng.between(5, 20),
        _ => rng.between(20, 60),
    };
    list(rng, OpCode::Multi, count, write_op)
}

/// A multiRead.
pub(super) fn multi_read(rng: &mut Rng) -> Frame {
    let count = rng.between(0, 6);
    list(rng, OpCode::MultiRead, count, read_op)
}

fn list(rng: &mut Rng, op: OpCode, count: i64, part: fn(&mut Rng, &mut Writer<'_>)) -> Frame {
    let odd = rng.percent(8).then(|| rng.between(0, count));
    let mut body = Vec::new();
    for n in 0..count {
        if odd == Some(n) {
            odd_op(rng, &mut Writer::new(&mut body));
        }
        part(rng, &mut Writer::new(&mut body));
    }
    let mut w = Writer::new(&mut body);
    match rng.below(40) {
        // The terminator's type and error are not looked at; its absence is.
        0 => head(&mut w, 7, true, 3),
        1 => {}
        _ => head(&mut w, -1, true, -1),
    }
    Frame { xid: None, op: op.code(), body, relative: None }
}

fn head(w: &mut Writer<'_>, op: i32, done: bool, err: i32) {
    w.int(op);
    w.bool(done);
    w.int(err);
}

fn path(rng: &mut Rng, w: &mut Writer<'_>) {
    let path = names::any(rng);
    w.buffer(path.as_deref());
}

fn write_op(rng: &mut Rng, w: &mut Writer<'_>) {
    match rng.below(10) {
        0..4 => create(rng, w),
        4..6 => {
            head(w, OpCode::Delete.code(), false, -1);
            path(rng, w);
            w.int(names::version(rng));
        }
        6..8 => {
            head(w, OpCode::SetData.code(), false, -1);
            path(rng, w);
            w.buffer(names::data(rng).as_deref());
            w.int(names::version(rng));
        }
        _ => {
            head(w, OpCode::Check.code(), false, -1);
            path(rng, w);
            w.int(names::version(rng));
        }
    }
}

fn create(rng: &mut Rng, w: &mut Writer<'_>) {
    let kind = rng.below(12);
    let (op, flags, path) = match kind {
        0 => (OpCode::CreateContainer, 4, Some(names::collected(rng).into_bytes())),
        1 => (*rng.pick(&[OpCode::Create, OpCode::Create2]), 4, Some(names::collected(rng).into_bytes())),
        2 => (OpCode::CreateTtl, *rng.pick(&[5, 6]), Some(names::collected(rng).into_bytes())),
        3 => (OpCode::CreateTtl, rng.between(0, 3) as i32, names::any(rng)),
        4..7 => (OpCode::Create2, rng.between(0, 3) as i32, names::any(rng)),
        _ => (OpCode::Create, rng.between(0, 3) as i32, names::any(rng)),
    };
    head(w, op.code(), false, -1);
    w.buffer(path.as_deref());
    w.buffer(names::data(rng).as_deref());
    let list = loop {
        // A null list fails the whole request; `odd_op` has that.
        if let Some(list) = acl::any(rng) {
            break list;
        }
    };
    w.vector(Some(&list), |w, entry| w.record(entry));
    w.int(flags);
    if op == OpCode::CreateTtl {
        w.long(*rng.pick(&[1, 1000, 3_600_000, 1 << 40, (1 << 40) - 1, 0, 500_000]));
    }
}

fn read_op(rng: &mut Rng, w: &mut Writer<'_>) {
    head(w, if rng.percent(50) { OpCode::GetData } else { OpCode::GetChildren }.code(), false, -1);
    w.buffer(Some(names::likely(rng).as_bytes()));
    w.bool(rng.percent(30));
}

/// Something that spoils the whole request.
fn odd_op(rng: &mut Rng, w: &mut Writer<'_>) {
    match rng.below(6) {
        0 => {
            head(w, *rng.pick(&[3, 6, 7, 9, 12, 14, 16, 20, 22, 100, 500, 0, -1]), false, -1);
            path(rng, w);
            w.int(1);
        }
        1 => {
            head(w, 1, false, -1);
            w.buffer(Some(b"/a"));
            w.buffer(None);
            w.int(-1);
            w.int(0);
        }
        2 => {
            head(w, *rng.pick(&[1, 15, 19]), false, -1);
            w.buffer(Some(b"/a"));
            w.buffer(None);
            w.vector(Some(&[wire::Acl::open()]), |w, entry| w.record(entry));
            w.int(*rng.pick(&[5, 6, 7, -1, 100]));
        }
        3 => {
            head(w, *rng.pick(&[2, 13]), false, -1);
            w.buffer(None);
            w.int(-1);
        }
        4 => read_op(rng, w),
        _ => write_op(rng, w),
    }
}
