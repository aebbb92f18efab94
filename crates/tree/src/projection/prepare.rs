//! From a request to a transaction: every check, in the order clients can observe (reference: client-protocol §4, §5).

use super::{Pending, PendingAcl, Projection};
use crate::apply::new_stat;
use crate::nodes::NodeId;
use crate::path::{self, canonical};
use crate::tree::{CONTAINER_OWNER, TTL_MAX, TTL_OWNER};
use crate::{NodeKind, Tree, acl, digest};
use std::borrow::Cow;
use std::collections::BTreeSet;
use wire::{
    Acl, Buffer, CreateMode, CreateTxn, DIGEST_VERSION, ErrorCode, Id, MultiOp, OpCode, Request, SessionId,
    Txn, TxnDigest, TxnHeader, TxnRecord, Ustring, Zxid, perms,
};

/// What the session of a request may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionState {
    /// A global session.
    Valid,
    /// It is closing, expired or was never there: every write is SESSIONEXPIRED.
    Closing,
    /// Another server owns it by now: every write is SESSIONMOVED.
    Moved,
    /// A local session. It cannot own ephemeral nodes: who may upgrade it does so before preparing such a request.
    Local {
        /// What a wish for an ephemeral node is answered: EPHEMERALONLOCALSESSION by the server that knows the session,
        /// SESSIONEXPIRED by a leader that only guesses.
        refusal: ErrorCode,
    },
}

/// Who asks, and what the leader gives the transaction.
#[derive(Clone, Copy, Debug)]
pub struct PrepContext<'a> {
    /// The session that asks; 0 for the server's own sweeps.
    pub session: SessionId,
    /// What it may do.
    pub session_state: SessionState,
    /// The request's xid.
    pub cxid: i32,
    /// The transaction's zxid: the next one.
    pub zxid: Zxid,
    /// The leader's wall clock in ms since 1970.
    pub time_ms: i64,
    /// The connection's credentials when the request arrived.
    pub credentials: &'a [Id<'static>],
}

/// The paths a closeSession record lists take at most so many bytes. Apache writes them all, and then cannot read a record
/// above `jute.maxbuffer` (ZOOKEEPER-4306). The rest goes all the same: applying removes whatever the session owns.
const CLOSE_SESSION_BYTES_MAX: usize = 512 << 10;

/// Why a write is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Refusal {
    /// The operation's own error.
    Op(ErrorCode),
    /// MARSHALLINGERROR: what Apache's server does not foresee. It ends a whole multi.
    Undecodable,
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Refusal {
        match code {
            ErrorCode::MarshallingError => Refusal::Undecodable,
            _ => Refusal::Op(code),
        }
    }
}

impl Refusal {
    fn code(self) -> ErrorCode {
        match self {
            Refusal::Op(code) => code,
            Refusal::Undecodable => ErrorCode::MarshallingError,
        }
    }
}

/// One write with what it is checked against.
#[derive(Clone, Copy)]
struct Step<'s> {
    tree: &'s Tree,
    ctx: &'s PrepContext<'s>,
}

/// A create's own part of a request.
struct CreateRequest<'r> {
    op: OpCode,
    path: Ustring<'r>,
    data: Buffer<'r>,
    acl: Option<Vec<Acl<'r>>>,
    flags: i32,
    ttl: i64,
}

impl Projection {
    /// Checks a write against the tree and everything outstanding, and makes its transaction. What fails becomes an error
    /// transaction, a multi that fails a multi of its errors; both consume the zxid. Requests that are no writes of
    /// clients are UNIMPLEMENTED, deleteContainer among them: it knows no permissions, so it is the server's own.
    pub fn prepare<'r>(&mut self, tree: &Tree, ctx: &PrepContext<'_>, request: Request<'r>) -> TxnRecord<'r> {
        self.catch_up(tree);
        let step = Step { tree, ctx };
        let outcome = match request {
            Request::Create { op, path, data, acl, flags, ttl } => {
                self.create(step, CreateRequest { op, path, data, acl, flags, ttl })
            }
            Request::Delete { path, version } => self.delete(step, path, version),
            Request::SetData { path, data, version } => self.set_data(step, path, data, version),
            Request::SetAcl { path, acl, version } => self.set_acl(step, path, acl, version),
            Request::Check { path, version } => self.check(step, path, version),
            Request::Multi { ops } => self.multi(step, ops),
            Request::Reconfig { .. } => self.reconfig(step),
            _ => Err(ErrorCode::Unimplemented.into()),
        };
        match outcome {
            Ok(txn) => self.record(step, txn),
            Err(refusal) => self.prepare_error(ctx, refusal.code()),
        }
    }

    /// An error transaction.
    pub fn prepare_error(&mut self, ctx: &PrepContext<'_>, code: ErrorCode) -> TxnRecord<'static> {
        let txn = Txn::Error { code: code.code() };
        TxnRecord { header: header(ctx, &txn), txn, digest: None }
    }

    /// The creation of session `ctx.session`.
    pub fn prepare_create_session(
        &mut self,
        tree: &Tree,
        ctx: &PrepContext<'_>,
        timeout_ms: i32,
    ) -> TxnRecord<'static> {
        self.catch_up(tree);
        self.record(Step { tree, ctx }, Txn::CreateSession { timeout_ms })
    }

    /// The end of session `ctx.session`, asked for or expired: from now on its writes are SESSIONEXPIRED. Its ephemeral
    /// nodes are those of the tree and those on their way there.
    pub fn prepare_close_session(&mut self, tree: &Tree, ctx: &PrepContext<'_>) -> TxnRecord<'static> {
        self.catch_up(tree);
        let step = Step { tree, ctx };
        let mut paths = Vec::new();
        let mut bytes = 0;
        for path in self.ephemerals_of(tree, ctx.session) {
            self.remove(step, &path);
            bytes += 4 + path.len();
            if bytes <= CLOSE_SESSION_BYTES_MAX {
                paths.push(Some(Cow::Owned(path)));
            }
        }
        if self.closing.insert(ctx.session) {
            self.closing_queue.push_back((ctx.zxid, ctx.session));
        }
        self.record(step, Txn::CloseSession { paths: Some(paths) })
    }

    /// The removal of an empty container or TTL node by the server's own sweep. It is checked again that the node is such
    /// a one and still due: it may have been used or replaced since the sweep looked.
    pub fn prepare_delete_container<'r>(
        &mut self,
        tree: &Tree,
        ctx: &PrepContext<'_>,
        path: &'r str,
    ) -> TxnRecord<'r> {
        self.catch_up(tree);
        let step = Step { tree, ctx };
        match self.delete_container(step, path) {
            Ok(txn) => self.record(step, txn),
            Err(refusal) => self.prepare_error(ctx, refusal.code()),
        }
    }

    fn record<'r>(&self, step: Step<'_>, txn: Txn<'r>) -> TxnRecord<'r> {
        let digest = TxnDigest { version: DIGEST_VERSION, tree_digest: self.digest };
        let digest = step.tree.config.digest_enabled.then_some(digest);
        TxnRecord { header: header(step.ctx, &txn), txn, digest }
    }

    /// May the session write, and own an ephemeral node if it wants one?
    fn check_session(&self, ctx: &PrepContext<'_>, ephemeral: bool) -> Result<(), Refusal> {
        let code = match ctx.session_state {
            SessionState::Closing => ErrorCode::SessionExpired,
            SessionState::Moved => ErrorCode::SessionMoved,
            SessionState::Local { refusal } if ephemeral => refusal,
            _ if self.is_closing(ctx.session) => ErrorCode::SessionExpired,
            SessionState::Valid | SessionState::Local { .. } => return Ok(()),
        };
        Err(code.into())
    }

    fn create<'r>(&mut self, step: Step<'_>, request: CreateRequest<'r>) -> Result<Txn<'r>, Refusal> {
        let Step { tree, ctx } = step;
        let mode = create_mode(tree, &request)?;
        self.check_session(ctx, mode.is_ephemeral())?;
        let path = request.path.ok_or(Refusal::Undecodable)?;
        let (parent_path, _) = path::split(&path).ok_or(ErrorCode::BadArguments)?;
        if path.contains('\0') {
            return Err(ErrorCode::BadArguments.into());
        }
        let acl = acl::fixup(request.acl, &tree.config.schemes, ctx.credentials)?;
        let parent_end = parent_path.len();
        let (parent, parent_id) = self.parent(tree, parent_path).ok_or(ErrorCode::NoNode)?;
        if !parent.allows(tree, perms::CREATE, ctx.credentials) {
            return Err(ErrorCode::NoAuth.into());
        }
        let path = match mode.is_sequential() {
            // Java's "%010d": the sign is part of the width.
            true => Cow::Owned(format!("{path}{:010}", parent.stat.cversion)),
            false => path,
        };
        if !path::is_strictly_valid(&path) {
            return Err(ErrorCode::BadArguments.into());
        }
        let (parent_path, name) = (&path[..parent_end], &path[parent_end + 1..]);
        if canonical(&path).is_empty() || self.exists_below(tree, parent_id, &path, name) {
            return Err(ErrorCode::NodeExists.into());
        }
        if parent.kind == NodeKind::Ephemeral {
            return Err(ErrorCode::NoChildrenForEphemerals.into());
        }
        let length = request.data.as_ref().map_or(0, |data| data.len());
        self.check_quota(tree, &path, 1, length as i64)?;
        let (kind, owner) = kind_and_owner(request.op, mode, request.ttl, ctx.session);
        let parent_cversion = parent.stat.cversion.wrapping_add(1);
        self.add_child(step, parent_path, parent, parent_cversion);
        self.add(step, &path, request.data.as_deref(), &acl, kind, owner);
        let (path, data, acl) = (Some(path), request.data, Some(acl));
        Ok(match kind {
            NodeKind::Container => Txn::CreateContainer { path, data, acl, parent_cversion },
            NodeKind::Ttl => Txn::CreateTtl { path, data, acl, parent_cversion, ttl_ms: request.ttl },
            NodeKind::Ephemeral | NodeKind::Persistent => {
                let ephemeral = kind == NodeKind::Ephemeral;
                Txn::Create {
                    op: request.op,
                    create: CreateTxn { path, data, acl, ephemeral, parent_cversion },
                }
            }
        })
    }

    /// A parent as it will be, and where the tree has it.
    fn parent(&self, tree: &Tree, path: &str) -> Option<(Pending, Option<NodeId>)> {
        let path = canonical(path);
        let id = tree.nodes.find(path);
        match self.record_of(tree.nodes.hash_text(path), path) {
            Some(at) => {
                let node = &self.records[at as usize].node;
                node.exists.then(|| (node.clone(), id))
            }
            None => id.map(|id| (Pending::in_tree(tree.nodes.at(id)), Some(id))),
        }
    }

    /// What applying does to the parent of a new node; the counter never goes back, not even when it overflows.
    fn add_child(&mut self, step: Step<'_>, path: &str, mut parent: Pending, cversion: i32) {
        let before = parent.digest;
        parent.children += 1;
        if cversion > parent.stat.cversion {
            parent.stat.cversion = cversion;
            parent.stat.pzxid = step.ctx.zxid.0;
            parent.renew_digest();
        }
        self.put(step.tree, step.ctx.zxid, path, before, parent);
    }

    fn add(
        &mut self,
        step: Step<'_>,
        path: &str,
        data: Option<&[u8]>,
        acl: &[Acl<'_>],
        kind: NodeKind,
        owner: i64,
    ) {
        let counted = step.tree.config.digest_enabled && !path.starts_with("/zookeeper/");
        let mut node = Pending {
            exists: true,
            kind,
            stat: new_stat(step.ctx.zxid.0, step.ctx.time_ms, owner),
            children: 0,
            data_length: data.map_or(0, <[u8]>::len),
            acl: PendingAcl::new(acl),
            counted,
            prefix: if counted { digest::prefix(path, data) } else { 0 },
            digest: 0,
        };
        node.renew_digest();
        self.put(step.tree, step.ctx.zxid, path, 0, node);
    }

    fn delete<'r>(&mut self, step: Step<'_>, path: Ustring<'r>, version: i32) -> Result<Txn<'r>, Refusal> {
        let Step { tree, ctx } = step;
        self.check_session(ctx, false)?;
        let path = path.ok_or(Refusal::Undecodable)?;
        let parent_path = deletable(&path)?;
        let (parent, _) = self.parent(tree, parent_path).ok_or(ErrorCode::NoNode)?;
        if !parent.allows(tree, perms::DELETE, ctx.credentials) {
            return Err(ErrorCode::NoAuth.into());
        }
        let node = self.node(tree, &path).ok_or(ErrorCode::NoNode)?;
        check_version(version, node.stat.version)?;
        if node.children > 0 {
            return Err(ErrorCode::NotEmpty.into());
        }
        self.remove(step, &path);
        Ok(Txn::Delete { path: Some(path) })
    }

    fn delete_container<'r>(&mut self, step: Step<'_>, path: &'r str) -> Result<Txn<'r>, Refusal> {
        deletable(path)?;
        let node = self.node(step.tree, path).ok_or(ErrorCode::NoNode)?;
        if node.children > 0 {
            return Err(ErrorCode::NotEmpty.into());
        }
        let age = step.ctx.time_ms.saturating_sub(node.stat.mtime);
        let due = match node.kind {
            NodeKind::Container => true,
            NodeKind::Ttl => age > node.stat.ephemeral_owner & TTL_MAX,
            NodeKind::Persistent | NodeKind::Ephemeral => false,
        };
        if !due {
            return Err(ErrorCode::BadVersion.into());
        }
        self.remove(step, path);
        Ok(Txn::DeleteContainer { path: Some(Cow::Borrowed(path)) })
    }

    /// Records the end of a node that is there, and what it means for its parent.
    fn remove(&mut self, step: Step<'_>, path: &str) {
        let Step { tree, ctx } = step;
        let (parent_path, _) = path::split(path).unwrap_or_default();
        if let Some((mut parent, _)) = self.parent(tree, parent_path) {
            let before = parent.digest;
            parent.children = parent.children.saturating_sub(1);
            if ctx.zxid.0 > parent.stat.pzxid {
                parent.stat.pzxid = ctx.zxid.0;
                parent.renew_digest();
            }
            self.put(tree, ctx.zxid, parent_path, before, parent);
        }
        if let Some(mut node) = self.node(tree, path) {
            let before = node.digest;
            node.exists = false;
            node.acl = PendingAcl::Open;
            node.renew_digest();
            self.put(tree, ctx.zxid, path, before, node);
        }
    }

    fn set_data<'r>(
        &mut self,
        step: Step<'_>,
        path: Ustring<'r>,
        data: Buffer<'r>,
        expected: i32,
    ) -> Result<Txn<'r>, Refusal> {
        let Step { tree, ctx } = step;
        self.check_session(ctx, false)?;
        let path = strict(path)?;
        let mut node = self.node(tree, &path).ok_or(ErrorCode::NoNode)?;
        if !node.allows(tree, perms::WRITE, ctx.credentials) {
            return Err(ErrorCode::NoAuth.into());
        }
        let length = data.as_ref().map_or(0, |data| data.len());
        self.check_quota(tree, &path, 0, length as i64 - node.data_length as i64)?;
        let version = check_version(expected, node.stat.version)?;
        let before = node.digest;
        node.stat.version = version;
        node.stat.mzxid = ctx.zxid.0;
        node.stat.mtime = ctx.time_ms;
        node.data_length = length;
        if node.counted {
            node.prefix = digest::prefix(canonical(&path), data.as_deref());
        }
        node.renew_digest();
        self.put(tree, ctx.zxid, &path, before, node);
        Ok(Txn::SetData { path: Some(path), data, version })
    }

    fn set_acl<'r>(
        &mut self,
        step: Step<'_>,
        path: Ustring<'r>,
        acl: Option<Vec<Acl<'r>>>,
        expected: i32,
    ) -> Result<Txn<'r>, Refusal> {
        let Step { tree, ctx } = step;
        self.check_session(ctx, false)?;
        let path = strict(path)?;
        let acl = acl::fixup(acl, &tree.config.schemes, ctx.credentials)?;
        let mut node = self.node(tree, &path).ok_or(ErrorCode::NoNode)?;
        if !node.allows(tree, perms::ADMIN, ctx.credentials) {
            return Err(ErrorCode::NoAuth.into());
        }
        let version = check_version(expected, node.stat.aversion)?;
        let before = node.digest;
        node.stat.aversion = version;
        node.acl = PendingAcl::new(&acl);
        node.renew_digest();
        self.put(tree, ctx.zxid, &path, before, node);
        Ok(Txn::SetAcl { path: Some(path), acl: Some(acl), version })
    }

    /// The record holds the version after the one found, as Apache's does; it has no effect.
    fn check<'r>(&mut self, step: Step<'_>, path: Ustring<'r>, expected: i32) -> Result<Txn<'r>, Refusal> {
        let Step { tree, ctx } = step;
        self.check_session(ctx, false)?;
        let path = strict(path)?;
        let node = self.node(tree, &path).ok_or(ErrorCode::NoNode)?;
        if !node.allows(tree, perms::READ, ctx.credentials) {
            return Err(ErrorCode::NoAuth.into());
        }
        let version = check_version(expected, node.stat.version)?;
        Ok(Txn::Check { path: Some(path), version })
    }

    /// A standalone server has no ensemble to change (reference: client-protocol §13).
    fn reconfig<'r>(&mut self, step: Step<'_>) -> Result<Txn<'r>, Refusal> {
        if !step.tree.config.reconfig_enabled {
            return Err(ErrorCode::ReconfigDisabled.into());
        }
        self.check_session(step.ctx, false)?;
        Err(ErrorCode::Unimplemented.into())
    }

    /// All operations, each seeing what the earlier ones will have done, or their errors: the parts before the failing one
    /// stay in the record as they are, those after it are RUNTIMEINCONSISTENCY.
    fn multi<'r>(&mut self, step: Step<'_>, ops: Vec<MultiOp<'r>>) -> Result<Txn<'r>, Refusal> {
        if ops.iter().any(|op| op.path().is_none() || op.is_read()) {
            return Err(Refusal::Undecodable);
        }
        let mark = self.begin_multi();
        let count = ops.len();
        let mut txns = Vec::with_capacity(count);
        let mut refused = None;
        for op in ops {
            match self.part(step, op) {
                Ok(txn) => txns.push(txn),
                Err(refusal) => {
                    refused = Some(refusal);
                    break;
                }
            }
        }
        let Some(refusal) = refused else {
            self.keep_multi();
            return Ok(Txn::Multi { ops: txns });
        };
        self.undo_multi(mark);
        match refusal {
            Refusal::Undecodable => Err(refusal),
            Refusal::Op(code) => {
                txns.push(Txn::Error { code: code.code() });
                txns.resize(count, Txn::Error { code: ErrorCode::RuntimeInconsistency.code() });
                Ok(Txn::Multi { ops: txns })
            }
        }
    }

    fn part<'r>(&mut self, step: Step<'_>, op: MultiOp<'r>) -> Result<Txn<'r>, Refusal> {
        match op {
            MultiOp::Create { op, path, data, acl, flags, ttl } => {
                self.create(step, CreateRequest { op, path, data, acl, flags, ttl })
            }
            MultiOp::Delete { path, version } => self.delete(step, path, version),
            MultiOp::SetData { path, data, version } => self.set_data(step, path, data, version),
            MultiOp::Check { path, version } => self.check(step, path, version),
            MultiOp::GetData { .. } | MultiOp::GetChildren { .. } => Err(Refusal::Undecodable),
        }
    }

    /// The ephemeral nodes a session will own, sorted.
    fn ephemerals_of(&self, tree: &Tree, session: SessionId) -> BTreeSet<String> {
        let still_owned = |path: &String| match self.record_of(tree.nodes.hash_text(path), path) {
            Some(at) => self.records[at as usize].node.owner() == Some(session),
            None => true,
        };
        let pending = self.owned.range((session, 0)..=(session, u32::MAX));
        let pending = pending.map(|&(_, at)| self.records[at as usize].path.clone());
        tree.ephemerals(session).filter(still_owned).chain(pending).collect()
    }
}

fn header(ctx: &PrepContext<'_>, txn: &Txn<'_>) -> TxnHeader {
    TxnHeader {
        client_id: ctx.session,
        cxid: ctx.cxid,
        zxid: ctx.zxid,
        time_ms: ctx.time_ms,
        txn_type: txn.txn_type(),
    }
}

/// The first three checks of a create: flags, extended types, time to live.
fn create_mode(tree: &Tree, request: &CreateRequest<'_>) -> Result<CreateMode, Refusal> {
    let mode = CreateMode::from_flags(request.flags).ok_or(ErrorCode::BadArguments)?;
    if mode.is_ttl() && !tree.config.extended_types {
        return Err(ErrorCode::Unimplemented.into());
    }
    let fits = match mode.is_ttl() {
        true => (1..=TTL_MAX).contains(&request.ttl),
        // createTTL without TTL flags and with a negative ttl kills Apache's server while it applies.
        false => request.ttl < 0 && request.op != OpCode::CreateTtl,
    };
    if fits { Ok(mode) } else { Err(ErrorCode::BadArguments.into()) }
}

/// The operation decides the kind before the flags do.
fn kind_and_owner(op: OpCode, mode: CreateMode, ttl: i64, session: SessionId) -> (NodeKind, i64) {
    match op {
        OpCode::CreateContainer => (NodeKind::Container, CONTAINER_OWNER),
        OpCode::CreateTtl => (NodeKind::Ttl, TTL_OWNER | ttl),
        _ if mode.is_ephemeral() => (NodeKind::Ephemeral, session.0),
        _ => (NodeKind::Persistent, 0),
    }
}

/// The parent of a path that delete accepts.
fn deletable(path: &str) -> Result<&str, Refusal> {
    match path::split(path) {
        Some((parent, _)) if path::is_deletable(path) => Ok(parent),
        _ => Err(ErrorCode::BadArguments.into()),
    }
}

fn strict(path: Ustring<'_>) -> Result<Cow<'_, str>, Refusal> {
    let path = path.filter(|path| path::is_strictly_valid(path));
    path.ok_or(Refusal::Op(ErrorCode::BadArguments))
}

/// The version after the current one, if the current one is the expected one; -1 expects any.
fn check_version(expected: i32, current: i32) -> Result<i32, Refusal> {
    if expected != -1 && expected != current {
        return Err(ErrorCode::BadVersion.into());
    }
    Ok(current.wrapping_add(1))
}
