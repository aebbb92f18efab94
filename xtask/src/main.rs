//! Repository chores: what CI runs, what repairs, and other people's software run against our server.
//!
//! `cargo xtask --help` lists the commands. Nothing here is part of the product.

mod apache;
mod bench;
mod check;
mod crash;
mod differential;
mod fuzz;
mod garbage;
mod interop;
mod mixed;
mod observers;
mod roles;
mod sim;
mod storage;
mod sweep;
mod words;
mod workspace;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Headkeeper's chores", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check the sources as CI does: the rules of the repository, formatting, lints, documentation.
    Check,
    /// Repair what can be repaired without thought.
    Fix,
    /// Only the rules of the repository: a second, no compiler.
    Tidy,
    /// Fetch, start and inspect an Apache ZooKeeper 3.9.5 to compare with.
    #[command(subcommand)]
    Apache(apache::Apache),
    /// Measure speed and memory side by side with Apache's server.
    Bench(bench::Bench),
    /// Kill the server again and again while it works; every acknowledged write must be there afterwards.
    Crash(crash::Crash),
    /// Send the same random sequences to an Apache server and to ours, and compare every byte that matters.
    Differential(differential::Differential),
    /// Run other people's clients and test suites against our server, or against Apache's.
    Interop(interop::Interop),
    /// Hand data directories from Apache's server to ours and back; everything must look the same.
    Storage(storage::Storage),
    /// Replace the servers of an ensemble one by one, Apache's by ours and back, while clients write.
    Mixed(mixed::Mixed),
    /// Let observers learn from followers (observerMasterPort): ours from Apache's, then Apache's from ours.
    Observers(observers::Observers),
    /// Play with local sessions and read-only mode at three servers of ours and at three of Apache's, and compare every byte.
    Roles(roles::Roles),
    /// Simulate whole ensembles under faults, one from each seed, and check everything.
    Sim(sim::Sim),
    /// Stop a simulated server at every disk operation, for many seeds; everything acknowledged must be there afterwards.
    Sweep(sweep::Sweep),
    /// Run the fuzzer against every decoder.
    Fuzz(fuzz::Fuzz),
    /// Send rubbish over thousands of connections while honest clients work, who must not notice.
    Garbage(garbage::Garbage),
    /// Tell the surprises of the protocol, one by one, to our server or to Apache's.
    Surprises(differential::Surprises),
    /// Ask every four-letter word of an Apache server and of ours, and compare the answers line by line.
    Words(words::Words),
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Check => check::check(),
        Command::Fix => check::fix(),
        Command::Tidy => check::tidy(),
        Command::Apache(command) => apache::run(command),
        Command::Bench(arguments) => bench::run(arguments),
        Command::Crash(command) => crash::run(command),
        Command::Differential(arguments) => differential::run(arguments),
        Command::Interop(arguments) => interop::run(arguments),
        Command::Storage(command) => storage::run(command),
        Command::Roles(command) => roles::run(command),
        Command::Mixed(arguments) => mixed::run(arguments),
        Command::Observers(arguments) => observers::run(arguments),
        Command::Sim(command) => sim::run(command),
        Command::Sweep(command) => sweep::run(command),
        Command::Fuzz(command) => fuzz::run(command),
        Command::Garbage(command) => garbage::run(command),
        Command::Surprises(arguments) => differential::surprises(arguments),
        Command::Words(arguments) => words::run(arguments),
    }
}
