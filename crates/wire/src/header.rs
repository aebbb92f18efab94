//! Request and reply headers, and the xids with a meaning of their own (reference: client-protocol §3).

use crate::{Decode, DecodeError, Encode, Reader, Writer};

/// The xid of a notification.
pub const NOTIFICATION_XID: i32 = -1;
/// The xid of every ping reply.
pub const PING_XID: i32 = -2;
/// The xid client libraries give an auth packet.
pub const AUTH_XID: i32 = -4;
/// The xid client libraries give setWatches on reconnect.
pub const SET_WATCHES_XID: i32 = -8;

/// What precedes every request record: 8 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestHeader {
    /// The client's number for the request, echoed in the reply.
    pub xid: i32,
    /// The operation, possibly one nobody knows; see [`crate::OpCode::from_code`].
    pub op: i32,
}

impl Encode for RequestHeader {
    fn encode(&self, w: &mut Writer<'_>) {
        w.int(self.xid);
        w.int(self.op);
    }
}

impl Decode<'_> for RequestHeader {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(RequestHeader { xid: r.int()?, op: r.int()? })
    }
}

/// What precedes every reply record: 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReplyHeader {
    /// The request's xid; -1 for a notification, -2 for a ping.
    pub xid: i32,
    /// The server's last applied zxid (see the reference for the exceptions).
    pub zxid: i64,
    /// 0 or an error code.
    pub err: i32,
}

impl Encode for ReplyHeader {
    fn encode(&self, w: &mut Writer<'_>) {
        w.int(self.xid);
        w.long(self.zxid);
        w.int(self.err);
    }
}

impl Decode<'_> for ReplyHeader {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(ReplyHeader { xid: r.int()?, zxid: r.long()?, err: r.int()? })
    }
}
