//! `headkeeper snapshot`: snapshots without a server (reference: storage-formats §9).
//!
//! [`load`] reads a snapshot, plain or compressed, into a [`sizes::Sizes`] or node by node; [`mod@print`], [`compare`] and
//! [`summary`] say what Apache's tools say.

mod compare;
mod load;
mod print;
mod sizes;
mod summary;

use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Read and compare snapshots.
#[derive(Args, Debug)]
#[command(after_help = "\
The files are version-2/snapshot.<zxid in hex>[.gz|.snappy] below dataDir.

Exit code: 0 in order, 1 damaged, 2 cannot be read.")]
pub struct SnapshotArgs {
    #[command(subcommand)]
    command: SnapshotCommand,
}

#[derive(Subcommand, Debug)]
enum SnapshotCommand {
    /// Print every node and session
    Print(Print),
    /// Say whether files are in order, and if not, where and why
    Verify(Verify),
    /// Say where two snapshots differ in size
    Compare(Compare),
    /// Print how many nodes and bytes are below each node
    Summary(Summary),
}

#[derive(Args, Debug)]
struct Print {
    /// The data too, in base64
    #[arg(short, long)]
    data: bool,
    /// One JSON object a line: nodes, then sessions, then what the file says of itself
    #[arg(long, conflicts_with = "ncdu")]
    json: bool,
    /// The sizes in ncdu's JSON format (ncdu -f FILE)
    #[arg(long, conflicts_with = "data")]
    ncdu: bool,
    /// The snapshot
    file: PathBuf,
}

#[derive(Args, Debug)]
struct Verify {
    /// One JSON object a file
    #[arg(long)]
    json: bool,
    /// Snapshots
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

#[derive(Args, Debug)]
struct Compare {
    /// Say nothing of nodes whose subtree differs by no more than this
    #[arg(short, long, default_value_t = 0, value_name = "BYTES")]
    bytes: u64,
    /// Say nothing of nodes whose subtree differs by no more than this
    #[arg(short, long, default_value_t = 0, value_name = "NODES")]
    nodes: u64,
    /// Say which nodes were left out
    #[arg(short, long)]
    debug: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
    /// One snapshot
    left: PathBuf,
    /// Another
    right: PathBuf,
}

#[derive(Args, Debug)]
struct Summary {
    /// How many levels to print; 0 is all
    #[arg(short, long, default_value_t = 0, value_name = "LEVELS")]
    depth: usize,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// The snapshot
    file: PathBuf,
    /// Where to start
    #[arg(default_value = "/")]
    start: String,
}

/// Runs what the arguments ask for.
pub fn run(args: &SnapshotArgs) -> ExitCode {
    crate::offline::run(|out| match &args.command {
        SnapshotCommand::Print(args) if args.ncdu => print::ncdu(out, &args.file),
        SnapshotCommand::Print(args) if args.json => print::json(out, &args.file),
        SnapshotCommand::Print(args) => print::text(out, &args.file, args.data),
        SnapshotCommand::Verify(args) => print::verify(out, &args.files, args.json),
        SnapshotCommand::Compare(args) => compare::run(out, args),
        SnapshotCommand::Summary(args) => summary::run(out, args),
    })
}
