//! Z3: the disk of an established leader holds everything that was ever committed.
//!
//! Source: simulation §2.8; quorum-protocol §5.1; ZOOKEEPER-4643 and 4785, where a shorter history won an election.

use super::durable::Durable;
use super::{Sequence, Violation};

pub(super) fn check(
    server: usize,
    epoch: u32,
    durable: &Durable,
    sequence: &Sequence,
) -> Result<(), Violation> {
    let missing = sequence.behind(durable.snapshot).find(|(zxid, payload)| !durable.holds(*zxid, payload));
    match missing {
        None => Ok(()),
        Some((zxid, _)) => Err(Violation::new(
            "Z3",
            format!("s{} leads epoch {epoch}, and its disk lacks {zxid}, which is committed", server + 1),
        )),
    }
}
