//! The sweep over the store alone.

use super::Report;
use crate::{Fault, History, Lie, Rng, SimDisk, StoreMachine, StoreSetup, Survival};
use store::{Compression, DiskOp, StoreConfig, recover};
use tree::TreeConfig;
use wire::Zxid;

/// One sweep.
#[derive(Clone, Debug)]
pub struct StoreSweep {
    /// Decides everything.
    pub seed: u64,
    /// Settings of store and tree.
    pub setup: StoreSetup,
    /// Logs and snapshots in directories of their own.
    pub separate: bool,
    /// Decisions of the first life.
    pub decisions: u32,
    /// Of a hundred crashes, behind how many the start is stopped at each of its own operations as well.
    pub stopped_start_percent: u64,
    /// Of a hundred crashes, behind how many the server goes on to work.
    pub life_percent: u64,
    /// A disk that breaks its promises, to show that the sweep notices.
    pub lie: Option<Lie>,
}

impl StoreSweep {
    /// A sweep whose settings follow from the seed as well.
    pub fn of(seed: u64) -> StoreSweep {
        let mut rng = Rng::new(seed, "setup");
        let mut draw = |choices: &[u64]| choices[rng.below(choices.len() as u64) as usize];
        let store = StoreConfig {
            prealloc_bytes: draw(&[0, 4096, 8192, 65536]),
            txn_log_size_limit_bytes: draw(&[0, 0, 2048, 12_000]),
            snap_count: draw(&[10, 40, 1000]),
            compression: [Compression::None, Compression::Gzip, Compression::Snappy]
                [draw(&[0, 1, 2]) as usize],
            ..StoreConfig::default()
        };
        StoreSweep {
            seed,
            setup: StoreSetup { store, tree: TreeConfig::default(), retain_count: 3 },
            separate: draw(&[0, 1]) == 1,
            decisions: draw(&[100, 200, 300]) as u32,
            stopped_start_percent: 6,
            life_percent: 8,
            lie: None,
        }
    }
}

/// Runs it.
///
/// # Errors
/// The first violation, with how to see it again.
pub fn run(sweep: &StoreSweep) -> Result<Report, String> {
    let mut run = Run { sweep, report: Report::default(), crashes: 0 };
    run.first_life().map_err(|what| format!("seed {}: {what}\n{sweep:?}", sweep.seed))?;
    Ok(run.report)
}

struct Run<'s> {
    sweep: &'s StoreSweep,
    report: Report,
    crashes: u64,
}

impl Run<'_> {
    fn first_life(&mut self) -> Result<(), String> {
        let mut disk = SimDisk::new(self.rng("disk"), self.sweep.separate);
        if let Some(lie) = self.sweep.lie {
            disk.lie_about(lie);
        }
        let history = History::new(self.sweep.setup.tree.clone());
        self.stopped_starts(&disk, &history, "the very first start")?;
        let mut machine = StoreMachine::start(disk, &self.sweep.setup, history, self.rng("machine"))?;
        for _ in 0..self.sweep.decisions {
            machine.decide();
            if let Some((lane, op)) = machine.next_op() {
                self.report.stops += 1;
                for survival in Survival::ALL {
                    self.crash(&machine, &op, survival)?;
                }
                machine.disk_op(lane)?;
            }
        }
        self.report.seen = machine.seen;
        Ok(())
    }

    /// The machine stops before `op`.
    fn crash(&mut self, machine: &StoreMachine, op: &DiskOp, survival: Survival) -> Result<(), String> {
        let what =
            format!("stopped at operation {} ({op:.100?}), survival {survival:?}", machine.disk.ops_done());
        let mut rng = self.fresh_rng();
        let disk = machine.disk.crashed(Some(op), survival, rng.clone());
        self.start(disk.crashed(None, Survival::Everything, rng.clone()), &machine.history, &what)?;
        if rng.chance(self.sweep.stopped_start_percent) {
            self.stopped_starts(&disk, &machine.history, &what)?;
        }
        if rng.chance(self.sweep.life_percent) {
            self.life(disk, machine.history.fork(), &what)?;
        }
        Ok(())
    }

    /// A start that must succeed, and find everything; and what it says is durable must be there after a power cut.
    fn start(&mut self, mut disk: SimDisk, history: &History, what: &str) -> Result<(), String> {
        let before = self.recover(&mut disk, history, what)?;
        let mut disk = disk.crashed(None, Survival::Nothing, self.fresh_rng());
        let after = self.recover(&mut disk, history, &format!("{what}; started, and power lost"))?;
        if after < before {
            return Err(format!("{what}: {before} was called durable, and is gone after a power cut"));
        }
        Ok(())
    }

    fn recover(&mut self, disk: &mut SimDisk, history: &History, what: &str) -> Result<Zxid, String> {
        self.report.starts += 1;
        let recovered = recover(disk, &self.sweep.setup.store, self.sweep.setup.tree.clone());
        let recovered = recovered.map_err(|error| format!("{what}: refused: {error}"))?;
        history.check(&recovered.tree).map_err(|error| format!("{what}: {error}"))?;
        Ok(recovered.last_zxid())
    }

    /// A start that is stopped at each of its operations; the next one must succeed. What the stopped one had begun to
    /// repair was never served, so nothing more was promised.
    fn stopped_starts(&mut self, disk: &SimDisk, history: &History, what: &str) -> Result<(), String> {
        for at in 0.. {
            let mut rng = self.fresh_rng();
            let mut stopped = disk.crashed(None, Survival::Everything, rng.clone());
            stopped.plan_fault(at, Fault::Stop);
            let done = recover(&mut stopped, &self.sweep.setup.store, self.sweep.setup.tree.clone()).is_ok();
            if done {
                return Ok(());
            }
            if !stopped.fault_happened() {
                return Err(format!("{what}: refused before operation {at} of the start"));
            }
            self.report.stopped_starts += 1;
            let chosen = Survival::ALL[rng.below(7) as usize];
            for survival in [Survival::Everything, Survival::Nothing, chosen] {
                let what = format!("{what}; the start stopped at its operation {at}, survival {survival:?}");
                let disk = stopped.crashed(None, survival, self.fresh_rng());
                self.start(disk, history, &what)?;
            }
        }
        unreachable!("a start ends")
    }

    /// A start that goes on to work, and is stopped at each operation once more.
    fn life(&mut self, disk: SimDisk, history: History, what: &str) -> Result<(), String> {
        self.report.lives += 1;
        let rng = self.fresh_rng();
        let mut machine = StoreMachine::start(disk, &self.sweep.setup, history, rng)
            .map_err(|error| format!("{what}: {error}"))?;
        for _ in 0..25 {
            machine.decide();
            let Some((lane, op)) = machine.next_op() else { continue };
            let mut rng = self.fresh_rng();
            let survival = Survival::ALL[rng.below(7) as usize];
            let disk = machine.disk.crashed(Some(&op), survival, rng);
            let what = format!(
                "{what}; started, and stopped at operation {} ({op:.100?}), survival {survival:?}",
                machine.disk.ops_done()
            );
            self.start(disk, &machine.history, &what)?;
            machine.disk_op(lane).map_err(|error| format!("{what}: {error}"))?;
        }
        Ok(())
    }

    fn rng(&self, label: &str) -> Rng {
        Rng::new(self.sweep.seed, label)
    }

    fn fresh_rng(&mut self) -> Rng {
        self.crashes += 1;
        Rng::new(self.sweep.seed.wrapping_mul(1_000_003) ^ self.crashes, "crash")
    }
}
