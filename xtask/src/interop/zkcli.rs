//! Apache's own shell, what `zkCli.sh` runs: a session told in `interop/zkcli/session.txt`.
//!
//! Lines `> command` are typed, with SERVER for the server's address; `! kill` kills the server and starts it again.

use super::report::Report;
use super::server::Server;
use super::transcript::{self, Shell};
use super::{Stage, Suite, java};
use crate::workspace::root;
use anyhow::{Context, Result};
use std::process::Command;

pub(super) const SUITE: Suite = Suite {
    name: "zkcli",
    about: "Apache's shell (zkCli.sh): all commands, printing the same as with Apache",
    run,
    excuses: &[],
};

const PROPERTIES: &[&str] = &["zookeeper.extendedTypesEnabled=true", "zookeeper.enforceQuota=true"];

fn run(stage: &Stage) -> Result<Report> {
    let server = Server::start(stage, "server", &[], PROPERTIES)?;
    let shell = start(&server.address())?;
    let mut play = Play { server, shell: Some(shell) };
    let file = root().join("interop/zkcli/session.txt");
    transcript::tell(stage, &file, |line| line.starts_with("> ") || line.starts_with("! "), &mut |step| {
        play.step(step)
    })
}

/// The shell, without a terminal's prompt: JLine is not among these jars.
fn start(address: &str) -> Result<Shell> {
    let mut java = Command::new("java");
    java.args(["-Xmx256m", "-XX:+UseSerialGC", "-Dfile.encoding=UTF-8", "-Duser.timezone=UTC"])
        .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=off")
        .args(["-cp", &java::classpath()?, "org.apache.zookeeper.ZooKeeperMain"])
        .args(["-waitforconnection", "-server", address]);
    let mut shell = Shell::start(java)?;
    shell.until(&["JLine support is disabled"])?;
    Ok(shell)
}

struct Play {
    server: Server,
    shell: Option<Shell>,
}

impl Play {
    /// Does one step and gives what the shell printed by the time that it has caught up.
    fn step(&mut self, step: &str) -> Result<String> {
        let mut shell = self.shell.take().context("the shell has ended")?;
        let lines = match step {
            "> quit" => shell.quit()?,
            "! kill" => {
                self.server.kill();
                self.server.resume()?;
                let lines = shell.until(&["state:SyncConnected"])?;
                self.shell = Some(shell);
                lines
            }
            _ => {
                let command = step.strip_prefix("> ").context("no such step")?;
                shell.type_line(&command.replace("SERVER", &self.server.address()))?;
                let mut lines = match change_of_state(command) {
                    Some(state) => shell.until(&[state])?,
                    None => Vec::new(),
                };
                lines.extend(fence(&mut shell)?);
                self.shell = Some(shell);
                lines
            }
        };
        let text = normal(&lines, step).replace(&self.server.address(), "SERVER");
        Ok(text)
    }
}

/// The event that a command brings about without waiting for it.
fn change_of_state(command: &str) -> Option<&'static str> {
    match command {
        "close" => Some("state:Closed"),
        "connect SERVER" => Some("state:SyncConnected"),
        _ => None,
    }
}

/// What the shell printed up to now: a `sync` is done when the events that came before are printed, and `printwatches` always
/// answers, even without a connection.
fn fence(shell: &mut Shell) -> Result<Vec<String>> {
    shell.type_line("sync /")?;
    shell.type_line("printwatches")?;
    let mut lines = shell.until(&["printwatches is "])?;
    lines.pop();
    if lines.last().is_some_and(|line| line == "Sync is OK") {
        lines.pop();
    }
    Ok(lines)
}

/// Takes out what differs from run to run: times and session ids, the order of what comes from a hash map, and the place of events,
/// which another thread prints.
fn normal(lines: &[String], step: &str) -> String {
    let mut out: Vec<String> = Vec::new();
    let lines = lines.iter().map(|line| line.trim_end());
    let (events, lines): (Vec<&str>, Vec<&str>) = lines
        .filter(|line| !line.is_empty() && *line != "WATCHER::")
        .partition(|line| line.starts_with("WatchedEvent "));
    for line in lines {
        out.push(match line.split_once(" = ") {
            Some((key @ ("ctime" | "mtime"), time)) if !time.contains(" 1970") => {
                format!("{key} = <time>")
            }
            Some(("ephemeralOwner", owner)) if owner != "0x0" => "ephemeralOwner = <session>".to_owned(),
            _ => line.to_owned(),
        });
    }
    match step {
        "> whoami" => out.sort(),
        _ if step.starts_with("> getEphemerals") => out.iter_mut().for_each(|line| *line = sorted(line)),
        _ => {}
    }
    // At its end the shell may or may not get round to the last event.
    if step != "> quit" {
        out.extend(events.into_iter().map(str::to_owned));
    }
    out.iter().map(|line| format!("{line}\n")).collect()
}

/// `[b, a]` as `[a, b]`.
fn sorted(list: &str) -> String {
    let Some(inner) = list.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
        return list.to_owned();
    };
    let mut items: Vec<&str> = inner.split(", ").collect();
    items.sort_unstable();
    format!("[{}]", items.join(", "))
}

#[cfg(test)]
mod tests {
    use super::normal;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn times_and_sessions_are_taken_out_and_events_come_last() {
        let printed = "\nWATCHER::\n\nWatchedEvent state:SyncConnected type:NodeCreated path:/a zxid: 3\nctime = Wed Nov 25 14:00:00 UTC 2026\n\
                       mtime = Thu Jan 01 00:00:00 UTC 1970\nephemeralOwner = 0x100\nmZxid = 0x3\n";
        assert_eq!(
            normal(&lines(printed), "> stat /a"),
            "ctime = <time>\nmtime = Thu Jan 01 00:00:00 UTC 1970\nephemeralOwner = <session>\nmZxid = 0x3\n\
             WatchedEvent state:SyncConnected type:NodeCreated path:/a zxid: 3\n"
        );
    }

    #[test]
    fn only_what_comes_from_a_hash_map_is_sorted() {
        assert_eq!(normal(&lines("[/b, /a]"), "> getEphemerals"), "[/a, /b]\n");
        assert_eq!(normal(&lines("[/b, /a]"), "> ls /"), "[/b, /a]\n");
        assert_eq!(normal(&lines("b\na"), "> whoami"), "a\nb\n");
        assert_eq!(normal(&lines("b\na"), "> getAcl /"), "b\na\n");
    }
}
