//! Delta debugging: leave out as much as possible of a failing sequence.

use crate::item::Item;
use std::time::{Duration, Instant};

/// No longer than this.
const TIME: Duration = Duration::from_secs(100);

/// The smallest failing subsequence found, and its last failure.
pub fn shrink<F>(
    mut items: Vec<Item>,
    mut attempt: impl FnMut(&[Item]) -> Option<F>,
    mut progress: impl FnMut(usize),
) -> (Vec<Item>, Option<F>) {
    let start = Instant::now();
    let mut found = None;
    let mut piece = items.len().div_ceil(2);
    while piece > 0 && start.elapsed() < TIME {
        let mut at = 0;
        let mut any = false;
        while at < items.len() && start.elapsed() < TIME {
            let end = (at + piece).min(items.len());
            let rest: Vec<Item> = items[..at].iter().chain(&items[end..]).cloned().collect();
            match attempt(&rest) {
                Some(failure) if !rest.is_empty() => {
                    items = rest;
                    found = Some(failure);
                    any = true;
                    progress(items.len());
                }
                _ => at = end,
            }
        }
        if piece == 1 && !any {
            break;
        }
        piece = if piece == 1 { 1 } else { piece.div_ceil(2) };
    }
    (items, found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::Act;

    #[test]
    fn only_what_matters_is_left() {
        let items: Vec<Item> =
            (0..500).map(|id| Item { id, glued: false, act: Act::Drop { conn: 0 } }).collect();
        let needs = |items: &[Item]| {
            let has = |id| items.iter().any(|item: &Item| item.id == id);
            (has(7) && has(300) && has(301)).then_some(())
        };
        let (left, found) = shrink(items, needs, |_| {});
        assert_eq!(left.iter().map(|item| item.id).collect::<Vec<_>>(), [7, 300, 301]);
        assert!(found.is_some());
    }
}
