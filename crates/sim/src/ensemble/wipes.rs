//! Members that lose their whole disk and come back as strangers (reference: simulation §2.6, "reformat").
//!
//! A voter that forgets what it has promised is data loss by design if its promise counts. So only a member is wiped that
//! the others can spare at that moment (`Checks::is_spare`): it has to come back and get everything from its leader, and
//! nothing may be lost with it.

use super::World;
use crate::{Rng, SimDisk, Survival};
use std::collections::BTreeSet;
use std::fmt;
use store::{Dir, FileName};

/// What became of wiped members.
#[derive(Default)]
pub(super) struct Wipes {
    /// They have not been told anything yet, and there is nothing to lose.
    empty: BTreeSet<usize>,
    pub(super) counts: Wiped,
}

/// How often members lost their disks, and how they got everything back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs, reason = "the names say it all")]
pub struct Wiped {
    pub disks: u64,
    pub by_snapshot: u64,
    /// From a leader whose history goes back to the first transaction.
    pub by_history: u64,
}

impl World {
    /// Some server that can be spared loses its disk.
    pub(super) fn wipe(&mut self) {
        let all = 0..self.servers.len();
        let filled = all.filter(|it| !self.wipes.empty.contains(it)).collect::<Vec<_>>();
        let spare: Vec<usize> =
            filled.into_iter().filter(|it| self.checks.is_spare(*it, &self.servers)).collect();
        if let Some(server) = self.choose(&spare) {
            self.wipe_disk(server);
            let delay = self.faults.chance_below(3_000_000);
            self.start_later(server, delay);
        }
    }

    /// A server loses its disk, and with it what runs on it.
    pub fn wipe_disk(&mut self, server: usize) {
        self.cut_power(server, Survival::Nothing);
        let place = &mut self.servers[server];
        let rng = Rng::new(place.rng.next_u64(), "disk");
        place.machine.disk = SimDisk::new(rng, self.setup.separate_logs);
        self.say(|| format!("s{} has an empty disk", server + 1));
        self.checks.wiped(server);
        self.wipes.empty.insert(server);
        self.wipes.counts.disks += 1;
    }

    /// The operator says that an empty disk is meant to be one, for one start.
    pub fn initialize(&mut self, server: usize) {
        self.servers[server].machine.disk.put(&FileName::new(Dir::LogParent, "initialize"), b"");
    }

    /// Somebody has told a learner this, as text.
    pub(super) fn told_learner(&mut self, learner: usize, lines: &[String]) {
        if !self.wipes.empty.contains(&learner) {
            return;
        }
        let said = |what: &str| lines.iter().any(|line| line.starts_with(what));
        let (by_snapshot, by_history) = (said("SNAP "), said("DIFF "));
        if by_snapshot || by_history {
            self.wipes.empty.remove(&learner);
            self.wipes.counts.by_snapshot += u64::from(by_snapshot);
            self.wipes.counts.by_history += u64::from(by_history);
        }
    }

    /// How often members lost their disks so far, and how they got everything back.
    pub fn wiped(&self) -> Wiped {
        self.wipes.counts
    }
}

impl Wiped {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Wiped) -> Wiped {
        Wiped {
            disks: self.disks + other.disks,
            by_snapshot: self.by_snapshot + other.by_snapshot,
            by_history: self.by_history + other.by_history,
        }
    }
}

impl fmt::Display for Wiped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Wiped { disks, by_snapshot, by_history } = self;
        write!(f, "{disks} wiped disks, {by_snapshot} filled by SNAP, {by_history} by DIFF")
    }
}
