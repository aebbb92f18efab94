//! What four-letter words and metrics may look at (reference: operations §3.4, §5). Times of day are ms since 1970.

use crate::ConnId;
use crate::learners::Learners;
use crate::traffic::Traffic;
use std::net::SocketAddr;
use wire::{SessionId, Zxid};
use zab::{PeerState, ServerId};

/// The figures of `srvr`, `stat` and the first gauges of `mntr`.
#[derive(Clone, PartialEq, Debug)]
pub struct ServerStats {
    /// ms from a request's arrival to its answer, since the last reset.
    pub latency: Latency,
    /// Frames (and four-letter words) received since the last reset.
    pub received: u64,
    /// Frames sent since the last reset, notifications included.
    pub sent: u64,
    /// Connections, with or without a session.
    pub connections: usize,
    /// Requests received and not yet answered.
    pub outstanding: usize,
    /// The last applied transaction.
    pub zxid: Zxid,
    /// `standalone`, later `leader`, `follower`, `observer`, `read-only`.
    pub mode: &'static str,
    /// Znodes, the root included.
    pub node_count: usize,
    /// Paths and data, in bytes.
    pub approximate_data_size: u64,
    /// Ephemeral nodes.
    pub ephemerals_count: usize,
    /// Watches: pairs of a path and a connection in one of the two tables.
    pub watch_count: usize,
    /// Sessions known to the ensemble.
    pub global_sessions: usize,
    /// Sessions known to this server alone.
    pub local_sessions: usize,
    /// Bytes of the last answer; -1 before the first one since the last reset.
    pub last_response_bytes: i64,
    /// Bytes of the longest answer; -1 before the first one.
    pub max_response_bytes: i64,
    /// Bytes of the shortest answer; -1 before the first one.
    pub min_response_bytes: i64,
    /// Chance that a new connection is dropped by the connection throttle, 0..=1.
    pub connection_drop_probability: f64,
    /// ms since the node started; for a member of an ensemble since it found its leader.
    pub uptime_ms: u64,
    /// Present for a member of an ensemble, but not in read-only mode.
    pub member: Option<MemberView>,
}

/// What a member of an ensemble is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberView {
    /// What it is doing, in Apache's words.
    pub state: PeerState,
    /// Members that vote.
    pub quorum_size: usize,
    /// Whom a learner learns from.
    pub master: Option<ServerId>,
    /// Observers that get what is new from here; present where they could.
    pub synced_observers: Option<usize>,
    /// Present for a leader.
    pub leading: Option<LeadingView>,
}

/// The gauges of a leader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LeadingView {
    /// Servers that are connected, up to date or not.
    pub learners: usize,
    /// Followers that get what is new, those that do not vote among them.
    pub synced_followers: usize,
    /// Those of them that do not vote.
    pub synced_non_voting_followers: usize,
    /// Transactions whose commit syncs wait for.
    pub pending_syncs: usize,
    /// ms since it serves.
    pub uptime_ms: u64,
    /// Bytes of the last proposal; -1 before the first one, and so with the other two.
    pub last_proposal_bytes: i64,
    /// Bytes of the shortest.
    pub min_proposal_bytes: i64,
    /// Bytes of the longest.
    pub max_proposal_bytes: i64,
}

/// Apache's notion of latencies: whole milliseconds per request.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Latency {
    /// The smallest; 0 before the first request.
    pub min_ms: u64,
    /// The mean, not rounded; 0 before the first request.
    pub avg_ms: f64,
    /// The largest.
    pub max_ms: u64,
}

/// One line of `cons`, or of the clients in `stat`.
#[derive(Clone, PartialEq, Debug)]
pub struct ConnectionView {
    /// Its name at the boundary.
    pub conn: ConnId,
    /// Who is at the other end.
    pub peer: SocketAddr,
    /// What a selector would wait for: 1 reading, 4 writing (slow reader), 5 both, 0 neither.
    pub interest_ops: u8,
    /// Requests received and not yet answered.
    pub queued: usize,
    /// Frames received.
    pub received: u64,
    /// Frames sent.
    pub sent: u64,
    /// Present once the handshake is done.
    pub session: Option<ConnectionSessionView>,
}

/// The part of a `cons` line that needs a session.
#[derive(Clone, PartialEq, Debug)]
pub struct ConnectionSessionView {
    /// Whose connection this is.
    pub session: SessionId,
    /// The last operation's short name, such as `GETD`.
    pub last_op: &'static str,
    /// Time of day when the connection was accepted.
    pub established_wall_ms: i64,
    /// The negotiated session timeout.
    pub timeout_ms: i32,
    /// The xid of the last request; not to be shown while negative.
    pub last_cxid: i32,
    /// The zxid of the last answer, -1 before it.
    pub last_zxid: i64,
    /// When the last answer was made, on the monotonic clock.
    pub last_response_mono_ms: u64,
    /// The last request's latency.
    pub last_latency_ms: u64,
    /// Over all requests of the connection.
    pub latency: Latency,
}

/// What expires when: the groups of `dump`. Deadlines are times of day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expiring<T> {
    /// When.
    pub wall_ms: i64,
    /// What, in the order of their ids.
    pub items: Vec<T>,
}

/// The figures of `wchs`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct WatchSummary {
    /// Connections with at least one watch.
    pub connections: usize,
    /// Paths with at least one watch.
    pub paths: usize,
    /// Pairs of a path and a connection, counted per table.
    pub watches: usize,
}

/// A digest kept for `hash`: one for every zxid divisible by 128, the last 1024 of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DigestEntry {
    /// After which transaction.
    pub zxid: Zxid,
    /// The tree's digest then.
    pub digest: i64,
}

/// Counters and summaries for metrics since the start or the last `srst` (reference: operations §5.4, §5.5). Names are the metrics' names.
#[derive(Clone, PartialEq, Debug, Default)]
#[allow(missing_docs, reason = "the names are those of the metrics")]
pub struct Metrics {
    pub bytes_received_count: u64,
    pub response_bytes: u64,
    pub watch_bytes: u64,
    pub connection_request_count: u64,
    pub connection_rejected: u64,
    pub connection_drop_count: u64,
    pub connection_revalidate_count: u64,
    pub sessionless_connections_expired: u64,
    pub stale_sessions_expired: u64,
    pub throttled_ops: u64,
    pub request_throttle_wait_count: u64,
    pub stale_requests: u64,
    pub stale_requests_dropped: u64,
    pub large_requests_rejected: u64,
    pub ensemble_auth_fail: u64,
    pub auth_failed_count: u64,
    pub digest_mismatches_count: u64,
    pub snapshot_error_count: u64,
    pub unrecoverable_error_count: u64,
    pub ttl_node_created_count: u64,
    pub ttl_node_deleted_count: u64,
    pub looking_count: u64,
    /// Learners brought up to date with what they lacked.
    pub diff_count: u64,
    /// Learners brought up to date with a snapshot.
    pub snap_count: u64,
    pub commit_count: u64,
    pub proposal_count: u64,
    pub learner_proposal_received_count: u64,
    pub learner_commit_received_count: u64,
    pub revalidate_count: u64,
    pub quit_leading_due_to_disloyal_voter: u64,
    /// ms.
    pub election_time: Summary,
    /// ms without a leader.
    pub unavailable_time: Summary,
    /// Those of them that this server ended by leading.
    pub leader_unavailable_time: Summary,
    /// ms.
    pub follower_sync_time: Summary,
    /// ms.
    pub observer_sync_time: Summary,
    /// Snapshots on their way to learners whenever one begins or ends.
    pub inflight_snap_count: Summary,
    /// The same for what is no snapshot.
    pub inflight_diff_count: Summary,
    /// ms from a transaction's making to its commit, at the leader.
    pub quorum_ack_latency: Histogram,
    /// ms from a transaction's making to its arrival at a follower.
    pub proposal_latency: Histogram,
    /// ms from a transaction's making to its acknowledgement here.
    pub proposal_ack_creation_latency: Histogram,
    /// ms from a transaction's making to its commit at a learner.
    pub commit_propagation_latency: Histogram,
    pub node_created_watch_count: Summary,
    pub node_deleted_watch_count: Summary,
    pub node_changed_watch_count: Summary,
    pub node_children_watch_count: Summary,
    /// Bytes by the top component of the path.
    pub traffic: Traffic,
    /// By server.
    pub learners: Learners,
    /// ms to read the files at the start.
    pub dbinittime: Summary,
    /// Transactions read from the logs at the start.
    pub startup_txns_loaded: Summary,
    /// Tokens missing in the bucket of new sessions whenever one is asked for.
    pub connection_token_deficit: Summary,
    /// ms from a transaction's making to its application.
    pub propagation_latency: Histogram,
    /// ms.
    pub readlatency: Histogram,
    /// ms.
    pub updatelatency: Histogram,
    /// Transactions per log batch.
    pub sync_processor_batch_size: Summary,
    /// ms from handing a log batch to the disk to its completion.
    pub fsynctime: Summary,
    /// ms from a snapshot's start to its completion.
    pub snapshottime: Summary,
    /// Requests of each kind answered, by the order of [`wire::OpCode::ALL`].
    pub op_counts: Vec<u64>,
}

/// Count, sum, smallest and largest of whole numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// How many.
    pub count: u64,
    /// Their sum.
    pub sum: u64,
    /// The smallest; 0 while there is none.
    pub min: u64,
    /// The largest.
    pub max: u64,
}

impl Summary {
    /// Takes one more in.
    pub fn add(&mut self, value: u64) {
        self.min = if self.count == 0 { value } else { self.min.min(value) };
        self.max = self.max.max(value);
        self.count += 1;
        self.sum += value;
    }

    /// The mean, 0 while there is none.
    pub fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum as f64 / self.count as f64 }
    }
}

/// A summary that also answers for quantiles, from buckets whose width grows with the value (about 12 %).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Histogram {
    summary: Summary,
    buckets: Vec<u64>,
}

/// Buckets per power of two.
const SUB: u64 = 8;

impl Default for Histogram {
    fn default() -> Self {
        Histogram { summary: Summary::default(), buckets: vec![0; Self::bucket(u64::MAX) + 1] }
    }
}

impl Histogram {
    /// Takes one more in.
    pub fn add(&mut self, value: u64) {
        self.summary.add(value);
        self.buckets[Self::bucket(value)] += 1;
    }

    /// Count, sum, smallest, largest.
    pub fn summary(&self) -> Summary {
        self.summary
    }

    /// The value below which the share `q` (0..=1) of all values lies, to the width of a bucket; 0 while there is none.
    pub fn quantile(&self, q: f64) -> u64 {
        let rank = (q.clamp(0.0, 1.0) * self.summary.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Self::lower_bound(bucket).min(self.summary.max);
            }
        }
        0
    }

    /// Values below `SUB` have a bucket of their own; then each power of two is cut into `SUB` parts.
    fn bucket(value: u64) -> usize {
        if value < SUB {
            return value as usize;
        }
        let exponent = u64::from(value.ilog2()) - u64::from(SUB.ilog2());
        (exponent * SUB + (value >> exponent)) as usize
    }

    fn lower_bound(bucket: usize) -> u64 {
        let bucket = bucket as u64;
        if bucket < SUB {
            return bucket;
        }
        let exponent = bucket / SUB - 1;
        (bucket - exponent * SUB) << exponent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_cover_everything_in_order() {
        let mut last = 0;
        for value in (0..200).chain([1 << 20, (1 << 20) + (1 << 19), u64::MAX / 2, u64::MAX]) {
            let bucket = Histogram::bucket(value);
            assert!(bucket >= last);
            assert!(Histogram::lower_bound(bucket) <= value);
            last = bucket;
        }
    }

    #[test]
    fn quantiles_are_exact_for_small_values() {
        let mut histogram = Histogram::default();
        for value in [0, 1, 1, 2, 3, 3, 3, 5, 6, 7] {
            histogram.add(value);
        }
        assert_eq!(histogram.quantile(0.5), 3);
        assert_eq!(histogram.quantile(1.0), 7);
        assert_eq!(histogram.summary(), Summary { count: 10, sum: 31, min: 0, max: 7 });
        assert_eq!(Histogram::default().quantile(0.99), 0);
    }
}
