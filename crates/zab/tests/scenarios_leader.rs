//! What has gone wrong in leaders before: epochs, histories and acknowledgements, one test per issue of the ZOOKEEPER tracker
//! (reference: simulation §4).

mod machine;

use machine::leading::{
    FOUR, ONE, TWO, ack, ack_epoch, elected, elected_by, elected_with, established, hello, join, leads, said,
    write, z,
};
use machine::{Machine, delivered, kinds, txn};
use wire::{PacketType, Zxid};
use zab::{DiskAction, Epoch, Event, Input, LogSlice, Read, ServerId, ToLearner};

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

/// A snapshot of an epoch in which nothing had happened yet is all that the leader has behind its log.
#[test]
fn a_log_that_ends_before_the_history_does_costs_a_snapshot_at_once() {
    let mut machine = established();
    join(&mut machine, TWO, z(1, 1));
    assert!(matches!(machine.reads.pop_back(), Some(Read::Log { conn: TWO, first: true, .. })));
    machine.step(Input::Log { conn: TWO, slice: LogSlice { at_or_before: Some(z(1, 1)), txns: vec![] } });
    assert_eq!(machine.reads.pop_back(), Some(Read::Snapshot { conn: TWO }));
    assert!(!machine.hung_up.contains(&TWO));
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

/// Apache's learners match commits and answers to syncs with what they asked for in one line: an answer behind a later commit
/// blocks that line for ever.
#[test]
fn a_sync_is_answered_between_the_commits_that_it_came_between() {
    for kind in [PacketType::FollowerInfo, PacketType::ObserverInfo] {
        let mut machine = established();
        hello(&mut machine, FOUR, kind, 1);
        ack_epoch(&mut machine, FOUR, z(1, 5), 1);
        machine.disk();
        ack(&mut machine, FOUR, z(2, 0));
        machine.take_sent(FOUR);
        write(&mut machine);
        machine.step(Input::ToLearner { conn: FOUR, message: ToLearner::Sync });
        let last = write(&mut machine);
        machine.step(Input::ToLearner { conn: FOUR, message: ToLearner::Sync });
        machine.disk();
        // Both are committed at once.
        ack(&mut machine, ONE, last);
        let said = said(&mut machine, FOUR);
        let told: Vec<&str> =
            said.iter().map(String::as_str).filter(|said| !said.starts_with("PROPOSAL")).collect();
        let word = if kind == PacketType::FollowerInfo { "COMMIT" } else { "INFORM" };
        let [first, second] = [1, 2].map(|n| format!("{word} 0x20000000{n}"));
        assert_eq!(told, [first.as_str(), "SYNC 0x0", second.as_str(), "SYNC 0x0"], "{kind:?}");
    }
}

/// `ack_latency` and `leader.ackLoggingFrequency`: acknowledgements that are no news to the leader are not told.
#[test]
fn those_who_watch_hear_of_acknowledgements_of_every_so_many_th_transaction() {
    let mut machine = elected_with(3, 1, |config| config.ack_logging_frequency = 2);
    join(&mut machine, ONE, z(1, 5));
    ack(&mut machine, ONE, z(2, 0));
    for counter in 1..=4 {
        machine.step(Input::Propose(txn(z(2, counter))));
    }
    for counter in 1..=3 {
        ack(&mut machine, ONE, z(2, counter));
    }
    machine.disk();
    ack(&mut machine, ONE, z(2, 3));
    let acked: Vec<(i64, Zxid)> = (machine.events.iter())
        .filter_map(|event| match event {
            Event::Acked { server, txn } => Some((server.0, txn.zxid)),
            _ => None,
        })
        .collect();
    assert_eq!(acked[0], (1, z(2, 2)));
    assert!(acked[1..].iter().all(|(server, _)| *server == 3), "{acked:?}");
    assert!(acked.len() > 1, "its own disk counts too");
}

/// `learner_handler_qp_size` and `learner_handler_qp_time_ms`
#[test]
fn those_who_watch_hear_what_waits_for_a_learner() {
    let mut machine = established();
    let heard = |machine: &mut Machine| -> Vec<Event> {
        let all = machine.events.drain(..);
        all.filter(|event| matches!(event, Event::Queued { .. } | Event::Waited { .. })).collect()
    };
    let half_tick = |machine: &mut Machine| {
        machine.now += 250_000;
        machine.step(Input::Tick);
    };
    heard(&mut machine);
    half_tick(&mut machine);
    let server = ServerId(1);
    let nothing = [Event::Queued { server, packets: 0 }, Event::Waited { server, us: 0 }];
    assert_eq!(heard(&mut machine), nothing);
    machine.step(Input::Written { conn: ONE, pending: 2 << 20 });
    for counter in 1..=3 {
        machine.step(Input::Propose(txn(z(2, counter))));
    }
    half_tick(&mut machine);
    assert_eq!(heard(&mut machine), [Event::Queued { server, packets: 3 }]);
    machine.now += 7_000;
    machine.step(Input::Written { conn: ONE, pending: 0 });
    assert_eq!(heard(&mut machine), [Event::Waited { server, us: 7_000 }]);
}
