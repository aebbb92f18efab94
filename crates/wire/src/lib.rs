//! Jute codec, client protocol records and transaction records: total functions on bytes.
//!
//! What it is: every byte layout that a client, a peer or a file shares with Apache ZooKeeper, as Rust values with an
//! [`Encode`] and a [`Decode`] side. What it is not: it decides nothing, keeps no state, does no I/O, and validates only
//! what the layout itself demands (paths, ACL contents and versions are checked by the `tree` crate).
//!
//! The types to know:
//! * [`Reader`] and [`Writer`]: the jute primitives; every read is checked, lengths are limited.
//! * [`Request`]: a client request, borrowed from its frame; [`Response`]: what answers it.
//! * [`Txn`], [`TxnHeader`], [`TxnDigest`]: what the log, a proposal and a commit carry.
//! * [`Zxid`], [`SessionId`]: identities that must not be mixed up with other integers.
//!
//! A request's way: frame bytes → [`RequestHeader`] → [`Request::decode`] → (the tree makes a [`Txn`] of it) →
//! [`ReplyHeader`] + a response record → frame bytes.

mod connect;
mod election;
mod error;
mod header;
mod ids;
mod jute;
mod multi;
mod op;
mod quorum;
mod records;
mod request;
mod response;
mod txn;

pub use connect::{ConnectRequest, ConnectResponse, PASSWORD_LEN, session_password};
pub use election::{
    ELECTION_ADDRESS_MAX, ElectionHandshake, NOTIFICATION_MAX, NOTIFICATION_VERSION, Notification,
    ServerState,
};
pub use error::ErrorCode;
pub use header::{AUTH_XID, NOTIFICATION_XID, PING_XID, ReplyHeader, RequestHeader, SET_WATCHES_XID};
pub use ids::{SessionId, Zxid};
pub use jute::{
    DEFAULT_JUTE_MAX_BUFFER, Decode, DecodeError, Encode, Limits, Reader, Writer, finish_frame, java_text,
    start_frame,
};
pub use multi::{MultiOp, MultiResult, decode_multi, encode_multi};
pub use op::{CreateMode, OpCode};
pub use quorum::{
    ForwardedRequest, LEARNER_PROTOCOL_VERSION, LearnerInfo, PacketType, QuorumPacket, TouchedSession,
};
pub use records::{Acl, Id, Stat, StatPersisted, WatcherEvent, event_type, perms};
pub use request::{Request, SetWatches};
pub use response::{ClientInfo, Response};
pub use txn::{
    CreateTxn, DIGEST_VERSION, TXN_CLOSE_SESSION, TXN_CREATE_SESSION, TXN_ERROR, Txn, TxnDigest, TxnHeader,
    TxnRecord,
};

/// A jute string: absent (`-1` on the wire) or text borrowed from the frame where possible.
pub type Ustring<'a> = Option<std::borrow::Cow<'a, str>>;
/// A jute buffer: absent (`-1` on the wire) or bytes borrowed from the frame where possible.
pub type Buffer<'a> = Option<std::borrow::Cow<'a, [u8]>>;

#[cfg(test)]
mod test_bytes {
    /// Bytes from hex digits; white space is ignored.
    pub(crate) fn hex(text: &str) -> Vec<u8> {
        let digits: String = text.split_whitespace().collect();
        (0..digits.len())
            .step_by(2)
            .map(|i| u8::from_str_radix(&digits[i..i + 2], 16).expect("hex"))
            .collect()
    }
}
