//! `headkeeper serve` and `headkeeper` alone: from the command line to a running server.

use clap::Args;
use server::config::{Config, ConfigError, Notice, jvm_properties, load};
use server::logging;
use std::env;
use std::path::Path;
use std::process::ExitCode;

/// How to run a server.
#[derive(Args, Debug)]
#[command(after_help = "\
Signals: SIGTERM, SIGINT and SIGHUP stop the server once everything acknowledged is on disk; sessions
stay alive for clients that come back in time. A second signal ends the process at once.

Exit code: 0 stopped as asked, 1 data that cannot be loaded or a port that cannot be had, 2 wrong
arguments or configuration, 3 data directories, 10 a disk that failed while serving.

The log goes to standard error. `headkeeper config --check zoo.cfg` tells what a start would say.")]
pub struct ServeArgs {
    /// A configuration file (zoo.cfg), or: a port, a data directory, and if wanted tickTime and maxClientCnxns
    #[arg(value_name = "CONFIG | PORT DATADIR [TICKTIME] [MAXCNXNS]", required = true, num_args = 1..=4)]
    arguments: Vec<String>,
    /// A system property as for a JVM, such as -Dzookeeper.snapCount=5000; also read from SERVER_JVMFLAGS and JVMFLAGS
    #[arg(short = 'D', value_name = "NAME=VALUE")]
    properties: Vec<String>,
    /// error, warn, info, debug or trace, or levels by module; else HEADKEEPER_LOG, else info
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

/// Serves with a configuration until it is told to stop.
pub fn run(args: &ServeArgs) -> ExitCode {
    let (flags, mut notices) = flags(&args.properties);
    let read = match args.arguments.as_slice() {
        [file] => load::load(Path::new(file), &flags),
        several => Config::from_arguments(several, &flags),
    };
    let (config, more) = match read {
        Ok(read) => read,
        Err(e) => return refuse(&e),
    };
    notices.extend(more);
    start(&config, &notices, args.log_level.clone().or_else(|| variable(logging::VARIABLE)))
}

/// The `-D` flags of the environment and then those of the command line.
pub fn flags(properties: &[String]) -> (Vec<(String, String)>, Vec<Notice>) {
    let properties: Vec<String> = properties.iter().map(|pair| format!("-D{pair}")).collect();
    jvm_properties(variable("SERVER_JVMFLAGS").as_deref(), variable("JVMFLAGS").as_deref(), &properties)
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}

/// Serves locally, for trying things out: `headkeeper` without arguments.
pub fn local() -> ExitCode {
    let level = env::var(logging::VARIABLE).unwrap_or_else(|_| "warn".to_owned());
    start(&Config::default_local(), &[], Some(level))
}

fn start(config: &Config, notices: &[Notice], level: Option<String>) -> ExitCode {
    if let Err(e) = logging::init(level.as_deref(), config.ensemble.my_id) {
        eprintln!("{e}");
        return ExitCode::from(ConfigError::EXIT_CODE as u8);
    }
    logging::log_notices(notices);
    server::serve(config)
}

/// Says why a configuration is none.
pub fn refuse(e: &ConfigError) -> ExitCode {
    eprintln!("{e}\nInvalid config, exiting abnormally");
    ExitCode::from(ConfigError::EXIT_CODE as u8)
}
