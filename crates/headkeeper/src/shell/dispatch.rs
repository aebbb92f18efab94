//! From a command to the module that carries it out.

use super::command::ShellCommand;
use super::failure::Failure;
use super::output::Output;
use super::target::Target;
use super::{quota, read, watch, write};
use serde_json::json;

/// Carries out a command that needs nothing but the session.
pub fn run(target: &mut Target, command: &ShellCommand) -> Result<Output, Failure> {
    match command {
        ShellCommand::Ls(c) => read::ls(target, c),
        ShellCommand::Get(c) => read::get(target, c),
        ShellCommand::Stat(c) => read::stat(target, c),
        ShellCommand::GetAcl(c) => read::acl(target, c),
        ShellCommand::Whoami => read::whoami(target),
        ShellCommand::GetEphemerals(c) => read::ephemerals(target, &c.path),
        ShellCommand::GetAllChildrenNumber(c) => read::all_children_number(target, &c.path),
        ShellCommand::Config(c) => read::config(target, c),
        ShellCommand::Sync(c) => read::sync(target, &c.path),
        ShellCommand::Create(c) => write::create(target, c),
        ShellCommand::Set(c) => write::set(target, c),
        ShellCommand::Delete(c) => write::delete(target, c),
        ShellCommand::Deleteall(c) => write::delete_all(target, c),
        ShellCommand::SetAcl(c) => write::set_acl(target, c),
        ShellCommand::Addauth(c) => write::add_auth(target, c),
        ShellCommand::Watch(c) => watch::watch(target, c),
        ShellCommand::RemoveWatches(c) => watch::remove(target, c),
        ShellCommand::Listquota(c) => quota::list(target, &c.path),
        ShellCommand::Setquota(c) => quota::set(target, c),
        ShellCommand::Delquota(c) => quota::delete(target, c),
        ShellCommand::Version => Ok(version()),
        ShellCommand::History
        | ShellCommand::Printwatches(_)
        | ShellCommand::Connect(_)
        | ShellCommand::Close
        | ShellCommand::Quit => {
            Err(Failure::arguments("this command is for the prompt: `headkeeper shell` alone gives one"))
        }
    }
}

fn version() -> Output {
    let version = env!("CARGO_PKG_VERSION");
    Output::text(format!("headkeeper {version}\n"), json!({ "version": version }))
}
