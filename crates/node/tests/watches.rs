//! Watches (reference: client-protocol §7, §15).

mod world;

use wire::event_type::{NODE_CHILDREN_CHANGED, NODE_CREATED, NODE_DATA_CHANGED, NODE_DELETED};
use wire::{Acl, CreateMode, ErrorCode, MultiOp, OpCode, Request, SetWatches, perms};
use world::{Client, World, auth, create, create_with, exists, frame_of, get, get_children, set, some};

const PERSISTENT: i32 = 0;
const RECURSIVE: i32 = 1;

fn add_watch(world: &mut World, client: &Client, path: &str, mode: i32) {
    let reply = world.call(client, &Request::AddWatch { path: Some(path.into()), mode });
    assert_eq!((reply.err, reply.body), (0, vec![0; 4]), "surprise 9: a 4-byte body");
}

fn remove(path: &str, watch_type: i32) -> Request<'_> {
    Request::RemoveWatches { path: Some(path.into()), watch_type }
}

fn check(path: &str, watch_type: i32) -> Request<'_> {
    Request::CheckWatches { path: Some(path.into()), watch_type }
}

fn events(expected: &[(i32, &str)]) -> Vec<(i32, String)> {
    expected.iter().map(|(kind, path)| (*kind, (*path).to_owned())).collect()
}

#[test]
fn a_data_watch_fires_once() {
    let mut world = World::new();
    let (writer, watcher) = (world.connect(), world.connect());
    world.create_ok(&writer, "/a");
    world.call(&watcher, &get("/a", true));
    world.set(&writer, "/a", "1");
    world.set(&writer, "/a", "2");
    assert_eq!(world.events(&watcher), events(&[(NODE_DATA_CHANGED, "/a")]));
}

#[test]
fn setting_the_same_data_fires_too() {
    let mut world = World::new();
    let client = world.connect();
    world.create_ok(&client, "/a");
    world.call(&client, &get("/a", true));
    assert_eq!(world.exchange(&client, &set("/a", "data", -1)).len(), 2);
}

/// Surprise 27.
#[test]
fn exists_watches_a_missing_node_and_getdata_does_not() {
    let mut world = World::new();
    let (writer, watcher) = (world.connect(), world.connect());
    for request in [get("/a", true), get_children("/a", true), exists("/a", true)] {
        assert_eq!(world.call(&watcher, &request).code(), Some(ErrorCode::NoNode));
    }
    world.create_ok(&writer, "/a");
    assert_eq!(world.events(&watcher), events(&[(NODE_CREATED, "/a")]));
    world.create_ok(&writer, "/a/b");
    assert_eq!(world.events(&watcher), []);
}

#[test]
fn children_are_watched_apart_from_data() {
    let mut world = World::new();
    let (writer, watcher) = (world.connect(), world.connect());
    world.create_ok(&writer, "/a");
    world.call(&watcher, &get_children("/a", true));
    world.set(&writer, "/a", "1");
    assert_eq!(world.events(&watcher), []);
    world.create_ok(&writer, "/a/b");
    assert_eq!(world.events(&watcher), events(&[(NODE_CHILDREN_CHANGED, "/a")]));
}

#[test]
fn the_root_is_watched_as_a_parent() {
    let mut world = World::new();
    let (writer, watcher) = (world.connect(), world.connect());
    world.call(&watcher, &get_children("/", true));
    world.create_ok(&writer, "/a");
    assert_eq!(world.events(&watcher), events(&[(NODE_CHILDREN_CHANGED, "/")]));
    // Surprise 28: the empty path is the root for looking, but its watch never fires.
    assert_eq!(world.call(&watcher, &get_children("", true)).err, 0);
    world.create_ok(&writer, "/b");
    assert_eq!(world.events(&watcher), []);
}

/// Surprise 31, and the order within one change.
#[test]
fn a_deletion_is_told_once_however_many_watches_there_are() {
    let mut world = World::new();
    let (writer, watcher) = (world.connect(), world.connect());
    world.create_ok(&writer, "/p");
    world.create_ok(&writer, "/p/a");
    for request in [get("/p/a", true), get_children("/p/a", true), get_children("/p", true)] {
        world.call(&watcher, &request);
    }
    world.delete(&writer, "/p/a");
    assert_eq!(world.events(&watcher), events(&[(NODE_DELETED, "/p/a"), (NODE_CHILDREN_CHANGED, "/p")]));
    world.create_ok(&writer, "/p/a");
    world.create_ok(&writer, "/p/a/x");
    assert_eq!(world.events(&watcher), [], "both entries were used up");
}

/// Surprise 14.
#[test]
fn setacl_fires_nothing() {
    let mut world = World::new();
    let client = world.connect();
    world.create_ok(&client, "/a");
    world.call(&client, &get("/a", true));
    let acl = Request::SetAcl { path: Some("/a".into()), acl: Some(vec![Acl::open()]), version: -1 };
    assert_eq!(world.exchange(&client, &acl).len(), 1);
}

#[test]
fn a_persistent_watch_stays_through_deletion_and_creation() {
    let mut world = World::new();
    let (writer, watcher) = (world.connect(), world.connect());
    add_watch(&mut world, &watcher, "/a", PERSISTENT);
    world.create_ok(&writer, "/a");
    world.set(&writer, "/a", "1");
    world.create_ok(&writer, "/a/b");
    world.delete(&writer, "/a/b");
    world.delete(&writer, "/a");
    world.create_ok(&writer, "/a");
    assert_eq!(
        world.events(&watcher),
        events(&[
            (NODE_CREATED, "/a"),
            (NODE_DATA_CHANGED, "/a"),
            (NODE_CHILDREN_CHANGED, "/a"),
            (NODE_CHILDREN_CHANGED, "/a"),
            (NODE_DELETED, "/a"),
            (NODE_CREATED, "/a"),
        ])
    );
}

/// Surprise 32.
#[test]
fn a_recursive_watch_hears_the_subtree_but_no_children_events() {
    let mut world = World::new();
    let (writer, watcher) = (world.connect(), world.connect());
    add_watch(&mut world, &watcher, "/a", RECURSIVE);
    for path in ["/a", "/a/b", "/a/b/c", "/ab"] {
        world.create_ok(&writer, path);
    }
    world.set(&writer, "/a/b/c", "1");
    world.delete(&writer, "/a/b/c");
    assert_eq!(
        world.events(&watcher),
        events(&[
            (NODE_CREATED, "/a"),
            (NODE_CREATED, "/a/b"),
            (NODE_CREATED, "/a/b/c"),
            (NODE_DATA_CHANGED, "/a/b/c"),
            (NODE_DELETED, "/a/b/c"),
        ])
    );
}

#[test]
fn several_modes_on_one_node_make_one_event() {
    let mut world = World::new();
    let (writer, watcher) = (world.connect(), world.connect());
    world.create_ok(&writer, "/a");
    add_watch(&mut world, &watcher, "/a", PERSISTENT);
    add_watch(&mut world, &watcher, "/", RECURSIVE);
    world.call(&watcher, &get("/a", true));
    world.set(&writer, "/a", "1");
    assert_eq!(world.events(&watcher), events(&[(NODE_DATA_CHANGED, "/a")]));
    assert_eq!(world.call(&watcher, &check("/a", 2)).code(), Some(ErrorCode::NoWatcher));
    assert_eq!(world.call(&watcher, &check("/a", 4)).err, 0);
}

/// §5.2: one-shot once, persistent twice; all before the reply, all with the multi's zxid.
#[test]
fn the_parts_of_a_multi_fire_one_after_the_other() {
    let mut world = World::new();
    let (writer, watcher) = (world.connect(), world.connect());
    world.create_ok(&writer, "/a");
    add_watch(&mut world, &watcher, "/a", PERSISTENT);
    world.call(&writer, &get("/a", true));
    let part = |data: &'static str| MultiOp::SetData {
        path: Some("/a".into()),
        data: Some(data.as_bytes().into()),
        version: -1,
    };
    let replies = world.exchange(&writer, &Request::Multi { ops: vec![part("1"), part("2")] });
    assert_eq!(replies.iter().map(|r| r.zxid).collect::<Vec<_>>(), [4, 4]);
    assert_eq!(world.events(&watcher).len(), 2);
}

/// Surprise 30; §7.5.
#[test]
fn who_may_not_read_hears_nothing_and_loses_a_one_shot_watch() {
    let mut world = World::new();
    let (owner, stranger) = (world.connect(), world.connect());
    world.call(&owner, &auth("digest", "bob:secret"));
    let private = vec![Acl::new(perms::ALL, "auth", "")];
    world.call(&stranger, &exists("/a", true));
    add_watch(&mut world, &stranger, "/", RECURSIVE);
    let reply = world.call(&owner, &create_with(OpCode::Create, "/a", CreateMode::Persistent, private));
    assert_eq!(reply.err, 0);
    assert_eq!(world.events(&stranger), []);
    assert_eq!(world.call(&stranger, &check("/a", 2)).code(), Some(ErrorCode::NoWatcher), "used up");
    assert_eq!(world.call(&stranger, &check("/", 5)).err, 0);
    // The connection's credentials at the time of the event count.
    world.call(&stranger, &auth("digest", "bob:secret"));
    world.set(&owner, "/a", "1");
    assert_eq!(world.events(&stranger), events(&[(NODE_DATA_CHANGED, "/a")]));
}

#[test]
fn children_events_ask_the_parents_acl() {
    let mut world = World::new();
    let (owner, stranger) = (world.connect(), world.connect());
    world.create_ok(&owner, "/p");
    world.call(&stranger, &get_children("/p", true));
    world.call(&owner, &auth("digest", "bob:secret"));
    let private = vec![Acl::new(perms::ALL, "auth", "")];
    world.call(&owner, &create_with(OpCode::Create, "/p/a", CreateMode::Persistent, private));
    assert_eq!(world.events(&stranger), events(&[(NODE_CHILDREN_CHANGED, "/p")]));
}

#[test]
fn a_closed_connection_takes_its_watches_along() {
    let mut world = World::new();
    let client = world.connect();
    world.create_ok(&client, "/a");
    world.call(&client, &get("/a", true));
    add_watch(&mut world, &client, "/a", PERSISTENT);
    assert_eq!(world.node().server_stats().watch_count, 2);
    world.hang_up(&client);
    assert_eq!(world.node().server_stats().watch_count, 0);
    let again = world.reconnect(&client);
    assert_eq!(world.exchange(&again, &set("/a", "1", -1)).len(), 1);
}

#[test]
fn bad_modes_and_types_are_undecodable() {
    let mut world = World::new();
    let client = world.connect();
    for request in [
        Request::AddWatch { path: Some("/a".into()), mode: 2 },
        check("/a", 0),
        remove("/a", 6),
        Request::AddWatch { path: None, mode: 0 },
    ] {
        assert_eq!(world.call(&client, &request).code(), Some(ErrorCode::MarshallingError), "{request:?}");
    }
}

/// §7.7.
#[test]
fn removing_needs_something_to_remove() {
    let mut world = World::new();
    let client = world.connect();
    world.create_ok(&client, "/a");
    for request in [check("/a", 3), remove("/a", 3), Request::RemoveWatches { path: None, watch_type: 3 }] {
        assert_eq!(world.call(&client, &request).code(), Some(ErrorCode::NoWatcher));
    }
    world.call(&client, &get("/a", true));
    assert_eq!(world.call(&client, &remove("/a", 1)).code(), Some(ErrorCode::NoWatcher));
    let reply = world.call(&client, &remove("/a", 2));
    assert_eq!((reply.err, reply.body.len()), (0, 0));
    assert_eq!(world.exchange(&client, &set("/a", "1", -1)).len(), 1, "no event any more");
}

/// §7.6 and surprises 33 to 35.
#[test]
fn setwatches_catches_up_and_registers_the_rest() {
    let mut world = World::new();
    let writer = world.connect();
    for path in ["/same", "/changed", "/gone", "/kids", "/there"] {
        world.create_ok(&writer, path);
    }
    let seen = world.node().tree().last_zxid().0;
    world.set(&writer, "/changed", "1");
    world.delete(&writer, "/gone");
    world.create_ok(&writer, "/kids/k");
    let client = world.connect();
    let lists = SetWatches {
        relative_zxid: seen,
        data: some(&["/same", "/changed", "/gone"]),
        exist: some(&["/there", "/missing"]),
        child: some(&["/kids", "/same", "/gone"]),
        persistent: some(&["/changed"]),
        persistent_recursive: some(&["/kids"]),
    };
    world.send(&client, -8, &Request::SetWatches2(lists));
    world.run();
    let mut replies = world.replies(&client);
    let last = replies.pop().expect("a reply");
    assert_eq!((last.xid, last.err, last.body.len()), (-8, 0, 0));
    assert!(replies.iter().all(|event| event.zxid == -1));
    assert_eq!(
        replies.iter().map(|event| event.event()).collect::<Vec<_>>(),
        events(&[
            (NODE_DATA_CHANGED, "/changed"),
            (NODE_DELETED, "/gone"),
            (NODE_CREATED, "/there"),
            (NODE_CHILDREN_CHANGED, "/kids"),
            (NODE_DELETED, "/gone"),
        ])
    );
    world.set(&writer, "/same", "1");
    world.create_ok(&writer, "/same/x");
    world.create_ok(&writer, "/missing");
    world.set(&writer, "/kids/k", "1");
    world.set(&writer, "/changed", "1");
    assert_eq!(
        world.events(&client),
        events(&[
            (NODE_DATA_CHANGED, "/same"),
            (NODE_CHILDREN_CHANGED, "/same"),
            (NODE_CREATED, "/missing"),
            (NODE_DATA_CHANGED, "/kids/k"),
            (NODE_DATA_CHANGED, "/changed"),
        ])
    );
}

/// §4.10: what came before the missing list counts.
#[test]
fn setwatches_with_a_missing_list_fails_half_way() {
    let mut world = World::new();
    let client = world.connect();
    let lists = SetWatches { data: some(&["/gone"]), ..SetWatches::default() };
    let replies = world.exchange(&client, &Request::SetWatches(lists));
    assert_eq!(replies.len(), 2);
    assert_eq!(replies[0].event(), (NODE_DELETED, "/gone".to_owned()));
    assert_eq!(replies[1].code(), Some(ErrorCode::MarshallingError));
}

/// §1.2: a count below -1 is an empty list.
#[test]
fn setwatches_takes_counts_below_minus_one() {
    let mut world = World::new();
    let client = world.connect();
    let mut body = vec![0; 8];
    body.extend([0xff, 0xff, 0xff, 0xfe].repeat(3));
    world.send_bytes(&client, &frame_of(-8, OpCode::SetWatches.code(), &body));
    world.run();
    assert_eq!(world.replies(&client)[0].err, 0);
}

/// A deliberate difference: upstream sends catch-up events about nodes the client may not read.
#[test]
fn setwatches_tells_nothing_about_unreadable_nodes() {
    let mut world = World::new();
    let (owner, stranger) = (world.connect(), world.connect());
    world.call(&owner, &auth("digest", "bob:secret"));
    let private = vec![Acl::new(perms::ALL, "auth", "")];
    world.call(&owner, &create_with(OpCode::Create, "/a", CreateMode::Persistent, private));
    let lists = SetWatches {
        data: some(&["/a"]),
        exist: some(&["/a"]),
        child: some(&["/a"]),
        ..SetWatches::default()
    };
    let replies = world.exchange(&stranger, &Request::SetWatches(lists));
    assert_eq!(replies.len(), 1, "only the reply");
}

#[test]
fn many_watchers_get_the_same_event() {
    let mut world = World::with(|config, _| config.connections.per_address_max = 0);
    let writer = world.connect();
    world.create_ok(&writer, "/a");
    let watchers: Vec<Client> = (0..100).map(|_| world.connect()).collect();
    for watcher in &watchers {
        world.call(watcher, &get("/a", true));
    }
    world.set(&writer, "/a", "1");
    for watcher in &watchers {
        assert_eq!(world.events(watcher), events(&[(NODE_DATA_CHANGED, "/a")]));
    }
    assert_eq!(world.node().metrics().node_changed_watch_count.max, 100);
}

#[test]
fn watches_per_connection_are_bounded() {
    let mut world = World::with(|config, _| config.connections.watches_per_connection_max = 2);
    let client = world.connect();
    for path in ["/a", "/b"] {
        world.call(&client, &exists(path, true));
    }
    assert_eq!(world.call(&client, &exists("/c", true)).code(), Some(ErrorCode::ThrottledOp));
    assert_eq!(world.call(&client, &exists("/c", false)).code(), Some(ErrorCode::NoNode));
}

#[test]
fn operators_see_who_watches_what() {
    let mut world = World::new();
    let (one, two) = (world.connect(), world.connect());
    world.call(&one, &exists("/a", true));
    world.call(&two, &exists("/a", true));
    world.call(&two, &exists("/b", true));
    world.call(&two, &get_children("/", true));
    let node = world.node();
    let summary = node.watch_summary();
    assert_eq!((summary.connections, summary.paths, summary.watches), (2, 2, 3), "the data table only");
    assert_eq!(node.server_stats().watch_count, 4);
    assert_eq!(node.watches_by_path(), [("/a", vec![one.session, two.session]), ("/b", vec![two.session])]);
    assert_eq!(node.watches_by_session(), [(one.session, vec!["/a"]), (two.session, vec!["/a", "/b"])]);
    let _ = create("/unused", CreateMode::Persistent);
}
