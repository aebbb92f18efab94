//! What the sweeps found, each as a scenario of its own, so that it can never come back unseen.

use sim::sweep::node::{NodeSweep, run_with_faults};
use sim::{Fault, History, Rng, SimDisk, StoreMachine, StoreSetup, Survival};
use store::{Dir, DiskOp, FileName, LOG_HEADER_LEN, LogReader, StoreConfig, log_header, recover};
use tree::TreeConfig;
use wire::Limits;

fn setup() -> StoreSetup {
    let store = StoreConfig { prealloc_bytes: 0, ..StoreConfig::default() };
    StoreSetup { store, tree: TreeConfig::default(), retain_count: 3 }
}

/// A store with some history, at rest.
fn settled(setup: &StoreSetup) -> StoreMachine {
    let disk = SimDisk::new(Rng::new(1, "disk"), false);
    let history = History::new(setup.tree.clone());
    let mut machine = StoreMachine::start(disk, setup, history, Rng::new(1, "machine")).expect("a new store");
    for _ in 0..40 {
        machine.decide();
        while let Some((lane, _)) = machine.next_op() {
            machine.disk_op(lane).expect("nothing fails");
        }
    }
    machine.settle().expect("nothing fails");
    machine
}

/// The first write of a log was cut off inside the file header: refused with "invalid magic number".
#[test]
fn log_header_torn_inside() {
    let setup = setup();
    for with_index in [true, false] {
        for written in 0..=LOG_HEADER_LEN as usize {
            for len in [written, 16, 8208] {
                let mut machine = settled(&setup);
                let next = machine.history.issued().next();
                let mut bytes = log_header()[..written].to_vec();
                bytes.resize(len.max(written), 0);
                machine.disk.put(&store::names::log_file(next), &bytes);
                if with_index {
                    machine.disk.put(&store::names::index_file(next), &[]);
                }
                let recovered = recover(&mut machine.disk, &setup.store, setup.tree.clone());
                let recovered =
                    recovered.unwrap_or_else(|e| panic!("{written} bytes of {len}, index {with_index}: {e}"));
                machine.history.check(&recovered.tree).expect("everything is there");
            }
        }
    }
}

/// The process died between a new log's creation and the sync of its directory. The next start read the log and claimed it
/// in the index; power was lost before that start had synced the directory, which had kept the index's new name but not
/// the log's: refused, because a log seemed to be missing.
#[test]
fn index_renewed_before_the_logs_name_is_durable() {
    let setup = setup();
    let mut machine = settled(&setup);
    let next = machine.history.issued().next();
    machine.roll();
    machine.write_and_send();
    loop {
        let (lane, op) = machine.next_op().expect("the log is created, written and synced");
        machine.disk_op(lane).expect("nothing fails");
        if op == (DiskOp::Sync { file: store::names::log_file(next) }) {
            break;
        }
    }
    let process_died = machine.disk.crashed(None, Survival::Everything, Rng::new(1, "crash"));
    for at in 0..20 {
        for chance in 0..30 {
            let rng = Rng::new(chance, "crash");
            let mut disk = process_died.crashed(None, Survival::Everything, rng.clone());
            disk.plan_fault(at, Fault::Stop);
            let _stopped = recover(&mut disk, &setup.store, setup.tree.clone());
            let mut disk = disk.crashed(None, Survival::Subset, rng);
            let recovered = recover(&mut disk, &setup.store, setup.tree.clone());
            let recovered = recovered.unwrap_or_else(|e| panic!("stopped at {at}, chance {chance}: {e}"));
            machine.history.check(&recovered.tree).expect("everything is there");
        }
    }
}

/// A snapshot with the bytes of an older one, sealed and whole: it was believed, and old data came back.
#[test]
fn snapshot_with_an_older_ones_bytes() {
    let setup = setup();
    let mut machine = settled(&setup);
    let newest = newest(&machine, "snapshot.");
    let old = machine.disk.bytes(&FileName::new(Dir::Snap, "snapshot.0")).expect("the first one").to_vec();
    machine.disk.damage(&newest, |bytes| bytes.clone_from(&old));
    let recovered = recover(&mut machine.disk, &setup.store, setup.tree.clone());
    if let Ok(recovered) = recovered {
        machine.history.check(&recovered.tree).expect("everything is there");
        let told = recovered.notices.iter().any(|text| text.contains("taken at transaction 0x0"));
        assert!(told, "{:?}", recovered.notices);
    }
}

/// A log that ends exactly behind a record, although its index says that more was synced: it was taken for a log that
/// another server had truncated. That can only be after a leader of a later epoch was accepted.
#[test]
fn log_cut_behind_a_record() {
    let setup = setup();
    for accepted_epoch in [None, Some("0"), Some("1")] {
        let mut machine = settled(&setup);
        machine.roll();
        for _ in 0..4 {
            machine.write_and_send();
            machine.settle().expect("nothing fails");
        }
        let log = newest(&machine, "log.");
        let mut bytes = machine.disk.bytes(&log).expect("the log");
        let mut reader = LogReader::open(&mut bytes, Limits::default()).expect("a header");
        let end = reader.next_record().expect("a slice").expect("a record").end as usize;
        machine.disk.damage(&log, |bytes| bytes.truncate(end));
        if let Some(epoch) = accepted_epoch {
            machine.disk.put(&FileName::new(Dir::Snap, "acceptedEpoch"), epoch.as_bytes());
        }
        let recovered = recover(&mut machine.disk, &setup.store, setup.tree.clone());
        match (recovered, accepted_epoch) {
            (Err(error), None | Some("0")) => {
                let text = error.to_string();
                assert!(text.contains("the records end here, but the log's index says"), "{text}");
            }
            (Ok(recovered), Some("1")) => {
                let told = recovered.notices.iter().any(|text| text.contains("by another server"));
                assert!(told, "{:?}", recovered.notices);
            }
            (other, _) => panic!("accepted epoch {accepted_epoch:?}: {:?}", other.map(|r| r.notices)),
        }
    }
}

/// Logs and snapshots share a directory, whose sync failed for a snapshot: the name of a new log went with it, and a later
/// sync seemed to succeed. Writes behind it were acknowledged and lost. Now the server ends.
#[test]
fn directory_sync_fails_for_a_snapshot() {
    let mut node = node::NodeConfig { store: setup().store, ..node::NodeConfig::default() };
    node.store.snap_count = 8;
    node.store.txn_log_size_limit_bytes = 1024;
    let machine = sim::MachineSetup { node, tree: TreeConfig::default() };
    let (clients, requests) = (2, 24);
    let sweep = NodeSweep {
        seed: 1000,
        setup: machine,
        separate: false,
        clients,
        requests,
        life_percent: 0,
        lie: None,
    };
    run_with_faults(&sweep, Fault::Error, 1).unwrap_or_else(|violation| panic!("{violation}"));
}

fn newest(machine: &StoreMachine, kind: &str) -> FileName {
    let zxid = |file: &FileName| {
        let number = file.name.strip_prefix(kind).and_then(|rest| rest.split('.').next());
        number.and_then(|number| i64::from_str_radix(number, 16).ok())
    };
    machine.disk.files().into_iter().max_by_key(|file| zxid(file).unwrap_or(-1)).expect("a file")
}

/// The counterpart: a header that no crash leaves is damage.
#[test]
fn log_header_damaged() {
    let setup = setup();
    for at in 0..4 {
        let mut machine = settled(&setup);
        let logs = machine.disk.files();
        let log = logs.iter().rfind(|file| file.name.starts_with("log.")).expect("a log");
        machine.disk.damage(log, |bytes| bytes[at] ^= 1);
        let refused = recover(&mut machine.disk, &setup.store, setup.tree.clone()).err();
        let text = refused.expect("damage is refused").to_string();
        assert!(text.contains("invalid magic number"), "{text}");
    }
    assert!(settled(&setup).disk.bytes(&FileName::new(Dir::Log, "snapshot.0")).is_some());
}
