//! Requests that change nothing (reference: client-protocol §4.6 to §4.8, §5.3).

use crate::acl::{allows, masked};
use crate::tree::{Model, Znode};
use wire::{ErrorCode, Id, MultiOp, MultiResult, Request, Response, Ustring, perms};

impl Model {
    /// Answers a read. Lists of names come sorted.
    ///
    /// # Errors
    /// The code that the client gets.
    pub fn read(
        &self,
        session: i64,
        credentials: &[Id<'static>],
        request: &Request<'_>,
    ) -> Result<Response<'static>, ErrorCode> {
        Ok(match request {
            Request::Exists { path, .. } => {
                if path.as_deref().is_some_and(|path| path.contains('\0')) {
                    return Err(ErrorCode::BadArguments);
                }
                Response::Stat(
                    self.stat(self.readable(path, perms::READ, credentials)?.0).expect("it is there"),
                )
            }
            Request::GetData { path, .. } => {
                let (path, node) = self.readable(path, perms::READ, credentials)?;
                Response::Data(node.data.clone().map(Into::into), self.stat(path).expect("it is there"))
            }
            Request::GetAcl { path } => {
                let (path, node) = self.readable(path, perms::READ | perms::ADMIN, credentials)?;
                let admin = allows(&node.acl, perms::ADMIN, credentials);
                let acl = if admin { node.acl.clone() } else { masked(&node.acl) };
                Response::Acl(Some(acl), self.stat(path).expect("it is there"))
            }
            Request::GetChildren { path, .. } => {
                Response::Children(Some(self.names(self.readable(path, perms::READ, credentials)?.0)))
            }
            Request::GetChildren2 { path, .. } => {
                let (path, _) = self.readable(path, perms::READ, credentials)?;
                Response::Children2(Some(self.names(path)), self.stat(path).expect("it is there"))
            }
            Request::GetAllChildrenNumber { path } => {
                // Below the empty path the root counts too.
                let root = usize::from(path.as_deref() == Some(""));
                let (path, _) = self.readable(path, perms::READ, credentials)?;
                let top = if path == "/" || path.is_empty() { "/".to_owned() } else { format!("{path}/") };
                let below = self.nodes.keys().filter(|node| *node != "/" && node.starts_with(&top));
                Response::Int((below.count() + root) as i32)
            }
            Request::GetEphemerals { prefix } => {
                let prefix = prefix.as_deref().unwrap_or("");
                let all = matches!(prefix.trim_matches(|c| c <= ' '), "" | "/");
                let prefix = if all { "/" } else { prefix };
                let mine = |(_, node): &(&String, &Znode)| node.stat.ephemeral_owner == session;
                let paths = self.nodes.iter().filter(mine).map(|(path, _)| path.clone());
                Response::Children(Some(
                    paths.filter(|path| path.starts_with(prefix)).map(|path| Some(path.into())).collect(),
                ))
            }
            Request::Sync { path } => Response::Path(path.clone().map(|path| path.into_owned().into())),
            Request::Ping => Response::Empty,
            Request::MultiRead { ops } => {
                Response::Multi(ops.iter().map(|op| self.part_of_read(credentials, op)).collect())
            }
            other => panic!("{:?} is not a read of the tree", other.op()),
        })
    }

    fn part_of_read(&self, credentials: &[Id<'static>], op: &MultiOp<'_>) -> MultiResult<'static> {
        let result = match op {
            MultiOp::GetData { path } => self.readable(path, perms::READ, credentials).map(|(path, node)| {
                let stat = self.stat(path).expect("it is there");
                MultiResult::GetData { data: node.data.clone().map(Into::into), stat }
            }),
            MultiOp::GetChildren { path } => self
                .readable(path, perms::READ, credentials)
                .map(|(path, _)| MultiResult::GetChildren { children: Some(self.names(path)) }),
            other => panic!("{:?} is not a read", other.op()),
        };
        result.unwrap_or_else(|code| MultiResult::Error(Some(code)))
    }

    fn readable<'p>(
        &self,
        path: &'p Ustring<'_>,
        wanted: i32,
        credentials: &[Id<'static>],
    ) -> Result<(&'p str, &Znode), ErrorCode> {
        let path = path.as_deref().ok_or(ErrorCode::MarshallingError)?;
        let node = self.node(path).ok_or(ErrorCode::NoNode)?;
        if allows(&node.acl, wanted, credentials) { Ok((path, node)) } else { Err(ErrorCode::NoAuth) }
    }

    fn names(&self, path: &str) -> Vec<Ustring<'static>> {
        self.children(path).into_iter().map(|name| Some(name.to_owned().into())).collect()
    }
}
