//! The tree digest by its definition (reference: storage-formats §5): a sum over all nodes, computed from scratch.

use wire::StatPersisted;

/// What the digest looks at.
#[derive(Clone, Copy, Debug)]
pub struct DigestNode<'a> {
    /// `/` for the root.
    pub path: &'a str,
    /// `None` for null data.
    pub data: Option<&'a [u8]>,
    /// As stored, not as clients see it.
    pub stat: StatPersisted,
}

/// The digest of a tree: the wrapping sum of its nodes' digests.
pub fn tree<'a>(nodes: impl IntoIterator<Item = DigestNode<'a>>) -> i64 {
    nodes.into_iter().fold(0, |sum, node| sum.wrapping_add(node_digest(&node)))
}

fn node_digest(node: &DigestNode<'_>) -> i64 {
    if node.path.starts_with("/zookeeper/") {
        return 0;
    }
    let stat = &node.stat;
    let mut bytes = if node.path == "/" { Vec::new() } else { node.path.as_bytes().to_vec() };
    bytes.extend_from_slice(node.data.unwrap_or_default());
    for long in [stat.czxid, stat.mzxid, stat.pzxid, stat.ctime, stat.mtime] {
        bytes.extend_from_slice(&long.to_be_bytes());
    }
    for int in [stat.version, stat.cversion, stat.aversion] {
        bytes.extend_from_slice(&int.to_be_bytes());
    }
    bytes.extend_from_slice(&stat.ephemeral_owner.to_be_bytes());
    i64::from(crc32(&bytes))
}

/// CRC-32 (IEEE), a bit at a time.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node<'a>(path: &'a str, data: Option<&'a [u8]>, stat: StatPersisted) -> DigestNode<'a> {
        DigestNode { path, data, stat }
    }

    #[test]
    fn a_fresh_tree_has_the_known_digest() {
        let nodes = ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"];
        let nodes = nodes.map(|path| node(path, Some(b""), StatPersisted::default()));
        assert_eq!(tree(nodes), 1_371_985_504);
    }

    #[test]
    fn a_created_node_counts() {
        let time = 1_795_389_508_617;
        let root = StatPersisted { cversion: 1, pzxid: 2, ..StatPersisted::default() };
        let app = StatPersisted {
            czxid: 2,
            mzxid: 2,
            pzxid: 2,
            ctime: time,
            mtime: time,
            ..StatPersisted::default()
        };
        let nodes = [
            node("/", Some(b""), root),
            node("/zookeeper", Some(b""), StatPersisted::default()),
            node("/app", Some(b"hello"), app),
        ];
        assert_eq!(tree(nodes), 4_230_781_193);
    }
}
