//! Applying a transaction: the same for a live commit and for replay, where the state may already be ahead
//! (reference: storage-formats §3.1, §3.2).

use crate::nodes::{NodeId, ROOT};
use crate::path;
use crate::tree::{CONTAINER_OWNER, TTL_OWNER, Tree};
use crate::{Change, ChangeKind, NodeKind, TxnDetail, TxnResult};
use wire::{
    Acl, CreateTxn, ErrorCode, MultiResult, OpCode, SessionId, Stat, StatPersisted, Txn, TxnHeader, Ustring,
};

type OnChange<'f> = &'f mut dyn FnMut(Change<'_>);

/// A create of whatever type, taken apart.
struct Creation<'t> {
    path: &'t str,
    data: Option<&'t [u8]>,
    acl: Option<&'t [Acl<'t>]>,
    kind: NodeKind,
    owner: i64,
    parent_cversion: i32,
}

impl Tree {
    /// Applies a transaction, live or on replay, and sets the last zxid. Changes are told in order, each when it is done
    /// (reference: storage-formats §3.1).
    pub fn apply<'t>(
        &mut self,
        header: &TxnHeader,
        txn: &'t Txn<'_>,
        on_change: &mut dyn FnMut(Change<'_>),
    ) -> TxnResult<'t> {
        let result = match txn {
            Txn::Multi { ops } => self.apply_multi(header, ops, on_change),
            Txn::CreateSession { timeout_ms } => {
                self.sessions.insert(header.client_id, *timeout_ms);
                TxnResult::ok(TxnDetail::None)
            }
            Txn::CloseSession { paths } => {
                self.close_session(header, paths.as_deref().unwrap_or(&[]), on_change);
                TxnResult::ok(TxnDetail::None)
            }
            Txn::Error { code } => TxnResult::error(code_of(*code)),
            _ => self.apply_one(header, txn, on_change),
        };
        // Only when the whole transaction is in: a snapshot must not end inside a multi (ZOOKEEPER-3127).
        self.last_zxid = self.last_zxid.max(header.zxid);
        result
    }

    /// A transaction that may also be part of a multi.
    fn apply_one<'t>(
        &mut self,
        header: &TxnHeader,
        txn: &'t Txn<'_>,
        on_change: OnChange<'_>,
    ) -> TxnResult<'t> {
        let outcome = match txn {
            Txn::Create { op, create } => self.create(header, *op, &creation(create, header), on_change),
            Txn::CreateContainer { path, data, acl, parent_cversion } => {
                let creation = Creation {
                    path: text(path),
                    data: data.as_deref(),
                    acl: acl.as_deref(),
                    kind: NodeKind::Container,
                    owner: CONTAINER_OWNER,
                    parent_cversion: *parent_cversion,
                };
                self.create(header, OpCode::CreateContainer, &creation, on_change)
            }
            Txn::CreateTtl { path, data, acl, parent_cversion, ttl_ms } => {
                let creation = Creation {
                    path: text(path),
                    data: data.as_deref(),
                    acl: acl.as_deref(),
                    kind: NodeKind::Ttl,
                    owner: TTL_OWNER | ttl_ms,
                    parent_cversion: *parent_cversion,
                };
                self.create(header, OpCode::CreateTtl, &creation, on_change)
            }
            Txn::Delete { path } | Txn::DeleteContainer { path } => {
                self.delete(text(path), header, on_change).map(|()| TxnDetail::None)
            }
            Txn::SetData { path, data, version } => self
                .set_data(text(path), data.as_deref(), *version, header, on_change)
                .map(TxnDetail::SetData),
            Txn::Reconfig { path, data, version } => {
                let data = data.as_deref();
                self.set_data(text(path), data, *version, header, on_change)
                    .map(|stat| TxnDetail::Reconfig { data: data.unwrap_or(&[]), stat })
            }
            Txn::SetAcl { path, acl, version } => {
                self.set_acl(text(path), acl.as_deref(), *version).map(TxnDetail::SetAcl)
            }
            Txn::Check { .. } => Ok(TxnDetail::None),
            Txn::Error { code } => Err(code_of(*code)),
            Txn::Multi { .. } | Txn::CreateSession { .. } | Txn::CloseSession { .. } => {
                Err(ErrorCode::RuntimeInconsistency)
            }
        };
        match outcome {
            Ok(detail) => TxnResult::ok(detail),
            Err(code) => TxnResult::error(code),
        }
    }

    /// All of it, or, if any part is an error, nothing. A part that fails on replay does not stop the later ones.
    fn apply_multi<'t>(
        &mut self,
        header: &TxnHeader,
        ops: &'t [Txn<'_>],
        on_change: OnChange<'_>,
    ) -> TxnResult<'t> {
        let results = match ops.iter().position(|op| matches!(op, Txn::Error { .. })) {
            Some(failing) => ops.iter().enumerate().map(|(at, op)| void_result(at, failing, op)).collect(),
            None => {
                ops.iter().map(|op| multi_result(op, self.apply_one(header, op, &mut *on_change))).collect()
            }
        };
        TxnResult::ok(TxnDetail::Multi(results))
    }

    fn create<'t>(
        &mut self,
        header: &TxnHeader,
        op: OpCode,
        creation: &Creation<'t>,
        on_change: OnChange<'_>,
    ) -> Result<TxnDetail<'t>, ErrorCode> {
        let (parent_path, name) = path::split_kept(creation.path).ok_or(ErrorCode::NoNode)?;
        let parent = self.nodes.find(parent_path).ok_or(ErrorCode::NoNode)?;
        let parent_cversion = self.nodes.at(parent).cversion;
        let cversion = match creation.parent_cversion {
            -1 => parent_cversion.wrapping_add(1),
            given => given,
        };
        // Before the test for existence: a fuzzy snapshot may hold the node but not the list (ZOOKEEPER-3306, -4846).
        let acl = self.acls.intern(creation.acl);
        let existing = if path::canonical(creation.path).is_empty() {
            Some(ROOT)
        } else {
            self.nodes.child(parent, name)
        };
        if let Some(existing) = existing {
            self.preserve(existing);
            let old = std::mem::replace(&mut self.nodes.at_mut(existing).acl, acl);
            self.acls.release(old);
            if op == OpCode::Create {
                self.raise_cversion(parent, cversion, header);
            }
            return Err(ErrorCode::NodeExists);
        }
        self.raise_cversion(parent, cversion, header);
        let stat = new_stat(header.zxid.0, header.time_ms, creation.owner);
        let id = self.insert_below(parent, creation.path, creation.data, acl, creation.kind, stat);
        // The reply tells the node as it was asked for, before a quota's stats node gets its real text.
        let stat = self.nodes.at(id).stat();
        let length = creation.data.map_or(0, <[u8]>::len);
        self.quota_after_create(parent_path, name, creation.path, length);
        self.tell(ChangeKind::Created, creation.path, length, acl, parent, on_change);
        Ok(TxnDetail::Create { path: creation.path, stat })
    }

    /// One condition for both fields: a record that is already in the state changes neither (ZOOKEEPER-3249).
    fn raise_cversion(&mut self, parent: NodeId, cversion: i32, header: &TxnHeader) {
        if cversion > self.nodes.at(parent).cversion {
            self.change(parent, |node| {
                node.cversion = cversion;
                node.pzxid = header.zxid.0;
            });
        }
    }

    fn delete(&mut self, path: &str, header: &TxnHeader, on_change: OnChange<'_>) -> Result<(), ErrorCode> {
        let (parent_path, name) = path::split_kept(path).ok_or(ErrorCode::NoNode)?;
        let parent = self.nodes.find(parent_path).ok_or(ErrorCode::NoNode)?;
        // Also when the node is gone: a fuzzy snapshot may lack the node but not hold the pzxid (ZOOKEEPER-3125).
        if header.zxid.0 > self.nodes.at(parent).pzxid {
            self.change(parent, |node| node.pzxid = header.zxid.0);
        }
        let id = self.nodes.child(parent, name).ok_or(ErrorCode::NoNode)?;
        if self.nodes.at(id).children > 0 {
            self.remove_descendants(id);
        }
        let (acl, length) = (self.nodes.at(id).acl, self.nodes.at(id).data_length());
        self.remove(id, path);
        self.quota_after_delete(parent_path, name, path, length);
        self.tell(ChangeKind::Deleted, path, 0, acl, parent, on_change);
        self.acls.release(acl);
        Ok(())
    }

    /// Only on replay over a fuzzy snapshot that saw the node's next life: its children are created again by the records
    /// that follow.
    fn remove_descendants(&mut self, top: NodeId) {
        loop {
            let id = self.nodes.a_leaf(top);
            if id == top {
                return;
            }
            let path = self.nodes.path(id);
            let (acl, length) = (self.nodes.at(id).acl, self.nodes.at(id).data_length());
            self.remove(id, &path);
            if let Some((parent_path, name)) = path::split(&path) {
                self.quota_after_delete(parent_path, name, &path, length);
            }
            self.acls.release(acl);
        }
    }

    fn set_data(
        &mut self,
        path: &str,
        data: Option<&[u8]>,
        version: i32,
        header: &TxnHeader,
        on_change: OnChange<'_>,
    ) -> Result<Stat, ErrorCode> {
        let path = path::canonical(path);
        let id = self.nodes.find(path).ok_or(ErrorCode::NoNode)?;
        let before = self.nodes.at(id).data_length();
        self.change_data(id, path, data, |node| {
            node.mtime = header.time_ms;
            node.mzxid = header.zxid.0;
            node.version = version;
        });
        let length = data.map_or(0, <[u8]>::len);
        self.quota_after_set_data(path, before, length);
        let node = self.nodes.at(id);
        let parent = if id == ROOT { ROOT } else { node.parent };
        self.tell(ChangeKind::DataChanged, path::watch_path(path), length, node.acl, parent, on_change);
        Ok(node.stat())
    }

    fn set_acl(&mut self, path: &str, acl: Option<&[Acl<'_>]>, version: i32) -> Result<Stat, ErrorCode> {
        let id = self.nodes.find(path).ok_or(ErrorCode::NoNode)?;
        let new = self.acls.intern(acl);
        let old = self.nodes.at(id).acl;
        self.change(id, |node| {
            node.acl = new;
            node.aversion = version;
        });
        self.acls.release(old);
        Ok(self.nodes.at(id).stat())
    }

    /// Deletes what the record lists, which mends the parents' pzxid even where the node is gone (ZOOKEEPER-3145), then what
    /// the session still owns.
    fn close_session(&mut self, header: &TxnHeader, paths: &[Ustring<'_>], on_change: OnChange<'_>) {
        self.sessions.remove(&header.client_id);
        for path in paths.iter().flatten() {
            // NONODE is what replay expects here.
            let _ = self.delete(path, header, &mut *on_change);
        }
        let rest: Vec<String> = self.ephemerals(header.client_id).collect();
        for path in &rest {
            let _ = self.delete(path, header, &mut *on_change);
        }
    }

    /// Removes the ephemeral nodes whose session does not exist, as a server does when it starts to lead. No transaction
    /// tells of it. Returns the removed paths.
    pub fn remove_dead_ephemerals(&mut self) -> Vec<String> {
        let dead: Vec<SessionId> =
            self.ephemeral_owners().filter(|owner| !self.sessions.contains_key(owner)).collect();
        let paths: Vec<String> = dead.into_iter().flat_map(|owner| self.ephemerals(owner)).collect();
        let header =
            TxnHeader { client_id: SessionId(0), cxid: 0, zxid: self.last_zxid, time_ms: 0, txn_type: 0 };
        for path in &paths {
            // Each was just found.
            let _ = self.delete(path, &header, &mut |_| {});
        }
        paths
    }

    fn tell(
        &self,
        kind: ChangeKind,
        path: &str,
        data_bytes: usize,
        acl: u32,
        parent: NodeId,
        on_change: OnChange<'_>,
    ) {
        let parent_path = path::split(path).map_or("", |(parent, _)| parent);
        on_change(Change {
            kind,
            path,
            data_bytes,
            acl: self.acls.list(acl),
            parent: path::watch_path(parent_path),
            parent_acl: self.acls.list(self.nodes.at(parent).acl),
        });
    }
}

/// A path in a record; absent ones are found nowhere.
fn text<'t>(path: &'t Ustring<'_>) -> &'t str {
    path.as_deref().unwrap_or("\0")
}

/// A code in a record; numbers nobody assigned are a system error to the client.
fn code_of(code: i32) -> ErrorCode {
    ErrorCode::from_code(code).unwrap_or(ErrorCode::SystemError)
}

fn creation<'t>(create: &'t CreateTxn<'_>, header: &TxnHeader) -> Creation<'t> {
    let (kind, owner) = match create.ephemeral {
        true => (NodeKind::Ephemeral, header.client_id.0),
        false => (NodeKind::Persistent, 0),
    };
    Creation {
        path: text(&create.path),
        data: create.data.as_deref(),
        acl: create.acl.as_deref(),
        kind,
        owner,
        parent_cversion: create.parent_cversion,
    }
}

/// The stat of a node created by a transaction.
pub(crate) fn new_stat(zxid: i64, time_ms: i64, owner: i64) -> StatPersisted {
    StatPersisted {
        czxid: zxid,
        mzxid: zxid,
        pzxid: zxid,
        ctime: time_ms,
        mtime: time_ms,
        ephemeral_owner: owner,
        ..StatPersisted::default()
    }
}

/// The result of a part of a multi that failed at part `failing`.
fn void_result<'t>(at: usize, failing: usize, op: &Txn<'_>) -> MultiResult<'t> {
    match op {
        Txn::Error { code } if at == failing => MultiResult::Error(Some(code_of(*code))),
        _ if at < failing => MultiResult::Error(None),
        _ => MultiResult::Error(Some(ErrorCode::RuntimeInconsistency)),
    }
}

fn multi_result<'t>(op: &Txn<'_>, result: TxnResult<'t>) -> MultiResult<'t> {
    match (result.err, result.detail) {
        (Some(code), _) => MultiResult::Error(Some(code)),
        (None, TxnDetail::Create { path, stat }) => {
            let path = Some(path.into());
            match op {
                Txn::Create { op: OpCode::Create, .. } => MultiResult::Create { path },
                _ => MultiResult::Create2 { path, stat },
            }
        }
        (None, TxnDetail::SetData(stat)) => MultiResult::SetData { stat },
        (None, _) if matches!(op, Txn::Check { .. }) => MultiResult::Check,
        (None, _) => MultiResult::Delete,
    }
}
