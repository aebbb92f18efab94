//! Requests that change no node: reads, watch operations, sync, ping (reference: client-protocol §4.6 to §4.10, §5.3, §7).
//!
//! They are answered from the applied tree at one moment, so that a watch and the value it goes with belong together.

use crate::clients::write_event;
use crate::traffic::{Traffic, names_length};
use crate::watches::{PERSISTENT, RECURSIVE, STANDARD, Table, WatchKind, Watches};
use std::borrow::Cow;
use tree::Tree;
use wire::{
    ErrorCode, Id, MultiOp, MultiResult, OpCode, PING_XID, ReplyHeader, Request, SessionId, SetWatches, Stat,
    Ustring, Writer, event_type, finish_frame, perms, start_frame,
};

/// Who asks, of what, and where the answer goes.
pub(crate) struct Reader<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) watches: &'a mut Watches,
    /// The connection's slot.
    pub(crate) conn: u32,
    pub(crate) session: SessionId,
    pub(crate) credentials: &'a [Id<'static>],
    pub(crate) skip_acl: bool,
    pub(crate) watches_max: usize,
    pub(crate) out: &'a mut Vec<u8>,
    /// Frames written to `out`.
    pub(crate) frames: u32,
    pub(crate) traffic: &'a mut Traffic,
}

type Answer = Result<(), ErrorCode>;

impl Reader<'_> {
    /// Answers a request that is no write: appends the events it causes and the reply.
    pub(crate) fn answer(&mut self, xid: i32, op: OpCode, body: &mut wire::Reader<'_>) {
        let answer = match Request::decode(op, body) {
            Ok(request) => self.execute(xid, &request),
            Err(_) => Err(ErrorCode::MarshallingError),
        };
        if let Err(code) = answer {
            self.error(xid, code);
        }
    }

    fn execute(&mut self, xid: i32, request: &Request<'_>) -> Answer {
        match request {
            Request::Ping => self.reply(PING_XID, |_| {}),
            Request::GetData { path, watch } => return self.data(xid, present(path)?, *watch),
            Request::Exists { path, watch } => return self.exists(xid, present(path)?, *watch),
            Request::GetChildren { path, watch } => {
                return self.children(xid, present(path)?, *watch, false);
            }
            Request::GetChildren2 { path, watch } => return self.children(xid, present(path)?, *watch, true),
            Request::GetAcl { path } => return self.acl(xid, present(path)?),
            Request::Sync { path } => self.reply(xid, |w| w.ustring(path.as_deref())),
            Request::GetAllChildrenNumber { path } => return self.descendants(xid, present(path)?),
            Request::GetEphemerals { prefix } => self.ephemerals(xid, prefix.as_deref().unwrap_or("")),
            Request::WhoAmI => self.who_am_i(xid),
            Request::MultiRead { ops } => return self.multi_read(xid, ops),
            Request::AddWatch { path, mode } => return self.add_watch(xid, present(path)?, *mode),
            Request::CheckWatches { path, watch_type } => {
                let kind = WatchKind::from_code(*watch_type).ok_or(ErrorCode::MarshallingError)?;
                let path = path.as_deref().ok_or(ErrorCode::NoWatcher)?;
                return self.found(xid, self.watches.contains(self.conn, path, kind));
            }
            Request::RemoveWatches { path, watch_type } => {
                let kind = WatchKind::from_code(*watch_type).ok_or(ErrorCode::MarshallingError)?;
                let path = path.as_deref().ok_or(ErrorCode::NoWatcher)?;
                let found = self.watches.remove(self.conn, path, kind);
                return self.found(xid, found);
            }
            Request::SetWatches(lists) => return self.set_watches(xid, lists, false),
            Request::SetWatches2(lists) => return self.set_watches(xid, lists, true),
            _ => unreachable!("{:?} is no read", request.op()),
        }
        Ok(())
    }

    fn data(&mut self, xid: i32, path: &str, watch: bool) -> Answer {
        let tree = self.tree;
        let node = tree.node(path).ok_or(ErrorCode::NoNode)?;
        self.allow(perms::READ, node.acl())?;
        if watch {
            self.watch(path, Table::Data, STANDARD)?;
        }
        self.traffic.read(path, node.data().map_or(0, <[u8]>::len));
        self.reply(xid, |w| {
            w.buffer(node.data());
            w.record(&node.stat());
        });
        Ok(())
    }

    /// The watch is set even if the node is missing: it waits for the creation.
    fn exists(&mut self, xid: i32, path: &str, watch: bool) -> Answer {
        if path.contains('\0') {
            return Err(ErrorCode::BadArguments);
        }
        let node = self.tree.node(path);
        if let Some(node) = &node {
            self.allow(perms::READ, node.acl())?;
        }
        if watch {
            self.watch(path, Table::Data, STANDARD)?;
        }
        let stat = node.ok_or(ErrorCode::NoNode)?.stat();
        self.traffic.read(path, 0);
        self.reply(xid, |w| w.record(&stat));
        Ok(())
    }

    fn children(&mut self, xid: i32, path: &str, watch: bool, with_stat: bool) -> Answer {
        let tree = self.tree;
        let node = tree.node(path).ok_or(ErrorCode::NoNode)?;
        self.allow(perms::READ, node.acl())?;
        if watch {
            self.watch(path, Table::Child, STANDARD)?;
        }
        self.traffic.read(path, names_length(node));
        self.reply(xid, |w| {
            w.int(node.child_count() as i32);
            for name in node.children() {
                w.text(name);
            }
            if with_stat {
                w.record(&node.stat());
            }
        });
        Ok(())
    }

    /// Digests are shown to administrators only (reference: client-protocol §4.6).
    fn acl(&mut self, xid: i32, path: &str) -> Answer {
        let tree = self.tree;
        let node = tree.node(path).ok_or(ErrorCode::NoNode)?;
        self.allow(perms::READ | perms::ADMIN, node.acl())?;
        let stat = node.stat();
        if self.allow(perms::ADMIN, node.acl()).is_ok() {
            self.reply(xid, |w| {
                w.vector(Some(node.acl()), |w, entry| w.record(entry));
                w.record(&stat);
            });
        } else {
            let masked = tree::acl::mask_digests(node.acl());
            self.reply(xid, |w| {
                w.vector(Some(&masked), |w, entry| w.record(entry));
                w.record(&stat);
            });
        }
        Ok(())
    }

    fn descendants(&mut self, xid: i32, path: &str) -> Answer {
        let tree = self.tree;
        let node = tree.node(path).ok_or(ErrorCode::NoNode)?;
        self.allow(perms::READ, node.acl())?;
        let count = tree.all_children_number(path).ok_or(ErrorCode::NoNode)?;
        self.reply(xid, |w| w.int(count));
        Ok(())
    }

    /// A plain prefix of the text; what is empty or `/` after Java's trim, which takes control characters too, means all
    /// (reference: client-protocol §4.8).
    fn ephemerals(&mut self, xid: i32, prefix: &str) {
        let all = matches!(prefix.trim_matches(|c| c <= ' '), "" | "/");
        let prefix = if all { "/" } else { prefix };
        let paths: Vec<String> =
            self.tree.ephemerals(self.session).filter(|path| path.starts_with(prefix)).collect();
        self.reply(xid, |w| w.vector(Some(&paths), |w, path| w.text(path)));
    }

    fn who_am_i(&mut self, xid: i32) {
        let credentials = self.credentials;
        self.reply(xid, |w| {
            w.vector(Some(credentials), |w, id| {
                w.ustring(id.scheme.as_deref());
                w.text(tree::auth::display_name(id));
            });
        });
    }

    /// Each part succeeds or fails on its own. A part that is no read fails the whole, header only: upstream sends a
    /// partial body with it (reference: client-protocol §5.3).
    fn multi_read(&mut self, xid: i32, ops: &[MultiOp<'_>]) -> Answer {
        let tree = self.tree;
        let mut results = Vec::with_capacity(ops.len());
        for op in ops {
            let path = match op {
                MultiOp::GetData { path } | MultiOp::GetChildren { path } => present(path)?,
                _ => return Err(ErrorCode::MarshallingError),
            };
            let node = match tree.node(path).ok_or(ErrorCode::NoNode) {
                Ok(node) => self.allow(perms::READ, node.acl()).map(|()| node),
                Err(code) => Err(code),
            };
            results.push(match (node, op) {
                (Err(code), _) => MultiResult::Error(Some(code)),
                (Ok(node), MultiOp::GetData { .. }) => {
                    self.traffic.read(path, node.data().map_or(0, <[u8]>::len));
                    MultiResult::GetData { data: node.data().map(|d| d.to_vec().into()), stat: node.stat() }
                }
                (Ok(node), _) => {
                    self.traffic.read(path, names_length(node));
                    let name = |name: &str| Some(Cow::Owned(name.to_owned()));
                    MultiResult::GetChildren { children: Some(node.children().map(name).collect()) }
                }
            });
        }
        self.reply(xid, |w| MultiResult::encode_all(&results, w));
        Ok(())
    }

    /// No node need exist and no ACL is asked; events are filtered when they happen (reference: client-protocol §4.10).
    fn add_watch(&mut self, xid: i32, path: &str, mode: i32) -> Answer {
        match mode {
            0 => {
                self.watch(path, Table::Data, PERSISTENT)?;
                self.watch(path, Table::Child, PERSISTENT)?;
            }
            1 => self.watch(path, Table::Data, RECURSIVE)?,
            _ => return Err(ErrorCode::MarshallingError),
        }
        self.reply(xid, |w| w.int(0));
        Ok(())
    }

    fn found(&mut self, xid: i32, found: bool) -> Answer {
        if !found {
            return Err(ErrorCode::NoWatcher);
        }
        self.reply(xid, |_| {});
        Ok(())
    }

    /// Registers again what the client had before it reconnected, or tells at once what has changed since
    /// (reference: client-protocol §7.6). An absent list ends it with an error, as upstream, but the lists before it count.
    fn set_watches(&mut self, xid: i32, lists: &SetWatches<'_>, with_persistent: bool) -> Answer {
        let rel = lists.relative_zxid;
        for path in list(&lists.data)? {
            let path = path?;
            self.catch_up(path, Table::Data, event_type::NODE_DATA_CHANGED, |stat| stat.mzxid > rel)?;
        }
        for path in list(&lists.exist)? {
            let path = path?;
            match self.tree.node(path) {
                Some(_) if self.readable(path) => self.event(event_type::NODE_CREATED, path),
                _ => self.watch(path, Table::Data, STANDARD)?,
            }
        }
        for path in list(&lists.child)? {
            let path = path?;
            self.catch_up(path, Table::Child, event_type::NODE_CHILDREN_CHANGED, |stat| stat.pzxid > rel)?;
        }
        if with_persistent {
            for path in list(&lists.persistent)? {
                let path = path?;
                self.watch(path, Table::Data, PERSISTENT)?;
                self.watch(path, Table::Child, PERSISTENT)?;
            }
            for path in list(&lists.persistent_recursive)? {
                let path = path?;
                self.watch(path, Table::Data, RECURSIVE)?;
            }
        }
        self.reply(xid, |_| {});
        Ok(())
    }

    fn catch_up(&mut self, path: &str, table: Table, event: i32, newer: impl Fn(&Stat) -> bool) -> Answer {
        match self.tree.node(path) {
            None => self.event(event_type::NODE_DELETED, path),
            Some(node) if newer(&node.stat()) && self.readable(path) => self.event(event, path),
            Some(_) => self.watch(path, table, STANDARD)?,
        }
        Ok(())
    }

    /// READ is asked for here as for every other event (reference: client-protocol §7.5).
    fn readable(&self, path: &str) -> bool {
        self.tree.node(path).is_some_and(|node| self.allow(perms::READ, node.acl()).is_ok())
    }

    fn event(&mut self, event_type: i32, path: &str) {
        write_event(self.out, event_type, -1, path);
        self.frames += 1;
    }

    fn watch(&mut self, path: &str, table: Table, mode: u8) -> Answer {
        if self.watches.count_of(self.conn) >= self.watches_max {
            return Err(ErrorCode::ThrottledOp);
        }
        self.watches.add(self.conn, path, table, mode);
        Ok(())
    }

    fn allow(&self, perms: i32, acl: &[wire::Acl<'static>]) -> Answer {
        if tree::acl::allows(self.skip_acl, acl, perms, self.credentials) {
            return Ok(());
        }
        Err(ErrorCode::NoAuth)
    }

    fn reply(&mut self, xid: i32, body: impl FnOnce(&mut Writer<'_>)) {
        let at = start_frame(self.out);
        let mut writer = Writer::new(self.out);
        writer.record(&ReplyHeader { xid, zxid: self.tree.last_zxid().0, err: 0 });
        body(&mut writer);
        finish_frame(self.out, at);
        self.frames += 1;
    }

    fn error(&mut self, xid: i32, code: ErrorCode) {
        let at = start_frame(self.out);
        let header = ReplyHeader { xid, zxid: self.tree.last_zxid().0, err: code.code() };
        Writer::new(self.out).record(&header);
        finish_frame(self.out, at);
        self.frames += 1;
    }
}

/// A path that is there; an absent one is no path at all (reference: client-protocol §1.1).
fn present<'a>(path: &'a Ustring<'_>) -> Result<&'a str, ErrorCode> {
    path.as_deref().ok_or(ErrorCode::MarshallingError)
}

/// The paths of a list of setWatches. An absent path among them is an error, like an absent list, once its turn comes.
fn list<'a>(
    paths: &'a Option<Vec<Ustring<'_>>>,
) -> Result<impl Iterator<Item = Result<&'a str, ErrorCode>>, ErrorCode> {
    let paths = paths.as_ref().ok_or(ErrorCode::MarshallingError)?;
    Ok(paths.iter().map(present))
}
