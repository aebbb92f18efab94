//! How a log may end: a torn write is ignored, damage is refused (reference: storage-formats §2.3; simulation §5.4).
//!
//! What a crash can leave at the end of a log is limited: the bytes of batches that were not synced yet, where every
//! 512-byte sector is as written, or zero, or (the last one that was written) begins as written and ends in zeros.
//! Everything else is damage. The log's index says up to where batches were synced.

use super::logs::{LogFile, crc_of};
use super::{LogDamageKind, NotTorn};
use crate::read_at::read_fully;
use crate::{
    Disk, DiskError, DiskFile, Fault, LOG_HEADER_LEN, LOG_MAGIC, LogEnd, LogIndex, RECORD_OVERHEAD, ReadAt,
    log_header, record_behind, zeros_only,
};
use simd_adler32::Adler32;
use wire::{Limits, Zxid};

/// What disks write whole, in bytes, or in multiples of it.
const SECTOR_LEN: u64 = 512;
const RECORD_START_LEN: u64 = 12;

/// What the end of a log means.
#[derive(Debug)]
pub(super) enum TailVerdict {
    /// As it should be.
    Clean,
    /// An unfinished write that every server takes for the end.
    Torn {
        /// Why.
        what: String,
    },
    /// An unfinished write that Apache would stumble over, or that would look like damage once it is indexed.
    TornAndConfusing {
        /// Why.
        what: String,
    },
    /// Another server has truncated the log, and gone on from there.
    TruncatedElsewhere,
    /// Nobody may start from it.
    Damage(LogDamageKind),
}

/// Did the log never get as far as its header? Then it holds nothing that was ever acknowledged.
pub(super) fn check_start(disk: &mut dyn Disk, log: &LogFile) -> Result<bool, DiskError> {
    if log.index.as_ref().is_some_and(|index| !index.lines.is_empty()) {
        return Ok(false);
    }
    let mut source = DiskFile::new(disk, log.file.clone());
    let mut header = [0; LOG_HEADER_LEN as usize];
    if read_fully(&mut source, 0, &mut header)? < header.len() {
        return Ok(true);
    }
    if header[..4] == LOG_MAGIC.to_be_bytes() {
        return Ok(false);
    }
    // The first sector did not reach the disk, or not all of it: if it is ours, others of the first batch may have.
    let mut sector = [0; SECTOR_LEN as usize];
    read_fully(&mut source, 0, &mut sector)?;
    let written = sector.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    let is_torn = log_header().starts_with(&sector[..written]);
    Ok(is_torn && (log.index.is_some() || zeros_only(&mut source, SECTOR_LEN)?))
}

/// What the end of `log` means, whose last good transaction is `last`.
pub(super) fn judge_tail(
    disk: &mut dyn Disk,
    log: &LogFile,
    end: &LogEnd,
    last: Zxid,
    limits: Limits,
) -> Result<TailVerdict, DiskError> {
    let offset = end.offset();
    if let Some(index) = &log.index
        && let Some(verdict) = judge_by_index(disk, log, index, end)?
    {
        return Ok(verdict);
    }
    let mut source = DiskFile::new(disk, log.file.clone());
    let fault = match end {
        LogEnd::Clean { .. } if zeros_only(&mut source, offset)? => return Ok(TailVerdict::Clean),
        LogEnd::Clean { .. } => None,
        LogEnd::Fault { fault, .. } => Some(fault),
    };
    if let Some(because) = whole_record_at(&mut source, offset, log.len, limits)? {
        return Ok(refused(fault, because));
    }
    let behind = record_behind(&mut source, offset, last, limits)?;
    match log.index {
        Some(_) => judge_ours(&mut source, offset, fault, behind, limits),
        None => Ok(judge_by_apaches_rules(fault, behind)),
    }
}

/// The index speaks of everything before its end: those bytes must be there, and the same.
fn judge_by_index(
    disk: &mut dyn Disk,
    log: &LogFile,
    index: &LogIndex,
    end: &LogEnd,
) -> Result<Option<TailVerdict>, DiskError> {
    let offset = end.offset();
    if let Some(synced) = index.last_zxid().filter(|_| offset < index.end()) {
        let because = NotTorn::Synced(synced);
        return Ok(Some(match end {
            LogEnd::Clean { .. } if log.len == offset && log.may_be_truncated => {
                TailVerdict::TruncatedElsewhere
            }
            LogEnd::Clean { .. } => TailVerdict::Damage(LogDamageKind::EndsEarly { because }),
            LogEnd::Fault { fault, .. } => refused(Some(fault), because),
        }));
    }
    let mut from = 0;
    for line in &index.lines {
        if crc_of(disk, &log.file, from, line.end)? != line.crc {
            return Ok(Some(TailVerdict::Damage(LogDamageKind::Changed { from, last: line.last })));
        }
        from = line.end;
    }
    Ok(None)
}

/// Behind what the index knows there is at most what a crash left of the last batches.
fn judge_ours(
    source: &mut dyn ReadAt,
    offset: u64,
    fault: Option<&Fault>,
    behind: Option<(u64, Zxid)>,
    limits: Limits,
) -> Result<TailVerdict, DiskError> {
    let bound = behind.map_or(u64::MAX, |(at, _)| at);
    let end = claimed_end(source, offset, limits)?.min(bound);
    let is_cut_short = fault == Some(&Fault::CutShort);
    if !is_cut_short && !has_missing_sector(source, offset, end)? {
        let because =
            behind.map_or(NotTorn::NothingMissing, |(offset, zxid)| NotTorn::RecordBehind { offset, zxid });
        return Ok(refused(fault, because));
    }
    let what = fault.map_or("its beginning is missing".to_owned(), Fault::to_string);
    Ok(match fault {
        Some(Fault::CutShort | Fault::BadEndMark(_)) if behind.is_none() => TailVerdict::Torn { what },
        _ => TailVerdict::TornAndConfusing { what },
    })
}

/// For logs without an index: what Apache takes for the end, unless something behind it proves that it was not. It gets
/// an index now, so what our own rules would call damage at the next start is cut off.
fn judge_by_apaches_rules(fault: Option<&Fault>, behind: Option<(u64, Zxid)>) -> TailVerdict {
    match (fault, behind) {
        (fault, Some((offset, zxid))) => refused(fault, NotTorn::RecordBehind { offset, zxid }),
        (None, None) => {
            TailVerdict::TornAndConfusing { what: "there is something in the padding".to_owned() }
        }
        (Some(fault @ Fault::CutShort), None) => TailVerdict::Torn { what: fault.to_string() },
        (Some(fault @ Fault::BadEndMark(_)), None) => {
            TailVerdict::TornAndConfusing { what: fault.to_string() }
        }
        (Some(fault), None) => refused(Some(fault), NotTorn::ApacheRules),
    }
}

fn refused(fault: Option<&Fault>, because: NotTorn) -> TailVerdict {
    TailVerdict::Damage(match fault {
        Some(fault) => LogDamageKind::Record { fault: fault.clone(), because },
        None => LogDamageKind::EndsEarly { because },
    })
}

/// Is there a whole record at `offset` in which only length or end mark are wrong? A torn write loses bytes, it
/// does not change them.
fn whole_record_at(
    source: &mut dyn ReadAt,
    offset: u64,
    file_len: u64,
    limits: Limits,
) -> Result<Option<NotTorn>, DiskError> {
    let longest = RECORD_START_LEN as usize + 1 + limits.field_max;
    let mut bytes = vec![0; longest.min(file_len.saturating_sub(offset) as usize)];
    let n = read_fully(source, offset, &mut bytes)?;
    let Some((start, rest)) = bytes[..n].split_first_chunk::<12>() else { return Ok(None) };
    let (checksum, length) = (&start[..8], &start[8..]);
    let Some(stored) = checksum.strip_prefix(&[0; 4]).and_then(|low| low.first_chunk::<4>()) else {
        return Ok(None);
    };
    let stored = u32::from_be_bytes(*stored);
    let mut adler = Adler32::new();
    for (at, byte) in rest.iter().enumerate() {
        if at > 0 && *byte != 0 && adler.finish() == stored {
            let says = i32::from_be_bytes([length[0], length[1], length[2], length[3]]);
            if *byte == b'B' && says != at as i32 {
                return Ok(Some(NotTorn::OnlyLengthWrong { length: at }));
            }
            if *byte != b'B' && says == at as i32 {
                return Ok(Some(NotTorn::OnlyEndMarkWrong));
            }
        }
        adler.write(&[*byte]);
    }
    Ok(None)
}

/// Where the record at `offset` says that it ends, if its length can be believed at all.
fn claimed_end(source: &mut dyn ReadAt, offset: u64, limits: Limits) -> Result<u64, DiskError> {
    let mut start = [0; RECORD_START_LEN as usize];
    read_fully(source, offset, &mut start)?;
    let length = i32::from_be_bytes([start[8], start[9], start[10], start[11]]);
    Ok(match usize::try_from(length) {
        Ok(length) if length <= limits.field_max => offset + (length + RECORD_OVERHEAD) as u64,
        _ => offset + RECORD_START_LEN,
    })
}

/// Does one of the sectors that hold `from..end` end in zeros that begin before `end`?
fn has_missing_sector(source: &mut dyn ReadAt, from: u64, end: u64) -> Result<bool, DiskError> {
    let mut sector_start = from / SECTOR_LEN * SECTOR_LEN;
    while sector_start < end {
        let mut sector = [0; SECTOR_LEN as usize];
        read_fully(source, sector_start, &mut sector)?;
        let written = sector.iter().rposition(|byte| *byte != 0).map_or(0, |at| at as u64 + 1);
        let zeros_from = sector_start + written;
        if written < SECTOR_LEN && zeros_from < end {
            return Ok(true);
        }
        sector_start += SECTOR_LEN;
    }
    Ok(false)
}
