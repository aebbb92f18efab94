//! What must hold at every moment (reference: simulation §2.8), one file for each rule.
//!
//! The rules look at disks and wires. A server's own opinion counts only where it is a claim: that it leads, that it
//! serves, that it has applied something.

mod durable;
mod spare;
mod tap;
mod z1_one_leader;
mod z2_quorum_holds_it;
mod z3_leader_has_all;
mod z4_one_sequence;
mod z5_no_holes;
mod z6_epoch_files;
mod z7_primary_order;
mod z8_same_digest;
mod z9_durable_before_ack;

pub use z4_one_sequence::Sequence;

use super::network::{End, Purpose, Side};
use super::server::Server;
use durable::Durable;
use node::Node;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::rc::Rc;
use store::{DiskOp, FileName};
use tap::{Said, Tap};
use wire::{Decode, OpCode, PacketType, QuorumPacket, Reader, SessionId, TxnHeader, Zxid};
use z1_one_leader::OneLeader;
use z6_epoch_files::EpochFiles;
use z8_same_digest::SameDigest;

/// Transactions by their number.
type History = BTreeMap<Zxid, Rc<[u8]>>;

/// A rule that does not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Which rule.
    pub rule: &'static str,
    /// What was seen.
    pub text: String,
}

impl Violation {
    pub(super) fn new(rule: &'static str, text: String) -> Violation {
        Violation { rule, text }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.text)
    }
}

impl std::error::Error for Violation {}

/// All rules, and what they know.
pub(super) struct Checks {
    voters: usize,
    leaders: OneLeader,
    sequence: Sequence,
    digests: SameDigest,
    epochs: Vec<EpochFiles>,
    /// Voters first.
    disks: Vec<Durable>,
    /// What each server was when it was last looked at, and what it had applied.
    seen: Vec<(&'static str, Zxid)>,
    taps: BTreeMap<End, Tap>,
    /// Sessions whose end was proposed since somebody last asked.
    ending: Vec<SessionId>,
}

impl Checks {
    pub(super) fn new(servers: usize, voters: usize, without_digest: &BTreeSet<usize>) -> Checks {
        Checks {
            voters,
            leaders: OneLeader::default(),
            sequence: Sequence::default(),
            digests: SameDigest::new(without_digest.clone()),
            epochs: vec![EpochFiles::default(); servers],
            disks: (0..servers).map(|_| Durable::default()).collect(),
            seen: vec![("down", Zxid(0)); servers],
            taps: BTreeMap::new(),
            ending: Vec::new(),
        }
    }

    /// How many epochs had a leader.
    pub(super) fn epochs_led(&self) -> usize {
        self.leaders.count()
    }

    pub(super) fn sequence(&self) -> &Sequence {
        &self.sequence
    }

    /// The sessions whose end was proposed since the last call.
    pub(super) fn take_ending(&mut self) -> Vec<SessionId> {
        std::mem::take(&mut self.ending)
    }

    /// What is on a disk has changed in another way than by growing.
    pub(super) fn disk_changed(&mut self, server: usize) {
        self.disks[server].forget();
        self.seen[server] = ("down", Zxid(0));
    }

    /// A server begins anew with an empty disk.
    pub(super) fn wiped(&mut self, server: usize) {
        self.disk_changed(server);
        self.epochs[server] = EpochFiles::default();
    }

    /// A process has read its disk.
    pub(super) fn started(&mut self, server: usize, servers: &[Server]) -> Result<(), Violation> {
        self.disks[server].forget();
        self.look_at(server, servers)?;
        self.epochs[server].check(server, &self.disks[server])?;
        self.seen[server] = ("looking", Zxid(0));
        let Some(node) = servers[server].machine.node() else { return Ok(()) };
        self.digests.reloaded(server, node.tree().last_zxid(), node.tree().digest())
    }

    /// A disk has done something.
    pub(super) fn disk_did(
        &mut self,
        server: usize,
        op: &DiskOp,
        servers: &[Server],
    ) -> Result<(), Violation> {
        let DiskOp::Rename { to: FileName { name, .. }, .. } = op else { return Ok(()) };
        if !name.ends_with("Epoch") {
            return Ok(());
        }
        self.look_at(server, servers)?;
        self.epochs[server].check(server, &self.disks[server])
    }

    /// A server has done a step.
    pub(super) fn observe(&mut self, server: usize, servers: &[Server]) -> Result<(), Violation> {
        let Some(node) = servers[server].machine.node() else { return Ok(()) };
        let (mode, last) = (node.mode(), node.tree().last_zxid());
        let (mode_before, last_before) = self.seen[server];
        if (mode, last) == (mode_before, last_before) {
            return Ok(());
        }
        self.seen[server] = (mode, last);
        if mode == "looking" {
            return Ok(());
        }
        self.look_at(server, servers)?;
        if mode != mode_before {
            self.begins_to_serve(server, node, servers)?;
        }
        self.committed(server, last, servers)?;
        let from = if mode == mode_before { last_before } else { Zxid(0) };
        self.sequence.applied(server, from, last, &self.disks[server])?;
        self.digests.check(server, last, node.tree().digest())
    }

    fn begins_to_serve(&mut self, server: usize, node: &Node, servers: &[Server]) -> Result<(), Violation> {
        self.epochs[server].check(server, &self.disks[server])?;
        self.epochs[server].serves(server, &self.disks[server])?;
        if node.mode() == "leader" {
            let epoch = node.tree().last_zxid().epoch();
            self.established(server, epoch, servers)?;
        }
        Ok(())
    }

    /// A leader's epoch is established: all that its disk holds is committed.
    fn established(&mut self, server: usize, epoch: u32, servers: &[Server]) -> Result<(), Violation> {
        if self.leaders.leads(epoch, server) {
            return Ok(());
        }
        self.look_at(server, servers)?;
        z3_leader_has_all::check(server, epoch, &self.disks[server], &self.sequence)?;
        let last = self.disks[server].last();
        self.committed(server, last, servers)?;
        self.leaders.established(epoch, server)
    }

    /// A server treats everything up to here as committed. What is of this epoch comes from its leader, whoever has it on
    /// the disk already; what is older is the server's own.
    fn committed(&mut self, server: usize, upto: Zxid, servers: &[Server]) -> Result<(), Violation> {
        if upto <= self.sequence.last() {
            return Ok(());
        }
        for voter in 0..self.voters {
            self.look_at(voter, servers)?;
        }
        loop {
            let last = self.sequence.last();
            let of_the_leader = |zxid: Zxid| zxid.epoch() == upto.epoch();
            let next = self.disks.iter().enumerate().filter_map(|(owner, disk)| {
                // What a log has before a snapshot may be what the snapshot has replaced.
                next_behind(&disk.log, last).filter(|(zxid, _)| owner == server || of_the_leader(*zxid))
            });
            let next = next.min_by_key(|(zxid, _)| *zxid);
            let Some((zxid, payload)) = next.filter(|(zxid, _)| *zxid <= upto) else { break };
            let payload = Rc::clone(payload);
            z2_quorum_holds_it::check(zxid, &payload, &self.disks[..self.voters])?;
            z5_no_holes::in_the_sequence(last, zxid)?;
            z7_primary_order::check(zxid, self.leaders.last_epoch())?;
            self.sequence.append(zxid, &payload);
        }
        if upto.counter() != 0 && self.sequence.last() < upto {
            return Err(Violation::new("Z2", format!("{upto} counts as committed, and no disk holds it")));
        }
        Ok(())
    }

    /// A server says something to another one. What it was is returned as text.
    pub(super) fn said(
        &mut self,
        server: usize,
        end: End,
        purpose: Purpose,
        bytes: &[u8],
        servers: &[Server],
    ) -> Result<Vec<String>, Violation> {
        if matches!(purpose, Purpose::Election | Purpose::Client) {
            return Ok(vec![format!("{purpose:?}: {} bytes", bytes.len())]);
        }
        let mut tap = self.taps.remove(&end).unwrap_or_default();
        let mut lines = Vec::new();
        tap.hear(bytes, |state, packet| {
            lines.push(format!("{} {}", packet.kind().map_or("?", PacketType::name), packet.zxid));
            match (purpose, end.side) {
                (_, Side::Dialler) => self.learner_says(server, packet, servers),
                // A master of observers is no leader.
                (Purpose::Observers, _) => Ok(()),
                _ => self.leader_says(server, packet, state, servers),
            }
        })?;
        self.taps.insert(end, tap);
        Ok(lines)
    }

    /// A connection is forgotten.
    pub(super) fn link_is_gone(&mut self, link: u64) {
        self.taps.remove(&End::dialler(link));
        self.taps.remove(&End::acceptor(link));
    }

    fn learner_says(
        &mut self,
        server: usize,
        packet: &QuorumPacket<'_>,
        servers: &[Server],
    ) -> Result<(), Violation> {
        if !matches!(packet.kind(), Some(PacketType::Ack | PacketType::AckEpoch)) {
            return Ok(());
        }
        self.look_at(server, servers)?;
        z9_durable_before_ack::check(server, packet, &self.disks[server])
    }

    fn leader_says(
        &mut self,
        server: usize,
        packet: &QuorumPacket<'_>,
        said: &mut Said,
        servers: &[Server],
    ) -> Result<(), Violation> {
        let zxid = packet.zxid;
        match packet.kind() {
            Some(PacketType::Trunc | PacketType::Snap) => said.last = Some(zxid),
            Some(PacketType::Diff) => said.last = None,
            Some(PacketType::Proposal | PacketType::Inform) => {
                if let Some(before) = said.last.replace(zxid) {
                    z5_no_holes::on_the_wire(server, before, zxid)?;
                }
                self.ending.extend(session_that_ends(packet));
                if packet.kind() == Some(PacketType::Inform) && said.is_live {
                    self.committed(server, zxid, servers)?;
                }
            }
            Some(PacketType::Commit) if said.is_live => self.committed(server, zxid, servers)?,
            Some(PacketType::NewLeader) => said.epoch = Some(zxid.epoch()),
            Some(PacketType::UpToDate) => {
                said.is_live = true;
                if let Some(epoch) = said.epoch {
                    self.established(server, epoch, servers)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn look_at(&mut self, server: usize, servers: &[Server]) -> Result<(), Violation> {
        self.disks[server].refresh(server, &servers[server].machine.disk)
    }
}

fn session_that_ends(proposal: &QuorumPacket<'_>) -> Option<SessionId> {
    let header = TxnHeader::decode(&mut Reader::new(proposal.data.as_deref()?)).ok()?;
    (header.txn_type == OpCode::CloseSession.code()).then_some(header.client_id)
}

fn next_behind(history: &History, zxid: Zxid) -> Option<(Zxid, &Rc<[u8]>)> {
    use std::ops::Bound::{Excluded, Unbounded};
    history.range((Excluded(zxid), Unbounded)).next().map(|(zxid, payload)| (*zxid, payload))
}
