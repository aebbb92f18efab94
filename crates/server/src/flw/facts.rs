//! What the process and the machine know about themselves. The only part of this module that looks outside.

use crate::config::Config;
use std::path::Path;
use std::{env, fs};

/// Bytes on disk, in files of the two `version-2` directories.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DirectorySizes {
    /// Where the snapshots are.
    pub data_bytes: u64,
    /// Where the logs are.
    pub log_bytes: u64,
}

impl DirectorySizes {
    /// Looks at the directories; what cannot be read counts nothing.
    pub fn measure(config: &Config) -> DirectorySizes {
        DirectorySizes {
            data_bytes: directory_bytes(&config.snap_version_dir(), 4),
            log_bytes: directory_bytes(&config.log_version_dir(), 4),
        }
    }
}

/// The sum of the lengths of the files, in directories below as well, to a depth.
fn directory_bytes(directory: &Path, depth: u32) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let mut sum = 0;
    for entry in entries.flatten() {
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() && depth > 0 => {
                sum += directory_bytes(&entry.path(), depth - 1)
            }
            Ok(metadata) if metadata.is_file() => sum += metadata.len(),
            _ => {}
        }
    }
    sum
}

/// The open files of this process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Process {
    /// How many there are.
    pub open_file_descriptors: u64,
    /// How many there may be.
    pub max_file_descriptors: u64,
}

impl Process {
    /// Looks at `/proc`; 0 where there is none.
    pub fn observe() -> Process {
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
        let soft = line.and_then(|line| line.split_whitespace().next());
        Process {
            open_file_descriptors: fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64),
            max_file_descriptors: soft.and_then(|text| text.parse().ok()).unwrap_or(0),
        }
    }
}

/// What `envi` shows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs, reason = "the names are those of the answer")]
pub struct Environment {
    pub host_name: String,
    pub temp_dir: String,
    pub os_name: String,
    pub os_arch: String,
    pub os_version: String,
    pub user_name: String,
    pub user_home: String,
    pub user_dir: String,
    /// Memory the machine could still give, in bytes.
    pub memory_free_bytes: u64,
    /// Memory of the machine, in bytes.
    pub memory_max_bytes: u64,
    /// Memory this process has resident, in bytes.
    pub memory_used_bytes: u64,
}

impl Environment {
    /// Asks the environment and `/proc`; `<NA>` where nobody answers.
    pub fn observe() -> Environment {
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let user = user(&users, rustix::process::getuid().as_raw());
        Environment {
            host_name: proc_line("/proc/sys/kernel/hostname"),
            temp_dir: env::temp_dir().display().to_string(),
            os_name: java_os(env::consts::OS).to_owned(),
            os_arch: java_arch(env::consts::ARCH).to_owned(),
            os_version: proc_line("/proc/sys/kernel/osrelease"),
            user_name: user
                .as_ref()
                .map(|(name, _)| name.clone())
                .or_else(|| variable("USER"))
                .unwrap_or_else(missing),
            user_home: user.map(|(_, home)| home).or_else(|| variable("HOME")).unwrap_or_else(missing),
            user_dir: env::current_dir().map_or_else(|_| missing(), |dir| dir.display().to_string()),
            memory_free_bytes: kilobytes(&memory, "MemAvailable:"),
            memory_max_bytes: kilobytes(&memory, "MemTotal:"),
            memory_used_bytes: kilobytes(&status, "VmRSS:"),
        }
    }
}

/// Name and home of a user, from the lines of `/etc/passwd`. Like Java, and unlike a shell, not from the environment.
fn user(passwd: &str, uid: u32) -> Option<(String, String)> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, its_uid) = (fields.next()?, fields.nth(1)?);
        let home = fields.nth(2)?;
        (its_uid.parse() == Ok(uid)).then(|| (name.to_owned(), home.to_owned()))
    })
}

fn missing() -> String {
    "<NA>".to_owned()
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn proc_line(path: &str) -> String {
    fs::read_to_string(path).map_or_else(|_| missing(), |text| text.trim().to_owned())
}

/// The bytes of a line `name: 123 kB`.
fn kilobytes(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    number.unwrap_or(0).saturating_mul(1024)
}

fn java_os(name: &str) -> &str {
    match name {
        "linux" => "Linux",
        "macos" => "Mac OS X",
        other => other,
    }
}

fn java_arch(name: &str) -> &str {
    match name {
        "x86_64" => "amd64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_summed_through_subdirectories() {
        let dir = env::temp_dir().join(format!("headkeeper-facts-{}", std::process::id()));
        let below = dir.join("version-2/below");
        fs::create_dir_all(&below).unwrap();
        fs::write(dir.join("version-2/log.1"), [0; 100]).unwrap();
        fs::write(below.join("x"), [0; 20]).unwrap();
        let config = Config { data_dir: dir.clone(), ..Config::default() };
        assert_eq!(DirectorySizes::measure(&config), DirectorySizes { data_bytes: 120, log_bytes: 120 });
        fs::remove_dir_all(&dir).unwrap();
        assert_eq!(DirectorySizes::measure(&config), DirectorySizes::default());
    }

    #[test]
    fn a_user_is_found_by_number() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nbroken:x\nzk:x:1000:1000::/var/lib/zk:/bin/false\n";
        assert_eq!(user(passwd, 1000), Some(("zk".to_owned(), "/var/lib/zk".to_owned())));
        assert_eq!(user(passwd, 0), Some(("root".to_owned(), "/root".to_owned())));
        assert_eq!((user(passwd, 7), user("", 0)), (None, None));
    }

    #[test]
    fn lines_of_proc_are_kilobytes() {
        assert_eq!(kilobytes("MemTotal:       16 kB\nVmRSS:\t  2 kB\n", "VmRSS:"), 2048);
        assert_eq!(kilobytes("", "VmRSS:"), 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_knows_its_files_and_its_machine() {
        let process = Process::observe();
        assert!(
            process.open_file_descriptors >= 3
                && process.max_file_descriptors >= process.open_file_descriptors
        );
        let environment = Environment::observe();
        assert!(
            environment.memory_max_bytes > environment.memory_used_bytes && environment.memory_used_bytes > 0
        );
        assert_eq!(environment.os_name, "Linux");
    }
}
