//! Sessions that only one server knows, until they want more (reference: client-protocol §8.3, quorum-protocol §6.6).

mod cluster;

use cluster::*;
use wire::{CreateMode, MultiOp, MultiResult, OpCode, Request, Response};

fn settled(upgrading: bool) -> Cluster {
    let mut cluster = Cluster::new(3, 0);
    cluster.settings.local_sessions_enabled = true;
    cluster.settings.local_sessions_upgrading_enabled = upgrading;
    (1..=3).for_each(|id| cluster.start(id));
    cluster.settle();
    cluster
}

fn zxid(cluster: &Cluster) -> i64 {
    cluster.node(cluster.leader()).tree().last_zxid().0
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
fn servers(cluster: &Cluster) -> [Id; 2] {
    [cluster.leader(), cluster.followers()[0]]
}

#[test]
fn they_begin_write_and_end_without_a_transaction_of_their_own() {
    let mut cluster = settled(true);
    for server in servers(&cluster) {
        let before = zxid(&cluster);
        let client = cluster.connect(server);
        assert_eq!(client.session.0 as u64 >> 56, server as u64);
        assert_eq!(zxid(&cluster), before);
        let reply = cluster.create(&client, &format!("/n{server}"));
        assert_eq!((reply.err, reply.zxid), (0, before + 1));
        let stats = cluster.node(server).server_stats();
        assert_eq!((stats.local_sessions, stats.global_sessions), (1, 0));
        assert_eq!(cluster.call(&client, &Request::CloseSession).err, 0);
        assert!(cluster.is_closed(&client));
        assert_eq!((zxid(&cluster), cluster.node(server).server_stats().local_sessions), (before + 1, 0));
        assert_eq!(cluster.try_connect(server, client.session), None);
    }
    cluster.assert_equal();
}

#[test]
fn an_ensemble_of_one_has_them_too() {
    let mut cluster = Cluster::new(1, 0);
    cluster.settings.local_sessions_enabled = true;
    cluster.start(1);
    cluster.settle();
    let client = cluster.connect(1);
    assert_eq!(cluster.node(1).server_stats().local_sessions, 1);
    assert_eq!(cluster.create(&client, "/a").err, 0);
}

#[test]
fn an_ephemeral_node_makes_a_session_global() {
    let mut cluster = settled(true);
    for (n, server) in servers(&cluster).into_iter().enumerate() {
        let client = cluster.connect(server);
        let before = zxid(&cluster);
        let path = format!("/e{server}");
        // All in one breath: the session's beginning goes first, and the order stays.
        let xids = [
            cluster.send(&client, &create(&path, CreateMode::Ephemeral)),
            cluster.send(&client, &Request::Exists { path: Some(path.as_str().into()), watch: false }),
            cluster.send(&client, &create(&path, CreateMode::Ephemeral)),
        ];
        cluster.run();
        let replies = cluster.replies(&client);
        assert_eq!(replies.iter().map(|reply| reply.xid).collect::<Vec<_>>(), xids);
        assert_eq!(replies.iter().map(|reply| reply.err).collect::<Vec<_>>(), [0, 0, -110]);
        assert_eq!(replies[0].zxid, before + 2, "the session is the transaction before");
        for id in 1..=3 {
            let node = cluster.node(id);
            assert!(node.tree().sessions().contains_key(&client.session) && cluster.has(id, &path));
            let stats = node.server_stats();
            assert_eq!((stats.local_sessions, stats.global_sessions), (0, n + 1), "server {id}");
        }
        let other = cluster.followers()[1];
        let moved = cluster.try_connect(other, client.session).expect("everybody knows it");
        assert_eq!(cluster.create(&moved, &format!("/moved{server}")).err, 0);
        let again = cluster.try_connect(server, client.session).expect("everybody knows it");
        assert_eq!(cluster.create(&again, &format!("/again{server}")).err, 0);
    }
    cluster.assert_equal();
}

#[test]
fn an_ephemeral_node_in_a_multi_does_it_too() {
    let mut cluster = settled(true);
    for server in servers(&cluster) {
        let client = cluster.connect(server);
        let path = format!("/e{server}");
        assert_eq!(cluster.call(&client, &multi(&path, CreateMode::Ephemeral)).err, 0);
        assert!(cluster.node(1).ephemerals().contains(&(client.session, vec![path])));
        assert!(cluster.node(1).tree().sessions().contains_key(&client.session));
        let plain = cluster.connect(server);
        assert_eq!(cluster.call(&plain, &multi(&format!("/p{server}"), CreateMode::Persistent)).err, 0);
        assert!(!cluster.node(1).tree().sessions().contains_key(&plain.session));
    }
    cluster.assert_equal();
}

/// The session is the leader's from then on: its touches go there, and its end is a transaction.
#[test]
fn an_upgraded_session_lives_and_expires_like_others() {
    let mut cluster = settled(true);
    for server in servers(&cluster) {
        let client = cluster.connect(server);
        let path = format!("/e{server}");
        assert_eq!(cluster.call(&client, &create(&path, CreateMode::Ephemeral)).err, 0);
        for _ in 0..40 {
            cluster.advance_ms(500);
            assert_eq!(cluster.call(&client, &Request::Ping).err, 0);
        }
        assert!(cluster.has(1, &path) && !cluster.is_closed(&client));
        let before = zxid(&cluster);
        cluster.advance_ms(12_000);
        assert!(cluster.is_closed(&client) && (1..=3).all(|id| !cluster.has(id, &path)));
        assert_eq!(zxid(&cluster), before + 1);
    }
    cluster.assert_equal();
}

#[test]
fn without_upgrading_there_are_no_ephemeral_nodes() {
    let mut cluster = settled(false);
    for server in servers(&cluster) {
        let client = cluster.connect(server);
        let before = zxid(&cluster);
        let reply = cluster.call(&client, &create("/e", CreateMode::Ephemeral));
        assert_eq!((reply.err, reply.zxid), (-120, before + 1), "the refusal is a transaction");
        let reply = cluster.call(&client, &multi("/e", CreateMode::Ephemeral));
        assert_eq!(errors(&reply), [0, -120]);
        let reply = cluster.call(&client, &create("/none/e", CreateMode::Ephemeral));
        assert_eq!(reply.err, -120, "the session is looked at before the parent");
        assert_eq!(cluster.create(&client, &format!("/p{server}")).err, 0, "everything else works");
        assert_eq!(cluster.create(&client, &format!("/p{server}")).err, -110);
        assert!(!cluster.has(1, "/e"));
    }
    assert!(cluster.node(1).tree().sessions().is_empty());
    cluster.assert_equal();
}

#[test]
fn they_can_be_taken_up_where_they_are_known() {
    let mut cluster = settled(true);
    let [leader, follower] = servers(&cluster);
    let other = cluster.followers()[1];
    for (home, away) in [(leader, follower), (follower, leader), (follower, other)] {
        let client = cluster.connect(home);
        let again = cluster.try_connect(home, client.session).expect("its own server knows it");
        assert!(cluster.is_closed(&client), "one connection speaks for a session");
        assert_eq!(cluster.create(&again, &format!("/{home}to{away}")).err, 0);
        assert_eq!(cluster.try_connect(away, client.session), None, "nobody else does");
        assert_eq!(cluster.call(&again, &Request::Ping).err, 0, "and its server is not told");
    }
    assert!(cluster.node(leader).tree().sessions().is_empty());
    cluster.assert_equal();
}

#[test]
fn its_own_server_ends_a_silent_one() {
    let mut cluster = settled(true);
    for server in servers(&cluster) {
        let (quiet, lively) = (cluster.connect(server), cluster.connect(server));
        let before = zxid(&cluster);
        for _ in 0..30 {
            cluster.advance_ms(500);
            cluster.call(&lively, &Request::Ping);
        }
        assert!(cluster.is_closed(&quiet) && !cluster.is_closed(&lively));
        assert_eq!((zxid(&cluster), cluster.node(server).server_stats().local_sessions), (before, 1));
        assert_eq!(cluster.try_connect(server, quiet.session), None);
        cluster.call(&lively, &Request::CloseSession);
    }
}

/// A write of a connection that is left behind takes a zxid, at the leader as at a follower, as at Apache.
#[test]
fn a_write_of_a_session_that_has_moved_is_a_transaction() {
    let mut cluster = settled(true);
    for home in servers(&cluster) {
        let stale = cluster.connect(home);
        assert_eq!(cluster.call(&stale, &create(&format!("/e{home}"), CreateMode::Ephemeral)).err, 0);
        let other = cluster.followers()[1];
        cluster.try_connect(other, stale.session).expect("everybody knows it");
        let before = zxid(&cluster);
        cluster.send(&stale, &create("/late", CreateMode::Persistent));
        cluster.run();
        assert!(cluster.is_closed(&stale) && !cluster.has(other, "/late"));
        assert_eq!(zxid(&cluster), before + 1);
    }
    cluster.assert_equal();
}

/// Its server forgets it with its role; what it was made global for stays.
#[test]
fn the_loss_of_the_leader_ends_them() {
    let mut cluster = settled(true);
    let [leader, follower] = servers(&cluster);
    let (local, global) = (cluster.connect(follower), cluster.connect(follower));
    assert_eq!(cluster.call(&global, &create("/e", CreateMode::Ephemeral)).err, 0);
    cluster.kill(leader);
    cluster.settle();
    assert_eq!(cluster.try_connect(follower, local.session), None);
    let again = cluster.try_connect(follower, global.session).expect("everybody knows it");
    assert_eq!(cluster.create(&again, "/more").err, 0);
    assert!(cluster.has(follower, "/e"));
    cluster.assert_equal();
}

/// Answers keep their order behind writes that are under way, the last one too.
#[test]
fn the_end_waits_for_what_was_asked_before() {
    let mut cluster = settled(true);
    for server in servers(&cluster) {
        let client = cluster.connect(server);
        let path = format!("/n{server}");
        let xids = [
            cluster.send(&client, &create(&path, CreateMode::Persistent)),
            cluster.send(&client, &Request::CloseSession),
        ];
        cluster.run();
        let replies = cluster.replies(&client);
        assert_eq!(replies.iter().map(|reply| reply.xid).collect::<Vec<_>>(), xids);
        assert!(cluster.is_closed(&client) && cluster.has(server, &path));
        assert_eq!(cluster.node(server).server_stats().local_sessions, 0);
    }
}

#[test]
fn an_ended_one_is_nowhere_any_more() {
    let mut cluster = settled(true);
    let leader = cluster.leader();
    let ended = cluster.connect(leader);
    cluster.call(&ended, &Request::CloseSession);
    for server in 1..=3 {
        assert_eq!(cluster.try_connect(server, ended.session), None);
    }
}

#[test]
fn an_observer_has_them_and_makes_them_global() {
    let mut cluster = Cluster::new(2, 1);
    cluster.settings.local_sessions_enabled = true;
    cluster.settings.local_sessions_upgrading_enabled = true;
    (1..=3).for_each(|id| cluster.start(id));
    cluster.settle();
    assert_eq!(cluster.mode(3), "observer");
    let (local, global) = (cluster.connect(3), cluster.connect(3));
    assert_eq!(cluster.create(&local, "/n").err, 0);
    assert_eq!(cluster.call(&global, &create("/e", CreateMode::Ephemeral)).err, 0);
    assert_eq!(cluster.node(3).server_stats().local_sessions, 1);
    assert!(cluster.try_connect(1, global.session).is_some());
    assert_eq!(cluster.try_connect(1, local.session), None);
    cluster.assert_equal();
}
