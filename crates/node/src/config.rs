//! Everything an operator may set that changes what the node does.

use store::StoreConfig;
use wire::{DEFAULT_JUTE_MAX_BUFFER, Limits};

/// Settings of a [`crate::Node`]; the defaults are ZooKeeper's (reference: operations §1.1, §1.2, §1.4).
#[derive(Clone, PartialEq, Debug)]
pub struct NodeConfig {
    /// The top byte of session ids: `myid`, or 1 for a standalone server. 1..=255, and at most 254 with extended types.
    pub server_id: u8,
    /// `tickTime` in ms, at least 1: the width of the session expiry buckets.
    pub tick_time_ms: i32,
    /// `minSessionTimeout` in ms; requests below it get it.
    pub min_session_timeout_ms: i32,
    /// `maxSessionTimeout` in ms; requests above it get it.
    pub max_session_timeout_ms: i32,
    /// `jute.maxbuffer` in bytes: the longest frame accepted, inclusive.
    pub jute_max_buffer: usize,
    /// How long a string or buffer inside a frame may be.
    pub limits: Limits,
    /// `localSessionsEnabled`: a member's new sessions are its own alone. Alone, a server has no other kind.
    pub local_sessions_enabled: bool,
    /// `localSessionsUpgradingEnabled`: such a session becomes everybody's when it wants an ephemeral node.
    pub local_sessions_upgrading_enabled: bool,
    /// `readonlymode.enabled`: a member that finds no leader answers those who only read.
    pub read_only_mode_enabled: bool,
    /// Who may connect, how fast and how often.
    pub connections: ConnectionLimits,
    /// How much may be under way.
    pub requests: RequestLimits,
    /// Credentials and who must have them.
    pub auth: AuthConfig,
    /// The sweep for containers and TTL nodes.
    pub sweep: SweepConfig,
    /// Group commit.
    pub batch: BatchConfig,
    /// Logs and snapshots: the settings that the files were recovered with.
    pub store: StoreConfig,
    /// Removing old snapshots and logs; `None` is off.
    pub purge: Option<PurgeConfig>,
}

/// Limits on client connections (reference: client-protocol §12).
#[derive(Clone, PartialEq, Debug)]
pub struct ConnectionLimits {
    /// `maxClientCnxns`: connections from one address; 0 is no limit.
    pub per_address_max: usize,
    /// `maxCnxns`: connections altogether; 0 is no limit.
    pub total_max: usize,
    /// `nio.sessionlessCnxnTimeout` in ms: how long a connection may take to ask for a session, and the width of
    /// the buckets in which idle connections are looked for.
    pub sessionless_timeout_ms: u64,
    /// `connection_throttle_*`.
    pub throttle: ConnectionThrottle,
    /// How many bytes of answers may wait for a slow reader before its connection is closed.
    pub output_bytes_max: usize,
    /// How many watches one connection may hold.
    pub watches_per_connection_max: usize,
    /// How many credentials one connection may collect.
    pub credentials_max: usize,
}

/// The token bucket for new sessions; off while `tokens` is 0 (reference: operations §1.2).
#[derive(Clone, PartialEq, Debug)]
pub struct ConnectionThrottle {
    /// `connection_throttle_tokens`: the bucket's size.
    pub tokens: i32,
    /// `connection_throttle_fill_time` in ms.
    pub fill_time_ms: i32,
    /// `connection_throttle_fill_count`: tokens added every fill time.
    pub fill_count: i32,
    /// `connection_throttle_freeze_time` in ms between adaptions of the drop probability; -1 never.
    pub freeze_time_ms: i32,
    /// `connection_throttle_drop_increase`, 0..=1.
    pub drop_increase: f64,
    /// `connection_throttle_drop_decrease`, 0..=1.
    pub drop_decrease: f64,
    /// `connection_throttle_decrease_ratio`, 0..=1.
    pub decrease_ratio: f64,
    /// `connection_throttle_weight_enabled`: otherwise every connection costs one token.
    pub weight_enabled: bool,
    /// `connection_throttle_global_session_weight`.
    pub global_session_weight: i32,
    /// `connection_throttle_local_session_weight`.
    pub local_session_weight: i32,
    /// `connection_throttle_renew_session_weight`.
    pub renew_session_weight: i32,
}

/// Limits on requests (reference: client-protocol §12).
#[derive(Clone, PartialEq, Debug)]
pub struct RequestLimits {
    /// `globalOutstandingLimit`: above it connections with work under way are not read.
    pub global_outstanding_max: usize,
    /// `request_throttle_max_requests`: requests in the pipeline at once; 0 is no limit.
    pub throttle_max: usize,
    /// `request_throttle_drop_stale`.
    pub drop_stale: bool,
    /// `request_stale_latency_check`: a throttled request older than its session's timeout is stale.
    pub stale_latency_check: bool,
    /// `throttled_op_wait_time` in ms: a request that waited longer is answered THROTTLEDOP; 0 is off.
    pub throttled_op_wait_ms: u64,
    /// `largeRequestThreshold` in bytes; `None` is off.
    pub large_threshold: Option<usize>,
    /// `largeRequestMaxBytes`: bytes of large requests under way at once.
    pub large_bytes_max: usize,
}

/// Who must be authenticated (reference: security §1.11). The schemes themselves are the tree's: `TreeConfig::schemes`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AuthConfig {
    /// `enforce.auth.enabled` with `enforce.auth.schemes`, or `sessionRequireClientSASLAuth` as `["sasl"]`: a request
    /// from a connection without a credential of these schemes is refused. Empty is off.
    pub required_schemes: Vec<String>,
}

/// The sweep for empty containers and expired TTL nodes (reference: client-protocol §6.3).
#[derive(Clone, PartialEq, Debug)]
pub struct SweepConfig {
    /// `znode.container.checkIntervalMs`.
    pub check_interval_ms: u64,
    /// `znode.container.maxPerMinute`: the pace of removals.
    pub max_per_minute: u32,
    /// `znode.container.maxNeverUsedIntervalMs`; 0 keeps containers that never had a child.
    pub max_never_used_interval_ms: i64,
}

/// Group commit (reference: storage-formats §7).
#[derive(Clone, PartialEq, Debug)]
pub struct BatchConfig {
    /// `flushDelay` in ms: how long a batch may wait for company; 0 sends it as soon as the disk is free.
    pub flush_delay_ms: u64,
    /// `maxBatchSize`: as many requests are sent without waiting for the delay; 0 is no such limit.
    pub max_batch_size: usize,
}

/// Removing old snapshots and logs (reference: storage-formats §8).
#[derive(Clone, PartialEq, Debug)]
pub struct PurgeConfig {
    /// `autopurge.snapRetainCount`, at least 3.
    pub retain_count: usize,
    /// `autopurge.purgeInterval` in ms.
    pub interval_ms: u64,
}

impl Default for NodeConfig {
    fn default() -> Self {
        NodeConfig {
            server_id: 1,
            tick_time_ms: 3000,
            min_session_timeout_ms: 6000,
            max_session_timeout_ms: 60_000,
            jute_max_buffer: DEFAULT_JUTE_MAX_BUFFER,
            limits: Limits::default(),
            local_sessions_enabled: false,
            local_sessions_upgrading_enabled: false,
            read_only_mode_enabled: false,
            connections: ConnectionLimits::default(),
            requests: RequestLimits::default(),
            auth: AuthConfig::default(),
            sweep: SweepConfig::default(),
            batch: BatchConfig::default(),
            store: StoreConfig::default(),
            purge: None,
        }
    }
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        ConnectionLimits {
            per_address_max: 60,
            total_max: 0,
            sessionless_timeout_ms: 10_000,
            throttle: ConnectionThrottle::default(),
            output_bytes_max: 64 << 20,
            watches_per_connection_max: 200_000,
            credentials_max: 128,
        }
    }
}

impl Default for ConnectionThrottle {
    fn default() -> Self {
        ConnectionThrottle {
            tokens: 0,
            fill_time_ms: 1,
            fill_count: 1,
            freeze_time_ms: -1,
            drop_increase: 0.02,
            drop_decrease: 0.002,
            decrease_ratio: 0.0,
            weight_enabled: false,
            global_session_weight: 3,
            local_session_weight: 1,
            renew_session_weight: 2,
        }
    }
}

impl Default for RequestLimits {
    fn default() -> Self {
        RequestLimits {
            global_outstanding_max: 1000,
            throttle_max: 0,
            drop_stale: true,
            stale_latency_check: false,
            throttled_op_wait_ms: 0,
            large_threshold: None,
            large_bytes_max: 100 << 20,
        }
    }
}

impl Default for SweepConfig {
    fn default() -> Self {
        SweepConfig { check_interval_ms: 60_000, max_per_minute: 10_000, max_never_used_interval_ms: 0 }
    }
}

impl Default for BatchConfig {
    fn default() -> Self {
        BatchConfig { flush_delay_ms: 0, max_batch_size: 1000 }
    }
}
