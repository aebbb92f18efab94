//! Watches and their events (reference: client-protocol §7).

use super::talk::*;
use super::{Stage, same};
use crate::item::Frame;
use wire::{Acl, OpCode, Request, SetWatches};

fn paths(list: &[&'static str]) -> Option<Vec<wire::Ustring<'static>>> {
    Some(list.iter().map(|path| Some((*path).into())).collect())
}

fn set_watches(
    relative_zxid: i64,
    data: &[&'static str],
    exist: &[&'static str],
    child: &[&'static str],
) -> SetWatches<'static> {
    let (data, exist, child) = (paths(data), paths(exist), paths(child));
    SetWatches { relative_zxid, data, exist, child, persistent: paths(&[]), persistent_recursive: paths(&[]) }
}

fn send_watches(s: &mut Talk, lists: SetWatches<'static>) -> Told<Reply> {
    s.call_frame(Frame { xid: Some(wire::SET_WATCHES_XID), ..Frame::of(&Request::SetWatches2(lists)) })
}

pub(super) fn bodies(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    same!(s.add_watch("/s9", 0)?.body, [0, 0, 0, 0]);
    let remove = s.call(Request::RemoveWatches { path: text("/s9"), watch_type: 4 })?;
    same!((remove.err, remove.body.len()), (0, 0));
    let again = s.call(Request::RemoveWatches { path: text("/s9"), watch_type: 3 })?;
    again.fails(-121)?;
    same!(send_watches(&mut s, set_watches(0, &[], &[], &[]))?.body.len(), 0);
    s.add_watch("/s9", 2)?.fails(-5)
}

pub(super) fn list_order(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    let zxid = s.make("/s10")?.czxid;
    s.set("/s10", "y")?.ok()?;
    s.make("/s10/a")?;
    send_watches(&mut s, set_watches(zxid, &["/s10"], &[], &[]))?.ok()?;
    same!(s.heard()?, ["3 /s10"]);
    send_watches(&mut s, set_watches(zxid, &[], &["/s10"], &[]))?.ok()?;
    same!(s.heard()?, ["1 /s10"]);
    send_watches(&mut s, set_watches(zxid, &[], &[], &["/s10"]))?.ok()?;
    same!(s.heard()?, ["4 /s10"]);
    Ok(())
}

pub(super) fn exists_watches_nothing(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    s.exists("/s27", true)?.fails(-101)?;
    s.get("/s27-data", true)?.fails(-101)?;
    s.children("/s27-data", true)?.fails(-101)?;
    s.make("/s27")?;
    s.make("/s27-data")?;
    same!(s.heard()?, ["1 /s27"]);
    Ok(())
}

pub(super) fn filtered_event(stage: &Stage) -> Told {
    let (mut s, mut owner) = (stage.talk()?, stage.talk()?);
    owner.make("/s30")?;
    s.get("/s30", true)?.ok()?;
    owner.auth("digest", "u1:p1")?.ok()?;
    owner.set_acl("/s30", &[Acl::new(31, "auth", "")])?.ok()?;
    owner.set("/s30", "secret")?.ok()?;
    owner.set_acl("/s30", &[Acl::open()])?.ok()?;
    owner.set("/s30", "open")?.ok()?;
    same!(s.heard()?, Vec::<String>::new());
    Ok(())
}

pub(super) fn one_deleted(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    s.make("/s31")?;
    s.get("/s31", true)?.ok()?;
    s.exists("/s31", true)?.ok()?;
    s.children("/s31", true)?.ok()?;
    s.delete("/s31")?.ok()?;
    same!(s.heard()?, ["2 /s31"]);
    s.make("/s31")?;
    same!(s.heard()?, Vec::<String>::new());
    Ok(())
}

pub(super) fn recursive_without_children(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    s.make("/s32")?;
    s.add_watch("/s32", 1)?.ok()?;
    s.make("/s32/a")?;
    s.make("/s32/a/b")?;
    s.set("/s32/a/b", "y")?.ok()?;
    s.delete("/s32/a/b")?.ok()?;
    same!(s.heard()?, ["1 /s32/a", "1 /s32/a/b", "3 /s32/a/b", "2 /s32/a/b"]);
    s.children("/s32", true)?.ok()?;
    s.make("/s32/c")?;
    same!(s.heard()?, ["1 /s32/c", "4 /s32"]);
    Ok(())
}

pub(super) fn exist_list(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    s.make("/s33")?;
    let newest = s.ping()?.zxid;
    send_watches(&mut s, set_watches(newest, &[], &["/s33", "/s33-none"], &[]))?.ok()?;
    same!(s.heard()?, ["1 /s33"]);
    s.make("/s33-none")?;
    same!(s.heard()?, ["1 /s33-none"]);
    Ok(())
}

pub(super) fn no_catch_up(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    s.make("/s34")?;
    let lists = SetWatches {
        persistent: paths(&["/s34"]),
        persistent_recursive: paths(&["/s34"]),
        ..set_watches(0, &[], &[], &[])
    };
    send_watches(&mut s, lists)?.ok()?;
    same!(s.heard()?, Vec::<String>::new());
    s.set("/s34", "y")?.ok()?;
    s.set("/s34", "z")?.ok()?;
    same!(s.heard()?, ["3 /s34", "3 /s34"]);
    Ok(())
}

pub(super) fn set_watches_events(stage: &Stage) -> Told {
    let (mut s, mut owner) = (stage.talk()?, stage.talk()?);
    owner.auth("digest", "u1:p1")?.ok()?;
    owner.call(create_as(OpCode::Create, "/s35", 0, Some(vec![Acl::new(31, "auth", "")])))?.ok()?;
    s.get("/s35", false)?.fails(-102)?;
    send_watches(&mut s, set_watches(0, &["/s35", "/s35-none"], &[], &["/s35-none"]))?.ok()?;
    // They came before the reply, since reading the reply has found them. Ours keeps quiet about what may not be read.
    let all = [(3, "/s35".to_owned(), -1), (2, "/s35-none".to_owned(), -1), (2, "/s35-none".to_owned(), -1)];
    let expected = if stage.apache { &all[..] } else { &all[1..] };
    same!(&s.events[..], expected);
    Ok(())
}

pub(super) fn set_watches_xid(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    let watches = Frame { xid: Some(-8), ..Frame::of(&Request::SetWatches(set_watches(0, &[], &[], &[]))) };
    s.send(&[Frame::of(&create(OpCode::Create, "/s36", 0)), watches, Frame::of(&Request::WhoAmI)]);
    let xids = [s.reply(None)?.xid, s.reply(None)?.xid, s.reply(None)?.xid];
    same!(xids, [1, -8, 3]);
    Ok(())
}

pub(super) fn event_first(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    s.exists("/s37", true)?.fails(-101)?;
    let stat = s.make("/s37")?;
    same!(s.events, [(1, "/s37".to_owned(), stat.czxid)]);
    Ok(())
}
