//! What a server holds at the end of a run.

use std::collections::BTreeMap;
use wire::Zxid;

/// Everything in a server's tree.
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
