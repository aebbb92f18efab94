//! Sessions of the whole ensemble: they move, end, and outlive servers.

use crate::three;
use sim::ensemble::{World, create};
use wire::{CreateMode, Request};

#[test]
fn a_session_moves_from_server_to_server() {
    let mut world = World::settled(three());
    for (from, to) in [(0, 1), (0, 2), (2, 0), (1, 1)] {
        let client = world.connect(from);
        let path = format!("/from{from}to{to}");
        world.call(&client, &create(&path, CreateMode::Ephemeral));
        let moved = world.revisit(to, client.session).expect("it is valid everywhere");
        if from != to {
            world.ask(&client, &create("/late", CreateMode::Persistent));
            world.come_to_rest();
            assert!(world.is_closed(&client), "the old connection may not write any more");
            assert!(world.none_has("/late"));
        }
        assert_eq!(world.create(&moved, &format!("/at{from}{to}")).err, 0);
        assert_eq!(world.call(&moved, &Request::CloseSession).err, 0);
        assert!(world.none_has(&path), "its ephemerals are gone everywhere");
    }
    world.assert_alike();
}

#[test]
fn silence_ends_a_session_everywhere() {
    let mut world = World::settled(three());
    let (quiet, lively) = (world.connect(0), world.connect(1));
    world.call(&quiet, &create("/quiet", CreateMode::Ephemeral));
    world.call(&lively, &create("/lively", CreateMode::Ephemeral));
    for _ in 0..30 {
        world.pass_ms(500);
        world.call(&lively, &Request::Ping);
    }
    assert!(world.is_closed(&quiet) && !world.is_closed(&lively));
    assert!(world.none_has("/quiet") && world.all_have("/lively"));
    assert_eq!(world.revisit(1, quiet.session), None);
}

/// A leader refuses a session from the moment on at which it proposes its end, as Apache does. When it loses its quorum before
/// that is committed the end has never happened: the next leader has the session.
#[test]
fn an_end_that_was_proposed_and_lost() {
    let mut world = World::settled(three());
    let (leader, others) = (world.leading(), world.followers());
    let client = world.connect(leader);
    let session = client.session;
    let has_it = |world: &World, server| world.running(server).tree().sessions().contains_key(&session);
    assert!((0..3).all(|server| has_it(&world, server)));

    others.iter().for_each(|server| world.kill(*server));
    world.ask(&client, &Request::CloseSession);
    world.come_to_rest();
    assert_eq!(world.mode(leader), "leader", "it has not noticed yet");
    assert_eq!(world.revisit(leader, session), None);
    assert_eq!(world.mode(leader), "leader", "it has refused the session, not just closed");
    assert!(has_it(&world, leader), "the end is not committed");

    world.kill(leader);
    others.iter().for_each(|server| world.start(*server));
    world.settle();
    let client = world.revisit(others[0], session).expect("it lives");
    world.start_all();
    assert!(has_it(&world, leader) && !world.is_closed(&client));
}
