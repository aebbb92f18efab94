//! What the server does by itself: snapshots in slices, the sweep for containers and TTL nodes, purging.

use crate::config::{PurgeConfig, SweepConfig};
use crate::io::{Halt, Note, NoteLevel, Outputs};
use crate::node::Node;
use std::collections::VecDeque;
use store::{DiskBatch, DiskError, Lane, SnapshotPlan, StoreConfig, Ticket};
use tree::SnapshotId;

/// Bytes of a snapshot made in one step.
const SLICE_BYTES: usize = 128 << 10;
/// Batches of a snapshot with the disk at once.
const SLICES_IN_FLIGHT: usize = 4;
/// How often removals of a sweep are made, in ms.
const SWEEP_PACE_MS: u64 = 100;
/// Removals found by one sweep; more are left for the next.
const SWEEP_MAX: usize = 100_000;

/// The snapshot under way, if any, and the wish for one.
#[derive(Debug)]
pub(crate) struct Snapshots {
    config: StoreConfig,
    /// A snapshot is to be started when none is under way; there is one at every start, as with Apache.
    pub(crate) wanted: bool,
    current: Option<Current>,
    flying: VecDeque<Ticket>,
}

#[derive(Debug)]
struct Current {
    id: SnapshotId,
    /// None once everything has been handed to the disk.
    plan: Option<SnapshotPlan>,
    digest: i64,
    started_us: u64,
}

impl Snapshots {
    pub(crate) fn new(config: StoreConfig) -> Snapshots {
        Snapshots { config, wanted: true, current: None, flying: VecDeque::new() }
    }

    /// Is this one of its batches?
    pub(crate) fn is_flying(&self, ticket: Ticket) -> bool {
        self.flying.contains(&ticket)
    }

    /// Is one being made or written?
    pub(crate) fn is_writing(&self) -> bool {
        self.current.is_some() || !self.flying.is_empty()
    }

    /// Could the next slice be made at once?
    pub(crate) fn wants_more(&self) -> bool {
        match &self.current {
            Some(current) => current.plan.is_some() && self.flying.len() < SLICES_IN_FLIGHT,
            None => self.wanted && self.flying.is_empty(),
        }
    }
}

impl Node {
    /// Starts a snapshot that is wanted, or makes the next slice. The tree keeps the state of the start apart from what is
    /// written meanwhile, so that the snapshot is exact.
    pub(crate) fn snapshot(&mut self, out: &mut Outputs) {
        if self.pipeline.lane.take_snapshot_due() {
            if self.snapshots.current.is_some() {
                out.notes
                    .push(Note { level: NoteLevel::Warn, text: "Too busy to snap, skipping".to_owned() });
            } else {
                self.snapshots.wanted = true;
            }
        }
        if !self.can_make_snapshot() {
            return;
        }
        let ops = match self.snapshots.current.take() {
            None => self.begin_snapshot(),
            Some(current) => self.continue_snapshot(current),
        };
        let ticket = self.pipeline.lane.ticket();
        self.snapshots.flying.push_back(ticket);
        out.disk.push(DiskBatch { ticket, lane: Lane::Snapshot, ops });
    }

    /// Could the next slice of a snapshot be made at once?
    pub(crate) fn can_make_snapshot(&self) -> bool {
        let stops = self.stopping && !self.needs_snapshot();
        self.snapshots.wants_more() && !stops && self.may_keep_tree()
    }

    /// The tree is about to be replaced: a snapshot of it is of no use any more.
    pub(crate) fn give_up_snapshot(&mut self) {
        if let Some(Current { id, .. }) = self.snapshots.current.take() {
            self.tree.abort_snapshot(id);
        }
    }

    fn begin_snapshot(&mut self) -> Vec<store::DiskOp> {
        self.snapshots.wanted = false;
        let (id, head) = self.tree.begin_snapshot();
        let (plan, ops) = SnapshotPlan::begin(
            &self.snapshots.config,
            head.zxid,
            head.sessions.iter().copied(),
            head.acls.iter().map(|(id, acl)| (*id, acl.as_slice())),
        );
        self.snapshots.current =
            Some(Current { id, plan: Some(plan), digest: head.digest, started_us: self.now.mono_us });
        ops
    }

    fn continue_snapshot(&mut self, mut current: Current) -> Vec<store::DiskOp> {
        let plan = current.plan.take().expect("a finished snapshot wants nothing more");
        let mut bytes = Vec::with_capacity(SLICE_BYTES + SLICE_BYTES / 4);
        let more = self.tree.snapshot_chunk(current.id, &mut bytes, SLICE_BYTES);
        let mut ops = vec![plan.data(bytes)];
        if more {
            current.plan = Some(plan);
        } else {
            ops.extend(plan.finish(current.digest));
        }
        self.snapshots.current = Some(current);
        ops
    }

    /// A slice is written. When writing fails the snapshot is given up: the log still has everything.
    pub(crate) fn snapshot_written(
        &mut self,
        ticket: Ticket,
        result: Result<(), DiskError>,
        out: &mut Outputs,
    ) {
        self.snapshots.flying.retain(|&t| t != ticket);
        if let Err(error) = result {
            // The directory may be the log's as well.
            if error.puts_names_in_doubt() {
                return self.halt(Halt::Disk(error), out);
            }
            // The slices behind a failed one fail too: one complaint is enough.
            if let Some(Current { id, .. }) = self.snapshots.current.take() {
                self.tree.abort_snapshot(id);
                self.stats.metrics.snapshot_error_count += 1;
                let text = format!("Snapshot given up: {error}");
                out.notes.push(Note { level: NoteLevel::Error, text });
                if self.needs_snapshot() {
                    self.halt(Halt::Disk(error), out);
                }
            }
            return;
        }
        let finished = self.snapshots.flying.is_empty()
            && self.snapshots.current.as_ref().is_some_and(|current| current.plan.is_none());
        if finished && let Some(current) = self.snapshots.current.take() {
            let took_ms = self.now.mono_us.saturating_sub(current.started_us) / 1000;
            self.stats.metrics.snapshottime.add(took_ms);
            self.note_info(out, || format!("Snapshot taken in {took_ms} ms"));
            self.snapshot_is_durable();
        }
    }
}

/// Removes containers and TTL nodes that are due, at a limited pace (reference: client-protocol §6.3).
#[derive(Debug)]
pub(crate) struct Sweep {
    interval_ms: u64,
    per_pace: usize,
    next_search_ms: u64,
    next_removal_ms: u64,
    due: VecDeque<String>,
}

impl Sweep {
    pub(crate) fn new(config: &SweepConfig, now_ms: u64) -> Sweep {
        let interval_ms = config.check_interval_ms.max(1);
        let per_pace = (u64::from(config.max_per_minute) * SWEEP_PACE_MS / 60_000).max(1) as usize;
        Sweep {
            interval_ms,
            per_pace,
            next_search_ms: now_ms + interval_ms,
            next_removal_ms: 0,
            due: VecDeque::new(),
        }
    }

    /// When there is something to do.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        Some(if self.due.is_empty() { self.next_search_ms } else { self.next_removal_ms })
    }
}

impl Node {
    pub(crate) fn sweep(&mut self, _out: &mut Outputs) {
        let now_ms = self.now_ms();
        if self.stopping || !self.leads() || self.sweep.next_ms().is_none_or(|at| at > now_ms) {
            return;
        }
        if self.sweep.due.is_empty() {
            self.sweep.next_search_ms = now_ms + self.sweep.interval_ms;
            let never_used_ms = self.config.sweep.max_never_used_interval_ms;
            self.sweep.due = self.tree.expired_containers(self.now.wall_ms, never_used_ms, SWEEP_MAX).into();
        }
        let count = self.sweep.per_pace.min(self.sweep.due.len());
        let due: Vec<String> = self.sweep.due.drain(..count).collect();
        for path in &due {
            let context = self.own_context();
            let record = self.pipeline.projection.prepare_delete_container(&self.tree, &context, path);
            self.pipeline.append(&record, None, self.now.mono_us);
        }
        self.sweep.next_removal_ms = now_ms + SWEEP_PACE_MS;
    }
}

/// Removes old snapshots and logs now and then, the first time at once (reference: storage-formats §8).
#[derive(Debug)]
pub(crate) struct Purge {
    config: PurgeConfig,
    next_ms: u64,
}

impl Purge {
    pub(crate) fn new(config: &PurgeConfig, now_ms: u64) -> Purge {
        Purge { config: config.clone(), next_ms: now_ms }
    }

    pub(crate) fn next_ms(&self) -> u64 {
        self.next_ms
    }
}

impl Node {
    pub(crate) fn purge(&mut self, out: &mut Outputs) {
        let now_ms = self.now_ms();
        let Some(purge) = &mut self.purge else { return };
        if purge.next_ms <= now_ms {
            purge.next_ms = now_ms + purge.config.interval_ms.max(1);
            out.purge = Some(purge.config.retain_count);
        }
    }
}
