//! `cargo xtask bench`: speed and memory side by side with Apache's server, on one machine in one run.
//!
//! Both servers run at the same time, each on a fresh directory of the same disk, and every load is run on one and then on
//! the other, so that whatever else the machine does meets both. The order changes from round to round; medians are
//! printed. An idle server of either kind takes no noticeable CPU.

mod ensemble;
mod loads;
mod machine;
mod million;
mod report;
mod strain;
mod subject;

use crate::workspace;
use anyhow::Result;
use clap::{Args, Subcommand};
use loads::Load;
use machine::Machine;
use report::Report;
use std::path::PathBuf;
use subject::Program;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Bench {
    #[command(subcommand)]
    other: Option<Other>,
    /// The loads: connections x depth : operation, of get, set, mixed, with @BYTES of data if not 100. `all` is 1, 8, 32,
    /// 256 connections, depth 1 and 8, all operations; `none` measures none.
    #[arg(long, default_value = "all", value_name = "CxD:OP[@BYTES],...")]
    loads: String,
    /// How often to run every load on both servers; medians are printed.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds measured per run.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Seconds before each of them; each server also gets 10 s of mixed load before the first, for Java's compiler.
    #[arg(long, default_value_t = 3.0)]
    warmup: f64,
    /// How long to wait before each pair of runs for a machine that does nothing else.
    #[arg(long, default_value_t = 0, value_name = "SECONDS")]
    patience: u64,
    /// Znodes for memory and load time; 0 leaves both out.
    #[arg(long, default_value_t = 1_000_000)]
    znodes: usize,
    /// Also very many sessions, watches and children, with so many sessions; the limit of open files must allow them.
    #[arg(long, value_name = "SESSIONS")]
    strain: Option<usize>,
    /// Only our server, for a quick look.
    #[arg(long)]
    alone: bool,
    /// Flags for `java`; what zkServer.sh of the release gives by default.
    #[arg(long = "java", value_name = "FLAG", allow_hyphen_values = true, default_values_t = ["-Xmx1000m".to_owned()])]
    java_flags: Vec<String>,
    /// The first of two ports.
    #[arg(long, default_value_t = 26120)]
    port: u16,
    /// Where the data directories are made and removed; under the target directory if not given.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Our binary; built in release mode if not given.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Write all single measurements there as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What is measured with other means.
#[derive(Subcommand)]
enum Other {
    /// Three servers: what the loss of one costs, and how fast one catches up.
    Ensemble(ensemble::Figures),
}

pub(crate) fn run(arguments: Bench) -> Result<()> {
    if let Some(Other::Ensemble(figures)) = &arguments.other {
        return ensemble::run(figures);
    }
    let loads = loads::parse(&arguments.loads)?;
    let binary = workspace::release_binary(arguments.binary.clone())?;
    let directory = arguments.dir.clone().unwrap_or_else(|| workspace::target().join("bench"));
    let programs = programs(&arguments, &binary)?;
    let mut report = Report::new(Machine::look(&directory)?);
    print!("{}", report.machine);
    let tool = Tool { binary, warmup: arguments.warmup, seconds: arguments.seconds };
    measure_loads(&arguments, &programs, &directory, &tool, &loads, &mut report)?;
    if arguments.znodes > 0 {
        for program in &programs {
            let place = directory.join(format!("million-{}", program.name()));
            let million = million::measure(program, &place, arguments.port, &tool, arguments.znodes)?;
            report.millions.push((program.name(), million));
        }
    }
    if let Some(sessions) = arguments.strain {
        for program in &programs {
            let place = directory.join(format!("strain-{}", program.name()));
            let server = program.start_fresh(&place, arguments.port, &[strain::SETTINGS.to_owned()])?;
            report.add_strain(program.name(), strain::run(&server, sessions)?);
        }
    }
    print!("{report}");
    if let Some(file) = &arguments.json {
        std::fs::write(file, format!("{:#}\n", report.json()))?;
    }
    Ok(())
}

/// `headkeeper bench` and its times.
struct Tool {
    binary: PathBuf,
    warmup: f64,
    seconds: f64,
}

fn measure_loads(
    arguments: &Bench,
    programs: &[Program],
    directory: &std::path::Path,
    tool: &Tool,
    loads: &[Load],
    report: &mut Report,
) -> Result<()> {
    if loads.is_empty() {
        return Ok(());
    }
    let mut servers = Vec::new();
    for (i, program) in programs.iter().enumerate() {
        let place = directory.join(program.name());
        servers.push(program.start_fresh(&place, arguments.port + i as u16, &[])?);
    }
    for server in &servers {
        loads::run(&Tool { binary: tool.binary.clone(), warmup: 0.0, seconds: 10.0 }, &Load::COMMON, server)?;
    }
    for round in 0..arguments.rounds {
        for load in loads {
            machine::wait_for_quiet(arguments.patience);
            let mut order: Vec<usize> = (0..servers.len()).collect();
            if round % 2 == 1 {
                order.reverse();
            }
            for i in order {
                let run = loads::run(tool, load, &servers[i])?;
                eprintln!("round {}, {load}, {}: {run}", round + 1, servers[i].program);
                report.add(load, servers[i].program, run);
            }
        }
    }
    Ok(())
}

fn programs(arguments: &Bench, binary: &std::path::Path) -> Result<Vec<Program>> {
    let mut programs = vec![Program::Headkeeper { binary: binary.to_owned() }];
    if !arguments.alone {
        programs.insert(0, Program::Apache { java_flags: arguments.java_flags.clone() });
    }
    Ok(programs)
}
