//! How many nodes and bytes are where: SnapshotRecursiveSummary's text.

use super::Summary;
use super::sizes::{Sizes, is_below};
use crate::offline::Failure;
use serde_json::json;
use std::io::Write;

/// Prints every node that has children, down to a depth.
pub fn run(out: &mut impl Write, args: &Summary) -> Result<(), Failure> {
    let sizes = Sizes::read(&args.file)?;
    let start = args.start.trim_end_matches('/');
    let Some(top) = sizes.nodes.iter().find(|node| node.path == start) else {
        return Err(Failure::Unusable(format!("{} is not in {}", args.start, args.file.display())));
    };
    for node in sizes.nodes.iter().filter(|node| node.path == start || is_below(&node.path, start)) {
        let level = node.depth() - top.depth();
        if node.descendants == 0 || (args.depth > 0 && level > args.depth) {
            continue;
        }
        let path = if node.path.is_empty() { "/" } else { &node.path };
        if args.json {
            let line = json!({ "path": path, "descendants": node.descendants, "bytes": node.bytes });
            writeln!(out, "{line}")?;
            continue;
        }
        let indent = "--".repeat(level);
        writeln!(out, "{indent} {path}")?;
        writeln!(out, "{indent}   children: {}", node.descendants)?;
        writeln!(out, "{indent}   data: {}", node.bytes)?;
    }
    if !args.json {
        writeln!(out)?;
    }
    Ok(())
}
