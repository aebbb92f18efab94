//! Back-pressure, throttles, slow readers, authentication demanded (reference: client-protocol §12).

mod world;

use node::Input;
use wire::{CreateMode, Encode, ErrorCode, OpCode, Request};
use world::{World, auth, create, frame_of, get, set};

/// `globalOutstandingLimit`: connections with work under way are not read; nobody gets an error.
#[test]
fn too_much_under_way_stops_reading() {
    let mut world = World::with(|config, _| config.requests.global_outstanding_max = 10);
    let (busy, idle) = (world.connect(), world.connect());
    world.hold_log = true;
    for xid in 1..=30 {
        world.send(&busy, xid, &set("/", "x", -1));
        world.run();
    }
    assert!(world.is_paused(&busy));
    assert!(world.node().server_stats().outstanding <= 12);
    world.send(&idle, 1, &get("/", false));
    world.run();
    assert_eq!(world.replies(&idle).len(), 1, "who has nothing under way is read");
    world.release_log();
    assert_eq!(world.replies(&busy).len(), 30);
    assert!(!world.is_paused(&busy));
    assert_eq!(world.node().server_stats().outstanding, 0);
}

#[test]
fn frames_that_arrived_before_the_pause_are_not_lost() {
    let mut world = World::with(|config, _| config.requests.global_outstanding_max = 2);
    let client = world.connect();
    world.hold_log = true;
    let mut bytes = Vec::new();
    for xid in 1..=20 {
        bytes.extend(frame_of(xid, OpCode::SetData.code(), &set("/", "x", -1).to_bytes()));
    }
    world.send_bytes(&client, &bytes);
    world.run();
    world.release_log();
    assert_eq!(
        world.replies(&client).iter().map(|r| r.xid).collect::<Vec<_>>(),
        (1..=20).collect::<Vec<_>>()
    );
}

/// `request_throttle_max_requests`.
#[test]
fn the_request_throttle_delays() {
    let mut world = World::with(|config, _| config.requests.throttle_max = 2);
    let clients: Vec<_> = (0..5).map(|_| world.connect()).collect();
    world.hold_log = true;
    for client in &clients {
        world.send(client, 1, &set("/", "x", -1));
    }
    world.run();
    assert_eq!(world.node().server_stats().outstanding, 2);
    world.release_log();
    for client in &clients {
        assert_eq!(world.replies(client).len(), 1);
    }
    assert_eq!(world.node().metrics().request_throttle_wait_count, 3);
}

/// `throttled_op_wait_time`.
#[test]
fn who_waited_too_long_in_the_throttle_is_told_so() {
    let mut world = World::with(|config, _| {
        config.requests.throttle_max = 1;
        config.requests.throttled_op_wait_ms = 50;
    });
    let (first, late, pinging) = (world.connect(), world.connect(), world.connect());
    world.hold_log = true;
    world.send(&first, 1, &set("/", "x", -1));
    world.send(&late, 1, &set("/", "y", -1));
    world.send(&pinging, -2, &Request::Ping);
    world.run();
    world.advance_ms(51);
    world.release_log();
    assert_eq!(world.replies(&first)[0].err, 0);
    assert_eq!(world.replies(&late)[0].code(), Some(ErrorCode::ThrottledOp));
    assert_eq!(world.replies(&pinging)[0].err, 0, "never for pings");
    assert_eq!(world.node().metrics().throttled_ops, 1);
}

#[test]
fn a_stale_request_costs_the_connection() {
    let mut world = World::with(|config, _| {
        config.requests.throttle_max = 1;
        config.requests.stale_latency_check = true;
    });
    let (first, late) = (world.connect_with(40_000), world.connect_with(4000));
    world.hold_log = true;
    world.send(&first, 1, &set("/", "x", -1));
    world.send(&late, 1, &set("/", "y", -1));
    world.run();
    world.advance_ms(4001);
    world.release_log();
    assert!(world.is_closed(&late));
    assert_eq!(world.node().metrics().stale_requests_dropped, 1);
}

/// `largeRequestThreshold`.
#[test]
fn large_requests_have_a_budget() {
    let mut world = World::with(|config, _| {
        config.requests.large_threshold = Some(1000);
        config.requests.large_bytes_max = 3000;
    });
    let (one, two) = (world.connect(), world.connect());
    let large = "x".repeat(2000);
    world.hold_log = true;
    world.send(&one, 1, &set("/", &large, -1));
    world.send(&one, 2, &set("/", "small", -1));
    world.send(&two, 1, &set("/", &large, -1));
    world.run();
    assert!(world.is_closed(&two));
    world.release_log();
    assert_eq!(world.replies(&one).len(), 2);
    let three = world.connect();
    assert_eq!(world.set(&three, "/", &large).err, 0, "the budget is free again");
}

/// A client that does not read its answers: its requests are left unread.
#[test]
fn a_slow_reader_is_not_read_from() {
    let mut world = World::new();
    let client = world.connect();
    let data = "x".repeat(500_000);
    assert_eq!(world.set(&client, "/", &data).err, 0);
    let mut bytes = Vec::new();
    for xid in 1..=20 {
        bytes.extend(frame_of(xid, OpCode::GetData.code(), &get("/", false).to_bytes()));
    }
    // The shell finds that nothing can be written.
    world.step(Input::Written { conn: client.conn, pending: 2_000_000 });
    world.send_bytes(&client, &bytes);
    world.run();
    assert!(world.is_paused(&client));
    assert_eq!(world.replies(&client).len(), 0);
    world.step(Input::Written { conn: client.conn, pending: 0 });
    world.run();
    assert_eq!(world.replies(&client).len(), 20);
}

/// One round never makes more than about a megabyte for one connection, but for answers that must keep a write's order.
#[test]
fn answers_are_made_as_they_are_taken() {
    let mut world = World::new();
    let client = world.connect();
    let data = "x".repeat(900_000);
    assert_eq!(world.set(&client, "/", &data).err, 0);
    let mut bytes = Vec::new();
    for xid in 1..=10 {
        bytes.extend(frame_of(xid, OpCode::GetData.code(), &get("/", false).to_bytes()));
    }
    world.send_bytes(&client, &bytes);
    world.step(Input::Flush);
    let sent: usize = world.out.sends.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(sent < 2_000_000, "{sent} bytes in one round");
    world.run();
    assert_eq!(world.replies(&client).len(), 10);
}

#[test]
fn answers_nobody_takes_end_the_connection() {
    let mut world = World::with(|config, _| config.connections.output_bytes_max = 3_000_000);
    let client = world.connect();
    let data = "x".repeat(900_000);
    assert_eq!(world.set(&client, "/", &data).err, 0);
    world.hold_log = true;
    world.send(&client, 1, &set("/", &data, -1));
    for xid in 2..=20 {
        world.send(&client, xid, &get("/", false));
    }
    world.run();
    world.release_log();
    assert!(world.is_closed(&client));
    assert!(world.unread_bytes(&client) < 5_000_000);
    assert_eq!(world.node().server_stats().outstanding, 0);
}

/// `enforce.auth.*`.
#[test]
fn a_required_scheme_is_demanded_for_everything() {
    let mut world = World::with(|config, _| config.auth.required_schemes = vec!["digest".to_owned()]);
    let client = world.connect();
    let reply = world.call(&client, &Request::Ping);
    assert_eq!((reply.err, reply.zxid), (-124, 0));
    assert!(world.is_closed(&client));
    let client = world.connect();
    assert_eq!(world.call(&client, &auth("digest", "bob:secret")).err, 0);
    assert_eq!(world.create(&client, "/a").err, 0);
}

#[test]
fn sasl_is_answered_with_a_null_token() {
    let mut world = World::new();
    let client = world.connect();
    let reply = world.call(&client, &Request::Sasl { token: Some(b"hello".into()) });
    assert_eq!((reply.err, reply.zxid, reply.body), (0, 0, vec![0xff; 4]));
    assert!(!world.is_closed(&client));
}

#[test]
fn sasl_without_a_token_ends_the_connection() {
    let mut world = World::new();
    let client = world.connect();
    world.send(&client, 1, &Request::Sasl { token: None });
    world.run();
    assert!(world.is_closed(&client));
    assert_eq!(world.replies(&client).len(), 0);
}

#[test]
fn credentials_are_a_bounded_set() {
    let mut world = World::with(|config, _| config.connections.credentials_max = 3);
    let client = world.connect();
    for user in ["a:1", "a:1", "b:1", "c:1", "d:1"] {
        assert_eq!(world.call(&client, &auth("digest", user)).err, 0);
    }
    let reply = world.call(&client, &Request::WhoAmI);
    let wire::Response::WhoAmI(Some(infos)) = reply.response(OpCode::WhoAmI) else { panic!() };
    assert_eq!(infos.len(), 3);
}

/// Surprise 52 and our difference to surprise 53.
#[test]
fn check_and_deletecontainer_are_not_for_clients() {
    let mut world = World::new();
    let requests = [
        Request::Check { path: Some("/".into()), version: -1 },
        Request::DeleteContainer { path: Some("/a".into()) },
    ];
    for request in requests {
        let client = world.connect();
        world.call(&client, &create("/a", CreateMode::Container));
        let reply = world.call(&client, &request);
        assert_eq!((reply.code(), reply.zxid), (Some(ErrorCode::Unimplemented), -1));
        assert!(world.is_closed(&client));
    }
    assert!(world.node().tree().node("/a").is_some());
}

#[test]
fn a_silent_connection_goes_with_its_session() {
    let mut world = World::new();
    let client = world.connect_with(40_000);
    world.advance_ms(39_000);
    assert!(!world.is_closed(&client));
    world.advance_ms(20_000);
    assert!(world.is_closed(&client));
}
