//! Who may do what (reference: client-protocol §4.1, §4.6).

use super::talk::*;
use super::{Stage, same};
use wire::{Acl, MultiOp, OpCode, Request};

fn world(perms: i32) -> Vec<Acl<'static>> {
    vec![Acl::new(perms, "world", "anyone")]
}

pub(super) fn only_aversion(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    let before = s.make("/s14")?;
    s.get("/s14", true)?.ok()?;
    let after = s.set_acl("/s14", &world(31))?.stat()?;
    same!(after, wire::Stat { aversion: 1, ..before });
    same!(s.heard()?, Vec::<String>::new());
    Ok(())
}

pub(super) fn version_is_aversion(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    s.make("/s15")?;
    s.set("/s15", "a")?.ok()?;
    let set = |version| Request::SetAcl { path: text("/s15"), acl: Some(world(31)), version };
    s.call(set(1))?.fails(-103)?;
    s.call(set(0))?.ok()
}

pub(super) fn bad_acl_first(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    s.set_acl("/s16-none", &[Acl::new(31, "world", "someone")])?.fails(-114)?;
    s.set_acl("/s16-none", &[])?.fails(-114)?;
    s.set_acl("/s16-none", &world(31))?.fails(-101)
}

pub(super) fn delete_is_the_parents(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    s.make("/s19")?;
    s.call(create_as(OpCode::Create, "/s19/shut", 0, Some(world(0))))?.ok()?;
    s.get("/s19/shut", false)?.fails(-102)?;
    s.delete("/s19/shut")?.ok()?;
    s.make("/s19/open")?;
    s.set_acl("/s19", &world(31 & !8))?.ok()?;
    s.delete("/s19/open")?.fails(-102)
}

pub(super) fn delete_errors(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    s.delete("/s20/none")?.fails(-101)?;
    s.make("/s20")?;
    s.make("/s20/a")?;
    s.make("/s20/a/b")?;
    let delete = |version| Request::Delete { path: text("/s20/a"), version };
    s.call(delete(9))?.fails(-103)?;
    s.call(delete(0))?.fails(-111)?;
    s.delete("/s20/none")?.fails(-101)?;
    s.set_acl("/s20", &world(1))?.ok()?;
    s.delete("/s20/none")?.fails(-102)?;
    s.call(delete(9))?.fails(-102)
}

pub(super) fn exists_needs_read(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    s.call(create_as(OpCode::Create, "/s29", 0, Some(world(2))))?.ok()?;
    s.exists("/s29", true)?.fails(-102)?;
    s.set("/s29", "b")?.ok()?;
    same!(s.heard()?, Vec::<String>::new());
    Ok(())
}

pub(super) fn reconfig(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    let request = Request::Reconfig { joining: None, leaving: None, new_members: text("x"), config_id: -1 };
    s.call(request)?.fails(-123)?;
    s.ping()?.ok()
}

pub(super) fn masked(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    s.auth("digest", "u1:p1")?.ok()?;
    let mine = Acl::new(31, "auth", "");
    s.call(create_as(OpCode::Create, "/s59", 0, Some(vec![mine, Acl::new(1, "world", "anyone")])))?.ok()?;
    let full = s.get_acl("/s59")?.acl()?;
    same!(full[0], Acl::new(31, "digest", "u1:fpT/y03U+EjItKZOSLGvjnJlyng="));
    let seen = stage.talk()?.get_acl("/s59")?.acl()?;
    same!(seen, vec![Acl::new(31, "digest", "u1:x"), Acl::new(1, "world", "anyone")]);
    Ok(())
}

pub(super) fn auth_expands(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    s.call(create_as(OpCode::Create, "/s60", 0, Some(vec![Acl::new(31, "auth", "")])))?.fails(-114)?;
    s.auth("ip", "")?.ok()?;
    s.call(create_as(OpCode::Create, "/s60", 0, Some(vec![Acl::new(31, "auth", "")])))?.fails(-114)?;
    s.auth("digest", "u1:p1")?.ok()?;
    s.auth("digest", "u2:p2")?.ok()?;
    s.call(create_as(OpCode::Create, "/s60", 0, Some(vec![Acl::new(15 | 16, "auth", "any")])))?.ok()?;
    let mut ids: Vec<String> =
        s.get_acl("/s60")?.acl()?.into_iter().filter_map(|acl| acl.id.id).map(Into::into).collect();
    ids.sort();
    same!(ids, ["u1:fpT/y03U+EjItKZOSLGvjnJlyng=", "u2:o9NxcCGDPOlcV7JVhmKHOf5ctVE="]);
    // Inside a multi as well.
    let op = MultiOp::Create {
        op: OpCode::Create,
        path: text("/s60/a"),
        data: None,
        acl: Some(vec![Acl::new(1, "auth", "")]),
        flags: 0,
        ttl: -1,
    };
    s.multi(vec![op])?.results()?;
    same!(s.get_acl("/s60/a")?.acl()?.len(), 2);
    Ok(())
}

pub(super) fn ip_identity(stage: &Stage) -> Told {
    let mut s = stage.talk()?;
    let only = |id: &'static str| Some(vec![Acl::new(31, "ip", id)]);
    for (path, id) in [("/s68-a", "127.0.0.1"), ("/s68-b", "127.0.0.0/8"), ("/s68-c", "0.0.0.0/0")] {
        s.call(create_as(OpCode::Create, path, 0, only(id)))?.ok()?;
        s.get(path, false)?.ok()?;
    }
    for (path, id) in [("/s68-d", "10.0.0.0/8"), ("/s68-e", "::1"), ("/s68-f", "::/0")] {
        s.call(create_as(OpCode::Create, path, 0, only(id)))?.ok()?;
        s.get(path, false)?.fails(-102)?;
    }
    let who = s.call(Request::WhoAmI)?;
    let wire::Response::WhoAmI(Some(infos)) = who.response()? else { return Err("no whoAmI".to_owned()) };
    same!(infos.len(), 1);
    same!((infos[0].scheme.as_deref(), infos[0].user.as_deref()), (Some("ip"), Some("127.0.0.1")));
    Ok(())
}
