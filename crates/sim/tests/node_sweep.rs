//! The crash-point sweep over a whole server with its clients.

use node::{NodeConfig, PurgeConfig};
use sim::sweep::node::{NodeSweep, run, run_with_faults};
use sim::{Fault, Lie, MachineSetup, Seen};
use store::{Compression, StoreConfig};
use tree::TreeConfig;

fn sweep(seed: u64) -> NodeSweep {
    let store = StoreConfig { prealloc_bytes: 0, snap_count: 10, ..StoreConfig::default() };
    let mut node = NodeConfig { store, ..NodeConfig::default() };
    node.purge = Some(PurgeConfig { retain_count: 3, interval_ms: 100 });
    let setup = MachineSetup { node, tree: TreeConfig::default() };
    NodeSweep { seed, setup, separate: false, clients: 3, requests: 60, life_percent: 2, lie: None }
}

fn done(sweep: &NodeSweep) {
    let report = run(sweep).unwrap_or_else(|violation| panic!("{violation}"));
    println!("{report}");
    let Seen { logs, snapshots, removed, txns } = report.seen;
    assert!(logs >= 3 && snapshots >= 4 && removed >= 1 && txns >= 40, "too little happened: {report}");
    assert!(report.acknowledged >= 40 && report.lives >= 10, "too little happened: {report}");
}

#[test]
fn a_plain_server_survives() {
    done(&sweep(1));
}

#[test]
fn with_padding_and_gzip() {
    let mut sweep = sweep(2);
    sweep.setup.node.store.prealloc_bytes = 8192;
    sweep.setup.node.store.compression = Compression::Gzip;
    done(&sweep);
}

#[test]
fn with_snappy_and_two_directories() {
    let mut sweep = sweep(3);
    sweep.setup.node.store.compression = Compression::Snappy;
    sweep.setup.node.store.txn_log_size_limit_bytes = 4096;
    sweep.separate = true;
    done(&sweep);
}

/// EIO and ENOSPC at every operation: the server ends with one clear line, or gives only a snapshot up.
#[test]
fn disk_errors_end_the_server_and_nothing_is_lost() {
    for (seed, fault) in [(4, Fault::Error), (5, Fault::NoSpace)] {
        let mut sweep = sweep(seed);
        sweep.requests = 8;
        sweep.separate = seed == 5;
        let failed = run_with_faults(&sweep, fault, 1).unwrap_or_else(|violation| panic!("{violation}"));
        assert!(failed >= 25, "only {failed} operations failed");
    }
}

/// The sweep can fail.
#[test]
fn a_disk_that_lies_is_noticed() {
    for lie in [Lie::FileSync, Lie::DirSync] {
        let mut sweep = sweep(6);
        sweep.lie = Some(lie);
        let violation = run(&sweep).expect_err("nobody survives on such a disk");
        let known = ["was acknowledged", "refused"].iter().any(|words| violation.contains(words));
        assert!(known, "{violation}");
    }
}
