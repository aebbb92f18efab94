//! From the disk: the configuration file and what lies around it (reference: operations §2.2, §2.5, §9;
//! storage-formats §1). The only part of the configuration that touches files.

use super::checks;
use super::error::{ConfigError, Notice};
use super::numbers::parse_decimal;
use super::properties;
use super::table;
use super::{Config, Origin, VERSION_DIR};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::net::{Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use zab::{Address, ServerId};

/// Reads the configuration file, the dynamic file it may name, and `myid`.
///
/// # Errors
/// What [`Config::parse`] refuses, or a file that is missing or cannot be read.
pub fn load(path: &Path, flags: &[(String, String)]) -> Result<(Config, Vec<Notice>), ConfigError> {
    let file = path.display().to_string();
    let mut notices = vec![Notice::info(format!("Reading configuration from: {file}"))];
    if path.is_relative() && !path.starts_with("./") {
        notices.push(Notice::warn(format!("{file} is relative. Prepend ./ to indicate that you're sure!")));
    }
    let text = read_text(&file, path, &mut notices)?;
    let (mut config, more) = Config::parse(&file, &text, flags)?;
    notices.extend(more);
    if let Some(dynamic) = config.ensemble.dynamic_config_file.clone() {
        let name = dynamic.display().to_string();
        let text = read_text(&name, &dynamic, &mut notices)?;
        config = config.with_dynamic(&name, &text, &mut notices)?;
    }
    let my_id = match read_bounded(&config.data_dir.join("myid"), 64) {
        Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Err(_) => None,
    };
    let config = config.with_my_id(my_id.as_deref(), &mut notices)?;
    // Apache resolves the name here too. The line is that of the last writing, which is the one that counts.
    config.client_address().map_err(|error| {
        let entries = properties::entries(&text).unwrap_or_default();
        let written = entries.iter().rfind(|entry| entry.name == "clientPortAddress");
        ConfigError { origin: written.map(|entry| Origin::Line(entry.line)), ..error }
    })?;
    Ok((config, notices))
}

fn read_text(file: &str, path: &Path, notices: &mut Vec<Notice>) -> Result<String, ConfigError> {
    let bytes = read_bounded(path, properties::TEXT_BYTES_MAX + 1).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ConfigError::whole(file, format!("{file} file is missing")),
        _ => ConfigError::whole(file, format!("Error processing {file}: {error}")),
    })?;
    let (text, notice) = properties::decode(&bytes);
    notices.extend(notice.map(|notice| Notice { text: format!("{file}: {}", notice.text), ..notice }));
    Ok(text)
}

fn read_bounded(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl Config {
    /// Adds the member lines of a dynamic file, and judges them.
    ///
    /// # Errors
    /// Any other key, or members that do not make a server this version can be.
    pub fn with_dynamic(
        mut self,
        file: &str,
        text: &str,
        notices: &mut Vec<Notice>,
    ) -> Result<Config, ConfigError> {
        let entries = properties::entries(text)
            .map_err(|malformed| ConfigError::at_line(file, malformed.line, malformed.message))?;
        for entry in entries {
            let members = &mut self.ensemble.members;
            let (name, value) = (entry.name.as_str(), entry.value.as_str());
            let added = match name.split_once('.') {
                Some(("server" | "group" | "weight", _)) => {
                    members.set(name, value).map_err(|error| error.reason)
                }
                _ if name == "version" => Err("dynamic file shouldn't have version inside".to_owned()),
                _ => Err(format!("Unrecognised parameter: {name}")),
            };
            added.map_err(|message| ConfigError {
                origin: Some(Origin::Line(entry.line)),
                key: Some(name.into()),
                value: Some(value.into()),
                allowed: table::find(name).map(|(key, _)| key.allowed()).unwrap_or_default().into(),
                ..ConfigError::whole(file, message)
            })?;
        }
        checks::check_members(&self, notices)?;
        Ok(self)
    }

    /// Takes the text of `myid`, and the client address the server's own member line may name.
    ///
    /// # Errors
    /// A first line that is not a number, or a client address that differs from the one in the file.
    pub fn with_my_id(
        mut self,
        text: Option<&str>,
        notices: &mut Vec<Notice>,
    ) -> Result<Config, ConfigError> {
        if let Some(text) = text {
            let line = text.split(['\n', '\r']).next().unwrap_or_default();
            let number = parse_decimal(line.trim());
            let wrong = || ConfigError {
                allowed: "an integer on the first line".into(),
                ..ConfigError::whole(
                    &self.data_dir.join("myid").display().to_string(),
                    format!("serverid {line} is not a number"),
                )
            };
            self.ensemble.my_id = Some(number.ok_or_else(wrong)?);
            if line.trim() != line {
                notices.push(Notice::warn("myid: blanks around the number; Apache ZooKeeper refuses them"));
            }
        }
        self.adopt_client_addresses(notices)?;
        if self.listen.client_port.is_none() {
            notices.push(Notice::warn("no clientPort is configured: no client can connect"));
        }
        Ok(self)
    }

    /// Where the client port is bound; `None` is no client port. The wildcard is `[::]`, which takes IPv4 as well, as
    /// Java's does. Asks the resolver if the address is a name.
    ///
    /// # Errors
    /// A name that cannot be resolved.
    pub fn client_address(&self) -> Result<Option<SocketAddr>, ConfigError> {
        let Some(port) = self.listen.client_port else { return Ok(None) };
        let host = match self.listen.client_port_address.as_deref() {
            None | Some("0.0.0.0" | "::") => return Ok(Some((Ipv6Addr::UNSPECIFIED, port).into())),
            Some(host) => host.trim_start_matches('[').trim_end_matches(']'),
        };
        let unknown = |reason: String| ConfigError {
            key: Some("clientPortAddress".into()),
            value: Some(host.into()),
            allowed:
                "an address of this machine, or a name that resolves to one; without the key every address"
                    .into(),
            ..ConfigError::whole(&self.file, format!("unknown host: {reason}"))
        };
        let mut found = (host, port).to_socket_addrs().map_err(|error| unknown(error.to_string()))?;
        found.next().map(Some).ok_or_else(|| unknown("no address".to_owned()))
    }

    fn adopt_client_addresses(&mut self, notices: &mut Vec<Notice>) -> Result<(), ConfigError> {
        let servers = &self.ensemble.members.members;
        let own = match self.ensemble.my_id {
            Some(id) => servers.get_key_value(&ServerId(id)),
            // Without myid Apache opens no port here. With a single line there is no doubt whose it is.
            None if servers.len() == 1 && self.listen.client_port.is_none() => {
                notices.push(Notice::warn(
                    "myid file is missing: the only server line is taken for this server's",
                ));
                servers.iter().next()
            }
            None => None,
        };
        let Some((id, member)) = own else { return Ok(()) };
        let (id, client, secure) = (*id, member.client.clone(), member.secure_client.clone());
        let listen = &mut self.listen;
        let plain = ("client address", client, &mut listen.client_port, &mut listen.client_port_address);
        let tls = (
            "secure client address",
            secure,
            &mut listen.secure_client_port,
            &mut listen.secure_client_port_address,
        );
        for (what, theirs, port, address) in [plain, tls] {
            let Some(theirs) = theirs else { continue };
            if let Some(ours) = port.map(|port| Address { host: wildcard(address.as_deref()), port })
                && !agree(&ours, &theirs)
            {
                let text = format!(
                    "{what} for this server (id = {id}) in static config file is {ours} is different from {what} found \
                     in dynamic file: {theirs}"
                );
                return Err(ConfigError::whole(&self.file, text));
            }
            *port = Some(theirs.port);
            *address = Some(theirs.host);
        }
        if self.listen.secure_client_port.is_some() {
            return Err(ConfigError {
                key: Some(format!("server.{id}").into()),
                value: servers.get(&id).map(|member| member.text(true).into()),
                ..ConfigError::whole(&self.file, checks::NO_TLS)
            });
        }
        Ok(())
    }
}

fn wildcard(address: Option<&str>) -> String {
    address.unwrap_or("0.0.0.0").to_owned()
}

/// A wildcard agrees with any host; otherwise both must be the same.
fn agree(ours: &Address, theirs: &Address) -> bool {
    let any = ours.host == "0.0.0.0" || ours.host == "::";
    let plain = |host: &str| {
        if host.eq_ignore_ascii_case("localhost") { "127.0.0.1".into() } else { host.to_lowercase() }
    };
    ours.port == theirs.port && (any || plain(&ours.host) == plain(&theirs.host))
}

/// Why the data directories cannot be used: exit code [`DirectoryError::EXIT_CODE`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DirectoryError(pub String);

impl DirectoryError {
    /// What the process ends with (reference: operations §9).
    pub const EXIT_CODE: i32 = 3;
}

impl fmt::Display for DirectoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DirectoryError {}

/// Makes and checks the two `version-2` directories.
///
/// # Errors
/// They are missing and must not or cannot be made, cannot be written, or one holds the other's files.
pub fn prepare_directories(config: &Config) -> Result<(), DirectoryError> {
    let (log, snap) = (config.log_version_dir(), config.snap_version_dir());
    refuse_version_dir(&config.data_dir)?;
    let autocreate = config.storage.datadir_autocreate;
    prepare(&log, "data", autocreate)?;
    prepare(&snap, "snap", autocreate)?;
    if log != snap {
        let hint = "Check if dataLogDir and dataDir configuration is correct.";
        refuse_files(&log, "snapshot.", &format!("Log directory has snapshot files. {hint}"))?;
        refuse_files(&snap, "log.", &format!("Snapshot directory has log files. {hint}"))?;
    }
    Ok(())
}

fn prepare(directory: &PathBuf, what: &str, autocreate: bool) -> Result<(), DirectoryError> {
    let shown = directory.display();
    if !directory.exists() {
        if !autocreate {
            return Err(DirectoryError(format!(
                "Missing {what} directory {shown}, automatic data directory creation is disabled \
                 (zookeeper.datadir.autocreate is false). Please create this directory manually."
            )));
        }
        fs::create_dir_all(directory).map_err(|error| {
            DirectoryError(format!("Unable to create {what} directory {shown}: {error}. {ADVICE}"))
        })?;
    }
    // Permission bits say little about who may write; trying says it all.
    let trial = directory.join(".writable");
    let tried = File::create(&trial).and_then(|_| fs::remove_file(&trial));
    tried.map_err(|error| {
        DirectoryError(format!("Cannot write to {what} directory {shown}: {error}. {ADVICE}"))
    })
}

const ADVICE: &str = "Choose another dataDir or dataLogDir, or let the user that runs the server write there";

/// A `dataDir` that names `version-2` itself would start an empty server beside the data.
fn refuse_version_dir(data: &Path) -> Result<(), DirectoryError> {
    if data.join(VERSION_DIR).exists() {
        return Ok(());
    }
    let Ok(entries) = fs::read_dir(data) else { return Ok(()) };
    let is_snapshot = |name: &str| {
        let zxid = name.strip_prefix("snapshot.").map(|rest| rest.split('.').next().unwrap_or_default());
        zxid.is_some_and(|zxid| u64::from_str_radix(zxid, 16).is_ok())
    };
    match entries.flatten().find(|entry| is_snapshot(&entry.file_name().to_string_lossy())) {
        Some(found) => Err(DirectoryError(format!(
            "{} is in dataDir itself, where {VERSION_DIR} with the data should be: set dataDir to the directory above, or \
             move the files of an old data directory into {VERSION_DIR}",
            found.path().display()
        ))),
        None => Ok(()),
    }
}

fn refuse_files(directory: &Path, prefix: &str, message: &str) -> Result<(), DirectoryError> {
    let entries = fs::read_dir(directory)
        .map_err(|error| DirectoryError(format!("Cannot read directory {}: {error}", directory.display())))?;
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            let shown = entry.path().display().to_string();
            return Err(DirectoryError(format!("{message} ({shown})")));
        }
    }
    Ok(())
}
