//! Observers that learn from followers (reference: quorum-protocol §8).

mod cluster;

use cluster::*;
use wire::{
    CreateMode, Encode, ForwardedRequest, LearnerInfo, OpCode, PacketType, QuorumPacket, Request, Response,
    SessionId, TouchedSession, Zxid, event_type,
};
use zab::{Port, ServerId};

/// Three voters with `observerMasterPort`, and so many observers.
fn settled(observers: usize) -> Cluster {
    let mut cluster = Cluster::new(3, observers);
    cluster.observer_masters = true;
    (1..=3).for_each(|id| cluster.start(id));
    cluster.settle();
    (4..4 + observers).for_each(|id| cluster.start(id));
    cluster.settle();
    cluster
}

/// Whom an observer learns from.
fn master(cluster: &Cluster, observer: Id) -> Id {
    let member = cluster.node(observer).server_stats().member.expect("a member");
    member.master.map(|ServerId(id)| id as Id).expect("it learns from somebody")
}

fn observers_of(cluster: &Cluster, id: Id) -> Option<usize> {
    cluster.node(id).server_stats().member.expect("a member").synced_observers
}

#[test]
fn observers_learn_from_followers_and_not_from_the_leader() {
    let mut cluster = settled(2);
    let followers = cluster.followers();
    let masters = [master(&cluster, 4), master(&cluster, 5)];
    assert!(masters.iter().all(|master| followers.contains(master)), "{masters:?}");
    assert_ne!(masters[0], masters[1], "they do not all begin with the same");
    assert_eq!(observers_of(&cluster, cluster.leader()), Some(0));
    assert_eq!(observers_of(&cluster, followers[0]), Some(1));
    assert_eq!(observers_of(&cluster, 4), None, "an observer takes none");
    let client = cluster.connect(4);
    assert_eq!(cluster.create(&client, "/a").err, 0);
    assert!((1..=5).all(|id| cluster.has(id, "/a")));
    cluster.assert_equal();
}

#[test]
fn clients_of_an_observer_behind_a_follower_miss_nothing() {
    let mut cluster = settled(1);
    let (observer, other) = (cluster.connect(4), cluster.connect(cluster.leader()));
    assert_eq!(cluster.create(&other, "/a").err, 0);
    let synced = cluster.call(&observer, &Request::Sync { path: Some("/".into()) });
    assert_eq!((synced.err, matches!(synced.response(OpCode::Sync), Response::Path(_))), (0, true));
    let read = Request::GetData { path: Some("/a".into()), watch: true };
    assert_eq!(cluster.call(&observer, &read).err, 0);
    let set = Request::SetData { path: Some("/a".into()), data: Some(b"new".into()), version: -1 };
    assert_eq!(cluster.call(&other, &set).err, 0);
    let events: Vec<(i32, String)> = cluster.replies(&observer).iter().map(Reply::event).collect();
    assert_eq!(events, [(event_type::NODE_DATA_CHANGED, "/a".to_owned())]);
    // A write that fails at the leader comes back as one.
    assert_eq!(cluster.create(&observer, "/a").err, -110);
}

#[test]
fn sessions_live_through_the_follower() {
    let mut cluster = settled(1);
    let client = cluster.connect(4);
    assert_eq!(cluster.call(&client, &create("/held", CreateMode::Ephemeral)).err, 0);
    // Twice the timeout, with a ping every second.
    for _ in 0..20 {
        cluster.advance_ms(1000);
        assert_eq!(
            cluster.call(&client, &Request::Exists { path: Some("/held".into()), watch: false }).err,
            0
        );
    }
    // It moves to the observer's master and back.
    let there = cluster.try_connect(master(&cluster, 4), client.session).expect("the session goes on");
    assert_eq!(cluster.create(&there, "/there").err, 0);
    let back = cluster.try_connect(4, client.session).expect("and comes back");
    assert_eq!(cluster.create(&back, "/back").err, 0);
    assert_eq!(cluster.try_connect(4, SessionId(77)), None, "the leader knows no such session");
    // Silence ends it.
    cluster.advance_ms(12_000);
    assert!((1..=4).all(|id| !cluster.has(id, "/held")));
    cluster.assert_equal();
}

/// Requests of the connection that the client had left went up behind those of the new one: to the leader both come from
/// the master.
#[test]
fn a_client_that_goes_to_an_observer_leaves_nothing_behind_at_its_master() {
    let mut cluster = settled(1);
    let old = cluster.connect(master(&cluster, 4));
    assert_eq!(cluster.create(&old, "/first").err, 0);
    let new = cluster.try_connect(4, old.session).expect("the session goes on");
    assert_eq!(cluster.create(&new, "/second").err, 0);
    cluster.send(&old, &create("/late", CreateMode::Persistent));
    cluster.run();
    assert!((1..=4).all(|id| !cluster.has(id, "/late")));
    assert!(cluster.is_closed(&old));
    assert_eq!(cluster.create(&new, "/third").err, 0);
    cluster.assert_equal();
}

/// Requests of the connection that the client had left at the observer went up behind newer ones, whether it came to the
/// observer's master or to another observer of it: to the leader all of them come from the master.
#[test]
fn a_client_that_leaves_an_observer_leaves_nothing_behind_at_it() {
    for to_observer in [false, true] {
        let mut cluster = settled(2);
        // With one follower left, both observers learn from the same.
        let gone = cluster.followers()[0];
        cluster.kill(gone);
        cluster.settle();
        cluster.advance_ms(1000);
        let there = master(&cluster, 4);
        assert_eq!((there, cluster.followers()), (master(&cluster, 5), vec![there]));
        let old = cluster.connect(4);
        assert_eq!(cluster.create(&old, "/first").err, 0);
        let new = cluster.try_connect(if to_observer { 5 } else { there }, old.session);
        let new = new.expect("the session goes on");
        assert_eq!(cluster.create(&new, "/second").err, 0);
        // The observer has not heard of the move.
        cluster.send(&old, &create("/late", CreateMode::Persistent));
        cluster.send(&old, &Request::Sync { path: Some("/".into()) });
        cluster.run();
        assert!(!cluster.has(cluster.leader(), "/late"));
        let errors: Vec<i32> = cluster.replies(&old).iter().map(|reply| reply.err).collect();
        assert_eq!(errors, [-8, 0], "nobody waits for ever");
        assert_eq!(cluster.create(&new, "/third").err, 0);
        // Others of the observer go on, and so does the session when it comes back.
        let other = cluster.connect(4);
        assert_eq!(cluster.create(&other, "/other").err, 0);
        let back = cluster.try_connect(4, old.session).expect("and comes back");
        assert_eq!(cluster.create(&back, "/back").err, 0);
        cluster.send(&new, &create("/late", CreateMode::Persistent));
        cluster.run();
        assert!(!cluster.has(cluster.leader(), "/late"));
        cluster.assert_equal();
    }
}

#[test]
fn a_session_that_is_closed_through_an_observer_is_forgotten_by_its_master() {
    let mut cluster = settled(1);
    let client = cluster.connect(4);
    assert_eq!(cluster.call(&client, &create("/held", CreateMode::Ephemeral)).err, 0);
    assert_eq!(cluster.call(&client, &Request::CloseSession).err, 0);
    assert!((1..=4).all(|id| !cluster.has(id, "/held")));
    assert_eq!(cluster.try_connect(4, client.session), None);
    assert_eq!(cluster.try_connect(master(&cluster, 4), client.session), None);
    cluster.assert_equal();
}

/// A connection of somebody who behaves like observer 5 so far.
fn fake_observer(cluster: &mut Cluster, master: Id) -> zab::ConnId {
    let conn = cluster.knock(master, Port::Observers);
    let info = LearnerInfo { server_id: 5, protocol_version: 0x10000, config_version: 0 };
    let epoch = Zxid::from_parts(1, 0);
    let packets = [
        QuorumPacket::new(PacketType::ObserverInfo, Zxid::ZERO, Some(info.to_bytes().into())),
        QuorumPacket::new(
            PacketType::AckEpoch,
            cluster.node(master).tree().last_zxid(),
            Some((&[0; 4]).into()),
        ),
        QuorumPacket::new(PacketType::Ack, epoch, None),
    ];
    for packet in packets {
        cluster.say(master, conn, &packet.to_bytes());
        cluster.run();
    }
    conn
}

/// Requests beyond what a master keeps were dropped, and their clients waited for ever.
#[test]
fn an_observer_whose_requests_cannot_be_relayed_has_to_come_again() {
    let sync = ForwardedRequest { session: SessionId(7), cxid: 1, op: OpCode::Sync.code(), record: &[] };
    let question = TouchedSession { session: SessionId(7), timeout_ms: 4000 };
    let cases = [
        (PacketType::Request, b"rubbish".to_vec(), 1, "a request of it makes no sense"),
        (PacketType::Request, sync.to_bytes(), (1 << 18) + 1, "too many syncs wait for the leader"),
        (
            PacketType::Revalidate,
            question.to_bytes(),
            (1 << 18) + 1,
            "too many of its clients wait for the leader",
        ),
    ];
    for (kind, data, count, why) in cases {
        let mut cluster = settled(1);
        let client = cluster.connect(4);
        assert_eq!(cluster.create(&client, "/a").err, 0);
        let master = master(&cluster, 4);
        let conn = fake_observer(&mut cluster, master);
        assert_eq!(observers_of(&cluster, master), Some(2));
        let packets = QuorumPacket::new(kind, Zxid(-1), Some(data.into())).to_bytes().repeat(count);
        cluster.say(master, conn, &packets);
        cluster.run();
        let line = format!("closing the connection of observer 5: {why}");
        assert_eq!(cluster.notes(master).iter().filter(|note| **note == line).count(), 1, "{why}");
        assert_eq!(observers_of(&cluster, master), Some(1));
        assert_eq!(cluster.create(&client, "/b").err, 0, "others of its go on");
    }
}

#[test]
fn an_observer_that_loses_its_master_finds_another_one() {
    let mut cluster = settled(1);
    let client = cluster.connect(4);
    assert_eq!(cluster.create(&client, "/a").err, 0);
    let first = master(&cluster, 4);
    cluster.kill(first);
    cluster.settle();
    cluster.advance_ms(1000);
    let second = master(&cluster, 4);
    assert!(second != first && second != cluster.leader(), "{first} and then {second}");
    let again = cluster.try_connect(4, client.session).expect("the session lives on");
    assert_eq!(cluster.create(&again, "/b").err, 0);
    // Nobody follows any more: the leader itself is better than nobody.
    cluster.start(first);
    cluster.settle();
    assert_eq!(cluster.create(&again, "/c").err, 0);
    cluster.assert_equal();
}

#[test]
fn an_observer_catches_up_from_a_follower_by_its_log_and_by_snapshot() {
    for force_snapshot in [false, true] {
        let mut cluster = settled(1);
        cluster.force_snapshot = force_snapshot;
        let follower = cluster.followers()[0];
        let client = cluster.connect(follower);
        // An empty log tells nobody where a server stands.
        assert_eq!(cluster.create(&client, "/first").err, 0);
        cluster.kill(4);
        for n in 0..50 {
            assert_eq!(cluster.create(&client, &format!("/n{n}")).err, 0);
        }
        if force_snapshot {
            // The setting is the master's.
            for id in cluster.followers() {
                cluster.kill(id);
                cluster.start(id);
                cluster.settle();
            }
        }
        cluster.start(4);
        cluster.settle();
        cluster.advance_ms(500);
        cluster.assert_equal();
        let notes = cluster.notes(master(&cluster, 4));
        let how = notes.iter().rfind(|note| note.starts_with("Synchronizing with Learner sid: 4 "));
        let expected = if force_snapshot { "Sending snapshot" } else { "Sending DIFF" };
        assert!(how.is_some_and(|how| how.contains(expected)), "{how:?}");
        assert!((0..50).all(|n| cluster.has(4, &format!("/n{n}"))));
    }
}

/// With one voter nobody follows: an observer with `observerMasterPort` learns from the leader.
#[test]
fn without_followers_an_observer_learns_from_the_leader() {
    let mut cluster = Cluster::new(1, 1);
    cluster.observer_masters = true;
    cluster.start(1);
    cluster.start(2);
    cluster.settle();
    assert_eq!(master(&cluster, 2), 1);
    assert_eq!(observers_of(&cluster, 1), Some(1));
}
