//! The offline tools on Apache's own files, compared with what Apache's own tools say of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/apache-3.9").join(name)
}

fn expected(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/apache-3.9.5").join(name);
    String::from_utf8_lossy(&fs::read(path).expect("an expected text")).into_owned()
}

fn headkeeper(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_headkeeper")).args(args).output().expect("the program runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn tool(args: &[&str], name: &str) -> Output {
    let path = file(name);
    let mut all = args.to_vec();
    all.push(path.to_str().expect("a path of text"));
    headkeeper(&all)
}

#[test]
fn dumps_of_logs_are_apaches() {
    for (name, text) in [
        ("full/version-2/log.3a", "log.3a.txt"),
        ("torn-tail/version-2/log.3a", "log.3a.torn-tail.txt"),
        ("flipped-byte/version-2/log.3a", "log.3a.flipped-byte.txt"),
    ] {
        let output = tool(&["log", "dump"], name);
        assert!(output.status.success(), "{name}");
        assert_eq!(stdout(&output), expected(text), "{name}");
    }
}

/// Every kind of transaction. Only multis differ: 3.9 prints their bytes, we print them as 3.10 does.
#[test]
fn every_transaction_prints_as_apaches_but_multis() {
    let lines = |text: String| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let ours = lines(stdout(&tool(&["log", "dump"], "full/version-2/log.1")));
    let theirs = lines(expected("log.1.txt"));
    let plain = |lines: &[String]| {
        let mut out = Vec::new();
        let mut in_multi = false;
        for line in lines {
            // A transaction's line begins with its date; the lines of a multi last until the next one.
            if line.starts_with("11/22/26") || line.starts_with("EOF") {
                in_multi = line.contains(" multi ");
            }
            if !in_multi {
                out.push(line.clone());
            }
        }
        out
    };
    assert_eq!(plain(&ours), plain(&theirs));
    let multis: Vec<&String> = ours.iter().filter(|line| line.contains(" multi ")).collect();
    assert_eq!(multis.len(), 2);
    assert!(multis[0].contains("multi create:/m,m,["), "{}", multis[0]);
}

#[test]
fn verify_tells_a_torn_tail_from_damage() {
    let good = tool(&["log", "verify"], "torn-tail/version-2/log.3a");
    assert_eq!(good.status.code(), Some(0));
    assert!(
        stdout(&good).contains("in order, 6 records, zxid 0x3a to 0x3f, torn inside the record at byte 564")
    );
    let bad = tool(&["log", "verify", "--json"], "flipped-byte/version-2/log.3a");
    assert_eq!(bad.status.code(), Some(1));
    assert!(stdout(&bad).contains("\"ok\":false") && stdout(&bad).contains("record at byte 77 (zxid 0x3b)"));
    let none = tool(&["log", "verify"], "full/version-2/snapshot.39");
    assert_eq!(none.status.code(), Some(2), "a snapshot is not a log");
}

#[test]
fn recover_repairs_checksums_and_chop_cuts() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("offline-recover");
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("a directory");
    let log = dir.join("log.3a");
    fs::write(&log, fs::read(file("flipped-byte/version-2/log.3a")).expect("the fixture")).expect("a copy");
    let text = |path: &Path| path.to_str().expect("a path of text").to_owned();
    let log_text = text(&log);

    let recovered = headkeeper(&["log", "recover", "-y", &log_text]);
    assert!(recovered.status.success());
    let fixed = dir.join("log.3a.fixed");
    let last = format!("Recovery file {} has been written with 1 fixed CRC error(s)\n", fixed.display());
    assert!(stdout(&recovered).ends_with(&last));
    assert_eq!(fs::metadata(&fixed).expect("the copy").len(), 64 << 20);
    assert!(headkeeper(&["log", "verify", &text(&fixed)]).status.success());
    let again = headkeeper(&["log", "recover", "-y", &log_text]);
    assert_eq!(again.status.code(), Some(2), "an existing copy is not written over");

    let chopped = headkeeper(&["log", "chop", "-z", "0x3c", &text(&fixed)]);
    assert_eq!(stdout(&chopped), "Chopping at 3c new log has 3 records\n");
    let copy = dir.join("log.3a.fixed.chopped60");
    let verdict = stdout(&headkeeper(&["log", "verify", &text(&copy)]));
    assert!(verdict.contains("in order, 3 records, zxid 0x3a to 0x3c, no padding"), "{verdict}");
    let missing = headkeeper(&["log", "chop", "-z", "99", &text(&fixed)]);
    assert_eq!(missing.status.code(), Some(2));
}

/// Blocks between the dashes; Apache prints siblings in the order of its hash table.
fn blocks(text: &str) -> Vec<String> {
    let mut blocks: Vec<String> = text.split("----\n").map(str::to_owned).collect();
    blocks.sort();
    blocks
}

#[test]
fn prints_of_snapshots_are_apaches() {
    let plain = tool(&["snapshot", "print"], "full/version-2/snapshot.39");
    assert_eq!(blocks(&stdout(&plain)), blocks(&expected("snapshot.39.txt")));
    let data = tool(&["snapshot", "print", "-d"], "full/version-2/snapshot.31.gz");
    assert_eq!(blocks(&stdout(&data)), blocks(&expected("snapshot.31.gz.data.txt")));
}

#[test]
fn snapshots_are_verified_to_their_last_checksum() {
    for name in ["snapshot.0", "snapshot.31.gz", "snapshot.35.snappy", "snapshot.39"] {
        let output = tool(&["snapshot", "verify"], &format!("full/version-2/{name}"));
        assert!(output.status.success(), "{name}");
    }
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("offline-snapshot");
    fs::create_dir_all(&dir).expect("a directory");
    let copy = dir.join("snapshot.39");
    let mut bytes = fs::read(file("full/version-2/snapshot.39")).expect("the fixture");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&copy, bytes).expect("a damaged copy");
    let output = headkeeper(&["snapshot", "verify", copy.to_str().expect("a path of text")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("DAMAGED"));
}

#[test]
fn comparison_and_summary_have_apaches_figures() {
    let left = file("full/version-2/snapshot.31.gz");
    let right = file("full/version-2/snapshot.39");
    let (left, right) = (left.to_str().expect("text"), right.to_str().expect("text"));
    let compared = stdout(&headkeeper(&["snapshot", "compare", "-b", "2", "-n", "1", left, right]));
    for line in [
        "Node count: 28\nTotal size: 363\nMax depth: 5\n",
        "Node  found in both trees. Delta: 2097 bytes, 1 descendants\n",
        "Node /app found in both trees. Delta: -3 bytes, 0 descendants\n",
        "Node /snappy found only in right tree. Descendant size: 2100. Descendant count: 0\n",
    ] {
        assert!(compared.contains(line), "{line:?} in {compared}");
    }
    assert!(compared.ends_with("Analysis for depth 4\nAll layers compared.\n"));
    let summary = stdout(&headkeeper(&["snapshot", "summary", right, "/zookeeper", "--depth", "1"]));
    let expected = " /zookeeper\n   children: 5\n   data: 38\n\
                    -- /zookeeper/quota\n--   children: 3\n--   data: 38\n\n";
    assert_eq!(summary, expected);
}
