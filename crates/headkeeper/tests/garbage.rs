//! Rubbish on many connections: honest clients do not notice, and nothing is left of it.

use interop::garbage::{Options, run};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A few hundred connections; `cargo xtask garbage` opens ten thousand.
#[test]
#[cfg(target_os = "linux")]
fn honest_clients_do_not_notice_rubbish() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("garbage");
    let _ = std::fs::remove_dir_all(&dir);
    let options = Options {
        binary: PathBuf::from(env!("CARGO_BIN_EXE_headkeeper")),
        dir,
        connections: 300,
        senders: 8,
        honest: 2,
        latency_max: Duration::from_secs(5),
        growth_max: 8 << 20,
        seed: 1,
    };
    let report = run(&options).unwrap();
    let sent: usize = report.sent.iter().map(|(_, count)| count).sum();
    assert!(sent == 300 && report.honest_requests > 20, "{report}");
}
