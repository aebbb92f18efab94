//! What of a four-letter word's text must be equal.

use crate::normal::Labels;

/// The comparable part of a text.
pub fn comparable(word: &[u8; 4], text: &str, labels: &Labels) -> String {
    match word {
        b"srvr" => text.lines().map(srvr_line).collect::<Vec<_>>().join("\n"),
        b"mntr" => {
            let mut lines: Vec<&str> =
                text.lines().filter(|line| MNTR.iter().any(|key| line.starts_with(key))).collect();
            lines.sort_unstable();
            lines.join("\n")
        }
        b"dump" => dump(text, labels),
        _ => text.to_owned(),
    }
}

/// Without `zk_approximate_data_size`: Apache's drifts wherever there are quotas (differences: `mntr`).
const MNTR: &[&str] = &[
    "zk_server_state\t",
    "zk_znode_count\t",
    "zk_watch_count\t",
    "zk_ephemerals_count\t",
    "zk_global_sessions\t",
    "zk_local_sessions\t",
];

/// Counts and latencies go; the tree's size, the zxid and the mode stay.
fn srvr_line(line: &str) -> &str {
    const KEPT: &[&str] = &["Zxid:", "Mode:", "Node count:", "Outstanding:"];
    if KEPT.iter().any(|kept| line.starts_with(kept)) {
        return line;
    }
    line.split_once(':').map_or(line, |(key, _)| key)
}

/// Who owns which ephemeral nodes, in order. Apache also counts sessions whose last one is gone (differences: `dump`).
fn dump(text: &str, labels: &Labels) -> String {
    let owners = text.find("Sessions with Ephemerals").map_or("", |at| &text[at..]);
    let lines = owners.lines().skip(1);
    let mut out = Vec::new();
    let mut owner = String::new();
    for line in lines {
        if let Some(id) = line.strip_prefix("0x").and_then(|line| line.strip_suffix(':')) {
            let id = u64::from_str_radix(id, 16).unwrap_or(0) as i64;
            owner = labels.get(&id).map_or_else(|| line.to_owned(), |label| format!("session {label}"));
        } else if line.starts_with('\t') {
            out.push(format!("{owner} {line}"));
        } else {
            break;
        }
    }
    out.sort();
    out.join("\n")
}
