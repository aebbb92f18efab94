//! A machine that learns, and its leader by hand.

use super::{Machine, QUORUM, ensemble, follow, from, kinds, txn};
use wire::{PacketType, ServerState, Zxid};
use zab::{DiskAction, DiskPlan, DiskState, Epoch, Event, PeerConfig, Port, RoleChange, ServerId};

pub fn z(epoch: u32, counter: u32) -> Zxid {
    Zxid::from_parts(epoch, counter)
}

/// Server 1 with this history, behind ACKEPOCH of epoch 2 that leader 3 told.
pub fn learner(last: Zxid) -> Machine {
    learner_with(last, |_| {})
}

pub fn learner_with(last: Zxid, set: impl FnOnce(&mut PeerConfig)) -> Machine {
    let epoch = Epoch::of(last);
    let disk = DiskState { last_zxid: last, accepted_epoch: epoch, current_epoch: epoch, recent: vec![] };
    let mut machine = Machine::with(1, &ensemble(3, 0), disk, set);
    machine.may_hang_up = true;
    follow(&mut machine, 1, 3);
    meet_leader(&mut machine, 2);
    machine
}

pub fn meet_leader(machine: &mut Machine, epoch: u32) {
    assert_eq!(machine.answer_dials(Port::Quorum, QUORUM.0), [QUORUM]);
    hear(machine, PacketType::LeaderInfo, z(epoch, 0), Some(&[0, 1, 0, 0]));
    machine.disk();
    assert_eq!(kinds(&machine.take_sent(QUORUM)), ["FOLLOWERINFO", "ACKEPOCH"]);
}

/// The same ensemble tells the server of the same leader, on the connections that are there.
pub fn follow_again(machine: &mut Machine) {
    machine.vote(zab::ConnId(50), ServerState::Following, 3, Zxid::ZERO, 1);
    machine.vote(zab::ConnId(51), ServerState::Leading, 3, Zxid::ZERO, 1);
}

pub fn hear(machine: &mut Machine, kind: PacketType, zxid: Zxid, data: Option<&[u8]>) {
    from(machine, QUORUM, kind, zxid, data);
}

pub fn propose(machine: &mut Machine, zxid: Zxid) {
    hear(machine, PacketType::Proposal, zxid, Some(&txn(zxid).bytes));
}

pub fn commit(machine: &mut Machine, zxid: Zxid) {
    hear(machine, PacketType::Commit, zxid, None);
}

pub fn new_leader(machine: &mut Machine) {
    hear(machine, PacketType::NewLeader, z(2, 0), Some(ensemble(3, 0).text().as_bytes()));
}

pub fn up_to_date(machine: &mut Machine) {
    hear(machine, PacketType::UpToDate, Zxid(-1), None);
}

/// The names of the plans that wait.
pub fn plans(machine: &Machine) -> Vec<String> {
    let name = |plan: &DiskPlan| match &plan.action {
        DiskAction::Append(txns) => format!("append {txns:?}"),
        action => format!("{action:?}"),
    };
    machine.plans.iter().map(name).collect()
}

pub fn has_role(machine: &Machine, role: &RoleChange) -> bool {
    machine.events.iter().any(|event| matches!(event, Event::Role(r) if r == role))
}

/// Why the last role ended.
pub fn left(machine: &Machine) -> Option<&str> {
    machine.events.iter().rev().find_map(|event| match event {
        Event::Role(RoleChange::Looking { why }) => Some(why.as_str()),
        _ => None,
    })
}

pub fn following() -> RoleChange {
    RoleChange::Following { leader: ServerId(3), epoch: Epoch(2) }
}

/// Server 1, up to date in epoch 2 with nothing new.
pub fn follower() -> Machine {
    follower_with(|_| {})
}

pub fn follower_with(set: impl FnOnce(&mut PeerConfig)) -> Machine {
    let mut machine = learner_with(z(1, 5), set);
    hear(&mut machine, PacketType::Diff, z(1, 5), None);
    new_leader(&mut machine);
    machine.disk();
    up_to_date(&mut machine);
    assert!(has_role(&machine, &following()));
    machine.take_sent(QUORUM);
    machine
}
