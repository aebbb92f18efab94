//! Commands from a file or pipe, a line each.

use super::command::{Line, ShellCommand};
use super::failure::Failure;
use super::target::Target;
use super::{ShellArgs, dispatch, finish, watch, words};
use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::io::BufRead;

/// Runs line after line, all in one session; the exit code is the last command's.
pub fn run(args: &ShellArgs) -> u8 {
    let (_events, on_event) = watch::channel();
    let mut target = match Target::connect(args, on_event) {
        Ok(target) => target,
        Err(failure) => return failure.print(args.json),
    };
    let mut code = 0;
    for line in std::io::stdin().lock().lines() {
        let line = match line {
            Ok(line) => line,
            Err(e) => return Failure::arguments(format!("cannot read standard input: {e}")).print(args.json),
        };
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let (command, json) = match parse(&line) {
            Ok(Line { command: ShellCommand::Quit, .. }) => break,
            Ok(line) => (line.command, line.json || args.json),
            Err(message) => {
                eprint!("{message}");
                code = 2;
                continue;
            }
        };
        code = match dispatch::run(&mut target, &command) {
            Ok(output) => {
                output.print(json);
                0
            }
            Err(failure) => failure.print(json),
        };
    }
    match target.close() {
        Err(failure) if code == 0 => finish(Err(failure), args.json),
        _ => code,
    }
}

/// A line as a command, or what to print instead.
pub fn parse(line: &str) -> Result<Line, String> {
    let words = words::split(line).map_err(|e| format!("{e}\n"))?;
    Line::try_parse_from(words).map_err(|e| match (e.kind(), e.get(ContextKind::InvalidSubcommand)) {
        (ErrorKind::InvalidSubcommand, Some(ContextValue::String(name))) => {
            // The last one is the nearest.
            let meant = match e.get(ContextKind::SuggestedSubcommand) {
                Some(ContextValue::Strings(near)) => {
                    near.last().map(|near| format!("did you mean `{near}`? "))
                }
                _ => None,
            };
            let meant = meant.unwrap_or_default();
            format!("Command not found: {name}\n  ({meant}`help` lists the commands)\n")
        }
        _ => e.render().to_string(),
    })
}
