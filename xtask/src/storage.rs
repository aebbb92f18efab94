//! `cargo xtask storage`: the same data directory under Apache's server and under ours.

use crate::apache;
use crate::workspace::{release_binary, target};
use anyhow::{Result, anyhow};
use clap::Args;
use interop::exchange::{self, Options};
use interop::process::Program;
use std::path::PathBuf;
use std::time::Instant;

/// What to exchange.
#[derive(Args)]
pub(crate) struct Storage {
    /// How often each directory goes there and back.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// How many seeds, each of them with every case.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// The first seed; printed, so that a failing run can be repeated.
    #[arg(long)]
    seed: Option<u64>,
    /// Only the cases whose names contain this, for example `Apache to Headkeeper` or `Gzip`.
    #[arg(long, value_name = "TEXT")]
    case: Option<String>,
    /// What CI runs: a fixed seed and the fewest rounds.
    #[arg(long)]
    ci: bool,
    /// Where the servers listen.
    #[arg(long, default_value_t = 26150)]
    port: u16,
    /// Our binary; built in release mode if not given.
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// Runs it; the data stays where it is when something differs.
pub(crate) fn run(command: Storage) -> Result<()> {
    let binary = release_binary(command.binary)?;
    let (seeds, rounds) = if command.ci { (1, 1) } else { (command.seeds, command.rounds) };
    let first = match command.seed {
        Some(seed) => seed,
        None if command.ci => 1,
        None => u64::from(std::process::id()),
    };
    let directory = target().join("storage").join(command.port.to_string());
    let started = Instant::now();
    for seed in first..first + seeds {
        println!("seed {seed}, data in {}", directory.display());
        let options = Options {
            apache: Program::Apache { classpath: apache::classpath()? },
            ours: Program::Headkeeper { binary: binary.clone() },
            directory: directory.clone(),
            port: command.port,
            seed,
            rounds,
            case: command.case.clone(),
        };
        let report = exchange::run(&options, |line| println!("{line}"));
        let report = report.map_err(|error| anyhow!("seed {seed}: {error}"))?;
        println!("{report}");
    }
    println!("no difference, in {:.0} s", started.elapsed().as_secs_f64());
    std::fs::remove_dir_all(directory)?;
    Ok(())
}
