//! The metrics of `mntr`: their names in Apache's order, and where each value comes from.

use super::mntr::Monitor;
use super::text::{java_double, round4};
use node::{Histogram, LeadingView, MemberView, Metrics, Summary};
use std::fmt::Display;

/// A value as Java prints it: whole numbers plainly, others as doubles.
pub(super) enum Value {
    Int(i64),
    Double(f64),
}

impl Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Int(value) => value.fmt(f),
            Value::Double(value) => f.write_str(&java_double(*value)),
        }
    }
}

fn int(value: usize) -> Value {
    Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

fn long(value: u64) -> Value {
    Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
}

pub(super) enum Shape {
    Gauge(fn(&Monitor<'_>) -> Value),
    /// Only a leader has it.
    Leading(fn(&LeadingView) -> Value),
    /// Only a member of an ensemble has it, and not each of them.
    Member(fn(&MemberView) -> Option<Value>),
    Counter(fn(&Metrics) -> u64),
    Basic(fn(&Metrics) -> Summary),
    Advanced(fn(&Metrics) -> Option<&Histogram>),
}

const fn gauge(name: &'static str, value: fn(&Monitor<'_>) -> Value) -> Metric {
    Metric { name, shape: Shape::Gauge(value) }
}

const fn leading(name: &'static str, value: fn(&LeadingView) -> Value) -> Metric {
    Metric { name, shape: Shape::Leading(value) }
}

const fn member(name: &'static str, value: fn(&MemberView) -> Option<Value>) -> Metric {
    Metric { name, shape: Shape::Member(value) }
}

const fn counter(name: &'static str, value: fn(&Metrics) -> u64) -> Metric {
    Metric { name, shape: Shape::Counter(value) }
}

const fn basic(name: &'static str, value: fn(&Metrics) -> Summary) -> Metric {
    Metric { name, shape: Shape::Basic(value) }
}

const fn advanced(name: &'static str, value: fn(&Metrics) -> Option<&Histogram>) -> Metric {
    Metric { name, shape: Shape::Advanced(value) }
}

/// A counter of a stage that is not there.
const fn no_counter(name: &'static str) -> Metric {
    counter(name, |_| 0)
}

/// A summary of a stage that is not there.
const fn no_basic(name: &'static str) -> Metric {
    basic(name, |_| Summary { count: 0, sum: 0, min: 0, max: 0 })
}

/// A summary with quantiles of a stage that is not there.
const fn no_advanced(name: &'static str) -> Metric {
    advanced(name, |_| None)
}

/// How many of the metrics are gauges; those of quotas follow them.
pub(super) const GAUGES: usize = 34;

pub(super) static METRICS: &[Metric] = &[
    gauge("ephemerals_count", |m| int(m.stats.ephemerals_count)),
    gauge("num_alive_connections", |m| int(m.stats.connections)),
    gauge("avg_latency", |m| Value::Double(round4(m.stats.latency.avg_ms))),
    leading("min_proposal_size", |l| Value::Int(l.min_proposal_bytes)),
    gauge("outstanding_requests", |m| int(m.stats.outstanding)),
    gauge("znode_count", |m| int(m.stats.node_count)),
    gauge("global_sessions", |m| int(m.stats.global_sessions)),
    gauge("non_mtls_remote_conn_count", |_| Value::Int(0)),
    gauge("last_client_response_size", |m| Value::Int(m.stats.last_response_bytes)),
    gauge("packets_sent", |m| long(m.stats.sent)),
    gauge("packets_received", |m| long(m.stats.received)),
    leading("max_proposal_size", |l| Value::Int(l.max_proposal_bytes)),
    gauge("max_client_response_size", |m| Value::Int(m.stats.max_response_bytes)),
    leading("synced_followers", |l| int(l.synced_followers)),
    gauge("connection_drop_probability", |m| Value::Double(m.stats.connection_drop_probability)),
    gauge("watch_count", |m| int(m.stats.watch_count)),
    leading("synced_non_voting_followers", |l| int(l.synced_non_voting_followers)),
    member("synced_observers", |m| m.synced_observers.map(int)),
    gauge("auth_failed_count", |m| long(m.metrics.auth_failed_count)),
    gauge("min_latency", |m| long(m.stats.latency.min_ms)),
    gauge("max_file_descriptor_count", |m| long(m.process.max_file_descriptors)),
    gauge("approximate_data_size", |m| long(m.stats.approximate_data_size)),
    gauge("open_file_descriptor_count", |m| long(m.process.open_file_descriptors)),
    leading("last_proposal_size", |l| Value::Int(l.last_proposal_bytes)),
    leading("pending_syncs", |l| int(l.pending_syncs)),
    leading("leader_uptime", |l| long(l.uptime_ms)),
    gauge("local_sessions", |m| int(m.stats.local_sessions)),
    gauge("uptime", |m| long(m.stats.uptime_ms)),
    gauge("max_latency", |m| long(m.stats.latency.max_ms)),
    gauge("outstanding_tls_handshake", |_| Value::Int(0)),
    leading("learners", |l| int(l.learners)),
    gauge("min_client_response_size", |m| Value::Int(m.stats.min_response_bytes)),
    gauge("non_mtls_local_conn_count", |_| Value::Int(0)),
    member("quorum_size", |m| Some(int(m.quorum_size))),
    counter("watch_bytes", |m| m.watch_bytes),
    counter("stale_requests_dropped", |m| m.stale_requests_dropped),
    counter("throttled_ops", |m| m.throttled_ops),
    no_counter("insecure_admin_count"),
    counter("connection_rejected", |m| m.connection_rejected),
    counter("sessionless_connections_expired", |m| m.sessionless_connections_expired),
    no_counter("dead_watchers_queued"),
    counter("stale_requests", |m| m.stale_requests),
    counter("connection_drop_count", |m| m.connection_drop_count),
    no_counter("response_packet_cache_hits"),
    counter("bytes_received_count", |m| m.bytes_received_count),
    no_counter("add_dead_watcher_stall_time"),
    counter("request_throttle_wait_count", |m| m.request_throttle_wait_count),
    no_counter("requests_not_forwarded_to_commit_processor"),
    no_counter("response_packet_cache_misses"),
    no_counter("prep_processor_request_queued"),
    no_counter("stale_replies"),
    counter("response_bytes", |m| m.response_bytes),
    counter("ensemble_auth_fail", |m| m.ensemble_auth_fail),
    counter("diff_count", |m| m.diff_count),
    counter("connection_revalidate_count", |m| m.connection_revalidate_count),
    counter("quit_leading_due_to_disloyal_voter", |m| m.quit_leading_due_to_disloyal_voter),
    counter("unrecoverable_error_count", |m| m.unrecoverable_error_count),
    no_counter("unsuccessful_handshake"),
    counter("commit_count", |m| m.commit_count),
    no_counter("outstanding_changes_queued"),
    no_counter("request_commit_queued"),
    no_counter("ensemble_auth_skip"),
    no_counter("skip_learner_request_to_next_processor_count"),
    counter("proposal_count", |m| m.proposal_count),
    counter("large_requests_rejected", |m| m.large_requests_rejected),
    no_counter("outstanding_changes_removed"),
    no_counter("restore_error_count"),
    no_counter("cnxn_closed_without_zk_server_running"),
    counter("looking_count", |m| m.looking_count),
    no_counter("snapshot_rate_limited_count"),
    counter("learner_proposal_received_count", |m| m.learner_proposal_received_count),
    counter("digest_mismatches_count", |m| m.digest_mismatches_count),
    no_counter("dead_watchers_cleared"),
    no_counter("ensemble_auth_success"),
    counter("learner_commit_received_count", |m| m.learner_commit_received_count),
    counter("snapshot_error_count", |m| m.snapshot_error_count),
    counter("connection_request_count", |m| m.connection_request_count),
    no_counter("response_packet_get_children_cache_misses"),
    counter("snap_count", |m| m.snap_count),
    counter("stale_sessions_expired", |m| m.stale_sessions_expired),
    no_counter("restore_rate_limited_count"),
    no_counter("response_packet_get_children_cache_hits"),
    no_counter("sync_processor_request_queued"),
    no_counter("tls_handshake_exceeded"),
    counter("revalidate_count", |m| m.revalidate_count),
    no_basic("socket_closing_time"),
    no_basic("proposal_process_time"),
    basic("leader_unavailable_time", |m| m.leader_unavailable_time),
    basic("node_created_watch_count", |m| m.node_created_watch_count),
    no_basic("session_queues_drained"),
    no_basic("write_commit_proc_req_queued"),
    basic("connection_token_deficit", |m| m.connection_token_deficit),
    no_basic("read_commit_proc_req_queued"),
    basic("node_deleted_watch_count", |m| m.node_deleted_watch_count),
    no_basic("startup_txns_load_time"),
    no_basic("sync_processor_queue_size"),
    basic("follower_sync_time", |m| m.follower_sync_time),
    no_basic("prep_processor_queue_size"),
    basic("fsynctime", |m| m.fsynctime),
    basic("inflight_snap_count", |m| m.inflight_snap_count),
    no_basic("reads_issued_from_session_queue"),
    no_basic("restore_time"),
    no_basic("learner_request_processor_queue_size"),
    basic("snapshottime", |m| m.snapshottime),
    basic("unavailable_time", |m| m.unavailable_time),
    basic("startup_txns_loaded", |m| m.startup_txns_loaded),
    no_basic("reads_after_write_in_session_queue"),
    no_basic("requests_in_session_queue"),
    no_basic("write_commit_proc_issued"),
    no_basic("prep_process_time"),
    no_basic("pending_session_queue_size"),
    no_basic("time_waiting_empty_pool_in_commit_processor_read_ms"),
    no_basic("commit_process_time"),
    basic("dbinittime", |m| m.dbinittime),
    basic("inflight_diff_count", |m| m.inflight_diff_count),
    no_basic("netty_queued_buffer_capacity"),
    basic("election_time", |m| m.election_time),
    no_basic("commit_commit_proc_req_queued"),
    basic("sync_processor_batch_size", |m| m.sync_processor_batch_size),
    basic("node_children_watch_count", |m| m.node_children_watch_count),
    no_basic("write_batch_time_in_commit_processor"),
    no_basic("read_commit_proc_issued"),
    no_basic("concurrent_request_processing_in_commit_processor"),
    basic("observer_sync_time", |m| m.observer_sync_time),
    basic("node_changed_watch_count", |m| m.node_changed_watch_count),
    no_basic("sync_process_time"),
    no_basic("startup_snap_load_time"),
    no_advanced("prep_processor_queue_time_ms"),
    no_advanced("jvm_pause_time_ms"),
    no_advanced("close_session_prep_time"),
    no_advanced("read_commitproc_time_ms"),
    advanced("updatelatency", |m| Some(&m.updatelatency)),
    no_advanced("local_write_committed_time_ms"),
    no_advanced("request_throttle_queue_time_ms"),
    advanced("readlatency", |m| Some(&m.readlatency)),
    advanced("quorum_ack_latency", |m| Some(&m.quorum_ack_latency)),
    no_advanced("om_commit_process_time_ms"),
    no_advanced("read_final_proc_time_ms"),
    advanced("commit_propagation_latency", |m| Some(&m.commit_propagation_latency)),
    no_advanced("dead_watchers_cleaner_latency"),
    no_advanced("write_final_proc_time_ms"),
    advanced("proposal_ack_creation_latency", |m| Some(&m.proposal_ack_creation_latency)),
    advanced("proposal_latency", |m| Some(&m.proposal_latency)),
    no_advanced("om_proposal_process_time_ms"),
    no_advanced("sync_processor_queue_and_flush_time_ms"),
    advanced("propagation_latency", |m| Some(&m.propagation_latency)),
    no_advanced("server_write_committed_time_ms"),
    no_advanced("sync_processor_queue_time_ms"),
    no_advanced("sync_processor_queue_flush_time_ms"),
    no_advanced("write_commitproc_time_ms"),
];
