//! This repository keeps its own rules.

use std::path::Path;
use tidy::{Repository, check};

#[test]
fn the_rules_are_kept() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let repository = Repository::open(&root).expect("the repository can be read");
    let offences: Vec<String> = check(&repository).iter().map(ToString::to_string).collect();
    assert!(offences.is_empty(), "{} places break a rule:\n{}", offences.len(), offences.join("\n"));
}
