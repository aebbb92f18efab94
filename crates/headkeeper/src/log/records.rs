//! The records of a log one by one, and how they end; bad checksums do not end them.

use crate::offline::{Failure, LIMITS, Source};
use std::path::Path;
use store::{Fault, LOG_HEADER_LEN, LogEnd, LogReader, RECORD_OVERHEAD, zeros_only};
use wire::{Decode, Reader, TxnHeader, TxnRecord, Zxid};

/// One record.
pub struct Record<'r> {
    /// Where it begins, in bytes.
    pub offset: u64,
    /// Header, body and digest of the transaction.
    pub payload: &'r [u8],
    /// The checksums, when they differ: as stored, and of the payload.
    pub mismatch: Option<(i64, i64)>,
}

impl<'r> Record<'r> {
    /// The transaction, or why it is none.
    pub fn txn(&self) -> Result<TxnRecord<'r>, String> {
        TxnRecord::decode(&mut Reader::with_limits(self.payload, LIMITS)).map_err(|e| e.to_string())
    }

    /// From the header; `None` if the payload is too short for one.
    pub fn zxid(&self) -> Option<Zxid> {
        TxnHeader::decode(&mut Reader::new(self.payload)).ok().map(|header| header.zxid)
    }
}

/// How a log ends.
#[derive(Debug)]
pub enum End {
    /// With the file.
    File,
    /// With zeros to the end of the file.
    Padding,
    /// With a zero length, behind which there is something: an offset in bytes.
    Remains(u64),
    /// Inside a record, whose offset this is.
    Torn(u64, Fault),
    /// With something that is no record, at an offset.
    Damage(u64, Fault),
}

/// What there was.
#[derive(Debug)]
pub struct Summary {
    /// How many records.
    pub records: u64,
    /// Records whose checksum is wrong.
    pub mismatches: u64,
    /// How it ended.
    pub end: End,
}

/// Calls `each` for every record of a log.
pub fn walk(
    path: &Path,
    mut each: impl FnMut(&Record<'_>) -> Result<(), Failure>,
) -> Result<Summary, Failure> {
    let mut source = Source::open(path)?;
    let unusable = |e: store::StartFault| Failure::Unusable(format!("{} is not a log: {e}", path.display()));
    LogReader::open(&mut source, LIMITS).map_err(unusable)?;
    let mut offset = LOG_HEADER_LEN;
    let (mut records, mut mismatches) = (0, 0);
    loop {
        let mut reader = LogReader::at(&mut source, offset, LIMITS);
        while let Some(record) = reader.next_record()? {
            records += 1;
            each(&Record { offset: record.offset, payload: record.payload, mismatch: None })?;
        }
        let end = match reader.end().cloned() {
            Some(LogEnd::Fault { offset: at, fault: Fault::BadChecksum { stored, computed } }) => {
                let start = source.read_exact_at(at + 8, 4)?;
                let len = u32::from_be_bytes([start[0], start[1], start[2], start[3]]) as usize;
                let payload = source.read_exact_at(at + 12, len)?;
                records += 1;
                mismatches += 1;
                each(&Record { offset: at, payload: &payload, mismatch: Some((stored, computed)) })?;
                offset = at + (len + RECORD_OVERHEAD) as u64;
                continue;
            }
            Some(LogEnd::Fault { offset, fault: fault @ Fault::CutShort }) => End::Torn(offset, fault),
            Some(LogEnd::Fault { offset, fault }) => End::Damage(offset, fault),
            Some(LogEnd::Clean { offset }) => clean_end(&mut source, offset)?,
            None => End::File,
        };
        return Ok(Summary { records, mismatches, end });
    }
}

fn clean_end(source: &mut Source, offset: u64) -> Result<End, Failure> {
    use store::ReadAt;
    if source.read_at(offset, &mut [0])? == 0 {
        return Ok(End::File);
    }
    Ok(if zeros_only(source, offset)? { End::Padding } else { End::Remains(offset) })
}
