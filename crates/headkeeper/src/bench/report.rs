//! What a run has to say, as text and as JSON.

use super::args::{Kind, Plan};
use super::process::Process;
use super::worker::{Tally, new_histogram};
use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};
use std::fmt;
use std::time::Duration;
use wire::ErrorCode;

/// How the znodes were made.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// How many (directories not counted).
    pub nodes: usize,
    /// How long it took.
    pub seconds: f64,
}

/// All figures of a run.
#[derive(Debug)]
pub struct Report {
    /// What was asked for.
    pub plan: Plan,
    /// How the znodes were made.
    pub load: Load,
    /// `None` when nothing was to be measured.
    pub tally: Option<Tally>,
    /// CPU time of the server in the measured time.
    pub server_cpu: Option<Duration>,
    /// CPU time of this tool in the measured time.
    pub client_cpu: Option<Duration>,
    /// The server's resident memory at the end of the measured time.
    pub server_rss_bytes: Option<u64>,
}

impl Report {
    /// A report when nothing was to be measured.
    pub fn of_load(plan: &Plan, load: Load, server: Option<&Process>) -> Report {
        let rss = server.and_then(Process::rss_bytes);
        Report {
            plan: plan.clone(),
            load,
            tally: None,
            server_cpu: None,
            client_cpu: None,
            server_rss_bytes: rss,
        }
    }

    /// One JSON object (reference: docs/bench.md).
    pub fn json(&self) -> Value {
        let plan = &self.plan;
        let mix: Map<String, Value> =
            plan.mix.iter().map(|(kind, weight)| (kind.name().into(), json!(weight))).collect();
        json!({
            "tool": "headkeeper bench",
            "version": env!("CARGO_PKG_VERSION"),
            "server": plan.servers,
            "connections": plan.connections,
            "depth": plan.depth,
            "threads": plan.threads,
            "mix": mix,
            "size_bytes": plan.size,
            "warmup_s": plan.warmup.as_secs_f64(),
            "duration_s": plan.duration.as_secs_f64(),
            "rate": plan.rate,
            "load": {
                "nodes": self.load.nodes,
                "seconds": self.load.seconds,
                "per_second": self.load.nodes as f64 / self.load.seconds.max(1e-9),
            },
            "total": self.tally.as_ref().map(|tally| self.figures(&all(tally))),
            "operations": self.tally.as_ref().map(|tally| {
                kinds(tally).map(|(kind, h)| (kind.name().to_owned(), self.figures(h))).collect::<Map<_, _>>()
            }),
            "errors": self.tally.as_ref().map(|tally| {
                tally.errors.iter().map(|(code, n)| (error_name(*code), json!(n))).collect::<Map<_, _>>()
            }),
            "answers_per_connection": self.tally.as_ref().and_then(|tally| tally.per_connection).map(|(fewest, most)| {
                json!({ "min": fewest, "max": most })
            }),
            "lost_connections": self.tally.as_ref().map(|tally| tally.lost),
            "client_cpu_s": self.client_cpu.map(|cpu| cpu.as_secs_f64()),
            "server_cpu_s": self.server_cpu.map(|cpu| cpu.as_secs_f64()),
            "server_cpu_us_per_operation": self.server_cpu_us_per_operation(),
            "server_rss_bytes": self.server_rss_bytes,
        })
    }

    fn figures(&self, h: &Histogram<u64>) -> Value {
        json!({
            "operations": h.len(),
            "per_second": self.per_second(h),
            "latency_us": {
                "min": us(if h.is_empty() { 0 } else { h.min() }),
                "mean": h.mean() / 1000.0,
                "p50": us(h.value_at_quantile(0.5)),
                "p90": us(h.value_at_quantile(0.9)),
                "p99": us(h.value_at_quantile(0.99)),
                "p999": us(h.value_at_quantile(0.999)),
                "max": us(h.max()),
            },
        })
    }

    fn per_second(&self, h: &Histogram<u64>) -> f64 {
        h.len() as f64 / self.plan.duration.as_secs_f64()
    }

    fn server_cpu_us_per_operation(&self) -> Option<f64> {
        let count = self.tally.as_ref().map(|tally| all(tally).len()).filter(|count| *count > 0)?;
        Some(self.server_cpu?.as_secs_f64() * 1e6 / count as f64)
    }
}

fn us(ns: u64) -> f64 {
    ns as f64 / 1000.0
}

fn kinds(tally: &Tally) -> impl Iterator<Item = (Kind, &Histogram<u64>)> {
    Kind::ALL.into_iter().zip(&tally.latency_ns).filter_map(|(kind, h)| Some((kind, h.as_ref()?)))
}

fn all(tally: &Tally) -> Histogram<u64> {
    let mut sum = new_histogram();
    for (_, h) in kinds(tally) {
        sum.add(h).expect("the same bounds everywhere");
    }
    sum
}

fn error_name(code: i32) -> String {
    ErrorCode::from_code(code).map_or_else(|| code.to_string(), |code| code.name().to_owned())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(tally) = &self.tally else {
            let Load { nodes, seconds } = self.load;
            writeln!(f, "{nodes} znodes made in {seconds:.2} s ({:.0}/s)", nodes as f64 / seconds.max(1e-9))?;
            return self.server_line(f);
        };
        let plan = &self.plan;
        let mix: Vec<String> =
            plan.mix.iter().map(|(kind, weight)| format!("{}:{weight}", kind.name())).collect();
        writeln!(
            f,
            "{} connections x {} in flight at {}, {}, {} bytes, {} znodes, {} s",
            plan.connections,
            plan.depth,
            plan.servers,
            mix.join(","),
            plan.size,
            self.load.nodes,
            plan.duration.as_secs_f64()
        )?;
        writeln!(f)?;
        writeln!(
            f,
            "{:<9} {:>11} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
            "", "per second", "mean ms", "p50", "p90", "p99", "p99.9", "max"
        )?;
        for (kind, h) in kinds(tally) {
            self.line(f, kind.name(), h)?;
        }
        self.line(f, "all", &all(tally))?;
        writeln!(f)?;
        let errors: Vec<String> =
            tally.errors.iter().map(|(code, count)| format!("{} {count}", error_name(*code))).collect();
        writeln!(f, "errors: {}", if errors.is_empty() { "none".into() } else { errors.join(", ") })?;
        if let Some((fewest, most)) = tally.per_connection.filter(|_| plan.connections > 1) {
            writeln!(f, "answers per connection: {fewest} to {most}")?;
        }
        if tally.lost > 0 {
            let reason = tally.lost_reason.as_deref().unwrap_or("unknown");
            writeln!(f, "lost connections: {} (the last one: {reason})", tally.lost)?;
        }
        if let Some(cpu) = self.client_cpu {
            let share = 100.0 * cpu.as_secs_f64() / plan.duration.as_secs_f64();
            writeln!(f, "this tool: {share:.0}% of a core")?;
        }
        self.server_line(f)
    }
}

impl Report {
    fn line(&self, f: &mut fmt::Formatter<'_>, name: &str, h: &Histogram<u64>) -> fmt::Result {
        let ms = |ns: u64| ns as f64 / 1e6;
        let at = |q: f64| ms(h.value_at_quantile(q));
        writeln!(
            f,
            "{name:<9} {:>11.0} {:>9.3} {:>9.3} {:>9.3} {:>9.3} {:>9.3} {:>9.3}",
            self.per_second(h),
            h.mean() / 1e6,
            at(0.5),
            at(0.9),
            at(0.99),
            at(0.999),
            ms(h.max())
        )
    }

    fn server_line(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(cpu), Some(us)) = (self.server_cpu, self.server_cpu_us_per_operation()) {
            let share = 100.0 * cpu.as_secs_f64() / self.plan.duration.as_secs_f64();
            writeln!(f, "server: {share:.0}% of a core, {us:.2} us of CPU per operation")?;
        }
        if let Some(rss) = self.server_rss_bytes {
            writeln!(f, "server: {:.1} MiB resident", rss as f64 / (1 << 20) as f64)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::args::BenchArgs;
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        bench: BenchArgs,
    }

    fn report() -> Report {
        let args = ["bench", "--server", "127.0.0.1:9", "--duration", "2", "--mix", "get:1,set:3"];
        let mut tally = Tally::default();
        for latency_ms in 1..=100 {
            tally.record(Kind::Get, latency_ms * 1_000_000);
        }
        tally.errors.insert(ErrorCode::NoNode.code(), 7);
        tally.errors.insert(-777, 1);
        tally.add(Tally { per_connection: Some((40, 60)), ..Tally::default() });
        tally.add(Tally { per_connection: Some((30, 50)), ..Tally::default() });
        Report {
            plan: Cli::parse_from(args).bench.plan().expect("a plan"),
            load: Load { nodes: 1000, seconds: 0.5 },
            tally: Some(tally),
            server_cpu: Some(Duration::from_millis(10)),
            client_cpu: Some(Duration::from_secs(1)),
            server_rss_bytes: Some(3 << 20),
        }
    }

    #[test]
    fn json_says_what_was_measured() {
        let json = report().json();
        assert_eq!(json["mix"], json!({ "get": 1, "set": 3 }));
        assert_eq!(json["total"]["operations"], 100);
        assert_eq!(json["total"]["per_second"], 50.0);
        assert_eq!(json["errors"], json!({ "NONODE": 7, "-777": 1 }));
        assert_eq!(json["answers_per_connection"], json!({ "min": 30, "max": 60 }));
        assert_eq!(json["server_cpu_us_per_operation"], 100.0);
        assert_eq!(json["load"]["per_second"], 2000.0);
        // Kept with three digits.
        let near = |value: &Value, us: f64| value.as_f64().is_some_and(|v| (v / us - 1.0).abs() < 0.001);
        assert!(near(&json["operations"]["get"]["latency_us"]["p50"], 50_000.0), "{json}");
        assert!(near(&json["operations"]["get"]["latency_us"]["p99"], 99_000.0), "{json}");
        assert!(json["operations"].get("set").is_none());
    }

    #[test]
    fn text_says_it_too() {
        let text = report().to_string();
        let of_get: Vec<&str> =
            text.lines().find(|l| l.starts_with("get ")).unwrap().split_whitespace().collect();
        assert_eq!(of_get[1], "50");
        assert!(text.contains("NONODE 7"), "{text}");
        assert!(text.contains("answers per connection: 30 to 60\n"), "{text}");
        assert!(text.contains("this tool: 50% of a core\n"), "{text}");
        assert!(text.contains("server: 0% of a core, 100.00 us of CPU per operation\n"), "{text}");
        assert!(text.contains("server: 3.0 MiB resident\n"), "{text}");
    }

    #[test]
    fn a_run_that_only_loads_says_how_fast() {
        let report = Report { tally: None, server_rss_bytes: None, ..report() };
        assert_eq!(report.to_string(), "1000 znodes made in 0.50 s (2000/s)\n");
        assert_eq!(report.json()["total"], Value::Null);
    }
}
