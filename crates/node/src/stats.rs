//! What the server has done so far, and the views on it.

use crate::connection::{LatencyFigures, Phase, RequestInfo};
use crate::io::{Note, NoteLevel, Outputs};
use crate::node::Node;
use crate::views::{
    ConnectionSessionView, ConnectionView, DigestEntry, Expiring, Metrics, ServerStats, WatchSummary,
};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use store::DIGEST_MILESTONE;
use wire::{OpCode, SessionId, Zxid};

/// So many digests are kept.
const DIGESTS_MAX: usize = 1024;

/// Figures of the whole server.
#[derive(Debug)]
pub(crate) struct Stats {
    pub(crate) latency: LatencyFigures,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) metrics: Metrics,
    digests: VecDeque<DigestEntry>,
    digest_mismatch_noted: bool,
}

impl Stats {
    /// Figures of a server that has read so many transactions from its logs.
    pub(crate) fn new(replayed: u64, milestones: &[(Zxid, i64)]) -> Stats {
        let mut stats = Stats {
            latency: LatencyFigures::default(),
            received: 0,
            sent: 0,
            metrics: fresh_metrics(),
            digests: VecDeque::new(),
            digest_mismatch_noted: false,
        };
        if replayed > 0 {
            stats.metrics.startup_txns_loaded.add(replayed);
        }
        for (zxid, digest) in milestones {
            stats.keep_digest(*zxid, *digest);
        }
        stats
    }

    /// `srst`: everything but the names of the namespaces that have had traffic, and of learners.
    pub(crate) fn reset(&mut self) {
        self.latency = LatencyFigures::default();
        (self.received, self.sent) = (0, 0);
        let mut traffic = std::mem::take(&mut self.metrics.traffic);
        traffic.reset();
        let mut learners = std::mem::take(&mut self.metrics.learners);
        learners.reset();
        self.metrics = Metrics { traffic, learners, ..fresh_metrics() };
    }

    /// A role of an ensemble's member begins: its own figures, but not the metrics.
    pub(crate) fn start_role(&mut self) {
        self.latency = LatencyFigures::default();
        (self.received, self.sent) = (0, 0);
    }

    /// An answer of the pipeline.
    pub(crate) fn answered(&mut self, request: RequestInfo, latency_ms: u64) {
        self.latency.add(latency_ms);
        let Some(op) = request.op else { return };
        self.metrics.op_counts[op_position(op)] += 1;
        if crate::intake::is_write(op) {
            self.metrics.updatelatency.add(latency_ms);
        } else {
            self.metrics.readlatency.add(latency_ms);
        }
    }

    /// Keeps every so many-th digest for the `hash` command.
    pub(crate) fn keep_digest(&mut self, zxid: Zxid, digest: i64) {
        if zxid.0 % DIGEST_MILESTONE == 0 {
            if self.digests.len() == DIGESTS_MAX {
                self.digests.pop_front();
            }
            self.digests.push_back(DigestEntry { zxid, digest });
        }
    }

    /// The tree is not what the transaction's maker computed. Never stops the server (reference: storage-formats §5).
    pub(crate) fn digest_mismatch(&mut self, zxid: Zxid, out: &mut Outputs) {
        self.metrics.digest_mismatches_count += 1;
        if !self.digest_mismatch_noted {
            self.digest_mismatch_noted = true;
            let text = format!("First digest mismatch on txn: {zxid}. Digests are not matching.");
            out.notes.push(Note { level: NoteLevel::Error, text });
        }
    }
}

fn fresh_metrics() -> Metrics {
    Metrics { op_counts: vec![0; OpCode::ALL.len()], ..Metrics::default() }
}

/// Bytes of frames without their lengths: last, smallest, largest; -1 before the first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResponseSizes {
    last: i64,
    min: i64,
    max: i64,
}

impl Default for ResponseSizes {
    fn default() -> ResponseSizes {
        ResponseSizes { last: -1, min: -1, max: -1 }
    }
}

impl ResponseSizes {
    pub(crate) fn add(&mut self, bytes: usize) {
        let bytes = bytes as i64;
        self.last = bytes;
        self.min = if self.min < 0 { bytes } else { bytes.min(self.min) };
        self.max = bytes.max(self.max);
    }
}

/// Where an operation stands in [`OpCode::ALL`], which is in rising order of codes.
fn op_position(op: OpCode) -> usize {
    OpCode::ALL.binary_search(&op).expect("every operation is in the list")
}

impl Metrics {
    /// Deliveries of one change, by kind: created, deleted, data, children.
    pub(crate) fn count_events(&mut self, counts: [u64; 4]) {
        let summaries = [
            &mut self.node_created_watch_count,
            &mut self.node_deleted_watch_count,
            &mut self.node_changed_watch_count,
            &mut self.node_children_watch_count,
        ];
        for (summary, count) in summaries.into_iter().zip(counts) {
            if count > 0 {
                summary.add(count);
            }
        }
    }
}

/// Views for four-letter words and metrics.
impl Node {
    /// The figures of `srvr` and the first ones of `mntr`.
    pub fn server_stats(&self) -> ServerStats {
        let sizes = self.clients.sizes;
        ServerStats {
            latency: self.stats.latency.view(),
            received: self.stats.received,
            sent: self.stats.sent,
            connections: self.clients.count(),
            outstanding: self.in_process,
            zxid: self.tree.last_zxid(),
            mode: self.mode(),
            // Apache counts the root's alias too.
            node_count: self.tree.node_count() + 1,
            approximate_data_size: self.tree.approximate_data_size(),
            ephemerals_count: self.tree.ephemeral_count(),
            watch_count: self.clients.watches.count(),
            global_sessions: self.global_session_count(),
            local_sessions: self.sessions.local_count(),
            last_response_bytes: sizes.last,
            max_response_bytes: sizes.max,
            min_response_bytes: sizes.min,
            connection_drop_probability: self.tokens.drop_probability(),
            uptime_ms: self.now_ms() - self.started_ms,
            member: self
                .member
                .as_ref()
                .filter(|_| !self.is_read_only())
                .map(|member| member.view(self.now_ms())),
        }
    }

    /// The ensemble's sessions and their timeouts in ms: what a learner knows of them.
    pub fn global_sessions(&self) -> impl Iterator<Item = (SessionId, i32)> {
        self.tree.sessions().iter().map(|(id, timeout_ms)| (*id, *timeout_ms))
    }

    /// Do sessions expire here? They do at a leader, and at a server that is alone.
    pub fn expires_sessions(&self) -> bool {
        self.leads()
    }

    /// All connections, in the order of their slots.
    pub fn connections(&self) -> impl Iterator<Item = ConnectionView> {
        self.clients.iter().map(|conn| {
            let figures = &conn.figures;
            let timeout_ms = match conn.phase {
                Phase::Open { timeout_ms } => Some(timeout_ms),
                _ => None,
            };
            let reading = conn.stalled_since_us.is_none() && conn.phase != Phase::Closed;
            ConnectionView {
                conn: conn.id,
                peer: conn.peer,
                interest_ops: u8::from(reading) | if conn.unsent > 0 { 4 } else { 0 },
                queued: conn.outstanding,
                received: figures.received,
                sent: figures.sent + u64::from(conn.frames),
                session: conn.session.zip(timeout_ms).map(|(session, timeout_ms)| ConnectionSessionView {
                    session: self.sessions.at(session).id,
                    last_op: figures.last_op,
                    established_wall_ms: figures.established_wall_ms,
                    timeout_ms,
                    last_cxid: figures.last_cxid,
                    last_zxid: figures.last_zxid,
                    last_response_mono_ms: figures.last_response_ms,
                    last_latency_ms: figures.last_latency_ms,
                    latency: figures.latency.view(),
                }),
            }
        })
    }

    /// Sessions that others know too, by the end of the bucket in which they expire unless they are touched.
    pub fn session_expiry(&self) -> Vec<Expiring<SessionId>> {
        self.expiry_of(false)
    }

    /// The same of those that only this server knows; `None` where there cannot be any.
    pub fn local_session_expiry(&self) -> Option<Vec<Expiring<SessionId>>> {
        self.begins_locally().then(|| self.expiry_of(true))
    }

    fn expiry_of(&self, local: bool) -> Vec<Expiring<SessionId>> {
        let wanted = self.sessions.iter().filter(|(session, _)| session.is_local() == local);
        self.grouped(wanted.map(|(session, at_ms)| (at_ms, session.id)))
    }

    /// Connections by the end of the bucket in which they are closed for silence; session 0 is none.
    pub fn connection_expiry(&self) -> Vec<Expiring<(SocketAddr, SessionId)>> {
        let session = |slot: Option<u32>| slot.map_or(SessionId(0), |s| self.sessions.at(s).id);
        self.grouped(self.clients.iter().map(|c| (c.deadline.at_ms, (c.peer, session(c.session)))))
    }

    fn grouped<T: Ord>(&self, items: impl Iterator<Item = (u64, T)>) -> Vec<Expiring<T>> {
        let mut groups: BTreeMap<u64, Vec<T>> = BTreeMap::new();
        for (at_ms, item) in items {
            groups.entry(at_ms).or_default().push(item);
        }
        let wall = |at_ms: u64| self.now.wall_ms + at_ms as i64 - self.now_ms() as i64;
        groups
            .into_iter()
            .map(|(at_ms, mut items)| {
                items.sort();
                Expiring { wall_ms: wall(at_ms), items }
            })
            .collect()
    }

    /// The paths of ephemeral nodes by their sessions.
    pub fn ephemerals(&self) -> Vec<(SessionId, Vec<String>)> {
        self.tree.ephemeral_owners().map(|owner| (owner, self.tree.ephemerals(owner).collect())).collect()
    }

    /// The figures of `wchs`. Like the other commands about watches it looks at the data table only, as Apache's does.
    pub fn watch_summary(&self) -> WatchSummary {
        let by_session = self.watches_by_connection();
        let watches = by_session.values().map(Vec::len).sum();
        WatchSummary { connections: by_session.len(), paths: self.watches_by_path().len(), watches }
    }

    /// Watched paths by session.
    pub fn watches_by_session(&self) -> Vec<(SessionId, Vec<&str>)> {
        let mut sessions: Vec<_> = self.watches_by_connection().into_iter().collect();
        sessions.sort();
        sessions
    }

    /// Watching sessions by path.
    pub fn watches_by_path(&self) -> Vec<(&str, Vec<SessionId>)> {
        let mut paths: BTreeMap<&str, Vec<SessionId>> = BTreeMap::new();
        for (session, watched) in self.watches_by_connection() {
            for path in watched {
                paths.entry(path).or_default().push(session);
            }
        }
        paths.into_iter().collect()
    }

    fn watches_by_connection(&self) -> BTreeMap<SessionId, Vec<&str>> {
        let mut sessions: BTreeMap<SessionId, Vec<&str>> = BTreeMap::new();
        for (slot, path) in self.clients.watches.data_entries() {
            if let Some(session) = self.clients.at(slot).session {
                sessions.entry(self.sessions.at(session).id).or_default().push(path);
            }
        }
        sessions
    }

    /// The digests kept for `hash`, oldest first.
    pub fn digests(&self) -> impl Iterator<Item = DigestEntry> {
        self.stats.digests.iter().copied()
    }

    /// Counters and summaries since the start.
    pub fn metrics(&self) -> &Metrics {
        &self.stats.metrics
    }
}
