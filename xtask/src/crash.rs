//! `cargo xtask crash`: kill -9 in a loop against the real binary under load.

use crate::workspace::{self, release_binary};
use anyhow::{Result, anyhow};
use clap::Args;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long and how hard.
#[derive(Args)]
pub(crate) struct Crash {
    /// How often to kill the server.
    #[arg(long, default_value_t = 100)]
    kills: u32,
    /// Concurrent sessions.
    #[arg(long, default_value_t = 8)]
    sessions: usize,
    /// Requests each session keeps under way.
    #[arg(long, default_value_t = 16)]
    depth: usize,
    /// The longest time under load before a kill, in ms.
    #[arg(long, default_value_t = 1500)]
    load_ms: u64,
    /// Decides the plan; printed, so that a failing one can be repeated.
    #[arg(long)]
    seed: Option<u64>,
    /// A line for the server's configuration, such as `snapCount=100`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE", default_values_t = ["snapCount=3000".to_owned(), "preAllocSize=64".to_owned()])]
    set: Vec<String>,
    /// The server's binary; built in release mode if not given.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// An empty directory for the data; a fresh one under the target directory if not given.
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// Runs it; the data stays where it is when something was violated.
pub(crate) fn run(command: Crash) -> Result<()> {
    let binary = release_binary(command.binary)?;
    let seed = command.seed.unwrap_or_else(|| u64::from(std::process::id()));
    let dir = command.dir.unwrap_or_else(|| workspace::target().join(format!("crash-{seed}")));
    let config: String = command.set.iter().map(|line| format!("{line}\n")).collect();
    println!("seed {seed}, data in {}", dir.display());
    let options = interop::crash::Options {
        binary,
        dir: dir.clone(),
        kills: command.kills,
        workers: command.sessions,
        depth: command.depth,
        load_max: Duration::from_millis(command.load_ms),
        seed,
        config,
    };
    let started = Instant::now();
    let report = interop::crash::run(&options).map_err(|e| anyhow!("seed {seed}: {e}"))?;
    println!("{report}, in {:.0} s", started.elapsed().as_secs_f64());
    std::fs::remove_dir_all(dir)?;
    Ok(())
}
