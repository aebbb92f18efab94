//! A disk that can lose what was not synced (reference: simulation §2.5).
//!
//! Every file has what is durable, and an ordered list of what was done to it since; every directory likewise has
//! durable names and pending changes. Reads see everything. [`SimDisk::crash`] decides what of the pending survives.

use crate::Rng;
use std::collections::BTreeMap;
use std::io;
use store::{Dir, Disk, DiskError, DiskOp, FileName, SnapshotSink};

/// What disks write whole, in bytes.
const SECTOR_LEN: usize = 512;

/// What a crash leaves of what was not synced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Survival {
    /// Only the process died: everything.
    Everything,
    /// Power was lost: nothing.
    Nothing,
    /// Of each file and directory some of the oldest changes.
    Prefix,
    /// Of each file and directory some of the changes, sector by sector.
    Subset,
    /// Of each file some of the oldest changes, the last of them cut inside a sector.
    Torn,
    /// All names, nothing of the bytes.
    NamesOnly,
    /// All bytes, no names.
    BytesOnly,
}

impl Survival {
    /// All of them.
    pub const ALL: [Survival; 7] = [
        Survival::Everything,
        Survival::Nothing,
        Survival::Prefix,
        Survival::Subset,
        Survival::Torn,
        Survival::NamesOnly,
        Survival::BytesOnly,
    ];
}

/// What goes wrong with an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The machine stops before the operation; a write may have begun.
    Stop,
    /// It fails, and nothing was done; a failed sync leaves the pages clean but not durable (ext4, XFS).
    Error,
    /// No space left: a write is cut short.
    NoSpace,
}

/// A file's identity, whatever its names.
type Inode = usize;

#[derive(Clone, Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    SetLen(usize),
}

#[derive(Clone, Debug, Default)]
struct File {
    durable: Vec<u8>,
    /// Done, and not synced.
    pending: Vec<Change>,
    /// As a reader sees it.
    cached: Vec<u8>,
}

#[derive(Clone, Debug)]
enum NameChange {
    Link(String, Inode),
    Unlink(String),
    Rename(String, String),
}

#[derive(Clone, Debug, Default)]
struct Directory {
    durable: BTreeMap<String, Inode>,
    pending: Vec<NameChange>,
    cached: BTreeMap<String, Inode>,
}

/// The simulated disk of one server.
#[derive(Debug)]
pub struct SimDisk {
    files: Vec<File>,
    /// `Dir::Log` and `Dir::Snap` may be one.
    directories: BTreeMap<Dir, Directory>,
    separate: bool,
    snapshot: Option<(Inode, SnapshotSink<Vec<u8>>)>,
    /// Operations carried out so far.
    ops_done: u64,
    /// What happens at which operation.
    planned: Option<(u64, Fault)>,
    stopped: bool,
    rng: Rng,
}

impl SimDisk {
    /// An empty disk. With `separate`, logs and snapshots have directories of their own.
    pub fn new(rng: Rng, separate: bool) -> SimDisk {
        let directories = [Dir::Log, Dir::Snap, Dir::LogParent]
            .into_iter()
            .map(|dir| (dir, Directory::default()))
            .collect();
        SimDisk {
            files: Vec::new(),
            directories,
            separate,
            snapshot: None,
            ops_done: 0,
            planned: None,
            stopped: false,
            rng,
        }
    }

    /// Puts a durable file onto the disk.
    pub fn put(&mut self, file: &FileName, bytes: &[u8]) {
        self.files.push(File { durable: bytes.to_vec(), pending: Vec::new(), cached: bytes.to_vec() });
        let inode = self.files.len() - 1;
        let directory = self.directory(file.dir);
        directory.durable.insert(file.name.clone(), inode);
        directory.cached.insert(file.name.clone(), inode);
    }

    /// A file's bytes as a reader sees them.
    pub fn bytes(&mut self, file: &FileName) -> Option<&[u8]> {
        let inode = *self.directory(file.dir).cached.get(&file.name)?;
        Some(&self.files[inode].cached)
    }

    /// Damages a file behind everybody's back: flips one bit.
    pub fn flip(&mut self, file: &FileName, bit: usize) {
        let Some(&inode) = self.directory(file.dir).cached.get(&file.name) else { return };
        for layer in [SimLayer::Durable, SimLayer::Cached] {
            let bytes = match layer {
                SimLayer::Durable => &mut self.files[inode].durable,
                SimLayer::Cached => &mut self.files[inode].cached,
            };
            if let Some(byte) = bytes.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }

    /// Removes a file behind everybody's back.
    pub fn lose(&mut self, file: &FileName) {
        let directory = self.directory(file.dir);
        directory.durable.remove(&file.name);
        directory.cached.remove(&file.name);
        directory.pending.retain(|change| !matches!(change, NameChange::Link(name, _) if *name == file.name));
    }

    /// How many operations have been carried out.
    pub fn ops_done(&self) -> u64 {
        self.ops_done
    }

    /// Something will go wrong at the operation with this number, counted from 0 over the disk's life.
    pub fn plan_fault(&mut self, at: u64, fault: Fault) {
        self.planned = Some((at, fault));
    }

    /// Nothing will go wrong.
    pub fn clear_faults(&mut self) {
        self.planned = None;
    }

    /// Has the planned stop come? Nothing works until [`SimDisk::crash`].
    pub fn has_stopped(&self) -> bool {
        self.stopped
    }

    /// The process is gone; with everything but [`Survival::Everything`] the power was, too.
    pub fn crash(&mut self, survival: Survival) {
        self.stopped = false;
        self.planned = None;
        self.snapshot = None;
        if survival == Survival::Everything {
            return;
        }
        let mut rng = self.rng.clone();
        for file in &mut self.files {
            file.lose_power(survival, &mut rng);
        }
        for directory in self.directories.values_mut() {
            directory.lose_power(survival, &mut rng);
        }
        self.rng = rng;
    }

    fn directory(&mut self, dir: Dir) -> &mut Directory {
        let dir = if dir == Dir::Snap && !self.separate { Dir::Log } else { dir };
        self.directories.entry(dir).or_default()
    }

    fn inode(&mut self, file: &FileName) -> Result<Inode, DiskError> {
        let found = self.directory(file.dir).cached.get(&file.name).copied();
        found.ok_or_else(|| self.error("open", file, "No such file or directory"))
    }

    fn error(&self, action: &'static str, file: &FileName, reason: &str) -> DiskError {
        DiskError { action, path: self.path(file), reason: reason.to_owned() }
    }

    fn create(&mut self, file: &FileName) -> Inode {
        if let Some(&inode) = self.directory(file.dir).cached.get(&file.name) {
            self.files[inode].change(Change::SetLen(0));
            return inode;
        }
        self.files.push(File::default());
        let inode = self.files.len() - 1;
        let directory = self.directory(file.dir);
        directory.change(NameChange::Link(file.name.clone(), inode));
        inode
    }

    fn snapshot_op(&mut self, op: &DiskOp) -> Result<(), DiskError> {
        if let DiskOp::SnapshotBegin { file, compression } = op {
            let inode = self.create(file);
            let sink = SnapshotSink::new(Vec::new(), *compression).map_err(|error| broken(&error))?;
            self.snapshot = Some((inode, sink));
            return Ok(());
        }
        let Some((inode, mut sink)) = self.snapshot.take() else {
            return Err(broken(&io::Error::other("no snapshot was begun")));
        };
        match op {
            DiskOp::SnapshotData { bytes } => sink.data(bytes),
            DiskOp::SnapshotSeal => sink.seal(),
            _ => {
                let bytes = sink.finish().map_err(|error| broken(&error))?;
                // As a buffered writer does: in pieces.
                for (at, piece) in bytes.chunks(4096).enumerate() {
                    self.files[inode].change(Change::Write { offset: at * 4096, bytes: piece.to_vec() });
                }
                self.files[inode].sync();
                return Ok(());
            }
        }
        .map_err(|error| broken(&error))?;
        self.snapshot = Some((inode, sink));
        Ok(())
    }

    fn apply(&mut self, op: &DiskOp) -> Result<(), DiskError> {
        match op {
            DiskOp::Create { file } => {
                self.create(file);
            }
            DiskOp::WriteAt { file, offset, bytes } => {
                let inode = self.inode(file)?;
                self.files[inode].change(Change::Write { offset: *offset as usize, bytes: bytes.clone() });
            }
            DiskOp::SetLen { file, len } => {
                let inode = self.inode(file)?;
                self.files[inode].change(Change::SetLen(*len as usize));
            }
            DiskOp::Sync { file } => {
                let inode = self.inode(file)?;
                self.files[inode].sync();
            }
            DiskOp::Close { .. } => {}
            DiskOp::Rename { from, to } => {
                self.inode(from)?;
                let change = NameChange::Rename(from.name.clone(), to.name.clone());
                self.directory(from.dir).change(change);
            }
            DiskOp::Remove { file } => {
                if self.directory(file.dir).cached.contains_key(&file.name) {
                    self.directory(file.dir).change(NameChange::Unlink(file.name.clone()));
                }
            }
            DiskOp::SyncDir { dir } => self.directory(*dir).sync(),
            DiskOp::SnapshotBegin { .. }
            | DiskOp::SnapshotData { .. }
            | DiskOp::SnapshotSeal
            | DiskOp::SnapshotEnd => self.snapshot_op(op)?,
        }
        Ok(())
    }

    /// A write that was cut off: some of its first bytes.
    fn apply_part(&mut self, op: &DiskOp) {
        if let DiskOp::WriteAt { file, offset, bytes } = op
            && let Ok(inode) = self.inode(file)
        {
            let len = self.rng.below(bytes.len() as u64 + 1) as usize;
            self.files[inode]
                .change(Change::Write { offset: *offset as usize, bytes: bytes[..len].to_vec() });
        }
    }

    fn fail(&mut self, op: &DiskOp, fault: Fault) -> DiskError {
        let reason = match fault {
            Fault::Stop => {
                self.stopped = true;
                self.apply_part(op);
                "the machine has stopped"
            }
            Fault::Error => {
                if let DiskOp::Sync { file } = op
                    && let Ok(inode) = self.inode(file)
                {
                    self.files[inode].pending.clear();
                }
                "Input/output error"
            }
            Fault::NoSpace => {
                self.apply_part(op);
                "No space left on device"
            }
        };
        DiskError { action: "an operation", path: format!("{op:.60?}"), reason: reason.to_owned() }
    }
}

enum SimLayer {
    Durable,
    Cached,
}

fn broken(error: &io::Error) -> DiskError {
    DiskError { action: "write a snapshot", path: String::new(), reason: error.to_string() }
}

impl Disk for SimDisk {
    fn list(&mut self, dir: Dir) -> Result<Vec<(String, u64)>, DiskError> {
        let names = self.directory(dir).cached.clone();
        Ok(names.into_iter().map(|(name, inode)| (name, self.files[inode].cached.len() as u64)).collect())
    }

    fn read_at(&mut self, file: &FileName, offset: u64, buf: &mut [u8]) -> Result<usize, DiskError> {
        let inode = self.inode(file)?;
        let rest = self.files[inode].cached.get(offset as usize..).unwrap_or_default();
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }

    fn execute(&mut self, op: &DiskOp) -> Result<(), DiskError> {
        if self.stopped {
            return Err(DiskError {
                action: "an operation",
                path: String::new(),
                reason: "the machine has stopped".to_owned(),
            });
        }
        if let Some((at, fault)) = self.planned
            && at == self.ops_done
        {
            self.planned = None;
            return Err(self.fail(op, fault));
        }
        self.ops_done += 1;
        self.apply(op)
    }

    fn path(&self, file: &FileName) -> String {
        let dir = match file.dir {
            Dir::Log if self.separate => "/log/version-2",
            Dir::Log | Dir::Snap => "/data/version-2",
            Dir::LogParent if self.separate => "/log",
            Dir::LogParent => "/data",
        };
        format!("{dir}/{}", file.name)
    }
}

impl File {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.cached);
        self.pending.push(change);
    }

    fn sync(&mut self) {
        for change in self.pending.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    fn lose_power(&mut self, survival: Survival, rng: &mut Rng) {
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
            Survival::Subset => pending.iter().for_each(|change| match change {
                Change::SetLen(_) => {
                    if rng.chance(50) {
                        change.apply(&mut self.durable);
                    }
                }
                Change::Write { offset, bytes } => {
                    for (at, sector) in sectors(*offset, bytes) {
                        if rng.chance(50) {
                            Change::Write { offset: at, bytes: sector.to_vec() }.apply(&mut self.durable);
                        }
                    }
                }
            }),
        }
        self.cached.clone_from(&self.durable);
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
}

impl Directory {
    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.cached);
        self.pending.push(change);
    }

    fn sync(&mut self) {
        for change in self.pending.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    fn lose_power(&mut self, survival: Survival, rng: &mut Rng) {
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
