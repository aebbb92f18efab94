//! Places, sessions, storage and the tree (reference: operations §1.1).

use crate::config::Config;
use crate::config::key::Class::{File, Property, System};
use crate::config::key::Kind::{Int, Long, OnlyYes, Switch, Text, UnlessNo};
use crate::config::key::Verdict::{Ensemble, Honoured, Later};
use crate::config::key::{Key, Trouble};
use crate::config::numbers::parse_fraction;
use std::path::PathBuf;
use store::Compression;

const INT_MAX: i32 = i32::MAX;
const INT_MIN: i32 = i32::MIN;
const LONG_MAX: i64 = i64::MAX;
const LONG_MIN: i64 = i64::MIN;

#[rustfmt::skip]
pub static PLACES: &[Key] = &[
    Key::new("dataDir", File, Honoured, Text("a directory", data_dir), "",
        "Snapshots go to `<dataDir>/version-2`, and logs too unless dataLogDir is set; also `myid`. Required."),
    Key::new("dataLogDir", File, Honoured, Text("a directory", data_log_dir), "",
        "Transaction logs go to `<dataLogDir>/version-2`. Unset: dataDir."),
    Key::new("clientPort", File, Honoured, Int(0, 65_535, |c, v| c.listen.client_port = port(v)), "",
        "TCP port for clients in clear text; 0 or unset is none."),
    Key::new("clientPortAddress", File, Honoured, Text("a host name or address", client_address), "",
        "Address clientPort is bound to. Unset: every address."),
    Key::new("secureClientPort", File, Honoured, Int(0, 65_535, |c, v| c.listen.secure_client_port = port(v)), "",
        "TCP port for clients with TLS; 0 or unset is none. Any other stops the start: TLS is not part of this version."),
    Key::new("secureClientPortAddress", File, Later("TLS"), Text("a host name or address", secure_address), "",
        "Address secureClientPort is bound to. Unset: every address."),
    Key::new("clientPortListenBacklog", File, Honoured, Int(INT_MIN, INT_MAX, |c, v| c.listen.backlog = v), "-1",
        "Connections the system keeps waiting for accept; -1 is 50."),
    Key::new("maxClientCnxns", File, Honoured, Int(INT_MIN, INT_MAX, |c, v| c.listen.max_client_cnxns = v), "60",
        "Connections from one address; 0 is any number."),
    Key::new("maxCnxns", Property, Honoured, Int(INT_MIN, INT_MAX, |c, v| c.listen.max_cnxns = v), "0",
        "Connections altogether; 0 is any number."),
    Key::new("clientTcpKeepAlive", Property, Honoured, Switch(|c, v| c.listen.tcp_keep_alive = v), "false",
        "Whether client sockets have SO_KEEPALIVE."),
    Key::new("nio.sessionlessCnxnTimeout", Property, Honoured,
        Int(1, INT_MAX, |c, v| c.listen.sessionless_timeout_ms = v), "10000",
        "Milliseconds after which a connection that opened no session is closed."),
    Key::new("datadir.autocreate", Property, Honoured, Switch(|c, v| c.storage.datadir_autocreate = v), "true",
        "Whether missing data directories are made at start."),
];

#[rustfmt::skip]
pub static SESSIONS: &[Key] = &[
    Key::new("tickTime", File, Honoured, Int(0, INT_MAX, |c, v| c.sessions.tick_time_ms = v), "3000",
        "Milliseconds of a tick: the unit of session expiry and of the limits below."),
    Key::new("minSessionTimeout", File, Honoured, Int(INT_MIN, INT_MAX, |c, v| c.sessions.min_timeout_ms = v), "-1",
        "Milliseconds of the shortest session timeout a client gets; -1 is 2 ticks."),
    Key::new("maxSessionTimeout", File, Honoured, Int(INT_MIN, INT_MAX, |c, v| c.sessions.max_timeout_ms = v), "-1",
        "Milliseconds of the longest session timeout a client gets; -1 is 20 ticks."),
    Key::new("closeSessionTxn.enabled", Property, Honoured, Switch(|c, v| c.tree.close_session_txn = v), "true",
        "Whether the end of a session lists its ephemeral nodes in its transaction."),
    Key::new("localSessionsEnabled", File, Ensemble, Switch(|c, v| c.ensemble.local_sessions = v), "false",
        "Whether sessions start as local to one server of an ensemble."),
    Key::new("localSessionsUpgradingEnabled", File, Ensemble,
        Switch(|c, v| c.ensemble.local_sessions_upgrading = v), "false",
        "Whether a local session becomes global when it creates an ephemeral node."),
];

#[rustfmt::skip]
pub static STORAGE: &[Key] = &[
    Key::new("snapCount", Property, Honoured, Int(INT_MIN, INT_MAX, |c, v| c.storage.snap_count = v), "100000",
        "A snapshot is due after a random number of transactions between half of this and this; less than 2 is 2."),
    Key::new("snapSizeLimitInKb", Property, Honoured,
        Long(LONG_MIN, LONG_MAX / 1024, |c, v| c.storage.snap_size_limit_kb = v), "4194304",
        "The same for KiB of log; 0 or less is no such limit."),
    Key::new("txnLogSizeLimitInKb", Property, Honoured,
        Long(LONG_MIN, LONG_MAX / 1024, |c, v| c.storage.txn_log_size_limit_kb = v), "-1",
        "KiB beyond which a log file is followed by a new one; 0 or less is no limit."),
    Key::new("preAllocSize", Property, Honoured, Long(0, 16 << 20, |c, v| c.storage.prealloc_kb = v), "65536",
        "KiB by which log files grow; 0 is only as needed."),
    Key::new("forceSync", Property, Honoured, UnlessNo(|c, v| c.storage.force_sync = v), "yes",
        "`no` acknowledges writes before they are on disk: a crash loses them."),
    Key::new("fsync.warningthresholdms", Property, Honoured,
        Long(0, LONG_MAX, |c, v| c.storage.fsync_warning_threshold_ms = v), "1000",
        "Milliseconds of an fsync worth a warning."),
    Key::new("flushDelay", Property, Honoured, Long(0, 60_000, |c, v| c.storage.flush_delay_ms = v), "0",
        "Milliseconds a write may wait for company before the log is flushed; 0 flushes as soon as the disk is free."),
    Key::new("maxWriteQueuePollTime", Property, Honoured,
        Long(0, 60_000, |c, v| c.storage.max_write_queue_poll_ms = Some(v)), "",
        "Milliseconds the log waits for the next request while it delays a flush. Unset: a third of flushDelay."),
    Key::new("maxBatchSize", Property, Honoured, Int(0, INT_MAX, |c, v| c.storage.max_batch_size = v), "1000",
        "Transactions in one flush at most; 0 is any number."),
    Key::new("snapshot.compression.method", Property, Honoured, Text("nothing, gz or snappy", compression), "",
        "How new snapshots are compressed; old ones are read either way."),
    Key::new("serializeLastProcessedZxid.enabled", Property, Honoured,
        Switch(|c, v| c.storage.serialize_last_zxid = v), "true",
        "Whether snapshots say the last zxid they contain."),
    Key::new("snapshot.trust.empty", Property, Honoured, Switch(|c, v| c.storage.snapshot_trust_empty = v), "false",
        "Whether logs without any snapshot are believed."),
    Key::new("db.autocreate", Property, Honoured, Switch(|c, v| c.storage.db_autocreate = v), "true",
        "Whether an empty directory is a new database also without a file `initialize`; otherwise a member has no vote there until it has a leader's data."),
    Key::new("jute.maxbuffer", System, Honoured, Int(1, INT_MAX, |c, v| c.storage.jute_max_buffer = v), "1048575",
        "Bytes of the longest request, reply and record."),
    Key::new("jute.maxbuffer.extrasize", Property, Honoured,
        Int(0, INT_MAX, |c, v| c.storage.jute_extra_size = Some(v)), "",
        "Bytes a record written by the server may have beyond that; at least 1024. Unset: jute.maxbuffer."),
    Key::new("commitLogCount", Property, Ensemble, Int(INT_MIN, INT_MAX, |c, v| c.storage.commit_log_count = v), "500",
        "Transactions kept in memory for followers; less than 500 is 500."),
    Key::new("snapshotSizeFactor", Property, Ensemble,
        Text("a number", snapshot_size_factor), "0.33",
        "Log tail in relation to the snapshot up to which followers are served from the log; negative is never."),
];

#[rustfmt::skip]
pub static TREE: &[Key] = &[
    Key::new("digest.enabled", Property, Honoured, Switch(|c, v| c.tree.digest_enabled = v), "true",
        "Whether transactions and snapshots carry the digest of the tree."),
    Key::new("extendedTypesEnabled", Property, Honoured, Switch(|c, v| c.tree.extended_types = v), "false",
        "Whether nodes with a time to live may be created."),
    Key::new("emulate353TTLNodes", Property, Honoured, Switch(|c, v| c.tree.emulate_353_ttl = v), "false",
        "Whether such nodes are encoded as 3.5.3 did."),
    Key::new("enforceQuota", Property, Honoured, Switch(|c, v| c.tree.enforce_quota = v), "false",
        "Whether hard quotas refuse writes."),
    Key::new("skipACL", Property, Honoured, OnlyYes(|c, v| c.tree.skip_acl = v), "no",
        "`yes` checks no ACL at all."),
    Key::new("znode.container.checkIntervalMs", System, Honoured,
        Int(1, INT_MAX, |c, v| c.tree.container_check_interval_ms = v), "60000",
        "Milliseconds between two looks for empty containers and expired nodes."),
    Key::new("znode.container.maxPerMinute", System, Honoured,
        Int(1, INT_MAX, |c, v| c.tree.container_max_per_minute = v), "10000",
        "How many of them are removed in a minute at most."),
    Key::new("znode.container.maxNeverUsedIntervalMs", System, Honoured,
        Long(0, LONG_MAX, |c, v| c.tree.container_max_never_used_ms = v), "0",
        "Milliseconds after which a container that never had a child is removed; 0 is never."),
];

fn port(number: i32) -> Option<u16> {
    u16::try_from(number).ok().filter(|&port| port != 0)
}

fn data_dir(config: &mut Config, value: &str) -> Result<(), Trouble> {
    config.data_dir = PathBuf::from(value);
    relative(value)
}

fn data_log_dir(config: &mut Config, value: &str) -> Result<(), Trouble> {
    config.data_log_dir = Some(PathBuf::from(value));
    relative(value)
}

/// Apache warns about a path that depends on where the process was started, unless `./` shows that it is meant.
pub(in crate::config) fn relative(value: &str) -> Result<(), Trouble> {
    if value.is_empty() || value.starts_with('/') || value.starts_with("./") || value == "." {
        return Ok(());
    }
    Err(Trouble::Doubt(format!("{value} is relative. Prepend ./ to indicate that you're sure!")))
}

fn client_address(config: &mut Config, value: &str) -> Result<(), Trouble> {
    config.listen.client_port_address = Some(value.to_owned());
    Ok(())
}

fn secure_address(config: &mut Config, value: &str) -> Result<(), Trouble> {
    config.listen.secure_client_port_address = Some(value.to_owned());
    Ok(())
}

/// Unlike the other numbers with a fraction a malformed one does not stop Apache.
fn snapshot_size_factor(config: &mut Config, value: &str) -> Result<(), Trouble> {
    match parse_fraction(value) {
        Some(number) => config.storage.snapshot_size_factor = number,
        None => return Err(Trouble::Doubt("not a valid value, the default is used: 0.33".to_owned())),
    }
    Ok(())
}

fn compression(config: &mut Config, value: &str) -> Result<(), Trouble> {
    config.storage.compression = match value.to_ascii_lowercase().as_str() {
        "" => Compression::None,
        "gz" => Compression::Gzip,
        "snappy" => Compression::Snappy,
        _ => {
            let text =
                "there is no such method, snapshots are not compressed (allowed: nothing, gz or snappy)";
            return Err(Trouble::Doubt(text.to_owned()));
        }
    };
    Ok(())
}
