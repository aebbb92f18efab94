//! Sessions live, expire and end (reference: client-protocol §8, §15).

mod world;

use wire::{CreateMode, OpCode, Request, event_type};
use world::{World, create, exists, frame_of, get, get_children, new_session, renewal};

/// Surprise 47; §8.1: never before the timeout, at most a tick later.
#[test]
fn silence_ends_a_session_without_a_word() {
    let mut world = World::new();
    let client = world.connect_with(4000);
    world.advance_ms(3999);
    assert!(!world.is_closed(&client));
    world.advance_ms(2001);
    assert!(world.is_closed(&client));
    assert_eq!(world.unread_bytes(&client), 0);
    assert!(world.node().tree().sessions().is_empty());
    assert_eq!(world.node().metrics().stale_sessions_expired, 1);
    let again = world.open();
    let response = world.handshake(&again, &renewal(client.session, 4000)).expect("an answer");
    assert_eq!(response.session_id, 0);
}

#[test]
fn any_request_keeps_a_session_alive() {
    let mut world = World::new();
    let client = world.connect_with(4000);
    for _ in 0..10 {
        world.advance_ms(3000);
        assert_eq!(world.call(&client, &Request::Ping).xid, -2);
    }
}

#[test]
fn a_session_outlives_its_connection() {
    let mut world = World::new();
    let client = world.connect_with(4000);
    world.call(&client, &create("/e", CreateMode::Ephemeral));
    world.hang_up(&client);
    world.advance_ms(3000);
    assert!(world.node().tree().node("/e").is_some());
    world.advance_ms(3000);
    assert!(world.node().tree().node("/e").is_none());
}

/// §8.2: the ephemerals go with one transaction, and everybody hears of it.
#[test]
fn expiry_removes_ephemerals_and_fires_watches() {
    let mut world = World::new();
    let watcher = world.connect_with(40_000);
    world.create_ok(&watcher, "/p");
    let owner = world.connect_with(4000);
    for path in ["/p/a", "/p/b"] {
        assert_eq!(world.call(&owner, &create(path, CreateMode::Ephemeral)).err, 0);
    }
    world.call(&watcher, &exists("/p/a", true));
    world.call(&watcher, &get_children("/p", true));
    let before = world.node().tree().last_zxid();
    world.advance_ms(6000);
    assert_eq!(world.node().tree().last_zxid(), before.next(), "one transaction");
    let mut events = world.events(&watcher);
    events.sort();
    let expected = [(event_type::NODE_DELETED, "/p/a"), (event_type::NODE_CHILDREN_CHANGED, "/p")];
    assert_eq!(events, expected.map(|(kind, path)| (kind, path.to_owned())));
    assert_eq!(world.children(&watcher, "/p"), [""; 0]);
}

/// §3: an answer, then the end of the connection.
#[test]
fn closing_a_session_is_answered_and_then_the_connection_ends() {
    let mut world = World::new();
    let client = world.connect();
    world.call(&client, &create("/e", CreateMode::Ephemeral));
    let reply = world.call(&client, &Request::CloseSession);
    assert_eq!((reply.err, reply.body.len()), (0, 0));
    assert!(world.is_closed(&client));
    assert!(world.node().tree().node("/e").is_none());
    assert!(world.node().tree().sessions().is_empty());
}

/// §8.2: an ephemeral whose creation is still on its way to the disk goes too.
#[test]
fn closing_covers_what_is_still_under_way() {
    let mut world = World::new();
    let client = world.connect();
    world.hold_log = true;
    world.send(&client, 1, &create("/e", CreateMode::Ephemeral));
    world.send(&client, 2, &Request::CloseSession);
    world.send(&client, 3, &create("/f", CreateMode::Ephemeral));
    world.run();
    world.release_log();
    let replies = world.replies(&client);
    assert_eq!(replies.iter().map(|r| (r.xid, r.err)).collect::<Vec<_>>(), [(1, 0), (2, 0)]);
    assert!(world.is_closed(&client), "what was sent behind the close gets no answer");
    for path in ["/e", "/f"] {
        assert!(world.node().tree().node(path).is_none(), "{path}");
    }
}

/// Surprise 48.
#[test]
fn requests_of_an_expiring_session_get_no_answer() {
    let mut world = World::new();
    let client = world.connect_with(4000);
    world.hold_log = true;
    world.advance_ms(6000);
    assert!(!world.is_closed(&client), "the end is not durable yet");
    world.send(&client, 1, &get("/", false));
    world.send(&client, 2, &create("/a", CreateMode::Persistent));
    world.run();
    world.release_log();
    assert!(world.is_closed(&client));
    assert_eq!(world.unread_bytes(&client), 0);
    assert!(world.node().tree().node("/a").is_none());
}

#[test]
fn an_expiring_session_cannot_be_renewed() {
    let mut world = World::new();
    let client = world.connect_with(4000);
    world.hang_up(&client);
    world.hold_log = true;
    world.advance_ms(6000);
    let again = world.open();
    let response = world.handshake(&again, &renewal(client.session, 4000)).expect("an answer");
    assert_eq!(response.session_id, 0);
}

/// §8.1: a server that starts gives everybody the full timeout.
#[test]
fn a_restart_gives_every_session_its_time_again() {
    let mut world = World::new();
    let client = world.connect_with(10_000);
    world.call(&client, &create("/e", CreateMode::Ephemeral));
    world.advance_ms(9_000);
    world.crash_and_restart();
    world.advance_ms(9_000);
    let again = world.reconnect(&client);
    assert!(world.stat(&again, "/e").is_some());
    world.hang_up(&again);
    world.advance_ms(12_001);
    assert!(world.node().tree().node("/e").is_none());
}

#[test]
fn new_sessions_after_a_restart_have_new_ids() {
    let mut world = World::new();
    let first = world.connect();
    world.crash_and_restart();
    let second = world.connect();
    assert_ne!(first.session, second.session);
}

/// §4.11: creating sessions inside a session is refused.
#[test]
fn a_client_cannot_create_sessions_by_request() {
    let mut world = World::new();
    let client = world.connect();
    world.send_bytes(&client, &frame_of(5, OpCode::CreateSession.code(), &[0, 0, 0x10, 0]));
    world.run();
    let replies = world.replies(&client);
    assert_eq!((replies[0].xid, replies[0].zxid, replies[0].err), (5, -1, -6));
    assert!(world.is_closed(&client));
}

#[test]
fn writes_of_a_connection_that_is_gone_are_still_carried_out() {
    let mut world = World::new();
    let client = world.connect();
    world.hold_log = true;
    world.send(&client, 1, &create("/a", CreateMode::Persistent));
    world.hang_up(&client);
    // The slot is used again at once: its new owner must not get the answer.
    let other = world.open();
    assert_eq!(other.conn.slot(), client.conn.slot());
    world.handshake(&other, &new_session(10_000));
    world.release_log();
    assert!(world.node().tree().node("/a").is_some());
    world.frame(&other).expect("a connect response");
    assert_eq!(world.replies(&other), []);
    assert_eq!(world.node().server_stats().outstanding, 0);
}

/// Only members of an ensemble know local sessions (reference: client-protocol §8.3).
#[test]
fn a_server_alone_begins_every_session_with_a_transaction() {
    let mut world = World::with(|config, _| {
        config.local_sessions_enabled = true;
        config.read_only_mode_enabled = true;
    });
    let client = world.connect();
    assert!(world.node().tree().sessions().contains_key(&client.session));
    assert_eq!(world.call(&client, &create("/e", CreateMode::Ephemeral)).err, 0);
    assert!(!world.node().is_read_only());
}
