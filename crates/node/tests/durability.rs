//! The disk: batches, failures, snapshots, restarts, the end.

mod world;

use node::{Admin, Halt, Input, PurgeConfig};
use store::{Dir, Lane};
use wire::{CreateMode, OpCode, Request, Response};
use world::{World, create, get, set};

#[test]
fn what_was_acknowledged_survives_a_crash() {
    let mut world = World::new();
    let client = world.connect();
    for i in 0..100 {
        world.create_ok(&client, &format!("/n{i}"));
    }
    let digest = world.node().tree().digest();
    world.crash_and_restart();
    assert_eq!(world.node().tree().digest(), digest);
    let again = world.reconnect(&client);
    assert_eq!(world.children(&again, "/").len(), 101);
}

#[test]
fn what_was_not_durable_was_not_acknowledged() {
    let mut world = World::new();
    let client = world.connect();
    world.hold_log = true;
    world.send(&client, 1, &create("/a", CreateMode::Persistent));
    world.run();
    assert_eq!(world.replies(&client), []);
    world.hold_log = false;
    world.crash_and_restart();
    assert!(world.node().tree().node("/a").is_none());
}

/// After an error of the log nothing more is acknowledged, and the server ends.
#[test]
fn a_failing_log_halts_the_server() {
    let mut world = World::new();
    let (writer, reader) = (world.connect(), world.connect());
    world.disk.broken = Some("No space left on device".to_owned());
    world.send(&writer, 1, &create("/a", CreateMode::Persistent));
    world.run();
    let Some(Halt::Disk(error)) = &world.halt else { panic!("{:?}", world.halt) };
    assert_eq!(error.reason, "No space left on device");
    world.disk.broken = None;
    world.send(&writer, 2, &create("/b", CreateMode::Persistent));
    world.send(&reader, 1, &get("/", false));
    world.run();
    assert_eq!((world.replies(&writer), world.replies(&reader)), (vec![], vec![]));
    world.crash_and_restart();
    assert!(world.node().tree().node("/a").is_none());
}

#[test]
fn a_failing_snapshot_does_not_halt_the_server() {
    let mut world = World::new();
    let client = world.connect();
    world.hold_snapshots = true;
    world.step(Input::Admin(Admin::TakeSnapshot));
    world.run();
    let flying: Vec<_> = world.batches.drain(..).collect();
    assert!(!flying.is_empty());
    for batch in flying {
        assert_eq!(batch.lane, Lane::Snapshot);
        let error = store::DiskError { action: "write", path: "/s".into(), reason: "full".into() };
        world.step(Input::DiskDone { ticket: batch.ticket, result: Err(error) });
    }
    world.hold_snapshots = false;
    world.run();
    assert_eq!(world.halt, None);
    assert_eq!(world.node().metrics().snapshot_error_count, 1);
    assert_eq!(world.create(&client, "/a").err, 0);
    let taken = world.node().metrics().snapshottime.count;
    world.step(Input::Admin(Admin::TakeSnapshot));
    world.run();
    assert_eq!(world.node().metrics().snapshottime.count, taken + 1);
}

#[test]
fn a_shutdown_answers_what_is_under_way_and_takes_nothing_new() {
    let mut world = World::new();
    let client = world.connect();
    world.hold_log = true;
    world.send(&client, 1, &create("/a", CreateMode::Persistent));
    world.run();
    world.step(Input::Admin(Admin::Shutdown));
    world.send(&client, 2, &create("/b", CreateMode::Persistent));
    world.run();
    assert_eq!(world.halt, None);
    world.release_log();
    assert_eq!(world.replies(&client).iter().map(|r| r.xid).collect::<Vec<_>>(), [1]);
    assert_eq!(world.halt, Some(Halt::Stopped));
    assert!(world.is_closed(&client));
    world.crash_and_restart();
    assert!(world.node().tree().node("/a").is_some());
    assert!(world.node().tree().node("/b").is_none());
    assert!(world.node().tree().sessions().contains_key(&client.session), "sessions outlive the server");
}

#[test]
fn an_idle_server_stops_at_once() {
    let mut world = World::new();
    let client = world.connect();
    world.shut_down();
    assert_eq!(world.halt, Some(Halt::Stopped));
    assert!(world.is_closed(&client));
}

#[test]
fn a_snapshot_is_taken_after_snapcount_transactions() {
    let mut world = World::with(|config, _| config.store.snap_count = 100);
    let client = world.connect();
    let at_start = world.node().metrics().snapshottime.count;
    for i in 0..100 {
        world.create_ok(&client, &format!("/n{i}"));
    }
    assert_eq!(world.node().metrics().snapshottime.count, at_start + 1);
    let logs = world.disk.names(Dir::Log).iter().filter(|name| name.starts_with("log.")).count();
    assert_eq!(logs, 2, "the log is rolled with it");
    world.crash_and_restart();
    assert_eq!(world.node().tree().node_count(), 100 + 4);
}

/// The snapshot shows the moment of its start, whatever is written while it is made.
#[test]
fn writes_go_on_while_a_snapshot_is_made() {
    let mut world = World::new();
    let client = world.connect();
    let data = "x".repeat(100_000);
    for i in 0..30 {
        let path = format!("/n{i}");
        world.create_ok(&client, &path);
        world.set(&client, &path, &data);
    }
    let digest = world.node().tree().digest();
    let zxid = world.node().tree().last_zxid();
    world.hold_snapshots = true;
    world.step(Input::Admin(Admin::TakeSnapshot));
    world.run();
    let held = world.batches.len();
    assert!((1..=4).contains(&held), "bounded in flight: {held}");
    for i in 0..30 {
        let path = format!("/n{i}");
        world.set(&client, &path, "changed");
        if i % 2 == 0 {
            world.delete(&client, &path);
        }
        world.create_ok(&client, &format!("/m{i}"));
    }
    world.hold_snapshots = false;
    world.complete_batches();
    world.run();
    let name = format!("snapshot.{:x}", zxid.0);
    assert!(world.disk.names(Dir::Snap).contains(&name.as_str()));
    // Only the snapshot is left: what is recovered is the state at its start.
    world.disk.files.retain(|file, _| file.dir == Dir::Snap && file.name == name);
    world.crash_and_restart();
    assert_eq!(world.node().tree().digest(), digest);
    assert_eq!(world.node().tree().last_zxid(), zxid);
}

#[test]
fn purging_is_asked_for_at_once_and_then_at_its_interval() {
    let mut world = World::with(|config, _| {
        config.purge = Some(PurgeConfig { retain_count: 3, interval_ms: 3_600_000 });
    });
    assert_eq!(world.purges, [3]);
    world.advance_ms(3_599_999);
    assert_eq!(world.purges.len(), 1);
    world.advance_ms(1);
    assert_eq!(world.purges.len(), 2);
}

/// `flushDelay` and `maxBatchSize`.
#[test]
fn a_batch_may_wait_for_company() {
    let mut world = World::with(|config, _| {
        config.batch.flush_delay_ms = 10;
        config.batch.max_batch_size = 3;
    });
    let client = world.open();
    world.handshake(&client, &world::new_session(10_000));
    world.advance_ms(10);
    world.frame(&client).expect("a session");
    world.send(&client, 1, &set("/", "1", -1));
    world.run();
    world.advance_ms(9);
    assert_eq!(world.replies(&client), []);
    world.advance_ms(1);
    assert_eq!(world.replies(&client).len(), 1);
    for xid in 2..=4 {
        world.send(&client, xid, &set("/", "1", -1));
    }
    world.run();
    assert_eq!(world.replies(&client).len(), 3, "a full batch does not wait");
}

/// §6.3: containers that had children go when the last child has gone; the sweep comes once a minute.
#[test]
fn empty_containers_are_swept() {
    let mut world = World::new();
    let client = world.connect_with(40_000);
    for path in ["/used", "/unused", "/full"] {
        let request =
            world::create_with(OpCode::CreateContainer, path, CreateMode::Container, vec![wire::Acl::open()]);
        assert_eq!(world.call(&client, &request).err, 0);
    }
    world.create_ok(&client, "/used/child");
    world.create_ok(&client, "/full/child");
    world.delete(&client, "/used/child");
    let watcher = world.connect_with(40_000);
    world.call(&watcher, &get("/used", true));
    let keep_alive = |world: &mut World| {
        world.call(&client, &Request::Ping);
    };
    for _ in 0..3 {
        world.advance_ms(19_000);
        keep_alive(&mut world);
    }
    assert!(world.node().tree().node("/used").is_some());
    world.advance_ms(3_000);
    assert!(world.node().tree().node("/used").is_none());
    assert!(world.node().tree().node("/unused").is_some(), "surprise 26");
    assert!(world.node().tree().node("/full").is_some());
}

#[test]
fn ttl_nodes_are_swept_by_their_age() {
    let mut world = World::with(|_, tree| tree.extended_types = true);
    let client = world.connect_with(40_000);
    for (path, ttl) in [("/short", 1000), ("/long", 3_600_000)] {
        let request = Request::Create {
            op: OpCode::CreateTtl,
            path: Some(path.into()),
            data: None,
            acl: Some(vec![wire::Acl::open()]),
            flags: CreateMode::PersistentWithTtl.flags(),
            ttl,
        };
        let reply = world.call(&client, &request);
        let Response::PathStat(_, stat) = reply.response(OpCode::CreateTtl) else { panic!("{reply:?}") };
        assert_eq!(stat.ephemeral_owner, 0, "surprise 22");
    }
    world.advance_ms(61_000);
    assert!(world.node().tree().node("/short").is_none());
    assert!(world.node().tree().node("/long").is_some());
}

#[test]
fn digests_are_kept_for_every_128th_transaction() {
    let mut world = World::new();
    let client = world.connect();
    for i in 0..300 {
        world.set(&client, "/", &format!("{i}"));
    }
    let zxids: Vec<i64> = world.node().digests().map(|entry| entry.zxid.0).collect();
    assert_eq!(zxids, [128, 256]);
}
