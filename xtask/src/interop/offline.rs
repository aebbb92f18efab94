//! Apache's offline tools on files that the server under test wrote: they must read them, and print what `headkeeper log` and
//! `headkeeper snapshot` print.
//!
//! What is known to differ in print is taken out on both sides: how long a tool took, the order of siblings that come from a hash map,
//! and the operations of a multi, which 3.9's tools print as raw bytes.

use super::report::Report;
use super::server::{Program, Server};
use super::{Stage, Suite, java};
use crate::apache;
use crate::workspace::{release_binary, shown};
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) const SUITE: Suite = Suite {
    name: "offline",
    about: "Apache's tools for logs and snapshots, on our server's files",
    run,
    excuses: &[],
};

/// Several logs and snapshots out of a few hundred transactions.
const SETTINGS: &[&str] = &["snapCount=40", "preAllocSize=64"];
/// Cases of the Java client's story: nodes of all kinds, quotas, multis that work and that fail, sessions that end.
const WRITERS: &[&str] = &["create: ", "multi: ", "quota: "];

const TXN_LOG_TOOLKIT: &str = "org.apache.zookeeper.server.persistence.TxnLogToolkit";

fn run(stage: &Stage) -> Result<Report> {
    let data = write_files(stage)?;
    let ours = match &stage.program {
        Program::Headkeeper(binary) => binary.clone(),
        Program::Apache => release_binary(stage.binary.clone())?,
    };
    let tools = Tools { classpath: apache::classpath()?, ours };
    let mut report = Report::default();
    let mut tell = |name: String, outcome: Result<()>| match outcome {
        Ok(()) => report.passed.push(name),
        Err(why) => report.failed.push((name, format!("{why:#}"))),
    };
    let (logs, snapshots) = (files(&data, "log.")?, files(&data, "snapshot.")?);
    ensure!(
        logs.len() >= 2 && snapshots.len() >= 2,
        "too few files to say anything: {logs:?}, {snapshots:?}"
    );
    for log in &logs {
        tell(format!("dump {}", name(log)), tools.dump(log));
    }
    tell("chop at a zxid".to_owned(), tools.chop(&logs[0], &stage.scratch));
    tell("recover from a wrong checksum".to_owned(), tools.recover(&logs[0], &stage.scratch));
    for snapshot in &snapshots {
        tell(format!("print {}", name(snapshot)), tools.print(snapshot));
    }
    let (first, last) = (&snapshots[0], &snapshots[snapshots.len() - 1]);
    tell("sizes for ncdu".to_owned(), tools.ncdu(last));
    tell("summary".to_owned(), tools.summary(last));
    tell("compare the first and the last snapshot".to_owned(), tools.compare(first, last));
    Ok(report)
}

/// Lets Java clients work on a server, ends it as an operator does, and gives the directory with its files.
fn write_files(stage: &Stage) -> Result<PathBuf> {
    let mut server = Server::start(stage, "server", SETTINGS, java::PROPERTIES)?;
    for cases in WRITERS {
        let report = java::tell(stage, &mut server, "headkeeper.client.ClientStory", Some(cases))?;
        ensure!(report.is_good(), "writing went wrong: {:?}", report.failed);
    }
    server.stop()?;
    Ok(server.directory.join("data/version-2"))
}

/// The files of a kind, oldest first.
fn files(directory: &Path, prefix: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if let Some(zxid) = name(&path).strip_prefix(prefix) {
            files.push((u64::from_str_radix(zxid, 16)?, path));
        }
    }
    files.sort();
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

struct Tools {
    classpath: String,
    ours: PathBuf,
}

impl Tools {
    /// What a class of Apache's prints.
    fn apache(&self, class: &str, arguments: &[&str]) -> Result<String> {
        let mut java = Command::new("java");
        java.args([
            "-Duser.timezone=UTC",
            "-Duser.language=en",
            "-Duser.country=US",
            "-Dfile.encoding=UTF-8",
        ])
        .args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
        .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=off")
        .args(["-cp", &self.classpath, class])
        .args(arguments);
        output(&mut java)
    }

    /// What one of our commands prints.
    fn ours(&self, arguments: &[&str]) -> Result<String> {
        output(Command::new(&self.ours).args(arguments))
    }

    fn dump(&self, log: &Path) -> Result<()> {
        let log = text(log);
        let theirs = self.apache(TXN_LOG_TOOLKIT, &["-d", log])?;
        let ours = self.ours(&["log", "dump", log])?;
        ensure!(theirs.contains("EOF reached after"), "Apache's tool does not come to the end: {theirs}");
        same(&records(&theirs), &records(&ours))
    }

    fn chop(&self, log: &Path, scratch: &Path) -> Result<()> {
        let dump = self.ours(&["log", "dump", text(log)])?;
        let zxids: Vec<&str> =
            dump.split(" zxid 0x").skip(1).filter_map(|rest| rest.split(' ').next()).collect();
        let zxid = u64::from_str_radix(zxids[zxids.len() / 2], 16)?.to_string();
        let (theirs, ours) = (scratch.join("chopped.apache"), scratch.join("chopped.ours"));
        self.apache("org.apache.zookeeper.server.util.LogChopper", &[&zxid, text(log), text(&theirs)])?;
        self.ours(&["log", "chop", "-z", &zxid, "-o", text(&ours), text(log)])?;
        same_bytes(&theirs, &ours)
    }

    fn recover(&self, log: &Path, scratch: &Path) -> Result<()> {
        let mut bytes = fs::read(log)?;
        // In the middle of what is written: the zeros behind it are not part of any record.
        let end = bytes.iter().rposition(|byte| *byte != 0).context("the log is empty")?;
        // A letter by itself may be a byte of a length, a checksum or an id.
        let is_text =
            |window: &[u8]| window[0].is_ascii_lowercase() && window.iter().all(u8::is_ascii_graphic);
        let place = bytes[..end / 2].windows(8).rposition(is_text).context("no text in the log")?;
        bytes[place] ^= 1;
        let (theirs, ours) = (scratch.join("damaged.apache"), scratch.join("damaged.ours"));
        fs::write(&theirs, &bytes)?;
        fs::write(&ours, &bytes)?;
        let dump = self.apache(TXN_LOG_TOOLKIT, &["-d", text(&theirs)])?;
        ensure!(dump.contains("CRC ERROR"), "Apache's tool sees no damage: {dump}");
        let shown = Command::new(&self.ours).args(["log", "dump", text(&ours)]).output()?;
        same(&records(&dump), &records(&String::from_utf8_lossy(&shown.stdout)))?;
        self.apache(TXN_LOG_TOOLKIT, &["-r", "-y", text(&theirs)])?;
        self.ours(&["log", "recover", "-y", text(&ours)])?;
        same_bytes(&scratch.join("damaged.apache.fixed"), &scratch.join("damaged.ours.fixed"))
    }

    fn print(&self, snapshot: &Path) -> Result<()> {
        let theirs = self.apache("org.apache.zookeeper.server.SnapshotFormatter", &["-d", text(snapshot)])?;
        let ours = self.ours(&["snapshot", "print", "-d", text(snapshot)])?;
        let parts = |printed: &str| {
            let part = |part: &str| match part.strip_prefix("Session Details") {
                Some(sessions) => sessions.lines().collect::<BTreeSet<_>>().into_iter().collect(),
                None => part.to_owned(),
            };
            printed.split("----\n").map(part).collect::<BTreeSet<String>>()
        };
        ensure!(theirs.contains("Last zxid"), "Apache's tool does not come to the end: {theirs}");
        same(&parts(&theirs).into_iter().collect::<String>(), &parts(&ours).into_iter().collect::<String>())
    }

    fn ncdu(&self, snapshot: &Path) -> Result<()> {
        let theirs =
            self.apache("org.apache.zookeeper.server.SnapshotFormatter", &["-json", text(snapshot)])?;
        let ours = self.ours(&["snapshot", "print", "--ncdu", text(snapshot)])?;
        same(&sizes(&theirs)?.join("\n"), &sizes(&ours)?.join("\n"))
    }

    fn summary(&self, snapshot: &Path) -> Result<()> {
        let class = "org.apache.zookeeper.server.SnapshotRecursiveSummary";
        let theirs = self.apache(class, &[text(snapshot), "/", "2"])?;
        let ours = self.ours(&["snapshot", "summary", "--depth", "2", text(snapshot), "/"])?;
        // A node, its children and its bytes are three lines.
        let nodes = |printed: &str| {
            let lines: Vec<&str> = printed.lines().filter(|line| !line.trim().is_empty()).collect();
            let mut nodes: Vec<String> = lines.chunks(3).map(|node| node.join("\n")).collect();
            nodes.sort();
            nodes.join("\n")
        };
        same(&nodes(&theirs), &nodes(&ours))
    }

    fn compare(&self, left: &Path, right: &Path) -> Result<()> {
        let class = "org.apache.zookeeper.server.SnapshotComparer";
        let theirs = self.apache(class, &["-l", text(left), "-r", text(right), "-b", "2", "-n", "1"])?;
        let ours = self.ours(&["snapshot", "compare", "-b", "2", "-n", "1", text(left), text(right)])?;
        ensure!(theirs.contains("All layers compared"), "Apache's tool does not come to the end: {theirs}");
        let timeless = |printed: &str| -> String {
            printed
                .lines()
                .map(|line| match (line.split_once(" in "), line.ends_with(" seconds")) {
                    (Some((start, _)), true) => format!("{start}\n"),
                    _ => format!("{line}\n"),
                })
                .collect()
        };
        same(&timeless(&theirs), &timeless(&ours))
    }
}

/// A dump as its records, without what is in multis.
fn records(dump: &str) -> String {
    let mut out = String::new();
    let mut in_multi = false;
    for line in dump.split('\n') {
        let starts = line.contains(" session 0x") && line.contains(" cxid 0x");
        if starts || line.starts_with("EOF reached") {
            in_multi = false;
        }
        if let (true, Some((head, _))) = (starts, line.split_once(" multi ")) {
            in_multi = true;
            out.push_str(&format!("{head} multi\n"));
        } else if !in_multi {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// Every node of ncdu's JSON as `name size`, sorted.
fn sizes(json: &str) -> Result<Vec<String>> {
    fn walk(value: &serde_json::Value, out: &mut Vec<String>) {
        match value {
            serde_json::Value::Array(items) => items.iter().for_each(|item| walk(item, out)),
            serde_json::Value::Object(node) if node.contains_key("asize") => {
                out.push(format!("{} {} {}", node["name"], node["asize"], node["dsize"]));
            }
            _ => {}
        }
    }
    let mut out = Vec::new();
    walk(&serde_json::from_str(json).context("no JSON")?, &mut out);
    ensure!(!out.is_empty(), "no nodes in {json}");
    out.sort();
    Ok(out)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("our own paths are text")
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run {}", shown(command)))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("{}: {}: {}", shown(command), output.status, errors.trim_end());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Fails with the first line that differs.
fn same(theirs: &str, ours: &str) -> Result<()> {
    if theirs == ours {
        return Ok(());
    }
    let (mut left, mut right) = (theirs.lines(), ours.lines());
    loop {
        match (left.next(), right.next()) {
            (Some(l), Some(r)) if l == r => {}
            (None, None) => bail!("they differ in the ends of lines"),
            (l, r) => bail!("Apache's prints {l:?}, ours {r:?}"),
        }
    }
}

/// Fails unless both files hold the same, apart from zeros at the end, which are space for more records.
fn same_bytes(theirs: &Path, ours: &Path) -> Result<()> {
    let read = |path: &Path| -> Result<Vec<u8>> {
        let mut bytes = fs::read(path).with_context(|| format!("there is no {}", path.display()))?;
        bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
        Ok(bytes)
    };
    let (theirs, ours) = (read(theirs)?, read(ours)?);
    ensure!(!theirs.is_empty(), "Apache's file is empty");
    if theirs != ours {
        let place = theirs.iter().zip(&ours).position(|(l, r)| l != r);
        bail!("the files differ at byte {place:?}; {} and {} bytes", theirs.len(), ours.len());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{records, same, sizes};

    #[test]
    fn a_dump_keeps_everything_but_the_inside_of_multis() {
        let head = "11/22/26, 11:18:28 PM UTC session 0x1 cxid 0x2 zxid 0x3";
        let dump = |inside: &str| {
            format!("{head} multi {inside}\n{head} create /a,[31]\n],false,1\nEOF reached after 2 txns.\n")
        };
        assert_eq!(records(&dump("create:/a\n],false")), records(&dump("other")));
        assert!(records(&dump("x")).contains("create /a,[31]\n],false,1\nEOF reached after 2 txns."));
        assert_ne!(records(&dump("x")), records(&dump("x").replace("0x3 multi", "0x4 multi")));
    }

    #[test]
    fn nodes_of_ncdu_are_compared_by_name_and_size() {
        let found = sizes(
            r#"[1,0,{"progname":"p"},[{"name":"/","asize":1,"dsize":1},{"name":"b","asize":2,"dsize":2}]]"#,
        );
        assert_eq!(found.unwrap(), [r#""/" 1 1"#, r#""b" 2 2"#]);
        assert!(sizes("[1,0]").is_err());
    }

    #[test]
    fn the_first_different_line_is_told() {
        assert!(same("a\nb\n", "a\nb\n").is_ok());
        assert_eq!(
            same("a\nb\n", "a\nc\n").unwrap_err().to_string(),
            "Apache's prints Some(\"b\"), ours Some(\"c\")"
        );
        assert!(same("a\n", "a\nb\n").is_err());
    }
}
