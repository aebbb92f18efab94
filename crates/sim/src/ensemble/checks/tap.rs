//! Listens to one side of a connection between a learner and its leader.

use wire::{Decode, PacketType, QuorumPacket, Reader, Zxid};

/// How the raw bytes of a snapshot end: as a jute string.
const SIGNATURE: &[u8] = b"\0\0\0\x0aBenWasHere";

/// What one side has said and is not understood yet.
#[derive(Default)]
pub(super) struct Tap {
    bytes: Vec<u8>,
    in_snapshot: bool,
    said: Said,
}

/// What a leader has said so far to a learner.
#[derive(Default)]
pub(super) struct Said {
    /// The last proposal, or what the next one continues.
    pub(super) last: Option<Zxid>,
    /// Of NEWLEADER.
    pub(super) epoch: Option<u32>,
    /// UPTODATE is out.
    pub(super) is_live: bool,
}

impl Tap {
    /// Takes bytes and hands out the packets that they complete.
    pub(super) fn hear<E>(
        &mut self,
        bytes: &[u8],
        mut packet: impl FnMut(&mut Said, &QuorumPacket<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.bytes.extend_from_slice(bytes);
        let all = std::mem::take(&mut self.bytes);
        let mut rest = &all[..];
        loop {
            if self.in_snapshot {
                let Some(at) = rest.windows(SIGNATURE.len()).position(|window| window == SIGNATURE) else {
                    break;
                };
                rest = &rest[at + SIGNATURE.len()..];
                self.in_snapshot = false;
            }
            let mut reader = Reader::new(rest);
            let Ok(heard) = QuorumPacket::decode(&mut reader) else { break };
            packet(&mut self.said, &heard)?;
            self.in_snapshot = heard.kind() == Some(PacketType::Snap);
            rest = reader.rest();
        }
        self.bytes = rest.to_vec();
        Ok(())
    }
}
