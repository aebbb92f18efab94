//! What the simulation of ensembles has found, told on purpose.

use sim::ensemble::{Setup, World};

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
