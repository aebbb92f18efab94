//! A disk in memory that does what it is told when it is told, or fails.

use std::collections::BTreeMap;
use store::{Dir, Disk, DiskBatch, DiskError, DiskOp, FileName, SnapshotSink};

/// Files by name.
#[derive(Default)]
pub struct MemoryDisk {
    pub files: BTreeMap<FileName, Vec<u8>>,
    snapshot: Option<(FileName, SnapshotSink<Vec<u8>>)>,
    /// What every further operation fails with.
    pub broken: Option<String>,
}

impl MemoryDisk {
    pub fn run(&mut self, batch: &DiskBatch) -> Result<(), DiskError> {
        batch.ops.iter().try_for_each(|op| self.execute(op))
    }

    pub fn names(&self, dir: Dir) -> Vec<&str> {
        self.files.keys().filter(|file| file.dir == dir).map(|file| file.name.as_str()).collect()
    }
}

impl Disk for MemoryDisk {
    fn list(&mut self, dir: Dir) -> Result<Vec<(String, u64)>, DiskError> {
        let in_dir = self.files.iter().filter(|(file, _)| file.dir == dir);
        Ok(in_dir.map(|(file, bytes)| (file.name.clone(), bytes.len() as u64)).collect())
    }

    fn read_at(&mut self, file: &FileName, offset: u64, buf: &mut [u8]) -> Result<usize, DiskError> {
        let bytes = self.files.get(file).expect("the file exists");
        let rest = bytes.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn execute(&mut self, op: &DiskOp) -> Result<(), DiskError> {
        if let Some(reason) = &self.broken {
            return Err(DiskError { action: "write", path: "/somewhere".into(), reason: reason.clone() });
        }
        match op {
            DiskOp::Create { file } => drop(self.files.insert(file.clone(), Vec::new())),
            DiskOp::WriteAt { file, offset, bytes } => {
                let content = self.files.get_mut(file).expect("written after creation");
                let end = *offset as usize + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*offset as usize..end].copy_from_slice(bytes);
            }
            DiskOp::SetLen { file, len } => {
                self.files.get_mut(file).expect("cut after creation").resize(*len as usize, 0);
            }
            DiskOp::Rename { from, to } => {
                let bytes = self.files.remove(from).expect("renamed after creation");
                self.files.insert(to.clone(), bytes);
            }
            DiskOp::Remove { file } => drop(self.files.remove(file)),
            DiskOp::SnapshotBegin { file, compression } => {
                let sink = SnapshotSink::new(Vec::new(), *compression).expect("memory does not fail");
                self.snapshot = Some((file.clone(), sink));
            }
            DiskOp::SnapshotData { bytes } => {
                let (_, sink) = self.snapshot.as_mut().expect("a snapshot is open");
                sink.data(bytes).expect("memory does not fail");
            }
            DiskOp::SnapshotSeal => {
                let (_, sink) = self.snapshot.as_mut().expect("a snapshot is open");
                sink.seal().expect("memory does not fail");
            }
            DiskOp::SnapshotEnd => {
                let (file, sink) = self.snapshot.take().expect("a snapshot is open");
                self.files.insert(file, sink.finish().expect("memory does not fail"));
            }
            DiskOp::Sync { .. } | DiskOp::Close { .. } | DiskOp::SyncDir { .. } => {}
        }
        Ok(())
    }

    fn path(&self, file: &FileName) -> String {
        format!("/{:?}/{}", file.dir, file.name)
    }
}
