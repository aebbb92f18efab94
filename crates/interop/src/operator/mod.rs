//! What an operator gets to read: every four-letter word of our server beside Apache's, fresh, after the same requests, after
//! a reset, after a restart, and behind every kind of whitelist.
//!
//! [`run`] starts both servers and asks both the same; `normal` makes two answers comparable (ids, ports, times of day);
//! `tolerate` lists what may differ, each with its reason; what is left is told, and an entry nothing needed is told too.

mod ensemble;
mod normal;
mod tolerate;
mod traffic;

use crate::patience::PATIENCE;
use crate::process::{Program, Server};
use crate::profile::Profile;
use crate::socket::Socket;
use normal::Names;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tolerate::Tolerance;
use traffic::Clients;

/// All words but those that change something.
const LOOKING: [&str; 15] = [
    "ruok", "srvr", "stat", "mntr", "conf", "cons", "envi", "dump", "dirs", "wchs", "wchc", "wchp", "isro",
    "hash", "gtmk",
];
const CHANGING: [&str; 3] = ["crst", "srst", "stmk"];

/// What to compare, where.
#[derive(Debug)]
pub struct Plan {
    /// Apache's server.
    pub judge: Program,
    /// Ours.
    pub subject: Program,
    /// A port for each.
    pub ports: (u16, u16),
    /// For data, settings and output.
    pub directory: PathBuf,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// Answers that were compared.
    pub compared: usize,
    /// Lines of differences, under a heading each.
    pub differences: Vec<String>,
    /// Entries of the list of tolerated differences that no line matched.
    pub unused: Vec<String>,
}

/// Compares everything.
///
/// # Errors
/// When a server does not start, or does not do what every server does.
pub fn run(plan: &Plan) -> io::Result<Report> {
    let mut comparison = Comparison { report: Report::default(), tolerance: Tolerance::default() };
    comparison.life(plan)?;
    for whitelist in WHITELISTS {
        comparison.whitelist(plan, whitelist)?;
    }
    comparison.ensemble(plan)?;
    let Comparison { mut report, tolerance } = comparison;
    report.unused = tolerance.unused();
    Ok(report)
}

const OPEN: Profile =
    profile(&[("tickTime", "2000"), ("fsync.warningthresholdms", "60000"), ("enforceQuota", "true")]);

/// Whitelists as operators write them; every word is asked behind each.
const WHITELISTS: &[&Profile] = &[
    &profile(&[("4lw.commands.whitelist", " ruok, mntr ,nonsense,STAT,stmk")]),
    &profile(&[("4lw.commands.whitelist", "")]),
];

const fn profile(settings: &'static [(&'static str, &'static str)]) -> Profile {
    Profile::plain("operator", settings)
}

/// Both servers, Apache's first, with their clients.
struct Pair {
    sides: [Side; 2],
}

struct Side {
    server: Server,
    clients: Clients,
}

struct Comparison {
    report: Report,
    tolerance: Tolerance,
}

impl Pair {
    fn start(plan: &Plan, profile: &Profile) -> io::Result<Pair> {
        let judge = plan.judge.start(profile, plan.ports.0, &plan.directory.join("judge"))?;
        let subject = plan.subject.start(profile, plan.ports.1, &plan.directory.join("subject"))?;
        Ok(Pair { sides: [judge, subject].map(|server| Side { server, clients: Clients::default() }) })
    }

    /// The same word to both, made comparable.
    fn ask(&self, word: &str) -> [String; 2] {
        let asked = Segments { parts: &[word.as_bytes()], half_close: false };
        self.sides.each_ref().map(|side| side.comparable(word, &asked))
    }
}

/// Bytes as they are put on the wire, with pauses between.
#[derive(Clone, Copy)]
struct Segments<'a> {
    parts: &'a [&'a [u8]],
    half_close: bool,
}

/// Everything the server says up to its close.
fn send(address: SocketAddr, asked: &Segments<'_>) -> String {
    let Ok(mut socket) = Socket::open(address) else { return "<no connection>".to_owned() };
    for (n, part) in asked.parts.iter().enumerate() {
        if n > 0 {
            std::thread::sleep(Duration::from_millis(100));
        }
        socket.send(part);
    }
    if asked.half_close {
        socket.half_close();
    }
    match socket.text(PATIENCE) {
        Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        None => "<still open>".to_owned(),
    }
}

impl Side {
    fn comparable(&self, word: &str, asked: &Segments<'_>) -> String {
        let names = Names {
            directory: &self.server.directory,
            port: self.server.address.port(),
            sessions: self.clients.sessions(),
            ports: self.clients.ports(),
            members: Vec::new(),
        };
        normal::comparable(word, &self.send(asked), &names)
    }

    fn send(&self, asked: &Segments<'_>) -> String {
        send(self.server.address, asked)
    }

    /// Waits until both servers' first snapshot is written, which ours does while it serves.
    fn wait_for_first_snapshot(&self) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let text = self.send(&Segments { parts: &[b"mntr"], half_close: false });
            if text.contains("zk_cnt_snapshottime\t1\n") {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(io::Error::other("no snapshot after the start"))
    }
}

impl Comparison {
    /// From a fresh start over work and a reset to a restart.
    fn life(&mut self, plan: &Plan) -> io::Result<()> {
        let mut pair = Pair::start(plan, &OPEN)?;
        for side in &pair.sides {
            side.wait_for_first_snapshot()?;
        }
        self.words(&pair, "fresh", &LOOKING);
        // From here on both have been asked the same number of times.
        self.words(&pair, "fresh", &["srst", "crst"]);
        for side in &mut pair.sides {
            side.clients = Clients::work(side.server.address).map_err(io::Error::other)?;
        }
        self.words(&pair, "busy", &LOOKING);
        self.bytes(&pair);
        self.words(&pair, "reset", &["crst", "cons", "stat", "srst", "srvr", "mntr"]);

        let Pair { sides: [judge, subject] } = pair;
        let directories = (judge.server.directory.clone(), subject.server.directory.clone());
        let clients = [judge.clients, subject.clients];
        drop((judge.server, subject.server));
        let resume = |program: &Program, port, directory: &Path| program.resume(&OPEN, port, directory);
        let servers = [
            resume(&plan.judge, plan.ports.0, &directories.0)?,
            resume(&plan.subject, plan.ports.1, &directories.1)?,
        ];
        let mut both = servers.into_iter().zip(clients).map(|(server, clients)| Side { server, clients });
        let (Some(judge), Some(subject)) = (both.next(), both.next()) else { unreachable!("two servers") };
        let pair = Pair { sides: [judge, subject] };
        for side in &pair.sides {
            side.wait_for_first_snapshot()?;
        }
        self.words(&pair, "restarted", &LOOKING);
        Ok(())
    }

    /// Every word behind a whitelist.
    fn whitelist(&mut self, plan: &Plan, profile: &Profile) -> io::Result<()> {
        let pair = Pair::start(plan, profile)?;
        for side in &pair.sides {
            // So that what is allowed answers alike.
            side.wait_for_first_snapshot_or_not();
        }
        for word in LOOKING.into_iter().chain(CHANGING) {
            // stmk answers nothing without its mask.
            let bytes =
                [word.as_bytes(), if word == "stmk" { &[0, 0, 0, 0, 0, 0, 0, 9] } else { b"" }].concat();
            let asked = Segments { parts: &[&bytes], half_close: false };
            let answers = pair.sides.each_ref().map(|side| side.comparable(word, &asked));
            self.compare("whitelist", word, answers);
        }
        self.one(&pair, "whitelist", "telnet close", &[&[0xff, 0xf4, 0xff, 0xfd]], false);
        Ok(())
    }

    /// What is no plain word.
    fn bytes(&mut self, pair: &Pair) {
        let long = [b"ruok".as_slice(), &[b'x'; 5000]].concat();
        let cases: &[(&str, &[&[u8]], bool)] = &[
            ("stmk", &[b"stmk\0\0\0\0\0\0\x30\x39"], false),
            ("gtmk", &[b"gtmk"], false),
            ("stmk in pieces", &[b"st", b"mk", b"\0\0\0\0\0\0\x30\x39"], false),
            ("stmk without a mask", &[b"stmk"], true),
            ("unknown", &[b"abcd"], false),
            ("of the admin server", &[b"lead"], false),
            ("in capitals", &[b"RUOK"], false),
            ("behind a blank", &[b" ruok"], false),
            ("with a line end", &[b"ruok\n"], false),
            ("with two line ends", &[b"ruok\r\n"], false),
            ("twice", &[b"ruokruok"], false),
            ("with too much behind it", &[&long], false),
            ("in two pieces", &[b"ru", b"ok"], false),
            ("byte by byte", &[b"r", b"u", b"o", b"k", b"\n"], false),
            ("half closed", &[b"ruok"], true),
            ("nothing, half closed", &[b""], true),
            ("half a word, half closed", &[b"ru"], true),
            ("telnet's interrupt", &[b"\xff\xf4\xff\xfd\x06"], false),
            ("HTTP", &[b"GET / HTTP/1.0\r\n\r\n"], false),
        ];
        for (name, parts, half_close) in cases {
            self.one(pair, "bytes", name, parts, *half_close);
        }
    }

    fn one(&mut self, pair: &Pair, phase: &'static str, name: &str, parts: &[&[u8]], half_close: bool) {
        let asked = Segments { parts, half_close };
        let answers = pair.sides.each_ref().map(|side| side.comparable(name, &asked));
        self.compare(phase, name, answers);
    }

    fn words(&mut self, pair: &Pair, phase: &'static str, words: &[&str]) {
        for word in words {
            self.compare(phase, word, pair.ask(word));
        }
    }

    fn compare(&mut self, phase: &str, word: &str, [apaches, ours]: [String; 2]) {
        self.report.compared += 1;
        let [apaches, ours] = [&apaches, &ours].map(|text| self.tolerance.strict(phase, word, text));
        if apaches == ours {
            return;
        }
        self.report.differences.push(format!("{phase}: {word}"));
        let missing = |here: &[String], there: &[String], mark: char| {
            let only = here.iter().filter(|line| !there.contains(line));
            only.map(|line| format!("  {mark} {line}")).collect::<Vec<_>>()
        };
        let mut lines = missing(&apaches, &ours, '-');
        lines.extend(missing(&ours, &apaches, '+'));
        if lines.is_empty() {
            lines
                .push(format!("  the same lines, ordered or repeated differently: {apaches:?} and {ours:?}"));
        }
        self.report.differences.extend(lines);
    }
}

impl Side {
    /// Where `mntr` is not answered, half a second has to do.
    fn wait_for_first_snapshot_or_not(&self) {
        let text = self.send(&Segments { parts: &[b"mntr"], half_close: false });
        if text.starts_with("zk_") {
            // What is compared there does not depend on it.
            let _ = self.wait_for_first_snapshot();
        }
    }
}
