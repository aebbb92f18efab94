//! The way of a transaction: prepared, appended, made durable with its whole batch, applied. A member of an ensemble hands
//! its transactions to the others first; see [`crate::member`].
//!
//! One batch fills while at most one is with the disk: batches grow by themselves with the load. What is applied later
//! is read from the very bytes that were logged, as on replay.

use crate::admission::Rng;
use crate::config::BatchConfig;
use crate::io::{ConnId, Outputs};
use crate::log_lane::LogLane;
use crate::views::Metrics;
use std::collections::VecDeque;
use store::{DiskBatch, DiskError, Durable, Lane, LogBatch, LogWriter, Pending, Ticket};
use tree::Projection;
use wire::{Encode, TxnRecord, Writer, Zxid};
use zab::Txn;

/// Outstanding transactions and their batches.
pub(crate) struct Pipeline {
    pub(crate) projection: Projection,
    pub(crate) lane: LogLane,
    config: BatchConfig,
    /// The last zxid given to a transaction.
    assigned: Zxid,
    filling: Batch,
    flight: Option<Flight>,
    durable: VecDeque<(Durable<Zxid>, Batch)>,
    /// An empty batch whose memory is used again.
    spare: Option<Batch>,
    /// A member's: what the others have not been told of yet, and who waits for what was proposed.
    proposals: Option<Proposals>,
}

/// A leader's transactions on their way to the ensemble.
#[derive(Debug, Default)]
struct Proposals {
    new: Vec<Txn>,
    waiting: VecDeque<(Zxid, Option<ConnId>)>,
}

/// Transactions that become durable together.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// The records' bytes, one behind the other.
    pub(crate) payloads: Vec<u8>,
    pub(crate) entries: Vec<Entry>,
    first_us: u64,
}

/// One transaction of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) zxid: Zxid,
    /// Where its bytes end.
    pub(crate) end: usize,
    /// The connection that waits for it.
    pub(crate) origin: Option<ConnId>,
}

#[derive(Debug)]
struct Flight {
    ticket: Ticket,
    proof: Pending,
    batch: Batch,
    sent_us: u64,
}

impl Pipeline {
    /// A pipeline that goes on after `last`.
    pub(crate) fn new(log: LogWriter, config: BatchConfig, last: Zxid, rng: Rng) -> Pipeline {
        Pipeline {
            projection: Projection::default(),
            lane: LogLane::new(log, rng),
            config,
            assigned: last,
            filling: Batch::default(),
            flight: None,
            durable: VecDeque::new(),
            spare: None,
            proposals: None,
        }
    }

    /// From now on transactions are proposed to an ensemble, the first one behind `last`; nothing is outstanding.
    pub(crate) fn start_term(&mut self, last: Zxid) {
        self.projection = Projection::default();
        self.assigned = last;
        self.proposals = Some(Proposals::default());
    }

    /// The zxid for the next transaction. It must be followed by [`Pipeline::append`].
    pub(crate) fn next_zxid(&self) -> Zxid {
        self.assigned.next()
    }

    /// Takes a prepared transaction in.
    pub(crate) fn append(&mut self, record: &TxnRecord<'_>, origin: Option<ConnId>, now_us: u64) {
        let zxid = record.header.zxid;
        assert_eq!(zxid, self.assigned.next(), "zxids have no gaps");
        self.assigned = zxid;
        if let Some(proposals) = &mut self.proposals {
            proposals.new.push(Txn { zxid, bytes: record.to_bytes().into() });
            proposals.waiting.push_back((zxid, origin));
            return;
        }
        let batch = &mut self.filling;
        if batch.entries.is_empty() {
            batch.first_us = now_us;
        }
        let start = batch.payloads.len();
        record.encode(&mut Writer::new(&mut batch.payloads));
        self.lane.append(zxid, &batch.payloads[start..]);
        batch.entries.push(Entry { zxid, end: batch.payloads.len(), origin });
    }

    /// What is to be proposed.
    pub(crate) fn take_proposals(&mut self) -> Vec<Txn> {
        self.proposals.as_mut().map(|proposals| std::mem::take(&mut proposals.new)).unwrap_or_default()
    }

    /// Who waits for a transaction that was proposed here and is now committed.
    pub(crate) fn take_origin(&mut self, zxid: Zxid) -> Option<ConnId> {
        let waiting = &mut self.proposals.as_mut()?.waiting;
        waiting.pop_front_if(|(first, _)| *first == zxid).and_then(|(_, origin)| origin)
    }

    /// Bytes of transactions that are not applied yet.
    pub(crate) fn bytes(&self) -> usize {
        let flying = self.flight.as_ref().map_or(0, |f| f.batch.payloads.len());
        self.filling.payloads.len() + flying
    }

    /// Is everything appended applied, and nothing of the log with the disk?
    pub(crate) fn is_idle(&self) -> bool {
        self.filling.entries.is_empty()
            && self.flight.is_none()
            && self.durable.is_empty()
            && !self.lane.is_tidying()
    }

    /// When the log's index is to catch up.
    pub(crate) fn tidy_at_us(&self) -> Option<u64> {
        self.lane.tidy_at_us().filter(|_| self.is_idle())
    }

    /// Lets the log's index catch up when nobody writes.
    pub(crate) fn tidy(&mut self, now_us: u64, out: &mut Outputs) {
        if self.is_idle() {
            self.lane.tidy(now_us, out);
        }
    }

    /// When the batch that is filling has waited long enough; none if it waits for nothing but the disk.
    pub(crate) fn flush_at_us(&self) -> Option<u64> {
        let waits = self.flight.is_none() && !self.filling.entries.is_empty();
        waits.then(|| self.filling.first_us + self.config.flush_delay_ms * 1000)
    }

    /// Hands the filling batch to the disk if the disk is free and the batch has waited long enough or is full.
    pub(crate) fn flush(&mut self, now_us: u64, out: &mut Outputs, metrics: &mut Metrics) {
        let Some(due_us) = self.flush_at_us() else { return };
        let full = self.config.max_batch_size > 0 && self.filling.entries.len() >= self.config.max_batch_size;
        if now_us < due_us && !full {
            return;
        }
        let last = self.filling.entries.last().expect("a batch to flush is not empty").zxid;
        let LogBatch { ops, pending: proof } = self.lane.take_batch();
        assert_eq!(proof.last(), last, "the log holds what the batch holds");
        let batch = std::mem::replace(&mut self.filling, self.spare.take().unwrap_or_default());
        metrics.sync_processor_batch_size.add(batch.entries.len() as u64);
        let ticket = self.lane.ticket();
        out.disk.push(DiskBatch { ticket, lane: Lane::Log, ops });
        self.flight = Some(Flight { ticket, proof, batch, sent_us: now_us });
    }

    /// Is this the ticket of the log batch under way?
    pub(crate) fn is_flying(&self, ticket: Ticket) -> bool {
        self.flight.as_ref().is_some_and(|f| f.ticket == ticket)
    }

    /// The log batch under way has ended; returns how long it took in µs.
    ///
    /// # Errors
    /// The disk's. Nothing may be acknowledged any more.
    pub(crate) fn completed(&mut self, result: Result<(), DiskError>, now_us: u64) -> Result<u64, DiskError> {
        let Flight { proof, batch, sent_us, .. } = self.flight.take().expect("a batch is under way");
        let proof = proof.completed(result)?;
        self.lane.written(now_us);
        self.durable.push_back((proof, batch));
        Ok(now_us.saturating_sub(sent_us))
    }

    /// The next batch that may be applied.
    pub(crate) fn take_durable(&mut self) -> Option<(Durable<Zxid>, Batch)> {
        self.durable.pop_front()
    }

    /// Gives an applied batch's memory back.
    pub(crate) fn recycle(&mut self, mut batch: Batch) {
        const KEEP_BYTES: usize = 4 << 20;
        if batch.payloads.capacity() <= KEEP_BYTES {
            batch.payloads.clear();
            batch.entries.clear();
            self.spare = Some(batch);
        }
    }
}
