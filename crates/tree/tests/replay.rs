//! Applying records again, in states that may be ahead of them (reference: storage-formats §3.1, §3.2).

mod world;

use tree::{Tree, TreeConfig};
use wire::ErrorCode::*;
use wire::{Acl, CreateTxn, MultiResult, OpCode, SessionId, Txn, TxnHeader, Zxid};
use world::*;

fn create_txn(op: OpCode, path: &'static str, parent_cversion: i32) -> Txn<'static> {
    Txn::Create {
        op,
        create: CreateTxn {
            path: Some(path.into()),
            data: Some(b"new"[..].into()),
            acl: Some(vec![Acl::new(1, "world", "anyone")]),
            ephemeral: false,
            parent_cversion,
        },
    }
}

fn apply<'t>(tree: &mut Tree, zxid: i64, txn: &'t Txn<'_>) -> tree::TxnResult<'t> {
    let header = TxnHeader {
        client_id: SESSION,
        cxid: 1,
        zxid: Zxid(zxid),
        time_ms: 1000 + zxid,
        txn_type: txn.txn_type(),
    };
    let result = tree.apply(&header, txn, &mut |_| {});
    assert_eq!(tree.digest(), tree.recomputed_digest());
    result
}

fn tree_with(paths: &[&'static str]) -> Tree {
    let mut tree = Tree::new(TreeConfig::default());
    for (at, path) in paths.iter().enumerate() {
        assert_eq!(apply(&mut tree, at as i64 + 1, &create_txn(OpCode::Create2, path, -1)).err, None);
    }
    tree
}

fn counters(tree: &Tree, path: &str) -> (i32, i64) {
    let stat = tree.node(path).expect("a node").persisted();
    (stat.cversion, stat.pzxid)
}

#[test]
fn a_create_that_is_in_already_raises_the_counter_by_type_1_alone() {
    for (op, expected) in [(OpCode::Create, (5, 9)), (OpCode::Create2, (1, 2))] {
        let mut tree = tree_with(&["/p", "/p/a"]);
        let err = apply(&mut tree, 9, &create_txn(op, "/p/a", 5)).err;
        assert_eq!(err, Some(NodeExists));
        assert_eq!(counters(&tree, "/p"), expected, "{op:?}");
        let err = apply(&mut tree, 11, &create_txn(OpCode::Create, "/p/a", 1)).err;
        assert_eq!((err, counters(&tree, "/p")), (Some(NodeExists), expected));
    }
    let mut tree = tree_with(&["/p", "/p/a"]);
    let multi = Txn::Multi { ops: vec![create_txn(OpCode::Create, "/p/a", 5)] };
    let result = apply(&mut tree, 9, &multi);
    assert_eq!(result.detail, tree::TxnDetail::Multi(vec![MultiResult::Error(Some(NodeExists))]));
    assert_eq!(counters(&tree, "/p"), (5, 9));
}

/// ZOOKEEPER-3306, -4846: the list may be missing from the snapshot.
#[test]
fn a_create_that_is_in_already_mends_the_acl_and_nothing_else() {
    let mut tree = tree_with(&["/p"]);
    let acl = Txn::SetAcl { path: Some("/p".into()), acl: Some(vec![Acl::open()]), version: 1 };
    assert_eq!(apply(&mut tree, 2, &acl).err, None);
    let before = tree.node("/p").expect("a node").stat();
    assert_eq!(apply(&mut tree, 9, &create_txn(OpCode::Create2, "/p", -1)).err, Some(NodeExists));
    let node = tree.node("/p").expect("a node");
    assert_eq!((node.stat(), node.acl()), (before, &[Acl::new(1, "world", "anyone")][..]));
}

/// ZOOKEEPER-3249.
#[test]
fn an_old_create_moves_neither_counter_nor_pzxid() {
    let mut tree = tree_with(&["/p", "/p/a", "/p/b"]);
    let err = apply(&mut tree, 2, &create_txn(OpCode::Create, "/p/c", 1)).err;
    assert_eq!((err, counters(&tree, "/p")), (None, (2, 3)));
    let err = apply(&mut tree, 4, &create_txn(OpCode::Create, "/p/d", -1)).err;
    assert_eq!((err, counters(&tree, "/p")), (None, (3, 4)));
}

#[test]
fn the_counter_sticks_at_its_end() {
    let mut tree = tree_with(&["/p"]);
    apply(&mut tree, 2, &create_txn(OpCode::Create, "/p/a", i32::MAX));
    apply(&mut tree, 3, &create_txn(OpCode::Create, "/p/b", i32::MIN));
    assert_eq!(counters(&tree, "/p"), (i32::MAX, 2));
    let mut world = World::fresh();
    world.tree = tree;
    world.zxid = Zxid(3);
    world.credentials.push(wire::Id::new("super", ""));
    let sequential = || create_mode("/p/n", wire::CreateMode::PersistentSequential);
    assert_eq!(world.write(sequential()).path(), "/p/n2147483647");
    assert_eq!(world.write(sequential()), error(NodeExists));
    assert_eq!(world.node("/p").stat().cversion, i32::MAX.wrapping_mul(2).wrapping_sub(3));
}

/// ZOOKEEPER-3125.
#[test]
fn deleting_what_is_gone_still_raises_the_parents_pzxid() {
    let mut tree = tree_with(&["/p"]);
    let delete = Txn::Delete { path: Some("/p/gone".into()) };
    assert_eq!(apply(&mut tree, 9, &delete).err, Some(NoNode));
    assert_eq!(counters(&tree, "/p"), (0, 9));
    assert_eq!(apply(&mut tree, 7, &delete).err, Some(NoNode));
    assert_eq!(counters(&tree, "/p"), (0, 9));
    let orphan = Txn::Delete { path: Some("/nope/x".into()) };
    assert_eq!(apply(&mut tree, 10, &orphan).err, Some(NoNode));
}

/// ZOOKEEPER-3145.
#[test]
fn the_end_of_a_session_mends_the_parents_pzxid() {
    let mut tree = tree_with(&["/p"]);
    let close = Txn::CloseSession { paths: Some(vec![Some("/p/gone".into()), None, Some("/p".into())]) };
    assert_eq!(apply(&mut tree, 9, &close).err, None);
    assert_eq!(counters(&tree, "/"), (1, 9));
    assert!(tree.node("/p").is_none());
}

/// The snapshot saw the node's second life, with a child; the record ends its first.
#[test]
fn deleting_a_node_that_already_has_later_children_takes_them_along() {
    let mut tree = tree_with(&["/p", "/p/a", "/p/a/b", "/p/c"]);
    let nodes = tree.node_count();
    assert_eq!(apply(&mut tree, 5, &Txn::Delete { path: Some("/p".into()) }).err, None);
    assert_eq!(tree.node_count(), nodes - 4);
    assert_eq!(apply(&mut tree, 6, &create_txn(OpCode::Create, "/p", 2)).err, None);
    assert_eq!(tree.node("/p").expect("a node").child_count(), 0);
}

#[test]
fn a_multi_goes_on_after_a_part_that_is_in_already() {
    let mut tree = tree_with(&["/p"]);
    let ops = vec![
        create_txn(OpCode::Create2, "/p", 1),
        create_txn(OpCode::Create, "/q", 2),
        Txn::Check { path: Some("/nope".into()), version: 3 },
        Txn::DeleteContainer { path: Some("/p".into()) },
    ];
    let multi = Txn::Multi { ops };
    let tree::TxnDetail::Multi(results) = apply(&mut tree, 9, &multi).detail else { panic!("a multi") };
    let expected = [
        MultiResult::Error(Some(NodeExists)),
        MultiResult::Create { path: Some("/q".into()) },
        MultiResult::Check,
        MultiResult::Delete,
    ];
    assert_eq!(results, expected);
    assert!(tree.node("/q").is_some() && tree.node("/p").is_none());
}

#[test]
fn a_record_on_the_root_names_it_by_its_alias() {
    let mut tree = tree_with(&[]);
    let set = Txn::SetData { path: Some("/".into()), data: Some(b"x"[..].into()), version: 7 };
    assert_eq!(apply(&mut tree, 1, &set).err, None);
    let create = create_txn(OpCode::Create, "/", 99);
    assert_eq!(apply(&mut tree, 2, &create).err, Some(NodeExists));
    let root = tree.node("/").expect("the root");
    assert_eq!((root.stat().version, root.data(), root.child_count()), (7, Some(&b"x"[..]), 1));
}

#[test]
fn records_nobody_writes_do_no_harm() {
    let mut tree = tree_with(&["/p"]);
    let digest = tree.digest();
    let nowhere = [
        Txn::Delete { path: None },
        Txn::SetData { path: None, data: None, version: 1 },
        Txn::SetAcl { path: Some("p".into()), acl: None, version: 1 },
        Txn::Create {
            op: OpCode::Create,
            create: CreateTxn { path: None, data: None, acl: None, ephemeral: true, parent_cversion: 1 },
        },
        Txn::Error { code: -4711 },
        Txn::Check { path: None, version: 1 },
        Txn::Multi { ops: vec![] },
        Txn::Multi { ops: vec![Txn::CreateSession { timeout_ms: 1 }, Txn::Multi { ops: vec![] }] },
    ];
    for (at, txn) in nowhere.iter().enumerate() {
        apply(&mut tree, 5 + at as i64, txn);
    }
    assert_eq!((tree.digest(), tree.node_count()), (digest, 5));
    assert_eq!(tree.last_zxid(), Zxid(12));
}

#[test]
fn the_last_zxid_never_goes_back() {
    let mut tree = tree_with(&["/p"]);
    apply(&mut tree, 9, &Txn::CreateSession { timeout_ms: 5 });
    apply(&mut tree, 3, &Txn::CreateSession { timeout_ms: 6 });
    assert_eq!(tree.last_zxid(), Zxid(9));
    assert_eq!(tree.sessions().get(&SESSION), Some(&6));
    assert_eq!(tree.sessions().get(&SessionId(1)), None);
}
