//! Quotas: what nodes below `/zookeeper/quota` count (reference: client-protocol §9). What a hard limit refuses is not here: the
//! server looks at what is counted at that moment, and writes on their way are not.

use crate::path::parent;
use crate::tree::Model;
use std::collections::BTreeMap;

const QUOTAS: &str = "/zookeeper/quota";
const LIMITS: &str = "zookeeper_limits";
const USAGE: &str = "zookeeper_stats";

impl Model {
    /// The nodes that hold what is counted. They change without a change of their own, and nobody is told.
    pub fn usage_nodes(&self) -> Vec<String> {
        let paths = self.nodes.keys().filter(|path| path.starts_with(QUOTAS));
        paths.filter(|path| path.ends_with(&format!("/{USAGE}"))).cloned().collect()
    }

    /// A node is there since now.
    pub(crate) fn count_in(&mut self, path: &str) {
        if let Some(subject) = parent(path).and_then(subject)
            && path.ends_with(&format!("/{USAGE}"))
        {
            let text = self.counted_anew(subject);
            let length = self.length(path);
            self.nodes.get_mut(path).expect("it is there").data = Some(text.into_bytes());
            return self.count(path, 1, length);
        }
        self.count(path, 1, self.length(path));
    }

    /// A node with so many bytes is there no more.
    pub(crate) fn count_out(&mut self, path: &str, bytes: i64) {
        self.count(path, -1, -bytes);
    }

    /// A node's data is no longer `before` bytes.
    pub(crate) fn count_changed(&mut self, path: &str, before: i64) {
        let more = self.length(path) - before;
        if more != 0 {
            self.count(path, 0, more);
        }
    }

    pub(crate) fn length(&self, path: &str) -> i64 {
        self.nodes[path].data.as_ref().map_or(0, Vec::len) as i64
    }

    /// Only the deepest quota counts.
    fn count(&mut self, path: &str, nodes: i64, bytes: i64) {
        let mut subject = path;
        while !self.nodes.contains_key(&format!("{QUOTAS}{subject}/{LIMITS}")) {
            match parent(subject) {
                Some(above) if above != "/" => subject = above,
                _ => return,
            }
        }
        let Some(node) = self.nodes.get(&format!("{QUOTAS}{subject}/{USAGE}")) else { return };
        let text = match node.data.as_deref().and_then(numbers) {
            Some(mut numbers) => {
                *numbers.get_mut("count").expect("it counts") += nodes;
                *numbers.get_mut("bytes").expect("it counts") += bytes;
                text(&numbers)
            }
            // Somebody has written something else there.
            None => self.counted_anew(subject),
        };
        let node = self.nodes.get_mut(&format!("{QUOTAS}{subject}/{USAGE}")).expect("it is there");
        node.data = Some(text.into_bytes());
    }

    fn counted_anew(&self, subject: &str) -> String {
        let below = format!("{subject}/");
        let counted = self.nodes.keys().filter(|path| *path == subject || path.starts_with(&below));
        let (nodes, bytes) =
            counted.fold((0, 0), |(nodes, bytes), path| (nodes + 1, bytes + self.length(path)));
        format!("count={nodes},bytes={bytes}")
    }
}

/// The path that a quota at this node is about.
fn subject(quota: &str) -> Option<&str> {
    quota.strip_prefix(QUOTAS).filter(|path| path.len() > 1 && path.starts_with('/'))
}

/// The numbers of a text that holds `count` and `bytes`.
fn numbers(text: &[u8]) -> Option<BTreeMap<String, i64>> {
    let mut numbers = BTreeMap::new();
    for part in std::str::from_utf8(text).ok()?.split([',', ';']).filter(|part| !part.is_empty()) {
        let words: Vec<&str> = part.split('=').collect();
        let number = match words.get(1) {
            None | Some(&"") => -1,
            Some(word) => word.parse().ok()?,
        };
        numbers.insert(words[0].to_owned(), number);
    }
    (numbers.contains_key("count") && numbers.contains_key("bytes")).then_some(numbers)
}

fn text(numbers: &BTreeMap<String, i64>) -> String {
    let others = numbers.iter().filter(|(key, _)| !["count", "bytes"].contains(&key.as_str()));
    let others: String = others.map(|(key, number)| format!(";{key}={number}")).collect();
    let gap = if others.is_empty() { "" } else { "=" };
    format!("count={},bytes={}{gap}{others}", numbers["count"], numbers["bytes"])
}
