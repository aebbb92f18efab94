//! Snapshots taken while writes go on, and loading them (reference: storage-formats §4).

mod world;

use tree::{LoadError, NodeKind, SNAPSHOTS_MAX, SnapshotId, Tree, TreeConfig, TreeLoader};
use wire::{Acl, CreateMode, SessionId, StatPersisted, Zxid};
use world::*;

fn some_tree() -> World {
    let mut world = World::with_extended_types();
    world.create_session(4000);
    for path in ["/a", "/a/b", "/a/b/c", "/d"] {
        world.write(create(path, path)).stat();
    }
    world.write(create_mode("/a/e", CreateMode::Ephemeral)).stat();
    world.write(container("/c")).stat();
    world.write(ttl("/t", 500)).stat();
    world.write(create_acl("/x", vec![Acl::new(19, "world", "anyone")])).stat();
    world.write(set("/", "root", -1)).stat();
    world
}

fn rest_of(tree: &mut Tree, id: SnapshotId, max_bytes: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while tree.snapshot_chunk(id, &mut out, max_bytes) {}
    out
}

#[test]
fn a_snapshot_brings_everything_back() {
    let mut world = some_tree();
    let (id, head) = world.tree.begin_snapshot();
    assert_eq!((head.zxid, head.digest), (world.zxid, world.tree.digest()));
    let nodes = rest_of(&mut world.tree, id, 1);
    let loaded = load(world.tree.config().clone(), &head, &nodes).expect("a tree");
    assert_eq!(state(&loaded), state(&world.tree));
    assert_eq!(loaded.digest(), loaded.recomputed_digest());
    assert_eq!(loaded.approximate_data_size(), world.tree.approximate_data_size());
    assert_eq!((loaded.ephemeral_count(), loaded.container_count(), loaded.ttl_count()), (1, 1, 1));
}

#[test]
fn what_changes_meanwhile_is_in_as_it_was() {
    let mut world = some_tree();
    let before = state(&world.tree);
    let (id, head) = world.tree.begin_snapshot();
    let mut nodes = Vec::new();
    assert!(world.tree.snapshot_chunk(id, &mut nodes, 1));
    let changes = [
        delete("/a/b/c", -1),
        delete("/a/b", -1),
        create("/a/b", "again"),
        set("/d", "changed", -1),
        create("/d/new", ""),
        set_acl("/x", vec![Acl::open()], -1),
        set("/x", "changed", -1),
        delete("/x", -1),
        delete("/c", -1),
        create("/c", "reborn"),
        set("/", "changed", -1),
    ];
    for change in changes {
        assert!(!matches!(world.write(change), Outcome::Error(_)));
    }
    world.close_session();
    assert!(world.tree.snapshot_chunk(id, &mut nodes, 1));
    nodes.extend(rest_of(&mut world.tree, id, 1 << 20));
    let loaded = load(world.tree.config().clone(), &head, &nodes).expect("a tree");
    assert_eq!(state(&loaded), before);
    assert_eq!(loaded.digest(), head.digest);
    assert!(!world.tree.snapshot_chunk(id, &mut nodes, 1), "it is over");
}

#[test]
fn a_dropped_snapshot_leaves_no_trace_in_the_next() {
    let mut world = some_tree();
    for at in 0..70_000 {
        let (id, _) = world.tree.begin_snapshot();
        let mut nodes = Vec::new();
        world.tree.snapshot_chunk(id, &mut nodes, if at % 2 == 0 { 1 } else { 200 });
        world.tree.abort_snapshot(id);
        assert!(!world.tree.snapshot_chunk(id, &mut nodes, 1));
    }
    world.write(create("/late", "")).stat();
    let (id, head) = world.tree.begin_snapshot();
    let nodes = rest_of(&mut world.tree, id, 100);
    let loaded = load(world.tree.config().clone(), &head, &nodes).expect("a tree");
    assert_eq!(state(&loaded), state(&world.tree));
}

#[test]
fn so_many_may_be_under_way_and_each_is_its_own_time() {
    const PATHS: [&str; SNAPSHOTS_MAX] = [
        "/0", "/1", "/2", "/3", "/4", "/5", "/6", "/7", "/8", "/9", "/10", "/11", "/12", "/13", "/14", "/15",
    ];
    let mut world = some_tree();
    let mut snapshots = Vec::new();
    for (at, path) in PATHS.into_iter().enumerate() {
        assert_eq!(world.tree.snapshots_free(), SNAPSHOTS_MAX - at);
        let (id, head) = world.tree.begin_snapshot();
        assert_eq!(world.tree.snapshot_bytes(id), 0);
        snapshots.push((id, head, state(&world.tree)));
        world.write(set("/d", path, -1)).stat();
        world.write(create(path, "")).stat();
    }
    assert_eq!(world.tree.snapshots_free(), 0);
    assert!(snapshots.iter().all(|(id, ..)| world.tree.snapshot_bytes(*id) > 0), "the old forms of /d");
    for (id, head, expected) in snapshots {
        let nodes = rest_of(&mut world.tree, id, 50);
        let loaded = load(world.tree.config().clone(), &head, &nodes).expect("a tree");
        assert_eq!(state(&loaded), expected);
    }
    assert_eq!(world.tree.snapshots_free(), SNAPSHOTS_MAX);
}

fn stat(owner: i64) -> StatPersisted {
    StatPersisted { ephemeral_owner: owner, ..StatPersisted::default() }
}

fn kind_of(config: &TreeConfig, owner: i64) -> Result<NodeKind, &'static str> {
    let mut loader = TreeLoader::new(config.clone());
    loader.session(SessionId(LIVE), 1000);
    loader.node("", None, -1, &stat(0)).expect("a root");
    loader.node("/n", None, -1, &stat(owner)).map_err(|e| e.what)?;
    let tree = loader.finish(Zxid(1)).expect("a tree");
    Ok(tree.node("/n").expect("a node").kind())
}

const LIVE: i64 = 0xff00_0000_0000_0005_u64 as i64;
const TTL: i64 = 0xff00_0000_0000_0007_u64 as i64;
const FEATURE: i64 = 0xff00_0100_0000_0007_u64 as i64;

/// The trap of storage-formats §3.5: Apache takes a TTL node for an orphan when extended types are off.
#[test]
fn owners_tell_the_kind() {
    let off = TreeConfig::default();
    let on = TreeConfig { extended_types: true, ..off.clone() };
    let emulated = TreeConfig { emulate_353_ttl: true, ..on.clone() };
    let old_ttl = i64::MIN | 500;
    for config in [&off, &on, &emulated] {
        assert_eq!(kind_of(config, 0), Ok(NodeKind::Persistent));
        assert_eq!(kind_of(config, i64::MIN), Ok(NodeKind::Container));
        assert_eq!(kind_of(config, 0x0100_0000_0000_0001), Ok(NodeKind::Ephemeral));
        assert_eq!(kind_of(config, TTL), Ok(NodeKind::Ttl));
    }
    assert_eq!(kind_of(&off, LIVE), Ok(NodeKind::Ephemeral));
    assert_eq!(kind_of(&off, FEATURE), Ok(NodeKind::Ephemeral));
    assert_eq!(kind_of(&on, FEATURE), Err("invalid ephemeralOwner"));
    assert_eq!(kind_of(&off, old_ttl), Ok(NodeKind::Ephemeral));
    assert_eq!(kind_of(&emulated, old_ttl), Ok(NodeKind::Ttl));
    let mut loader = TreeLoader::new(off);
    loader.node("", None, -1, &stat(0)).expect("a root");
    loader.node("/n", None, -1, &stat(TTL)).expect("a node");
    assert_eq!(loader.finish(Zxid(1)).expect("a tree").unexpected_ttl_nodes(), 1);
}

#[test]
fn records_that_are_no_tree_are_refused() {
    let new = || TreeLoader::new(TreeConfig::default());
    let what = |result: Result<(), LoadError>| result.map_err(|e| e.what);
    assert_eq!(what(new().node("/a", None, -1, &stat(0))), Err("unable to find parent"));
    assert_eq!(new().finish(Zxid(1)).map(|_| ()).map_err(|e| e.what), Err("unable to find the root"));
    let mut loader = new();
    loader.node("", None, -1, &stat(0)).expect("a root");
    assert_eq!(what(loader.node("", None, -1, &stat(0))), Err("a second record"));
    assert_eq!(what(loader.node("/a/b", None, -1, &stat(0))), Err("unable to find parent"));
    assert_eq!(what(loader.node("a", None, -1, &stat(0))), Err("a name without a parent"));
    loader.node("/a", None, -1, &stat(0)).expect("a node");
    assert_eq!(what(loader.node("/a", None, -1, &stat(0))), Err("a second record"));
    assert_eq!(what(loader.node("/a/", None, -1, &stat(0))), Err("a second record"));
}

#[test]
fn missing_built_in_nodes_are_added() {
    let mut loader = TreeLoader::new(TreeConfig::default());
    loader.node("", Some(b""), -1, &stat(0)).expect("a root");
    loader.node("/zookeeper", Some(b""), -1, &stat(0)).expect("a node");
    loader.node("/zookeeper/quota", Some(b""), -1, &stat(0)).expect("a node");
    let tree = loader.finish(Zxid::ZERO).expect("a tree");
    assert_eq!(state(&tree), state(&Tree::new(TreeConfig::default())));
}

/// ZOOKEEPER-4846: such a node is closed until a replay mends it.
#[test]
fn a_lost_acl_denies() {
    let mut loader = TreeLoader::new(TreeConfig::default());
    loader.acl(3, vec![Acl::open()]);
    loader.node("", None, -1, &stat(0)).expect("a root");
    loader.node("/lost", None, 7, &stat(0)).expect("a node");
    loader.node("/open", None, 3, &stat(0)).expect("a node");
    let mut world = World::fresh();
    world.tree = loader.finish(Zxid(1)).expect("a tree");
    world.zxid = Zxid(1);
    let acl_error = Outcome::Error(wire::ErrorCode::NoAuth);
    assert_eq!(world.write(set("/lost", "x", -1)), acl_error);
    world.write(set("/open", "x", -1)).stat();
    let (_, head) = world.tree.begin_snapshot();
    assert_eq!(head.acls.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [3, 8]);
    world.credentials.push(wire::Id::new("super", ""));
    world.write(set_acl("/lost", vec![Acl::open()], -1)).stat();
    world.credentials.pop();
    world.write(set("/lost", "x", -1)).stat();
}

#[test]
fn a_load_counts_quotas_anew() {
    let mut loader = TreeLoader::new(TreeConfig::default());
    for (path, data) in [
        ("", ""),
        ("/zookeeper", ""),
        ("/zookeeper/quota", ""),
        ("/zookeeper/quota/a", ""),
        ("/zookeeper/quota/a/zookeeper_limits", "count=5"),
        ("/zookeeper/quota/a/zookeeper_stats", "count=77,bytes=77"),
        ("/a", "123"),
        ("/a/b", "4"),
    ] {
        loader.node(path, Some(data.as_bytes()), -1, &stat(0)).expect("a node");
    }
    let mut world = World::fresh();
    world.tree = loader.finish(Zxid(1)).expect("a tree");
    world.zxid = Zxid(1);
    assert_eq!(world.data("/zookeeper/quota/a/zookeeper_stats"), "count=2,bytes=4");
    world.write(create("/a/c", "")).stat();
    assert_eq!(world.data("/zookeeper/quota/a/zookeeper_stats"), "count=3,bytes=4");
}
