//! A follower between observers and the leader (reference: quorum-protocol §8): what an observer's clients ask goes up as if it
//! were asked here, and the answers go back down.
//!
//! The leader takes a session's requests from one learner alone, the one that its client has come to last. It cannot tell
//! a follower's clients from those of its observers: among them the follower does the same.

use crate::member::learning::{Asker, Learning};
use crate::node::Node;
use wire::{Decode, Encode, ForwardedRequest, Id, OpCode, Reader, Request, SessionId, TouchedSession};
use zab::{ConnId, ToLeader};

/// What may wait for the leader's answer; an honest observer is far below it.
const RELAYED_MAX: usize = 1 << 18;

impl Learning {
    /// A session's requests come through this observer from now on.
    fn comes_through(&mut self, session: SessionId, observer: ConnId) {
        self.observers_sessions.insert(session, observer);
    }

    /// A session's requests come through no observer any more: it is over, or goes on here.
    pub(crate) fn comes_through_nobody(&mut self, session: SessionId) {
        self.observers_sessions.remove(&session);
    }

    /// An observer is gone, and with it the connections of its clients.
    pub(super) fn forget_observer(&mut self, observer: ConnId) {
        self.observers_sessions.retain(|_, through| *through != observer);
    }
}

impl Node {
    /// An observer's client asks for something. Its transaction comes to the observer like every other.
    pub(super) fn relay_request(
        &mut self,
        conn: ConnId,
        mut data: Vec<u8>,
        auth_info: Option<Vec<Id<'static>>>,
    ) {
        let mut reader = Reader::with_limits(&data, self.config.limits);
        let Ok(ForwardedRequest { session, cxid, op, .. }) = ForwardedRequest::decode(&mut reader) else {
            return self.refuse_observer(conn, "a request of it makes no sense");
        };
        // Only its own server knows a local session: it came to the observer, and goes nowhere else.
        let may_be_local = self.config.local_sessions_enabled
            && !self.is_global(session)
            && self.sessions.find(session).is_none();
        let Some(learning) = self.learning() else { return };
        let through = learning.observers_sessions.get(&session);
        let is_the_observers = through == Some(&conn) || (through.is_none() && may_be_local);
        match OpCode::from_code(op) {
            Some(OpCode::Sync) if learning.syncs.len() >= RELAYED_MAX => {
                return self.refuse_observer(conn, "too many syncs wait for the leader");
            }
            Some(OpCode::Sync) => learning.syncs.push_back(Asker::Observer(conn)),
            Some(OpCode::CreateSession) => learning.comes_through(session, conn),
            // The end of a session may come from anywhere.
            Some(OpCode::CloseSession) => {}
            _ if !is_the_observers => data = refused(session, cxid),
            _ => {}
        }
        self.step_peer(zab::Input::ToLeader(ToLeader::Request { data, auth_info }));
    }

    /// An observer has heard of sessions: the leader hears of them with the next ping.
    pub(super) fn relay_touched(&mut self, touched: &[TouchedSession]) {
        for TouchedSession { session, timeout_ms } in touched {
            if self.is_global(*session)
                && let Some(learning) = self.learning()
            {
                learning.touched.insert(*session, *timeout_ms);
            }
        }
    }

    /// A client has come to an observer with a session.
    pub(super) fn relay_revalidation(&mut self, conn: ConnId, question: TouchedSession) {
        let Some(learning) = self.learning() else { return };
        if learning.revalidating.len() >= RELAYED_MAX {
            return self.refuse_observer(conn, "too many of its clients wait for the leader");
        }
        learning.revalidating.push_back((question.session, Asker::Observer(conn)));
        self.step_peer(zab::Input::ToLeader(ToLeader::Revalidate(question)));
    }

    /// A session goes on at an observer. What its old connection here still brings must not go up behind the new requests.
    pub(super) fn leave_to_observer(&mut self, session: SessionId, observer: ConnId) {
        if let Some(learning) = self.learning() {
            learning.comes_through(session, observer);
        }
        let old = self.sessions.find(session).and_then(|slot| self.sessions.at(slot).conn);
        if let Some(slot) = old {
            self.close(slot);
        }
    }

    /// Nothing of what an observer asks may be left out, for it would wait for ever: it has to come again, with its
    /// clients.
    fn refuse_observer(&mut self, conn: ConnId, why: &str) {
        self.step_peer(zab::Input::Refuse { conn, why: why.to_owned() });
    }
}

/// What goes up in the place of a request from a connection that its client has left. The observer waits for a transaction
/// of this session and xid: this one is an error at every leader, for nobody may delete the root.
fn refused(session: SessionId, cxid: i32) -> Vec<u8> {
    let record = Request::Delete { path: Some("/".into()), version: -1 }.to_bytes();
    ForwardedRequest { session, cxid, op: OpCode::Delete.code(), record: &record }.to_bytes()
}
