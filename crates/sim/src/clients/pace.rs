//! When the application asks: bursts, pauses for thought, long rests.

use crate::Rng;

/// A burst, and the pause before the next one.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    rng: Rng,
    /// Nothing is asked before.
    pub(crate) next_us: u64,
    /// Requests of this burst that are still to be asked.
    pub(crate) left: u32,
    /// Requests under way at a time.
    pub(crate) depth: usize,
    /// What follows the burst.
    pub(crate) then: Then,
}

/// What follows a burst.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Then {
    /// Only a pause.
    Think,
    /// Another server, whatever is still under way.
    Move,
    /// The machine sleeps, and comes back when the session may be over.
    Sleep,
    /// The session is closed.
    CloseSession,
}

impl Pace {
    pub(crate) fn new(mut rng: Rng) -> Pace {
        let next_us = rng.below(500_000);
        let mut pace = Pace { rng, next_us, left: 0, depth: 1, then: Then::Think };
        pace.deal();
        pace
    }

    /// The burst is over.
    pub(crate) fn pause(&mut self, now_us: u64) {
        let pause_us = match self.rng.below(20) {
            0 => 5_000_000 + self.rng.below(15_000_000),
            1..6 => self.rng.below(5_000_000),
            6..14 => self.rng.below(300_000),
            _ => self.rng.below(5_000),
        };
        self.next_us = now_us + pause_us;
        self.deal();
    }

    fn deal(&mut self) {
        self.depth = (1 << self.rng.below(7)).min(100);
        if self.depth == 64 {
            self.depth = 100;
        }
        self.left = 1 + self.rng.below(self.depth as u64 * 2) as u32;
        self.then = match self.rng.below(40) {
            0..2 => Then::Move,
            2 => Then::CloseSession,
            3 => Then::Sleep,
            _ => Then::Think,
        };
    }
}
