//! What has gone wrong in leaders before: those who hang, are silent, talk nonsense or change their minds (reference:
//! simulation §4).

mod machine;

use machine::leading::{FOUR, ONE, TWO, ack, ack_epoch, elected, established, hello, join, said, write, z};
use machine::{Machine, delivered, from};
use wire::{Encode, LearnerInfo, PacketType, Zxid};
use zab::{ConnId, DiskAction, Event, Input, LogSlice, Port, RoleChange, ServerId, ToLearner};

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
