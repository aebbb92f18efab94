//! Giving up the end of a history, stopped at every disk operation.

use sim::{Fault, History, Rng, SimDisk, StoreMachine, StoreSetup, Survival};
use store::{StoreConfig, TruncateError, recover, truncate};
use tree::TreeConfig;
use wire::Zxid;

/// Several logs and snapshots, at rest.
fn settled(seed: u64, setup: &StoreSetup) -> StoreMachine {
    let disk = SimDisk::new(Rng::new(seed, "disk"), seed.is_multiple_of(2));
    let history = History::new(setup.tree.clone());
    let rng = Rng::new(seed, "machine");
    let mut machine = StoreMachine::start(disk, setup, history, rng).expect("a new store");
    for _ in 0..250 {
        machine.decide();
        if let Some((lane, _)) = machine.next_op() {
            machine.disk_op(lane).expect("nothing fails");
        }
    }
    machine.settle().expect("nothing fails");
    machine
}

/// What is left ends at or behind the place of the cut, is history, and can be cut again.
#[test]
fn a_truncation_can_be_stopped_anywhere() {
    let (mut stops, mut cuts) = (0, 0);
    for seed in 1..4 {
        // The cut itself does not depend on purging.
        let store = StoreConfig { prealloc_bytes: 4096 * (seed % 2), ..StoreConfig::default() };
        let setup = StoreSetup { store, tree: TreeConfig::default(), retain_count: 1000 };
        let machine = settled(seed, &setup);
        let issued = machine.history.issued().0;
        for keep in (1..=issued).step_by(7).map(Zxid) {
            let mut history = machine.history.fork();
            history.give_up_behind(keep);
            for at in 0.. {
                let rng = Rng::new(at, "crash");
                let mut disk = machine.disk.crashed(None, Survival::Everything, rng.clone());
                disk.plan_fault(at, Fault::Stop);
                match truncate(&mut disk, &setup.store, keep) {
                    Ok(()) => {
                        cuts += 1;
                        let mut disk = disk.crashed(None, Survival::Nothing, rng);
                        let tree = recover(&mut disk, &setup.store, setup.tree.clone()).expect("cut").tree;
                        assert_eq!(tree.last_zxid(), keep, "seed {seed}");
                        history.check(&tree).unwrap_or_else(|e| panic!("seed {seed}, cut to {keep}: {e}"));
                        break;
                    }
                    Err(TruncateError::NoOlderSnapshot { .. }) => break,
                    Err(TruncateError::Disk(_)) => stops += 1,
                }
                for survival in Survival::ALL {
                    let what = format!("seed {seed}, cut to {keep} stopped at {at}, survival {survival:?}");
                    let mut disk = disk.crashed(None, survival, rng.clone());
                    let recovered = recover(&mut disk, &setup.store, setup.tree.clone());
                    let recovered = recovered.unwrap_or_else(|e| panic!("{what}: {e}"));
                    history.check(&recovered.tree).unwrap_or_else(|e| panic!("{what}: {e}"));
                    truncate(&mut disk, &setup.store, keep).unwrap_or_else(|e| panic!("{what}: again: {e}"));
                    let again = recover(&mut disk, &setup.store, setup.tree.clone());
                    let again = again.unwrap_or_else(|e| panic!("{what}: again: {e}"));
                    assert_eq!(again.last_zxid(), keep, "{what}");
                }
            }
        }
    }
    println!("{cuts} cuts, stopped at {stops} operations");
    assert!(cuts >= 20 && stops >= 100, "too little happened: {cuts} cuts, {stops} stops");
}
