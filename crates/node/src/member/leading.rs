//! The leader's part: everybody's sessions, and the requests of the learners' clients (reference: quorum-protocol §6.1,
//! §6.5, §6.6).

use crate::io::Outputs;
use crate::member::Role;
use crate::node::Node;
use crate::sessions::{Owner, SessionPhase};
use tree::{PrepContext, SessionState};
use wire::{Decode, ErrorCode, ForwardedRequest, Id, OpCode, Reader, Request, SessionId, TouchedSession};
use zab::{ConnId, Epoch, ToLearner};

impl Node {
    /// The epoch is established: all sessions begin anew with their full timeouts, and transactions may begin here.
    pub(super) fn start_leading(&mut self, epoch: Epoch, out: &mut Outputs) {
        let start = wire::Zxid::from_parts(epoch.0, 0);
        self.tree.set_last_zxid(start);
        self.pipeline.start_term(start);
        let now_ms = self.now_ms();
        for (&id, &timeout_ms) in self.tree.sessions() {
            self.sessions.restore(id, timeout_ms, now_ms);
        }
        self.member().role = Role::Leading;
        self.end_dead_sessions(out);
    }

    /// A learner's client asks for something. It gets a transaction in every case: the learner waits for one.
    pub(super) fn learners_request(
        &mut self,
        conn: ConnId,
        data: &[u8],
        auth_info: Option<Vec<Id<'static>>>,
        out: &mut Outputs,
    ) {
        let mut reader = Reader::with_limits(data, self.config.limits);
        let Ok(request) = ForwardedRequest::decode(&mut reader) else {
            return self.note_warn(out, || "a learner's request without a header was dropped".to_owned());
        };
        let Some(op) = OpCode::from_code(request.op) else { return };
        if op == OpCode::Sync {
            // What was asked for before comes before.
            self.propose_prepared();
            return self.step_peer(zab::Input::ToLearner { conn, message: ToLearner::Sync });
        }
        if op == OpCode::CreateSession {
            return self.learners_session(conn, &request);
        }
        let state = self.state_for(request.session, Owner::Learner(conn));
        let credentials = auth_info.as_deref().unwrap_or_default();
        let context = PrepContext {
            session: request.session,
            session_state: state,
            cxid: request.cxid,
            zxid: self.pipeline.next_zxid(),
            time_ms: self.now.wall_ms,
            credentials,
        };
        let (projection, tree) = (&mut self.pipeline.projection, &self.tree);
        let mut body = Reader::with_limits(request.record, self.config.limits);
        let record = match op {
            OpCode::CloseSession => projection.prepare_close_session(tree, &context),
            op if !crate::intake::is_write(op) => {
                projection.prepare_error(&context, ErrorCode::Unimplemented)
            }
            _ if auth_info.is_none() => projection.prepare_error(&context, ErrorCode::MarshallingError),
            op => match Request::decode(op, &mut body) {
                Ok(request) => projection.prepare(tree, &context, request),
                Err(_) => projection.prepare_error(&context, ErrorCode::MarshallingError),
            },
        };
        self.pipeline.append(&record, None, self.now.mono_us);
        self.note_quota_excesses(out);
        if op == OpCode::CloseSession
            && let Some(slot) = self.sessions.find(request.session)
        {
            self.sessions.at_mut(slot).phase = SessionPhase::Closing;
        }
    }

    /// A session that a learner's client wants to begin.
    fn learners_session(&mut self, conn: ConnId, request: &ForwardedRequest<'_>) {
        let timeout_ms = Reader::new(request.record).int().unwrap_or_default();
        let now_ms = self.now_ms();
        let slot = match self.sessions.find(request.session) {
            Some(slot) => slot,
            None => self.sessions.restore(request.session, timeout_ms, now_ms),
        };
        self.sessions.at_mut(slot).owner = Owner::Learner(conn);
        let context = PrepContext {
            session: request.session,
            session_state: SessionState::Valid,
            cxid: request.cxid,
            zxid: self.pipeline.next_zxid(),
            time_ms: self.now.wall_ms,
            credentials: &[],
        };
        let record = self.pipeline.projection.prepare_create_session(&self.tree, &context, timeout_ms);
        self.pipeline.append(&record, None, self.now.mono_us);
    }

    /// May a session's request come this way? The first way it takes becomes its own.
    fn state_for(&mut self, session: SessionId, way: Owner) -> SessionState {
        let Some(slot) = self.sessions.find(session) else { return self.state_of_stranger(session) };
        let session = self.sessions.at_mut(slot);
        if session.phase == SessionPhase::Closing || session.is_local() {
            return SessionState::Closing;
        }
        if session.owner == Owner::Nobody {
            session.owner = way;
        }
        if session.owner == way { SessionState::Valid } else { SessionState::Moved }
    }

    /// A learner has heard of sessions.
    pub(super) fn learner_touched(&mut self, touched: &[TouchedSession]) {
        let now_ms = self.now_ms();
        for TouchedSession { session, timeout_ms } in touched {
            if let Some(slot) =
                self.sessions.find(*session).filter(|&slot| !self.sessions.at(slot).is_local())
            {
                self.sessions.at_mut(slot).timeout_ms = *timeout_ms;
                self.sessions.touch(slot, now_ms);
            }
        }
    }

    /// A client has come to a learner with a session: from now on it comes from there.
    pub(super) fn revalidate(
        &mut self,
        conn: ConnId,
        TouchedSession { session, timeout_ms }: TouchedSession,
    ) {
        self.stats.metrics.revalidate_count += 1;
        let now_ms = self.now_ms();
        let slot = self.sessions.find(session).filter(|&slot| !self.sessions.at(slot).is_local());
        let valid = slot.is_some_and(|slot| self.sessions.touch(slot, now_ms));
        if let Some(slot) = slot.filter(|_| valid) {
            let session = self.sessions.at_mut(slot);
            session.timeout_ms = timeout_ms;
            session.owner = Owner::Learner(conn);
            self.sessions.touch(slot, now_ms);
        }
        self.step_peer(zab::Input::ToLearner { conn, message: ToLearner::Revalidated { session, valid } });
    }
}
