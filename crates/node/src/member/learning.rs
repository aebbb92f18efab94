//! The learner's part: clients are served here, their writes go to the leader (reference: quorum-protocol §6.1, §6.5,
//! §10).

use crate::connection::{Phase, RequestInfo, Waiting};
use crate::io::{ConnId, Outputs};
use crate::member::Role;
use crate::node::Node;
use crate::sessions::SessionPhase;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use wire::{Encode, ForwardedRequest, OpCode, SessionId, TouchedSession, Zxid};
use zab::ToLeader;

/// What a learner remembers while it follows one leader.
#[derive(Debug, Default)]
pub(crate) struct Learning {
    /// It is no observer.
    pub(crate) votes: bool,
    /// Requests that the leader has been sent, in that order. Each comes back as a transaction.
    forwarded: VecDeque<Forwarded>,
    /// Who waits for the leader's answer to a sync, in that order.
    pub(super) syncs: VecDeque<Asker>,
    /// Sessions heard of since the leader last asked, and their timeouts in ms.
    pub(super) touched: BTreeMap<SessionId, i32>,
    /// Connections whose session the leader is asked about.
    pub(super) revalidating: VecDeque<(SessionId, Asker)>,
    /// Sessions whose clients are at observers that learn from here, and which of those their requests come through.
    pub(super) observers_sessions: BTreeMap<SessionId, zab::ConnId>,
}

/// Who wants to know something of the leader.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asker {
    /// A client of this server.
    Client(ConnId),
    /// An observer that learns from here.
    Observer(zab::ConnId),
    /// A client of this server that knows it already.
    Nobody,
}

#[derive(Debug)]
struct Forwarded {
    session: SessionId,
    cxid: i32,
    conn: ConnId,
}

impl Learning {
    /// Who waits for a transaction, if it was asked for here: those come back in the order in which they went out.
    pub(super) fn take_origin(&mut self, payload: &[u8]) -> Option<ConnId> {
        let mut header = wire::Reader::new(payload);
        let (session, cxid) = (SessionId(header.long().ok()?), header.int().ok()?);
        let first = self.forwarded.front()?;
        if (first.session, first.cxid) != (session, cxid) {
            return None;
        }
        self.forwarded.pop_front().map(|forwarded| forwarded.conn)
    }
}

impl Node {
    pub(super) fn start_learning(&mut self, votes: bool) {
        self.member().role = Role::Learning(Learning { votes, ..Learning::default() });
    }

    /// The place of a session here; the leader says whether it exists.
    pub(crate) fn learners_session_slot(&mut self, session: SessionId, timeout_ms: i32) -> u32 {
        let now_ms = self.now_ms();
        self.sessions.find(session).unwrap_or_else(|| self.sessions.restore(session, timeout_ms, now_ms))
    }

    /// A client has shown that its session is alive: the leader hears of it with the next ping.
    pub(crate) fn touch_for_leader(&mut self, session_slot: u32) {
        let session = self.sessions.at(session_slot);
        let (id, timeout_ms, local) = (session.id, session.timeout_ms, session.is_local());
        if let Some(learning) = self.learning().filter(|_| !local) {
            learning.touched.insert(id, timeout_ms);
        }
    }

    /// A session's connection is gone. Who comes again to a learner asks the leader anew; a session that is this server's
    /// own waits for its client, unless it was closed.
    pub(crate) fn forget_unbound_session(&mut self, session_slot: u32) {
        let kept_elsewhere = self.learning().is_some() || self.is_read_only();
        let session = self.sessions.at(session_slot);
        let over = if session.is_local() { session.phase == SessionPhase::Closing } else { kept_elsewhere };
        if over {
            self.sessions.remove(session_slot);
        }
    }

    /// Sends a client's request to the leader; it will come back as a transaction.
    pub(crate) fn forward(&mut self, slot: u32, cxid: i32, op: OpCode, record: &[u8]) {
        let conn = self.clients.at(slot);
        let session = self.sessions.at(conn.session.expect("who asks has a session")).id;
        let (id, credentials) = (conn.id, Arc::clone(&conn.credentials));
        self.learning().expect("a learner").forwarded.push_back(Forwarded { session, cxid, conn: id });
        let data = ForwardedRequest { session, cxid, op: op.code(), record }.to_bytes();
        // A new session is nobody's wish but the server's: Apache sends no credentials with it.
        let auth_info = (op != OpCode::CreateSession).then(|| credentials.to_vec());
        self.step_peer(zab::Input::ToLeader(ToLeader::Request { data, auth_info }));
    }

    /// A sync goes to the leader; what it answers releases what waits here.
    pub(crate) fn forward_sync(&mut self, slot: u32, request: RequestInfo, frame: &[u8], record: &[u8]) {
        let conn = self.clients.at_mut(slot);
        let (id, session_slot) = (conn.id, conn.session.expect("who asks has a session"));
        let credentials = Arc::clone(&conn.credentials);
        conn.waiting_bytes += frame.len();
        conn.waiting.push_back(Waiting::Sync { frame: frame.into(), request, done: false });
        let session = self.sessions.at(session_slot).id;
        self.learning().expect("a learner").syncs.push_back(Asker::Client(id));
        let sync = ForwardedRequest { session, cxid: request.xid, op: OpCode::Sync.code(), record };
        let auth_info = Some(credentials.to_vec());
        self.step_peer(zab::Input::ToLeader(ToLeader::Request { data: sync.to_bytes(), auth_info }));
    }

    /// The oldest sync is done.
    pub(super) fn synced(&mut self) {
        let Some(asker) = self.learning().and_then(|learning| learning.syncs.pop_front()) else { return };
        let id = match asker {
            Asker::Client(id) => id,
            Asker::Observer(conn) => {
                return self.step_peer(zab::Input::ToLearner { conn, message: zab::ToLearner::Sync });
            }
            Asker::Nobody => return,
        };
        let Some(slot) = self.clients.find(id) else { return };
        let mut waiting = self.clients.at_mut(slot).waiting.iter_mut();
        let first = waiting.find_map(|waiting| match waiting {
            Waiting::Sync { done, .. } if !*done => Some(done),
            _ => None,
        });
        if let Some(done) = first {
            *done = true;
            self.drain(slot);
        }
    }

    /// A write is about to come back for which its connection does not wait yet: in front of it stand syncs. They are done, for the
    /// leader had them first; a follower that observers learn from may tell of them later than of the write.
    pub(crate) fn overtake_syncs(&mut self, slot: u32) {
        while let Some(Waiting::Sync { done, .. }) = self.clients.at_mut(slot).waiting.front_mut() {
            *done = true;
            let id = self.clients.at(slot).id;
            let askers = self.learning().into_iter().flat_map(|learning| &mut learning.syncs);
            if let Some(asker) =
                askers.into_iter().find(|asker| matches!(asker, Asker::Client(client) if *client == id))
            {
                *asker = Asker::Nobody;
            }
            self.drain(slot);
            if self.clients.at(slot).phase == Phase::Closed {
                return;
            }
        }
    }

    /// Asks the leader whether a session may go on here.
    pub(crate) fn ask_about(&mut self, slot: u32, session: SessionId, timeout_ms: i32) {
        let id = self.clients.at(slot).id;
        self.learning().expect("a learner").revalidating.push_back((session, Asker::Client(id)));
        let question = TouchedSession { session, timeout_ms };
        self.step_peer(zab::Input::ToLeader(ToLeader::Revalidate(question)));
    }

    /// The leader's answer.
    pub(super) fn revalidated(&mut self, session: SessionId, valid: bool, out: &mut Outputs) {
        let Some(learning) = self.learning() else { return };
        let Some(position) = learning.revalidating.iter().position(|(asked, _)| *asked == session) else {
            return;
        };
        let (_, asker) = learning.revalidating.remove(position).expect("it was found");
        if valid && matches!(asker, Asker::Client(_)) {
            learning.comes_through_nobody(session);
        }
        let id = match asker {
            Asker::Client(id) => id,
            Asker::Observer(conn) => {
                if valid {
                    self.leave_to_observer(session, conn);
                }
                let message = zab::ToLearner::Revalidated { session, valid };
                return self.step_peer(zab::Input::ToLearner { conn, message });
            }
            Asker::Nobody => return,
        };
        let Some(slot) = self.clients.find(id) else { return };
        let Phase::Connecting { timeout_ms, has_read_only, .. } = self.clients.at(slot).phase else { return };
        if !valid {
            return self.refuse_session(slot, session, has_read_only, out);
        }
        self.welcome(slot, session, timeout_ms, has_read_only, out);
        self.clients.unstall(slot);
        self.take_buffered(slot, out);
    }

    /// The leader wants to hear.
    pub(super) fn pong(&mut self, zxid: Zxid) {
        let Some(learning) = self.learning() else { return };
        let touched = std::mem::take(&mut learning.touched);
        let touched =
            touched.into_iter().map(|(session, timeout_ms)| TouchedSession { session, timeout_ms }).collect();
        self.step_peer(zab::Input::ToLeader(ToLeader::Pong { zxid, touched }));
    }
}
