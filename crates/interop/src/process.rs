//! Server processes: an Apache one and ours, with the same settings.

use crate::patience::{PATIENCE, START_PATIENCE};
use crate::profile::{COMMON_PROPERTIES, COMMON_SETTINGS, Profile};
use crate::socket::Socket;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Which program to run.
#[derive(Clone, Debug)]
pub enum Program {
    /// Apache ZooKeeper, with the class path of its jars.
    Apache {
        /// As for `java -cp`.
        classpath: String,
    },
    /// Headkeeper.
    Headkeeper {
        /// The binary.
        binary: PathBuf,
    },
}

/// A running server; killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where clients connect.
    pub address: SocketAddr,
    /// Holds the data directory, the settings and what the server printed.
    pub directory: PathBuf,
}

impl Program {
    /// Starts a server on an empty directory and waits until it answers.
    ///
    /// # Errors
    /// When it cannot be started or does not answer within a minute.
    pub fn start(&self, profile: &Profile, port: u16, directory: &Path) -> io::Result<Server> {
        let _ = std::fs::remove_dir_all(directory);
        self.resume(profile, port, directory)
    }

    /// Starts a server on a directory that may hold data.
    ///
    /// # Errors
    /// As for [`Program::start`].
    pub fn resume(&self, profile: &Profile, port: u16, directory: &Path) -> io::Result<Server> {
        let mut server = self.launch(profile, port, directory, "")?;
        server.wait_ready()?;
        Ok(server)
    }

    /// Starts a server of an ensemble on an empty directory; it answers once it has a leader. `members` are lines of zoo.cfg.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_member(
        &self,
        profile: &Profile,
        port: u16,
        directory: &Path,
        id: i64,
        members: &str,
    ) -> io::Result<Server> {
        let _ = std::fs::remove_dir_all(directory);
        self.resume_member(profile, port, directory, id, members)
    }

    /// Starts a server of an ensemble on a directory that may hold data.
    ///
    /// # Errors
    /// As for [`Program::start_member`].
    pub fn resume_member(
        &self,
        profile: &Profile,
        port: u16,
        directory: &Path,
        id: i64,
        members: &str,
    ) -> io::Result<Server> {
        std::fs::create_dir_all(directory.join("data"))?;
        std::fs::write(directory.join("data/myid"), format!("{id}\n"))?;
        self.launch(profile, port, directory, members)
    }

    fn launch(&self, profile: &Profile, port: u16, directory: &Path, more: &str) -> io::Result<Server> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if Socket::open(address).is_ok() {
            return Err(io::Error::other(format!(
                "somebody listens on {address} already: choose another --port"
            )));
        }
        std::fs::create_dir_all(directory.join("data"))?;
        let configuration = directory.join("zoo.cfg");
        std::fs::write(&configuration, configuration_text(profile, port, directory) + more)?;
        let output = std::fs::File::options().create(true).append(true).open(directory.join("output"))?;
        let mut command = self.command(profile, &configuration);
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.current_dir(directory).spawn()?;
        Ok(Server { child, address, directory: directory.to_owned() })
    }

    fn command(&self, profile: &Profile, configuration: &Path) -> Command {
        let properties = COMMON_PROPERTIES.iter().chain(profile.properties);
        let flags: Vec<String> = properties.map(|(name, value)| format!("-D{name}={value}")).collect();
        match self {
            Program::Apache { classpath } => {
                let mut java = Command::new("java");
                java.args([
                    "-Xmx1g",
                    "-XX:+UseSerialGC",
                    "-XX:TieredStopAtLevel=1",
                    "-Dorg.slf4j.simpleLogger.defaultLogLevel=off",
                ])
                // The digest of a path depends on it.
                .arg("-Dfile.encoding=UTF-8")
                .args(flags)
                .args(["-cp", classpath, "org.apache.zookeeper.server.quorum.QuorumPeerMain"])
                .arg(configuration);
                java
            }
            Program::Headkeeper { binary } => {
                let mut ours = Command::new(binary);
                ours.arg("serve").arg(configuration).env("SERVER_JVMFLAGS", flags.join(" "));
                ours
            }
        }
    }
}

fn configuration_text(profile: &Profile, port: u16, directory: &Path) -> String {
    let mut text =
        format!("dataDir={}/data\nclientPort={port}\nclientPortAddress=127.0.0.1\n", directory.display());
    for (key, value) in COMMON_SETTINGS.iter().chain(profile.settings) {
        text.push_str(&format!("{key}={value}\n"));
    }
    text
}

impl Server {
    /// Waits until `srvr` answers so.
    ///
    /// # Errors
    /// When the process ends, or a minute is not enough.
    pub fn wait_for(&mut self, expected: impl Fn(&str) -> bool) -> io::Result<()> {
        let deadline = Instant::now() + START_PATIENCE;
        let mut last = String::new();
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("the server ended ({status}): {}", self.tail())));
            }
            if let Ok(mut socket) = Socket::open(self.address) {
                socket.send(b"srvr");
                let answer = socket.text(PATIENCE).unwrap_or_default();
                last = String::from_utf8_lossy(&answer).into_owned();
                if expected(&last) {
                    return Ok(());
                }
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(io::Error::other(format!("{} does not answer as it should, but: {last}", self.address)))
    }

    fn wait_ready(&mut self) -> io::Result<()> {
        // The only word that no whitelist takes away.
        self.wait_for(|answer| answer.contains("\nMode: "))
    }

    /// Ends it, with SIGTERM if it is asked and otherwise as a crash of the process would, and gives back its directory.
    ///
    /// # Errors
    /// When it was asked and does not end.
    pub fn end(mut self, asked: bool) -> io::Result<PathBuf> {
        if asked {
            Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
            let deadline = Instant::now() + START_PATIENCE;
            while self.child.try_wait()?.is_none() {
                if Instant::now() > deadline {
                    return Err(io::Error::other(format!("{} does not end on SIGTERM", self.address)));
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        Ok(std::mem::take(&mut self.directory))
    }

    /// Ends it as a crash of the process would.
    pub fn kill(&mut self) {
        // It has ended already if this fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The last lines it printed.
    pub fn tail(&self) -> String {
        let output = std::fs::read(self.directory.join("output")).unwrap_or_default();
        let start = output.len().saturating_sub(3000);
        String::from_utf8_lossy(&output[start..]).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
