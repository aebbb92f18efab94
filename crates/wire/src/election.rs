//! The election port: the handshake and notifications (reference: quorum-protocol §2, §3.1).

use crate::{DecodeError, Reader, Writer, Zxid};

/// Longest text of election addresses in a handshake, in bytes.
pub const ELECTION_ADDRESS_MAX: usize = 2048;
/// Longest notification, in bytes.
pub const NOTIFICATION_MAX: usize = 524_288;

const PROTOCOL_V1: i64 = -65_536;
const PROTOCOL_V2: i64 = -65_535;

/// What the side that opens an election connection says first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ElectionHandshake {
    /// Its server id; `i64::MAX` for an observer of old.
    pub server_id: i64,
    /// Its own election addresses as `host:port`, joined by `|`; absent from servers before 3.5.
    pub addresses: Option<String>,
}

impl ElectionHandshake {
    /// The bytes to send, in one write: Apache's acceptor reads the address with a single call. The first form with
    /// an address is for one address, the second is what a server with `multiAddress.enabled` sends.
    pub fn encode(&self, multi_address: bool) -> Vec<u8> {
        let mut out = Vec::new();
        let mut w = Writer::new(&mut out);
        match &self.addresses {
            None => w.long(self.server_id),
            Some(addresses) => {
                w.long(if multi_address { PROTOCOL_V2 } else { PROTOCOL_V1 });
                w.long(self.server_id);
                w.buffer(Some(addresses.as_bytes()));
            }
        }
        out
    }

    /// Reads a handshake from the first bytes of a connection. `Ok(None)`: more bytes are needed. Otherwise also
    /// says how many bytes it took.
    ///
    /// # Errors
    /// For an unknown version, an address length outside 1..=2048, and an address without a port: close the connection.
    pub fn decode(bytes: &[u8]) -> Result<Option<(ElectionHandshake, usize)>, DecodeError> {
        let mut r = Reader::new(bytes);
        let Ok(first) = r.long() else { return Ok(None) };
        if first >= 0 {
            return Ok(Some((ElectionHandshake { server_id: first, addresses: None }, 8)));
        }
        if first != PROTOCOL_V1 && first != PROTOCOL_V2 {
            return Err(DecodeError::Invalid { what: "an unknown election protocol version", offset: 0 });
        }
        let (Ok(server_id), Ok(length)) = (r.long(), r.int()) else { return Ok(None) };
        if length <= 0 || length as usize > ELECTION_ADDRESS_MAX {
            return Err(DecodeError::UnreasonableLength { length, offset: 16 });
        }
        let Some(text) = r.rest().get(..length as usize) else { return Ok(None) };
        let addresses = String::from_utf8_lossy(text).into_owned();
        if !addresses.split('|').all(has_port) {
            return Err(DecodeError::Invalid { what: "an election address without a port", offset: 20 });
        }
        Ok(Some((ElectionHandshake { server_id, addresses: Some(addresses) }, 20 + length as usize)))
    }
}

fn has_port(address: &str) -> bool {
    address.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

/// What a server says it is doing; the number on the wire is the position.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "the names are ZooKeeper's own and say it all")]
pub enum ServerState {
    Looking = 0,
    Following = 1,
    Leading = 2,
    Observing = 3,
}

/// The form that every server since 3.5 sends.
pub const NOTIFICATION_VERSION: i32 = 2;

/// A vote on its way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notification {
    /// What the sender is doing.
    pub state: ServerState,
    /// Whom it votes for; `i64::MIN` for nobody.
    pub leader: i64,
    /// That server's last zxid; `i64::MIN` from an observer.
    pub zxid: Zxid,
    /// The sender's round (logical clock).
    pub election_epoch: i64,
    /// That server's current epoch; `i64::MIN` from an observer.
    pub peer_epoch: i64,
    /// 0 for the forms from before 3.5.
    pub version: i32,
    /// The sender's committed configuration, from version 2 on.
    pub config: Option<String>,
}

impl Notification {
    /// The payload to send behind its length.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut w = Writer::new(&mut out);
        w.int(self.state as i32);
        w.long(self.leader);
        w.long(self.zxid.0);
        w.long(self.election_epoch);
        w.long(self.peer_epoch);
        w.int(NOTIFICATION_VERSION);
        w.buffer(Some(self.config.as_deref().unwrap_or_default().as_bytes()));
        out
    }

    /// Reads a payload in any of its historical forms, which its length tells apart (reference: quorum-protocol §3.1).
    ///
    /// # Errors
    /// When it is none of them: drop the message, keep the connection.
    pub fn decode(payload: &[u8]) -> Result<Notification, DecodeError> {
        let mut r = Reader::new(payload);
        let state = match r.int()? {
            0 => ServerState::Looking,
            1 => ServerState::Following,
            2 => ServerState::Leading,
            3 => ServerState::Observing,
            _ => return Err(DecodeError::Invalid { what: "an unknown server state", offset: 0 }),
        };
        let (leader, zxid, election_epoch) = (r.long()?, Zxid(r.long()?), r.long()?);
        let mut vote =
            Notification { state, leader, zxid, election_epoch, peer_epoch: 0, version: 0, config: None };
        match payload.len() {
            28 => vote.peer_epoch = zxid.0 >> 32,
            40 => vote.peer_epoch = r.long()?,
            _ => {
                vote.peer_epoch = r.long()?;
                vote.version = r.int()?;
                if vote.version > 1 {
                    vote.config = Some(decode_config(&mut r)?);
                }
            }
        }
        Ok(vote)
    }
}

fn decode_config(r: &mut Reader<'_>) -> Result<String, DecodeError> {
    let offset = r.position();
    let length = r.int()?;
    match usize::try_from(length).ok().and_then(|n| r.rest().get(..n)) {
        Some(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
        None => Err(DecodeError::UnreasonableLength { length, offset }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_bytes::hex;

    #[test]
    fn the_handshake_equals_what_apache_servers_send() {
        let hello = ElectionHandshake { server_id: 3, addresses: Some("127.0.0.1:25143".into()) };
        let v1 = hex("ffffffffffff0000 0000000000000003 0000000f 3132372e302e302e313a3235313433");
        assert_eq!(hello.encode(false), v1);
        assert_eq!(ElectionHandshake::decode(&v1), Ok(Some((hello.clone(), 35))));
        let v2 = hello.encode(true);
        assert_eq!(v2[..8], hex("ffffffffffff0001")[..]);
        assert_eq!(ElectionHandshake::decode(&v2), Ok(Some((hello, 35))));
        for cut in 0..v1.len() {
            assert_eq!(ElectionHandshake::decode(&v1[..cut]), Ok(None), "cut at {cut}");
        }
        assert_eq!(
            ElectionHandshake::decode(&hex("0000000000000007")),
            Ok(Some((ElectionHandshake { server_id: 7, addresses: None }, 8)))
        );
    }

    #[test]
    fn bad_handshakes_close_the_connection() {
        assert!(ElectionHandshake::decode(&hex("fffffffffffffff0")).is_err());
        assert!(ElectionHandshake::decode(&hex("ffffffffffff0000 0000000000000003 00000000")).is_err());
        assert!(ElectionHandshake::decode(&hex("ffffffffffff0000 0000000000000003 00000801")).is_err());
        assert!(
            ElectionHandshake::decode(&hex("ffffffffffff0000 0000000000000003 00000003 616263")).is_err()
        );
    }

    fn vote() -> Notification {
        Notification {
            state: ServerState::Looking,
            leader: 2,
            zxid: Zxid::from_parts(1, 17),
            election_epoch: 1,
            peer_epoch: 1,
            version: 2,
            config: Some("version=0".into()),
        }
    }

    #[test]
    fn notifications_read_back_in_every_historical_form() {
        let now = vote().encode();
        assert_eq!(now.len(), 44 + 9);
        assert_eq!(Notification::decode(&now), Ok(vote()));
        let old = Notification { version: 0, config: None, ..vote() };
        assert_eq!(Notification::decode(&now[..28]), Ok(old.clone()), "3.3: the epoch is the zxid's");
        assert_eq!(Notification::decode(&now[..40]), Ok(old), "3.4.6: its version is ignored on purpose");
        assert!(Notification::decode(&now[..36]).is_err(), "3.4.0: runs out of bytes");
        assert!(Notification::decode(&now[..27]).is_err());
        assert!(Notification::decode(&now[..50]).is_err(), "a configuration longer than the message");
    }
}
