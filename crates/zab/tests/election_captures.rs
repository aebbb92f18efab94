//! What servers say on the election port, byte for byte as Apache's do.

mod machine;

use machine::{Machine, QUORUM, capture, help, lead};
use wire::{ElectionHandshake, Notification, Zxid};
use zab::{ConnId, DiskState, Ensemble, Epoch, Input, Port};

/// The configuration that the votes of a capture carry.
fn ensemble(initiator: &[u8]) -> Ensemble {
    let (_, used) = ElectionHandshake::decode(initiator).expect("a handshake").expect("all of it");
    let length = u32::from_be_bytes(initiator[used..used + 4].try_into().expect("four bytes")) as usize;
    let vote = Notification::decode(&initiator[used + 4..used + 4 + length]).expect("a vote");
    Ensemble::parse(&vote.config.expect("a configuration")).expect("a configuration")
}

fn disk(last_zxid: Zxid, epoch: u32) -> DiskState {
    DiskState { last_zxid, accepted_epoch: Epoch(epoch), current_epoch: Epoch(epoch), recent: vec![] }
}

#[test]
fn the_larger_id_dials_and_votes_at_once() {
    let theirs = capture("395-fresh-election-3to1.initiator.bin");
    let mut machine = Machine::new(3, &ensemble(&theirs), disk(Zxid::ZERO, 0));
    let conns = machine.answer_dials(Port::Election, 1);
    assert_eq!(machine.take_sent(conns[0]), theirs, "to server 1");
}

#[test]
fn the_smaller_id_says_who_it_is_and_hangs_up() {
    let theirs = capture("395-fresh-election-1to3.initiator.bin");
    let ensemble = ensemble(&capture("395-fresh-election-3to1.initiator.bin"));
    let mut machine = Machine::new(1, &ensemble, disk(Zxid::ZERO, 0));
    let conns = machine.answer_dials(Port::Election, 1);
    assert_eq!(machine.take_sent(conns[1]), theirs, "to server 3");
    assert!(machine.hung_up.contains(&conns[1]));
}

#[test]
fn a_better_vote_is_adopted_and_told() {
    let theirs = capture("395-fresh-election-3to1.initiator.bin");
    let mut machine = Machine::new(1, &ensemble(&theirs), disk(Zxid::ZERO, 0));
    machine.step(Input::Accepted { conn: QUORUM, port: Port::Election });
    machine.step(Input::Received { conn: QUORUM, bytes: &theirs });
    assert_eq!(machine.take_sent(QUORUM), capture("395-fresh-election-3to1.acceptor.bin"));

    let two = capture("395-fresh-election-2to1.initiator.bin");
    let mut machine = Machine::new(2, &ensemble(&theirs), disk(Zxid::ZERO, 0));
    let conns = machine.answer_dials(Port::Election, 1);
    machine.step(Input::Accepted { conn: QUORUM, port: Port::Election });
    machine.step(Input::Received { conn: QUORUM, bytes: &theirs });
    assert_eq!(machine.take_sent(conns[0]), two, "server 2 to server 1");
}

#[test]
fn a_restarted_server_votes_for_itself_in_round_1() {
    let theirs = capture("395-restart-election-2to1.initiator.bin");
    let mut machine = Machine::new(2, &ensemble(&theirs), disk(Zxid::from_parts(1, 17), 1));
    let conns = machine.answer_dials(Port::Election, 1);
    assert_eq!(machine.take_sent(conns[0]), theirs);
}

/// The last message is repeated on the new connection, stale as it is, and then the question is answered.
#[test]
fn a_settled_leader_dials_back_repeats_itself_and_answers() {
    let theirs = capture("395-restart-election-3to2.initiator.bin");
    let mut machine = Machine::new(3, &ensemble(&theirs), disk(Zxid::ZERO, 0));
    lead(&mut machine, 3);
    help(&mut machine, 1, Epoch(1), true);
    machine.disk();
    assert!(machine.peer.next_zxid().is_some(), "the epoch is established");

    machine.step(Input::Closed { conn: ConnId(2) });
    let stranger = ConnId(70);
    machine.step(Input::Accepted { conn: stranger, port: Port::Election });
    let hello = capture("395-restart-election-2to1.initiator.bin");
    machine.step(Input::Received { conn: stranger, bytes: &hello[..35] });
    assert!(machine.hung_up.contains(&stranger), "it is dialled back");
    let conns = machine.answer_dials(Port::Election, 80);
    machine
        .step(Input::Received { conn: conns[0], bytes: &capture("395-restart-election-3to2.acceptor.bin") });
    assert_eq!(machine.take_sent(conns[0]), theirs);
}

#[test]
fn several_addresses_take_the_second_form_of_the_handshake() {
    let theirs = capture("395-multiaddress-election.initiator.bin");
    let (hello, _) = ElectionHandshake::decode(&theirs).expect("a handshake").expect("all of it");
    let me = hello.server_id;
    let mut machine =
        Machine::with(me, &ensemble(&theirs), disk(Zxid::ZERO, 0), |config| config.multi_address = true);
    let conns = machine.answer_dials(Port::Election, 1);
    assert_eq!(machine.take_sent(conns[0]), theirs);
}
