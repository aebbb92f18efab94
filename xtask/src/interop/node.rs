//! node-zookeeper-client, a client in JavaScript: its own tests, which need no server, and a driver with every call it has.

use super::report::Report;
use super::server::Server;
use super::{Stage, tools};
use crate::workspace::root;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

pub(super) fn run(stage: &Stage) -> Result<Report> {
    let folder = root().join("interop/node");
    let npm = tools::npm(&stage.installed, &folder.join("package.json"))?;
    let mut report = own_tests(stage, &npm)?;
    // Half a second makes session timeouts from 1 to 10 seconds.
    let mut server = Server::start(stage, "server", &["tickTime=500"], &[])?;
    let mut driver = Command::new("node");
    driver
        .arg(folder.join("driver.js"))
        .arg(server.port.to_string())
        .env("NODE_PATH", npm.join("node_modules"));
    let log = stage.scratch.join("driver.log");
    report.join(tools::drive(&mut driver, &mut server, &log, Duration::from_secs(300))?);
    Ok(report)
}

/// The tests that are in the package.
fn own_tests(stage: &Stage, npm: &Path) -> Result<Report> {
    let printed = stage.scratch.join("mocha.json");
    let mut mocha = Command::new("node");
    mocha
        .arg("node_modules/mocha/bin/_mocha")
        .args(["--recursive", "--reporter", "json", "node_modules/node-zookeeper-client/test"])
        .current_dir(npm);
    tools::run_logged(&mut mocha, &printed, Duration::from_secs(60))?;
    let text = fs::read_to_string(&printed)?;
    let outcome: serde_json::Value = serde_json::from_str(&text)
        .with_context(|| format!("mocha did not end well; see {}", printed.display()))?;
    let named = |list: &str| -> Vec<(String, String)> {
        let tests = outcome[list].as_array().into_iter().flatten();
        let string = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        tests.map(|test| (string(&test["fullTitle"]), string(&test["err"]["message"]))).collect()
    };
    Ok(Report {
        passed: named("passes").into_iter().map(|(test, _)| test).collect(),
        failed: named("failures"),
        skipped: named("pending"),
        ..Report::default()
    })
}
