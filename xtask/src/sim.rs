//! `cargo xtask sim`: whole ensembles under faults, one from each seed.

use ::sim::checks::Counts;
use ::sim::ensemble::{FaultKind, Outcome, Run, Setup, Wiped, shrunk};
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
    /// Look for a smaller run of it that fails in the same way, and tell how to see that again.
    #[arg(long, requires = "seed", conflicts_with = "verbose")]
    shrink: bool,
    /// Only these faults of it, by name; `none` for none.
    #[arg(long, requires = "seed", value_delimiter = ',')]
    only: Option<Vec<String>>,
    /// With so many clients.
    #[arg(long, requires = "seed")]
    clients: Option<usize>,
    /// With faults for so many µs.
    #[arg(long, requires = "seed")]
    fault_time_us: Option<u64>,
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
        let setup = changed(Setup::drawn(seed), &command)?;
        let outcome = Run::of(setup.clone(), command.verbose);
        println!("{outcome}");
        if let (true, Some(violation)) = (command.shrink, &outcome.violation) {
            shrink(setup, violation.rule);
        }
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

/// The setup, with what the command says of it.
fn changed(mut setup: Setup, command: &Sim) -> Result<Setup> {
    setup.clients = command.clients.unwrap_or(setup.clients);
    setup.fault_time_us = command.fault_time_us.unwrap_or(setup.fault_time_us);
    if let Some(names) = &command.only {
        let kind = |name: &String| {
            let kind = FaultKind::ALL.into_iter().find(|kind| format!("{kind:?}") == *name);
            kind.ok_or_else(|| anyhow!("no kind of fault is called {name}; there are {:?}", FaultKind::ALL))
        };
        let names = names.iter().filter(|name| *name != "none");
        setup.faults = names.map(kind).collect::<Result<_>>()?;
    }
    Ok(setup)
}

/// Tells of a smaller run that breaks the same rule.
fn shrink(setup: Setup, rule: &str) {
    let fails =
        |setup: &Setup| Run::of(setup.clone(), false).violation.is_some_and(|other| other.rule == rule);
    let small = shrunk(setup, fails);
    let names: Vec<String> = small.faults.iter().map(|kind| format!("{kind:?}")).collect();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(",") };
    println!("{}", Run::of(small.clone(), false));
    println!(
        "see it again: cargo xtask sim --seed {} --only {names} --clients {} --fault-time-us {} --verbose",
        small.seed, small.clients, small.fault_time_us
    );
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
