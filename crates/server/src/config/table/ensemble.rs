//! What only ensembles need (reference: operations §1.3).

use crate::config::Config;
use crate::config::key::Class::{File, FileOrFlag, Property, System};
use crate::config::key::Kind::{Family, Int, Long, Switch, Text, UnlessNo, Unread};
use crate::config::key::Verdict::{Ensemble, Honoured, Ignored, Later, Rejected};
use crate::config::key::{Key, Trouble};
use std::path::PathBuf;
use zab::Role;

const INT_MAX: i32 = i32::MAX;
const SASL: &str = "SASL";
const PROBES: &str = "the first address that takes a connection is used";
const VOTES: &str = "votes are asked for again after 200 ms to 3.2 s, and at once when there is news";
const NODELAY: &str = "nothing between servers is held back";
const OBSERVERS: &str = "observers always keep logs and snapshots, and start from them";

#[rustfmt::skip]
pub static KEYS: &[Key] = &[
    Key::new("server.*", File, Honoured,
        Family("host:quorumPort:electionPort[:participant|observer][;[clientHost:]clientPort] under a numeric id", server),
        "", "A member of the ensemble. One alone is a standalone server, whose client port may stand here."),
    Key::new("group.*", File, Ensemble, Family("ids separated by colons, under a numeric group", group), "",
        "Members of a group of a hierarchical quorum."),
    Key::new("weight.*", File, Ensemble, Family("an integer, under a numeric id", weight), "",
        "Votes of a member of a hierarchical quorum; 1 where none is given."),
    Key::new("initLimit", File, Ensemble, Int(0, INT_MAX, |c, v| c.ensemble.init_limit = v), "0",
        "Ticks a follower may take to connect and synchronise."),
    Key::new("syncLimit", File, Ensemble, Int(0, INT_MAX, |c, v| c.ensemble.sync_limit = v), "0",
        "Ticks a follower may lag behind."),
    Key::new("connectToLearnerMasterLimit", File, Ensemble,
        Int(0, INT_MAX, |c, v| c.ensemble.connect_to_learner_master_limit = v), "0",
        "Ticks of connecting to the leader; 0 is initLimit."),
    Key::new("electionAlg", File, Ensemble, Text("3", election_algorithm), "3", "The election algorithm."),
    Key::new("peerType", File, Ensemble, Text("participant or observer", peer_type), "participant",
        "Whether this server votes; the member list wins."),
    Key::new("leaderServes", Property, Ensemble, UnlessNo(|c, v| c.ensemble.leader_serves = v), "yes",
        "`no` keeps clients away from the leader."),
    Key::new("standaloneEnabled", File, Honoured, Switch(|c, v| c.ensemble.standalone_enabled = v), "true",
        "Whether one server alone runs standalone rather than as an ensemble of one."),
    Key::new("reconfigEnabled", File, Honoured, Switch(|c, v| c.ensemble.reconfig_enabled = v), "false",
        "Whether the member list may be changed by clients."),
    Key::new("dynamicConfigFile", File, Honoured, Text("a file", dynamic_config_file), "",
        "The file with the member lines, which then must not stand in this one."),
    Key::new("quorumListenOnAllIPs", File, Ensemble, Switch(|c, v| c.ensemble.listen_on_all_ips = v), "false",
        "Whether quorum and election ports are bound to every address."),
    Key::new("multiAddress.enabled", FileOrFlag, Ensemble, Switch(|c, v| c.ensemble.multi_address = v), "false",
        "Whether a member may have several addresses."),
    Key::new("multiAddress.reachabilityCheckEnabled", FileOrFlag, Ignored(PROBES), Unread, "true",
        "Whether an address is probed before it is used."),
    Key::new("multiAddress.reachabilityCheckTimeoutMs", FileOrFlag, Ignored(PROBES), Unread, "1000",
        "Milliseconds of such a probe."),
    Key::new("oraclePath", File, Rejected("the two-server oracle is not supported"), Unread, "",
        "The file of a two-server oracle."),
    Key::new("cnxTimeout", Property, Ensemble, Int(0, INT_MAX, |c, v| c.ensemble.cnx_timeout_ms = v), "5000",
        "Milliseconds of an election connect."),
    Key::new("quorumCnxnTimeoutMs", Property, Ignored("an election connection lives as long as the other side answers"), Unread, "-1",
        "Milliseconds of an election read; -1 is syncLimit ticks."),
    Key::new("fastleader.minNotificationInterval", Property, Ignored(VOTES), Unread, "200",
        "Milliseconds between two election notifications at first."),
    Key::new("fastleader.maxNotificationInterval", Property, Ignored(VOTES), Unread, "60000",
        "Milliseconds between two election notifications at last."),
    Key::new("leader.maxTimeToWaitForEpoch", Property, Ignored("a leader gives up as soon as its voters look for another one, and after initLimit"), Unread, "-1",
        "Milliseconds a leader waits for its epoch; -1 is initLimit ticks."),
    Key::new("leader.maxConcurrentSnapSyncs", Property, Ensemble,
        Int(1, INT_MAX, |c, v| c.ensemble.max_concurrent_snap_syncs = v), "10",
        "Learners that may receive a snapshot at once before an observer is refused."),
    Key::new("leader.maxConcurrentDiffSyncs", Property, Ensemble,
        Int(1, INT_MAX, |c, v| c.ensemble.max_concurrent_diff_syncs = v), "100",
        "Learners that may receive a difference at once before an observer is refused."),
    Key::new("leader.ackLoggingFrequency", Property, Ensemble,
        Int(i32::MIN, INT_MAX, |c, v| c.ensemble.ack_logging_frequency = v), "1000",
        "Of which transactions the metric ack_latency is taken: whose zxid is a multiple of it; 0 or less is none."),
    Key::new("forceSnapshotSync", Property, Ensemble, Switch(|c, v| c.ensemble.force_snapshot_sync = v), "false",
        "Whether followers always get a snapshot."),
    Key::new("tcpKeepAlive", Property, Ensemble, Switch(|c, v| c.ensemble.tcp_keep_alive = v), "false",
        "Whether connections between servers have SO_KEEPALIVE."),
    Key::new("electionPortBindRetry", Property, Ensemble,
        Int(0, INT_MAX, |c, v| c.ensemble.election_port_bind_retry = v), "3",
        "Tries to bind the election port; 0 is for ever."),
    Key::new("leader.nodelay", System, Ignored(NODELAY), Unread, "true",
        "TCP_NODELAY on the leader's quorum sockets."),
    Key::new("follower.nodelay", System, Ignored(NODELAY), Unread, "true",
        "TCP_NODELAY on the followers' quorum sockets."),
    Key::new("leaderConnectDelayDuringRetryMs", Property, Ignored("a leader is tried again after 10 to 40 ms"), Unread, "100",
        "Milliseconds between two tries to reach the leader."),
    Key::new("observerMasterPort", File, Ensemble, Int(i32::MIN, 65_535, |c, v| c.ensemble.observer_master_port = v.max(0)), "0",
        "TCP port on which a follower hosts observers; 0 or less is off."),
    Key::new("observerMaster.sizeLimit", Property, Ensemble,
        Int(0, INT_MAX, |c, v| c.ensemble.observer_master_size_limit = v), "33554432",
        "Bytes of transactions kept in memory for observers; others are read from the log."),
    Key::new("observer.reconnectDelayMs", Property, Ensemble,
        Long(0, i64::MAX, |c, v| c.ensemble.observer_reconnect_delay_ms = v), "0",
        "Milliseconds that an observer waits at most before it connects to the leader, or again to the masters."),
    Key::new("observer.election.DelayMs", Property, Ensemble,
        Int(0, INT_MAX, |c, v| c.ensemble.observer_election_delay_ms = v), "200",
        "Milliseconds that an observer without its leader waits at most before it looks for one."),
    Key::new("syncEnabled", File, Ignored(OBSERVERS), Unread, "true",
        "Whether observers write logs and snapshots."),
    Key::new("observer.syncEnabled", Property, Ignored(OBSERVERS), Unread, "",
        "The same; wins over syncEnabled."),
    Key::new("sslQuorum", File, Ensemble, Switch(|c, v| c.ensemble.ssl_quorum = v), "false",
        "TLS between servers. Not part of this version: a member does not start with it."),
    Key::new("portUnification", File, Later("TLS"), Unread, "false",
        "Whether servers may connect with and without TLS."),
    Key::new("sslQuorumReloadCertFiles", File, Later("TLS"), Unread, "false",
        "Whether changed certificate files are read again."),
    Key::new("quorum.auth.enableSasl", File, Ensemble, Switch(|c, v| c.ensemble.sasl = v), "false",
        "SASL between servers. Not part of this version: a member does not start with it."),
    Key::new("quorum.auth.serverRequireSasl", File, Ensemble,
        Switch(|c, v| c.ensemble.sasl_server_require = v), "false",
        "Whether servers demand SASL of those who connect."),
    Key::new("quorum.auth.learnerRequireSasl", File, Ensemble,
        Switch(|c, v| c.ensemble.sasl_learner_require = v), "false",
        "Whether followers demand SASL of the leader."),
    Key::new("quorum.auth.learner.saslLoginContext", File, Later(SASL), Unread, "QuorumLearner",
        "Section of the login file for the side that connects."),
    Key::new("quorum.auth.server.saslLoginContext", File, Later(SASL), Unread, "QuorumServer",
        "Section of the login file for the side that is connected to."),
    Key::new("quorum.auth.kerberos.servicePrincipal", File, Later("Kerberos"), Unread, "zkquorum/localhost",
        "Service name of the servers."),
    Key::new("kerberos.canonicalizeHostNames", Property, Later("Kerberos"), Unread, "false",
        "Whether host names are looked up backwards."),
];

fn server(config: &mut Config, suffix: &str, value: &str) -> Result<(), Trouble> {
    member_line(config, "server", suffix, value)
}

fn group(config: &mut Config, suffix: &str, value: &str) -> Result<(), Trouble> {
    member_line(config, "group", suffix, value)
}

fn weight(config: &mut Config, suffix: &str, value: &str) -> Result<(), Trouble> {
    member_line(config, "weight", suffix, value)
}

fn member_line(config: &mut Config, what: &str, suffix: &str, value: &str) -> Result<(), Trouble> {
    let added = config.ensemble.members.set(&format!("{what}.{suffix}"), value);
    added.map_err(|error| Trouble::Wrong(error.reason))
}

fn election_algorithm(_: &mut Config, value: &str) -> Result<(), Trouble> {
    match crate::config::numbers::parse_decimal(value) {
        Some(3) => Ok(()),
        Some(_) => Err(Trouble::Wrong("Invalid electionAlg value. Only 3 is supported.".to_owned())),
        None => Err(Trouble::Wrong(format!("For input string: {value:?}"))),
    }
}

fn peer_type(config: &mut Config, value: &str) -> Result<(), Trouble> {
    config.ensemble.observer = Role::parse(value).map_err(|error| Trouble::Wrong(error.0))? == Role::Observer;
    Ok(())
}

fn dynamic_config_file(config: &mut Config, value: &str) -> Result<(), Trouble> {
    config.ensemble.dynamic_config_file = Some(PathBuf::from(value));
    Ok(())
}
