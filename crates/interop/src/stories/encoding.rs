//! Bytes, paths and everything a client might send by mistake (reference: client-protocol §1, §4).

use super::talk::*;
use super::{Stage, same};
use crate::item::Frame;
use crate::patience::PATIENCE;
use crate::socket::{Socket, framed};
use wire::{Acl, MultiOp, OpCode, Request, Response};

pub(super) fn empty_path(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    same!(s.exists("", false)?.stat()?, s.exists("/", false)?.stat()?);
    same!(s.get("", false)?.stat()?.ctime, 0);
    let names = s.children("", false)?.names()?;
    same!(names.contains(&"zookeeper".to_owned()), true);
    s.exists("not/a//path", false)?.fails(-101)?;
    s.exists("/nul\0", false)?.fails(-8)
}

pub(super) fn null_and_empty(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    let with = |path, data: Option<&'static [u8]>| Request::Create {
        op: OpCode::Create,
        path: text(path),
        data: data.map(Into::into),
        acl: Some(vec![Acl::open()]),
        flags: 0,
        ttl: -1,
    };
    s.call(with("/s50-null", None))?.ok()?;
    s.call(with("/s50-empty", Some(b"")))?.ok()?;
    same!(s.get("/s50-null", false)?.data()?, None);
    same!(s.get("/s50-empty", false)?.data()?, Some(vec![]));
    s.call(Request::Delete { path: None, version: -1 })?.fails(-5)?;
    s.call(Request::GetData { path: None, watch: false })?.fails(-5)?;
    s.call(Request::SetData { path: None, data: None, version: -1 })?.fails(-8)?;
    s.call(Request::SetAcl { path: None, acl: Some(vec![Acl::open()]), version: -1 })?.fails(-8)?;
    s.call(create_as(OpCode::Create, "/s50", 0, None))?.fails(-114)?;
    s.call(create_as(OpCode::Create, "/s50", 0, Some(vec![])))?.fails(-114)?;
    let op =
        |acl| MultiOp::Create { op: OpCode::Create, path: text("/s50"), data: None, acl, flags: 0, ttl: -1 };
    s.multi(vec![op(None)])?.fails(-5)?;
    same!(s.multi(vec![op(Some(vec![]))])?.codes()?, [-114]);
    Ok(())
}

pub(super) fn bad_record(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    s.call_frame(Frame { xid: None, op: OpCode::GetData.code(), body: vec![0, 0, 0, 9, 1], relative: None })?
        .fails(-5)?;
    s.ping()?.ok()?;
    s.socket.send(&framed(&[0, 0, 0]));
    s.closed()?;
    let mut s = stage.talk()?;
    s.socket.send(&65537_i32.to_be_bytes());
    s.closed()
}

pub(super) fn check_alone(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    let reply = s.call(Request::Check { path: text("/"), version: -1 })?;
    reply.fails(-6)?;
    same!(reply.zxid, -1);
    s.closed()
}

pub(super) fn sync_any_path(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    for path in [Some("/"), Some("no path"), Some(""), None] {
        let reply = s.call(Request::Sync { path: path.map(Into::into) })?;
        same!(reply.response()?, Response::Path(path.map(Into::into)));
    }
    Ok(())
}

pub(super) fn no_emoji(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    for bad in ["/s61\u{1F600}", "/s61\u{e000}", "/s61\u{7f}", "/s61\u{1}", "/s61\u{fff0}", "/s61/.", "//s61"]
    {
        s.create(bad, 0)?.fails(if bad == "/s61/." { -101 } else { -8 })?;
    }
    s.create("/s61-日本ü...", 0)?.ok()
}

pub(super) fn all_children(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    s.make("/s62")?;
    let mut expected: Vec<String> = (0..50).map(|n| format!("n{n}")).collect();
    for name in &expected {
        s.make(&format!("/s62/{name}"))?;
    }
    expected.sort();
    same!(s.children("/s62", false)?.names()?, expected);
    Ok(())
}

pub(super) fn isro(stage: &Stage) -> Told {
    let mut socket = Socket::open(stage.plain).map_err(|e| e.to_string())?;
    socket.send(b"isro");
    same!(socket.text(PATIENCE), Some(b"rw".to_vec()));
    Ok(())
}

pub(super) fn no_surplus(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    // `response` insists on the exact length.
    s.make("/s65")?;
    s.set("/s65", "y")?.response()?;
    s.get("/s65", false)?.response()?;
    s.get_acl("/s65")?.response()?;
    s.children("/s65", false)?.response()?;
    s.call(Request::GetChildren { path: text("/s65"), watch: false })?.response()?;
    s.call(Request::GetEphemerals { prefix: None })?.response()?;
    s.call(Request::GetAllChildrenNumber { path: text("/") })?.response()?;
    s.call(Request::WhoAmI)?.response()?;
    s.multi(vec![])?.response()?;
    s.delete("/s65")?.response()?;
    s.ping()?.response()?;
    s.delete("/s65")?.fails(-101)
}

pub(super) fn config_node(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    let reply = s.get("/zookeeper/config", false)?;
    same!(reply.data()?, Some(vec![]));
    let stat = reply.stat()?;
    same!((stat.version, stat.aversion, stat.czxid), (0, -1, 0));
    s.set("/zookeeper/config", "x")?.fails(-102)
}
