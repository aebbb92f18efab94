//! A follower between observers and the leader (reference: quorum-protocol §8): what an observer's clients ask goes up as if it
//! were asked here, and the answers go back down.

use crate::member::learning::{Asker, Learning};
use crate::node::Node;
use wire::{Decode, ForwardedRequest, Id, OpCode, Reader, SessionId, TouchedSession};
use zab::{ConnId, ToLeader};

/// What may wait for the leader's answer; an honest observer is far below it.
const RELAYED_MAX: usize = 1 << 20;

impl Node {
    /// An observer's client asks for something. Its transaction comes to the observer like every other.
    pub(super) fn relay_request(&mut self, conn: ConnId, data: Vec<u8>, auth_info: Option<Vec<Id<'static>>>) {
        let mut reader = Reader::with_limits(&data, self.config.limits);
        let Ok(request) = ForwardedRequest::decode(&mut reader) else { return };
        let asks_sync = OpCode::from_code(request.op) == Some(OpCode::Sync);
        let Some(learning) = self.learning().filter(|learning| learning.syncs.len() < RELAYED_MAX) else {
            return;
        };
        if asks_sync {
            learning.syncs.push_back(Asker::Observer(conn));
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
        let room = |learning: &&mut Learning| learning.revalidating.len() < RELAYED_MAX;
        let Some(learning) = self.learning().filter(room) else { return };
        learning.revalidating.push_back((question.session, Asker::Observer(conn)));
        self.step_peer(zab::Input::ToLeader(ToLeader::Revalidate(question)));
    }

    /// A session goes on at an observer. What its old connection here still brings must not go up behind the new requests:
    /// for the leader both come from this server, and it cannot tell them apart.
    pub(super) fn leave_to_observer(&mut self, session: SessionId) {
        let old = self.sessions.find(session).and_then(|slot| self.sessions.at(slot).conn);
        if let Some(slot) = old {
            self.close(slot);
        }
    }
}
