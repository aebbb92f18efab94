//! Snapshots from server to server (reference: quorum-protocol §5.5).

use crate::io::{HistoryQuery, Outputs};
use crate::node::Node;
use std::collections::VecDeque;
use store::{HistorySlice, STREAM_END, SnapshotStream, stream_head};
use tree::{SNAPSHOTS_MAX, SnapshotId};
use wire::Zxid;
use zab::{ConnId, DiskOutcome, LogSlice, Read, Txn};

/// Bytes of a snapshot made in one step.
const SLICE_BYTES: usize = 256 << 10;
/// Slices made in one round, for all learners together: clients are not to wait for more.
pub(super) const SLICES_PER_ROUND: usize = 4;
/// Learners that are sent the tree at once: the server's own snapshots need a place too. The others wait.
const FEEDS_MAX: usize = SNAPSHOTS_MAX - 1;
/// What may be put aside for all of them, in bytes, or as much as the tree's data if that is more.
const ASIDE_BYTES_MIN: u64 = 64 << 20;

/// Snapshots for learners, each at the pace of its learner.
#[derive(Debug, Default)]
pub(crate) struct Feeds {
    /// In the order in which their turns come.
    current: VecDeque<Feed>,
    /// Learners that want to begin.
    waiting: VecDeque<ConnId>,
}

#[derive(Debug)]
struct Feed {
    learner: ConnId,
    id: SnapshotId,
    zxid: Zxid,
    /// The learner has asked for more and not got it.
    asked: bool,
    /// What comes before the first node, until it is sent.
    head: Option<Vec<u8>>,
}

impl Feeds {
    /// Does somebody wait whose turn it could be?
    pub(super) fn has_work(&self) -> bool {
        let may_begin = !self.waiting.is_empty() && self.current.len() < FEEDS_MAX;
        may_begin || self.current.iter().any(|feed| feed.asked)
    }
}

/// A snapshot that is arriving.
pub(crate) struct Install {
    zxid: Zxid,
    stream: SnapshotStream,
}

impl Node {
    /// The learner is gone, and needs no snapshot any more.
    pub(super) fn forget_learner(&mut self, learner: ConnId) {
        let feeds = &mut self.member().feeds;
        feeds.waiting.retain(|waiting| *waiting != learner);
        if let Some(at) = feeds.current.iter().position(|feed| feed.learner == learner)
            && let Some(feed) = feeds.current.remove(at)
        {
            self.tree.abort_snapshot(feed.id);
        }
    }

    /// The role is over, and no learner is there any more.
    pub(super) fn forget_learners(&mut self) {
        for feed in std::mem::take(&mut self.member().feeds).current {
            self.tree.abort_snapshot(feed.id);
        }
    }

    /// A learner is to be sent something that has to be read first.
    pub(super) fn read_for_learner(&mut self, read: Read, out: &mut Outputs) {
        match read {
            Read::Log { .. } if self.pipeline.lane.is_finished() => {}
            Read::Log { conn, after, first, max_bytes } => {
                let upto = self.pipeline.lane.last_zxid();
                let factor = self.member().membership.snapshot_size_factor;
                let data = self.tree.approximate_data_size() as f64;
                // Small trees: reading a block of the log costs no more than a snapshot.
                let worth_bytes =
                    first.then(|| if factor < 0.0 { 0 } else { (data * factor) as u64 + (1 << 20) });
                out.histories.push(HistoryQuery { learner: conn, after, upto, max_bytes, worth_bytes });
            }
            Read::Snapshot { conn } => {
                let feeds = &mut self.member().feeds;
                match feeds.current.iter_mut().find(|feed| feed.learner == conn) {
                    Some(feed) => feed.asked = true,
                    None => feeds.waiting.push_back(conn),
                }
            }
        }
    }

    /// The log has been read for a learner.
    pub(crate) fn history_read(&mut self, learner: ConnId, slice: Option<HistorySlice>) {
        if self.member.is_none() {
            return;
        }
        let slice = slice.unwrap_or_default();
        let txns = slice.txns.into_iter().map(|(zxid, bytes)| Txn { zxid, bytes: bytes.into() }).collect();
        let slice = LogSlice { at_or_before: slice.at_or_before, txns };
        self.step_peer(zab::Input::Log { conn: learner, slice });
    }

    /// Makes the next slices for learners, one for each in turn, and no more than are left; true if there was one.
    pub(super) fn feed_learners(&mut self, left: &mut usize) -> bool {
        self.begin_feeds();
        let before = *left;
        while *left > 0 && self.feed_next() {
            *left -= 1;
        }
        self.bound_feeds();
        *left < before
    }

    fn begin_feeds(&mut self) {
        while self.member().feeds.current.len() < FEEDS_MAX
            && let Some(learner) = self.member().feeds.waiting.pop_front()
        {
            let (id, head) = self.tree.begin_snapshot();
            let bytes = stream_head(&head);
            let feed = Feed { learner, id, zxid: head.zxid, asked: true, head: Some(bytes) };
            self.member().feeds.current.push_back(feed);
        }
    }

    /// Makes a slice for the one whose turn it is, and puts it at the end of the line.
    fn feed_next(&mut self) -> bool {
        let feeds = &mut self.member().feeds.current;
        let Some(at) = feeds.iter().position(|feed| feed.asked) else { return false };
        let mut feed = feeds.remove(at).expect("it was found");
        feed.asked = false;
        let (conn, zxid) = (feed.learner, feed.zxid);
        let mut bytes = feed.head.take().unwrap_or_default();
        let last = !self.tree.snapshot_chunk(feed.id, &mut bytes, SLICE_BYTES);
        if last {
            bytes.extend_from_slice(STREAM_END);
        } else {
            self.member().feeds.current.push_back(feed);
        }
        self.step_peer(zab::Input::Snapshot { conn, zxid, bytes, last });
        true
    }

    /// While a slow learner takes its time, what changes is put aside for it. One alone never needs more than the tree as it
    /// was; if several need too much, the one that needs most has to come again.
    fn bound_feeds(&mut self) {
        let max = self.tree.approximate_data_size().max(ASIDE_BYTES_MIN);
        let feeds = &self.member.as_ref().expect("only a member gets here").feeds.current;
        let aside = |feed: &Feed| self.tree.snapshot_bytes(feed.id) as u64;
        if feeds.len() < 2 || feeds.iter().map(aside).sum::<u64>() <= max {
            return;
        }
        if let Some(conn) = feeds.iter().max_by_key(|feed| aside(feed)).map(|feed| feed.learner) {
            let why = "its snapshot needs too much memory while it is so slow".to_owned();
            self.step_peer(zab::Input::Refuse { conn, why });
            self.forget_learner(conn);
        }
    }

    pub(super) fn begin_install(&mut self, zxid: Zxid, ticket: zab::Ticket) {
        let stream = SnapshotStream::new(self.tree.config().clone(), self.config.store.limits);
        self.member().install = Some(Install { zxid, stream });
        self.plan_done(ticket, DiskOutcome::Done);
    }

    pub(super) fn install_data(&mut self, bytes: &[u8], ticket: zab::Ticket) {
        let Some(install) = &mut self.member().install else {
            return self.plan_done(ticket, DiskOutcome::Done);
        };
        let outcome = match install.stream.push(bytes) {
            Ok(()) => DiskOutcome::Done,
            Err(error) => {
                self.member().install = None;
                DiskOutcome::Refused(format!("the snapshot stream makes no tree: {error}"))
            }
        };
        self.plan_done(ticket, outcome);
    }

    /// The stream is complete: the tree is replaced, and written as a snapshot; true if that is under way now.
    pub(super) fn end_install(&mut self, ticket: zab::Ticket) -> bool {
        let Some(Install { zxid, stream }) = self.member().install.take() else {
            self.plan_done(ticket, DiskOutcome::Done);
            return false;
        };
        match stream.finish(zxid) {
            Ok(tree) => {
                self.give_up_snapshot();
                self.tree = tree;
                self.write_config_node();
                self.snapshots.wanted = true;
                let member = self.member();
                member.unapplied = Default::default();
                member.recent = Default::default();
                true
            }
            Err(error) => {
                let why = format!("the snapshot stream makes no tree: {error}");
                self.plan_done(ticket, DiskOutcome::Refused(why));
                false
            }
        }
    }
}
