//! Headkeeper: the program. Each command has a module of its own.

mod base64;
mod bench;
mod cli;
mod cluster;
mod config;
pub mod inputs;
mod log;
mod offline;
mod serve;
mod shell;
mod snapshot;
mod time;

use clap::Parser;
use cli::{Cli, Command};
use std::ffi::OsString;
use std::process::ExitCode;

/// Does what the command line says; the exit code is the program's.
pub fn run() -> ExitCode {
    match Cli::parse_from(arguments()).command {
        None => serve::local(),
        Some(Command::Serve(args)) => serve::run(&args),
        Some(Command::Cluster(args)) => cluster::run(&args),
        Some(Command::Config(args)) => config::run(&args),
        Some(Command::Shell(args)) => shell::run(&args),
        Some(Command::Bench(args)) => bench::run(&args),
        Some(Command::Log(args)) => log::run(&args),
        Some(Command::Snapshot(args)) => snapshot::run(&args),
    }
}

/// `help config` explains configuration keys, as `config` does.
fn arguments() -> Vec<OsString> {
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    if arguments.iter().skip(1).map(|argument| argument.to_str()).take(2).eq([Some("help"), Some("config")]) {
        arguments.remove(1);
    }
    arguments
}
