//! `mntr`: every metric Apache 3.9.5 has, one line each, in the order Apache's standalone server happens to print them
//! (reference: operations §5). A stage this server does not have keeps its lines, with zeros: scrapers look names up.

use super::VERSION;
use super::facts::Process;
use super::text::{java_double, round4};
use node::{Histogram, Metrics, ServerStats, Summary, Traffic};
use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use tree::{QuotaView, Usage};

/// What `mntr` reads.
#[derive(Clone, Copy, Debug)]
pub struct Monitor<'a> {
    /// The figures of `srvr`.
    pub stats: &'a ServerStats,
    /// Counters and summaries.
    pub metrics: &'a Metrics,
    /// Open files.
    pub process: Process,
    /// Quotas, by the first component of their path.
    pub quotas: &'a BTreeMap<&'a str, QuotaGauges>,
}

/// The quotas below one top-level node, summed up as Apache does: a limit of −1, which is none, counts too.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct QuotaGauges {
    /// Nodes and bytes allowed, if there is a limits node.
    pub limits: Option<Usage>,
    /// Nodes and bytes there are, if there is a stats node.
    pub usage: Option<Usage>,
}

impl QuotaGauges {
    /// By the top component of the path.
    pub fn of(quotas: &[QuotaView]) -> BTreeMap<&str, QuotaGauges> {
        let mut all: BTreeMap<&str, QuotaGauges> = BTreeMap::new();
        for QuotaView { path, limits, usage } in quotas {
            let name = path.split('/').nth(1).unwrap_or_default();
            let gauges = all.entry(name).or_default();
            for (sum, more) in [(&mut gauges.limits, limits), (&mut gauges.usage, usage)] {
                let Some(more) = more else { continue };
                let sum = sum.get_or_insert_default();
                sum.count = sum.count.saturating_add(more.count);
                sum.bytes = sum.bytes.saturating_add(more.bytes);
            }
        }
        all
    }
}

/// All metrics of a standalone server.
pub fn mntr(monitor: &Monitor<'_>) -> String {
    let mut text = String::with_capacity(24 << 10);
    line(&mut text, "version", VERSION);
    line(&mut text, "server_state", monitor.stats.mode);
    for (position, Metric { name, shape }) in METRICS.iter().enumerate() {
        if position == GAUGES {
            quota_gauges(&mut text, monitor.quotas);
        }
        match shape {
            Shape::Gauge(value) => line(&mut text, name, value(monitor)),
            Shape::Counter(value) => line(&mut text, name, value(monitor.metrics)),
            Shape::Basic(value) => summary(&mut text, name, value(monitor.metrics)),
            Shape::Advanced(value) => histogram(&mut text, name, value(monitor.metrics)),
        }
    }
    traffic(&mut text, &monitor.metrics.traffic);
    text
}

fn line(text: &mut String, name: impl Display, value: impl Display) {
    let _ = writeln!(text, "zk_{name}\t{value}");
}

fn quota_gauges(text: &mut String, quotas: &BTreeMap<&str, QuotaGauges>) {
    type Part = (&'static str, fn(&QuotaGauges) -> Option<i64>);
    let parts: [Part; 4] = [
        ("bytes_limit", |quota| Some(quota.limits?.bytes)),
        ("count_usage", |quota| Some(quota.usage?.count)),
        ("count_limit", |quota| Some(quota.limits?.count)),
        ("bytes_usage", |quota| Some(quota.usage?.bytes)),
    ];
    for (part, value) in parts {
        for (namespace, quota) in quotas {
            if let Some(value) = value(quota) {
                line(text, format_args!("{namespace}_quota_{part}_per_namespace"), value);
            }
        }
    }
}

fn traffic(text: &mut String, traffic: &Traffic) {
    for (namespace, bytes) in traffic.iter() {
        if let Some(count) = bytes.quota_exceeded {
            line(text, format_args!("{namespace}_quota_exceeded_error_per_namespace"), count);
        }
        for (part, bytes) in [("read", bytes.read), ("write", bytes.write)] {
            if let Some(bytes) = bytes {
                summary(text, format_args!("{namespace}_{part}_per_namespace"), bytes);
            }
        }
    }
}

fn summary(text: &mut String, name: impl Display, summary: Summary) {
    line(text, format_args!("avg_{name}"), java_double(round4(summary.mean())));
    for (part, value) in
        [("min", summary.min), ("max", summary.max), ("cnt", summary.count), ("sum", summary.sum)]
    {
        line(text, format_args!("{part}_{name}"), value);
    }
}

fn histogram(text: &mut String, name: &str, histogram: Option<&Histogram>) {
    summary(text, name, histogram.map(Histogram::summary).unwrap_or_default());
    for (part, share) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999)] {
        line(text, format_args!("{part}_{name}"), histogram.map_or(0, |histogram| histogram.quantile(share)));
    }
}

/// A value as Java prints it: whole numbers plainly, others as doubles.
enum Value {
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

struct Metric {
    name: &'static str,
    shape: Shape,
}

enum Shape {
    Gauge(fn(&Monitor<'_>) -> Value),
    Counter(fn(&Metrics) -> u64),
    Basic(fn(&Metrics) -> Summary),
    Advanced(fn(&Metrics) -> Option<&Histogram>),
}

const fn gauge(name: &'static str, value: fn(&Monitor<'_>) -> Value) -> Metric {
    Metric { name, shape: Shape::Gauge(value) }
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
const GAUGES: usize = 24;

static METRICS: &[Metric] = &[
    gauge("ephemerals_count", |m| int(m.stats.ephemerals_count)),
    gauge("num_alive_connections", |m| int(m.stats.connections)),
    gauge("avg_latency", |m| Value::Double(round4(m.stats.latency.avg_ms))),
    gauge("outstanding_requests", |m| int(m.stats.outstanding)),
    gauge("znode_count", |m| int(m.stats.node_count)),
    gauge("global_sessions", |m| int(m.stats.global_sessions)),
    gauge("non_mtls_remote_conn_count", |_| Value::Int(0)),
    gauge("last_client_response_size", |m| Value::Int(m.stats.last_response_bytes)),
    gauge("packets_sent", |m| long(m.stats.sent)),
    gauge("packets_received", |m| long(m.stats.received)),
    gauge("max_client_response_size", |m| Value::Int(m.stats.max_response_bytes)),
    gauge("connection_drop_probability", |m| Value::Double(m.stats.connection_drop_probability)),
    gauge("watch_count", |m| int(m.stats.watch_count)),
    gauge("auth_failed_count", |m| long(m.metrics.auth_failed_count)),
    gauge("min_latency", |m| long(m.stats.latency.min_ms)),
    gauge("max_file_descriptor_count", |m| long(m.process.max_file_descriptors)),
    gauge("approximate_data_size", |m| long(m.stats.approximate_data_size)),
    gauge("open_file_descriptor_count", |m| long(m.process.open_file_descriptors)),
    gauge("local_sessions", |m| int(m.stats.local_sessions)),
    gauge("uptime", |m| long(m.stats.uptime_ms)),
    gauge("max_latency", |m| long(m.stats.latency.max_ms)),
    gauge("outstanding_tls_handshake", |_| Value::Int(0)),
    gauge("min_client_response_size", |m| Value::Int(m.stats.min_response_bytes)),
    gauge("non_mtls_local_conn_count", |_| Value::Int(0)),
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
    no_counter("diff_count"),
    counter("connection_revalidate_count", |m| m.connection_revalidate_count),
    no_counter("quit_leading_due_to_disloyal_voter"),
    counter("unrecoverable_error_count", |m| m.unrecoverable_error_count),
    no_counter("unsuccessful_handshake"),
    no_counter("commit_count"),
    no_counter("outstanding_changes_queued"),
    no_counter("request_commit_queued"),
    no_counter("ensemble_auth_skip"),
    no_counter("skip_learner_request_to_next_processor_count"),
    no_counter("proposal_count"),
    counter("large_requests_rejected", |m| m.large_requests_rejected),
    no_counter("outstanding_changes_removed"),
    no_counter("restore_error_count"),
    no_counter("cnxn_closed_without_zk_server_running"),
    no_counter("looking_count"),
    no_counter("snapshot_rate_limited_count"),
    no_counter("learner_proposal_received_count"),
    counter("digest_mismatches_count", |m| m.digest_mismatches_count),
    no_counter("dead_watchers_cleared"),
    no_counter("ensemble_auth_success"),
    no_counter("learner_commit_received_count"),
    counter("snapshot_error_count", |m| m.snapshot_error_count),
    counter("connection_request_count", |m| m.connection_request_count),
    no_counter("response_packet_get_children_cache_misses"),
    no_counter("snap_count"),
    counter("stale_sessions_expired", |m| m.stale_sessions_expired),
    no_counter("restore_rate_limited_count"),
    no_counter("response_packet_get_children_cache_hits"),
    no_counter("sync_processor_request_queued"),
    no_counter("tls_handshake_exceeded"),
    no_counter("revalidate_count"),
    no_basic("socket_closing_time"),
    no_basic("proposal_process_time"),
    no_basic("leader_unavailable_time"),
    basic("node_created_watch_count", |m| m.node_created_watch_count),
    no_basic("session_queues_drained"),
    no_basic("write_commit_proc_req_queued"),
    basic("connection_token_deficit", |m| m.connection_token_deficit),
    no_basic("read_commit_proc_req_queued"),
    basic("node_deleted_watch_count", |m| m.node_deleted_watch_count),
    no_basic("startup_txns_load_time"),
    no_basic("sync_processor_queue_size"),
    no_basic("follower_sync_time"),
    no_basic("prep_processor_queue_size"),
    basic("fsynctime", |m| m.fsynctime),
    no_basic("inflight_snap_count"),
    no_basic("reads_issued_from_session_queue"),
    no_basic("restore_time"),
    no_basic("learner_request_processor_queue_size"),
    basic("snapshottime", |m| m.snapshottime),
    no_basic("unavailable_time"),
    basic("startup_txns_loaded", |m| m.startup_txns_loaded),
    no_basic("reads_after_write_in_session_queue"),
    no_basic("requests_in_session_queue"),
    no_basic("write_commit_proc_issued"),
    no_basic("prep_process_time"),
    no_basic("pending_session_queue_size"),
    no_basic("time_waiting_empty_pool_in_commit_processor_read_ms"),
    no_basic("commit_process_time"),
    basic("dbinittime", |m| m.dbinittime),
    no_basic("inflight_diff_count"),
    no_basic("netty_queued_buffer_capacity"),
    no_basic("election_time"),
    no_basic("commit_commit_proc_req_queued"),
    basic("sync_processor_batch_size", |m| m.sync_processor_batch_size),
    basic("node_children_watch_count", |m| m.node_children_watch_count),
    no_basic("write_batch_time_in_commit_processor"),
    no_basic("read_commit_proc_issued"),
    no_basic("concurrent_request_processing_in_commit_processor"),
    no_basic("observer_sync_time"),
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
    no_advanced("quorum_ack_latency"),
    no_advanced("om_commit_process_time_ms"),
    no_advanced("read_final_proc_time_ms"),
    no_advanced("commit_propagation_latency"),
    no_advanced("dead_watchers_cleaner_latency"),
    no_advanced("write_final_proc_time_ms"),
    no_advanced("proposal_ack_creation_latency"),
    no_advanced("proposal_latency"),
    no_advanced("om_proposal_process_time_ms"),
    no_advanced("sync_processor_queue_and_flush_time_ms"),
    advanced("propagation_latency", |m| Some(&m.propagation_latency)),
    no_advanced("server_write_committed_time_ms"),
    no_advanced("sync_processor_queue_time_ms"),
    no_advanced("sync_processor_queue_flush_time_ms"),
    no_advanced("write_commitproc_time_ms"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flw::stat::tests::stats;

    fn lines(metrics: &Metrics) -> Vec<String> {
        let none = BTreeMap::new();
        let process = Process { open_file_descriptors: 51, max_file_descriptors: 20_000 };
        let monitor = Monitor { stats: &stats(), metrics, process, quotas: &none };
        mntr(&monitor).lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_names_are_apaches_in_apaches_order() {
        let names: Vec<String> = lines(&Metrics::default())
            .iter()
            .map(|line| line.split('\t').next().unwrap().to_owned())
            .collect();
        let apaches: Vec<&str> = include_str!("mntr_names.txt").lines().collect();
        assert_eq!(names, apaches);
    }

    #[test]
    fn every_line_is_a_name_a_tab_and_a_value() {
        for line in lines(&Metrics::default()) {
            let (name, value) = line.split_once('\t').unwrap();
            assert!(name.starts_with("zk_") && !value.is_empty() && !value.contains('\t'), "{line}");
        }
    }

    #[test]
    fn gauges_come_from_the_statistics_and_the_process() {
        let lines = lines(&Metrics::default());
        for line in [
            "zk_server_state\tstandalone",
            "zk_avg_latency\t1.0383",
            "zk_znode_count\t16",
            "zk_approximate_data_size\t821",
            "zk_open_file_descriptor_count\t51",
            "zk_max_file_descriptor_count\t20000",
            "zk_connection_drop_probability\t0.0",
            "zk_uptime\t6207",
        ] {
            assert!(lines.iter().any(|printed| printed == line), "{line}");
        }
        assert_eq!(lines[0], format!("zk_version\t{VERSION}"));
    }

    #[test]
    fn counters_and_summaries_come_from_the_metrics() {
        let mut metrics = Metrics { bytes_received_count: 47_592, ..Metrics::default() };
        for value in [0, 0, 35] {
            metrics.fsynctime.add(value);
        }
        for value in [1, 1, 2, 98] {
            metrics.updatelatency.add(value);
        }
        let text = lines(&metrics).join("\n");
        assert!(text.contains("zk_bytes_received_count\t47592\n"));
        assert!(text.contains(
            "zk_avg_fsynctime\t11.6667\nzk_min_fsynctime\t0\nzk_max_fsynctime\t35\nzk_cnt_fsynctime\t3\n\
             zk_sum_fsynctime\t35\n"
        ));
        assert!(
            text.contains("zk_avg_updatelatency\t25.5\nzk_min_updatelatency\t1\nzk_max_updatelatency\t98\n")
        );
        assert!(text.contains("zk_p50_updatelatency\t1\n"));
    }

    #[test]
    fn quotas_appear_once_there_are_any() {
        let view = |path: &str, limits, usage| QuotaView { path: path.to_owned(), limits, usage };
        let usage = |count, bytes| Some(Usage { count, bytes });
        let quotas = [
            view("/app/a", usage(5, -1), usage(10, 600)),
            view("/app/b", usage(0, 1001), usage(0, 3)),
            view("/bare", usage(-1, 7), None),
        ];
        let quotas = QuotaGauges::of(&quotas);
        let monitor = Monitor {
            stats: &stats(),
            metrics: &Metrics::default(),
            process: Process::default(),
            quotas: &quotas,
        };
        let text = mntr(&monitor);
        assert!(text.contains(
            "zk_app_quota_bytes_limit_per_namespace\t1000\nzk_bare_quota_bytes_limit_per_namespace\t7\n\
             zk_app_quota_count_usage_per_namespace\t10\nzk_app_quota_count_limit_per_namespace\t5\n\
             zk_bare_quota_count_limit_per_namespace\t-1\nzk_app_quota_bytes_usage_per_namespace\t603\n\
             zk_watch_bytes\t0\n"
        ));
    }
}
