//! The command line: what can be asked for, and its help.

use crate::bench::BenchArgs;
use crate::serve::ServeArgs;
use crate::shell::ShellArgs;
use clap::{Parser, Subcommand};

/// A coordination service that speaks ZooKeeper's protocol, files and configuration.
#[derive(Parser, Debug)]
#[command(name = "headkeeper", version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The subcommands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Look at znodes and change them
    Shell(ShellArgs),
    /// Run a server; without any command, one for this machine only on port 2181
    Serve(ServeArgs),
    /// Measure a server's throughput and latency
    Bench(BenchArgs),
}
