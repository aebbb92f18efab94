//! What the members of an ensemble tell of themselves, and a leader that serves nobody.

mod cluster;

use cluster::*;
use wire::{Acl, OpCode, Request, SessionId};

fn make(path: &str, data: &str) -> Request<'static> {
    Request::Create {
        op: OpCode::Create,
        path: Some(path.to_owned().into()),
        data: Some(data.as_bytes().to_vec().into()),
        acl: Some(vec![Acl::open()]),
        flags: 0,
        ttl: -1,
    }
}

#[test]
fn each_role_tells_what_it_is() {
    let mut cluster = Cluster::new(3, 1);
    (1..=4).for_each(|id| cluster.start(id));
    cluster.settle();
    cluster.advance_ms(1000);
    let leader = cluster.leader();
    let member = |id: Id| cluster.node(id).server_stats().member.expect("a member");
    let leading = member(leader).leading.expect("it leads");
    assert_eq!((leading.learners, leading.synced_followers), (3, 2));
    assert_eq!(member(leader).synced_observers, Some(1));
    assert_eq!((leading.synced_non_voting_followers, leading.pending_syncs), (0, 0));
    assert_eq!(leading.last_proposal_bytes, -1);
    assert_eq!(member(leader).state.to_string(), "leading - broadcast");
    assert_eq!(member(leader).master, None);
    for id in cluster.followers() {
        let follower = member(id);
        assert_eq!(follower.state.to_string(), "following - broadcast");
        assert_eq!((follower.quorum_size, follower.leading, follower.synced_observers), (3, None, None));
    }
    assert_eq!(member(4).state.to_string(), "observing - broadcast");
    assert_eq!(member(4).master, Some(zab::ServerId(leader as i64)));
}

#[test]
fn transactions_are_counted_where_they_pass() {
    let mut cluster = Cluster::new(3, 1);
    (1..=4).for_each(|id| cluster.start(id));
    cluster.settle();
    let (leader, follower) = (cluster.leader(), cluster.followers()[0]);
    let client = cluster.connect(follower);
    for n in 0..9 {
        assert_eq!(cluster.create(&client, &format!("/n{n}")).err, 0);
    }
    let metrics = |id: Id| cluster.node(id).metrics().clone();
    // The session is the tenth.
    assert_eq!((metrics(leader).proposal_count, metrics(leader).commit_count), (10, 10));
    assert_eq!(metrics(leader).quorum_ack_latency.summary().count, 10);
    assert_eq!(metrics(leader).learner_commit_received_count, 0);
    for id in cluster.followers() {
        let metrics = metrics(id);
        assert_eq!(
            (metrics.learner_proposal_received_count, metrics.learner_commit_received_count),
            (10, 10)
        );
        assert_eq!(metrics.proposal_latency.summary().count, 10);
        assert_eq!(metrics.proposal_ack_creation_latency.summary().count, 10);
        assert_eq!((metrics.looking_count, metrics.election_time.count), (1, 1));
        assert_eq!((metrics.follower_sync_time.count, metrics.unavailable_time.count), (1, 1));
    }
    let observer = metrics(4);
    assert_eq!((observer.learner_proposal_received_count, observer.learner_commit_received_count), (0, 10));
    assert_eq!((observer.observer_sync_time.count, observer.election_time.count), (1, 0));
    assert_eq!(metrics(leader).diff_count + metrics(leader).snap_count, 3);
    let sizes = cluster.node(leader).server_stats().member.and_then(|member| member.leading);
    assert!(sizes.is_some_and(|leading| leading.min_proposal_bytes > 0 && leading.max_proposal_bytes > 0));
}

#[test]
fn all_members_know_how_many_sessions_there_are() {
    let mut cluster = Cluster::settled(3);
    let clients = [1, 2, 3].map(|id| cluster.connect(id));
    for client in clients {
        assert_eq!(cluster.node(client.server).server_stats().global_sessions, 3);
    }
    let follower = cluster.followers()[0];
    assert!(!cluster.node(follower).expires_sessions() && cluster.node(cluster.leader()).expires_sessions());
    let known: Vec<(SessionId, i32)> = cluster.node(follower).global_sessions().collect();
    let mut expected = clients.map(|client| (client.session, 10_000));
    expected.sort();
    assert_eq!(known, expected);
}

#[test]
fn without_a_leader_nobody_is_served_and_the_log_says_why() {
    let mut cluster = Cluster::settled(3);
    let (leader, followers) = (cluster.leader(), cluster.followers());
    assert!(cluster.node(followers[0]).is_serving());
    cluster.kill(followers[1]);
    cluster.kill(leader);
    cluster.run();
    assert!(!cluster.node(followers[0]).is_serving());
    let notes = cluster.notes(followers[0]);
    let told = |line: &str| notes.iter().any(|note| note == line);
    assert!(told("No longer following - broadcast: the connection to the leader broke"), "{notes:?}");
    assert!(told("LOOKING") && told("FOLLOWING") && told("Peer state changed: looking"), "{notes:?}");
    assert!(notes.iter().any(|note| note.starts_with("FOLLOWING - LEADER ELECTION TOOK - ")), "{notes:?}");
}

/// A hard quota refuses at the leader what a learner's client asks for: there it is counted, and nothing piles up.
#[test]
fn a_quota_exceeded_through_a_follower_is_told_by_the_leader() {
    let mut cluster = Cluster::new(3, 0);
    cluster.enforce_quota = true;
    (1..=3).for_each(|id| cluster.start(id));
    cluster.settle();
    let (leader, follower) = (cluster.leader(), cluster.followers()[0]);
    let client = cluster.connect(follower);
    for path in ["/a", "/zookeeper/quota/a"] {
        assert_eq!(cluster.create(&client, path).err, 0);
    }
    let limits = "count=-1,bytes=-1=;byteHardLimit=1000;countHardLimit=2";
    for (name, data) in [("zookeeper_limits", limits), ("zookeeper_stats", "count=0,bytes=0")] {
        assert_eq!(cluster.call(&client, &make(&format!("/zookeeper/quota/a/{name}"), data)).err, 0);
    }
    assert_eq!(cluster.create(&client, "/a/1").err, 0);
    assert_eq!(cluster.create(&client, "/a/2").err, -125);
    let exceeded = |id: Id| {
        let traffic = &cluster.node(id).metrics().traffic;
        traffic.iter().find(|(name, _)| *name == "a").and_then(|(_, traffic)| traffic.quota_exceeded)
    };
    assert_eq!((exceeded(leader), exceeded(follower)), (Some(1), None));
    let line = "Quota exceeded: /a [current count=3, hardCountLimit=2]".to_owned();
    assert!(cluster.notes(leader).contains(&line), "{:?}", cluster.notes(leader));
}

/// `leaderServes=no`: clients are sent away and words answer as without a quorum; followers serve.
#[test]
fn a_leader_that_does_not_serve_leaves_its_clients_to_the_followers() {
    let mut cluster = Cluster::new(3, 0);
    cluster.leader_serves = false;
    (1..=3).for_each(|id| cluster.start(id));
    cluster.settle();
    let (leader, follower) = (cluster.leader(), cluster.followers()[0]);
    assert_eq!(cluster.mode(leader), "leader");
    assert!(!cluster.node(leader).is_serving());
    assert_eq!(cluster.try_connect(leader, SessionId(0)), None);
    let client = cluster.connect(follower);
    assert_eq!(cluster.create(&client, "/a").err, 0);
    assert!(cluster.has(leader, "/a"));
    cluster.kill(leader);
    cluster.settle();
    let next = cluster.leader();
    assert!(!cluster.node(next).is_serving(), "whoever leads does not serve");
    let other = cluster.followers()[0];
    let again = cluster.try_connect(other, client.session).expect("the session lives on");
    assert_eq!(cluster.create(&again, "/b").err, 0);
}
