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

pub(super) fn run(stage: &Stage) -> Result<Report> {
    let folder = root().join("interop/kazoo");
    let venv = tools::python(&stage.installed, &folder.join("requirements.txt"))?;
    let outcomes = stage.scratch.join("outcomes");
    let absent = stage.scratch.join("absent");
    let mut pytest = Command::new(venv.join("bin/python"));
    pytest
        .args(["-m", "pytest", "-p", "headkeeper_plugin", "-p", "no:cacheprovider", "--timeout", "120"])
        .args(["-n", "4", "--dist", "loadfile", "--rootdir", ".", "--pyargs", "kazoo.tests"])
        .args(stage.filter.iter().flat_map(|text| ["-k", text.as_str()]))
        .current_dir(&stage.scratch)
        .env("PYTHONPATH", folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("CI", "true")
        .env("HEADKEEPER_OUTCOMES", &outcomes)
        .env("HEADKEEPER_ABSENT", &absent);
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
    let log = stage.scratch.join("pytest.log");
    let status = tools::run_logged(&mut pytest, &log, Duration::from_secs(1200))?;
    let mut report = Report::from_lines(&fs::read_to_string(outcomes).unwrap_or_default());
    report.excuse(not_run);
    // 0: all passed, 1: some failed; everything else means that pytest itself had trouble.
    if !matches!(status.code(), Some(0 | 1)) {
        report.join(Report::broken(&format!("pytest: {status}; see {}", log.display())));
    }
    Ok(report)
}
