//! What a server shows of its data.

use crate::patience::{PATIENCE, patient};
use crate::profile::SUPER_DIGEST;
use client::{Connection, four_letter_word};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use wire::{Encode, Request, Response};

/// Requests under way at once.
const DEPTH: usize = 100;

/// All nodes and sessions of a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Picture {
    /// Data with stat, and ACL, as replies' bytes.
    pub(crate) nodes: BTreeMap<String, (Vec<u8>, Vec<u8>)>,
    /// Sessions, with the paths of their ephemerals.
    sessions: BTreeMap<String, Vec<String>>,
}

impl Picture {
    /// Looks at everything, as the superuser. The sessions are asked for first, so that ours is not among them.
    pub(crate) fn take(address: SocketAddr) -> Result<Picture, String> {
        let sessions = sessions(&word(address, "dump")?);
        Ok(Picture { sessions, ..Picture::nodes(superuser(address)?)? })
    }

    /// All that this connection may read, and no sessions.
    pub(crate) fn nodes(mut connection: Connection) -> Result<Picture, String> {
        let mut nodes = BTreeMap::new();
        let mut level = vec!["/".to_owned()];
        while !level.is_empty() {
            let mut next = Vec::new();
            for paths in level.chunks(DEPTH) {
                next.extend(look(&mut connection, paths, &mut nodes).map_err(|error| error.to_string())?);
            }
            level = next;
        }
        connection.close().map_err(|error| error.to_string())?;
        Ok(Picture { nodes, sessions: BTreeMap::new() })
    }

    /// A node's data and stat.
    pub(crate) fn node(&self, path: &str) -> Option<(Vec<u8>, wire::Stat)> {
        let (data, _) = self.nodes.get(path)?;
        match Response::decode(wire::OpCode::GetData, &mut wire::Reader::new(data)) {
            Ok(Response::Data(data, stat)) => Some((data.unwrap_or_default().into_owned(), stat)),
            other => unreachable!("an answer to getData was taken in, not {other:?}"),
        }
    }

    /// Says where two pictures differ.
    pub(crate) fn compare(&self, found: &Picture) -> Result<(), String> {
        for path in self.nodes.keys().chain(found.nodes.keys()) {
            let (expected, shown) = (self.nodes.get(path), found.nodes.get(path));
            if expected != shown {
                return Err(format!("{path} is {}, expected {}", told(shown), told(expected)));
            }
        }
        if self.sessions != found.sessions {
            return Err(format!("sessions {:?}, expected {:?}", found.sessions, self.sessions));
        }
        Ok(())
    }
}

/// A connection that may read everything.
pub(crate) fn superuser(address: SocketAddr) -> Result<Connection, String> {
    assert!(SUPER_DIGEST.starts_with("super:"));
    let mut connection = Connection::connect_any(&[address], &patient(60_000))
        .map_err(|error| format!("cannot connect: {error}"))?;
    connection.authenticate("digest", b"super:test").map_err(|error| error.to_string())?;
    Ok(connection)
}

/// The server has compared the digests in the files with its tree's, and must have found no difference.
pub(crate) fn no_digest_mismatch(address: SocketAddr) -> Result<(), String> {
    let text = word(address, "mntr")?;
    match text.lines().find(|line| line.starts_with("zk_digest_mismatches_count")) {
        Some(line) if line.split_whitespace().last() == Some("0") => Ok(()),
        other => Err(format!("digests: {other:?}")),
    }
}

fn look(
    connection: &mut Connection,
    paths: &[String],
    nodes: &mut BTreeMap<String, (Vec<u8>, Vec<u8>)>,
) -> Result<Vec<String>, client::Error> {
    for path in paths {
        let path = Some(path.as_str().into());
        connection.send(&Request::GetData { path: Clone::clone(&path), watch: false })?;
        connection.send(&Request::GetAcl { path: Clone::clone(&path) })?;
        connection.send(&Request::GetChildren { path, watch: false })?;
    }
    let mut children = Vec::new();
    for path in paths {
        let (data, acl, names) = (connection.recv()?, connection.recv()?, connection.recv()?);
        data.check()?;
        acl.check()?;
        nodes.insert(path.clone(), (data.response()?.to_bytes(), acl.response()?.to_bytes()));
        if let Response::Children(Some(names)) = names.response()? {
            let parent = if path == "/" { "" } else { path };
            children.extend(names.into_iter().flatten().map(|name| format!("{parent}/{name}")));
        }
    }
    Ok(children)
}

/// From `dump`: every session, and what it owns.
fn sessions(dump: &str) -> BTreeMap<String, Vec<String>> {
    let mut sessions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut owner = None;
    for line in dump.lines().map(str::trim) {
        let id = line.trim_end_matches(':');
        if id.starts_with("0x") && !id.contains(' ') {
            sessions.entry(id.to_owned()).or_default();
            owner = Some(id.to_owned());
        } else if line.starts_with('/')
            && let Some(owner) = &owner
        {
            sessions.entry(owner.clone()).or_default().push(line.to_owned());
        }
    }
    sessions.values_mut().for_each(|paths| paths.sort());
    sessions
}

fn told(node: Option<&(Vec<u8>, Vec<u8>)>) -> String {
    let Some((data, acl)) = node else { return "missing".to_owned() };
    let data = Response::decode(wire::OpCode::GetData, &mut wire::Reader::new(data));
    let acl = Response::decode(wire::OpCode::GetAcl, &mut wire::Reader::new(acl));
    format!("{data:?} {acl:?}")
}

fn word(address: SocketAddr, word: &str) -> Result<String, String> {
    four_letter_word(address, word, PATIENCE).map_err(|error| format!("{word}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dump_is_read() {
        let dump = "SessionTracker dump:\nSession Sets (2)/(2):\n1 expire at Wed:\n\t0x10\n1 expire at Thu:\n\t0x11\n\
                    ephemeral nodes dump:\nSessions with Ephemerals (1):\n0x11:\n\t/b\n\t/a\n";
        let expected =
            [("0x10".to_owned(), vec![]), ("0x11".to_owned(), vec!["/a".to_owned(), "/b".to_owned()])];
        assert_eq!(sessions(dump), BTreeMap::from(expected));
    }

    /// The comparison can fail.
    #[test]
    fn every_difference_is_told() {
        let stat = wire::Stat { mzxid: 7, ..wire::Stat::default() };
        let node = |data: &'static [u8], stat| {
            (Response::Data(Some(data.into()), stat).to_bytes(), Response::Acl(Some(vec![]), stat).to_bytes())
        };
        let nodes = BTreeMap::from([("/a".to_owned(), node(b"x", stat))]);
        let sessions = BTreeMap::from([("0x10".to_owned(), vec!["/e".to_owned()])]);
        let one = Picture { nodes, sessions };
        assert_eq!(one.compare(&one), Ok(()));
        let mut other = one.clone();
        other.nodes.insert("/a".to_owned(), node(b"x", wire::Stat { mzxid: 8, ..stat }));
        assert!(one.compare(&other).is_err_and(|text| text.starts_with("/a is ")));
        let mut other = one.clone();
        other.nodes.insert("/b".to_owned(), node(b"", stat));
        assert!(one.compare(&other).is_err_and(|text| text.contains("expected missing")));
        let mut other = one.clone();
        other.sessions.clear();
        assert!(one.compare(&other).is_err_and(|text| text.starts_with("sessions ")));
    }
}
