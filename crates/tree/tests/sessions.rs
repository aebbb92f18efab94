//! Sessions and what they own; containers and TTL nodes (reference: client-protocol §6, §8.2).

mod world;

use tree::{NodeKind, TreeConfig};
use wire::ErrorCode::*;
use wire::{CreateMode, SessionId, Txn, TxnHeader, Zxid};
use world::*;

const EPHEMERAL: CreateMode = CreateMode::Ephemeral;

#[test]
fn sessions_come_and_go() {
    let mut world = World::fresh();
    let digest = world.tree.digest();
    world.create_session(4000);
    assert_eq!(world.tree.sessions().get(&SESSION), Some(&4000));
    assert_eq!(world.close_session(), Outcome::Done);
    assert!(world.tree.sessions().is_empty());
    assert_eq!((world.tree.digest(), world.tree.last_zxid()), (digest, Zxid(2)));
}

#[test]
fn the_end_of_a_session_takes_what_is_there_and_what_is_coming() {
    let mut world = World::fresh();
    world.create_session(4000);
    world.write(create("/p", "")).stat();
    world.write(create_mode("/p/a", EPHEMERAL)).stat();
    world.write(create_mode("/p/b", EPHEMERAL)).stat();
    world.prepare(delete("/p/a", -1));
    world.prepare(create_mode("/p/c", EPHEMERAL));
    world.prepare(set("/p/b", "x", -1));
    let close = world.prepare_close_session();
    let paths = ["/p/b", "/p/c"].map(|path| Some(path.into())).to_vec();
    assert_eq!(close.txn, Txn::CloseSession { paths: Some(paths) });
    assert!(world.projection.is_closing(SESSION));
    world.prepare(create_mode("/p/late", EPHEMERAL));
    world.prepare(create("/p/late", ""));
    for _ in 0..3 {
        world.apply_next();
    }
    world.apply_next();
    assert_eq!(world.changes, ["deleted /p/b in /p", "deleted /p/c in /p"]);
    assert!(!world.projection.is_closing(SESSION));
    assert_eq!(world.apply_next(), error(SessionExpired));
    assert_eq!(world.apply_next(), error(SessionExpired));
    assert_eq!(world.children("/p"), Vec::<&str>::new());
    assert_eq!(world.node("/p").stat().pzxid, close.header.zxid.0);
    assert_eq!(world.tree.ephemeral_count(), 0);
}

/// Apache answers NOTEMPTY until the end is applied.
#[test]
fn the_parent_of_going_ephemerals_counts_as_empty() {
    let mut world = World::fresh();
    world.write(create("/p", "")).stat();
    world.write(create_mode("/p/e", EPHEMERAL)).stat();
    world.prepare_close_session();
    world.session = SessionId(99);
    world.prepare(delete("/p", -1));
    world.apply_next();
    assert_eq!(world.apply_next(), Outcome::Done);
}

#[test]
fn an_ephemeral_deleted_and_made_again_by_another_is_anothers() {
    let mut world = World::fresh();
    world.write(create_mode("/e", EPHEMERAL)).stat();
    world.prepare(delete("/e", -1));
    world.session = SessionId(99);
    world.prepare(create_mode("/e", EPHEMERAL));
    world.session = SESSION;
    let close = world.prepare_close_session();
    assert_eq!(close.txn, Txn::CloseSession { paths: Some(vec![]) });
    for _ in 0..3 {
        world.apply_next();
    }
    assert_eq!(world.node("/e").stat().ephemeral_owner, 99);
    assert_eq!(world.tree.ephemerals(SessionId(99)).collect::<Vec<_>>(), ["/e"]);
}

/// ZOOKEEPER-4306: a record must stay readable.
#[test]
fn a_session_with_very_many_ephemerals_has_a_bounded_record() {
    let mut world = World::new(TreeConfig { digest_enabled: false, ..TreeConfig::default() });
    let long: &'static str = Box::leak(format!("/{}", "x".repeat(1000)).into_boxed_str());
    for _ in 0..1500 {
        world.write(create_mode(long, CreateMode::EphemeralSequential)).stat();
    }
    let close = world.prepare_close_session();
    let Txn::CloseSession { paths: Some(paths) } = &close.txn else { panic!("a close") };
    assert!(paths.len() > 500 && paths.len() < 530, "{}", paths.len());
    world.apply_next();
    assert_eq!((world.changes.len(), world.tree.ephemeral_count(), world.tree.node_count()), (1500, 0, 4));
}

#[test]
fn nodes_of_dead_sessions_go_at_start() {
    let mut world = World::fresh();
    world.create_session(4000);
    world.write(create("/p", "")).stat();
    world.write(create_mode("/p/alive", EPHEMERAL)).stat();
    world.session = SessionId(99);
    world.write(create_mode("/p/dead", EPHEMERAL)).stat();
    world.write(set("/p", "x", -1)).stat();
    assert_eq!(world.tree.remove_dead_ephemerals(), ["/p/dead"]);
    assert_eq!(world.children("/p"), ["alive"]);
    assert_eq!(world.node("/p").stat().pzxid, world.tree.last_zxid().0);
    assert_eq!(world.tree.digest(), world.tree.recomputed_digest());
    assert_eq!(world.tree.remove_dead_ephemerals(), Vec::<String>::new());
}

/// Surprises 25 and 26.
#[test]
fn containers_and_ttl_nodes_fall_due() {
    let mut world = World::with_extended_types();
    world.write(container("/never-used")).stat();
    world.write(container("/used")).stat();
    world.write(create("/used/kid", "")).stat();
    world.write(ttl("/short", 100)).stat();
    world.write(ttl("/long", 1_000_000)).stat();
    world.write(ttl("/full", 100)).stat();
    world.write(create("/full/kid", "")).stat();
    let now = world.time_ms;
    let due = |world: &World, at, never_used| {
        let mut paths = world.tree.expired_containers(at, never_used, 100);
        paths.sort();
        paths
    };
    assert_eq!(due(&world, now, 0), Vec::<String>::new());
    assert_eq!(due(&world, now + 1000, 0), ["/short"]);
    assert_eq!(due(&world, now + 1000, 300), ["/never-used", "/short"]);
    world.write(delete("/used/kid", -1));
    world.write(delete("/full/kid", -1));
    assert_eq!(due(&world, now + 1000, 0), ["/full", "/short", "/used"]);
    assert_eq!(world.tree.expired_containers(now + 1000, 0, 2).len(), 2);
    world.time_ms = now + 1000;
    world.write(set("/short", "again", -1)).stat();
    assert_eq!(due(&world, now + 1000, 0), ["/full", "/used"]);
}

#[test]
fn the_sweep_checks_again() {
    let mut world = World::with_extended_types();
    for path in ["/plain", "/c", "/full", "/t"] {
        match path {
            "/plain" => world.write(create(path, "")),
            "/t" => world.write(ttl(path, 1000)),
            _ => world.write(container(path)),
        };
    }
    world.write(create("/full/kid", "")).stat();
    world.write(create_mode("/e", EPHEMERAL)).stat();
    assert_eq!(world.delete_container("/plain"), error(BadVersion));
    assert_eq!(world.delete_container("/e"), error(BadVersion));
    assert_eq!(world.delete_container("/full"), error(NotEmpty));
    assert_eq!(world.delete_container("/t"), error(BadVersion));
    assert_eq!(world.delete_container("/nope"), error(NoNode));
    assert_eq!(world.delete_container("/zookeeper"), error(BadArguments));
    assert_eq!(world.delete_container("/c"), Outcome::Done);
    assert_eq!(world.changes, ["deleted /c in /"]);
    world.time_ms += 2000;
    assert_eq!(world.delete_container("/t"), Outcome::Done);
    assert_eq!((world.tree.container_count(), world.tree.ttl_count()), (1, 0));
}

#[test]
fn any_session_may_delete_an_ephemeral() {
    let mut world = World::fresh();
    world.write(create_mode("/e", EPHEMERAL)).stat();
    world.session = SessionId(99);
    assert_eq!(world.write(set("/e", "x", -1)).stat().ephemeral_owner, SESSION.0);
    assert_eq!(world.write(delete("/e", -1)), Outcome::Done);
    assert_eq!(world.tree.ephemeral_count(), 0);
}

/// A record without a list of paths is what servers before 3.6 write.
#[test]
fn a_close_without_a_list_removes_what_the_session_owns() {
    let mut world = World::fresh();
    world.create_session(1000);
    world.write(create_mode("/e", EPHEMERAL)).stat();
    let txn = Txn::CloseSession { paths: None };
    let header =
        TxnHeader { client_id: SESSION, cxid: 1, zxid: Zxid(9), time_ms: 5, txn_type: txn.txn_type() };
    world.tree.apply(&header, &txn, &mut |_| {});
    assert!(world.tree.node("/e").is_none());
    assert_eq!(world.tree.last_zxid(), Zxid(9));
}

#[test]
fn kinds_show_in_the_node() {
    let mut world = World::with_extended_types();
    world.write(create_mode("/e", EPHEMERAL)).stat();
    world.write(container("/c")).stat();
    world.write(ttl("/t", 7)).stat();
    let kinds = ["/e", "/c", "/t", "/"].map(|path| world.node(path).kind());
    assert_eq!(kinds, [NodeKind::Ephemeral, NodeKind::Container, NodeKind::Ttl, NodeKind::Persistent]);
    assert_eq!(world.tree.unexpected_ttl_nodes(), 0);
}
