//! What has to be true of the tree after the work.

use crate::picture::Picture;
use client::{Connection, Session};
use std::collections::BTreeMap;
use wire::SessionId;

/// What a worker claims of its nodes. Of two claims about a node the later one counts.
pub(crate) enum Claim {
    /// It is there.
    Present(String),
    /// It is not there.
    Absent(String),
    /// It is there with this data.
    Holds(String, Vec<u8>),
    /// All are there.
    AllOf(Vec<String>),
    /// Nobody knows, but either all or none are there.
    Together(Vec<String>),
    /// It is there and belongs to this session.
    Owned(String, SessionId),
    /// It is there and holds a number from here to there.
    Between(String, u64, u64),
    /// Holds a session open until the claims have been judged.
    Alive(#[expect(dead_code, reason = "held, not looked at")] Box<Session>),
    /// The same for a connection.
    Connected(#[expect(dead_code, reason = "held, not looked at")] Box<Connection>),
}

impl Claim {
    fn paths(&self) -> Vec<&str> {
        match self {
            Claim::Present(path)
            | Claim::Absent(path)
            | Claim::Holds(path, _)
            | Claim::Owned(path, _)
            | Claim::Between(path, ..) => vec![path],
            Claim::AllOf(paths) | Claim::Together(paths) => paths.iter().map(String::as_str).collect(),
            Claim::Alive(_) | Claim::Connected(_) => Vec::new(),
        }
    }

    fn is_true(&self, picture: &Picture) -> bool {
        let there = |path: &String| picture.node(path).is_some();
        match self {
            Claim::Present(path) => there(path),
            Claim::Absent(path) => !there(path),
            Claim::Holds(path, data) => picture.node(path).is_some_and(|(found, _)| found == *data),
            Claim::AllOf(paths) => paths.iter().all(there),
            Claim::Together(paths) => paths.iter().all(there) || !paths.iter().any(there),
            Claim::Owned(path, owner) => {
                picture.node(path).is_some_and(|(_, stat)| stat.ephemeral_owner == owner.0)
            }
            Claim::Between(path, low, high) => picture
                .node(path)
                .and_then(|(data, _)| String::from_utf8(data).ok()?.parse().ok())
                .is_some_and(|number| (*low..=*high).contains(&number)),
            Claim::Alive(_) | Claim::Connected(_) => true,
        }
    }

    fn told(&self) -> String {
        match self {
            Claim::Present(path) => format!("{path} was made"),
            Claim::Absent(path) => format!("{path} was deleted"),
            Claim::Holds(path, data) => format!("{path} was given {:?}", String::from_utf8_lossy(data)),
            Claim::AllOf(paths) => format!("{paths:?} were made"),
            Claim::Together(paths) => format!("{paths:?} belong together"),
            Claim::Owned(path, owner) => format!("{path} belongs to session {:#x}", owner.0),
            Claim::Between(path, low, high) => format!("{path} holds a number from {low} to {high}"),
            Claim::Alive(_) | Claim::Connected(_) => String::new(),
        }
    }
}

/// Are all of them true? Says how many nodes they are about.
pub(crate) fn judge(claims: &[Claim], picture: &Picture) -> Result<usize, String> {
    let mut last: BTreeMap<&str, &Claim> = BTreeMap::new();
    for claim in claims {
        last.extend(claim.paths().into_iter().map(|path| (path, claim)));
    }
    match last.iter().find(|(_, claim)| !claim.is_true(picture)) {
        Some((path, claim)) => Err(format!("{}, but {path} is {:?}", claim.told(), picture.node(path))),
        None => Ok(last.len()),
    }
}
