//! Headkeeper: the program.

fn main() {}
