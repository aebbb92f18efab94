//! A dependency is a guest: named with a reason in `docs/dependencies.md`, and really used.

use crate::bans::names;
use crate::code::code_only;
use crate::{Offence, Repository};
use std::collections::BTreeSet;

const LIST: &str = "docs/dependencies.md";

pub(crate) fn check(repository: &Repository) -> Vec<Offence> {
    let manifests = repository.manifests();
    let ours: BTreeSet<&str> = manifests.iter().map(|manifest| manifest.name.as_str()).collect();
    let listed = listed(repository.text(LIST).unwrap_or_default());
    let mut offences = Vec::new();
    let mut real = BTreeSet::new();
    for manifest in &manifests {
        let sources = repository.below(manifest.directory(), ".rs");
        let code: Vec<String> = sources.map(|file| code_only(&file.text)).collect();
        for (line, _, dependency) in &manifest.dependencies {
            let mut offend = |text| offences.push(Offence { file: manifest.path.clone(), line: *line, text });
            let identifier = match dependency.as_str() {
                "md-5" => "md5".to_owned(),
                dependency => dependency.replace('-', "_"),
            };
            let used = code.iter().any(|code| names(code, &identifier));
            if !used && !ours.contains(dependency.as_str()) {
                offend(format!("{dependency} is not used by any source of {}", manifest.name));
            }
            if ours.contains(dependency.as_str()) {
                continue;
            }
            real.insert((dependency.clone(), manifest.name.clone()));
            if !listed.iter().any(|(_, name, user)| name == dependency && *user == manifest.name) {
                offend(format!(
                    "{dependency}, used by {}, has no line with a reason in {LIST}",
                    manifest.name
                ));
            }
        }
    }
    for (line, name, user) in listed {
        if !real.contains(&(name.clone(), user.clone())) {
            let text = format!("{user} does not depend on {name}");
            offences.push(Offence { file: LIST.to_owned(), line, text });
        }
    }
    offences
}

/// Line, dependency and user: one for each pair in the rows of `| Crate | Used by | Reason |`.
fn listed(text: &str) -> Vec<(usize, String, String)> {
    let mut pairs = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| line.starts_with('|')).skip(2) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [names, users, _reason] = cells[..] else { continue };
        for name in names.split(',').map(str::trim) {
            for user in users.split(',').map(|user| user.trim().trim_end_matches(" (tests)")) {
                pairs.push((at + 1, name.to_owned(), user.to_owned()));
            }
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_without_reason_an_idle_one_and_an_absent_one() {
        let repository = Repository::of(&[
            (LIST, "| Crate | Used by | Reason |\n|---|---|---|\n| log | a | r |\n| gone | a | r |\n"),
            (
                "crates/a/Cargo.toml",
                "[package]\nname = \"a\"\n[dependencies]\nlog = \"1\"\nnew-one = \"1\"\nidle = \"1\"\n",
            ),
            ("crates/a/src/lib.rs", "use log::info; use new_one::X; // idle"),
        ]);
        let found: Vec<String> = check(&repository).iter().map(Offence::to_string).collect();
        assert_eq!(
            found,
            [
                "crates/a/Cargo.toml:5: new-one, used by a, has no line with a reason in docs/dependencies.md",
                "crates/a/Cargo.toml:6: idle is not used by any source of a",
                "crates/a/Cargo.toml:6: idle, used by a, has no line with a reason in docs/dependencies.md",
                "docs/dependencies.md:4: a does not depend on gone",
            ]
        );
    }
}
