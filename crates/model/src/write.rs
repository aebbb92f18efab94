//! Requests that change the tree (reference: client-protocol §4.3 to §4.6, §5, §8.2).

use crate::acl::{allows, normalised};
use crate::path::{is_loose, is_strict, parent};
use crate::tree::{CONTAINER, Model, TTL, Znode};
use wire::{
    Acl, Buffer, CreateMode, ErrorCode, Id, MultiOp, MultiResult, OpCode, Request, Response, Stat,
    StatPersisted, Ustring, perms,
};

/// Who asks, when, and which transaction it becomes.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The transaction.
    pub zxid: i64,
    /// Its time in ms since 1970.
    pub time_ms: i64,
    /// The session.
    pub session: i64,
    /// The connection's credentials.
    pub credentials: &'a [Id<'static>],
}

/// What happened to a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChangeKind {
    /// It is new.
    Created,
    /// It is gone.
    Deleted,
    /// Its data was set.
    DataChanged,
}

/// One change, as watches are told of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// To which node.
    pub path: String,
    /// Its ACL; of a deleted node the one it had.
    pub acl: Vec<Acl<'static>>,
    /// Its parent's ACL.
    pub parent_acl: Vec<Acl<'static>>,
}

/// What became of a request.
#[derive(Clone, PartialEq, Debug)]
pub struct Outcome {
    /// The answer; a failed multi is a [`Response::Multi`] of errors.
    pub answer: Result<Response<'static>, ErrorCode>,
    /// What watches are told, in this order.
    pub changes: Vec<Change>,
}

impl Model {
    /// Carries out a write that somebody's session asked for.
    pub fn write(&mut self, context: &Context<'_>, request: &Request<'_>) -> Outcome {
        let mut changes = Vec::new();
        let answer = match request {
            Request::Create { op, path, data, acl, flags, ttl } => {
                let wish = Wish { op: *op, path, data, acl: acl.as_ref(), flags: *flags, ttl: *ttl };
                self.create(context, &wish, &mut changes).map(|(path, stat)| match op {
                    OpCode::Create => Response::Path(Some(path.into())),
                    _ => Response::PathStat(Some(path.into()), stat),
                })
            }
            Request::Delete { path, version } => {
                self.delete(context, path, *version, &mut changes).map(|()| Response::Empty)
            }
            Request::SetData { path, data, version } => {
                self.set_data(context, path, data, *version, &mut changes).map(Response::Stat)
            }
            Request::SetAcl { path, acl, version } => {
                self.set_acl(context, path, acl.as_ref(), *version).map(Response::Stat)
            }
            Request::Multi { ops } => {
                let (results, told) = self.multi(context, ops);
                changes = told;
                Ok(Response::Multi(results))
            }
            Request::CreateSession { timeout_ms } => {
                self.sessions.insert(context.session, *timeout_ms);
                Ok(Response::Empty)
            }
            Request::CloseSession => {
                changes = self.close_session(context);
                Ok(Response::Empty)
            }
            other => panic!("{:?} changes nothing", other.op()),
        };
        Outcome { answer, changes }
    }

    /// The server's own removal of an empty container or of a TTL node whose time is over.
    pub fn remove_empty(&mut self, zxid: i64, path: &str) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.nodes.contains_key(path) && self.children(path).is_empty() {
            self.remove(zxid, path, &mut changes);
        }
        changes
    }

    fn create(
        &mut self,
        context: &Context<'_>,
        wish: &Wish<'_>,
        changes: &mut Vec<Change>,
    ) -> Result<(String, Stat), ErrorCode> {
        let mode = CreateMode::from_flags(wish.flags).ok_or(ErrorCode::BadArguments)?;
        if mode.is_ttl() && !self.options.extended_types {
            return Err(ErrorCode::Unimplemented);
        }
        let ttl_fits = if mode.is_ttl() { (1..1 << 40).contains(&wish.ttl) } else { wish.ttl < 0 };
        if !ttl_fits || (wish.op == OpCode::CreateTtl && !mode.is_ttl()) {
            return Err(ErrorCode::BadArguments);
        }
        self.need_session(context, mode.is_ephemeral())?;
        let wished = wish.path.as_deref().ok_or(ErrorCode::MarshallingError)?;
        if wished.contains('\0') {
            return Err(ErrorCode::BadArguments);
        }
        let above = parent(wished).ok_or(ErrorCode::BadArguments)?.to_owned();
        let acl = normalised(wish.acl, context.credentials)?;
        let parent_node = self.nodes.get(&above).ok_or(ErrorCode::NoNode)?;
        need(parent_node, perms::CREATE, context)?;
        let path = match mode.is_sequential() {
            true => format!("{wished}{:010}", parent_node.stat.cversion),
            false => wished.to_owned(),
        };
        if !is_strict(&path) {
            return Err(ErrorCode::BadArguments);
        }
        if self.nodes.contains_key(&path) {
            return Err(ErrorCode::NodeExists);
        }
        if self.is_ephemeral(parent_node) {
            return Err(ErrorCode::NoChildrenForEphemerals);
        }
        let owner = match wish.op {
            OpCode::CreateContainer => CONTAINER,
            OpCode::CreateTtl => TTL | wish.ttl,
            _ if mode.is_ephemeral() => context.session,
            _ => 0,
        };
        let stat = StatPersisted {
            czxid: context.zxid,
            mzxid: context.zxid,
            pzxid: context.zxid,
            ctime: context.time_ms,
            mtime: context.time_ms,
            ephemeral_owner: owner,
            ..StatPersisted::default()
        };
        let parent_acl = parent_node.acl.clone();
        let data = wish.data.as_deref().map(<[u8]>::to_vec);
        self.nodes.insert(path.clone(), Znode { data, acl: acl.clone(), stat });
        let parent_stat = &mut self.nodes.get_mut(&above).expect("it was there").stat;
        parent_stat.cversion += 1;
        parent_stat.pzxid = context.zxid;
        self.count_in(&path);
        changes.push(Change { kind: ChangeKind::Created, path: path.clone(), acl, parent_acl });
        let stat = self.stat(&path).expect("just created");
        Ok((path, stat))
    }

    fn delete(
        &mut self,
        context: &Context<'_>,
        path: &Ustring<'_>,
        version: i32,
        changes: &mut Vec<Change>,
    ) -> Result<(), ErrorCode> {
        self.need_session(context, false)?;
        let path = path.as_deref().ok_or(ErrorCode::MarshallingError)?;
        if !is_loose(path) {
            return Err(ErrorCode::BadArguments);
        }
        let parent_node =
            self.nodes.get(parent(path).expect("loose paths have a slash")).ok_or(ErrorCode::NoNode)?;
        need(parent_node, perms::DELETE, context)?;
        let node = self.nodes.get(path).ok_or(ErrorCode::NoNode)?;
        need_version(version, node.stat.version)?;
        if !self.children(path).is_empty() {
            return Err(ErrorCode::NotEmpty);
        }
        self.remove(context.zxid, path, changes);
        Ok(())
    }

    fn remove(&mut self, zxid: i64, path: &str, changes: &mut Vec<Change>) {
        let bytes = self.length(path);
        let node = self.nodes.remove(path).expect("it is there");
        self.count_out(path, bytes);
        let above = self.nodes.get_mut(parent(path).expect("below the root")).expect("parents stay");
        above.stat.pzxid = zxid;
        let (acl, parent_acl) = (node.acl, above.acl.clone());
        changes.push(Change { kind: ChangeKind::Deleted, path: path.to_owned(), acl, parent_acl });
    }

    fn set_data(
        &mut self,
        context: &Context<'_>,
        path: &Ustring<'_>,
        data: &Buffer<'_>,
        version: i32,
        changes: &mut Vec<Change>,
    ) -> Result<Stat, ErrorCode> {
        self.need_session(context, false)?;
        let path = path.as_deref().filter(|path| is_strict(path)).ok_or(ErrorCode::BadArguments)?;
        let node = self.nodes.get_mut(path).ok_or(ErrorCode::NoNode)?;
        need(node, perms::WRITE, context)?;
        need_version(version, node.stat.version)?;
        let before = node.data.as_ref().map_or(0, Vec::len) as i64;
        node.data = data.as_deref().map(<[u8]>::to_vec);
        node.stat.version += 1;
        node.stat.mzxid = context.zxid;
        node.stat.mtime = context.time_ms;
        let acl = node.acl.clone();
        self.count_changed(path, before);
        let parent_acl =
            parent(path).and_then(|above| self.nodes.get(above)).map_or(Vec::new(), |n| n.acl.clone());
        changes.push(Change { kind: ChangeKind::DataChanged, path: path.to_owned(), acl, parent_acl });
        Ok(self.stat(path).expect("it is there"))
    }

    fn set_acl(
        &mut self,
        context: &Context<'_>,
        path: &Ustring<'_>,
        acl: Option<&Vec<Acl<'_>>>,
        version: i32,
    ) -> Result<Stat, ErrorCode> {
        self.need_session(context, false)?;
        let path = path.as_deref().filter(|path| is_strict(path)).ok_or(ErrorCode::BadArguments)?;
        let acl = normalised(acl, context.credentials)?;
        let node = self.nodes.get_mut(path).ok_or(ErrorCode::NoNode)?;
        need(node, perms::ADMIN, context)?;
        need_version(version, node.stat.aversion)?;
        node.acl = acl;
        node.stat.aversion += 1;
        Ok(self.stat(path).expect("it is there"))
    }

    fn check(&self, context: &Context<'_>, path: &Ustring<'_>, version: i32) -> Result<(), ErrorCode> {
        self.need_session(context, false)?;
        let path = path.as_deref().filter(|path| is_strict(path)).ok_or(ErrorCode::BadArguments)?;
        let node = self.nodes.get(path).ok_or(ErrorCode::NoNode)?;
        need(node, perms::READ, context)?;
        need_version(version, node.stat.version)
    }

    /// All or nothing: the tree is put aside, and taken back when an operation fails.
    fn multi(
        &mut self,
        context: &Context<'_>,
        ops: &[MultiOp<'_>],
    ) -> (Vec<MultiResult<'static>>, Vec<Change>) {
        let before = self.clone();
        let (mut results, mut changes) = (Vec::new(), Vec::new());
        for (position, op) in ops.iter().enumerate() {
            match self.part(context, op, &mut changes) {
                Ok(result) => results.push(result),
                Err(code) => {
                    *self = before;
                    let of = |index: usize| match index.cmp(&position) {
                        std::cmp::Ordering::Less => None,
                        std::cmp::Ordering::Equal => Some(code),
                        std::cmp::Ordering::Greater => Some(ErrorCode::RuntimeInconsistency),
                    };
                    return ((0..ops.len()).map(|index| MultiResult::Error(of(index))).collect(), Vec::new());
                }
            }
        }
        (results, changes)
    }

    fn part(
        &mut self,
        context: &Context<'_>,
        op: &MultiOp<'_>,
        changes: &mut Vec<Change>,
    ) -> Result<MultiResult<'static>, ErrorCode> {
        Ok(match op {
            MultiOp::Create { op, path, data, acl, flags, ttl } => {
                let wish = Wish { op: *op, path, data, acl: acl.as_ref(), flags: *flags, ttl: *ttl };
                let (path, stat) = self.create(context, &wish, changes)?;
                let path = Some(path.into());
                if *op == OpCode::Create {
                    MultiResult::Create { path }
                } else {
                    MultiResult::Create2 { path, stat }
                }
            }
            MultiOp::Delete { path, version } => {
                self.delete(context, path, *version, changes)?;
                MultiResult::Delete
            }
            MultiOp::SetData { path, data, version } => {
                MultiResult::SetData { stat: self.set_data(context, path, data, *version, changes)? }
            }
            MultiOp::Check { path, version } => {
                self.check(context, path, *version)?;
                MultiResult::Check
            }
            MultiOp::GetData { .. } | MultiOp::GetChildren { .. } => panic!("a read in a multi that writes"),
        })
    }

    /// Ends the session: its ephemeral nodes go, in the order of their paths.
    fn close_session(&mut self, context: &Context<'_>) -> Vec<Change> {
        let owned = |(_, node): &(&String, &Znode)| node.stat.ephemeral_owner == context.session;
        let paths: Vec<String> = self.nodes.iter().filter(owned).map(|(path, _)| path.clone()).collect();
        let mut changes = Vec::new();
        for path in paths {
            self.remove(context.zxid, &path, &mut changes);
        }
        self.sessions.remove(&context.session);
        changes
    }

    fn need_session(&self, context: &Context<'_>, is_owner: bool) -> Result<(), ErrorCode> {
        let is_admitted = self.admits_strangers && !is_owner;
        match is_admitted || self.sessions.contains_key(&context.session) {
            true => Ok(()),
            false => Err(ErrorCode::SessionExpired),
        }
    }
}

/// What a create asks for.
struct Wish<'a> {
    op: OpCode,
    path: &'a Ustring<'a>,
    data: &'a Buffer<'a>,
    acl: Option<&'a Vec<Acl<'a>>>,
    flags: i32,
    ttl: i64,
}

fn need(node: &Znode, perms: i32, context: &Context<'_>) -> Result<(), ErrorCode> {
    if allows(&node.acl, perms, context.credentials) { Ok(()) } else { Err(ErrorCode::NoAuth) }
}

fn need_version(expected: i32, current: i32) -> Result<(), ErrorCode> {
    if expected == -1 || expected == current { Ok(()) } else { Err(ErrorCode::BadVersion) }
}
