//! `headkeeper log`: transaction logs without a server (reference: storage-formats §9).
//!
//! [`records`] walks a log, bad checksums included; [`text`] is Apache's line of a transaction and ours in JSON;
//! [`commands`] are dump, verify, recover and chop.

mod commands;
mod records;
mod text;

use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use wire::Zxid;

/// Read and repair transaction logs.
#[derive(Args, Debug)]
#[command(after_help = "\
The files are version-2/log.<first zxid in hex> below dataLogDir (or dataDir). They may be in use: a
log that is being written ends where its last complete record ends.

Exit code: 0 in order, 1 damaged, 2 cannot be read.")]
pub struct LogArgs {
    #[command(subcommand)]
    command: LogCommand,
}

#[derive(Subcommand, Debug)]
enum LogCommand {
    /// Print the transactions, a line each
    Dump(Dump),
    /// Say whether files are in order, and if not, where and why
    Verify(Verify),
    /// Copy to FILE.fixed with right checksums
    ///
    /// Repairs checksums, not what they protect: look at every record in question before you trust it.
    Recover(Recover),
    /// Copy what is not newer than a zxid to FILE.chopped and the zxid in decimal
    Chop(Chop),
}

#[derive(Args, Debug)]
struct Dump {
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// The log
    file: PathBuf,
}

#[derive(Args, Debug)]
struct Verify {
    /// One JSON object a file
    #[arg(long)]
    json: bool,
    /// Logs
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

#[derive(Args, Debug)]
struct Recover {
    /// Fix without asking
    #[arg(short, long)]
    yes: bool,
    /// Print every record
    #[arg(short, long)]
    verbose: bool,
    /// The log
    file: PathBuf,
}

#[derive(Args, Debug)]
struct Chop {
    /// The last zxid to keep, in decimal or 0x hex; it must be in the log
    #[arg(short, long, value_name = "ZXID", value_parser = parse_zxid)]
    zxid: Zxid,
    /// The copy's name
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The log
    file: PathBuf,
}

/// Runs what the arguments ask for.
pub fn run(args: &LogArgs) -> ExitCode {
    crate::offline::run(|out| match &args.command {
        LogCommand::Dump(args) => commands::dump(out, &args.file, args.json),
        LogCommand::Verify(args) => commands::verify(out, &args.files, args.json),
        LogCommand::Recover(args) => commands::recover(out, &args.file, args.yes, args.verbose),
        LogCommand::Chop(args) => commands::chop(out, &args.file, args.zxid, args.output.as_deref()),
    })
}

fn parse_zxid(text: &str) -> Result<Zxid, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).map(|n| n as i64),
        None => text.parse::<i64>(),
    };
    parsed.map(Zxid).map_err(|e| format!("{e}; allowed is a decimal number, or hex behind 0x"))
}
