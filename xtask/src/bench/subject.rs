//! The servers that are compared: started with the same zoo.cfg, watched by process id, killed at the end.

use super::machine::cpu_seconds;
use crate::apache;
use anyhow::{Context, Result, bail};
use client::{Connection, Options, four_letter_word};
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use wire::Request;

/// How long a server may take until it serves.
const START_PATIENCE: Duration = Duration::from_secs(120);

/// Which server.
pub(super) enum Program {
    Apache { java_flags: Vec<String> },
    Headkeeper { binary: PathBuf },
}

/// One that runs.
pub(super) struct Server {
    pub(super) program: &'static str,
    pub(super) address: SocketAddr,
    child: Child,
}

/// How long a start took, from the start of the process.
#[derive(Clone, Copy)]
pub(super) struct StartTimes {
    /// `ruok` was answered.
    pub(super) ruok_s: f64,
    /// A client had a session and the answer to a read.
    pub(super) served_s: f64,
    /// CPU time the server has used until then: what counts on a machine that does other things as well.
    pub(super) cpu_s: f64,
}

impl Program {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Program::Apache { .. } => "apache",
            Program::Headkeeper { .. } => "headkeeper",
        }
    }

    /// A server with nothing in it.
    pub(super) fn start_fresh(&self, directory: &Path, port: u16, settings: &[String]) -> Result<Server> {
        if directory.exists() {
            fs::remove_dir_all(directory)?;
        }
        Ok(self.start(directory, port, settings)?.0)
    }

    /// A server with what is in `directory`; returns once it serves.
    pub(super) fn start(
        &self,
        directory: &Path,
        port: u16,
        settings: &[String],
    ) -> Result<(Server, StartTimes)> {
        fs::create_dir_all(directory)?;
        let mut command = self.command(directory, port, settings)?;
        let output = File::create(directory.join("output"))?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let started = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {}", self.name()))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut server = Server { program: self.name(), address, child };
        let times = server.wait(started).with_context(|| directory.join("output").display().to_string())?;
        Ok((server, times))
    }

    fn command(&self, directory: &Path, port: u16, settings: &[String]) -> Result<Command> {
        match self {
            Program::Apache { java_flags } => apache::server_command(&apache::Start {
                port,
                data: directory.to_owned(),
                settings: settings.to_vec(),
                properties: Vec::new(),
                java_flags: java_flags.clone(),
            }),
            Program::Headkeeper { binary } => {
                let data = directory.canonicalize()?;
                let configuration = data.join("zoo.cfg");
                fs::write(&configuration, apache::configuration_text(&data, port, settings)?)?;
                let mut command = Command::new(binary);
                command.arg("serve").arg(configuration);
                Ok(command)
            }
        }
    }
}

impl Server {
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory.
    pub(super) fn rss_bytes(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib * 1024)
    }

    /// Resident memory once it has stopped changing for three seconds, or after half a minute.
    pub(super) fn settled_rss_bytes(&self) -> Result<u64> {
        let mut last = self.rss_bytes()?;
        let mut calm = 0;
        for _ in 0..30 {
            sleep(Duration::from_secs(1));
            let now = self.rss_bytes()?;
            calm = if now.abs_diff(last) < last / 200 { calm + 1 } else { 0 };
            last = now;
            if calm == 3 {
                break;
            }
        }
        Ok(last)
    }

    fn wait(&mut self, started: Instant) -> Result<StartTimes> {
        let mut ruok_s = None;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended: {status}", self.program);
            }
            if started.elapsed() > START_PATIENCE {
                bail!("{} does not serve", self.program);
            }
            if ruok_s.is_none()
                && four_letter_word(self.address, "ruok", Duration::from_secs(1)).is_ok_and(|a| a == "imok")
            {
                ruok_s = Some(started.elapsed().as_secs_f64());
            }
            if let Some(ruok_s) = ruok_s
                && self.serves()
            {
                let served_s = started.elapsed().as_secs_f64();
                return Ok(StartTimes { ruok_s, served_s, cpu_s: cpu_seconds(self.pid())? });
            }
            sleep(Duration::from_millis(5));
        }
    }

    fn serves(&self) -> bool {
        let Ok(mut connection) = Connection::connect_any(&[self.address], &Options::default()) else {
            return false;
        };
        let read = Request::Exists { path: Some("/".into()), watch: false };
        connection.call(&read).is_ok_and(|reply| reply.header.err == 0) && connection.close().is_ok()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGKILL: nothing may be tidied up that a power cut would not tidy.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
