//! cli_mt, the shell of ZooKeeper's C client (3.8, from Debian): a session told in `interop/cli_mt/session.txt`.
//!
//! The file is a transcript that was recorded with an Apache server. Lines `1> command` are typed into the first shell, `2> command`
//! into a second one; `! restart` stops the server and starts it again. What follows is what the shells print, the other shell's
//! lines with its number before them. With UPDATE_TRANSCRIPT=1 and `--against apache` it is recorded anew.

use super::report::Report;
use super::server::{Program, Server};
use super::{Stage, tools};
use crate::workspace::root;
use anyhow::{Context, Result, bail};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

const CLI: &str = "/usr/lib/zookeeper/bin/cli_mt";
const PATIENCE: Duration = Duration::from_secs(40);

pub(super) fn run(stage: &Stage) -> Result<Report> {
    tools::debian(Path::new(CLI), &["zookeeper-bin"])?;
    let file = root().join("interop/cli_mt/session.txt");
    let expected = steps(&fs::read_to_string(&file)?);
    let server = Server::start(stage, "server", &["extendedTypesEnabled=true"], &[])?;
    let mut play = Play { server, shells: Vec::new() };
    let mut report = Report::default();
    let mut seen = String::new();
    for (number, step) in expected.iter().enumerate() {
        let output = play.step(&step.command).with_context(|| format!("at {}", step.command))?;
        seen.push_str(&format!("{}\n{output}", step.command));
        let name = format!("{:02} {}", number + 1, step.command);
        if output == step.output {
            report.passed.push(name);
        } else {
            report.failed.push((name, format!("expected\n{}but it printed\n{output}", step.output)));
        }
    }
    fs::write(stage.scratch.join("session.txt"), &seen)?;
    if std::env::var_os("UPDATE_TRANSCRIPT").is_some() {
        if !matches!(stage.program, Program::Apache) {
            bail!("only what Apache says is recorded; add --against apache");
        }
        let comments: String = fs::read_to_string(&file)?
            .lines()
            .take_while(|line| line.starts_with('#'))
            .map(|line| format!("{line}\n"))
            .collect();
        fs::write(&file, comments + &seen)?;
    }
    Ok(report)
}

struct Step {
    command: String,
    output: String,
}

fn steps(transcript: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in transcript.lines().skip_while(|line| line.starts_with('#')) {
        if line.starts_with(['1', '2', '!']) && line[1..].starts_with(['>', ' ']) {
            steps.push(Step { command: line.to_owned(), output: String::new() });
        } else if let Some(step) = steps.last_mut() {
            step.output.push_str(line);
            step.output.push('\n');
        }
    }
    steps
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
                output += &normal(&slot.take().context("that shell has ended")?.quit()?);
            } else {
                let shell = slot.as_mut().context("that shell has ended")?;
                shell.type_line(command)?;
                output += &normal(&shell.fence()?);
            }
            actor = Some(index);
        } else if step == "! restart" {
            self.server.stop()?;
            self.server.resume()?;
            for (index, shell) in self.shells.iter_mut().enumerate() {
                if let Some(shell) = shell {
                    output += &prefixed(index, &normal(&shell.until("state = CONNECTED_STATE")?));
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

/// One cli_mt, with its output as lines.
struct Shell {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    fences: u32,
}

impl Shell {
    fn start(address: &str) -> Result<Shell> {
        let (reader, writer) = std::io::pipe()?;
        let mut command = Command::new(CLI);
        command.args(["-h", address]).env("TZ", "UTC");
        command.stdin(std::process::Stdio::piped()).stdout(writer.try_clone()?).stderr(writer);
        let mut child = command.spawn().context("cannot start cli_mt")?;
        // Ours are the last ends of the pipe beside the child's; without this, its end would never be seen.
        drop(command);
        let input = child.stdin.take().context("no standard input")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(reader).split(b'\n') {
                let Ok(line) = line else { break };
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    break;
                }
            }
        });
        let mut shell = Shell { child, input, lines, fences: 0 };
        shell.until("Got a new session id")?;
        Ok(shell)
    }

    fn type_line(&mut self, line: &str) -> Result<()> {
        Ok(writeln!(self.input, "{line}")?)
    }

    /// What it printed up to now: the answer to a `sync` goes the way of all answers and events, behind those that came before.
    fn fence(&mut self) -> Result<Vec<String>> {
        self.fences += 1;
        let path = format!("/fence-{}", self.fences);
        self.type_line(&format!("sync {path}"))?;
        let mut lines = self.until(&format!("name = {path}"))?;
        lines.truncate(lines.len().saturating_sub(2));
        Ok(lines)
    }

    /// The lines up to the first that contains `text`.
    fn until(&mut self, text: &str) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    let found = line.contains(text);
                    lines.push(line);
                    if found {
                        return Ok(lines);
                    }
                }
                Err(e) => bail!("cli_mt: {e} while waiting for `{text}`; it printed {lines:?}"),
            }
        }
    }

    fn quit(mut self) -> Result<Vec<String>> {
        self.type_line("quit")?;
        let mut lines = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => bail!("cli_mt does not end"),
            }
        }
        self.child.wait()?;
        Ok(lines)
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
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
