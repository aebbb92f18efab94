//! `headkeeper help`: about a command, or, behind `config`, about configuration keys.

use crate::cli::Cli;
use crate::config::{self, print};
use clap::{Args, CommandFactory};
use std::process::ExitCode;

/// What help is wanted about.
#[derive(Args, Debug)]
pub struct HelpArgs {
    /// A command and its subcommands; or `config` and keys of a configuration file
    #[arg(value_name = "TOPIC")]
    topic: Vec<String>,
}

/// Prints it.
pub fn run(args: &HelpArgs) -> ExitCode {
    if let Some((first, keys)) = args.topic.split_first()
        && first == "config"
    {
        return config::explain(keys);
    }
    let mut command = Cli::command();
    command.build();
    for name in &args.topic {
        match command.find_subcommand(name) {
            Some(found) => command = found.clone(),
            None => {
                eprintln!("there is no command {name:?}; `headkeeper help` lists the commands");
                return ExitCode::from(2);
            }
        }
    }
    print(&command.render_long_help().to_string())
}
