//! What has gone wrong in leaders before, one test per issue of the ZOOKEEPER tracker (reference: simulation §4).

mod machine;

use machine::{Machine, ensemble, from, kinds, lead, txn};
use wire::{Encode, LearnerInfo, PacketType, Zxid};
use zab::{
    ConnId, DiskAction, DiskState, Epoch, Event, Input, LogSlice, Port, Read, RoleChange, ServerId, ToLearner,
};

const ONE: ConnId = ConnId(101);
const TWO: ConnId = ConnId(102);
const FOUR: ConnId = ConnId(104);

fn z(epoch: u32, counter: u32) -> Zxid {
    Zxid::from_parts(epoch, counter)
}

/// Server 3 of three voters and an observer, elected with the history (1,1) to (1,5) of which it has the last three in
/// memory.
fn elected() -> Machine {
    elected_by(3, 1)
}

fn elected_by(voters: i64, observers: i64) -> Machine {
    let recent = (3..=5).map(|counter| txn(z(1, counter))).collect();
    let disk = DiskState { last_zxid: z(1, 5), accepted_epoch: Epoch(1), current_epoch: Epoch(1), recent };
    let mut machine = Machine::new(3, &ensemble(voters, observers), disk);
    machine.may_hang_up = true;
    lead(&mut machine, 3);
    machine
}

fn hello(machine: &mut Machine, conn: ConnId, kind: PacketType, accepted: u32) {
    machine.step(Input::Accepted { conn, port: Port::Quorum });
    let server_id = conn.0 as i64 % 100;
    let info = LearnerInfo { server_id, protocol_version: 0x10000, config_version: 0 };
    from(machine, conn, kind, z(accepted, 0), Some(&info.to_bytes()));
}

fn ack_epoch(machine: &mut Machine, conn: ConnId, last: Zxid, current: i32) {
    from(machine, conn, PacketType::AckEpoch, last, Some(&current.to_be_bytes()));
}

fn ack(machine: &mut Machine, conn: ConnId, zxid: Zxid) {
    from(machine, conn, PacketType::Ack, zxid, None);
}

/// A follower with this history joins, up to NEWLEADER.
fn join(machine: &mut Machine, conn: ConnId, last: Zxid) {
    hello(machine, conn, PacketType::FollowerInfo, 1);
    machine.disk();
    ack_epoch(machine, conn, last, 1);
    machine.disk();
}

/// Epoch 2 is established with server 1.
fn established() -> Machine {
    let mut machine = elected();
    join(&mut machine, ONE, z(1, 5));
    ack(&mut machine, ONE, z(2, 0));
    assert_eq!(machine.peer.next_zxid(), Some(z(2, 1)));
    machine.sent.clear();
    machine
}

fn write(machine: &mut Machine) -> Zxid {
    let zxid = machine.peer.next_zxid().expect("it leads");
    machine.step(Input::Propose(txn(zxid)));
    zxid
}

fn said(machine: &mut Machine, conn: ConnId) -> Vec<String> {
    kinds(&machine.take_sent(conn))
}

fn leads(machine: &Machine) -> bool {
    machine.events.contains(&Event::Role(RoleChange::Leading { epoch: Epoch(2) }))
}

fn delivered(machine: &Machine) -> Vec<Zxid> {
    let zxid = |event: &Event| if let Event::Deliver { txn, .. } = event { Some(txn.zxid) } else { None };
    machine.events.iter().filter_map(zxid).collect()
}

#[test]
fn zookeeper_2959_observers_count_for_nothing_whoever_they_say_they_are() {
    let mut machine = elected();
    hello(&mut machine, FOUR, PacketType::ObserverInfo, 1);
    hello(&mut machine, TWO, PacketType::ObserverInfo, 1);
    machine.disk();
    assert!(said(&mut machine, FOUR).is_empty(), "two observers make no quorum");
    hello(&mut machine, ONE, PacketType::FollowerInfo, 1);
    machine.disk();
    assert_eq!(said(&mut machine, FOUR), ["LEADERINFO 0x200000000"]);
    ack_epoch(&mut machine, FOUR, z(1, 5), 1);
    ack_epoch(&mut machine, TWO, z(1, 5), 1);
    machine.disk();
    assert_eq!(said(&mut machine, TWO), ["LEADERINFO 0x200000000"], "nor do their acknowledgements");
    ack_epoch(&mut machine, ONE, z(1, 5), 1);
    machine.disk();
    ack(&mut machine, TWO, z(2, 0));
    ack(&mut machine, FOUR, z(2, 0));
    assert!(!leads(&machine));
    ack(&mut machine, ONE, z(2, 0));
    assert!(leads(&machine));
}

#[test]
fn zookeeper_1343_the_new_epoch_is_above_every_epoch_that_was_accepted() {
    let mut machine = elected();
    hello(&mut machine, FOUR, PacketType::ObserverInfo, 9);
    hello(&mut machine, ONE, PacketType::FollowerInfo, 7);
    machine.disk();
    assert_eq!(said(&mut machine, ONE), ["LEADERINFO 0xa00000000"]);
}

#[test]
fn a_server_with_a_damaged_epoch_file_uses_up_no_epochs() {
    let mut machine = elected();
    hello(&mut machine, TWO, PacketType::FollowerInfo, i32::MAX as u32);
    assert!(machine.hung_up.contains(&TWO), "no epoch would be left");
    let mut machine = established();
    hello(&mut machine, TWO, PacketType::FollowerInfo, 5000);
    assert!(machine.peer.next_zxid().is_some(), "that is no accident of elections");
    hello(&mut machine, ConnId(202), PacketType::FollowerInfo, 3);
    assert_eq!(machine.peer.next_zxid(), None, "this may be one: the leader goes above it");
}

#[test]
fn zookeeper_1154_a_learner_ahead_of_its_leader_is_sent_away_while_the_epoch_is_open() {
    let mut machine = elected();
    hello(&mut machine, ONE, PacketType::FollowerInfo, 1);
    machine.disk();
    ack_epoch(&mut machine, ONE, z(1, 6), 1);
    assert!(machine.hung_up.contains(&ONE));
    hello(&mut machine, TWO, PacketType::FollowerInfo, 1);
    ack_epoch(&mut machine, TWO, z(0, 1), 2);
    assert!(machine.hung_up.contains(&TWO), "a later epoch goes before a longer log");
}

#[test]
fn zookeeper_261_a_server_without_memory_helps_nobody_to_lead() {
    let mut machine = elected();
    join(&mut machine, ONE, Zxid(-1));
    assert_eq!(said(&mut machine, ONE), ["LEADERINFO 0x200000000"]);
    join(&mut machine, TWO, z(1, 5));
    machine.disk();
    assert_eq!(machine.reads, [Read::Snapshot { conn: ONE }], "and gets everything when there is a quorum");
}

#[test]
fn the_epoch_is_told_when_it_is_on_disk_and_led_when_the_leader_has_it() {
    let mut machine = elected();
    hello(&mut machine, ONE, PacketType::FollowerInfo, 1);
    hello(&mut machine, TWO, PacketType::FollowerInfo, 1);
    assert!(said(&mut machine, ONE).is_empty());
    assert!(matches!(machine.plans[0].action, DiskAction::AcceptedEpoch(Epoch(2))));
    machine.disk();
    ack_epoch(&mut machine, ONE, z(1, 5), 1);
    ack_epoch(&mut machine, TWO, z(1, 5), 1);
    assert!(matches!(machine.plans[0].action, DiskAction::CurrentEpoch(Epoch(2))));
    ack(&mut machine, ONE, z(2, 0));
    ack(&mut machine, TWO, z(2, 0));
    assert!(!leads(&machine), "two of three, but the leader's own disk does not know the epoch");
    machine.disk();
    assert!(leads(&machine));
}

#[test]
fn zookeeper_3104_newleader_comes_behind_everything_that_the_snapshot_lacks() {
    let mut machine = established();
    join(&mut machine, TWO, Zxid::ZERO);
    machine.step(Input::Log { conn: TWO, slice: LogSlice::default() });
    assert_eq!(machine.reads.pop_back(), Some(Read::Snapshot { conn: TWO }));
    let first = write(&mut machine);
    machine.step(Input::Snapshot { conn: TWO, zxid: z(1, 5), bytes: vec![0; 100], last: false });
    machine.disk();
    ack(&mut machine, ONE, first);
    write(&mut machine);
    assert_eq!(said(&mut machine, TWO).len(), 2, "LEADERINFO, SNAP, and the first bytes");
    machine.step(Input::Snapshot { conn: TWO, zxid: z(1, 5), bytes: b"\0\0\0\x01/".to_vec(), last: true });
    let sent = machine.take_sent(TWO);
    let behind = [b"\0\0\0\x01/".as_slice(), b"\0\0\0\x0aBenWasHere"].concat();
    assert_eq!(sent[..behind.len()], behind);
    let expected =
        ["PROPOSAL 0x200000001", "COMMIT 0x200000001", "PROPOSAL 0x200000002", "NEWLEADER 0x200000000"];
    assert_eq!(kinds(&sent[behind.len()..]), expected);
}

#[test]
fn zookeeper_4394_commits_wait_until_uptodate_is_out_and_proposals_do_not() {
    let mut machine = established();
    let first = write(&mut machine);
    machine.disk();
    join(&mut machine, TWO, z(1, 5));
    let start =
        ["LEADERINFO 0x200000000", "DIFF 0x100000005", "PROPOSAL 0x200000001", "NEWLEADER 0x200000000"];
    assert_eq!(said(&mut machine, TWO), start);
    ack(&mut machine, ONE, first);
    let second = write(&mut machine);
    machine.disk();
    ack(&mut machine, ONE, second);
    assert_eq!(said(&mut machine, TWO), ["PROPOSAL 0x200000002"]);
    assert_eq!(delivered(&machine), [first, second], "they are committed without it");
    ack(&mut machine, TWO, z(2, 0));
    let rest = ["UPTODATE 0xffffffffffffffff", "COMMIT 0x200000001", "COMMIT 0x200000002"];
    assert_eq!(said(&mut machine, TWO), rest);
}

#[test]
fn zookeeper_4685_an_acknowledgement_that_overtakes_newleaders_counts_when_that_has_come() {
    let mut machine = established();
    let zxid = write(&mut machine);
    machine.disk();
    join(&mut machine, TWO, z(1, 5));
    ack(&mut machine, TWO, zxid);
    assert!(!machine.hung_up.contains(&TWO));
    assert!(delivered(&machine).is_empty(), "it has not taken over the epoch");
    ack(&mut machine, TWO, z(2, 0));
    assert_eq!(delivered(&machine), [zxid]);
}

#[test]
fn odd_acknowledgements_are_ignored() {
    let mut machine = established();
    for zxid in [z(2, 1), z(2, 9), z(1, 3), z(9, 0), z(2, 0), Zxid(-1)] {
        ack(&mut machine, ONE, zxid);
    }
    let zxid = write(&mut machine);
    machine.disk();
    assert!(
        delivered(&machine).is_empty(),
        "an acknowledgement of what was not proposed yet counts for nothing"
    );
    ack(&mut machine, ONE, zxid);
    ack(&mut machine, ONE, zxid);
    assert_eq!(delivered(&machine), [zxid]);
    assert!(!machine.hung_up.contains(&ONE));
}

#[test]
fn zookeeper_2099_a_hole_in_the_log_is_never_sent_and_the_next_time_costs_a_snapshot() {
    let mut machine = established();
    join(&mut machine, TWO, z(1, 1));
    assert!(matches!(machine.reads.pop_back(), Some(Read::Log { conn: TWO, first: true, .. })));
    // (1,2) was never logged here: it came with a snapshot. The log says so too late.
    let slice = LogSlice { at_or_before: Some(z(1, 1)), txns: vec![txn(z(1, 3))] };
    machine.step(Input::Log { conn: TWO, slice: slice.clone() });
    assert!(matches!(machine.reads.pop_back(), Some(Read::Log { conn: TWO, first: false, .. })));
    machine.step(Input::Log { conn: TWO, slice });
    assert!(machine.hung_up.contains(&TWO));
    assert!(!said(&mut machine, TWO).iter().any(|packet| packet.starts_with("PROPOSAL")));
    machine.step(Input::Closed { conn: TWO });
    join(&mut machine, TWO, z(1, 1));
    assert_eq!(machine.reads.pop_back(), Some(Read::Snapshot { conn: TWO }));
}

#[test]
fn zookeeper_4352_an_empty_server_gets_the_base_too() {
    let mut machine = established();
    join(&mut machine, TWO, Zxid::ZERO);
    // The log goes back to the first transaction, but nobody knows if that was all.
    let slice = LogSlice { at_or_before: None, txns: vec![txn(z(1, 1))] };
    machine.step(Input::Log { conn: TWO, slice });
    assert_eq!(machine.reads.pop_back(), Some(Read::Snapshot { conn: TWO }));
}

#[test]
fn a_long_diff_from_disk_is_read_in_pieces_and_goes_over_into_memory() {
    let mut machine = established();
    join(&mut machine, TWO, z(1, 1));
    machine.reads.clear();
    let slice = |after, counters: std::ops::RangeInclusive<u32>| LogSlice {
        at_or_before: Some(after),
        txns: counters.map(|counter| txn(z(1, counter))).collect(),
    };
    machine.step(Input::Log { conn: TWO, slice: slice(z(1, 1), 2..=2) });
    assert_eq!(machine.reads.len(), 1, "the first look only finds the place");
    machine.step(Input::Log { conn: TWO, slice: slice(z(1, 1), 2..=2) });
    let sent = said(&mut machine, TWO);
    let expected: Vec<String> = ["LEADERINFO 0x200000000".to_owned(), "DIFF 0x100000005".to_owned()]
        .into_iter()
        .chain((2..=5).flat_map(|n| [format!("PROPOSAL 0x10000000{n}"), format!("COMMIT 0x10000000{n}")]))
        .chain(["NEWLEADER 0x200000000".to_owned()])
        .collect();
    assert_eq!(sent, expected);
}

#[test]
fn zookeeper_2201_a_learner_that_hangs_in_its_snapshot_stops_nobody() {
    let mut machine = established();
    join(&mut machine, TWO, Zxid::ZERO);
    machine.step(Input::Log { conn: TWO, slice: LogSlice::default() });
    machine.reads.clear();
    machine.step(Input::Snapshot { conn: TWO, zxid: z(1, 5), bytes: vec![0; 2 << 20], last: false });
    machine.step(Input::Written { conn: TWO, pending: 2 << 20 });
    assert!(machine.reads.is_empty(), "no more is read before this is written");
    let zxid = write(&mut machine);
    machine.disk();
    ack(&mut machine, ONE, zxid);
    assert_eq!(delivered(&machine), [zxid]);
    for _ in 0..40 {
        machine.now += 250_000;
        machine.step(Input::Tick);
        from(&mut machine, ONE, PacketType::Ping, zxid, Some(&[]));
    }
    assert!(machine.hung_up.contains(&TWO), "nothing was written for initLimit");
    assert!(machine.peer.next_zxid().is_some());
    assert!(said(&mut machine, ONE).iter().filter(|packet| packet.starts_with("PING")).count() >= 39);
}

#[test]
fn a_poison_packet_costs_one_connection() {
    let mut machine = established();
    machine.step(Input::Accepted { conn: TWO, port: Port::Quorum });
    machine.step(Input::Received { conn: TWO, bytes: &[0, 0, 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 0, 0, 0] });
    assert!(machine.hung_up.contains(&TWO) && !machine.hung_up.contains(&ONE));
    let zxid = write(&mut machine);
    machine.disk();
    ack(&mut machine, ONE, zxid);
    assert_eq!(delivered(&machine), [zxid]);
}

#[test]
fn a_leader_whose_disk_hangs_commits_for_others_and_applies_nothing() {
    let mut machine = established();
    join(&mut machine, TWO, z(1, 5));
    ack(&mut machine, TWO, z(2, 0));
    machine.sent.clear();
    let zxid = write(&mut machine);
    ack(&mut machine, ONE, zxid);
    ack(&mut machine, TWO, zxid);
    assert_eq!(said(&mut machine, ONE), ["PROPOSAL 0x200000001", "COMMIT 0x200000001"]);
    assert!(delivered(&machine).is_empty());
    machine.disk();
    assert_eq!(delivered(&machine), [zxid]);
}

/// A follower acknowledges, its connection breaks before anybody has committed, and TRUNC takes the transaction away again: then
/// the acknowledgement must not count any more.
#[test]
fn an_acknowledgement_is_taken_back_when_trunc_takes_its_transaction() {
    let mut machine = elected_by(5, 0);
    for conn in [ONE, TWO] {
        hello(&mut machine, conn, PacketType::FollowerInfo, 1);
    }
    machine.disk();
    for conn in [ONE, TWO] {
        ack_epoch(&mut machine, conn, z(1, 5), 1);
    }
    machine.disk();
    for conn in [ONE, TWO] {
        ack(&mut machine, conn, z(2, 0));
    }
    let zxid = write(&mut machine);
    machine.disk();
    ack(&mut machine, TWO, zxid);
    assert!(delivered(&machine).is_empty(), "two of five");
    machine.step(Input::Closed { conn: TWO });
    machine.sent.clear();
    hello(&mut machine, TWO, PacketType::FollowerInfo, 2);
    ack_epoch(&mut machine, TWO, zxid, -1);
    let start =
        ["LEADERINFO 0x200000000", "TRUNC 0x100000005", "PROPOSAL 0x200000001", "NEWLEADER 0x200000000"];
    assert_eq!(said(&mut machine, TWO), start);
    ack(&mut machine, ONE, zxid);
    assert!(delivered(&machine).is_empty(), "servers 1 and 3 have it, server 2 not any more");
    ack(&mut machine, TWO, z(2, 0));
    ack(&mut machine, TWO, zxid);
    assert_eq!(delivered(&machine), [zxid]);
}

#[test]
fn commits_go_out_in_order_whatever_the_order_of_acknowledgements() {
    let mut machine = established();
    let (first, second) = (write(&mut machine), write(&mut machine));
    machine.disk();
    ack(&mut machine, ONE, second);
    assert_eq!(delivered(&machine), [first, second], "a log has no holes: the later one says it for both");
    let sent = said(&mut machine, ONE);
    assert_eq!(sent[2..], ["COMMIT 0x200000001", "COMMIT 0x200000002"]);
}

#[test]
fn a_sync_is_answered_behind_the_commits_it_waits_for() {
    let mut machine = established();
    let sync = |machine: &mut Machine| {
        machine.step(Input::ToLearner { conn: ONE, message: ToLearner::Sync });
    };
    sync(&mut machine);
    assert_eq!(said(&mut machine, ONE), ["SYNC 0x0"], "nothing is outstanding");
    let zxid = write(&mut machine);
    sync(&mut machine);
    sync(&mut machine);
    write(&mut machine);
    machine.disk();
    said(&mut machine, ONE);
    ack(&mut machine, ONE, zxid);
    assert_eq!(said(&mut machine, ONE), ["COMMIT 0x200000001", "SYNC 0x0", "SYNC 0x0"]);
}

#[test]
fn an_observer_gets_pairs_before_newleader_and_informs_behind_it() {
    let mut machine = established();
    let zxid = write(&mut machine);
    machine.disk();
    ack(&mut machine, ONE, zxid);
    write(&mut machine);
    hello(&mut machine, FOUR, PacketType::ObserverInfo, 1);
    ack_epoch(&mut machine, FOUR, z(1, 5), 1);
    let sent = said(&mut machine, FOUR);
    let expected =
        ["DIFF 0x200000001", "PROPOSAL 0x200000001", "COMMIT 0x200000001", "NEWLEADER 0x200000000"];
    assert_eq!(sent[1..], expected, "never what is not committed");
    machine.disk();
    ack(&mut machine, ONE, z(2, 2));
    assert_eq!(said(&mut machine, FOUR), ["INFORM 0x200000002"]);
}

#[test]
fn a_leader_without_a_quorum_steps_down() {
    let mut machine = established();
    machine.step(Input::Closed { conn: ONE });
    for _ in 0..2 {
        machine.now += 250_000;
        machine.step(Input::Tick);
    }
    let why = machine.events.iter().find_map(|event| match event {
        Event::Role(RoleChange::Looking { why }) => Some(why.clone()),
        _ => None,
    });
    assert!(why.is_some_and(|why| why.contains("no quorum")));
    assert!(machine.plans.iter().any(|plan| plan.action == DiskAction::Reload));
    assert_eq!(machine.peer.next_zxid(), None);
}

#[test]
fn zookeeper_3109_a_leader_whose_voters_changed_their_minds_does_not_wait_for_them() {
    let mut machine = elected();
    for (conn, leader) in [(ConnId(1), 2), (ConnId(2), 2)] {
        machine.vote(conn, wire::ServerState::Looking, leader, z(1, 5), 1);
    }
    machine.now += 249_999;
    machine.step(Input::Tick);
    assert_eq!(machine.peer.state(), wire::ServerState::Leading, "they may still come");
    machine.now += 1;
    machine.step(Input::Tick);
    assert_eq!(machine.peer.state(), wire::ServerState::Looking);

    let mut machine = elected();
    machine.vote(ConnId(1), wire::ServerState::Looking, 2, z(1, 5), 1);
    machine.now += 500_000;
    machine.step(Input::Tick);
    assert_eq!(machine.peer.state(), wire::ServerState::Leading, "one is not enough to desert it");
}

#[test]
fn a_follower_that_answers_pings_but_logs_nothing_is_dropped() {
    let mut machine = established();
    join(&mut machine, TWO, z(1, 5));
    ack(&mut machine, TWO, z(2, 0));
    let zxid = write(&mut machine);
    machine.disk();
    ack(&mut machine, ONE, zxid);
    for _ in 0..16 {
        machine.now += 250_000;
        machine.step(Input::Tick);
        for conn in [ONE, TWO] {
            from(&mut machine, conn, PacketType::Ping, zxid, Some(&[]));
        }
    }
    assert!(machine.hung_up.contains(&TWO) && !machine.hung_up.contains(&ONE));
}

#[test]
fn a_server_that_connects_again_replaces_its_old_connection() {
    let mut machine = established();
    let again = ConnId(201);
    machine.step(Input::Accepted { conn: again, port: Port::Quorum });
    let info = LearnerInfo { server_id: 1, protocol_version: 0x10000, config_version: 0 };
    from(&mut machine, again, PacketType::FollowerInfo, z(2, 0), Some(&info.to_bytes()));
    assert!(machine.hung_up.contains(&ONE));
    assert_eq!(said(&mut machine, again), ["LEADERINFO 0x200000000"]);
}

#[test]
fn what_an_apache_leader_refuses_is_refused() {
    let refused = |act: &dyn Fn(&mut Machine)| {
        let mut machine = established();
        act(&mut machine);
        machine.hung_up.contains(&TWO)
    };
    assert!(refused(&|machine| {
        machine.step(Input::Accepted { conn: TWO, port: Port::Quorum });
        ack(machine, TWO, z(2, 0));
    }));
    assert!(refused(&|machine| {
        machine.step(Input::Accepted { conn: TWO, port: Port::Quorum });
        let info = LearnerInfo { server_id: 2, protocol_version: 0x10000, config_version: 1 };
        from(machine, TWO, PacketType::FollowerInfo, z(1, 0), Some(&info.to_bytes()));
    }));
    assert!(refused(&|machine| {
        hello(machine, TWO, PacketType::FollowerInfo, 1);
        from(machine, TWO, PacketType::Ping, z(2, 0), Some(&[]));
    }));
    assert!(refused(&|machine| {
        join(machine, TWO, z(1, 5));
        from(machine, TWO, PacketType::Ping, z(2, 0), Some(&[]));
    }));
}

/// ZOOKEEPER-3769, ZOOKEEPER-4787: the receiver of votes survives what is none.
#[test]
fn zookeeper_3769_a_malformed_vote_makes_nobody_deaf() {
    let mut machine = established();
    let two = ConnId(2);
    machine.sent.clear();
    machine.step(Input::Received { conn: two, bytes: &[0, 0, 0, 3, 1, 2, 3] });
    machine.step(Input::Received { conn: two, bytes: &[0, 0, 0, 4, 0, 0, 0, 9] });
    machine.vote(two, wire::ServerState::Looking, 2, z(1, 5), 1);
    assert_eq!(machine.votes().len(), 1, "it is answered");
    assert_eq!(machine.votes()[0].leader, ServerId(3).0);
    machine.step(Input::Received { conn: two, bytes: &[0x7f, 0xff, 0xff, 0xff] });
    assert!(machine.hung_up.contains(&two), "a length that cannot be ends the connection");
}
