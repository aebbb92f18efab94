//! Replaying logs: which files, in which order, and what must follow what.

use super::tail::{TailVerdict, check_start, judge_tail};
use super::{LogDamage, LogDamageKind, Names, RecoveryError};
use crate::{
    Dir, Disk, DiskError, DiskFile, DiskOp, Fault, FileName, IndexLine, LogEnd, LogIndex, LogReader,
    LogRecord, StartFault, StoreConfig, names,
};
use std::collections::VecDeque;
use tree::Tree;
use wire::{DIGEST_VERSION, DecodeError, Limits, TXN_ERROR, TxnDigest, TxnHeader, TxnRecord, Zxid};

/// How the replay went.
pub(super) struct Replayed {
    pub(super) tree: Tree,
    /// To do once everything has been read.
    pub(super) repairs: Vec<DiskOp>,
    pub(super) notices: Vec<String>,
    pub(super) digest_mismatches: u64,
    /// How many transactions were applied.
    pub(super) count: u64,
    /// The digest after every so-many-th transaction.
    pub(super) milestones: Vec<(Zxid, i64)>,
    /// The last transactions.
    pub(super) recent: Vec<(Zxid, Vec<u8>)>,
}

/// At the end of a history no more bytes than this are kept.
const RECENT_BYTES_MAX: usize = 16 << 20;

/// The last transactions that were read.
#[derive(Default)]
struct Recent {
    txns: VecDeque<(Zxid, Vec<u8>)>,
    bytes: usize,
}

impl Recent {
    fn push(&mut self, zxid: Zxid, payload: &[u8], count_max: usize) {
        if count_max == 0 {
            return;
        }
        self.bytes += payload.len();
        self.txns.push_back((zxid, payload.to_vec()));
        while self.txns.len() > count_max || self.bytes > RECENT_BYTES_MAX {
            self.bytes -= self.txns.pop_front().map_or(0, |(_, bytes)| bytes.len());
        }
    }
}

/// A log that has to be read.
pub(super) struct LogFile {
    pub(super) first: Zxid,
    pub(super) file: FileName,
    pub(super) path: String,
    /// Size in bytes.
    pub(super) len: u64,
    /// Absent for logs that other servers wrote.
    pub(super) index: Option<LogIndex>,
    /// A leader of a later epoch was followed since: it may have had what the index claims cut off.
    pub(super) may_be_truncated: bool,
}

/// Applies the logs behind a snapshot.
pub(super) struct Replay<'c> {
    config: &'c StoreConfig,
    limits: Limits,
    tree: Tree,
    /// The last transaction that is in the tree.
    last: Zxid,
    digests: Digests,
    count: u64,
    milestones: Vec<(Zxid, i64)>,
    recent: Recent,
    repairs: Vec<DiskOp>,
    notices: Vec<String>,
}

impl<'c> Replay<'c> {
    pub(super) fn new(config: &'c StoreConfig, tree: Tree, digest: Option<(Zxid, TxnDigest)>) -> Replay<'c> {
        let mut notices = Vec::new();
        let digests = Digests::new(&tree, digest, &mut notices);
        Replay {
            config,
            limits: config.limits,
            last: tree.last_zxid(),
            tree,
            digests,
            count: 0,
            milestones: Vec::new(),
            recent: Recent::default(),
            repairs: Vec::new(),
            notices,
        }
    }

    /// Reads every log that may hold transactions behind the tree's.
    pub(super) fn run(mut self, disk: &mut dyn Disk, names: &Names) -> Result<Replayed, RecoveryError> {
        let begun = self.drop_empty_newest(disk, names)?;
        for log in &needed_logs(disk, names, begun, self.last)? {
            self.read_log(disk, log)?;
        }
        self.digests.finish(&mut self.notices);
        Ok(Replayed {
            tree: self.tree,
            repairs: self.repairs,
            notices: self.notices,
            digest_mismatches: self.digests.mismatches,
            count: self.count,
            milestones: self.milestones,
            recent: self.recent.txns.into(),
        })
    }

    /// A crash may leave logs that never got as far as their header (ZOOKEEPER-2332, ZOOKEEPER-1621). They go before anything
    /// is concluded from the names of logs: the next start does not have them. Returns the others.
    fn drop_empty_newest<'n>(
        &mut self,
        disk: &mut dyn Disk,
        names: &'n Names,
    ) -> Result<&'n [(Zxid, FileName, u64)], DiskError> {
        let mut begun = names.logs.as_slice();
        while let Some((newest, older)) = begun.split_last() {
            let log = log_file(disk, names, newest)?;
            if !check_start(disk, &log)? {
                break;
            }
            begun = older;
            self.notices.push(format!(
                "Delete empty tail log file to recover from corruption file: {} ({} bytes)",
                log.path, log.len
            ));
            self.repairs.push(DiskOp::Remove { file: log.file });
            self.repairs.push(DiskOp::Remove { file: names::index_file(log.first) });
        }
        Ok(begun)
    }

    fn read_log(&mut self, disk: &mut dyn Disk, log: &LogFile) -> Result<(), RecoveryError> {
        let end = self.read_records(disk, log)?;
        let verdict = judge_tail(disk, log, &end, self.last, self.limits)?;
        let end = end.offset();
        match verdict {
            TailVerdict::Damage(kind) => return Err(damage(log, end, self.last, kind)),
            TailVerdict::Clean => {}
            TailVerdict::Torn { what } => self.notices.push(format!(
                "{} ends at byte {end} with a record that was not completely written ({what}): it was never acknowledged and \
                 is ignored",
                log.path
            )),
            TailVerdict::TornAndConfusing { what } => {
                self.notices.push(format!(
                    "{} ends at byte {end} with a batch that was not completely written ({what}): it was never acknowledged \
                     and is cut off",
                    log.path
                ));
                for len in [end, log.len] {
                    self.repairs.push(DiskOp::SetLen { file: log.file.clone(), len });
                }
            }
            TailVerdict::TruncatedElsewhere => self.notices.push(format!(
                "{} was cut behind transaction {} by another server",
                log.path, self.last
            )),
        }
        self.renew_index(disk, log, end)?;
        Ok(())
    }

    /// Applies what is new in the file; says how the records end.
    fn read_records(&mut self, disk: &mut dyn Disk, log: &LogFile) -> Result<LogEnd, RecoveryError> {
        let mut source = DiskFile::new(disk, log.file.clone());
        let mut reader = match LogReader::open(&mut source, self.limits) {
            Ok(reader) => reader,
            Err(StartFault::Disk(error)) => return Err(error.into()),
            Err(fault) => return Err(damage(log, 0, self.last, LogDamageKind::Start(fault))),
        };
        while let Some(record) = reader.next_record()? {
            let txn =
                record.txn(self.limits).and_then(|txn| match self.tree.impossible(&txn.header, &txn.txn) {
                    Some(what) => Err(DecodeError::Invalid { what, offset: TxnHeader::LEN }),
                    None => Ok(txn),
                });
            match txn {
                Ok(txn) => self.take(log, &record, &txn)?,
                Err(error) => {
                    return Ok(LogEnd::Fault { offset: record.offset, fault: Fault::BadTxn(error) });
                }
            }
        }
        Ok(reader.end().cloned().unwrap_or(LogEnd::Clean { offset: log.len }))
    }

    /// Applies a record if it is the next one, and skips it if the tree has it.
    fn take(
        &mut self,
        log: &LogFile,
        record: &LogRecord<'_>,
        txn: &TxnRecord<'_>,
    ) -> Result<(), RecoveryError> {
        let zxid = txn.header.zxid;
        if zxid < self.last || (zxid == self.last && (self.is_base() || txn.header.txn_type == TXN_ERROR)) {
            // Apache can log an error with the zxid before it (reference: storage-formats §3, "Errors in the log").
            if zxid < self.last && !self.is_base() {
                return Err(damage(log, record.offset, self.last, LogDamageKind::Gap { found: zxid }));
            }
            return Ok(());
        }
        if !follows(self.last, zxid) {
            return Err(damage(log, record.offset, self.last, LogDamageKind::Gap { found: zxid }));
        }
        self.tree.apply(&txn.header, &txn.txn, &mut |_| {});
        self.last = zxid;
        self.recent.push(zxid, record.payload, self.config.recent_count);
        self.count += 1;
        if zxid.0 % crate::DIGEST_MILESTONE == 0 && txn.digest.is_some() {
            self.milestones.push((zxid, self.tree.digest()));
        }
        self.digests.check(&self.tree, zxid, txn.digest.as_ref(), &mut self.notices);
        Ok(())
    }

    /// Has nothing been replayed yet?
    fn is_base(&self) -> bool {
        !self.digests.started
    }

    /// What has been read well is known to be there from now on.
    fn renew_index(&mut self, disk: &mut dyn Disk, log: &LogFile, end: u64) -> Result<(), DiskError> {
        let known = log.index.as_ref().map_or(0, LogIndex::end);
        if known == end || !self.config.force_sync || end <= crate::LOG_HEADER_LEN {
            return Ok(());
        }
        let mut index = log.index.clone().unwrap_or_default();
        if known > end {
            index.lines.clear();
        }
        let from = index.end();
        let first = index.last_zxid().map_or(log.first, Zxid::next);
        let crc = crc_of(disk, &log.file, from, end)?;
        index.lines.push(IndexLine { first: first.min(self.last), last: self.last, end, crc });
        let file = names::index_file(log.first);
        let temporary = FileName::new(Dir::Log, format!("tmp-{}", file.name));
        let bytes = index.to_bytes(log.first);
        // The log's own name may not be durable yet, and an index without its log tells of a loss.
        self.repairs.extend([
            DiskOp::Sync { file: log.file.clone() },
            DiskOp::SyncDir { dir: Dir::Log },
            DiskOp::Create { file: temporary.clone() },
            DiskOp::WriteAt { file: temporary.clone(), offset: 0, bytes },
            DiskOp::Sync { file: temporary.clone() },
            DiskOp::Close { file: temporary.clone() },
            DiskOp::Rename { from: temporary, to: file },
        ]);
        Ok(())
    }
}

/// All logs from the first one that may reach beyond `last` (reference: storage-formats §2.2). A log that is followed by
/// one named after the very next transaction cannot, and is left alone: damage in it harms nobody.
fn needed_logs(
    disk: &mut dyn Disk,
    names: &Names,
    logs: &[(Zxid, FileName, u64)],
    last: Zxid,
) -> Result<Vec<LogFile>, DiskError> {
    let next = last.next();
    let from = logs.partition_point(|(first, ..)| *first <= next).saturating_sub(1);
    logs[from..].iter().map(|log| log_file(disk, names, log)).collect()
}

fn log_file(
    disk: &mut dyn Disk,
    names: &Names,
    (first, file, len): &(Zxid, FileName, u64),
) -> Result<LogFile, DiskError> {
    let index = match names.indexes.contains(first) {
        true => Some(LogIndex::load(disk, *first)?),
        false => None,
    };
    let synced = index.as_ref().and_then(LogIndex::last_zxid);
    let may_be_truncated = synced.is_some_and(|zxid| names.may_be_truncated(zxid));
    let (path, file) = (disk.path(file), file.clone());
    Ok(LogFile { first: *first, path, file, len: *len, index, may_be_truncated })
}

/// The next number, or the first one of a later epoch.
fn follows(last: Zxid, zxid: Zxid) -> bool {
    zxid == last.next() || (zxid.epoch() > last.epoch() && zxid.counter() <= 1)
}

fn damage(log: &LogFile, offset: u64, last_good: Zxid, kind: LogDamageKind) -> RecoveryError {
    RecoveryError::Log(LogDamage { path: log.path.clone(), offset, last_good, kind })
}

pub(super) fn crc_of(disk: &mut dyn Disk, file: &FileName, from: u64, end: u64) -> Result<u32, DiskError> {
    let mut hasher = crc32fast::Hasher::new();
    let mut block = vec![0; (1 << 20).min(end.saturating_sub(from) as usize)];
    let mut at = from;
    while at < end {
        let want = block.len().min((end - at) as usize);
        match disk.read_at(file, at, &mut block[..want])? {
            0 => break,
            n => {
                hasher.update(&block[..n]);
                at += n as u64;
            }
        }
    }
    Ok(hasher.finalize())
}

/// Compares the digests in the records with the tree's (reference: storage-formats §5, "Comparison").
struct Digests {
    enabled: bool,
    /// Of the snapshot: nothing is compared until the transaction with that zxid has been applied.
    pending: Option<(Zxid, TxnDigest)>,
    mismatches: u64,
    started: bool,
}

impl Digests {
    fn new(tree: &Tree, pending: Option<(Zxid, TxnDigest)>, notices: &mut Vec<String>) -> Digests {
        let enabled = tree.config().digest_enabled;
        let mut digests =
            Digests { enabled, pending: pending.filter(|_| enabled), mismatches: 0, started: false };
        digests.check_pending(tree, tree.last_zxid(), notices);
        digests
    }

    fn check(&mut self, tree: &Tree, zxid: Zxid, digest: Option<&TxnDigest>, notices: &mut Vec<String>) {
        self.started = true;
        if self.pending.is_some() {
            return self.check_pending(tree, zxid, notices);
        }
        if let Some(digest) = digest.filter(|digest| self.enabled && digest.version == DIGEST_VERSION) {
            self.compare(tree, zxid, digest, notices);
        }
    }

    fn check_pending(&mut self, tree: &Tree, zxid: Zxid, notices: &mut Vec<String>) {
        match self.pending {
            Some((at, digest)) if at == zxid => {
                self.pending = None;
                if digest.version == DIGEST_VERSION {
                    self.compare(tree, zxid, &digest, notices);
                }
            }
            Some((at, _)) if at < zxid => {
                self.pending = None;
                notices.push(format!("The txn {at} of snapshot digest does not exist."));
            }
            _ => {}
        }
    }

    fn compare(&mut self, tree: &Tree, zxid: Zxid, digest: &TxnDigest, notices: &mut Vec<String>) {
        if tree.check_digest(digest) {
            return;
        }
        self.mismatches += 1;
        if self.mismatches == 1 {
            notices.push(format!(
                "First digest mismatch on txn: {zxid}, expected digest is {}, actual digest is {}",
                digest.tree_digest,
                tree.digest()
            ));
        }
    }

    fn finish(&self, notices: &mut Vec<String>) {
        if let Some((zxid, _)) = self.pending {
            notices.push(format!("The logs do not reach the snapshot digest zxid {zxid}"));
        }
    }
}
