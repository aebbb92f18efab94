//! Damage to a store at rest: whatever single thing is wrong with its files, a start finds everything or refuses
//! (reference: simulation §5.4, S1 and S2). A state that silently lacks something is never served.

use super::store::StoreSweep;
use crate::{History, Rng, SimDisk, StoreMachine, StoreSetup};
use std::fmt;
use store::{FileName, recover};
use wire::Zxid;

const SECTOR_LEN: usize = 512;

/// One campaign.
#[derive(Clone, Debug)]
pub struct DamageSweep {
    /// Decides everything.
    pub seed: u64,
    /// Settings of store and tree.
    pub setup: StoreSetup,
    /// Logs and snapshots in directories of their own.
    pub separate: bool,
    /// Decisions of the life before the damage.
    pub decisions: u32,
    /// How many places of each file are hit by each kind of damage; all of them if it has fewer.
    pub places: usize,
}

impl DamageSweep {
    /// A campaign whose settings follow from the seed as well.
    pub fn of(seed: u64) -> DamageSweep {
        let StoreSweep { setup, separate, .. } = StoreSweep::of(seed);
        DamageSweep { seed, setup, separate, decisions: 400, places: 30 }
    }
}

/// What became of the starts.
#[derive(Clone, Copy, Default, Debug)]
pub struct DamageReport {
    /// Single faults injected.
    pub faults: u64,
    /// Starts that found everything all the same.
    pub complete: u64,
    /// Starts that refused.
    pub refused: u64,
}

impl DamageReport {
    /// Both together.
    #[must_use]
    pub fn and(self, other: DamageReport) -> DamageReport {
        DamageReport {
            faults: self.faults + other.faults,
            complete: self.complete + other.complete,
            refused: self.refused + other.refused,
        }
    }
}

impl fmt::Display for DamageReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DamageReport { faults, complete, refused } = self;
        write!(f, "{faults} single faults: {complete} starts found everything, {refused} refused")
    }
}

/// What happens to a file.
#[derive(Clone, Copy, Debug)]
enum Damage {
    FlippedBit(usize),
    ZeroedSector(usize),
    /// The sector holds what the one before it holds.
    RepeatedSector(usize),
    CutTo(usize),
    Lost,
    /// Its content is another file's of its kind.
    Swapped,
}

/// Runs it.
///
/// # Errors
/// The first start that served too little or too much, with how to see it again.
pub fn run(sweep: &DamageSweep) -> Result<DamageReport, String> {
    let mut run = Run { sweep, report: DamageReport::default() };
    run.all().map_err(|what| format!("seed {}: {what}\n{sweep:?}", sweep.seed))?;
    Ok(run.report)
}

struct Run<'s> {
    sweep: &'s DamageSweep,
    report: DamageReport,
}

impl Run<'_> {
    fn all(&mut self) -> Result<(), String> {
        let machine = self.settled()?;
        for file in machine.disk.files() {
            let len = machine.disk.bytes(&file).map_or(0, <[u8]>::len);
            for damage in self.damages(&file, len) {
                let mut disk = copy(&machine.disk);
                apply(&mut disk, &file, damage);
                self.start(disk, &machine.history, &format!("{damage:?} in {file}"))?;
            }
        }
        self.read_errors(&machine)
    }

    /// A store with several logs and snapshots, at rest.
    fn settled(&self) -> Result<StoreMachine, String> {
        let disk = SimDisk::new(Rng::new(self.sweep.seed, "disk"), self.sweep.separate);
        let history = History::new(self.sweep.setup.tree.clone());
        let rng = Rng::new(self.sweep.seed, "machine");
        let mut machine = StoreMachine::start(disk, &self.sweep.setup, history, rng)?;
        for _ in 0..self.sweep.decisions {
            machine.decide();
            if let Some((lane, _)) = machine.next_op() {
                machine.disk_op(lane)?;
            }
        }
        machine.settle()?;
        Ok(machine)
    }

    fn damages(&self, file: &FileName, len: usize) -> Vec<Damage> {
        let mut rng = Rng::new(self.sweep.seed, &file.name);
        let mut places = |count: usize| -> Vec<usize> {
            match count <= self.sweep.places {
                true => (0..count).collect(),
                false => (0..self.sweep.places).map(|_| rng.below(count as u64) as usize).collect(),
            }
        };
        let sectors = len.div_ceil(SECTOR_LEN);
        let mut damages = vec![Damage::Lost, Damage::Swapped];
        damages.extend(places(len * 8).into_iter().map(Damage::FlippedBit));
        damages.extend(places(sectors).into_iter().map(Damage::ZeroedSector));
        damages.extend(places(sectors).into_iter().map(Damage::RepeatedSector));
        damages.extend(places(len).into_iter().map(Damage::CutTo));
        damages
    }

    /// The start must refuse, or find everything; and what it has repaired must not have made it worse.
    fn start(&mut self, mut disk: SimDisk, history: &History, what: &str) -> Result<(), String> {
        self.report.faults += 1;
        for attempt in 1..=2 {
            let setup = &self.sweep.setup;
            match recover(&mut disk, &setup.store, setup.tree.clone()) {
                Err(error) if error.to_string().lines().count() != 1 => {
                    return Err(format!("{what}: not one line: {error}"));
                }
                Err(_) if attempt == 1 => {
                    self.report.refused += 1;
                    return Ok(());
                }
                Err(error) => return Err(format!("{what}: the second start refuses: {error}")),
                Ok(recovered) => {
                    check_complete(history, &recovered.tree).map_err(|error| format!("{what}: {error}"))?;
                }
            }
        }
        self.report.complete += 1;
        Ok(())
    }

    /// Each read fails once.
    fn read_errors(&mut self, machine: &StoreMachine) -> Result<(), String> {
        for at in 0.. {
            let mut disk = copy(&machine.disk);
            disk.plan_read_error(at);
            let setup = &self.sweep.setup;
            let recovered = recover(&mut disk, &setup.store, setup.tree.clone());
            if !disk.fault_happened() {
                return Ok(());
            }
            self.report.faults += 1;
            match recovered {
                Err(error) => {
                    self.report.refused += 1;
                    let line = error.to_string();
                    if line.lines().count() != 1 || !line.contains("Input/output error") {
                        return Err(format!("read {at} fails: not one clear line: {line}"));
                    }
                }
                Ok(recovered) => {
                    self.report.complete += 1;
                    check_complete(&machine.history, &recovered.tree)
                        .map_err(|error| format!("read {at} fails: {error}"))?;
                }
            }
        }
        unreachable!("reads end")
    }
}

fn check_complete(history: &History, tree: &tree::Tree) -> Result<(), String> {
    history.check(tree)?;
    let (found, all): (Zxid, Zxid) = (tree.last_zxid(), history.issued());
    if found < all { Err(format!("served up to {found}, and {all} was there")) } else { Ok(()) }
}

fn copy(disk: &SimDisk) -> SimDisk {
    disk.crashed(None, crate::Survival::Everything, Rng::new(0, "copy"))
}

fn apply(disk: &mut SimDisk, file: &FileName, damage: Damage) {
    let sector = |bytes: &mut Vec<u8>, at: usize, from: Option<usize>| {
        let (start, end) = (at * SECTOR_LEN, ((at + 1) * SECTOR_LEN).min(bytes.len()));
        if start >= end {
            return;
        }
        match from {
            None => bytes[start..end].fill(0),
            Some(from) => bytes.copy_within(from * SECTOR_LEN..from * SECTOR_LEN + (end - start), start),
        }
    };
    match damage {
        // What is durable may be less than what can be read: an index is not always synced.
        Damage::FlippedBit(bit) => disk.damage(file, |bytes| {
            if let Some(byte) = bytes.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
        }),
        Damage::ZeroedSector(at) => disk.damage(file, |bytes| sector(bytes, at, None)),
        Damage::RepeatedSector(at) => {
            disk.damage(file, |bytes| sector(bytes, at, Some(at.saturating_sub(1))));
        }
        Damage::CutTo(len) => disk.damage(file, |bytes| bytes.truncate(len)),
        Damage::Lost => disk.lose(file),
        Damage::Swapped => {
            let kind = |file: &FileName| file.name.split('.').next().map(str::to_owned);
            let other = disk.files().into_iter().find(|other| other != file && kind(other) == kind(file));
            if let Some(other) = other.and_then(|other| disk.bytes(&other).map(<[u8]>::to_vec)) {
                disk.damage(file, |bytes| bytes.clone_from(&other));
            }
        }
    }
}
