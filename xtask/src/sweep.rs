//! `cargo xtask sweep`: the crash-point sweep over the simulated disk, for many seeds.

use anyhow::{Result, anyhow};
use clap::Args;
use sim::sweep::{Report, store};
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

/// Runs them; stops at the first violation.
pub(crate) fn run(command: Sweep) -> Result<()> {
    let clock = || std::time::UNIX_EPOCH.elapsed().map_or(1, |since| since.as_secs() * 1000);
    let first = command.seed.unwrap_or_else(clock);
    println!("seeds {first} to {}", first + command.seeds - 1);
    let started = Instant::now();
    let next = AtomicU64::new(first);
    let total = Mutex::new((Report::default(), None::<String>));
    std::thread::scope(|scope| {
        for _ in 0..command.threads.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + command.seeds {
                        return;
                    }
                    let outcome = store::run(&store::StoreSweep::of(seed));
                    let mut total = total.lock().expect("nobody panics with it");
                    match outcome {
                        Ok(report) => total.0 = total.0.and(report),
                        Err(violation) => {
                            next.store(u64::MAX / 2, Ordering::Relaxed);
                            total.1.get_or_insert(violation);
                        }
                    }
                }
            });
        }
    });
    let (report, violation) = total.into_inner().expect("nobody panics with it");
    if let Some(violation) = violation {
        return Err(anyhow!("{violation}\nsee it again: cargo xtask sweep --seeds 1 --seed SEED"));
    }
    println!("the store alone: {report}, in {:.0} s", started.elapsed().as_secs_f64());
    Ok(())
}
