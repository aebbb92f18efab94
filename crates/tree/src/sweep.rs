//! What has outlived its purpose (reference: client-protocol §6.3).

use crate::tree::{TTL_MAX, Tree};

impl Tree {
    /// At most `limit` containers and TTL nodes that are due at wall-clock time `wall_ms`; a container that never had a
    /// child is due `max_never_used_ms` after its mtime, or never if that is 0. Whether a node is still empty is checked
    /// again when its removal is prepared.
    pub fn expired_containers(&self, wall_ms: i64, max_never_used_ms: i64, limit: usize) -> Vec<String> {
        let empty = |&&id: &&u32| self.nodes.at(id).children == 0;
        let age = |id: u32| wall_ms.saturating_sub(self.nodes.at(id).mtime);
        let containers = self.containers.iter().filter(empty).filter(|&&id| {
            let used = self.nodes.at(id).cversion > 0;
            used || (max_never_used_ms > 0 && age(id) > max_never_used_ms)
        });
        let ttls = self.ttls.iter().filter(empty).filter(|&&id| age(id) > self.nodes.at(id).owner & TTL_MAX);
        containers.chain(ttls).take(limit).map(|&id| self.nodes.path(id)).collect()
    }
}
