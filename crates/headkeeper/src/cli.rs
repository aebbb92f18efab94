//! The command line: what can be asked for, and its help.

use crate::bench::BenchArgs;
use crate::cluster::ClusterArgs;
use crate::config::ConfigArgs;
use crate::log::LogArgs;
use crate::serve::ServeArgs;
use crate::shell::ShellArgs;
use crate::snapshot::SnapshotArgs;
use clap::{Parser, Subcommand};

/// A coordination service that speaks ZooKeeper's protocol, files and configuration.
#[derive(Parser, Debug)]
#[command(
    name = "headkeeper",
    version,
    subcommand_value_name = "COMMAND",
    after_help = "\
Without a command: a server for this machine only, on 127.0.0.1:2181, with its data in
./headkeeper-data. Every ZooKeeper client can use it; this program is one, too:

  headkeeper                                 in one terminal
  headkeeper shell create /hello world       in another
  headkeeper shell get /hello
  headkeeper shell                           a prompt with history, completion and `help`

  headkeeper serve zoo.cfg                   a server with ZooKeeper's configuration file
  headkeeper cluster                         three servers that replicate, to try out
  headkeeper config snapCount                what does a key of that file do?
  headkeeper bench --duration 5              how fast is it?
  headkeeper log dump DATA/version-2/log.1   what has been written?

`headkeeper COMMAND --help` tells more."
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The subcommands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run a server with a configuration
    Serve(ServeArgs),
    /// Run three servers on this machine that replicate, to try out and to break
    Cluster(ClusterArgs),
    /// Explain the keys of a configuration file, or check one
    Config(ConfigArgs),
    /// Look at znodes and change them
    Shell(ShellArgs),
    /// Measure a server's throughput and latency
    Bench(BenchArgs),
    /// Read and repair transaction logs
    Log(LogArgs),
    /// Read and compare snapshots
    Snapshot(SnapshotArgs),
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory;

    #[test]
    fn the_commands_hold_together() {
        Cli::command().debug_assert();
    }
}
