//! Z5: no counter is missing, in a log, in what is committed, and in what a leader sends.
//!
//! Source: simulation §2.8; ZOOKEEPER-4925, 5094, 4882 and 2099, each a hole that nobody noticed where it began.

use super::Violation;
use wire::Zxid;

/// May `next` come right behind `last`?
pub(super) fn follows(last: Zxid, next: Zxid) -> bool {
    let in_epoch = next.epoch() == last.epoch() && next.counter() == last.counter() + 1;
    in_epoch || (next.epoch() > last.epoch() && next.counter() == 1)
}

/// A log has a record behind another one.
pub(super) fn in_a_log(server: usize, log: &str, last: Zxid, next: Zxid) -> Result<(), Violation> {
    check(last, next, || format!("{log} of s{}", server + 1))
}

/// Something is committed behind something else.
pub(super) fn in_the_sequence(last: Zxid, next: Zxid) -> Result<(), Violation> {
    check(last, next, || "the committed sequence".to_owned())
}

/// A leader proposes something behind something else, on one connection.
pub(super) fn on_the_wire(server: usize, last: Zxid, next: Zxid) -> Result<(), Violation> {
    check(last, next, || format!("what s{} sends to a learner", server + 1))
}

fn check(last: Zxid, next: Zxid, place: impl FnOnce() -> String) -> Result<(), Violation> {
    if follows(last, next) {
        return Ok(());
    }
    Err(Violation::new("Z5", format!("{} has {next} behind {last}", place())))
}
