//! Clients of a standalone server: connections break, the process dies, and nobody may see anything that is forbidden.

mod lies;
mod world;

use lies::Lie;
use sim::checks::Counts;
use world::World;

/// One seed: `SIM_SEED=7`; another number of them: `SIM_SEEDS=1000`.
#[test]
fn nobody_sees_what_is_forbidden() {
    let variable = |name| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    let seeds = match variable("SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..variable("SIM_SEEDS").unwrap_or(15),
    };
    let is_usual = seeds.end - seeds.start == 15;
    let mut all = Counts::default();
    for seed in seeds {
        let counts = World::new(seed).run().unwrap_or_else(|violation| panic!("seed {seed}: {violation}"));
        println!("seed {seed}: {counts:?}");
        all = all.plus(counts);
    }
    println!("all: {all:?}");
    if is_usual {
        let Counts { writes, failed_writes, multis, reads, events, missed_events, expiries, unknown, .. } =
            all;
        assert!(writes > 30_000 && failed_writes > 10_000 && multis > 1_000 && reads > 20_000, "{all:?}");
        assert!(events > 10_000 && missed_events > 50 && expiries > 5 && unknown > 1_000, "{all:?}");
    }
}

/// The checks can fail, and each of them for its own reason.
#[test]
fn lies_are_noticed() {
    let lies: [(Lie, &[&str]); 7] = [
        (Lie::NoEvent, &["C6", "C7"]),
        (Lie::TwoEvents, &["C6", "C7"]),
        (Lie::LateEvent, &["C3", "C6", "C7"]),
        (Lie::NoAnswer, &["C2"]),
        (Lie::LateAnswer, &["C2", "C3", "C6"]),
        (Lie::OldAnswer, &["C1", "C3", "C4"]),
        (Lie::NoNode, &["C1", "C4", "C6", "C11"]),
    ];
    for (lie, expected) in lies {
        for seed in [100, 103] {
            let mut world = World::new(seed);
            world.lie = Some(lie);
            let violation = world.run().expect_err("a violation");
            let by = violation.check.split(' ').next().expect("a name");
            assert!(expected.contains(&by), "{lie:?}, seed {seed}: {violation}");
        }
    }
}
