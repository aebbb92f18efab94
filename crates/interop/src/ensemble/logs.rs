//! Transaction logs of several servers, held against each other.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A transaction as our tool shows it, by zxid.
type Log = BTreeMap<u64, String>;

pub(super) fn compare(ours: &Path, directories: &[PathBuf]) -> Result<usize, String> {
    let mut seen = Log::new();
    for directory in directories {
        for (zxid, line) in read(ours, directory)? {
            match seen.get(&zxid) {
                None => drop(seen.insert(zxid, line)),
                Some(known) if *known == line => {}
                Some(known) => {
                    return Err(format!("{} has\n{line}\nwhere another has\n{known}", directory.display()));
                }
            }
        }
    }
    Ok(seen.len())
}

pub(super) fn last(ours: &Path, directory: &Path) -> Result<u64, String> {
    let log = read(ours, directory)?;
    log.keys().next_back().copied().ok_or_else(|| format!("{} holds no transaction", directory.display()))
}

fn read(ours: &Path, directory: &Path) -> Result<Log, String> {
    let entries = fs::read_dir(directory).map_err(|e| format!("{}: {e}", directory.display()))?;
    let is_log = |path: &PathBuf| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("log."));
    let mut log = Log::new();
    for file in entries.flatten().map(|entry| entry.path()).filter(is_log) {
        let output = Command::new(ours).args(["log", "dump", "--json"]).arg(&file).output();
        let output = output.map_err(|error| format!("cannot run {}: {error}", ours.display()))?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{} is not in order: {}", file.display(), why.trim()));
        }
        log.extend(String::from_utf8_lossy(&output.stdout).lines().filter_map(transaction));
    }
    Ok(log)
}

/// A line of the tool: its zxid, and all it says but for where in the file that is.
fn transaction(line: &str) -> Option<(u64, String)> {
    let (zxid, rest) = line.strip_prefix("{\"zxid\":\"0x")?.split_once('"')?;
    let (txn, _) = rest.rsplit_once(",\"offset\":")?;
    Some((u64::from_str_radix(zxid, 16).ok()?, txn.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_all_but_its_place_in_the_file() {
        let line = r#"{"zxid":"0x1f","session":"0x1","type":"error","offset":16,"crc_ok":true}"#;
        assert_eq!(transaction(line), Some((31, r#","session":"0x1","type":"error""#.to_owned())));
        assert_eq!(transaction(r#"{"records":6,"crc_errors":0}"#), None);
    }
}
