//! Creating, deleting, setting and their stats (reference: client-protocol §4.1 to §4.6).

mod world;

use tree::{NodeKind, Tree, TreeConfig};
use wire::ErrorCode::*;
use wire::{Acl, Stat};
use world::*;

#[test]
fn a_fresh_tree_is_apaches() {
    let tree = Tree::new(TreeConfig::default());
    assert_eq!(tree.digest(), 1_371_985_504);
    assert_eq!(tree.node_count(), 4);
    assert_eq!(tree.approximate_data_size(), 44);
    let stat = |path: &str| tree.node(path).expect("a system node").stat();
    assert_eq!(stat("/"), Stat { cversion: -1, num_children: 1, ..Stat::default() });
    assert_eq!(stat("/zookeeper"), Stat { cversion: -2, num_children: 2, ..Stat::default() });
    assert_eq!(stat("/zookeeper/quota"), Stat::default());
    assert_eq!(stat("/zookeeper/config"), Stat { aversion: -1, ..Stat::default() });
    assert_eq!(tree.node("/").expect("the root").data(), Some(&b""[..]));
    assert_eq!(tree.node("/zookeeper").expect("a system node").acl(), [Acl::open()]);
    assert_eq!(
        tree.node("/zookeeper/config").expect("a system node").acl(),
        [Acl::new(1, "world", "anyone")]
    );
}

/// The digest Apache 3.9.5 logged for this transaction (reference: storage-formats §5).
#[test]
fn the_first_create_has_apaches_digest() {
    let mut world = World::fresh();
    world.create_session(3_600_000);
    world.time_ms = 1_795_389_508_616;
    world.write(create("/app", "hello"));
    assert_eq!(world.tree.digest(), 4_230_781_193);
}

#[test]
fn without_digests_there_are_none() {
    let mut world = World::new(TreeConfig { digest_enabled: false, ..TreeConfig::default() });
    assert_eq!(world.prepare(create("/a", "x")).digest, None);
    world.apply_next();
    assert_eq!(world.tree.digest(), 0);
}

#[test]
fn create_makes_a_node_and_counts_in_the_parent() {
    let mut world = World::fresh();
    let stat = world.write(create("/a", "data")).stat();
    let expected = Stat {
        czxid: 1,
        mzxid: 1,
        pzxid: 1,
        ctime: world.time_ms,
        mtime: world.time_ms,
        data_length: 4,
        ..Stat::default()
    };
    assert_eq!(stat, expected);
    assert_eq!(world.changes, ["created /a in /"]);
    assert_eq!(world.data("/a"), "data");
    assert_eq!(world.children("/"), ["a", "zookeeper"]);
    let root = world.node("/").stat();
    assert_eq!((root.cversion, root.num_children, root.pzxid, root.mzxid), (0, 2, 1, 0));
    assert_eq!(world.write(create("/a", "")), error(NodeExists));
    assert_eq!(world.write(create("/", "")), error(NodeExists));
    assert_eq!(world.write(create("/b/c", "")), error(NoNode));
    assert_eq!(world.node("/a").kind(), NodeKind::Persistent);
    assert_eq!(world.node("/a").path(), "/a");
}

#[test]
fn delete_counts_in_the_visible_cversion_alone() {
    let mut world = World::fresh();
    world.write(create("/a", ""));
    world.write(create("/a/b", ""));
    assert_eq!(world.node("/a").stat().cversion, 1);
    assert_eq!(world.write(delete("/a", -1)), error(NotEmpty));
    assert_eq!(world.write(delete("/a/b", 5)), error(BadVersion));
    assert_eq!(world.write(delete("/a/b", 0)), Outcome::Done);
    assert_eq!(world.changes, ["deleted /a/b in /a"]);
    let stat = world.node("/a").stat();
    assert_eq!((stat.cversion, stat.num_children, stat.pzxid), (2, 0, world.zxid.0));
    assert_eq!(world.node("/a").persisted().cversion, 1);
    assert_eq!(world.write(delete("/a/b", -1)), error(NoNode));
    assert_eq!(world.write(delete("/a", -1)), Outcome::Done);
    assert!(world.tree.node("/a").is_none());
}

#[test]
fn set_data_moves_version_and_times() {
    let mut world = World::fresh();
    world.write(create("/a", "one"));
    assert_eq!(world.write(set("/a", "two", 1)), error(BadVersion));
    let stat = world.write(set("/a", "three", 0)).stat();
    assert_eq!((stat.version, stat.mzxid, stat.czxid, stat.pzxid), (1, world.zxid.0, 1, 1));
    assert_eq!((stat.mtime, stat.data_length), (world.time_ms, 5));
    assert_eq!(world.changes, ["data /a in /"]);
    let again = world.write(set("/a", "three", -1)).stat();
    assert_eq!(again.version, 2);
    assert_eq!(world.changes, ["data /a in /"]);
    assert_eq!(world.data("/a"), "three");
    assert_eq!(world.write(set("/b", "", -1)), error(NoNode));
}
