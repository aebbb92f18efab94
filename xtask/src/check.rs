//! `cargo xtask check`, `fix` and `tidy`: what CI demands of the sources, and what repairs them.

use crate::workspace::{root, run as run_tool};
use anyhow::{Result, bail};
use std::process::Command;
use std::time::Instant;

/// Everything that can be said about the sources without running them, cheapest first.
pub(crate) fn check() -> Result<()> {
    step("tidy", tidy)?;
    step("formatting", || cargo(&["fmt", "--all", "--check"]))?;
    step("clippy", || cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    step("documentation", || {
        let mut doc = Command::new("cargo");
        doc.args(["doc", "--quiet", "--workspace", "--no-deps"]);
        run_tool(doc.env("RUSTDOCFLAGS", "-D warnings").current_dir(root()))
    })
}

/// Repairs what can be repaired without thought; what is left is for `check` to tell.
pub(crate) fn fix() -> Result<()> {
    for file in tidy::fix(&tidy::Repository::open(&root())?)? {
        println!("white space removed: {file}");
    }
    cargo(&["fmt", "--all"])?;
    cargo(&[
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--fix",
        "--allow-dirty",
        "--allow-staged",
    ])?;
    cargo(&["fmt", "--all"])?;
    tidy()
}

/// The rules of `crates/tidy`.
pub(crate) fn tidy() -> Result<()> {
    let offences = tidy::check(&tidy::Repository::open(&root())?);
    for offence in &offences {
        println!("{offence}");
    }
    match offences.len() {
        0 => Ok(()),
        1 => bail!("one place breaks a rule"),
        many => bail!("{many} places break a rule"),
    }
}

fn cargo(arguments: &[&str]) -> Result<()> {
    run_tool(Command::new("cargo").args(arguments).current_dir(root()))
}

fn step(name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let started = Instant::now();
    work()?;
    println!("{name}: {:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}
