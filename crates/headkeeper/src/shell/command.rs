//! The commands of the shell and their arguments.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// A line typed at the prompt.
#[derive(Parser, Debug)]
#[command(
    name = "",
    no_binary_name = true,
    disable_version_flag = true,
    subcommand_help_heading = "Commands"
)]
#[command(
    help_template = "{subcommands}\n\n`COMMAND --help` tells more. Arguments with blanks go in '…' or \"…\"."
)]
pub struct Line {
    /// Result as JSON
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: ShellCommand,
}

/// What can be done.
#[derive(Subcommand, Clone, Debug)]
pub enum ShellCommand {
    /// List the children of a node
    Ls(Ls),
    /// Print a node's data
    Get(Get),
    /// Print a node's stat
    #[command(visible_alias = "exists")]
    Stat(Stat),
    /// Create a node
    Create(Create),
    /// Set a node's data
    Set(Set),
    /// Delete a node that has no children
    #[command(visible_alias = "rm")]
    Delete(Delete),
    /// Delete a node and everything below it
    #[command(visible_alias = "rmr")]
    Deleteall(DeleteAll),
    /// Print a node's ACL
    #[command(name = "getAcl", alias = "getacl")]
    GetAcl(GetAcl),
    /// Set a node's ACL
    #[command(name = "setAcl", alias = "setacl")]
    SetAcl(SetAcl),
    /// Show a credential to the server
    Addauth(AddAuth),
    /// Print who the server takes us for
    Whoami,
    /// Watch a node
    #[command(alias = "addWatch", alias = "addwatch")]
    Watch(Watch),
    /// Remove watches of this session
    #[command(name = "removewatches", alias = "removeWatches")]
    RemoveWatches(RemoveWatches),
    /// Make the server catch up with its leader
    Sync(OnePath),
    /// Print a quota and what is used of it
    #[command(alias = "listQuota")]
    Listquota(OnePath),
    /// Set a quota on a subtree
    #[command(alias = "setQuota")]
    Setquota(SetQuota),
    /// Remove a quota
    #[command(alias = "delQuota")]
    Delquota(DelQuota),
    /// List this session's ephemeral nodes
    #[command(name = "getEphemerals", alias = "getephemerals")]
    GetEphemerals(MaybePath),
    /// Count the nodes below a node
    #[command(name = "getAllChildrenNumber", alias = "getallchildrennumber")]
    GetAllChildrenNumber(OnePath),
    /// Print the ensemble's configuration
    Config(Config),
    /// Print the commands typed so far
    History,
    /// Show watch events as they come, or do not
    Printwatches(PrintWatches),
    /// Connect to other servers, with a new session
    Connect(Connect),
    /// End the session
    Close,
    /// Print the version of this program
    Version,
    /// Leave
    #[command(visible_alias = "exit")]
    Quit,
}

/// A path.
#[derive(Args, Clone, Debug)]
pub struct OnePath {
    /// The node
    pub path: String,
}

/// A path, or none.
#[derive(Args, Clone, Debug)]
pub struct MaybePath {
    /// Only those whose path begins so
    #[arg(default_value = "/")]
    pub path: String,
}

#[derive(Args, Clone, Debug)]
pub struct Ls {
    /// The node's stat too
    #[arg(short)]
    pub stat: bool,
    /// Set a watch on the children
    #[arg(short)]
    pub watch: bool,
    /// The whole subtree, a path per line
    #[arg(short = 'R')]
    pub recursive: bool,
    /// The node
    #[arg(default_value = "/")]
    pub path: String,
}

#[derive(Args, Clone, Debug)]
pub struct Get {
    /// The node's stat too
    #[arg(short)]
    pub stat: bool,
    /// Set a watch
    #[arg(short)]
    pub watch: bool,
    /// The data in base64
    #[arg(short, conflicts_with = "hex")]
    pub base64: bool,
    /// The data as a hex dump
    #[arg(short = 'x')]
    pub hex: bool,
    /// The node
    pub path: String,
}

#[derive(Args, Clone, Debug)]
pub struct Stat {
    /// Set a watch, also on a node that does not exist yet
    #[arg(short)]
    pub watch: bool,
    /// The node
    pub path: String,
}

#[derive(Args, Clone, Debug)]
pub struct Create {
    /// Sequential: the server appends a number
    #[arg(short)]
    pub sequential: bool,
    /// Ephemeral: deleted when this session ends
    #[arg(short)]
    pub ephemeral: bool,
    /// Container: deleted by the server some time after its last child
    #[arg(short, conflicts_with_all = ["sequential", "ephemeral", "ttl"])]
    pub container: bool,
    /// Time to live in ms: deleted by the server when unchanged and without children for so long
    #[arg(short, value_name = "MS", conflicts_with = "ephemeral")]
    pub ttl: Option<i64>,
    /// Create missing parents too
    #[arg(short, long)]
    pub parents: bool,
    /// The data is base64
    #[arg(short)]
    pub base64: bool,
    /// Data from a file; - is standard input
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The node; with -s, what its name begins with
    pub path: String,
    /// Its data; without it the node has none
    #[arg(allow_negative_numbers = true)]
    pub data: Option<String>,
    /// Its ACL, scheme:id:perms,... (perms of cdrwa); else world:anyone:cdrwa
    pub acl: Option<String>,
}

#[derive(Args, Clone, Debug)]
pub struct Set {
    /// Print the new stat
    #[arg(short)]
    pub stat: bool,
    /// Only if the node has this version
    #[arg(short, value_name = "VERSION", allow_negative_numbers = true)]
    pub version: Option<i32>,
    /// The data is base64
    #[arg(short)]
    pub base64: bool,
    /// Data from a file; - is standard input
    #[arg(short, long, value_name = "FILE", conflicts_with = "data")]
    pub file: Option<PathBuf>,
    /// The node
    pub path: String,
    /// Its data
    #[arg(allow_negative_numbers = true, required_unless_present = "file")]
    pub data: Option<String>,
}

#[derive(Args, Clone, Debug)]
pub struct Delete {
    /// Only if the node has this version
    #[arg(short, value_name = "VERSION", allow_negative_numbers = true)]
    pub version: Option<i32>,
    /// The node
    pub path: String,
}

#[derive(Args, Clone, Debug)]
pub struct DeleteAll {
    /// How many nodes to delete in one transaction
    #[arg(short, default_value_t = 1000, value_name = "N")]
    pub batch: usize,
    /// The node
    pub path: String,
}

#[derive(Args, Clone, Debug)]
pub struct GetAcl {
    /// The node's stat too
    #[arg(short)]
    pub stat: bool,
    /// The node
    pub path: String,
}

#[derive(Args, Clone, Debug)]
pub struct SetAcl {
    /// Print the new stat
    #[arg(short)]
    pub stat: bool,
    /// Only if the ACL has this version (aclVersion)
    #[arg(short, value_name = "VERSION", allow_negative_numbers = true)]
    pub version: Option<i32>,
    /// On everything below, too
    #[arg(short = 'R')]
    pub recursive: bool,
    /// The node
    pub path: String,
    /// scheme:id:perms,... (perms of cdrwa), such as world:anyone:r,auth::cdrwa
    pub acl: String,
}

#[derive(Args, Clone, Debug)]
pub struct AddAuth {
    /// Such as digest
    pub scheme: String,
    /// Such as user:password
    #[arg(default_value = "")]
    pub auth: String,
}

/// How long a watch lasts.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum WatchMode {
    /// Until its first event: on the node's data, or its creation
    #[value(alias = "ONCE")]
    Once,
    /// Until removed: data, creation, deletion, children
    #[value(alias = "PERSISTENT")]
    Persistent,
    /// Until removed: the node and everything below it
    #[value(alias = "PERSISTENT_RECURSIVE")]
    Recursive,
}

#[derive(Args, Clone, Debug)]
pub struct Watch {
    /// How long, and on what
    #[arg(short, long, value_enum, default_value_t = WatchMode::Recursive)]
    pub mode: WatchMode,
    /// End after so many events (on the command line; the prompt comes back at once)
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
    /// End after so many seconds without an event (on the command line)
    #[arg(long, value_name = "SECONDS")]
    pub wait: Option<f64>,
    /// The node; it need not exist
    pub path: String,
}

#[derive(Args, Clone, Debug)]
pub struct RemoveWatches {
    /// Watches on the children
    #[arg(short, group = "kind")]
    pub children: bool,
    /// Watches on the data
    #[arg(short, group = "kind")]
    pub data: bool,
    /// Persistent ones
    #[arg(short, group = "kind")]
    pub persistent: bool,
    /// Persistent recursive ones
    #[arg(short, group = "kind")]
    pub recursive: bool,
    /// All (the default)
    #[arg(short, group = "kind")]
    pub all: bool,
    /// The node
    pub path: String,
}

#[derive(Args, Clone, Debug)]
#[group(skip)] // the group that clap derives would hold the path too
#[command(group = clap::ArgGroup::new("limits")
    .required(true)
    .multiple(true)
    .args(["count", "bytes", "count_hard", "bytes_hard"]))]
pub struct SetQuota {
    /// Most nodes, including the top one; more are logged
    #[arg(short = 'n', value_name = "COUNT", allow_negative_numbers = true)]
    pub count: Option<i64>,
    /// Most bytes of data; more are logged
    #[arg(short = 'b', value_name = "BYTES", allow_negative_numbers = true)]
    pub bytes: Option<i64>,
    /// Most nodes; more are refused (if the server enforces quotas)
    #[arg(short = 'N', value_name = "COUNT", allow_negative_numbers = true)]
    pub count_hard: Option<i64>,
    /// Most bytes of data; more are refused (if the server enforces quotas)
    #[arg(short = 'B', value_name = "BYTES", allow_negative_numbers = true)]
    pub bytes_hard: Option<i64>,
    /// The top of the subtree
    pub path: String,
}

#[derive(Args, Clone, Debug)]
pub struct DelQuota {
    /// Only the limit on nodes
    #[arg(short = 'n')]
    pub count: bool,
    /// Only the limit on bytes
    #[arg(short = 'b')]
    pub bytes: bool,
    /// Only the hard limit on nodes
    #[arg(short = 'N')]
    pub count_hard: bool,
    /// Only the hard limit on bytes
    #[arg(short = 'B')]
    pub bytes_hard: bool,
    /// The top of the subtree
    pub path: String,
}

#[derive(Args, Clone, Debug)]
pub struct Config {
    /// Only the version and the client addresses
    #[arg(short)]
    pub client: bool,
    /// Set a watch
    #[arg(short)]
    pub watch: bool,
    /// The node's stat too
    #[arg(short)]
    pub stat: bool,
}

#[derive(Args, Clone, Debug)]
pub struct PrintWatches {
    /// on or off; without it, what it is now
    pub switch: Option<Switch>,
}

/// On or off.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Switch {
    On,
    Off,
}

#[derive(Args, Clone, Debug)]
pub struct Connect {
    /// host:port, more after commas, a /chroot behind them; without it, the servers of before
    pub servers: Option<String>,
}

impl ShellCommand {
    /// Does it set a watch, whose event someone at the command line waits for?
    pub fn sets_watch(&self) -> bool {
        match self {
            ShellCommand::Ls(c) => c.watch,
            ShellCommand::Get(c) => c.watch,
            ShellCommand::Stat(c) => c.watch,
            ShellCommand::Config(c) => c.watch,
            ShellCommand::Watch(_) => true,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_commands_hold_together() {
        Line::command().debug_assert();
    }

    fn parse(line: &str) -> Result<ShellCommand, clap::Error> {
        Line::try_parse_from(line.split_whitespace()).map(|line| line.command)
    }

    #[test]
    fn options_may_come_before_and_after_paths_as_fingers_expect() {
        assert!(matches!(
            parse("set /a data -v 3 -s"),
            Ok(ShellCommand::Set(Set { version: Some(3), stat: true, .. }))
        ));
        assert!(
            matches!(parse("set -s /a -5"), Ok(ShellCommand::Set(Set { data: Some(d), .. })) if d == "-5")
        );
        assert!(matches!(
            parse("create -s -e /a x world:anyone:r"),
            Ok(ShellCommand::Create(Create { sequential: true, ephemeral: true, acl: Some(_), .. }))
        ));
        assert!(matches!(
            parse("addWatch -m PERSISTENT /a"),
            Ok(ShellCommand::Watch(Watch { mode: WatchMode::Persistent, .. }))
        ));
        assert!(matches!(parse("ls"), Ok(ShellCommand::Ls(Ls { path, .. })) if path == "/"));
        assert!(matches!(parse("rmr /a"), Ok(ShellCommand::Deleteall(_))));
    }

    #[test]
    fn contradictions_are_refused() {
        for line in [
            "create -c -e /a",
            "create -t 5 -e /a",
            "setquota /a",
            "get -b -x /a",
            "set /a",
            "removewatches -c -d /a",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
