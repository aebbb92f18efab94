//! Clients of a standalone server: connections break, the process dies, and nobody may see anything that is forbidden.

mod lies;

use lies::{Lie, lied};
use node::NodeConfig;
use sim::checks::{Calm, Counts, Expectations, ExpiryBounds, Violation};
use sim::one_server::{Setup, World};
use sim::{MachineSetup, Rng, Survival};
use std::rc::Rc;
use store::StoreConfig;
use tree::TreeConfig;

/// Trouble ends here, and a while later the clients ask for nothing more.
const CALM_US: u64 = 40_000_000;
const STOP_US: u64 = 80_000_000;
const END_US: u64 = 110_000_000;

/// A server with limits so small that much happens, and five clients.
fn setup(seed: u64) -> Setup {
    let store = StoreConfig { prealloc_bytes: 0, snap_count: 200, ..StoreConfig::default() };
    let mut node = NodeConfig { store, ..NodeConfig::default() };
    node.sweep.check_interval_ms = 2_000;
    let tree = TreeConfig { extended_types: Rng::new(seed, "setup").chance(50), ..TreeConfig::default() };
    Setup {
        seed,
        machine: MachineSetup { node, tree },
        separate_logs: false,
        lie: None,
        disk_slowness_us: 300,
        clients: 5,
        requests: 1500,
    }
}

/// Things go wrong for a while; then everything must come to rest and be as clients were told.
fn live(seed: u64, lie: Option<Lie>) -> Result<Counts, Violation> {
    let (mut world, mut rng) = (World::new(setup(seed)), Rng::new(seed, "trouble"));
    // A wait for the disk, and what is noticed of broken connections when all is well again.
    let calm = Calm { from_us: CALM_US + 25_000_000, within_us: 2_000_000, p99_us: 1_000_000 };
    let expiry = ExpiryBounds { early_us: 0, late_us: 10_000_000 };
    world.expect(Expectations { expiry: Some(expiry), sync_sees_everything: true, calm: Some(calm) });
    if let Some(lie) = lie {
        world.tamper(Rc::new(move |rng, bytes| lied(lie, rng, bytes)));
    }
    world.start()?;
    while world.now_us() < CALM_US {
        world.run_until(world.now_us() + 100_000 + rng.below(6_000_000))?;
        if rng.chance(70) {
            world.cut();
        } else if world.machine.is_running() {
            let survival = if rng.chance(50) { Survival::Everything } else { Survival::Subset };
            world.crash(world.machine.disk.crashed(None, survival, Rng::new(rng.next_u64(), "crash")));
            world.start_later(rng.below(3_000_000));
        }
    }
    world.run_until(STOP_US)?;
    world.ask_at_most(0);
    world.run_until(END_US)?;
    assert!(world.is_at_rest(), "everybody comes to rest");
    world.finish()
}

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
        let counts = live(seed, None).unwrap_or_else(|violation| panic!("seed {seed}: {violation}"));
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
            let violation = live(seed, Some(lie)).expect_err("a violation");
            let by = violation.check.split(' ').next().expect("a name");
            assert!(expected.contains(&by), "{lie:?}, seed {seed}: {violation}");
        }
    }
}
