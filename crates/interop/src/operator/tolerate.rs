//! What may differ, and why: a line is known by what stands before its first `=`, `:` or tab.

use std::collections::BTreeSet;

/// One kind of line that is not compared.
struct Entry {
    /// How the phase begins; empty for every one.
    phase: &'static str,
    word: &'static str,
    /// The whole key; a `*` stands for anything.
    key: &'static str,
    #[allow(dead_code, reason = "it is for whoever reads the list")]
    because: &'static str,
}

const fn entry(word: &'static str, key: &'static str, because: &'static str) -> Entry {
    Entry { phase: "", word, key, because }
}

const fn only(phase: &'static str, word: &'static str, key: &'static str, because: &'static str) -> Entry {
    Entry { phase, word, key, because }
}

const VERSION: &str = "each server has its own version";
const CLOCK: &str = "it is a time, or depends on one";
const NO_JVM: &str = "there is no JVM (differences)";
const POLLS: &str = "it counts how often each server was asked before it was ready";
const NO_STAGE: &str = "a stage that does not exist here shows zeros (differences)";
const QUEUE: &str =
    "what waits for a learner is looked at twice a tick, by Apache with every packet (differences)";
const NO_CACHE: &str = "there is no cache of responses to hit or miss (differences)";
const REPLAY: &str = "Apache counts the replay of its log as traffic (differences)";
const START_SNAPSHOT: &str =
    "a member of ours writes a snapshot when it starts, Apache's when it leads (differences)";
const CONFIG_NODE: &str = "Apache counts its own configuration node as traffic (differences)";
const SIDE_FILES: &str = "side files beside the logs count too (differences)";
const PIECES: &str =
    "Apache wants all of stmk in one segment, and counts what it then does not answer (differences)";

const ENTRIES: &[Entry] = &[
    entry("srvr", "Zookeeper version", VERSION),
    entry("stat", "Zookeeper version", VERSION),
    entry("mntr", "zk_version", VERSION),
    entry("envi", "zookeeper.version", VERSION),
    entry("envi", "java.*", NO_JVM),
    entry("envi", "os.memory.*", NO_JVM),
    entry("envi", "host.name", "Java asks the resolver for another name (differences)"),
    entry("srvr", "Latency min/avg/max", CLOCK),
    entry("stat", "Latency min/avg/max", CLOCK),
    only("fresh", "srvr", "Received", POLLS),
    only("fresh", "srvr", "Sent", POLLS),
    only("fresh", "stat", "Received", POLLS),
    only("fresh", "stat", "Sent", POLLS),
    only("restarted", "srvr", "Received", POLLS),
    only("restarted", "srvr", "Sent", POLLS),
    only("restarted", "stat", "Received", POLLS),
    only("restarted", "stat", "Sent", POLLS),
    only("whitelist", "srvr", "Received", POLLS),
    only("whitelist", "srvr", "Sent", POLLS),
    only("fresh", "mntr", "zk_packets_*", POLLS),
    only("fresh", "mntr", "zk_bytes_received_count", POLLS),
    only("restarted", "mntr", "zk_packets_*", POLLS),
    only("restarted", "mntr", "zk_bytes_received_count", POLLS),
    only("whitelist", "mntr", "zk_packets_*", POLLS),
    only("whitelist", "mntr", "zk_bytes_received_count", POLLS),
    only("reset", "stat", "Received", PIECES),
    only("reset", "stat", "Sent", PIECES),
    only("bytes", "stmk in pieces", "12345", PIECES),
    entry("conf", "dataDirSize", SIDE_FILES),
    entry("conf", "dataLogSize", SIDE_FILES),
    entry("dirs", "datadir_size", SIDE_FILES),
    entry("dirs", "logdir_size", SIDE_FILES),
    entry("mntr", "zk_approximate_data_size", "Apache's drifts where there are quotas (differences)"),
    entry("mntr", "zk_*_file_descriptor_count", "each server opens its own files"),
    entry("mntr", "zk_uptime", CLOCK),
    entry("mntr", "zk_avg_*latency", CLOCK),
    entry("mntr", "zk_min_*latency", CLOCK),
    entry("mntr", "zk_max_*latency", CLOCK),
    entry("mntr", "zk_sum_*latency", CLOCK),
    entry("mntr", "zk_p*latency", CLOCK),
    entry("mntr", "zk_avg_*time", CLOCK),
    entry("mntr", "zk_min_*time", CLOCK),
    entry("mntr", "zk_max_*time", CLOCK),
    entry("mntr", "zk_sum_*time", CLOCK),
    // How transactions share a flush.
    entry("mntr", "zk_*_fsynctime", CLOCK),
    entry("mntr", "zk_*_sync_processor_batch_size", CLOCK),
    entry("mntr", "zk_*_startup_snap_load_time", NO_STAGE),
    entry("mntr", "zk_*_startup_txns_load_time", NO_STAGE),
    entry("mntr", "zk_*prep_process*", NO_STAGE),
    entry("mntr", "zk_*_proposal_process_time", NO_STAGE),
    entry("mntr", "zk_*_sync_process_time", NO_STAGE),
    entry("mntr", "zk_*sync_processor_queue*", NO_STAGE),
    entry("mntr", "zk_sync_processor_request_queued", NO_STAGE),
    entry("mntr", "zk_outstanding_changes_*", NO_STAGE),
    entry("mntr", "zk_*_close_session_prep_time", NO_STAGE),
    entry("mntr", "zk_*_request_throttle_queue_time_ms", NO_STAGE),
    entry("mntr", "zk_response_packet_*", NO_CACHE),
    only("restarted", "mntr", "zk_*_write_per_namespace", REPLAY),
    only("ensemble fresh", "srvr", "Received", POLLS),
    only("ensemble fresh", "srvr", "Sent", POLLS),
    only("ensemble fresh", "stat", "Received", POLLS),
    only("ensemble fresh", "stat", "Sent", POLLS),
    only("ensemble fresh", "mntr", "zk_packets_*", POLLS),
    only("ensemble fresh", "mntr", "zk_bytes_received_count", POLLS),
    only("ensemble fresh", "mntr", "zk_cnt_snapshottime", START_SNAPSHOT),
    only("ensemble", "mntr", "zk_*_zookeeper_write_per_namespace", CONFIG_NODE),
    only("ensemble", "mntr", "zk_leader_uptime", CLOCK),
    // How many of a kind meet.
    only("ensemble", "mntr", "zk_avg_inflight_*_count", CLOCK),
    only("ensemble", "mntr", "zk_min_inflight_*_count", CLOCK),
    only("ensemble", "mntr", "zk_max_inflight_*_count", CLOCK),
    only("ensemble", "mntr", "zk_sum_inflight_*_count", CLOCK),
    only("ensemble", "mntr", "zk_*_learner_handler_qp_*", QUEUE),
    only("ensemble", "mntr", "zk_*_learner_request_processor_queue_size", NO_STAGE),
    only("ensemble", "mntr", "zk_request_commit_queued", NO_STAGE),
    only("ensemble", "mntr", "zk_*_commit_proc_*", NO_STAGE),
    only("ensemble", "mntr", "zk_*_commit_process_time", NO_STAGE),
    only("ensemble", "mntr", "zk_*_commitproc_time_ms", NO_STAGE),
    only("ensemble", "mntr", "zk_*_final_proc_time_ms", NO_STAGE),
    only("ensemble", "mntr", "zk_*_write_committed_time_ms", NO_STAGE),
    only("ensemble", "mntr", "zk_*_session_queue*", NO_STAGE),
    only("ensemble", "mntr", "zk_*_write_batch_time_in_commit_processor", NO_STAGE),
    only("ensemble", "mntr", "zk_*_time_waiting_empty_pool_in_commit_processor_read_ms", NO_STAGE),
];

/// The list, and which of it has been of use.
#[derive(Default)]
pub(super) struct Tolerance {
    used: BTreeSet<usize>,
}

impl Tolerance {
    /// The lines that must be equal.
    pub(super) fn strict(&mut self, phase: &str, word: &str, text: &str) -> Vec<String> {
        let mut lines = Vec::new();
        for line in text.lines() {
            let key = line.split(['=', ':', '\t']).next().unwrap_or_default();
            let applies = |entry: &Entry| {
                (entry.phase.is_empty() || phase.starts_with(entry.phase))
                    && entry.word == word
                    && matches(entry.key, key)
            };
            match ENTRIES.iter().position(applies) {
                Some(entry) => {
                    self.used.insert(entry);
                }
                None => lines.push(line.to_owned()),
            }
        }
        // Where everything is compared, so is the last line's end.
        if !text.is_empty() && lines.len() == text.lines().count() {
            lines.push(format!("ends with a line end: {}", text.ends_with('\n')));
        }
        lines
    }

    /// What nothing has matched: the reason is gone, or the key is misspelt.
    pub(super) fn unused(&self) -> Vec<String> {
        let unused = ENTRIES.iter().enumerate().filter(|(at, _)| !self.used.contains(at));
        unused.map(|(_, entry)| format!("{} {} {}", entry.phase, entry.word, entry.key)).collect()
    }
}

fn matches(pattern: &str, key: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == key,
        Some((head, tail)) => key.strip_prefix(head).is_some_and(|rest| {
            let starts = (0..=rest.len()).filter(|at| rest.is_char_boundary(*at));
            starts.into_iter().any(|at| matches(tail, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, key, fits) in [
            ("zk_uptime", "zk_uptime", true),
            ("zk_uptime", "zk_uptime2", false),
            ("zk_*latency", "zk_avg_readlatency", true),
            ("zk_avg_*time", "zk_avg_fsynctime", true),
            ("zk_avg_*time", "zk_cnt_fsynctime", false),
            ("java.*", "java.", true),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXcYb", false),
        ] {
            assert_eq!(matches(pattern, key), fits, "{pattern} {key}");
        }
    }

    #[test]
    fn tolerated_lines_are_left_out_and_remembered() {
        let mut tolerance = Tolerance::default();
        let text = "zk_uptime\t5\nzk_znode_count\t6\n";
        assert_eq!(tolerance.strict("busy", "mntr", text), ["zk_znode_count\t6"]);
        assert_eq!(tolerance.used.len(), 1);
        assert_eq!(tolerance.unused().len(), ENTRIES.len() - 1);
        assert_eq!(tolerance.strict("busy", "srvr", "Sent: 5\n"), ["Sent: 5", "ends with a line end: true"]);
        assert!(tolerance.strict("fresh", "srvr", "Sent: 5\n").is_empty());
    }
}
