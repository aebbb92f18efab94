//! What only members of ensembles do with files, under crashes: epochs, truncation, history read again.

use sim::{Fault, History, Rng, SimDisk, StoreMachine, StoreSetup, Survival};
use store::{
    Dir, Disk, DiskOp, EmptyDirectory, EpochError, EpochFile, Epochs, FileName, Recovered, RecoveryError,
    StoreConfig, load_epochs, read_history, recover, truncate, write_epoch,
};
use tree::TreeConfig;
use wire::Zxid;

fn rng(seed: u64, label: &str) -> Rng {
    Rng::new(seed, label)
}

fn write(disk: &mut SimDisk, which: EpochFile, epoch: u32) {
    write_epoch(which, epoch).iter().for_each(|op| disk.execute(op).expect("a disk without faults"));
}

fn file(name: &str) -> FileName {
    FileName::new(Dir::Snap, name)
}

#[test]
fn a_crash_leaves_the_old_epoch_or_the_new_one() {
    let mut disk = SimDisk::new(rng(1, "disk"), false);
    write(&mut disk, EpochFile::Accepted, 9);
    write(&mut disk, EpochFile::Current, 9);
    for which in [EpochFile::Accepted, EpochFile::Current] {
        let ops = write_epoch(which, 10);
        for (done, next) in ops.iter().map(Some).chain([None]).enumerate() {
            for survival in Survival::ALL {
                for seed in 0..8 {
                    let mut disk = disk.crashed(None, Survival::Everything, rng(seed, "copy"));
                    ops[..done].iter().for_each(|op| disk.execute(op).expect("a disk without faults"));
                    let mut disk = disk.crashed(next, survival, rng(seed, "crash"));
                    let found = match (load_epochs(&mut disk, Zxid::from_parts(9, 1)), which) {
                        (Ok((epochs, _)), EpochFile::Accepted) => epochs.accepted,
                        (Ok((epochs, _)), EpochFile::Current) => epochs.current,
                        // A member accepts an epoch before it takes its history over.
                        (Err(EpochError::Contradiction(Epochs { current: 10, .. })), EpochFile::Current) => {
                            10
                        }
                        (Err(error), _) => panic!("{which:?} after {done} operations, {survival:?}: {error}"),
                    };
                    assert!(
                        found == 10 || (found == 9 && next.is_some()),
                        "{found} after {done}, {survival:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_changed_digit_does_not_pass() {
    for (text, expected) in [("7", 9), ("xyz", 9), ("", 9), ("11", 11), ("9 \n", 9)] {
        let mut disk = SimDisk::new(rng(1, "disk"), false);
        write(&mut disk, EpochFile::Accepted, 9);
        write(&mut disk, EpochFile::Current, 9);
        disk.damage(&file("acceptedEpoch"), |bytes| *bytes = text.as_bytes().to_vec());
        let (epochs, repairs) = load_epochs(&mut disk, Zxid::ZERO).expect("the twin knows");
        assert_eq!(epochs.accepted, expected, "{text:?}");
        repairs.iter().for_each(|op| disk.execute(op).expect("a disk without faults"));
        assert_eq!(
            load_epochs(&mut disk, Zxid::ZERO).map(|(epochs, repairs)| (epochs, repairs.len())),
            Ok((epochs, 0))
        );
    }
}

#[test]
fn epochs_of_apache_and_of_nobody() {
    let mut disk = SimDisk::new(rng(1, "disk"), false);
    let last = Zxid::from_parts(3, 7);
    assert_eq!(load_epochs(&mut disk, last).expect("a fresh member").0, Epochs { accepted: 3, current: 3 });
    disk.put(&file("acceptedEpoch"), b"5");
    disk.put(&file("currentEpoch"), b"4\n");
    assert_eq!(load_epochs(&mut disk, last).expect("Apache's files").0, Epochs { accepted: 5, current: 4 });
    disk.put(&file("currentEpoch"), b"6");
    let error = load_epochs(&mut disk, last).expect_err("current is ahead of accepted");
    assert!(
        error.to_string().starts_with("The accepted epoch, 5 is less than the current epoch, 6"),
        "{error}"
    );
    disk.put(&file("currentEpoch"), b"four");
    let error = load_epochs(&mut disk, last).expect_err("no number, no twin");
    assert!(error.to_string().starts_with("Found four in "), "{error}");
}

/// ZOOKEEPER-2307, ZOOKEEPER-4643: between the history and the epoch it belongs to.
#[test]
fn a_history_ahead_of_its_epoch_starts_with_the_lower_vote() {
    let mut disk = SimDisk::new(rng(1, "disk"), false);
    write(&mut disk, EpochFile::Accepted, 10);
    write(&mut disk, EpochFile::Current, 9);
    let last = Zxid::from_parts(10, 3);
    assert_eq!(
        load_epochs(&mut disk, last).expect("what a crash may leave").0,
        Epochs { accepted: 10, current: 9 }
    );
    let error = load_epochs(&mut disk, Zxid::from_parts(11, 1)).expect_err("no crash leaves that");
    assert!(error.to_string().starts_with("The accepted epoch, a, is older than the last zxid"), "{error}");
}

/// A disk with logs and snapshots, and the last zxid.
fn written(seed: u64) -> (SimDisk, StoreSetup, Zxid) {
    let store = StoreConfig { prealloc_bytes: 4096, snap_count: 60, ..StoreConfig::default() };
    let setup = StoreSetup { store, tree: TreeConfig::default(), retain_count: 3 };
    let disk = SimDisk::new(rng(seed, "disk"), false);
    let history = History::new(TreeConfig::default());
    let mut machine =
        StoreMachine::start(disk, &setup, history, rng(seed, "machine")).expect("an empty disk");
    for _ in 0..400 {
        machine.decide();
        machine.settle().expect("a disk without faults");
    }
    let last = machine.history.promised();
    (machine.disk, setup, last)
}

#[test]
fn truncating_survives_a_crash_at_every_operation() {
    let (disk, setup, last) = written(3);
    let oldest = Zxid(last.0 - 40);
    for keep in [last, Zxid(last.0 - 1), Zxid(last.0 - 17), oldest] {
        for at in 0..40 {
            for survival in Survival::ALL {
                let mut disk = disk.crashed(None, Survival::Everything, rng(at, "copy"));
                disk.plan_fault(at, Fault::Stop);
                let result = truncate(&mut disk, &setup.store, keep);
                let complete = result.is_ok();
                let mut disk = disk.crashed(None, survival, rng(at, "crash"));
                let recovered = recover(&mut disk, &setup.store, setup.tree.clone())
                    .unwrap_or_else(|error| panic!("keep {keep}, operation {at}, {survival:?}: {error}"));
                let found = recovered.last_zxid();
                assert!(found >= keep && found <= last, "keep {keep}: {found} of {last}");
                assert!(!complete || found == keep, "keep {keep}: {found} is left, {survival:?}");
                if complete {
                    let again = truncate(&mut disk, &setup.store, keep);
                    assert_eq!(again, Ok(()), "nothing is left to cut");
                }
            }
        }
    }
}

#[test]
fn without_an_older_snapshot_nothing_is_cut() {
    let (mut disk, setup, _) = written(3);
    let before = disk.files();
    let snapshots =
        before.iter().filter(|file| file.name.starts_with("snapshot.")).cloned().collect::<Vec<_>>();
    for file in snapshots.iter().rev().skip(1) {
        disk.execute(&DiskOp::Remove { file: file.clone() }).expect("a disk without faults");
    }
    let before = disk.files();
    let error = truncate(&mut disk, &setup.store, Zxid(1)).expect_err("there is nothing to replay on");
    assert!(error.to_string().contains("all snapshots are newer"), "{error}");
    assert_eq!(disk.files(), before);
}

#[test]
fn history_is_read_from_anywhere_in_any_pieces() {
    let (mut disk, setup, last) = written(5);
    let all = read_history(&mut disk, &setup.store, Zxid::ZERO, last, usize::MAX)
        .expect("a disk without faults")
        .txns;
    let first = all.first().expect("transactions").0;
    assert_eq!(all.last().map(|(zxid, _)| *zxid), Some(last));
    for after in (first.0..=last.0).step_by(7).map(Zxid) {
        let (mut at, mut got) = (after, Vec::new());
        loop {
            let slice = read_history(&mut disk, &setup.store, at, last, 300).expect("a disk without faults");
            assert_eq!(slice.at_or_before, Some(at), "the logs reach back");
            let Some((zxid, _)) = slice.txns.last() else { break };
            at = *zxid;
            got.extend(slice.txns);
        }
        let expected: Vec<_> = all.iter().filter(|(zxid, _)| *zxid > after).cloned().collect();
        assert_eq!(got, expected, "after {after}");
    }
    let upto = Zxid(last.0 - 3);
    let slice = read_history(&mut disk, &setup.store, Zxid(last.0 - 9), upto, usize::MAX).expect("a disk");
    assert_eq!(
        slice.txns.last().map(|(zxid, _)| *zxid),
        Some(upto),
        "nothing behind what is known to be durable"
    );
    let slice = read_history(&mut disk, &setup.store, Zxid(-5), last, 1).expect("a disk without faults");
    assert_eq!(slice.at_or_before, None, "the logs do not reach back so far");
}

/// A server whose log ends with what nobody ever committed gets a snapshot of a later epoch, and goes on logging: what it
/// has before the snapshot must not be told to anybody as what leads to what comes behind it.
#[test]
fn zookeeper_2846_history_is_not_read_across_a_snapshot_that_the_logs_do_not_contain() {
    let z = Zxid::from_parts;
    let mut disk = SimDisk::new(rng(1, "disk"), false);
    let log = |disk: &mut SimDisk, zxids: &[Zxid]| {
        let mut bytes = store::log_header().to_vec();
        for zxid in zxids {
            store::encode_record(&mut bytes, &error_txn(*zxid));
        }
        disk.put(&store::names::log_file(zxids[0]), &bytes);
    };
    log(&mut disk, &[z(1, 1), z(1, 2), z(2, 1)]);
    log(&mut disk, &[z(4, 1), z(4, 2)]);
    let read = |disk: &mut SimDisk, after| {
        let slice = read_history(disk, &StoreConfig::default(), after, z(4, 2), usize::MAX).expect("a disk");
        (slice.at_or_before, slice.txns.iter().map(|(zxid, _)| *zxid).collect::<Vec<_>>())
    };
    disk.put(&store::names::snapshot_file(z(1, 2), store::Compression::None), b"its own");
    assert_eq!(read(&mut disk, z(1, 1)), (Some(z(1, 1)), vec![z(1, 2), z(2, 1), z(4, 1), z(4, 2)]));
    for installed in [z(3, 0), z(3, 7)] {
        let file = store::names::snapshot_file(installed, store::Compression::None);
        disk.put(&file, b"from a leader");
        let none = (None, vec![]);
        assert_eq!(read(&mut disk, z(1, 1)), none, "what was committed before cannot be told from the rest");
        assert_eq!(read(&mut disk, z(2, 1)), none);
        assert_eq!(read(&mut disk, installed), (Some(installed), vec![z(4, 1), z(4, 2)]));
        assert_eq!(
            read(&mut disk, z(3, 9)),
            (None, vec![z(4, 1), z(4, 2)]),
            "never a place to be cut back to"
        );
        assert_eq!(read(&mut disk, z(4, 1)), (Some(z(4, 1)), vec![z(4, 2)]));
        disk.lose(&file);
    }
}

/// A member tells others how far its history goes: what a start has read must be there after a power cut too, even if the
/// process before died between the rename of a leader's snapshot and the sync of its name.
#[test]
fn a_snapshot_that_was_read_at_a_start_outlives_a_power_cut() {
    let (mut disk, setup, _) = written(3);
    let newest = disk.files().into_iter().filter(|file| store::names::snapshot_zxid(&file.name).is_some());
    let newest = newest.max_by_key(|file| store::names::snapshot_zxid(&file.name)).expect("a snapshot");
    let bytes = disk.bytes(&newest).expect("it is there").to_vec();
    let logs: Vec<FileName> = disk.files().into_iter().filter(|file| file.name.contains("log.")).collect();
    logs.iter().chain([&newest]).for_each(|file| disk.lose(file));
    let temporary = file("tmp-snapshot");
    let install = [
        DiskOp::Create { file: temporary.clone() },
        DiskOp::WriteAt { file: temporary.clone(), offset: 0, bytes },
        DiskOp::Sync { file: temporary.clone() },
        DiskOp::Close { file: temporary.clone() },
        DiskOp::Rename { from: temporary, to: newest.clone() },
    ];
    install.iter().for_each(|op| disk.execute(op).expect("a disk without faults"));
    let mut disk = disk.crashed(None, Survival::Everything, rng(1, "process"));
    let start =
        |disk: &mut SimDisk| recover(disk, &setup.store, setup.tree.clone()).expect("a start").last_zxid();
    let told = start(&mut disk);
    assert_eq!(Some(told), store::names::snapshot_zxid(&newest.name));
    assert_eq!(start(&mut disk.crashed(None, Survival::Nothing, rng(1, "power"))), told);
}

/// As long as the logs from before a leader's snapshot are there, that snapshot tells that they are no part of the history.
#[test]
fn an_interrupted_purge_leaves_no_log_without_the_snapshot_that_replaced_it() {
    let z = Zxid::from_parts;
    let snapshot = |zxid| store::names::snapshot_file(zxid, store::Compression::None);
    let mut disk = SimDisk::new(rng(1, "disk"), false);
    let (replaced, installed) = (store::names::log_file(z(2, 1)), snapshot(z(3, 0)));
    for log in [z(2, 1), z(3, 1), z(3, 5), z(3, 9)] {
        let mut bytes = store::log_header().to_vec();
        store::encode_record(&mut bytes, &error_txn(log));
        disk.put(&store::names::log_file(log), &bytes);
    }
    for zxid in [z(3, 0), z(3, 4), z(3, 8), z(3, 9)] {
        disk.put(&snapshot(zxid), &sealed());
    }
    let ops = store::purge_plan(&mut disk, 3).expect("a disk without faults");
    assert!(
        [&replaced, &installed].iter().all(|file| ops.contains(&DiskOp::Remove { file: (*file).clone() }))
    );
    for (done, next) in ops.iter().enumerate() {
        for survival in Survival::ALL {
            for seed in 0..8 {
                let mut disk = disk.crashed(None, Survival::Everything, rng(seed, "copy"));
                ops[..done].iter().for_each(|op| disk.execute(op).expect("a disk without faults"));
                let disk = disk.crashed(Some(next), survival, rng(seed, "crash"));
                let has = |file| disk.bytes(file).is_some();
                assert!(!has(&replaced) || has(&installed), "{survival:?} at {next:?}");
            }
        }
    }
}

/// What looks like a snapshot from outside.
fn sealed() -> Vec<u8> {
    let mut sink = store::SnapshotSink::new(Vec::new(), store::Compression::None).expect("memory");
    sink.data(b"whatever it holds").and_then(|()| sink.seal()).expect("memory");
    sink.finish().expect("memory")
}

/// The smallest transaction: an error.
fn error_txn(zxid: Zxid) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = wire::Writer::new(&mut bytes);
    writer.long(1);
    writer.int(1);
    writer.long(zxid.0);
    writer.long(1);
    writer.int(-1);
    writer.int(-101);
    bytes
}

fn start_empty(disk: &mut SimDisk, empty: EmptyDirectory) -> Result<Recovered, RecoveryError> {
    recover(disk, &StoreConfig { empty, ..StoreConfig::default() }, TreeConfig::default())
}

/// `db.autocreate=false`: a server whose files are gone does not outvote those who have them.
#[test]
fn an_empty_directory_is_not_trusted_without_initialize() {
    let mut disk = SimDisk::new(rng(1, "disk"), false);
    for _ in 0..2 {
        let recovered = start_empty(&mut disk, EmptyDirectory::Distrusted).expect("an empty directory");
        assert!(recovered.distrusted);
        assert_eq!((recovered.last_zxid(), recovered.end_of_history()), (Zxid::ZERO, Zxid(-1)));
        assert!(recovered.notices[0].starts_with("Unexpected empty data tree, setting zxid to -1"));
        let (epochs, _) = load_epochs(&mut disk, recovered.last_zxid()).expect("no epochs");
        assert_eq!(epochs, Epochs { accepted: 0, current: 0 });
        assert_eq!(disk.list(Dir::Snap).expect("a disk"), [], "a snapshot would be believed");
    }
    assert!(matches!(start_empty(&mut disk, EmptyDirectory::Error), Err(RecoveryError::Empty { .. })));
}

/// The file is there for one start; what that writes is believed from then on.
#[test]
fn initialize_makes_a_database_once() {
    for empty in [EmptyDirectory::Distrusted, EmptyDirectory::Error] {
        let mut disk = SimDisk::new(rng(1, "disk"), false);
        disk.put(&FileName::new(Dir::LogParent, "initialize"), b"");
        let recovered = start_empty(&mut disk, empty).expect("a new database");
        assert!(!recovered.distrusted && recovered.is_new);
        assert_eq!(disk.list(Dir::LogParent).expect("a disk"), []);
        let recovered = start_empty(&mut disk, empty).expect("the new database");
        assert_eq!((recovered.distrusted, recovered.end_of_history()), (false, Zxid::ZERO));
    }
}

/// Apache's servers write -1 into a directory that they do not trust.
#[test]
fn epochs_before_the_first() {
    let mut disk = SimDisk::new(rng(1, "disk"), false);
    disk.put(&file("acceptedEpoch"), b"-1");
    disk.put(&file("currentEpoch"), b"-1");
    let (epochs, repairs) = load_epochs(&mut disk, Zxid::ZERO).expect("Apache's files");
    assert_eq!(epochs, Epochs { accepted: 0, current: 0 });
    repairs.iter().for_each(|op| disk.execute(op).expect("a disk without faults"));
    disk.put(&file("acceptedEpoch"), b"-2");
    disk.put(&file("twin-acceptedEpoch"), b"");
    assert!(matches!(load_epochs(&mut disk, Zxid::ZERO), Err(EpochError::NotANumber { .. })));
}
