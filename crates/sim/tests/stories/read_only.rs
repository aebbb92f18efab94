//! Servers without a leader: what those who only read get (reference: client-protocol §11).

use crate::{exists, three};
use sim::ensemble::{Guest, Setup, World, create, hello};
use wire::{
    ConnectRequest, ConnectResponse, CreateMode, Decode, OpCode, Reader, ReplyHeader, Request, Response,
    SessionId,
};

/// Three servers with something to read; read-only mode begins 2 s after they have lost each other.
fn settled(local_sessions: bool) -> World {
    let mut world = World::settled(reading(three(), local_sessions));
    let client = world.connect(0);
    assert_eq!(world.create(&client, "/a").err, 0);
    world
}

fn reading(mut setup: Setup, local_sessions: bool) -> Setup {
    setup.node.read_only_mode_enabled = true;
    setup.node.local_sessions_enabled = local_sessions;
    setup
}

/// Only the first server is left.
fn alone(local_sessions: bool) -> World {
    let mut world = settled(local_sessions);
    world.kill(1);
    world.kill(2);
    // The first server must notice, and then look for a leader in vain.
    world.pass_ms(10_000);
    assert_eq!(world.mode(0), "read-only");
    world
}

const NEW: SessionId = SessionId(0);

fn reader(world: &mut World, server: usize) -> Guest {
    let (client, response) = world.shake(server, &hello(NEW, true));
    let response = response.expect("an answer");
    assert_eq!((response.read_only, response.timeout_ms), (Some(true), 10_000));
    assert_eq!(client.session.0 as u64 >> 56, server as u64 + 1, "the server's own number is in the id");
    client
}

#[test]
fn it_begins_when_an_election_has_lasted_two_seconds() {
    let mut world = World::new(reading(three(), true));
    let start_us = world.now_us();
    world.start(0);
    world.pass_ms(1_900);
    let (client, response) = world.shake(0, &hello(NEW, true));
    assert!(response.is_none() && world.is_closed(&client));
    world.pass_until_us(start_us + 1_999_999);
    assert_eq!(world.mode(0), "looking");
    world.pass_until_us(start_us + 2_001_000);
    assert_eq!(world.mode(0), "read-only");
    reader(&mut world, 0);
}

#[test]
fn a_long_tick_puts_it_off() {
    let mut setup = reading(three(), false);
    setup.node.tick_time_ms = 5000;
    let mut world = World::new(setup);
    let start_us = world.now_us();
    world.start(0);
    world.pass_until_us(start_us + 4_999_999);
    assert_eq!(world.mode(0), "looking");
    world.pass_until_us(start_us + 5_001_000);
    assert_eq!(world.mode(0), "read-only");
}

#[test]
fn without_the_setting_nobody_is_served() {
    let mut setup = reading(three(), true);
    setup.node.read_only_mode_enabled = false;
    let mut world = World::new(setup);
    world.start(0);
    world.pass_ms(60_000);
    assert_eq!(world.mode(0), "looking");
    let (client, response) = world.shake(0, &hello(NEW, true));
    assert!(response.is_none() && world.is_closed(&client));
}

#[test]
fn readers_read_and_writes_are_refused() {
    let mut world = alone(true);
    let client = reader(&mut world, 0);
    let before = world.running(0).tree().last_zxid();
    let get = Request::GetData { path: Some("/a".into()), watch: true };
    let reply = world.call(&client, &get);
    let Response::Data(Some(data), _) = reply.response(OpCode::GetData) else { panic!("{reply:?}") };
    assert_eq!(&*data, b"data");
    for write in [
        create("/b", CreateMode::Persistent),
        create("/e", CreateMode::Ephemeral),
        Request::Delete { path: Some("/a".into()), version: -1 },
        Request::SetData { path: Some("/a".into()), data: None, version: -1 },
        Request::Multi { ops: Vec::new() },
        Request::Sync { path: Some("/".into()) },
    ] {
        let reply = world.call(&client, &write);
        assert_eq!((reply.err, reply.zxid, reply.body.len()), (-119, before.0, 0), "{write:?}");
    }
    assert_eq!(world.call(&client, &Request::Ping).err, 0);
    assert_eq!(world.stats(0).outstanding, 0);
    assert_eq!(world.call(&client, &Request::CloseSession).err, 0, "its end concerns nobody else");
    assert!(world.is_closed(&client));
    assert_eq!(world.stats(0).local_sessions, 0);
    assert_eq!(world.running(0).tree().last_zxid(), before, "nothing has happened");
}

#[test]
fn clients_that_may_want_to_write_are_sent_away() {
    let mut world = alone(true);
    for read_only in [Some(false), None] {
        let (client, response) = world.shake(0, &ConnectRequest { read_only, ..hello(NEW, false) });
        assert!(response.is_none() && world.is_closed(&client), "{read_only:?}");
    }
}

#[test]
fn a_session_of_the_ensemble_is_not_taken_up() {
    let mut world = settled(false);
    let client = world.connect(0);
    world.kill(1);
    world.kill(2);
    world.pass_ms(10_000);
    let (again, response) = world.shake(0, &hello(client.session, true));
    assert!(response.is_none() && world.is_closed(&again), "another server may know better");
}

#[test]
fn an_unknown_session_is_over_where_sessions_are_local() {
    let mut world = alone(true);
    let (client, response) = world.shake(0, &hello(SessionId(0x0200_0000_0000_0007), true));
    let invalid = ConnectResponse::invalid(Some(true));
    assert_eq!(response, Some(invalid));
    assert!(world.is_closed(&client));
}

/// Apache's server cannot tell, and takes the client's word for it.
#[test]
fn an_unknown_session_reads_on_where_sessions_are_global() {
    let mut world = alone(false);
    let session = SessionId(0x0200_0000_0000_0007);
    let (client, response) = world.shake(0, &hello(session, true));
    let response = response.expect("an answer");
    assert_eq!((response.session_id, response.read_only), (session.0, Some(true)));
    assert_eq!(world.call(&client, &exists("/a")).err, 0);
    assert_eq!(world.call(&client, &Request::CloseSession).err, -119);
    assert!(!world.is_closed(&client));
}

/// Surprise 64: a new session would be a write.
#[test]
fn without_local_sessions_nobody_gets_a_session() {
    let mut world = alone(false);
    let zxid = world.running(0).tree().last_zxid().0;
    let (client, frame) = world.knock(0, &hello(NEW, true));
    let frame = frame.expect("an answer");
    assert_eq!(
        (ReplyHeader::decode(&mut Reader::new(&frame)), frame.len()),
        (Ok(ReplyHeader { xid: 0, zxid, err: -119 }), 16)
    );
    assert!(!world.is_closed(&client));
    world.ask(&client, &Request::Ping);
    world.come_to_rest();
    assert_eq!(world.replies(&client), [], "nothing more is read from it");
    world.pass_ms(21_000);
    assert!(world.is_closed(&client), "silence ends it");
}

#[test]
fn readers_move_on_when_there_is_a_leader_again() {
    let mut world = alone(true);
    let client = reader(&mut world, 0);
    world.start(1);
    world.settle();
    assert!(world.is_closed(&client));
    assert_ne!(world.mode(0), "read-only");
    let (again, response) = world.shake(0, &hello(client.session, true));
    let invalid = ConnectResponse::invalid(Some(false));
    assert_eq!(response, Some(invalid));
    assert!(world.is_closed(&again), "it was a session of the reading server alone");
    let fresh = world.connect(0);
    assert_eq!(world.create(&fresh, "/b").err, 0);
    world.assert_alike();
}

/// Its own server is the only one that knows a reader's session, and ends it without telling anybody.
#[test]
fn silence_ends_a_readers_session() {
    let mut world = alone(true);
    let client = reader(&mut world, 0);
    let before = world.running(0).tree().last_zxid();
    world.pass_ms(9_000);
    assert_eq!(world.call(&client, &Request::Ping).err, 0);
    world.pass_ms(9_000);
    assert!(!world.is_closed(&client));
    world.pass_ms(2_000);
    assert!(world.is_closed(&client));
    assert_eq!(world.stats(0).local_sessions, 0);
    assert_eq!(world.running(0).tree().last_zxid(), before);
}

#[test]
fn a_partitioned_leader_reads_on_from_what_it_has_and_catches_up() {
    let mut world = settled(true);
    let (old, others) = (world.leading(), world.followers());
    world.isolate(old);
    world.pass_ms(10_000);
    assert_eq!(world.mode(old), "read-only");
    let client = reader(&mut world, old);
    assert_eq!(world.call(&client, &exists("/a")).err, 0);
    let writer = world.connect(others[0]);
    assert_eq!(world.create(&writer, "/meanwhile").err, 0);
    assert_eq!(world.call(&client, &exists("/meanwhile")).err, -101);
    world.rejoin(old);
    world.settle();
    assert!(world.is_closed(&client));
    let client = world.connect(old);
    assert_eq!(world.call(&client, &exists("/meanwhile")).err, 0);
    world.assert_alike();
}

/// Observers look for a leader like everybody else.
#[test]
fn an_observer_reads_on_too() {
    let mut world = World::settled(reading(Setup::calm(1, 2, 1), true));
    world.kill(0);
    world.pass_ms(10_000);
    assert_eq!((world.mode(1), world.mode(2)), ("read-only", "read-only"));
    let client = reader(&mut world, 2);
    world.start(0);
    world.settle();
    assert_eq!(world.mode(2), "observer");
    assert!(world.is_closed(&client));
}

/// A snapshot or a log of what was only read must not exist: after a restart everything is as before.
#[test]
fn nothing_of_it_reaches_the_disk() {
    let mut world = alone(true);
    let before = (world.running(0).tree().last_zxid(), world.running(0).tree().digest());
    let client = reader(&mut world, 0);
    world.call(&client, &create("/b", CreateMode::Persistent));
    world.call(&client, &Request::CloseSession);
    reader(&mut world, 0);
    world.pass_ms(30_000);
    world.kill(0);
    world.start(0);
    let tree = world.running(0).tree();
    assert_eq!((tree.last_zxid(), tree.digest()), before);
}
