//! Sessions of other people's shells, kept as transcripts.
//!
//! A transcript was recorded with an Apache server: lines with a command, each followed by what the shell printed. Every command is a
//! test. With UPDATE_TRANSCRIPT=1 and `--against apache` it is recorded anew.

use super::Stage;
use super::report::Report;
use super::server::Program;
use anyhow::{Context, Result, bail};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// Hands each command of the transcript in `file` to `act`, which gives what was printed; differences fail. Lines for which
/// `is_command` says so are commands; lines with `#` at the start of the file are comments.
pub(super) fn tell(
    stage: &Stage,
    file: &Path,
    is_command: fn(&str) -> bool,
    act: &mut dyn FnMut(&str) -> Result<String>,
) -> Result<Report> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut report = Report::default();
    let mut seen = String::new();
    for (number, step) in steps(&text, is_command).iter().enumerate() {
        let output = act(&step.command).with_context(|| format!("at {}", step.command))?;
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
        let comments = text.lines().take_while(|line| line.starts_with('#'));
        let comments: String = comments.map(|line| format!("{line}\n")).collect();
        fs::write(file, comments + &seen)?;
    }
    Ok(report)
}

struct Step {
    command: String,
    output: String,
}

fn steps(transcript: &str, is_command: fn(&str) -> bool) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in transcript.lines().skip_while(|line| line.starts_with('#')) {
        if is_command(line) {
            steps.push(Step { command: line.to_owned(), output: String::new() });
        } else if let Some(step) = steps.last_mut() {
            step.output.push_str(line);
            step.output.push('\n');
        }
    }
    steps
}

/// A running shell, with its output as lines; killed when dropped.
pub(super) struct Shell {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Shell {
    pub(super) fn start(mut command: Command) -> Result<Shell> {
        let (reader, writer) = std::io::pipe()?;
        command.stdin(Stdio::piped()).stdout(writer.try_clone()?).stderr(writer);
        let mut child = command.spawn().context("cannot start the shell")?;
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
        Ok(Shell { child, input, lines })
    }

    pub(super) fn type_line(&mut self, line: &str) -> Result<()> {
        Ok(writeln!(self.input, "{line}")?)
    }

    /// The lines up to and with the first that contains one of `texts`.
    pub(super) fn until(&mut self, texts: &[&str]) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    let found = texts.iter().any(|text| line.contains(text));
                    lines.push(line);
                    if found {
                        return Ok(lines);
                    }
                }
                Err(e) => bail!("the shell: {e} while waiting for {texts:?}; it printed {lines:?}"),
            }
        }
    }

    /// Types `quit` and gives the lines up to its end.
    pub(super) fn quit(mut self) -> Result<Vec<String>> {
        self.type_line("quit")?;
        let mut lines = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => bail!("the shell does not end"),
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

#[cfg(test)]
mod tests {
    use super::steps;

    #[test]
    fn a_transcript_is_commands_with_what_follows_them() {
        let steps = steps("# a comment\n> ls /\n[a]\n# no comment\n> quit\n", |line| line.starts_with("> "));
        let found: Vec<_> = steps.iter().map(|step| (step.command.as_str(), step.output.as_str())).collect();
        assert_eq!(found, [("> ls /", "[a]\n# no comment\n"), ("> quit", "")]);
    }
}
