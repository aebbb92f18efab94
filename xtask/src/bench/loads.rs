//! Loads, and a run of one of them by `headkeeper bench`.

use super::Tool;
use super::machine::Busy;
use super::subject::Server;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::fmt;
use std::process::Command;

/// What the clients do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Load {
    pub(super) connections: usize,
    pub(super) depth: usize,
    pub(super) operation: Operation,
    /// Bytes of data.
    pub(super) size: usize,
}

/// Of the headline figures.
const SIZE: usize = 100;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operation {
    Set,
    Get,
    Mixed,
}

/// The figures of one run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) per_second: f64,
    /// Of the server, per operation.
    pub(super) cpu_us: f64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    pub(super) p999_us: f64,
    /// Share of all CPUs that was used by neither the server nor the clients.
    pub(super) others: f64,
}

impl Load {
    /// The load of the headline figures, with all operations.
    pub(super) const COMMON: Load =
        Load { connections: 32, depth: 8, operation: Operation::Mixed, size: SIZE };

    /// Large data is kept few times.
    fn nodes(&self) -> usize {
        (100_000_000 / self.size.max(1)).clamp(10, 1000)
    }
}

impl Operation {
    const ALL: [Operation; 3] = [Operation::Set, Operation::Get, Operation::Mixed];

    pub(super) fn name(self) -> &'static str {
        match self {
            Operation::Set => "set",
            Operation::Get => "get",
            Operation::Mixed => "mixed",
        }
    }

    fn mix(self) -> &'static str {
        match self {
            Operation::Set => "set",
            Operation::Get => "get",
            Operation::Mixed => "get:50,set:50",
        }
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}:{}", self.connections, self.depth, self.operation.name())?;
        if self.size == SIZE { Ok(()) } else { write!(f, "@{}", self.size) }
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Run { per_second, cpu_us, p99_us, others, .. } = self;
        let (p99_ms, others) = (p99_us / 1000.0, others * 100.0);
        write!(f, "{per_second:.0}/s, {cpu_us:.2} us CPU, p99 {p99_ms:.2} ms, others {others:.0}%")
    }
}

/// The loads a user names.
pub(super) fn parse(text: &str) -> Result<Vec<Load>> {
    match text {
        "none" => Ok(Vec::new()),
        "all" => Ok(Operation::ALL
            .into_iter()
            .flat_map(|operation| [1, 8, 32, 256].map(|connections| (operation, connections)))
            .flat_map(|(operation, connections)| {
                [1, 8].map(|depth| Load { connections, depth, operation, size: SIZE })
            })
            .collect()),
        named => named.split(',').map(|load| parse_one(load.trim())).collect(),
    }
}

fn parse_one(text: &str) -> Result<Load> {
    let wrong = || format!("--loads: {text:?} is not like 32x8:set (of get, set, mixed)");
    let (size, load) = match text.split_once('@') {
        Some((load, size)) => (size.parse().with_context(wrong)?, load),
        None => (SIZE, text),
    };
    let (shape, operation) = load.split_once(':').with_context(wrong)?;
    let (connections, depth) = shape.split_once('x').with_context(wrong)?;
    let operation = Operation::ALL.into_iter().find(|known| known.name() == operation).with_context(wrong)?;
    let connections = connections.parse().with_context(wrong)?;
    let depth = depth.parse().with_context(wrong)?;
    Ok(Load { connections, depth, operation, size })
}

/// Runs a load and takes its figures from the tool's JSON.
pub(super) fn run(tool: &Tool, load: &Load, server: &Server) -> Result<Run> {
    let before = Busy::now(server.pid())?;
    let output = Command::new(&tool.binary)
        .args(["bench", "--json", "--quiet", "--nodes", &load.nodes().to_string()])
        .args(["--size", &load.size.to_string()])
        .args(["--server", &server.address.to_string()])
        .args(["--server-pid", &server.pid().to_string()])
        .args(["--connections", &load.connections.to_string()])
        .args(["--depth", &load.depth.to_string()])
        .args(["--mix", load.operation.mix()])
        .args(["--warmup", &tool.warmup.to_string()])
        .args(["--duration", &tool.seconds.to_string()])
        .output()?;
    if !output.status.success() {
        bail!("{load} on {}: {}", server.program, String::from_utf8_lossy(&output.stderr));
    }
    let others = before.others_until(&Busy::now(server.pid())?);
    let figures: Value = serde_json::from_slice(&output.stdout)?;
    let clean = figures["errors"].as_object().is_some_and(|errors| errors.is_empty());
    if !clean || figures["lost_connections"] != 0 {
        bail!("{load} on {}: not all was answered: {figures}", server.program);
    }
    let number = |value: &Value| value.as_f64().with_context(|| format!("a number is missing: {figures}"));
    let latency = &figures["total"]["latency_us"];
    Ok(Run {
        per_second: number(&figures["total"]["per_second"])?,
        cpu_us: number(&figures["server_cpu_us_per_operation"])?,
        p50_us: number(&latency["p50"])?,
        p99_us: number(&latency["p99"])?,
        p999_us: number(&latency["p999"])?,
        others,
    })
}

impl Run {
    pub(super) fn json(&self) -> Value {
        json!({
            "per_second": self.per_second,
            "server_cpu_us_per_operation": self.cpu_us,
            "latency_us": { "p50": self.p50_us, "p99": self.p99_us, "p999": self.p999_us },
            "cpu_share_of_others": self.others,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_are_named_as_they_are_printed() {
        let all = parse("all").unwrap();
        assert_eq!(all.len(), 24);
        for load in &all {
            assert_eq!(parse(&load.to_string()).unwrap(), [*load]);
        }
        let large = parse("8x1:get@65536").unwrap()[0];
        assert_eq!((large.size, large.to_string().as_str()), (65536, "8x1:get@65536"));
        assert!(parse("none").unwrap().is_empty());
        assert!(parse("32x8").unwrap_err().to_string().contains("32x8:set"));
        assert!(parse("32x8:put").is_err());
    }
}
