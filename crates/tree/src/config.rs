//! Settings that change what the state machine does.

use crate::auth::Schemes;

/// Settings of a [`crate::Tree`]; the defaults are ZooKeeper's. All servers of an ensemble should agree on them, but
/// for `hash_seed`.
#[derive(Clone, Debug)]
pub struct TreeConfig {
    /// `zookeeper.digest.enabled`: keep the tree's digest and put it into transactions.
    pub digest_enabled: bool,
    /// `zookeeper.extendedTypesEnabled`: TTL nodes may be created (reference: client-protocol §6.1).
    pub extended_types: bool,
    /// `zookeeper.emulate353TTLNodes`: on load, every negative owner but a container's is a TTL node.
    pub emulate_353_ttl: bool,
    /// `zookeeper.enforceQuota`: refuse what would exceed a hard quota.
    pub enforce_quota: bool,
    /// `zookeeper.skipACL`: every ACL check passes.
    pub skip_acl: bool,
    /// `reconfigEnabled`.
    pub reconfig_enabled: bool,
    /// Seeds the hash functions, so that nobody can choose names that collide. Invisible from outside.
    pub hash_seed: u64,
    /// The authentication schemes ACL entries may name.
    pub schemes: Schemes,
}

impl Default for TreeConfig {
    fn default() -> Self {
        TreeConfig {
            digest_enabled: true,
            extended_types: false,
            emulate_353_ttl: false,
            enforce_quota: false,
            skip_acl: false,
            reconfig_enabled: false,
            hash_seed: 0,
            schemes: Schemes::default(),
        }
    }
}
