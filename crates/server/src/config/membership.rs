//! From the configuration to a member of an ensemble (reference: quorum-protocol §1).

use super::{Config, ConfigError};
use crate::net::peers::{PeersConfig, Place};
use node::Membership;
use store::Epochs;
use zab::{Address, PeerConfig, ServerId, WindowLimits};

impl Config {
    /// Is this a server of an ensemble, rather than one alone? (Apache: `isDistributed`.)
    pub fn is_member(&self) -> bool {
        let participants = self.ensemble.members.voters().count();
        participants > 1 || (participants > 0 && !self.ensemble.standalone_enabled)
    }

    /// Its own id, once [`Config::check_member`] has passed.
    fn my_id(&self) -> i64 {
        self.ensemble.my_id.unwrap_or_default()
    }

    /// What a member needs besides the settings: a number of its own that is in the list.
    ///
    /// # Errors
    /// Names what is missing, and where.
    pub fn check_member(&self) -> Result<(), ConfigError> {
        let myid = self.data_dir.join("myid").display().to_string();
        let Some(id) = self.ensemble.my_id else {
            return Err(ConfigError {
                allowed: "a file with the number of this server's server.N line".into(),
                ..ConfigError::whole(&myid, "myid file is missing")
            });
        };
        let most = if self.tree.extended_types { 254 } else { 255 };
        if !(0..=most).contains(&id) {
            return Err(ConfigError {
                value: Some(id.to_string().into()),
                allowed: format!("0 to {most}").into(),
                ..ConfigError::whole(&myid, "this number cannot be a server's")
            });
        }
        if !self.ensemble.members.members.contains_key(&ServerId(id)) {
            return Err(ConfigError {
                value: Some(id.to_string().into()),
                allowed: "the number of one of the server.N lines".into(),
                ..ConfigError::whole(&myid, format!("My id {id} not in the peer list"))
            });
        }
        Ok(())
    }

    /// The member, with the promises its disk holds.
    pub(crate) fn membership(&self, epochs: Epochs) -> Membership {
        let ensemble = &self.ensemble;
        let positive = |value: i32| u64::try_from(value).unwrap_or_default();
        let mut peer = PeerConfig::new(ServerId(self.my_id()), self.ensemble.members.clone());
        peer.tick_time_ms = positive(self.sessions.tick_time_ms);
        peer.init_limit = positive(ensemble.init_limit);
        peer.sync_limit = positive(ensemble.sync_limit);
        peer.connect_limit = positive(ensemble.connect_to_learner_master_limit);
        peer.observer_master_port = self.observer_master_port();
        peer.observer_master_bytes = positive(ensemble.observer_master_size_limit) as usize;
        peer.observer_reconnect_delay_ms =
            u64::try_from(ensemble.observer_reconnect_delay_ms).unwrap_or_default();
        peer.observer_election_delay_ms = positive(ensemble.observer_election_delay_ms);
        peer.snap_syncs_max = positive(ensemble.max_concurrent_snap_syncs) as usize;
        peer.diff_syncs_max = positive(ensemble.max_concurrent_diff_syncs) as usize;
        peer.ack_logging_frequency = u32::try_from(ensemble.ack_logging_frequency).unwrap_or_default();
        peer.cnx_timeout_ms = positive(ensemble.cnx_timeout_ms);
        peer.multi_address = ensemble.multi_address;
        peer.force_snapshot = ensemble.force_snapshot_sync;
        peer.limits = self.limits();
        peer.window =
            WindowLimits { count_min: positive(self.storage.commit_log_count) as usize, ..peer.window };
        Membership {
            peer,
            epochs,
            snapshot_size_factor: self.storage.snapshot_size_factor,
            leader_serves: ensemble.leader_serves,
        }
    }

    /// Where the other servers reach this one: its own line, or every address of the machine. Names are resolved when a
    /// port is bound, not here.
    pub(crate) fn peers_config(&self) -> PeersConfig {
        let own = self.ensemble.members.members.get(&ServerId(self.my_id()));
        let place = |host: &str, port: u16| {
            let host = (!self.ensemble.listen_on_all_ips).then(|| host.to_owned());
            Place { host, port }
        };
        let places = |addresses: &[Address]| -> Vec<Place> {
            let mut places: Vec<Place> = addresses.iter().map(|a| place(&a.host, a.port)).collect();
            places.dedup();
            places
        };
        let (election, quorum) =
            own.map_or((&[][..], &[][..]), |spec| (&spec.election[..], &spec.quorum[..]));
        let observers = self.observer_master_port().map(|port| {
            let mut places: Vec<Place> = quorum.iter().map(|a| place(&a.host, port)).collect();
            places.dedup();
            places
        });
        PeersConfig {
            election: places(election),
            quorum: places(quorum),
            observers: observers.unwrap_or_default(),
            bind_retries: self.ensemble.election_port_bind_retry.unsigned_abs(),
            keep_alive: self.ensemble.tcp_keep_alive,
        }
    }

    fn observer_master_port(&self) -> Option<u16> {
        u16::try_from(self.ensemble.observer_master_port).ok().filter(|port| *port > 0)
    }
}
