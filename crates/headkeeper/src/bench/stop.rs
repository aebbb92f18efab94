//! Ctrl-C and SIGTERM: the run ends early, and the znodes still go.

use signal_hook::consts::{SIGINT, SIGTERM};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How often a sleeper looks whether it is to stop.
const NAP: Duration = Duration::from_millis(100);

/// Whether the user wants the run to end.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    asked: Arc<AtomicBool>,
}

impl Stop {
    /// From now on SIGINT and SIGTERM ask to stop; a second one ends the program at once, for a server that hangs.
    pub fn on_signals() -> io::Result<Stop> {
        let stop = Stop::default();
        for signal in [SIGINT, SIGTERM] {
            // Registered first, so that it sees the flag as the signal before left it.
            signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop.asked))?;
            signal_hook::flag::register(signal, Arc::clone(&stop.asked))?;
        }
        Ok(stop)
    }

    /// Asked?
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Sleeps until `when`, or until asked to stop.
    pub fn sleep_until(&self, when: Instant) {
        loop {
            let left = when.saturating_duration_since(Instant::now());
            if left.is_zero() || self.is_asked() {
                return;
            }
            thread::sleep(left.min(NAP));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_sleeps_when_all_shall_stop() {
        let stop = Stop::default();
        stop.asked.store(true, Ordering::Relaxed);
        // Returns at once, or the test never ends.
        stop.sleep_until(Instant::now() + Duration::from_secs(1_000_000));
        assert!(stop.is_asked());
    }
}
