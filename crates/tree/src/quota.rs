//! Quotas: limits and usage kept in nodes below `/zookeeper/quota` (reference: client-protocol §9, storage-formats §3.4).
//!
//! The tree itself is the trie of limits: the quota of `/a/b` is the node `/zookeeper/quota/a/b` with the children
//! `zookeeper_limits` and `zookeeper_stats`. Only the deepest quota above a path counts. A limits node directly below
//! `/zookeeper/quota` is no quota, and a text nobody can read is no limit.

use crate::nodes::{NodeId, ROOT};
use crate::tree::{QUOTA, Tree};
use std::fmt::{self, Write};

const LIMITS: &str = "zookeeper_limits";
const STATS: &str = "zookeeper_stats";

/// Nodes and bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// Nodes.
    pub count: i64,
    /// Bytes of data.
    pub bytes: i64,
}

/// A write that a hard limit refuses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QuotaExcess {
    /// The path of the quota.
    pub path: String,
    /// `count` or `bytes`.
    pub what: &'static str,
    /// What there would be.
    pub wanted: i64,
    /// What there may be.
    pub limit: i64,
}

impl fmt::Display for QuotaExcess {
    /// Apache's line in the log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let QuotaExcess { path, what, wanted, limit } = self;
        let name = if *what == "count" { "hardCountLimit" } else { "hardByteLimit" };
        write!(f, "Quota exceeded: {path} [current {what}={wanted}, {name}={limit}]")
    }
}

/// One quota as its nodes tell it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QuotaView {
    /// The path it is about.
    pub path: String,
    /// The hard limits, or the soft ones where there is no hard one; -1 is none. Absent without a limits node.
    pub limits: Option<Usage>,
    /// What the stats node says. Absent without one.
    pub usage: Option<Usage>,
}

impl Tree {
    /// Keeps the books after a creation.
    pub(crate) fn quota_after_create(&mut self, parent_path: &str, name: &str, path: &str, length: usize) {
        if let Some(controlled) = controlled_path(parent_path) {
            match name {
                LIMITS => self.quotas += 1,
                STATS => self.recount(controlled),
                _ => {}
            }
        }
        self.add_usage(path, Usage { count: 1, bytes: length as i64 });
    }

    /// Keeps the books after a deletion.
    pub(crate) fn quota_after_delete(&mut self, parent_path: &str, name: &str, path: &str, length: usize) {
        if name == LIMITS && controlled_path(parent_path).is_some() {
            self.quotas -= 1;
        }
        self.add_usage(path, Usage { count: -1, bytes: -(length as i64) });
    }

    /// Keeps the books after a change of data.
    pub(crate) fn quota_after_set_data(&mut self, path: &str, before: usize, after: usize) {
        if before != after {
            self.add_usage(path, Usage { count: 0, bytes: after as i64 - before as i64 });
        }
    }

    /// After a load: counts the limits, and the usage of everything under one anew.
    pub(crate) fn recount_all(&mut self) {
        let Some(top) = self.nodes.find(QUOTA) else { return };
        let limits: Vec<String> = self
            .nodes
            .subtree(top)
            .filter(|&id| self.nodes.at(id).name() == LIMITS)
            .map(|id| self.nodes.path(self.nodes.at(id).parent))
            .filter(|parent_path| controlled_path(parent_path).is_some())
            .collect();
        self.quotas = limits.len();
        for parent_path in &limits {
            if let Some(controlled) = controlled_path(parent_path) {
                self.recount(controlled);
            }
        }
    }

    /// All quotas, for the gauges: whatever is below `/zookeeper/quota` and has limits or stats.
    pub fn quotas(&self) -> Vec<QuotaView> {
        let Some(top) = self.nodes.find(QUOTA) else { return Vec::new() };
        let text_of = |quota, name| {
            let node = self.nodes.at(self.nodes.child(quota, name)?);
            Some(node.data().unwrap_or(&[]))
        };
        let view = |quota: NodeId| {
            let path = self.nodes.path(quota);
            let path = controlled_path(&path)?.to_owned();
            let limits = text_of(quota, LIMITS).map(limits_of);
            let usage =
                text_of(quota, STATS).map(|text| Stats::parse(text).map_or(Usage::default(), |s| s.usage));
            (limits.is_some() || usage.is_some()).then_some(QuotaView { path, limits, usage })
        };
        self.nodes.subtree(top).filter_map(view).collect()
    }

    /// The hard limit that `count` more nodes and `bytes` more bytes at `path` would exceed. Compares with the applied usage:
    /// operations still under way do not count.
    pub(crate) fn quota_excess(&self, path: &str, count: i64, bytes: i64) -> Option<QuotaExcess> {
        if !self.config.enforce_quota {
            return None;
        }
        let quota = self.quota_above(path)?;
        let text_of = |name| self.nodes.child(quota, name).map(|id| self.nodes.at(id).data().unwrap_or(&[]));
        let (limits, stats) = (text_of(LIMITS)?, text_of(STATS)?);
        let usage = Stats::parse(stats).map(|stats| stats.usage).unwrap_or_else(|| self.usage_of(quota));
        let excess = |key, what, used: i64, more: i64| {
            let (limit, wanted) = (limit(limits, key), used.saturating_add(more));
            (more != 0 && limit > -1 && wanted > limit).then(|| {
                let path = self.nodes.path(quota);
                let path = controlled_path(&path).unwrap_or_default().to_owned();
                QuotaExcess { path, what, wanted, limit }
            })
        };
        excess("countHardLimit", "count", usage.count, count)
            .or_else(|| excess("byteHardLimit", "bytes", usage.bytes, bytes))
    }

    /// The deepest quota node whose path covers `path`.
    fn quota_above(&self, path: &str) -> Option<NodeId> {
        if self.quotas == 0 {
            return None;
        }
        let mut at = self.nodes.find(QUOTA)?;
        let mut deepest = None;
        for name in path.strip_prefix('/')?.split('/') {
            let Some(next) = self.nodes.child(at, name) else { break };
            at = next;
            if self.nodes.child(at, LIMITS).is_some() {
                deepest = Some(at);
            }
        }
        deepest
    }

    fn add_usage(&mut self, path: &str, change: Usage) {
        let Some(quota) = self.quota_above(path) else { return };
        let Some(id) = self.nodes.child(quota, STATS) else { return };
        let text = match Stats::parse(self.nodes.at(id).data().unwrap_or(&[])) {
            Some(mut stats) => {
                stats.usage.count = stats.usage.count.saturating_add(change.count);
                stats.usage.bytes = stats.usage.bytes.saturating_add(change.bytes);
                stats.to_text()
            }
            // Somebody wrote something else there: the truth is in the tree.
            None => Stats { usage: self.usage_of(quota), others: Vec::new() }.to_text(),
        };
        self.write_stats(id, &text);
    }

    /// Writes the real usage of `controlled` into its stats node, if there is one.
    fn recount(&mut self, controlled: &str) {
        let Some(quota) = self.nodes.find(&format!("{QUOTA}{controlled}")) else { return };
        let Some(id) = self.nodes.child(quota, STATS) else { return };
        let text = Stats { usage: self.usage_of(quota), others: Vec::new() }.to_text();
        self.write_stats(id, &text);
    }

    /// The stat does not change, nobody is told, and the digest does not cover it.
    fn write_stats(&mut self, id: NodeId, text: &str) {
        let path = self.nodes.path(id);
        self.change_data(id, &path, Some(text.as_bytes()), |_| {});
    }

    /// The real usage of what a quota node covers.
    fn usage_of(&self, quota: NodeId) -> Usage {
        let quota_path = self.nodes.path(quota);
        let Some(top) = controlled_path(&quota_path).and_then(|path| self.nodes.find(path)) else {
            return Usage::default();
        };
        assert!(top != ROOT, "the root has no quota");
        self.nodes.subtree(top).fold(Usage::default(), |sum, id| Usage {
            count: sum.count + 1,
            bytes: sum.bytes + self.nodes.at(id).data_length() as i64,
        })
    }
}

/// The path a quota node's path stands for; none for the root.
fn controlled_path(quota_path: &str) -> Option<&str> {
    quota_path.strip_prefix(QUOTA).filter(|path| path.len() > 1 && path.starts_with('/'))
}

/// The limits that a gauge shows: a hard one goes before a soft one.
fn limits_of(text: &[u8]) -> Usage {
    let either = |hard, soft| match limit(text, hard) {
        none if none <= -1 => limit(text, soft),
        hard => hard,
    };
    Usage { count: either("countHardLimit", "count"), bytes: either("byteHardLimit", "bytes") }
}

/// A limit in a limits node's text; -1 is none, and so is what cannot be read.
fn limit(text: &[u8], key: &str) -> i64 {
    let text = String::from_utf8_lossy(text);
    pairs(&text).filter(|(k, _)| *k == key).last().and_then(|(_, value)| value).unwrap_or(-1)
}

/// `key=value` pairs between commas and semicolons; a missing value is -1, and `None` one that is no number.
fn pairs(text: &str) -> impl Iterator<Item = (&str, Option<i64>)> {
    text.split([',', ';']).filter(|pair| !pair.is_empty()).map(|pair| {
        let mut parts = pair.split('=');
        let key = parts.next().unwrap_or("");
        match parts.next() {
            None | Some("") => (key, Some(-1)),
            Some(value) => (key, value.parse().ok()),
        }
    })
}

/// A stats node's text.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Stats {
    usage: Usage,
    /// Other keys, sorted; they stay as they are.
    others: Vec<(String, i64)>,
}

impl Stats {
    /// `None` for a text that holds no usage.
    fn parse(text: &[u8]) -> Option<Stats> {
        let text = std::str::from_utf8(text).ok()?;
        let (mut count, mut bytes) = (None, None);
        let mut others: Vec<(String, i64)> = Vec::new();
        for (key, value) in pairs(text) {
            let value = value?;
            match key {
                "count" => count = Some(value),
                "bytes" => bytes = Some(value),
                _ => {
                    others.retain(|(other, _)| other != key);
                    others.push((key.to_owned(), value));
                }
            }
        }
        others.sort();
        Some(Stats { usage: Usage { count: count?, bytes: bytes? }, others })
    }

    fn to_text(&self) -> String {
        let mut text = format!("count={},bytes={}", self.usage.count, self.usage.bytes);
        if !self.others.is_empty() {
            // The extra `=` keeps the parsers of old servers from the rest.
            text.push('=');
        }
        for (key, value) in &self.others {
            write!(text, ";{key}={value}").expect("a string takes all");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stats_read_and_write_back() {
        for text in ["count=6,bytes=289", "count=-1,bytes=-1=;byteHardLimit=10;countHardLimit=3"] {
            assert_eq!(Stats::parse(text.as_bytes()).map(|stats| stats.to_text()), Some(text.to_owned()));
        }
        for bad in ["", "count=1", "count=x,bytes=1", "garbage", "count=1,bytes=99999999999999999999"] {
            assert_eq!(Stats::parse(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(Stats::parse(b"\xff"), None);
    }

    #[test]
    fn limits_read_what_can_be_read() {
        let text = b"count=-1,bytes=-1=;byteHardLimit=10;countHardLimit=3";
        assert_eq!(
            (limit(text, "byteHardLimit"), limit(text, "countHardLimit"), limit(text, "x")),
            (10, 3, -1)
        );
        assert_eq!(limit(b"countHardLimit=abc,byteHardLimit=5", "countHardLimit"), -1);
        assert_eq!(limit(b"countHardLimit=", "countHardLimit"), -1);
        assert_eq!(limit(b"countHardLimit", "countHardLimit"), -1);
    }

    #[test]
    fn a_quota_path_stands_for_a_path() {
        assert_eq!(controlled_path("/zookeeper/quota/a/b"), Some("/a/b"));
        assert_eq!(controlled_path("/zookeeper/quota"), None);
        assert_eq!(controlled_path("/zookeeper/quota/"), None);
        assert_eq!(controlled_path("/zookeeper/quotas/a"), None);
        assert_eq!(controlled_path("/zookeeper"), None);
    }
}
