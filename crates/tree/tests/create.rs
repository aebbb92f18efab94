//! Creating: modes, the order of checks, sequence numbers (reference: client-protocol §4.3, §6.2, §15).

mod world;

use tree::{NodeKind, SessionState, TreeConfig};
use wire::ErrorCode::*;
use wire::{Acl, CreateMode, OpCode, Request};
use world::*;

const SEQUENTIAL: CreateMode = CreateMode::PersistentSequential;

fn request(path: Option<&'static str>, acl: Option<Vec<Acl<'static>>>, flags: i32) -> Request<'static> {
    Request::Create { op: OpCode::Create, path: path.map(Into::into), data: None, acl, flags, ttl: -1 }
}

#[test]
fn flags_are_a_plain_enumeration() {
    let mut world = World::fresh();
    for flags in [-1, 7, 8, i32::MAX, i32::MIN] {
        assert_eq!(world.write(create_as(OpCode::Create, "/a", "", flags, -1)), error(BadArguments));
    }
}

/// Surprise 24.
#[test]
fn ttl_flags_need_extended_types_first_and_create_ttl_second() {
    let mut world = World::fresh();
    for op in [OpCode::Create, OpCode::Create2, OpCode::CreateContainer, OpCode::CreateTtl] {
        assert_eq!(world.write(create_as(op, "/a", "", 5, 100)), error(Unimplemented));
        assert_eq!(world.write(create_as(op, "/a", "", 6, -1)), error(Unimplemented));
    }
    let mut world = World::with_extended_types();
    for op in [OpCode::Create, OpCode::Create2, OpCode::CreateContainer] {
        assert_eq!(world.write(create_as(op, "/a", "", 5, -1)), error(BadArguments));
    }
}

#[test]
fn the_time_to_live_has_bounds() {
    let mut world = World::with_extended_types();
    for bad in [-1, 0, 1 << 40, i64::MAX, i64::MIN] {
        assert_eq!(world.write(ttl("/a", bad)), error(BadArguments), "{bad}");
    }
    world.write(ttl("/a", 1)).stat();
    world.write(ttl("/b", (1 << 40) - 1)).stat();
    assert_eq!(world.node("/b").persisted().ephemeral_owner, 0xff00_00ff_ffff_ffff_u64 as i64);
    assert_eq!(world.node("/b").stat().ephemeral_owner, 0);
    assert_eq!(world.node("/b").kind(), NodeKind::Ttl);
}

#[test]
fn create_ttl_without_ttl_flags_is_refused() {
    let mut world = World::with_extended_types();
    for ttl in [-1, -5, 0, 10] {
        for flags in 0..=4 {
            assert_eq!(world.write(create_as(OpCode::CreateTtl, "/a", "", flags, ttl)), error(BadArguments));
        }
    }
}

/// Surprises 22 and 23.
#[test]
fn the_operation_decides_the_kind_before_the_flags() {
    let mut world = World::fresh();
    world.write(create_mode("/plain", CreateMode::Container)).stat();
    assert_eq!(world.node("/plain").kind(), NodeKind::Persistent);
    for (path, flags) in [("/c0", 0), ("/c1", 1), ("/c4", 4)] {
        world.write(create_as(OpCode::CreateContainer, path, "", flags, -1)).stat();
        assert_eq!(world.node(path).kind(), NodeKind::Container);
        assert_eq!(world.node(path).stat().ephemeral_owner, 0);
        assert_eq!(world.node(path).persisted().ephemeral_owner, i64::MIN);
    }
    let path = world.write(create_as(OpCode::CreateContainer, "/s", "", 2, -1)).path();
    assert_eq!(path, "/s0000000004");
}

#[test]
fn checks_come_in_apaches_order() {
    let mut world = World::fresh();
    let open = || Some(vec![Acl::open()]);
    let cases = [
        (request(Some("x"), None, 9), BadArguments),
        (request(None, None, 0), MarshallingError),
        (request(Some("x"), None, 0), BadArguments),
        (request(Some("/nope/\0"), None, 0), BadArguments),
        (request(Some("/nope/x"), None, 0), InvalidAcl),
        (request(Some("/nope/x"), Some(vec![]), 0), InvalidAcl),
        (request(Some("x/y"), open(), 0), NoNode),
        (request(Some("/nope/"), open(), 0), NoNode),
        (request(Some("//x"), open(), 0), BadArguments),
        (request(Some("/\u{1}"), open(), 0), BadArguments),
        (request(Some("/😀"), open(), 0), BadArguments),
        (request(Some("/zookeeper/"), open(), 0), BadArguments),
        (request(Some("/zookeeper"), open(), 0), NodeExists),
    ];
    for (request, code) in cases {
        assert_eq!(world.write(request.clone()), error(code), "{request:?}");
    }
    world.session_state = SessionState::Closing;
    assert_eq!(world.write(request(None, None, 0)), error(SessionExpired));
    assert_eq!(world.write(request(None, None, 5)), error(Unimplemented));
    world.session_state = SessionState::Moved;
    assert_eq!(world.write(request(None, None, 0)), error(SessionMoved));
}

/// Surprises 17 and 18.
#[test]
fn no_auth_beats_node_exists_beats_no_children_for_ephemerals() {
    let mut world = World::fresh();
    world.write(create_mode("/e", CreateMode::Ephemeral)).stat();
    assert_eq!(world.write(create("/e/x", "")), error(NoChildrenForEphemerals));
    world.write(create_acl("/closed", vec![Acl::new(27, "world", "anyone")])).stat();
    assert_eq!(world.write(create("/closed/x", "")), error(NoAuth));
    assert_eq!(world.write(create("/closed/\u{1}", "")), error(NoAuth));
}

/// Surprise 12.
#[test]
fn the_sequence_number_counts_all_children_ever_created() {
    let mut world = World::fresh();
    world.write(create("/d", "")).stat();
    assert_eq!(world.write(create_mode("/d/a-", SEQUENTIAL)).path(), "/d/a-0000000000");
    assert_eq!(world.write(create_mode("/d/b-", SEQUENTIAL)).path(), "/d/b-0000000001");
    world.write(create("/d/plain", "")).stat();
    world.write(delete("/d/plain", -1));
    let ephemeral = create_mode("/d/a-", CreateMode::EphemeralSequential);
    assert_eq!(world.write(ephemeral).path(), "/d/a-0000000003");
}

/// Surprise 21.
#[test]
fn a_trailing_slash_is_fine_when_a_number_follows() {
    let mut world = World::fresh();
    world.write(create("/a", "")).stat();
    assert_eq!(world.write(create_mode("/a/", SEQUENTIAL)).path(), "/a/0000000000");
    assert_eq!(world.write(create_mode("/", SEQUENTIAL)).path(), "/0000000001");
    assert_eq!(world.write(create("/a/", "")), error(BadArguments));
}

#[test]
fn outstanding_creates_get_their_own_numbers() {
    let mut world = World::fresh();
    for _ in 0..3 {
        world.prepare(create_mode("/n", SEQUENTIAL));
    }
    let paths: Vec<String> = (0..3).map(|_| world.apply_next().path()).collect();
    assert_eq!(paths, ["/n0000000000", "/n0000000001", "/n0000000002"]);
    assert_eq!(world.projection.record_count(), 0);
}

#[test]
fn ephemerals_belong_to_their_session() {
    let mut world = World::fresh();
    let stat = world.write(create_mode("/e", CreateMode::Ephemeral)).stat();
    assert_eq!(stat.ephemeral_owner, SESSION.0);
    assert_eq!(world.tree.ephemerals(SESSION).collect::<Vec<_>>(), ["/e"]);
    assert_eq!(world.tree.ephemeral_owners().collect::<Vec<_>>(), [SESSION]);
    assert_eq!(world.tree.ephemeral_count(), 1);
    world.write(delete("/e", -1));
    assert_eq!((world.tree.ephemeral_count(), world.tree.ephemeral_owners().count()), (0, 0));
}

/// Surprise 69, in the sane form of client-protocol §8.3.
#[test]
fn a_local_session_cannot_own_ephemerals() {
    for refusal in [EphemeralOnLocalSession, SessionExpired] {
        let mut world = World::fresh();
        world.session_state = SessionState::Local { refusal };
        assert_eq!(world.write(create_mode("/e", CreateMode::Ephemeral)), error(refusal));
        let container = create_as(OpCode::CreateContainer, "/c", "", 1, -1);
        assert_eq!(world.write(container), error(refusal));
        world.write(create("/p", "")).stat();
        let Outcome::Multi(results) = world.write(multi(vec![create_mode("/e", CreateMode::Ephemeral)]))
        else {
            panic!("a multi")
        };
        assert_eq!(results, [wire::MultiResult::Error(Some(refusal))]);
    }
}

#[test]
fn null_data_is_not_empty_data() {
    let mut world = World::fresh();
    world.write(request(Some("/null"), Some(vec![Acl::open()]), 0)).stat();
    world.write(create("/empty", "")).stat();
    assert_eq!(world.node("/null").data(), None);
    assert_eq!(world.node("/empty").data(), Some(&b""[..]));
    assert_eq!(world.node("/null").stat().data_length, 0);
    world.write(Request::SetData { path: Some("/empty".into()), data: None, version: -1 }).stat();
    assert_eq!(world.node("/empty").data(), None);
    world.write(set("/null", "", -1)).stat();
    assert_eq!(world.node("/null").data(), Some(&b""[..]));
}

#[test]
fn lookups_do_not_bend_paths() {
    let mut world = World::fresh();
    world.write(create("/a", "")).stat();
    world.write(create("/a/b", "")).stat();
    for path in ["a", "/a/", "//a", "/a//b", "a/b", "/a/b/", "//", "/a/b/c", "\0"] {
        assert!(world.tree.node(path).is_none(), "{path}");
    }
    assert_eq!(world.node("").stat(), world.node("/").stat());
    assert_eq!(world.node("").path(), "/");
}

#[test]
fn all_children_are_counted() {
    let mut world = World::fresh();
    for path in ["/a", "/a/b", "/a/b/c", "/a/d", "/e"] {
        world.write(create(path, "")).stat();
    }
    let count = |path: &str| world.tree.all_children_number(path);
    assert_eq!((count("/"), count("/a"), count("/a/b"), count("/e")), (Some(8), Some(3), Some(1), Some(0)));
    assert_eq!((count("/x"), count("")), (None, Some(9)));
    assert_eq!(world.tree.approximate_data_size(), 44 + 2 + 4 + 6 + 4 + 2);
}

#[test]
fn the_hash_seed_shows_nowhere() {
    let states: Vec<_> = [1, 0x1234_5678_9abc_def0]
        .map(|hash_seed| {
            let mut world = World::new(TreeConfig { hash_seed, ..TreeConfig::default() });
            world.write(create("/a", "")).stat();
            for _ in 0..300 {
                world.write(create_mode("/a/n", SEQUENTIAL)).stat();
            }
            let children: Vec<String> = world.node("/a").children().map(str::to_owned).collect();
            (world.tree.digest(), children)
        })
        .into();
    assert_eq!(states[0], states[1]);
}
