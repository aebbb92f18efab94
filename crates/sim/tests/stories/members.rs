//! What the members of an ensemble tell of themselves, and a leader that serves nobody.

use crate::three;
use sim::ensemble::{Setup, World};
use store::Lane;
use tree::TreeConfig;
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
    let mut world = World::settled(Setup::calm(1, 3, 1));
    world.pass_ms(1000);
    let leader = world.leading();
    let leading = world.member(leader).leading.expect("it leads");
    assert_eq!((leading.learners, leading.synced_followers), (3, 2));
    assert_eq!(world.member(leader).synced_observers, Some(1));
    assert_eq!((leading.synced_non_voting_followers, leading.pending_syncs), (0, 0));
    assert_eq!(leading.last_proposal_bytes, -1);
    assert_eq!(world.member(leader).state.to_string(), "leading - broadcast");
    assert_eq!(world.member(leader).master, None);
    for follower in world.followers() {
        let follower = world.member(follower);
        assert_eq!(follower.state.to_string(), "following - broadcast");
        assert_eq!((follower.quorum_size, follower.leading, follower.synced_observers), (3, None, None));
    }
    assert_eq!(world.member(3).state.to_string(), "observing - broadcast");
    assert_eq!(world.member(3).master, Some(zab::ServerId(leader as i64 + 1)));
}

#[test]
fn transactions_are_counted_where_they_pass() {
    let mut world = World::settled(Setup::calm(1, 3, 1));
    let (leader, follower) = (world.leading(), world.followers()[0]);
    let client = world.connect(follower);
    for n in 0..9 {
        assert_eq!(world.create(&client, &format!("/n{n}")).err, 0);
    }
    let metrics = |server: usize| world.running(server).metrics().clone();
    // The session is the tenth.
    assert_eq!((metrics(leader).proposal_count, metrics(leader).commit_count), (10, 10));
    assert_eq!(metrics(leader).quorum_ack_latency.summary().count, 10);
    assert_eq!(metrics(leader).learner_commit_received_count, 0);
    for follower in world.followers() {
        let metrics = metrics(follower);
        assert_eq!(
            (metrics.learner_proposal_received_count, metrics.learner_commit_received_count),
            (10, 10)
        );
        assert_eq!(metrics.proposal_latency.summary().count, 10);
        assert_eq!(metrics.proposal_ack_creation_latency.summary().count, 10);
        assert_eq!((metrics.looking_count, metrics.election_time.count), (1, 1));
        assert_eq!((metrics.follower_sync_time.count, metrics.unavailable_time.count), (1, 1));
    }
    let observer = metrics(3);
    assert_eq!((observer.learner_proposal_received_count, observer.learner_commit_received_count), (0, 10));
    assert_eq!((observer.observer_sync_time.count, observer.election_time.count), (1, 0));
    assert_eq!(metrics(leader).diff_count + metrics(leader).snap_count, 3);
    let learners: Vec<i64> = metrics(leader).learners.iter().map(|(server, _)| server.0 - 1).collect();
    assert_eq!(learners.len(), 3, "all but itself: {learners:?}");
    assert!(
        metrics(leader).learners.iter().all(|(_, of)| of.queue_size.is_some() && of.queue_time_ms.is_some())
    );
    let sizes = world.member(leader).leading.expect("it leads");
    assert!(sizes.min_proposal_bytes > 0 && sizes.max_proposal_bytes > 0);
}

#[test]
fn all_members_know_how_many_sessions_there_are() {
    let mut world = World::settled(three());
    let clients = [0, 1, 2].map(|server| world.connect(server));
    for client in clients {
        assert_eq!(world.stats(client.server).global_sessions, 3);
    }
    let follower = world.running(world.followers()[0]);
    assert!(!follower.expires_sessions() && world.running(world.leading()).expires_sessions());
    let known: Vec<(SessionId, i32)> = follower.global_sessions().collect();
    let mut expected = clients.map(|client| (client.session, 10_000));
    expected.sort();
    assert_eq!(known, expected);
}

#[test]
fn without_a_leader_nobody_is_served_and_the_log_says_why() {
    let mut world = World::settled(three());
    let (leader, followers) = (world.leading(), world.followers());
    assert!(world.running(followers[0]).is_serving());
    world.kill(followers[1]);
    world.kill(leader);
    world.come_to_rest();
    assert!(!world.running(followers[0]).is_serving());
    let notes = world.notes(followers[0]);
    let told = |line: &str| notes.iter().any(|note| note == line);
    assert!(told("No longer following - broadcast: the connection to the leader broke"), "{notes:?}");
    assert!(told("LOOKING") && told("FOLLOWING") && told("Peer state changed: looking"), "{notes:?}");
    assert!(notes.iter().any(|note| note.starts_with("FOLLOWING - LEADER ELECTION TOOK - ")), "{notes:?}");
}

/// A hard quota refuses at the leader what a learner's client asks for: there it is counted, and nothing piles up.
#[test]
fn a_quota_exceeded_through_a_follower_is_told_by_the_leader() {
    let tree = TreeConfig { enforce_quota: true, ..TreeConfig::default() };
    let mut world = World::settled(Setup { tree, ..three() });
    let (leader, follower) = (world.leading(), world.followers()[0]);
    let client = world.connect(follower);
    for path in ["/a", "/zookeeper/quota/a"] {
        assert_eq!(world.create(&client, path).err, 0);
    }
    let limits = "count=-1,bytes=-1=;byteHardLimit=1000;countHardLimit=2";
    for (name, data) in [("zookeeper_limits", limits), ("zookeeper_stats", "count=0,bytes=0")] {
        assert_eq!(world.call(&client, &make(&format!("/zookeeper/quota/a/{name}"), data)).err, 0);
    }
    assert_eq!(world.create(&client, "/a/1").err, 0);
    assert_eq!(world.create(&client, "/a/2").err, -125);
    let exceeded = |server: usize| {
        let traffic = &world.running(server).metrics().traffic;
        traffic.iter().find(|(name, _)| *name == "a").and_then(|(_, traffic)| traffic.quota_exceeded)
    };
    assert_eq!((exceeded(leader), exceeded(follower)), (Some(1), None));
    let line = "Quota exceeded: /a [current count=3, hardCountLimit=2]".to_owned();
    assert!(world.notes(leader).contains(&line), "{:?}", world.notes(leader));
}

/// `leaderServes=no`: clients are sent away and words answer as without a quorum; followers serve.
#[test]
fn a_leader_that_does_not_serve_leaves_its_clients_to_the_followers() {
    let mut world = World::settled(Setup { leader_serves: false, ..three() });
    let (leader, follower) = (world.leading(), world.followers()[0]);
    assert_eq!(world.mode(leader), "leader");
    assert!(!world.running(leader).is_serving());
    assert_eq!(world.visit(leader), None);
    let client = world.connect(follower);
    assert_eq!(world.create(&client, "/a").err, 0);
    assert!(world.has(leader, "/a"));
    world.kill(leader);
    world.settle();
    assert!(!world.running(world.leading()).is_serving(), "whoever leads does not serve");
    let other = world.followers()[0];
    let again = world.revisit(other, client.session).expect("the session lives on");
    assert_eq!(world.create(&again, "/b").err, 0);
}

/// Servers were asked to stop under load, with slow disks: while one closed its log, the others' requests went on coming.
#[test]
fn a_server_that_closes_its_log_takes_no_more_transactions() {
    for leads in [true, false] {
        let mut world = World::settled(three());
        let [follower, other] = world.followers()[..] else { panic!("two followers") };
        let stopped = if leads { world.leading() } else { follower };
        let client = world.connect(other);
        assert_eq!(world.create(&client, "/before").err, 0);
        world.hold_disk(stopped, Lane::Log);
        world.ask_to_stop(stopped);
        world.come_to_rest();
        assert_ne!(world.mode(stopped), "down", "its disk has something to do");
        world.ask(&client, &make("/meanwhile", ""));
        world.come_to_rest();
        world.free_disk(stopped);
        world.come_to_rest();
        assert_eq!(world.mode(stopped), "down");
        world.start_all();
        assert!(world.all_have("/before") && (leads || world.all_have("/meanwhile")));
        world.assert_alike();
    }
}
