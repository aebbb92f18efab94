//! What the server writes down becomes history, what it says becomes a promise.

use crate::History;
use crate::checks::Violation;
use std::collections::BTreeSet;
use store::{DiskBatch, DiskOp, LOG_HEADER_LEN, Lane, LogReader, names};
use wire::{
    ConnectResponse, Decode, Limits, NOTIFICATION_XID, Reader, ReplyHeader, SessionId, Txn, TxnRecord, Zxid,
};

/// Watches what leaves the server.
pub(super) struct Promises {
    /// So far.
    pub(super) history: History,
    /// Connections whose handshake is answered.
    greeted: BTreeSet<u64>,
}

impl Promises {
    pub(super) fn new(history: History) -> Promises {
        Promises { history, greeted: BTreeSet::new() }
    }

    /// The same, going its own way from here.
    pub(super) fn fork(&self) -> Promises {
        Promises { history: self.history.fork(), greeted: self.greeted.clone() }
    }

    /// Whole frames leave on a connection: they may arrive, whatever happens next.
    pub(super) fn said(&mut self, serial: u64, mut bytes: &[u8]) -> Result<(), Violation> {
        while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
            let (frame, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
            bytes = rest;
            let promised = match self.greeted.insert(serial) {
                true => self.greeting(frame)?,
                false => answer(frame)?,
            };
            if promised > self.history.issued() {
                return Err(objection(format!("{promised} is promised, and was never written")));
            }
            self.history.promise(promised);
        }
        Ok(())
    }

    fn greeting(&self, frame: &[u8]) -> Result<Zxid, Violation> {
        let response = ConnectResponse::decode(&mut Reader::new(frame)).map_err(objection)?;
        match SessionId(response.session_id) {
            SessionId(0) => Ok(Zxid::ZERO),
            session => self.began(session).ok_or_else(|| objection(format!("nobody logged {session}"))),
        }
    }

    /// The transaction that a session began with.
    fn began(&self, session: SessionId) -> Option<Zxid> {
        (1..=self.history.issued().0).rev().map(Zxid).find(|zxid| {
            let payload = self.history.payload(*zxid).expect("it was issued");
            TxnRecord::decode(&mut Reader::new(payload)).is_ok_and(|record| {
                record.header.client_id == session && matches!(record.txn, Txn::CreateSession { .. })
            })
        })
    }
}

/// An event promises nothing: what it tells of may be told before it is durable everywhere.
fn answer(frame: &[u8]) -> Result<Zxid, Violation> {
    let header = ReplyHeader::decode(&mut Reader::new(frame)).map_err(objection)?;
    Ok(if header.xid == NOTIFICATION_XID { Zxid::ZERO } else { Zxid(header.zxid) })
}

/// The transactions that a batch brings to the log, as their bytes.
pub(super) fn logged(batch: &DiskBatch) -> Result<Vec<Vec<u8>>, Violation> {
    let mut payloads = Vec::new();
    for op in batch.ops.iter().filter(|_| batch.lane == Lane::Log) {
        let DiskOp::WriteAt { file, offset, bytes } = op else { continue };
        if names::log_zxid(&file.name).is_none() {
            continue;
        }
        let mut source = bytes.as_slice();
        let start = if *offset == 0 { LOG_HEADER_LEN } else { 0 };
        let mut reader = LogReader::at(&mut source, start, Limits::default());
        while let Some(record) = reader.next_record().map_err(objection)? {
            payloads.push(record.payload.to_vec());
        }
    }
    Ok(payloads)
}

fn objection(facts: impl ToString) -> Violation {
    Violation::new(
        "log before word",
        "docs/durability.md: nothing is said before it is durable",
        facts.to_string(),
    )
}
