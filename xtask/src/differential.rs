//! The same random sequences to an Apache server and to ours.

use crate::apache;
use crate::workspace::{root, run as run_tool, target};
use anyhow::{Result, anyhow, bail};
use clap::Args;
use interop::differential::{Plan, run as run_plan};
use interop::generate::generate;
use interop::process::Program;
use interop::profile::PROFILES;
use interop::stories::{self, STORIES, Telling};
use std::path::PathBuf;
use std::process::Command;

#[derive(Args)]
pub(crate) struct Differential {
    /// Operations to send, over all profiles.
    #[arg(long, default_value_t = 20_000)]
    ops: u64,
    /// The first seed; each round takes the next one. From the clock when absent.
    #[arg(long)]
    seed: Option<u64>,
    /// Items in a round, after which trees and digests are compared.
    #[arg(long, default_value_t = 2000)]
    round: usize,
    /// Only this profile of settings: default, extended, open, restart.
    #[arg(long)]
    profile: Option<String>,
    /// Replay only these items of the round of `--seed`.
    #[arg(long, value_delimiter = ',')]
    only: Option<Vec<usize>>,
    /// What CI runs: the same rounds every time, then as many from a seed of its own, which is printed.
    #[arg(long, conflicts_with_all = ["ops", "seed", "only"])]
    ci: bool,
    /// Print the round of `--seed` and `--profile`, or what `--only` leaves of it, and send nothing.
    #[arg(long)]
    list: bool,
    /// Do not shrink a failing sequence.
    #[arg(long)]
    no_shrink: bool,
    /// The port of the Apache server; the subject gets the next one.
    #[arg(long, default_value_t = 26100)]
    port: u16,
    /// Compare Apache with Apache, which must show nothing.
    #[arg(long)]
    apache_itself: bool,
    /// A binary to compare instead of building one.
    #[arg(long)]
    binary: Option<PathBuf>,
}

pub(crate) fn run(arguments: Differential) -> Result<()> {
    if arguments.list {
        return list(&arguments);
    }
    let judge = Program::Apache { classpath: apache::classpath()? };
    let subject = if arguments.apache_itself {
        Clone::clone(&judge)
    } else {
        Program::Headkeeper { binary: binary(arguments.binary)? }
    };
    let clock = std::time::UNIX_EPOCH.elapsed().map_or(1, |now| now.as_secs());
    let plan = Plan {
        judge,
        subject,
        ports: (arguments.port, arguments.port + 1),
        directory: target().join("differential").join(arguments.port.to_string()),
        seed: arguments.seed.unwrap_or(clock),
        operations: arguments.ops,
        round: arguments.round,
        profile: arguments.profile,
        only: arguments.only,
        shrink: !arguments.no_shrink,
    };
    if arguments.ci {
        compare(&Plan { seed: CI_SEED, operations: CI_OPERATIONS, ..plan.clone() })?;
        return compare(&Plan { operations: CI_OPERATIONS, ..plan });
    }
    compare(&plan)
}

/// Where CI's fixed rounds start.
const CI_SEED: u64 = 1;
/// As many as two slow cores do in a minute.
const CI_OPERATIONS: u64 = 20_000;

fn compare(plan: &Plan) -> Result<()> {
    println!("seed {}", plan.seed);
    match run_plan(plan, |line| println!("{line}")).map_err(|e| anyhow!(e))? {
        Ok(report) => {
            print!("{report}");
            Ok(())
        }
        Err(failure) => {
            println!("{failure}");
            bail!("the servers differ")
        }
    }
}

fn list(arguments: &Differential) -> Result<()> {
    let name = arguments.profile.as_deref().unwrap_or("default");
    let profile = PROFILES.iter().find(|profile| profile.name == name);
    let profile = profile.ok_or_else(|| anyhow!("there is no profile {name}"))?;
    let seed = arguments.seed.ok_or_else(|| anyhow!("--list wants a --seed"))?;
    for item in generate(seed, profile, arguments.round) {
        if arguments.only.as_ref().is_none_or(|only| only.contains(&item.id)) {
            println!("{item}");
        }
    }
    Ok(())
}

#[derive(Args)]
pub(crate) struct Surprises {
    /// Only these numbers.
    #[arg(long, value_delimiter = ',')]
    only: Vec<u32>,
    /// Ask an Apache server, which must pass as well.
    #[arg(long)]
    apache: bool,
    /// The first of two ports.
    #[arg(long, default_value_t = 26110)]
    port: u16,
    /// A binary to ask instead of building one.
    #[arg(long)]
    binary: Option<PathBuf>,
}

pub(crate) fn surprises(arguments: Surprises) -> Result<()> {
    let program = if arguments.apache {
        Program::Apache { classpath: apache::classpath()? }
    } else {
        Program::Headkeeper { binary: binary(arguments.binary)? }
    };
    let directory = target().join("surprises").join(arguments.port.to_string());
    let (mut told, mut failed) = (0, 0);
    let ports = (arguments.port, arguments.port + 1);
    stories::tell(&program, ports, &directory, &arguments.only, |story, outcome| {
        told += 1;
        if let Err(why) = outcome {
            failed += 1;
            println!("{}. {}: {why}", story.number, story.name);
        }
    })
    .map_err(|e| anyhow!(e))?;
    for story in STORIES {
        if let Telling::Elsewhere(why) = story.telling {
            println!("{}. {}: not told, {why}", story.number, story.name);
        }
    }
    if failed > 0 {
        bail!("{failed} of {told} surprises are not as told");
    }
    println!("{told} surprises as told");
    Ok(())
}

/// The binary to test: the one named, or a fresh debug build with its assertions.
pub(crate) fn binary(named: Option<PathBuf>) -> Result<PathBuf> {
    if let Some(binary) = named {
        return Ok(binary.canonicalize()?);
    }
    run_tool(
        Command::new("cargo").args(["build", "--quiet", "--package", "headkeeper"]).current_dir(root()),
    )?;
    Ok(target().join("debug/headkeeper"))
}
