//! Rounds of sequences against a pair of servers, and what happens when they part: shrink, tell, stop.

use crate::generate::generate;
use crate::item::{Act, Item};
use crate::pair::{Difference, Pair};
use crate::process::{Program, Server};
use crate::profile::{PROFILES, Profile};
use crate::tolerate::Tolerated;
use crate::{shrink, walk};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What to compare and how long.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The judge.
    pub judge: Program,
    /// The server in question.
    pub subject: Program,
    /// Ports for the two.
    pub ports: (u16, u16),
    /// Where the servers keep their data.
    pub directory: PathBuf,
    /// The first seed; further rounds count up from it.
    pub seed: u64,
    /// Operations to send, over all rounds.
    pub operations: u64,
    /// Items in a round.
    pub round: usize,
    /// Only this profile.
    pub profile: Option<String>,
    /// Only these items of the one round of `seed`, for a replay.
    pub only: Option<Vec<usize>>,
    /// Shrink a failing sequence?
    pub shrink: bool,
}

/// What a run did.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Requests, handshakes and the like that were sent to each server.
    pub operations: u64,
    /// Replies and events that were compared.
    pub frames: u64,
    /// Trees that were compared, and their nodes in total.
    pub trees: u64,
    /// See `trees`.
    pub nodes: u64,
    /// Which differences were put up with.
    pub tolerated: Tolerated,
    /// How many replies carried each error code.
    pub errors: BTreeMap<i32, u64>,
    /// How long it took.
    pub elapsed: Duration,
}

/// A round that failed, shrunk.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed of the round.
    pub seed: u64,
    /// The profile's name.
    pub profile: &'static str,
    /// Items in a round, which the generator needs to make the same sequence.
    pub round: usize,
    /// What is left of the sequence.
    pub items: Vec<Item>,
    /// Where the servers part.
    pub difference: Difference,
    /// What the subject printed last.
    pub output: String,
}

/// A pair of running servers.
pub(crate) struct Running<'p> {
    plan: &'p Plan,
    profile: &'p Profile,
    /// The judge, then the subject; gone while they are started again.
    servers: Option<(Server, Server)>,
    pair: Pair,
}

impl Plan {
    fn profiles(&self) -> Vec<&'static Profile> {
        PROFILES.iter().filter(|p| self.profile.as_ref().is_none_or(|name| name == p.name)).collect()
    }

    pub(crate) fn start<'p>(&'p self, profile: &'p Profile) -> Result<Running<'p>, String> {
        let (judge, subject) = (self.directory.join("judge"), self.directory.join("subject"));
        for directory in [&judge, &subject] {
            let _ = std::fs::remove_dir_all(directory);
        }
        let servers = self.resume(profile, &judge, &subject).map_err(|e| e.to_string())?;
        let mut pair = Pair::new(servers.0.address, servers.1.address).map_err(|d| d.what)?;
        pair.in_order = matches!(self.subject, Program::Headkeeper { .. });
        Ok(Running { plan: self, profile, servers: Some(servers), pair })
    }

    /// Starts both servers at the same time.
    fn resume(&self, profile: &Profile, judge: &Path, subject: &Path) -> std::io::Result<(Server, Server)> {
        std::thread::scope(|scope| {
            let judge = scope.spawn(|| self.judge.resume(profile, self.ports.0, judge));
            let subject = self.subject.resume(profile, self.ports.1, subject);
            let judge =
                judge.join().unwrap_or_else(|_| Err(std::io::Error::other("the judge's thread died")));
            Ok((judge?, subject?))
        })
    }
}

impl Running<'_> {
    /// One whole round.
    pub(crate) fn round(&mut self, items: &[Item]) -> Result<usize, Difference> {
        let last = items.last().map_or(0, |item| item.id);
        for part in items.split_inclusive(|item| matches!(item.act, Act::Restart { .. })) {
            self.pair.run(part)?;
            if let Some(Item { id, act: Act::Restart { asked, swap }, .. }) = part.last() {
                self.restart(*id, *asked, *swap)?;
            }
        }
        let nodes = walk::compare(&mut self.pair, last)?;
        self.pair.close_sessions()?;
        walk::digests(&mut self.pair, last)?;
        walk::clear(&mut self.pair)?;
        Ok(nodes)
    }

    /// Ends both servers and goes on with them; with `swap`, each takes up the other's data. Nothing may change by it.
    fn restart(&mut self, item: usize, asked: bool, swap: bool) -> Result<(), Difference> {
        walk::compare(&mut self.pair, item)?;
        let before = walk::read(&mut self.pair);
        let (judge, subject) = self.servers.take().expect("they run");
        let fail = |e: std::io::Error| Difference { item, what: format!("at a restart: {e}") };
        let directories = (judge.end(asked).map_err(fail)?, subject.end(asked).map_err(fail)?);
        let (judge, subject) =
            if swap { (&directories.1, &directories.0) } else { (&directories.0, &directories.1) };
        let servers = self.plan.resume(self.profile, judge, subject);
        let servers = servers.map_err(fail)?;
        let addresses = (servers.0.address, servers.1.address);
        self.servers = Some(servers);
        self.pair.restarted(addresses.0, addresses.1, swap)?;
        let after = walk::read(&mut self.pair);
        let (of_judge, of_subject) = if swap { (&after.1, &after.0) } else { (&after.0, &after.1) };
        walk::unchanged(&before.0, of_judge, item)?;
        walk::unchanged(&before.1, of_subject, item)?;
        walk::forget_usage(&mut self.pair, &before.0)?;
        walk::compare(&mut self.pair, item).map(drop)
    }

    fn tail(&self) -> String {
        self.servers.as_ref().map(|(_, subject)| subject.tail()).unwrap_or_default()
    }
}

/// Runs the plan; `tell` gets a line now and then.
///
/// # Errors
/// The outer one when the servers cannot be run; the inner one when they differ.
pub fn run(plan: &Plan, mut tell: impl FnMut(&str)) -> Result<Result<Report, Box<Failure>>, String> {
    let start = Instant::now();
    let mut report = Report::default();
    let profiles = plan.profiles();
    if profiles.is_empty() {
        return Err(format!(
            "no such profile; there are {:?}",
            PROFILES.iter().map(|p| p.name).collect::<Vec<_>>()
        ));
    }
    let mut seed = plan.seed;
    for (n, profile) in profiles.iter().enumerate() {
        let mut running = plan.start(profile)?;
        let target = plan.operations * (n as u64 + 1) / profiles.len() as u64;
        let (before, mut told) = (report.clone(), Instant::now());
        while report.operations < target {
            let mut items = generate(seed, profile, plan.round);
            if let Some(only) = &plan.only {
                items.retain(|item| only.contains(&item.id));
            }
            let outcome = running.round(&items);
            running.add_to(&mut report, &before);
            match outcome {
                Ok(nodes) => {
                    report.trees += 1;
                    report.nodes += nodes as u64;
                }
                Err(difference) => {
                    tell(&format!("profile {} seed {seed}: {}", profile.name, difference.what));
                    let output = running.tail();
                    drop(running);
                    return Ok(Err(Box::new(
                        plan.failure(profile, seed, items, difference, output, &mut tell),
                    )));
                }
            }
            if plan.only.is_some() {
                break;
            }
            seed += 1;
            if told.elapsed() > Duration::from_secs(20) {
                told = Instant::now();
                let rate = report.operations as f64 / start.elapsed().as_secs_f64();
                tell(&format!("{} operations, next seed {seed}, {rate:.0}/s", report.operations));
            }
        }
        tell(&format!("profile {}: no difference up to seed {}", profile.name, seed.saturating_sub(1)));
    }
    report.elapsed = start.elapsed();
    Ok(Ok(report))
}

impl Running<'_> {
    /// The pair counts from its start; the report from the run's.
    fn add_to(&self, report: &mut Report, before: &Report) {
        report.operations = before.operations + self.pair.operations;
        report.frames = before.frames + self.pair.frames;
        report.tolerated = before.tolerated.clone();
        for (tolerance, count) in &self.pair.tolerated {
            *report.tolerated.entry(*tolerance).or_default() += count;
        }
        report.errors = before.errors.clone();
        for (code, count) in &self.pair.errors {
            *report.errors.entry(*code).or_default() += count;
        }
    }
}

impl Plan {
    fn failure(
        &self,
        profile: &'static Profile,
        seed: u64,
        items: Vec<Item>,
        difference: Difference,
        output: String,
        tell: &mut impl FnMut(&str),
    ) -> Failure {
        let mut failure =
            Failure { seed, profile: profile.name, round: self.round, items, difference, output };
        if !self.shrink {
            return failure;
        }
        // Nothing behind the batch in which it showed can matter.
        let shown = failure.difference.item;
        let end = failure.items.iter().position(|item| item.id > shown && !item.glued);
        failure.items.truncate(end.unwrap_or(usize::MAX));
        // A round without a difference leaves the servers as good as new.
        let mut spare = None;
        let mut attempt = |items: &[Item]| {
            let mut running = spare.take().or_else(|| self.start(profile).ok())?;
            match running.round(items) {
                Ok(_) => {
                    spare = Some(running);
                    None
                }
                Err(difference) => Some((difference, running.tail())),
            }
        };
        if attempt(&failure.items).is_none() {
            tell("the round does not fail on fresh servers: it depends on earlier rounds or on timing");
            return failure;
        }
        let (items, found) =
            shrink::shrink(failure.items.clone(), attempt, |left| tell(&format!("shrinking: {left} items")));
        failure.items = items;
        if let Some((difference, output)) = found {
            (failure.difference, failure.output) = (difference, output);
        }
        failure
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "The servers part: profile {}, seed {}, at item {}",
            self.profile, self.seed, self.difference.item
        )?;
        writeln!(f, "{}", self.difference.what)?;
        if self.items.len() <= 60 {
            writeln!(f, "Sequence:")?;
            self.items.iter().try_for_each(|item| writeln!(f, "{item}"))?;
        }
        let ids: Vec<String> = self.items.iter().map(|item| item.id.to_string()).collect();
        let only = if ids.len() <= 200 { format!(" --only {}", ids.join(",")) } else { String::new() };
        writeln!(
            f,
            "Replay: cargo xtask differential --profile {} --seed {} --round {}{only}",
            self.profile, self.seed, self.round
        )?;
        if !self.output.is_empty() {
            writeln!(f, "The subject printed last:\n{}", self.output)?;
        }
        Ok(())
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rate = self.operations as f64 / self.elapsed.as_secs_f64().max(0.001);
        writeln!(
            f,
            "{} operations ({rate:.0}/s), {} replies and events, {} trees of {} nodes: no unexplained difference",
            self.operations, self.frames, self.trees, self.nodes
        )?;
        let errors: Vec<String> = self.errors.iter().rev().map(|(code, n)| format!("{code}: {n}")).collect();
        writeln!(f, "replies by error code: {}", errors.join(", "))?;
        for (tolerance, count) in &self.tolerated {
            writeln!(f, "{count} times {tolerance:?}: {}", tolerance.why())?;
        }
        Ok(())
    }
}
