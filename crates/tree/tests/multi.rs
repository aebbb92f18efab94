//! multi: all or nothing (reference: client-protocol §5, §15).

mod world;

use wire::ErrorCode::{self, *};
use wire::{Acl, CreateMode, MultiResult, OpCode, Request, Txn, perms};
use world::*;

fn results(outcome: Outcome) -> Vec<MultiResult<'static>> {
    match outcome {
        Outcome::Multi(results) => results,
        other => panic!("{other:?} is no multi"),
    }
}

fn failed(code: ErrorCode) -> MultiResult<'static> {
    MultiResult::Error(Some(code))
}

#[test]
fn each_operation_sees_the_earlier_ones() {
    let mut world = World::fresh();
    world.write(create("/gone", "")).stat();
    let results = results(world.write(multi(vec![
        create("/a", "one"),
        create_as(OpCode::Create2, "/a/b", "", 0, -1),
        set("/a", "two", 0),
        set("/a", "three", 1),
        check("/a", 2),
        delete("/gone", -1),
        create("/gone", "again"),
        delete("/a/b", 0),
    ])));
    let kinds: Vec<&str> = results
        .iter()
        .map(|result| match result {
            MultiResult::Create { .. } => "create",
            MultiResult::Create2 { .. } => "create2",
            MultiResult::SetData { .. } => "set",
            MultiResult::Check => "check",
            MultiResult::Delete => "delete",
            _ => "error",
        })
        .collect();
    assert_eq!(kinds, ["create", "create2", "set", "set", "check", "delete", "create", "delete"]);
    assert_eq!(world.data("/a"), "three");
    assert_eq!(world.data("/gone"), "again");
    let changes =
        ["created /a in /", "created /a/b in /a", "data /a in /", "data /a in /", "deleted /gone in /"];
    assert_eq!(world.changes[..5], changes);
    let stat = world.node("/a").stat();
    assert_eq!((stat.czxid, stat.mzxid, stat.pzxid), (2, 2, 2));
    assert_eq!((stat.version, stat.cversion, stat.num_children), (2, 2, 0));
}

/// Surprise 3; the stat is that of its moment.
#[test]
fn creates_with_a_stat_share_a_tag() {
    let mut world = World::with_extended_types();
    let results = results(world.write(multi(vec![
        create_as(OpCode::Create2, "/a", "one", 0, -1),
        container("/c"),
        ttl("/t", 5),
        set("/a", "longer", -1),
    ])));
    let [MultiResult::Create2 { stat, .. }, MultiResult::Create2 { .. }, MultiResult::Create2 { .. }, _] =
        &results[..]
    else {
        panic!("{results:?}")
    };
    assert_eq!((stat.version, stat.data_length), (0, 3));
}

/// Surprises 1, 2 and 4.
#[test]
fn a_failure_undoes_all_and_is_logged() {
    let mut world = World::fresh();
    world.write(create("/a", "x")).stat();
    let digest = world.tree.digest();
    let record = world.prepare(multi(vec![
        create_mode("/a/n", CreateMode::PersistentSequential),
        set("/a", "y", 0),
        delete("/a", 77),
        create("/b", ""),
        delete("/nope", -1),
    ]));
    let Txn::Multi { ops } = &record.txn else { panic!("{record:?}") };
    assert_eq!(ops.iter().map(Txn::txn_type).collect::<Vec<_>>(), [1, 5, -1, -1, -1]);
    assert_eq!(record.digest.map(|digest| digest.tree_digest), Some(digest));
    let ok = MultiResult::Error(None);
    let late = failed(RuntimeInconsistency);
    assert_eq!(results(world.apply_next()), [ok.clone(), ok, failed(BadVersion), late.clone(), late]);
    assert_eq!(world.changes, Vec::<String>::new());
    assert_eq!((world.data("/a").as_str(), world.tree.digest()), ("x", digest));
    assert_eq!(world.tree.last_zxid(), world.zxid);
    let next = world.write(create_mode("/a/n", CreateMode::PersistentSequential));
    assert_eq!(next.path(), "/a/n0000000000");
}

/// ZOOKEEPER-1624: what was outstanding before a failing multi is outstanding after it.
#[test]
fn a_failure_leaves_outstanding_changes_alone() {
    let mut world = World::fresh();
    world.write(create("/p", "0")).stat();
    world.prepare(set("/p", "1", 0));
    world.prepare(create_mode("/p/e", CreateMode::Ephemeral));
    world.prepare(multi(vec![
        set("/p", "2", 1),
        delete("/p/e", 0),
        create("/p/x", ""),
        create_mode("/p/f", CreateMode::Ephemeral),
        check("/p", 9),
    ]));
    world.prepare(set("/p", "3", 1));
    let close = world.prepare_close_session();
    assert_eq!(close.txn, Txn::CloseSession { paths: Some(vec![Some("/p/e".into())]) });
    world.apply_next().stat();
    world.apply_next().stat();
    assert_eq!(results(world.apply_next())[4], failed(BadVersion));
    assert_eq!(world.apply_next().stat().version, 2);
    world.apply_next();
    assert_eq!(world.children("/p"), Vec::<&str>::new());
    assert_eq!(world.projection.record_count(), 0);
}

#[test]
fn an_empty_multi_succeeds_without_a_session() {
    let mut world = World::fresh();
    world.session_state = tree::SessionState::Closing;
    assert_eq!(world.write(multi(vec![])), Outcome::Multi(vec![]));
    assert_eq!(results(world.write(multi(vec![check("/", -1)]))), [failed(SessionExpired)]);
}

#[test]
fn check_asserts_existence_permission_and_version() {
    let mut world = World::fresh();
    world.write(create("/a", "")).stat();
    world.write(create_acl("/closed", vec![Acl::new(perms::ALL & !perms::READ, "world", "anyone")])).stat();
    let mut one = |request| results(world.write(multi(vec![request])));
    assert_eq!(one(check("/a", -1)), [MultiResult::Check]);
    assert_eq!(one(check("/a", 0)), [MultiResult::Check]);
    assert_eq!(one(check("/a", 1)), [failed(BadVersion)]);
    assert_eq!(one(check("/nope", 1)), [failed(NoNode)]);
    assert_eq!(one(check("/a/", 1)), [failed(BadArguments)]);
    assert_eq!(one(check("/closed", 7)), [failed(NoAuth)]);
    let record = world.prepare(multi(vec![check("/a", -1)]));
    assert_eq!(record.txn, Txn::Multi { ops: vec![Txn::Check { path: Some("/a".into()), version: 1 }] });
}

/// Surprise 50 and client-protocol §5.1: what Apache cannot decode or does not foresee ends the whole request.
#[test]
fn null_paths_and_reads_fail_the_whole_request() {
    let mut world = World::fresh();
    let null_id = Acl { perms: 1, id: wire::Id { scheme: Some("world".into()), id: None } };
    for bad in [
        Request::Delete { path: None, version: 1 },
        Request::Check { path: None, version: 1 },
        Request::SetData { path: None, data: None, version: 1 },
        create_acl("/b", vec![null_id]),
    ] {
        assert_eq!(world.write(multi(vec![create("/a", ""), bad])), error(MarshallingError));
    }
    let read = Request::Multi { ops: vec![wire::MultiOp::GetData { path: Some("/".into()) }] };
    assert_eq!(world.write(read), error(MarshallingError));
    world.write(create("/a", "")).stat();
    let empty_acl = create_acl("/b", vec![]);
    assert_eq!(results(world.write(multi(vec![empty_acl, delete("/a", -1)])))[0], failed(InvalidAcl));
    assert_eq!(results(world.write(multi(vec![ttl("/t", 5)])))[0], failed(Unimplemented));
    let mut world = World::with_extended_types();
    assert_eq!(results(world.write(multi(vec![ttl("/t", 0)])))[0], failed(BadArguments));
}
