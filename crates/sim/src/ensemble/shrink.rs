//! A smaller setup that fails in the same way: what can be left out is left out (reference: simulation §2.10).

use super::{FaultKind, Setup};

/// Tries to do without each kind of fault, without clients, and in less time, as long as it still fails.
#[must_use]
pub fn shrunk(setup: Setup, mut fails: impl FnMut(&Setup) -> bool) -> Setup {
    let mut smallest = setup;
    loop {
        let before = smallest.clone();
        for kind in FaultKind::ALL {
            let mut smaller = smallest.clone();
            if smaller.faults.remove(&kind) && fails(&smaller) {
                smallest = smaller;
            }
        }
        for clients in 1..smallest.clients {
            let smaller = Setup { clients, ..smallest.clone() };
            if fails(&smaller) {
                smallest = smaller;
                break;
            }
        }
        let shorter = Setup { fault_time_us: smallest.fault_time_us * 3 / 4, ..smallest.clone() };
        if fails(&shorter) {
            smallest = shorter;
        }
        let is_smaller = smallest.faults.len() < before.faults.len()
            || smallest.clients < before.clients
            || smallest.fault_time_us < before.fault_time_us;
        if !is_smaller {
            return smallest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_needed_is_left() {
        let all =
            Setup { clients: 6, faults: FaultKind::ALL.into(), fault_time_us: 8_000, ..Setup::drawn(1) };
        let needed = [FaultKind::Cut, FaultKind::Pause];
        let fails = |setup: &Setup| {
            needed.iter().all(|kind| setup.faults.contains(kind))
                && setup.clients >= 2
                && setup.fault_time_us > 4_000
        };
        let small = shrunk(all, fails);
        assert_eq!((small.faults, small.clients), (needed.into(), 2));
        assert!((4_001..6_000).contains(&small.fault_time_us), "{}", small.fault_time_us);
    }
}
