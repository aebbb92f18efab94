//! CPU time and memory of a process on this machine, from /proc.

use std::fs;
use std::time::Duration;

/// Linux counts CPU time for user space in hundredths of a second on every architecture.
const TICKS_PER_SECOND: u64 = 100;

/// A process, perhaps gone.
#[derive(Debug)]
pub struct Process {
    pid: u32,
}

impl Process {
    /// The process with that id.
    pub fn new(pid: u32) -> Process {
        Process { pid }
    }

    /// User and system time so far; `None` where /proc does not tell.
    pub fn cpu(&self) -> Option<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        // The second field is the program's name in brackets and may hold anything.
        let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_whitespace().collect();
        let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        Some(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
    }

    /// Resident memory in bytes.
    pub fn rss_bytes(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_a_size() {
        let own = Process::new(std::process::id());
        assert!(own.cpu().is_some());
        assert!(own.rss_bytes().is_some_and(|bytes| bytes > 100_000));
        assert!(Process::new(u32::MAX).cpu().is_none());
    }
}
