//! Packets between a leader and its learners (reference: quorum-protocol §4).

use crate::{Buffer, Decode, DecodeError, Encode, Id, Reader, SessionId, Writer, Zxid};

macro_rules! packet_types {
    ($($name:ident = $code:literal, $text:literal, $doc:literal;)*) => {
        /// What a [`QuorumPacket`] says.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(i32)]
        pub enum PacketType { $(#[doc = $doc] $name = $code,)* }

        impl PacketType {
            /// The type for a number on the wire.
            pub fn from_code(code: i32) -> Option<PacketType> {
                match code { $($code => Some(PacketType::$name),)* _ => None }
            }

            /// ZooKeeper's name, such as `NEWLEADER`.
            pub fn name(self) -> &'static str {
                match self { $(PacketType::$name => $text,)* }
            }
        }
    };
}

packet_types! {
    Request = 1, "REQUEST", "Learner to leader: a client's write.";
    Proposal = 2, "PROPOSAL", "Leader to follower: log this.";
    Ack = 3, "ACK", "Learner to leader: it is durable here.";
    Commit = 4, "COMMIT", "Leader to follower: a quorum has it.";
    Ping = 5, "PING", "Either way: alive; the answer carries touched sessions.";
    Revalidate = 6, "REVALIDATE", "Either way: is this session still valid?";
    Sync = 7, "SYNC", "Leader to learner: the answer to a sync request.";
    Inform = 8, "INFORM", "Leader to observer: a committed transaction.";
    CommitAndActivate = 9, "COMMITANDACTIVATE", "Leader to follower: commit a reconfiguration.";
    NewLeader = 10, "NEWLEADER", "Leader to learner: the history is complete.";
    FollowerInfo = 11, "FOLLOWERINFO", "Follower to leader: who I am.";
    UpToDate = 12, "UPTODATE", "Leader to learner: serve clients now.";
    Diff = 13, "DIFF", "Leader to learner: missing transactions follow.";
    Trunc = 14, "TRUNC", "Leader to learner: cut your log first.";
    Snap = 15, "SNAP", "Leader to learner: a whole tree follows.";
    ObserverInfo = 16, "OBSERVERINFO", "Observer to leader: who I am.";
    LeaderInfo = 17, "LEADERINFO", "Leader to learner: the new epoch.";
    AckEpoch = 18, "ACKEPOCH", "Learner to leader: the epoch is accepted; my history.";
    InformAndActivate = 19, "INFORMANDACTIVATE", "Leader to observer: a committed reconfiguration.";
}

impl PacketType {
    /// The number on the wire.
    pub fn code(self) -> i32 {
        self as i32
    }
}

/// One packet of the quorum port: a bare record, without an outer length.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QuorumPacket<'a> {
    /// A [`PacketType`], or a number that nobody knows.
    pub packet_type: i32,
    /// Its meaning depends on the type.
    pub zxid: Zxid,
    /// Its layout depends on the type; absent and empty are different.
    pub data: Buffer<'a>,
    /// The client's credentials, in requests only.
    pub auth_info: Option<Vec<Id<'a>>>,
}

impl<'a> QuorumPacket<'a> {
    /// A packet without credentials.
    pub fn new(packet_type: PacketType, zxid: Zxid, data: Buffer<'a>) -> QuorumPacket<'a> {
        QuorumPacket { packet_type: packet_type.code(), zxid, data, auth_info: None }
    }

    /// The type, if it is a known one.
    pub fn kind(&self) -> Option<PacketType> {
        PacketType::from_code(self.packet_type)
    }
}

impl Encode for QuorumPacket<'_> {
    fn encode(&self, w: &mut Writer<'_>) {
        w.int(self.packet_type);
        w.long(self.zxid.0);
        w.buffer(self.data.as_deref());
        w.vector(self.auth_info.as_deref(), |w, id| w.record(id));
    }
}

impl<'a> Decode<'a> for QuorumPacket<'a> {
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(QuorumPacket {
            packet_type: r.int()?,
            zxid: Zxid(r.long()?),
            data: r.buffer()?,
            auth_info: r.vector(Id::decode)?,
        })
    }
}

/// The protocol version that every server since 3.4 names.
pub const LEARNER_PROTOCOL_VERSION: i32 = 0x1_0000;

/// The data of FOLLOWERINFO and OBSERVERINFO: 20 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LearnerInfo {
    /// The learner's server id.
    pub server_id: i64,
    /// [`LEARNER_PROTOCOL_VERSION`]; below it means the dialogue from before 3.4, which is refused.
    pub protocol_version: i32,
    /// The version of the learner's committed configuration.
    pub config_version: i64,
}

impl Encode for LearnerInfo {
    fn encode(&self, w: &mut Writer<'_>) {
        w.long(self.server_id);
        w.int(self.protocol_version);
        w.long(self.config_version);
    }
}

impl Decode<'_> for LearnerInfo {
    /// 12 bytes (servers before 3.5) read as configuration version 0, as do 13 to 19 (reference: quorum-protocol §4.2).
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (server_id, protocol_version) = (r.long()?, r.int()?);
        let config_version = if r.rest().len() >= 8 { r.long()? } else { 0 };
        Ok(LearnerInfo { server_id, protocol_version, config_version })
    }
}

/// The data of a REQUEST: who asks for what. The record is the client's own bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ForwardedRequest<'a> {
    /// The client's session.
    pub session: SessionId,
    /// The client's xid.
    pub cxid: i32,
    /// The operation.
    pub op: i32,
    /// The request record.
    pub record: &'a [u8],
}

impl Encode for ForwardedRequest<'_> {
    fn encode(&self, w: &mut Writer<'_>) {
        w.long(self.session.0);
        w.int(self.cxid);
        w.int(self.op);
        w.raw(self.record);
    }
}

impl<'a> Decode<'a> for ForwardedRequest<'a> {
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let (session, cxid, op) = (SessionId(r.long()?), r.int()?, r.int()?);
        Ok(ForwardedRequest { session, cxid, op, record: r.rest() })
    }
}

/// A session and its timeout in ms: an entry of a PING's answer, and the data of a REVALIDATE question.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TouchedSession {
    /// Which.
    pub session: SessionId,
    /// In ms.
    pub timeout_ms: i32,
}

impl Encode for TouchedSession {
    fn encode(&self, w: &mut Writer<'_>) {
        w.long(self.session.0);
        w.int(self.timeout_ms);
    }
}

impl Decode<'_> for TouchedSession {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(TouchedSession { session: SessionId(r.long()?), timeout_ms: r.int()? })
    }
}

impl TouchedSession {
    /// Reads the data of a PING's answer: entries up to the end, no count.
    ///
    /// # Errors
    /// When the length is not a multiple of 12.
    pub fn decode_all(r: &mut Reader<'_>) -> Result<Vec<TouchedSession>, DecodeError> {
        let mut out = Vec::with_capacity(r.rest().len() / 12);
        while !r.is_empty() {
            out.push(TouchedSession::decode(r)?);
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TxnRecord;
    use crate::test_bytes::hex;

    fn round_trip(packet: &QuorumPacket<'_>, golden: &str) {
        let bytes = hex(golden);
        assert_eq!(packet.to_bytes(), bytes);
        assert_eq!(&QuorumPacket::decode(&mut Reader::new(&bytes)).expect("a packet"), packet);
    }

    /// Golden bytes of quorum-protocol §17.
    #[test]
    fn packets_equal_what_apache_servers_send() {
        let info =
            LearnerInfo { server_id: 2, protocol_version: LEARNER_PROTOCOL_VERSION, config_version: 0 };
        let epoch_1 = Zxid::from_parts(1, 0);
        round_trip(
            &QuorumPacket::new(PacketType::FollowerInfo, epoch_1, Some(info.to_bytes().into())),
            "0000000b 0000000100000000 00000014 0000000000000002000100000000000000000000 ffffffff",
        );
        round_trip(
            &QuorumPacket::new(PacketType::LeaderInfo, epoch_1, Some(vec![0, 1, 0, 0].into())),
            "00000011 0000000100000000 00000004 00010000 ffffffff",
        );
        round_trip(
            &QuorumPacket::new(PacketType::AckEpoch, Zxid::from_parts(1, 17), Some(vec![255; 4].into())),
            "00000012 0000000100000011 00000004 ffffffff ffffffff",
        );
        round_trip(
            &QuorumPacket::new(PacketType::UpToDate, Zxid(-1), None),
            "0000000c ffffffffffffffff ffffffff ffffffff",
        );
        let touched = TouchedSession { session: SessionId(0x0100_003f_ba09_0000), timeout_ms: 10_000 };
        round_trip(
            &QuorumPacket::new(PacketType::Ping, Zxid::from_parts(1, 1), Some(touched.to_bytes().into())),
            "00000005 0000000100000001 0000000c 0100003fba09000000002710 ffffffff",
        );
    }

    #[test]
    fn a_forwarded_request_keeps_the_clients_bytes_and_credentials() {
        let bytes = hex(
            "00000001 ffffffffffffffff 00000022 0100003fba090000 00000003 00000005 000000052f6e6f706500000001
             78ffffffff 00000001 000000026970000000093132372e302e302e31",
        );
        let packet = QuorumPacket::decode(&mut Reader::new(&bytes)).expect("a packet");
        assert_eq!(packet.auth_info, Some(vec![Id::new("ip", "127.0.0.1")]));
        let data = packet.data.as_deref().expect("data");
        let request = ForwardedRequest::decode(&mut Reader::new(data)).expect("a request");
        assert_eq!((request.cxid, request.op), (3, 5));
        assert_eq!(request.to_bytes(), data);
        assert_eq!(packet.to_bytes(), bytes);
    }

    #[test]
    fn a_proposal_carries_a_log_record() {
        let bytes = hex("00000002 0000000100000004 00000024 0100003fba0900000000000300000001000000
             04000001a205adb030ffffffffffffff9b ffffffff");
        let packet = QuorumPacket::decode(&mut Reader::new(&bytes)).expect("a packet");
        let record =
            TxnRecord::decode(&mut Reader::new(packet.data.as_deref().expect("data"))).expect("a record");
        assert_eq!(record.header.zxid, packet.zxid);
        assert_eq!(record.txn, crate::Txn::Error { code: -101 });
        assert_eq!(record.digest, None, "error transactions carry no digest");
    }

    #[test]
    fn learner_info_has_a_short_form_and_pings_come_in_twelves() {
        let info = LearnerInfo::decode(&mut Reader::new(&hex("0000000000000003 00010000 00000000")))
            .expect("12 to 19 bytes");
        assert_eq!((info.server_id, info.config_version), (3, 0));
        assert!(LearnerInfo::decode(&mut Reader::new(&[0; 8])).is_err());
        assert_eq!(TouchedSession::decode_all(&mut Reader::new(&[])), Ok(vec![]));
        assert!(TouchedSession::decode_all(&mut Reader::new(&[0; 13])).is_err());
    }
}
