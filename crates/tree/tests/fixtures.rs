//! Logs written by Apache servers: replayed, and written again from the requests behind them.

use std::path::Path;
use tree::{PrepContext, Projection, SessionState, Tree, TreeConfig};
use wire::{CreateMode, Encode, Id, MultiOp, OpCode, Reader, Request, Txn, TxnRecord};

/// The payloads of a version's log files, in order (reference: storage-formats §2).
fn payloads(version: &str) -> Vec<Vec<u8>> {
    let dir =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata").join(version).join("full/version-2");
    let mut payloads = Vec::new();
    for log in ["log.1", "log.32", "log.36", "log.3a"] {
        let bytes = std::fs::read(dir.join(log)).expect("the log is in the repository");
        let mut rest = &bytes[16..];
        while let Some((head, behind)) = rest.split_at_checked(12)
            && head[8..] != [0; 4]
        {
            let length = u32::from_be_bytes(head[8..].try_into().expect("four bytes")) as usize;
            payloads.push(behind[..length].to_vec());
            assert_eq!(behind[length], b'B');
            rest = &behind[length + 1..];
        }
    }
    assert_eq!(payloads.len(), 64);
    payloads
}

fn config() -> TreeConfig {
    TreeConfig { extended_types: true, ..TreeConfig::default() }
}

#[test]
fn every_logged_digest_is_reproduced() {
    for version in ["apache-3.8", "apache-3.9"] {
        let mut tree = Tree::new(config());
        let mut compared = 0;
        for payload in payloads(version) {
            let record = TxnRecord::decode(&mut Reader::new(&payload)).expect("a record");
            tree.apply(&record.header, &record.txn, &mut |_| {});
            if let Some(digest) = record.digest {
                assert_eq!(digest.tree_digest, tree.digest(), "{version}: {record:?}");
                assert!(tree.check_digest(&digest));
                compared += 1;
            }
        }
        assert_eq!((compared, tree.node_count(), tree.last_zxid().0), (61, 32, 0x40));
        assert_eq!(tree.sessions().len(), 2);
        let stats = tree.node("/zookeeper/quota/app/zookeeper_stats").expect("the stats node");
        assert_eq!(stats.data(), Some(&b"count=6,bytes=289"[..]));
    }
}

#[test]
fn preparing_the_requests_again_writes_apaches_bytes() {
    for version in ["apache-3.8", "apache-3.9"] {
        let (mut tree, mut projection) = (Tree::new(config()), Projection::new());
        for payload in payloads(version) {
            let record = TxnRecord::decode(&mut Reader::new(&payload)).expect("a record");
            let ours = prepare_again(&mut projection, &tree, &record);
            let ours = TxnRecord { txn: with_their_order(ours.txn, &record.txn), ..ours };
            assert_eq!(ours, record, "{version}");
            assert_eq!(ours.to_bytes(), payload, "{version}: {record:?}");
            tree.apply(&record.header, &record.txn, &mut |_| {});
        }
    }
}

fn prepare_again<'r>(projection: &mut Projection, tree: &Tree, record: &TxnRecord<'r>) -> TxnRecord<'r> {
    let header = record.header;
    let ctx = PrepContext {
        session: header.client_id,
        session_state: SessionState::Valid,
        cxid: header.cxid,
        zxid: header.zxid,
        time_ms: header.time_ms,
        credentials: &[Id::new("super", "")],
    };
    match record.txn.clone() {
        Txn::Error { code } => {
            let code = wire::ErrorCode::from_code(code).expect("a known code");
            projection.prepare_error(&ctx, code)
        }
        Txn::CreateSession { timeout_ms } => projection.prepare_create_session(tree, &ctx, timeout_ms),
        Txn::CloseSession { .. } => projection.prepare_close_session(tree, &ctx),
        Txn::DeleteContainer { path } => {
            let path = path.expect("a path").into_owned();
            let ours = projection.prepare_delete_container(tree, &ctx, &path);
            TxnRecord { txn: Txn::DeleteContainer { path: Some(path.clone().into()) }, ..ours }
        }
        txn => projection.prepare(tree, &ctx, request(txn)),
    }
}

/// A request that leads to this transaction.
fn request(txn: Txn<'_>) -> Request<'_> {
    match part(txn) {
        Part::Setting(request) => request,
        Part::Several(ops) => Request::Multi { ops },
        Part::One(MultiOp::Create { op, path, data, acl, flags, ttl }) => {
            Request::Create { op, path, data, acl, flags, ttl }
        }
        Part::One(MultiOp::Delete { path, version }) => Request::Delete { path, version },
        Part::One(MultiOp::SetData { path, data, version }) => Request::SetData { path, data, version },
        Part::One(other) => panic!("{other:?} is never alone"),
    }
}

enum Part<'r> {
    One(MultiOp<'r>),
    Several(Vec<MultiOp<'r>>),
    Setting(Request<'r>),
}

fn part(txn: Txn<'_>) -> Part<'_> {
    let persistent = CreateMode::Persistent.flags();
    Part::One(match txn {
        Txn::Create { op, create } => MultiOp::Create {
            op,
            path: create.path,
            data: create.data,
            acl: create.acl,
            flags: if create.ephemeral { CreateMode::Ephemeral.flags() } else { persistent },
            ttl: -1,
        },
        Txn::CreateContainer { path, data, acl, .. } => MultiOp::Create {
            op: OpCode::CreateContainer,
            path,
            data,
            acl,
            flags: CreateMode::Container.flags(),
            ttl: -1,
        },
        Txn::CreateTtl { path, data, acl, ttl_ms, .. } => MultiOp::Create {
            op: OpCode::CreateTtl,
            path,
            data,
            acl,
            flags: CreateMode::PersistentWithTtl.flags(),
            ttl: ttl_ms,
        },
        Txn::Delete { path } => MultiOp::Delete { path, version: -1 },
        Txn::SetData { path, data, version } => MultiOp::SetData { path, data, version: version - 1 },
        Txn::Check { path, version } => MultiOp::Check { path, version: version - 1 },
        // The part that failed, and those after it: any that fails with the same code and any at all.
        Txn::Error { code: -103 } => MultiOp::Check { path: Some("/".into()), version: 4711 },
        Txn::Error { .. } => MultiOp::Check { path: Some("/".into()), version: -1 },
        Txn::SetAcl { path, acl, version } => {
            return Part::Setting(Request::SetAcl { path, acl, version: version - 1 });
        }
        Txn::Multi { ops } => {
            return Part::Several(
                ops.into_iter()
                    .map(|op| match part(op) {
                        Part::One(op) => op,
                        _ => panic!("no part of a multi"),
                    })
                    .collect(),
            );
        }
        other => panic!("no client asks for {other:?}"),
    })
}

/// Java lists a session's ephemerals in the order of its hash set.
fn with_their_order<'r>(ours: Txn<'r>, theirs: &Txn<'r>) -> Txn<'r> {
    match (ours, theirs) {
        (Txn::CloseSession { paths: Some(ours) }, Txn::CloseSession { paths: Some(theirs) }) => {
            let mut sorted = theirs.clone();
            sorted.sort();
            assert_eq!(ours, sorted);
            Txn::CloseSession { paths: Some(theirs.clone()) }
        }
        (ours, _) => ours,
    }
}
