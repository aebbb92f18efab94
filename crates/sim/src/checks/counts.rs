//! How much was judged.

use std::fmt;

/// How much was judged, to see that a run was worth it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs, reason = "the names say it all")]
pub struct Counts {
    pub transactions: u64,
    pub writes: u64,
    pub failed_writes: u64,
    pub multis: u64,
    pub reads: u64,
    pub events: u64,
    pub missed_events: u64,
    pub watches_set_again: u64,
    pub sessions: u64,
    pub renewals: u64,
    pub expiries: u64,
    /// Sessions that only their own server knew at first.
    pub local_sessions: u64,
    /// Those of them that became global.
    pub upgrades: u64,
    /// Ends of sessions that were no transactions.
    pub local_ends: u64,
    /// Transactions of leaders that keep no digest.
    pub without_digest: u64,
    /// Requests whose outcome nobody knows.
    pub unknown: u64,
}

impl Counts {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Counts) -> Counts {
        Counts {
            transactions: self.transactions + other.transactions,
            writes: self.writes + other.writes,
            failed_writes: self.failed_writes + other.failed_writes,
            multis: self.multis + other.multis,
            reads: self.reads + other.reads,
            events: self.events + other.events,
            missed_events: self.missed_events + other.missed_events,
            watches_set_again: self.watches_set_again + other.watches_set_again,
            sessions: self.sessions + other.sessions,
            renewals: self.renewals + other.renewals,
            expiries: self.expiries + other.expiries,
            local_sessions: self.local_sessions + other.local_sessions,
            upgrades: self.upgrades + other.upgrades,
            local_ends: self.local_ends + other.local_ends,
            without_digest: self.without_digest + other.without_digest,
            unknown: self.unknown + other.unknown,
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { writes, failed_writes, reads, events, missed_events, sessions, expiries, .. } = self;
        let Counts { renewals, unknown, local_sessions, upgrades, local_ends, without_digest, .. } = self;
        write!(
            f,
            "{writes} writes, {failed_writes} of them errors, {unknown} without an answer; {reads} reads; {events} events, \
             {missed_events} of them late; {sessions} sessions, {renewals} renewals, {expiries} expiries; \
             {local_sessions} local sessions, {upgrades} of them upgraded, {local_ends} of them closed; \
             {without_digest} transactions without a digest"
        )
    }
}
