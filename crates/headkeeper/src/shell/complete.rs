//! Completion of commands and paths at the prompt.

use super::command::Line;
use super::target::Target;
use clap::CommandFactory;
use client::{Session, SessionState};
use rustyline::completion::{Completer, Pair};
use rustyline::{Context, Helper, Highlighter, Hinter, Validator};
use std::sync::{Arc, Mutex, PoisonError};
use wire::{Request, Response};

/// What the completer asks: a session and its chroot, exchanged by `connect` and `close`.
#[derive(Clone, Default)]
pub struct Source(Arc<Mutex<Option<SessionAndChroot>>>);

type SessionAndChroot = (Arc<Session>, String);

impl Source {
    /// From now on asks this one.
    pub fn set(&self, target: Option<&Target>) {
        let source = target.map(|target| (Arc::clone(target.session()), target.chroot().to_owned()));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = source;
    }

    fn children(&self, path: &str) -> Vec<String> {
        let source = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some((session, chroot)) = source else { return Vec::new() };
        if session.state() != SessionState::Connected {
            return Vec::new();
        }
        let on_server = if path == "/" && !chroot.is_empty() { chroot } else { format!("{chroot}{path}") };
        let Ok(reply) = session.call(&Request::GetChildren { path: Some(on_server.into()), watch: false })
        else {
            return Vec::new();
        };
        match reply.response() {
            Ok(Response::Children(names)) => {
                names.unwrap_or_default().into_iter().flatten().map(|name| name.into_owned()).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// rustyline's hook.
#[derive(Helper, Highlighter, Hinter, Validator)]
pub struct Prompt {
    source: Source,
    commands: Vec<String>,
}

impl Prompt {
    /// A helper that asks `source` for children.
    pub fn new(source: Source) -> Prompt {
        let mut commands: Vec<String> =
            Line::command().get_subcommands().map(|command| command.get_name().to_owned()).collect();
        commands.push("help".into());
        Prompt { source, commands }
    }
}

impl Completer for Prompt {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let before = &line[..pos];
        let start = before.rfind(char::is_whitespace).map_or(0, |at| at + 1);
        let word = &before[start..];
        Ok(if before[..start].trim().is_empty() || before[..start].trim() == "help" {
            (start, candidates(&self.commands, word, " "))
        } else if let Some((parent, name)) = word.rsplit_once('/') {
            let children = self.source.children(if parent.is_empty() { "/" } else { parent });
            (pos - name.len(), candidates(&children, name, ""))
        } else {
            (pos, Vec::new())
        })
    }
}

fn candidates(all: &[String], begin: &str, after: &str) -> Vec<Pair> {
    let mut found: Vec<&String> = all.iter().filter(|name| name.starts_with(begin)).collect();
    found.sort_unstable();
    found
        .into_iter()
        .map(|name| Pair { display: name.clone(), replacement: format!("{name}{after}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustyline::history::DefaultHistory;

    #[test]
    fn the_first_word_is_a_command() {
        let prompt = Prompt::new(Source::default());
        let history = DefaultHistory::new();
        let complete = |line: &str| {
            let (start, pairs) =
                prompt.complete(line, line.len(), &Context::new(&history)).expect("candidates");
            (start, pairs.into_iter().map(|pair| pair.replacement).collect::<Vec<_>>())
        };
        assert_eq!(complete("getA"), (0, vec!["getAcl ".to_owned(), "getAllChildrenNumber ".to_owned()]));
        assert_eq!(complete("help setq"), (5, vec!["setquota ".to_owned()]));
        assert_eq!(complete("ls /a"), (4, vec![]), "without a session there is nothing to offer");
    }
}
