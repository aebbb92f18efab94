//! The prompt.

use super::command::{Line, ShellCommand, Switch};
use super::complete::{Prompt, Source};
use super::failure::Failure;
use super::script::parse;
use super::target::Target;
use super::{ShellArgs, dispatch, watch};
use client::{SessionEvent, SessionState};
use rustyline::error::ReadlineError;
use rustyline::history::{FileHistory, History, SearchDirection};
use rustyline::{CompletionType, Config, Editor, ExternalPrinter};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const HISTORY_FILE: &str = ".headkeeper_history";
/// What `history` prints, as zkCli does.
const HISTORY_SHOWN: usize = 11;

/// Reads and runs lines until the end of input or `quit`; the exit code is the last command's.
pub fn run(args: &ShellArgs) -> u8 {
    match Console::open(args.clone()) {
        Ok(console) => console.run(),
        Err(failure) => failure.print(args.json),
    }
}

struct Console {
    args: ShellArgs,
    editor: Editor<Prompt, FileHistory>,
    target: Option<Target>,
    source: Source,
    print_watches: Arc<AtomicBool>,
    commands: usize,
}

impl Console {
    fn open(args: ShellArgs) -> Result<Console, Failure> {
        let failed = |e: ReadlineError| Failure::refused(format!("cannot use the terminal: {e}"), "");
        let config = Config::builder().completion_type(CompletionType::List).auto_add_history(true).build();
        let mut editor = Editor::with_config(config).map_err(failed)?;
        let source = Source::default();
        editor.set_helper(Some(Prompt::new(source.clone())));
        if let Some(file) = history_file() {
            // The first time there is none.
            let _ = editor.load_history(&file);
        }
        let print_watches = Arc::new(AtomicBool::new(true));
        let mut console = Console { args, editor, target: None, source, print_watches, commands: 0 };
        console.connect()?;
        println!("`help` lists the commands, Tab completes, Ctrl-D leaves.");
        Ok(console)
    }

    fn connect(&mut self) -> Result<(), Failure> {
        let mut printer = self.editor.create_external_printer().ok();
        let show_watches = Arc::clone(&self.print_watches);
        let chroot = self
            .args
            .server
            .find('/')
            .map_or("", |at| self.args.server[at..].trim_end_matches('/'))
            .to_owned();
        let on_event = move |event: SessionEvent| {
            if matches!(event, SessionEvent::Watch(_)) && !show_watches.load(Ordering::Relaxed) {
                return;
            }
            let text = String::from_utf8_lossy(&watch::show(&event, &chroot).text).into_owned();
            match &mut printer {
                // The terminal going away ends the session soon enough.
                Some(printer) => drop(printer.print(text)),
                None => print!("{text}"),
            }
        };
        let target = Target::connect(&self.args, on_event)?;
        let session = target.session();
        println!(
            "Connected to {}, session {}, timeout {} ms",
            self.args.server,
            session.id(),
            session.timeout().as_millis()
        );
        self.source.set(Some(&target));
        self.target = Some(target);
        Ok(())
    }

    fn run(mut self) -> u8 {
        let mut code = 0;
        loop {
            let line = match self.editor.readline(&self.prompt()) {
                Ok(line) => line,
                Err(ReadlineError::Interrupted) => continue,
                Err(ReadlineError::Eof) => break,
                Err(e) => {
                    eprintln!("cannot read: {e}");
                    code = 1;
                    break;
                }
            };
            if line.trim().is_empty() {
                continue;
            }
            self.commands += 1;
            match parse(&line) {
                Ok(Line { command: ShellCommand::Quit, .. }) => break,
                Ok(line) => code = self.command(&line.command, line.json || self.args.json),
                Err(message) => {
                    eprint!("{message}");
                    code = 2;
                }
            }
        }
        self.leave();
        code
    }

    fn prompt(&self) -> String {
        let state = match self.target.as_ref().map(|target| target.session().state()) {
            Some(SessionState::Connected) => "CONNECTED",
            Some(SessionState::Connecting) => "CONNECTING",
            Some(SessionState::Closed) | None => "CLOSED",
        };
        format!("[zk: {}({state}) {}] ", self.args.server, self.commands)
    }

    fn command(&mut self, command: &ShellCommand, json: bool) -> u8 {
        let result = match command {
            ShellCommand::History => self.history(),
            ShellCommand::Printwatches(args) => self.switch_watches(args.switch),
            ShellCommand::Close => {
                self.disconnect();
                Ok(Default::default())
            }
            ShellCommand::Connect(args) => {
                self.disconnect();
                if let Some(servers) = &args.servers {
                    self.args.server.clone_from(servers);
                }
                self.connect().map(|()| Default::default())
            }
            command => match &mut self.target {
                Some(target) => dispatch::run(target, command),
                None => Err(Failure::refused("Not connected", "`connect [host:port]` connects")),
            },
        };
        match result {
            Ok(output) => {
                output.print(json);
                0
            }
            Err(failure) => failure.print(json),
        }
    }

    fn history(&self) -> Result<super::output::Output, Failure> {
        let history = self.editor.history();
        let first = history.len().saturating_sub(HISTORY_SHOWN);
        let mut lines = Vec::new();
        for index in first..history.len() {
            if let Ok(Some(found)) = history.get(index, SearchDirection::Forward) {
                lines.push(format!("{index} - {}", found.entry));
            }
        }
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        Ok(super::output::Output::text(text, json!({ "history": lines })))
    }

    fn switch_watches(&self, switch: Option<Switch>) -> Result<super::output::Output, Failure> {
        if let Some(switch) = switch {
            self.print_watches.store(switch == Switch::On, Ordering::Relaxed);
        }
        let state = if self.print_watches.load(Ordering::Relaxed) { "on" } else { "off" };
        Ok(super::output::Output::text(
            format!("printwatches is {state}\n"),
            json!({ "printwatches": state }),
        ))
    }

    fn disconnect(&mut self) {
        self.source.set(None);
        if let Some(Err(failure)) = self.target.take().map(Target::close) {
            failure.print(false);
        }
    }

    fn leave(mut self) {
        self.disconnect();
        if let Some(file) = history_file() {
            // A home that cannot be written is no reason to complain at every end.
            let _ = self.editor.save_history(&file);
        }
    }
}

fn history_file() -> Option<PathBuf> {
    std::env::home_dir().map(|home| home.join(HISTORY_FILE))
}
