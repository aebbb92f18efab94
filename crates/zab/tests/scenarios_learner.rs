//! What has gone wrong in learners before, one test per issue of the ZOOKEEPER tracker (reference: simulation §4).

mod machine;

use machine::learning::{
    commit, follow_again, follower, follower_with, following, has_role, hear, learner, left, new_leader,
    plans, propose, up_to_date, z,
};
use machine::{Machine, QUORUM, delivered, ensemble, follow, from, kinds, txn};
use wire::{PacketType, ServerState, Zxid};
use zab::{DiskOutcome, DiskState, Epoch, Event, Input, Port, Txn};

#[test]
fn zookeeper_3911_newleader_is_not_acknowledged_before_the_diff_is_durable() {
    let mut machine = learner(z(1, 5));
    hear(&mut machine, PacketType::Diff, z(1, 6), None);
    propose(&mut machine, z(1, 6));
    commit(&mut machine, z(1, 6));
    new_leader(&mut machine);
    assert_eq!(plans(&machine), ["append [0x100000006[36]]"]);
    assert!(machine.take_sent(QUORUM).is_empty());
    machine.disk();
    assert_eq!(kinds(&machine.take_sent(QUORUM)), ["ACK 0x200000000"]);
}

#[test]
fn zookeeper_4646_a_log_that_is_still_being_written_acknowledges_nothing() {
    let mut machine = learner(z(1, 5));
    hear(&mut machine, PacketType::Diff, z(1, 7), None);
    for counter in [6, 7] {
        propose(&mut machine, z(1, counter));
        commit(&mut machine, z(1, counter));
    }
    new_leader(&mut machine);
    machine.disk_once();
    assert!(machine.take_sent(QUORUM).is_empty(), "one of two transactions is durable");
    assert!(!plans(&machine).iter().any(|plan| plan.contains("Epoch")));
    machine.disk();
    assert_eq!(kinds(&machine.take_sent(QUORUM)), ["ACK 0x200000000"]);
}

#[test]
fn zookeeper_4643_the_epoch_is_not_written_before_the_history_is_durable() {
    let mut machine = learner(z(1, 5));
    hear(&mut machine, PacketType::Diff, z(1, 6), None);
    propose(&mut machine, z(1, 6));
    commit(&mut machine, z(1, 6));
    new_leader(&mut machine);
    machine.disk_once();
    assert_eq!(plans(&machine), ["CurrentEpoch(Epoch(2))"]);
    assert!(machine.take_sent(QUORUM).is_empty(), "and nothing is said before the epoch is written");
}

#[test]
fn zookeeper_4785_a_follower_that_bounces_in_the_diff_votes_for_what_its_disk_has() {
    let mut machine = learner(z(1, 5));
    hear(&mut machine, PacketType::Diff, z(1, 6), None);
    propose(&mut machine, z(1, 6));
    commit(&mut machine, z(1, 6));
    machine.step(Input::Closed { conn: QUORUM });
    assert_eq!(plans(&machine), ["append [0x100000006[36]]", "Reload"]);
    assert_eq!(machine.peer.state(), ServerState::Looking);
    machine.sent.clear();
    // The disk lost the transaction; the vote is what it says, not what was received.
    machine.recover(DiskState {
        last_zxid: z(1, 5),
        accepted_epoch: Epoch(2),
        current_epoch: Epoch(1),
        recent: vec![],
    });
    let votes = machine.votes();
    assert!(!votes.is_empty());
    assert!(votes.iter().all(|vote| (vote.zxid, vote.peer_epoch) == (z(1, 5), 1)), "{votes:?}");
}

#[test]
fn zookeeper_4394_a_commit_between_newleader_and_uptodate_waits_for_uptodate() {
    let mut machine = learner(z(1, 5));
    hear(&mut machine, PacketType::Diff, z(1, 5), None);
    propose(&mut machine, z(1, 6));
    new_leader(&mut machine);
    machine.disk();
    commit(&mut machine, z(1, 6));
    assert_eq!(left(&machine), None);
    machine.disk();
    assert_eq!(kinds(&machine.take_sent(QUORUM)), ["ACK 0x200000000"], "it is not acknowledged yet");
    up_to_date(&mut machine);
    machine.disk();
    assert_eq!(kinds(&machine.take_sent(QUORUM)), ["ACK 0x200000000", "ACK 0x100000006"]);
    assert_eq!(delivered(&machine), [z(1, 6)]);
}

#[test]
fn zookeeper_4685_no_transaction_is_acknowledged_before_newleader() {
    let mut machine = learner(z(1, 5));
    hear(&mut machine, PacketType::Diff, z(1, 6), None);
    propose(&mut machine, z(1, 6));
    commit(&mut machine, z(1, 6));
    propose(&mut machine, z(1, 7));
    machine.disk();
    assert!(machine.take_sent(QUORUM).is_empty());
    new_leader(&mut machine);
    propose(&mut machine, z(2, 1));
    machine.disk();
    assert_eq!(kinds(&machine.take_sent(QUORUM)), ["ACK 0x200000000"]);
    up_to_date(&mut machine);
    machine.disk();
    let acks = ["ACK 0x200000000", "ACK 0x100000007", "ACK 0x200000001"];
    assert_eq!(kinds(&machine.take_sent(QUORUM)), acks);
}

#[test]
fn zookeeper_4712_what_an_old_role_logged_is_acknowledged_by_nobody() {
    let mut machine = follower();
    propose(&mut machine, z(2, 1));
    machine.step(Input::Closed { conn: QUORUM });
    assert_eq!(plans(&machine), ["append [0x200000001[36]]", "Reload"], "the old log is finished first");
    machine.sent.clear();
    machine.disk_once();
    assert!(machine.sent.is_empty() && delivered(&machine).is_empty());
}

#[test]
fn zookeeper_3023_the_diff_is_applied_before_the_server_is_up_to_date() {
    let mut machine = learner(z(1, 5));
    hear(&mut machine, PacketType::Diff, z(1, 6), None);
    propose(&mut machine, z(1, 6));
    commit(&mut machine, z(1, 6));
    new_leader(&mut machine);
    machine.disk();
    up_to_date(&mut machine);
    let deliver = machine.events.iter().position(|event| matches!(event, Event::Deliver { .. }));
    let role = machine.events.iter().position(|event| *event == Event::Role(following()));
    assert!(deliver.is_some() && deliver < role, "{:?}", machine.events);
}

#[test]
fn zookeeper_4925_a_hole_in_what_the_leader_sends_is_refused() {
    let mut machine = learner(z(1, 5));
    hear(&mut machine, PacketType::Diff, z(1, 8), None);
    propose(&mut machine, z(1, 7));
    assert_eq!(left(&machine), Some("0x100000007 does not follow 0x100000005"), "behind the base");

    let mut machine = learner(z(1, 5));
    hear(&mut machine, PacketType::Diff, z(1, 8), None);
    propose(&mut machine, z(1, 6));
    propose(&mut machine, z(1, 8));
    assert_eq!(left(&machine), Some("0x100000008 does not follow 0x100000006"), "between two");

    let mut machine = follower();
    propose(&mut machine, z(2, 2));
    assert!(left(&machine).is_some_and(|why| why.contains("does not follow")), "live");
    assert!(!plans(&machine).iter().any(|plan| plan.starts_with("append")));
}

#[test]
fn zookeeper_5094_an_interrupted_trunc_leaves_nothing_in_memory() {
    let mut machine = learner(z(1, 9));
    hear(&mut machine, PacketType::Trunc, z(1, 5), None);
    propose(&mut machine, z(1, 6));
    commit(&mut machine, z(1, 6));
    assert_eq!(
        plans(&machine),
        ["Truncate { keep: Zxid }".replace("Zxid", "0x100000005")],
        "one after the other"
    );
    machine.disk_once();
    assert_eq!(plans(&machine), ["append [0x100000006[36]]"]);
    machine.step(Input::Closed { conn: QUORUM });
    let disk =
        DiskState { last_zxid: z(1, 5), accepted_epoch: Epoch(2), current_epoch: Epoch(1), recent: vec![] };
    machine.sent.clear();
    machine.recover(disk);
    assert!(machine.votes().iter().all(|vote| vote.zxid == z(1, 5)));
}

#[test]
fn a_trunc_to_a_zxid_that_was_never_here_is_refused() {
    let mut machine = learner(z(1, 9));
    hear(&mut machine, PacketType::Trunc, z(1, 5), None);
    let ticket = machine.plans.pop_front().expect("the cut").ticket;
    machine.step(Input::DiskDone { ticket, outcome: DiskOutcome::Truncated { last: z(1, 4) } });
    assert!(left(&machine).is_some_and(|why| why.contains("TRUNC to 0x100000005")));
    assert_eq!(plans(&machine), ["Reload"]);
}

#[test]
fn zookeeper_4882_nothing_is_applied_that_the_own_disk_does_not_have() {
    let mut machine = follower();
    propose(&mut machine, z(2, 1));
    commit(&mut machine, z(2, 1));
    assert!(delivered(&machine).is_empty());
    machine.disk();
    assert_eq!(delivered(&machine), [z(2, 1)]);
}

#[test]
fn zookeeper_2247_a_server_whose_disk_fails_says_nothing_more() {
    let mut machine = follower();
    propose(&mut machine, z(2, 1));
    let ticket = machine.plans.pop_front().expect("the append").ticket;
    machine.may_halt = true;
    machine.sent.clear();
    machine.step(Input::DiskDone { ticket, outcome: DiskOutcome::Failed("fdatasync: EIO".into()) });
    assert_eq!(machine.halted.as_deref(), Some("fdatasync: EIO"));
    propose(&mut machine, z(2, 2));
    hear(&mut machine, PacketType::Ping, z(2, 2), None);
    assert!(machine.sent.is_empty() && machine.plans.is_empty() && delivered(&machine).is_empty());
}

#[test]
fn zookeeper_3701_a_disk_that_is_full_while_the_log_is_cut_stops_the_server() {
    let mut machine = learner(z(1, 9));
    hear(&mut machine, PacketType::Trunc, z(1, 5), None);
    let ticket = machine.plans.pop_front().expect("the cut").ticket;
    machine.may_halt = true;
    machine.step(Input::DiskDone { ticket, outcome: DiskOutcome::Failed("ftruncate: ENOSPC".into()) });
    assert!(machine.halted.is_some());
}

/// An empty snapshot: no sessions, no ACLs, no nodes.
const EMPTY_SNAPSHOT: &[u8] = b"\0\0\0\0\0\0\0\0\0\0\0\x01/\0\0\0\x0aBenWasHere";

#[test]
fn zookeeper_3642_a_snapshot_whose_leader_died_is_what_the_disk_says_it_is() {
    let mut machine = learner(z(1, 5));
    hear(&mut machine, PacketType::Snap, z(1, 9), None);
    machine.step(Input::Received { conn: QUORUM, bytes: EMPTY_SNAPSHOT });
    machine.step(Input::Closed { conn: QUORUM });
    assert_eq!(plans(&machine).last().map(String::as_str), Some("Reload"));
    // The power failed before the snapshot was installed.
    machine.sent.clear();
    machine.recover(DiskState {
        last_zxid: z(1, 5),
        accepted_epoch: Epoch(2),
        current_epoch: Epoch(1),
        recent: vec![],
    });
    follow_again(&mut machine);
    assert_eq!(machine.answer_dials(Port::Quorum, 200).len(), 1);
    from(&mut machine, zab::ConnId(200), PacketType::LeaderInfo, z(3, 0), Some(&[0, 1, 0, 0]));
    machine.disk();
    let said = kinds(&machine.take_sent(zab::ConnId(200)));
    assert_eq!(said, ["FOLLOWERINFO", "ACKEPOCH"]);
    assert!(delivered(&machine).is_empty());
}

#[test]
fn zookeeper_2872_an_interrupted_snapshot_is_never_installed() {
    let mut machine = learner(z(1, 5));
    hear(&mut machine, PacketType::Snap, z(1, 9), None);
    machine.step(Input::Received { conn: QUORUM, bytes: &EMPTY_SNAPSHOT[..20] });
    machine.step(Input::Closed { conn: QUORUM });
    assert!(!plans(&machine).iter().any(|plan| plan == "InstallEnd"), "{:?}", plans(&machine));
}

#[test]
fn a_snapshot_without_its_signature_is_never_installed() {
    let mut bytes = EMPTY_SNAPSHOT.to_vec();
    *bytes.last_mut().expect("a byte") = b'?';
    let mut machine = learner(z(1, 5));
    hear(&mut machine, PacketType::Snap, z(1, 9), None);
    machine.step(Input::Received { conn: QUORUM, bytes: &bytes });
    assert!(left(&machine).is_some_and(|why| why.contains("signature")));
    assert!(!plans(&machine).iter().any(|plan| plan == "InstallEnd"));
}

#[test]
fn a_transaction_that_cannot_be_read_is_refused_before_it_is_logged() {
    let mut machine = follower();
    let good = txn(z(2, 1)).bytes;
    let of_type_99 = [&good[..28], &99i32.to_be_bytes(), &good[32..]].concat();
    hear(&mut machine, PacketType::Proposal, z(2, 1), Some(&of_type_99));
    assert!(left(&machine).is_some());
    assert!(!plans(&machine).iter().any(|plan| plan.starts_with("append")));
}

#[test]
fn a_packet_may_be_as_large_as_jute_maxbuffer_allows() {
    let large = [&txn(z(2, 1)).bytes[..], &vec![0; 3 << 20]].concat();
    let mut machine = follower();
    hear(&mut machine, PacketType::Proposal, z(2, 1), Some(&large));
    assert!(left(&machine).is_some(), "the default is 1 MiB and as much again");

    let mut machine = follower_with(|config| config.limits = wire::Limits::new(4 << 20, 0));
    hear(&mut machine, PacketType::Proposal, z(2, 1), Some(&large));
    assert_eq!(left(&machine), None);
    assert_eq!(plans(&machine).last().map(String::as_str), Some("append [0x200000001[3145764]]"));
}

#[test]
fn transactions_that_a_snapshot_already_holds_are_not_logged_again() {
    let mut machine = learner(z(1, 5));
    hear(&mut machine, PacketType::Snap, z(1, 9), None);
    machine.step(Input::Received { conn: QUORUM, bytes: EMPTY_SNAPSHOT });
    machine.disk();
    for counter in 8..=10 {
        propose(&mut machine, z(1, counter));
        commit(&mut machine, z(1, counter));
    }
    assert_eq!(plans(&machine), ["append [0x10000000a[36]]"]);
}

#[test]
fn zookeeper_1551_what_an_observer_hears_before_uptodate_is_not_lost() {
    let disk =
        DiskState { last_zxid: z(1, 5), accepted_epoch: Epoch(1), current_epoch: Epoch(1), recent: vec![] };
    let mut machine = Machine::new(4, &ensemble(3, 1), disk);
    follow(&mut machine, 4, 3);
    machine.answer_dials(Port::Quorum, QUORUM.0);
    hear(&mut machine, PacketType::LeaderInfo, z(2, 0), Some(&[0, 1, 0, 0]));
    machine.disk();
    hear(&mut machine, PacketType::Diff, z(1, 5), None);
    hear(&mut machine, PacketType::Inform, z(1, 6), Some(&txn(z(1, 6)).bytes));
    new_leader(&mut machine);
    hear(&mut machine, PacketType::Inform, z(2, 1), Some(&txn(z(2, 1)).bytes));
    machine.disk();
    up_to_date(&mut machine);
    hear(&mut machine, PacketType::Inform, z(2, 2), Some(&txn(z(2, 2)).bytes));
    machine.disk();
    assert_eq!(delivered(&machine), [z(1, 6), z(2, 1), z(2, 2)]);
    let acks = kinds(&machine.take_sent(QUORUM));
    assert_eq!(
        acks[2..],
        ["ACK 0x200000000", "ACK 0x200000000"],
        "no transaction is acknowledged by an observer"
    );
}

#[test]
fn zookeeper_1324_a_second_newleader_is_refused() {
    let mut machine = learner(z(1, 5));
    hear(&mut machine, PacketType::Diff, z(1, 5), None);
    new_leader(&mut machine);
    new_leader(&mut machine);
    assert_eq!(left(&machine), Some("NEWLEADER came twice"));
}

#[test]
fn zookeeper_1282_uptodate_before_newleader_is_durable_is_refused() {
    let mut machine = learner(z(1, 5));
    hear(&mut machine, PacketType::Diff, z(1, 5), None);
    new_leader(&mut machine);
    up_to_date(&mut machine);
    assert!(left(&machine).is_some_and(|why| why.contains("UPTODATE came before")));
    assert!(!has_role(&machine, &following()));
}

#[test]
fn an_epoch_is_accepted_on_disk_before_it_is_told_and_never_twice() {
    let mut machine = learner(z(1, 5));
    machine.step(Input::Closed { conn: QUORUM });
    let disk =
        DiskState { last_zxid: z(1, 5), accepted_epoch: Epoch(2), current_epoch: Epoch(1), recent: vec![] };
    machine.recover(disk);
    follow_again(&mut machine);
    machine.answer_dials(Port::Quorum, 200);
    let conn = zab::ConnId(200);
    from(&mut machine, conn, PacketType::LeaderInfo, z(2, 0), Some(&[0, 1, 0, 0]));
    assert!(machine.plans.is_empty(), "there is nothing to write");
    let sent = machine.take_sent(conn);
    assert_eq!(kinds(&sent), ["FOLLOWERINFO", "ACKEPOCH"]);
    assert_eq!(sent[sent.len() - 8..][..4], [255; 4], "it does not count");
}

#[test]
fn a_leader_of_an_older_epoch_is_not_followed() {
    let disk =
        DiskState { last_zxid: z(1, 5), accepted_epoch: Epoch(7), current_epoch: Epoch(1), recent: vec![] };
    let mut machine = Machine::new(1, &ensemble(3, 0), disk);
    machine.may_hang_up = true;
    follow(&mut machine, 1, 3);
    machine.answer_dials(Port::Quorum, QUORUM.0);
    hear(&mut machine, PacketType::LeaderInfo, z(6, 0), Some(&[0, 1, 0, 0]));
    assert!(left(&machine).is_some_and(|why| why.contains("older than the accepted")));
}

#[test]
fn commits_out_of_order_and_packets_out_of_place_end_the_role() {
    let mut machine = follower();
    propose(&mut machine, z(2, 1));
    propose(&mut machine, z(2, 2));
    commit(&mut machine, z(2, 2));
    assert!(left(&machine).is_some_and(|why| why.contains("where 0x200000001 is next")));

    let mut machine = learner(z(1, 5));
    propose(&mut machine, z(1, 6));
    assert!(left(&machine).is_some_and(|why| why.contains("where it was not due")), "no DIFF, TRUNC or SNAP");

    let mut machine = follower();
    commit(&mut machine, z(2, 9));
    hear(&mut machine, PacketType::Diff, z(2, 9), None);
    up_to_date(&mut machine);
    assert_eq!(left(&machine), None, "what Apache's learners only warn of");
}

#[test]
fn a_zxid_that_a_3_9_leader_uses_twice_is_ignored() {
    let mut machine = follower();
    propose(&mut machine, z(2, 1));
    propose(&mut machine, z(2, 1));
    commit(&mut machine, z(2, 1));
    machine.disk();
    propose(&mut machine, z(2, 2));
    commit(&mut machine, z(2, 2));
    machine.disk();
    assert_eq!(delivered(&machine), [z(2, 1), z(2, 2)]);
    assert_eq!(left(&machine), None);
}

#[test]
fn a_proposal_under_another_zxid_than_its_own_is_refused() {
    let mut machine = follower();
    hear(&mut machine, PacketType::Proposal, z(2, 1), Some(&txn(z(2, 2)).bytes));
    assert!(left(&machine).is_some_and(|why| why.contains("another zxid")));
}

#[test]
fn pings_are_answered_only_after_uptodate() {
    let mut machine = learner(z(1, 5));
    hear(&mut machine, PacketType::Diff, z(1, 5), None);
    new_leader(&mut machine);
    hear(&mut machine, PacketType::Ping, z(2, 0), None);
    machine.disk();
    assert!(!machine.events.iter().any(|event| matches!(event, Event::Ping { .. })));
    up_to_date(&mut machine);
    hear(&mut machine, PacketType::Ping, z(2, 0), None);
    assert!(machine.events.iter().any(|event| matches!(event, Event::Ping { .. })));
}

#[test]
fn a_leader_that_falls_silent_is_left() {
    let mut machine = follower();
    machine.now += 8 * 500_000 - 1;
    machine.step(Input::Tick);
    assert_eq!(left(&machine), None);
    machine.now += 1;
    machine.step(Input::Tick);
    assert!(left(&machine).is_some_and(|why| why.contains("not heard in time")));
}

#[test]
fn a_slow_disk_makes_the_leader_wait() {
    let mut machine = follower();
    let big = |zxid: Zxid| Txn { bytes: [&txn(zxid).bytes[..], &vec![0; 1 << 20]].concat().into(), zxid };
    for counter in 1..=17 {
        hear(&mut machine, PacketType::Proposal, z(2, counter), Some(&big(z(2, counter)).bytes));
    }
    assert_eq!(machine.out.pauses, [QUORUM]);
    assert!(machine.out.resumes.is_empty());
    machine.disk();
    assert_eq!(machine.out.resumes, [QUORUM]);
}
