//! Everything a snapshot holds.

use super::load::{Frame, read, shown};
use super::sizes::{Node, Sizes, is_below};
use crate::base64;
use crate::offline::{Failure, file_name};
use crate::time::JavaDate;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use store::SnapshotNode;
use wire::Acl;

/// The first inode number of ncdu's format, as Apache's tool counts.
const FIRST_INO: u64 = 1001;

/// SnapshotFormatter's text. The file is read twice: its count of nodes comes first, and nothing is printed of a file that
/// is damaged.
pub fn text(out: &mut impl Write, path: &Path, data: bool) -> Result<(), Failure> {
    let frame = read(path, |_, _| Ok(()))?;
    // Apache counts the root twice, by its two names.
    writeln!(out, "ZNode Details (count={}):", frame.nodes + 1)?;
    writeln!(out, "----")?;
    read(path, |_, node| {
        print_node(out, node, data)?;
        Ok(writeln!(out, "----")?)
    })?;
    writeln!(out, "Session Details (sid, timeout, ephemeralCount):")?;
    for (id, timeout) in &frame.sessions {
        let ephemerals = frame.ephemerals.get(id).copied().unwrap_or(0);
        writeln!(out, "{:#016x}, {timeout}, {ephemerals}", id.0)?;
    }
    writeln!(out, "----")?;
    Ok(writeln!(out, "Last zxid: {}", frame.last_zxid)?)
}

fn print_node(out: &mut impl Write, node: &SnapshotNode<'_>, data: bool) -> Result<(), Failure> {
    let stat = &node.stat;
    writeln!(out, "{}", shown(node))?;
    writeln!(out, "  cZxid = {:#016x}", stat.czxid)?;
    writeln!(out, "  ctime = {}", JavaDate(stat.ctime))?;
    writeln!(out, "  mZxid = {:#016x}", stat.mzxid)?;
    writeln!(out, "  mtime = {}", JavaDate(stat.mtime))?;
    writeln!(out, "  pZxid = {:#016x}", stat.pzxid)?;
    writeln!(out, "  cversion = {}", stat.cversion)?;
    writeln!(out, "  dataVersion = {}", stat.version)?;
    writeln!(out, "  aclVersion = {}", stat.aversion)?;
    writeln!(out, "  ephemeralOwner = {:#016x}", stat.ephemeral_owner)?;
    let bytes = node.data.unwrap_or_default();
    if data {
        writeln!(out, "  data = {}", base64::encode(bytes))?;
    } else {
        writeln!(out, "  dataLength = {}", bytes.len())?;
    }
    Ok(())
}

/// One object a line.
pub fn json(out: &mut impl Write, path: &Path) -> Result<(), Failure> {
    let frame = read(path, |acls, node| Ok(writeln!(out, "{}", node_json(acls, node))?))?;
    for (id, timeout_ms) in &frame.sessions {
        let ephemerals = frame.ephemerals.get(id).copied().unwrap_or(0);
        let session = json!({ "id": id.to_string(), "timeout_ms": timeout_ms, "ephemerals": ephemerals });
        writeln!(out, "{}", json!({ "session": session }))?;
    }
    Ok(writeln!(out, "{}", json!({ "snapshot": frame_json(&frame) }))?)
}

fn node_json(acls: &BTreeMap<i64, Vec<Acl<'static>>>, node: &SnapshotNode<'_>) -> Value {
    let stat = &node.stat;
    let mut value = json!({
        "path": shown(node),
        "czxid": format!("{:#x}", stat.czxid),
        "ctime_ms": stat.ctime,
        "mzxid": format!("{:#x}", stat.mzxid),
        "mtime_ms": stat.mtime,
        "pzxid": format!("{:#x}", stat.pzxid),
        "stored_cversion": stat.cversion,
        "version": stat.version,
        "aversion": stat.aversion,
        "stored_ephemeral_owner": format!("{:#x}", stat.ephemeral_owner),
        "data_length": node.data.map_or(0, <[u8]>::len),
    });
    match node.data.map(std::str::from_utf8) {
        None => value["data"] = Value::Null,
        Some(Ok(text)) => value["data"] = json!(text),
        Some(Err(_)) => value["data_base64"] = json!(base64::encode(node.data.unwrap_or_default())),
    }
    let open = [Acl::open()];
    let acl = acls.get(&node.acl_id).map(Vec::as_slice).or((node.acl_id == -1).then_some(open.as_slice()));
    value["acl"] = acl.map_or(Value::Null, |acl| {
        acl.iter()
            .map(|a| json!({ "scheme": a.id.scheme.as_deref(), "id": a.id.id.as_deref(), "perms": a.perms }))
            .collect()
    });
    value
}

fn frame_json(frame: &Frame) -> Value {
    let digest = frame.tail.digest.as_ref();
    json!({
        "nodes": frame.nodes,
        "sessions": frame.sessions.len(),
        "last_zxid": frame.last_zxid.to_string(),
        "digest": digest.map(|(_, digest)| digest.tree_digest),
        "digest_zxid": digest.map(|(zxid, _)| zxid.to_string()),
        "last_processed_zxid": frame.tail.last_zxid.map(|zxid| zxid.to_string()),
    })
}

/// Says of each file whether it is in order.
pub fn verify(out: &mut impl Write, paths: &[PathBuf], json: bool) -> Result<(), Failure> {
    let mut damaged = 0;
    for path in paths {
        let result = read(path, |_, _| Ok(()));
        let shown = path.display();
        match result {
            Ok(frame) if json => {
                let mut value = frame_json(&frame);
                value["file"] = json!(shown.to_string());
                value["ok"] = json!(true);
                writeln!(out, "{value}")?;
            }
            Ok(frame) => {
                let (nodes, sessions) = (frame.nodes, frame.sessions.len());
                writeln!(
                    out,
                    "{shown}: in order, {nodes} nodes, {sessions} sessions, zxid {}",
                    frame.last_zxid
                )?;
            }
            Err(Failure::Damaged(reason)) => {
                damaged += 1;
                if json {
                    let file = shown.to_string();
                    writeln!(out, "{}", json!({ "file": file, "ok": false, "problems": [reason] }))?;
                } else {
                    writeln!(out, "{shown}: DAMAGED")?;
                    writeln!(out, "  {}", reason.strip_prefix(&format!("{shown}: ")).unwrap_or(&reason))?;
                }
            }
            Err(other) => return Err(other),
        }
    }
    match damaged {
        0 => Ok(()),
        n => Err(Failure::Damaged(format!("{n} of {} files are damaged", paths.len()))),
    }
}

/// Sizes for ncdu: an inner node is an array that begins with itself, a leaf an object.
pub fn ncdu(out: &mut impl Write, path: &Path) -> Result<(), Failure> {
    let sizes = Sizes::read(path)?;
    let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    let head = json!({
        "progname": "headkeeper", "progver": env!("CARGO_PKG_VERSION"), "timestamp": timestamp,
        "snapshot": file_name(path),
    });
    write!(out, "[1,0,{head},")?;
    let mut open: Vec<&Node> = Vec::new();
    for (i, node) in sizes.nodes.iter().enumerate() {
        while open.last().is_some_and(|top| !is_below(&node.path, &top.path)) {
            open.pop();
            write!(out, "]")?;
        }
        if i > 0 {
            write!(out, ",")?;
        }
        let name = if node.path.is_empty() { "/" } else { node.name() };
        let bytes = node.own_bytes;
        let this =
            json!({ "name": name, "asize": bytes, "dsize": bytes, "dev": 0, "ino": FIRST_INO + i as u64 });
        if node.descendants > 0 {
            write!(out, "[")?;
            open.push(node);
        }
        write!(out, "{this}")?;
    }
    Ok(writeln!(out, "{}]", "]".repeat(open.len()))?)
}
