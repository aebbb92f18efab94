//! Says how a long load is getting on.

use crate::disk::files::FileDisk;
use std::time::{Duration, Instant};
use store::{Dir, Disk, DiskError, DiskOp, FileName};

/// A load that takes longer gets a line, and another one each time this long has passed again.
const PATIENCE: Duration = Duration::from_secs(2);

/// A disk that counts what is read from it.
#[derive(Debug)]
pub(crate) struct ProgressDisk {
    disk: FileDisk,
    bytes_read: u64,
    started: Instant,
    lines: u32,
}

impl ProgressDisk {
    pub(crate) fn new(disk: FileDisk) -> ProgressDisk {
        ProgressDisk { disk, bytes_read: 0, started: Instant::now(), lines: 0 }
    }
}

impl Disk for ProgressDisk {
    fn list(&mut self, dir: Dir) -> Result<Vec<(String, u64)>, DiskError> {
        self.disk.list(dir)
    }

    fn read_at(&mut self, file: &FileName, offset: u64, buf: &mut [u8]) -> Result<usize, DiskError> {
        let n = self.disk.read_at(file, offset, buf)?;
        self.bytes_read += n as u64;
        let took = self.started.elapsed();
        if took > PATIENCE * (self.lines + 1) {
            self.lines += 1;
            log::info!(
                "loading the data: {} MiB read in {} s, now {file} at {offset}",
                self.bytes_read >> 20,
                took.as_secs()
            );
        }
        Ok(n)
    }

    fn execute(&mut self, op: &DiskOp) -> Result<(), DiskError> {
        self.disk.execute(op)
    }

    fn path(&self, file: &FileName) -> String {
        self.disk.path(file)
    }
}
