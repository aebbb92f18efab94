//! The server as a process of its own.

use crate::patience::START_PATIENCE;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server process on one data directory, started and killed again and again.
#[derive(Debug)]
pub struct ServerProcess {
    binary: PathBuf,
    config: PathBuf,
    output: PathBuf,
    address: SocketAddr,
    child: Option<Child>,
}

impl ServerProcess {
    /// Writes the configuration, with a free port; `extra` are more lines for it.
    ///
    /// # Errors
    /// When the directory cannot be written or no port is free.
    pub fn prepare(binary: &Path, dir: &Path, extra: &str) -> Result<ServerProcess, String> {
        let text = |e: std::io::Error| format!("cannot prepare {}: {e}", dir.display());
        let address =
            TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).map_err(text)?;
        fs::create_dir_all(dir).map_err(text)?;
        let config = dir.join("zoo.cfg");
        let lines = format!(
            "dataDir={}\nclientPort={}\nclientPortAddress=127.0.0.1\ntickTime=2000\nmaxClientCnxns=0\n4lw.commands.whitelist=*\nadmin.enableServer=false\n{extra}",
            dir.join("data").display(),
            address.port()
        );
        fs::write(&config, lines).map_err(text)?;
        let output = dir.join("server.out");
        Ok(ServerProcess { binary: binary.to_owned(), config, output, address, child: None })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process id while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Starts the process; what it prints goes into a file.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&mut self) -> Result<(), String> {
        let start = || -> std::io::Result<Child> {
            let output = File::options().create(true).append(true).open(&self.output)?;
            Command::new(&self.binary)
                .arg("serve")
                .arg(&self.config)
                .stdin(Stdio::null())
                .stdout(output.try_clone()?)
                .stderr(output)
                .spawn()
        };
        self.child = Some(start().map_err(|e| format!("cannot start {}: {e}", self.binary.display()))?);
        Ok(())
    }

    /// Waits for `imok`.
    ///
    /// # Errors
    /// When the process ends or says nothing for so long; with what it printed last.
    pub fn wait_until_serving(&mut self, patience: Duration) -> Result<(), String> {
        let end = Instant::now() + patience;
        while Instant::now() < end {
            let answer = client::four_letter_word(self.address, "ruok", Duration::from_secs(1));
            if answer.is_ok_and(|a| a == "imok") {
                return Ok(());
            }
            if let Some(status) = self.child.as_mut().and_then(|c| c.try_wait().ok()).flatten() {
                return Err(format!("the server ended with {status}:\n{}", self.last_output()));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Err(format!("the server does not answer after {patience:?}:\n{}", self.last_output()))
    }

    /// kill -9, and waits for the end.
    ///
    /// # Errors
    /// When there is no such process; when it had ended by itself.
    pub fn kill(&mut self) -> Result<(), String> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        if let Ok(Some(status)) = child.try_wait() {
            return Err(format!("the server had ended by itself with {status}:\n{}", self.last_output()));
        }
        child.kill().and_then(|()| child.wait()).map_err(|e| format!("cannot kill the server: {e}"))?;
        Ok(())
    }

    /// SIGTERM; the server must end cleanly.
    ///
    /// # Errors
    /// When it does not end within a minute, or not with 0.
    pub fn terminate(&mut self) -> Result<(), String> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let sent = Command::new("kill").arg(child.id().to_string()).status();
        sent.map_err(|e| format!("cannot run kill: {e}"))?;
        let end = Instant::now() + START_PATIENCE;
        while Instant::now() < end {
            match child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => {
                    return Err(format!("SIGTERM ended the server with {status}:\n{}", self.last_output()));
                }
                _ => std::thread::sleep(Duration::from_millis(5)),
            }
        }
        let _ = child.kill();
        let _ = child.wait();
        Err(format!("the server is still there {START_PATIENCE:?} after SIGTERM:\n{}", self.last_output()))
    }

    /// The last lines the server printed.
    pub fn last_output(&self) -> String {
        let text = fs::read_to_string(&self.output).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
