//! How big every subtree is.

use super::load;
use crate::offline::Failure;
use std::path::Path;

/// One node.
#[derive(Debug)]
pub struct Node {
    /// The root is the empty string, as in the file.
    pub path: String,
    /// Bytes of its own data.
    pub own_bytes: u64,
    /// Bytes of its data and of everything below.
    pub bytes: u64,
    /// Nodes below it.
    pub descendants: u64,
}

impl Node {
    /// The root is 0.
    pub fn depth(&self) -> usize {
        self.path.matches('/').count()
    }

    /// What is behind the last slash.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or("")
    }
}

/// All nodes, each before its descendants, siblings by name.
#[derive(Debug)]
pub struct Sizes {
    /// In that order.
    pub nodes: Vec<Node>,
}

impl Sizes {
    /// Reads a snapshot.
    pub fn read(path: &Path) -> Result<Sizes, Failure> {
        let mut nodes = Vec::new();
        load::read(path, |_, node| {
            let own_bytes = node.data.map_or(0, |data| data.len() as u64);
            nodes.push(Node { path: node.path.to_string(), own_bytes, bytes: own_bytes, descendants: 0 });
            Ok(())
        })?;
        Ok(Sizes::new(nodes))
    }

    fn new(mut nodes: Vec<Node>) -> Sizes {
        // A slash sorts before everything else that may stand in a name, so that children follow their parents.
        nodes.sort_by(|a, b| a.path.split('/').cmp(b.path.split('/')));
        let mut open: Vec<usize> = Vec::new();
        for i in 0..nodes.len() {
            while open.last().is_some_and(|top| !is_below(&nodes[i].path, &nodes[*top].path)) {
                close(&mut nodes, &mut open);
            }
            open.push(i);
        }
        while !open.is_empty() {
            close(&mut nodes, &mut open);
        }
        Sizes { nodes }
    }

    /// Levels, the root's included.
    pub fn levels(&self) -> usize {
        self.nodes.iter().map(Node::depth).max().map_or(0, |depth| depth + 1)
    }

    /// The nodes of a level, by path.
    pub fn level(&self, depth: usize) -> Vec<&Node> {
        let mut nodes: Vec<&Node> = self.nodes.iter().filter(|node| node.depth() == depth).collect();
        nodes.sort_by(|a, b| a.path.cmp(&b.path));
        nodes
    }

    /// Bytes of all data.
    pub fn bytes(&self) -> u64 {
        self.nodes.iter().map(|node| node.own_bytes).sum()
    }
}

/// Adds a finished subtree to its parent's sums.
fn close(nodes: &mut [Node], open: &mut Vec<usize>) {
    let Some(done) = open.pop() else { return };
    if let Some(parent) = open.last() {
        let (bytes, descendants) = (nodes[done].bytes, nodes[done].descendants);
        nodes[*parent].bytes += bytes;
        nodes[*parent].descendants += descendants + 1;
    }
}

/// Is it a descendant?
pub fn is_below(path: &str, ancestor: &str) -> bool {
    path.strip_prefix(ancestor).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_go_up() {
        let node = |path: &str, bytes| Node { path: path.into(), own_bytes: bytes, bytes, descendants: 0 };
        let sizes =
            Sizes::new(vec![node("/a/b/c", 4), node("", 1), node("/a-x", 8), node("/a/b", 0), node("/a", 2)]);
        let facts: Vec<_> = sizes.nodes.iter().map(|n| (n.path.as_str(), n.bytes, n.descendants)).collect();
        assert_eq!(facts, [("", 15, 4), ("/a", 6, 2), ("/a/b", 4, 1), ("/a/b/c", 4, 0), ("/a-x", 8, 0)]);
        assert_eq!((sizes.levels(), sizes.bytes()), (4, 15));
        assert_eq!(sizes.level(1).iter().map(|n| n.name()).collect::<Vec<_>>(), ["a", "a-x"]);
    }
}
