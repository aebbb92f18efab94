//! The index beside each log: what is known to be durable.
//!
//! A log alone cannot tell a write that a power cut tore, and which nobody was told about, from damage to a record that
//! was acknowledged. So each log `log.N` has a file `idx-log.N`, whose name Apache ignores. It holds one line for each
//! batch that was synced, written together with the next batch and synced only now and then: no sync of its own on the
//! way of an acknowledgement. Damage before the end of the last line is damage; behind it, it may be a torn write
//! (reference: simulation §5.4, S2).
//!
//! ```text
//! file = "HKIX" | u32 version 1 | i64 zxid of the log | line*
//! line = i64 first zxid | i64 last zxid | u64 end offset | u32 CRC-32 of the log's bytes since the last line | u32 chain
//! ```
//! `chain` is the CRC-32 of the chain before (at first: of the header) and the line's other bytes; a line that
//! does not match it, and everything behind it, counts as not written.

use crate::{Disk, DiskError, DiskOp, FileName, names};
use wire::Zxid;

const MAGIC_AND_VERSION: [u8; 8] = *b"HKIX\0\0\0\x01";
const HEADER_LEN: usize = 16;
const LINE_LEN: usize = 32;
/// Lines written without a sync before one is asked for on the log's own way: bounds what a power cut can forget.
const UNSYNCED_LINES_MAX: u32 = 256;
/// An index larger than this is not read further; a log rolls long before.
const INDEX_BYTES_MAX: u64 = 256 << 20;

/// One batch that reached the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IndexLine {
    /// The batch's first zxid.
    pub first: Zxid,
    /// The batch's last zxid.
    pub last: Zxid,
    /// Where the batch ends in the log, in bytes.
    pub end: u64,
    /// CRC-32 of the log from the last line's end (at first: from 0) to this one's.
    pub crc: u32,
}

impl IndexLine {
    pub(crate) fn new(first: Zxid, last: Zxid, end: u64, bytes: &[u8]) -> IndexLine {
        IndexLine { first, last, end, crc: crc32fast::hash(bytes) }
    }

    fn fields(&self) -> [u8; LINE_LEN - 4] {
        let mut out = [0; LINE_LEN - 4];
        out[0..8].copy_from_slice(&self.first.0.to_be_bytes());
        out[8..16].copy_from_slice(&self.last.0.to_be_bytes());
        out[16..24].copy_from_slice(&self.end.to_be_bytes());
        out[24..28].copy_from_slice(&self.crc.to_be_bytes());
        out
    }

    fn from_fields(bytes: &[u8; LINE_LEN]) -> IndexLine {
        IndexLine {
            first: Zxid(i64::from_be_bytes(part(bytes, 0))),
            last: Zxid(i64::from_be_bytes(part(bytes, 8))),
            end: u64::from_be_bytes(part(bytes, 16)),
            crc: u32::from_be_bytes(part(bytes, 24)),
        }
    }
}

fn part<const N: usize>(bytes: &[u8; LINE_LEN], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

fn header(log: Zxid) -> [u8; HEADER_LEN] {
    let mut out = [0; HEADER_LEN];
    out[..8].copy_from_slice(&MAGIC_AND_VERSION);
    out[8..].copy_from_slice(&log.0.to_be_bytes());
    out
}

fn chained(chain: u32, fields: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&chain.to_be_bytes());
    hasher.update(fields);
    hasher.finalize()
}

/// Plans the index of a log that is being written.
#[derive(Debug)]
pub(crate) struct IndexWriter {
    file: FileName,
    log: Zxid,
    offset: u64,
    chain: u32,
    /// The batch that is under way or done, and not written here yet.
    waiting: Option<IndexLine>,
    unsynced_lines: u32,
}

impl IndexWriter {
    pub(crate) fn new(log: Zxid) -> IndexWriter {
        IndexWriter {
            file: names::index_file(log),
            log,
            offset: HEADER_LEN as u64,
            chain: crc32fast::hash(&header(log)),
            waiting: None,
            unsynced_lines: 0,
        }
    }

    pub(crate) fn plan_create(&mut self, ops: &mut Vec<DiskOp>) {
        ops.push(DiskOp::Create { file: self.file.clone() });
        ops.push(DiskOp::WriteAt { file: self.file.clone(), offset: 0, bytes: header(self.log).to_vec() });
    }

    /// The batch that `line` describes has been planned; it may be claimed once it has completed.
    pub(crate) fn group_done(&mut self, line: IndexLine) {
        debug_assert!(self.waiting.is_none(), "a batch was not claimed before the next one");
        self.waiting = Some(line);
    }

    /// Claims the batch before, which has completed by now.
    pub(crate) fn plan_line(&mut self, ops: &mut Vec<DiskOp>) {
        let Some(line) = self.waiting.take() else { return };
        let fields = line.fields();
        self.chain = chained(self.chain, &fields);
        let mut bytes = fields.to_vec();
        bytes.extend_from_slice(&self.chain.to_be_bytes());
        ops.push(DiskOp::WriteAt { file: self.file.clone(), offset: self.offset, bytes });
        self.offset += LINE_LEN as u64;
        self.unsynced_lines += 1;
    }

    /// A sync, but only after many lines without one.
    pub(crate) fn plan_sync_when_far(&mut self, ops: &mut Vec<DiskOp>) {
        if self.unsynced_lines >= UNSYNCED_LINES_MAX {
            self.unsynced_lines = 0;
            ops.push(DiskOp::Sync { file: self.file.clone() });
        }
    }

    /// Claims what has completed and syncs, if there is anything to sync.
    pub(crate) fn plan_sync(&mut self, force_sync: bool, ops: &mut Vec<DiskOp>) {
        self.plan_line(ops);
        if force_sync && self.unsynced_lines > 0 {
            self.unsynced_lines = 0;
            ops.push(DiskOp::Sync { file: self.file.clone() });
        }
    }

    pub(crate) fn plan_close(&self, ops: &mut Vec<DiskOp>) {
        ops.push(DiskOp::Close { file: self.file.clone() });
    }
}

/// What an index says about its log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LogIndex {
    /// Its lines, oldest first; only those whose chain holds.
    pub lines: Vec<IndexLine>,
}

impl LogIndex {
    /// Reads the index of the log that starts with `log`. An index that was cut, torn or damaged says only what its
    /// intact lines say.
    ///
    /// # Errors
    /// When the disk cannot read it.
    pub fn load(disk: &mut dyn Disk, log: Zxid) -> Result<LogIndex, DiskError> {
        let file = names::index_file(log);
        let mut bytes = Vec::new();
        let mut block = vec![0; 64 << 10];
        while (bytes.len() as u64) < INDEX_BYTES_MAX {
            match disk.read_at(&file, bytes.len() as u64, &mut block)? {
                0 => break,
                n => bytes.extend_from_slice(&block[..n]),
            }
        }
        Ok(LogIndex::parse(log, &bytes))
    }

    /// The index's bytes, read.
    pub fn parse(log: Zxid, bytes: &[u8]) -> LogIndex {
        let mut lines: Vec<IndexLine> = Vec::new();
        let Some(body) = bytes.strip_prefix(&header(log)[..]) else { return LogIndex::default() };
        let mut chain = crc32fast::hash(&header(log));
        for line in body.as_chunks::<LINE_LEN>().0 {
            chain = chained(chain, &line[..LINE_LEN - 4]);
            let read = IndexLine::from_fields(line);
            let grows = lines.last().is_none_or(|before| read.first > before.last && read.end > before.end);
            if chain != u32::from_be_bytes(part(line, LINE_LEN - 4)) || !grows || read.last < read.first {
                break;
            }
            lines.push(read);
        }
        LogIndex { lines }
    }

    /// The whole index as bytes.
    pub fn to_bytes(&self, log: Zxid) -> Vec<u8> {
        let mut out = header(log).to_vec();
        let mut chain = crc32fast::hash(&header(log));
        for line in &self.lines {
            let fields = line.fields();
            chain = chained(chain, &fields);
            out.extend_from_slice(&fields);
            out.extend_from_slice(&chain.to_be_bytes());
        }
        out
    }

    /// Up to where the log was durable, in bytes; 0 when nothing is known.
    pub fn end(&self) -> u64 {
        self.lines.last().map_or(0, |line| line.end)
    }

    /// The last zxid known to have been durable.
    pub fn last_zxid(&self) -> Option<Zxid> {
        self.lines.last().map(|line| line.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_lines() -> LogIndex {
        LogIndex {
            lines: vec![
                IndexLine::new(Zxid(5), Zxid(7), 300, b"abc"),
                IndexLine::new(Zxid(8), Zxid(8), 361, b"d"),
            ],
        }
    }

    #[test]
    fn an_index_reads_back() {
        let index = two_lines();
        assert_eq!(LogIndex::parse(Zxid(5), &index.to_bytes(Zxid(5))), index);
        assert_eq!(index.end(), 361);
        assert_eq!(LogIndex::parse(Zxid(6), &index.to_bytes(Zxid(5))), LogIndex::default(), "another log's");
    }

    #[test]
    fn a_damaged_line_takes_the_rest_with_it() {
        let bytes = two_lines().to_bytes(Zxid(5));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let read = LogIndex::parse(Zxid(5), &damaged);
            let intact = (bit / 8).checked_sub(HEADER_LEN).map_or(0, |at| at / LINE_LEN);
            assert_eq!(read.lines, two_lines().lines[..intact], "bit {bit}");
        }
        for len in 0..bytes.len() {
            let intact = len.saturating_sub(HEADER_LEN) / LINE_LEN;
            assert_eq!(LogIndex::parse(Zxid(5), &bytes[..len]).lines, two_lines().lines[..intact]);
        }
    }
}
