//! `headkeeper shell`: look at znodes and change them.
//!
//! Commands are zkCli's, in [`command`]; each turns into requests in the module of its kind ([`read`], [`mod@write`], [`quota`],
//! [`watch`]) and comes back as an [`output::Output`], which is text or JSON, or as a [`failure::Failure`], which says what to
//! do next and has an exit code. One command on the command line is run and done; without one, [`interactive`] reads lines
//! from the terminal, and [`script`] from anything else.

pub(crate) mod acl;
mod command;
mod complete;
mod dispatch;
mod failure;
mod interactive;
mod output;
mod quota;
mod read;

pub(crate) mod script;
mod target;
mod watch;
mod words;
mod write;

use clap::Args;
use command::ShellCommand;
use failure::Failure;
use std::io::IsTerminal;
use std::process::ExitCode;
use target::Target;

/// Look at znodes and change them, interactively or one command at a time.
#[derive(Args, Clone, Debug)]
#[command(
    subcommand_help_heading = "Commands (none: interactive)",
    subcommand_value_name = "COMMAND",
    after_help = "\
Examples:
  headkeeper shell                               interactive: history, Tab completes commands and paths
  headkeeper shell ls -R /                       everything
  headkeeper shell -s zk1:2181,zk2:2181/app get -s /config
  headkeeper shell --json stat /a                for scripts
  headkeeper shell watch /jobs --mode recursive  print changes as they come, until interrupted
  echo 'create -p /a/b/c hello' | headkeeper shell

Exit code: 0 done, 1 refused, 2 wrong arguments, 3 no connection, 4 no such node, 5 node exists,
6 version differs, 7 no permission, 8 node has children."
)]
pub struct ShellArgs {
    /// Servers: host:port, more after commas, a /chroot behind them
    #[arg(short, long, default_value = "127.0.0.1:2181", value_name = "HOSTS")]
    pub server: String,
    /// Session timeout in ms
    #[arg(short = 't', long, default_value_t = 30_000, value_name = "MS")]
    pub timeout: i32,
    /// A credential, e.g. digest:user:password; may be repeated
    #[arg(short, long, value_name = "SCHEME:AUTH")]
    pub auth: Vec<String>,
    /// Accept a server that has lost its ensemble and only reads
    #[arg(short, long)]
    pub read_only: bool,
    /// Results as JSON, one document a line
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    command: Option<ShellCommand>,
}

/// Runs what the arguments ask for.
pub fn run(args: &ShellArgs) -> ExitCode {
    let code = match &args.command {
        Some(command) => one_shot(args, command),
        None if std::io::stdin().is_terminal() => interactive::run(args),
        None => script::run(args),
    };
    ExitCode::from(code)
}

fn one_shot(args: &ShellArgs, command: &ShellCommand) -> u8 {
    let (events, on_event) = watch::channel();
    let result = Target::connect(args, on_event).and_then(|mut target| {
        let output = dispatch::run(&mut target, command)?;
        output.print(args.json);
        watch::follow(&target, command, &events, args.json)?;
        target.close()
    });
    finish(result, args.json)
}

fn finish(result: Result<(), Failure>, json: bool) -> u8 {
    match result {
        Ok(()) => 0,
        Err(failure) => failure.print(json),
    }
}
