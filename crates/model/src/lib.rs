//! A second opinion: a naive tree and plain definitions, sharing no logic with the product's crates.
//!
//! What it is: the slowest thing that is obviously right, to compare with. What it is not: fast, incremental, or used by the
//! server.

pub mod digest;
