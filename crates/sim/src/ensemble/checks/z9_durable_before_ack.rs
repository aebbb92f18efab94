//! Z9: an acknowledgement leaves a learner only when its disk holds for good what it promises.
//!
//! Source: simulation §2.8; quorum-protocol §5.2; ZOOKEEPER-3911, 4643, 4646 and 4785. Read from the wire, looked up on the disk.

use super::Violation;
use super::durable::Durable;
use wire::{PacketType, QuorumPacket};

/// A learner says something to its leader.
pub(super) fn check(server: usize, packet: &QuorumPacket<'_>, durable: &Durable) -> Result<(), Violation> {
    let zxid = packet.zxid;
    let kept = match packet.kind() {
        // To NEWLEADER: the epoch, and with it the history that came before.
        Some(PacketType::Ack) if zxid.counter() == 0 => durable.current_epoch == Some(zxid.epoch()),
        Some(PacketType::Ack) => {
            durable.log.contains_key(&zxid) || durable.snapshot.is_some_and(|snapshot| snapshot >= zxid)
        }
        // An empty disk that is not trusted has less than nothing.
        Some(PacketType::AckEpoch) if zxid.0 == -1 => durable.snapshot.is_none() && durable.log.is_empty(),
        Some(PacketType::AckEpoch) => durable.last() == zxid,
        _ => true,
    };
    if kept {
        return Ok(());
    }
    let text = format!(
        "s{} says {} {zxid} with {} and currentEpoch {:?} on its disk",
        server + 1,
        packet.kind().map_or("?", PacketType::name),
        durable.last(),
        durable.current_epoch
    );
    Err(Violation::new("Z9", text))
}
