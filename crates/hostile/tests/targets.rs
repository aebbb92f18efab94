//! Every target survives its seeds and some thousand inputs near them.

use hostile::{Mutator, TARGETS, Target};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

fn attack(name: &str) {
    let target = hostile::target(name).expect("a target");
    let seeds = (target.seeds)();
    assert!(!seeds.is_empty(), "{name} has no seeds");
    for seed in &seeds {
        survive(target, seed);
    }
    let mut mutator = Mutator::new(7);
    for _ in 0..target.mutations {
        survive(target, &mutator.mutation(&seeds, target.len_max));
    }
}

fn survive(target: &Target, input: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err() {
        panic!("{} breaks a promise with {}", target.name, input.escape_ascii());
    }
}

macro_rules! attacks {
    ($($name:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            attack(stringify!($name));
        })*

        #[test]
        fn every_target_is_attacked() {
            let attacked = BTreeSet::from([$(stringify!($name)),*]);
            assert_eq!(attacked, TARGETS.iter().map(|target| target.name).collect());
        }
    };
}

attacks!(
    frames, requests, responses, txns, quorum, election, txn_log, snapshot, log_index, directory, history,
    zoo_cfg, jvm_flags, words, shell, acl,
);
