//! Mistakes put in on purpose: a simulation that does not notice them has gone blind (reference: simulation §2.9).
//!
//! They are made around the servers, not in them: by the disk, by who carries completions, on the wire.

use super::World;
use super::network::End;
use crate::Lie;
use store::{Lane, write_epoch};
use wire::{Encode, PacketType, QuorumPacket, Reader, Writer};

/// A mistake that some server of the world has made before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Mistake {
    /// The disk's sync of a file does nothing.
    NoFileSync,
    /// The disk's sync of a directory does nothing (ZOOKEEPER-2003).
    NoDirectorySync,
    /// Batches of the log are reported when they are handed over (ZOOKEEPER-3911, 4646).
    EarlyCompletion,
    /// A proposal counts as acknowledged as soon as it is sent.
    EarlyAck,
    /// A start finds an older `currentEpoch` (ZOOKEEPER-4643 and 2307, the other way round).
    LostEpoch,
}

impl Mistake {
    /// All of them.
    pub const ALL: [Mistake; 5] = [
        Mistake::NoFileSync,
        Mistake::NoDirectorySync,
        Mistake::EarlyCompletion,
        Mistake::EarlyAck,
        Mistake::LostEpoch,
    ];
}

impl World {
    fn makes(&self, mistake: Mistake) -> bool {
        self.setup.mistake == Some(mistake)
    }

    /// A process is about to start on its disk.
    pub(super) fn spoil_disk(&mut self, server: usize) {
        let lie = match self.setup.mistake {
            Some(Mistake::NoFileSync) => Lie::FileSync,
            Some(Mistake::NoDirectorySync) => Lie::DirSync,
            Some(Mistake::LostEpoch) if self.servers[server].life > 0 => {
                let disk = &mut self.servers[server].machine.disk;
                for op in write_epoch(store::EpochFile::Current, 0) {
                    // A disk that fails as well has made its mistake.
                    let _ = store::Disk::execute(disk, &op);
                }
                return;
            }
            _ => return,
        };
        self.servers[server].machine.disk.lie_about(lie);
    }

    /// Is the lane's completion told when the batch is handed over, and not when it is done?
    pub(super) fn completes_early(&self, lane: Lane) -> bool {
        lane == Lane::Log && self.makes(Mistake::EarlyCompletion)
    }

    /// A leader has sent something: somebody answers for the learner.
    pub(super) fn forge_ack(&mut self, end: End, bytes: &[u8]) {
        if !self.makes(Mistake::EarlyAck) {
            return;
        }
        let Ok(packet) = wire::Decode::decode(&mut Reader::new(bytes)) else { return };
        let packet: QuorumPacket<'_> = packet;
        if packet.kind() == Some(PacketType::Proposal) {
            let mut ack = Vec::new();
            QuorumPacket::new(PacketType::Ack, packet.zxid, None).encode(&mut Writer::new(&mut ack));
            self.send(end.other(), &ack);
        }
    }
}
