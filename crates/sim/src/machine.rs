//! One server: a node, its disk, and the lanes between them; what the shell is in production.

use crate::SimDisk;
use node::{Halt, HistoryQuery, Input, Membership, Node, NodeConfig, Now, Outputs, Recover, RecoverFailure};
use std::collections::{BTreeMap, VecDeque};
use store::{
    Disk, DiskBatch, DiskError, DiskOp, HistorySlice, Lane, Recovered, RecoveryError, Ticket, TruncateError,
    purge_plan, recover,
};
use tree::TreeConfig;
use zab::PeerConfig;

/// Settings of a server.
#[derive(Clone, Debug)]
pub struct MachineSetup {
    /// Of the node; its `store` part is what the files are recovered with.
    pub node: NodeConfig,
    /// Of the tree.
    pub tree: TreeConfig,
}

/// What makes a server a member of an ensemble.
#[derive(Clone, Debug)]
pub struct MemberSetup {
    /// The ensemble and its limits.
    pub peer: PeerConfig,
    /// `snapshotSizeFactor`.
    pub snapshot_size_factor: f64,
    /// `leaderServes`.
    pub leader_serves: bool,
}

/// A server and its disk.
pub struct Machine {
    /// Outlives the process.
    pub disk: SimDisk,
    /// What the node said in its log.
    pub notes: Vec<String>,
    /// Why the last process ended by itself.
    pub halt: Option<Halt>,
    /// The lane whose operation failed first.
    pub failed_lane: Option<Lane>,
    setup: MachineSetup,
    node: Option<Node>,
    out: Outputs,
    lanes: BTreeMap<Lane, LaneQueue>,
}

#[derive(Default)]
struct LaneQueue {
    jobs: VecDeque<Job>,
    failed: Option<DiskError>,
}

enum Job {
    /// Operations left to do; without a ticket nobody is told.
    Ops {
        ticket: Option<Ticket>,
        ops: VecDeque<DiskOp>,
    },
    Purge(usize),
}

impl Machine {
    /// A machine that is switched off.
    pub fn new(disk: SimDisk, setup: MachineSetup) -> Machine {
        Machine {
            disk,
            notes: Vec::new(),
            halt: None,
            failed_lane: None,
            setup,
            node: None,
            out: Outputs::default(),
            lanes: BTreeMap::new(),
        }
    }

    /// Starts a process on what the disk has.
    ///
    /// # Errors
    /// When recovery refuses.
    pub fn start(&mut self, now: Now, seed: u64) -> Result<(), RecoveryError> {
        let recovered = recover(&mut self.disk, &self.setup.node.store, self.setup.tree.clone())?;
        self.notes.extend(recovered.notices.iter().cloned());
        (self.halt, self.failed_lane) = (None, None);
        self.out = Outputs::default();
        self.lanes =
            BTreeMap::from([(Lane::Log, LaneQueue::default()), (Lane::Snapshot, LaneQueue::default())]);
        self.node = Some(Node::new(self.setup.node.clone(), recovered, seed, now, &mut self.out));
        Ok(())
    }

    /// Starts a process that joins an ensemble with what the disk has.
    ///
    /// # Errors
    /// When the files are refused; the text is for the operator.
    pub fn join(&mut self, now: Now, seed: u64, member: &MemberSetup) -> Result<(), String> {
        let recovered = recover(&mut self.disk, &self.setup.node.store, self.setup.tree.clone())
            .map_err(|error| error.to_string())?;
        self.notes.extend(recovered.notices.iter().cloned());
        let (epochs, repairs) =
            store::load_epochs(&mut self.disk, recovered.last_zxid()).map_err(|error| error.to_string())?;
        repairs.iter().try_for_each(|op| self.disk.execute(op)).map_err(|error| error.to_string())?;
        let MemberSetup { peer, snapshot_size_factor, leader_serves } = member.clone();
        let membership = Membership { peer, epochs, snapshot_size_factor, leader_serves };
        (self.halt, self.failed_lane) = (None, None);
        self.out = Outputs::default();
        self.lanes =
            BTreeMap::from([(Lane::Log, LaneQueue::default()), (Lane::Snapshot, LaneQueue::default())]);
        let node = Node::join(self.setup.node.clone(), membership, recovered, seed, now, &mut self.out);
        self.node = Some(node);
        Ok(())
    }

    /// Gives up the end of the history and reads the rest again, as the server's log lane does.
    ///
    /// # Errors
    /// What the node is to be told.
    pub fn recover(&mut self, Recover { truncate_to }: Recover) -> Result<Box<Recovered>, RecoverFailure> {
        let config = &self.setup.node.store;
        store::truncate(&mut self.disk, config, truncate_to).map_err(|error| match error {
            TruncateError::NoOlderSnapshot { .. } => RecoverFailure::Refused(error.to_string()),
            TruncateError::Disk(_) => RecoverFailure::Failed(error.to_string()),
        })?;
        let recovered = recover(&mut self.disk, config, self.setup.tree.clone());
        recovered.map(Box::new).map_err(|error| RecoverFailure::Failed(error.to_string()))
    }

    /// Reads a piece of the logs, as the server's reader does.
    pub fn read_history(&mut self, query: HistoryQuery) -> Option<HistorySlice> {
        let HistoryQuery { after, upto, max_bytes, worth_bytes, learner: _ } = query;
        if let Some(limit) = worth_bytes
            && !store::history_bytes(&mut self.disk, after).is_ok_and(|bytes| bytes <= limit)
        {
            return None;
        }
        store::read_history(&mut self.disk, &self.setup.node.store, after, upto, max_bytes).ok()
    }

    /// The process is gone, and what it had asked the disk for is not done.
    pub fn kill(&mut self) {
        self.node = None;
        self.lanes.clear();
    }

    /// The running node.
    pub fn node(&self) -> Option<&Node> {
        self.node.as_ref()
    }

    /// Does a process run?
    pub fn is_running(&self) -> bool {
        self.node.is_some()
    }

    /// Gives the node an input.
    pub fn step(&mut self, now: Now, input: Input<'_>) {
        if let Some(node) = &mut self.node {
            node.step(now, input, &mut self.out);
        }
    }

    /// What the node wants done, but for the disk's part, which has been queued.
    pub fn outputs(&mut self) -> &mut Outputs {
        &mut self.out
    }

    /// Queues a batch in its lane.
    pub fn submit(&mut self, batch: DiskBatch) {
        let job = Job::Ops { ticket: Some(batch.ticket), ops: batch.ops.into() };
        self.lanes.entry(batch.lane).or_default().jobs.push_back(job);
    }

    /// Queues a purge behind the snapshots under way.
    pub fn submit_purge(&mut self, keep: usize) {
        self.lanes.entry(Lane::Snapshot).or_default().jobs.push_back(Job::Purge(keep));
    }

    /// What a lane does next, if anything.
    pub fn next_op(&mut self, lane: Lane) -> Option<DiskOp> {
        let queue = self.lanes.get_mut(&lane)?;
        if let Some(Job::Purge(keep)) = queue.jobs.front() {
            // As in the server, a purge that fails is only told.
            let ops = purge_plan(&mut self.disk, *keep).unwrap_or_default().into();
            queue.jobs[0] = Job::Ops { ticket: None, ops };
        }
        match queue.jobs.front()? {
            Job::Ops { ops, .. } => Some(ops.front().cloned().unwrap_or(NOTHING)),
            Job::Purge(_) => unreachable!("a purge has become operations"),
        }
    }

    /// A lane does its next operation; what it has completed with that.
    pub fn disk_op(&mut self, lane: Lane) -> Option<(Ticket, Result<(), DiskError>)> {
        let op = self.next_op(lane)?;
        let queue = self.lanes.get_mut(&lane).expect("it has a next operation");
        let Some(Job::Ops { ticket, ops }) = queue.jobs.front_mut() else { return None };
        // After a failed write or sync of the log nobody knows what is on the disk: nothing may follow it.
        let result = match (&queue.failed, ops.pop_front()) {
            (Some(error), _) => Err(error.clone()),
            (None, None) => Ok(()),
            (None, Some(_)) => self.disk.execute(&op),
        };
        if result.is_ok() && !ops.is_empty() {
            return None;
        }
        if let Err(error) = &result {
            self.failed_lane.get_or_insert(lane);
            if lane == Lane::Log {
                queue.failed.get_or_insert(error.clone());
            }
        }
        let ticket = *ticket;
        queue.jobs.pop_front();
        if let (None, Err(error)) = (ticket, &result) {
            self.notes.push(format!("Purge task failed: {error}"));
        }
        ticket.map(|ticket| (ticket, result))
    }
}

/// Stands for a list of operations that is empty.
const NOTHING: DiskOp = DiskOp::SnapshotSeal;
