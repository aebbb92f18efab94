//! The replicated state machine: znodes, stats, ACL table, quotas, digest.
