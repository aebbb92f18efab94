//! Hostile input: what a stranger may send or leave on a disk, taken by every decoder of the server.
//!
//! What it is: one function per decoder, from bytes to nothing, that panics when a promise is broken. The promises are
//! always the same: no panic, an end, memory in proportion to the input, and whatever was accepted can be written and
//! read again. The fuzzer drives these functions (`fuzz/`, `cargo xtask fuzz`), and so does a plain `cargo test` with
//! seeds and some thousand mutations of them.
//!
//! The types to know: [`Target`], a function with its name, its limits and its [`seeds`]; [`Mutator`], a small
//! mutation engine for machines without the fuzzer.

mod configuration;
mod directory;
mod files;
mod frames;
mod mutate;
mod records;
pub mod seeds;
mod typed;
#[path = "../../node/tests/world/mod.rs"]
mod world;

pub use mutate::Mutator;

use std::fmt;

/// A decoder under attack.
pub struct Target {
    /// Its name, which is also the fuzz target's.
    pub name: &'static str,
    /// The attack: panics when a promise is broken.
    pub run: fn(&[u8]),
    /// Well-formed and nearly well-formed inputs.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// How long an input may be, in bytes: longer ones find nothing more.
    pub len_max: usize,
    /// How many mutations the plain test tries: fewer where one run costs more.
    pub mutations: usize,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Target").field(&self.name).finish()
    }
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "frames", run: frames::frames, seeds: seeds::frames, len_max: 4096, mutations: 1500 },
    Target {
        name: "requests",
        run: records::requests,
        seeds: seeds::requests,
        len_max: 2048,
        mutations: 20_000,
    },
    Target {
        name: "responses",
        run: records::responses,
        seeds: seeds::responses,
        len_max: 2048,
        mutations: 20_000,
    },
    Target { name: "txns", run: records::txns, seeds: seeds::txns, len_max: 2048, mutations: 20_000 },
    Target { name: "quorum", run: records::quorum, seeds: seeds::quorum, len_max: 4096, mutations: 20_000 },
    Target {
        name: "election",
        run: records::election,
        seeds: seeds::election,
        len_max: 1024,
        mutations: 20_000,
    },
    Target { name: "txn_log", run: files::txn_log, seeds: seeds::txn_log, len_max: 20_000, mutations: 1000 },
    Target {
        name: "snapshot",
        run: files::snapshot,
        seeds: seeds::snapshot,
        len_max: 16_384,
        mutations: 3000,
    },
    Target {
        name: "log_index",
        run: files::log_index,
        seeds: seeds::log_index,
        len_max: 4096,
        mutations: 10_000,
    },
    Target {
        name: "directory",
        run: directory::directory,
        seeds: seeds::directory,
        len_max: 65_536,
        mutations: 600,
    },
    Target {
        name: "history",
        run: directory::history,
        seeds: seeds::history,
        len_max: 8192,
        mutations: 1500,
    },
    Target {
        name: "zoo_cfg",
        run: configuration::zoo_cfg,
        seeds: seeds::zoo_cfg,
        len_max: 4096,
        mutations: 3000,
    },
    Target {
        name: "jvm_flags",
        run: configuration::jvm_flags,
        seeds: seeds::jvm_flags,
        len_max: 1024,
        mutations: 3000,
    },
    Target { name: "words", run: configuration::words, seeds: seeds::words, len_max: 256, mutations: 3000 },
    Target { name: "shell", run: typed::shell, seeds: seeds::shell, len_max: 512, mutations: 2000 },
    Target { name: "acl", run: typed::acl, seeds: seeds::acl, len_max: 1024, mutations: 5000 },
];

/// The target of this name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Runs the target of this name; for the fuzz targets, which are named at compile time.
///
/// # Panics
/// When there is no such target, and when a promise is broken.
pub fn run(name: &str, input: &[u8]) {
    (target(name).expect("a target").run)(input);
}
