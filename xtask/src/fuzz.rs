//! `cargo xtask fuzz`: the fuzzer against every decoder.

use crate::workspace::{root, run as run_tool, target};
use anyhow::{Context, Result, bail};
use clap::Args;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a single input may cost.
const MEMORY_MIB_MAX: u32 = 1024;
const INPUT_SECONDS_MAX: u32 = 10;

/// For how long, and what.
#[derive(Args)]
pub(crate) struct Fuzz {
    /// Seconds for each target.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Only build.
    #[arg(long, conflicts_with = "seconds")]
    build: bool,
    /// Only these targets; all of them when none is named.
    targets: Vec<String>,
}

/// Runs target after target; what was found stays in the target directory.
pub(crate) fn run(command: Fuzz) -> Result<()> {
    let home = target().join("fuzz");
    let known = targets()?;
    if let Some(stranger) = command.targets.iter().find(|name| !known.iter().any(|(known, _)| known == *name))
    {
        let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
        bail!("there is no target {stranger}; there are {}", names.join(", "));
    }
    let binaries = build(&home)?;
    if command.build {
        return Ok(());
    }
    seeds(&["--", &home.join("seeds").display().to_string()]).map(drop)?;
    println!("{:<11} {:>12} {:>9} {:>9}  findings", "target", "executions", "coverage", "corpus");
    let mut findings = 0;
    for (name, len_max) in &known {
        if command.targets.is_empty() || command.targets.contains(name) {
            let result = attack(&home, &binaries.join(name), name, len_max, command.seconds)?;
            println!("{name:<11} {result}");
            findings += usize::from(result.finding.is_some());
        }
    }
    match findings {
        0 => Ok(()),
        found => bail!(
            "{found} targets break a promise; `cargo fuzz tmin` makes an input small, then it becomes a test"
        ),
    }
}

/// Names and longest inputs, from the crate that has them.
fn targets() -> Result<Vec<(String, String)>> {
    let list = seeds(&["--", "--list"])?;
    let pair = |line: &str| line.split_once(' ').map(|(name, len)| (name.to_owned(), len.to_owned()));
    Ok(list.lines().filter_map(pair).collect())
}

fn seeds(arguments: &[&str]) -> Result<String> {
    let mut cargo = Command::new("cargo");
    cargo.args(["run", "--quiet", "--package", "hostile", "--example", "seeds"]).args(arguments);
    let output = cargo.current_dir(root()).stderr(Stdio::inherit()).output().context("cannot run cargo")?;
    if !output.status.success() {
        bail!("cannot make the seeds: {}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Builds all targets with the stable compiler: coverage, assertions, no sanitizer, since there is no unsafe code to watch.
fn build(home: &Path) -> Result<PathBuf> {
    let installed =
        Command::new("cargo").args(["fuzz", "--version"]).output().is_ok_and(|o| o.status.success());
    if !installed {
        run_tool(Command::new("cargo").args(["install", "--locked", "cargo-fuzz"]))?;
    }
    let directory = home.join("build");
    run_tool(
        Command::new("cargo")
            .args(["fuzz", "build", "--sanitizer", "none", "--debug-assertions", "--target-dir"])
            .arg(&directory)
            .env("RUSTC_BOOTSTRAP", "1")
            .current_dir(root()),
    )?;
    let version = Command::new("rustc").arg("-vV").output().context("cannot run rustc")?;
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .context("rustc does not tell its host")?;
    Ok(directory.join(host).join("release"))
}

struct Attack {
    executions: String,
    coverage: String,
    corpus: String,
    finding: Option<String>,
}

impl std::fmt::Display for Attack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Attack { executions, coverage, corpus, finding } = self;
        write!(f, "{executions:>12} {coverage:>9} {corpus:>9}  {}", finding.as_deref().unwrap_or("none"))
    }
}

fn attack(home: &Path, binary: &Path, name: &str, len_max: &str, seconds: u64) -> Result<Attack> {
    let (corpus, artifacts, log) =
        (home.join("corpus").join(name), home.join("artifacts").join(name), home.join(format!("{name}.log")));
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&artifacts)?;
    let output = fs::File::create(&log)?;
    let status = Command::new(binary)
        .args([&corpus, &home.join("seeds").join(name)])
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={len_max}"))
        .arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}"))
        .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg("-print_final_stats=1")
        .stdout(output.try_clone()?)
        .stderr(output)
        .status()
        .with_context(|| format!("cannot run {}", binary.display()))?;
    let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    let last = |mark: &str| {
        let at = text.rfind(mark).map(|at| at + mark.len());
        at.and_then(|at| text[at..].split_whitespace().next()).unwrap_or("?").to_owned()
    };
    Ok(Attack {
        executions: last("stat::number_of_executed_units:"),
        coverage: last(" cov:"),
        corpus: last(" corp:"),
        finding: (!status.success())
            .then(|| format!("{}, see {}", last("Test unit written to"), log.display())),
    })
}
