//! From the configuration to the settings of the crates below.

use super::Config;
use node::{
    AuthConfig, BatchConfig, ConnectionLimits, ConnectionThrottle, NodeConfig, PurgeConfig, RequestLimits,
    SweepConfig,
};
use store::{EmptyDirectory, StoreConfig};
use tree::TreeConfig;
use tree::auth::{DigestScheme, Schemes};
use wire::Limits;

impl Config {
    /// The settings of the node. What the configuration does not know keeps the node's default.
    pub fn node_config(&self) -> NodeConfig {
        let defaults = NodeConfig::default();
        let jute_max_buffer = size(self.storage.jute_max_buffer);
        NodeConfig {
            server_id: if self.is_member() { self.ensemble.my_id.unwrap_or(1) as u8 } else { 1 },
            tick_time_ms: self.sessions.tick_time_ms,
            min_session_timeout_ms: self.sessions.min_ms(),
            max_session_timeout_ms: self.sessions.max_ms(),
            jute_max_buffer,
            limits: self.limits(),
            local_sessions_enabled: self.ensemble.local_sessions,
            local_sessions_upgrading_enabled: self.ensemble.local_sessions_upgrading,
            read_only_mode_enabled: self.operations.read_only_mode,
            connections: ConnectionLimits {
                per_address_max: size(self.listen.max_client_cnxns),
                total_max: size(self.listen.max_cnxns),
                sessionless_timeout_ms: size(self.listen.sessionless_timeout_ms) as u64,
                throttle: self.connection_throttle(),
                ..defaults.connections
            },
            requests: self.request_limits(),
            auth: self.auth_config(),
            sweep: SweepConfig {
                check_interval_ms: size(self.tree.container_check_interval_ms) as u64,
                max_per_minute: u32::try_from(self.tree.container_max_per_minute).unwrap_or(1),
                max_never_used_interval_ms: self.tree.container_max_never_used_ms,
            },
            batch: BatchConfig {
                flush_delay_ms: u64::try_from(self.storage.flush_delay_ms).unwrap_or(0),
                max_batch_size: size(self.storage.max_batch_size),
            },
            store: self.store_config(),
            purge: (self.operations.purge_interval_ms > 0).then_some(PurgeConfig {
                retain_count: size(self.operations.snap_retain_count),
                interval_ms: self.operations.purge_interval_ms,
            }),
        }
    }

    fn connection_throttle(&self) -> ConnectionThrottle {
        let throttle = &self.throttle;
        ConnectionThrottle {
            tokens: throttle.tokens,
            fill_time_ms: throttle.fill_time_ms,
            fill_count: throttle.fill_count,
            freeze_time_ms: throttle.freeze_time_ms,
            drop_increase: throttle.drop_increase,
            drop_decrease: throttle.drop_decrease,
            decrease_ratio: throttle.decrease_ratio,
            weight_enabled: throttle.weight_enabled,
            global_session_weight: throttle.global_weight,
            local_session_weight: throttle.local_weight,
            renew_session_weight: throttle.renew_weight,
        }
    }

    fn request_limits(&self) -> RequestLimits {
        let requests = &self.requests;
        RequestLimits {
            global_outstanding_max: size(requests.global_outstanding_limit),
            throttle_max: size(requests.throttle_max_requests),
            drop_stale: requests.throttle_drop_stale,
            stale_latency_check: requests.stale_latency_check,
            throttled_op_wait_ms: size(requests.throttled_op_wait_ms) as u64,
            large_threshold: usize::try_from(requests.large_request_threshold).ok(),
            large_bytes_max: size(requests.large_request_max_bytes),
        }
    }

    fn auth_config(&self) -> AuthConfig {
        let auth = &self.auth;
        AuthConfig {
            required_schemes: if auth.enforce_enabled { auth.enforce_schemes.clone() } else { Vec::new() },
        }
    }

    /// The settings of logs, snapshots and recovery.
    pub fn store_config(&self) -> StoreConfig {
        let storage = &self.storage;
        StoreConfig {
            prealloc_bytes: bytes(storage.prealloc_kb),
            txn_log_size_limit_bytes: bytes(storage.txn_log_size_limit_kb),
            snap_count: u64::try_from(storage.snap_count).unwrap_or(2),
            snap_size_limit_bytes: bytes(storage.snap_size_limit_kb),
            compression: storage.compression,
            serialize_last_zxid: storage.serialize_last_zxid,
            digest_enabled: self.tree.digest_enabled,
            force_sync: storage.force_sync,
            snapshot_trust_empty: storage.snapshot_trust_empty,
            empty: match (storage.db_autocreate, self.is_member()) {
                (true, _) => EmptyDirectory::NewDatabase,
                (false, true) => EmptyDirectory::Distrusted,
                (false, false) => EmptyDirectory::Error,
            },
            extended_types: self.tree.extended_types,
            recent_count: if self.is_member() {
                usize::try_from(storage.commit_log_count).unwrap_or(0)
            } else {
                0
            },
            limits: self.limits(),
        }
    }

    /// The settings of the tree. `hash_seed` should be unpredictable; it is invisible from outside.
    pub fn tree_config(&self, hash_seed: u64) -> TreeConfig {
        let (tree, auth) = (&self.tree, &self.auth);
        let digest =
            DigestScheme { algorithm: auth.digest_algorithm, super_digest: auth.super_digest.clone() };
        TreeConfig {
            digest_enabled: tree.digest_enabled,
            extended_types: tree.extended_types,
            emulate_353_ttl: tree.emulate_353_ttl,
            enforce_quota: tree.enforce_quota,
            skip_acl: tree.skip_acl,
            reconfig_enabled: self.ensemble.reconfig_enabled,
            hash_seed,
            schemes: Schemes { digest: auth.digest_enabled.then_some(digest) },
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits::new(size(self.storage.jute_max_buffer), size(self.storage.jute_extra_bytes()))
    }
}

/// KiB as bytes; less than nothing is nothing, which means off.
fn bytes(kib: i64) -> u64 {
    u64::try_from(kib).unwrap_or(0).saturating_mul(1024)
}

/// Less than nothing is nothing: Apache's limits are off at 0 and below.
fn size(number: i32) -> usize {
    usize::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_defaults_of_the_crates_below() {
        let config = Config::default();
        assert_eq!(config.node_config(), NodeConfig::default());
        assert_eq!(config.store_config(), StoreConfig::default());
        assert_eq!(format!("{:?}", config.tree_config(0)), format!("{:?}", TreeConfig::default()));
    }

    #[test]
    fn limits_below_zero_are_off() {
        let mut config = Config::default();
        config.listen.max_client_cnxns = -1;
        config.requests.large_request_threshold = -1;
        config.requests.throttled_op_wait_ms = -5;
        let node = config.node_config();
        assert_eq!((node.connections.per_address_max, node.requests.large_threshold), (0, None));
        assert_eq!(node.requests.throttled_op_wait_ms, 0);
    }

    #[test]
    fn kibibytes_become_bytes_and_minus_one_becomes_off() {
        let mut config = Config::default();
        config.storage.prealloc_kb = 64;
        config.storage.snap_size_limit_kb = -1;
        config.storage.txn_log_size_limit_kb = i64::MAX / 1024;
        let store = config.store_config();
        assert_eq!((store.prealloc_bytes, store.snap_size_limit_bytes), (65_536, 0));
        assert_eq!(store.txn_log_size_limit_bytes, i64::MAX as u64 / 1024 * 1024);
    }

    #[test]
    fn the_digest_scheme_may_be_off() {
        let mut config = Config::default();
        config.auth.super_digest = Some("super:x".to_owned());
        let digest = config.tree_config(0).schemes.digest.unwrap();
        assert_eq!(digest.super_digest.as_deref(), Some("super:x"));
        config.auth.digest_enabled = false;
        assert!(config.tree_config(0).schemes.digest.is_none());
    }

    #[test]
    fn purging_and_enforced_schemes_are_off_unless_asked_for() {
        let mut config = Config::default();
        config.auth.enforce_schemes = vec!["ip".to_owned()];
        assert!(config.node_config().auth.required_schemes.is_empty());
        config.auth.enforce_enabled = true;
        config.operations.purge_interval_ms = 5;
        let node = config.node_config();
        assert_eq!(node.auth.required_schemes, ["ip"]);
        assert_eq!(node.purge, Some(PurgeConfig { retain_count: 3, interval_ms: 5 }));
    }
}
