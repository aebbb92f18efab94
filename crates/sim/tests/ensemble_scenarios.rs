//! What the simulation of ensembles has found, told on purpose.

use sim::ensemble::{Setup, World};
use wire::{Acl, CreateMode, OpCode, Request};

const SECOND_US: u64 = 1_000_000;

/// Waits until these servers serve.
fn serve(world: &mut World, servers: &[usize]) {
    let until = world.now_us() + 30 * SECOND_US;
    let so = |world: &World| servers.iter().all(|server| !["down", "looking"].contains(&world.mode(*server)));
    assert_eq!(world.run_until_so(until, so), Ok(true), "{servers:?} do not serve");
}

/// A server that once got the tree at the start of an epoch is ahead of a later leader to which nothing has happened since, by
/// a number that stands for no transaction. The leader sends its tree; without this server there is no quorum.
#[test]
fn a_tree_from_before_the_own_history_replaces_it() {
    let mut world = World::new(Setup { force_snapshot: true, ..Setup::calm(1, 3, 0) });
    world.start(0);
    world.start(1);
    serve(&mut world, &[0, 1]);
    world.start(2);
    serve(&mut world, &[0, 1, 2]);
    (0..3).for_each(|server| world.kill(server));
    world.start(0);
    world.start(1);
    serve(&mut world, &[0, 1]);
    world.kill(0);
    world.start(2);
    serve(&mut world, &[1, 2]);
    assert_eq!(world.mode(1), "leader");
    world.start(0);
    let until = world.now_us() + 30 * SECOND_US;
    assert_eq!(world.run_until_so(until, World::is_settled), Ok(true));
    assert_eq!(world.compare_trees(), Ok(()));
}

/// A follower that observers learn from delivers two writes at once, and tells the observer of the sync between them behind both.
#[test]
fn a_sync_that_is_told_later_than_the_write_behind_it() {
    let setup = Setup { observer_masters: true, leader_serves: false, ..Setup::calm(1, 3, 1) };
    let mut world = World::new(setup);
    (0..4).for_each(|server| world.start(server));
    serve(&mut world, &[0, 1, 2, 3]);
    let guest = world.visit(3).expect("a session");
    let mut asked = Vec::new();
    for n in 0..10 {
        asked.push(world.ask(&guest, &create(&format!("/{n}"))));
        asked.push(world.ask(&guest, &Request::Sync { path: Some("/".into()) }));
    }
    let until = world.now_us() + SECOND_US;
    assert_eq!(world.run_until(until), Ok(()));
    let replies = world.replies(&guest);
    assert_eq!(replies.iter().map(|reply| reply.xid).collect::<Vec<_>>(), asked);
    assert!(replies.iter().all(|reply| reply.err == 0), "{replies:?}");
}

/// A leader refuses a session from the moment on at which it proposes its end, as Apache does. When it loses its quorum before
/// that is committed the end has never happened: the next leader has the session.
#[test]
fn an_end_that_was_proposed_and_lost() {
    let mut world = World::new(Setup::calm(1, 3, 0));
    (0..3).for_each(|server| world.start(server));
    serve(&mut world, &[0, 1, 2]);
    let leader = world.leader().expect("there is one");
    let others: Vec<usize> = (0..3).filter(|server| *server != leader).collect();
    let guest = world.visit(leader).expect("a session");
    let has_it = |world: &World, server: usize| {
        world.node(server).is_some_and(|node| node.tree().sessions().contains_key(&guest.session))
    };
    let until = world.now_us() + SECOND_US;
    let everywhere = |world: &World| (0..3).all(|server| has_it(world, server));
    assert_eq!(world.run_until_so(until, everywhere), Ok(true));

    others.iter().for_each(|server| world.kill(*server));
    world.ask(&guest, &Request::CloseSession);
    let until = world.now_us() + SECOND_US / 10;
    assert_eq!(world.run_until(until), Ok(()));
    assert_eq!(world.mode(leader), "leader", "it has not noticed yet");
    assert_eq!(world.revisit(leader, guest.session), None);
    assert_eq!(world.mode(leader), "leader", "it has refused the session, not just closed");
    assert!(has_it(&world, leader), "the end is not committed");

    world.kill(leader);
    others.iter().for_each(|server| world.start(*server));
    serve(&mut world, &others);
    let guest = world.revisit(others[0], guest.session).expect("it lives");
    world.start(leader);
    serve(&mut world, &[0, 1, 2]);
    assert!(has_it(&world, leader) && !world.is_closed(&guest));
}

fn create(path: &str) -> Request<'_> {
    Request::Create {
        op: OpCode::Create,
        path: Some(path.into()),
        data: None,
        acl: Some(vec![Acl::open()]),
        flags: CreateMode::Persistent.flags(),
        ttl: -1,
    }
}
