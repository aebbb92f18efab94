//! The handshake: who gets a session and who gets the door (reference: client-protocol §2.2).

use crate::admission::SessionWish;
use crate::connection::{Connection, Phase};
use crate::io::Outputs;
use crate::node::Node;
use crate::sessions::{Owner, SessionPhase};
use tree::{PrepContext, SessionState};
use wire::{
    ConnectRequest, ConnectResponse, Decode, Encode, OpCode, PASSWORD_LEN, Reader, SessionId, Writer,
    finish_frame, session_password, start_frame,
};

impl Node {
    /// The first frame of a connection.
    pub(crate) fn connect(&mut self, slot: u32, frame: &[u8], out: &mut Outputs) {
        let Ok(request) = ConnectRequest::decode(&mut Reader::with_limits(frame, self.config.limits)) else {
            return self.close(slot);
        };
        if !self.serves() {
            return self.close(slot);
        }
        self.stats.metrics.connection_request_count += 1;
        let now_ms = self.now_ms();
        let wish = match request.session_id {
            0 if self.begins_locally() => SessionWish::Local,
            0 => SessionWish::Global,
            _ => SessionWish::Renewal,
        };
        self.stats.metrics.connection_token_deficit.add(self.tokens.deficit());
        if !self.tokens.admit(wish, now_ms, &mut self.rng) {
            self.stats.metrics.connection_drop_count += 1;
            return self.close(slot);
        }
        if self.is_read_only() && request.read_only != Some(true) {
            let peer = self.clients.at(slot).peer;
            self.note_info(out, || format!("Refusing session request for not-read-only client /{peer}"));
            return self.close(slot);
        }
        if request.last_zxid_seen > self.tree.last_zxid().0 {
            let (peer, last) = (self.clients.at(slot).peer, self.tree.last_zxid());
            self.note_info(out, || {
                format!(
                    "Refusing session request for client /{peer} as it has seen zxid 0x{:x} our last zxid is \
                     {last} client must try another server",
                    request.last_zxid_seen
                )
            });
            return self.close(slot);
        }
        let timeout_ms = request
            .timeout_ms
            .max(self.config.min_session_timeout_ms)
            .min(self.config.max_session_timeout_ms);
        let has_read_only = request.read_only.is_some();
        match wish {
            SessionWish::Local => self.create_local_session(slot, timeout_ms, has_read_only, out),
            SessionWish::Global if self.is_read_only() => self.refuse_to_begin(slot, timeout_ms),
            SessionWish::Global => self.create_session(slot, timeout_ms, has_read_only),
            SessionWish::Renewal => self.renew_session(slot, &request, timeout_ms, out),
        }
    }

    /// Is a new session this server's own? (Alone, a server knows no other kind.)
    pub(crate) fn begins_locally(&self) -> bool {
        self.config.local_sessions_enabled && self.is_member()
    }

    /// A new session that no other server knows: there is nothing to wait for.
    fn create_local_session(&mut self, slot: u32, timeout_ms: i32, has_read_only: bool, out: &mut Outputs) {
        let (session_slot, session) = self.sessions.create_local(timeout_ms, self.now_ms());
        self.bind(slot, session_slot, timeout_ms);
        self.welcome(slot, session, timeout_ms, has_read_only, out);
        self.stats.latency.add(0);
    }

    /// A new session: the answer goes out when its transaction is applied.
    fn create_session(&mut self, slot: u32, timeout_ms: i32, has_read_only: bool) {
        let (session_slot, session) = self.sessions.create(timeout_ms, self.now_ms());
        let conn = self.clients.at_mut(slot);
        conn.phase = Phase::Connecting { timeout_ms, has_read_only, since_us: self.now.mono_us };
        conn.session = Some(session_slot);
        let here = self.sessions.at_mut(session_slot);
        here.conn = Some(slot);
        here.owner = Owner::Here;
        self.in_process += 1;
        if self.learning().is_some() {
            return self.forward(slot, 0, OpCode::CreateSession, &timeout_ms.to_be_bytes());
        }
        let context = PrepContext {
            session,
            session_state: SessionState::Valid,
            cxid: 0,
            zxid: self.pipeline.next_zxid(),
            time_ms: self.now.wall_ms,
            credentials: &[],
        };
        let record = self.pipeline.projection.prepare_create_session(&self.tree, &context, timeout_ms);
        self.pipeline.append(&record, Some(self.clients.at(slot).id), self.now.mono_us);
    }

    /// An existing session. Its connection here is cut before the password is looked at (reference:
    /// client-protocol §2.2, 7b), and nobody can tell a wrong password from a session that is gone.
    fn renew_session(&mut self, slot: u32, request: &ConnectRequest<'_>, timeout_ms: i32, out: &mut Outputs) {
        self.stats.metrics.connection_revalidate_count += 1;
        let session = SessionId(request.session_id);
        if self.is_read_only() && self.is_global(session) {
            let peer = self.clients.at(slot).peer;
            self.note_info(out, || format!("Refusing global session reconnection in RO mode /{peer}"));
            return self.close(slot);
        }
        if let Some(other) = self.sessions.find(session).and_then(|s| self.sessions.at(s).conn) {
            self.close(other);
        }
        let has_read_only = request.read_only.is_some();
        if !is_password_of(session, request.password.as_deref()) {
            return self.refuse_session(slot, session, has_read_only, out);
        }
        let found = self.sessions.find(session);
        if self.learning().is_some() && !found.is_some_and(|s| self.sessions.at(s).is_local()) {
            // Whether it exists is for the leader to say.
            let session_slot = self.learners_session_slot(session, timeout_ms);
            self.bind(slot, session_slot, timeout_ms);
            let since_us = self.now.mono_us;
            self.clients.at_mut(slot).phase = Phase::Connecting { timeout_ms, has_read_only, since_us };
            return self.ask_about(slot, session, timeout_ms);
        }
        let found = match found {
            // Whether it exists cannot be known: as Apache, take the client's word for it.
            None if self.is_read_only() && !self.config.local_sessions_enabled => {
                Some(self.sessions.restore(session, timeout_ms, self.now_ms()))
            }
            found => found,
        };
        let Some(session_slot) = found.filter(|&s| self.sessions.at(s).phase == SessionPhase::Open) else {
            return self.refuse_session(slot, session, has_read_only, out);
        };
        self.bind(slot, session_slot, timeout_ms);
        self.welcome(slot, session, timeout_ms, has_read_only, out);
    }

    /// The session speaks through this connection from now on.
    fn bind(&mut self, slot: u32, session_slot: u32, timeout_ms: i32) {
        let session = self.sessions.at_mut(session_slot);
        session.timeout_ms = timeout_ms;
        session.conn = Some(slot);
        session.owner = Owner::Here;
        self.sessions.touch(session_slot, self.now_ms());
        self.clients.at_mut(slot).session = Some(session_slot);
    }

    /// The session is gone, was never there, or the password is another one's: the client is told the same in every case.
    pub(crate) fn refuse_session(
        &mut self,
        slot: u32,
        session: SessionId,
        has_read_only: bool,
        out: &mut Outputs,
    ) {
        let peer = self.clients.at(slot).peer;
        self.note_info(out, || format!("Invalid session {session} for client /{peer}, probably expired"));
        let read_only = has_read_only.then_some(self.is_read_only());
        send(self.clients.writable(slot), &ConnectResponse::invalid(read_only));
        self.close(slot);
    }

    /// The session is there: the client may speak.
    pub(crate) fn welcome(
        &mut self,
        slot: u32,
        session: SessionId,
        timeout_ms: i32,
        has_read_only: bool,
        out: &mut Outputs,
    ) {
        let response = ConnectResponse {
            timeout_ms,
            session_id: session.0,
            password: session_password(session),
            read_only: has_read_only.then_some(self.is_read_only()),
        };
        let conn = self.clients.writable(slot);
        let peer = conn.peer;
        send(conn, &response);
        conn.phase = Phase::Open { timeout_ms };
        conn.figures.last_op = "SESS";
        self.touch_idle(slot);
        self.note_debug(out, || {
            format!("Established session {session} with negotiated timeout {timeout_ms} for client /{peer}")
        });
    }
}

fn send(conn: &mut Connection, response: &ConnectResponse) {
    let at = start_frame(&mut conn.output);
    response.encode(&mut Writer::new(&mut conn.output));
    finish_frame(&mut conn.output, at);
    conn.frames += 1;
}

/// Compared in a time that does not tell where the difference is.
fn is_password_of(session: SessionId, password: Option<&[u8]>) -> bool {
    let password = password.unwrap_or_default();
    let right = session_password(session);
    session.0 != 0
        && password.len() == PASSWORD_LEN
        && password.iter().zip(right).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}
