//! What a server holds for good: read from the durable layer of its disk, in Apache's formats, by code of its own.

use super::z5_no_holes;
use super::{History, Violation};
use crate::SimDisk;
use std::collections::BTreeMap;
use std::rc::Rc;
use store::{Dir, FileName, names};
use wire::Zxid;

/// A log begins with so many bytes that are no records.
const LOG_HEADER_LEN: usize = 16;
/// Checksum and length before a record's bytes, and the mark behind them.
const RECORD_HEAD_LEN: usize = 12;
/// Where the zxid stands in a transaction: behind session and xid.
const ZXID_AT: usize = 12;

/// What no power cut can take from a server.
#[derive(Default)]
pub(super) struct Durable {
    /// The transactions in its logs, as far as they lead to its last one.
    pub(super) log: History,
    /// Its newest snapshot; everything up to there is in it.
    pub(super) snapshot: Option<Zxid>,
    pub(super) accepted_epoch: Option<u32>,
    pub(super) current_epoch: Option<u32>,
    /// How far each log has been read.
    read: BTreeMap<String, (usize, Zxid)>,
    seen_ops: Option<u64>,
}

impl Durable {
    /// Everything has to be read anew.
    pub(super) fn forget(&mut self) {
        *self = Durable::default();
    }

    /// Reads what has become durable since the last time.
    pub(super) fn refresh(&mut self, server: usize, disk: &SimDisk) -> Result<(), Violation> {
        if self.seen_ops == Some(disk.ops_done()) {
            return Ok(());
        }
        self.seen_ops = Some(disk.ops_done());
        self.snapshot = None;
        for name in disk.durable_names(Dir::Log).filter(|name| names::log_zxid(name).is_some()) {
            let bytes = disk.durable_bytes(&FileName::new(Dir::Log, name)).expect("it was just there");
            let (mut at, mut last) = self.read.get(name).copied().unwrap_or((LOG_HEADER_LEN, Zxid(0)));
            while let Some((zxid, payload, end)) = record(bytes, at) {
                if at > LOG_HEADER_LEN {
                    z5_no_holes::in_a_log(server, name, last, zxid)?;
                }
                self.log.insert(zxid, payload.into());
                (at, last) = (end, zxid);
            }
            self.read.insert(name.to_owned(), (at, last));
        }
        for snapshot in disk.durable_names(Dir::Snap).filter_map(names::snapshot_zxid) {
            self.snapshot = self.snapshot.max(Some(snapshot));
            // It came from somebody else, and has replaced what the logs had before.
            if !self.log.contains_key(&snapshot) {
                self.log = self.log.split_off(&snapshot);
            }
        }
        self.accepted_epoch = epoch(disk, "acceptedEpoch");
        self.current_epoch = epoch(disk, "currentEpoch");
        Ok(())
    }

    /// Does it hold this transaction, in a log or in a snapshot?
    pub(super) fn holds(&self, zxid: Zxid, payload: &Rc<[u8]>) -> bool {
        self.log.get(&zxid) == Some(payload) || self.snapshot.is_some_and(|snapshot| snapshot >= zxid)
    }

    /// The last transaction it holds.
    pub(super) fn last(&self) -> Zxid {
        let log = self.log.keys().next_back().copied().unwrap_or(Zxid(0));
        log.max(self.snapshot.unwrap_or(Zxid(0)))
    }
}

/// The record at an offset: its zxid, its bytes, and where the next one begins.
fn record(bytes: &[u8], at: usize) -> Option<(Zxid, &[u8], usize)> {
    let head = bytes.get(at..at + RECORD_HEAD_LEN)?;
    let length = i32::from_be_bytes(*head.last_chunk::<4>()?);
    let length = usize::try_from(length).ok().filter(|length| *length > 0)?;
    let start = at + RECORD_HEAD_LEN;
    let payload = bytes.get(start..start + length)?;
    if bytes.get(start + length) != Some(&b'B') {
        return None;
    }
    let zxid = payload.get(ZXID_AT..ZXID_AT + 8)?;
    Some((Zxid(i64::from_be_bytes(*zxid.first_chunk::<8>()?)), payload, start + length + 1))
}

fn epoch(disk: &SimDisk, name: &str) -> Option<u32> {
    let bytes = disk.durable_bytes(&FileName::new(Dir::Snap, name))?;
    std::str::from_utf8(bytes).ok()?.lines().next()?.parse().ok()
}
