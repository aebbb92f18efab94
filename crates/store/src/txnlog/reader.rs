//! Reading a log record by record, and saying exactly how it ends (reference: storage-formats §2.3).

use super::{LOG_HEADER_LEN, LOG_MAGIC, RECORD_END, RECORD_OVERHEAD, RECORD_START_LEN, record_checksum};
use crate::DiskError;
use crate::read_at::{ReadAt, read_fully};
use std::fmt;
use wire::{Decode, DecodeError, Limits, Reader, TxnHeader, TxnRecord, Zxid};

/// Read at a time, in bytes; a longer record makes the window grow to hold it.
const BLOCK_LEN: usize = 256 << 10;

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

    /// A reader of the record that begins at `offset`, for those who know that one does: behind [`LOG_HEADER_LEN`], or
    /// behind a record whose checksum is wrong but whose length is not.
    pub fn at(source: &'s mut dyn ReadAt, offset: u64, limits: Limits) -> LogReader<'s> {
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
            n if !all_zero(&block[..n]) => return Ok(false),
            n => at += n as u64,
        }
    }
}

/// Padding comes by the 64 MiB: without a branch for each byte the compiler takes many at a time.
fn all_zero(bytes: &[u8]) -> bool {
    bytes.chunks(1024).all(|chunk| chunk.iter().fold(0, |sum, byte| sum | byte) == 0)
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

#[cfg(test)]
mod tests {
    use super::super::{encode_record, log_header};
    use super::*;
    use wire::{Encode, SessionId, Txn};

    fn payload(zxid: i64, timeout_ms: i32) -> Vec<u8> {
        let txn = Txn::CreateSession { timeout_ms };
        let header = TxnHeader {
            client_id: SessionId(1),
            cxid: 0,
            zxid: Zxid(zxid),
            time_ms: 5,
            txn_type: txn.txn_type(),
        };
        TxnRecord { header, txn, digest: None }.to_bytes()
    }

    fn log_of(zxids: std::ops::RangeInclusive<i64>) -> Vec<u8> {
        let mut bytes = log_header().to_vec();
        for zxid in zxids {
            encode_record(&mut bytes, &payload(zxid, 4000));
        }
        bytes
    }

    fn read(bytes: &[u8]) -> (Vec<i64>, LogEnd) {
        let mut source = bytes;
        let mut reader = LogReader::open(&mut source, Limits::default()).expect("a header");
        let mut zxids = Vec::new();
        while let Some(record) = reader.next_record().expect("a slice") {
            zxids.push(record.zxid.expect("a header").0);
        }
        (zxids, reader.end().cloned().expect("the end"))
    }

    /// Record 1 of the reference's hex dump (reference: storage-formats §10).
    #[test]
    fn a_real_record_has_the_expected_bytes() {
        let hex = "0100001fd72b0000 00000000 0000000000000001 000001a2058dcc00 fffffff6 0036ee80 00000002 0000000051c6d660";
        let digits: String = hex.split_whitespace().collect();
        let payload: Vec<u8> = (0..digits.len())
            .step_by(2)
            .map(|i| u8::from_str_radix(&digits[i..i + 2], 16).expect("hex"))
            .collect();
        let mut record = Vec::new();
        encode_record(&mut record, &payload);
        assert_eq!(record[..12], [0, 0, 0, 0, 0xc6, 0x33, 0x0b, 0x0b, 0, 0, 0, 0x30]);
        assert_eq!(record.len(), 0x4d - 0x10);
        assert_eq!(record.last(), Some(&0x42));
        assert_eq!(log_header(), *b"ZKLG\0\0\0\x02\0\0\0\0\0\0\0\0");
    }

    #[test]
    fn records_end_with_the_file_or_with_padding() {
        let mut bytes = log_of(1..=3);
        let end = bytes.len() as u64;
        assert_eq!(read(&bytes), (vec![1, 2, 3], LogEnd::Clean { offset: end }));
        for padding in [1, 11, 12, 13, 3_000_000] {
            bytes.resize(end as usize + padding, 0);
            assert_eq!(read(&bytes), (vec![1, 2, 3], LogEnd::Clean { offset: end }), "{padding}");
            assert_eq!(zeros_only(&mut &bytes[..], end), Ok(true));
        }
        *bytes.last_mut().expect("padding") = 1;
        assert_eq!(zeros_only(&mut &bytes[..], end), Ok(false));
    }

    #[test]
    fn every_cut_gives_a_prefix() {
        let bytes = log_of(1..=3);
        let record = payload(1, 4000).len() + RECORD_OVERHEAD;
        for len in LOG_HEADER_LEN as usize..bytes.len() {
            let (zxids, end) = read(&bytes[..len]);
            let whole = (len - LOG_HEADER_LEN as usize) / record;
            assert_eq!(zxids, (1..=whole as i64).collect::<Vec<_>>());
            assert_eq!(end.offset(), LOG_HEADER_LEN + (whole * record) as u64);
        }
        for len in 0..LOG_HEADER_LEN as usize {
            let fault = LogReader::open(&mut &bytes[..len], Limits::default()).expect_err("no header");
            assert_eq!(fault, if len == 0 { StartFault::Empty } else { StartFault::Short(len as u64) });
        }
    }

    #[test]
    fn every_flipped_bit_ends_the_records_where_it_is() {
        let bytes = log_of(1..=3);
        let record = payload(1, 4000).len() + RECORD_OVERHEAD;
        for bit in LOG_HEADER_LEN as usize * 8..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let hit = (bit / 8 - LOG_HEADER_LEN as usize) / record;
            let (zxids, end) = read(&damaged);
            assert_eq!(zxids, (1..=hit as i64).collect::<Vec<_>>(), "bit {bit}");
            let offset = LOG_HEADER_LEN + (hit * record) as u64;
            assert_eq!(end.offset(), offset);
            let behind = record_behind(&mut &damaged[..], offset, Zxid(hit as i64 + 1), Limits::default());
            let expected = (hit < 2).then_some((offset + record as u64, Zxid(hit as i64 + 2)));
            assert_eq!(behind, Ok(expected), "bit {bit}");
        }
    }

    #[test]
    fn a_record_longer_than_a_block_is_read_whole() {
        let mut bytes = log_header().to_vec();
        let mut long = payload(1, 4000);
        long.resize(BLOCK_LEN + 777, 9);
        encode_record(&mut bytes, &long);
        encode_record(&mut bytes, &payload(2, 4000));
        assert_eq!(read(&bytes).0, [1, 2]);
        let mut source = &bytes[..];
        let mut reader = LogReader::open(&mut source, Limits { field_max: 100 }).expect("a header");
        assert_eq!(reader.next_record(), Ok(None));
        let fault = Fault::BadLength(long.len() as i32);
        assert_eq!(reader.end(), Some(&LogEnd::Fault { offset: LOG_HEADER_LEN, fault }));
    }
}
