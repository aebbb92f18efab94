//! `cargo xtask interop`: other people's clients and test suites against our server.
//!
//! A suite is a function from a [`Stage`] (which server program, which directories) to a [`Report`]. It installs what it needs into
//! `target/interop`, starts servers with [`server::Server`], runs the foreign software, and says what became of each test by name. The
//! judge in doubt is Apache: `--against apache` runs the same suites against a 3.9.5, and what fails there too is excused by name
//! in the suite's table of [`Excuse`]s.

mod c;
mod cli_mt;
mod java;
mod kazoo;
mod node;
mod offline;
mod report;
mod rust;
mod server;
mod tools;
mod transcript;
mod zkcli;

use crate::apache;
use crate::workspace::{cache, release_binary, root};
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use report::{Excuse, Report};
use server::Program;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

/// Every suite there is, in the order they run.
const SUITES: &[Suite] = &[
    Suite { name: "c", about: "the C client's library, what its shell cannot do", run: c::run, excuses: &[] },
    Suite { name: "cli_mt", about: "the C client's shell, two of them", run: cli_mt::run, excuses: &[] },
    Suite {
        name: "rust",
        about: "the Rust crate zookeeper-client's own tests",
        run: rust::run,
        excuses: rust::EXCUSES,
    },
    Suite {
        name: "node",
        about: "node-zookeeper-client: its tests and every call",
        run: node::run,
        excuses: &[],
    },
    kazoo::ONE,
    kazoo::THREE,
    kazoo::OBSERVERS,
    java::CLIENT,
    java::CURATOR,
    zkcli::SUITE,
    offline::SUITE,
];

/// Suites that run only when they are named: minutes more for what the others nearly cover.
const NAMED_ONLY: &[Suite] = &[kazoo::LOCAL];

/// One body of foreign software.
struct Suite {
    /// Its name on the command line.
    name: &'static str,
    /// What it is, in a line.
    about: &'static str,
    run: fn(&Stage) -> Result<Report>,
    /// What is known to fail or cannot run, by name, each with its reason.
    excuses: &'static [Excuse],
}

/// Where a suite runs.
pub(crate) struct Stage {
    /// What serves.
    program: Program,
    /// Installed packages; kept from run to run.
    installed: PathBuf,
    /// Data, configurations and output of this run; empty at first.
    scratch: PathBuf,
    /// Only tests whose names contain this.
    filter: Option<String>,
    /// Our program, where it was named; suites that need its tools beside an Apache server build it otherwise.
    binary: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Interop {
    /// The suites to run; when none is named, all that need no naming.
    suites: Vec<String>,
    /// Which server they run against.
    #[arg(long, value_enum, default_value = "headkeeper")]
    against: Against,
    /// Only tests whose names contain this, where a suite can choose.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// A headkeeper binary to test instead of building one.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// List the suites and run nothing.
    #[arg(long)]
    list: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Against {
    Headkeeper,
    Apache,
}

pub(crate) fn run(arguments: Interop) -> Result<()> {
    if arguments.list {
        SUITES.iter().for_each(|suite| println!("{:16} {}", suite.name, suite.about));
        NAMED_ONLY.iter().for_each(|suite| println!("{:16} {} (only when named)", suite.name, suite.about));
        return Ok(());
    }
    let suites = chosen(&arguments.suites)?;
    let (program, label) = match arguments.against {
        Against::Headkeeper => (Program::Headkeeper(release_binary(arguments.binary.clone())?), "headkeeper"),
        Against::Apache => {
            apache::classpath()?;
            (Program::Apache, "apache")
        }
    };
    let mut done = Vec::new();
    for suite in suites {
        println!("== {}: {} ==", suite.name, suite.about);
        let scratch = cache().join(format!("run-{label}")).join(suite.name);
        let _ = fs::remove_dir_all(&scratch);
        let installed = cache().join(suite.name);
        for directory in [&scratch, &installed] {
            fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        }
        let (filter, binary) = (arguments.only.clone(), arguments.binary.clone());
        let stage = Stage { program: program.clone(), installed, scratch, filter, binary };
        let started = Instant::now();
        let mut report = (suite.run)(&stage).unwrap_or_else(|e| Report::broken(&format!("{e:#}")));
        report.excuse(suite.excuses);
        if arguments.against == Against::Headkeeper {
            report
                .needless(suite.excuses)
                .for_each(|test| println!("{test} passes and needs no excuse any more"));
        }
        done.push((suite.name, report, started.elapsed()));
    }
    if report::print(&done) { Ok(()) } else { bail!("not everything passed; see {}", cache().display()) }
}

/// The class path of the drivers in `interop/java`, compiled.
pub(crate) fn java_classpath() -> Result<String> {
    java::classpath()
}

/// A Python that has kazoo: its virtual environment.
pub(crate) fn python_with_kazoo() -> Result<PathBuf> {
    let installed = cache().join("kazoo");
    fs::create_dir_all(&installed)?;
    tools::python(&installed, &root().join("interop/kazoo/requirements.txt"))
}

fn chosen(names: &[String]) -> Result<Vec<&'static Suite>> {
    if names.is_empty() {
        return Ok(SUITES.iter().collect());
    }
    let every = || SUITES.iter().chain(NAMED_ONLY);
    let known = || every().map(|suite| suite.name).collect::<Vec<_>>().join(", ");
    let find = |name: &String| {
        let suite = every().find(|suite| suite.name == name.as_str());
        suite.with_context(|| format!("there is no suite {name}; there are {}", known()))
    };
    names.iter().map(find).collect()
}
