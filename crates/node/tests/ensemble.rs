//! Servers that replicate: what clients of an ensemble see.

mod cluster;

use cluster::*;
use store::Lane;
use wire::{CreateMode, OpCode, Request, Response, SessionId, event_type};

#[test]
fn three_servers_elect_one_and_replicate() {
    let mut cluster = Cluster::settled(3);
    let followers = cluster.followers();
    assert_eq!(followers.len(), 2);
    let client = cluster.connect(followers[0]);
    let reply = cluster.create(&client, "/a");
    assert_eq!(
        (reply.err, reply.zxid),
        (0, 0x1_0000_0002),
        "the session was the first transaction of the epoch"
    );
    for id in 1..=3 {
        assert!(cluster.has(id, "/a"), "server {id}");
    }
    cluster.assert_equal();
}

#[test]
fn everybody_tells_the_configuration() {
    let mut cluster = Cluster::settled(3);
    for id in 1..=3 {
        let client = cluster.connect(id);
        let reply =
            cluster.call(&client, &Request::GetData { path: Some("/zookeeper/config".into()), watch: false });
        let Response::Data(Some(data), stat) = reply.response(OpCode::GetData) else { panic!("{reply:?}") };
        let text = String::from_utf8(data.into_owned()).expect("text");
        let lines: Vec<&str> = text.split('\n').collect();
        assert_eq!(lines[0], "server.1=host1:2888:3888:participant");
        assert_eq!(lines[3], "version=0");
        assert_eq!((lines.len(), stat.version, stat.aversion, stat.mzxid), (4, -1, -1, 0));
    }
}

#[test]
fn two_of_three_are_enough_and_the_third_catches_up() {
    let mut cluster = Cluster::new(3, 0);
    cluster.start(1);
    cluster.start(2);
    cluster.settle();
    assert_eq!(cluster.leader(), 2);
    let client = cluster.connect(1);
    for n in 0..20 {
        assert_eq!(cluster.create(&client, &format!("/n{n}")).err, 0);
    }
    cluster.start(3);
    cluster.settle();
    assert_eq!(cluster.mode(3), "follower");
    cluster.assert_equal();
    assert_eq!(cluster.create(&client, "/more").err, 0);
    cluster.assert_equal();
}

#[test]
fn one_of_three_serves_nobody() {
    let mut cluster = Cluster::new(3, 0);
    cluster.start(1);
    cluster.advance_ms(5000);
    assert_eq!(cluster.mode(1), "looking");
    assert_eq!(cluster.try_connect(1, SessionId(0)), None);
}

#[test]
fn the_loss_of_the_leader_loses_nothing() {
    let mut cluster = Cluster::settled(3);
    let (first, other) = (cluster.leader(), cluster.followers()[0]);
    let client = cluster.connect(other);
    assert_eq!(cluster.create(&client, "/before").err, 0);
    cluster.kill(first);
    cluster.settle();
    assert!(cluster.is_closed(&client), "its server had no leader for a while");
    let again = cluster.try_connect(other, client.session).expect("the session lives on");
    assert_eq!(cluster.create(&again, "/after").err, 0);
    cluster.start(first);
    cluster.settle();
    assert_eq!(cluster.mode(first), "follower");
    assert!(cluster.has(first, "/before") && cluster.has(first, "/after"));
    cluster.assert_equal();
}

#[test]
fn a_deposed_leader_gives_up_what_nobody_else_had() {
    let mut cluster = Cluster::settled(3);
    let (old, others) = (cluster.leader(), cluster.followers());
    let client = cluster.connect(old);
    assert_eq!(cluster.create(&client, "/agreed").err, 0);
    cluster.send(&client, &create("/alone", CreateMode::Persistent));
    cluster.isolate(old);
    cluster.settle();
    assert_eq!(cluster.replies(&client), []);
    let other = cluster.connect(others[0]);
    assert_eq!(cluster.create(&other, "/meanwhile").err, 0);
    cluster.reconnect_server(old);
    cluster.advance_ms(20_000);
    cluster.settle();
    assert_eq!(cluster.mode(old), "follower");
    assert!(!cluster.has(old, "/alone") && cluster.has(old, "/meanwhile") && cluster.has(old, "/agreed"));
    cluster.assert_equal();
}

/// A leader that has just started knows the end of its log: a server that was left alone with more of the same epoch is cut back,
/// as Apache's leader does it, and needs no snapshot.
#[test]
fn a_leader_remembers_the_end_of_its_log_over_a_restart() {
    let mut cluster = Cluster::settled(3);
    let (alone, others) = (cluster.leader(), cluster.followers());
    let client = cluster.connect(alone);
    assert_eq!(cluster.create(&client, "/agreed").err, 0);
    others.iter().for_each(|id| cluster.kill(*id));
    cluster.send(&client, &create("/alone", CreateMode::Persistent));
    cluster.run();
    cluster.kill(alone);
    others.iter().for_each(|id| cluster.start(*id));
    cluster.settle();
    cluster.start(alone);
    cluster.settle();
    assert!(!cluster.has(alone, "/alone") && cluster.has(alone, "/agreed"));
    let cut = |note: &String| note.starts_with("Truncating log to get in sync with the leader");
    assert!(cluster.notes(alone).iter().any(cut), "{:#?}", cluster.notes(alone));
    cluster.assert_equal();
}

#[test]
fn all_restart_from_their_disks() {
    let mut cluster = Cluster::settled(3);
    let client = cluster.connect(2);
    for n in 0..10 {
        assert_eq!(cluster.create(&client, &format!("/n{n}")).err, 0);
    }
    (1..=3).for_each(|id| cluster.kill(id));
    (1..=3).for_each(|id| cluster.start(id));
    cluster.settle();
    let again = cluster.try_connect(1, client.session).expect("sessions outlive restarts");
    let reply = cluster.create(&again, "/x");
    assert_eq!((reply.err, reply.zxid), (0, 0x2_0000_0001));
    assert!(cluster.has(1, "/n9"));
    cluster.assert_equal();
}

#[test]
fn errors_and_reads_keep_their_order_at_a_follower() {
    let mut cluster = Cluster::settled(3);
    let client = cluster.connect(1);
    let get = Request::Exists { path: Some("/a".into()), watch: false };
    let xids = [
        cluster.send(&client, &create("/a/b", CreateMode::Persistent)),
        cluster.send(&client, &create("/a", CreateMode::Persistent)),
        cluster.send(&client, &get),
        cluster.send(&client, &Request::Sync { path: Some("/".into()) }),
        cluster.send(&client, &create("/a", CreateMode::Persistent)),
    ];
    cluster.run();
    let replies = cluster.replies(&client);
    assert_eq!(replies.iter().map(|reply| reply.xid).collect::<Vec<_>>(), xids);
    assert_eq!(replies.iter().map(|reply| reply.err).collect::<Vec<_>>(), [-101, 0, 0, 0, -110]);
    assert!(replies.is_sorted_by_key(|reply| reply.zxid));
    cluster.assert_equal();
}

/// Only a leader looks for containers; the others must not wake up for it, again and again.
#[test]
fn an_idle_minute_leaves_everybody_asleep() {
    let mut cluster = Cluster::settled(3);
    cluster.advance_ms(130_000);
    assert_eq!(cluster.followers().len(), 2);
}

#[test]
fn watches_fire_wherever_they_are() {
    let mut cluster = Cluster::settled(3);
    let (watcher, writer) = (cluster.connect(1), cluster.connect(2));
    cluster.call(&watcher, &Request::Exists { path: Some("/a".into()), watch: true });
    cluster.create(&writer, "/a");
    let events: Vec<_> = cluster.replies(&watcher).iter().map(Reply::event).collect();
    assert_eq!(events, [(event_type::NODE_CREATED, "/a".to_owned())]);
}

#[test]
fn a_session_moves_from_server_to_server() {
    let mut cluster = Cluster::settled(3);
    for (from, to) in [(1, 2), (1, 3), (3, 1), (2, 2)] {
        let client = cluster.connect(from);
        let path = format!("/from{from}to{to}");
        cluster.call(&client, &create(&path, CreateMode::Ephemeral));
        let moved = cluster.try_connect(to, client.session).expect("it is valid everywhere");
        if from != to {
            cluster.send(&client, &create("/late", CreateMode::Persistent));
            cluster.run();
            assert!(cluster.is_closed(&client), "the old connection may not write any more");
            assert!(!cluster.has(to, "/late"));
        }
        assert_eq!(cluster.create(&moved, &format!("/at{from}{to}")).err, 0);
        assert_eq!(cluster.call(&moved, &Request::CloseSession).err, 0);
        assert!((1..=3).all(|id| !cluster.has(id, &path)), "its ephemerals are gone everywhere");
    }
    cluster.assert_equal();
}

#[test]
fn silence_ends_a_session_everywhere() {
    let mut cluster = Cluster::settled(3);
    let (quiet, lively) = (cluster.connect(1), cluster.connect(2));
    cluster.call(&quiet, &create("/quiet", CreateMode::Ephemeral));
    cluster.call(&lively, &create("/lively", CreateMode::Ephemeral));
    for _ in 0..30 {
        cluster.advance_ms(500);
        cluster.call(&lively, &Request::Ping);
    }
    assert!(cluster.is_closed(&quiet) && !cluster.is_closed(&lively));
    assert!((1..=3).all(|id| !cluster.has(id, "/quiet") && cluster.has(id, "/lively")));
    assert_eq!(cluster.try_connect(2, quiet.session), None);
}

#[test]
fn a_server_far_behind_gets_a_snapshot() {
    let mut cluster = Cluster::new(3, 0);
    cluster.settings.store.snap_count = 10;
    cluster.start(1);
    cluster.start(2);
    cluster.settle();
    let client = cluster.connect(1);
    for n in 0..2000 {
        assert_eq!(cluster.create(&client, &format!("/n{n}")).err, 0);
    }
    cluster.start(3);
    cluster.settle();
    cluster.assert_equal();
    cluster.kill(3);
    assert_eq!(cluster.create(&client, "/meanwhile").err, 0);
    cluster.start(3);
    cluster.settle();
    assert!(cluster.has(3, "/n1999") && cluster.has(3, "/meanwhile"));
    cluster.assert_equal();
}

/// What follows a snapshot on the wire must not be lost while the snapshot is on its way to the disk.
#[test]
fn writes_go_on_while_a_snapshot_is_installed() {
    let mut cluster = Cluster::new(3, 0);
    cluster.force_snapshot = true;
    cluster.start(1);
    cluster.start(2);
    cluster.settle();
    let client = cluster.connect(1);
    assert_eq!(cluster.create(&client, "/before").err, 0);
    cluster.hold_disk = Some((3, Lane::Snapshot));
    cluster.start(3);
    for n in 0..20 {
        cluster.advance_ms(50);
        assert_eq!(cluster.create(&client, &format!("/n{n}")).err, 0);
    }
    assert_eq!(cluster.mode(3), "looking", "its snapshot is not on its disk");
    cluster.release_disk();
    cluster.settle();
    assert_eq!(cluster.mode(3), "follower");
    assert!(cluster.has(3, "/before") && cluster.has(3, "/n19"));
    cluster.assert_equal();
}

/// A sync comes right behind a write that is not even proposed yet: it is not answered before that write is committed.
#[test]
fn a_sync_waits_for_a_write_that_came_with_it() {
    let mut cluster = Cluster::settled(3);
    let leader = cluster.leader();
    let [slow, other] = cluster.followers()[..] else { panic!("two followers") };
    let (writer, reader) = (cluster.connect(slow), cluster.connect(slow));
    cluster.kill(other);
    cluster.settle();
    assert_eq!(cluster.leader(), leader);
    cluster.hold_disk = Some((slow, Lane::Log));
    cluster.send(&writer, &create("/before", CreateMode::Persistent));
    cluster.send(&reader, &Request::Sync { path: Some("/".into()) });
    cluster.run();
    assert_eq!(cluster.replies(&reader), [], "the write has no quorum");
    cluster.release_disk();
    assert_eq!((cluster.replies(&writer).len(), cluster.replies(&reader).len()), (1, 1));
}

/// The role ends while one batch is with the disk and another one waits: the batch's end is all that happens then.
#[test]
fn a_slow_disk_does_not_keep_a_server_from_the_next_election() {
    let mut cluster = Cluster::settled(3);
    let (leader, slow) = (cluster.leader(), cluster.followers()[0]);
    let client = cluster.connect(leader);
    cluster.hold_disk = Some((slow, Lane::Log));
    for path in ["/with-the-disk", "/waiting"] {
        assert_eq!(cluster.create(&client, path).err, 0);
    }
    cluster.kill(leader);
    assert_eq!(cluster.mode(slow), "looking");
    cluster.release_disk();
    cluster.settle();
    assert!(cluster.has(slow, "/waiting"));
    cluster.assert_equal();
}

#[test]
fn an_observer_serves_and_does_not_vote() {
    let mut cluster = Cluster::new(3, 1);
    for id in [1, 2, 4] {
        cluster.start(id);
    }
    cluster.settle();
    assert_eq!(cluster.mode(4), "observer");
    let client = cluster.connect(4);
    assert_eq!(cluster.create(&client, "/a").err, 0);
    let reply = cluster.call(&client, &Request::GetChildren { path: Some("/".into()), watch: false });
    let Response::Children(Some(names)) = reply.response(OpCode::GetChildren) else { panic!("{reply:?}") };
    assert_eq!(names.len(), 2);
    cluster.kill(1);
    cluster.advance_ms(20_000);
    assert_eq!((cluster.mode(2), cluster.mode(4)), ("looking", "looking"));
}
