//! Read-only mode: a member that has looked for a leader for some time answers those who only read, from what its disk
//! holds (reference: quorum-protocol §11, client-protocol §11). It takes part in the election as before, and nothing that
//! happens here reaches a log, a zxid or another server.

use crate::connection::{Connection, Phase};
use crate::io::Outputs;
use crate::member::Role;
use crate::node::Node;
use wire::{ErrorCode, OpCode, ReplyHeader, SessionId};

/// How long a member looks at least before it takes itself for cut off.
const GRACE_MIN_US: u64 = 2_000_000;

impl Node {
    /// Does it answer nothing but reads, for want of a leader?
    pub fn is_read_only(&self) -> bool {
        self.member.as_ref().is_some_and(|member| matches!(member.role, Role::ReadOnly))
    }

    /// When read-only mode begins, if the election goes on until then.
    pub(crate) fn read_only_at_us(&self) -> Option<u64> {
        let member = self.member.as_ref()?;
        let waits = self.config.read_only_mode_enabled && matches!(member.role, Role::Looking);
        let since_us = member.electing_since_us.filter(|_| waits)?;
        Some(since_us + GRACE_MIN_US.max(self.config.tick_time_ms.max(0) as u64 * 1000))
    }

    pub(crate) fn start_read_only(&mut self, out: &mut Outputs) {
        if self.read_only_at_us().is_some_and(|at_us| at_us <= self.now.mono_us) {
            self.note_info(out, || "Read-only server started".to_owned());
            self.member().role = Role::ReadOnly;
        }
    }

    /// The election is over: whoever reads here looks for a server that also writes.
    pub(super) fn end_read_only(&mut self) {
        if self.is_read_only() && !self.member().peer.is_electing() {
            self.stop_serving();
        }
    }

    /// Does a session exist for the whole ensemble, as far as this server knows?
    pub(crate) fn is_global(&self, session: SessionId) -> bool {
        self.tree.sessions().contains_key(&session)
    }

    /// Without local sessions a new session would be a write. The client gets that error in the place of a handshake, and
    /// nothing more is read from it, as at Apache.
    pub(crate) fn refuse_to_begin(&mut self, slot: u32, timeout_ms: i32) {
        let (zxid, now_ms) = (self.tree.last_zxid().0, self.now_ms());
        let conn = self.clients.writable(slot);
        conn.phase = Phase::Connecting { timeout_ms, has_read_only: true, since_us: self.now.mono_us };
        not_read_only(conn, 0, zxid);
        self.clients.close_after(slot, now_ms, timeout_ms);
    }
}

/// The answer to what is no read.
pub(crate) fn not_read_only(conn: &mut Connection, xid: i32, zxid: i64) {
    let err = ErrorCode::NotReadOnly.code();
    conn.reply(ReplyHeader { xid, zxid, err }, |_| {});
}

/// Is it refused in read-only mode? The end of a session is, unless only this server knows it.
pub(crate) fn is_refused(op: OpCode, local_session: bool) -> bool {
    match op {
        OpCode::CloseSession => !local_session,
        op => op == OpCode::Sync || crate::intake::is_write(op),
    }
}
