//! Reading a log record by record, and saying exactly how it ends (reference: storage-formats §2.3).

use super::{LOG_HEADER_LEN, LOG_MAGIC, RECORD_END, RECORD_OVERHEAD, RECORD_START_LEN, record_checksum};
use crate::DiskError;
use crate::read_at::{ReadAt, read_fully};
use std::fmt;
use wire::{Decode, DecodeError, Limits, Reader, TxnHeader, TxnRecord, Zxid};

/// Read at a time, in bytes; a longer record makes the window grow to hold it.
const BLOCK_LEN: usize = 1 << 20;

/// A record whose length, checksum and end mark are right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogRecord<'r> {
    /// Where it begins in the file.
    pub offset: u64,
    /// Where the next one would begin.
    pub end: u64,
    /// From its header; `None` when the payload is too short to have one.
    pub zxid: Option<Zxid>,
    /// Header, body and digest of the transaction.
    pub payload: &'r [u8],
}

impl<'r> LogRecord<'r> {
    /// The transaction.
    ///
    /// # Errors
    /// When the payload is not one although its checksum is right: [`Fault::BadTxn`].
    pub fn txn(&self, limits: Limits) -> Result<TxnRecord<'r>, DecodeError> {
        TxnRecord::decode(&mut Reader::with_limits(self.payload, limits))
    }
}

/// How the records of a log end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LogEnd {
    /// With the file, or with a zero length: the padding begins. Whether it is all zeros is for [`zeros_only`] to say.
    Clean {
        /// Behind the last record, in bytes.
        offset: u64,
    },
    /// With something that is not a record.
    Fault {
        /// Where it begins, in bytes.
        offset: u64,
        /// What is wrong with it.
        fault: Fault,
    },
}

impl LogEnd {
    /// Behind the last good record, in bytes.
    pub fn offset(&self) -> u64 {
        match self {
            LogEnd::Clean { offset } | LogEnd::Fault { offset, .. } => *offset,
        }
    }
}

/// What is wrong with a record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The file ends inside the record.
    CutShort,
    /// The byte behind the payload is not `B`; the checksum was not looked at.
    BadEndMark(u8),
    /// The payload does not have the checksum that stands before it.
    BadChecksum {
        /// As stored.
        stored: i64,
        /// Of the payload that is there.
        computed: i64,
    },
    /// The length is negative or above the limit.
    BadLength(i32),
    /// Checksum and end mark are right, but the payload is not a transaction.
    BadTxn(DecodeError),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::CutShort => f.write_str("the file ends inside the record"),
            Fault::BadEndMark(byte) => write!(f, "the record's last byte is 0x{byte:02x} instead of 0x42"),
            Fault::BadChecksum { stored, computed } => {
                write!(f, "CRC check failed: 0x{stored:x} is stored, 0x{computed:x} is computed")
            }
            Fault::BadLength(length) => write!(f, "Unreasonable length = {length}"),
            Fault::BadTxn(error) => write!(f, "not a transaction: {error}"),
        }
    }
}

/// Why a file cannot be read as a log at all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StartFault {
    /// 0 bytes.
    Empty,
    /// Shorter than a header: so many bytes.
    Short(u64),
    /// Not "ZKLG".
    BadMagic(i32),
    /// The disk.
    Disk(DiskError),
}

impl fmt::Display for StartFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartFault::Empty => f.write_str("the file is empty"),
            StartFault::Short(len) => write!(f, "the file ends inside its header, after {len} bytes"),
            StartFault::BadMagic(found) => write!(f, "invalid magic number {found} != {LOG_MAGIC}"),
            StartFault::Disk(error) => error.fmt(f),
        }
    }
}

impl From<DiskError> for StartFault {
    fn from(error: DiskError) -> StartFault {
        StartFault::Disk(error)
    }
}

/// Reads records one after the other; memory is bounded by the longest record allowed.
pub struct LogReader<'s> {
    source: &'s mut dyn ReadAt,
    limits: Limits,
    window: Vec<u8>,
    /// What of `window` has been read from the source and not yet been given out.
    pos: usize,
    filled: usize,
    /// The file offset of `window[pos]`.
    offset: u64,
    end: Option<LogEnd>,
}

impl<'s> LogReader<'s> {
    /// A reader behind the file header.
    ///
    /// # Errors
    /// When there is no header of a log.
    pub fn open(source: &'s mut dyn ReadAt, limits: Limits) -> Result<LogReader<'s>, StartFault> {
        let mut header = [0; LOG_HEADER_LEN as usize];
        let n = read_fully(source, 0, &mut header)?;
        match n {
            0 => return Err(StartFault::Empty),
            n if n < header.len() => return Err(StartFault::Short(n as u64)),
            _ => {}
        }
        let magic = i32::from_be_bytes([header[0], header[1], header[2], header[3]]);
        if magic != LOG_MAGIC {
            return Err(StartFault::BadMagic(magic));
        }
        Ok(LogReader::at(source, LOG_HEADER_LEN, limits))
    }

    /// A reader of the record that begins at `offset`.
    fn at(source: &'s mut dyn ReadAt, offset: u64, limits: Limits) -> LogReader<'s> {
        LogReader { source, limits, window: Vec::new(), pos: 0, filled: 0, offset, end: None }
    }

    /// The next record; `None` at the end, which [`LogReader::end`] explains.
    ///
    /// # Errors
    /// When the source cannot be read.
    pub fn next_record(&mut self) -> Result<Option<LogRecord<'_>>, DiskError> {
        if self.end.is_some() {
            return Ok(None);
        }
        let len = match self.check()? {
            Ok(len) => len,
            Err(end) => {
                self.end = Some(end);
                return Ok(None);
            }
        };
        let (offset, pos) = (self.offset, self.pos);
        self.pos += len + RECORD_OVERHEAD;
        self.offset += (len + RECORD_OVERHEAD) as u64;
        let payload = &self.window[pos + RECORD_START_LEN..pos + RECORD_START_LEN + len];
        let zxid = TxnHeader::decode(&mut Reader::new(payload)).ok().map(|header| header.zxid);
        Ok(Some(LogRecord { offset, end: self.offset, zxid, payload }))
    }

    /// How the records ended; `None` before [`LogReader::next_record`] has said so.
    pub fn end(&self) -> Option<&LogEnd> {
        self.end.as_ref()
    }

    /// The payload length of the record at the current position, if it is a good one.
    fn check(&mut self) -> Result<Result<usize, LogEnd>, DiskError> {
        let offset = self.offset;
        let fault = |fault| Ok(Err(LogEnd::Fault { offset, fault }));
        let there = self.fill(RECORD_START_LEN)?;
        if there.len() < RECORD_START_LEN {
            return match there.iter().all(|byte| *byte == 0) {
                true => Ok(Err(LogEnd::Clean { offset })),
                false => fault(Fault::CutShort),
            };
        }
        let stored = i64::from_be_bytes(part(there, 0));
        let length = i32::from_be_bytes(part(there, 8));
        if length == 0 {
            return Ok(Err(LogEnd::Clean { offset }));
        }
        let Some(len) = usize::try_from(length).ok().filter(|len| *len <= self.limits.field_max) else {
            return fault(Fault::BadLength(length));
        };
        let record = self.fill(len + RECORD_OVERHEAD)?;
        if record.len() < len + RECORD_OVERHEAD {
            return fault(Fault::CutShort);
        }
        let end_mark = record[len + RECORD_START_LEN];
        if end_mark != RECORD_END {
            return fault(Fault::BadEndMark(end_mark));
        }
        let computed = record_checksum(&record[RECORD_START_LEN..RECORD_START_LEN + len]);
        if computed != stored {
            return fault(Fault::BadChecksum { stored, computed });
        }
        Ok(Ok(len))
    }

    /// Up to `want` bytes from the current position; fewer only at the end of the source.
    fn fill(&mut self, want: usize) -> Result<&[u8], DiskError> {
        if self.filled - self.pos < want {
            self.window.copy_within(self.pos..self.filled, 0);
            self.filled -= self.pos;
            self.pos = 0;
            let room = want.max(BLOCK_LEN);
            if self.window.len() < room {
                self.window.resize(room, 0);
            }
            let offset = self.offset + self.filled as u64;
            self.filled += read_fully(self.source, offset, &mut self.window[self.filled..])?;
        }
        let there = (self.filled - self.pos).min(want);
        Ok(&self.window[self.pos..self.pos + there])
    }
}

impl fmt::Debug for LogReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogReader")
            .field("offset", &self.offset)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

/// Is everything from `offset` to the end zeros, as padding is?
///
/// # Errors
/// When the source cannot be read.
pub fn zeros_only(source: &mut dyn ReadAt, offset: u64) -> Result<bool, DiskError> {
    let mut block = vec![0; BLOCK_LEN];
    let mut at = offset;
    loop {
        match source.read_at(at, &mut block)? {
            0 => return Ok(true),
            n if block[..n].iter().any(|byte| *byte != 0) => return Ok(false),
            n => at += n as u64,
        }
    }
}

/// Looks for a well-formed record with a zxid above `after` that begins anywhere at or behind `offset`: proof that
/// what stands at `offset` was once followed by more. Returns where it begins and its zxid.
///
/// # Errors
/// When the source cannot be read.
pub fn record_behind(
    source: &mut dyn ReadAt,
    offset: u64,
    after: Zxid,
    limits: Limits,
) -> Result<Option<(u64, Zxid)>, DiskError> {
    let mut block = vec![0; BLOCK_LEN];
    let mut base = offset;
    loop {
        let n = read_fully(source, base, &mut block)?;
        if n <= RECORD_OVERHEAD {
            return Ok(None);
        }
        let starts = n - RECORD_START_LEN;
        for at in 0..starts {
            if !may_start_record(&block[at..at + RECORD_START_LEN], limits) {
                continue;
            }
            let found = base + at as u64;
            if let Some(zxid) = record_zxid_at(source, found, limits)?.filter(|zxid| *zxid > after) {
                return Ok(Some((found, zxid)));
            }
        }
        base += starts as u64;
    }
}

/// The zxid of the record that begins at `offset`, if a good one does.
fn record_zxid_at(source: &mut dyn ReadAt, offset: u64, limits: Limits) -> Result<Option<Zxid>, DiskError> {
    let mut start = [0; RECORD_START_LEN];
    read_fully(source, offset, &mut start)?;
    let len = i32::from_be_bytes(part(&start, 8)) as usize;
    let mut end_mark = [0];
    if source.read_at(offset + (RECORD_START_LEN + len) as u64, &mut end_mark)? == 0
        || end_mark[0] != RECORD_END
    {
        return Ok(None);
    }
    let mut record = vec![0; len + RECORD_OVERHEAD];
    let n = read_fully(source, offset, &mut record)?;
    let mut bytes = &record[..n];
    let mut reader = LogReader::at(&mut bytes, 0, limits);
    let Some(record) = reader.next_record()? else { return Ok(None) };
    Ok(record.zxid.filter(|_| record.txn(limits).is_ok()))
}

/// The checksum's upper half is zero, its lower half is not, and the length is possible.
fn may_start_record(start: &[u8], limits: Limits) -> bool {
    let length = i32::from_be_bytes(part(start, 8));
    start[..4] == [0; 4]
        && start[4..8] != [0; 4]
        && length >= TxnHeader::LEN as i32
        && length as usize <= limits.field_max
}
