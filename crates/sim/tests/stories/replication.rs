//! What all servers tell alike, and in which order.

use crate::{exists, sync, three};
use sim::ensemble::{Reply, World, create};
use store::Lane;
use wire::{CreateMode, OpCode, Request, Response, event_type};

#[test]
fn what_is_written_at_one_is_everywhere() {
    let mut world = World::settled(three());
    let client = world.connect(world.followers()[0]);
    let reply = world.create(&client, "/a");
    assert_eq!(
        (reply.err, reply.zxid),
        (0, 0x1_0000_0002),
        "the session was the first transaction of the epoch"
    );
    assert!(world.all_have("/a"));
    world.assert_alike();
}

#[test]
fn everybody_tells_the_configuration() {
    let mut world = World::settled(three());
    for server in 0..3 {
        let client = world.connect(server);
        let get = Request::GetData { path: Some("/zookeeper/config".into()), watch: false };
        let reply = world.call(&client, &get);
        let Response::Data(Some(data), stat) = reply.response(OpCode::GetData) else { panic!("{reply:?}") };
        let text = String::from_utf8(data.into_owned()).expect("text");
        let lines: Vec<&str> = text.split('\n').collect();
        assert_eq!(lines[0], "server.1=n1:2888:3888:participant");
        assert_eq!(lines[3], "version=0");
        assert_eq!((lines.len(), stat.version, stat.aversion, stat.mzxid), (4, -1, -1, 0));
    }
}

#[test]
fn errors_and_reads_keep_their_order_at_a_follower() {
    let mut world = World::settled(three());
    let client = world.connect(world.followers()[0]);
    let xids = [
        world.ask(&client, &create("/a/b", CreateMode::Persistent)),
        world.ask(&client, &create("/a", CreateMode::Persistent)),
        world.ask(&client, &exists("/a")),
        world.ask(&client, &sync()),
        world.ask(&client, &create("/a", CreateMode::Persistent)),
    ];
    world.come_to_rest();
    let replies = world.replies(&client);
    assert_eq!(replies.iter().map(|reply| reply.xid).collect::<Vec<_>>(), xids);
    assert_eq!(replies.iter().map(|reply| reply.err).collect::<Vec<_>>(), [-101, 0, 0, 0, -110]);
    assert!(replies.is_sorted_by_key(|reply| reply.zxid));
    world.assert_alike();
}

#[test]
fn watches_fire_wherever_they_are() {
    let mut world = World::settled(three());
    for (number, (at, by)) in [(0, 1), (1, 2), (2, 0)].into_iter().enumerate() {
        let (watcher, writer) = (world.connect(at), world.connect(by));
        let path = format!("/n{number}");
        world.call(&watcher, &Request::Exists { path: Some(path.as_str().into()), watch: true });
        world.create(&writer, &path);
        let events: Vec<_> = world.replies(&watcher).iter().map(Reply::event).collect();
        assert_eq!(events, [(event_type::NODE_CREATED, path)]);
    }
}

/// A sync comes right behind a write that is not even proposed yet: it is not answered before that write is committed.
#[test]
fn a_sync_waits_for_a_write_that_came_with_it() {
    let mut world = World::settled(three());
    let leader = world.leading();
    let [slow, other] = world.followers()[..] else { panic!("two followers") };
    let (writer, reader) = (world.connect(slow), world.connect(slow));
    world.kill(other);
    world.settle();
    assert_eq!(world.leading(), leader);
    world.hold_disk(slow, Lane::Log);
    world.ask(&writer, &create("/before", CreateMode::Persistent));
    world.ask(&reader, &sync());
    world.come_to_rest();
    assert_eq!(world.replies(&reader), [], "the write has no quorum");
    world.free_disk(slow);
    world.come_to_rest();
    assert_eq!((world.replies(&writer).len(), world.replies(&reader).len()), (1, 1));
}
