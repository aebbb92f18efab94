//! Snapshots from server to server (reference: quorum-protocol §5.5).

use crate::io::{HistoryQuery, Outputs};
use crate::node::Node;
use std::collections::VecDeque;
use store::{HistorySlice, STREAM_END, SnapshotStream, stream_head};
use wire::Zxid;
use zab::{ConnId, DiskOutcome, LogSlice, Read, Txn};

/// Bytes of a snapshot made in one step.
const SLICE_BYTES: usize = 256 << 10;

/// Snapshots for learners: one at a time, the others wait.
#[derive(Debug, Default)]
pub(crate) struct Feeds {
    current: Option<Feed>,
    /// Learners that want to begin.
    waiting: VecDeque<ConnId>,
}

#[derive(Debug)]
struct Feed {
    learner: ConnId,
    zxid: Zxid,
    /// The learner has asked for more and not got it.
    asked: bool,
    /// What comes before the first node, until it is sent.
    head: Option<Vec<u8>>,
}

impl Feeds {
    /// Is the tree being read?
    pub(super) fn is_reading(&self) -> bool {
        self.current.is_some()
    }
}

/// A snapshot that is arriving.
pub(crate) struct Install {
    zxid: Zxid,
    stream: SnapshotStream,
}

impl Node {
    /// Is the tree being read for a learner?
    pub(crate) fn feeds_learner(&self) -> bool {
        self.member.as_ref().is_some_and(|member| member.feeds.current.is_some())
    }

    /// The learner is gone, and needs no snapshot any more.
    pub(super) fn forget_learner(&mut self, learner: ConnId) {
        let feeds = &mut self.member().feeds;
        feeds.waiting.retain(|waiting| *waiting != learner);
        if feeds.current.take_if(|feed| feed.learner == learner).is_some() {
            self.tree.abort_snapshot();
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
                match &mut feeds.current {
                    Some(feed) if feed.learner == conn => feed.asked = true,
                    _ => feeds.waiting.push_back(conn),
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

    /// Makes the next slice for the learner whose turn it is; true if there was one. A snapshot of our own that is under way
    /// comes first.
    pub(super) fn feed_learners(&mut self) -> bool {
        if self.member().feeds.current.is_none() {
            if self.snapshots.is_reading() || self.member().feeds.waiting.is_empty() {
                return false;
            }
            let head = self.tree.begin_snapshot();
            let feeds = &mut self.member().feeds;
            let learner = feeds.waiting.pop_front().expect("somebody waits");
            let bytes = stream_head(&head);
            feeds.current = Some(Feed { learner, zxid: head.zxid, asked: true, head: Some(bytes) });
        }
        let Some(feed) = self.member().feeds.current.as_mut().filter(|feed| feed.asked) else { return false };
        feed.asked = false;
        let (conn, zxid) = (feed.learner, feed.zxid);
        let mut bytes = feed.head.take().unwrap_or_default();
        let last = !self.tree.snapshot_chunk(&mut bytes, SLICE_BYTES);
        if last {
            bytes.extend_from_slice(STREAM_END);
            self.member().feeds.current = None;
        }
        self.step_peer(zab::Input::Snapshot { conn, zxid, bytes, last });
        true
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
