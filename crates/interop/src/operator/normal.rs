//! What two servers cannot say alike: ids, ports, times, and the order of a hash table.

use std::path::Path;

/// What a server calls things that have another name on the other server.
pub(super) struct Names<'a> {
    pub(super) directory: &'a Path,
    pub(super) port: u16,
    pub(super) sessions: Vec<i64>,
    pub(super) ports: Vec<u16>,
    /// Ports of the servers of an ensemble among each other, and what they are.
    pub(super) members: Vec<(u16, String)>,
}

/// The answer to a word with names that both servers share, its unordered parts sorted.
pub(super) fn comparable(word: &str, text: &str, names: &Names<'_>) -> String {
    let text = names.rename(text);
    match word {
        // Metrics come in the order of a hash table.
        "mntr" => sorted(&text),
        "stat" => clients_sorted(&text),
        "cons" => sorted(&text.lines().map(|line| timeless(line) + "\n").collect::<String>()),
        "dump" => dump(&text),
        "hash" => text.lines().filter_map(|line| line.split(": ").next()).collect::<Vec<_>>().join("\n"),
        "wchc" | "wchp" => pairs(&text),
        _ => text,
    }
}

impl Names<'_> {
    fn rename(&self, text: &str) -> String {
        let mut text = text.replace(&self.directory.display().to_string(), "DIRECTORY");
        text = text.replace(&format!("={}\n", self.port), "=PORT\n");
        for (port, what) in &self.members {
            text = text.replace(&format!("={port}\n"), &format!("={what}\n"));
            text = text.replace(&format!(":{port}:"), &format!(":{what}:"));
        }
        for (n, id) in self.sessions.iter().enumerate() {
            text = text.replace(&format!("0x{id:x}"), &format!("session {n}"));
        }
        for (n, port) in self.ports.iter().enumerate() {
            text = text.replace(&format!("/127.0.0.1:{port}"), &format!("client {n}"));
        }
        strangers(&text)
    }
}

/// Connections that only ask.
fn strangers(text: &str) -> String {
    let mut parts = text.split("/127.0.0.1:");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("stranger");
        out.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    out
}

fn sorted(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// The lines of connections, which begin with a blank, in order; the rest as it is.
fn clients_sorted(text: &str) -> String {
    let (mut clients, mut rest) = (Vec::new(), Vec::new());
    for line in text.lines() {
        if line.starts_with(' ') { clients.push(line) } else { rest.push(line) }
    }
    clients.sort_unstable();
    rest.extend(clients);
    rest.join("\n")
}

/// A line of `cons` without times of day and latencies.
fn timeless(line: &str) -> String {
    const TIMES: [&str; 6] = ["est=", "lresp=", "llat=", "minlat=", "avglat=", "maxlat="];
    line.split(',')
        .map(|field| match TIMES.iter().find(|time| field.starts_with(*time)) {
            Some(time) => format!("{time}…"),
            None => field.to_owned(),
        })
        .collect::<Vec<_>>()
        .join(",")
}

/// Without the times. Apache also lists sets that are empty (differences: `dump`), and counts them; owners of ephemeral nodes
/// come in the order of a hash table.
fn dump(text: &str) -> String {
    const OWNERS: &str = "Sessions with Ephemerals";
    const CONNECTIONS: &str = "Connections dump:";
    let lines: Vec<String> = text
        .lines()
        .filter(|line| !line.starts_with("0 expire at "))
        .map(|line| match (line.split_once(" expire at "), line.split_once(" Sets (")) {
            (Some((count, _)), _) => format!("{count} expire at some time"),
            (None, Some((what, counts))) => {
                format!("{what} Sets …{}", counts.split_once('/').map_or("", |(_, all)| all))
            }
            (None, None) => line.to_owned(),
        })
        .collect();
    let place =
        |heading: &str| lines.iter().position(|line| line.starts_with(heading)).unwrap_or(lines.len());
    let (owners, connections) = ((place(OWNERS) + 1).min(lines.len()), place(CONNECTIONS));
    let middle = lines.get(owners..connections).unwrap_or_default().join("\n");
    [lines[..owners].join("\n"), pairs(&middle), lines[connections..].join("\n")].join("\n")
}

/// What stands under a heading becomes a pair with it; their order is a hash table's.
fn pairs(text: &str) -> String {
    let mut heading = "";
    let mut pairs = Vec::new();
    for line in text.lines() {
        match line.strip_prefix('\t') {
            Some(item) => pairs.push(format!("{heading} {item}")),
            None => heading = line,
        }
    }
    pairs.sort();
    pairs.push(format!("ends with an empty line: {}", text.ends_with("\n\n") || text == "\n"));
    pairs.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: fn() -> Names<'static> = || Names {
        directory: Path::new("/tmp/here"),
        port: 2181,
        sessions: vec![0x1000],
        ports: vec![40_000],
        members: vec![(2888, "quorum 1".to_owned()), (3888, "election 1".to_owned())],
    };

    #[test]
    fn ids_ports_and_times_lose_their_names() {
        let text = " /127.0.0.1:40000[1](queued=0,sid=0x1000,est=17,lresp=3,lcxid=0x7)\n /127.0.0.1:40001[0](recved=1)\n\n";
        assert_eq!(
            comparable("cons", text, &NAMES()),
            "\n client 0[1](queued=0,sid=session 0,est=…,lresp=…,lcxid=0x7)\n stranger[0](recved=1)"
        );
        assert_eq!(
            comparable("conf", "clientPort=2181\ndataDir=/tmp/here/x\n", &NAMES()),
            "clientPort=PORT\ndataDir=DIRECTORY/x\n"
        );
    }

    #[test]
    fn ports_of_an_ensemble_are_named() {
        assert_eq!(
            comparable("conf", "quorumPort=2888\nserver.1=127.0.0.1:2888:3888:participant", &NAMES()),
            "quorumPort=quorum 1\nserver.1=127.0.0.1:quorum 1:election 1:participant"
        );
    }

    #[test]
    fn order_matters_only_where_apache_has_one() {
        let by_path = "/b\n\t0x1000\n/a\n\t0x2\n\t0x1000\n\n";
        let by_path_too = "/a\n\t0x1000\n\t0x2\n/b\n\t0x1000\n\n";
        assert_eq!(comparable("wchp", by_path, &NAMES()), comparable("wchp", by_path_too, &NAMES()));
        assert_ne!(
            comparable("wchp", by_path, &NAMES()),
            comparable("wchp", &by_path[..by_path.len() - 1], &NAMES())
        );
        assert_ne!(comparable("srvr", "a\nb\n", &NAMES()), comparable("srvr", "b\na\n", &NAMES()));
    }
}
