//! Answers come in the order of requests, and nothing is said before it is durable (reference: client-protocol §10).

mod world;

use wire::{CreateMode, Encode, ErrorCode, OpCode, Request, Response, event_type};
use world::{Reply, World, auth, create, exists, frame_of, get, set};

fn xids(replies: &[Reply]) -> Vec<i32> {
    replies.iter().map(|reply| reply.xid).collect()
}

#[test]
fn a_write_is_answered_when_it_is_durable() {
    let mut world = World::new();
    let client = world.connect();
    world.hold_log = true;
    world.send(&client, 1, &create("/a", CreateMode::Persistent));
    world.run();
    assert_eq!(world.replies(&client), []);
    assert!(world.node().tree().node("/a").is_none(), "and applied no earlier");
    world.release_log();
    assert_eq!(xids(&world.replies(&client)), [1]);
}

#[test]
fn reads_wait_behind_the_sessions_own_writes_only() {
    let mut world = World::new();
    let (writer, reader) = (world.connect(), world.connect());
    world.hold_log = true;
    world.send(&writer, 1, &create("/a", CreateMode::Persistent));
    world.send(&writer, 2, &exists("/a", false));
    world.send(&reader, 1, &exists("/a", false));
    world.run();
    assert_eq!(world.replies(&writer), []);
    assert_eq!(world.replies(&reader)[0].code(), Some(ErrorCode::NoNode), "the others are not held up");
    world.release_log();
    let replies = world.replies(&writer);
    assert_eq!(replies.iter().map(|r| (r.xid, r.err)).collect::<Vec<_>>(), [(1, 0), (2, 0)]);
}

/// A read between two writes of its session sees the first and not the second, even if both are durable at once.
#[test]
fn a_read_sees_exactly_the_writes_before_it() {
    let mut world = World::new();
    let client = world.connect();
    world.create_ok(&client, "/a");
    world.hold_log = true;
    world.send(&client, 1, &set("/a", "one", -1));
    world.send(&client, 2, &get("/a", false));
    world.send(&client, 3, &set("/a", "two", -1));
    world.send(&client, 4, &get("/a", false));
    world.run();
    world.release_log();
    let replies = world.replies(&client);
    assert_eq!(xids(&replies), [1, 2, 3, 4]);
    for (reply, data) in [(&replies[1], "one"), (&replies[3], "two")] {
        let Response::Data(Some(bytes), _) = reply.response(OpCode::GetData) else { panic!("{reply:?}") };
        assert_eq!(&*bytes, data.as_bytes());
    }
}

#[test]
fn everything_that_came_meanwhile_is_one_batch() {
    let mut world = World::new();
    let clients: Vec<_> = (0..10).map(|_| world.connect()).collect();
    let before = world.log_batches;
    world.hold_log = true;
    for (i, client) in clients.iter().enumerate() {
        let path = format!("/n{i}");
        world.send(client, 1, &create(&path, CreateMode::Persistent));
        world.run();
    }
    world.release_log();
    assert_eq!(world.log_batches - before, 2, "the first write alone, then all the others");
    for client in &clients {
        assert_eq!(xids(&world.replies(client)), [1]);
    }
}

/// Surprise 37.
#[test]
fn a_notification_precedes_the_writers_own_reply() {
    let mut world = World::new();
    let client = world.connect();
    world.create_ok(&client, "/a");
    world.call(&client, &get("/a", true));
    let replies = world.exchange(&client, &set("/a", "x", -1));
    assert_eq!(replies.len(), 2);
    assert_eq!(replies[0].event(), (event_type::NODE_DATA_CHANGED, "/a".to_owned()));
    assert_eq!(replies[0].zxid, replies[1].zxid, "the event carries the transaction's zxid");
}

/// §7.4: nobody sees a value before the event.
#[test]
fn a_notification_precedes_every_read_of_the_new_value() {
    let mut world = World::new();
    let (writer, watcher) = (world.connect(), world.connect());
    world.create_ok(&writer, "/a");
    world.call(&watcher, &get("/a", true));
    world.send(&writer, 1, &set("/a", "new", -1));
    world.run();
    world.send(&watcher, 2, &get("/a", false));
    world.run();
    let replies = world.replies(&watcher);
    assert_eq!(xids(&replies), [-1, 2]);
}

/// Surprise 66 and our difference to surprise 8: auth replies keep their place, the credential counts at once.
#[test]
fn auth_replies_keep_their_place() {
    let mut world = World::new();
    let client = world.connect();
    world.hold_log = true;
    world.send(&client, 1, &create("/a", CreateMode::Persistent));
    world.send(&client, -4, &auth("digest", "bob:secret"));
    world.send(&client, 2, &Request::WhoAmI);
    world.run();
    assert_eq!(world.replies(&client), []);
    world.release_log();
    let replies = world.replies(&client);
    assert_eq!(xids(&replies), [1, -4, 2]);
    assert_eq!((replies[1].zxid, replies[1].err), (0, 0));
    let Response::WhoAmI(Some(infos)) = replies[2].response(OpCode::WhoAmI) else { panic!() };
    assert_eq!(infos.len(), 2);
}

/// A read that waits is judged by the credentials it came with.
#[test]
fn credentials_are_those_of_the_moment_of_arrival() {
    let mut world = World::new();
    let client = world.connect();
    world.hold_log = true;
    world.send(&client, 1, &create("/a", CreateMode::Persistent));
    world.send(&client, 2, &Request::WhoAmI);
    world.send(&client, -4, &auth("digest", "bob:secret"));
    world.run();
    world.release_log();
    let replies = world.replies(&client);
    let Response::WhoAmI(Some(infos)) = replies[1].response(OpCode::WhoAmI) else { panic!() };
    assert_eq!(infos.len(), 1, "the digest came later");
}

/// A length out of range, a header that is too short, an auth record that ends early, sasl without a token.
#[test]
fn what_ends_a_connection_without_an_answer_waits_for_the_earlier_answers() {
    let auth = frame_of(3, OpCode::Auth.code(), &[0; 5]);
    let sasl = frame_of(3, OpCode::Sasl.code(), &[0xff; 4]);
    let length = |n: usize| (n as i32).to_be_bytes().to_vec();
    for end in [vec![0xff; 4], [length(2), vec![0; 2]].concat(), auth, sasl] {
        let mut world = World::new();
        let client = world.connect();
        world.hold_log = true;
        world.send(&client, 1, &create("/a", CreateMode::Persistent));
        world.send(&client, 2, &exists("/a", false));
        world.send_bytes(&client, &end);
        world.send(&client, 4, &create("/b", CreateMode::Persistent));
        world.run();
        assert!(!world.is_closed(&client), "{end:x?}");
        world.release_log();
        assert_eq!(xids(&world.replies(&client)), [1, 2], "{end:x?}");
        assert!(world.is_closed(&client), "{end:x?}");
        assert!(world.node().tree().node("/b").is_none(), "nothing behind it is taken");
    }
}

/// Surprise 67: upstream loses the earlier answers; here they go out first.
#[test]
fn an_unknown_operation_closes_behind_the_earlier_answers() {
    let mut world = World::new();
    let client = world.connect();
    world.hold_log = true;
    world.send(&client, 1, &create("/a", CreateMode::Persistent));
    world.send_bytes(&client, &frame_of(2, 555, &[]));
    world.send(&client, 3, &create("/b", CreateMode::Persistent));
    world.run();
    assert!(!world.is_closed(&client));
    world.release_log();
    let replies = world.replies(&client);
    assert_eq!(replies.iter().map(|r| (r.xid, r.err)).collect::<Vec<_>>(), [(1, 0), (2, -6)]);
    assert_eq!(replies[1].zxid, -1);
    assert!(world.is_closed(&client));
    assert!(world.node().tree().node("/b").is_none(), "what came behind is not even read");
}

#[test]
fn a_failed_auth_closes_behind_the_earlier_answers() {
    let mut world = World::new();
    let client = world.connect();
    world.hold_log = true;
    world.send(&client, 1, &create("/a", CreateMode::Persistent));
    world.send(&client, -4, &auth("nonsense", ""));
    world.run();
    world.release_log();
    let replies = world.replies(&client);
    assert_eq!(
        replies.iter().map(|r| (r.xid, r.zxid, r.err)).collect::<Vec<_>>(),
        [(1, 2, 0), (-4, 0, -115)]
    );
    assert!(world.is_closed(&client));
}

/// Surprise 51.
#[test]
fn an_undecodable_request_is_answered_in_its_place() {
    let mut world = World::new();
    let client = world.connect();
    world.hold_log = true;
    world.send(&client, 1, &create("/a", CreateMode::Persistent));
    world.send_bytes(&client, &frame_of(2, OpCode::Create.code(), &[0, 0]));
    world.send_bytes(&client, &frame_of(3, OpCode::GetData.code(), &[0, 0, 0, 9, b'/']));
    world.send(&client, 4, &get("/a", false));
    world.run();
    world.release_log();
    let replies = world.replies(&client);
    let short: Vec<_> = replies.iter().map(|r| (r.xid, r.err, r.body.is_empty())).collect();
    assert_eq!(short, [(1, 0, false), (2, -5, true), (3, -5, true), (4, 0, false)]);
    assert_eq!(world.node().tree().last_zxid().0, 2, "no zxid was used for them");
}

/// §3: an undecodable multi takes a zxid, unlike single operations.
#[test]
fn an_undecodable_multi_takes_a_zxid() {
    let mut world = World::new();
    let client = world.connect();
    world.send_bytes(&client, &frame_of(2, OpCode::Multi.code(), &[0, 0]));
    world.run();
    let replies = world.replies(&client);
    assert_eq!((replies[0].err, replies[0].zxid, replies[0].body.len()), (-5, 2, 0));
}

/// §1.1: too short for a header is the end of the connection.
#[test]
fn an_undecodable_header_closes() {
    let mut world = World::new();
    for frame in [&[][..], &[0; 7]] {
        let client = world.connect();
        world.send_frame(&client, frame);
        world.run();
        assert!(world.is_closed(&client));
    }
}

#[test]
fn any_xid_is_echoed() {
    let mut world = World::new();
    let client = world.connect();
    for xid in [0, -3, -8, i32::MIN, i32::MAX] {
        world.send(&client, xid, &get("/", false));
        world.send(&client, xid, &set("/", "x", -1));
        world.run();
        assert_eq!(xids(&world.replies(&client)), [xid, xid]);
    }
    // Surprise 7: but for pings.
    world.send(&client, 77, &Request::Ping);
    world.run();
    assert_eq!(xids(&world.replies(&client)), [-2]);
}

/// Surprises 4 and 5.
#[test]
fn failing_writes_take_zxids_and_every_reply_shows_the_last_one() {
    let mut world = World::new();
    let client = world.connect();
    assert_eq!(world.create(&client, "/a").zxid, 2);
    let failed = world.create(&client, "/a");
    assert_eq!((failed.code(), failed.zxid, failed.body.len()), (Some(ErrorCode::NodeExists), 3, 0));
    assert_eq!(world.call(&client, &get("/a", false)).zxid, 3);
    assert_eq!(world.call(&client, &get("/nope", false)).zxid, 3);
    assert_eq!(world.call(&client, &Request::Ping).zxid, 3);
}

#[test]
fn trailing_bytes_behind_a_record_are_ignored() {
    let mut world = World::new();
    let client = world.connect();
    let mut body = get("/", false).to_bytes();
    body.extend_from_slice(b"surplus");
    world.send_bytes(&client, &frame_of(1, OpCode::GetData.code(), &body));
    world.run();
    assert_eq!(world.replies(&client)[0].err, 0);
}
