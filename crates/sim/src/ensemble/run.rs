//! A seed from beginning to end.

use super::checks::Violation;
use super::{Setup, Wiped, World};
use crate::checks::{Calm, Counts, Expectations, ExpiryBounds};
use crate::{Survival, picture};
use std::fmt;

const SECOND_US: u64 = 1_000_000;

/// A run: first things go wrong and nothing wrong may come of it; then a majority is whole again and has to work; then
/// everybody starts from the disk, and all have to be the same.
pub struct Run {
    world: World,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was run.
    pub setup: Setup,
    /// Events in the run.
    pub events: u64,
    /// Its length.
    pub simulated_us: u64,
    /// Equal for equal runs.
    pub hash: u128,
    /// Transactions that were committed.
    pub committed: usize,
    /// Epochs that had a leader.
    pub epochs: usize,
    /// Answers without an error that clients got.
    pub answers: u64,
    /// What clients saw and was judged.
    pub seen: Counts,
    /// Members that lost their disks.
    pub wiped: Wiped,
    /// What must never happen, and has.
    pub violation: Option<Violation>,
}

impl Run {
    /// Runs a setup.
    pub fn of(setup: Setup, is_verbose: bool) -> Outcome {
        let mut run = Run { world: World::new(setup) };
        run.world.trace.is_verbose = is_verbose;
        let violation = run.all().err();
        let world = run.world;
        Outcome {
            events: world.trace.events,
            simulated_us: world.now_us(),
            hash: world.trace.hash(),
            committed: world.committed().len(),
            epochs: world.checks.epochs_led(),
            answers: world.answers(),
            seen: world.seen(),
            wiped: world.wiped(),
            setup: world.setup,
            violation,
        }
    }

    fn all(&mut self) -> Result<(), Violation> {
        self.trouble()?;
        self.majority()?;
        self.everybody()
    }

    /// Safety: whatever goes wrong, nothing wrong may come of it.
    fn trouble(&mut self) -> Result<(), Violation> {
        let world = &mut self.world;
        for server in 0..world.setup.servers() {
            world.start_later(server, server as u64 * 10_000);
        }
        world.populate();
        let until_us = world.now_us() + world.setup.fault_time_us;
        world.trouble(until_us);
        if may_demand(&world.setup) {
            world.expect(demands_without_faults(&world.setup));
        }
        world.run_until(until_us)?;
        world.expect(Expectations::default());
        Ok(())
    }

    /// Liveness: some majority of the voters is whole, and the others are not there.
    fn majority(&mut self) -> Result<(), Violation> {
        let world = &mut self.world;
        world.end_trouble();
        let voters = world.setup.voters;
        let first = world.faults.chance_below(voters as u64) as usize;
        let needed = voters / 2 + 1;
        for server in 0..world.setup.servers() {
            let is_needed = server < voters && (server + voters - first) % voters < needed;
            if is_needed {
                world.start(server);
            } else {
                world.kill(server);
            }
        }
        let (before, limit_us) = (world.answers(), self.bound_us());
        let world = &mut self.world;
        let until_us = world.now_us() + limit_us;
        let works =
            world.run_until_so(until_us, |world| world.leader().is_some() && world.answers() > before)?;
        if !works {
            let modes: Vec<&str> = (0..world.setup.servers()).map(|server| world.mode(server)).collect();
            let text = format!("a majority is whole, and takes no write in {limit_us} us: {modes:?}");
            return Err(Violation { rule: "availability", text });
        }
        Ok(())
    }

    /// How long it may take until a majority works.
    fn bound_us(&self) -> u64 {
        let setup = &self.world.setup;
        60 * SECOND_US + 4 * (setup.init_limit + setup.sync_limit) * setup.tick_us()
    }

    /// Everybody works again, and then starts anew from the disk.
    fn everybody(&mut self) -> Result<(), Violation> {
        let limit_us = self.bound_us();
        let world = &mut self.world;
        let servers = world.setup.servers();
        (0..servers).for_each(|server| world.start(server));
        let until_us = world.now_us() + 2 * SECOND_US;
        world.run_until(until_us)?;
        world.rest();
        for server in 0..servers {
            let survival = Survival::ALL[world.faults.chance_below(Survival::ALL.len() as u64) as usize];
            world.cut_power(server, survival);
            world.start_later(server, server as u64 * 10_000);
        }
        let until_us = world.now_us() + limit_us;
        if !world.run_until_so(until_us, |world| world.is_settled() && world.is_at_rest())? {
            let all: Vec<_> =
                (0..servers).map(|server| (world.mode(server), world.last_zxid(server))).collect();
            let text = format!("everything works, and the servers do not agree in {limit_us} us: {all:?}");
            return Err(Violation { rule: "availability", text });
        }
        world.compare_trees()?;
        world.finish_clients()
    }
}

/// Does nothing go wrong? On a wire that is slower than servers wait for each other, something always does.
fn may_demand(setup: &Setup) -> bool {
    let patience_us = setup.sync_limit * setup.tick_us();
    setup.faults.is_empty() && setup.latency.window > 512 && 4 * setup.latency.slowest_us() < patience_us
}

/// What clients may count on while nothing goes wrong. The election takes its time at first.
fn demands_without_faults(setup: &Setup) -> Expectations {
    let elected_us = SECOND_US + 2 * setup.tick_us();
    Expectations {
        expiry: Some(ExpiryBounds { early_us: 0, late_us: elected_us + 2 * setup.tick_us() }),
        sync_sees_everything: true,
        calm: Some(Calm { from_us: elected_us, within_us: 2 * SECOND_US, p99_us: SECOND_US }),
    }
}

impl World {
    fn last_zxid(&self, server: usize) -> Option<wire::Zxid> {
        self.node(server).map(|node| node.tree().last_zxid())
    }

    /// Does everybody serve, with everything applied everywhere?
    pub fn is_settled(&self) -> bool {
        let last = self.committed().last();
        // A leader counts from the start of its epoch, before anything is in it.
        let has_all = |zxid: wire::Zxid| zxid == last || (zxid.counter() == 0 && zxid > last);
        let serves = |server| !matches!(self.mode(server), "down" | "looking");
        (0..self.servers.len()).all(|server| serves(server) && self.last_zxid(server).is_some_and(has_all))
    }

    /// Have all running servers the same tree, down to the last byte?
    ///
    /// # Errors
    /// The first difference.
    pub fn compare_trees(&self) -> Result<(), Violation> {
        let trees: Vec<_> = (0..self.servers.len())
            .filter_map(|server| self.node(server).map(|node| (server, node.tree())))
            .collect();
        let Some((first, tree)) = trees.first() else { return Ok(()) };
        // A server without digests has none to show.
        let shown = |tree| {
            let all = picture(tree);
            all.lines().filter(|line| !line.starts_with("digest ")).map(|line| format!("{line}\n")).collect()
        };
        let expected: String = shown(tree);
        for (server, tree) in &trees {
            if tree.digest() != tree.recomputed_digest() {
                let text = format!("the digest of s{} is not that of its tree", server + 1);
                return Err(Violation { rule: "Z8", text });
            }
            let found: String = shown(tree);
            if let Some((a, b)) = expected.lines().zip(found.lines()).find(|(a, b)| a != b) {
                let text = format!("s{} has `{a}`, s{} has `{b}`", first + 1, server + 1);
                return Err(Violation { rule: "Z8", text });
            }
            if expected != found {
                let text = format!("the trees of s{} and s{} differ in length", first + 1, server + 1);
                return Err(Violation { rule: "Z8", text });
            }
        }
        Ok(())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome { setup, events, simulated_us, hash, committed, epochs, answers, seen, wiped, violation } =
            self;
        if let Some(violation) = violation {
            writeln!(f, "{violation}")?;
        }
        let kinds: Vec<String> = setup.faults.iter().map(|kind| format!("{kind:?}")).collect();
        write!(
            f,
            "seed {} ({} voters, {} observers, {} clients, tick {} ms, snapCount {}; {}): {committed} committed, {epochs} epochs, \
             {answers} answers ({seen}; {wiped}), {events} events, {:.1} s simulated, trace {hash:032x}",
            setup.seed,
            setup.voters,
            setup.observers,
            setup.clients,
            setup.node.tick_time_ms,
            setup.node.store.snap_count,
            if kinds.is_empty() { "no faults".to_owned() } else { kinds.join(" ") },
            *simulated_us as f64 / 1e6,
        )
    }
}
