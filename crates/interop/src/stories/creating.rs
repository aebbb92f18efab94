//! Creating, counting, removing; quotas (reference: client-protocol §4.3, §4.4, §6, §9).

use super::talk::*;
use super::{Stage, same};
use crate::patience::PATIENCE;
use std::thread::sleep;
use std::time::{Duration, Instant};
use wire::{Acl, MultiOp, OpCode, Request};

pub(super) fn cversion(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    let parent = s.make("/s11")?;
    same!(parent.cversion, 0);
    s.make("/s11/a")?;
    s.make("/s11/b")?;
    same!(s.exists("/s11", false)?.stat()?.cversion, 2);
    s.delete("/s11/a")?.ok()?;
    let stat = s.exists("/s11", false)?.stat()?;
    same!((stat.cversion, stat.num_children), (3, 1));
    same!(s.exists("/zookeeper", false)?.stat()?.cversion, -2);
    Ok(())
}

pub(super) fn sequence(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    s.make("/s12")?;
    same!(s.create("/s12/a-", 2)?.path()?, "/s12/a-0000000000");
    s.make("/s12/plain")?;
    same!(s.create("/s12/b-", 3)?.path()?, "/s12/b-0000000002");
    same!(s.create("/s12/a-", 2)?.path()?, "/s12/a-0000000003");
    Ok(())
}

pub(super) fn deletion_and_sequence(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    s.make("/s13")?;
    let first = s.create("/s13/n", 2)?.path()?;
    s.delete(&first)?.ok()?;
    same!(s.exists("/s13", false)?.stat()?.cversion, 2);
    same!(s.create("/s13/n", 2)?.path()?, "/s13/n0000000001");
    Ok(())
}

pub(super) fn parent_first(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    s.create("x/y", 0)?.fails(-101)?;
    s.create("/s17-none/", 0)?.fails(-101)?;
    s.create("/s17-none/a//b", 0)?.fails(-101)?;
    s.create("x", 0)?.fails(-8)?;
    let closed = vec![Acl::new(1, "world", "anyone")];
    s.call(create_as(OpCode::Create, "/s17", 0, Some(closed)))?.ok()?;
    s.create("/s17/", 0)?.fails(-102)
}

pub(super) fn order_of_errors(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    s.create("/s18", 1)?.ok()?;
    s.create("/s18/a", 0)?.fails(-108)?;
    s.create("/s18", 0)?.fails(-110)?;
    s.create("/", 0)?.fails(-110)?;
    s.make("/s18-p")?;
    s.make("/s18-p/a")?;
    s.set_acl("/s18-p", &[Acl::new(1, "world", "anyone")])?.ok()?;
    s.create("/s18-p/a", 0)?.fails(-102)?;
    // An ephemeral parent that nobody may create in.
    s.create("/s18-e", 1)?.ok()?;
    s.set_acl("/s18-e", &[Acl::new(1, "world", "anyone")])?.ok()?;
    s.create("/s18-e/a", 0)?.fails(-102)
}

pub(super) fn slash_sequential(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    s.make("/s21")?;
    same!(s.create("/s21/", 2)?.path()?, "/s21/0000000000");
    let top = s.create("/", 2)?.path()?;
    same!(top.len(), 11);
    s.create("/s21/", 0)?.fails(-8)
}

pub(super) fn no_owner(stage: &Stage) -> Told {
    let mut s = stage.talk_extended()?;
    s.call(create(OpCode::CreateContainer, "/s22-c", 4))?.ok()?;
    s.call(ttl("/s22-t", 5, 60_000))?.ok()?;
    s.create("/s22-e", 1)?.ok()?;
    let mut owner = |path| s.exists(path, false)?.stat().map(|stat| stat.ephemeral_owner);
    let owners = [owner("/s22-c")?, owner("/s22-t")?, owner("/s22-e")?];
    same!(owners, [0, 0, s.id]);
    Ok(())
}

pub(super) fn container_by_op(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    let by = [
        ("/s23-plain", create(OpCode::Create, "/s23-plain", 4)),
        ("/s23-op", create(OpCode::CreateContainer, "/s23-op", 0)),
        ("/s23-flags", create(OpCode::CreateContainer, "/s23-flags", 1)),
    ];
    for (path, request) in by {
        s.call(request)?.ok()?;
        s.make(&format!("{path}/child"))?;
    }
    s.multi(vec![op_create(OpCode::Create, "/s23-multi", 4)])?.results()?;
    s.make("/s23-multi/child")?;
    let paths = ["/s23-op", "/s23-flags", "/s23-multi", "/s23-plain"];
    for path in paths {
        s.delete(&format!("{path}/child"))?.ok()?;
    }
    for path in &paths[..3] {
        gone(&mut s, path)?;
    }
    sleep(Duration::from_millis(700));
    s.exists("/s23-plain", false)?.ok()
}

pub(super) fn ttl_flags(stage: &Stage) -> Told {
    let (mut plain, mut extended) = (stage.talk()?, stage.talk_extended()?);
    for op in [OpCode::Create, OpCode::Create2, OpCode::CreateContainer] {
        plain.call(create(op, "/s24", 5))?.fails(-6)?;
        extended.call(create(op, "/s24", 5))?.fails(-8)?;
    }
    plain.call(ttl("/s24", 5, 1000))?.fails(-6)?;
    extended.call(ttl("/s24", 5, 0))?.fails(-8)?;
    extended.call(ttl("/s24", 5, 1 << 40))?.fails(-8)?;
    extended.call(ttl("/s24", 0, 1000))?.fails(-8)?;
    if !stage.apache {
        // This one ends Apache.
        extended.call(ttl("/s24", 0, -1))?.fails(-8)?;
    }
    plain.exists("/s24", false)?.fails(-101)?;
    extended.exists("/s24", false)?.fails(-101)
}

pub(super) fn ttl_from_mtime(stage: &Stage) -> Told {
    let mut s = stage.talk_extended()?;
    s.multi(vec![op_ttl("/s25-child", 500), op_create(OpCode::Create, "/s25-child/a", 0)])?.results()?;
    let written = write_before_the_end(&mut s, "/s25-set", Duration::from_millis(1500))?;
    s.exists("/s25-child", false)?.ok()?;
    gone(&mut s, "/s25-set")?;
    let (lived, ttl) = (written.0.elapsed(), written.1);
    if lived + Duration::from_millis(100) < ttl {
        return Err(format!("/s25-set was gone {lived:?} after it was written, with a ttl of {ttl:?}"));
    }
    s.delete("/s25-child/a")?.ok()?;
    gone(&mut s, "/s25-child")
}

/// Makes a node and writes it when two thirds of its time are over; says when, and how long it may live. The machine may have
/// slept over its end: then the next one may live longer.
fn write_before_the_end(s: &mut Talk, path: &str, ttl_first: Duration) -> Told<(Instant, Duration)> {
    let mut length = ttl_first;
    loop {
        let made = Instant::now();
        s.call(ttl(path, 5, length.as_millis() as i64))?.ok()?;
        sleep(length * 2 / 3);
        let written = Instant::now();
        let reply = s.set(path, "again")?;
        if reply.err == 0 || made.elapsed() < length {
            reply.ok()?;
            return Ok((written, length));
        }
        length *= 2;
    }
}

pub(super) fn unused_container(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    s.call(create(OpCode::CreateContainer, "/s26", 4))?.ok()?;
    sleep(Duration::from_millis(1000));
    s.exists("/s26", false)?.ok()?;
    s.make("/s26/a")?;
    s.exists("/s26", true)?.ok()?;
    s.delete("/s26/a")?.ok()?;
    gone(&mut s, "/s26")?;
    same!(s.heard()?, ["2 /s26"]);
    Ok(())
}

/// Waits for a sweep to remove a node.
fn gone(s: &mut Talk, path: &str) -> Told {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if s.exists(path, false)?.err == -101 {
            return Ok(());
        }
        sleep(Duration::from_millis(50));
    }
    Err(format!("{path} is still there"))
}

fn op_ttl(path: &str, ttl: i64) -> MultiOp<'static> {
    let acl = Some(vec![Acl::open()]);
    MultiOp::Create { op: OpCode::CreateTtl, path: text(path), data: None, acl, flags: 5, ttl }
}

fn ttl(path: &str, flags: i32, ttl: i64) -> Request<'static> {
    let acl = Some(vec![Acl::open()]);
    Request::Create { op: OpCode::CreateTtl, path: text(path), data: None, acl, flags, ttl }
}

pub(super) fn delete_container(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    s.call(create_as(OpCode::Create, "/s53", 0, Some(vec![Acl::new(1, "world", "anyone")])))?.ok()?;
    let reply = s.call(Request::DeleteContainer { path: text("/s53") })?;
    let mut other = stage.talk()?;
    if stage.apache {
        reply.ok()?;
        other.exists("/s53", false)?.fails(-101)
    } else {
        same!(reply.err, -6);
        other.exists("/s53", false)?.ok()
    }
}

/// Puts a quota on `path` and returns the path of its usage.
fn quota(s: &mut Talk, path: &str, limits: &str) -> Told<String> {
    let node = format!("/zookeeper/quota{path}");
    s.make(&node)?;
    let with = |path: String, data: &str| Request::Create {
        op: OpCode::Create,
        path: Some(path.into()),
        data: Some(data.as_bytes().to_vec().into()),
        acl: Some(vec![Acl::open()]),
        flags: 0,
        ttl: -1,
    };
    s.call(with(format!("{node}/zookeeper_limits"), limits))?.ok()?;
    let stats = format!("{node}/zookeeper_stats");
    s.call(with(stats.clone(), "count=0,bytes=0"))?.ok()?;
    Ok(stats)
}

pub(super) fn quota_usage(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    s.make("/s38")?;
    let stats = quota(&mut s, "/s38", "count=5,bytes=100")?;
    let usage = |s: &mut Talk| -> Told<(String, wire::Stat)> {
        let reply = s.get(&stats, true)?;
        Ok((String::from_utf8_lossy(&reply.data()?.unwrap_or_default()).into_owned(), reply.stat()?))
    };
    let (text, before) = usage(&mut s)?;
    same!(text, "count=1,bytes=1");
    s.make("/s38/a")?;
    s.set("/s38", "12345678901")?.ok()?;
    let (text, after) = usage(&mut s)?;
    same!(text, "count=2,bytes=12");
    same!((after.version, after.mzxid, after.mtime), (before.version, before.mzxid, before.mtime));
    same!(after.data_length, 16);
    same!(s.heard()?, Vec::<String>::new());
    Ok(())
}

pub(super) fn quota_overshoot(stage: &Stage) -> Told {
    let mut s = stage.talk_extended()?;
    s.make("/s39")?;
    quota(&mut s, "/s39", "count=-1,bytes=-1=;byteHardLimit=10;countHardLimit=3")?;
    let ops = (0..5).map(|n| op_create(OpCode::Create, &format!("/s39/{n}"), 0)).collect();
    same!(s.multi(ops)?.results()?.len(), 5);
    s.create("/s39/more", 0)?.fails(-125)?;
    let set = |version| Request::SetData { path: text("/s39"), data: Some(vec![0; 50].into()), version };
    s.call(set(99))?.fails(-125)?;
    let small = Request::SetData { path: text("/s39"), data: Some(vec![0; 2].into()), version: 99 };
    s.call(small)?.fails(-103)
}

pub(super) fn quota_default(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    s.make("/s40")?;
    quota(&mut s, "/s40", "count=-1,bytes=-1=;byteHardLimit=1;countHardLimit=1")?;
    s.make("/s40/a")?;
    s.set("/s40", "much more")?.ok()
}
