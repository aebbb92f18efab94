//! cli_mt, the shell of ZooKeeper's C client (3.8, from Debian): a session told in `interop/cli_mt/session.txt`.
//!
//! Lines `1> command` are typed into the first shell, `2> command`
//! into a second one; `! restart` stops the server and starts it again. What follows is what the shells print, the other shell's
//! lines with its number before them.

use super::report::Report;
use super::server::Server;
use super::{Stage, tools, transcript};
use crate::workspace::root;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::Command;

const CLI: &str = "/usr/lib/zookeeper/bin/cli_mt";

pub(super) fn run(stage: &Stage) -> Result<Report> {
    tools::debian(Path::new(CLI), &["zookeeper-bin"])?;
    let server = Server::start(stage, "server", &["extendedTypesEnabled=true"], &[])?;
    let mut play = Play { server, shells: Vec::new() };
    let is_command = |line: &str| line.starts_with(['1', '2', '!']) && line[1..].starts_with(['>', ' ']);
    transcript::tell(stage, &root().join("interop/cli_mt/session.txt"), is_command, &mut |step| {
        play.step(step)
    })
}

/// A server and the shells that talk to it.
struct Play {
    server: Server,
    shells: Vec<Option<Shell>>,
}

impl Play {
    /// Does one step and gives what every shell printed by the time that all of them have caught up.
    fn step(&mut self, step: &str) -> Result<String> {
        let mut output = String::new();
        let mut actor = None;
        if let Some((number, command)) = step.split_once("> ") {
            let index = number.parse::<usize>()? - 1;
            while self.shells.len() <= index {
                let shell = Shell::start(&self.server.address())?;
                self.shells.push(Some(shell));
            }
            let slot = self.shells.get_mut(index).context("no such shell")?;
            if command == "quit" {
                output += &normal(&slot.take().context("that shell has ended")?.shell.quit()?);
            } else {
                let shell = slot.as_mut().context("that shell has ended")?;
                shell.shell.type_line(command)?;
                output += &normal(&shell.fence()?);
            }
            actor = Some(index);
        } else if step == "! restart" {
            self.server.stop()?;
            self.server.resume()?;
            for (index, shell) in self.shells.iter_mut().enumerate() {
                if let Some(shell) = shell {
                    output += &prefixed(index, &normal(&shell.shell.until(&["state = CONNECTED_STATE"])?));
                }
            }
        } else {
            bail!("`{step}` is no step");
        }
        for (index, shell) in self.shells.iter_mut().enumerate() {
            if let Some(shell) = shell
                && actor != Some(index)
            {
                output += &prefixed(index, &normal(&shell.fence()?));
            }
        }
        Ok(output)
    }
}

/// The lines of a shell that did not type the command.
fn prefixed(index: usize, lines: &str) -> String {
    lines.lines().map(|line| format!("{}| {line}\n", index + 1)).collect()
}

/// One cli_mt.
struct Shell {
    shell: transcript::Shell,
    fences: u32,
}

impl Shell {
    fn start(address: &str) -> Result<Shell> {
        let mut command = Command::new(CLI);
        command.args(["-h", address]).env("TZ", "UTC");
        let mut shell = transcript::Shell::start(command)?;
        shell.until(&["Got a new session id"])?;
        Ok(Shell { shell, fences: 0 })
    }

    /// What it printed up to now: the answer to a `sync` goes the way of all answers and events, behind those that came before.
    fn fence(&mut self) -> Result<Vec<String>> {
        self.fences += 1;
        let path = format!("/fence-{}", self.fences);
        self.shell.type_line(&format!("sync {path}"))?;
        let mut lines = self.shell.until(&[&format!("name = {path}")])?;
        lines.truncate(lines.len().saturating_sub(2));
        Ok(lines)
    }
}

/// Takes out what differs from run to run: times, session ids, log lines, and the order of children, which is a hash map's.
fn normal(lines: &[String]) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut children = 0;
    for line in lines {
        let is_log = line.len() > 5 && line.as_bytes()[4] == b'-' && line.starts_with("20");
        if is_log || line.starts_with("time = ") {
            children = 0;
            continue;
        }
        let line = match line.split_once(['=', ':']) {
            Some((key @ ("\tctime " | "\tmtime"), time)) if !time.contains(" 1970") => {
                format!("{key}= <time>")
            }
            Some((key @ "\tephemeralOwner ", owner)) if owner != " 0" => format!("{key}= <session>"),
            Some((key @ "session Id ", _)) => format!("{key}= <session>"),
            _ => line.trim_end().to_owned(),
        };
        let is_child = line.starts_with('\t') && !line.contains('=') && line != "\tnull";
        children = if is_child { children + 1 } else { 0 };
        out.push(line);
        let end = out.len();
        out[end - children..].sort();
    }
    out.iter().map(|line| format!("{line}\n")).collect()
}
