//! The sweep over a whole server: clients' bytes in, answers out, and no answer may be taken back.

use super::Report;
use crate::judge::Judge;
use crate::{Client, Fault, History, Lie, Machine, MachineSetup, Next, Rng, Seen, SimDisk, Survival, World};
use node::{NodeConfig, PurgeConfig};
use store::{Compression, DiskOp, StoreConfig, recover};
use tree::TreeConfig;

/// The only machine.
const SERVER: usize = 0;
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
    pub clients: u64,
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
        node.purge = Some(PurgeConfig { retain_count: 3, interval_ms: draw(&[5, 20, 1000]) });
        node.batch.flush_delay_ms = draw(&[0, 0, 2]);
        NodeSweep {
            seed,
            setup: MachineSetup { node, tree: TreeConfig::default() },
            separate: draw(&[0, 1]) == 1,
            clients: draw(&[1, 2, 4]),
            requests: draw(&[15, 30, 60]) as u32,
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
        let (mut world, mut judge) = self.beginning();
        world.start(SERVER, &mut judge).map_err(|error| error.to_string())?;
        let mut seen = Seen::default();
        self.live(&mut world, &mut judge, |run, world, judge, op| {
            seen.note(op);
            run.report.stops += 1;
            Survival::ALL.into_iter().try_for_each(|survival| run.crash(world, judge, op, survival))
        })?;
        seen.txns = judge.history.issued().0 as u64;
        self.report.seen = seen;
        self.report.acknowledged += judge.acknowledged;
        Ok(())
    }

    /// An empty disk and clients that have not connected yet.
    fn beginning(&self) -> (World, Judge) {
        let sweep = self.sweep;
        let rng = Rng::new(sweep.seed, "world");
        let mut disk = SimDisk::new(Rng::new(sweep.seed, "disk"), sweep.separate);
        if let Some(lie) = sweep.lie {
            disk.lie_about(lie);
        }
        let clients = (0..sweep.clients)
            .map(|n| (SERVER, Client::new(&rng, n, sweep.requests, 1 + (n as usize * 3) % 8)))
            .collect();
        let world = World::new(rng, vec![Machine::new(disk, sweep.setup.clone())], clients);
        (world, Judge::new(History::new(sweep.setup.tree.clone())))
    }

    /// Runs until the clients are done and the server rests, or has ended. `before` is called before each disk operation.
    fn live(
        &mut self,
        world: &mut World,
        judge: &mut Judge,
        mut before: impl FnMut(&mut Self, &World, &Judge, &DiskOp) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut rests_until = None;
        for _ in 0..EVENTS_MAX {
            if let Some(Next::Disk { op, .. }) = world.upcoming() {
                before(self, world, judge, &op)?;
            }
            world.happen(judge)?;
            if !world.machines[SERVER].is_running() {
                return Ok(());
            }
            if world.clients.iter().all(|(_, client)| client.is_done()) {
                let until = *rests_until.get_or_insert(world.now_us() + REST_US);
                if world.now_us() >= until {
                    return self.check_memory(world, judge);
                }
            }
        }
        Err("the clients are never done".to_owned())
    }

    /// What the running node shows is history as well.
    fn check_memory(&mut self, world: &World, judge: &Judge) -> Result<(), String> {
        let node = world.machines[SERVER].node().expect("it runs");
        judge.history.check(node.tree()).map_err(|error| format!("in memory: {error}"))
    }

    /// The machine stops before `op`.
    fn crash(&mut self, world: &World, judge: &Judge, op: &DiskOp, survival: Survival) -> Result<(), String> {
        let disk = &world.machines[SERVER].disk;
        let what = format!("stopped at operation {} ({op:.100?}), survival {survival:?}", disk.ops_done());
        let mut rng = self.fresh_rng();
        let disk = disk.crashed(Some(op), survival, rng.clone());
        if rng.chance(self.sweep.life_percent) {
            let clients = world.clients.clone();
            return self.next_life(disk, clients, judge.history.fork()).map_err(|e| format!("{what}: {e}"));
        }
        self.start(disk, &judge.history).map_err(|error| format!("{what}: {error}"))
    }

    fn start(&mut self, mut disk: SimDisk, history: &History) -> Result<(), String> {
        self.report.starts += 1;
        let recovered = recover(&mut disk, &self.sweep.setup.node.store, self.sweep.setup.tree.clone());
        history.check(&recovered.map_err(|error| format!("refused: {error}"))?.tree)
    }

    /// The server starts again, its clients come back with their sessions, and it is stopped once more.
    fn next_life(
        &mut self,
        disk: SimDisk,
        mut clients: Vec<(usize, Client)>,
        history: History,
    ) -> Result<(), String> {
        self.report.lives += 1;
        for (_, client) in &mut clients {
            client.lost_connection();
            client.requests_left = client.requests_left.min(4);
        }
        let rng = self.fresh_rng();
        let machine =
            Machine::new(disk.crashed(None, Survival::Everything, rng.clone()), self.sweep.setup.clone());
        let mut world = World::new(rng, vec![machine], clients);
        let mut judge = Judge::new(history);
        {
            // What the disk has now is what there is from now on.
            let mut copy = disk;
            let recovered = recover(&mut copy, &self.sweep.setup.node.store, self.sweep.setup.tree.clone());
            judge.history.survived(&recovered.map_err(|error| format!("refused: {error}"))?.tree)?;
        }
        world.start(SERVER, &mut judge).map_err(|error| format!("the second start: {error}"))?;
        self.live(&mut world, &mut judge, |run, world, judge, op| {
            let mut rng = run.fresh_rng();
            let survival = Survival::ALL[rng.below(7) as usize];
            let disk = world.machines[SERVER].disk.crashed(Some(op), survival, rng);
            run.start(disk, &judge.history).map_err(|error| {
                format!("started, and stopped at its operation ({op:.100?}), survival {survival:?}: {error}")
            })
        })
    }

    /// False when the fault never happened: the run is shorter.
    fn life_with_fault(&mut self, at: u64, fault: Fault) -> Result<bool, String> {
        let (mut world, mut judge) = self.beginning();
        world.machines[SERVER].disk.plan_fault(at, fault);
        match world.start(SERVER, &mut judge) {
            Err(crate::StartError::Refused(error)) => check_line(&error.to_string())?,
            Err(error) => return Err(error.to_string()),
            Ok(()) => self.live(&mut world, &mut judge, |_, _, _, _| Ok(()))?,
        }
        let machine = &world.machines[SERVER];
        if !machine.disk.fault_happened() {
            return Ok(false);
        }
        match (machine.failed_lane, world.disk_failure(SERVER)) {
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
            self.start(disk, &judge.history).map_err(|error| format!("survival {survival:?}: {error}"))?;
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
