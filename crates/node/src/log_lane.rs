//! The log as the node uses it: records go in, batches for the disk come out; and the tickets of all disk batches.

use crate::admission::Rng;
use crate::io::Outputs;
use store::{DiskBatch, DiskOp, Lane, LogBatch, LogWriter, Ticket};
use wire::Zxid;

const LOG_OPEN: &str = "nothing is appended behind the log's end";
/// How long nothing must have been written before the log's index catches up, in µs.
const TIDY_AFTER_US: u64 = 100_000;

/// The log's end, and what is to be done about it.
pub(crate) struct LogLane {
    /// Gone once the log is finished.
    log: Option<LogWriter>,
    next_ticket: u64,
    rng: Rng,
    /// The log has been rolled for a snapshot that nobody has started yet.
    snapshot_due: bool,
    /// When the log's index is to catch up, unless there is something better to do.
    tidy_at_us: Option<u64>,
    /// The batch that brings the index up or closes the log; no transaction waits for it.
    tidying: Option<Ticket>,
}

impl LogLane {
    pub(crate) fn new(log: LogWriter, rng: Rng) -> LogLane {
        LogLane { log: Some(log), next_ticket: 1, rng, snapshot_due: false, tidy_at_us: None, tidying: None }
    }

    /// The last zxid appended or recovered.
    pub(crate) fn last_zxid(&self) -> Zxid {
        self.log.as_ref().expect(LOG_OPEN).last_zxid()
    }

    /// Adds a record to the next batch.
    pub(crate) fn append(&mut self, zxid: Zxid, payload: &[u8]) {
        let (log, rng) = (self.log.as_mut().expect(LOG_OPEN), &mut self.rng);
        log.append(zxid, payload);
        self.snapshot_due |= log.should_snapshot(&mut |n| rng.next() % n.max(1));
    }

    /// Everything appended since the last batch; there must be something, and no batch under way.
    pub(crate) fn take_batch(&mut self) -> LogBatch {
        self.log.as_mut().expect(LOG_OPEN).take_batch().expect("what is appended can be taken")
    }

    /// The history on disk is another one now: after a truncation or an installed snapshot.
    pub(crate) fn replace(&mut self, log: LogWriter) {
        self.log = Some(log);
    }

    /// Everything up to `zxid` has come as a snapshot.
    pub(crate) fn restart_after(&mut self, zxid: Zxid) {
        self.log.as_mut().expect(LOG_OPEN).restart_after(zxid);
    }

    /// Has the log been rolled for a snapshot since the last call?
    pub(crate) fn take_snapshot_due(&mut self) -> bool {
        std::mem::take(&mut self.snapshot_due)
    }

    /// A ticket for a disk batch.
    pub(crate) fn ticket(&mut self) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        ticket
    }

    /// A batch of the log is durable: the index may catch up if nothing else comes.
    pub(crate) fn written(&mut self, now_us: u64) {
        self.tidy_at_us = Some(now_us + TIDY_AFTER_US);
    }

    /// Is something of the log with the disk that nothing waits for?
    pub(crate) fn is_tidying(&self) -> bool {
        self.tidying.is_some()
    }

    /// When the log's index is to catch up, provided nobody writes.
    pub(crate) fn tidy_at_us(&self) -> Option<u64> {
        self.tidy_at_us.filter(|_| self.tidying.is_none())
    }

    /// Lets the log's index catch up; nobody may be writing.
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

    /// Is the log closed, or about to be? Nothing can be appended any more.
    pub(crate) fn is_finished(&self) -> bool {
        self.log.is_none()
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
}
