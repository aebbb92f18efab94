//! The rules of this repository that a compiler does not know, as checks.
//!
//! What it is: a function per rule, from the files of the repository to the places that break it. No dependencies, a
//! fraction of a second, run by `cargo test` and by `cargo xtask check` alike. What it is not: a parser of Rust. It looks
//! at text from which comments and strings were taken away; what needs types is clippy's work.
//!
//! The types to know: [`Repository`], every text file once read; [`Offence`], one line of output.

mod arrows;
mod bans;
mod code;
mod dependencies;
mod documents;
mod manifest;
mod repository;
mod text;

pub use repository::{Repository, TextFile};

use std::fmt;

/// Something that breaks a rule, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offence {
    /// The file, from the root of the repository.
    pub file: String,
    /// The line, counted from 1; 0 when the file as a whole is meant.
    pub line: usize,
    /// What is wrong, and what to do.
    pub text: String,
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.text),
            line => write!(f, "{}:{line}: {}", self.file, self.text),
        }
    }
}

/// A rule: its name, and what finds the places that break it.
pub type Rule = (&'static str, fn(&Repository) -> Vec<Offence>);

/// All rules.
pub const RULES: &[Rule] = &[
    ("arrows between crates", arrows::check),
    ("the core is pure", bans::check),
    ("dependencies have reasons", dependencies::check),
    ("documents are true", documents::check),
    ("text is clean", text::check),
];

/// Everything that breaks a rule, in order.
pub fn check(repository: &Repository) -> Vec<Offence> {
    let mut offences: Vec<Offence> = RULES.iter().flat_map(|(_, rule)| rule(repository)).collect();
    offences.sort();
    offences.dedup();
    offences
}

/// Repairs what needs no thought: white space at the end of lines and files. Returns the files that it wrote.
pub fn fix(repository: &Repository) -> std::io::Result<Vec<String>> {
    let mut written = Vec::new();
    for file in repository.prose_and_code() {
        let clean = text::cleaned(&file.text);
        if clean != file.text {
            std::fs::write(repository.root().join(&file.path), clean)?;
            written.push(file.path.clone());
        }
    }
    Ok(written)
}
