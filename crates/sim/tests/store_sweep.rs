//! The crash-point sweep over the store alone.

use sim::sweep::store::{StoreSweep, run};
use sim::{Lie, Seen, StoreSetup};
use store::{Compression, StoreConfig};
use tree::TreeConfig;

fn sweep(seed: u64) -> StoreSweep {
    let store = StoreConfig { prealloc_bytes: 0, snap_count: 40, ..StoreConfig::default() };
    StoreSweep {
        seed,
        setup: StoreSetup { store, tree: TreeConfig::default(), retain_count: 3 },
        separate: false,
        decisions: 300,
        stopped_start_percent: 3,
        life_percent: 3,
        lie: None,
    }
}

fn done(sweep: &StoreSweep) {
    let report = run(sweep).unwrap_or_else(|violation| panic!("{violation}"));
    println!("{report}");
    let Seen { logs, snapshots, removed, .. } = report.seen;
    assert!(logs >= 3 && snapshots >= 5 && removed >= 1, "too little happened: {report}");
}

#[test]
fn a_plain_store_survives() {
    done(&sweep(1));
}

#[test]
fn with_padding() {
    let mut sweep = sweep(2);
    sweep.setup.store.prealloc_bytes = 8192;
    done(&sweep);
}

#[test]
fn with_gzip_and_two_directories() {
    let mut sweep = sweep(3);
    sweep.setup.store.compression = Compression::Gzip;
    sweep.separate = true;
    done(&sweep);
}

#[test]
fn with_snappy_and_logs_that_roll_by_size() {
    let mut sweep = sweep(4);
    sweep.setup.store.compression = Compression::Snappy;
    sweep.setup.store.txn_log_size_limit_bytes = 4096;
    done(&sweep);
}

/// The sweep can fail.
#[test]
fn a_disk_that_lies_is_noticed() {
    for lie in [Lie::FileSync, Lie::DirSync] {
        let mut sweep = sweep(5);
        sweep.lie = Some(lie);
        let violation = run(&sweep).expect_err("nobody survives on such a disk");
        assert!(
            [("was acknowledged"), ("refused"), ("called durable")]
                .iter()
                .any(|words| violation.contains(words)),
            "{violation}"
        );
    }
}
