//! Local sessions that want what only a global session may have (reference: client-protocol §8.3, quorum-protocol §6.6).
//!
//! A local session is known to one server and to no file. When it first wants an ephemeral node, its server asks for the
//! transaction that begins a session, for the same id, right before the request.

use crate::member::Role;
use crate::node::Node;
use crate::sessions::{Owner, Scope, Session};
use tree::{PrepContext, SessionState, TxnDetail, TxnResult};
use wire::{CreateMode, ErrorCode, MultiOp, MultiResult, OpCode, Request, SessionId};

impl Node {
    /// Makes the session global if its request needs that. Returns what the client is to be told if the request fails,
    /// when it needs that and must not have it.
    pub(crate) fn prepare_session(
        &mut self,
        slot: u32,
        session_slot: u32,
        request: &Request<'_>,
    ) -> Option<ErrorCode> {
        let Scope::Local { timeout_ms } = self.sessions.at(session_slot).scope else { return None };
        if !wants_ephemeral(request) {
            return None;
        }
        if !self.config.local_sessions_upgrading_enabled {
            return Some(ErrorCode::EphemeralOnLocalSession);
        }
        self.upgrade(slot, session_slot, timeout_ms);
        None
    }

    fn upgrade(&mut self, slot: u32, session_slot: u32, timeout_ms: i32) {
        self.sessions.at_mut(session_slot).scope = Scope::Global;
        self.touch_for_leader(session_slot);
        if self.learning().is_some() {
            self.in_process += 1;
            return self.forward(slot, 0, OpCode::CreateSession, &timeout_ms.to_be_bytes());
        }
        let context = PrepContext { session: self.sessions.at(session_slot).id, ..self.own_context() };
        let record = self.pipeline.projection.prepare_create_session(&self.tree, &context, timeout_ms);
        self.pipeline.append(&record, None, self.now.mono_us);
    }

    /// A session that the leader does not know may be another server's own, which only that server can tell. It may do
    /// what needs no global session.
    pub(super) fn state_of_stranger(&self, session: SessionId) -> SessionState {
        let elsewhere = (session.0 as u64 >> 56) as u8 != self.config.server_id;
        match elsewhere && self.config.local_sessions_enabled {
            true => SessionState::Local { refusal: ErrorCode::SessionExpired },
            false => SessionState::Closing,
        }
    }

    /// How many sessions the ensemble knows, as far as this server has heard.
    pub(crate) fn global_session_count(&self) -> usize {
        match self.member.as_ref().map(|member| &member.role) {
            None | Some(Role::Leading) => self.sessions.count() - self.sessions.local_count(),
            Some(_) => self.tree.sessions().len(),
        }
    }
}

/// What a client of the server itself may do.
pub(crate) fn own_state(session: &Session) -> SessionState {
    match session.scope {
        Scope::Global if session.owner != Owner::Here => SessionState::Moved,
        Scope::Global => SessionState::Valid,
        Scope::Local { .. } => SessionState::Local { refusal: ErrorCode::EphemeralOnLocalSession },
    }
}

/// Only these operations make a local session global, and one with senseless flags ends the search, as at Apache.
fn wants_ephemeral(request: &Request<'_>) -> bool {
    let mode = |op: OpCode, flags| {
        matches!(op, OpCode::Create | OpCode::Create2).then(|| CreateMode::from_flags(flags))
    };
    match request {
        Request::Create { op, flags, .. } => is_ephemeral(mode(*op, *flags).flatten()),
        Request::Multi { ops } => {
            let modes = ops.iter().filter_map(|part| match part {
                MultiOp::Create { op, flags, .. } => mode(*op, *flags),
                _ => None,
            });
            modes.map_while(|mode| mode).any(|mode| mode.is_ephemeral())
        }
        _ => false,
    }
}

fn is_ephemeral(mode: Option<CreateMode>) -> bool {
    mode.is_some_and(CreateMode::is_ephemeral)
}

/// The leader takes a local session of this server for one that has expired; its server knows better.
pub(crate) fn corrected<'t>(result: &TxnResult<'t>, refusal: ErrorCode) -> TxnResult<'t> {
    let mut result = result.clone();
    if result.err.is_some() {
        result.err = Some(refusal);
    }
    if let TxnDetail::Multi(results) = &mut result.detail {
        for part in results {
            if *part == MultiResult::Error(Some(ErrorCode::SessionExpired)) {
                *part = MultiResult::Error(Some(refusal));
            }
        }
    }
    result
}
