//! What a check objects to.

use std::fmt;

/// A guarantee that was broken, in words that say who saw what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The check, such as `C4 exact reads`.
    pub check: &'static str,
    /// Where the guarantee is written.
    pub source: &'static str,
    /// The facts.
    pub facts: String,
}

impl Violation {
    /// An objection.
    pub fn new(check: &'static str, source: &'static str, facts: impl Into<String>) -> Violation {
        Violation { check, source, facts: facts.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.check, self.source, self.facts)
    }
}

impl std::error::Error for Violation {}
