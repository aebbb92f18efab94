//! What is printed, and the JSON.

use super::loads::{Load, Run};
use super::machine::{Machine, load_average};
use super::million::Million;
use super::strain::Figure;
use serde_json::{Value, json};
use std::fmt;

/// Everything measured.
pub(super) struct Report {
    pub(super) machine: Machine,
    /// In the order of the first round.
    loads: Vec<Row>,
    pub(super) millions: Vec<(&'static str, Million)>,
    strain: Vec<(&'static str, Vec<Figure>)>,
}

struct Row {
    load: Load,
    /// Of each server, all runs.
    runs: Vec<(&'static str, Vec<Run>)>,
}

impl Report {
    pub(super) fn new(machine: Machine) -> Report {
        Report { machine, loads: Vec::new(), millions: Vec::new(), strain: Vec::new() }
    }

    pub(super) fn add(&mut self, load: &Load, program: &'static str, run: Run) {
        let at = self.loads.iter().position(|row| row.load == *load).unwrap_or_else(|| {
            self.loads.push(Row { load: *load, runs: Vec::new() });
            self.loads.len() - 1
        });
        let runs = &mut self.loads[at].runs;
        match runs.iter_mut().find(|(known, _)| *known == program) {
            Some((_, list)) => list.push(run),
            None => runs.push((program, vec![run])),
        }
    }

    pub(super) fn add_strain(&mut self, program: &'static str, figures: Vec<Figure>) {
        self.strain.push((program, figures));
    }

    pub(super) fn json(&self) -> Value {
        let loads: Vec<Value> = self
            .loads
            .iter()
            .map(|row| {
                let runs: serde_json::Map<String, Value> = row
                    .runs
                    .iter()
                    .map(|(program, runs)| {
                        ((*program).to_owned(), runs.iter().map(Run::json).collect::<Vec<_>>().into())
                    })
                    .collect();
                json!({ "load": row.load.to_string(), "runs": runs })
            })
            .collect();
        let millions: serde_json::Map<String, Value> =
            self.millions.iter().map(|(program, million)| ((*program).to_owned(), million.json())).collect();
        let strain: serde_json::Map<String, Value> = self
            .strain
            .iter()
            .map(|(program, figures)| {
                let figures = figures.iter().map(|(what, number, unit)| json!([what, number, unit]));
                ((*program).to_owned(), figures.collect::<Vec<_>>().into())
            })
            .collect();
        json!({ "machine": self.machine.json(), "loads": loads, "znodes": millions, "strain": strain })
    }
}

impl Row {
    fn of(&self, program: &str) -> Option<Run> {
        self.runs.iter().find(|(known, _)| *known == program).map(|(_, runs)| median(runs))
    }
}

/// The median of each figure by itself.
fn median(runs: &[Run]) -> Run {
    let of = |figure: fn(&Run) -> f64| {
        let mut values: Vec<f64> = runs.iter().map(figure).collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
    };
    Run {
        per_second: of(|run| run.per_second),
        cpu_us: of(|run| run.cpu_us),
        p50_us: of(|run| run.p50_us),
        p99_us: of(|run| run.p99_us),
        p999_us: of(|run| run.p999_us),
        others: of(|run| run.others),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.loads.is_empty() {
            self.load_table(f)?;
        }
        if !self.millions.is_empty() {
            self.znode_table(f)?;
        }
        if !self.strain.is_empty() {
            self.strain_table(f)?;
        }
        writeln!(f, "\nload average at the end: {}", load_average())
    }
}

impl Report {
    fn load_table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{:<13} {:<10} {:>9} {:>10} {:>9} {:>9} {:>9} {:>7}",
            "load", "server", "ops/s", "CPU us/op", "p50 ms", "p99 ms", "p99.9 ms", "others"
        )?;
        for row in &self.loads {
            for (program, runs) in &row.runs {
                let run = median(runs);
                let [p50, p99, p999] = [run.p50_us, run.p99_us, run.p999_us].map(|us| us / 1000.0);
                writeln!(
                    f,
                    "{:<13} {program:<10} {:>9.0} {:>10.2} {p50:>9.3} {p99:>9.3} {p999:>9.3} {:>6.0}%",
                    row.load.to_string(),
                    run.per_second,
                    run.cpu_us,
                    run.others * 100.0
                )?;
            }
            if let (Some(apache), Some(ours)) = (row.of("apache"), row.of("headkeeper")) {
                writeln!(
                    f,
                    "{:<13} {:<10} {:>8.2}x {:>9.2}x {:>8.2}x {:>8.2}x {:>8.2}x",
                    "",
                    "gain",
                    ours.per_second / apache.per_second,
                    apache.cpu_us / ours.cpu_us,
                    apache.p50_us / ours.p50_us,
                    apache.p99_us / ours.p99_us,
                    apache.p999_us / ours.p999_us
                )?;
            }
        }
        Ok(())
    }

    fn strain_table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{:<56}", "")?;
        for (program, _) in &self.strain {
            write!(f, " {program:>12}")?;
        }
        writeln!(f)?;
        for (at, (what, _, unit)) in self.strain[0].1.iter().enumerate() {
            write!(f, "{what:<56}")?;
            for (_, figures) in &self.strain {
                write!(f, " {:>12.2}", figures[at].1)?;
            }
            writeln!(f, " {unit}")?;
        }
        Ok(())
    }

    fn znode_table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (program, million) in &self.millions {
            writeln!(
                f,
                "\n{program}, {} znodes of 100 bytes, made in {:.1} s",
                million.znodes, million.create_s
            )?;
            let memory = [
                ("empty", million.empty_bytes),
                ("filled", million.filled_bytes),
                ("started again", million.restarted_bytes),
            ];
            for (state, bytes) in memory {
                writeln!(
                    f,
                    "  resident, {state:<14} {:>7.1} MiB, {:>6.0} bytes per znode",
                    bytes as f64 / f64::from(1 << 20),
                    million.bytes_per_znode(bytes)
                )?;
            }
            for (source, times) in [("log", million.from_log), ("snapshot", million.from_snapshot)] {
                writeln!(
                    f,
                    "  start from {source:<12} ruok after {:.2} s, a client served after {:.2} s and {:.2} s of CPU",
                    times.ruok_s, times.served_s, times.cpu_s
                )?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_taken_figure_by_figure() {
        let run = |n: f64| Run { per_second: n, cpu_us: -n, p50_us: n, p99_us: n, p999_us: n, others: 0.0 };
        let middle = median(&[run(3.0), run(1.0), run(20.0)]);
        assert_eq!((middle.per_second, middle.cpu_us), (3.0, -3.0));
        assert_eq!(median(&[run(1.0), run(2.0)]).p99_us, 1.5);
    }
}
