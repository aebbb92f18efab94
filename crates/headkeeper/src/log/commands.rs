//! dump, verify, recover and chop.

use super::records::{End, Record, Summary, walk};
use super::text;
use crate::offline::{Failure, file_name};
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufWriter, Write};
use std::path::{Path, PathBuf};
use store::{Fault, encode_record, log_header};
use wire::Zxid;

/// What Apache's recovery pads its copies to, as a live log.
const PREALLOCATED_BYTES: u64 = 64 << 20;

/// Prints the transactions as TxnLogToolkit does.
pub fn dump(out: &mut impl Write, path: &Path, json: bool) -> Result<(), Failure> {
    if !json {
        writeln!(out, "ZooKeeper Transactional Log File with dbid 0 txnlog format version 2")?;
    }
    let summary = walk(path, |record| {
        if json {
            return Ok(writeln!(out, "{}", record_json(record))?);
        }
        let line = shown(record);
        if record.mismatch.is_some() {
            writeln!(out, "CRC ERROR - {line}")?;
        }
        Ok(writeln!(out, "{line}")?)
    })?;
    if json {
        writeln!(
            out,
            "{}",
            json!({ "records": summary.records, "crc_errors": summary.mismatches, "end": end_json(&summary) })
        )?;
    } else {
        match &summary.end {
            End::Damage(_, Fault::BadEndMark(_)) => writeln!(out, "Last transaction was partial.")?,
            _ => writeln!(out, "EOF reached after {} txns.", summary.records)?,
        }
    }
    match complaint(&summary) {
        Some(complaint) => Err(Failure::Damaged(format!("{}: {complaint}", path.display()))),
        None => Ok(()),
    }
}

fn shown(record: &Record<'_>) -> String {
    match record.txn() {
        Ok(txn) => text::line(&txn),
        Err(e) => format!("no transaction ({e}), {} bytes at offset {}", record.payload.len(), record.offset),
    }
}

fn record_json(record: &Record<'_>) -> Value {
    let mut value = match record.txn() {
        Ok(txn) => text::json(&txn),
        Err(e) => json!({ "error": e }),
    };
    value["offset"] = json!(record.offset);
    value["crc_ok"] = json!(record.mismatch.is_none());
    value
}

/// Says of each file whether it is in order. A tail that was torn while it was being written is in order: recovery drops it.
pub fn verify(out: &mut impl Write, paths: &[PathBuf], json: bool) -> Result<(), Failure> {
    let mut damaged = 0;
    for path in paths {
        let mut check = Check::default();
        let summary = walk(path, |record| {
            check.record(record);
            Ok(())
        })?;
        let mut problems = check.problems;
        problems.extend(complaint(&summary));
        damaged += usize::from(!problems.is_empty());
        if json {
            writeln!(
                out,
                "{}",
                json!({
                    "file": path.display().to_string(),
                    "records": summary.records,
                    "first_zxid": check.first.map(|z| z.to_string()),
                    "last_zxid": check.last.map(|z| z.to_string()),
                    "end": end_json(&summary),
                    "ok": problems.is_empty(),
                    "problems": problems,
                })
            )?;
            continue;
        }
        let range = match (check.first, check.last) {
            (Some(first), Some(last)) => format!(", zxid {first} to {last}"),
            _ => String::new(),
        };
        let verdict = if problems.is_empty() { "in order" } else { "DAMAGED" };
        writeln!(
            out,
            "{}: {verdict}, {} records{range}, {}",
            path.display(),
            summary.records,
            end_text(&summary)
        )?;
        for problem in problems {
            writeln!(out, "  {problem}")?;
        }
    }
    match damaged {
        0 => Ok(()),
        n => Err(Failure::Damaged(format!("{n} of {} files are damaged", paths.len()))),
    }
}

/// What is wrong with records one by one, and with their order.
#[derive(Default)]
struct Check {
    first: Option<Zxid>,
    last: Option<Zxid>,
    problems: Vec<String>,
}

impl Check {
    fn record(&mut self, record: &Record<'_>) {
        if let Some((stored, computed)) = record.mismatch {
            let zxid = record.zxid().map_or_else(|| "?".to_owned(), |zxid| zxid.to_string());
            self.problems.push(format!(
                "record at byte {} (zxid {zxid}): checksum {stored:#x} is stored, {computed:#x} is computed",
                record.offset
            ));
        } else if let Err(e) = record.txn() {
            self.problems.push(format!("record at byte {}: not a transaction: {e}", record.offset));
        }
        let Some(zxid) = record.zxid() else { return };
        if let Some(last) = self.last.filter(|last| *last >= zxid) {
            self.problems.push(format!("record at byte {}: zxid {zxid} after {last}", record.offset));
        }
        self.first.get_or_insert(zxid);
        self.last = Some(zxid);
    }
}

/// What is wrong with the end.
fn complaint(summary: &Summary) -> Option<String> {
    match &summary.end {
        End::File | End::Padding | End::Torn(..) => None,
        End::Remains(offset) => {
            Some(format!("at byte {offset} the records end, but what follows is not only zeros"))
        }
        End::Damage(offset, fault) => Some(format!("at byte {offset}: {fault}")),
    }
}

fn end_text(summary: &Summary) -> String {
    match &summary.end {
        End::File => "no padding".into(),
        End::Padding => "zeros behind".into(),
        End::Torn(offset, _) => format!("torn inside the record at byte {offset}"),
        End::Remains(offset) | End::Damage(offset, _) => format!("readable up to byte {offset}"),
    }
}

fn end_json(summary: &Summary) -> Value {
    match &summary.end {
        End::File => json!({ "kind": "file" }),
        End::Padding => json!({ "kind": "padding" }),
        End::Torn(offset, fault) => json!({ "kind": "torn", "offset": offset, "reason": fault.to_string() }),
        End::Remains(offset) => json!({ "kind": "remains", "offset": offset }),
        End::Damage(offset, fault) => {
            json!({ "kind": "damage", "offset": offset, "reason": fault.to_string() })
        }
    }
}

/// Copies all records with right checksums, asking about each wrong one unless told not to.
pub fn recover(out: &mut impl Write, path: &Path, yes: bool, verbose: bool) -> Result<(), Failure> {
    let target = with_suffix(path, ".fixed");
    let mut copy = Copy::create(&target)?;
    let mut fixed = 0;
    let result = walk(path, |record| {
        if verbose {
            writeln!(out, "{}", shown(record))?;
        }
        if record.mismatch.is_some() {
            writeln!(out, "CRC ERROR - {}", shown(record))?;
            let fix = yes || answer(out)?;
            if !fix {
                return Ok(());
            }
            fixed += 1;
            writeln!(out, "CRC FIXED - {}", shown(record))?;
        }
        copy.put(record.payload)
    });
    let summary = match result {
        Ok(summary) => summary,
        Err(failure) => {
            // A half copy would only mislead; that it cannot be removed changes nothing about the failure.
            let _ = std::fs::remove_file(&target);
            return Err(failure);
        }
    };
    copy.finish(PREALLOCATED_BYTES)?;
    writeln!(out, "Recovery file {} has been written with {fixed} fixed CRC error(s)", target.display())?;
    match complaint(&summary) {
        Some(complaint) => Err(Failure::Damaged(format!("the rest could not be read: {complaint}"))),
        None => Ok(()),
    }
}

/// Yes: fix it. No: leave the record out of the copy. Abort: no copy.
fn answer(out: &mut impl Write) -> Result<bool, Failure> {
    loop {
        write!(out, "Would you like to fix it (Yes/No/Abort) ? ")?;
        out.flush()?;
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line);
        if !read.is_ok_and(|n| n > 0) {
            return Err(Failure::Unusable("no answer: give -y to fix without asking".into()));
        }
        match line.trim().chars().next().map(|c| c.to_ascii_lowercase()) {
            Some('y') => return Ok(true),
            Some('n') => return Ok(false),
            Some('a') => return Err(Failure::Unusable("aborted, nothing was written".into())),
            _ => {}
        }
    }
}

/// Copies the records up to `zxid`.
pub fn chop(out: &mut impl Write, path: &Path, zxid: Zxid, output: Option<&Path>) -> Result<(), Failure> {
    let target = output.map_or_else(|| with_suffix(path, &format!(".chopped{}", zxid.0)), Path::to_path_buf);
    let mut found = false;
    let mut last: Option<Zxid> = None;
    walk(path, |record| {
        if record.zxid() == Some(zxid) {
            found = true;
        }
        if !found && let Some((_, computed)) = record.mismatch {
            let message =
                format!("the record at byte {} is damaged (computed checksum {computed:#x})", record.offset);
            return Err(Failure::Damaged(message));
        }
        Ok(())
    })?;
    if !found {
        return Err(Failure::Unusable(format!("This log does not contain zxid {:x}", zxid.0)));
    }
    let mut copy = Copy::create(&target)?;
    let mut records = 0;
    walk(path, |record| {
        let Some(this) = record.zxid().filter(|this| *this <= zxid) else { return Ok(()) };
        report_gap(out, last, this)?;
        last = Some(this);
        records += 1;
        copy.put(record.payload)
    })?;
    copy.finish(0)?;
    writeln!(out, "Chopping at {:x} new log has {records} records", zxid.0)?;
    Ok(())
}

fn report_gap(out: &mut impl Write, last: Option<Zxid>, this: Zxid) -> Result<(), Failure> {
    let Some(last) = last else { return Ok(()) };
    if this.epoch() == last.epoch() && this.counter() != last.counter().wrapping_add(1) {
        writeln!(out, "There is intra-epoch gap between {:x} and {:x}", last.0, this.0)?;
    } else if this.epoch() != last.epoch() && this.counter() != 1 {
        writeln!(out, "There is inter-epoch gap between {:x} and {:x}", last.0, this.0)?;
    }
    Ok(())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    path.with_file_name(file_name(path) + suffix)
}

/// A new log.
struct Copy {
    path: PathBuf,
    file: BufWriter<File>,
    record: Vec<u8>,
    bytes: u64,
}

impl Copy {
    fn create(path: &Path) -> Result<Copy, Failure> {
        let file = OpenOptions::new().write(true).create_new(true).open(path).map_err(|e| {
            Failure::Unusable(format!(
                "Recovery file {} already exists or not writable ({e})",
                path.display()
            ))
        })?;
        let mut copy = Copy { path: path.into(), file: BufWriter::new(file), record: Vec::new(), bytes: 0 };
        copy.write(&log_header())?;
        Ok(copy)
    }

    fn put(&mut self, payload: &[u8]) -> Result<(), Failure> {
        let mut record = std::mem::take(&mut self.record);
        record.clear();
        encode_record(&mut record, payload);
        let result = self.write(&record);
        self.record = record;
        result
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.bytes += bytes.len() as u64;
        let path = &self.path;
        self.file
            .write_all(bytes)
            .map_err(|e| Failure::Unusable(format!("cannot write {}: {e}", path.display())))
    }

    /// Fills up with zeros to at least `bytes_min`, and syncs.
    fn finish(self, bytes_min: u64) -> Result<(), Failure> {
        let Copy { path, file, bytes, .. } = self;
        let finish = || {
            let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.set_len(bytes.max(bytes_min))?;
            file.sync_all()
        };
        finish().map_err(|e: io::Error| Failure::Unusable(format!("cannot write {}: {e}", path.display())))
    }
}
