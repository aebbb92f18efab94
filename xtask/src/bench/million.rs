//! Many znodes: what one costs in memory, and how long a server takes to come back with them.

use super::Tool;
use super::subject::{Program, StartTimes};
use anyhow::{Result, bail};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;

/// So many transactions to a snapshot: more than there are, so that a start reads all from the log.
const NO_SNAPSHOTS: &str = "snapCount=100000000";

/// What was found.
pub(super) struct Million {
    pub(super) znodes: usize,
    /// Making them, one transaction each.
    pub(super) create_s: f64,
    pub(super) empty_bytes: u64,
    pub(super) filled_bytes: u64,
    pub(super) from_log: StartTimes,
    pub(super) from_snapshot: StartTimes,
    /// After the start from a snapshot.
    pub(super) restarted_bytes: u64,
}

/// Fills a server, kills it, and starts it from its log and from its snapshot.
pub(super) fn measure(
    program: &Program,
    directory: &Path,
    port: u16,
    tool: &Tool,
    znodes: usize,
) -> Result<Million> {
    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    let settings = [NO_SNAPSHOTS.to_owned()];
    let start = || program.start(directory, port, &settings);
    let (server, _) = start()?;
    let empty_bytes = server.settled_rss_bytes()?;
    eprintln!("{}: making {znodes} znodes", program.name());
    let create_s = fill(tool, server.address.to_string(), znodes)?;
    let filled_bytes = server.settled_rss_bytes()?;
    drop(server);
    let (server, from_log) = start()?;
    // Both servers write a snapshot at every start; the next start needs a whole one.
    server.settled_rss_bytes()?;
    drop(server);
    let (server, from_snapshot) = start()?;
    let restarted_bytes = server.settled_rss_bytes()?;
    drop(server);
    fs::remove_dir_all(directory)?;
    Ok(Million { znodes, create_s, empty_bytes, filled_bytes, from_log, from_snapshot, restarted_bytes })
}

fn fill(tool: &Tool, server: String, znodes: usize) -> Result<f64> {
    let output = Command::new(&tool.binary)
        .args(["bench", "--json", "--quiet", "--keep", "--duration", "0", "--size", "100", "--batch", "1"])
        .args(["--server", &server, "--load", &znodes.to_string()])
        .output()?;
    if !output.status.success() {
        bail!("making znodes: {}", String::from_utf8_lossy(&output.stderr));
    }
    let figures: Value = serde_json::from_slice(&output.stdout)?;
    figures["load"]["seconds"].as_f64().ok_or_else(|| anyhow::anyhow!("no time in {figures}"))
}

impl Million {
    /// All of the process, shared out.
    pub(super) fn bytes_per_znode(&self, resident: u64) -> f64 {
        resident as f64 / self.znodes as f64
    }

    pub(super) fn json(&self) -> Value {
        let times = |times: StartTimes| json!({ "ruok_s": times.ruok_s, "client_served_s": times.served_s, "cpu_s": times.cpu_s });
        json!({
            "znodes": self.znodes,
            "create_s": self.create_s,
            "rss_bytes": {
                "empty": self.empty_bytes,
                "filled": self.filled_bytes,
                "restarted": self.restarted_bytes,
            },
            "start_from_log": times(self.from_log),
            "start_from_snapshot": times(self.from_snapshot),
        })
    }
}
