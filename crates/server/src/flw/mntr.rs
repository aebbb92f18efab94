//! `mntr`: every metric Apache 3.9.5 has, one line each, in the order Apache's servers happen to print them
//! (reference: operations §5). A stage this server does not have keeps its lines, with zeros: scrapers look names up.

use super::VERSION;
use super::facts::Process;
use super::metrics::{GAUGES, METRICS, Metric, Shape};
use super::text::{java_double, round4};
use node::{Histogram, Learners, Metrics, ServerStats, Summary, Traffic};
use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use tree::{QuotaView, Usage};
use wire::ServerState;

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

/// All metrics.
pub fn mntr(monitor: &Monitor<'_>) -> String {
    let mut text = String::with_capacity(24 << 10);
    line(&mut text, "version", VERSION);
    line(&mut text, "server_state", monitor.stats.mode);
    if let Some(member) = &monitor.stats.member {
        line(&mut text, "peer_state", member.state);
        if let (ServerState::Observing, Some(master)) = (member.state.state, member.master) {
            line(&mut text, "observer_master_id", master);
        }
    }
    for (position, Metric { name, shape }) in METRICS.iter().enumerate() {
        if position == GAUGES {
            quota_gauges(&mut text, monitor.quotas);
        }
        match shape {
            Shape::Gauge(value) => line(&mut text, name, value(monitor)),
            Shape::Leading(value) => {
                if let Some(leading) = monitor.stats.member.as_ref().and_then(|member| member.leading) {
                    line(&mut text, name, value(&leading));
                }
            }
            Shape::Member(value) => {
                if let Some(value) = monitor.stats.member.as_ref().and_then(value) {
                    line(&mut text, name, value);
                }
            }
            Shape::Counter(value) => line(&mut text, name, value(monitor.metrics)),
            Shape::Basic(value) => summary(&mut text, name, value(monitor.metrics)),
            Shape::Advanced(value) => histogram(&mut text, name, value(monitor.metrics)),
        }
    }
    traffic(&mut text, &monitor.metrics.traffic);
    learners(&mut text, &monitor.metrics.learners);
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

fn learners(text: &mut String, learners: &Learners) {
    for (server, figures) in learners.iter() {
        if let Some(size) = figures.queue_size {
            summary(text, format_args!("{server}_learner_handler_qp_size"), size);
        }
        let parts =
            [("learner_handler_qp_time_ms", &figures.queue_time_ms), ("ack_latency", &figures.ack_latency)];
        for (part, values) in parts {
            if values.is_some() {
                histogram(text, &format!("{server}_{part}"), values.as_ref());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flw::stat::tests::{LEADING, member, stats};

    fn lines(metrics: &Metrics) -> Vec<String> {
        lines_of(&stats(), metrics)
    }

    fn lines_of(stats: &ServerStats, metrics: &Metrics) -> Vec<String> {
        let none = BTreeMap::new();
        let process = Process { open_file_descriptors: 51, max_file_descriptors: 20_000 };
        let monitor = Monitor { stats, metrics, process, quotas: &none };
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
    fn what_is_counted_by_server_has_its_id_in_front() {
        let figures = node::LearnerFigures {
            queue_size: Some(Summary { count: 2, sum: 3, min: 1, max: 2 }),
            queue_time_ms: Some(Histogram::default()),
            ack_latency: None,
        };
        let mut text = String::new();
        learners(&mut text, &[(zab::ServerId(2), figures)].into_iter().collect());
        assert_eq!(
            text.replace("learner_handler_", ""),
            "zk_avg_2_qp_size\t1.5\nzk_min_2_qp_size\t1\nzk_max_2_qp_size\t2\nzk_cnt_2_qp_size\t2\nzk_sum_2_qp_size\t3\n\
             zk_avg_2_qp_time_ms\t0.0\nzk_min_2_qp_time_ms\t0\nzk_max_2_qp_time_ms\t0\nzk_cnt_2_qp_time_ms\t0\n\
             zk_sum_2_qp_time_ms\t0\nzk_p50_2_qp_time_ms\t0\nzk_p95_2_qp_time_ms\t0\nzk_p99_2_qp_time_ms\t0\n\
             zk_p999_2_qp_time_ms\t0\n"
        );
    }

    /// As a running leader, follower and observer printed them, but for the sets by server id.
    #[test]
    fn a_members_own_lines_stand_where_apaches_do() {
        let names = |stats: &ServerStats| {
            let lines = lines_of(stats, &Metrics::default());
            lines.iter().map(|line| line.split('\t').next().unwrap()[3..].to_owned()).collect::<Vec<_>>()
        };
        let gauges = names(&member(ServerState::Leading, Some(LEADING)))[..38].join(" ");
        assert_eq!(
            gauges,
            "version server_state peer_state ephemerals_count num_alive_connections avg_latency min_proposal_size \
             outstanding_requests znode_count global_sessions non_mtls_remote_conn_count last_client_response_size \
             packets_sent packets_received max_proposal_size max_client_response_size synced_followers \
             connection_drop_probability watch_count synced_non_voting_followers synced_observers auth_failed_count \
             min_latency max_file_descriptor_count approximate_data_size open_file_descriptor_count \
             last_proposal_size pending_syncs leader_uptime local_sessions uptime max_latency \
             outstanding_tls_handshake learners min_client_response_size non_mtls_local_conn_count quorum_size \
             watch_bytes"
        );
        let own = |names: Vec<String>| {
            let standalone: Vec<&str> =
                include_str!("mntr_names.txt").lines().map(|name| &name[3..]).collect();
            names.into_iter().filter(|name| !standalone.contains(&name.as_str())).collect::<Vec<_>>()
        };
        assert_eq!(own(names(&member(ServerState::Following, None))), ["peer_state", "quorum_size"]);
        let observer = own(names(&member(ServerState::Observing, None)));
        assert_eq!(observer, ["peer_state", "observer_master_id", "quorum_size"]);
    }

    #[test]
    fn a_members_gauges_come_from_its_view() {
        let leader = lines_of(&member(ServerState::Leading, Some(LEADING)), &Metrics::default());
        for line in [
            "zk_server_state\tleader",
            "zk_peer_state\tleading - broadcast",
            "zk_learners\t4",
            "zk_synced_followers\t3",
            "zk_synced_non_voting_followers\t1",
            "zk_synced_observers\t1",
            "zk_leader_uptime\t6100",
            "zk_last_proposal_size\t92",
            "zk_quorum_size\t3",
        ] {
            assert!(leader.iter().any(|printed| printed == line), "{line}");
        }
        let observer = lines_of(&member(ServerState::Observing, None), &Metrics::default());
        assert_eq!(observer[2..4], ["zk_peer_state\tobserving - broadcast", "zk_observer_master_id\t2"]);
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
