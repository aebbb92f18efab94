//! The handshake (reference: client-protocol §2).

use crate::{Buffer, Decode, DecodeError, Encode, Reader, SessionId, Writer};
use std::borrow::Cow;

/// Bytes in every password a server sends.
pub const PASSWORD_LEN: usize = 16;

/// The first frame of a client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConnectRequest<'a> {
    /// Sent as 0, ignored.
    pub protocol_version: i32,
    /// The newest zxid the client has seen anywhere.
    pub last_zxid_seen: i64,
    /// The session timeout asked for, in ms.
    pub timeout_ms: i32,
    /// 0 for a new session.
    pub session_id: i64,
    /// Of any length, and possibly absent.
    pub password: Buffer<'a>,
    /// `None` from clients before 3.4, which do not know the field: it decides the reply's shape.
    pub read_only: Option<bool>,
}

impl Encode for ConnectRequest<'_> {
    fn encode(&self, w: &mut Writer<'_>) {
        w.int(self.protocol_version);
        w.long(self.last_zxid_seen);
        w.int(self.timeout_ms);
        w.long(self.session_id);
        w.buffer(self.password.as_deref());
        if let Some(read_only) = self.read_only {
            w.bool(read_only);
        }
    }
}

impl<'a> Decode<'a> for ConnectRequest<'a> {
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(ConnectRequest {
            protocol_version: r.int()?,
            last_zxid_seen: r.long()?,
            timeout_ms: r.int()?,
            session_id: r.long()?,
            password: r.buffer()?,
            read_only: if r.is_empty() { None } else { Some(r.bool()?) },
        })
    }
}

/// The first frame of a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConnectResponse {
    /// The negotiated session timeout in ms; 0 says that the session is gone.
    pub timeout_ms: i32,
    /// The session; 0 says that it is gone.
    pub session_id: i64,
    /// Shown again on reconnect.
    pub password: [u8; PASSWORD_LEN],
    /// Present only if the request had the field.
    pub read_only: Option<bool>,
}

impl ConnectResponse {
    /// The answer to a wrong password or an unknown session, which clients read as "expired".
    pub fn invalid(read_only: Option<bool>) -> ConnectResponse {
        ConnectResponse { timeout_ms: 0, session_id: 0, password: [0; PASSWORD_LEN], read_only }
    }
}

impl Encode for ConnectResponse {
    fn encode(&self, w: &mut Writer<'_>) {
        w.int(0);
        w.int(self.timeout_ms);
        w.long(self.session_id);
        w.buffer(Some(&self.password));
        if let Some(read_only) = self.read_only {
            w.bool(read_only);
        }
    }
}

impl Decode<'_> for ConnectResponse {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.int()?;
        let (timeout_ms, session_id) = (r.int()?, r.long()?);
        let mut password = [0; PASSWORD_LEN];
        let sent = r.buffer()?.unwrap_or(Cow::Borrowed(&[]));
        if sent.len() != PASSWORD_LEN {
            return Err(r.invalid("a password that is not 16 bytes"));
        }
        password.copy_from_slice(&sent);
        let read_only = if r.is_empty() { None } else { Some(r.bool()?) };
        Ok(ConnectResponse { timeout_ms, session_id, password, read_only })
    }
}

/// The password of a session: 16 bytes that every server derives alike (reference: client-protocol §2.4). It is no secret.
pub fn session_password(session: SessionId) -> [u8; PASSWORD_LEN] {
    const MASK: u64 = (1 << 48) - 1;
    let mut state = ((session.0 as u64) ^ 0xB341_5C00 ^ 0x5_DEEC_E66D) & MASK;
    let mut out = [0; PASSWORD_LEN];
    for chunk in out.chunks_exact_mut(4) {
        state = state.wrapping_mul(0x5_DEEC_E66D).wrapping_add(0xB) & MASK;
        chunk.copy_from_slice(&((state >> 16) as u32).to_le_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn passwords_follow_java_util_random() {
        let password = |id: u64| hex(&session_password(SessionId(id as i64)));
        assert_eq!(password(0x0100_0000_0000_0000), "f22acd4a97e69d6d20a49bb638eadb38");
        assert_eq!(password(0x1000_0123_4567_0001), "5e058fd21c1319ff96668b75f9a288e2");
    }

    #[test]
    fn the_read_only_byte_decides_the_reply_size() {
        let old = ConnectResponse::invalid(None).to_bytes();
        let new = ConnectResponse::invalid(Some(false)).to_bytes();
        assert_eq!((old.len(), new.len()), (36, 37));
        assert_eq!(ConnectResponse::decode(&mut Reader::new(&old)), Ok(ConnectResponse::invalid(None)));
    }

    #[test]
    fn requests_of_old_clients_have_no_read_only() {
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: 7,
            timeout_ms: 30_000,
            session_id: 5,
            password: Some(vec![1; 16].into()),
            read_only: None,
        };
        let bytes = request.to_bytes();
        assert_eq!(bytes.len(), 44);
        assert_eq!(ConnectRequest::decode(&mut Reader::new(&bytes)), Ok(request));
    }
}
