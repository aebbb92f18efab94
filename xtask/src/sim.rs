//! `cargo xtask sim`: whole ensembles under faults, one from each seed.

use ::sim::checks::Counts;
use ::sim::ensemble::{Outcome, Run, Setup, Wiped};
use anyhow::{Result, anyhow};
use clap::Args;
use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Which seeds, and how long.
#[derive(Args)]
pub(crate) struct Sim {
    /// How many seeds; until the time is over if only that is given.
    #[arg(long)]
    seeds: Option<u64>,
    /// The first of them; chosen by the clock if not given.
    #[arg(long)]
    start: Option<u64>,
    /// Stop after so many minutes.
    #[arg(long)]
    minutes: Option<f64>,
    /// One seed again.
    #[arg(long, conflicts_with_all = ["seeds", "start", "minutes"])]
    seed: Option<u64>,
    /// Tell every step of it.
    #[arg(long, requires = "seed")]
    verbose: bool,
    /// Go on after a failure.
    #[arg(long)]
    keep_going: bool,
    /// How many at once.
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

/// What all seeds together did.
#[derive(Default)]
struct Total {
    seeds: u64,
    events: u64,
    simulated_us: u64,
    committed: usize,
    epochs: usize,
    answers: u64,
    seen: Counts,
    wiped: Wiped,
    failed: Vec<u64>,
    told: Option<Instant>,
}

thread_local! {
    static SEED: Cell<u64> = const { Cell::new(0) };
}

pub(crate) fn run(command: Sim) -> Result<()> {
    tell_the_seed_of_a_panic();
    if let Some(seed) = command.seed {
        SEED.set(seed);
        let outcome = Run::of(Setup::drawn(seed), command.verbose);
        println!("{outcome}");
        return outcome.violation.map_or(Ok(()), |violation| Err(anyhow!("{violation}")));
    }
    let clock = || std::time::UNIX_EPOCH.elapsed().map_or(1, |since| since.as_secs() * 1000);
    let first = command.start.unwrap_or_else(clock);
    let seeds = command.seeds.unwrap_or(if command.minutes.is_some() { u64::MAX / 4 } else { 200 });
    let deadline = command.minutes.map(|minutes| Instant::now() + Duration::from_secs_f64(minutes * 60.0));
    println!("seeds from {first} on");
    let (started, next, total) = (Instant::now(), AtomicU64::new(first), Mutex::new(Total::default()));
    std::thread::scope(|scope| {
        for _ in 0..command.threads.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds || deadline.is_some_and(|deadline| Instant::now() > deadline) {
                        return;
                    }
                    SEED.set(seed);
                    let outcome = Run::of(Setup::drawn(seed), false);
                    if outcome.violation.is_some() && !command.keep_going {
                        next.store(u64::MAX / 2, Ordering::Relaxed);
                    }
                    total.lock().expect("nobody panics with it").add(&outcome, started);
                }
            });
        }
    });
    let total = total.into_inner().expect("nobody panics with it");
    total.tell(started);
    match total.failed[..] {
        [] => Ok(()),
        _ => Err(anyhow!("{} seeds failed: {:?}", total.failed.len(), total.failed)),
    }
}

impl Total {
    fn add(&mut self, outcome: &Outcome, started: Instant) {
        self.seeds += 1;
        self.events += outcome.events;
        self.simulated_us += outcome.simulated_us;
        self.committed += outcome.committed;
        self.epochs += outcome.epochs;
        self.answers += outcome.answers;
        self.seen = self.seen.plus(outcome.seen);
        self.wiped = self.wiped.plus(outcome.wiped);
        if outcome.violation.is_some() {
            let seed = outcome.setup.seed;
            println!("{outcome}\nsee it again: cargo xtask sim --seed {seed} --verbose");
            self.failed.push(seed);
        }
        if self.told.is_none_or(|told| told.elapsed() > Duration::from_secs(10)) {
            self.told = Some(Instant::now());
            self.tell(started);
        }
    }

    fn tell(&self, started: Instant) {
        let took = started.elapsed().as_secs_f64();
        let simulated = self.simulated_us as f64 / 1e6;
        println!(
            "{} seeds, {} events, {simulated:.0} s simulated in {took:.0} s, {} committed, {} epochs, {} answers\njudged: {}; {}",
            self.seeds, self.events, self.committed, self.epochs, self.answers, self.seen, self.wiped
        );
    }
}

/// A server that panics is a failure like any other, and its seed must not be lost.
fn tell_the_seed_of_a_panic() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        usual(info);
        println!("a panic; see it again: cargo xtask sim --seed {} --verbose", SEED.get());
    }));
}
