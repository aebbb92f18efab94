//! `headkeeper config`: what the keys of a configuration file mean, and whether a file would do.

use crate::serve::{flags, refuse};
use clap::Args;
use server::config::{ConfigError, document, load, table};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Explain the keys of a configuration file, or check one.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  headkeeper config                     every key: default, meaning, unit, what is allowed
  headkeeper config tickTime snapCount  these
  headkeeper config purge               every key with that in its name
  headkeeper config --check zoo.cfg     would a server start with this? Exit code 0 or 2")]
pub struct ConfigArgs {
    /// Keys, or parts of their names
    #[arg(value_name = "KEY", conflicts_with = "check")]
    keys: Vec<String>,
    /// Read a file as `serve` would, say what is doubtful or wrong in it, and start nothing
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
    /// With --check: a system property as for `serve`; SERVER_JVMFLAGS and JVMFLAGS are read too
    #[arg(short = 'D', value_name = "NAME=VALUE", requires = "check")]
    properties: Vec<String>,
}

/// Explains or checks.
pub fn run(args: &ConfigArgs) -> ExitCode {
    match &args.check {
        Some(file) => check(file, &args.properties),
        None => explain(&args.keys),
    }
}

/// The texts of the keys that are meant; of all without any.
fn explain(names: &[String]) -> ExitCode {
    if names.is_empty() {
        return print(&document::help());
    }
    let mut text = String::new();
    for name in names {
        let exact = table::find(name).map(|(key, _)| key);
        let part = name.to_lowercase();
        let found: Vec<_> = match exact {
            Some(key) => vec![key],
            None => table::keys().filter(|key| key.name.to_lowercase().contains(&part)).collect(),
        };
        if found.is_empty() {
            eprintln!("no key has {name:?} in its name; `headkeeper config` lists all keys");
            return ExitCode::from(ConfigError::EXIT_CODE as u8);
        }
        for key in found {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&document::help_key(key));
        }
    }
    print(&text)
}

fn check(file: &Path, properties: &[String]) -> ExitCode {
    let (flags, mut notices) = flags(properties);
    match load::load(file, &flags) {
        Ok((config, more)) => {
            notices.extend(more);
            let mut text = String::new();
            for notice in &notices {
                text.push_str(&format!("{}: {}\n", notice.level.as_str().to_lowercase(), notice.text));
            }
            let port =
                config.listen.client_port.map_or("no client port".to_owned(), |port| format!("port {port}"));
            text.push_str(&format!(
                "{} is a configuration to start with: {port}, data in {}\n",
                file.display(),
                config.data_dir.display()
            ));
            print(&text)
        }
        Err(e) => refuse(&e),
    }
}

/// Prints a long text; a reader that has seen enough is no failure.
fn print(text: &str) -> ExitCode {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    }
}
