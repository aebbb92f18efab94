//! The znodes of a run: made before it, removed after it.

use super::args::Plan;
use super::stop::Stop;
use client::{Caller, Connection, Error, Options, subtree};
use std::time::Duration;
use wire::{Acl, ErrorCode, MultiOp, MultiResult, OpCode, Request, Response};

/// Data of the root: what tells our nodes from anybody else's.
const MARK: &[u8] = b"made by headkeeper bench: may be removed";
/// Children per directory.
const FANOUT: usize = 1000;
/// Bytes per transaction, at the most.
const BATCH_BYTES: usize = 400 << 10;
/// Transactions sent before their answers are awaited, and znodes in them: small transactions need more of them under way.
const BATCHES_AT_ONCE: usize = 16;
const NODES_AT_ONCE: usize = 3200;
/// Znodes in one transaction when nobody asks for another number: directories, deletes.
const PER_TRANSACTION: usize = 200;

/// Names of the znodes, computed rather than kept.
#[derive(Debug)]
pub struct Nodes {
    root: String,
    count: usize,
}

impl Nodes {
    /// How many.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Writes the path of node `index` into `out`.
    pub fn path(&self, index: usize, out: &mut String) {
        out.clear();
        out.push_str(&self.root);
        out.push_str("/d");
        push_number(out, index / FANOUT, 6);
        out.push_str("/n");
        push_number(out, index % FANOUT, 3);
    }

    /// Writes the path of directory `index` into `out`.
    pub fn directory(&self, index: usize, out: &mut String) {
        out.clear();
        out.push_str(&self.root);
        out.push_str("/d");
        push_number(out, index, 6);
    }

    /// How many directories there are.
    pub fn directories(&self) -> usize {
        self.count.div_ceil(FANOUT)
    }

    /// Writes the directory in which a connection creates its own nodes into `out`.
    pub fn own_directory(&self, connection: usize, out: &mut String) {
        out.clear();
        out.push_str(&self.root);
        out.push_str("/c");
        push_number(out, connection, 5);
    }

    /// Writes the path of a connection's own node into `out`.
    pub fn own_path(&self, connection: usize, index: u64, out: &mut String) {
        self.own_directory(connection, out);
        out.push_str("/n");
        push_number(out, index as usize, 9);
    }
}

/// Appends a number of at least `width` digits: cheaper than the formatting machinery, and called for every request.
fn push_number(out: &mut String, mut number: usize, width: usize) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    while number > 0 || digits.len() - at < width {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    out.extend(digits[at..].iter().map(|d| char::from(*d)));
}

/// The options of every connection.
pub fn options(plan: &Plan) -> Options {
    Options { session_timeout_ms: plan.session_timeout_ms, ..Options::default() }
}

/// Removes leftovers and makes root, directories and nodes; less of them when asked to stop.
pub fn make(plan: &Plan, stop: &Stop) -> Result<Nodes, String> {
    let mut connection = connect(plan)?;
    remove(&mut connection, &plan.path)?;
    create_path(&mut connection, &plan.path).map_err(|e| format!("cannot create {}: {e}", plan.path))?;
    let nodes = Nodes { root: plan.path.clone(), count: plan.nodes };
    let mut path = String::new();
    let mut directories = Vec::new();
    for index in 0..nodes.directories() {
        nodes.directory(index, &mut path);
        directories.push(path.clone());
    }
    for index in 0..plan.connections {
        nodes.own_directory(index, &mut path);
        directories.push(path.clone());
    }
    let data = payload(plan.size);
    let fail = |e: Error| format!("cannot create znodes below {}: {e}", plan.path);
    create_all(&mut connection, &mut directories.into_iter(), &[], PER_TRANSACTION, stop).map_err(fail)?;
    let mut paths = (0..nodes.count).map(|index| {
        let mut path = String::with_capacity(nodes.root.len() + 13);
        nodes.path(index, &mut path);
        path
    });
    create_all(&mut connection, &mut paths, &data, plan.batch, stop).map_err(fail)?;
    connection.close().map_err(|e| format!("cannot close the session: {e}"))?;
    Ok(nodes)
}

/// Removes the root and everything below.
pub fn clean(plan: &Plan) -> Result<(), String> {
    let mut connection = connect(plan)?;
    remove(&mut connection, &plan.path)?;
    connection.close().map_err(|e| format!("cannot close the session: {e}"))
}

fn connect(plan: &Plan) -> Result<Connection, String> {
    let options = Options { request_timeout: Duration::from_secs(120), ..options(plan) };
    Connection::connect_any(&plan.addresses, &options).map_err(|e| {
        format!("{e}\nIs a server running there? `headkeeper serve` starts one; --server names another.")
    })
}

/// Bytes that do not compress to nothing.
pub fn payload(size: usize) -> Vec<u8> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    (0..size)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            b'a' + (state % 26) as u8
        })
        .collect()
}

/// Creates the root's ancestors as needed, and the root with our mark.
fn create_path(connection: &mut Connection, root: &str) -> Result<(), Error> {
    let ends = root.match_indices('/').map(|(at, _)| at).skip(1).chain([root.len()]);
    for end in ends {
        let data = if end == root.len() { MARK } else { &[] };
        let request = Request::Create {
            op: OpCode::Create,
            path: Some(root[..end].into()),
            data: Some(data.into()),
            acl: Some(vec![Acl::open()]),
            flags: 0,
            ttl: -1,
        };
        let reply = connection.call(&request)?;
        if reply.header.err != ErrorCode::NodeExists.code() {
            reply.check()?;
        }
    }
    Ok(())
}

fn create_all(
    connection: &mut Connection,
    paths: &mut dyn Iterator<Item = String>,
    data: &[u8],
    batch: usize,
    stop: &Stop,
) -> Result<(), Error> {
    let per_batch = (BATCH_BYTES / (data.len() + 100)).clamp(1, batch);
    let at_once = (NODES_AT_ONCE / per_batch).max(BATCHES_AT_ONCE);
    while !stop.is_asked() {
        let batches: Vec<Request<'_>> = (0..at_once)
            .map(|_| paths.take(per_batch).map(|path| create_op(path, data)).collect::<Vec<_>>())
            .filter(|ops| !ops.is_empty())
            .map(transaction)
            .collect();
        if batches.is_empty() {
            return Ok(());
        }
        for reply in connection.call_all(&batches)? {
            let Response::Multi(results) = reply.response()? else { continue };
            let failed = results.iter().find_map(|r| match r {
                MultiResult::Error(Some(code)) => Some(*code),
                _ => None,
            });
            if let Some(code) = failed {
                return Err(Error::Server(code));
            }
        }
    }
    Ok(())
}

/// A lone operation goes as the plain request.
fn transaction(mut ops: Vec<MultiOp<'_>>) -> Request<'_> {
    match ops.pop() {
        Some(MultiOp::Create { op, path, data, acl, flags, ttl }) if ops.is_empty() => {
            Request::Create { op, path, data, acl, flags, ttl }
        }
        last => {
            ops.extend(last);
            Request::Multi { ops }
        }
    }
}

fn create_op(path: String, data: &[u8]) -> MultiOp<'_> {
    MultiOp::Create {
        op: OpCode::Create,
        path: Some(path.into()),
        data: Some(data.into()),
        acl: Some(vec![Acl::open()]),
        flags: 0,
        ttl: -1,
    }
}

/// Removes what stands at `root`, if it is ours.
fn remove(connection: &mut Connection, root: &str) -> Result<(), String> {
    let reply = connection.call(&Request::GetData { path: Some(root.into()), watch: false });
    let reply = reply.map_err(|e| format!("cannot read {root}: {e}"))?;
    match reply.response() {
        Err(Error::Server(ErrorCode::NoNode)) => return Ok(()),
        Ok(Response::Data(data, _)) if data.as_deref() == Some(MARK) => {}
        Ok(_) => return Err(format!("{root} exists and was not made by this tool: choose another --path")),
        Err(e) => return Err(format!("cannot read {root}: {e}")),
    }
    let fail = |e: Error| format!("cannot remove {root}: {e}");
    let paths = subtree::list(connection, root).map_err(fail)?;
    let gone = subtree::delete_all(connection, &paths, PER_TRANSACTION).map_err(fail)?;
    if gone < paths.len() {
        return Err(format!(
            "{} of {} znodes below {root} could not be removed",
            paths.len() - gone,
            paths.len()
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_create_is_no_multi() {
        let alone = transaction(vec![create_op("/a".into(), b"x")]);
        assert!(matches!(alone, Request::Create { op: OpCode::Create, flags: 0, .. }));
        let Request::Multi { ops } =
            transaction(vec![create_op("/a".into(), b""), create_op("/b".into(), b"")])
        else {
            panic!("two creates are one multi")
        };
        let paths: Vec<_> = ops.iter().map(|op| op_path(op).to_owned()).collect();
        assert_eq!(paths, ["/a", "/b"]);
    }

    fn op_path<'a>(op: &'a MultiOp<'_>) -> &'a str {
        let MultiOp::Create { path: Some(path), .. } = op else { panic!("a create") };
        path
    }

    #[test]
    fn names_are_computed() {
        let nodes = Nodes { root: "/b".into(), count: 2001 };
        let mut path = String::new();
        nodes.path(1999, &mut path);
        assert_eq!(path, "/b/d000001/n999");
        nodes.own_path(3, 12, &mut path);
        assert_eq!(path, "/b/c00003/n000000012");
        assert_eq!(nodes.directories(), 3);
    }
}
