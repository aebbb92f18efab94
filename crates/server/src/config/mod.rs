//! The configuration: what an operator writes, read as Apache ZooKeeper reads it, with clearer complaints.
//!
//! It is a pure function from a text and `-D` flags to a [`Config`], [`Notice`]s for the log, or one [`ConfigError`];
//! only [`load`](mod@load) touches files. Every key Apache knows is one line of [`table`], which says how the value is
//! read, where it goes, what its default is and what it is for; `headkeeper config` and `docs/configuration.md` are
//! printed from it. Sections in comments are those of the operations reference.
//!
//! A start reads: file → [`properties`] → `sources` (which of several writings of a key counts) → the key's
//! [`key::Kind`] and setter → `checks` (what must fit together) → [`Config`].

mod checks;
mod convert;
pub mod document;
mod error;
mod jvm_flags;
pub mod key;
pub mod load;
mod membership;
pub mod numbers;
pub mod properties;
mod settings;
mod sources;
pub mod table;
#[cfg(test)]
mod tests;

pub use error::{ConfigError, Notice, Origin};
pub use jvm_flags::{properties as jvm_properties, property as jvm_property};
pub use settings::{
    Auth, ConnectionThrottle, Ensemble, Listen, Operations, Requests, Sessions, Storage, TreeSettings,
};

use std::path::{Path, PathBuf};

/// Where Apache has kept its files since 3.0, below `dataDir` and `dataLogDir`.
const VERSION_DIR: &str = "version-2";

/// Everything a server was told. All fields have Apache's defaults until somebody sets them.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Config {
    /// The file it comes from as the operator named it; empty without one.
    pub file: String,
    /// Where snapshots are kept, in `version-2` below it.
    pub data_dir: PathBuf,
    /// Where logs are kept, in `version-2` below it; `None` is [`Config::data_dir`]. Use [`Config::log_dir`].
    pub data_log_dir: Option<PathBuf>,
    /// Where clients connect, and how many may.
    pub listen: Listen,
    /// The tick and the bounds of session timeouts.
    pub sessions: Sessions,
    /// Logs and snapshots.
    pub storage: Storage,
    /// What the tree allows and keeps.
    pub tree: TreeSettings,
    /// Limits on requests under way.
    pub requests: Requests,
    /// The token bucket of new sessions.
    pub throttle: ConnectionThrottle,
    /// Who a client is and what it must prove.
    pub auth: Auth,
    /// What an operator sees and runs.
    pub operations: Operations,
    /// What only an ensemble needs.
    pub ensemble: Ensemble,
}

impl Config {
    /// Reads a configuration text. `flags` are `-Dname=value` in order (see [`jvm_properties`]). Never panics.
    ///
    /// # Errors
    /// The first thing that must stop the start, naming file, line, key, value and what is allowed.
    pub fn parse(
        file: &str,
        text: &str,
        flags: &[(String, String)],
    ) -> Result<(Config, Vec<Notice>), ConfigError> {
        let entries = properties::entries(text)
            .map_err(|malformed| ConfigError::at_line(file, malformed.line, malformed.message))?;
        let mut notices = Vec::new();
        let settings = sources::choose(file, &entries, flags, &mut notices);
        let mut config = Config { file: file.to_owned(), ..Config::default() };
        for setting in &settings {
            setting.apply(file, &mut config, &mut notices)?;
        }
        checks::check(&mut config, &settings, &mut notices)?;
        Ok((config, notices))
    }

    /// What a start without arguments runs: this machine only, port 2181, data in `./headkeeper-data`, and since it is
    /// for trying things out, every four-letter word answered and old snapshots purged.
    pub fn default_local() -> Config {
        Config {
            data_dir: PathBuf::from("./headkeeper-data"),
            listen: Listen {
                client_port: Some(2181),
                client_port_address: Some("127.0.0.1".to_owned()),
                ..Listen::default()
            },
            sessions: Sessions { tick_time_ms: 2000, ..Sessions::default() },
            operations: Operations {
                words_whitelist: Some("*".to_owned()),
                purge_interval_ms: 3_600_000,
                ..Operations::default()
            },
            ..Config::default()
        }
    }

    /// The second form of Apache's standalone command line: `port datadir [ticktime] [maxcnxns]` (§2.3).
    ///
    /// # Errors
    /// A number of arguments that fits no form, or a malformed number.
    pub fn from_arguments(
        arguments: &[String],
        flags: &[(String, String)],
    ) -> Result<(Config, Vec<Notice>), ConfigError> {
        let names = ["clientPort", "dataDir", "tickTime", "maxClientCnxns"];
        if !(2..=4).contains(&arguments.len()) {
            return Err(ConfigError::whole("", Config::USAGE));
        }
        let mut notices = Vec::new();
        let mut settings = sources::choose("", &[], flags, &mut notices);
        settings
            .extend(names.iter().zip(arguments).filter_map(|(name, value)| sources::argument(name, value)));
        let mut config = Config::default();
        for setting in &settings {
            setting.apply("", &mut config, &mut notices)?;
        }
        checks::check(&mut config, &settings, &mut notices)?;
        Ok((config, notices))
    }

    /// What Apache prints when the arguments fit no form.
    pub const USAGE: &'static str =
        "Usage: ZooKeeperServerMain configfile | port datadir [ticktime] [maxcnxns]";

    /// The directory the transaction logs' `version-2` is in.
    pub fn log_dir(&self) -> &Path {
        self.data_log_dir.as_deref().unwrap_or(&self.data_dir)
    }

    /// `<dataDir>/version-2`: snapshots and epoch files.
    pub fn snap_version_dir(&self) -> PathBuf {
        self.data_dir.join(VERSION_DIR)
    }

    /// `<dataLogDir>/version-2`: transaction logs.
    pub fn log_version_dir(&self) -> PathBuf {
        self.log_dir().join(VERSION_DIR)
    }
}
