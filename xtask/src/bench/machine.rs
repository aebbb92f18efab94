//! The machine: what it is, and what else it does while we measure.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fmt;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Writes and syncs to find out what one costs.
const SYNCS: usize = 200;
/// Others may use this share of all CPU time on a machine that counts as quiet.
const QUIET_SHARE: f64 = 0.05;

/// What figures depend on.
pub(super) struct Machine {
    cpu: String,
    cpus: usize,
    memory_mib: u64,
    kernel: String,
    /// Median and 99th percentile of an append of 100 bytes with its fdatasync.
    sync_us: (f64, f64),
    load_at_start: String,
}

impl Machine {
    /// Looks around, and measures the disk that holds `directory`.
    pub(super) fn look(directory: &Path) -> Result<Machine> {
        fs::create_dir_all(directory)?;
        let cpu = fs::read_to_string("/proc/cpuinfo")?;
        let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        let memory = fs::read_to_string("/proc/meminfo")?;
        let memory_kib =
            memory.lines().find_map(|line| line.strip_prefix("MemTotal:")).context("MemTotal")?;
        Ok(Machine {
            cpu: model.map_or("unknown", |(_, name)| name.trim()).to_owned(),
            cpus: std::thread::available_parallelism()?.get(),
            memory_mib: memory_kib.trim().trim_end_matches("kB").trim().parse::<u64>()? / 1024,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            sync_us: sync_us(&directory.join("sync-probe"))?,
            load_at_start: load_average(),
        })
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "cpu": self.cpu,
            "cpus": self.cpus,
            "memory_mib": self.memory_mib,
            "kernel": self.kernel,
            "fdatasync_us": { "p50": self.sync_us.0, "p99": self.sync_us.1 },
            "load_average_at_start": self.load_at_start,
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { cpu, cpus, memory_mib, kernel, sync_us: (p50, p99), load_at_start } = self;
        writeln!(f, "{cpu}, {cpus} CPUs, {memory_mib} MiB, Linux {kernel}")?;
        writeln!(f, "append of 100 bytes and fdatasync: median {p50:.0} us, p99 {p99:.0} us")?;
        writeln!(f, "load average at the start: {load_at_start}")
    }
}

/// The kernel's three load averages.
pub(super) fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// Syncs into space that is there already, as a log with preallocation does.
fn sync_us(file: &Path) -> Result<(f64, f64)> {
    let probe = File::create(file)?;
    probe.write_all_at(&vec![0; 1 << 20], 0)?;
    probe.sync_all()?;
    let mut times = Vec::new();
    for i in 0..SYNCS {
        let started = Instant::now();
        probe.write_all_at(&[7; 100], i as u64 * 100)?;
        probe.sync_data()?;
        times.push(started.elapsed().as_secs_f64() * 1e6);
    }
    fs::remove_file(file)?;
    times.sort_by(f64::total_cmp);
    Ok((times[SYNCS / 2], times[SYNCS * 99 / 100]))
}

/// CPU time used so far, in the kernel's ticks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Busy {
    /// All that could be used, and all that was (stolen time included).
    all: u64,
    used: u64,
    /// By the server and by the tools we waited for.
    ours: u64,
}

impl Busy {
    pub(super) fn now(server: u32) -> Result<Busy> {
        let [utime, stime, ..] = process_ticks(&format!("/proc/{server}/stat"))?;
        let [own_utime, own_stime, children_utime, children_stime] = process_ticks("/proc/self/stat")?;
        let ours = utime + stime + own_utime + own_stime + children_utime + children_stime;
        Ok(Busy { ours, ..Busy::of_machine()? })
    }

    fn of_machine() -> Result<Busy> {
        let stat = fs::read_to_string("/proc/stat")?;
        let line = stat.lines().next().context("/proc/stat is empty")?;
        // user, nice, system, idle, iowait, irq, softirq, steal; guest time is in user time already.
        let ticks: Vec<u64> =
            line.split_whitespace().skip(1).take(8).map(str::parse).collect::<Result<_, _>>()?;
        let all = ticks.iter().sum();
        let idle = ticks.iter().skip(3).take(2).sum::<u64>();
        Ok(Busy { all, used: all - idle, ours: 0 })
    }

    /// The share of the machine's CPU time from now until `later` that somebody else used.
    pub(super) fn others_until(&self, later: &Busy) -> f64 {
        let others = (later.used - self.used).saturating_sub(later.ours - self.ours);
        others as f64 / (later.all - self.all).max(1) as f64
    }
}

/// CPU time of a process so far. Linux counts in hundredths of a second towards user space.
pub(super) fn cpu_seconds(process: u32) -> Result<f64> {
    let [utime, stime, ..] = process_ticks(&format!("/proc/{process}/stat"))?;
    Ok((utime + stime) as f64 / 100.0)
}

/// utime, stime, cutime and cstime of a process.
fn process_ticks(file: &str) -> Result<[u64; 4]> {
    let stat = fs::read_to_string(file)?;
    // The second field is the program's name in brackets and may hold anything.
    let (_, fields) = stat.rsplit_once(')').context("no name in stat")?;
    let ticks: Vec<u64> =
        fields.split_whitespace().skip(11).take(4).map(str::parse).collect::<Result<_, _>>()?;
    ticks.try_into().ok().context("stat is too short")
}

/// Waits until others leave the machine alone for two seconds, but not for ever.
pub(super) fn wait_for_quiet(patience_s: u64) {
    let deadline = Instant::now() + Duration::from_secs(patience_s);
    while Instant::now() < deadline {
        let Ok(before) = Busy::of_machine() else { return };
        sleep(Duration::from_secs(2));
        let Ok(after) = Busy::of_machine() else { return };
        if before.others_until(&after) < QUIET_SHARE {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_what_is_used_and_not_ours() {
        let before = Busy { all: 1000, used: 100, ours: 50 };
        let after = Busy { all: 1200, used: 200, ours: 90 };
        assert_eq!(before.others_until(&after), 0.3);
        // Ticks of different sources do not quite agree.
        assert_eq!(before.others_until(&Busy { all: 1200, used: 120, ours: 90 }), 0.0);
    }
}
