//! The nodes that clients quarrel about.

/// Parents before their children, so that any number of them from the front is a tree.
const PATHS: [&str; 20] = [
    "/a", "/a/b", "/c", "/a/d", "/c/e", "/a/b/f", "/g", "/c/h", "/g/i", "/a/j", "/k", "/k/l", "/k/l/m",
    "/c/n", "/g/i/o", "/p", "/q", "/p/r", "/q/s", "/k/t",
];

/// How many there are.
pub(crate) const HOT_MAX: u64 = PATHS.len() as u64;

/// One of them.
pub(crate) fn path(at: u64) -> &'static str {
    PATHS[(at % HOT_MAX) as usize]
}
