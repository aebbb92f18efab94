//! `cargo xtask mixed`: Apache's servers and ours in one ensemble, under clients that work all the time.

mod clients;

use crate::apache;
use crate::workspace::{release_binary, target};
use anyhow::{Result, anyhow, bail, ensure};
use clap::Args;
use interop::ensemble::Program;
use interop::mixed::{Options, Story, stories};
use std::path::PathBuf;
use std::time::Instant;

/// What to tell.
#[derive(Args)]
pub(crate) struct Mixed {
    /// The stories to tell, by a part of their names; all when none is named.
    names: Vec<String>,
    /// List the stories and run nothing.
    #[arg(long)]
    list: bool,
    /// What CI runs: a few stories of each kind, in three minutes.
    #[arg(long)]
    ci: bool,
    /// Kill with -9 where servers are replaced, instead of stopping with SIGTERM.
    #[arg(long)]
    kill: bool,
    /// How often to tell them.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// The first of thirty ports: of the clients, then of the servers.
    #[arg(long, default_value_t = 26200)]
    port: u16,
    /// A binary to run instead of building one.
    #[arg(long)]
    binary: Option<PathBuf>,
}

pub(crate) fn run(arguments: Mixed) -> Result<()> {
    let known = stories(&apaches()?);
    let wanted = |story: &&Story| {
        let named = |part: &String| story.name.contains(part.as_str());
        (arguments.names.is_empty() || arguments.names.iter().any(named)) && (story.quick || !arguments.ci)
    };
    let chosen: Vec<&Story> = known.iter().filter(wanted).collect();
    ensure!(!chosen.is_empty(), "no story is called so; see cargo xtask mixed --list");
    if arguments.list {
        for story in chosen {
            println!("{}{}", story.name, if story.quick { "  (in CI)" } else { "" });
        }
        return Ok(());
    }
    let directory = target().join("mixed").join(arguments.port.to_string());
    let options = Options {
        ours: release_binary(arguments.binary)?,
        apaches: apaches()?,
        foreign: clients::foreign()?,
        directory,
        port: arguments.port,
        kill: arguments.kill,
    };
    for round in 0..arguments.rounds {
        tell(&chosen, &options).map_err(|error| anyhow!("round {round}: {error:#}"))?;
    }
    Ok(())
}

fn tell(stories: &[&Story], options: &Options) -> Result<()> {
    let started = Instant::now();
    for story in stories {
        let begun = Instant::now();
        match story.tell(options) {
            Ok(seen) => println!("{}: {seen}; {:.0} s", story.name, begun.elapsed().as_secs_f64()),
            Err(error) => {
                let kept = options.directory.display();
                bail!("{}: {error}\nThe data and what the servers said are in {kept}", story.name)
            }
        }
    }
    println!("{} stories, nothing lost, {:.0} s", stories.len(), started.elapsed().as_secs_f64());
    Ok(())
}

/// The newest first.
fn apaches() -> Result<Vec<Program>> {
    let apache =
        |version: &str, classpath: String| Program::Apache { version: version.to_owned(), classpath };
    Ok(vec![apache("3.9.5", apache::classpath()?), apache("3.8.6", apache::classpath_3_8()?)])
}
