//! Asking a running server to stop, from a signal or from another thread.

use mio::Waker;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A request to stop, shared between those who ask and the loop that obeys.
#[derive(Clone, Debug)]
pub struct Stop {
    asked: Arc<AtomicBool>,
    waker: Arc<Waker>,
}

impl Stop {
    /// Not asked yet.
    pub fn new(waker: Arc<Waker>) -> Stop {
        Stop { asked: Arc::new(AtomicBool::new(false)), waker }
    }

    /// Asks; the loop finishes what is durable, answers it and ends.
    ///
    /// # Errors
    /// When the loop cannot be woken.
    pub fn ask(&self) -> io::Result<()> {
        self.asked.store(true, Ordering::Release);
        self.waker.wake()
    }

    /// Whether somebody has asked.
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }
}
