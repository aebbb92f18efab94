//! Data directories that Apache servers wrote, loaded and held against what those servers said about them while they
//! lived (`testdata/apache-*/EXPECTED.md`, `expected.json`).

use serde_json::Value;
use sim::{Rng, SimDisk};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use store::{
    Dir, Disk, Fault, FileName, LogDamageKind, LogEnd, LogReader, Recovered, RecoveryError, StoreConfig,
    recover,
};
use tree::{Tree, TreeConfig};
use wire::{Limits, SessionId, TxnDigest, TxnHeader, Zxid};

const VERSIONS: [&str; 2] = ["apache-3.8", "apache-3.9"];

#[test]
fn every_state_loads_to_what_the_server_said() {
    for version in VERSIONS {
        let states = states(version);
        assert_eq!(states.len(), 6, "{version}: the table of EXPECTED.md was read");
        for state in &states {
            for separate in [false, true] {
                let mut disk = directory(version, "full", Some(&state.files), separate);
                let recovered = load(&mut disk).unwrap_or_else(|e| panic!("{version} {}: {e}", state.name));
                assert_state(&recovered, state, &format!("{version} {}", state.name));
                let expected = expected_nodes(version, &state.name);
                assert_nodes(&recovered.tree, &expected, &format!("{version} {}", state.name));
            }
        }
    }
}

#[test]
fn a_torn_tail_is_cut_off_and_its_log_left_alone() {
    for version in VERSIONS {
        let mut state = State { zxid: 0x3f, ..states(version).swap_remove(0) };
        // The lost record would have closed that session.
        let lost = rows_of(version, |cells| cells.len() == 8 && cells[2] == "40").next().expect("a row");
        assert_eq!(lost[5], "closeSession (-11)");
        state.sessions.insert(SessionId(hex(&lost[4])), 3_600_000);
        let mut disk = directory(version, "torn-tail", None, false);
        let log = FileName::new(Dir::Log, "log.3a");
        let before = disk.bytes(&log).expect("the log").to_vec();
        let mut recovered = load(&mut disk).unwrap_or_else(|e| panic!("{version}: {e}"));
        assert_state(&recovered, &state, version);
        assert_nodes(&recovered.tree, &expected_nodes(version, "full"), version);
        assert!(recovered.notices.iter().any(|text| text.contains("log.3a")), "{:?}", recovered.notices);

        recovered.log.append(recovered.tree.last_zxid().next(), b"a record");
        let batch = recovered.log.take_batch().expect("a record waits");
        for op in &batch.ops {
            disk.execute(op).expect("nothing fails");
        }
        assert_eq!(batch.pending.last(), Zxid(0x40));
        assert!(disk.bytes(&FileName::new(Dir::Log, "log.40")).is_some(), "the next write makes log.40");
        assert_eq!(disk.bytes(&log).expect("the log"), before, "log.3a is left alone");
    }
}

#[test]
fn a_flipped_byte_is_refused_and_nothing_is_touched() {
    for version in VERSIONS {
        let mut disk = directory(version, "flipped-byte", None, false);
        let Err(error) = load(&mut disk) else { panic!("{version} was loaded") };
        let RecoveryError::Log(damage) = &error else { panic!("{version}: {error}") };
        assert_eq!((damage.offset, damage.last_good), (77, Zxid(0x3a)), "{version}: {error}");
        assert!(matches!(damage.kind, LogDamageKind::Record { fault: Fault::BadChecksum { .. }, .. }));
        assert!(error.to_string().contains("CRC check failed"), "Apache's words are there: {error}");
        assert!(damage.path.ends_with("version-2/log.3a"), "{error}");
        assert_eq!(disk.ops_done(), 0, "a refusal changes nothing");
    }
}

/// Offsets, headers and digests of all 64 records of each version, as EXPECTED.md lists them.
#[test]
fn every_record_is_where_the_table_says() {
    for version in VERSIONS {
        let disk = directory(version, "full", None, false);
        let mut rows = 0;
        for row in rows_of(version, |cells| cells.len() == 8 && cells[0].starts_with("log.")) {
            rows += 1;
            let (from, end) = row[1].split_once('–').expect("a range");
            let (from, end): (u64, u64) = (number(from), number(end));
            let mut bytes = disk.bytes(&FileName::new(Dir::Log, row[0].as_str())).expect("the log");
            let mut reader = LogReader::at(&mut bytes, from, Limits::default());
            let record = reader.next_record().expect("a slice").expect("a record");
            let txn = record.txn(Limits::default()).expect("a transaction");
            let TxnHeader { client_id, cxid, zxid, txn_type, .. } = txn.header;
            let told_type = row[5].rsplit_once('(').and_then(|(_, n)| n.strip_suffix(')')).expect("a type");
            assert_eq!((record.offset, record.end), (from, end), "{version} {row:?}");
            assert_eq!(zxid.0, hex(&row[2]), "{version} {row:?}");
            assert_eq!(i64::from(cxid), number::<i64>(&row[3]), "{version} {row:?}");
            assert_eq!(client_id.0, hex(&row[4]), "{version} {row:?}");
            assert_eq!(i64::from(txn_type), number::<i64>(told_type), "{version} {row:?}");
            let digest = txn.digest.as_ref().map_or("none".to_owned(), |d| d.tree_digest.to_string());
            assert_eq!(digest, row[7], "{version} {row:?}");
        }
        assert_eq!(rows, 64, "{version}");
        for log in ["log.1", "log.32", "log.36", "log.3a"] {
            let mut bytes = disk.bytes(&FileName::new(Dir::Log, log)).expect("the log");
            let mut reader = LogReader::open(&mut bytes, Limits::default()).expect("a header");
            while reader.next_record().expect("a slice").is_some() {}
            assert!(
                matches!(reader.end(), Some(LogEnd::Clean { .. })),
                "{version} {log}: {:?}",
                reader.end()
            );
        }
    }
}

/// What we do better than Apache: without `extendedTypesEnabled` it deletes TTL nodes when it starts.
#[test]
fn ttl_nodes_stay_when_extended_types_are_off() {
    for version in VERSIONS {
        let mut disk = directory(version, "full", None, false);
        let recovered =
            recover(&mut disk, &StoreConfig::default(), TreeConfig::default()).expect("it can be loaded");
        assert_nodes(&recovered.tree, &expected_nodes(version, "full"), version);
        assert!(recovered.notices.iter().any(|text| text.contains("2 TTL nodes")), "{:?}", recovered.notices);
    }
}

/// A row of EXPECTED.md's table of states.
#[derive(Clone, Debug)]
struct State {
    name: String,
    files: Vec<String>,
    zxid: i64,
    digest: i64,
    nodes: usize,
    sessions: BTreeMap<SessionId, i32>,
}

/// The states that were checked on the live server.
fn states(version: &str) -> Vec<State> {
    let is_state = |cells: &[String]| cells.len() == 6 && cells[2].starts_with("0x");
    rows_of(version, is_state)
        .map(|cells| State {
            name: cells[0].clone(),
            files: cells[1].split(", ").map(str::to_owned).collect(),
            zxid: hex(&cells[2]),
            digest: number(&cells[3]),
            nodes: number(&cells[4]),
            sessions: cells[5]
                .split(", ")
                .map(|session| {
                    let (id, timeout) = session.split_once(" (").expect("id (timeout)");
                    (SessionId(hex(id)), number(timeout.trim_end_matches(')')))
                })
                .collect(),
        })
        .collect()
}

fn assert_state(recovered: &Recovered, state: &State, what: &str) {
    let tree = &recovered.tree;
    assert_eq!(recovered.last_zxid(), Zxid(state.zxid), "{what}");
    assert_eq!(tree.last_zxid(), Zxid(state.zxid), "{what}");
    assert_eq!(tree.digest(), state.digest, "{what}");
    assert!(tree.check_digest(&TxnDigest { version: wire::DIGEST_VERSION, tree_digest: state.digest }));
    assert_eq!(tree.recomputed_digest(), state.digest, "{what}");
    assert_eq!(recovered.digest_mismatches, 0, "{what}");
    assert_eq!(tree.node_count(), state.nodes, "{what}");
    assert_eq!(tree.sessions(), &state.sessions, "{what}");
    assert!(!recovered.is_new);
}

/// A node as `expected.json` has it, under its columns' names.
type ExpectedNode = BTreeMap<String, Value>;

/// The nodes of a state. Three states are written out; two equal one of them, and `plain-39` is told as its differences
/// from `full`.
fn expected_nodes(version: &str, state: &str) -> BTreeMap<String, ExpectedNode> {
    let written = match state {
        "gzip-31" => "txnlog-only-31",
        "replay-all" | "plain-39" => "full",
        other => other,
    };
    let text = std::fs::read_to_string(testdata(version).join("expected.json")).expect("the file");
    let all: Value = serde_json::from_str(&text).expect("JSON");
    let columns: Vec<&str> =
        list(&all[written]["columns"]).map(|name| name.as_str().expect("text")).collect();
    let mut nodes: BTreeMap<String, ExpectedNode> = list(&all[written]["nodes"])
        .map(|node| {
            let node: ExpectedNode =
                columns.iter().map(|c| (*c).to_owned()).zip(list(node).cloned()).collect();
            (node["path"].as_str().expect("text").to_owned(), node)
        })
        .collect();
    if state == "plain-39" {
        for path in ["/eph-alive2", "/final", "/final/last"] {
            assert!(nodes.remove(path).is_some());
        }
        let root = nodes.get_mut("/").expect("the root");
        for (column, value) in
            [("cversion", 17), ("numChildren", 13), ("pzxid", 56), ("persistedCversion", 15)]
        {
            root.insert(column.to_owned(), value.into());
        }
    }
    nodes
}

fn assert_nodes(tree: &Tree, expected: &BTreeMap<String, ExpectedNode>, what: &str) {
    assert_eq!(tree.node_count(), expected.len(), "{what}");
    for (path, expected) in expected {
        let node = tree.node(path).unwrap_or_else(|| panic!("{what}: {path} is missing"));
        let data = expected["dataHexOrNull"].as_str().map(unhex);
        assert_eq!(node.data(), data.as_deref(), "{what}: {path}");
        let acl: Vec<(i64, &str, &str)> = list(&expected["acl"])
            .map(|e| (int(&e[0]), e[1].as_str().expect("a scheme"), e[2].as_str().expect("an id")))
            .collect();
        let ours: Vec<(i64, &str, &str)> = node
            .acl()
            .iter()
            .map(|e| {
                let id = (e.id.scheme.as_deref(), e.id.id.as_deref());
                (i64::from(e.perms), id.0.expect("a scheme"), id.1.expect("an id"))
            })
            .collect();
        assert_eq!(ours, acl, "{what}: {path}");
        let (stat, persisted) = (node.stat(), node.persisted());
        for (column, ours) in [
            ("czxid", stat.czxid),
            ("mzxid", stat.mzxid),
            ("pzxid", stat.pzxid),
            ("ctime", stat.ctime),
            ("mtime", stat.mtime),
            ("version", stat.version.into()),
            ("cversion", stat.cversion.into()),
            ("aversion", stat.aversion.into()),
            ("ephemeralOwner", stat.ephemeral_owner),
            ("dataLength", stat.data_length.into()),
            ("numChildren", stat.num_children.into()),
            ("persistedCversion", persisted.cversion.into()),
        ] {
            assert_eq!(ours, int(&expected[column]), "{what}: {column} of {path}");
        }
        let owner = expected["persistedEphemeralOwner"].as_str().expect("text");
        assert_eq!(persisted.ephemeral_owner, hex(owner), "{what}: stored owner of {path}");
    }
}

fn load(disk: &mut SimDisk) -> Result<Recovered, RecoveryError> {
    let tree = TreeConfig { extended_types: true, ..TreeConfig::default() };
    recover(disk, &StoreConfig { extended_types: true, ..StoreConfig::default() }, tree)
}

/// A disk with the files of a directory, or only some of them.
fn directory(version: &str, name: &str, files: Option<&[String]>, separate: bool) -> SimDisk {
    let mut disk = SimDisk::new(Rng::new(1, "fixtures"), separate);
    let place = testdata(version).join(name).join("version-2");
    let mut count = 0;
    for entry in std::fs::read_dir(&place).expect("the directory is in the repository") {
        let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
        if files.is_some_and(|files| !files.contains(&name)) {
            continue;
        }
        count += 1;
        let dir = if name.starts_with("snapshot.") { Dir::Snap } else { Dir::Log };
        let bytes = std::fs::read(place.join(&name)).expect("a file");
        disk.put(&FileName::new(dir, name), &bytes);
    }
    assert!(files.is_none_or(|files| files.len() == count), "every file was found");
    disk
}

fn testdata(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata").join(version)
}

/// The cells of the table rows of EXPECTED.md that are `wanted`.
fn rows_of(version: &str, wanted: impl Fn(&[String]) -> bool) -> impl Iterator<Item = Vec<String>> {
    let text = std::fs::read_to_string(testdata(version).join("EXPECTED.md")).expect("the file");
    let rows: Vec<Vec<String>> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        .map(|line| line.split(" | ").map(|cell| cell.trim_matches('`').to_owned()).collect())
        .filter(|cells: &Vec<String>| wanted(cells))
        .collect();
    rows.into_iter()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().expect("a list").iter()
}

fn int(value: &Value) -> i64 {
    value.as_i64().expect("a number")
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.trim().parse().unwrap_or_else(|_| panic!("{text} is no number"))
}

/// A 64-bit number in hex, with or without 0x.
fn hex(text: &str) -> i64 {
    u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("hex") as i64
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect()
}
