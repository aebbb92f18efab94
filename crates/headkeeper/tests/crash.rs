//! The real binary killed with SIGKILL under load, and ended with SIGTERM.

use interop::crash::{Options, ServerProcess, run};
use std::path::{Path, PathBuf};
use std::time::Duration;

fn binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_headkeeper"))
}

fn fresh_dir(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&dir);
    dir
}

/// A few kills; `cargo xtask crash` does hundreds.
#[test]
fn every_acknowledged_write_survives_kill_9() {
    let dir = fresh_dir("crash");
    let report = run(&Options::short(binary(), dir)).unwrap();
    assert!(report.kills == 5 && report.acknowledged > 100, "{report}");
}

#[test]
fn sigterm_ends_it_with_code_0() {
    let mut server = ServerProcess::prepare(&binary(), &fresh_dir("sigterm"), "").unwrap();
    server.start().unwrap();
    server.wait_until_serving(Duration::from_secs(20)).unwrap();
    server.terminate().unwrap();
}
