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
        // Apache also counts connections whose last watch has fired (differences: `wchs`).
        b"wchs" => text.split_once(" connections ").map_or(text, |(_, rest)| rest).to_owned(),
        b"wchc" | b"wchp" => watches(text, labels),
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
            owner = session(id, labels);
        } else if line.starts_with('\t') {
            out.push(format!("{owner} {line}"));
        } else {
            break;
        }
    }
    out.sort();
    out.join("\n")
}

/// The pairs of a head line and a line below it, in order: sessions and their paths, or paths and their sessions.
fn watches(text: &str, labels: &Labels) -> String {
    let named = |line: &str| match line.strip_prefix("0x") {
        Some(id) => session(id, labels),
        None => line.to_owned(),
    };
    let mut head = String::new();
    let mut out = Vec::new();
    for line in text.lines() {
        match line.strip_prefix('\t') {
            Some(below) => out.push(format!("{head}: {}", named(below))),
            None => head = named(line),
        }
    }
    out.sort();
    out.join("\n")
}

/// The number that both servers' sessions share, from the hexadecimal id of one.
fn session(id: &str, labels: &Labels) -> String {
    let known = u64::from_str_radix(id, 16).ok().and_then(|id| labels.get(&(id as i64)));
    known.map_or_else(|| format!("0x{id}"), |label| format!("session {label}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_named_alike_and_lists_put_in_order() {
        let by_path = comparable(b"wchp", "/b\n\t0x1f\n\t0x2\n/a\n\t0x1f\n", &Labels::from([(0x1f, 3)]));
        assert_eq!(by_path, "/a: session 3\n/b: 0x2\n/b: session 3");
        let by_session = comparable(b"wchc", "0x1f\n\t/b\n\t/a\n", &Labels::from([(0x1f, 3)]));
        assert_eq!(by_session, "session 3: /a\nsession 3: /b");
        let summary =
            comparable(b"wchs", "2 connections watching 3 paths\nTotal watches:4\n", &Labels::new());
        assert_eq!(summary, "watching 3 paths\nTotal watches:4\n");
    }
}
