//! Headkeeper: the program. Each command has a module of its own.

mod base64;
mod bench;
mod cli;
mod config;
mod help;
pub mod inputs;
mod log;
mod offline;
mod serve;
mod shell;
mod snapshot;
mod time;

use clap::Parser;
use cli::{Cli, Command};
use std::process::ExitCode;

/// Does what the command line says; the exit code is the program's.
pub fn run() -> ExitCode {
    match Cli::parse().command {
        None => serve::local(),
        Some(Command::Serve(args)) => serve::run(&args),
        Some(Command::Config(args)) => config::run(&args),
        Some(Command::Shell(args)) => shell::run(&args),
        Some(Command::Bench(args)) => bench::run(&args),
        Some(Command::Log(args)) => log::run(&args),
        Some(Command::Snapshot(args)) => snapshot::run(&args),
        Some(Command::Help(args)) => help::run(&args),
    }
}
