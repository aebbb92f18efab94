//! Server lines, and what a member of an ensemble needs.

use super::*;

#[test]
fn one_server_line_is_a_standalone_server() {
    let (config, notice) = noticed("server.1=localhost:2888:3888;2181");
    assert_eq!(notice, "ERROR Invalid configuration, only one server specified (ignoring)");
    assert_eq!(config.ensemble.members.voters().count(), 1);
}

#[test]
fn several_servers_make_a_member() {
    let two = "server.1=a:1:2\nserver.2=b:1:2";
    assert_eq!(wrong(two), "zoo.cfg: initLimit is not set");
    assert_eq!(wrong(&format!("{two}\ninitLimit=5")), "zoo.cfg: syncLimit is not set");
    let limits = "initLimit=5\nsyncLimit=2";
    assert!(quiet(&format!("{two}\n{limits}")).is_member());
    assert!(quiet(&format!("server.1=a:1:2\nstandaloneEnabled=false\n{limits}")).is_member());
    assert!(!quiet("").is_member());
    assert!(wrong("server.1=a:1").contains("server.1=a:1: a:1 does not have the form server_config"));
    assert!(wrong("server.x=a:1:2").contains("For input string: \"x\""));
    assert!(
        wrong("server.1=a:1:2:observer").contains("Observers w/o participants is an invalid configuration")
    );
    let text = "server.1=a:1:2\nserver.2=b:1:2:observer";
    assert!(wrong(text).contains("Observers w/o quorum is an invalid configuration"));
    let text = "standaloneEnabled=false then number of participants should be >0";
    assert!(wrong("standaloneEnabled=false").replace(" = ", "=").contains(text));
    let text = wrong("server.1=a:1:2|b:3:4\nserver.2=c:1:2");
    assert!(
        text.contains(
            "Multiple address feature is disabled, but multiple addresses were specified for sid 1"
        )
    );
}

/// With groups every voter is in one; a list without one of them is refused here, and not found out later.
#[test]
fn every_participant_is_in_a_group() {
    let members =
        "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\nserver.4=d:1:2:observer\ninitLimit=5\nsyncLimit=2";
    let text = wrong(&format!("{members}\ngroup.1=1:2"));
    assert_eq!(
        text,
        "zoo.cfg: server.3=c:1:2:participant: every participant must be in a group \
         (allowed: a server that one of the group.G lines names)"
    );
    let config = quiet(&format!("{members}\ngroup.1=1:2\ngroup.2=3\nweight.3=2"));
    assert_eq!(config.ensemble.members.weights[&zab::ServerId(3)], 2);
}

/// A member must know which of the servers it is.
#[test]
fn a_member_has_a_number_of_its_own() {
    let member = |my_id, more: &str| {
        let text = format!("server.1=a:1:2\nserver.2=b:1:2\ninitLimit=5\nsyncLimit=2\n{more}");
        let mut config = quiet(&text);
        config.ensemble.my_id = my_id;
        config.check_member().map_err(|error| error.to_string())
    };
    assert_eq!(member(Some(2), ""), Ok(()));
    assert!(member(None, "").expect_err("no myid").contains("myid file is missing"));
    assert!(member(Some(3), "").expect_err("nobody's number").contains("My id 3 not in the peer list"));
    assert!(member(Some(256), "").expect_err("no byte").contains("0 to 255"));
    let text = member(Some(255), "extendedTypesEnabled=true").expect_err("the mark of TTL nodes");
    assert!(text.contains("0 to 254"), "{text}");
}

#[test]
fn peer_types_and_sasl_flags_are_checked() {
    assert!(quiet("peerType=Observer").ensemble.observer);
    assert!(wrong("peerType=foo").contains("Unrecognised peertype: foo"));
    let server = "quorum.auth.serverRequireSasl=true";
    assert!(
        wrong(server)
            .contains("quorum.auth.enableSasl is disabled, so cannot enable quorum.auth.serverRequireSasl")
    );
    assert!(wrong(&format!("quorum.auth.enableSasl=true\n{server}")).contains(
        "quorum.auth.learnerRequireSasl is disabled, so cannot enable quorum.auth.serverRequireSasl"
    ));
}

#[test]
fn members_do_not_start_without_the_protection_they_should_have() {
    let ensemble = "initLimit=5\nsyncLimit=2\nserver.1=a:1:2\nserver.2=b:1:2";
    for key in ["sslQuorum", "quorum.auth.enableSasl"] {
        let text = wrong(&format!("{ensemble}\n{key}=true"));
        assert!(
            text.contains(&format!(", line 8: {key}=true: ")) && text.contains("is not part of this version"),
            "{text}"
        );
        quiet(&format!("{ensemble}\n{key}=false"));
        quiet(&format!("{key}=true"));
    }
    let reconfig = noticed(&format!("{ensemble}\nreconfigEnabled=true")).1;
    assert!(
        reconfig.contains("reconfigEnabled=true: reconfiguration of an ensemble is not part of"),
        "{reconfig}"
    );
    assert!(noticed("portUnification=true").1.contains("no effect, TLS is not part of this version"));
}

#[test]
fn a_dynamic_file_takes_the_member_lines() {
    let text = wrong("dynamicConfigFile=/d\nserver.1=a:1:2");
    assert!(text.contains("parameter: server.1 must be in a separate dynamic config file"), "{text}");
    let config = quiet("dynamicConfigFile=/d");
    let dynamic = |text: &str| config.clone().with_dynamic("/d", text, &mut Vec::new());
    assert_eq!(dynamic("server.1=a:1:2;2181").unwrap().ensemble.members.voters().count(), 1);
    assert_eq!(dynamic("").unwrap().ensemble.members.voters().count(), 0);
    let text = dynamic("server.1=a:1:2\ntickTime=5").unwrap_err().to_string();
    assert!(text.starts_with("/d, line 2: tickTime=5: Unrecognised parameter: tickTime"), "{text}");
    assert!(
        dynamic("version=5").unwrap_err().to_string().contains("dynamic file shouldn't have version inside")
    );
}

#[test]
fn the_client_port_may_stand_in_the_servers_own_line() {
    let text = "dataDir=/zk\nserver.1=localhost:2888:3888;2181\n";
    let adopt = |text: &str, my_id: Option<&str>| {
        let (config, _) = Config::parse("zoo.cfg", text, &[]).unwrap();
        let mut notices = Vec::new();
        config.with_my_id(my_id, &mut notices).map(|config| (config, notices.len()))
    };
    let (config, notices) = adopt(text, Some("1\n")).unwrap();
    assert_eq!((config.listen.client_port, notices), (Some(2181), 0));
    assert_eq!(config.listen.client_port_address.as_deref(), Some("0.0.0.0"));
    let (config, notices) = adopt(text, None).unwrap();
    assert_eq!((config.listen.client_port, notices), (Some(2181), 1), "a missing myid is worth a warning");
    let (config, notices) = adopt(text, Some("2")).unwrap();
    assert_eq!((config.listen.client_port, notices), (None, 1), "another server's line");
    assert_eq!(adopt(text, Some(" 1 \r\n")).unwrap().0.ensemble.my_id, Some(1));
    assert!(adopt(text, Some("one")).unwrap_err().to_string().contains("serverid one is not a number"));
    assert!(adopt(text, Some("")).is_err());
    assert!(adopt(&format!("{text}clientPort=2181"), Some("1")).is_ok());
    let error = adopt(&format!("{text}clientPort=2182"), Some("1")).unwrap_err().to_string();
    assert_eq!(
        error,
        "zoo.cfg: client address for this server (id = 1) in static config file is 0.0.0.0:2182 is different from client \
         address found in dynamic file: 0.0.0.0:2181"
    );
}
