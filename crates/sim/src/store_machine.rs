//! The store alone: log, snapshots and purge over a simulated disk, without sessions' clocks, connections or a node.
//!
//! It does what the node does with the store, one disk operation at a time and in an order that chance decides.

use crate::clients::{Workload, WorkloadSetup};
use crate::{History, Rng, SimDisk};
use std::collections::VecDeque;
use store::{
    Disk, DiskOp, Lane, LogWriter, Pending, Recovered, SnapshotPlan, StoreConfig, names, purge_plan, recover,
};
use tree::{PrepContext, Projection, SessionState, SnapshotId, Tree, TreeConfig};
use wire::{Encode, Id, Reader, SessionId, TxnRecord};

/// Bytes of a snapshot made at a time: few, so that much happens meanwhile.
const SLICE_BYTES: usize = 1500;
const SESSIONS_MAX: i64 = 5;

/// Settings of a run.
#[derive(Clone, Debug)]
pub struct StoreSetup {
    /// Of the store.
    pub store: StoreConfig,
    /// Of the tree.
    pub tree: TreeConfig,
    /// How many snapshots a purge keeps.
    pub retain_count: usize,
}

/// What a run came by: a sweep that never met a purge says nothing about purges.
#[derive(Clone, Copy, Default, Debug)]
pub struct Seen {
    /// Transactions issued.
    pub txns: u64,
    /// Logs begun.
    pub logs: u64,
    /// Snapshots finished.
    pub snapshots: u64,
    /// Files removed as no longer needed.
    pub removed: u64,
}

/// The store of one server at work.
pub struct StoreMachine {
    /// Where it works.
    pub disk: SimDisk,
    /// What it was asked, and what it promised.
    pub history: History,
    /// What happened so far.
    pub seen: Seen,
    setup: StoreSetup,
    rng: Rng,
    workload: Workload,
    tree: Tree,
    projection: Projection,
    log: LogWriter,
    filling: Vec<Vec<u8>>,
    flight: Option<Flight>,
    log_ops: VecDeque<DiskOp>,
    snapshot: Option<(SnapshotPlan, SnapshotId, i64)>,
    snapshot_ops: VecDeque<DiskOp>,
    next_session: i64,
}

/// What is with the log's disk.
struct Flight {
    /// `None` for what nobody waits for.
    proof: Option<Pending>,
    payloads: Vec<Vec<u8>>,
}

impl Seen {
    /// An operation was done.
    pub fn note(&mut self, op: &DiskOp) {
        match op {
            DiskOp::Create { file } => self.logs += u64::from(names::log_zxid(&file.name).is_some()),
            DiskOp::Rename { to, .. } => {
                self.snapshots += u64::from(names::snapshot_zxid(&to.name).is_some())
            }
            DiskOp::Remove { .. } => self.removed += 1,
            _ => {}
        }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Seen) -> Seen {
        Seen {
            txns: self.txns + other.txns,
            logs: self.logs + other.logs,
            snapshots: self.snapshots + other.snapshots,
            removed: self.removed + other.removed,
        }
    }
}

impl StoreMachine {
    /// Recovers what the disk has, and judges it.
    ///
    /// # Errors
    /// Why it cannot be recovered, or what is wrong with what was.
    pub fn start(
        mut disk: SimDisk,
        setup: &StoreSetup,
        mut history: History,
        rng: Rng,
    ) -> Result<StoreMachine, String> {
        let recovered = recover(&mut disk, &setup.store, setup.tree.clone());
        let Recovered { tree, log, .. } = recovered.map_err(|error| format!("refused: {error}"))?;
        history.survived(&tree)?;
        // Recovery has synced it, and would have said so.
        history.promise(tree.last_zxid());
        let next_session = tree.last_zxid().0 << 8;
        Ok(StoreMachine {
            workload: Workload::new(
                WorkloadSetup::plain(),
                0,
                None,
                Rng::new(rng.clone().next_u64(), "workload"),
            ),
            disk,
            history,
            seen: Seen::default(),
            setup: setup.clone(),
            rng,
            tree,
            projection: Projection::new(),
            log,
            filling: Vec::new(),
            flight: None,
            log_ops: VecDeque::new(),
            snapshot: None,
            snapshot_ops: VecDeque::new(),
            next_session,
        })
    }

    /// One of the things that can happen now, the disk's own progress excepted.
    pub fn decide(&mut self) {
        match self.rng.below(100) {
            0..30 => self.write(),
            30..50 => self.send_batch(),
            50..80 => self.slice_snapshot(),
            80..85 => self.log.roll(),
            85..88 => self.idle(),
            _ => self.purge(),
        }
    }

    /// What the disk does next, if it has anything to do. It does it with [`StoreMachine::disk_op`].
    pub fn next_op(&mut self) -> Option<(Lane, DiskOp)> {
        let lane = match (self.log_ops.is_empty(), self.snapshot_ops.is_empty()) {
            (true, true) => return None,
            (false, true) => Lane::Log,
            (true, false) => Lane::Snapshot,
            (false, false) if self.rng.chance(50) => Lane::Log,
            (false, false) => Lane::Snapshot,
        };
        let ops = if lane == Lane::Log { &self.log_ops } else { &self.snapshot_ops };
        ops.front().map(|op| (lane, op.clone()))
    }

    /// The disk does the next operation of a lane.
    ///
    /// # Errors
    /// The disk's.
    pub fn disk_op(&mut self, lane: Lane) -> Result<(), String> {
        let ops = if lane == Lane::Log { &mut self.log_ops } else { &mut self.snapshot_ops };
        let op = ops.pop_front().expect("an operation waits");
        self.disk.execute(&op).map_err(|error| error.to_string())?;
        self.seen.note(&op);
        if lane == Lane::Log && self.log_ops.is_empty() {
            self.landed();
        }
        Ok(())
    }

    /// The next write begins a new log.
    pub fn roll(&mut self) {
        self.log.roll();
    }

    /// A write, handed to the disk if that is free.
    pub fn write_and_send(&mut self) {
        self.write();
        self.send_batch();
    }

    /// Everything that was begun is done, the index included.
    ///
    /// # Errors
    /// The disk's.
    pub fn settle(&mut self) -> Result<(), String> {
        loop {
            while let Some((lane, _)) = self.next_op() {
                self.disk_op(lane)?;
            }
            if !self.filling.is_empty() {
                self.send_batch();
            } else if self.snapshot.is_some() {
                self.slice_snapshot();
            } else {
                self.idle();
            }
            if self.log_ops.is_empty() && self.snapshot_ops.is_empty() {
                return Ok(());
            }
        }
    }

    fn write(&mut self) {
        let open: Vec<SessionId> = self.tree.sessions().keys().copied().collect();
        let zxid = self.log.last_zxid().next();
        let credentials = [Id::new("ip", "127.0.0.1")];
        let mut context = PrepContext {
            session: SessionId(0),
            session_state: SessionState::Valid,
            cxid: zxid.0 as i32,
            zxid,
            time_ms: 1_795_389_508_617 + zxid.0 * 7,
            credentials: &credentials,
        };
        let session = open.get(self.rng.below(open.len() as u64) as usize).copied();
        let chance = self.rng.below(20);
        let record = match session {
            Some(session) if chance > 3 || open.len() as i64 >= SESSIONS_MAX => {
                context.session = session;
                self.projection.prepare(&self.tree, &context, self.workload.write())
            }
            Some(session) if chance < 2 => {
                context.session = session;
                self.projection.prepare_close_session(&self.tree, &context)
            }
            _ => {
                self.next_session += 1;
                context.session = SessionId(self.next_session);
                self.projection.prepare_create_session(&self.tree, &context, 30_000)
            }
        };
        let payload = record.to_bytes();
        self.seen.txns += 1;
        self.history.issue(&payload);
        self.log.append(zxid, &payload);
        let rng = &mut self.rng;
        self.log.should_snapshot(&mut |n| rng.below(n));
        self.filling.push(payload);
    }

    fn send_batch(&mut self) {
        if self.flight.is_some() {
            return;
        }
        if let Some(batch) = self.log.take_batch() {
            self.log_ops.extend(batch.ops);
            let payloads = std::mem::take(&mut self.filling);
            self.flight = Some(Flight { proof: Some(batch.pending), payloads });
        }
    }

    fn idle(&mut self) {
        if self.flight.is_none()
            && let Some(ops) = self.log.idle()
        {
            self.log_ops.extend(ops);
            self.flight = Some(Flight { proof: None, payloads: Vec::new() });
        }
    }

    /// The batch under way is done: it may be acknowledged, and is applied.
    fn landed(&mut self) {
        let Flight { proof, payloads } = self.flight.take().expect("operations belong to something");
        let Some(proof) = proof else { return };
        let durable = proof.completed(Ok(())).expect("the disk said so");
        self.history.promise(durable.get());
        for payload in payloads {
            let record = TxnRecord::decode(&mut Reader::new(&payload)).expect("just encoded");
            self.tree.apply(&record.header, &record.txn, &mut |_| {});
            self.projection.applied(record.header.zxid);
        }
    }

    fn slice_snapshot(&mut self) {
        if !self.snapshot_ops.is_empty() {
            return;
        }
        let Some((plan, id, digest)) = self.snapshot.take() else {
            let (id, head) = self.tree.begin_snapshot();
            let acls = head.acls.iter().map(|(id, acl)| (*id, acl.as_slice()));
            let sessions = head.sessions.iter().copied();
            let (plan, ops) = SnapshotPlan::begin(&self.setup.store, head.zxid, sessions, acls);
            self.snapshot_ops.extend(ops);
            self.snapshot = Some((plan, id, head.digest));
            return;
        };
        let mut bytes = Vec::new();
        let more = self.tree.snapshot_chunk(id, &mut bytes, SLICE_BYTES);
        self.snapshot_ops.push_back(plan.data(bytes));
        if more {
            self.snapshot = Some((plan, id, digest));
        } else {
            self.snapshot_ops.extend(plan.finish(digest));
        }
    }

    /// Behind the snapshots under way, as in the server's snapshot lane.
    fn purge(&mut self) {
        if self.snapshot_ops.is_empty()
            && self.snapshot.is_none()
            && let Ok(ops) = purge_plan(&mut self.disk, self.setup.retain_count)
        {
            self.snapshot_ops.extend(ops);
        }
    }
}
