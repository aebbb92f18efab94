//! kazoo, the Python client: its own whole test suite, run by its own harness, with one server, with three, or with observers beside them.

use super::report::{Excuse, Report};
use super::server::Program;
use super::{Stage, Suite, tools};
use crate::apache;
use crate::workspace::root;
use anyhow::Result;
use std::fs;
use std::process::Command;
use std::time::Duration;

/// With one server.
pub(super) const ONE: Suite =
    Suite { name: "kazoo", about: "the Python client's own tests", run: run_one, excuses: ONE_EXCUSES };

/// With three servers, as kazoo's harness starts them by default.
pub(super) const THREE: Suite = Suite {
    name: "kazoo3",
    about: "the Python client's own tests, three servers",
    run: run_three,
    excuses: ENSEMBLE_EXCUSES,
};

/// Three servers and two observers, as the harness starts them with ZOOKEEPER_OBSERVER_START_ID.
pub(super) const OBSERVERS: Suite = Suite {
    name: "kazoo5",
    about: "the Python client's own tests, three servers and two observers",
    run: run_with_observers,
    excuses: ENSEMBLE_EXCUSES,
};

/// Three servers with local sessions, upgraded where a client needs it, as the harness starts them with
/// ZOOKEEPER_LOCAL_SESSION_RO.
pub(super) const LOCAL: Suite = Suite {
    name: "kazoo3-local",
    about: "the Python client's own tests, three servers with local sessions and read-only mode",
    run: run_local,
    excuses: LOCAL_EXCUSES,
};

/// Not run against our server: they could only time out, or pass because anything fails.
const NOT_RUN: &[Excuse] = &[
    Excuse { test: "test_sasl::TestLegacySASLDigestAuthentication::*", reason: "SASL is not there yet" },
    Excuse { test: "test_sasl::TestSASLDigestAuthentication::*", reason: "SASL is not there yet" },
    Excuse { test: "test_client::TestSSLClient::*", reason: "TLS is not there yet" },
];

/// What fails with one server, by name.
const ONE_EXCUSES: &[Excuse] = &[
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

/// What fails with several servers, by name.
const ENSEMBLE_EXCUSES: &[Excuse] =
    &[Excuse { test: "test_client::TestReconfig::*", reason: "reconfiguration is not there yet" }];

const NOT_LOCAL: &str = "a local session does not live on at another server, or when its own starts again; fails with Apache alike";

/// What fails with local sessions, by name.
const LOCAL_EXCUSES: &[Excuse] = &[
    ENSEMBLE_EXCUSES[0],
    Excuse { test: "test_cache::KazooTreeCacheTests::test_session_reconnected", reason: NOT_LOCAL },
    Excuse { test: "test_client::TestClient::test_request_queuing_session_recovered", reason: NOT_LOCAL },
    Excuse {
        test: "test_eventlet_handler::TestEventletClient::test_request_queuing_session_recovered",
        reason: NOT_LOCAL,
    },
    Excuse {
        test: "test_gevent_handler::TestGeventClient::test_request_queuing_session_recovered",
        reason: NOT_LOCAL,
    },
];

/// Some tests give three threads 200 ms: on a busy machine that is not enough. As many failures get a second chance, alone.
const SECOND_CHANCES_MAX: usize = 5;

fn run_one(stage: &Stage) -> Result<Report> {
    run(stage, &Ensemble { servers: 1, first_observer: None, local: false, excuses: ONE_EXCUSES })
}

fn run_three(stage: &Stage) -> Result<Report> {
    run(stage, &Ensemble { servers: 3, first_observer: None, local: false, excuses: ENSEMBLE_EXCUSES })
}

fn run_with_observers(stage: &Stage) -> Result<Report> {
    run(stage, &Ensemble { servers: 5, first_observer: Some(4), local: false, excuses: ENSEMBLE_EXCUSES })
}

fn run_local(stage: &Stage) -> Result<Report> {
    run(stage, &Ensemble { servers: 3, first_observer: None, local: true, excuses: LOCAL_EXCUSES })
}

/// What the harness is asked to start.
struct Ensemble {
    servers: usize,
    /// From this number on servers are observers.
    first_observer: Option<usize>,
    /// Are sessions local until they need to be global?
    local: bool,
    excuses: &'static [Excuse],
}

fn run(stage: &Stage, ensemble: &Ensemble) -> Result<Report> {
    let mut report = pytest(stage, ensemble, "all", &[])?;
    report.excuse(ensemble.excuses);
    if (1..=SECOND_CHANCES_MAX).contains(&report.failed.len()) {
        let first = std::mem::take(&mut report.failed);
        let names: Vec<&str> = first.iter().map(|(test, _)| test.as_str()).collect();
        for (test, why) in &first {
            println!("{test} failed beside others ({why}) and is run again, alone");
        }
        report.join(pytest(stage, ensemble, "alone", &names)?);
    }
    Ok(report)
}

/// Runs these tests, or all of them, several files at a time, each with servers of its own.
fn pytest(stage: &Stage, ensemble: &Ensemble, run: &str, names: &[&str]) -> Result<Report> {
    let folder = root().join("interop/kazoo");
    let venv = super::python_with_kazoo()?;
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
        .env("ZOOKEEPER_CLUSTER_SIZE", ensemble.servers.to_string())
        .env("HEADKEEPER_OUTCOMES", &outcomes)
        .env("HEADKEEPER_ABSENT", &absent);
    if let Some(first) = ensemble.first_observer {
        pytest.env("ZOOKEEPER_OBSERVER_START_ID", first.to_string());
    }
    if ensemble.local {
        pytest.env("ZOOKEEPER_LOCAL_SESSION_RO", "true");
    }
    if names.is_empty() {
        // A JVM for each server.
        let many = matches!(stage.program, Program::Apache) && ensemble.servers > 1;
        let at_once = if many { "2" } else { "4" };
        pytest.args(["kazoo.tests", "-n", at_once, "--dist", "loadfile"]);
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
