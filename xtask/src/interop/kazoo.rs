//! kazoo, the Python client: its own whole test suite, run by its own harness.

use super::report::{Excuse, Report};
use super::server::Program;
use super::{Stage, tools};
use crate::apache;
use crate::workspace::root;
use anyhow::Result;
use std::fs;
use std::process::Command;
use std::time::Duration;

/// Not run against our server: they could only time out, or pass because anything fails.
const NOT_RUN: &[Excuse] = &[
    Excuse { test: "test_sasl::TestLegacySASLDigestAuthentication::*", reason: "SASL is not there yet" },
    Excuse { test: "test_sasl::TestSASLDigestAuthentication::*", reason: "SASL is not there yet" },
    Excuse { test: "test_client::TestSSLClient::*", reason: "TLS is not there yet" },
];

/// What fails with one server, by name.
pub(super) const EXCUSES: &[Excuse] = &[
    Excuse {
        test: "test_client::TestClient::test_update_host_list",
        reason: "stops the first of three servers",
    },
    Excuse {
        test: "test_eventlet_handler::TestEventletClient::test_update_host_list",
        reason: "stops the first of three servers",
    },
    Excuse {
        test: "test_gevent_handler::TestGeventClient::test_update_host_list",
        reason: "stops the first of three servers",
    },
    Excuse {
        test: "test_connection::TestReadOnlyMode::test_read_only",
        reason: "stops two of three servers",
    },
    Excuse {
        test: "test_client::TestReconfig::*",
        reason: "reconfig needs an ensemble; a standalone Apache answers UNIMPLEMENTED too",
    },
];

/// Some tests give three threads 200 ms: on a busy machine that is not enough. As many failures get a second chance, alone.
const SECOND_CHANCES_MAX: usize = 5;

pub(super) fn run(stage: &Stage) -> Result<Report> {
    let mut report = pytest(stage, "all", &[])?;
    report.excuse(EXCUSES);
    if (1..=SECOND_CHANCES_MAX).contains(&report.failed.len()) {
        let first = std::mem::take(&mut report.failed);
        let names: Vec<&str> = first.iter().map(|(test, _)| test.as_str()).collect();
        for (test, why) in &first {
            println!("{test} failed beside others ({why}) and is run again, alone");
        }
        report.join(pytest(stage, "alone", &names)?);
    }
    Ok(report)
}

/// Runs these tests, or all of them, several files at a time.
fn pytest(stage: &Stage, run: &str, names: &[&str]) -> Result<Report> {
    let folder = root().join("interop/kazoo");
    let venv = tools::python(&stage.installed, &folder.join("requirements.txt"))?;
    let scratch = stage.scratch.join(run);
    fs::create_dir_all(&scratch)?;
    let (outcomes, absent) = (scratch.join("outcomes"), scratch.join("absent"));
    let mut pytest = Command::new(venv.join("bin/python"));
    pytest
        .args(["-m", "pytest", "-p", "headkeeper_plugin", "-p", "no:cacheprovider", "--timeout", "120"])
        .args(["--rootdir", ".", "--pyargs"])
        .current_dir(&scratch)
        .env("PYTHONPATH", folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("CI", "true")
        .env("HEADKEEPER_OUTCOMES", &outcomes)
        .env("HEADKEEPER_ABSENT", &absent);
    if names.is_empty() {
        pytest.args(["kazoo.tests", "-n", "4", "--dist", "loadfile"]);
        pytest.args(stage.filter.iter().flat_map(|text| ["-k", text.as_str()]));
    } else {
        pytest.args(names.iter().map(|name| format!("kazoo.tests.{name}")));
    }
    let not_run = match &stage.program {
        Program::Headkeeper(binary) => {
            pytest.env("HEADKEEPER_BINARY", binary);
            NOT_RUN
        }
        Program::Apache => {
            pytest.env("HEADKEEPER_CLASSPATH", apache::classpath()?);
            &[]
        }
    };
    fs::write(&absent, not_run.iter().map(|e| format!("{}: {}\n", e.test, e.reason)).collect::<String>())?;
    let log = scratch.join("pytest.log");
    let status = tools::run_logged(&mut pytest, &log, Duration::from_secs(1200))?;
    let mut report = Report::from_lines(&fs::read_to_string(outcomes).unwrap_or_default());
    report.excuse(not_run);
    // 0: all passed, 1: some failed; everything else means that pytest itself had trouble.
    if !matches!(status.code(), Some(0 | 1)) {
        report.join(Report::broken(&format!("pytest: {status}; see {}", log.display())));
    }
    Ok(report)
}
