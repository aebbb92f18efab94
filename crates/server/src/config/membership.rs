//! From the configuration to a member of an ensemble (reference: quorum-protocol §1).

use super::members::PeerAddress;
use super::{Config, ConfigError};
use crate::net::peers::PeersConfig;
use node::Membership;
use std::net::{Ipv6Addr, SocketAddr, ToSocketAddrs};
use store::Epochs;
use zab::{Ensemble, PeerConfig, ServerId, WindowLimits};

impl Config {
    /// Is this a server of an ensemble, rather than one alone? (Apache: `isDistributed`.)
    pub fn is_member(&self) -> bool {
        let participants = self.ensemble.members.participants();
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
        if !self.ensemble.members.servers.contains_key(&id) {
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
        let mut peer = PeerConfig::new(ServerId(self.my_id()), self.members_as_ensemble());
        peer.tick_time_ms = positive(self.sessions.tick_time_ms);
        peer.init_limit = positive(ensemble.init_limit);
        peer.sync_limit = positive(ensemble.sync_limit);
        peer.connect_limit = positive(ensemble.connect_to_learner_master_limit);
        peer.observer_master_port = self.observer_master_port();
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

    fn members_as_ensemble(&self) -> Ensemble {
        let members = &self.ensemble.members;
        let mut text = String::new();
        for (id, member) in &members.servers {
            text += &format!("server.{id}={member}\n");
        }
        let groups: std::collections::BTreeSet<i64> = members.groups.values().copied().collect();
        for group in groups {
            let ids = members.groups.iter().filter(|(_, of)| **of == group).map(|(id, _)| id.to_string());
            text += &format!("group.{group}={}\n", ids.collect::<Vec<_>>().join(":"));
        }
        for (id, weight) in &members.weights {
            text += &format!("weight.{id}={weight}\n");
        }
        Ensemble::parse(&text).expect("member lines were checked when they were read")
    }

    /// Where the other servers reach this one.
    ///
    /// # Errors
    /// When a name of its own line does not resolve.
    pub(crate) fn peers_config(&self) -> Result<PeersConfig, ConfigError> {
        let id = self.my_id();
        let own = self.ensemble.members.servers.get(&id).map_or(&[][..], |member| &member.addresses);
        let all = |port: &dyn Fn(&PeerAddress) -> u16| -> Result<Vec<SocketAddr>, ConfigError> {
            let mut found = Vec::new();
            for address in own {
                let port = port(address);
                if self.ensemble.listen_on_all_ips {
                    found.push(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)));
                    continue;
                }
                let mut resolved =
                    (address.host.as_str(), port).to_socket_addrs().map_err(|error| ConfigError {
                        key: Some(format!("server.{id}").into()),
                        value: Some(address.host.as_str().into()),
                        allowed: "a name of this machine that resolves, or quorumListenOnAllIPs=true".into(),
                        ..ConfigError::whole(&self.file, format!("unknown host: {error}"))
                    })?;
                found.extend(resolved.next());
            }
            found.dedup();
            Ok(found)
        };
        let observers = self.observer_master_port().map(|port| all(&|_| port)).transpose()?;
        Ok(PeersConfig {
            election: all(&|a| a.election_port)?,
            quorum: all(&|a| a.quorum_port)?,
            observers: observers.unwrap_or_default(),
        })
    }

    fn observer_master_port(&self) -> Option<u16> {
        u16::try_from(self.ensemble.observer_master_port).ok().filter(|port| *port > 0)
    }
}
