//! What must fit together, in Apache's order, so that the same mistake gives the same first message
//! (reference: operations §2.4).

use super::Config;
use super::error::{ConfigError, Notice};
use super::sources::Setting;
use zab::{EnsembleError, ServerId};

/// Looks at the whole configuration and repairs what Apache repairs.
pub fn check(
    config: &mut Config,
    settings: &[Setting],
    notices: &mut Vec<Notice>,
) -> Result<(), ConfigError> {
    let checker = Checker { file: config.file.clone(), settings };
    checker.quorum_sasl(config)?;
    checker.repairs(config, notices);
    checker.places(config)?;
    checker.sessions(config)?;
    checker.static_members()?;
    if config.ensemble.dynamic_config_file.is_none() {
        checker.members(config, notices)?;
    }
    checker.authentication(config)?;
    checker.risks(config, notices);
    Ok(())
}

/// The part about `server.N`, `group.G` and `weight.N`, for lists that come from a file of their own.
pub fn check_members(config: &Config, notices: &mut Vec<Notice>) -> Result<(), ConfigError> {
    Checker { file: config.file.clone(), settings: &[] }.members(config, notices)
}

/// About any port for TLS clients.
pub const NO_TLS: &str = "TLS is not part of this version: remove this port and let clients connect to clientPort in clear \
                          text, or put a TLS proxy in front of it";

struct Checker<'a> {
    file: String,
    settings: &'a [Setting],
}

impl Checker<'_> {
    /// An error about a key if it was written, about the file if not. What one may write in general is no help here.
    fn error(&self, key: &str, message: impl Into<String>) -> ConfigError {
        match self.settings.iter().find(|setting| setting.key.name == key) {
            Some(setting) => ConfigError { allowed: Box::default(), ..setting.error(&self.file, message) },
            None => ConfigError::whole(&self.file, message),
        }
    }

    fn doubt(&self, key: &str, text: &str) -> Option<Notice> {
        let setting = self.settings.iter().find(|setting| setting.key.name == key)?;
        Some(setting.remark(&self.file, text))
    }

    fn quorum_sasl(&self, config: &Config) -> Result<(), ConfigError> {
        let ensemble = &config.ensemble;
        let (server, learner) = ("quorum.auth.serverRequireSasl", "quorum.auth.learnerRequireSasl");
        let switch = "quorum.auth.enableSasl";
        for (key, on) in [(server, ensemble.sasl_server_require), (learner, ensemble.sasl_learner_require)] {
            if on && !ensemble.sasl {
                return Err(self.error(key, format!("{switch} is disabled, so cannot enable {key}")));
            }
        }
        if ensemble.sasl_server_require && !ensemble.sasl_learner_require {
            return Err(self.error(server, format!("{learner} is disabled, so cannot enable {server}")));
        }
        Ok(())
    }

    fn repairs(&self, config: &mut Config, notices: &mut Vec<Notice>) {
        let retain = &mut config.operations.snap_retain_count;
        if *retain < 3 {
            let text = format!("Invalid autopurge.snapRetainCount: {retain}. Defaulting to 3");
            notices.extend(self.doubt("autopurge.snapRetainCount", &text));
            *retain = 3;
        }
        let snap_count = &mut config.storage.snap_count;
        if *snap_count < 2 {
            *snap_count = 2;
            notices.extend(
                self.doubt("snapCount", "SnapCount should be 2 or more. Now, snapCount is reset to 2"),
            );
        }
        config.storage.commit_log_count = config.storage.commit_log_count.max(500);
    }

    fn places(&self, config: &mut Config) -> Result<(), ConfigError> {
        if config.data_dir.as_os_str().is_empty() {
            return Err(self.error("dataDir", "dataDir is not set"));
        }
        if config.data_log_dir.as_ref().is_some_and(|dir| dir.as_os_str().is_empty()) {
            config.data_log_dir = None;
        }
        let listen = &mut config.listen;
        for address in [&mut listen.client_port_address, &mut listen.secure_client_port_address] {
            *address = address.take().filter(|text| !text.is_empty());
        }
        if listen.client_port.is_none() && listen.client_port_address.is_some() {
            return Err(self.error("clientPortAddress", "clientPortAddress is set but clientPort is not set"));
        }
        if listen.secure_client_port.is_none() && listen.secure_client_port_address.is_some() {
            let text = "secureClientPortAddress is set but secureClientPort is not set";
            return Err(self.error("secureClientPortAddress", text));
        }
        if listen.secure_client_port.is_some() {
            // A port that is configured and stays closed would only be noticed by the clients.
            return Err(self.error("secureClientPort", NO_TLS));
        }
        Ok(())
    }

    fn sessions(&self, config: &Config) -> Result<(), ConfigError> {
        let sessions = &config.sessions;
        if sessions.tick_time_ms == 0 {
            return Err(ConfigError {
                allowed: "an integer from 1 to 2147483647".into(),
                ..self.error("tickTime", "tickTime is not set")
            });
        }
        for (key, value) in
            [("minSessionTimeout", sessions.min_ms()), ("maxSessionTimeout", sessions.max_ms())]
        {
            if value < 0 {
                let allowed = "an integer from -1 to 2147483647".into();
                return Err(ConfigError { allowed, ..self.error(key, "out of range") });
            }
        }
        if sessions.min_ms() > sessions.max_ms() {
            let key = if sessions.min_timeout_ms == -1 { "maxSessionTimeout" } else { "minSessionTimeout" };
            let allowed = format!("{} to {} ms as it stands", sessions.min_ms(), sessions.max_ms()).into();
            let text = "minSessionTimeout must not be larger than maxSessionTimeout";
            return Err(ConfigError { allowed, ..self.error(key, text) });
        }
        Ok(())
    }

    /// With a dynamic file the member lines must stand there.
    fn static_members(&self) -> Result<(), ConfigError> {
        let dynamic = self.settings.iter().any(|setting| setting.key.name == "dynamicConfigFile");
        match self.settings.iter().find(|setting| dynamic && is_member_line(&setting.written)) {
            Some(setting) => {
                let text =
                    format!("parameter: {} must be in a separate dynamic config file", setting.written);
                Err(ConfigError { allowed: Box::default(), ..setting.error(&self.file, text) })
            }
            None => Ok(()),
        }
    }

    /// Apache's rules for member lists.
    fn members(&self, config: &Config, notices: &mut Vec<Notice>) -> Result<(), ConfigError> {
        let ensemble = &config.ensemble;
        let members = &ensemble.members;
        if !ensemble.multi_address
            && let Some((id, _)) = members.members.iter().find(|(_, member)| member.quorum.len() > 1)
        {
            let text = format!(
                "Multiple address feature is disabled, but multiple addresses were specified for sid {id}"
            );
            return Err(self.error("server.*", text));
        }
        let (participants, observers) = (members.voters().count(), members.observer_count());
        if let Err(EnsembleError { key, reason }) = members.check() {
            let named = |id: &ServerId| key == format!("server.{id}");
            let line = members.members.iter().find(|(id, _)| named(id)).map(|(_, spec)| spec.text(true));
            return Err(ConfigError {
                value: line.map(Into::into),
                key: Some(key.into()),
                allowed: "a server that one of the group.G lines names".into(),
                ..ConfigError::whole(&self.file, reason)
            });
        }
        let whole = |text: &str| Err(ConfigError::whole(&self.file, text));
        if participants == 0 && observers > 0 {
            return whole("Observers w/o participants is an invalid configuration");
        }
        if participants == 1 && ensemble.standalone_enabled {
            notices.push(Notice::error("Invalid configuration, only one server specified (ignoring)"));
            if observers > 0 {
                return whole("Observers w/o quorum is an invalid configuration");
            }
            return Ok(());
        }
        if !ensemble.standalone_enabled && participants == 0 {
            return whole("standaloneEnabled = false then number of participants should be >0");
        }
        if participants == 0 {
            return Ok(());
        }
        for (key, value) in [("initLimit", ensemble.init_limit), ("syncLimit", ensemble.sync_limit)] {
            if value == 0 {
                return Err(self.error(key, format!("{key} is not set")));
            }
        }
        if ensemble.reconfig_enabled {
            let text = "reconfiguration of an ensemble is not part of this version: clients that ask for it are refused";
            notices.extend(self.doubt("reconfigEnabled", text));
        }
        self.protection(config)
    }

    /// Who wants the traffic between servers protected must not get it unprotected.
    fn protection(&self, config: &Config) -> Result<(), ConfigError> {
        let ensemble = &config.ensemble;
        for (key, on, what) in
            [("sslQuorum", ensemble.ssl_quorum, "TLS"), ("quorum.auth.enableSasl", ensemble.sasl, "SASL")]
        {
            if on {
                let text = format!(
                    "{what} between servers is not part of this version, and the other servers would refuse this one or be \
                     refused: remove {key} on all servers, and keep their ports on a network of their own"
                );
                return Err(self.error(key, text));
            }
        }
        Ok(())
    }

    fn authentication(&self, config: &Config) -> Result<(), ConfigError> {
        let auth = &config.auth;
        let unavailable = |key: &str, scheme: &str| {
            Err(self.error(key, format!("Authentication scheme {scheme} is not available.")))
        };
        if auth.require_sasl {
            return unavailable("sessionRequireClientSASLAuth", "sasl");
        }
        if !auth.enforce_enabled {
            return Ok(());
        }
        if auth.enforce_schemes.is_empty() {
            let text =
                "zookeeper.enforce.auth.enabled is true zookeeper.enforce.auth.schemes must be  configured.";
            return Err(self.error("enforce.auth.enabled", text));
        }
        for scheme in &auth.enforce_schemes {
            if scheme != "ip" && !(scheme == "digest" && auth.digest_enabled) {
                return unavailable("enforce.auth.schemes", scheme);
            }
        }
        Ok(())
    }

    /// What is allowed, and what an operator should read aloud once.
    fn risks(&self, config: &Config, notices: &mut Vec<Notice>) {
        if config.tree.skip_acl {
            notices.extend(self.doubt("skipACL", "ACL checks are off: any client may do anything"));
        }
        if !config.storage.force_sync {
            let text = "writes are acknowledged before they are on disk: a crash of the machine loses them";
            notices.extend(self.doubt("forceSync", text));
        }
        if !self.settings.iter().any(|setting| setting.key.name == "maxCnxns") {
            notices.push(Notice::info("maxCnxns is not configured, using default value 0."));
        }
        let open = config.listen.client_port.is_some()
            && !config.listen.client_port_address.as_deref().is_some_and(is_loopback);
        if config.auth.super_digest.is_some() && open {
            let text = "the superuser's password crosses the network in clear text";
            notices.extend(self.doubt("DigestAuthenticationProvider.superDigest", text));
        }
    }
}

/// Whether a name belongs into the dynamic file when there is one.
pub fn is_member_line(name: &str) -> bool {
    name.starts_with("server.") || name.starts_with("group") || name.starts_with("weight")
}

fn is_loopback(address: &str) -> bool {
    address == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
