//! Apache's Java client and Apache Curator, told by the drivers in `interop/java`.
//!
//! A driver prints a line for each of its cases. It asks for the server to be killed and started with lines `SERVER kill` and
//! `SERVER start key=value …`, and waits for a line in answer.

use super::report::Report;
use super::server::Server;
use super::tools::{debian, once};
use super::{Stage, Suite};
use crate::apache;
use crate::workspace::{cache, root, run as run_tool};
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

pub(super) const CLIENT: Suite = Suite {
    name: "java",
    about: "ZooKeeper's Java client 3.9.5: every call, watches, sessions, restarts",
    run: |stage| story(stage, "headkeeper.client.ClientStory"),
    excuses: &[],
};

pub(super) const CURATOR: Suite = Suite {
    name: "curator",
    about: "Apache Curator 5.9.0: every recipe, over lost connections and sessions",
    run: |stage| story(stage, "headkeeper.curator.CuratorStory"),
    excuses: &[],
};

/// Half a second between ticks, so that sessions end soon; containers and TTL nodes are swept as often.
const SETTINGS: &[&str] = &["tickTime=500", "maxSessionTimeout=60000"];

pub(super) const PROPERTIES: &[&str] = &[
    "znode.container.checkIntervalMs=500",
    "zookeeper.extendedTypesEnabled=true",
    "zookeeper.enforceQuota=true",
    // super:test
    "zookeeper.DigestAuthenticationProvider.superDigest=super:D/InIHSb7yEEbrWz8b9l71RjZJU=",
];

/// A case has 90 seconds; a driver silent for longer hangs.
const SILENCE_MAX: Duration = Duration::from_secs(120);

fn story(stage: &Stage, class: &str) -> Result<Report> {
    let mut server = Server::start(stage, "server", SETTINGS, PROPERTIES)?;
    tell(stage, &mut server, class, stage.filter.as_deref())
}

/// Lets the driver `class` tell those of its cases whose names contain `filter`, to `server`.
pub(super) fn tell(stage: &Stage, server: &mut Server, class: &str, filter: Option<&str>) -> Result<Report> {
    let classpath = classpath()?;
    let errors = File::create(stage.scratch.join("driver.err"))?;
    let mut java = Command::new("java");
    java.args(["-Xmx512m", "-XX:+UseSerialGC", "-Dfile.encoding=UTF-8"])
        .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=error")
        .args(["-cp", &classpath, class, &server.address()])
        .args(filter)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(errors);
    let mut driver = java.spawn().context("cannot run java")?;
    let text = converse(&mut driver, server);
    // Whatever became of it, it must not outlive us.
    let _ = driver.kill();
    let status = driver.wait()?;
    fs::write(stage.scratch.join("driver.out"), text.as_deref().unwrap_or_default())?;
    let report = Report::from_lines(&text?);
    if !status.success() && report.failed.is_empty() {
        bail!("the driver ended with {status}; see {}", stage.scratch.join("driver.err").display());
    }
    Ok(report)
}

/// Does what the driver asks until it closes its output; gives all it printed.
fn converse(driver: &mut Child, server: &mut Server) -> Result<String> {
    let lines = lines(driver)?;
    let mut answers = driver.stdin.take().context("the driver has no input")?;
    let mut text = String::new();
    loop {
        let line = match lines.recv_timeout(SILENCE_MAX) {
            Ok(line) => line,
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(text),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                bail!("the driver was silent for {SILENCE_MAX:?}, after:\n{text}")
            }
        };
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["SERVER", "kill"] => server.kill(),
            ["SERVER", "start", settings @ ..] => server.resume_with(settings)?,
            _ => {
                text.push_str(&line);
                text.push('\n');
                continue;
            }
        }
        writeln!(answers, "done").context("the driver is gone")?;
    }
}

/// The driver's lines as they come, until it closes its output.
fn lines(driver: &mut Child) -> Result<Receiver<String>> {
    let output = driver.stdout.take().context("the driver has no output")?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(std::io::Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

/// The class path of the compiled drivers and of what they use; fetches and compiles what is missing.
pub(super) fn classpath() -> Result<String> {
    let sources = root().join("interop/java");
    debian(Path::new("/usr/bin/javac"), &["openjdk-17-jdk-headless"])?;
    debian(Path::new("/usr/bin/mvn"), &["maven"])?;
    let jars = apache::jars(&sources.join("pom.xml"), &cache().join("java/lib"))?;
    let files = java_files(&sources.join("src"))?;
    let mut recipe = fs::read_to_string(sources.join("pom.xml"))?;
    for file in &files {
        recipe.push_str(&fs::read_to_string(file)?);
    }
    let classes = cache().join("java/classes");
    once(&classes, &recipe, || {
        run_tool(
            Command::new("javac")
                .args(["-nowarn", "-encoding", "UTF-8", "-cp", &jars, "-d"])
                .arg(&classes)
                .args(&files),
        )
    })?;
    Ok(format!("{}:{jars}", classes.display()))
}

/// The Java sources below `directory`, by name.
fn java_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(java_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "java") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
