//! zookeeper-client, the asynchronous Rust client: the whole test file of its published crate.
//!
//! The tests start their servers in docker through the crate `testcontainers`. `interop/rust` has a crate of that name whose
//! containers are server processes on this machine, so the file is built as it is, in a project under the target directory.

use super::report::{Excuse, Report};
use super::server::Program;
use super::{Stage, tools};
use crate::apache;
use crate::workspace::root;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub(super) const EXCUSES: &[Excuse] = &[
    Excuse {
        test: "test_auth_failed",
        reason: "asks for SASL, which is not there yet: the server refuses the setting",
    },
    Excuse { test: "test_update_ensemble", reason: "reconfiguration is not there yet" },
    Excuse {
        test: "test_zookeeper_old_server::*",
        reason: "needs ZooKeeper 3.3 and 3.4, whose watch events carry no zxid; fails with Apache 3.9 too",
    },
];

/// Tests that are only compiled with features of the crate.
const NOT_BUILT: &[(&str, &str)] = &[
    ("test_tls", "TLS is not there yet"),
    ("test_readonly_tls", "TLS is not there yet"),
    ("test_sasl_digest_md5", "SASL is not there yet"),
];

pub(super) fn run(stage: &Stage) -> Result<Report> {
    let project = project(&stage.installed.join("project"))?;
    let cargo = |arguments: &[&str]| {
        let mut cargo = Command::new("cargo");
        cargo
            .args(["test", "--locked", "--test", "zookeeper", "--"])
            .args(arguments)
            .args(&stage.filter)
            .current_dir(&project)
            .env("CARGO_TARGET_DIR", project.join("target"))
            .env("TMPDIR", &stage.scratch);
        cargo
    };
    let list = stage.scratch.join("list");
    let status = tools::run_logged(&mut cargo(&["--list", "--format", "terse"]), &list, BUILD_LIMIT)?;
    if !status.success() {
        bail!("the tests do not build; see {}", list.display());
    }
    let mut tests = cargo(&["--test-threads", "4", "--format", "pretty"]);
    match &stage.program {
        Program::Headkeeper(binary) => tests.env("HEADKEEPER_BINARY", binary),
        Program::Apache => tests.env("HEADKEEPER_CLASSPATH", apache::classpath()?),
    };
    let log = stage.scratch.join("tests.log");
    tools::run_logged(&mut tests, &log, Duration::from_secs(600))?;
    let mut report = outcomes(&read(&list)?, &read(&log)?);
    for (test, reason) in NOT_BUILT {
        report.excused.push(((*test).to_owned(), (*reason).to_owned()));
    }
    Ok(report)
}

const BUILD_LIMIT: Duration = Duration::from_secs(900);

fn read(file: &Path) -> Result<String> {
    Ok(String::from_utf8_lossy(&fs::read(file)?).into_owned())
}

/// Lays out the project and gives its folder.
fn project(folder: &Path) -> Result<PathBuf> {
    let from = root().join("interop/rust");
    for part in ["src", "tests", "testcontainers/src"] {
        fs::create_dir_all(folder.join(part))?;
    }
    for (source, copy) in [
        ("project.toml", "Cargo.toml"),
        ("Cargo.lock", "Cargo.lock"),
        ("testcontainers.toml", "testcontainers/Cargo.toml"),
        ("testcontainers.rs", "testcontainers/src/lib.rs"),
    ] {
        write_changed(&folder.join(copy), &fs::read(from.join(source))?)?;
    }
    write_changed(&folder.join("src/lib.rs"), b"")?;
    write_changed(&folder.join("tests/zookeeper.rs"), &fs::read(published_tests(folder)?)?)?;
    Ok(folder.to_owned())
}

/// Where cargo has unpacked the test file of the crate.
fn published_tests(project: &Path) -> Result<PathBuf> {
    let output = Command::new("cargo")
        .args(["metadata", "--locked", "--format-version", "1"])
        .current_dir(project)
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    }
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    let found = packages.iter().find(|package| package["name"] == "zookeeper-client");
    let manifest = found.and_then(|package| package["manifest_path"].as_str());
    Ok(Path::new(manifest.context("zookeeper-client is not among the packages")?)
        .with_file_name("tests/zookeeper.rs"))
}

/// Leaves a file alone that is as it should be, so that nothing is built again.
fn write_changed(file: &Path, content: &[u8]) -> Result<()> {
    if fs::read(file).is_ok_and(|old| old == content) {
        return Ok(());
    }
    fs::write(file, content).with_context(|| format!("cannot write {}", file.display()))
}

/// What became of each test in `list`; one that says nothing has failed.
fn outcomes(list: &str, log: &str) -> Report {
    let mut report = Report::default();
    for test in list.lines().filter_map(|line| line.strip_suffix(": test")) {
        let verdict = log.lines().find_map(|line| {
            let rest = line.strip_prefix("test ")?.strip_prefix(test)?;
            rest.strip_prefix(" - should panic").unwrap_or(rest).strip_prefix(" ... ")
        });
        let name = test.to_owned();
        match verdict {
            Some("ok") => report.passed.push(name),
            Some("ignored") => report.skipped.push((name, "the crate ignores it".to_owned())),
            Some(_) => report.failed.push((name, panic_of(test, log))),
            None => report.failed.push((name, "it did not end".to_owned())),
        }
    }
    report
}

/// The first panic in what a failed test printed.
fn panic_of(test: &str, log: &str) -> String {
    let printed = log.split(&format!("---- {test} stdout ----")).nth(1).unwrap_or_default();
    let lines = printed.lines().skip_while(|line| !line.contains("panicked at"));
    lines.skip(1).take(3).collect::<Vec<_>>().join(" / ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_test_gets_an_outcome() {
        let list = "a: test\nb: test\nb::case_1: test\nc: test\n";
        let log = "test a - should panic ... ok\ntest b::case_1 ... FAILED\ntest b ... ok\n\
                   ---- b::case_1 stdout ----\nthread 'x' panicked at y:\nleft\n";
        let report = outcomes(list, log);
        assert_eq!(report.passed, ["a", "b"]);
        let failed = [("b::case_1", "left"), ("c", "it did not end")];
        assert_eq!(report.failed, failed.map(|(test, why)| (test.to_owned(), why.to_owned())));
    }
}
