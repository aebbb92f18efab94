//! Ensembles of Apache's servers and ours, under clients that work all the time.
//!
//! A story (`stories`) starts servers, stops, kills and replaces them, and lets `load` and foreign clients (`foreign`) work
//! meanwhile. In the end (`stage`) all servers must show the same tree, to the last stat, with everything that the
//! clients were told (`claims`), none may have found a digest that is not its own, and their logs must not contradict each other.

mod claims;
mod foreign;
mod joining;
mod load;
mod replacing;
mod stage;
mod standing;
mod stories;

pub use foreign::Foreign;
pub use stories::{Story, stories};

use crate::ensemble::Program;
use std::path::PathBuf;

/// What the stories are told with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Our program.
    pub ours: PathBuf,
    /// Apache's servers, of several versions.
    pub apaches: Vec<Program>,
    /// Clients of others that hold sessions meanwhile.
    pub foreign: Vec<Foreign>,
    /// For the data; emptied.
    pub directory: PathBuf,
    /// The first of thirty ports.
    pub port: u16,
    /// Servers are ended with SIGKILL instead of SIGTERM where a story replaces them.
    pub kill: bool,
}

impl Options {
    fn ours(&self) -> Program {
        Program::Headkeeper { binary: self.ours.clone() }
    }
}
