//! What operators are told: the state in Apache's words, and lines for the log.

use std::fmt;
use wire::ServerState;

/// What a server is doing, as `mntr` and the log say it: `following - synchronization - diff`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PeerState {
    /// What it is.
    pub state: ServerState,
    /// How far it has come with that.
    pub phase: ZabPhase,
    /// How a learner is brought up to date, while it is.
    pub sync: Option<SyncMode>,
}

/// Apache's `ZabState`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names are those of the reference, quorum-protocol §1.1")]
pub enum ZabPhase {
    Election,
    Discovery,
    Synchronization,
    Broadcast,
}

/// Apache's `SyncMode`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names are those of the packets")]
pub enum SyncMode {
    Diff,
    Trunc,
    Snap,
}

impl PeerState {
    /// It looks for a leader.
    pub const LOOKING: PeerState =
        PeerState { state: ServerState::Looking, phase: ZabPhase::Election, sync: None };

    pub(crate) fn of(state: ServerState, phase: ZabPhase) -> PeerState {
        PeerState { state, phase, sync: None }
    }
}

impl fmt::Display for PeerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            ServerState::Looking => "looking",
            ServerState::Following => "following",
            ServerState::Leading => "leading",
            ServerState::Observing => "observing",
        })?;
        f.write_str(match self.phase {
            ZabPhase::Election => "",
            ZabPhase::Discovery => " - discovery",
            ZabPhase::Synchronization => " - synchronization",
            ZabPhase::Broadcast => " - broadcast",
        })?;
        f.write_str(match self.sync {
            None => "",
            Some(SyncMode::Diff) => " - diff",
            Some(SyncMode::Trunc) => " - trunc",
            Some(SyncMode::Snap) => " - snap",
        })
    }
}

/// A line for the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// Should somebody look?
    pub warn: bool,
    /// The whole line.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_read_as_apaches() {
        assert_eq!(PeerState::LOOKING.to_string(), "looking");
        let leading = PeerState::of(ServerState::Leading, ZabPhase::Broadcast);
        assert_eq!(leading.to_string(), "leading - broadcast");
        let sync = Some(SyncMode::Diff);
        let following = PeerState { state: ServerState::Following, phase: ZabPhase::Synchronization, sync };
        assert_eq!(following.to_string(), "following - synchronization - diff");
    }
}
