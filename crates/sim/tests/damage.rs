//! Damaged files, and a disk that cannot read them: everything is found, or the start is refused.

use sim::StoreSetup;
use sim::sweep::damage::{DamageSweep, run};
use store::{Compression, StoreConfig};
use tree::TreeConfig;

fn done(seed: u64, change: impl FnOnce(&mut DamageSweep)) {
    let store = StoreConfig { prealloc_bytes: 0, snap_count: 30, ..StoreConfig::default() };
    let setup = StoreSetup { store, tree: TreeConfig::default(), retain_count: 3 };
    let mut sweep = DamageSweep { seed, setup, separate: false, decisions: 500, places: 60 };
    change(&mut sweep);
    let report = run(&sweep).unwrap_or_else(|violation| panic!("{violation}"));
    println!("{report}");
    assert!(report.complete >= 100 && report.refused >= 100, "one of the two is missing: {report}");
}

#[test]
fn damage_to_plain_files() {
    done(1, |_| {});
}

#[test]
fn damage_with_padding_and_gzip() {
    done(2, |sweep| {
        sweep.setup.store.prealloc_bytes = 4096;
        sweep.setup.store.compression = Compression::Gzip;
    });
}

#[test]
fn damage_with_snappy_and_two_directories() {
    done(3, |sweep| {
        sweep.separate = true;
        sweep.setup.store.compression = Compression::Snappy;
    });
}

/// A log that was rolled behind its last batch has its index brought up to date as well when nobody writes.
#[test]
fn damage_with_logs_that_roll_by_size() {
    done(5103, |sweep| {
        sweep.setup.store.prealloc_bytes = 8192;
        sweep.setup.store.txn_log_size_limit_bytes = 2048;
        sweep.places = 20;
        sweep.decisions = 300;
    });
}
