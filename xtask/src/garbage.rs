//! `cargo xtask garbage`: thousands of connections with rubbish against the real binary, while honest clients work.

use crate::workspace::{self, release_binary};
use anyhow::{Result, anyhow};
use clap::Args;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How much, and what is allowed.
#[derive(Args)]
pub(crate) struct Garbage {
    /// Connections with rubbish.
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
    /// Threads that open them.
    #[arg(long, default_value_t = 16)]
    senders: usize,
    /// Honest sessions.
    #[arg(long, default_value_t = 4)]
    honest: usize,
    /// The longest time that an honest request may take, in ms.
    #[arg(long, default_value_t = 2000)]
    latency_ms: u64,
    /// By how much resident memory may grow from the first half to the second, in MiB.
    #[arg(long, default_value_t = 8)]
    growth_mib: u64,
    /// Decides the rubbish; printed, so that it can be repeated.
    #[arg(long)]
    seed: Option<u64>,
    /// The server's binary; built in release mode if not given.
    #[arg(long)]
    binary: Option<PathBuf>,
}

pub(crate) fn run(command: Garbage) -> Result<()> {
    let binary = release_binary(command.binary)?;
    let seed = command.seed.unwrap_or_else(|| u64::from(std::process::id()));
    let dir = workspace::target().join(format!("garbage-{seed}"));
    println!("seed {seed}, data in {}", dir.display());
    let options = interop::garbage::Options {
        binary,
        dir: dir.clone(),
        connections: command.connections,
        senders: command.senders,
        honest: command.honest,
        latency_max: Duration::from_millis(command.latency_ms),
        growth_max: command.growth_mib << 20,
        seed,
    };
    let started = Instant::now();
    let report = interop::garbage::run(&options).map_err(|e| anyhow!("seed {seed}: {e}"))?;
    println!("{report}\n{:.0} s", started.elapsed().as_secs_f64());
    std::fs::remove_dir_all(dir)?;
    Ok(())
}
