//! Files one can read: not too long, no leftovers, nothing about the machine they were written on.

use crate::bans::names;
use crate::{Offence, Repository, TextFile};

/// The length at which a file of code should become two.
const LINES_MAX: usize = 500;

/// Files that are longer, and why they are better so.
const LONG_FILES: &[(&str, &str)] = &[
    ("crates/tree/src/projection/prepare.rs", "one function per operation, in the order of the protocol"),
    ("crates/interop/src/pair.rs", "one driver; every item's way through both servers shares its state"),
    ("crates/zab/tests/scenarios_learner.rs", "a list of small scenarios, one per issue"),
    ("crates/zab/tests/scenarios_leader.rs", "a list of small scenarios, one per issue"),
    ("crates/node/tests/world/mod.rs", "one harness for all of the node's stories"),
];

/// Work that somebody meant to do later: it belongs into a sentence that says what is missing and why.
const LEFTOVERS: &[&str] =
    &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("HA", "CK")];

/// Beginnings of paths that exist on one machine only.
const MACHINE_PATHS: &[&str] =
    &[concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/"), concat!("/wo", "rk/")];

pub(crate) fn check(repository: &Repository) -> Vec<Offence> {
    let mut offences = Vec::new();
    for file in repository.prose_and_code() {
        let mut offend = |line, text| offences.push(Offence { file: file.path.clone(), line, text });
        for (number, line) in file.text.lines().enumerate().map(|(at, line)| (at + 1, line)) {
            if line.ends_with([' ', '\t']) {
                offend(number, "white space at the end; `cargo xtask fix` removes it".to_owned());
            }
            if let Some(word) = LEFTOVERS.iter().find(|word| names(line, word)) {
                offend(number, format!("{word}: do it, or say in a sentence what is missing and why"));
            }
            if let Some(path) = MACHINE_PATHS.iter().find(|path| is_rooted(line, path)) {
                offend(number, format!("a path of one machine: {path}"));
            }
        }
        if file.text.lines().next().is_some() && cleaned(&file.text) != file.text {
            let last = file.text.lines().count();
            offend(last, "the file must end with one line end; `cargo xtask fix` sees to it".to_owned());
        }
    }
    offences.extend(lengths(repository.ending(".rs")));
    offences.extend(lengths(repository.ending(".py")));
    for (path, _) in LONG_FILES.iter().filter(|(path, _)| repository.text(path).is_none()) {
        if repository.text("crates/tidy/src/text.rs").is_some() {
            let text = format!("the exception for {path} has no file any more");
            offences.push(Offence { file: "crates/tidy/src/text.rs".to_owned(), line: 0, text });
        }
    }
    offences
}

fn lengths<'a>(files: impl Iterator<Item = &'a TextFile>) -> Vec<Offence> {
    let long = files.filter(|file| file.text.lines().count() > LINES_MAX);
    long.filter(|file| !LONG_FILES.iter().any(|(path, _)| *path == file.path))
        .map(|file| Offence {
            file: file.path.clone(),
            line: file.text.lines().count(),
            text: format!(
                "more than {LINES_MAX} lines: split it by nouns, or add a reason in crates/tidy/src/text.rs"
            ),
        })
        .collect()
}

/// Whether the path stands in the line as an absolute one, not as the end of a longer path or of an address.
fn is_rooted(line: &str, path: &str) -> bool {
    line.match_indices(path)
        .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "}._-~".contains(c)))
}

/// The text without white space at the end of its lines, and with exactly one line end at its own.
pub(crate) fn cleaned(text: &str) -> String {
    let mut clean: String =
        text.lines().map(|line| line.trim_end_matches([' ', '\t'])).flat_map(|line| [line, "\n"]).collect();
    while clean.ends_with("\n\n") {
        clean.pop();
    }
    if clean == "\n" { String::new() } else { clean }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_paths_and_white_space() {
        let source =
            ["fine ", LEFTOVERS[0], &format!("cd {}x", MACHINE_PATHS[0]), "/a/work/b", ""].join("\n");
        let repository = Repository::of(&[("a.rs", &source)]);
        let lines: Vec<usize> = check(&repository).iter().map(|offence| offence.line).collect();
        assert_eq!(lines, [1, 2, 3, 4]);
        assert_eq!(cleaned("a \n\nb\n\n\n"), "a\n\nb\n");
        assert_eq!(cleaned(""), "");
    }

    #[test]
    fn a_long_file_needs_a_reason() {
        let long = "x\n".repeat(LINES_MAX + 1);
        let repository = Repository::of(&[("a.rs", &long), (LONG_FILES[0].0, &long), ("b.rs", &long[2..])]);
        let files: Vec<String> = check(&repository).into_iter().map(|offence| offence.file).collect();
        assert_eq!(files, ["a.rs"]);
    }
}
