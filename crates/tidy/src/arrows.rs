//! Which crate may use which: few arrows, all of them drawn in ARCHITECTURE.md.

use crate::manifest::{Kind, Manifest};
use crate::{Offence, Repository};
use std::collections::BTreeSet;

/// The arrows that the design allows. ARCHITECTURE.md tells which of them exist.
const ALLOWED: &[(&str, &[&str])] = &[
    ("wire", &[]),
    ("tree", &["wire"]),
    ("store", &["wire", "tree"]),
    ("zab", &["wire"]),
    ("node", &["wire", "tree", "store", "zab"]),
    ("server", &["wire", "tree", "store", "zab", "node"]),
    ("client", &["wire"]),
    ("headkeeper", &["wire", "tree", "store", "server", "client"]),
    // An independent second opinion shares no logic with `tree`.
    ("model", &["wire"]),
    ("sim", &["wire", "tree", "store", "zab", "node", "model"]),
    ("interop", &["wire", "client", "model"]),
    ("hostile", &["wire", "tree", "store", "zab", "node", "client", "server", "headkeeper"]),
    ("tidy", &[]),
    ("xtask", &["client", "interop", "sim", "tidy", "wire"]),
];

/// What the tests of a core crate may use besides: what is as pure as they are.
const FOR_CORE_TESTS: &[&str] = &["wire", "tree", "store", "zab", "node", "model", "sim"];

const DRAWING: &str = "ARCHITECTURE.md";

pub(crate) fn check(repository: &Repository) -> Vec<Offence> {
    let manifests: Vec<Manifest> = repository.manifests().into_iter().filter(in_workspace).collect();
    let ours: BTreeSet<&str> = manifests.iter().map(|manifest| manifest.name.as_str()).collect();
    let drawn = drawn(repository.text(DRAWING).unwrap_or_default());
    let mut offences = Vec::new();
    for manifest in &manifests {
        let name = manifest.name.as_str();
        let arrows =
            manifest.dependencies.iter().filter(|(_, _, to)| ours.contains(to.as_str()) && to != name);
        let mut real = BTreeSet::new();
        for (line, kind, to) in arrows {
            let allowed = ALLOWED.iter().find(|(from, _)| *from == name).map_or(&[][..], |(_, to)| to);
            let ok = match kind {
                Kind::Normal => allowed.contains(&to.as_str()),
                Kind::Test if crate::bans::CORE.contains(&name) => FOR_CORE_TESTS.contains(&to.as_str()),
                Kind::Test => true,
            };
            if !ok {
                let text = format!(
                    "{name} must not depend on {to}; the arrows are listed in crates/tidy/src/arrows.rs"
                );
                offences.push(Offence { file: manifest.path.clone(), line: *line, text });
            }
            if *kind == Kind::Normal {
                real.insert(to.clone());
            }
        }
        match drawn.iter().find(|(_, crate_name, _)| crate_name == name) {
            None => offences.push(Offence {
                file: DRAWING.to_owned(),
                line: 0,
                text: format!("the table of crates has no row for `{name}`"),
            }),
            Some((line, _, arrows)) if *arrows != real => offences.push(Offence {
                file: DRAWING.to_owned(),
                line: *line,
                text: format!("{name} depends on {}", shown(&real)),
            }),
            Some(_) => {}
        }
    }
    offences
}

/// The fuzz targets have a workspace of their own.
fn in_workspace(manifest: &Manifest) -> bool {
    !manifest.path.starts_with("fuzz/")
}

fn shown(names: &BTreeSet<String>) -> String {
    if names.is_empty() {
        return "nothing here (write –)".to_owned();
    }
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Line, name and arrows of each row of the table `| Crate | What | Depends on |`.
fn drawn(text: &str) -> Vec<(usize, String, BTreeSet<String>)> {
    let mut rows = Vec::new();
    let lines = text.lines().enumerate().skip_while(|(_, line)| !line.starts_with("| Crate "));
    for (at, line) in lines.skip(2).take_while(|(_, line)| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, _, arrows] = cells[..] else { continue };
        let arrows = arrows.split(',').map(str::trim).filter(|arrow| !["", "–"].contains(arrow));
        rows.push((at + 1, name.trim_matches('`').to_owned(), arrows.map(str::to_owned).collect()));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str =
        "| Crate | What | Depends on |\n|---|---|---|\n| `wire` | w | – |\n| `tree` | t | wire |\n";

    fn offences(tree_uses: &str, wire_uses: &str) -> Vec<String> {
        let manifest =
            |name: &str, uses: &str| format!("[package]\nname = \"{name}\"\n[dependencies]\n{uses}\n");
        let repository = Repository::of(&[
            ("ARCHITECTURE.md", TABLE),
            ("crates/tree/Cargo.toml", &manifest("tree", tree_uses)),
            ("crates/wire/Cargo.toml", &manifest("wire", wire_uses)),
        ]);
        check(&repository).iter().map(Offence::to_string).collect()
    }

    #[test]
    fn what_is_drawn_and_allowed_is_fine() {
        assert_eq!(offences("wire.workspace = true", ""), [""; 0]);
    }

    #[test]
    fn an_arrow_the_wrong_way_is_found() {
        let found = offences("wire.workspace = true", "tree.workspace = true");
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("crates/wire/Cargo.toml:4: wire must not depend on tree"), "{found:?}");
    }

    #[test]
    fn a_drawing_that_is_behind_is_found() {
        assert_eq!(offences("", ""), ["ARCHITECTURE.md:4: tree depends on nothing here (write –)"]);
    }
}
