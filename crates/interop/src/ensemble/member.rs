//! One server of an ensemble: its directory, its ports, and the process that runs on them.

use super::Place;
use crate::patience::START_PATIENCE;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Ports of one kind.
pub(super) const PORTS_EACH: u16 = 10;

/// What a server runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Program {
    /// Apache ZooKeeper.
    Apache {
        /// 3.9.5, for example.
        version: String,
        /// As for `java -cp`.
        classpath: String,
    },
    /// Headkeeper.
    Headkeeper {
        /// The binary.
        binary: PathBuf,
    },
}

impl Program {
    /// Is it ours?
    pub fn is_ours(&self) -> bool {
        matches!(self, Program::Headkeeper { .. })
    }

    /// A word for it.
    pub fn name(&self) -> String {
        match self {
            Program::Apache { version, .. } => format!("Apache {version}"),
            Program::Headkeeper { .. } => "ours".to_owned(),
        }
    }

    fn command(&self, place: &Place, configuration: &Path) -> Command {
        match self {
            Program::Apache { classpath, .. } => {
                let mut java = Command::new("java");
                java.args(&place.java_flags)
                    // The digest of a path depends on it.
                    .arg("-Dfile.encoding=UTF-8")
                    .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=info")
                    .args(["-cp", classpath, "org.apache.zookeeper.server.quorum.QuorumPeerMain"])
                    .arg(configuration);
                java
            }
            Program::Headkeeper { binary } => {
                let mut ours = Command::new(binary);
                ours.arg("serve").arg(configuration);
                ours
            }
        }
    }
}

/// A server's part in the ensemble.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// It votes.
    Participant,
    /// It does not.
    Observer,
}

#[derive(Debug)]
pub(super) struct Member {
    place: Place,
    index: usize,
    child: Option<Child>,
}

/// A server's line in everybody's zoo.cfg.
pub(super) fn configuration_line(port: u16, index: usize, role: Role) -> String {
    let port = port + index as u16;
    let (quorum, election) = (port + PORTS_EACH, port + 2 * PORTS_EACH);
    let kind = if role == Role::Observer { ":observer" } else { "" };
    format!("server.{}=127.0.0.1:{quorum}:{election}{kind}", index + 1)
}

impl Member {
    pub(super) fn new(place: &Place, index: usize, role: Role, lines: &[String]) -> Result<Member, String> {
        let member = Member { place: place.clone(), index, child: None };
        member.write(role, lines).map_err(|error| format!("cannot make {}: {error}", member.name()))?;
        Ok(member)
    }

    fn write(&self, role: Role, lines: &[String]) -> std::io::Result<()> {
        let directory = self.directory();
        fs::create_dir_all(self.data())?;
        fs::write(self.data().join("myid"), format!("{}\n", self.index + 1))?;
        let mut text = format!(
            "dataDir={}\nclientPort={}\nclientPortAddress=127.0.0.1\n",
            self.data().display(),
            self.address().port()
        );
        let common = ["admin.enableServer=false", "4lw.commands.whitelist=*", "maxClientCnxns=0"];
        let observer = (role == Role::Observer).then_some("peerType=observer");
        for line in common.iter().chain(&observer) {
            text.push_str(&format!("{line}\n"));
        }
        for line in self.place.settings.iter().chain(lines) {
            text.push_str(&format!("{line}\n"));
        }
        fs::write(directory.join("zoo.cfg"), text)
    }

    fn name(&self) -> String {
        format!("server {}", self.index + 1)
    }

    pub(super) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.place.port + self.index as u16))
    }

    fn directory(&self) -> PathBuf {
        self.place.directory.join((self.index + 1).to_string())
    }

    fn data(&self) -> PathBuf {
        self.directory().join("data")
    }

    pub(super) fn version_directory(&self) -> PathBuf {
        self.data().join("version-2")
    }

    pub(super) fn start(&mut self, program: &Program) -> Result<(), String> {
        assert!(self.child.is_none(), "it runs already");
        let start = || {
            let output = File::options().create(true).append(true).open(self.directory().join("output"))?;
            let mut command = program.command(&self.place, &self.directory().join("zoo.cfg"));
            command.current_dir(self.directory()).stdin(Stdio::null());
            command.stdout(output.try_clone()?).stderr(output).spawn()
        };
        let child = start().map_err(|error| format!("{} does not start: {error}", program.name()))?;
        self.child = Some(child);
        Ok(())
    }

    pub(super) fn process(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    pub(super) fn check_running(&mut self) -> Result<(), String> {
        let Some(child) = &mut self.child else { return Ok(()) };
        match child.try_wait() {
            Ok(None) => Ok(()),
            ended => Err(format!("{} ended: {ended:?}; its last words: {}", self.name(), self.tail())),
        }
    }

    pub(super) fn signal(&self, name: &str) -> Result<(), String> {
        let process = self.process().ok_or_else(|| format!("{} does not run", self.name()))?;
        let status = Command::new("kill").args([format!("-{name}"), process.to_string()]).status();
        match status {
            Ok(status) if status.success() => Ok(()),
            other => Err(format!("cannot send SIG{name} to {}: {other:?}", self.name())),
        }
    }

    pub(super) fn stop(&mut self) -> Result<(), String> {
        self.signal("TERM")?;
        let until = Instant::now() + START_PATIENCE;
        while let Some(child) = &mut self.child
            && Instant::now() < until
        {
            match child.try_wait() {
                Ok(None) => sleep(Duration::from_millis(2)),
                _ => self.child = None,
            }
        }
        if self.child.is_some() {
            return Err(format!("{} does not end on SIGTERM", self.name()));
        }
        Ok(())
    }

    pub(super) fn kill(&mut self) -> Result<(), String> {
        let mut child = self.child.take().ok_or_else(|| format!("{} does not run", self.name()))?;
        let killed = child.kill().and_then(|()| child.wait());
        killed.map(drop).map_err(|error| format!("cannot kill {}: {error}", self.name()))
    }

    pub(super) fn empty(&mut self) -> Result<(), String> {
        assert!(self.child.is_none(), "it must not be running");
        match fs::remove_dir_all(self.version_directory()) {
            Err(error) if self.version_directory().exists() => {
                Err(format!("cannot empty {}: {error}", self.name()))
            }
            _ => Ok(()),
        }
    }

    /// All it has printed.
    pub(super) fn output(&self) -> String {
        let output = fs::read(self.directory().join("output")).unwrap_or_default();
        String::from_utf8_lossy(&output).into_owned()
    }

    fn tail(&self) -> String {
        let output = self.output();
        let lines: Vec<&str> = output.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It has ended already if this fails.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
