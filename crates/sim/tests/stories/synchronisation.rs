//! How a server that comes late, or comes back, gets what the others have.

use crate::three;
use sim::ensemble::{Setup, World, create};
use store::Lane;
use wire::{Acl, CreateMode, OpCode, Request};
use zab::WindowLimits;

#[test]
fn two_of_three_are_enough_and_the_third_catches_up() {
    let mut world = World::new(three());
    world.start(0);
    world.start(1);
    world.settle();
    assert_eq!(world.leading(), 1);
    let client = world.connect(0);
    for n in 0..20 {
        assert_eq!(world.create(&client, &format!("/n{n}")).err, 0);
    }
    world.start_all();
    assert_eq!(world.mode(2), "follower");
    world.assert_alike();
    assert_eq!(world.create(&client, "/more").err, 0);
    world.assert_alike();
}

/// A leader that has just started knows the end of its log: a server that was left alone with more of the same epoch is cut back,
/// as Apache's leader does it, and needs no snapshot.
#[test]
fn a_leader_remembers_the_end_of_its_log_over_a_restart() {
    let mut world = World::settled(three());
    let (alone, others) = (world.leading(), world.followers());
    let client = world.connect(alone);
    assert_eq!(world.create(&client, "/agreed").err, 0);
    others.iter().for_each(|server| world.kill(*server));
    world.ask(&client, &create("/alone", CreateMode::Persistent));
    world.come_to_rest();
    world.kill(alone);
    others.iter().for_each(|server| world.start(*server));
    world.settle();
    world.start_all();
    assert!(!world.has(alone, "/alone") && world.has(alone, "/agreed"));
    let cut = |note: &String| note.starts_with("Truncating log to get in sync with the leader");
    assert!(world.notes(alone).iter().any(cut), "{:#?}", world.notes(alone));
    world.assert_alike();
}

#[test]
fn a_server_far_behind_gets_a_snapshot() {
    let mut setup = three();
    setup.node.store.snap_count = 10;
    let mut world = World::new(setup);
    world.start(0);
    world.start(1);
    world.settle();
    let client = world.connect(0);
    for n in 0..2000 {
        assert_eq!(world.create(&client, &format!("/n{n}")).err, 0);
    }
    world.start_all();
    world.assert_alike();
    let notes = world.notes(world.leading());
    let how = notes.iter().rfind(|note| note.starts_with("Synchronizing with Learner sid: 3 "));
    assert!(how.is_some_and(|how| how.contains("Sending snapshot")), "{how:?}");
    world.kill(2);
    assert_eq!(world.create(&client, "/meanwhile").err, 0);
    world.start_all();
    assert!(world.has(2, "/n1999") && world.has(2, "/meanwhile"));
    world.assert_alike();
}

/// What follows a snapshot on the wire must not be lost while the snapshot is on its way to the disk.
#[test]
fn writes_go_on_while_a_snapshot_is_installed() {
    let mut world = World::new(Setup { force_snapshot: true, ..three() });
    world.start(0);
    world.start(1);
    world.settle();
    let client = world.connect(0);
    assert_eq!(world.create(&client, "/before").err, 0);
    world.hold_disk(2, Lane::Snapshot);
    world.start(2);
    for n in 0..20 {
        world.pass_ms(50);
        assert_eq!(world.create(&client, &format!("/n{n}")).err, 0);
    }
    assert_eq!(world.mode(2), "looking", "its snapshot is not on its disk");
    world.free_disk(2);
    world.settle();
    assert_eq!(world.mode(2), "follower");
    assert!(world.has(2, "/before") && world.has(2, "/n19"));
    world.assert_alike();
}

/// A server that once got the tree at the start of an epoch is ahead of a later leader to which nothing has happened since, by
/// a number that stands for no transaction. The leader sends its tree; without this server there is no quorum.
#[test]
fn a_tree_from_before_the_own_history_replaces_it() {
    let mut world = World::new(Setup { force_snapshot: true, ..three() });
    world.start(0);
    world.start(1);
    world.settle();
    world.start_all();
    (0..3).for_each(|server| world.kill(server));
    world.start(0);
    world.start(1);
    world.settle();
    world.kill(0);
    world.start(2);
    world.settle();
    assert_eq!(world.mode(1), "leader");
    world.start_all();
    world.assert_alike();
}

/// One that needs a snapshot and does not read it kept the others that need one waiting, and the leader's own snapshots.
#[test]
fn a_learner_that_reads_slowly_keeps_nobody_waiting() {
    let mut setup = Setup { force_snapshot: true, ..Setup::calm(1, 5, 0) };
    setup.node.store.snap_count = 10;
    let mut world = World::new(setup);
    (0..3).for_each(|server| world.start(server));
    world.settle();
    let leader = world.leading();
    let client = world.connect(leader);
    let data = vec![7; 200 << 10];
    for n in 0..20 {
        let path = format!("/n{n}");
        let request = Request::Create {
            op: OpCode::Create,
            path: Some(path.into()),
            data: Some(data.as_slice().into()),
            acl: Some(vec![Acl::open()]),
            flags: CreateMode::Persistent.flags(),
            ttl: -1,
        };
        assert_eq!(world.call(&client, &request).err, 0);
    }
    let told =
        |world: &World, line: &str| world.notes(leader).iter().filter(|note| note.starts_with(line)).count();
    let soon = |world: &World| world.now_us() + 1_000_000;
    world.start(3);
    let until_us = soon(&world);
    let begun = world.run_until_so(until_us, |world| told(world, "Synchronizing with Learner sid: 4 ") > 0);
    assert_eq!(begun, Ok(true));
    world.pause(3);
    // It has got the beginning. The next one gets all of it meanwhile.
    world.start(4);
    let until_us = soon(&world);
    assert_eq!(world.run_until_so(until_us, |world| world.mode(4) == "follower"), Ok(true));
    let snapshots = told(&world, "Snapshot taken");
    for n in 0..20 {
        assert_eq!(world.create(&client, &format!("/late{n}")).err, 0);
    }
    let until_us = soon(&world);
    assert_eq!(world.run_until_so(until_us, |world| told(world, "Snapshot taken") > snapshots), Ok(true));
    assert_eq!(world.member(leader).leading.expect("it leads").learners, 4, "the slow one is still there");
    world.resume(3);
    world.settle();
    assert_eq!(told(&world, "Synchronizing with Learner sid: 4 "), 1);
    assert!(world.all_have("/n19") && world.all_have("/late19"));
    world.assert_alike();
}

/// A follower's disk is gone. It comes back with nothing, is told everything by a snapshot, and then can stand in for one that has
/// always been there.
#[test]
fn a_member_without_a_disk_gets_everything_from_the_leader() {
    let window = WindowLimits { count_min: 1, bytes: 0 };
    let mut world = World::settled(Setup { window, snapshot_size_factor: -1.0, ..three() });
    let [follower, other] = world.followers()[..] else { panic!("there are two") };
    let client = world.connect(other);
    for n in 0..10 {
        assert_eq!(world.create(&client, &format!("/{n}")).err, 0);
    }
    world.wipe_disk(follower);
    world.start_all();
    let wiped = world.wiped();
    assert_eq!((wiped.disks, wiped.by_snapshot, wiped.by_history), (1, 1, 0));
    world.kill(other);
    let client = world.connect(follower);
    assert_eq!(world.create(&client, "/more").err, 0);
    world.start_all();
    world.assert_alike();
}
