//! Headkeeper: the program. Each command has a module of its own.

mod base64;
mod bench;
mod cli;
mod serve;
mod shell;
mod time;

use clap::Parser;
use cli::{Cli, Command};
use std::process::ExitCode;

fn main() -> ExitCode {
    match Cli::parse().command {
        Some(Command::Shell(args)) => shell::run(&args),
        Some(Command::Bench(args)) => bench::run(&args),
        Some(Command::Serve(args)) => serve::run(&args),
        None => serve::local(),
    }
}
