//! What happens when: one queue for the whole world.

use super::event::Event;
use crate::Rng;
use std::collections::BTreeMap;

/// Events in the order of their time; chance decides among those of one time (reference: simulation §2.3).
pub(super) struct Queue {
    now_us: u64,
    ties: Rng,
    count: u64,
    events: BTreeMap<(u64, u64, u64), Event>,
}

impl Queue {
    pub(super) fn new(seed: u64) -> Queue {
        Queue { now_us: 1_000_000, ties: Rng::new(seed, "sched"), count: 0, events: BTreeMap::new() }
    }

    pub(super) fn now_us(&self) -> u64 {
        self.now_us
    }

    pub(super) fn after(&mut self, delay_us: u64, event: Event) {
        self.at(self.now_us + delay_us, event);
    }

    pub(super) fn at(&mut self, at_us: u64, event: Event) {
        self.count += 1;
        let key = (at_us.max(self.now_us), self.ties.next_u64(), self.count);
        self.events.insert(key, event);
    }

    /// Is something under way? Everything else waits for its time.
    pub(super) fn is_busy(&self) -> bool {
        self.events.iter().any(|((at_us, ..), event)| *at_us <= self.now_us || event.is_under_way())
    }

    /// The next event not after `until_us`; the clock goes to its time, or to `until_us` if there is none.
    pub(super) fn pop(&mut self, until_us: u64) -> Option<Event> {
        if self.events.first_key_value().is_none_or(|((at, ..), _)| *at > until_us) {
            self.now_us = self.now_us.max(until_us);
            return None;
        }
        let ((at, ..), event) = self.events.pop_first()?;
        self.now_us = at;
        Some(event)
    }
}
