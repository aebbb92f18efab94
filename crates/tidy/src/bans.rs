//! The core takes time, bytes and completions as arguments and returns what to do: it reaches for nothing.

use crate::code::code_only;
use crate::{Offence, Repository};

/// The crates that are pure.
pub(crate) const CORE: &[&str] = &["wire", "tree", "store", "node", "zab"];

/// What a pure crate must not name, and why.
const BANS: &[(&str, &str)] = &[
    ("std::fs", "files are the shell's: return a DiskOp"),
    ("std::net", "sockets are the shell's; only addresses are values"),
    ("std::time", "time is an argument, see node::Now"),
    ("Instant", "time is an argument, see node::Now"),
    ("SystemTime", "time is an argument, see node::Now"),
    ("std::thread", "the core is one machine in one thread"),
    ("std::sync", "the core is one machine in one thread; no locks"),
    ("std::env", "settings are arguments"),
    ("std::process", "ending the process is the shell's decision: return a Halt"),
    ("stdin", "input is an argument"),
    ("stdout", "return a Note"),
    ("stderr", "return a Note"),
    ("HashMap", "hash order differs between runs: BTreeMap, or hashbrown's HashTable with a seed of ours"),
    ("HashSet", "hash order differs between runs: BTreeSet, or hashbrown's HashTable with a seed of ours"),
    ("RandomState", "a run must repeat from its seed"),
    ("DefaultHasher", "its result may change with the compiler"),
    ("rand", "randomness is an argument"),
    ("println", "return a Note"),
    ("eprintln", "return a Note"),
    ("print", "return a Note"),
    ("eprint", "return a Note"),
    ("unsafe", "forbidden in every crate"),
];

/// What may stand in a banned module all the same.
const VALUES: &[&str] = &[
    "std::net::IpAddr",
    "std::net::Ipv4Addr",
    "std::net::Ipv6Addr",
    "std::net::SocketAddr",
    "std::net::{IpAddr, SocketAddr}",
    "std::net::{IpAddr, Ipv4Addr, Ipv6Addr}",
    "std::sync::Arc",
];

pub(crate) fn check(repository: &Repository) -> Vec<Offence> {
    let mut offences = Vec::new();
    for name in CORE {
        for file in repository.below(&format!("crates/{name}/src/"), ".rs") {
            // Tests at the end of a file may read samples; what they test may not.
            let product = file.text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
            let code = code_only(product);
            for (at, line) in code.lines().enumerate() {
                let mut line = line.to_owned();
                for value in VALUES {
                    line = without(&line, value);
                }
                for (word, why) in BANS.iter().filter(|(word, _)| names(&line, word)) {
                    let text = format!("`{word}` in the core: {why}");
                    offences.push(Offence { file: file.path.clone(), line: at + 1, text });
                }
            }
        }
    }
    offences
}

/// The line without a permitted name, where it stands as a whole.
fn without(line: &str, value: &str) -> String {
    match line.find(value) {
        Some(at) if !line[at + value.len()..].starts_with(is_name) => line.replacen(value, "", 1),
        _ => line.to_owned(),
    }
}

/// Whether `word` stands in `line` as a whole word.
pub(crate) fn names(line: &str, word: &str) -> bool {
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(is_name) && !line[at + word.len()..].starts_with(is_name))
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_may_name_addresses_and_nothing_that_acts() {
        let source = "use std::net::SocketAddr;\nuse std::net::SocketAddrs;\nuse std::net::{IpAddr, TcpStream};\n\
                      // std::fs\nlet t = Instant::now();\nlet operand = \"HashMap\";\nstd::env::var(x);\n#[cfg(test)]\nmod tests {\nuse std::fs;\n}\n";
        let repository =
            Repository::of(&[("crates/tree/src/a.rs", source), ("crates/server/src/a.rs", source)]);
        let lines: Vec<usize> = check(&repository).iter().map(|offence| offence.line).collect();
        assert_eq!(lines, [2, 3, 5, 7]);
    }
}
