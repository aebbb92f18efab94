//! The same requests to each server, so that its figures have something to tell.

use crate::item::Frame;
use crate::stories::talk::{Talk, Told, create, op_create, op_set, text};
use std::net::SocketAddr;
use wire::{Acl, MultiOp, OpCode, Request};

/// So many writes that a digest is kept for `hash`.
const WRITES: usize = 120;

/// They say nothing more while every word is asked, on a machine of any speed.
const LONG_MS: i32 = 400_000;

/// The clients that stay connected.
#[derive(Default)]
pub(super) struct Clients {
    talks: Vec<Talk>,
}

impl Clients {
    /// Session ids, in the order in which they were opened.
    pub(super) fn sessions(&self) -> Vec<i64> {
        self.talks.iter().map(|talk| talk.id).collect()
    }

    /// Their ports, in the same order.
    pub(super) fn ports(&self) -> Vec<u16> {
        self.talks.iter().map(|talk| talk.socket.local_port()).collect()
    }

    /// Two clients that do a bit of everything, and a third that has come and gone.
    pub(super) fn work(address: SocketAddr) -> Told<Clients> {
        let mut a = Talk::shake(address, &crate::stories::talk::hello(LONG_MS))?.ok_or("no session")?;
        let mut b =
            Talk::shake(address, &crate::stories::talk::hello(LONG_MS - 100_000))?.ok_or("no session")?;
        nodes_and_watches(&mut a, &mut b)?;
        refusals(&mut a)?;
        reads_of_every_kind(&mut a)?;
        quotas(&mut a)?;
        let ops = vec![op_create(OpCode::Create, "/m", 0), op_set("/m")];
        a.multi(ops)?.ok()?;
        let mut c = Talk::new(address)?;
        c.create("/gone", 1)?.ok()?;
        c.call(Request::CloseSession)?.ok()?;
        c.closed()?;
        for n in 0..WRITES {
            a.set("/m", &format!("value {n}"))?.ok()?;
        }
        Ok(Clients { talks: vec![a, b] })
    }

    /// A client that reads, writes and watches under a name of its own, beside one of the sort of [`Clients::work`].
    pub(super) fn visit(address: SocketAddr, name: &str) -> Told<Clients> {
        let mut talk = Talk::shake(address, &crate::stories::talk::hello(LONG_MS))?.ok_or("no session")?;
        let path = format!("/{name}");
        talk.make(&path)?;
        talk.create(&format!("{path}/ephemeral"), 1)?.ok()?;
        talk.exists(&format!("{path}/none"), true)?.fails(-101)?;
        for n in 0..10 {
            talk.set(&path, &format!("value {n}"))?.ok()?;
        }
        talk.delete(&path)?.fails(-111)?;
        talk.call(Request::Sync { path: text(&path) })?.ok()?;
        talk.get(&path, true)?.ok()?;
        talk.children(&path, false)?.ok()?;
        Ok(Clients { talks: vec![talk] })
    }
}

fn nodes_and_watches(a: &mut Talk, b: &mut Talk) -> Told {
    a.make("/app")?;
    for (path, flags) in [("/app/eph", 1), ("/app/seq-", 2), ("/app/both-", 3)] {
        b.create(path, flags)?.ok()?;
    }
    a.create("/app/mine", 1)?.ok()?;
    for talk in [&mut *a, &mut *b] {
        talk.get("/app", true)?.ok()?;
        talk.children("/app", true)?.ok()?;
    }
    a.exists("/none", true)?.fails(-101)?;
    a.exists("/app", true)?.ok()?;
    b.call(Request::GetChildren { path: text("/"), watch: true })?.ok()?;
    b.set("/app", "a longer value for all who watch")?.ok()?;
    a.add_watch("/app", 1)?.ok()?;
    b.add_watch("/elsewhere", 0)?.ok()?;
    a.call(create(OpCode::CreateContainer, "/container", 4))?.ok()?;
    a.call(Request::Create {
        op: OpCode::Create,
        path: text("/big"),
        data: Some(vec![b'z'; 5000].into()),
        acl: Some(vec![Acl::open()]),
        flags: 0,
        ttl: -1,
    })?
    .ok()?;
    a.get("/big", false)?.ok()?;
    b.delete("/big")?.ok()
}

fn refusals(a: &mut Talk) -> Told {
    a.get("/nope", false)?.fails(-101)?;
    a.create("/app", 0)?.fails(-110)?;
    a.delete("/app")?.fails(-111)?;
    a.call(Request::SetData { path: text("/app"), data: None, version: 77 })?.fails(-103)?;
    a.multi(vec![op_create(OpCode::Create, "/app", 0)])?;
    Ok(())
}

fn reads_of_every_kind(a: &mut Talk) -> Told {
    a.get_acl("/app")?.ok()?;
    a.set_acl("/app/mine", &[Acl::open()])?.ok()?;
    a.call(Request::Sync { path: text("/app") })?.ok()?;
    a.call(Request::WhoAmI)?.ok()?;
    a.call(Request::GetEphemerals { prefix: text("/") })?.ok()?;
    a.call(Request::GetAllChildrenNumber { path: text("/app") })?.ok()?;
    let ops = vec![MultiOp::GetData { path: text("/app") }, MultiOp::GetChildren { path: text("/app") }];
    a.call(Request::MultiRead { ops })?.ok()?;
    a.auth("digest", "user:password")?.ok()?;
    a.call(Request::RemoveWatches { path: text("/none"), watch_type: 2 })?.ok()?;
    a.call_frame(Frame { xid: Some(wire::PING_XID), ..Frame::of(&Request::Ping) })?.ok()
}

/// Two in one namespace, and one whose limits are hard.
fn quotas(a: &mut Talk) -> Told {
    let mut node = |path: &str, data: &str| {
        a.call(Request::Create {
            op: OpCode::Create,
            path: text(path),
            data: Some(data.as_bytes().to_vec().into()),
            acl: Some(vec![Acl::open()]),
            flags: 0,
            ttl: -1,
        })?
        .ok()
    };
    for (path, limits) in [
        ("/app", "count=100,bytes=10000"),
        ("/container", "count=-1,bytes=-1=;byteHardLimit=1000;countHardLimit=10"),
    ] {
        let quota = format!("/zookeeper/quota{path}");
        node(&quota, "")?;
        node(&format!("{quota}/zookeeper_limits"), limits)?;
        node(&format!("{quota}/zookeeper_stats"), "count=0,bytes=0")?;
    }
    node("/zookeeper/quota/app/seq", "")?;
    node("/zookeeper/quota/app/seq/zookeeper_limits", "count=5,bytes=-1")?;
    node("/app/counted", "12345")?;
    a.set("/container", &"x".repeat(2000))?.fails(-125)?;
    a.set("/container", "little")?.ok()
}
