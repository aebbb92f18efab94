//! Whole subtrees: what the protocol has no single request for.

use crate::{Error, Reply};
use wire::{ErrorCode, MultiOp, Request, Response};

/// How many listings are asked for at once.
const LISTINGS_AT_ONCE: usize = 64;
/// How many batches of deletes are sent before their answers are awaited.
const BATCHES_AT_ONCE: usize = 16;

/// Something that answers requests in order: a [`crate::Connection`] or a [`crate::Session`].
pub trait Caller {
    /// Sends all the requests, then collects their answers, in order.
    ///
    /// # Errors
    /// When the connection fails; a refusal is in its reply.
    fn call_all(&mut self, requests: &[Request<'_>]) -> Result<Vec<Reply>, Error>;
}

/// The path of a child.
pub fn join(parent: &str, child: &str) -> String {
    if parent == "/" { format!("/{child}") } else { format!("{parent}/{child}") }
}

/// All paths of the subtree, breadth first, its root first: parents always come before their children. Nodes that vanish
/// meanwhile are left out.
///
/// # Errors
/// [`Error::Server`] when the root is missing or a listing is refused.
pub fn list(caller: &mut dyn Caller, root: &str) -> Result<Vec<String>, Error> {
    let mut out = vec![root.to_owned()];
    let mut listed = 0;
    while listed < out.len() {
        let turn: Vec<String> = out[listed..].iter().take(LISTINGS_AT_ONCE).cloned().collect();
        let requests: Vec<Request<'_>> =
            turn.iter().map(|path| Request::GetChildren { path: Some(path.into()), watch: false }).collect();
        for (path, reply) in turn.iter().zip(caller.call_all(&requests)?) {
            match reply.response() {
                Ok(Response::Children(children)) => {
                    let mut names: Vec<_> = children.unwrap_or_default().into_iter().flatten().collect();
                    names.sort_unstable();
                    out.extend(names.iter().map(|name| join(path, name)));
                }
                Ok(_) => return Err(Error::Protocol("a listing without children".into())),
                Err(Error::Server(ErrorCode::NoNode)) if path != root => {}
                Err(e) => return Err(e),
            }
        }
        listed += turn.len();
    }
    Ok(out)
}

/// Deletes the paths, last first, `batch` at a time in one transaction each. Returns how many are gone; a batch that fails is
/// repeated node by node, and what still fails (but for nodes that are already gone) is counted as not deleted.
///
/// # Errors
/// When the connection fails.
pub fn delete_all(caller: &mut dyn Caller, paths: &[String], batch: usize) -> Result<usize, Error> {
    let mut gone = 0;
    let batches: Vec<&[String]> = paths.rchunks(batch.max(1)).collect();
    for turn in batches.chunks(BATCHES_AT_ONCE) {
        let requests: Vec<Request<'_>> = turn.iter().map(|paths| delete_batch(paths)).collect();
        let replies = caller.call_all(&requests)?;
        for (paths, reply) in turn.iter().zip(replies) {
            let done = matches!(reply.response(), Ok(Response::Multi(results))
                if results.iter().all(|r| !matches!(r, wire::MultiResult::Error(_))));
            gone += if done { paths.len() } else { delete_singly(caller, paths)? };
        }
    }
    Ok(gone)
}

fn delete_batch(paths: &[String]) -> Request<'_> {
    let delete = |path: &'_ String| MultiOp::Delete { path: Some(path.clone().into()), version: -1 };
    Request::Multi { ops: paths.iter().rev().map(delete).collect() }
}

fn delete_singly(caller: &mut dyn Caller, paths: &[String]) -> Result<usize, Error> {
    let requests: Vec<Request<'_>> =
        paths.iter().rev().map(|path| Request::Delete { path: Some(path.into()), version: -1 }).collect();
    let replies = caller.call_all(&requests)?;
    Ok(replies.iter().filter(|r| r.header.err == 0 || r.header.err == ErrorCode::NoNode.code()).count())
}
