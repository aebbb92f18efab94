//! Looking at the whole trees: are they the same, and are their digests what the trees say?

use crate::compare::sorted_acl;
use crate::item::Frame;
use crate::normal;
use crate::pair::{Difference, Pair};
use crate::side::{Kind, Seen};
use crate::tolerate::Tolerance;
use model::digest::{self, DigestNode};
use std::collections::BTreeMap;
use wire::{Acl, OpCode, Reader, Request, Response, Stat};

/// Nodes that nobody deletes.
const SYSTEM: &[&str] = &["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"];

/// What can be read of a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    /// Data and stat.
    pub data: Option<Vec<u8>>,
    /// As the server gave it.
    pub stat: Stat,
    /// The body of getACL's reply.
    acl: Vec<u8>,
}

/// All nodes by path.
pub type Nodes = BTreeMap<String, Node>;

/// Reads both trees through the driver's own session.
pub fn read(pair: &mut Pair) -> (Nodes, Nodes) {
    let (mut a, mut b) = (Nodes::new(), Nodes::new());
    let mut level = vec!["/".to_owned()];
    while !level.is_empty() {
        let mut next = std::collections::BTreeSet::new();
        for paths in level.chunks(100) {
            let frames: Vec<Frame> = paths.iter().flat_map(|path| looks(path)).collect();
            let (seen_a, seen_b) = pair.ask(&frames);
            next.extend(keep(paths, &seen_a, &mut a));
            next.extend(keep(paths, &seen_b, &mut b));
        }
        level = next.into_iter().collect();
    }
    (a, b)
}

fn looks(path: &str) -> [Frame; 3] {
    let path = Some(path.into());
    [
        Frame::of(&Request::GetData { path: Clone::clone(&path), watch: false }),
        Frame::of(&Request::GetAcl { path: Clone::clone(&path) }),
        Frame::of(&Request::GetChildren { path, watch: false }),
    ]
}

/// Keeps what was read of `paths` and gives their children.
fn keep(paths: &[String], seen: &[Seen], nodes: &mut Nodes) -> Vec<String> {
    let mut children = Vec::new();
    let answer = |place: usize| seen.iter().find(|frame| frame.kind == Kind::Reply(place) && frame.err == 0);
    for (n, path) in paths.iter().enumerate() {
        let (Some(data), Some(acl), Some(names)) = (answer(3 * n), answer(3 * n + 1), answer(3 * n + 2))
        else {
            continue;
        };
        if let Ok(Response::Data(data, stat)) =
            Response::decode(OpCode::GetData, &mut Reader::new(&data.body))
        {
            let data = data.map(|data| data.into_owned());
            nodes.insert(path.clone(), Node { data, stat, acl: acl.body.clone() });
        }
        if let Ok(Response::Children(Some(names))) =
            Response::decode(OpCode::GetChildren, &mut Reader::new(&names.body))
        {
            let parent = if path == "/" { "" } else { path.as_str() };
            children.extend(names.into_iter().flatten().map(|name| format!("{parent}/{name}")));
        }
    }
    children
}

/// Compares the trees, node by node.
///
/// # Errors
/// At the first node that differs.
pub fn compare(pair: &mut Pair, item: usize) -> Result<usize, Difference> {
    let (a, b) = read(pair);
    let paths: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    for path in paths {
        let node = |nodes: &Nodes, labels: &normal::Labels| {
            nodes.get(path).map(|node| {
                let mut body =
                    wire::Encode::to_bytes(&Response::Data(node.data.as_deref().map(Into::into), node.stat));
                normal::body(OpCode::GetData, &mut body, labels);
                let mut acl = node.acl.clone();
                normal::body(OpCode::GetAcl, &mut acl, labels);
                (body, acl)
            })
        };
        let (x, y) = (node(&a, &pair.a.labels), node(&b, &pair.b.labels));
        if x == y {
            continue;
        }
        let unordered = |node: &Option<(Vec<u8>, Vec<u8>)>| {
            node.as_ref().map(|(body, acl)| (body.clone(), sorted_acl(acl).unwrap_or_default()))
        };
        if unordered(&x) == unordered(&y) {
            *pair.tolerated.entry(Tolerance::AclOrder).or_default() += 1;
            continue;
        }
        let tell = |node: Option<&Node>| match node {
            None => "missing".to_owned(),
            Some(node) => format!(
                "{:?} data {} acl {}",
                node.stat,
                node.data.as_ref().map_or("null".to_owned(), |data| crate::item::hex(data)),
                normal::describe(Some(OpCode::GetAcl), &node.acl)
            ),
        };
        let what =
            format!("tree: {path}\n  judge:   {}\n  subject: {}", tell(a.get(path)), tell(b.get(path)));
        return Err(Difference { item, what });
    }
    Ok(a.len())
}

/// Compares the trees of one history before and after a restart. The usage in a quota's stats node is counted anew.
///
/// # Errors
/// At the first node that differs.
pub fn unchanged(before: &Nodes, after: &Nodes, item: usize) -> Result<(), Difference> {
    let paths: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differs = |path: &&String| before.get(*path) != after.get(*path) && !is_usage(path);
    match paths.into_iter().find(differs) {
        None => Ok(()),
        Some(path) => Err(Difference {
            item,
            what: format!(
                "tree across a restart: {path}\n  before: {:?}\n  after:  {:?}",
                before.get(path),
                after.get(path)
            ),
        }),
    }
}

/// Writes the same usage into every stats node of both. What a start counts depends on where the last snapshot was
/// taken, if the limits node was not there all the time.
///
/// # Errors
/// When the servers do not do the same.
pub fn forget_usage(pair: &mut Pair, nodes: &Nodes) -> Result<(), Difference> {
    let data = || Some(b"count=0,bytes=0"[..].into());
    let set = |path: &String| {
        Frame::of(&Request::SetData { path: Some(path.as_str().into()), data: data(), version: -1 })
    };
    let frames: Vec<Frame> = nodes.keys().filter(|path| is_usage(path)).map(set).collect();
    pair.control(&frames)
}

fn is_usage(path: &str) -> bool {
    path.starts_with("/zookeeper/quota/") && path.ends_with("/zookeeper_stats")
}

/// Compares each server's own digest with the one that its tree has by the definition. Deletes the container and TTL nodes
/// before, whose stored owner cannot be read, and writes until a digest is due.
///
/// # Errors
/// When a digest is wrong.
pub fn digests(pair: &mut Pair, item: usize) -> Result<(), Difference> {
    delete(pair, |path| path.split('/').any(|name| name.starts_with(['k', 't'])))?;
    let set = Frame::of(&Request::SetData { path: Some("/zookeeper/quota".into()), data: None, version: -1 });
    let (now, _) = pair.ask(&[Frame::of(&Request::Ping)]);
    let zxid = now.first().map_or(0, |frame| frame.zxid);
    let due = 128 - zxid.rem_euclid(128);
    pair.control(&vec![set; due as usize])?;
    let (a, b) = read(pair);
    for (side, nodes) in [(&pair.a, &a), (&pair.b, &b)] {
        let said = side.word(b"hash").unwrap_or_default();
        let expected = format!("{:x}: {}", zxid + due, digest_of(nodes));
        if said.lines().last() != Some(expected.as_str()) {
            let last: Vec<&str> = said.lines().rev().take(3).collect();
            let what = format!(
                "digest of the {}: its tree has {expected}, it says {last:?} (latest first)",
                side.name
            );
            return Err(Difference { item, what });
        }
    }
    Ok(())
}

/// The digest of a tree without containers and TTL nodes.
fn digest_of(nodes: &Nodes) -> i64 {
    digest::tree(nodes.iter().map(|(path, node)| {
        let stat = &node.stat;
        DigestNode {
            path,
            data: node.data.as_deref(),
            stat: wire::StatPersisted {
                czxid: stat.czxid,
                mzxid: stat.mzxid,
                ctime: stat.ctime,
                mtime: stat.mtime,
                version: stat.version,
                // What clients see is 2C - children.
                cversion: (stat.cversion.wrapping_add(stat.num_children)) / 2,
                aversion: stat.aversion,
                ephemeral_owner: stat.ephemeral_owner,
                pzxid: stat.pzxid,
            },
        }
    }))
}

/// Deletes the nodes that `which` names and everything below them, children first.
fn delete(pair: &mut Pair, which: impl Fn(&str) -> bool) -> Result<(), Difference> {
    let (a, _) = read(pair);
    let doomed: Vec<&String> = a.keys().filter(|path| which(path)).rev().collect();
    for paths in doomed.chunks(200) {
        let frames: Vec<Frame> = paths
            .iter()
            .map(|path| Frame::of(&Request::Delete { path: Some(path.as_str().into()), version: -1 }))
            .collect();
        pair.control(&frames)?;
    }
    Ok(())
}

/// Makes both trees empty again, and the ACLs of what remains open.
///
/// # Errors
/// When the servers do not do the same.
pub fn clear(pair: &mut Pair) -> Result<(), Difference> {
    delete(pair, |path| !SYSTEM.contains(&path))?;
    let frames: Vec<Frame> = SYSTEM[..3]
        .iter()
        .map(|path| {
            let acl = Some(vec![Acl::open()]);
            Frame::of(&Request::SetAcl { path: Some((*path).into()), acl, version: -1 })
        })
        .collect();
    pair.control(&frames)
}
