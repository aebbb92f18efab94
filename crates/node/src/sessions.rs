//! Who is alive: the sessions, their timers and the connection each one is bound to (reference: client-protocol §2.3, §8.1).

use crate::expiry::{Deadline, ExpiryQueue};
use crate::slab::{Slab, mix};
use hashbrown::HashTable;
use wire::SessionId;

/// The one id that nobody may have: as an ephemeral owner it marks containers.
const CONTAINER_OWNER: i64 = i64::MIN;

/// A session as its server sees it; that it exists at all is said by the tree.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    /// The timeout that touches use: that of the last handshake, not always the recorded one.
    pub(crate) timeout_ms: i32,
    pub(crate) phase: SessionPhase,
    /// The slot of the connection that speaks for it.
    pub(crate) conn: Option<u32>,
    /// Which way its requests come, at a leader.
    pub(crate) owner: Owner,
    pub(crate) scope: Scope,
    deadline: Deadline,
}

/// Where a session stands between its two transactions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SessionPhase {
    /// Its creation is under way.
    Creating,
    /// It exists.
    Open,
    /// Its end is under way: its requests are dropped and it cannot be renewed.
    Closing,
}

/// Which way a session's requests come to the leader (reference: quorum-protocol §6.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Owner {
    /// None has come yet.
    Nobody,
    /// From a client of this server.
    Here,
    /// Through a learner.
    Learner(zab::ConnId),
}

/// Who knows of a session (reference: client-protocol §8.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Scope {
    /// Every server: it began with a transaction.
    Global,
    /// This server alone, and no file.
    Local {
        /// What it began with, and what it keeps if it becomes global.
        timeout_ms: i32,
    },
}

impl Session {
    pub(crate) fn is_local(&self) -> bool {
        matches!(self.scope, Scope::Local { .. })
    }
}

/// All sessions of the server.
#[derive(Debug)]
pub(crate) struct Sessions {
    slab: Slab<Session>,
    index: HashTable<u32>,
    seed: u64,
    queue: ExpiryQueue,
    next_id: i64,
}

impl Sessions {
    /// No sessions; new ones get ids that start from the wall clock, so that a restart does not repeat them.
    pub(crate) fn new(server_id: u8, tick_ms: u64, wall_ms: i64, seed: u64) -> Sessions {
        Sessions {
            slab: Slab::default(),
            index: HashTable::new(),
            seed,
            queue: ExpiryQueue::new(tick_ms),
            next_id: first_id(server_id, wall_ms),
        }
    }

    /// How many there are, those under way included.
    pub(crate) fn count(&self) -> usize {
        self.slab.len()
    }

    /// How many of them no other server knows.
    pub(crate) fn local_count(&self) -> usize {
        self.slab.iter().filter(|(_, session)| session.is_local()).count()
    }

    /// Forgets all of them. Ids go on counting.
    pub(crate) fn clear(&mut self) {
        self.slab = Slab::default();
        self.index.clear();
        self.queue.clear();
    }

    /// Starts a session with the next free id.
    pub(crate) fn create(&mut self, timeout_ms: i32, now_ms: u64) -> (u32, SessionId) {
        let mut id = SessionId(self.next_id);
        while id.0 == 0 || id.0 == CONTAINER_OWNER || self.find(id).is_some() {
            id = SessionId(id.0.wrapping_add(1));
        }
        self.next_id = id.0.wrapping_add(1);
        (self.insert(id, timeout_ms, SessionPhase::Creating, now_ms), id)
    }

    /// Starts a session that only this server will know.
    pub(crate) fn create_local(&mut self, timeout_ms: i32, now_ms: u64) -> (u32, SessionId) {
        let (slot, id) = self.create(timeout_ms, now_ms);
        let session = self.slab.at_mut(slot);
        (session.phase, session.scope) = (SessionPhase::Open, Scope::Local { timeout_ms });
        (slot, id)
    }

    /// Takes in a session that exists already: it gets its full timeout from now on.
    pub(crate) fn restore(&mut self, id: SessionId, timeout_ms: i32, now_ms: u64) -> u32 {
        assert!(self.find(id).is_none(), "session {id} is restored once");
        self.insert(id, timeout_ms, SessionPhase::Open, now_ms)
    }

    fn insert(&mut self, id: SessionId, timeout_ms: i32, phase: SessionPhase, now_ms: u64) -> u32 {
        let session = Session {
            id,
            timeout_ms,
            phase,
            conn: None,
            owner: Owner::Nobody,
            scope: Scope::Global,
            deadline: Deadline::default(),
        };
        let slot = self.slab.insert(session);
        self.slab.at_mut(slot).deadline = self.queue.insert(slot, now_ms, duration(timeout_ms));
        let (seed, slab) = (self.seed, &self.slab);
        self.index.insert_unique(hash(seed, id), slot, |&s| hash(seed, slab.at(s).id));
        slot
    }

    /// The slot of a session.
    pub(crate) fn find(&self, id: SessionId) -> Option<u32> {
        self.index.find(hash(self.seed, id), |&s| self.slab.at(s).id == id).copied()
    }

    /// The session in a slot.
    pub(crate) fn at(&self, slot: u32) -> &Session {
        self.slab.at(slot)
    }

    /// The session in a slot.
    pub(crate) fn at_mut(&mut self, slot: u32) -> &mut Session {
        self.slab.at_mut(slot)
    }

    /// A sign of life. Returns false for a session that is closing: its requests are to be dropped.
    pub(crate) fn touch(&mut self, slot: u32, now_ms: u64) -> bool {
        let session = self.slab.at_mut(slot);
        if session.phase == SessionPhase::Closing {
            return false;
        }
        self.queue.touch(&mut session.deadline, slot, now_ms, duration(session.timeout_ms));
        true
    }

    /// Forgets a session after its closing transaction.
    pub(crate) fn remove(&mut self, slot: u32) -> Option<Session> {
        let id = self.slab.at(slot).id;
        let found = self.index.find_entry(hash(self.seed, id), |&s| s == slot);
        found.expect("every session is indexed").remove();
        self.slab.remove(slot)
    }

    /// When the next bucket is to be looked at.
    pub(crate) fn next_check_ms(&self) -> Option<u64> {
        self.queue.next_ms()
    }

    /// The slots of sessions whose time is over, in the order in which they were filed. Sessions that are closing
    /// anyway are left alone.
    pub(crate) fn expired(&mut self, now_ms: u64) -> Vec<u32> {
        let mut expired = Vec::new();
        while let Some((bucket, slots)) = self.queue.pop(now_ms) {
            for slot in slots {
                let Some(session) = self.slab.get_mut(slot) else { continue };
                if self.queue.check(&mut session.deadline, slot, bucket)
                    && session.phase != SessionPhase::Closing
                {
                    expired.push(slot);
                }
            }
        }
        expired
    }

    /// All sessions with the end of their bucket in ms of the monotonic clock.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Session, u64)> {
        self.slab.iter().map(|(_, s)| (s, s.deadline.at_ms))
    }
}

/// The server's id on top, then 40 bits of a ms clock, then 16 bits of a counter that may carry (reference:
/// client-protocol §2.3; unlike Apache we take the wall clock, which a reboot does not set back).
fn first_id(server_id: u8, wall_ms: i64) -> i64 {
    let clock = ((wall_ms as u64) << 24) >> 8;
    ((u64::from(server_id) << 56) | clock) as i64
}

fn duration(timeout_ms: i32) -> u64 {
    timeout_ms.max(0) as u64
}

fn hash(seed: u64, id: SessionId) -> u64 {
    mix(seed ^ id.0 as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions() -> Sessions {
        Sessions::new(1, 500, 0x1_2345_6789, 9)
    }

    #[test]
    fn ids_carry_server_and_clock_and_count_up() {
        let mut sessions = sessions();
        let ids: Vec<i64> = (0..2).map(|_| sessions.create(1000, 0).1.0).collect();
        assert_eq!(ids, [0x0101_2345_6789_0000, 0x0101_2345_6789_0001]);
        assert_eq!(first_id(0x80, 0), i64::MIN);
        assert_eq!(Sessions::new(0x80, 500, 0, 9).create(1000, 0).1.0, i64::MIN + 1);
    }

    #[test]
    fn ids_in_use_are_skipped() {
        let mut sessions = sessions();
        sessions.restore(SessionId(0x0101_2345_6789_0000), 1000, 0);
        assert_eq!(sessions.create(1000, 0).1.0, 0x0101_2345_6789_0001);
    }

    #[test]
    fn silence_ends_a_session_and_touching_saves_it() {
        let mut sessions = sessions();
        let (quiet, _) = sessions.create(1000, 0);
        let (lively, id) = sessions.create(1000, 0);
        assert!(sessions.touch(lively, 900));
        assert_eq!(sessions.expired(1499), []);
        assert_eq!(sessions.expired(1500), [quiet]);
        assert_eq!(sessions.find(id), Some(lively));
        assert_eq!(sessions.expired(2000), [lively]);
    }

    #[test]
    fn a_closing_session_is_neither_touched_nor_expired() {
        let mut sessions = sessions();
        let (slot, id) = sessions.create(1000, 0);
        sessions.at_mut(slot).phase = SessionPhase::Closing;
        assert!(!sessions.touch(slot, 100));
        assert_eq!(sessions.expired(5000), []);
        sessions.remove(slot);
        assert_eq!((sessions.find(id), sessions.count()), (None, 0));
    }
}
