//! `headkeeper bench`: a load tool for any ZooKeeper server.
//!
//! A run: [`prepare`] makes the znodes, one [`worker`] per thread drives its share of the connections from an event loop (a
//! closed loop: every connection keeps `depth` requests in flight; or paced, with `--rate`), [`report`] prints what was
//! measured between warm-up and end, and the znodes are removed again. Latency is counted from the moment a request is
//! handed to the socket (or, when paced, from the moment it was due) to the moment its answer has been read.

mod args;
mod prepare;
mod process;
mod report;
mod stop;
mod worker;

pub use args::BenchArgs;

use args::Plan;
use prepare::Nodes;
use process::Process;
use report::{Load, Report};
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use stop::Stop;
use worker::{Tally, Worker};

/// Runs the load the arguments ask for. Exit code 0, or 1 when the server could not be used, 2 when arguments contradict each
/// other.
pub fn run(args: &BenchArgs) -> ExitCode {
    let plan = match args.plan() {
        Ok(plan) => plan,
        Err(message) => {
            eprintln!("headkeeper bench: {message}");
            return ExitCode::from(2);
        }
    };
    match bench(&plan) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("headkeeper bench: {message}");
            ExitCode::FAILURE
        }
    }
}

fn bench(plan: &Plan) -> Result<(), String> {
    if plan.clean_only {
        return prepare::clean(plan);
    }
    let stop = Stop::on_signals().map_err(|e| format!("cannot wait for signals: {e}"))?;
    let measured = make_and_measure(plan, &stop);
    if stop.is_asked() && !plan.keep {
        // The run was cut short, perhaps in the middle of an error: whatever is there has to go.
        progress(plan, "interrupted: removing the znodes");
        prepare::clean(plan)?;
        return Err("interrupted; the znodes are removed".into());
    }
    if stop.is_asked() {
        return Err("interrupted".into());
    }
    let report = measured?;
    if plan.json {
        println!("{}", report.json());
    } else {
        print!("{report}");
    }
    if plan.keep { Ok(()) } else { prepare::clean(plan) }
}

fn make_and_measure(plan: &Plan, stop: &Stop) -> Result<Report, String> {
    let started = Instant::now();
    let nodes = Arc::new(prepare::make(plan, stop)?);
    let load = Load { nodes: nodes.count(), seconds: started.elapsed().as_secs_f64() };
    progress(plan, &format!("{} znodes made in {:.2} s", load.nodes, load.seconds));
    let server = plan.server_pid.map(Process::new);
    if plan.duration.is_zero() {
        Ok(Report::of_load(plan, load, server.as_ref()))
    } else {
        measure(plan, load, &nodes, server.as_ref(), stop)
    }
}

/// Warm-up, measurement, end.
fn measure(
    plan: &Plan,
    load: Load,
    nodes: &Arc<Nodes>,
    server: Option<&Process>,
    stop: &Stop,
) -> Result<Report, String> {
    let done = Arc::new(AtomicU64::new(0));
    let mut workers = Vec::new();
    for index in 0..plan.threads {
        workers.push(Worker::connect(plan, index, Arc::clone(nodes), Arc::clone(&done), stop.clone())?);
    }
    let begin = Instant::now();
    let from = begin + plan.warmup;
    let until = from + plan.duration;
    let threads: Vec<_> =
        workers.into_iter().map(|worker| thread::spawn(move || worker.run(begin, from, until))).collect();
    stop.sleep_until(from);
    let own = Process::new(std::process::id());
    let (own_before, server_before) = (own.cpu(), server.and_then(Process::cpu));
    watch_progress(plan, &done, until, stop);
    let server_cpu = server.and_then(Process::cpu).zip(server_before).map(|(after, before)| after - before);
    let client_cpu = own.cpu().zip(own_before).map(|(after, before)| after - before);
    let rss = server.and_then(Process::rss_bytes);
    let mut tally = Tally::default();
    for thread in threads {
        tally.add(
            thread.join().map_err(|_| "a worker thread failed")?.map_err(|e| format!("event loop: {e}"))?,
        );
    }
    Ok(Report { plan: plan.clone(), load, tally: Some(tally), server_cpu, client_cpu, server_rss_bytes: rss })
}

/// One line a second on stderr, overwritten in place, while it is a terminal.
fn watch_progress(plan: &Plan, done: &AtomicU64, until: Instant, stop: &Stop) {
    let show = !plan.quiet && std::io::stderr().is_terminal();
    let mut last = done.load(Ordering::Relaxed);
    while show && !stop.is_asked() && until.saturating_duration_since(Instant::now()) > Duration::from_secs(1)
    {
        stop.sleep_until(Instant::now() + Duration::from_secs(1));
        let now = done.load(Ordering::Relaxed);
        let left = until.saturating_duration_since(Instant::now()).as_secs();
        eprint!("\r{:>10} operations/s, {left:>4} s left ", now - last);
        let _ = std::io::stderr().flush();
        last = now;
    }
    stop.sleep_until(until);
    if show {
        eprintln!();
    }
}

fn progress(plan: &Plan, line: &str) {
    if !plan.quiet {
        eprintln!("{line}");
    }
}
