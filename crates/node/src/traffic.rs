//! Bytes read and written below each top-level node (reference: operations §5.5, `read_per_namespace`).

use crate::views::Summary;
use std::collections::BTreeMap;
use tree::NodeRef;

/// What Apache counts for the stat that goes with a read.
const STAT_BYTES: u64 = 68;
/// Top-level nodes that are counted; later ones are not.
const NAMESPACES_MAX: usize = 1024;

/// Bytes of the requests below one top-level node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NamespaceTraffic {
    /// Read, paths and stats included.
    pub read: Option<Summary>,
    /// Written, paths included.
    pub write: Option<Summary>,
    /// Writes that a hard quota refused.
    pub quota_exceeded: Option<u64>,
}

/// [`NamespaceTraffic`] by the top component of the path.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    namespaces: BTreeMap<Box<str>, NamespaceTraffic>,
}

impl Traffic {
    /// In the order of the names. A part that never happened is absent; after a reset it is there and empty.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &NamespaceTraffic)> {
        self.namespaces.iter().map(|(name, traffic)| (&**name, traffic))
    }

    /// Somebody was told a node's data, names of children or stat.
    pub(crate) fn read(&mut self, path: &str, bytes: usize) {
        if let Some(traffic) = self.of(path) {
            traffic.read.get_or_insert_default().add(java_length(path) + bytes as u64 + STAT_BYTES);
        }
    }

    /// A node was created with, set to, or (with no bytes) deleted.
    pub(crate) fn wrote(&mut self, path: &str, bytes: usize) {
        if let Some(traffic) = self.of(path) {
            traffic.write.get_or_insert_default().add(java_length(path) + bytes as u64);
        }
    }

    /// A hard quota below this path's top component refused a write.
    pub(crate) fn exceeded_quota(&mut self, path: &str) {
        if let Some(traffic) = self.of(path) {
            *traffic.quota_exceeded.get_or_insert(0) += 1;
        }
    }

    /// Forgets the numbers, not the names.
    pub(crate) fn reset(&mut self) {
        for traffic in self.namespaces.values_mut() {
            for part in [&mut traffic.read, &mut traffic.write].into_iter().flatten() {
                *part = Summary::default();
            }
            traffic.quota_exceeded.iter_mut().for_each(|count| *count = 0);
        }
    }

    /// The root itself belongs to none.
    fn of(&mut self, path: &str) -> Option<&mut NamespaceTraffic> {
        let name = path.split('/').nth(1).filter(|name| !name.is_empty())?;
        if !self.namespaces.contains_key(name) {
            if self.namespaces.len() >= NAMESPACES_MAX {
                return None;
            }
            self.namespaces.insert(name.into(), NamespaceTraffic::default());
        }
        self.namespaces.get_mut(name)
    }
}

/// What is counted for an answer that lists a node's children.
pub(crate) fn names_length(node: NodeRef<'_>) -> usize {
    node.children().map(java_length).sum::<u64>() as usize
}

/// UTF-16 units, as Java counts.
fn java_length(text: &str) -> u64 {
    let length = if text.is_ascii() { text.len() } else { text.encode_utf16().count() };
    length as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_top_component_is_the_namespace_and_the_root_has_none() {
        let mut traffic = Traffic::default();
        traffic.wrote("/app", 5);
        traffic.wrote("/app/ä", 0);
        traffic.read("/app/x", 3);
        traffic.read("/", 9);
        let all: Vec<_> = traffic.iter().collect();
        assert_eq!(all.len(), 1);
        let (name, NamespaceTraffic { read, write, .. }) = all[0];
        assert_eq!(name, "app");
        assert_eq!(*write, Some(Summary { count: 2, sum: 9 + 6, min: 6, max: 9 }));
        assert_eq!(*read, Some(Summary { count: 1, sum: 77, min: 77, max: 77 }));
    }

    #[test]
    fn a_reset_keeps_the_names() {
        let mut traffic = Traffic::default();
        traffic.wrote("/app", 5);
        traffic.reset();
        let (_, app) = traffic.iter().next().unwrap();
        assert_eq!((app.read, app.write), (None, Some(Summary::default())));
    }

    #[test]
    fn namespaces_are_bounded() {
        let mut traffic = Traffic::default();
        for n in 0..=NAMESPACES_MAX {
            traffic.wrote(&format!("/{n}"), 1);
        }
        assert_eq!(traffic.iter().count(), NAMESPACES_MAX);
    }
}
