//! Sessions that only one server knows, until they want more (reference: client-protocol §8.3, quorum-protocol §6.6).

use crate::{exists, three};
use sim::ensemble::{Reply, Setup, World, create};
use wire::{CreateMode, MultiOp, MultiResult, OpCode, Request, Response};

fn settled(upgrading: bool) -> World {
    World::settled(with_local_sessions(three(), upgrading))
}

fn with_local_sessions(mut setup: Setup, upgrading: bool) -> Setup {
    setup.node.local_sessions_enabled = true;
    setup.node.local_sessions_upgrading_enabled = upgrading;
    setup
}

fn zxid(world: &World) -> i64 {
    world.running(world.leading()).tree().last_zxid().0
}

fn multi(path: &str, mode: CreateMode) -> Request<'_> {
    let Request::Create { op, path, data, acl, flags, ttl } = create(path, mode) else { unreachable!() };
    Request::Multi {
        ops: vec![
            MultiOp::Check { path: Some("/".into()), version: -1 },
            MultiOp::Create { op, path, data, acl, flags, ttl },
        ],
    }
}

fn errors(reply: &Reply) -> Vec<i32> {
    let Response::Multi(results) = reply.response(OpCode::Multi) else { panic!("{reply:?}") };
    let code = |result: MultiResult<'_>| match result {
        MultiResult::Error(code) => code.map_or(0, |code| code.code()),
        other => panic!("{other:?} in a failed multi"),
    };
    results.into_iter().map(code).collect()
}

/// Leader and a follower.
fn servers(world: &World) -> [usize; 2] {
    [world.leading(), world.followers()[0]]
}

#[test]
fn they_begin_write_and_end_without_a_transaction_of_their_own() {
    let mut world = settled(true);
    for server in servers(&world) {
        let before = zxid(&world);
        let client = world.connect(server);
        assert_eq!(client.session.0 as u64 >> 56, server as u64 + 1);
        assert_eq!(zxid(&world), before);
        let reply = world.create(&client, &format!("/n{server}"));
        assert_eq!((reply.err, reply.zxid), (0, before + 1));
        let stats = world.stats(server);
        assert_eq!((stats.local_sessions, stats.global_sessions), (1, 0));
        assert_eq!(world.call(&client, &Request::CloseSession).err, 0);
        assert!(world.is_closed(&client));
        assert_eq!((zxid(&world), world.stats(server).local_sessions), (before + 1, 0));
        assert_eq!(world.revisit(server, client.session), None);
    }
    world.assert_alike();
}

#[test]
fn an_ensemble_of_one_has_them_too() {
    let mut world = World::settled(with_local_sessions(Setup::calm(1, 1, 0), false));
    let client = world.connect(0);
    assert_eq!(world.stats(0).local_sessions, 1);
    assert_eq!(world.create(&client, "/a").err, 0);
}

#[test]
fn an_ephemeral_node_makes_a_session_global() {
    let mut world = settled(true);
    for (n, server) in servers(&world).into_iter().enumerate() {
        let client = world.connect(server);
        let before = zxid(&world);
        let path = format!("/e{server}");
        // All in one breath: the session's beginning goes first, and the order stays.
        let xids = [
            world.ask(&client, &create(&path, CreateMode::Ephemeral)),
            world.ask(&client, &exists(&path)),
            world.ask(&client, &create(&path, CreateMode::Ephemeral)),
        ];
        world.come_to_rest();
        let replies = world.replies(&client);
        assert_eq!(replies.iter().map(|reply| reply.xid).collect::<Vec<_>>(), xids);
        assert_eq!(replies.iter().map(|reply| reply.err).collect::<Vec<_>>(), [0, 0, -110]);
        assert_eq!(replies[0].zxid, before + 2, "the session is the transaction before");
        for id in 0..3 {
            let node = world.running(id);
            assert!(node.tree().sessions().contains_key(&client.session) && world.has(id, &path));
            let stats = world.stats(id);
            assert_eq!((stats.local_sessions, stats.global_sessions), (0, n + 1), "server {id}");
        }
        let other = world.followers()[1];
        let moved = world.revisit(other, client.session).expect("everybody knows it");
        assert_eq!(world.create(&moved, &format!("/moved{server}")).err, 0);
        let again = world.revisit(server, client.session).expect("everybody knows it");
        assert_eq!(world.create(&again, &format!("/again{server}")).err, 0);
    }
    world.assert_alike();
}

#[test]
fn an_ephemeral_node_in_a_multi_does_it_too() {
    let mut world = settled(true);
    for server in servers(&world) {
        let client = world.connect(server);
        let path = format!("/e{server}");
        assert_eq!(world.call(&client, &multi(&path, CreateMode::Ephemeral)).err, 0);
        assert!(world.running(0).ephemerals().contains(&(client.session, vec![path])));
        assert!(world.running(0).tree().sessions().contains_key(&client.session));
        let plain = world.connect(server);
        assert_eq!(world.call(&plain, &multi(&format!("/p{server}"), CreateMode::Persistent)).err, 0);
        assert!(!world.running(0).tree().sessions().contains_key(&plain.session));
    }
    world.assert_alike();
}

/// The session is the leader's from then on: its touches go there, and its end is a transaction.
#[test]
fn an_upgraded_session_lives_and_expires_like_others() {
    let mut world = settled(true);
    for server in servers(&world) {
        let client = world.connect(server);
        let path = format!("/e{server}");
        assert_eq!(world.call(&client, &create(&path, CreateMode::Ephemeral)).err, 0);
        for _ in 0..40 {
            world.pass_ms(500);
            assert_eq!(world.call(&client, &Request::Ping).err, 0);
        }
        assert!(world.has(0, &path) && !world.is_closed(&client));
        let before = zxid(&world);
        world.pass_ms(12_000);
        assert!(world.is_closed(&client) && world.none_has(&path));
        assert_eq!(zxid(&world), before + 1);
    }
    world.assert_alike();
}

#[test]
fn without_upgrading_there_are_no_ephemeral_nodes() {
    let mut world = settled(false);
    for server in servers(&world) {
        let client = world.connect(server);
        let before = zxid(&world);
        let reply = world.call(&client, &create("/e", CreateMode::Ephemeral));
        assert_eq!((reply.err, reply.zxid), (-120, before + 1), "the refusal is a transaction");
        let reply = world.call(&client, &multi("/e", CreateMode::Ephemeral));
        assert_eq!(errors(&reply), [0, -120]);
        let reply = world.call(&client, &create("/none/e", CreateMode::Ephemeral));
        assert_eq!(reply.err, -120, "the session is looked at before the parent");
        assert_eq!(world.create(&client, &format!("/p{server}")).err, 0, "everything else works");
        assert_eq!(world.create(&client, &format!("/p{server}")).err, -110);
        assert!(!world.has(0, "/e"));
    }
    assert!(world.running(0).tree().sessions().is_empty());
    world.assert_alike();
}

#[test]
fn they_can_be_taken_up_where_they_are_known() {
    let mut world = settled(true);
    let [leader, follower] = servers(&world);
    let other = world.followers()[1];
    for (home, away) in [(leader, follower), (follower, leader), (follower, other)] {
        let client = world.connect(home);
        let again = world.revisit(home, client.session).expect("its own server knows it");
        assert!(world.is_closed(&client), "one connection speaks for a session");
        assert_eq!(world.create(&again, &format!("/{home}to{away}")).err, 0);
        assert_eq!(world.revisit(away, client.session), None, "nobody else does");
        assert_eq!(world.call(&again, &Request::Ping).err, 0, "and its server is not told");
    }
    assert!(world.running(leader).tree().sessions().is_empty());
    world.assert_alike();
}

#[test]
fn its_own_server_ends_a_silent_one() {
    let mut world = settled(true);
    for server in servers(&world) {
        let (quiet, lively) = (world.connect(server), world.connect(server));
        let before = zxid(&world);
        for _ in 0..30 {
            world.pass_ms(500);
            world.call(&lively, &Request::Ping);
        }
        assert!(world.is_closed(&quiet) && !world.is_closed(&lively));
        assert_eq!((zxid(&world), world.stats(server).local_sessions), (before, 1));
        assert_eq!(world.revisit(server, quiet.session), None);
        world.call(&lively, &Request::CloseSession);
    }
}

/// A write of a connection that is left behind takes a zxid, at the leader as at a follower, as at Apache.
#[test]
fn a_write_of_a_session_that_has_moved_is_a_transaction() {
    let mut world = settled(true);
    for home in servers(&world) {
        let stale = world.connect(home);
        assert_eq!(world.call(&stale, &create(&format!("/e{home}"), CreateMode::Ephemeral)).err, 0);
        let other = world.followers()[1];
        world.revisit(other, stale.session).expect("everybody knows it");
        let before = zxid(&world);
        world.ask(&stale, &create("/late", CreateMode::Persistent));
        world.come_to_rest();
        assert!(world.is_closed(&stale) && !world.has(other, "/late"));
        assert_eq!(zxid(&world), before + 1);
    }
    world.assert_alike();
}

/// Its server forgets it with its role; what it was made global for stays.
#[test]
fn the_loss_of_the_leader_ends_them() {
    let mut world = settled(true);
    let [leader, follower] = servers(&world);
    let (local, global) = (world.connect(follower), world.connect(follower));
    assert_eq!(world.call(&global, &create("/e", CreateMode::Ephemeral)).err, 0);
    world.kill(leader);
    world.settle();
    assert_eq!(world.revisit(follower, local.session), None);
    let again = world.revisit(follower, global.session).expect("everybody knows it");
    assert_eq!(world.create(&again, "/more").err, 0);
    assert!(world.has(follower, "/e"));
    world.assert_alike();
}

/// Answers keep their order behind writes that are under way, the last one too.
#[test]
fn the_end_waits_for_what_was_asked_before() {
    let mut world = settled(true);
    for server in servers(&world) {
        let client = world.connect(server);
        let path = format!("/n{server}");
        let xids = [
            world.ask(&client, &create(&path, CreateMode::Persistent)),
            world.ask(&client, &Request::CloseSession),
        ];
        world.come_to_rest();
        let replies = world.replies(&client);
        assert_eq!(replies.iter().map(|reply| reply.xid).collect::<Vec<_>>(), xids);
        assert!(world.is_closed(&client) && world.has(server, &path));
        assert_eq!(world.stats(server).local_sessions, 0);
    }
}

#[test]
fn an_ended_one_is_nowhere_any_more() {
    let mut world = settled(true);
    let leader = world.leading();
    let ended = world.connect(leader);
    world.call(&ended, &Request::CloseSession);
    for server in 0..3 {
        assert_eq!(world.revisit(server, ended.session), None);
    }
}

#[test]
fn an_observer_has_them_and_makes_them_global() {
    let mut world = World::settled(with_local_sessions(Setup::calm(1, 2, 1), true));
    assert_eq!(world.mode(2), "observer");
    let (local, global) = (world.connect(2), world.connect(2));
    assert_eq!(world.create(&local, "/n").err, 0);
    assert_eq!(world.call(&global, &create("/e", CreateMode::Ephemeral)).err, 0);
    assert_eq!(world.stats(2).local_sessions, 1);
    assert!(world.revisit(0, global.session).is_some());
    assert_eq!(world.revisit(0, local.session), None);
    world.assert_alike();
}

/// The follower that observers learn from took the requests of an observer's local session for those of a session that had gone
/// elsewhere, and refused them all.
#[test]
fn an_observers_own_session_writes_through_the_observers_master() {
    let setup = Setup { observer_masters: true, leader_serves: false, ..Setup::calm(1, 3, 1) };
    let mut world = World::settled(with_local_sessions(setup, true));
    let client = world.connect(3);
    let is_global = |world: &World| world.running(3).tree().sessions().contains_key(&client.session);
    assert_eq!(world.create(&client, "/a").err, 0);
    assert!(!is_global(&world), "only the observer knows it");
    assert_eq!(world.call(&client, &create("/a/b", CreateMode::Ephemeral)).err, 0);
    assert!(is_global(&world), "it owns a node");
    assert_eq!(world.create(&client, "/c").err, 0);
    world.assert_alike();
}
