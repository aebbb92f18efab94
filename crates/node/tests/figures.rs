//! The figures of `mntr`, counted as a running Apache 3.9.5 counts them.

mod world;

use node::{Admin, Input};
use wire::{OpCode, Request};
use world::{World, get, set};

/// Sizes are without the four bytes of length, cover events and whatever else has a reply header, and no handshakes.
#[test]
fn the_sizes_of_responses_are_those_of_their_payloads() {
    let mut world = World::new();
    let client = world.connect();
    let sizes = |world: &World| {
        let stats = world.node().server_stats();
        [stats.last_response_bytes, stats.min_response_bytes, stats.max_response_bytes]
    };
    assert_eq!(sizes(&world), [-1, -1, -1], "a handshake is no response");
    world.create_ok(&client, "/a");
    assert_eq!(sizes(&world), [22, 22, 22], "header and path");
    world.call(&client, &get("/none", false));
    assert_eq!(sizes(&world), [16, 16, 22], "a header alone");
    assert_eq!(world.node().metrics().response_bytes, 22 + 16);
    world.call(&client, &Request::Ping);
    assert_eq!(world.node().metrics().response_bytes, 22 + 16, "pings are not counted");
}

#[test]
fn events_count_as_responses_and_have_bytes_of_their_own() {
    let mut world = World::new();
    let (watcher, writer) = (world.connect(), world.connect());
    world.create_ok(&writer, "/a");
    world.call(&watcher, &get("/a", true));
    let before = world.node().metrics().response_bytes;
    world.call(&writer, &set("/a", "x", -1));
    let metrics = world.node().metrics();
    // Header, type, state, path; then header and stat.
    assert_eq!(metrics.watch_bytes, 16 + 4 + 4 + 4 + 2);
    assert_eq!(metrics.response_bytes, before + 16 + 68);
    assert_eq!(world.node().server_stats().last_response_bytes, 16 + 68);
}

/// setWatches is answered with the events that were missed, in front of the reply.
#[test]
fn events_in_front_of_a_reply_are_events() {
    let mut world = World::new();
    let client = world.connect();
    let lists = wire::SetWatches { data: world::some(&["/gone"]), ..wire::SetWatches::default() };
    world.exchange(&client, &Request::SetWatches(lists));
    let metrics = world.node().metrics();
    assert_eq!(metrics.watch_bytes, 16 + 4 + 4 + 4 + 5);
    assert_eq!(metrics.response_bytes, 16);
}

/// A word is 4 bytes received, and its answer as many packets as Java's writer makes of it.
#[test]
fn words_count_as_packets() {
    let mut world = World::new();
    let operator = world.open();
    world.send_bytes(&operator, b"ruok\r\n");
    world.run();
    world.step(Input::Admin(Admin::WordAnswered { buffers: 3 }));
    let stats = world.node().server_stats();
    assert_eq!((stats.received, stats.sent), (1, 3));
    assert_eq!(world.node().metrics().bytes_received_count, 4);
}

#[test]
fn traffic_is_counted_by_the_top_component() {
    let mut world = World::new();
    let client = world.connect();
    world.create_ok(&client, "/app");
    world.create_ok(&client, "/app/x");
    world.call(&client, &set("/app", "hello", -1));
    world.call(&client, &get("/app", false));
    world.call(&client, &Request::Exists { path: Some("/app/x".into()), watch: false });
    world.call(&client, &Request::GetChildren { path: Some("/app".into()), watch: false });
    world.call(&client, &Request::GetAcl { path: Some("/app".into()) });
    world.call(&client, &get("/app/none", false));
    world.call(&client, &get("/", false));
    world.call(&client, &Request::Delete { path: Some("/app/x".into()), version: -1 });
    let traffic: Vec<_> = world.node().metrics().traffic.iter().collect();
    let [("app", app)] = traffic.as_slice() else { panic!("{traffic:?}") };
    let write = app.write.expect("writes");
    assert_eq!(
        (write.count, write.sum, write.min, write.max),
        (4, 8 + 10 + 9 + 6, 6, 10),
        "new nodes hold 4 bytes"
    );
    let read = app.read.expect("reads");
    assert_eq!((read.count, read.sum, read.min, read.max), (3, 77 + 74 + 73, 73, 77));
}

/// `srst` forgets everything but who there is.
#[test]
fn a_reset_covers_all_metrics() {
    let mut world = World::new();
    let client = world.connect();
    world.create_ok(&client, "/app");
    world.call(&client, &get("/app", true));
    world.step(Input::Admin(Admin::ResetServerStats));
    let metrics = world.node().metrics();
    assert_eq!((metrics.response_bytes, metrics.bytes_received_count, metrics.fsynctime.count), (0, 0, 0));
    assert_eq!(metrics.readlatency.summary().count, 0);
    assert_eq!(metrics.traffic.iter().count(), 1);
    let stats = world.node().server_stats();
    assert_eq!((stats.last_response_bytes, stats.watch_count, stats.connections), (-1, 1, 1));
    world.call(&client, &get("/app", false));
    let counts = &world.node().metrics().op_counts;
    assert_eq!(counts.iter().sum::<u64>(), 1);
    let place = OpCode::ALL.binary_search(&OpCode::GetData).expect("a known operation");
    assert_eq!(counts[place], 1);
}

/// A restart remembers the digests of what it replays, and how much that was.
#[test]
fn a_replay_leaves_digests_and_a_count() {
    let mut world = World::new();
    let client = world.connect();
    for i in 0..130 {
        world.create_ok(&client, &format!("/n{i}"));
    }
    let before: Vec<_> = world.node().digests().collect();
    assert_eq!(before.len(), 1);
    world.crash_and_restart();
    assert_eq!(world.node().digests().collect::<Vec<_>>(), before);
    let loaded = world.node().metrics().startup_txns_loaded;
    assert_eq!((loaded.count, loaded.sum), (1, 131));
}

/// A write that a hard quota refuses is counted and gets Apache's line.
#[test]
fn an_exceeded_quota_is_told() {
    let mut world = World::with(|_, tree| tree.enforce_quota = true);
    let client = world.connect();
    for path in ["/a", "/zookeeper/quota/a"] {
        world.create_ok(&client, path);
    }
    let limits = "count=-1,bytes=-1=;byteHardLimit=10;countHardLimit=2";
    for name in ["zookeeper_limits", "zookeeper_stats"] {
        world.create_ok(&client, &format!("/zookeeper/quota/a/{name}"));
    }
    world.set(&client, "/zookeeper/quota/a/zookeeper_limits", limits);
    world.create_ok(&client, "/a/1");
    assert_eq!(world.create(&client, "/a/2").err, -125);
    assert_eq!(world.set(&client, "/a", "0123456789").err, -125);
    let line = "Quota exceeded: /a [current count=3, hardCountLimit=2]".to_owned();
    assert!(world.notes.contains(&line), "{:?}", world.notes);
    assert!(world.notes.iter().any(|note| note.ends_with("hardByteLimit=10]")), "{:?}", world.notes);
    let exceeded = |world: &World| {
        let traffic = &world.node().metrics().traffic;
        traffic.iter().find(|(name, _)| *name == "a").and_then(|(_, traffic)| traffic.quota_exceeded)
    };
    assert_eq!(exceeded(&world), Some(2));
    world.step(Input::Admin(Admin::ResetServerStats));
    assert_eq!(exceeded(&world), Some(0));
}
