//! [`store::Disk`] on the file system, with nothing but `std::fs`, so that fault injection below libc reaches it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use store::{Dir, Disk, DiskError, DiskOp, FileName, SnapshotSink};

/// Compressed snapshot bytes collected before a write.
const SNAPSHOT_WRITE_BYTES: usize = 256 * 1024;

/// Where the files are and how carefully they are written.
#[derive(Clone, Debug)]
pub struct FilesConfig {
    /// `dataLogDir/version-2`.
    pub log_dir: PathBuf,
    /// `dataDir/version-2`.
    pub snap_dir: PathBuf,
    /// `dataLogDir`.
    pub log_parent_dir: PathBuf,
    /// `forceSync`: false acknowledges writes that are not durable.
    pub force_sync: bool,
    /// `fsync.warningthresholdms`: a slower sync of the log gets a line.
    pub sync_warning: Duration,
    /// Shared by all lanes.
    pub counters: Arc<DiskCounters>,
}

/// What the disk threads count.
#[derive(Debug, Default)]
pub struct DiskCounters {
    /// `fsync_threshold_exceed_count`.
    pub slow_syncs: AtomicU64,
}

/// The files of one server, as one lane sees them.
#[derive(Debug)]
pub struct FileDisk {
    config: FilesConfig,
    /// Handles for writing, from `Create` (or first use) to `Close`.
    open: BTreeMap<FileName, File>,
    /// The file read last.
    reader: Option<(FileName, File)>,
    snapshot: Option<(FileName, SnapshotSink<BufWriter<File>>)>,
    slow_sync: Option<String>,
}

impl FileDisk {
    /// Nothing is touched yet.
    pub fn new(config: FilesConfig) -> FileDisk {
        FileDisk { config, open: BTreeMap::new(), reader: None, snapshot: None, slow_sync: None }
    }

    /// The line about a slow sync, once.
    pub(crate) fn take_slow_sync(&mut self) -> Option<String> {
        self.slow_sync.take()
    }

    fn dir(&self, dir: Dir) -> &PathBuf {
        match dir {
            Dir::Log => &self.config.log_dir,
            Dir::Snap => &self.config.snap_dir,
            Dir::LogParent => &self.config.log_parent_dir,
        }
    }

    fn full_path(&self, file: &FileName) -> PathBuf {
        self.dir(file.dir).join(&file.name)
    }

    fn error(&self, action: &'static str, file: &FileName, e: &io::Error) -> DiskError {
        DiskError { action, path: self.path(file), reason: e.to_string() }
    }

    fn create(&mut self, file: &FileName) -> Result<(), DiskError> {
        if file.name.starts_with("log.") {
            log::info!("Creating new log file: {}", file.name);
        } else if let Some(name) = file.name.strip_prefix("tmp-")
            && let Some(zxid) = name.strip_prefix("snapshot.")
        {
            let zxid = zxid.split('.').next().unwrap_or_default();
            log::info!("Snapshotting: 0x{zxid} to {}", self.config.snap_dir.join(name).display());
        }
        let handle = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(self.full_path(file))
            .map_err(|e| self.error("create", file, &e))?;
        self.open.insert(file.clone(), handle);
        Ok(())
    }

    /// The handle for writing; a file created by an earlier process is opened.
    fn writable(&mut self, action: &'static str, file: &FileName) -> Result<&File, DiskError> {
        if !self.open.contains_key(file) {
            let handle = OpenOptions::new()
                .read(true)
                .write(true)
                .open(self.full_path(file))
                .map_err(|e| self.error(action, file, &e))?;
            self.open.insert(file.clone(), handle);
        }
        Ok(&self.open[file])
    }

    fn sync(&mut self, file: &FileName) -> Result<(), DiskError> {
        let is_log = file.name.starts_with("log.");
        if is_log && !self.config.force_sync {
            return Ok(());
        }
        let threshold = self.config.sync_warning;
        let handle = self.writable("fdatasync", file)?;
        let started = Instant::now();
        let synced = handle.sync_data();
        let took = started.elapsed();
        let bytes = if is_log && took > threshold { handle.metadata().map_or(0, |m| m.len()) } else { 0 };
        synced.map_err(|e| self.error("fdatasync", file, &e))?;
        if is_log && took > threshold {
            self.config.counters.slow_syncs.fetch_add(1, Ordering::Relaxed);
            self.slow_sync = Some(format!(
                "fsync-ing the write ahead log in SyncThread:0 took {}ms which will adversely effect operation latency. \
                 File size is {bytes} bytes: {} (fsync.warningthresholdms={})",
                took.as_millis(),
                self.path(file),
                threshold.as_millis(),
            ));
        }
        Ok(())
    }

    fn sync_dir(&self, dir: Dir) -> Result<(), DiskError> {
        if dir == Dir::Log && self.config.log_dir != self.config.snap_dir && !self.config.force_sync {
            return Ok(());
        }
        let path = self.dir(dir);
        File::open(path).and_then(|d| d.sync_all()).map_err(|e| DiskError {
            action: DiskError::DIRECTORY_SYNC,
            path: path.display().to_string(),
            reason: e.to_string(),
        })
    }

    fn forget(&mut self, file: &FileName) {
        self.open.remove(file);
        self.reader.take_if(|(name, _)| name == file);
    }

    fn rename(&mut self, from: &FileName, to: &FileName) -> Result<(), DiskError> {
        self.forget(from);
        self.forget(to);
        fs::rename(self.full_path(from), self.full_path(to)).map_err(|e| self.error("rename", from, &e))
    }

    fn remove(&mut self, file: &FileName) -> Result<(), DiskError> {
        self.forget(file);
        match fs::remove_file(self.full_path(file)) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(self.error("remove", file, &e)),
            _ => Ok(()),
        }
    }
}

/// A snapshot on its way into a file: one at a time.
impl FileDisk {
    fn snapshot_op(&mut self, op: &DiskOp) -> Result<(), DiskError> {
        if let DiskOp::SnapshotBegin { file, compression } = op {
            self.create(file)?;
            let handle = self.open.remove(file).expect("just created");
            let sink =
                SnapshotSink::new(BufWriter::with_capacity(SNAPSHOT_WRITE_BYTES, handle), *compression)
                    .map_err(|e| self.error("write", file, &e))?;
            self.snapshot = Some((file.clone(), sink));
            return Ok(());
        }
        let Some((name, mut sink)) = self.snapshot.take() else {
            let path = self.config.snap_dir.display().to_string();
            return Err(DiskError { action: "write a snapshot", path, reason: "none was begun".to_owned() });
        };
        let done = match op {
            DiskOp::SnapshotData { bytes } => sink.data(bytes),
            DiskOp::SnapshotSeal => sink.seal(),
            _ => {
                let ended = end_snapshot(sink);
                return ended.map_err(|(action, e)| self.error(action, &name, &e));
            }
        };
        done.map_err(|e| self.error("write", &name, &e))?;
        self.snapshot = Some((name, sink));
        Ok(())
    }
}

fn end_snapshot(sink: SnapshotSink<BufWriter<File>>) -> Result<(), (&'static str, io::Error)> {
    let mut buffer = sink.finish().map_err(|e| ("write", e))?;
    buffer.flush().map_err(|e| ("write", e))?;
    buffer.get_ref().sync_all().map_err(|e| ("fsync", e))
}

impl Disk for FileDisk {
    fn list(&mut self, dir: Dir) -> Result<Vec<(String, u64)>, DiskError> {
        let path = self.dir(dir);
        let error = |e: io::Error| DiskError {
            action: "list",
            path: path.display().to_string(),
            reason: e.to_string(),
        };
        let entries = match fs::read_dir(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(error)?,
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry.map_err(error)?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            match fs::metadata(entry.path()) {
                Ok(meta) if meta.is_file() => files.push((name, meta.len())),
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(error(e)),
            }
        }
        Ok(files)
    }

    fn read_at(&mut self, file: &FileName, offset: u64, buf: &mut [u8]) -> Result<usize, DiskError> {
        if !self.open.contains_key(file) && self.reader.as_ref().is_none_or(|(name, _)| name != file) {
            let handle = File::open(self.full_path(file)).map_err(|e| self.error("open", file, &e))?;
            self.reader = Some((file.clone(), handle));
        }
        let handle = match (self.open.get(file), &self.reader) {
            (Some(handle), _) => handle,
            (None, Some((_, handle))) => handle,
            (None, None) => unreachable!("opened above"),
        };
        loop {
            match handle.read_at(buf, offset) {
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                other => return other.map_err(|e| self.error("read", file, &e)),
            }
        }
    }

    fn execute(&mut self, op: &DiskOp) -> Result<(), DiskError> {
        match op {
            DiskOp::Create { file } => self.create(file),
            DiskOp::WriteAt { file, offset, bytes } => {
                let handle = self.writable("write", file)?;
                handle.write_all_at(bytes, *offset).map_err(|e| self.error("write", file, &e))
            }
            DiskOp::SetLen { file, len } => {
                let handle = self.writable("ftruncate", file)?;
                handle.set_len(*len).map_err(|e| self.error("ftruncate", file, &e))
            }
            DiskOp::Sync { file } => self.sync(file),
            DiskOp::Close { file } => {
                self.forget(file);
                Ok(())
            }
            DiskOp::Rename { from, to } => self.rename(from, to),
            DiskOp::Remove { file } => self.remove(file),
            DiskOp::SyncDir { dir } => self.sync_dir(*dir),
            DiskOp::SnapshotBegin { .. }
            | DiskOp::SnapshotData { .. }
            | DiskOp::SnapshotSeal
            | DiskOp::SnapshotEnd => self.snapshot_op(op),
        }
    }

    fn path(&self, file: &FileName) -> String {
        self.full_path(file).display().to_string()
    }
}
