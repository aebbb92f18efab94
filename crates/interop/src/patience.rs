//! How long is waited for what has to come.
//!
//! A machine that runs these comparisons may stand still for seconds, its disk even longer. That is no fault of a server's, so
//! whatever does not say something about a server's own speed waits for half a minute, and sessions that are not meant to expire
//! live longer than that.

use client::Options;
use std::time::Duration;

/// For an answer.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// For servers that start, end, or look for a leader.
pub const START_PATIENCE: Duration = Duration::from_secs(60);

/// How to connect for a session of this timeout: creating it is a write, which waits for the disk.
pub(crate) fn patient(session_timeout_ms: i32) -> Options {
    Options { session_timeout_ms, connect_timeout: PATIENCE, ..Options::default() }
}
