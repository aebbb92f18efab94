//! Thousands of connections that send rubbish, while honest clients work: nobody honest may notice, and nothing may be left.

mod honest;
mod senders;

use crate::crash::ServerProcess;
use crate::patience::START_PATIENCE;
use crate::rng::Rng;
use honest::Honest;
use senders::{KINDS, Sender};
use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How the honest clients work before anything is measured.
const WARM_UP: Duration = Duration::from_secs(2);
/// How long after the first half the sessions it opened get to end.
const FORGET: Duration = Duration::from_secs(5);
/// How long the sessions that rubbish opened may live: their timeout, two ticks, and some patience.
const SETTLE_MAX: Duration = Duration::from_secs(60);

/// What to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server's binary.
    pub binary: PathBuf,
    /// An empty directory.
    pub dir: PathBuf,
    /// Connections with rubbish.
    pub connections: usize,
    /// Threads that open them.
    pub senders: usize,
    /// Honest sessions.
    pub honest: usize,
    /// The longest time that an honest request may take.
    pub latency_max: Duration,
    /// By how much resident memory may grow from the end of the first half to the end of the second, in bytes. The first
    /// half may leave behind what the allocator keeps for later; a leak shows in the second.
    pub growth_max: u64,
    /// Decides the rubbish.
    pub seed: u64,
}

/// What happened.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How often each kind of rubbish was sent.
    pub sent: Vec<(&'static str, usize)>,
    /// Honest requests, all of them answered rightly.
    pub honest_requests: u64,
    /// The slowest of them.
    pub slowest: Duration,
    /// Resident memory before, at its highest, after half of it and after all of it, in bytes.
    pub memory: [u64; 4],
    /// Open files before, at most, after half of it and after all of it.
    pub files: [usize; 4],
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total: usize = self.sent.iter().map(|(_, count)| count).sum();
        writeln!(f, "{total} connections with rubbish:")?;
        for (kind, count) in &self.sent {
            writeln!(f, "  {count:>6} {kind}")?;
        }
        writeln!(
            f,
            "honest requests: {}, slowest {:.1} ms",
            self.honest_requests,
            self.slowest.as_secs_f64() * 1e3
        )?;
        let [before, most, half, after] = self.memory.map(|bytes| bytes >> 10);
        writeln!(
            f,
            "resident memory in KiB: {before} before, {most} at most, {half} after half of it, {after} after all"
        )?;
        let [before, most, half, after] = self.files;
        write!(f, "open files: {before} before, {most} at most, {half} after half of it, {after} after all")
    }
}

/// Starts the server, lets everybody loose on it, and checks what is left.
///
/// # Errors
/// When an honest client notices anything, when the server ends, or when memory or files do not come back.
pub fn run(options: &Options) -> Result<Report, String> {
    let mut server = ServerProcess::prepare(&options.binary, &options.dir, "")?;
    server.start()?;
    server.wait_until_serving(START_PATIENCE)?;
    let pid = server.pid().ok_or("the server has no process")?;
    let address = server.address();
    let stop = AtomicBool::new(false);
    let mut report = Report::default();
    let honest: Vec<Honest> = thread::scope(|scope| {
        let stop = &stop;
        let honest: Vec<_> = (0..options.honest)
            .map(|number| scope.spawn(move || Honest::work(address, number, stop)))
            .collect();
        thread::sleep(WARM_UP);
        let settled = two_waves(options, address, pid, &mut report);
        stop.store(true, Ordering::Relaxed);
        let ended: Vec<Result<Honest, String>> = honest
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err("a panic".into())))
            .collect();
        settled.and(ended.into_iter().collect())
    })
    .map_err(|error| format!("{error}\nthe server said last:\n{}", server.last_output()))?;
    report.honest_requests = honest.iter().map(|one| one.requests).sum();
    report.slowest = honest.iter().map(|one| one.slowest).max().unwrap_or_default();
    server.terminate()?;
    if report.slowest > options.latency_max {
        return Err(format!("{report}\nan honest request took longer than {:?}", options.latency_max));
    }
    Ok(report)
}

/// Half of the rubbish, a pause until all of it is forgotten, and the other half.
fn two_waves(options: &Options, address: SocketAddr, pid: u32, report: &mut Report) -> Result<(), String> {
    report.memory[0] = resident_bytes(pid)?;
    report.files[0] = open_files(pid)?;
    report.sent = KINDS.iter().map(|(name, _)| (*name, 0)).collect();
    attack(options, address, pid, report)?;
    settle(2, u64::MAX, pid, report)?;
    thread::sleep(FORGET);
    report.memory[2] = resident_bytes(pid)?;
    attack(&Options { seed: options.seed.wrapping_add(1 << 32), ..options.clone() }, address, pid, report)?;
    settle(3, report.memory[2] + options.growth_max, pid, report)
}

/// One wave.
fn attack(options: &Options, address: SocketAddr, pid: u32, report: &mut Report) -> Result<(), String> {
    let begun = AtomicUsize::new(0);
    let counts = Mutex::new(vec![0; KINDS.len()]);
    thread::scope(|scope| {
        let senders: Vec<_> = (0..options.senders)
            .map(|number| {
                let mut sender = Sender::new(address, Rng::new(options.seed.wrapping_add(number as u64)));
                let (begun, counts) = (&begun, &counts);
                scope.spawn(move || -> Result<(), String> {
                    while begun.fetch_add(1, Ordering::Relaxed) < options.connections / 2 {
                        let kind = sender.send_one()?;
                        counts.lock().map_err(|_| "a sender panicked")?[kind] += 1;
                    }
                    Ok(())
                })
            })
            .collect();
        while senders.iter().any(|sender| !sender.is_finished()) {
            report.memory[1] = report.memory[1].max(resident_bytes(pid)?);
            report.files[1] = report.files[1].max(open_files(pid)?);
            thread::sleep(Duration::from_millis(20));
        }
        senders.into_iter().try_for_each(|sender| sender.join().map_err(|_| "a sender panicked")?)
    })?;
    let counts = counts.into_inner().map_err(|_| "a sender panicked")?;
    for ((_, sum), count) in report.sent.iter_mut().zip(counts) {
        *sum += count;
    }
    Ok(())
}

/// Waits until the files are closed and resident memory is no more than that.
fn settle(when: usize, memory_max: u64, pid: u32, report: &mut Report) -> Result<(), String> {
    let end = Instant::now() + SETTLE_MAX;
    loop {
        report.memory[when] = resident_bytes(pid)?;
        report.files[when] = open_files(pid)?;
        if report.files[when] <= report.files[0] && report.memory[when] <= memory_max {
            return Ok(());
        }
        if Instant::now() > end {
            return Err(format!("{report}\nnot everything came back within {SETTLE_MAX:?}"));
        }
        thread::sleep(Duration::from_millis(200));
    }
}

fn resident_bytes(pid: u32) -> Result<u64, String> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path)
        .map_err(|e| format!("the server is gone, or this is no Linux: {path}: {e}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib =
        line.and_then(|rest| rest.split_whitespace().next()).and_then(|number| number.parse::<u64>().ok());
    Ok(kib.ok_or_else(|| format!("{path} has no VmRSS: the server is gone"))? << 10)
}

fn open_files(pid: u32) -> Result<usize, String> {
    let path = format!("/proc/{pid}/fd");
    Ok(fs::read_dir(&path)
        .map_err(|e| format!("the server is gone, or this is no Linux: {path}: {e}"))?
        .count())
}
