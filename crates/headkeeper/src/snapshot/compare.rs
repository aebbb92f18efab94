//! Two snapshots side by side: SnapshotComparer's text.

use super::Compare;
use super::sizes::{Node, Sizes};
use crate::offline::{Failure, file_name};
use serde_json::{Value, json};
use std::cmp::Ordering;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

/// A node of one tree, or of both.
struct Pair<'s> {
    left: Option<&'s Node>,
    right: Option<&'s Node>,
}

/// Compares.
pub fn run(out: &mut impl Write, args: &Compare) -> Result<(), Failure> {
    if !args.json {
        writeln!(out, "Successfully parsed options!")?;
    }
    let left = timed(out, &args.left, args.json)?;
    let right = timed(out, &args.right, args.json)?;
    if args.json {
        return Ok(writeln!(out, "{}", as_json(&left, &right, args))?);
    }
    print_totals(out, &left)?;
    print_totals(out, &right)?;
    writeln!(
        out,
        "Printing analysis for nodes difference larger than {} bytes or node count difference larger than {}.",
        args.bytes, args.nodes
    )?;
    for depth in 0..left.levels().max(right.levels()) {
        writeln!(out, "Analysis for depth {depth}")?;
        let (left, right) = (left.level(depth), right.level(depth));
        for pair in pairs(&left, &right) {
            print_pair(out, &pair, args)?;
        }
    }
    Ok(writeln!(out, "All layers compared.")?)
}

fn timed(out: &mut impl Write, path: &Path, quiet: bool) -> Result<Sizes, Failure> {
    let started = Instant::now();
    let sizes = Sizes::read(path)?;
    if !quiet {
        let seconds = started.elapsed().as_secs_f64();
        writeln!(out, "Deserialized snapshot in {} in {seconds:.6} seconds", file_name(path))?;
        writeln!(out, "Processed data tree in {:.6} seconds", started.elapsed().as_secs_f64() - seconds)?;
    }
    Ok(sizes)
}

fn print_totals(out: &mut impl Write, sizes: &Sizes) -> Result<(), Failure> {
    writeln!(out, "Node count: {}", sizes.nodes.len())?;
    writeln!(out, "Total size: {}", sizes.bytes())?;
    writeln!(out, "Max depth: {}", sizes.levels())?;
    for depth in 0..sizes.levels() {
        writeln!(out, "Count of nodes at depth {depth}: {}", sizes.level(depth).len())?;
    }
    Ok(writeln!(out)?)
}

/// Merges two lists that are sorted by path.
fn pairs<'s>(left: &[&'s Node], right: &[&'s Node]) -> Vec<Pair<'s>> {
    let (mut l, mut r) = (left.iter().peekable(), right.iter().peekable());
    let mut out = Vec::new();
    loop {
        let order = match (l.peek(), r.peek()) {
            (None, None) => return out,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(left), Some(right)) => left.path.cmp(&right.path),
        };
        out.push(Pair {
            left: if order.is_le() { l.next().copied() } else { None },
            right: if order.is_ge() { r.next().copied() } else { None },
        });
    }
}

fn print_pair(out: &mut impl Write, pair: &Pair<'_>, args: &Compare) -> Result<(), Failure> {
    let big = |bytes: u64, nodes: u64| bytes > args.bytes || nodes > args.nodes;
    let (side, node) = match (pair.left, pair.right) {
        (Some(left), Some(right)) => {
            let bytes = right.bytes as i64 - left.bytes as i64;
            let nodes = right.descendants as i64 - left.descendants as i64;
            if big(bytes.unsigned_abs(), nodes.unsigned_abs()) {
                let path = &left.path;
                writeln!(out, "Node {path} found in both trees. Delta: {bytes} bytes, {nodes} descendants")?;
            } else if args.debug {
                let (path, left, right) = (&left.path, left.bytes, right.bytes);
                writeln!(out, "Filtered node {path} of left size {left}, right size {right}")?;
            }
            return Ok(());
        }
        (Some(left), None) => ("left", left),
        (None, Some(right)) => ("right", right),
        (None, None) => return Ok(()),
    };
    if big(node.bytes, node.descendants) {
        writeln!(
            out,
            "Node {} found only in {side} tree. Descendant size: {}. Descendant count: {}",
            node.path, node.bytes, node.descendants
        )?;
    } else if args.debug {
        writeln!(out, "Filtered {side} node {} of size {}", node.path, node.bytes)?;
    }
    Ok(())
}

fn as_json(left: &Sizes, right: &Sizes, args: &Compare) -> Value {
    let totals = |sizes: &Sizes| json!({ "nodes": sizes.nodes.len(), "bytes": sizes.bytes(), "depth": sizes.levels() });
    let mut differences = Vec::new();
    for depth in 0..left.levels().max(right.levels()) {
        for pair in pairs(&left.level(depth), &right.level(depth)) {
            let size =
                |node: Option<&Node>| node.map(|n| json!({ "bytes": n.bytes, "descendants": n.descendants }));
            let sum = |node: Option<&Node>| node.map_or((0, 0), |n| (n.bytes as i64, n.descendants as i64));
            let ((lb, ln), (rb, rn)) = (sum(pair.left), sum(pair.right));
            if (rb - lb).unsigned_abs() > args.bytes || (rn - ln).unsigned_abs() > args.nodes {
                let path = pair.left.or(pair.right).map_or("", |node| node.path.as_str());
                let path = if path.is_empty() { "/" } else { path };
                differences.push(json!({ "path": path, "left": size(pair.left), "right": size(pair.right) }));
            }
        }
    }
    json!({ "left": totals(left), "right": totals(right), "differences": differences })
}
