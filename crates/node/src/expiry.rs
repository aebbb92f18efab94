//! Deadlines in buckets: cheap to push back, looked at a bucket at a time (reference: client-protocol §8.1).

use std::collections::BTreeMap;

/// When an item ends and in which bucket the queue will come across it; kept by the item itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Deadline {
    /// The end, in ms of the monotonic clock; always the end of a bucket.
    pub(crate) at_ms: u64,
    /// The bucket it stands in, never after `at_ms`; [`NOWHERE`] once it has ended.
    queued_ms: u64,
}

/// No bucket.
const NOWHERE: u64 = u64::MAX;

/// Slots of a slab by the bucket in which their deadline is to be checked.
///
/// Pushing a deadline back only changes the item: the queue notices when the old bucket ends and files the item anew.
#[derive(Debug)]
pub(crate) struct ExpiryQueue {
    width_ms: u64,
    buckets: BTreeMap<u64, Vec<u32>>,
}

impl ExpiryQueue {
    /// A queue with buckets of `width_ms`, at least 1.
    pub(crate) fn new(width_ms: u64) -> ExpiryQueue {
        ExpiryQueue { width_ms: width_ms.max(1), buckets: BTreeMap::new() }
    }

    /// Forgets all items.
    pub(crate) fn clear(&mut self) {
        self.buckets.clear();
    }

    /// Files a new item that ends `after_ms` from now, at the end of that bucket.
    pub(crate) fn insert(&mut self, slot: u32, now_ms: u64, after_ms: u64) -> Deadline {
        let at_ms = self.end_of_bucket(now_ms + after_ms);
        self.buckets.entry(at_ms).or_default().push(slot);
        Deadline { at_ms, queued_ms: at_ms }
    }

    /// Moves an item's deadline to `after_ms` from now.
    pub(crate) fn touch(&mut self, deadline: &mut Deadline, slot: u32, now_ms: u64, after_ms: u64) {
        deadline.at_ms = self.end_of_bucket(now_ms + after_ms);
        if deadline.at_ms < deadline.queued_ms {
            deadline.queued_ms = deadline.at_ms;
            self.buckets.entry(deadline.at_ms).or_default().push(slot);
        }
    }

    /// When the next bucket ends.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.buckets.keys().next().copied()
    }

    /// The slots of the next bucket, if it has ended. Each is to be given to [`ExpiryQueue::check`].
    pub(crate) fn pop(&mut self, now_ms: u64) -> Option<(u64, Vec<u32>)> {
        let entry = self.buckets.first_entry()?;
        (*entry.key() <= now_ms).then(|| entry.remove_entry())
    }

    /// Has the item that came with the ended `bucket` ended too? If it lives on, it is filed anew.
    pub(crate) fn check(&mut self, deadline: &mut Deadline, slot: u32, bucket: u64) -> bool {
        if deadline.queued_ms != bucket {
            return false;
        }
        if deadline.at_ms <= bucket {
            // The slot may stand in this bucket once more, from an item that had it before.
            deadline.queued_ms = NOWHERE;
            return true;
        }
        deadline.queued_ms = deadline.at_ms;
        self.buckets.entry(deadline.at_ms).or_default().push(slot);
        false
    }

    fn end_of_bucket(&self, ms: u64) -> u64 {
        (ms / self.width_ms + 1) * self.width_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_ends_between_its_time_and_a_bucket_later() {
        let mut queue = ExpiryQueue::new(500);
        let mut deadline = queue.insert(7, 100, 1000);
        assert_eq!(deadline.at_ms, 1500);
        assert_eq!(queue.pop(1499), None);
        assert_eq!(queue.pop(1500), Some((1500, vec![7])));
        assert!(queue.check(&mut deadline, 7, 1500));
    }

    #[test]
    fn touching_moves_it_without_a_second_entry() {
        let mut queue = ExpiryQueue::new(500);
        let mut deadline = queue.insert(7, 0, 1000);
        queue.touch(&mut deadline, 7, 1200, 1000);
        let (bucket, slots) = queue.pop(9999).expect("the old bucket");
        assert_eq!((bucket, slots), (1500, vec![7]));
        assert!(!queue.check(&mut deadline, 7, 1500));
        assert_eq!(queue.pop(9999), Some((2500, vec![7])));
        assert!(queue.check(&mut deadline, 7, 2500));
        assert_eq!(queue.pop(9999), None);
    }

    #[test]
    fn a_slot_that_is_used_again_ends_once() {
        let mut queue = ExpiryQueue::new(500);
        queue.insert(7, 0, 1000);
        let mut deadline = queue.insert(7, 100, 1000);
        let (bucket, slots) = queue.pop(1500).expect("the bucket of both");
        let ended = slots.iter().filter(|slot| queue.check(&mut deadline, **slot, bucket)).count();
        assert_eq!((slots.len(), ended), (2, 1));
        queue.touch(&mut deadline, 7, 2000, 1000);
        let (bucket, _) = queue.pop(3500).expect("it lives again");
        assert!(queue.check(&mut deadline, 7, bucket));
    }

    #[test]
    fn a_shorter_deadline_is_met() {
        let mut queue = ExpiryQueue::new(500);
        let mut deadline = queue.insert(7, 0, 5000);
        queue.touch(&mut deadline, 7, 0, 1000);
        assert_eq!(queue.next_ms(), Some(1500));
        let (bucket, _) = queue.pop(1500).expect("the new bucket");
        assert!(queue.check(&mut deadline, 7, bucket));
    }
}
