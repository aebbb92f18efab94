//! A disk that can lose what was not synced (reference: simulation §2.5).
//!
//! Every file has what is durable, and an ordered list of what was done to it since; every directory likewise has
//! durable names and pending changes. Reads see everything. [`SimDisk::crashed`] decides what of the pending survives.

mod faults;
mod layers;

pub use faults::{Fault, Lie, Survival};

use crate::Rng;
use layers::{Change, Directory, File, NameChange};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::rc::Rc;
use store::{Dir, Disk, DiskError, DiskOp, FileName, SnapshotSink};

/// A file's identity, whatever its names.
type Inode = usize;

/// A buffered writer hands its bytes to the system in pieces of so many bytes.
const PIECE_LEN: usize = 4096;

/// The simulated disk of one server.
#[derive(Debug)]
pub struct SimDisk {
    files: Vec<File>,
    /// `Dir::Log` and `Dir::Snap` may be one.
    directories: BTreeMap<Dir, Directory>,
    separate: bool,
    snapshot: Option<Stream>,
    /// Operations carried out so far.
    ops_done: u64,
    reads_done: u64,
    /// What happens at which operation.
    planned: Option<(u64, Fault)>,
    /// Which read fails.
    planned_read: Option<u64>,
    lie: Option<Lie>,
    stopped: bool,
    rng: Rng,
}

/// A snapshot on its way into a file.
#[derive(Debug)]
struct Stream {
    file: FileName,
    inode: Inode,
    sink: SnapshotSink<Spool>,
    spool: Spool,
    written: usize,
}

/// What a snapshot sink has written and the file does not have yet.
#[derive(Clone, Debug, Default)]
struct Spool(Rc<RefCell<Vec<u8>>>);

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SimDisk {
    /// An empty disk. With `separate`, logs and snapshots have directories of their own.
    pub fn new(rng: Rng, separate: bool) -> SimDisk {
        let directories = [Dir::Log, Dir::Snap, Dir::LogParent]
            .into_iter()
            .map(|dir| (dir, Directory::default()))
            .collect();
        SimDisk::with(Vec::new(), directories, separate, rng)
    }

    fn with(files: Vec<File>, directories: BTreeMap<Dir, Directory>, separate: bool, rng: Rng) -> SimDisk {
        SimDisk {
            files,
            directories,
            separate,
            snapshot: None,
            ops_done: 0,
            reads_done: 0,
            planned: None,
            planned_read: None,
            lie: None,
            stopped: false,
            rng,
        }
    }

    /// The disk as the next start finds it if the machine stops now, before `next` (of which a part may be done). With
    /// everything but [`Survival::Everything`] the power was lost as well. `rng` decides where there is a choice.
    #[must_use]
    pub fn crashed(&self, next: Option<&DiskOp>, survival: Survival, mut rng: Rng) -> SimDisk {
        let mut files = self.files.clone();
        let mut directories = self.directories.clone();
        if let Some(DiskOp::WriteAt { file, offset, bytes }) = next
            && let Some(&inode) = directories[&self.place(file.dir)].cached.get(&file.name)
        {
            let len = rng.below(bytes.len() as u64 + 1) as usize;
            files[inode].change(Change::Write { offset: *offset as usize, bytes: bytes[..len].to_vec() });
        }
        if survival != Survival::Everything {
            files.iter_mut().for_each(|file| file.lose_power(survival, &mut rng));
            directories.values_mut().for_each(|directory| directory.lose_power(survival, &mut rng));
        }
        SimDisk { lie: self.lie, ..SimDisk::with(files, directories, self.separate, rng) }
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
    pub fn bytes(&self, file: &FileName) -> Option<&[u8]> {
        let inode = *self.directories[&self.place(file.dir)].cached.get(&file.name)?;
        Some(&self.files[inode].cached)
    }

    /// A file's bytes that no power cut can take away, if its name is as safe.
    pub fn durable_bytes(&self, file: &FileName) -> Option<&[u8]> {
        let inode = *self.directories[&self.place(file.dir)].durable.get(&file.name)?;
        Some(&self.files[inode].durable)
    }

    /// The names in a directory that no power cut can take away.
    pub fn durable_names(&self, dir: Dir) -> impl Iterator<Item = &str> {
        self.directories[&self.place(dir)].durable.keys().map(String::as_str)
    }

    /// Has a [`Fault::Stop`] happened?
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// All files of logs and snapshots, as a reader sees them.
    pub fn files(&self) -> Vec<FileName> {
        let dirs: &[Dir] = if self.separate { &[Dir::Log, Dir::Snap] } else { &[Dir::Log] };
        dirs.iter()
            .flat_map(|dir| {
                self.directories[dir].cached.keys().map(|name| FileName::new(*dir, name.as_str()))
            })
            .collect()
    }

    /// Changes a file's bytes behind everybody's back.
    pub fn damage(&mut self, file: &FileName, damage: impl Fn(&mut Vec<u8>)) {
        let Some(&inode) = self.directory(file.dir).cached.get(&file.name) else { return };
        damage(&mut self.files[inode].durable);
        damage(&mut self.files[inode].cached);
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

    /// How many reads have been carried out.
    pub fn reads_done(&self) -> u64 {
        self.reads_done
    }

    /// Something will go wrong at the operation with this number, counted from 0 over the disk's life.
    pub fn plan_fault(&mut self, at: u64, fault: Fault) {
        self.planned = Some((at, fault));
    }

    /// Whatever was planned will not happen.
    pub fn forget_fault(&mut self) {
        (self.planned, self.planned_read) = (None, None);
    }

    /// The read with this number, counted from 0 over the disk's life, will fail.
    pub fn plan_read_error(&mut self, at: u64) {
        self.planned_read = Some(at);
    }

    /// Has the planned fault happened?
    pub fn fault_happened(&self) -> bool {
        self.planned.is_none() && self.planned_read.is_none()
    }

    /// From now on, and over every crash.
    pub fn lie_about(&mut self, lie: Lie) {
        self.lie = Some(lie);
    }

    fn place(&self, dir: Dir) -> Dir {
        if dir == Dir::Snap && !self.separate { Dir::Log } else { dir }
    }

    fn directory(&mut self, dir: Dir) -> &mut Directory {
        self.directories.entry(self.place(dir)).or_default()
    }

    fn inode(&mut self, file: &FileName) -> Result<Inode, DiskError> {
        let found = self.directory(file.dir).cached.get(&file.name).copied();
        found.ok_or_else(|| DiskError {
            action: "open",
            path: self.path(file),
            reason: "No such file or directory".to_owned(),
        })
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

    fn sync(&mut self, inode: Inode) {
        if self.lie != Some(Lie::FileSync) {
            self.files[inode].sync();
        }
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
                self.sync(inode);
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
            DiskOp::SyncDir { dir } => {
                if self.lie != Some(Lie::DirSync) {
                    self.directory(*dir).sync();
                }
            }
            DiskOp::SnapshotBegin { .. }
            | DiskOp::SnapshotData { .. }
            | DiskOp::SnapshotSeal
            | DiskOp::SnapshotEnd => self.snapshot_op(op)?,
        }
        Ok(())
    }

    fn snapshot_op(&mut self, op: &DiskOp) -> Result<(), DiskError> {
        let broken =
            |path: String, error: io::Error| DiskError { action: "write", path, reason: error.to_string() };
        if let DiskOp::SnapshotBegin { file, compression } = op {
            let inode = self.create(file);
            let spool = Spool::default();
            let sink = SnapshotSink::new(spool.clone(), *compression)
                .map_err(|error| broken(self.path(file), error))?;
            self.snapshot = Some(Stream { file: file.clone(), inode, sink, spool, written: 0 });
            return Ok(());
        }
        let Some(mut stream) = self.snapshot.take() else {
            return Err(broken("a snapshot".to_owned(), io::Error::other("none was begun")));
        };
        let done = match op {
            DiskOp::SnapshotData { bytes } => stream.sink.data(bytes),
            DiskOp::SnapshotSeal => stream.sink.seal(),
            _ => {
                let Stream { file, inode, sink, spool, written } = stream;
                sink.finish().map_err(|error| broken(self.path(&file), error))?;
                self.spill(inode, &spool, written, 1);
                self.sync(inode);
                return Ok(());
            }
        };
        done.map_err(|error| broken(self.path(&stream.file), error))?;
        stream.written = self.spill(stream.inode, &stream.spool, stream.written, PIECE_LEN);
        self.snapshot = Some(stream);
        Ok(())
    }

    /// Writes what the sink has made, unless that is less than `least` bytes; returns up to where the file is written.
    fn spill(&mut self, inode: Inode, spool: &Spool, written: usize, least: usize) -> usize {
        let mut spool = spool.0.borrow_mut();
        if spool.len() < least {
            return written;
        }
        let mut at = written;
        for piece in std::mem::take(&mut *spool).chunks(PIECE_LEN) {
            self.files[inode].change(Change::Write { offset: at, bytes: piece.to_vec() });
            at += piece.len();
        }
        at
    }

    fn fail(&mut self, op: &DiskOp, fault: Fault) -> DiskError {
        let (action, file) = self.told(op);
        let reason = match fault {
            Fault::Stop => {
                self.stopped = true;
                self.apply_part(op);
                "the machine has stopped"
            }
            Fault::Error => {
                self.apply_part(op);
                self.drop_unsynced(op);
                "Input/output error"
            }
            Fault::NoSpace => {
                self.apply_part(op);
                self.drop_unsynced(op);
                "No space left on device"
            }
        };
        if matches!(op, DiskOp::SnapshotData { .. } | DiskOp::SnapshotSeal | DiskOp::SnapshotEnd) {
            self.snapshot = None;
        }
        DiskError { action, path: self.path(&file), reason: reason.to_owned() }
    }

    /// After a failed sync the pages count as written, and are not.
    fn drop_unsynced(&mut self, op: &DiskOp) {
        let inode = match op {
            DiskOp::SyncDir { dir } => return self.directory(*dir).pending.clear(),
            DiskOp::Sync { file } => self.inode(file).ok(),
            DiskOp::SnapshotEnd => self.snapshot.as_ref().map(|stream| stream.inode),
            _ => None,
        };
        if let Some(inode) = inode {
            self.files[inode].pending.clear();
        }
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

    /// What an operation does to which file, as the real disk's errors say it.
    fn told(&self, op: &DiskOp) -> (&'static str, FileName) {
        let of_stream = || match &self.snapshot {
            Some(stream) => stream.file.clone(),
            None => FileName::new(Dir::Snap, ""),
        };
        match op {
            DiskOp::Create { file } => ("create", file.clone()),
            DiskOp::WriteAt { file, .. } => ("write", file.clone()),
            DiskOp::SetLen { file, .. } => ("ftruncate", file.clone()),
            DiskOp::Sync { file } => ("fdatasync", file.clone()),
            DiskOp::Close { file } => ("close", file.clone()),
            DiskOp::Rename { from, .. } => ("rename", from.clone()),
            DiskOp::Remove { file } => ("remove", file.clone()),
            DiskOp::SyncDir { dir } => (DiskError::DIRECTORY_SYNC, FileName::new(*dir, "")),
            DiskOp::SnapshotBegin { file, .. } => ("create", file.clone()),
            DiskOp::SnapshotData { .. } | DiskOp::SnapshotSeal => ("write", of_stream()),
            DiskOp::SnapshotEnd => ("fsync", of_stream()),
        }
    }
}

impl Disk for SimDisk {
    fn list(&mut self, dir: Dir) -> Result<Vec<(String, u64)>, DiskError> {
        let names = self.directory(dir).cached.clone();
        Ok(names.into_iter().map(|(name, inode)| (name, self.files[inode].cached.len() as u64)).collect())
    }

    fn read_at(&mut self, file: &FileName, offset: u64, buf: &mut [u8]) -> Result<usize, DiskError> {
        let inode = self.inode(file)?;
        if self.planned_read == Some(self.reads_done) {
            self.planned_read = None;
            let reason = "Input/output error".to_owned();
            return Err(DiskError { action: "read", path: self.path(file), reason });
        }
        self.reads_done += 1;
        let rest = self.files[inode].cached.get(offset as usize..).unwrap_or_default();
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }

    fn execute(&mut self, op: &DiskOp) -> Result<(), DiskError> {
        if self.stopped {
            let (action, file) = self.told(op);
            let reason = "the machine has stopped".to_owned();
            return Err(DiskError { action, path: self.path(&file), reason });
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
