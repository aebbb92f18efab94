//! Z7: what is committed comes from the leader whose turn it is: once an epoch is established, nothing of an earlier epoch is
//! committed any more that the new leader did not have.
//!
//! Source: simulation §2.8; the Zab paper, "primary integrity" and "global primary order". Together with Z5, which is the
//! local order, and Z3.

use super::Violation;
use wire::Zxid;

/// A transaction is committed; `established` is the last epoch that has a leader.
pub(super) fn check(zxid: Zxid, established: u32) -> Result<(), Violation> {
    if zxid.epoch() >= established {
        return Ok(());
    }
    let text = format!("{zxid} is committed after epoch {established} was established without it");
    Err(Violation::new("Z7", text))
}
