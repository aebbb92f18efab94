//! Epochs: who leads, counted.

use std::fmt;
use wire::Zxid;

/// The number of a leadership: the high half of its zxids. Apache's signed arithmetic ends at 2^31-1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Epoch(pub u32);

impl Epoch {
    /// The last one that can be told to Apache servers.
    pub const MAX: Epoch = Epoch(i32::MAX as u32);

    /// The epoch of a zxid.
    pub fn of(zxid: Zxid) -> Epoch {
        Epoch(zxid.epoch())
    }

    /// The zxid of its NEWLEADER; no transaction has it.
    pub fn start(self) -> Zxid {
        Zxid::from_parts(self.0, 0)
    }

    /// The next one, if there is one.
    pub fn next(self) -> Option<Epoch> {
        (self < Epoch::MAX).then(|| Epoch(self.0 + 1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// May `next` stand behind `last` in a history? Inside an epoch counters have no gaps, and every epoch starts with 1
/// (reference: quorum-protocol §5.2, "Continuity check").
pub(crate) fn follows(last: Zxid, next: Zxid) -> bool {
    match next.epoch().cmp(&last.epoch()) {
        std::cmp::Ordering::Equal => last.counter().checked_add(1) == Some(next.counter()),
        std::cmp::Ordering::Greater => next.counter() == 1,
        std::cmp::Ordering::Less => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histories_have_no_gaps_inside_an_epoch() {
        let z = Zxid::from_parts;
        assert!(follows(z(1, 1), z(1, 2)) && follows(z(1, 0), z(1, 1)) && follows(z(0, 0), z(0, 1)));
        assert!(follows(z(1, 7), z(2, 1)) && follows(z(1, 7), z(5, 1)));
        assert!(!follows(z(1, 1), z(1, 3)) && !follows(z(1, 1), z(1, 1)) && !follows(z(1, 7), z(2, 2)));
        assert!(!follows(z(2, 1), z(1, 2)) && !follows(z(1, u32::MAX), z(1, 0)));
    }

    #[test]
    fn the_last_epoch_has_no_successor() {
        assert_eq!(Epoch(1).next(), Some(Epoch(2)));
        assert_eq!(Epoch::MAX.next(), None);
    }
}
