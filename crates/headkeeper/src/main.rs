//! Headkeeper: the program. Each command has a module of its own.

mod bench;
mod cli;

use clap::Parser;
use cli::{Cli, Command};
use std::process::ExitCode;

fn main() -> ExitCode {
    match Cli::parse().command {
        Some(Command::Bench(args)) => bench::run(&args),
        None => ExitCode::SUCCESS,
    }
}
