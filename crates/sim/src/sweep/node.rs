//! The sweep over a whole server: clients' bytes in, answers out, and no answer may be taken back.

use super::Report;
use crate::one_server::{Setup, StartError, World};
use crate::{Fault, History, Lie, MachineSetup, Rng, Seen, SimDisk, Survival};
use node::{NodeConfig, PurgeConfig};
use store::{Compression, DiskOp, StoreConfig, recover};
use tree::TreeConfig;

/// A run that goes on for longer than that has lost its way.
const EVENTS_MAX: u64 = 200_000;
/// What the server does by itself when nobody asks for anything, in µs.
const REST_US: u64 = 400_000;

/// One sweep.
#[derive(Clone, Debug)]
pub struct NodeSweep {
    /// Decides everything.
    pub seed: u64,
    /// Settings of the server.
    pub setup: MachineSetup,
    /// Logs and snapshots in directories of their own.
    pub separate: bool,
    /// How many clients there are.
    pub clients: usize,
    /// How many requests each of them makes.
    pub requests: u32,
    /// Of a hundred crashes, behind how many the server is started and goes on to work.
    pub life_percent: u64,
    /// A disk that breaks its promises, to show that the sweep notices.
    pub lie: Option<Lie>,
}

impl NodeSweep {
    /// A sweep whose settings follow from the seed as well.
    pub fn of(seed: u64) -> NodeSweep {
        let mut rng = Rng::new(seed, "setup");
        let mut draw = |choices: &[u64]| choices[rng.below(choices.len() as u64) as usize];
        let store = StoreConfig {
            prealloc_bytes: draw(&[0, 4096, 8192, 65536]),
            txn_log_size_limit_bytes: draw(&[0, 0, 2048, 12_000]),
            snap_count: draw(&[8, 20, 1000]),
            compression: [Compression::None, Compression::Gzip, Compression::Snappy]
                [draw(&[0, 1, 2]) as usize],
            ..StoreConfig::default()
        };
        let mut node = NodeConfig { store, ..NodeConfig::default() };
        node.purge = Some(PurgeConfig { retain_count: 3, interval_ms: draw(&[100, 500, 5000]) });
        node.batch.flush_delay_ms = draw(&[0, 0, 2]);
        NodeSweep {
            seed,
            setup: MachineSetup { node, tree: TreeConfig::default() },
            separate: draw(&[0, 1]) == 1,
            clients: draw(&[1, 2, 4]) as usize,
            requests: draw(&[30, 60, 120]) as u32,
            life_percent: 3,
            lie: None,
        }
    }
}

/// Runs it.
///
/// # Errors
/// The first violation, with how to see it again.
pub fn run(sweep: &NodeSweep) -> Result<Report, String> {
    let mut run = Run { sweep, report: Report::default(), crashes: 0 };
    run.first_life().map_err(|what| format!("seed {}: {what}\n{sweep:?}", sweep.seed))?;
    Ok(run.report)
}

/// Lets one operation after the other fail, in a run of its own each: the server must end with one clear line, must not
/// say anything that it cannot keep, and must start again. Returns how many failed.
///
/// # Errors
/// The first violation, with how to see it again.
pub fn run_with_faults(sweep: &NodeSweep, fault: Fault, step: usize) -> Result<u64, String> {
    let mut run = Run { sweep, report: Report::default(), crashes: 0 };
    let mut failed = 0;
    for at in (0..).step_by(step.max(1)) {
        let more = run
            .life_with_fault(at, fault)
            .map_err(|what| format!("seed {}, {fault:?} at operation {at}: {what}\n{sweep:?}", sweep.seed))?;
        if !more {
            break;
        }
        failed += 1;
    }
    Ok(failed)
}

struct Run<'s> {
    sweep: &'s NodeSweep,
    report: Report,
    crashes: u64,
}

impl Run<'_> {
    fn first_life(&mut self) -> Result<(), String> {
        let mut world = self.beginning();
        world.start().map_err(|error| error.to_string())?;
        let mut seen = Seen::default();
        self.live(&mut world, |run, world, op| {
            seen.note(op);
            run.report.stops += 1;
            Survival::ALL.into_iter().try_for_each(|survival| run.crash(world, op, survival))
        })?;
        seen.txns = world.history().issued().0 as u64;
        self.report.seen = seen;
        self.report.acknowledged += world.counts().writes;
        Ok(())
    }

    /// An empty disk and clients that have not connected yet.
    fn beginning(&self) -> World {
        let NodeSweep { seed, separate, clients, requests, lie, .. } = *self.sweep;
        let mut world = World::new(Setup {
            seed,
            machine: self.sweep.setup.clone(),
            separate_logs: separate,
            lie,
            // Syncs take longer than anything else; here everything may.
            disk_slowness_us: 150,
            clients,
            requests,
        });
        world.keep_history();
        world
    }

    /// Runs until the clients are done and the server rests, or has ended. `before` is called before each disk operation.
    fn live(
        &mut self,
        world: &mut World,
        mut before: impl FnMut(&mut Self, &World, &DiskOp) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut rests_until = None;
        for _ in 0..EVENTS_MAX {
            if let Some(op) = world.upcoming() {
                before(self, world, &op)?;
            }
            world.happen().map_err(|violation| violation.to_string())?;
            if !world.machine.is_running() {
                return Ok(());
            }
            if world.is_at_rest() {
                let until = *rests_until.get_or_insert(world.now_us() + REST_US);
                if world.now_us() >= until {
                    return Self::check_memory(world);
                }
            }
        }
        Err("the clients are never done".to_owned())
    }

    /// What the running node shows is history as well, and what clients were told.
    fn check_memory(world: &mut World) -> Result<(), String> {
        let node = world.machine.node().expect("it runs");
        world.history().check(node.tree()).map_err(|error| format!("in memory: {error}"))?;
        world.finish().map_err(|violation| violation.to_string()).map(|_| ())
    }

    /// The machine stops before `op`.
    fn crash(&mut self, world: &World, op: &DiskOp, survival: Survival) -> Result<(), String> {
        let disk = &world.machine.disk;
        let what = format!("stopped at operation {} ({op:.100?}), survival {survival:?}", disk.ops_done());
        let mut rng = self.fresh_rng();
        let disk = disk.crashed(Some(op), survival, rng.clone());
        let result = match rng.chance(self.sweep.life_percent) {
            true => self.next_life(world.crashed(disk, rng)),
            false => self.start(disk, world.history()),
        };
        result.map_err(|error| format!("{what}: {error}"))
    }

    fn start(&mut self, mut disk: SimDisk, history: &History) -> Result<(), String> {
        self.report.starts += 1;
        let recovered = recover(&mut disk, &self.sweep.setup.node.store, self.sweep.setup.tree.clone());
        history.check(&recovered.map_err(|error| format!("refused: {error}"))?.tree)
    }

    /// The server starts again, its clients come back with their sessions, and it is stopped once more.
    fn next_life(&mut self, mut world: World) -> Result<(), String> {
        self.report.lives += 1;
        world.ask_at_most(4);
        world.start().map_err(|error| error.to_string())?;
        self.live(&mut world, |run, world, op| {
            let mut rng = run.fresh_rng();
            let survival = Survival::ALL[rng.below(7) as usize];
            let disk = world.machine.disk.crashed(Some(op), survival, rng);
            run.start(disk, world.history()).map_err(|error| {
                format!("started, and stopped at its operation ({op:.100?}), survival {survival:?}: {error}")
            })
        })
    }

    /// False when the fault never happened: the run is shorter.
    fn life_with_fault(&mut self, at: u64, fault: Fault) -> Result<bool, String> {
        let mut world = self.beginning();
        world.machine.disk.plan_fault(at, fault);
        match world.start() {
            Err(StartError::Refused(error)) => check_line(&error.to_string())?,
            Err(error) => return Err(error.to_string()),
            Ok(()) => self.live(&mut world, |_, _, _| Ok(()))?,
        }
        let machine = &world.machine;
        if !machine.disk.fault_happened() {
            return Ok(false);
        }
        match (machine.failed_lane, world.disk_failure()) {
            (Some(store::Lane::Log), None) => return Err("the log failed, and the server goes on".to_owned()),
            (_, Some(error)) => check_line(&error.to_string())?,
            (Some(store::Lane::Snapshot), None) => {
                let line = machine.notes.iter().find(|note| note.contains("failed: "));
                check_line(line.ok_or("the snapshot failed, and nobody was told")?)?;
            }
            (None, None) => {}
        }
        for survival in Survival::ALL {
            let disk = machine.disk.crashed(None, survival, self.fresh_rng());
            self.start(disk, world.history()).map_err(|error| format!("survival {survival:?}: {error}"))?;
        }
        Ok(true)
    }

    fn fresh_rng(&mut self) -> Rng {
        self.crashes += 1;
        Rng::new(self.sweep.seed.wrapping_mul(1_000_003) ^ self.crashes, "crash")
    }
}

/// What an operator reads must be one line that says what was tried, on which file, and what the system said.
fn check_line(line: &str) -> Result<(), String> {
    let says_all = line.contains("version-2/") && line.contains(" failed: ");
    if line.lines().count() != 1 || !says_all {
        return Err(format!("not one clear line: {line:?}"));
    }
    Ok(())
}
