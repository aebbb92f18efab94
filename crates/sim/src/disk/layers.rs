//! What is durable and what is only in memory: of a file's bytes, and of a directory's names.

use super::{Inode, Survival};
use crate::Rng;
use std::collections::BTreeMap;

/// What disks write whole, in bytes.
const SECTOR_LEN: usize = 512;

#[derive(Clone, Debug)]
pub(super) enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    SetLen(usize),
}

#[derive(Clone, Debug, Default)]
pub(super) struct File {
    pub(super) durable: Vec<u8>,
    /// Done, and not synced.
    pub(super) pending: Vec<Change>,
    /// As a reader sees it.
    pub(super) cached: Vec<u8>,
}

#[derive(Clone, Debug)]
pub(super) enum NameChange {
    Link(String, Inode),
    Unlink(String),
    Rename(String, String),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Directory {
    pub(super) durable: BTreeMap<String, Inode>,
    pub(super) pending: Vec<NameChange>,
    pub(super) cached: BTreeMap<String, Inode>,
}

impl File {
    pub(super) fn change(&mut self, change: Change) {
        change.apply(&mut self.cached);
        self.pending.push(change);
    }

    pub(super) fn sync(&mut self) {
        for change in self.pending.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    pub(super) fn lose_power(&mut self, survival: Survival, rng: &mut Rng) {
        let pending = std::mem::take(&mut self.pending);
        let count = pending.len() as u64;
        match survival {
            Survival::Nothing | Survival::NamesOnly => {}
            Survival::Everything | Survival::BytesOnly => {
                pending.iter().for_each(|change| change.apply(&mut self.durable));
            }
            Survival::Prefix => {
                let keep = rng.below(count + 1) as usize;
                pending[..keep].iter().for_each(|change| change.apply(&mut self.durable));
            }
            Survival::Torn => {
                let keep = rng.below(count + 1) as usize;
                pending[..keep].iter().for_each(|change| change.apply(&mut self.durable));
                if let Some(Change::Write { offset, bytes }) = pending.get(keep) {
                    let len = rng.below(bytes.len() as u64 + 1) as usize;
                    let torn = Change::Write { offset: *offset, bytes: bytes[..len].to_vec() };
                    torn.apply(&mut self.durable);
                }
            }
            Survival::Subset => pending.iter().for_each(|change| change.apply_some(&mut self.durable, rng)),
        }
        self.cached.clone_from(&self.durable);
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Change::SetLen(len) => bytes.resize(*len, 0),
            Change::Write { bytes: new, .. } if new.is_empty() => {}
            Change::Write { offset, bytes: new } => {
                if bytes.len() < offset + new.len() {
                    bytes.resize(offset + new.len(), 0);
                }
                bytes[*offset..offset + new.len()].copy_from_slice(new);
            }
        }
    }

    /// Each sector for itself, or not.
    fn apply_some(&self, durable: &mut Vec<u8>, rng: &mut Rng) {
        match self {
            Change::SetLen(_) if rng.chance(50) => self.apply(durable),
            Change::SetLen(_) => {}
            Change::Write { offset, bytes } => {
                for (at, sector) in sectors(*offset, bytes) {
                    if rng.chance(50) {
                        Change::Write { offset: at, bytes: sector.to_vec() }.apply(durable);
                    }
                }
            }
        }
    }
}

/// A write, cut at the sectors' borders.
fn sectors(offset: usize, bytes: &[u8]) -> Vec<(usize, &[u8])> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let len = (SECTOR_LEN - (offset + at) % SECTOR_LEN).min(bytes.len() - at);
        out.push((offset + at, &bytes[at..at + len]));
        at += len;
    }
    out
}

impl Directory {
    pub(super) fn change(&mut self, change: NameChange) {
        change.apply(&mut self.cached);
        self.pending.push(change);
    }

    pub(super) fn sync(&mut self) {
        for change in self.pending.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    pub(super) fn lose_power(&mut self, survival: Survival, rng: &mut Rng) {
        let pending = std::mem::take(&mut self.pending);
        let prefix = rng.below(pending.len() as u64 + 1) as usize;
        for (at, change) in pending.iter().enumerate() {
            let keep = match survival {
                Survival::Nothing | Survival::BytesOnly => false,
                Survival::Everything | Survival::NamesOnly => true,
                Survival::Prefix | Survival::Torn => at < prefix,
                Survival::Subset => rng.chance(50),
            };
            if keep {
                change.apply(&mut self.durable);
            }
        }
        self.cached.clone_from(&self.durable);
    }
}

impl NameChange {
    /// A change whose file never got its earlier name has nothing to change.
    fn apply(&self, names: &mut BTreeMap<String, Inode>) {
        match self {
            NameChange::Link(name, inode) => {
                names.insert(name.clone(), *inode);
            }
            NameChange::Unlink(name) => {
                names.remove(name);
            }
            NameChange::Rename(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
        }
    }
}
