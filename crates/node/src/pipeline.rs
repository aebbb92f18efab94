//! The way of a transaction on a standalone server: prepared, appended, made durable with its whole batch, applied.
//!
//! One batch fills while at most one is with the disk: batches grow by themselves with the load. What is applied later
//! is read from the very bytes that were logged, as on replay.

use crate::admission::Rng;
use crate::config::BatchConfig;
use crate::io::{ConnId, Outputs};
use crate::views::Metrics;
use std::collections::VecDeque;
use store::{DiskBatch, DiskError, DiskOp, Durable, Lane, LogBatch, LogWriter, Pending, Ticket};
use tree::Projection;
use wire::{Encode, TxnRecord, Writer, Zxid};

/// Outstanding transactions and their batches.
pub(crate) struct Pipeline {
    pub(crate) projection: Projection,
    /// Gone once the log is finished.
    log: Option<LogWriter>,
    config: BatchConfig,
    /// The last zxid given to a transaction.
    assigned: Zxid,
    filling: Batch,
    flight: Option<Flight>,
    durable: VecDeque<(Durable<Zxid>, Batch)>,
    /// An empty batch whose memory is used again.
    spare: Option<Batch>,
    next_ticket: u64,
    rng: Rng,
    /// The log has been rolled for a snapshot that nobody has started yet.
    snapshot_due: bool,
    /// When the log's index is to catch up, unless there is something better to do.
    tidy_at_us: Option<u64>,
    /// The batch that brings the index up or closes the log; no transaction waits for it.
    tidying: Option<Ticket>,
}

const LOG_OPEN: &str = "nothing is appended behind the log's end";
/// How long nothing must have been written before the log's index catches up, in µs.
const TIDY_AFTER_US: u64 = 100_000;

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
            log: Some(log),
            config,
            assigned: last,
            filling: Batch::default(),
            flight: None,
            durable: VecDeque::new(),
            spare: None,
            next_ticket: 1,
            rng,
            snapshot_due: false,
            tidy_at_us: None,
            tidying: None,
        }
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
        let batch = &mut self.filling;
        if batch.entries.is_empty() {
            batch.first_us = now_us;
        }
        let start = batch.payloads.len();
        record.encode(&mut Writer::new(&mut batch.payloads));
        let (log, rng) = (self.log.as_mut().expect(LOG_OPEN), &mut self.rng);
        log.append(zxid, &batch.payloads[start..]);
        self.snapshot_due |= log.should_snapshot(&mut |n| rng.next() % n.max(1));
        batch.entries.push(Entry { zxid, end: batch.payloads.len(), origin });
    }

    /// Has the log been rolled for a snapshot since the last call?
    pub(crate) fn take_snapshot_due(&mut self) -> bool {
        std::mem::take(&mut self.snapshot_due)
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
            && self.tidying.is_none()
    }

    /// When the log's index is to catch up.
    pub(crate) fn tidy_at_us(&self) -> Option<u64> {
        self.tidy_at_us.filter(|_| self.is_idle())
    }

    /// Lets the log's index catch up when nobody writes.
    pub(crate) fn tidy(&mut self, now_us: u64, out: &mut Outputs) {
        if self.tidy_at_us().is_none_or(|at| at > now_us) {
            return;
        }
        self.tidy_at_us = None;
        if let Some(ops) = self.log.as_mut().and_then(LogWriter::idle) {
            self.push_tidying(ops, out);
        }
    }

    /// Closes the log behind the last transaction; false when that has been done.
    pub(crate) fn finish(&mut self, out: &mut Outputs) -> bool {
        let Some(ops) = self.log.take().map(LogWriter::finish) else { return false };
        if ops.is_empty() {
            return false;
        }
        self.push_tidying(ops, out);
        true
    }

    fn push_tidying(&mut self, ops: Vec<DiskOp>, out: &mut Outputs) {
        let ticket = self.ticket();
        self.tidying = Some(ticket);
        out.disk.push(DiskBatch { ticket, lane: Lane::Log, ops });
    }

    /// Was it a batch that nothing waits for?
    pub(crate) fn take_tidied(&mut self, ticket: Ticket) -> bool {
        self.tidying.take_if(|t| *t == ticket).is_some()
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
        let log = self.log.as_mut().expect(LOG_OPEN);
        let LogBatch { ops, pending: proof } = log.take_batch().expect("what is appended can be taken");
        assert_eq!(proof.last(), last, "the log holds what the batch holds");
        let batch = std::mem::replace(&mut self.filling, self.spare.take().unwrap_or_default());
        metrics.sync_processor_batch_size.add(batch.entries.len() as u64);
        let ticket = self.ticket();
        out.disk.push(DiskBatch { ticket, lane: Lane::Log, ops });
        self.flight = Some(Flight { ticket, proof, batch, sent_us: now_us });
    }

    /// A ticket for a disk batch.
    pub(crate) fn ticket(&mut self) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        ticket
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
        self.tidy_at_us = Some(now_us + TIDY_AFTER_US);
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
