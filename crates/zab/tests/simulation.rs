//! Whole ensembles under faults, one per seed (reference: simulation §2). Every check of `world::checks` runs at every step.

mod world;

use std::panic::AssertUnwindSafe;
use world::World;

const SECOND: u64 = 1_000_000;

/// What the seeds of a run have come across.
#[derive(Default)]
struct Tally {
    seeds: u64,
    steps: u64,
    delivered: u64,
    through_masters: u64,
    plans: std::collections::BTreeMap<&'static str, u64>,
}

fn one(seed: u64) -> World {
    let voters = [3, 3, 5, 1][seed as usize % 4];
    let observers = usize::from(seed.is_multiple_of(5));
    let mut world = World::new(seed, voters, observers);
    if seed.is_multiple_of(10) {
        world.config = |config| config.observer_master_port = Some(3000);
    }
    world.port_closes_after_us = [0, 3000][seed as usize % 2];
    world.write_gap_us = [10_000, 50_000, 300_000][seed as usize % 3];
    world.start_all();
    world.start_writing(4 * SECOND);
    world.start_faults(4 * SECOND);
    world.run(5 * SECOND);
    world.heal();
    let agreed = world.run_until(world.now + 30 * SECOND, World::agrees);
    let serving: Vec<_> =
        world.servers.iter().map(|server| (server.id, server.serves, server.tree.len())).collect();
    assert!(agreed, "no agreement after everything worked again: {serving:?}");
    let before = world.checks.committed.len();
    let leader = world.leader().expect("a leader");
    world.write(leader).expect("it takes writes");
    let done = |world: &World| world.agrees() && world.checks.committed.len() == before + 1;
    assert!(world.run_until(world.now + 5 * SECOND, done), "a write after everything worked again");
    world
}

fn run(seeds: std::ops::Range<u64>) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds {
        let result = std::panic::catch_unwind(AssertUnwindSafe(|| one(seed)));
        let Ok(world) = result else { panic!("seed {seed} failed: ZAB_SEED={seed} runs it alone") };
        tally.seeds += 1;
        tally.steps += world.steps;
        tally.delivered += world.delivered;
        tally.through_masters += world.through_masters;
        for (plan, count) in world.plans {
            *tally.plans.entry(plan).or_default() += count;
        }
    }
    tally
}

#[test]
fn ensembles_keep_their_promises_under_faults() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("ZAB_SEED") {
        one(seed);
        return;
    }
    let seeds = number("ZAB_SEEDS").unwrap_or(300);
    let halves = [0..seeds / 2, seeds / 2..seeds].map(|range| std::thread::spawn(|| run(range)));
    for half in halves {
        let tally = half.join().expect("every seed holds");
        println!(
            "{} seeds, {} steps, {} delivered, {} times an observer with a follower's help, {:?}",
            tally.seeds, tally.steps, tally.delivered, tally.through_masters, tally.plans
        );
        assert!(tally.through_masters > 0, "no seed came to a master of observers");
        for plan in ["truncate", "install", "append", "reload"] {
            assert!(tally.plans.get(plan).is_some_and(|count| *count > 0), "no seed came to {plan}");
        }
    }
}
