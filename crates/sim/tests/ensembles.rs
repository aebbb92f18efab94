//! Some seeds of whole ensembles; `cargo xtask sim` runs many.

use sim::ensemble::{Mistake, Run, Setup};

#[test]
fn seeds_hold() {
    for seed in 0..6 {
        let outcome = Run::of(Setup::drawn(seed), false);
        assert_eq!(outcome.violation, None, "{outcome}");
    }
}

#[test]
fn a_seed_is_always_the_same_run() {
    for seed in 100..103 {
        let [one, two] = [0, 1].map(|_| Run::of(Setup::drawn(seed), false));
        assert_eq!((one.hash, one.events), (two.hash, two.events), "{one}\n{two}");
    }
}

/// How many seeds a mistake may take until it is noticed.
const SEEDS_TO_NOTICE: u64 = 12;

#[test]
fn mistakes_are_noticed() {
    for mistake in Mistake::ALL {
        let outcomes = (0..SEEDS_TO_NOTICE).map(|seed| {
            let setup = Setup { mistake: Some(mistake), ..Setup::drawn(seed) };
            Run::of(setup, false)
        });
        let rule = outcomes.filter_map(|outcome| outcome.violation).map(|violation| violation.rule).next();
        let expected: &[&str] = match mistake {
            Mistake::NoFileSync | Mistake::EarlyCompletion => &["Z2", "Z9"],
            Mistake::NoDirectorySync => &["Z2", "Z6", "Z9"],
            Mistake::EarlyAck => &["Z2"],
            Mistake::LostEpoch => &["Z6"],
        };
        assert!(rule.is_some_and(|rule| expected.contains(&rule)), "{mistake:?} shows as {rule:?}");
    }
}
