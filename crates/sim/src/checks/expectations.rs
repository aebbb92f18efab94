//! What a run may demand besides what holds in every run: the world knows whether it has earned it.

/// Demands; none by default.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Expectations {
    /// C9, when sessions may expire. Early is forgiven where a server can be cut off from the leader while clients talk to it.
    pub expiry: Option<ExpiryBounds>,
    /// C13: a sync sees everything that was answered before it was asked for. Apache cannot promise that, since a leader
    /// that was deposed and does not know it answers by itself (ZOOKEEPER-1675).
    pub sync_sees_everything: bool,
    /// C14, from some time on.
    pub calm: Option<Calm>,
}

/// When a session may expire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExpiryBounds {
    /// So much earlier than its timeout.
    pub early_us: u64,
    /// So much later.
    pub late_us: u64,
}

/// Nothing goes wrong any more, and a majority is connected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Calm {
    /// From then on.
    pub from_us: u64,
    /// The longest that a write may take.
    pub within_us: u64,
    /// What 99 of a hundred writes may take.
    pub p99_us: u64,
}
