//! Z2: when anybody first treats a transaction as committed, a quorum of the voters holds it for good.
//!
//! Source: simulation §2.8; ZOOKEEPER-3911 and 4646, where acknowledgements came before the disk. Looked up on the disks.

use super::Violation;
use super::durable::Durable;
use std::rc::Rc;
use wire::Zxid;

pub(super) fn check(zxid: Zxid, payload: &Rc<[u8]>, voters: &[Durable]) -> Result<(), Violation> {
    let holders = voters.iter().filter(|voter| voter.holds(zxid, payload)).count();
    if holders > voters.len() / 2 {
        return Ok(());
    }
    let text = format!("{zxid} counts as committed, and {holders} of {} disks hold it", voters.len());
    Err(Violation::new("Z2", text))
}
