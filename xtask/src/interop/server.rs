//! A server process under test: ours or Apache's, with the same zoo.cfg.

use super::Stage;
use crate::apache;
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What serves.
#[derive(Clone)]
pub(crate) enum Program {
    /// This binary of ours.
    Headkeeper(PathBuf),
    /// Apache 3.9.5, whose jars `cargo xtask apache classpath` fetches.
    Apache,
}

/// A standalone server on a free port of 127.0.0.1 with its own data; killed when dropped.
pub(crate) struct Server {
    program: Program,
    /// The client port; the same after a restart.
    pub(crate) port: u16,
    /// Holds `data`, and `output`: what the server printed.
    pub(crate) directory: PathBuf,
    settings: Vec<String>,
    properties: Vec<String>,
    child: Option<Child>,
}

impl Server {
    /// Starts a server with an empty data directory, named `name` within the stage's scratch directory, and waits until it serves.
    ///
    /// `settings` are lines `key=value` of zoo.cfg, beside a tick of two seconds, all four-letter words and no limit of
    /// connections; `properties` are `name=value` for `-D`.
    pub(crate) fn start(stage: &Stage, name: &str, settings: &[&str], properties: &[&str]) -> Result<Server> {
        let owned = |list: &[&str]| list.iter().map(|item| (*item).to_owned()).collect();
        let mut server = Server {
            program: stage.program.clone(),
            port: free_port()?,
            directory: stage.scratch.join(name),
            settings: owned(settings),
            properties: owned(properties),
            child: None,
        };
        let _ = fs::remove_dir_all(&server.directory);
        fs::create_dir_all(server.directory.join("data"))?;
        server.resume()?;
        Ok(server)
    }

    /// Starts it again on its data and its port, after [`Server::stop`] or [`Server::kill`].
    pub(crate) fn resume(&mut self) -> Result<()> {
        let output = File::options().create(true).append(true).open(self.directory.join("output"))?;
        let mut command = self.command()?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        self.child = Some(command.spawn().context("cannot start the server")?);
        self.wait_ready()
    }

    /// As [`Server::resume`], with more lines of zoo.cfg for this run alone.
    pub(crate) fn resume_with(&mut self, settings: &[&str]) -> Result<()> {
        let usual = self.settings.len();
        self.settings.extend(settings.iter().map(|line| (*line).to_owned()));
        let resumed = self.resume();
        self.settings.truncate(usual);
        resumed
    }

    /// As a connect string.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Ends it with SIGTERM, as an operator does.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        crate::workspace::run(Command::new("kill").arg(child.id().to_string()))?;
        child.wait()?;
        Ok(())
    }

    /// Ends it with SIGKILL, as a crash does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn command(&self) -> Result<Command> {
        let data = self.directory.join("data");
        match &self.program {
            Program::Apache => apache::server_command(&apache::Start {
                port: self.port,
                data,
                settings: self.settings.clone(),
                properties: self.properties.clone(),
                java_flags: vec!["-Xmx512m".to_owned(), "-XX:+UseSerialGC".to_owned()],
            }),
            Program::Headkeeper(binary) => {
                let file = self.directory.join("zoo.cfg");
                fs::write(&file, apache::configuration_text(&data, self.port, &self.settings)?)?;
                let mut ours = Command::new(binary);
                ours.arg("serve").arg(&file);
                ours.args(self.properties.iter().map(|property| format!("-D{property}")));
                Ok(ours)
            }
        }
    }

    fn wait_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().transpose()) {
                bail!("the server ended ({}): {}", status?, self.tail());
            }
            if word(self.port, "isro").is_ok_and(|answer| answer == "rw") {
                return Ok(());
            }
            sleep(Duration::from_millis(30));
        }
        bail!("the server does not answer: {}", self.tail())
    }

    /// The last of what it printed.
    pub(crate) fn tail(&self) -> String {
        let output = fs::read(self.directory.join("output")).unwrap_or_default();
        String::from_utf8_lossy(&output[output.len().saturating_sub(3000)..]).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port nobody listens on now.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// The answer to a four-letter word.
fn word(port: u16, word: &str) -> std::io::Result<String> {
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    socket.write_all(word.as_bytes())?;
    socket.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    Ok(answer)
}
