//! A machine that leads, and learners by hand.

use super::{Machine, ensemble, from, kinds, lead, txn};
use wire::{Encode, LearnerInfo, PacketType, Zxid};
use zab::{ConnId, DiskState, Epoch, Event, Input, PeerConfig, Port, RoleChange};

pub const ONE: ConnId = ConnId(101);
pub const TWO: ConnId = ConnId(102);
pub const FOUR: ConnId = ConnId(104);

pub fn z(epoch: u32, counter: u32) -> Zxid {
    Zxid::from_parts(epoch, counter)
}

/// Server 3 of three voters and an observer, elected with the history (1,1) to (1,5) of which it has the last three in
/// memory.
pub fn elected() -> Machine {
    elected_by(3, 1)
}

pub fn elected_by(voters: i64, observers: i64) -> Machine {
    elected_with(voters, observers, |_| {})
}

pub fn elected_with(voters: i64, observers: i64, set: impl FnOnce(&mut PeerConfig)) -> Machine {
    let recent = (3..=5).map(|counter| txn(z(1, counter))).collect();
    let disk = DiskState { last_zxid: z(1, 5), accepted_epoch: Epoch(1), current_epoch: Epoch(1), recent };
    let mut machine = Machine::with(3, &ensemble(voters, observers), disk, set);
    machine.may_hang_up = true;
    lead(&mut machine, 3);
    machine
}

pub fn hello(machine: &mut Machine, conn: ConnId, kind: PacketType, accepted: u32) {
    machine.step(Input::Accepted { conn, port: Port::Quorum });
    let server_id = conn.0 as i64 % 100;
    let info = LearnerInfo { server_id, protocol_version: 0x10000, config_version: 0 };
    from(machine, conn, kind, z(accepted, 0), Some(&info.to_bytes()));
}

pub fn ack_epoch(machine: &mut Machine, conn: ConnId, last: Zxid, current: i32) {
    from(machine, conn, PacketType::AckEpoch, last, Some(&current.to_be_bytes()));
}

pub fn ack(machine: &mut Machine, conn: ConnId, zxid: Zxid) {
    from(machine, conn, PacketType::Ack, zxid, None);
}

/// A follower with this history joins, up to NEWLEADER.
pub fn join(machine: &mut Machine, conn: ConnId, last: Zxid) {
    hello(machine, conn, PacketType::FollowerInfo, 1);
    machine.disk();
    ack_epoch(machine, conn, last, 1);
    machine.disk();
}

/// Epoch 2 is established with server 1.
pub fn established() -> Machine {
    let mut machine = elected();
    join(&mut machine, ONE, z(1, 5));
    ack(&mut machine, ONE, z(2, 0));
    assert_eq!(machine.peer.next_zxid(), Some(z(2, 1)));
    machine.sent.clear();
    machine
}

pub fn write(machine: &mut Machine) -> Zxid {
    let zxid = machine.peer.next_zxid().expect("it leads");
    machine.step(Input::Propose(txn(zxid)));
    zxid
}

pub fn said(machine: &mut Machine, conn: ConnId) -> Vec<String> {
    kinds(&machine.take_sent(conn))
}

pub fn leads(machine: &Machine) -> bool {
    machine.events.contains(&Event::Role(RoleChange::Leading { epoch: Epoch(2) }))
}
