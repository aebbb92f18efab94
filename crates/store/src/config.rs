//! What an operator may set about files.

use crate::Compression;
use wire::Limits;

/// Settings of logs, snapshots and recovery; the defaults are ZooKeeper's (reference: storage-formats §2.1, §6, §7).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoreConfig {
    /// `preAllocSize` in bytes: logs grow by that many zeros at a time; 0 is off.
    pub prealloc_bytes: u64,
    /// `txnLogSizeLimitInKb` in bytes: a log larger than that, padding included, is rolled after a batch; 0 is off.
    pub txn_log_size_limit_bytes: u64,
    /// `snapCount`, at least 2: a snapshot after between half and all as many transactions.
    pub snap_count: u64,
    /// `snapSizeLimitInKb` in bytes: a snapshot after between half and all as many bytes of log files; 0 is off.
    pub snap_size_limit_bytes: u64,
    /// `snapshot.compression.method`.
    pub compression: Compression,
    /// `serializeLastProcessedZxid.enabled`: snapshots end with the last zxid (part 8).
    pub serialize_last_zxid: bool,
    /// `digest.enabled`: snapshots carry the tree's digest (part 7).
    pub digest_enabled: bool,
    /// `forceSync`: batches end with a sync; without it a power cut may lose what was acknowledged.
    pub force_sync: bool,
    /// `snapshot.trust.empty`: replay logs without any snapshot.
    pub snapshot_trust_empty: bool,
    /// What an empty directory is, without an `initialize` file in it.
    pub empty: EmptyDirectory,
    /// `extendedTypesEnabled`: TTL nodes may exist.
    pub extended_types: bool,
    /// So many of the last transactions are kept when logs are read, for a member of an ensemble; see
    /// [`crate::Recovered::recent`].
    pub recent_count: usize,
    /// How long a string, a buffer or a whole log record may be.
    pub limits: Limits,
}

/// What an empty data directory means (reference: storage-formats §6, quorum-protocol §3.4; ZOOKEEPER-261).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EmptyDirectory {
    /// `db.autocreate`, the default: an empty database.
    NewDatabase,
    /// That something is missing, and nobody else has it.
    Error,
    /// That something may be missing which the other members have: until it has a leader's data, the server's vote counts
    /// for nothing.
    Distrusted,
}

impl Default for StoreConfig {
    fn default() -> Self {
        StoreConfig {
            prealloc_bytes: 65536 << 10,
            txn_log_size_limit_bytes: 0,
            snap_count: 100_000,
            snap_size_limit_bytes: 4_194_304 << 10,
            compression: Compression::None,
            serialize_last_zxid: true,
            digest_enabled: true,
            force_sync: true,
            snapshot_trust_empty: false,
            empty: EmptyDirectory::NewDatabase,
            extended_types: false,
            recent_count: 0,
            limits: Limits::default(),
        }
    }
}
