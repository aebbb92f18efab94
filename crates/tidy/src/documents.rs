//! Links lead somewhere, and every page can be found.

use crate::{Offence, Repository, TextFile};
use std::collections::BTreeSet;

/// Where a reader starts.
const ENTRANCES: &[&str] = &["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"];

pub(crate) fn check(repository: &Repository) -> Vec<Offence> {
    let mut offences = Vec::new();
    let mut linked = BTreeSet::new();
    for file in repository.ending(".md") {
        for (line, target) in links(&file.text) {
            let mut offend = |text| offences.push(Offence { file: file.path.clone(), line, text });
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((target.as_str(), ""));
            let path = resolved(file, path);
            if !repository.has(&path) {
                offend(format!("the link to {target} leads nowhere"));
            } else if !anchor.is_empty()
                && !repository.text(&path).is_some_and(|text| has_heading(text, anchor))
            {
                offend(format!("{path} has no heading #{anchor}"));
            }
            linked.insert(path);
        }
    }
    for file in repository.below("docs/", ".md").filter(|file| !linked.contains(&file.path)) {
        let text = format!("no page links here; start from {}", ENTRANCES.join(", "));
        offences.push(Offence { file: file.path.clone(), line: 0, text });
    }
    offences
}

/// A link's target from the root of the repository.
fn resolved(file: &TextFile, target: &str) -> String {
    if target.is_empty() {
        return file.path.clone();
    }
    let mut parts: Vec<&str> = file.path.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Line and target of every `[text](target)` outside code.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    let mut fenced = false;
    for (at, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        for (start, _) in prose.match_indices("](") {
            let target: String = prose[start + 2..].chars().take_while(|c| !")\" ".contains(*c)).collect();
            links.push((at + 1, target));
        }
    }
    links
}

/// Whether one of the page's headings gets this anchor from the usual viewers.
fn has_heading(text: &str, anchor: &str) -> bool {
    let mut headings =
        text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#'));
    headings.any(|heading| {
        let heading = heading.trim().to_lowercase();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).eq(anchor.chars())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_links_lost_anchors_and_lonely_pages() {
        let repository = Repository::of(&[
            ("README.md", "[a](docs/a.md#one-two) [b](docs/a.md#three) [c](gone.md) `[d](x.md)` [e](docs)\n"),
            ("docs/a.md", "# One, two!\n[up](../README.md) [web](https://example.org/x)\n"),
            ("docs/b.md", "nobody comes here\n"),
        ]);
        let found: Vec<String> = check(&repository).iter().map(Offence::to_string).collect();
        assert_eq!(
            found,
            [
                "README.md:1: docs/a.md has no heading #three",
                "README.md:1: the link to gone.md leads nowhere",
                "docs/b.md: no page links here; start from README.md, ARCHITECTURE.md, CONTRIBUTING.md",
            ]
        );
    }
}
