//! The table of keys as text: for `headkeeper help config` and for `docs/configuration.md`.

use super::key::{Class, Key, Verdict};
use super::table::{GROUPS, Group};
use std::fmt::Write;

/// What `headkeeper config` prints: every key with its default, what it does in which unit, and what is allowed.
pub fn help() -> String {
    let mut text = String::from(
        "A configuration file has lines `key=value` (Java properties). Keys marked P may also be given as\n\
         -Dzookeeper.KEY=VALUE, keys marked S as -DKEY=VALUE, on the command line or in SERVER_JVMFLAGS or JVMFLAGS.\n",
    );
    for group in GROUPS {
        let _ = writeln!(text, "\n{}", group.title);
        for key in group.keys {
            let default = if key.default.is_empty() { String::new() } else { format!(" [{}]", key.default) };
            let (mark, name, line) = (mark(key), key.name, plain(&line(key)));
            let _ = writeln!(
                text,
                "  {mark} {name}{default}\n        {line}\n        Allowed: {}.",
                key.allowed()
            );
        }
    }
    text
}

/// One key for `headkeeper config KEY`.
pub fn help_key(key: &Key) -> String {
    let mut text = format!("{}\n  {}\n", key.name, plain(&line(key)));
    let default = if key.default.is_empty() { "none" } else { key.default };
    let _ = writeln!(text, "  allowed: {}\n  default: {default}", key.allowed());
    if let Some(flag) = key.flag() {
        let _ = writeln!(text, "  as a flag: {flag}=VALUE");
    }
    text
}

/// The whole of `docs/configuration.md`.
pub fn markdown() -> String {
    let mut text = String::from(
        "# Configuration\n\n\
         Printed from the table of keys in `crates/server/src/config/table`; a test keeps the two equal, and\n\
         `UPDATE_DOCS=1 cargo test -p server configuration_md` writes this file anew.\n\n\
         A configuration file has lines `key=value` in Java's properties format, as for Apache ZooKeeper 3.9. How a key\n\
         reaches the server:\n\n\
         | | In the file | As a flag |\n|---|---|---|\n\
         | K | yes | no |\n\
         | P | yes, and it wins | `-Dzookeeper.KEY=VALUE` |\n\
         | S | honoured with a warning (Apache ZooKeeper ignores it there) | `-DKEY=VALUE`, and it wins |\n\n\
         Flags are read from `SERVER_JVMFLAGS`, then `JVMFLAGS`, then the command line; the last of equal ones counts.\n\
         A malformed K value stops the start with exit code 2. A malformed P or S number falls back to the default with a\n\
         warning. Unknown keys are ignored with a warning each.\n",
    );
    for group in GROUPS {
        section(&mut text, group);
    }
    text
}

fn section(text: &mut String, group: &Group) {
    let _ = writeln!(text, "\n## {}\n\n| Key | | Allowed | Default | |\n|---|---|---|---|---|", group.title);
    for key in group.keys {
        let default = if key.default.is_empty() { String::new() } else { format!("`{}`", key.default) };
        let allowed = key.allowed().replace('|', "\\|");
        let _ = writeln!(text, "| `{}` | {} | {allowed} | {default} | {} |", key.name, mark(key), line(key));
    }
}

fn mark(key: &Key) -> char {
    match key.class {
        Class::File => 'K',
        Class::FileOrFlag | Class::Property => 'P',
        Class::System => 'S',
    }
}

/// The key's line with what its verdict adds.
fn line(key: &Key) -> String {
    match key.verdict {
        Verdict::Honoured | Verdict::Ensemble => key.doc.to_owned(),
        Verdict::Ignored(why) => format!("{} No effect: {why}.", key.doc),
        Verdict::Later(feature) => {
            format!("{} No effect yet: {feature} is not part of this version.", key.doc)
        }
        Verdict::Rejected(why) => format!("{} Refused: {why}.", key.doc),
    }
}

fn plain(text: &str) -> String {
    text.replace('`', "")
}
