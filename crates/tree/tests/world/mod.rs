//! A tree with its projection, driven the way a server drives them: prepare, write down, read back, apply.
#![allow(dead_code, reason = "each test file uses its own part of it")]

use tree::auth::ip_id;
use tree::{
    ChangeKind, LoadError, NodeRef, PrepContext, Projection, SessionState, SnapshotHead, Tree, TreeConfig,
    TreeLoader, TxnDetail,
};
use wire::{
    Acl, CreateMode, Decode, Encode, ErrorCode, Id, MultiOp, MultiResult, OpCode, Reader, Request, SessionId,
    Stat, StatPersisted, TxnRecord, Zxid,
};

pub const SESSION: SessionId = SessionId(0x0100_0000_0000_0001);

/// What an applied record gave.
#[derive(Clone, PartialEq, Debug)]
pub enum Outcome {
    Done,
    Created(String, Stat),
    Stat(Stat),
    Multi(Vec<MultiResult<'static>>),
    Error(ErrorCode),
}

pub struct World {
    pub tree: Tree,
    pub projection: Projection,
    pub session: SessionId,
    pub session_state: SessionState,
    pub credentials: Vec<Id<'static>>,
    pub zxid: Zxid,
    pub time_ms: i64,
    /// Changes of the last application, such as `created /a`.
    pub changes: Vec<String>,
    /// Records prepared and not applied yet.
    pub log: Vec<Vec<u8>>,
}

impl World {
    pub fn new(config: TreeConfig) -> World {
        World {
            tree: Tree::new(config),
            projection: Projection::new(),
            session: SESSION,
            session_state: SessionState::Valid,
            credentials: vec![ip_id([127, 0, 0, 1].into())],
            zxid: Zxid::ZERO,
            time_ms: 1_000,
            changes: Vec::new(),
            log: Vec::new(),
        }
    }

    /// With default settings.
    pub fn fresh() -> World {
        World::new(TreeConfig::default())
    }

    pub fn with_extended_types() -> World {
        World::new(TreeConfig { extended_types: true, ..TreeConfig::default() })
    }

    fn prepared(
        &mut self,
        prepare: impl FnOnce(&mut Projection, &Tree, &PrepContext<'_>) -> TxnRecord<'static>,
    ) -> TxnRecord<'static> {
        self.zxid = self.zxid.next();
        self.time_ms += 1;
        let ctx = PrepContext {
            session: self.session,
            session_state: self.session_state,
            cxid: 7,
            zxid: self.zxid,
            time_ms: self.time_ms,
            credentials: &self.credentials,
        };
        let record = prepare(&mut self.projection, &self.tree, &ctx);
        assert_eq!(record.header.zxid, self.zxid);
        self.log.push(record.to_bytes());
        record
    }

    /// Prepares a write and leaves it outstanding.
    pub fn prepare(&mut self, request: Request<'static>) -> TxnRecord<'static> {
        self.prepared(|projection, tree, ctx| projection.prepare(tree, ctx, request))
    }

    /// Applies the oldest outstanding record.
    pub fn apply_next(&mut self) -> Outcome {
        let bytes = self.log.remove(0);
        let record = TxnRecord::decode(&mut Reader::new(&bytes)).expect("what we wrote is a record");
        self.changes.clear();
        let changes = &mut self.changes;
        let result = self.tree.apply(&record.header, &record.txn, &mut |change| {
            let kind = match change.kind {
                ChangeKind::Created => "created",
                ChangeKind::Deleted => "deleted",
                ChangeKind::DataChanged => "data",
            };
            changes.push(format!("{kind} {} in {}", change.path, change.parent));
        });
        let outcome = match (result.err, result.detail) {
            (Some(code), _) => Outcome::Error(code),
            (None, TxnDetail::Create { path, stat }) => Outcome::Created(path.to_owned(), stat),
            (None, TxnDetail::SetData(stat) | TxnDetail::SetAcl(stat)) => Outcome::Stat(stat),
            (None, TxnDetail::Multi(results)) => Outcome::Multi(results.into_iter().map(owned).collect()),
            (None, _) => Outcome::Done,
        };
        self.projection.applied(record.header.zxid);
        if let Some(digest) = record.digest {
            assert_eq!(digest.tree_digest, self.tree.digest(), "the prepared digest is the applied one");
        }
        if self.tree.node_count() < 200 {
            assert_eq!(self.tree.digest(), self.tree.recomputed_digest(), "the digest is that of the nodes");
        }
        outcome
    }

    /// Prepares and applies a write.
    pub fn write(&mut self, request: Request<'static>) -> Outcome {
        self.prepare(request);
        assert_eq!(self.log.len(), 1, "nothing else is outstanding");
        self.apply_next()
    }

    pub fn create_session(&mut self, timeout_ms: i32) -> Outcome {
        self.prepared(|projection, tree, ctx| projection.prepare_create_session(tree, ctx, timeout_ms));
        self.apply_next()
    }

    pub fn prepare_close_session(&mut self) -> TxnRecord<'static> {
        self.prepared(|projection, tree, ctx| projection.prepare_close_session(tree, ctx))
    }

    pub fn close_session(&mut self) -> Outcome {
        self.prepare_close_session();
        self.apply_next()
    }

    pub fn prepare_sweep(&mut self, path: &'static str) -> TxnRecord<'static> {
        self.prepared(|projection, tree, ctx| projection.prepare_delete_container(tree, ctx, path))
    }

    pub fn delete_container(&mut self, path: &'static str) -> Outcome {
        self.prepare_sweep(path);
        self.apply_next()
    }

    pub fn node(&self, path: &str) -> NodeRef<'_> {
        self.tree.node(path).unwrap_or_else(|| panic!("{path} is there"))
    }

    pub fn data(&self, path: &str) -> String {
        String::from_utf8_lossy(self.node(path).data().expect("data")).into_owned()
    }

    pub fn children(&self, path: &str) -> Vec<&str> {
        let mut names: Vec<&str> = self.node(path).children().collect();
        names.sort_unstable();
        names
    }
}

impl Outcome {
    pub fn stat(self) -> Stat {
        match self {
            Outcome::Created(_, stat) | Outcome::Stat(stat) => stat,
            other => panic!("{other:?} has no stat"),
        }
    }

    pub fn path(self) -> String {
        match self {
            Outcome::Created(path, _) => path,
            other => panic!("{other:?} has no path"),
        }
    }
}

fn owned(result: MultiResult<'_>) -> MultiResult<'static> {
    let own = |path: wire::Ustring<'_>| path.map(|path| path.into_owned().into());
    match result {
        MultiResult::Create { path } => MultiResult::Create { path: own(path) },
        MultiResult::Create2 { path, stat } => MultiResult::Create2 { path: own(path), stat },
        MultiResult::Delete => MultiResult::Delete,
        MultiResult::SetData { stat } => MultiResult::SetData { stat },
        MultiResult::Check => MultiResult::Check,
        MultiResult::Error(code) => MultiResult::Error(code),
        other => panic!("{other:?} is no result of a write"),
    }
}

pub fn create_as(
    op: OpCode,
    path: &'static str,
    data: &'static str,
    flags: i32,
    ttl: i64,
) -> Request<'static> {
    Request::Create {
        op,
        path: Some(path.into()),
        data: Some(data.as_bytes().into()),
        acl: Some(vec![Acl::open()]),
        flags,
        ttl,
    }
}

pub fn create(path: &'static str, data: &'static str) -> Request<'static> {
    create_as(OpCode::Create, path, data, 0, -1)
}

pub fn create_mode(path: &'static str, mode: CreateMode) -> Request<'static> {
    create_as(OpCode::Create, path, "", mode.flags(), -1)
}

pub fn create_acl(path: &'static str, acl: Vec<Acl<'static>>) -> Request<'static> {
    Request::Create {
        op: OpCode::Create,
        path: Some(path.into()),
        data: Some(b""[..].into()),
        acl: Some(acl),
        flags: 0,
        ttl: -1,
    }
}

pub fn container(path: &'static str) -> Request<'static> {
    create_as(OpCode::CreateContainer, path, "", CreateMode::Container.flags(), -1)
}

pub fn ttl(path: &'static str, ttl: i64) -> Request<'static> {
    create_as(OpCode::CreateTtl, path, "", CreateMode::PersistentWithTtl.flags(), ttl)
}

pub fn delete(path: &'static str, version: i32) -> Request<'static> {
    Request::Delete { path: Some(path.into()), version }
}

pub fn set(path: &'static str, data: &'static str, version: i32) -> Request<'static> {
    Request::SetData { path: Some(path.into()), data: Some(data.as_bytes().into()), version }
}

pub fn set_acl(path: &'static str, acl: Vec<Acl<'static>>, version: i32) -> Request<'static> {
    Request::SetAcl { path: Some(path.into()), acl: Some(acl), version }
}

pub fn check(path: &'static str, version: i32) -> Request<'static> {
    Request::Check { path: Some(path.into()), version }
}

/// The same operations as parts of one multi, after the wire's decode-time rules.
pub fn multi(parts: Vec<Request<'static>>) -> Request<'static> {
    let ops: Vec<MultiOp<'static>> = parts
        .into_iter()
        .map(|part| match part {
            Request::Create { op, path, data, acl, flags, ttl } => {
                MultiOp::Create { op, path, data, acl, flags, ttl }
            }
            Request::Delete { path, version } => MultiOp::Delete { path, version },
            Request::SetData { path, data, version } => MultiOp::SetData { path, data, version },
            Request::Check { path, version } => MultiOp::Check { path, version },
            other => panic!("{other:?} is no part of a multi"),
        })
        .collect();
    Request::Multi { ops }
}

pub fn error(code: ErrorCode) -> Outcome {
    Outcome::Error(code)
}

/// The tree of a snapshot's head and node records.
pub fn load(config: TreeConfig, head: &SnapshotHead, nodes: &[u8]) -> Result<Tree, LoadError> {
    let mut loader = TreeLoader::new(config);
    for (id, timeout) in &head.sessions {
        loader.session(*id, *timeout);
    }
    for (id, list) in &head.acls {
        loader.acl(*id, list.clone());
    }
    let mut r = Reader::new(nodes);
    while !r.is_empty() {
        let path = r.ustring().expect("a path").expect("a path");
        let data = r.buffer().expect("data");
        let acl = r.long().expect("an ACL id");
        let stat = StatPersisted::decode(&mut r).expect("a stat");
        loader.node(&path, data.as_deref(), acl, &stat)?;
    }
    loader.finish(head.zxid)
}

/// Everything that a snapshot must bring back.
pub fn state(tree: &Tree) -> Vec<String> {
    let mut lines = vec![format!("{:?} {} {:?}", tree.last_zxid(), tree.digest(), tree.sessions())];
    let mut paths = vec!["/".to_owned()];
    while let Some(path) = paths.pop() {
        let node = tree.node(&path).expect("a node");
        let mut children: Vec<&str> = node.children().collect();
        children.sort_unstable();
        lines.push(format!(
            "{path} {:?} {:?} {:?} {:?} {children:?}",
            node.data(),
            node.acl(),
            node.persisted(),
            node.kind()
        ));
        let above = path.trim_end_matches('/');
        paths.extend(children.iter().map(|name| format!("{above}/{name}")));
    }
    lines.sort();
    lines
}
