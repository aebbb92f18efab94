//! Observers that learn from a follower: the packets of the follower, and the ways of the observer (reference:
//! quorum-protocol §8).

mod machine;

use machine::leading::{FOUR, ONE, ack, ack_epoch};
use machine::learning::{commit, follower_with, propose, z};
use machine::{Machine, QUORUM, ensemble, from, kinds};
use wire::{Encode, LearnerInfo, PacketType, ServerState, SessionId, TouchedSession, Zxid};
use zab::{
    ConnId, DiskState, Epoch, Event, Input, LogSlice, Outputs, PeerConfig, Port, Read, ServerId, ToLearner,
};

const MASTER_PORT: u16 = 2999;

/// Server 1 follows epoch 2 of server 3 behind (1,5), and takes observers.
fn master() -> Machine {
    let machine = follower_with(|config| config.observer_master_port = Some(MASTER_PORT));
    assert_eq!(machine.out.observer_port, Some(true));
    machine
}

fn greet(machine: &mut Machine, conn: ConnId, kind: PacketType) {
    greet_as(machine, conn, kind, 4);
}

fn greet_as(machine: &mut Machine, conn: ConnId, kind: PacketType, server_id: i64) {
    machine.step(Input::Accepted { conn, port: Port::Observers });
    let info = LearnerInfo { server_id, protocol_version: 0x10000, config_version: 0 };
    from(machine, conn, kind, z(1, 0), Some(&info.to_bytes()));
}

/// An observer with this history, up to UPTODATE.
fn join(machine: &mut Machine, last: Zxid) {
    greet(machine, FOUR, PacketType::ObserverInfo);
    assert_eq!(kinds(&machine.take_sent(FOUR)), ["LEADERINFO 0x200000000"]);
    ack_epoch(machine, FOUR, last, 1);
}

#[test]
fn a_master_brings_an_observer_up_to_date_alone() {
    let mut machine = master();
    join(&mut machine, z(1, 5));
    assert_eq!(kinds(&machine.take_sent(FOUR)), ["DIFF 0x100000005", "NEWLEADER 0x200000000"]);
    ack(&mut machine, FOUR, z(2, 0));
    assert_eq!(kinds(&machine.take_sent(FOUR)), ["UPTODATE 0xffffffffffffffff"], "no quorum has to agree");
    assert!(machine.take_sent(QUORUM).is_empty(), "and the leader hears nothing of it");
}

#[test]
fn an_observer_gets_what_is_committed_when_it_is() {
    let mut machine = master();
    join(&mut machine, z(1, 5));
    ack(&mut machine, FOUR, z(2, 0));
    machine.take_sent(FOUR);
    propose(&mut machine, z(2, 1));
    machine.disk();
    assert!(machine.take_sent(FOUR).is_empty(), "it is proposed and not committed");
    commit(&mut machine, z(2, 1));
    assert_eq!(kinds(&machine.take_sent(FOUR)), ["INFORM 0x200000001"]);
    propose(&mut machine, z(2, 2));
    commit(&mut machine, z(2, 2));
    assert!(machine.take_sent(FOUR).is_empty(), "it is committed and not on this server's disk");
    machine.disk();
    assert_eq!(kinds(&machine.take_sent(FOUR)), ["INFORM 0x200000002"]);
}

#[test]
fn an_observer_that_is_behind_gets_the_log_but_nothing_uncommitted_of_it() {
    let mut machine = master();
    for counter in [1, 2] {
        propose(&mut machine, z(2, counter));
        machine.disk();
    }
    commit(&mut machine, z(2, 1));
    join(&mut machine, z(1, 4));
    let asked = machine.reads.pop_front();
    assert!(matches!(asked, Some(Read::Log { conn: FOUR, first: true, .. })), "{asked:?}");
    let txns = vec![machine::txn(z(1, 5)), machine::txn(z(2, 1)), machine::txn(z(2, 2))];
    let slice = LogSlice { at_or_before: Some(z(1, 4)), txns };
    machine.step(Input::Log { conn: FOUR, slice: slice.clone() });
    assert_eq!(kinds(&machine.take_sent(FOUR)), ["DIFF 0x200000001"]);
    machine.step(Input::Log { conn: FOUR, slice });
    assert_eq!(
        kinds(&machine.take_sent(FOUR)),
        [
            "PROPOSAL 0x100000005",
            "COMMIT 0x100000005",
            "PROPOSAL 0x200000001",
            "COMMIT 0x200000001",
            "NEWLEADER 0x200000000"
        ]
    );
}

#[test]
fn only_observers_may_learn_from_a_follower() {
    let mut machine = master();
    greet(&mut machine, ONE, PacketType::FollowerInfo);
    assert!(machine.hung_up.contains(&ONE));
    assert!(machine.take_sent(ONE).is_empty());
}

#[test]
fn what_an_observer_says_is_handed_up_and_answers_go_down() {
    let mut machine = master();
    join(&mut machine, z(1, 5));
    ack(&mut machine, FOUR, z(2, 0));
    machine.take_sent(FOUR);
    let session = TouchedSession { session: SessionId(7), timeout_ms: 4000 };
    from(&mut machine, FOUR, PacketType::Revalidate, Zxid(-1), Some(&session.to_bytes()));
    let asked = Event::Revalidate { conn: FOUR, session };
    assert!(machine.events.contains(&asked), "{:?}", machine.events);
    let valid = ToLearner::Revalidated { session: SessionId(7), valid: true };
    machine.step(Input::ToLearner { conn: FOUR, message: valid });
    machine.step(Input::ToLearner { conn: FOUR, message: ToLearner::Sync });
    assert_eq!(kinds(&machine.take_sent(FOUR)), ["REVALIDATE 0xffffffffffffffff", "SYNC 0x0"]);
    machine.now += 260_000;
    machine.step(Input::Tick);
    assert_eq!(kinds(&machine.take_sent(FOUR)), ["PING 0x100000005"], "twice a tick");
}

#[test]
fn a_follower_that_loses_its_leader_lets_its_observers_go() {
    let mut machine = master();
    join(&mut machine, z(1, 5));
    machine.step(Input::Closed { conn: QUORUM });
    assert!(machine.hung_up.contains(&FOUR));
    assert_eq!(machine.out.observer_port, Some(false));
}

#[test]
fn observers_are_not_read_while_the_leader_takes_nothing() {
    let mut machine = master();
    join(&mut machine, z(1, 5));
    ack(&mut machine, FOUR, z(2, 0));
    machine.take_sent(FOUR);
    let held = |machine: &mut Machine| {
        let Outputs { pauses, resumes, .. } = &mut machine.out;
        (std::mem::take(pauses), std::mem::take(resumes))
    };
    assert_eq!(held(&mut machine), (vec![], vec![]));
    machine.step(Input::Written { conn: QUORUM, pending: 2 << 20 });
    assert_eq!(held(&mut machine), (vec![FOUR], vec![]));
    machine.step(Input::Accepted { conn: ONE, port: Port::Observers });
    assert_eq!(held(&mut machine), (vec![ONE], vec![]), "nor are those that come meanwhile");
    // The silence is not theirs.
    for _ in 0..20 {
        machine.now += 260_000;
        let data = Some(&[][..]);
        from(&mut machine, QUORUM, PacketType::Ping, z(2, 0), data);
    }
    assert!(!machine.hung_up.contains(&FOUR) && !machine.hung_up.contains(&ONE), "{:?}", machine.hung_up);
    machine.step(Input::Written { conn: QUORUM, pending: 0 });
    assert_eq!(held(&mut machine), (vec![], vec![ONE, FOUR]));
}

#[test]
fn an_observer_that_asks_too_much_is_let_go() {
    let mut machine = master();
    join(&mut machine, z(1, 5));
    ack(&mut machine, FOUR, z(2, 0));
    machine.step(Input::Refuse { conn: FOUR, why: "it asks too much".to_owned() });
    assert!(machine.hung_up.contains(&FOUR));
    assert!(machine.events.contains(&Event::LearnerGone(FOUR)));
    let line = "closing the connection of observer 4: it asks too much";
    assert!(machine.out.notes.iter().any(|note| note.warn && note.text == line), "{:?}", machine.out.notes);
}

/// Observer 4 that has heard of leader 3.
fn observer(set: impl FnOnce(&mut PeerConfig)) -> Machine {
    let disk =
        DiskState { last_zxid: z(1, 5), accepted_epoch: Epoch(1), current_epoch: Epoch(1), recent: vec![] };
    let mut machine = Machine::with(4, &ensemble(3, 1), disk, set);
    machine.may_hang_up = true;
    machine::follow(&mut machine, 4, 3);
    machine
}

/// What is dialled next: the port and the server.
fn dialled(machine: &mut Machine) -> Option<(Port, u16)> {
    let Outputs { dials, .. } = &mut machine.out;
    let dial = dials.pop()?;
    let (port, target) = (dial.port, dial.addresses[0].port);
    machine.step(Input::Dialled { dial: dial.dial, conn: None });
    Some((port, target))
}

#[test]
fn an_observer_tries_the_followers_in_turn_and_the_leader_last() {
    let mut machine = observer(|config| config.observer_master_port = Some(MASTER_PORT));
    let mut ports = Vec::new();
    for _ in 0..6 {
        ports.extend(dialled(&mut machine).map(|(port, _)| port));
        machine.now += 100_000;
        machine.step(Input::Tick);
    }
    let round = [Port::Observers, Port::Observers, Port::Quorum];
    assert_eq!(ports, [round, round].concat(), "servers 1 and 2 follow, 3 leads");
    assert_eq!(machine.peer.state(), ServerState::Observing);
}

#[test]
fn an_observer_without_the_setting_goes_to_the_leader() {
    let mut machine = observer(|_| {});
    assert_eq!(dialled(&mut machine).map(|(port, _)| port), Some(Port::Quorum));
    assert_eq!(machine.peer.master(), Some(ServerId(3)));
}

/// `leader.maxConcurrentSnapSyncs` and `leader.maxConcurrentDiffSyncs`.
#[test]
fn an_observer_too_many_is_refused_until_another_one_is_up_to_date() {
    let cases = [(true, "snap", "SNAP 0x100000005"), (false, "diff", "DIFF 0x100000005")];
    for (force_snapshot, kind, begins) in cases {
        let mut machine = follower_with(|config| {
            config.observer_master_port = Some(MASTER_PORT);
            config.force_snapshot = force_snapshot;
            (config.snap_syncs_max, config.diff_syncs_max) = (1, 1);
        });
        let begin = |machine: &mut Machine, conn, server_id| {
            greet_as(machine, conn, PacketType::ObserverInfo, server_id);
            machine.take_sent(conn);
            ack_epoch(machine, conn, z(1, 5), 1);
            if machine.reads.pop_front().is_some() {
                machine.step(Input::Snapshot { conn, zxid: z(1, 5), bytes: vec![1], last: true });
            }
            kinds(&machine.take_sent(conn))
        };
        assert_eq!(begin(&mut machine, FOUR, 4)[0], begins);
        assert_eq!(begin(&mut machine, ONE, 5), [""; 0]);
        assert!(machine.hung_up.contains(&ONE));
        let line = format!(
            "closing the connection of observer 5: too many concurrent sync: new {kind} sync would make 2 \
             concurrently in progress; maximum is 1"
        );
        assert!(machine.out.notes.iter().any(|note| note.text == line), "{:?}", machine.out.notes);
        ack(&mut machine, FOUR, z(2, 0));
        assert_eq!(begin(&mut machine, ConnId(70), 5)[0], begins, "the first one is up to date");
    }
}

/// `observer.reconnectDelayMs`
#[test]
fn an_observer_goes_to_the_leader_after_a_pause_if_it_is_told_so() {
    let mut machine = observer(|config| config.observer_reconnect_delay_ms = 10_000);
    assert_eq!(dialled(&mut machine), None);
    let wake_at_us = machine.out.wake_at_us.expect("it goes on");
    machine.now += 10_000_000;
    machine.step(Input::Tick);
    assert_eq!(dialled(&mut machine).map(|(port, _)| port), Some(Port::Quorum));
    assert!(wake_at_us > 0 && wake_at_us < 10_000_000, "{wake_at_us}");
}

/// `observer.election.DelayMs`
#[test]
fn an_observer_that_lost_its_leader_pauses_before_it_looks_for_one() {
    let mut machine = observer(|config| config.observer_election_delay_ms = 10_000);
    machine.answer_dials(Port::Quorum, QUORUM.0);
    machine.now += 1_000_000;
    machine.step(Input::Closed { conn: QUORUM });
    let disk =
        DiskState { last_zxid: z(1, 5), accepted_epoch: Epoch(1), current_epoch: Epoch(1), recent: vec![] };
    machine.recover(disk);
    assert!(!machine.peer.is_electing());
    let wake_at_us = machine.out.wake_at_us.expect("it goes on");
    assert!(wake_at_us > machine.now && wake_at_us < machine.now + 10_000_000, "{wake_at_us}");
    machine.now = wake_at_us;
    machine.step(Input::Tick);
    assert!(machine.peer.is_electing());
    let pauses = |note: &&zab::Note| note.text.starts_with("Waiting for ");
    assert_eq!(machine.out.notes.iter().filter(pauses).count(), 1);
}

/// `observerMaster.sizeLimit`
#[test]
fn a_master_keeps_as_much_for_observers_as_it_is_told() {
    for (bytes, read) in [(1 << 20, false), (0, true)] {
        let mut machine = follower_with(|config| {
            config.observer_master_port = Some(MASTER_PORT);
            config.observer_master_bytes = bytes;
        });
        for counter in 1..=3 {
            propose(&mut machine, z(2, counter));
            machine.disk();
            commit(&mut machine, z(2, counter));
        }
        join(&mut machine, z(2, 1));
        assert_eq!(machine.reads.pop_front().is_some(), read, "{bytes} bytes in memory");
    }
}
