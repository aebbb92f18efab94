//! What an operator sets, and what follows from it.

use crate::{Ensemble, QuorumRule, Quorums, Role, ServerId, WindowLimits};
use wire::Limits;

/// The settings of one server of an ensemble, by their names in `zoo.cfg`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerConfig {
    /// `myid`
    pub me: ServerId,
    /// The `server.N`, `group.G` and `weight.N` lines.
    pub ensemble: Ensemble,
    /// `tickTime`
    pub tick_time_ms: u64,
    /// `initLimit`, in ticks.
    pub init_limit: u64,
    /// `syncLimit`, in ticks.
    pub sync_limit: u64,
    /// `connectToLearnerMasterLimit`, in ticks; 0 means `initLimit`.
    pub connect_limit: u64,
    /// `observerMasterPort`: followers take observers there, and observers look for them there.
    pub observer_master_port: Option<u16>,
    /// `observerMaster.sizeLimit`: how many bytes of history a follower keeps in memory for observers.
    pub observer_master_bytes: usize,
    /// `observer.reconnectDelayMs`: an observer waits up to that before it goes to the leader, or to the masters once more.
    pub observer_reconnect_delay_ms: u64,
    /// `observer.election.DelayMs`: an observer that has lost its master waits up to that before it looks for a leader.
    pub observer_election_delay_ms: u64,
    /// `leader.maxConcurrentSnapSyncs`: so many learners are sent a snapshot before an observer that needs one is refused.
    pub snap_syncs_max: usize,
    /// `leader.maxConcurrentDiffSyncs`: the same for history.
    pub diff_syncs_max: usize,
    /// `leader.ackLoggingFrequency`: whose zxid is a multiple of it, of that transaction every acknowledgement is told;
    /// 0 is none.
    pub ack_logging_frequency: u32,
    /// `zookeeper.cnxTimeout`
    pub cnx_timeout_ms: u64,
    /// `multiAddress.enabled`
    pub multi_address: bool,
    /// `zookeeper.forceSnapshotSync`
    pub force_snapshot: bool,
    /// How much committed history a leader keeps in memory for learners that come back.
    pub window: WindowLimits,
    /// What a packet's data and a field of a snapshot may measure: `jute.maxbuffer` and its extra size.
    pub limits: Limits,
    /// How many bytes may wait in the shell for a learner before no more are made.
    pub send_bytes: usize,
    /// How many bytes a learner may have on their way to its disk before it stops reading.
    pub receive_bytes: usize,
}

impl PeerConfig {
    /// Apache's defaults; for the limits that have none, the values of its sample file.
    pub fn new(me: ServerId, ensemble: Ensemble) -> PeerConfig {
        PeerConfig {
            me,
            ensemble,
            tick_time_ms: 2000,
            init_limit: 10,
            sync_limit: 5,
            connect_limit: 0,
            observer_master_port: None,
            observer_master_bytes: 32 << 20,
            observer_reconnect_delay_ms: 0,
            observer_election_delay_ms: 200,
            snap_syncs_max: 10,
            diff_syncs_max: 100,
            ack_logging_frequency: 1000,
            cnx_timeout_ms: 5000,
            multi_address: false,
            force_snapshot: false,
            window: WindowLimits { count_min: 500, bytes: 16 << 20 },
            limits: Limits::default(),
            send_bytes: 1 << 20,
            receive_bytes: 16 << 20,
        }
    }
}

/// A [`PeerConfig`] with its conclusions drawn.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) config: PeerConfig,
    pub(crate) quorums: Quorums,
    pub(crate) config_text: String,
    pub(crate) tick_us: u64,
    pub(crate) init_us: u64,
    pub(crate) sync_us: u64,
    pub(crate) connect_us: u64,
}

impl Settings {
    pub(crate) fn new(config: PeerConfig) -> Settings {
        let tick_us = config.tick_time_ms.max(1) * 1000;
        let connect = if config.connect_limit == 0 { config.init_limit } else { config.connect_limit };
        Settings {
            quorums: Quorums::of(config.ensemble.rule()),
            config_text: config.ensemble.text(),
            tick_us,
            init_us: config.init_limit * tick_us,
            sync_us: config.sync_limit * tick_us,
            connect_us: connect * tick_us,
            config,
        }
    }

    pub(crate) fn me(&self) -> ServerId {
        self.config.me
    }

    pub(crate) fn ack_logging_frequency(&self) -> Option<i64> {
        Some(i64::from(self.config.ack_logging_frequency)).filter(|frequency| *frequency > 0)
    }

    /// Is this server configured not to vote?
    pub(crate) fn is_observer(&self) -> bool {
        self.config.ensemble.members.get(&self.me()).is_some_and(|spec| spec.role == Role::Observer)
    }

    /// The rule for epochs: the committed configuration alone (reference: quorum-protocol §1.5).
    pub(crate) fn epoch_rule(&self) -> &QuorumRule {
        &self.quorums.committed
    }
}
