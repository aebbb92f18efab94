//! Other people's clients, each a process that holds a session, ephemeral nodes and a lock while servers come and go.
//!
//! It is given the servers and the path below which it may write, prints `READY`, works until its input ends, looks whether
//! all is as it should be, and prints `OK ...` or `FAIL ...`.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long it may take to begin, or to come to its end.
const PATIENCE: Duration = Duration::from_secs(120);

/// How to start a client.
#[derive(Clone, Debug)]
pub struct Foreign {
    /// What it is called.
    pub name: String,
    /// The program and its first arguments; the servers and the path come behind them.
    pub command: Vec<String>,
}

/// A client that runs; killed when dropped.
pub(super) struct Running {
    name: String,
    child: Child,
    output: Option<BufReader<ChildStdout>>,
}

impl Foreign {
    pub(super) fn start(&self, servers: &[SocketAddr], path: &str) -> Result<Running, String> {
        let list: Vec<String> = servers.iter().map(ToString::to_string).collect();
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]).args([&list.join(","), path]);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = child.map_err(|error| format!("cannot start {}: {error}", self.name))?;
        let output = child.stdout.take().map(BufReader::new);
        let mut running = Running { name: self.name.clone(), child, output };
        match running.line()?.as_str() {
            "READY" => Ok(running),
            line => Err(format!("{} does not begin: {line}", self.name)),
        }
    }
}

impl Running {
    /// Is it still at work?
    pub(super) fn check(&mut self) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            _ => {
                let last = self.line().unwrap_or_default();
                Err(format!("{} ended early: {last}", self.name))
            }
        }
    }

    /// Ends it; what it says of its work.
    pub(super) fn stop(mut self) -> Result<String, String> {
        drop(self.child.stdin.take());
        let line = self.line()?;
        match line.strip_prefix("OK ") {
            Some(text) => Ok(format!("{}: {text}", self.name)),
            None => Err(format!("{}: {line}", self.name)),
        }
    }

    /// Its next line, in time.
    fn line(&mut self) -> Result<String, String> {
        let mut output = self.output.take().ok_or_else(|| format!("{} has said all", self.name))?;
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            // A client that says nothing more has failed, whatever the reason.
            let _ = output.by_ref().read_line(&mut line);
            let _ = sender.send((line, output));
        });
        let said = receiver.recv_timeout(PATIENCE);
        let (line, output) = said.map_err(|_| format!("{} says nothing", self.name))?;
        self.output = Some(output);
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already if this fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
