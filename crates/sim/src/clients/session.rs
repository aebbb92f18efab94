//! What a client keeps of its session from one connection to the next.

use super::watching::Watching;
use wire::{ConnectRequest, PASSWORD_LEN, SessionId};

/// A session as the client knows it.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) password: [u8; PASSWORD_LEN],
    pub(crate) timeout_ms: i32,
    /// The newest that a reply told of.
    pub(crate) last_zxid: i64,
    pub(crate) watching: Watching,
}

/// The first frame on a connection.
pub(crate) fn hello(session: Option<&Session>, timeout_ms: i32) -> ConnectRequest<'static> {
    ConnectRequest {
        protocol_version: 0,
        last_zxid_seen: session.map_or(0, |session| session.last_zxid),
        timeout_ms,
        session_id: session.map_or(0, |session| session.id.0),
        password: Some(session.map_or([0; PASSWORD_LEN], |session| session.password).to_vec().into()),
        read_only: Some(false),
    }
}
