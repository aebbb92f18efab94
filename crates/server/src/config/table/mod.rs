//! Every key Apache knows, in the order of the documentation.

mod core;
mod ensemble;
mod operations;
mod requests;
mod security;

use super::key::{Class, Key};

/// A chapter of the documentation.
pub struct Group {
    /// Its heading.
    pub title: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
}

/// All keys.
pub static GROUPS: &[Group] = &[
    Group { title: "Where data is and where clients connect", keys: core::PLACES },
    Group { title: "Sessions", keys: core::SESSIONS },
    Group { title: "Logs and snapshots", keys: core::STORAGE },
    Group { title: "The tree", keys: core::TREE },
    Group { title: "Limits and throttles", keys: requests::LIMITS },
    Group { title: "New connections", keys: requests::CONNECTIONS },
    Group { title: "Authentication and authorisation", keys: security::AUTH },
    Group { title: "Four-letter words, metrics, upkeep", keys: operations::KEYS },
    Group { title: "The admin server and the audit log", keys: operations::ADMIN },
    Group { title: "Ensembles", keys: ensemble::KEYS },
    Group { title: "TLS", keys: security::TLS },
    Group { title: "Threads and other matters of a JVM", keys: requests::JVM },
    Group { title: "Tests only", keys: operations::TESTS },
];

/// Names the public documentation uses although Apache reads another one: accepted here, with a warning.
pub static FRIENDLY: &[(&str, &str)] = &[
    ("connectionMaxTokens", "connection_throttle_tokens"),
    ("connectionTokenFillTime", "connection_throttle_fill_time"),
    ("connectionTokenFillCount", "connection_throttle_fill_count"),
    ("connectionFreezeTime", "connection_throttle_freeze_time"),
    ("connectionDropIncrease", "connection_throttle_drop_increase"),
    ("connectionDropDecrease", "connection_throttle_drop_decrease"),
    ("connectionDecreaseRatio", "connection_throttle_decrease_ratio"),
    ("requestThrottleLimit", "request_throttle_max_requests"),
    ("requestThrottleStallTime", "request_throttle_stall_time"),
    ("requestThrottleDropStale", "request_throttle_drop_stale"),
    ("requestStaleLatencyCheck", "request_stale_latency_check"),
    ("requestStaleConnectionCheck", "request_stale_connection_check"),
    ("throttledOpWaitTime", "throttled_op_wait_time"),
    ("maxConcurrentSnapSyncs", "leader.maxConcurrentSnapSyncs"),
    ("maxConcurrentDiffSyncs", "leader.maxConcurrentDiffSyncs"),
    ("maxTimeToWaitForEpoch", "leader.maxTimeToWaitForEpoch"),
    ("advancedFlowControlEnabled", "netty.advancedFlowControl.enabled"),
    ("outstandingHandshake.limit", "netty.server.outstandingHandshake.limit"),
];

/// Properties that Apache also reads without the `zookeeper.` prefix, as the second choice.
pub static UNPREFIXED: &[&str] = &[
    "fsync.warningthresholdms",
    "learner.asyncSending",
    "learner.closeSocketAsync",
    "leader.closeSocketAsync",
];

/// All keys, in order.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    GROUPS.iter().flat_map(|group| group.keys)
}

/// The key of that name, and the rest of the name if it is a family.
pub fn find(name: &str) -> Option<(&'static Key, &str)> {
    keys().find(|key| key.name == name).map(|key| (key, "")).or_else(|| {
        keys().find_map(|key| {
            let suffix = name.strip_prefix(key.name.strip_suffix('*')?)?;
            (!suffix.is_empty()).then_some((key, suffix))
        })
    })
}

/// The key whose flag has that name (without `-D`), and the rest of the name if it is a family.
pub fn find_flag(name: &str) -> Option<(&'static Key, &str)> {
    if let Some((key, suffix)) = find(name)
        && (key.class == Class::System || UNPREFIXED.contains(&key.name))
    {
        return Some((key, suffix));
    }
    find(name.strip_prefix("zookeeper.")?)
        .filter(|(key, _)| matches!(key.class, Class::Property | Class::FileOrFlag))
}
