//! Who leads, and what becomes of what a lost leader had.

use crate::three;
use sim::ensemble::{World, create};
use store::{EmptyDirectory, Lane};
use wire::CreateMode;

#[test]
fn three_servers_elect_one() {
    let world = World::settled(three());
    assert_eq!((world.leader().is_some(), world.followers().len()), (true, 2));
}

#[test]
fn one_of_three_serves_nobody() {
    let mut world = World::new(three());
    world.start(0);
    world.pass_ms(5000);
    assert_eq!(world.mode(0), "looking");
    assert_eq!(world.visit(0), None);
}

#[test]
fn the_loss_of_the_leader_loses_nothing() {
    let mut world = World::settled(three());
    let (first, other) = (world.leading(), world.followers()[0]);
    let client = world.connect(other);
    assert_eq!(world.create(&client, "/before").err, 0);
    world.kill(first);
    world.settle();
    assert!(world.is_closed(&client), "its server had no leader for a while");
    let again = world.revisit(other, client.session).expect("the session lives on");
    assert_eq!(world.create(&again, "/after").err, 0);
    world.start_all();
    assert_eq!(world.mode(first), "follower");
    assert!(world.has(first, "/before") && world.has(first, "/after"));
    world.assert_alike();
}

#[test]
fn a_deposed_leader_gives_up_what_nobody_else_had() {
    let mut world = World::settled(three());
    let (old, others) = (world.leading(), world.followers());
    let client = world.connect(old);
    assert_eq!(world.create(&client, "/agreed").err, 0);
    world.isolate(old);
    world.ask(&client, &create("/alone", CreateMode::Persistent));
    // All of them give up waiting for each other.
    world.pass_ms(5_000);
    world.serve(&others);
    assert_eq!(world.mode(old), "looking");
    assert_eq!(world.replies(&client), []);
    let other = world.connect(others[0]);
    assert_eq!(world.create(&other, "/meanwhile").err, 0);
    world.rejoin(old);
    world.settle();
    assert_eq!(world.mode(old), "follower");
    assert!(!world.has(old, "/alone") && world.has(old, "/meanwhile") && world.has(old, "/agreed"));
    world.assert_alike();
}

#[test]
fn all_restart_from_their_disks() {
    let mut world = World::settled(three());
    let client = world.connect(1);
    for n in 0..10 {
        assert_eq!(world.create(&client, &format!("/n{n}")).err, 0);
    }
    (0..3).for_each(|server| world.kill(server));
    world.start_all();
    let again = world.revisit(0, client.session).expect("sessions outlive restarts");
    let reply = world.create(&again, "/x");
    assert_eq!((reply.err, reply.zxid), (0, 0x2_0000_0001));
    assert!(world.has(0, "/n9"));
    world.assert_alike();
}

/// Only a leader looks for containers; the others must not wake up for it, again and again.
#[test]
fn an_idle_minute_leaves_everybody_asleep() {
    let mut world = World::settled(three());
    world.pass_ms(130_000);
    assert_eq!(world.followers().len(), 2);
}

/// The role ends while one batch is with the disk and another one waits: the batch's end is all that happens then.
#[test]
fn a_slow_disk_does_not_keep_a_server_from_the_next_election() {
    let mut world = World::settled(three());
    let (leader, slow) = (world.leading(), world.followers()[0]);
    let client = world.connect(leader);
    world.hold_disk(slow, Lane::Log);
    for path in ["/with-the-disk", "/waiting"] {
        assert_eq!(world.create(&client, path).err, 0);
    }
    world.kill(leader);
    world.come_to_rest();
    assert_eq!(world.mode(slow), "looking");
    world.free_disk(slow);
    world.settle();
    assert!(world.has(slow, "/waiting"));
    world.assert_alike();
}

/// `db.autocreate=false`: a server whose disk was replaced does not help one that has missed something to lead. It has a say again
/// once it has the leader's data.
#[test]
fn an_empty_disk_does_not_outvote_those_who_have_the_data() {
    let mut setup = three();
    setup.node.store.empty = EmptyDirectory::Distrusted;
    let mut world = World::new(setup);
    (0..3).for_each(|server| world.initialize(server));
    world.start_all();
    world.kill(2);
    world.settle();
    let client = world.connect(1);
    assert_eq!(world.create(&client, "/missed").err, 0);
    world.kill(0);
    world.wipe_disk(1);
    (1..3).for_each(|server| world.start(server));
    world.pass_ms(20_000);
    assert_eq!((world.mode(1), world.mode(2)), ("looking", "looking"));

    world.start(0);
    world.settle();
    assert_eq!(world.mode(0), "leader");
    assert!((0..3).all(|server| world.has(server, "/missed")));
    world.assert_alike();
    world.kill(0);
    world.settle();
    assert!(world.has(1, "/missed") && world.has(2, "/missed"));
}
