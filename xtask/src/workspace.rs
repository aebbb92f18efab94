//! Where things are, and how a tool is run.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let manifest =
        std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    Path::new(&manifest).parent().expect("xtask lives in a folder of the repository").to_owned()
}

/// Cargo's target directory.
pub(crate) fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => root().join(directory),
        None => root().join("target"),
    }
}

/// Where fetched foreign software and its scratch data live; never committed.
pub(crate) fn cache() -> PathBuf {
    target().join("interop")
}

/// The release binary to test: the one named, or a fresh build.
pub(crate) fn release_binary(named: Option<PathBuf>) -> Result<PathBuf> {
    if let Some(binary) = named {
        return binary.canonicalize().with_context(|| format!("there is no {}", binary.display()));
    }
    run(Command::new("cargo").args(["build", "--release", "-p", "headkeeper"]).current_dir(root()))?;
    Ok(target().join("release/headkeeper"))
}

/// Runs `command` to its end, with its output on ours, and fails when it fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    let status = command.status().with_context(|| format!("cannot run {shown}"))?;
    if !status.success() {
        bail!("{shown}: {status}");
    }
    Ok(())
}

/// A command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}
