//! The witness of a standalone server: what it writes down becomes history, what it says becomes a promise.

use crate::{Asked, Heard, History, MachineId, Witness, is_write};
use store::{DiskBatch, DiskOp, LOG_HEADER_LEN, Lane, LogReader, names};
use wire::{Limits, ReplyHeader, Request, SessionId, Txn, TxnRecord, Zxid};

/// Watches one server.
pub struct Judge {
    /// So far.
    pub history: History,
    /// Answers to writes, each of them checked against its transaction.
    pub acknowledged: u64,
}

impl Judge {
    /// Begins with a history.
    pub fn new(history: History) -> Judge {
        Judge { history, acknowledged: 0 }
    }

    /// The record of a transaction.
    fn record(&self, zxid: Zxid) -> Result<TxnRecord<'_>, String> {
        let payload =
            self.history.payload(zxid).ok_or_else(|| format!("no transaction {zxid} was logged"))?;
        let mut reader = wire::Reader::new(payload);
        TxnRecord::decode(&mut reader).map_err(|error| error.to_string())
    }

    /// An answer to a write names the transaction that is the write.
    fn check_answer(&self, session: SessionId, asked: &Asked, header: ReplyHeader) -> Result<(), String> {
        let record = self.record(Zxid(header.zxid))?;
        let is_its = record.header.client_id == session && record.header.cxid == asked.xid;
        if !is_its || !does(&record.txn, &asked.request, header.err) {
            return Err(format!("{header:?} answers {asked:?}, but the transaction is {record:?}"));
        }
        Ok(())
    }

    fn session_is_logged(&self, session: SessionId) -> Option<Zxid> {
        (1..=self.history.issued().0).rev().map(Zxid).find(|zxid| {
            self.record(*zxid).is_ok_and(|record| {
                record.header.client_id == session && matches!(record.txn, Txn::CreateSession { .. })
            })
        })
    }
}

/// The transactions that a batch brings to the log, as their bytes.
///
/// # Errors
/// When the log would hold anything else.
pub fn logged(batch: &DiskBatch) -> Result<Vec<Vec<u8>>, String> {
    let mut payloads = Vec::new();
    for op in batch.ops.iter().filter(|_| batch.lane == Lane::Log) {
        let DiskOp::WriteAt { file, offset, bytes } = op else { continue };
        if names::log_zxid(&file.name).is_none() {
            continue;
        }
        let mut source = bytes.as_slice();
        let start = if *offset == 0 { LOG_HEADER_LEN } else { 0 };
        let mut reader = LogReader::at(&mut source, start, Limits::default());
        while let Some(record) = reader.next_record().map_err(|error| error.to_string())? {
            payloads.push(record.payload.to_vec());
        }
    }
    Ok(payloads)
}

impl Witness for Judge {
    fn submitted(&mut self, _machine: MachineId, batch: &DiskBatch) -> Result<(), String> {
        for payload in logged(batch)? {
            self.history.issue(&payload);
        }
        Ok(())
    }

    fn heard(&mut self, client: usize, heard: &Heard) -> Result<(), String> {
        match heard {
            Heard::Session(session) => {
                let zxid = self
                    .session_is_logged(*session)
                    .ok_or_else(|| format!("client {client} has session {session}, which nobody logged"))?;
                self.history.promise(zxid);
            }
            Heard::Answer { session, asked, header } => {
                if is_write(&asked.request) {
                    self.check_answer(*session, asked, *header)?;
                    self.acknowledged += 1;
                }
                self.history.promise(Zxid(header.zxid));
            }
            Heard::Event | Heard::Expired => {}
        }
        Ok(())
    }
}

/// Is the transaction what the request asks for, as far as one can tell without knowing the tree?
fn does(txn: &Txn<'_>, request: &Request<'_>, err: i32) -> bool {
    match (txn, request) {
        (Txn::Error { code }, _) => *code == err,
        (Txn::Create { create, .. }, Request::Create { path, data, .. }) => {
            create.data == *data && starts_with(create.path.as_deref(), path.as_deref())
        }
        (Txn::CreateContainer { path: made, data: with, .. }, Request::Create { path, data, .. }) => {
            with == data && made == path
        }
        (Txn::Delete { path: gone }, Request::Delete { path, .. }) => gone == path,
        (Txn::SetData { path: of, data: new, .. }, Request::SetData { path, data, .. }) => {
            of == path && new == data
        }
        (Txn::SetAcl { path: of, .. }, Request::SetAcl { path, .. }) => of == path,
        (Txn::Multi { ops: done }, Request::Multi { ops }) => done.len() == ops.len(),
        (Txn::CloseSession { .. }, Request::CloseSession) => err == 0,
        _ => false,
    }
}

fn starts_with(path: Option<&str>, prefix: Option<&str>) -> bool {
    matches!((path, prefix), (Some(path), Some(prefix)) if path.starts_with(prefix))
}
