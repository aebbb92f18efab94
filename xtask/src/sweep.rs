//! `cargo xtask sweep`: the crash-point sweep over the simulated disk, for many seeds.

use anyhow::{Result, anyhow};
use clap::Args;
use sim::Fault;
use sim::sweep::damage::{self, DamageReport, DamageSweep};
use sim::sweep::{Report, node, store};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// How many, from where.
#[derive(Args)]
pub(crate) struct Sweep {
    /// How many seeds.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first of them; chosen by the clock if not given. A failing run prints its seed: give it here, with `--seeds 1`.
    #[arg(long)]
    seed: Option<u64>,
    /// How many at once.
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

/// What all seeds together did.
#[derive(Default)]
struct Total {
    store: Report,
    node: Report,
    failed_operations: u64,
    damage: DamageReport,
    violation: Option<String>,
}

/// Runs them; stops at the first violation.
pub(crate) fn run(command: Sweep) -> Result<()> {
    let clock = || std::time::UNIX_EPOCH.elapsed().map_or(1, |since| since.as_secs() * 1000);
    let first = command.seed.unwrap_or_else(clock);
    println!("seeds {first} to {}", first + command.seeds - 1);
    let started = Instant::now();
    let next = AtomicU64::new(first);
    let total = Mutex::new(Total::default());
    std::thread::scope(|scope| {
        for _ in 0..command.threads.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + command.seeds {
                        return;
                    }
                    if let Err(violation) = one(seed, &total) {
                        next.store(u64::MAX / 2, Ordering::Relaxed);
                        total.lock().expect("nobody panics with it").violation.get_or_insert(violation);
                    }
                }
            });
        }
    });
    let Total { store, node, failed_operations, damage, violation } =
        total.into_inner().expect("nobody panics with it");
    if let Some(violation) = violation {
        return Err(anyhow!("{violation}\nsee it again: cargo xtask sweep --seeds 1 --seed SEED"));
    }
    println!("the store alone: {store}");
    println!("a whole server: {node}");
    println!("{failed_operations} operations failed, one in a run");
    println!("damage: {damage}");
    println!("no violation, in {:.0} s", started.elapsed().as_secs_f64());
    Ok(())
}

/// Everything for one seed.
fn one(seed: u64, total: &Mutex<Total>) -> Result<(), String> {
    let store = store::run(&store::StoreSweep::of(seed))?;
    let sweep = node::NodeSweep::of(seed);
    let node = node::run(&sweep)?;
    let fault = if seed.is_multiple_of(2) { Fault::Error } else { Fault::NoSpace };
    let short = node::NodeSweep { requests: sweep.requests.min(10), ..sweep };
    let failed = node::run_with_faults(&short, fault, 1)?;
    let damage = damage::run(&DamageSweep::of(seed))?;
    let mut total = total.lock().expect("nobody panics with it");
    total.damage = total.damage.and(damage);
    total.store = total.store.and(store);
    total.node = total.node.and(node);
    total.failed_operations += failed;
    Ok(())
}
