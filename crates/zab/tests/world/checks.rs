//! What must hold at every moment, by the names of the reference (simulation §2.8). Nothing here asks a server's opinion: it looks
//! at disks and at what was sent.

use super::Server;
use std::collections::BTreeMap;
use wire::{Decode, PacketType, QuorumPacket, Reader, Zxid};
use zab::{Epoch, Txn};

#[derive(Default)]
pub struct Checks {
    /// Who leads which epoch.
    leaders: BTreeMap<Epoch, i64>,
    /// The one sequence of everything committed.
    pub committed: Vec<Txn>,
}

impl Checks {
    /// Z1, Z3: one leader per epoch, and its disk holds everything ever committed.
    pub fn established(&mut self, server: &Server, epoch: Epoch) {
        let other = self.leaders.insert(epoch, server.id);
        assert!(other.is_none(), "epoch {epoch} has two leaders: {other:?} and {}", server.id);
        let history = &server.disk.history;
        for (at, txn) in self.committed.iter().enumerate() {
            assert_eq!(
                history.get(at),
                Some(txn),
                "leader {} of epoch {epoch} lost a transaction",
                server.id
            );
        }
        // A quorum has its history now, so all of it is committed.
        self.committed.extend_from_slice(&history[self.committed.len()..]);
    }

    /// Z2, Z4: what a server applies is the next of the one sequence, and a quorum of disks holds it.
    pub fn delivered(&mut self, id: i64, at: usize, txn: &Txn, voters: &[&Server]) {
        match self.committed.get(at) {
            Some(known) => assert_eq!(known, txn, "server {id} applied another transaction at place {at}"),
            None => {
                assert_eq!(at, self.committed.len(), "server {id} applied {} too early", txn.zxid);
                let holders = voters.iter().filter(|server| server.disk.holds(txn)).count();
                assert!(
                    holders > voters.len() / 2,
                    "{} is applied, but only {holders} disks hold it",
                    txn.zxid
                );
                self.committed.push(txn.clone());
            }
        }
    }

    /// Z4 at the moment a server becomes useful: what it shows is a part of the one sequence. It may be the first to show it.
    pub fn up_to_date(&mut self, server: &Server, epoch: Epoch, voters: &[&Server]) {
        let shown = &server.tree;
        for (at, txn) in shown.iter().enumerate().skip(self.committed.len()) {
            self.delivered(server.id, at, txn, voters);
        }
        assert_eq!(shown[..], self.committed[..shown.len()], "server {} shows another history", server.id);
        assert!(server.disk.current == epoch, "server {} is up to date without the epoch", server.id);
        assert!(Epoch::of(server.disk.last()) <= server.disk.current, "Z6 at server {}", server.id);
    }
}

/// Z9: acknowledgements leave only when the disk holds what they promise.
pub fn promises_are_kept(server: &Server, bytes: &[u8]) {
    let mut r = Reader::new(bytes);
    while !r.is_empty() {
        let packet = QuorumPacket::decode(&mut r).expect("learners send whole packets");
        match packet.kind() {
            Some(PacketType::Ack) if packet.zxid.counter() == 0 => {
                assert_eq!(server.disk.current, Epoch::of(packet.zxid), "server {}: NEWLEADER", server.id);
            }
            Some(PacketType::Ack) => {
                let has = server.disk.history.binary_search_by_key(&packet.zxid, |txn| txn.zxid).is_ok();
                assert!(has, "server {} acknowledges {} before it is durable", server.id, packet.zxid);
            }
            Some(PacketType::AckEpoch) => {
                let first = packet.data.as_deref() != Some(&[255; 4][..]);
                assert_eq!(packet.zxid, server.disk.last(), "server {} tells a wrong zxid", server.id);
                assert!(!first || server.disk.accepted > server.disk.current || packet.zxid == Zxid::ZERO);
            }
            _ => {}
        }
    }
}
