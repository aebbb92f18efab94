//! Running and installing foreign software.

use super::report::Report;
use super::server::Server;
use crate::workspace::{run as run_tool, shown};
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::channel;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Installs Debian packages when `program` is not there yet.
pub(crate) fn debian(program: &Path, packages: &[&str]) -> Result<()> {
    if program.exists() {
        return Ok(());
    }
    install(packages)?;
    if !program.exists() {
        bail!("{} is not there after installing {}", program.display(), packages.join(", "));
    }
    Ok(())
}

/// Installs Debian packages.
fn install(packages: &[&str]) -> Result<()> {
    run_tool(Command::new("apt-get").args(["update", "-qq"]))?;
    run_tool(
        Command::new("apt-get")
            .args(["install", "-qq", "-y", "--no-install-recommends"])
            .args(packages)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
}

/// A virtual environment of Python with the packages of `requirements`.
pub(crate) fn python(installed: &Path, requirements: &Path) -> Result<PathBuf> {
    let venv = installed.join("venv");
    once(&venv, &fs::read_to_string(requirements)?, || {
        let make = || run_tool(Command::new("python3").args(["-m", "venv"]).arg(&venv));
        if make().is_err() {
            install(&["python3-venv"])?;
            make()?;
        }
        let pip = venv.join("bin/python");
        run_tool(
            Command::new(pip)
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
                .arg(requirements),
        )
    })?;
    Ok(venv)
}

/// A folder with the packages of a `package.json` in its `node_modules`.
pub(crate) fn npm(installed: &Path, manifest: &Path) -> Result<PathBuf> {
    let folder = installed.join("npm");
    once(&folder, &fs::read_to_string(manifest)?, || {
        if Command::new("npm").arg("--version").stdout(Stdio::null()).status().is_err() {
            install(&["nodejs", "npm"])?;
        }
        fs::copy(manifest, folder.join("package.json"))?;
        run_tool(
            Command::new("npm")
                .args(["install", "--no-audit", "--no-fund", "--loglevel=error"])
                .current_dir(&folder),
        )
    })?;
    Ok(folder)
}

/// Does `work` unless it was done before with the same `recipe`; a stamp in `directory` remembers.
pub(crate) fn once(directory: &Path, recipe: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let stamp = directory.join("recipe");
    if fs::read_to_string(&stamp).is_ok_and(|done| done == recipe) {
        return Ok(());
    }
    let _ = fs::remove_dir_all(directory);
    fs::create_dir_all(directory)?;
    work()?;
    Ok(fs::write(stamp, recipe)?)
}

/// Runs `command` with its output in `output`, for `limit` at most. That it fails is for the caller to judge.
pub(crate) fn run_logged(command: &mut Command, output: &Path, limit: Duration) -> Result<ExitStatus> {
    let file = File::create(output).with_context(|| format!("cannot make {}", output.display()))?;
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    let mut child = command.spawn().with_context(|| format!("cannot run {}", shown(command)))?;
    let status = wait(&mut child, limit)?;
    status
        .with_context(|| format!("{} takes longer than {limit:?}; see {}", shown(command), output.display()))
}

/// Runs a driver: a program that prints `PASS name`, `FAIL name: why` and `SKIP name: why`, and a line RESTART when it wants `server`
/// to be stopped and started again, which a line on its standard input confirms.
pub(crate) fn drive(
    command: &mut Command,
    server: &mut Server,
    log: &Path,
    limit: Duration,
) -> Result<Report> {
    let errors = File::create(log).with_context(|| format!("cannot make {}", log.display()))?;
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
    let mut child = command.spawn().with_context(|| format!("cannot run {}", shown(command)))?;
    let output = child.stdout.take().context("no standard output")?;
    let mut input = child.stdin.take().context("no standard input")?;
    let (sender, lines) = channel();
    let reader = std::thread::spawn(move || {
        BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
    });
    let deadline = Instant::now() + limit;
    let mut text = String::new();
    while let Ok(line) = lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        if line == "RESTART" {
            server.stop()?;
            server.resume()?;
            writeln!(input, "done")?;
        } else {
            text += &format!("{line}\n");
        }
    }
    let status = wait(&mut child, deadline.saturating_duration_since(Instant::now()))?;
    let _ = reader.join();
    let mut report = Report::from_lines(&text);
    match status {
        Some(status) if status.success() => {}
        Some(status) => {
            report.join(Report::broken(&format!("{}: {status}; see {}", shown(command), log.display())))
        }
        None => report.join(Report::broken(&format!("{} takes longer than {limit:?}", shown(command)))),
    }
    Ok(report)
}

/// Waits for the end of `child`; when that takes too long the child is killed, and there is nothing.
fn wait(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        sleep(Duration::from_millis(20));
    }
}
