//! What the user asks for, and the checked [`Plan`] made of it.

use clap::Args;
use client::Servers;
use std::net::SocketAddr;
use std::time::Duration;

/// Measure a server's throughput and latency.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  headkeeper bench                              32 connections x 8 in flight, half reads
  headkeeper bench --mix set --size 1024        writes of 1 KiB
  headkeeper bench -c 1 -d 1 --mix set --json   the latency of a lone writer, as JSON
  headkeeper bench --rate 5000 --mix get:9,set:1
                                                a fixed rate; latency includes waiting for a turn
  headkeeper bench --load 1000000 --duration 0 --keep
                                                fill a server with a million znodes
  headkeeper bench --clean                      remove what a kept run left behind

Reading the result:
  per second   answers counted inside the measured time, over its length
  p50 .. p99.9 so many percent of the answers came within this many ms of their request being
               sent (with --rate: of its being due)
  this tool    near 100% of a core per thread, the tool itself is the limit: use more --threads
  server       with --server-pid: CPU time per operation, which says more than the rate does
               on a busy machine

In a closed loop, connections x depth = per second x mean latency: more in flight gives more
throughput until the server is full, and after that only more latency. Compare servers at the
same load, in turn, more than once; one in Java needs --warmup 5 or more to show its speed.

The znodes live under --path, which holds nothing else; they are removed at the end, also
after ctrl-C or SIGTERM, and leftovers at the start. Runs at the same time need a --path each.
Exit code: 0 measured (refusals are counted), 1 the server cannot be used or the run was
interrupted, 2 wrong arguments.")]
pub struct BenchArgs {
    /// Servers, host:port[,host:port...]; connections are spread over them
    #[arg(short, long, default_value = "127.0.0.1:2181", value_name = "HOSTS")]
    server: String,
    /// Connections, each with a session of its own
    #[arg(short, long, default_value_t = 32, value_name = "N")]
    connections: usize,
    /// Requests every connection keeps in flight
    #[arg(short, long, default_value_t = 8, value_name = "N")]
    depth: usize,
    /// Threads of this tool; connections are shared out among them
    #[arg(short, long, default_value_t = 1, value_name = "N")]
    threads: usize,
    /// Operations and their weights: get, set, exists, children, create, delete (of created
    /// ones, else a create), ping, sync
    #[arg(short, long, default_value = "get:50,set:50", value_name = "OP[:WEIGHT],...")]
    mix: String,
    /// Bytes of data per znode
    #[arg(long, default_value_t = 100, value_name = "BYTES")]
    size: usize,
    /// Znodes that reads and writes choose from, made before the run
    #[arg(short, long, default_value_t = 1000, value_name = "N")]
    nodes: usize,
    /// Make this many znodes and report how fast (the same as --nodes, but said so)
    #[arg(long, value_name = "N", conflicts_with = "nodes")]
    load: Option<usize>,
    /// Znodes made in one transaction at the most; 1 makes each by itself, as applications do
    #[arg(long, default_value_t = 200, value_name = "N")]
    batch: usize,
    /// Seconds to measure; 0 only makes the znodes
    #[arg(long, default_value_t = 10.0, value_name = "SECONDS")]
    duration: f64,
    /// Seconds to run before measuring
    #[arg(long, default_value_t = 2.0, value_name = "SECONDS")]
    warmup: f64,
    /// Operations per second over all connections, instead of as many as possible
    #[arg(long, value_name = "N")]
    rate: Option<f64>,
    /// Where the znodes live
    #[arg(long, default_value = "/headkeeper-bench", value_name = "PATH")]
    path: String,
    /// Leave the znodes there
    #[arg(long)]
    keep: bool,
    /// Only remove what is under --path
    #[arg(long, conflicts_with_all = ["keep", "load"])]
    clean: bool,
    /// Seed of the random choices
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Process id of the server on this machine: its CPU time and memory are reported too
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
    /// Session timeout in ms
    #[arg(long, default_value_t = 30_000, value_name = "MS")]
    session_timeout: i32,
    /// Result as one JSON object on stdout
    #[arg(long)]
    json: bool,
    /// No progress on stderr
    #[arg(short, long)]
    quiet: bool,
}

/// What a worker can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Get,
    Set,
    Exists,
    Children,
    Create,
    Delete,
    Ping,
    Sync,
}

impl Kind {
    /// All kinds; a kind's place here is its index in tallies.
    pub const ALL: [Kind; 8] = [
        Kind::Get,
        Kind::Set,
        Kind::Exists,
        Kind::Children,
        Kind::Create,
        Kind::Delete,
        Kind::Ping,
        Kind::Sync,
    ];

    /// The name in `--mix` and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Get => "get",
            Kind::Set => "set",
            Kind::Exists => "exists",
            Kind::Children => "children",
            Kind::Create => "create",
            Kind::Delete => "delete",
            Kind::Ping => "ping",
            Kind::Sync => "sync",
        }
    }
}

/// The checked arguments.
#[derive(Clone, Debug)]
pub struct Plan {
    pub servers: String,
    pub addresses: Vec<SocketAddr>,
    pub connections: usize,
    pub depth: usize,
    pub threads: usize,
    /// Kinds with a weight above zero.
    pub mix: Vec<(Kind, u32)>,
    pub size: usize,
    pub nodes: usize,
    pub batch: usize,
    pub duration: Duration,
    pub warmup: Duration,
    pub rate: Option<f64>,
    pub path: String,
    pub keep: bool,
    pub clean_only: bool,
    pub seed: u64,
    pub server_pid: Option<u32>,
    pub session_timeout_ms: i32,
    pub json: bool,
    pub quiet: bool,
}

impl BenchArgs {
    /// Checks everything that can be checked without the server.
    pub fn plan(&self) -> Result<Plan, String> {
        let servers: Servers = self.server.parse().map_err(|e| format!("--server: {e}"))?;
        if servers.chroot().is_some() {
            return Err("--server: no chroot here; use --path".into());
        }
        let range = |name: &str, value: usize, low: usize, high: usize| {
            if (low..=high).contains(&value) {
                Ok(value)
            } else {
                Err(format!("--{name} {value}: allowed is {low} to {high}"))
            }
        };
        let seconds = |name: &str, value: f64| {
            Duration::try_from_secs_f64(value)
                .map_err(|_| format!("--{name} {value}: not a number of seconds"))
        };
        let connections = range("connections", self.connections, 1, 60_000)?;
        let valid_path = self.path.len() > 1 && self.path.starts_with('/') && !self.path.ends_with('/');
        if !valid_path || self.path.starts_with("/zookeeper") || self.path.contains("//") {
            return Err(format!(
                "--path {:?}: allowed is an absolute path other than / and /zookeeper",
                self.path
            ));
        }
        if self.rate.is_some_and(|rate| !(rate.is_finite() && rate > 0.0)) {
            return Err("--rate: allowed is a number above 0".into());
        }
        Ok(Plan {
            addresses: servers.addresses().map_err(|e| e.to_string())?,
            servers: servers.to_string(),
            connections,
            depth: range("depth", self.depth, 1, 10_000)?,
            threads: range("threads", self.threads, 1, 256)?.min(connections),
            mix: parse_mix(&self.mix)?,
            size: range("size", self.size, 0, 512 << 20)?,
            nodes: range("nodes", self.load.unwrap_or(self.nodes), 1, 1_000_000_000)?,
            batch: range("batch", self.batch, 1, 10_000)?,
            duration: seconds("duration", self.duration)?,
            warmup: seconds("warmup", self.warmup)?,
            rate: self.rate,
            path: self.path.clone(),
            keep: self.keep,
            clean_only: self.clean,
            seed: self.seed,
            server_pid: self.server_pid,
            session_timeout_ms: self.session_timeout,
            json: self.json,
            quiet: self.quiet,
        })
    }
}

fn parse_mix(text: &str) -> Result<Vec<(Kind, u32)>, String> {
    let mut mix: Vec<(Kind, u32)> = Vec::new();
    for entry in text.split(',') {
        let (name, weight) = entry.trim().split_once([':', '=']).unwrap_or((entry.trim(), "1"));
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            let names: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
            format!("--mix {text:?}: {name:?} is none of {}", names.join(", "))
        })?;
        let weight: u32 =
            weight.parse().ok().filter(|weight| *weight <= 1_000_000).ok_or_else(|| {
                format!("--mix {text:?}: the weight {weight:?} is not a number up to 1000000")
            })?;
        if mix.iter().any(|(known, _)| *known == kind) {
            return Err(format!("--mix {text:?}: {name} is named twice"));
        }
        if weight > 0 {
            mix.push((kind, weight));
        }
    }
    if mix.is_empty() { Err(format!("--mix {text:?}: nothing to do")) } else { Ok(mix) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixes_have_weights() {
        assert_eq!(parse_mix("get:90,set:10"), Ok(vec![(Kind::Get, 90), (Kind::Set, 10)]));
        assert_eq!(parse_mix("create"), Ok(vec![(Kind::Create, 1)]));
        assert_eq!(parse_mix("get=1, set=0"), Ok(vec![(Kind::Get, 1)]));
    }

    #[test]
    fn wrong_mixes_say_what_is_allowed() {
        assert!(parse_mix("read").is_err_and(|e| e.contains("is none of get, set, exists")));
        assert!(parse_mix("get:x").is_err_and(|e| e.contains("not a number")));
        assert!(parse_mix("get,get").is_err_and(|e| e.contains("twice")));
        assert!(parse_mix("get:0").is_err_and(|e| e.contains("nothing to do")));
    }
}
