//! Appending: from records to the disk operations that make them durable (reference: storage-formats §2.1, §7).

use super::{LOG_HEADER_LEN, encode_record, log_header};
use crate::durable::Pending;
use crate::index::{IndexLine, IndexWriter};
use crate::{Dir, DiskOp, FileName, StoreConfig, names};
use wire::Zxid;

/// Room that must be left in a log before a batch, in bytes; less makes it grow.
const PADDING_ROOM: u64 = 4096;

/// Everything appended since the last batch, as disk operations in their durable order.
#[derive(PartialEq, Eq, Debug)]
pub struct LogBatch {
    /// For [`crate::Lane::Log`].
    pub ops: Vec<DiskOp>,
    /// Becomes the proof that the batch is durable.
    pub pending: Pending,
}

/// Collects records and plans how they reach the disk. Files are created lazily, named after their first
/// transaction, and never appended to after a restart.
#[derive(Debug)]
pub struct LogWriter {
    prealloc_bytes: u64,
    size_limit_bytes: u64,
    force_sync: bool,
    last_zxid: Zxid,
    open: Option<OpenLog>,
    /// Rolled files whose end has not been planned yet.
    rolled: Vec<OpenLog>,
    trigger: SnapshotTrigger,
}

impl LogWriter {
    /// A writer whose first record comes after `last_zxid` and starts a new file.
    pub(crate) fn new(config: &StoreConfig, last_zxid: Zxid) -> LogWriter {
        LogWriter {
            prealloc_bytes: config.prealloc_bytes,
            size_limit_bytes: config.txn_log_size_limit_bytes,
            force_sync: config.force_sync,
            last_zxid,
            open: None,
            rolled: Vec::new(),
            trigger: SnapshotTrigger::new(config),
        }
    }

    /// The last zxid appended, or recovered when nothing was appended yet.
    pub fn last_zxid(&self) -> Zxid {
        self.last_zxid
    }

    /// Adds a record. It is durable when the batch that holds it has completed.
    ///
    /// # Panics
    /// When the zxid does not grow: the caller has lost its order.
    pub fn append(&mut self, zxid: Zxid, payload: &[u8]) {
        assert!(zxid > self.last_zxid, "{zxid} appended behind {}", self.last_zxid);
        self.last_zxid = zxid;
        self.trigger.txns += 1;
        self.open.get_or_insert_with(|| OpenLog::new(zxid)).append(zxid, payload);
    }

    /// How many bytes wait for the next batch.
    pub fn waiting_bytes(&self) -> usize {
        self.files().map(|log| log.buffer.len()).sum()
    }

    /// Everything appended since the last batch, or `None` if there is nothing. At most one batch may be under way:
    /// the next one claims in its index that this one is durable. After a failed batch the writer must not be used again.
    pub fn take_batch(&mut self) -> Option<LogBatch> {
        if self.waiting_bytes() == 0 {
            return None;
        }
        let mut ops = Vec::with_capacity(8);
        for mut log in self.rolled.drain(..) {
            log.plan_write(self.prealloc_bytes, self.force_sync, &mut ops);
            log.plan_end(self.force_sync, &mut ops);
            self.trigger.closed_log_bytes += log.file_bytes();
        }
        if let Some(log) = &mut self.open {
            log.plan_write(self.prealloc_bytes, self.force_sync, &mut ops);
            if self.size_limit_bytes > 0 && log.file_bytes() > self.size_limit_bytes {
                self.roll();
            }
        }
        Some(LogBatch { ops, pending: Pending::new(self.last_zxid) })
    }

    /// The next record starts a new file.
    pub fn roll(&mut self) {
        self.rolled.extend(self.open.take());
    }

    /// The history up to `zxid` has come in another way, as a snapshot: the next record comes behind it, in a new file.
    ///
    /// # Panics
    /// When records wait for a batch: they would stand in the wrong place.
    pub fn restart_after(&mut self, zxid: Zxid) {
        assert_eq!(self.waiting_bytes(), 0, "everything before has been written");
        self.roll();
        self.last_zxid = zxid;
    }

    /// Is it time for a snapshot? To be asked after each append. When it says so, the log has been rolled and the counting
    /// starts again. `random(n)` draws from `0..n`: servers of an ensemble should not all write snapshots at once.
    pub fn should_snapshot(&mut self, random: &mut dyn FnMut(u64) -> u64) -> bool {
        let open_bytes = self.files().map(OpenLog::file_bytes).sum();
        let due = self.trigger.due(open_bytes, random);
        if due {
            self.roll();
        }
        due
    }

    /// What is worth doing while nobody writes and no batch is under way: the index catches up with the log, so that
    /// damage in any record can be told from a torn write. `None` if it has caught up. Nobody waits for it.
    pub fn idle(&mut self) -> Option<Vec<DiskOp>> {
        if self.waiting_bytes() > 0 {
            return None;
        }
        let mut ops = Vec::new();
        for mut log in self.rolled.drain(..).filter(|log| log.created) {
            log.plan_end(self.force_sync, &mut ops);
            self.trigger.closed_log_bytes += log.file_bytes();
        }
        if let Some(log) = self.open.as_mut().filter(|log| log.created) {
            log.index.plan_sync(self.force_sync, &mut ops);
        }
        (!ops.is_empty()).then_some(ops)
    }

    /// The end of writing, after the last batch has completed: indexes catch up and files are closed.
    pub fn finish(mut self) -> Vec<DiskOp> {
        self.roll();
        let mut ops = Vec::new();
        for mut log in self.rolled.drain(..).filter(|log| log.created) {
            log.plan_end(self.force_sync, &mut ops);
        }
        ops
    }

    fn files(&self) -> impl Iterator<Item = &OpenLog> {
        self.rolled.iter().chain(&self.open)
    }
}

/// A log file on its way to the disk.
#[derive(Debug)]
struct OpenLog {
    file: FileName,
    index: IndexWriter,
    created: bool,
    /// Encoded and not yet in a batch; for a new file it begins with the header.
    buffer: Vec<u8>,
    /// Where `buffer` goes.
    written: u64,
    /// The file's size with padding.
    padded: u64,
    group: Option<(Zxid, Zxid)>,
}

impl OpenLog {
    fn new(first: Zxid) -> OpenLog {
        OpenLog {
            file: names::log_file(first),
            index: IndexWriter::new(first),
            created: false,
            buffer: log_header().to_vec(),
            written: 0,
            padded: LOG_HEADER_LEN,
            group: None,
        }
    }

    fn append(&mut self, zxid: Zxid, payload: &[u8]) {
        encode_record(&mut self.buffer, payload);
        let first = self.group.map_or(zxid, |(first, _)| first);
        self.group = Some((first, zxid));
    }

    /// Size on disk, padding included, once everything planned is done.
    fn file_bytes(&self) -> u64 {
        self.padded.max(self.written)
    }

    fn plan_write(&mut self, prealloc_bytes: u64, force_sync: bool, ops: &mut Vec<DiskOp>) {
        let Some((first, last)) = self.group.take() else { return };
        let is_new = !self.created;
        if is_new {
            self.plan_create(ops);
        } else {
            self.index.plan_line(ops);
        }
        self.plan_padding(prealloc_bytes, ops);
        let bytes = std::mem::take(&mut self.buffer);
        let offset = self.written;
        self.written += bytes.len() as u64;
        if force_sync {
            self.index.group_done(IndexLine::new(first, last, self.written, &bytes));
        }
        self.buffer.reserve(bytes.len().min(1 << 20));
        ops.push(DiskOp::WriteAt { file: self.file.clone(), offset, bytes });
        if force_sync {
            ops.push(DiskOp::Sync { file: self.file.clone() });
        }
        if is_new {
            ops.push(DiskOp::SyncDir { dir: Dir::Log });
        }
        self.index.plan_sync_when_far(ops);
    }

    /// The index's name is durable before the log's: a log without an index was written by somebody else.
    fn plan_create(&mut self, ops: &mut Vec<DiskOp>) {
        self.created = true;
        self.index.plan_create(ops);
        ops.push(DiskOp::SyncDir { dir: Dir::Log });
        ops.push(DiskOp::Create { file: self.file.clone() });
    }

    /// Apache's arithmetic, asked once per batch (reference: storage-formats §2.1).
    fn plan_padding(&mut self, prealloc: u64, ops: &mut Vec<DiskOp>) {
        let at = self.written.max(LOG_HEADER_LEN);
        if prealloc == 0 || at + PADDING_ROOM < self.padded {
            return;
        }
        self.padded =
            if at > self.padded { (at + prealloc) / prealloc * prealloc } else { self.padded + prealloc };
        ops.push(DiskOp::SetLen { file: self.file.clone(), len: self.padded });
    }

    fn plan_end(&mut self, force_sync: bool, ops: &mut Vec<DiskOp>) {
        self.index.plan_sync(force_sync, ops);
        self.index.plan_close(ops);
        ops.push(DiskOp::Close { file: self.file.clone() });
    }
}

/// Counts towards the next snapshot (reference: storage-formats §7, "shouldSnapshot").
#[derive(Debug)]
struct SnapshotTrigger {
    snap_count: u64,
    size_limit_bytes: u64,
    txns: u64,
    closed_log_bytes: u64,
    /// What is added to half the limits; drawn again after each trigger.
    random: Option<(u64, u64)>,
}

impl SnapshotTrigger {
    fn new(config: &StoreConfig) -> SnapshotTrigger {
        SnapshotTrigger {
            snap_count: config.snap_count.max(2),
            size_limit_bytes: config.snap_size_limit_bytes,
            txns: 0,
            closed_log_bytes: 0,
            random: None,
        }
    }

    fn due(&mut self, open_log_bytes: u64, random: &mut dyn FnMut(u64) -> u64) -> bool {
        let (half_count, half_bytes) = (self.snap_count / 2, self.size_limit_bytes / 2);
        let (more_txns, more_bytes) =
            *self.random.get_or_insert_with(|| (random(half_count.max(1)), random(half_bytes.max(1))));
        let bytes = self.closed_log_bytes + open_log_bytes;
        let due = self.txns > half_count + more_txns
            || (self.size_limit_bytes > 0 && bytes > half_bytes + more_bytes);
        if due {
            (self.txns, self.closed_log_bytes, self.random) = (0, 0, None);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(config: StoreConfig) -> LogWriter {
        LogWriter::new(&config, Zxid::ZERO)
    }

    fn batch(writer: &mut LogWriter) -> Vec<DiskOp> {
        let batch = writer.take_batch().expect("something was appended");
        assert!(batch.pending.completed(Ok(())).is_ok());
        batch.ops
    }

    /// The operations as a line each.
    fn told(ops: &[DiskOp]) -> Vec<String> {
        ops.iter()
            .map(|op| match op {
                DiskOp::Create { file } => format!("create {file}"),
                DiskOp::WriteAt { file, offset, bytes } => format!("write {file} {offset}+{}", bytes.len()),
                DiskOp::SetLen { file, len } => format!("extend {file} {len}"),
                DiskOp::Sync { file } => format!("sync {file}"),
                DiskOp::Close { file } => format!("close {file}"),
                DiskOp::SyncDir { dir } => format!("sync {dir:?}"),
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn a_batch_is_one_write_and_one_sync_and_claims_the_batch_before() {
        let mut log = writer(StoreConfig { prealloc_bytes: 16384, ..StoreConfig::default() });
        assert!(log.take_batch().is_none());
        log.append(Zxid(1), &[7; 37]);
        assert_eq!(
            told(&batch(&mut log)),
            [
                "create idx-log.1",
                "write idx-log.1 0+16",
                "sync Log",
                "create log.1",
                "extend log.1 16400",
                "write log.1 0+66",
                "sync log.1",
                "sync Log",
            ],
            "the index's name is durable before the log's name exists"
        );
        log.append(Zxid(2), &[7; 37]);
        log.append(Zxid(3), &[7; 37]);
        assert_eq!(told(&batch(&mut log)), ["write idx-log.1 16+32", "write log.1 66+100", "sync log.1"]);
        assert_eq!(told(&log.idle().expect("a line waits")), ["write idx-log.1 48+32", "sync idx-log.1"]);
        assert_eq!(log.idle(), None);
        assert!(log.take_batch().is_none());
    }

    #[test]
    fn a_rolled_log_is_finished_with_the_next_batch() {
        let mut log = writer(StoreConfig { prealloc_bytes: 0, ..StoreConfig::default() });
        log.append(Zxid(1), &[7; 37]);
        batch(&mut log);
        log.append(Zxid(2), &[7; 37]);
        log.roll();
        log.append(Zxid(3), &[7; 37]);
        assert_eq!(
            told(&batch(&mut log)),
            [
                "write idx-log.1 16+32",
                "write log.1 66+50",
                "sync log.1",
                "write idx-log.1 48+32",
                "sync idx-log.1",
                "close idx-log.1",
                "close log.1",
                "create idx-log.3",
                "write idx-log.3 0+16",
                "sync Log",
                "create log.3",
                "write log.3 0+66",
                "sync log.3",
                "sync Log",
            ]
        );
        assert_eq!(
            told(&log.finish()),
            ["write idx-log.3 16+32", "sync idx-log.3", "close idx-log.3", "close log.3"]
        );
    }

    /// Sizes seen with Apache and 16 KiB blocks (reference: storage-formats §2.1).
    #[test]
    fn padding_follows_apaches_arithmetic() {
        let mut log = OpenLog::new(Zxid(1));
        let mut padded_at = |written: u64| {
            log.written = written;
            log.plan_padding(16384, &mut Vec::new());
            log.padded
        };
        assert_eq!(padded_at(0), 16400, "header and one block");
        assert_eq!(padded_at(12303), 16400, "4096 bytes and one more are room enough");
        assert_eq!(padded_at(12304), 32784);
        assert_eq!(padded_at(104_507), 114_688, "a large record ran past the end");
        let mut log = OpenLog::new(Zxid(1));
        log.plan_padding(65536 << 10, &mut Vec::new());
        assert_eq!(log.padded, 67_108_880);
    }

    #[test]
    fn a_size_limit_below_the_padding_means_one_file_per_batch() {
        let mut log = writer(StoreConfig {
            prealloc_bytes: 16384,
            txn_log_size_limit_bytes: 1024,
            ..StoreConfig::default()
        });
        for zxid in 1..4 {
            log.append(Zxid(zxid), &[7; 37]);
            assert!(told(&batch(&mut log)).contains(&format!("create log.{zxid}")));
        }
    }

    #[test]
    fn snapshots_come_between_half_and_all_of_the_count() {
        for (random, expected) in [(0, 51), (49, 100)] {
            let mut log = writer(StoreConfig { snap_count: 100, ..StoreConfig::default() });
            let due = (1..=300)
                .filter(|zxid| {
                    log.append(Zxid(*zxid), &[7; 37]);
                    log.should_snapshot(&mut |below| u64::min(random, below - 1))
                })
                .collect::<Vec<_>>();
            assert_eq!(due.first(), Some(&expected));
            assert_eq!(due.get(1), (expected * 2 <= 300).then_some(&(expected * 2)));
        }
    }

    #[test]
    fn snapshots_come_by_size_too_and_a_limit_of_zero_is_none() {
        let config = StoreConfig { prealloc_bytes: 0, snap_size_limit_bytes: 4000, ..StoreConfig::default() };
        let mut log = writer(config.clone());
        let mut due = Vec::new();
        for zxid in 1..100 {
            log.append(Zxid(zxid), &[7; 87]);
            if log.should_snapshot(&mut |_| 0) {
                due.push(zxid);
            }
            batch(&mut log);
        }
        assert_eq!(due.first(), Some(&21), "after 20 records and a header: 2016 bytes");
        let mut log = writer(StoreConfig { snap_size_limit_bytes: 0, ..config });
        for zxid in 1..100 {
            log.append(Zxid(zxid), &[7; 87]);
            assert!(!log.should_snapshot(&mut |_| 0));
            batch(&mut log);
        }
    }

    #[test]
    fn without_forced_syncs_nothing_is_claimed() {
        let mut log = writer(StoreConfig { prealloc_bytes: 0, force_sync: false, ..StoreConfig::default() });
        for zxid in 1..4 {
            log.append(Zxid(zxid), &[7; 37]);
            let ops = batch(&mut log);
            assert!(
                !told(&ops)
                    .iter()
                    .any(|op| op.starts_with("sync log") || op.starts_with("write idx-log.1 16"))
            );
        }
    }

    #[test]
    #[should_panic(expected = "appended behind")]
    fn zxids_must_grow() {
        let mut log = writer(StoreConfig::default());
        log.append(Zxid(2), &[]);
        log.append(Zxid(2), &[]);
    }
}
