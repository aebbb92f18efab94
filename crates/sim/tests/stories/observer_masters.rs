//! Observers that learn from followers (reference: quorum-protocol §8).

use crate::{exists, sync};
use sim::ensemble::{Guest, Latency, Reply, Setup, World, create};
use wire::{
    CreateMode, Encode, ForwardedRequest, LearnerInfo, OpCode, PacketType, QuorumPacket, Request, Response,
    SessionId, TouchedSession, Zxid, event_type,
};
use zab::{Port, ServerId};

/// So many voters with `observerMasterPort`, and so many observers.
fn setup(voters: usize, observers: usize) -> Setup {
    Setup { observer_masters: true, ..Setup::calm(1, voters, observers) }
}

/// Three voters, and so many observers.
fn settled(observers: usize) -> World {
    voters_first(setup(3, observers))
}

/// Observers come when there are followers.
fn voters_first(setup: Setup) -> World {
    let voters = setup.voters;
    let mut world = World::new(setup);
    (0..voters).for_each(|voter| world.start(voter));
    world.settle();
    world.start_all();
    world
}

/// Whom an observer learns from.
fn master(world: &World, observer: usize) -> usize {
    let ServerId(id) = world.member(observer).master.expect("it learns from somebody");
    id as usize - 1
}

#[test]
fn observers_learn_from_followers_and_not_from_the_leader() {
    let mut world = settled(2);
    let followers = world.followers();
    let masters = [master(&world, 3), master(&world, 4)];
    assert!(masters.iter().all(|master| followers.contains(master)), "{masters:?}");
    assert_ne!(masters[0], masters[1], "they do not all begin with the same");
    let observers_of = |server: usize| world.member(server).synced_observers;
    assert_eq!(observers_of(world.leading()), Some(0));
    assert!(followers.iter().all(|follower| observers_of(*follower) == Some(1)));
    assert_eq!(observers_of(3), None, "an observer takes none");
    let client = world.connect(3);
    assert_eq!(world.create(&client, "/a").err, 0);
    assert!(world.all_have("/a"));
    world.assert_alike();
}

#[test]
fn clients_of_an_observer_behind_a_follower_miss_nothing() {
    let mut world = settled(1);
    let (observer, other) = (world.connect(3), world.connect(world.leading()));
    assert_eq!(world.create(&other, "/a").err, 0);
    let synced = world.call(&observer, &sync());
    assert_eq!((synced.err, matches!(synced.response(OpCode::Sync), Response::Path(_))), (0, true));
    let read = Request::GetData { path: Some("/a".into()), watch: true };
    assert_eq!(world.call(&observer, &read).err, 0);
    let set = Request::SetData { path: Some("/a".into()), data: Some(b"new".into()), version: -1 };
    assert_eq!(world.call(&other, &set).err, 0);
    let events: Vec<(i32, String)> = world.replies(&observer).iter().map(Reply::event).collect();
    assert_eq!(events, [(event_type::NODE_DATA_CHANGED, "/a".to_owned())]);
    // A write that fails at the leader comes back as one.
    assert_eq!(world.create(&observer, "/a").err, -110);
}

/// A follower that observers learn from delivers two writes at once, and tells the observer of the sync between them behind both:
/// the observer stopped with a panic, since it answers in order. The write proves that the sync is done; and a read between the two
/// must not see the write.
#[test]
fn a_sync_that_an_observer_master_tells_of_late() {
    let mut world = World::settled(Setup { leader_serves: false, ..setup(3, 1) });
    let client = world.connect(3);
    let mut asked = Vec::new();
    for n in 0..10 {
        asked.push(world.ask(&client, &create(&format!("/{n}"), CreateMode::Persistent)));
        asked.push(world.ask(&client, &sync()));
        asked.push(world.ask(&client, &exists(&format!("/{}", n + 1))));
    }
    world.come_to_rest();
    let replies = world.replies(&client);
    assert_eq!(replies.iter().map(|reply| reply.xid).collect::<Vec<_>>(), asked);
    for three in replies.chunks(3) {
        let errors: Vec<i32> = three.iter().map(|reply| reply.err).collect();
        assert_eq!(errors, [0, 0, -101], "{three:?}");
    }
}

#[test]
fn sessions_live_through_the_follower() {
    let mut world = settled(1);
    let client = world.connect(3);
    assert_eq!(world.call(&client, &create("/held", CreateMode::Ephemeral)).err, 0);
    // Twice the timeout, with a request every second.
    for _ in 0..20 {
        world.pass_ms(1000);
        assert_eq!(world.call(&client, &exists("/held")).err, 0);
    }
    // It moves to the observer's master and back.
    let there = world.revisit(master(&world, 3), client.session).expect("the session goes on");
    assert_eq!(world.create(&there, "/there").err, 0);
    let back = world.revisit(3, client.session).expect("and comes back");
    assert_eq!(world.create(&back, "/back").err, 0);
    assert_eq!(world.revisit(3, SessionId(77)), None, "the leader knows no such session");
    // Silence ends it.
    world.pass_ms(12_000);
    assert!(world.none_has("/held"));
    world.assert_alike();
}

/// Requests of the connection that the client had left went up behind those of the new one: to the leader both come from
/// the master.
#[test]
fn a_client_that_goes_to_an_observer_leaves_nothing_behind_at_its_master() {
    let mut world = settled(1);
    let old = world.connect(master(&world, 3));
    assert_eq!(world.create(&old, "/first").err, 0);
    let new = world.revisit(3, old.session).expect("the session goes on");
    assert_eq!(world.create(&new, "/second").err, 0);
    world.ask(&old, &create("/late", CreateMode::Persistent));
    world.come_to_rest();
    assert!(world.none_has("/late"));
    assert!(world.is_closed(&old));
    assert_eq!(world.create(&new, "/third").err, 0);
    world.assert_alike();
}

/// Requests of the connection that the client had left at the observer went up behind newer ones, whether it came to the
/// observer's master or to another observer of it: to the leader all of them come from the master.
#[test]
fn a_client_that_leaves_an_observer_leaves_nothing_behind_at_it() {
    for to_observer in [false, true] {
        let mut world = settled(2);
        // With one follower left, both observers learn from the same.
        let gone = world.followers()[0];
        world.kill(gone);
        world.settle();
        world.pass_ms(1000);
        let there = master(&world, 3);
        assert_eq!((there, world.followers()), (master(&world, 4), vec![there]));
        let old = world.connect(3);
        assert_eq!(world.create(&old, "/first").err, 0);
        let new = world.revisit(if to_observer { 4 } else { there }, old.session);
        let new = new.expect("the session goes on");
        assert_eq!(world.create(&new, "/second").err, 0);
        // The observer has not heard of the move.
        world.ask(&old, &create("/late", CreateMode::Persistent));
        world.ask(&old, &sync());
        world.come_to_rest();
        assert!(world.none_has("/late"));
        let errors: Vec<i32> = world.replies(&old).iter().map(|reply| reply.err).collect();
        assert_eq!(errors, [-8, 0], "nobody waits for ever");
        assert_eq!(world.create(&new, "/third").err, 0);
        // Others of the observer go on, and so does the session when it comes back.
        let other = world.connect(3);
        assert_eq!(world.create(&other, "/other").err, 0);
        let back = world.revisit(3, old.session).expect("and comes back");
        assert_eq!(world.create(&back, "/back").err, 0);
        world.ask(&new, &create("/late", CreateMode::Persistent));
        world.come_to_rest();
        assert!(world.none_has("/late"));
        world.assert_alike();
    }
}

#[test]
fn a_session_that_is_closed_through_an_observer_is_forgotten_by_its_master() {
    let mut world = settled(1);
    let client = world.connect(3);
    assert_eq!(world.call(&client, &create("/held", CreateMode::Ephemeral)).err, 0);
    assert_eq!(world.call(&client, &Request::CloseSession).err, 0);
    assert!(world.none_has("/held"));
    assert_eq!(world.revisit(3, client.session), None);
    assert_eq!(world.revisit(master(&world, 3), client.session), None);
    world.assert_alike();
}

/// A connection of somebody who behaves like server 5, an observer, so far.
fn fake_observer(world: &mut World, master: usize) -> Guest {
    let stranger = world.stranger(master, Port::Observers);
    let info = LearnerInfo { server_id: 5, protocol_version: 0x10000, config_version: 0 };
    let last = world.running(master).tree().last_zxid();
    let packets = [
        QuorumPacket::new(PacketType::ObserverInfo, Zxid::ZERO, Some(info.to_bytes().into())),
        QuorumPacket::new(PacketType::AckEpoch, last, Some((&[0; 4]).into())),
        QuorumPacket::new(PacketType::Ack, Zxid::from_parts(1, 0), None),
    ];
    for packet in packets {
        world.say_bytes(&stranger, &packet.to_bytes());
        world.come_to_rest();
    }
    stranger
}

/// Requests beyond what a master keeps were dropped, and their clients waited for ever.
#[test]
fn an_observer_whose_requests_cannot_be_relayed_has_to_come_again() {
    let sync = ForwardedRequest { session: SessionId(7), cxid: 1, op: OpCode::Sync.code(), record: &[] };
    let question = TouchedSession { session: SessionId(7), timeout_ms: 4000 };
    let too_many = (1 << 18) + 1;
    let cases = [
        (PacketType::Request, b"rubbish".to_vec(), 1, "a request of it makes no sense"),
        (PacketType::Request, sync.to_bytes(), too_many, "too many syncs wait for the leader"),
        (
            PacketType::Revalidate,
            question.to_bytes(),
            too_many,
            "too many of its clients wait for the leader",
        ),
    ];
    for (kind, data, count, why) in cases {
        let mut world = voters_first(Setup { latency: WIDE, ..setup(3, 1) });
        let client = world.connect(3);
        assert_eq!(world.create(&client, "/a").err, 0);
        let (leader, master) = (world.leading(), master(&world, 3));
        let stranger = fake_observer(&mut world, master);
        assert_eq!(world.member(master).synced_observers, Some(2));
        // The leader is slower than the stranger.
        world.isolate(leader);
        let packets = QuorumPacket::new(kind, Zxid(-1), Some(data.into())).to_bytes().repeat(count);
        world.say_bytes(&stranger, &packets);
        world.come_to_rest();
        let line = format!("closing the connection of observer 5: {why}");
        assert_eq!(world.notes(master).iter().filter(|note| **note == line).count(), 1, "{why}");
        assert_eq!(world.member(master).synced_observers, Some(1));
        assert!(world.is_closed(&stranger));
        world.rejoin(leader);
        world.come_to_rest();
        assert_eq!(world.create(&client, "/b").err, 0, "others of its go on");
    }
}

/// A network that takes everything at once.
const WIDE: Latency = Latency { min_us: 50, tail_us: 100, window: 64 << 20 };

#[test]
fn an_observer_that_loses_its_master_finds_another_one() {
    let mut world = settled(1);
    let client = world.connect(3);
    assert_eq!(world.create(&client, "/a").err, 0);
    let first = master(&world, 3);
    world.kill(first);
    world.settle();
    world.pass_ms(1000);
    let second = master(&world, 3);
    assert!(second != first && second != world.leading(), "{first} and then {second}");
    let again = world.revisit(3, client.session).expect("the session lives on");
    assert_eq!(world.create(&again, "/b").err, 0);
    world.start_all();
    assert_eq!(world.create(&again, "/c").err, 0);
    world.assert_alike();
}

#[test]
fn an_observer_catches_up_from_a_follower_by_its_log_and_by_snapshot() {
    for force_snapshot in [false, true] {
        let mut world = settled(1);
        world.setup.force_snapshot = force_snapshot;
        let client = world.connect(world.followers()[0]);
        // An empty log tells nobody where a server stands.
        assert_eq!(world.create(&client, "/first").err, 0);
        world.kill(3);
        for n in 0..50 {
            assert_eq!(world.create(&client, &format!("/n{n}")).err, 0);
        }
        if force_snapshot {
            // The setting is the master's.
            for follower in world.followers() {
                world.kill(follower);
                world.start(follower);
                world.settle();
            }
        }
        world.start_all();
        world.assert_alike();
        let notes = world.notes(master(&world, 3));
        let how = notes.iter().rfind(|note| note.starts_with("Synchronizing with Learner sid: 4 "));
        let expected = if force_snapshot { "Sending snapshot" } else { "Sending DIFF" };
        assert!(how.is_some_and(|how| how.contains(expected)), "{how:?}");
        assert!((0..50).all(|n| world.has(3, &format!("/n{n}"))));
    }
}

/// With one voter nobody follows: an observer with `observerMasterPort` learns from the leader.
#[test]
fn without_followers_an_observer_learns_from_the_leader() {
    let world = World::settled(setup(1, 1));
    assert_eq!(master(&world, 1), 0);
    assert_eq!(world.member(0).synced_observers, Some(1));
}
