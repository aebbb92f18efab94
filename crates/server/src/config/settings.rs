//! The typed settings, grouped by who uses them. Defaults are Apache's; the table of keys is tested against them.

use std::path::PathBuf;
use store::Compression;
use tree::auth::DigestAlgorithm;

/// Where clients connect, and how many may.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listen {
    /// The port for clients in clear text; `None` is no such port.
    pub client_port: Option<u16>,
    /// The host or address that port is bound to; `None` is every address.
    pub client_port_address: Option<String>,
    /// The port for TLS clients. Not opened by this version.
    pub secure_client_port: Option<u16>,
    /// The host or address of that port.
    pub secure_client_port_address: Option<String>,
    /// The backlog given to `listen(2)`; −1 is 50.
    pub backlog: i32,
    /// Whether client sockets have `SO_KEEPALIVE`.
    pub tcp_keep_alive: bool,
    /// Connections from one address; 0 or less is any number.
    pub max_client_cnxns: i32,
    /// Connections altogether; 0 or less is any number.
    pub max_cnxns: i32,
    /// Milliseconds after which a connection without a session is closed.
    pub sessionless_timeout_ms: i32,
}

impl Default for Listen {
    fn default() -> Listen {
        Listen {
            client_port: None,
            client_port_address: None,
            secure_client_port: None,
            secure_client_port_address: None,
            backlog: -1,
            tcp_keep_alive: false,
            max_client_cnxns: 60,
            max_cnxns: 0,
            sessionless_timeout_ms: 10_000,
        }
    }
}

/// The tick and the bounds of session timeouts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sessions {
    /// Milliseconds of a tick, the unit of session expiry; at least 1.
    pub tick_time_ms: i32,
    /// As configured; −1 is twice the tick. Use [`Sessions::min_ms`].
    pub min_timeout_ms: i32,
    /// As configured; −1 is twenty ticks. Use [`Sessions::max_ms`].
    pub max_timeout_ms: i32,
}

impl Default for Sessions {
    fn default() -> Sessions {
        Sessions { tick_time_ms: 3000, min_timeout_ms: -1, max_timeout_ms: -1 }
    }
}

impl Sessions {
    /// The shortest timeout a client gets, in milliseconds.
    pub fn min_ms(&self) -> i32 {
        if self.min_timeout_ms == -1 { self.tick_time_ms.saturating_mul(2) } else { self.min_timeout_ms }
    }

    /// The longest timeout a client gets, in milliseconds.
    pub fn max_ms(&self) -> i32 {
        if self.max_timeout_ms == -1 { self.tick_time_ms.saturating_mul(20) } else { self.max_timeout_ms }
    }
}

/// Logs and snapshots.
#[derive(Clone, PartialEq, Debug)]
pub struct Storage {
    /// A snapshot is due after a random number of transactions between half of this and this; at least 2.
    pub snap_count: i32,
    /// …or of log KiB; 0 or less is no such limit.
    pub snap_size_limit_kb: i64,
    /// A log file is rolled beyond this many KiB; −1 is no such limit.
    pub txn_log_size_limit_kb: i64,
    /// KiB by which log files grow; 0 is not at all.
    pub prealloc_kb: i64,
    /// Transactions kept in memory for learners.
    pub commit_log_count: i32,
    /// Size of log tail to snapshot up to which learners are served from the log; negative is never.
    pub snapshot_size_factor: f64,
    /// Milliseconds of an fsync worth a warning.
    pub fsync_warning_threshold_ms: i64,
    /// Milliseconds a write may wait for company before the log is flushed.
    pub flush_delay_ms: i64,
    /// Milliseconds the log writer waits for the next request; `None` is a third of the flush delay.
    pub max_write_queue_poll_ms: Option<i64>,
    /// Transactions in one flush at most.
    pub max_batch_size: i32,
    /// Whether a write is on disk before it is acknowledged.
    pub force_sync: bool,
    /// How new snapshots are compressed.
    pub compression: Compression,
    /// Whether logs without any snapshot are believed.
    pub snapshot_trust_empty: bool,
    /// Whether snapshots say the last zxid they contain.
    pub serialize_last_zxid: bool,
    /// Whether an empty database may start without the `initialize` marker.
    pub db_autocreate: bool,
    /// Whether missing directories are made.
    pub datadir_autocreate: bool,
    /// The longest request or record, in bytes.
    pub jute_max_buffer: i32,
    /// What a record written by the server may have beyond that, in bytes; `None` is as much again.
    pub jute_extra_size: Option<i32>,
}

impl Default for Storage {
    fn default() -> Storage {
        Storage {
            snap_count: 100_000,
            snap_size_limit_kb: 4_194_304,
            txn_log_size_limit_kb: -1,
            prealloc_kb: 65_536,
            commit_log_count: 500,
            snapshot_size_factor: 0.33,
            fsync_warning_threshold_ms: 1000,
            flush_delay_ms: 0,
            max_write_queue_poll_ms: None,
            max_batch_size: 1000,
            force_sync: true,
            compression: Compression::None,
            snapshot_trust_empty: false,
            serialize_last_zxid: true,
            db_autocreate: true,
            datadir_autocreate: true,
            jute_max_buffer: 0xf_ffff,
            jute_extra_size: None,
        }
    }
}

impl Storage {
    /// The slack of records written by the server, in bytes: at least 1024 (reference: operations §1.2).
    pub fn jute_extra_bytes(&self) -> i32 {
        self.jute_extra_size.unwrap_or(self.jute_max_buffer).max(1024)
    }

    /// Milliseconds the log writer waits for the next request before it flushes.
    pub fn write_queue_poll_ms(&self) -> i64 {
        self.max_write_queue_poll_ms.unwrap_or(self.flush_delay_ms / 3)
    }
}

/// What the tree allows and keeps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TreeSettings {
    /// Whether transactions and snapshots carry the tree's digest.
    pub digest_enabled: bool,
    /// Whether the end of a session lists its ephemeral nodes in its transaction.
    pub close_session_txn: bool,
    /// Whether TTL nodes may be created.
    pub extended_types: bool,
    /// Whether TTL owners use the encoding of 3.5.3.
    pub emulate_353_ttl: bool,
    /// Whether hard quotas refuse writes.
    pub enforce_quota: bool,
    /// Whether ACLs are not checked at all.
    pub skip_acl: bool,
    /// Milliseconds between two looks for empty containers and expired TTL nodes.
    pub container_check_interval_ms: i32,
    /// How many of them are removed in a minute at most.
    pub container_max_per_minute: i32,
    /// Milliseconds after which a container that never had a child is removed; 0 is never.
    pub container_max_never_used_ms: i64,
}

impl Default for TreeSettings {
    fn default() -> TreeSettings {
        TreeSettings {
            digest_enabled: true,
            close_session_txn: true,
            extended_types: false,
            emulate_353_ttl: false,
            enforce_quota: false,
            skip_acl: false,
            container_check_interval_ms: 60_000,
            container_max_per_minute: 10_000,
            container_max_never_used_ms: 0,
        }
    }
}

/// Limits on requests under way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Requests {
    /// Requests under way in the whole ensemble, beyond which connections are not read.
    pub global_outstanding_limit: i32,
    /// Requests under way beyond which new ones wait; 0 or less is off.
    pub throttle_max_requests: i32,
    /// Milliseconds a throttled request waits between two tries.
    pub throttle_stall_ms: i32,
    /// Whether a stale request is dropped while it waits.
    pub throttle_drop_stale: bool,
    /// Whether a request older than its session's timeout is stale.
    pub stale_latency_check: bool,
    /// Whether a request of a closed connection is stale.
    pub stale_connection_check: bool,
    /// Milliseconds the throttle may take to stop.
    pub throttle_shutdown_ms: i32,
    /// Milliseconds in the queue beyond which a request is refused with THROTTLEDOP; 0 or less is off.
    pub throttled_op_wait_ms: i32,
    /// Bytes of large requests under way beyond which another one closes its connection.
    pub large_request_max_bytes: i32,
    /// Bytes from which a request is large; −1 is off.
    pub large_request_threshold: i32,
    /// Entries of the cache of serialised data; 0 or less is off.
    pub response_cache_size: i32,
    /// Entries of the cache of serialised children; 0 or less is off.
    pub children_cache_size: i32,
    /// Whether ACLs are checked before a request is forwarded.
    pub eager_acl_check: bool,
}

impl Default for Requests {
    fn default() -> Requests {
        Requests {
            global_outstanding_limit: 1000,
            throttle_max_requests: 0,
            throttle_stall_ms: 100,
            throttle_drop_stale: true,
            stale_latency_check: false,
            stale_connection_check: true,
            throttle_shutdown_ms: 10_000,
            throttled_op_wait_ms: 0,
            large_request_max_bytes: 100 * 1024 * 1024,
            large_request_threshold: -1,
            response_cache_size: 400,
            children_cache_size: 400,
            eager_acl_check: false,
        }
    }
}

/// The token bucket of new sessions (ZOOKEEPER-3242).
#[derive(Clone, PartialEq, Debug)]
pub struct ConnectionThrottle {
    /// Tokens in the full bucket; 0 or less is off.
    pub tokens: i32,
    /// Milliseconds between two fills.
    pub fill_time_ms: i32,
    /// Tokens per fill.
    pub fill_count: i32,
    /// Milliseconds between two changes of the drop probability; −1 never changes it.
    pub freeze_time_ms: i32,
    /// Added to the drop probability when the bucket is empty.
    pub drop_increase: f64,
    /// Taken from it when there are more tokens than the ratio says.
    pub drop_decrease: f64,
    /// The share of free tokens from which it falls.
    pub decrease_ratio: f64,
    /// Whether sessions cost different numbers of tokens.
    pub weight_enabled: bool,
    /// Tokens of a new global session.
    pub global_weight: i32,
    /// Tokens of a new local session.
    pub local_weight: i32,
    /// Tokens of a returning session.
    pub renew_weight: i32,
}

impl Default for ConnectionThrottle {
    fn default() -> ConnectionThrottle {
        ConnectionThrottle {
            tokens: 0,
            fill_time_ms: 1,
            fill_count: 1,
            freeze_time_ms: -1,
            drop_increase: 0.02,
            drop_decrease: 0.002,
            decrease_ratio: 0.0,
            weight_enabled: false,
            global_weight: 3,
            local_weight: 1,
            renew_weight: 2,
        }
    }
}

/// Who a client is and what it must prove.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Auth {
    /// Whether the scheme `digest` is there.
    pub digest_enabled: bool,
    /// The digest id that is the superuser, as `name:base64`.
    pub super_digest: Option<String>,
    /// The hash of digest credentials.
    pub digest_algorithm: DigestAlgorithm,
    /// Whether requests need an id of one of the schemes below.
    pub enforce_enabled: bool,
    /// The schemes of which one is needed.
    pub enforce_schemes: Vec<String>,
    /// Shorthand for both with `sasl`.
    pub require_sasl: bool,
    /// Providers by suffix of `authProvider.*`: class names.
    pub providers: Vec<(String, String)>,
}

impl Default for Auth {
    fn default() -> Auth {
        Auth {
            digest_enabled: true,
            super_digest: None,
            digest_algorithm: DigestAlgorithm::default(),
            enforce_enabled: false,
            enforce_schemes: Vec::new(),
            require_sasl: false,
            providers: Vec::new(),
        }
    }
}

/// What an operator sees and runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Operations {
    /// The value of `4lw.commands.whitelist`; `None` is Apache's default, `srvr` alone.
    pub words_whitelist: Option<String>,
    /// Whether a server without a quorum serves reads.
    pub read_only_mode: bool,
    /// Snapshots that the purge keeps, at least 3.
    pub snap_retain_count: i32,
    /// Milliseconds between two purges; 0 is never.
    pub purge_interval_ms: u64,
}

impl Default for Operations {
    fn default() -> Operations {
        Operations {
            words_whitelist: None,
            read_only_mode: false,
            snap_retain_count: 3,
            purge_interval_ms: 0,
        }
    }
}

/// What only an ensemble needs: checked and kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ensemble {
    /// The number in `<dataDir>/myid`, if there is that file.
    pub my_id: Option<i64>,
    /// `server.N`, `group.G`, `weight.N`.
    pub members: zab::Ensemble,
    /// Ticks a learner may take to connect and synchronise.
    pub init_limit: i32,
    /// Ticks a learner may lag behind.
    pub sync_limit: i32,
    /// Ticks of connecting to the leader; 0 is `init_limit`.
    pub connect_to_learner_master_limit: i32,
    /// Whether this server is an observer.
    pub observer: bool,
    /// Whether the leader serves clients.
    pub leader_serves: bool,
    /// Whether one server alone runs standalone.
    pub standalone_enabled: bool,
    /// Whether `reconfig` is allowed.
    pub reconfig_enabled: bool,
    /// The file with the member list.
    pub dynamic_config_file: Option<PathBuf>,
    /// Whether quorum ports are bound to every address.
    pub listen_on_all_ips: bool,
    /// Whether a server may have several addresses.
    pub multi_address: bool,
    /// Milliseconds of an election connect.
    pub cnx_timeout_ms: i32,
    /// Learners that may receive a snapshot at once.
    pub max_concurrent_snap_syncs: i32,
    /// Learners that may receive a difference at once.
    pub max_concurrent_diff_syncs: i32,
    /// Of which transactions acknowledgements are timed: whose zxid is a multiple of it.
    pub ack_logging_frequency: i32,
    /// Whether learners always get a snapshot.
    pub force_snapshot_sync: bool,
    /// Whether connections between servers have `SO_KEEPALIVE`.
    pub tcp_keep_alive: bool,
    /// Tries to bind the election port; 0 is for ever.
    pub election_port_bind_retry: i32,
    /// Port on which a follower hosts observers; 0 is off.
    pub observer_master_port: i32,
    /// Bytes of proposals kept for observers.
    pub observer_master_size_limit: i32,
    /// Milliseconds before an observer reconnects.
    pub observer_reconnect_delay_ms: i64,
    /// Milliseconds before an observer joins an election.
    pub observer_election_delay_ms: i32,
    /// Whether sessions are local to a server first.
    pub local_sessions: bool,
    /// Whether a local session may become global.
    pub local_sessions_upgrading: bool,
    /// TLS between servers.
    pub ssl_quorum: bool,
    /// SASL between servers.
    pub sasl: bool,
    /// Whether servers demand SASL from learners.
    pub sasl_server_require: bool,
    /// Whether learners demand SASL from servers.
    pub sasl_learner_require: bool,
}

impl Default for Ensemble {
    fn default() -> Ensemble {
        Ensemble {
            my_id: None,
            members: zab::Ensemble::default(),
            init_limit: 0,
            sync_limit: 0,
            connect_to_learner_master_limit: 0,
            observer: false,
            leader_serves: true,
            standalone_enabled: true,
            reconfig_enabled: false,
            dynamic_config_file: None,
            listen_on_all_ips: false,
            multi_address: false,
            cnx_timeout_ms: 5000,
            max_concurrent_snap_syncs: 10,
            max_concurrent_diff_syncs: 100,
            ack_logging_frequency: 1000,
            force_snapshot_sync: false,
            tcp_keep_alive: false,
            election_port_bind_retry: 3,
            observer_master_port: 0,
            observer_master_size_limit: 33_554_432,
            observer_reconnect_delay_ms: 0,
            observer_election_delay_ms: 200,
            local_sessions: false,
            local_sessions_upgrading: false,
            ssl_quorum: false,
            sasl: false,
            sasl_server_require: false,
            sasl_learner_require: false,
        }
    }
}
