//! The two clocks, read here and nowhere else.

use node::Now;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Turns the system's clocks into the [`Now`] of a step.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock whose monotonic side starts at zero.
    pub fn start() -> Clock {
        Clock { start: Instant::now() }
    }

    /// The present moment. A wall clock before 1970 counts as 1970.
    pub fn now(&self) -> Now {
        let mono_us = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        let wall_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
        Now { mono_us, wall_ms }
    }
}
