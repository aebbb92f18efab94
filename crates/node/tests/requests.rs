//! Every operation, seen from the wire (reference: client-protocol §4 to §6, §15).

mod world;

use wire::{Acl, CreateMode, Encode, ErrorCode, MultiOp, MultiResult, OpCode, Request, Response, perms};
use world::{World, auth, create, create_with, exists, get, get_children, set};

fn code(reply: &world::Reply) -> Option<ErrorCode> {
    assert!(reply.body.is_empty(), "an error has no body: {reply:?}");
    reply.code()
}

#[test]
fn create_and_create2_answer_path_and_stat() {
    let mut world = World::new();
    let client = world.connect();
    let reply = world.create(&client, "/a");
    assert_eq!(reply.response(OpCode::Create), Response::Path(Some("/a".into())));
    let request = create_with(OpCode::Create2, "/b", CreateMode::Persistent, vec![Acl::open()]);
    let reply = world.call(&client, &request);
    let Response::PathStat(path, stat) = reply.response(OpCode::Create2) else { panic!("{reply:?}") };
    assert_eq!(path.as_deref(), Some("/b"));
    assert_eq!((stat.czxid, stat.mzxid, stat.pzxid), (reply.zxid, reply.zxid, reply.zxid));
    assert_eq!((stat.ctime, stat.version, stat.cversion, stat.data_length), (world::START_WALL_MS, 0, 0, 4));
}

/// Surprises 12 and 13.
#[test]
fn sequence_numbers_count_all_children_ever_created() {
    let mut world = World::new();
    let client = world.connect();
    world.create_ok(&client, "/p");
    world.create_ok(&client, "/p/plain");
    world.delete(&client, "/p/plain");
    let reply = world.call(&client, &create("/p/n-", CreateMode::PersistentSequential));
    assert_eq!(reply.response(OpCode::Create), Response::Path(Some("/p/n-0000000001".into())));
    let reply = world.call(&client, &create("/p/other-", CreateMode::EphemeralSequential));
    assert_eq!(reply.response(OpCode::Create), Response::Path(Some("/p/other-0000000002".into())));
    assert_eq!(world.stat(&client, "/p").expect("a node").cversion, 4, "surprise 11: 2 * 3 - 2");
}

#[test]
fn pipelined_sequential_creates_are_unique() {
    let mut world = World::new();
    let client = world.connect();
    world.hold_log = true;
    for xid in 1..=5 {
        world.send(&client, xid, &create("/n-", CreateMode::PersistentSequential));
    }
    world.run();
    world.release_log();
    let replies = world.replies(&client);
    for (i, reply) in replies.iter().enumerate() {
        let path = format!("/n-{:010}", i);
        assert_eq!(reply.response(OpCode::Create), Response::Path(Some(path.into())));
    }
}

#[test]
fn a_node_is_read_with_its_stat() {
    let mut world = World::new();
    let client = world.connect();
    world.create_ok(&client, "/a");
    world.set(&client, "/a", "new");
    let reply = world.call(&client, &get("/a", false));
    let Response::Data(Some(data), stat) = reply.response(OpCode::GetData) else { panic!("{reply:?}") };
    assert_eq!((&*data, stat.version, stat.data_length), (&b"new"[..], 1, 3));
}

/// Surprise 50.
#[test]
fn null_data_is_not_empty_data() {
    let mut world = World::new();
    let client = world.connect();
    for (path, data) in [("/null", None), ("/empty", Some(vec![].into()))] {
        let request = Request::Create {
            op: OpCode::Create,
            path: Some(path.into()),
            data: data.clone(),
            acl: Some(vec![Acl::open()]),
            flags: 0,
            ttl: -1,
        };
        assert_eq!(world.call(&client, &request).err, 0);
        let reply = world.call(&client, &get(path, false));
        let Response::Data(read, stat) = reply.response(OpCode::GetData) else { panic!("{reply:?}") };
        assert_eq!((read, stat.data_length), (data, 0));
    }
}

#[test]
fn null_paths_have_errors_of_their_own() {
    let mut world = World::new();
    let client = world.connect();
    let marshalling = [
        Request::Delete { path: None, version: -1 },
        Request::Exists { path: None, watch: false },
        Request::GetData { path: None, watch: false },
        Request::GetChildren { path: None, watch: false },
        Request::GetChildren2 { path: None, watch: false },
        Request::GetAcl { path: None },
        Request::GetAllChildrenNumber { path: None },
    ];
    for request in marshalling {
        assert_eq!(code(&world.call(&client, &request)), Some(ErrorCode::MarshallingError), "{request:?}");
    }
    let bad = [
        Request::SetData { path: None, data: None, version: -1 },
        Request::SetAcl { path: None, acl: Some(vec![Acl::open()]), version: -1 },
    ];
    for request in bad {
        assert_eq!(code(&world.call(&client, &request)), Some(ErrorCode::BadArguments), "{request:?}");
    }
    let reply = world.call(&client, &Request::Sync { path: None });
    assert_eq!(reply.response(OpCode::Sync), Response::Path(None));
}

#[test]
fn reads_do_not_validate_paths() {
    let mut world = World::new();
    let client = world.connect();
    for path in ["nope", "/a/", "//", "/a//b", "/\u{1}"] {
        for request in [get(path, false), get_children(path, false), exists(path, false)] {
            assert_eq!(code(&world.call(&client, &request)), Some(ErrorCode::NoNode), "{request:?}");
        }
    }
    assert_eq!(code(&world.call(&client, &exists("/a\0", false))), Some(ErrorCode::BadArguments));
    // Surprise 28.
    for request in [get("", false), get_children("", false), exists("", false)] {
        assert_eq!(world.call(&client, &request).err, 0);
    }
}

/// Surprises 11 and 62, fresh tree.
#[test]
fn a_fresh_tree_has_the_system_nodes() {
    let mut world = World::new();
    let client = world.connect();
    assert_eq!(world.children(&client, "/"), ["zookeeper"]);
    assert_eq!(world.children(&client, "/zookeeper"), ["config", "quota"]);
    assert_eq!(world.stat(&client, "/").expect("the root").cversion, -1);
    assert_eq!(world.stat(&client, "/zookeeper").expect("a node").cversion, -2);
    let reply = world.call(&client, &Request::GetAllChildrenNumber { path: Some("/".into()) });
    assert_eq!(reply.response(OpCode::GetAllChildrenNumber), Response::Int(3));
}

#[test]
fn getchildren2_adds_the_stat() {
    let mut world = World::new();
    let client = world.connect();
    world.create_ok(&client, "/a");
    world.create_ok(&client, "/a/b");
    let reply = world.call(&client, &Request::GetChildren2 { path: Some("/a".into()), watch: false });
    let Response::Children2(names, stat) = reply.response(OpCode::GetChildren2) else { panic!() };
    assert_eq!((names, stat.num_children), (Some(vec![Some("b".into())]), 1));
}

/// Surprise 59.
#[test]
fn getacl_masks_digests_for_who_is_no_administrator() {
    let mut world = World::new();
    let (owner, reader) = (world.connect(), world.connect());
    world.call(&owner, &auth("digest", "bob:secret"));
    let acl = vec![Acl::new(perms::ALL, "auth", ""), Acl::new(perms::READ, "world", "anyone")];
    world.call(&owner, &create_with(OpCode::Create, "/a", CreateMode::Persistent, acl));
    let get_acl = Request::GetAcl { path: Some("/a".into()) };
    for (client, id) in [(owner, "bob:fyVmFCwVbTJYrznoSu1koqYEYF0="), (reader, "bob:x")] {
        let reply = world.call(&client, &get_acl);
        let Response::Acl(Some(acl), _) = reply.response(OpCode::GetAcl) else { panic!("{reply:?}") };
        assert_eq!(acl[0], Acl::new(perms::ALL, "digest", id));
    }
}

/// Surprise 29 among others.
#[test]
fn reads_need_read_permission() {
    let mut world = World::new();
    let (owner, stranger) = (world.connect(), world.connect());
    world.call(&owner, &auth("digest", "bob:secret"));
    let private = vec![Acl::new(perms::ALL, "auth", "")];
    world.call(&owner, &create_with(OpCode::Create, "/a", CreateMode::Persistent, private));
    let requests = [
        get("/a", true),
        exists("/a", true),
        get_children("/a", true),
        Request::GetAcl { path: Some("/a".into()) },
        Request::GetAllChildrenNumber { path: Some("/a".into()) },
        set("/a", "x", -1),
        create("/a/b", CreateMode::Persistent),
    ];
    for request in requests {
        assert_eq!(code(&world.call(&stranger, &request)), Some(ErrorCode::NoAuth), "{request:?}");
        let replies = world.exchange(&owner, &request);
        assert_eq!(replies.last().map(|reply| reply.err), Some(0), "{request:?}");
    }
    assert_eq!(world.node().watches_by_session().iter().filter(|(s, _)| *s == stranger.session).count(), 0);
}

#[test]
fn a_superuser_may_do_anything() {
    let mut world = World::with(|_, tree| {
        let digest = tree.schemes.digest.as_mut().expect("digest is on");
        digest.super_digest = Some("super:D/InIHSb7yEEbrWz8b9l71RjZJU=".to_owned());
    });
    let client = world.connect();
    assert_eq!(code(&world.call(&client, &set("/zookeeper/config", "x", -1))), Some(ErrorCode::NoAuth));
    world.call(&client, &auth("digest", "super:test"));
    assert_eq!(world.call(&client, &set("/zookeeper/config", "x", -1)).err, 0);
    let reply = world.call(&client, &Request::WhoAmI);
    let Response::WhoAmI(Some(infos)) = reply.response(OpCode::WhoAmI) else { panic!() };
    let mut shown: Vec<_> = infos
        .iter()
        .map(|i| (i.scheme.as_deref().unwrap_or("-"), i.user.as_deref().unwrap_or("-")))
        .collect();
    shown.sort_unstable();
    assert_eq!(shown, [("digest", "super"), ("ip", "10.0.0.1"), ("super", "")]);
}

#[test]
fn ephemerals_are_listed_by_prefix() {
    let mut world = World::new();
    let (client, other) = (world.connect(), world.connect());
    for path in ["/w", "/ww1", "/x"] {
        world.call(&client, &create(path, CreateMode::Ephemeral));
    }
    world.call(&other, &create("/w2", CreateMode::Ephemeral));
    for (prefix, expected) in [
        (None, vec!["/w", "/ww1", "/x"]),
        (Some(" "), vec!["/w", "/ww1", "/x"]),
        (Some("/\t"), vec!["/w", "/ww1", "/x"]),
        (Some("\0"), vec!["/w", "/ww1", "/x"]),
        (Some("\u{a0}"), vec![]),
        (Some("\u{2003}"), vec![]),
        (Some("/w"), vec!["/w", "/ww1"]),
        (Some("/nope"), vec![]),
    ] {
        let reply = world.call(&client, &Request::GetEphemerals { prefix: prefix.map(Into::into) });
        let Response::Children(Some(names)) = reply.response(OpCode::GetEphemerals) else { panic!() };
        let mut names: Vec<_> = names.iter().map(|n| n.as_deref().expect("a path")).collect();
        names.sort_unstable();
        assert_eq!(names, expected);
    }
    assert_eq!(world.node().ephemerals().len(), 2);
}

fn create_op(path: &'static str) -> MultiOp<'static> {
    MultiOp::Create {
        op: OpCode::Create,
        path: Some(path.into()),
        data: None,
        acl: Some(vec![Acl::open()]),
        flags: 0,
        ttl: -1,
    }
}

/// Surprises 1, 2, 3 and 58.
#[test]
fn a_multi_succeeds_or_fails_as_a_whole() {
    let mut world = World::new();
    let client = world.connect();
    let create2 = MultiOp::Create {
        op: OpCode::CreateContainer,
        path: Some("/a/c".into()),
        data: None,
        acl: Some(vec![Acl::open()]),
        flags: CreateMode::Container.flags(),
        ttl: -1,
    };
    let ops = vec![create_op("/a"), create2, MultiOp::Check { path: Some("/a".into()), version: 0 }];
    let reply = world.call(&client, &Request::Multi { ops });
    let Response::Multi(results) = reply.response(OpCode::Multi) else { panic!("{reply:?}") };
    assert_eq!(results[0], MultiResult::Create { path: Some("/a".into()) });
    assert!(matches!(&results[1], MultiResult::Create2 { path, .. } if path.as_deref() == Some("/a/c")));
    assert_eq!(results[2], MultiResult::Check);

    let ops = vec![create_op("/b"), create_op("/a"), create_op("/c")];
    let reply = world.call(&client, &Request::Multi { ops });
    let expected = [
        MultiResult::Error(None),
        MultiResult::Error(Some(ErrorCode::NodeExists)),
        MultiResult::Error(Some(ErrorCode::RuntimeInconsistency)),
    ];
    assert_eq!(reply.response(OpCode::Multi), Response::Multi(expected.to_vec()));
    assert_eq!(reply.zxid, 3, "a zxid is used all the same");
    assert!(world.stat(&client, "/b").is_none());

    let reply = world.call(&client, &Request::Multi { ops: vec![] });
    assert_eq!(reply.response(OpCode::Multi), Response::Multi(vec![]));
}

/// §5.1: reads are for multiRead.
#[test]
fn a_multi_of_reads_is_an_error() {
    let mut world = World::new();
    let client = world.connect();
    let ops = vec![MultiOp::GetData { path: Some("/".into()) }];
    assert_eq!(code(&world.call(&client, &Request::Multi { ops })), Some(ErrorCode::MarshallingError));
}

/// Surprise 54.
#[test]
fn a_multiread_answers_part_by_part() {
    let mut world = World::new();
    let client = world.connect();
    world.create_ok(&client, "/a");
    let ops = vec![
        MultiOp::GetData { path: Some("/a".into()) },
        MultiOp::GetChildren { path: Some("/nope".into()) },
        MultiOp::GetChildren { path: Some("/zookeeper/quota".into()) },
    ];
    let reply = world.call(&client, &Request::MultiRead { ops });
    let Response::Multi(results) = reply.response(OpCode::MultiRead) else { panic!("{reply:?}") };
    assert!(matches!(&results[0], MultiResult::GetData { stat, .. } if stat.data_length == 4));
    assert_eq!(results[1], MultiResult::Error(Some(ErrorCode::NoNode)));
    assert_eq!(results[2], MultiResult::GetChildren { children: Some(vec![]) });
    let ops = vec![create_op("/b")];
    assert_eq!(code(&world.call(&client, &Request::MultiRead { ops })), Some(ErrorCode::MarshallingError));
    let ops = vec![MultiOp::GetData { path: None }];
    assert_eq!(code(&world.call(&client, &Request::MultiRead { ops })), Some(ErrorCode::MarshallingError));
}

/// Surprise 56; §13.
#[test]
fn reconfig_is_off_and_then_unknown_to_a_single_server() {
    let reconfig = Request::Reconfig {
        joining: None,
        leaving: None,
        new_members: Some("server.1=a".into()),
        config_id: -1,
    };
    let mut world = World::new();
    let client = world.connect();
    assert_eq!(code(&world.call(&client, &reconfig)), Some(ErrorCode::ReconfigDisabled));
    let mut world = World::with(|_, tree| tree.reconfig_enabled = true);
    let client = world.connect();
    assert_eq!(code(&world.call(&client, &reconfig)), Some(ErrorCode::Unimplemented));
    assert!(!world.is_closed(&client), "the connection stays open");
}

#[test]
fn versions_are_compared() {
    let mut world = World::new();
    let client = world.connect();
    world.create_ok(&client, "/a");
    assert_eq!(world.call(&client, &set("/a", "x", 0)).err, 0);
    assert_eq!(code(&world.call(&client, &set("/a", "x", 0))), Some(ErrorCode::BadVersion));
    let delete = |version| Request::Delete { path: Some("/a".into()), version };
    assert_eq!(code(&world.call(&client, &delete(0))), Some(ErrorCode::BadVersion));
    assert_eq!(world.call(&client, &delete(1)).err, 0);
}

/// Surprise 10: the order of the lists.
#[test]
fn setwatches_lists_are_data_exist_child() {
    let lists = wire::SetWatches {
        data: world::some(&["d"]),
        exist: world::some(&["e"]),
        child: world::some(&["c"]),
        ..wire::SetWatches::default()
    };
    let bytes = Request::SetWatches(lists).to_bytes();
    let order: Vec<u8> = bytes.into_iter().filter(u8::is_ascii_lowercase).collect();
    assert_eq!(order, b"dec");
}

/// The books an operator looks at.
#[test]
fn statistics_count_frames_and_latencies() {
    let mut world = World::new();
    let client = world.connect();
    world.create_ok(&client, "/a");
    world.call(&client, &get("/a", true));
    world.hold_log = true;
    world.send(&client, 9, &set("/a", "x", -1));
    world.run();
    world.advance_ms(30);
    assert_eq!(world.node().server_stats().outstanding, 1);
    world.release_log();
    let stats = world.node().server_stats();
    assert_eq!((stats.received, stats.sent), (4, 5), "the handshake and the event count");
    assert_eq!((stats.latency.min_ms, stats.latency.max_ms, stats.outstanding), (0, 30, 0));
    assert_eq!((stats.connections, stats.node_count, stats.global_sessions), (1, 6, 1));
    let view = world.node().connections().next().expect("a connection");
    assert_eq!((view.received, view.sent, view.queued), (4, 5, 0));
    let session = view.session.expect("a session");
    assert_eq!((session.last_op, session.last_cxid, session.last_zxid), ("SETD", 9, 3));
    assert_eq!((session.last_latency_ms, session.timeout_ms), (30, 10_000));
    world.step(node::Input::Admin(node::Admin::ResetServerStats));
    world.step(node::Input::Admin(node::Admin::ResetConnectionStats));
    assert_eq!(world.node().server_stats().received, 0);
    assert_eq!(world.node().connections().next().expect("a connection").received, 0);
}
