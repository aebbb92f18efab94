//! kill -9 in a loop against a real server process under load: every acknowledged write must be there afterwards.
//!
//! Each worker owns a subtree and a session and is their only writer, so it knows what the subtree must look like: all
//! acknowledged operations, and behind them the first few (none to all) of those that were under way when the server
//! died, in order. Anything else is a violation. Sessions must survive as well, with their ephemerals.

mod history;
mod process;
mod worker;

pub use process::ServerProcess;

use crate::patience::START_PATIENCE;
use crate::rng::Rng;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use worker::{Cycle, Worker};

/// What to do to which server.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server's binary; it is started as `BINARY serve CONFIG`.
    pub binary: PathBuf,
    /// An empty directory for configuration and data.
    pub dir: PathBuf,
    /// How often to kill.
    pub kills: u32,
    /// Concurrent sessions.
    pub workers: usize,
    /// Requests each keeps under way.
    pub depth: usize,
    /// The longest time under load before a kill.
    pub load_max: Duration,
    /// Decides everything that is random in the plan; the timing is the system's.
    pub seed: u64,
    /// More lines for the configuration file.
    pub config: String,
}

impl Options {
    /// A plan of a few seconds.
    pub fn short(binary: PathBuf, dir: PathBuf) -> Options {
        Options {
            binary,
            dir,
            kills: 5,
            workers: 4,
            depth: 8,
            load_max: Duration::from_millis(400),
            seed: 1,
            config: "snapCount=500\npreAllocSize=64\n".to_owned(),
        }
    }
}

/// What happened.
#[derive(Clone, Default, Debug)]
pub struct Report {
    /// Kills done, those during start-up included.
    pub kills: u32,
    /// Kills before the server was serving again.
    pub kills_at_start: u32,
    /// Operations acknowledged, all of them verified after the next kill.
    pub acknowledged: u64,
    /// Operations under way at a kill that had happened nevertheless.
    pub unacknowledged_applied: u64,
    /// Times a whole subtree was compared.
    pub verifications: u64,
    /// From the start of the process to the first answer, in ms: the longest.
    pub start_ms_max: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} kills ({} of them during start-up): {} acknowledged operations all there, {} unacknowledged ones applied whole and in order, {} subtrees compared, longest start {} ms",
            self.kills,
            self.kills_at_start,
            self.acknowledged,
            self.unacknowledged_applied,
            self.verifications,
            self.start_ms_max
        )
    }
}

/// Runs the plan.
///
/// # Errors
/// The first violation, or what kept the plan from being carried out.
pub fn run(options: &Options) -> Result<Report, String> {
    let mut random = Rng::new(options.seed);
    let mut report = Report::default();
    let mut workers: Vec<Worker> =
        (0..options.workers).map(|i| Worker::new(i, options.depth, random.bits())).collect();
    let mut server = ServerProcess::prepare(&options.binary, &options.dir, &options.config)?;
    while report.kills < options.kills {
        let started = Instant::now();
        server.start()?;
        if report.kills > 0 && random.below(4) == 0 {
            std::thread::sleep(Duration::from_millis(random.below(60) as u64));
            report.kills_at_start += 1;
        } else {
            server.wait_until_serving(START_PATIENCE)?;
            report.start_ms_max = report.start_ms_max.max(started.elapsed().as_millis() as u64);
            let load = Duration::from_millis(20 + random.below(options.load_max.as_millis() as usize) as u64);
            under_load(&mut workers, &mut server, load, &mut report)?;
        }
        server.kill()?;
        report.kills += 1;
    }
    server.start()?;
    server.wait_until_serving(START_PATIENCE)?;
    for worker in &mut workers {
        worker.verify(server.address(), &mut report)?;
    }
    server.terminate()?;
    Ok(report)
}

/// All workers verify, then write until the server is killed under them.
fn under_load(
    workers: &mut [Worker],
    server: &mut ServerProcess,
    load: Duration,
    report: &mut Report,
) -> Result<(), String> {
    let address = server.address();
    let cycle = Cycle::new(workers.len());
    let outcomes: Vec<Result<Report, String>> = std::thread::scope(|scope| {
        let handles: Vec<_> = workers
            .iter_mut()
            .map(|worker| {
                let cycle = &cycle;
                scope.spawn(move || worker.live_through(address, cycle))
            })
            .collect();
        let verified = cycle.wait_until_verified(2 * START_PATIENCE);
        std::thread::sleep(load);
        cycle.expect_death();
        let killed = server.kill();
        let mut outcomes: Vec<_> = handles
            .into_iter()
            .map(|h| h.join().unwrap_or_else(|_| Err("a worker has panicked".to_owned())))
            .collect();
        if !verified {
            outcomes.push(Err("the workers were not done with verifying in time".to_owned()));
        }
        outcomes.push(killed.map(|()| Report::default()));
        outcomes
    });
    for outcome in outcomes {
        let part = outcome?;
        report.acknowledged += part.acknowledged;
        report.verifications += part.verifications;
        report.unacknowledged_applied += part.unacknowledged_applied;
    }
    Ok(())
}
