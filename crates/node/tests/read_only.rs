//! Servers without a leader: what those who only read get (reference: client-protocol §11).

mod cluster;

use cluster::*;
use wire::{
    ConnectRequest, ConnectResponse, CreateMode, Decode, OpCode, Reader, ReplyHeader, Request, Response,
    SessionId, session_password,
};

/// Three servers with something to read; read-only mode begins 2 s after they have lost each other.
fn settled(local_sessions: bool) -> Cluster {
    let mut cluster = Cluster::new(3, 0);
    cluster.settings.read_only_mode_enabled = true;
    cluster.settings.local_sessions_enabled = local_sessions;
    (1..=3).for_each(|id| cluster.start(id));
    cluster.settle();
    let client = cluster.connect(1);
    assert_eq!(cluster.create(&client, "/a").err, 0);
    cluster
}

/// Only the first server is left.
fn alone(local_sessions: bool) -> Cluster {
    let mut cluster = settled(local_sessions);
    cluster.kill(2);
    cluster.kill(3);
    // The first server must notice, and then look for a leader in vain.
    cluster.advance_ms(10_000);
    assert_eq!(cluster.mode(1), "read-only");
    cluster
}

fn hello(session: SessionId, read_only: Option<bool>) -> ConnectRequest<'static> {
    ConnectRequest {
        protocol_version: 0,
        last_zxid_seen: 0,
        timeout_ms: 10_000,
        session_id: session.0,
        password: Some(session_password(session).to_vec().into()),
        read_only,
    }
}

const NEW: SessionId = SessionId(0);

fn reader(cluster: &mut Cluster, server: Id) -> Client {
    let (client, frame) = cluster.shake(server, &hello(NEW, Some(true)));
    let response =
        ConnectResponse::decode(&mut Reader::new(&frame.expect("an answer"))).expect("a handshake");
    assert_eq!((response.read_only, response.timeout_ms), (Some(true), 10_000));
    assert_eq!(response.session_id as u64 >> 56, server as u64, "the server's own number is in the id");
    Client { session: SessionId(response.session_id), ..client }
}

#[test]
fn it_begins_when_an_election_has_lasted_two_seconds() {
    let mut cluster = Cluster::new(3, 0);
    cluster.settings.read_only_mode_enabled = true;
    cluster.settings.local_sessions_enabled = true;
    cluster.start(1);
    cluster.advance_ms(1999);
    assert_eq!(cluster.mode(1), "looking");
    assert_eq!(cluster.shake(1, &hello(NEW, Some(true))).1, None);
    cluster.advance_ms(1);
    assert_eq!(cluster.mode(1), "read-only");
    reader(&mut cluster, 1);
}

#[test]
fn a_long_tick_puts_it_off() {
    let mut cluster = Cluster::new(3, 0);
    cluster.settings.read_only_mode_enabled = true;
    cluster.settings.tick_time_ms = 5000;
    cluster.start(1);
    cluster.advance_ms(4999);
    assert_eq!(cluster.mode(1), "looking");
    cluster.advance_ms(1);
    assert_eq!(cluster.mode(1), "read-only");
}

#[test]
fn without_the_setting_nobody_is_served() {
    let mut cluster = Cluster::new(3, 0);
    cluster.settings.local_sessions_enabled = true;
    cluster.start(1);
    cluster.advance_ms(60_000);
    assert_eq!(cluster.mode(1), "looking");
    let (client, frame) = cluster.shake(1, &hello(NEW, Some(true)));
    assert!(frame.is_none() && cluster.is_closed(&client));
}

#[test]
fn readers_read_and_writes_are_refused() {
    let mut cluster = alone(true);
    let client = reader(&mut cluster, 1);
    let before = cluster.node(1).tree().last_zxid();
    let get = Request::GetData { path: Some("/a".into()), watch: true };
    let reply = cluster.call(&client, &get);
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
        let reply = cluster.call(&client, &write);
        assert_eq!((reply.err, reply.zxid, reply.body.len()), (-119, before.0, 0), "{write:?}");
    }
    assert_eq!(cluster.call(&client, &Request::Ping).err, 0);
    assert_eq!(cluster.node(1).server_stats().outstanding, 0);
    assert_eq!(cluster.call(&client, &Request::CloseSession).err, 0, "its end concerns nobody else");
    assert!(cluster.is_closed(&client));
    assert_eq!(cluster.node(1).server_stats().local_sessions, 0);
    assert_eq!(cluster.node(1).tree().last_zxid(), before, "nothing has happened");
}

#[test]
fn clients_that_may_want_to_write_are_sent_away() {
    let mut cluster = alone(true);
    for read_only in [Some(false), None] {
        let (client, frame) = cluster.shake(1, &hello(NEW, read_only));
        assert!(frame.is_none() && cluster.is_closed(&client), "{read_only:?}");
    }
}

#[test]
fn a_session_of_the_ensemble_is_not_taken_up() {
    let mut cluster = settled(false);
    let client = cluster.connect(1);
    cluster.kill(2);
    cluster.kill(3);
    cluster.advance_ms(10_000);
    let (again, frame) = cluster.shake(1, &hello(client.session, Some(true)));
    assert!(frame.is_none() && cluster.is_closed(&again), "another server may know better");
}

#[test]
fn an_unknown_session_is_over_where_sessions_are_local() {
    let mut cluster = alone(true);
    let (client, frame) = cluster.shake(1, &hello(SessionId(0x0200_0000_0000_0007), Some(true)));
    let invalid = ConnectResponse::invalid(Some(true));
    assert_eq!(ConnectResponse::decode(&mut Reader::new(&frame.expect("an answer"))), Ok(invalid));
    assert!(cluster.is_closed(&client));
}

/// Apache's server cannot tell, and takes the client's word for it.
#[test]
fn an_unknown_session_reads_on_where_sessions_are_global() {
    let mut cluster = alone(false);
    let session = SessionId(0x0200_0000_0000_0007);
    let (client, frame) = cluster.shake(1, &hello(session, Some(true)));
    let response =
        ConnectResponse::decode(&mut Reader::new(&frame.expect("an answer"))).expect("a handshake");
    assert_eq!((response.session_id, response.read_only), (session.0, Some(true)));
    let exists = Request::Exists { path: Some("/a".into()), watch: false };
    assert_eq!(cluster.call(&client, &exists).err, 0);
    assert_eq!(cluster.call(&client, &Request::CloseSession).err, -119);
    assert!(!cluster.is_closed(&client));
}

/// Surprise 64: a new session would be a write.
#[test]
fn without_local_sessions_nobody_gets_a_session() {
    let mut cluster = alone(false);
    let zxid = cluster.node(1).tree().last_zxid().0;
    let (client, frame) = cluster.shake(1, &hello(NEW, Some(true)));
    let frame = frame.expect("an answer");
    assert_eq!(
        (ReplyHeader::decode(&mut Reader::new(&frame)), frame.len()),
        (Ok(ReplyHeader { xid: 0, zxid, err: -119 }), 16)
    );
    assert!(!cluster.is_closed(&client));
    cluster.send(&client, &Request::Ping);
    cluster.run();
    assert_eq!(cluster.replies(&client), [], "nothing more is read from it");
    cluster.advance_ms(21_000);
    assert!(cluster.is_closed(&client), "silence ends it");
}

#[test]
fn readers_move_on_when_there_is_a_leader_again() {
    let mut cluster = alone(true);
    let client = reader(&mut cluster, 1);
    cluster.start(2);
    cluster.settle();
    assert!(cluster.is_closed(&client));
    assert_ne!(cluster.mode(1), "read-only");
    let (again, frame) = cluster.shake(1, &hello(client.session, Some(true)));
    let invalid = ConnectResponse::invalid(Some(false));
    assert_eq!(ConnectResponse::decode(&mut Reader::new(&frame.expect("an answer"))), Ok(invalid));
    assert!(cluster.is_closed(&again), "it was a session of the reading server alone");
    let fresh = cluster.connect(1);
    assert_eq!(cluster.create(&fresh, "/b").err, 0);
    cluster.assert_equal();
}

/// Its own server is the only one that knows a reader's session, and ends it without telling anybody.
#[test]
fn silence_ends_a_readers_session() {
    let mut cluster = alone(true);
    let client = reader(&mut cluster, 1);
    let before = cluster.node(1).tree().last_zxid();
    cluster.advance_ms(9_000);
    assert_eq!(cluster.call(&client, &Request::Ping).err, 0);
    cluster.advance_ms(9_000);
    assert!(!cluster.is_closed(&client));
    cluster.advance_ms(2_000);
    assert!(cluster.is_closed(&client));
    assert_eq!(cluster.node(1).server_stats().local_sessions, 0);
    assert_eq!(cluster.node(1).tree().last_zxid(), before);
}

#[test]
fn a_partitioned_leader_reads_on_from_what_it_has_and_catches_up() {
    let mut cluster = settled(true);
    let (old, others) = (cluster.leader(), cluster.followers());
    cluster.isolate(old);
    cluster.advance_ms(10_000);
    assert_eq!(cluster.mode(old), "read-only");
    let client = reader(&mut cluster, old);
    let exists = |path: &'static str| Request::Exists { path: Some(path.into()), watch: false };
    assert_eq!(cluster.call(&client, &exists("/a")).err, 0);
    let writer = cluster.connect(others[0]);
    assert_eq!(cluster.create(&writer, "/meanwhile").err, 0);
    assert_eq!(cluster.call(&client, &exists("/meanwhile")).err, -101);
    cluster.reconnect_server(old);
    cluster.settle();
    assert!(cluster.is_closed(&client));
    let client = cluster.connect(old);
    assert_eq!(cluster.call(&client, &exists("/meanwhile")).err, 0);
    cluster.assert_equal();
}

/// Observers look for a leader like everybody else.
#[test]
fn an_observer_reads_on_too() {
    let mut cluster = Cluster::new(2, 1);
    cluster.settings.read_only_mode_enabled = true;
    cluster.settings.local_sessions_enabled = true;
    (1..=3).for_each(|id| cluster.start(id));
    cluster.settle();
    cluster.kill(1);
    cluster.advance_ms(10_000);
    assert_eq!((cluster.mode(2), cluster.mode(3)), ("read-only", "read-only"));
    let client = reader(&mut cluster, 3);
    cluster.start(1);
    cluster.settle();
    assert_eq!(cluster.mode(3), "observer");
    assert!(cluster.is_closed(&client));
}

/// A snapshot or a log of what was only read must not exist: after a restart everything is as before.
#[test]
fn nothing_of_it_reaches_the_disk() {
    let mut cluster = alone(true);
    let before = (cluster.node(1).tree().last_zxid(), cluster.node(1).tree().digest());
    let client = reader(&mut cluster, 1);
    cluster.call(&client, &create("/b", CreateMode::Persistent));
    cluster.call(&client, &Request::CloseSession);
    reader(&mut cluster, 1);
    cluster.advance_ms(30_000);
    cluster.kill(1);
    cluster.start(1);
    let tree = cluster.node(1).tree();
    assert_eq!((tree.last_zxid(), tree.digest()), before);
}
