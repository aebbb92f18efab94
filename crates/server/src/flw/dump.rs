//! `dump`, `hash` and the watch lists.

use super::text::java_address;
use crate::utc::java_date;
use node::{DigestEntry, Expiring, WatchSummary};
use std::fmt::Write;
use std::net::SocketAddr;
use wire::SessionId;

/// What `dump` shows.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Dump {
    /// The sessions.
    pub sessions: SessionTracker,
    /// Those that only this server knows, by the time they expire, soonest first; `None` where there cannot be any.
    pub local_sessions: Option<Vec<Expiring<SessionId>>>,
    /// The ephemeral nodes of each session that has any.
    pub ephemerals: Vec<(SessionId, Vec<String>)>,
    /// Connections by the time they are looked at for idleness, soonest first; a connection without a session has id 0.
    pub connections: Vec<Expiring<(SocketAddr, SessionId)>>,
}

/// What a server knows of sessions.
#[derive(Clone, PartialEq, Debug)]
pub enum SessionTracker {
    /// Where they expire: by that time, soonest first.
    Expiring(Vec<Expiring<SessionId>>),
    /// A learner: those of the whole ensemble with their timeouts in ms, in the order of their ids.
    Global(Vec<(SessionId, i32)>),
}

impl Default for SessionTracker {
    fn default() -> SessionTracker {
        SessionTracker::Expiring(Vec::new())
    }
}

/// Sessions, ephemeral nodes and connections.
pub fn dump(view: &Dump) -> String {
    let mut text = String::from("SessionTracker dump:\n");
    let name = |session: &SessionId| format!("0x{:x}", session.0);
    if let Some(sets) = &view.local_sessions {
        groups(&mut text, "Local Session", sets, name);
    }
    match &view.sessions {
        SessionTracker::Expiring(sets) => {
            let what = if view.local_sessions.is_some() { "Global Session" } else { "Session" };
            groups(&mut text, what, sets, name);
        }
        SessionTracker::Global(sessions) => {
            let _ = writeln!(text, "Global Sessions({}):", sessions.len());
            for (session, timeout_ms) in sessions {
                let _ = writeln!(text, "0x{:x}\t{timeout_ms}ms", session.0);
            }
        }
    }
    text.push_str("ephemeral nodes dump:\n");
    let _ = writeln!(text, "Sessions with Ephemerals ({}):", view.ephemerals.len());
    for (session, paths) in &view.ephemerals {
        let _ = writeln!(text, "0x{:x}:", session.0);
        for path in paths {
            let _ = writeln!(text, "\t{path}");
        }
    }
    text.push_str("Connections dump:\n");
    groups(&mut text, "Connections", &view.connections, |(peer, session)| {
        format!("ip: {} sessionId: 0x{:x}", java_address(*peer), session.0)
    });
    text
}

fn groups<T>(text: &mut String, what: &str, groups: &[Expiring<T>], line: impl Fn(&T) -> String) {
    let all: usize = groups.iter().map(|group| group.items.len()).sum();
    let _ = writeln!(text, "{what} Sets ({})/({all}):", groups.len());
    for group in groups {
        let _ = writeln!(text, "{} expire at {}:", group.items.len(), java_date(group.wall_ms));
        for item in &group.items {
            let _ = writeln!(text, "\t{}", line(item));
        }
    }
}

/// The digests of the tree that were kept, oldest first.
pub fn hash(digests: impl IntoIterator<Item = DigestEntry>) -> String {
    let mut text = String::new();
    for entry in digests {
        let _ = writeln!(text, "{:x}: {}", entry.zxid.0, entry.digest);
    }
    text
}

/// How many watches there are.
pub fn wchs(summary: &WatchSummary) -> String {
    let WatchSummary { connections, paths, watches } = summary;
    format!("{connections} connections watching {paths} paths\nTotal watches:{watches}\n")
}

/// The watched paths of each session.
pub fn wchc(watches: &[(SessionId, Vec<&str>)]) -> String {
    let mut text = String::new();
    for (session, paths) in watches {
        let _ = writeln!(text, "0x{:x}", session.0);
        for path in paths {
            let _ = writeln!(text, "\t{path}");
        }
    }
    text.push('\n');
    text
}

/// The watching sessions of each path.
pub fn wchp(watches: &[(&str, Vec<SessionId>)]) -> String {
    let mut text = String::new();
    for (path, sessions) in watches {
        let _ = writeln!(text, "{path}");
        for session in sessions {
            let _ = writeln!(text, "\t0x{:x}", session.0);
        }
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::Zxid;

    const A: SessionId = SessionId(0x100_0023_6464_0000);
    const B: SessionId = SessionId(0x100_0023_6464_0001);

    #[test]
    fn dump_of_an_idle_server() {
        let connection = ("127.0.0.1:50402".parse().unwrap(), SessionId(0));
        let view = Dump {
            connections: vec![Expiring { wall_ms: 1_795_549_392_000, items: vec![connection] }],
            ..Dump::default()
        };
        assert_eq!(
            dump(&view),
            "SessionTracker dump:\nSession Sets (0)/(0):\nephemeral nodes dump:\nSessions with Ephemerals (0):\n\
             Connections dump:\nConnections Sets (1)/(1):\n1 expire at Tue Nov 24 19:43:12 UTC 2026:\n\
             \tip: /127.0.0.1:50402 sessionId: 0x0\n"
        );
    }

    #[test]
    fn dump_of_a_busy_server() {
        let view = Dump {
            sessions: SessionTracker::Expiring(vec![
                Expiring { wall_ms: 1_795_549_388_000, items: vec![B] },
                Expiring { wall_ms: 1_795_549_408_000, items: vec![A] },
            ]),
            local_sessions: None,
            ephemerals: vec![
                (A, vec!["/app/eph".to_owned(), "/app/eph2".to_owned()]),
                (B, vec!["/beph".to_owned()]),
            ],
            connections: vec![],
        };
        assert_eq!(
            dump(&view),
            "SessionTracker dump:\nSession Sets (2)/(2):\n1 expire at Tue Nov 24 19:43:08 UTC 2026:\n\
             \t0x100002364640001\n1 expire at Tue Nov 24 19:43:28 UTC 2026:\n\t0x100002364640000\n\
             ephemeral nodes dump:\nSessions with Ephemerals (2):\n0x100002364640000:\n\t/app/eph\n\t/app/eph2\n\
             0x100002364640001:\n\t/beph\nConnections dump:\nConnections Sets (0)/(0):\n"
        );
    }

    #[test]
    fn dump_of_a_learner_lists_the_ensembles_sessions() {
        let view =
            Dump { sessions: SessionTracker::Global(vec![(A, 30_000), (B, 4_000)]), ..Dump::default() };
        assert_eq!(
            dump(&view),
            "SessionTracker dump:\nGlobal Sessions(2):\n0x100002364640000\t30000ms\n0x100002364640001\t4000ms\n\
             ephemeral nodes dump:\nSessions with Ephemerals (0):\nConnections dump:\nConnections Sets (0)/(0):\n"
        );
    }

    #[test]
    fn local_sessions_come_first_and_the_others_are_called_global() {
        let local_sessions = Some(vec![Expiring { wall_ms: 1_795_549_388_000, items: vec![B] }]);
        let view = Dump { local_sessions, ..Dump::default() };
        let local = "SessionTracker dump:\nLocal Session Sets (1)/(1):\n\
             1 expire at Tue Nov 24 19:43:08 UTC 2026:\n\t0x100002364640001\n";
        assert!(dump(&view).starts_with(&format!("{local}Global Session Sets (0)/(0):\nephemeral nodes")));
        let learner = Dump { sessions: SessionTracker::Global(vec![(A, 30_000)]), ..view };
        assert!(
            dump(&learner).starts_with(&format!("{local}Global Sessions(1):\n0x100002364640000\t30000ms\n"))
        );
    }

    #[test]
    fn digests_are_hexadecimal_zxids_and_decimal_sums() {
        let digests = [
            DigestEntry { zxid: Zxid(0x80), digest: 19_926_976_794 },
            DigestEntry { zxid: Zxid(0x1_0000_0000), digest: -5 },
        ];
        assert_eq!(hash(digests), "80: 19926976794\n100000000: -5\n");
        assert_eq!(hash([]), "");
    }

    #[test]
    fn watches_by_number_by_session_and_by_path() {
        let summary = WatchSummary { connections: 2, paths: 2, watches: 3 };
        assert_eq!(wchs(&summary), "2 connections watching 2 paths\nTotal watches:3\n");
        let by_session = [(A, vec!["/app/n1"]), (B, vec!["/app/n1", "/none"])];
        assert_eq!(
            wchc(&by_session),
            "0x100002364640000\n\t/app/n1\n0x100002364640001\n\t/app/n1\n\t/none\n\n"
        );
        let by_path = [("/app/n1", vec![A, B]), ("/none", vec![B])];
        assert_eq!(
            wchp(&by_path),
            "/app/n1\n\t0x100002364640000\n\t0x100002364640001\n/none\n\t0x100002364640001\n\n"
        );
        assert_eq!((wchc(&[]), wchp(&[])), ("\n".to_owned(), "\n".to_owned()));
    }
}
