//! Packets of the quorum port, as each side means them (reference: quorum-protocol §4).

use crate::{Epoch, ServerId, Txn};
use wire::{
    Decode, DecodeError, Encode, Id, LEARNER_PROTOCOL_VERSION, LearnerInfo, Limits, PacketType, QuorumPacket,
    Reader, SessionId, TouchedSession, Zxid,
};

/// Room for a packet besides its data, in bytes: its head and credentials.
const BESIDES_DATA_MAX: usize = 8 << 20;

/// Bytes of a connection that have not made a whole packet yet.
#[derive(Debug)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    start: usize,
    limits: Limits,
}

impl Inbox {
    pub(crate) fn new(limits: Limits) -> Inbox {
        Inbox { bytes: Vec::new(), start: 0, limits }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next packet, if all of it is there.
    ///
    /// # Errors
    /// When the bytes can never be a packet: close the connection.
    pub(crate) fn next<T>(
        &mut self,
        understand: impl FnOnce(QuorumPacket<'_>) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        let mut r = Reader::with_limits(&self.bytes[self.start..], self.limits);
        let bytes_max = self.limits.field_max.saturating_add(BESIDES_DATA_MAX);
        match QuorumPacket::decode(&mut r) {
            Ok(packet) => {
                let used = r.position();
                let message = understand(packet)?;
                self.start += used;
                Ok(Some(message))
            }
            Err(DecodeError::Eof { .. }) if self.bytes.len() - self.start <= bytes_max => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes raw bytes: `take` says how many of those that are there it wants.
    pub(crate) fn raw<T>(&mut self, take: impl FnOnce(&[u8]) -> (usize, T)) -> T {
        let (used, result) = take(&self.bytes[self.start..]);
        self.start += used;
        result
    }
}

/// What a learner hears.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum FromLeader {
    LeaderInfo(Epoch),
    Diff(Zxid),
    Trunc(Zxid),
    Snap(Zxid),
    Proposal(Txn),
    Commit(Zxid, Option<ServerId>),
    Inform(Txn, Option<ServerId>),
    NewLeader(Zxid, Option<String>),
    UpToDate,
    Ping(Zxid),
    Revalidated { session: SessionId, valid: bool },
    Synced,
    Unknown(i32),
}

impl FromLeader {
    pub(crate) fn understand(packet: QuorumPacket<'_>) -> Result<FromLeader, DecodeError> {
        let data = packet.data.as_deref().unwrap_or_default();
        let mut r = Reader::new(data);
        Ok(match packet.kind() {
            Some(PacketType::LeaderInfo) => FromLeader::LeaderInfo(epoch_of(&packet)?),
            Some(PacketType::Diff) => FromLeader::Diff(packet.zxid),
            Some(PacketType::Trunc) => FromLeader::Trunc(packet.zxid),
            Some(PacketType::Snap) => FromLeader::Snap(packet.zxid),
            Some(PacketType::Proposal) => FromLeader::Proposal(Txn::understand(packet.zxid, data)?),
            Some(PacketType::Commit) => FromLeader::Commit(packet.zxid, None),
            Some(PacketType::CommitAndActivate) => FromLeader::Commit(packet.zxid, Some(ServerId(r.long()?))),
            Some(PacketType::Inform) => FromLeader::Inform(Txn::understand(packet.zxid, data)?, None),
            Some(PacketType::InformAndActivate) => {
                let designated = ServerId(r.long()?);
                FromLeader::Inform(Txn::understand(packet.zxid, r.rest())?, Some(designated))
            }
            Some(PacketType::NewLeader) => {
                let config = (data.len() > 1).then(|| String::from_utf8_lossy(data).into_owned());
                FromLeader::NewLeader(packet.zxid, config)
            }
            Some(PacketType::UpToDate) => FromLeader::UpToDate,
            Some(PacketType::Ping) => FromLeader::Ping(packet.zxid),
            Some(PacketType::Revalidate) => {
                FromLeader::Revalidated { session: SessionId(r.long()?), valid: r.bool()? }
            }
            Some(PacketType::Sync) => FromLeader::Synced,
            _ => FromLeader::Unknown(packet.packet_type),
        })
    }
}

/// What a leader hears.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum FromLearner {
    Hello { follower: bool, accepted: Epoch, info: LearnerInfo },
    AckEpoch { last: Zxid, current: Option<Epoch> },
    Ack(Zxid),
    Pong(Vec<TouchedSession>),
    Revalidate(TouchedSession),
    Request { data: Vec<u8>, auth_info: Option<Vec<Id<'static>>> },
    Unknown(i32),
}

impl FromLearner {
    pub(crate) fn understand(packet: QuorumPacket<'_>) -> Result<FromLearner, DecodeError> {
        let kind = packet.kind();
        let data = packet.data.as_deref().unwrap_or_default();
        let mut r = Reader::new(data);
        Ok(match kind {
            Some(PacketType::FollowerInfo | PacketType::ObserverInfo) => {
                let info = LearnerInfo::decode(&mut r)?;
                if info.protocol_version < LEARNER_PROTOCOL_VERSION {
                    return Err(r.invalid("a learner from before 3.4"));
                }
                let follower = kind == Some(PacketType::FollowerInfo);
                FromLearner::Hello { follower, accepted: epoch_of(&packet)?, info }
            }
            Some(PacketType::AckEpoch) => match r.int()? {
                -1 => FromLearner::AckEpoch { last: packet.zxid, current: None },
                epoch if epoch >= 0 => {
                    FromLearner::AckEpoch { last: packet.zxid, current: Some(Epoch(epoch as u32)) }
                }
                _ => return Err(r.invalid("a negative epoch")),
            },
            Some(PacketType::Ack) => FromLearner::Ack(packet.zxid),
            Some(PacketType::Ping) if packet.data.is_none() => {
                return Err(r.invalid("a ping's answer without data"));
            }
            Some(PacketType::Ping) => FromLearner::Pong(TouchedSession::decode_all(&mut r)?),
            Some(PacketType::Revalidate) => FromLearner::Revalidate(TouchedSession::decode(&mut r)?),
            Some(PacketType::Request) => FromLearner::Request {
                data: data.to_vec(),
                auth_info: packet.auth_info.map(|ids| ids.into_iter().map(Id::into_owned).collect()),
            },
            _ => FromLearner::Unknown(packet.packet_type),
        })
    }
}

fn epoch_of(packet: &QuorumPacket<'_>) -> Result<Epoch, DecodeError> {
    let epoch = Epoch::of(packet.zxid);
    if epoch > Epoch::MAX {
        return Err(DecodeError::Invalid { what: "an epoch beyond 2^31-1", offset: 4 });
    }
    Ok(epoch)
}

/// Appends packets to the bytes of a connection.
pub(crate) trait PacketWriter {
    /// A packet without credentials.
    fn packet(&mut self, kind: PacketType, zxid: Zxid, data: Option<&[u8]>);
}

impl PacketWriter for Vec<u8> {
    fn packet(&mut self, kind: PacketType, zxid: Zxid, data: Option<&[u8]>) {
        QuorumPacket::new(kind, zxid, data.map(Into::into)).encode(&mut wire::Writer::new(self));
    }
}

pub(crate) fn ack(out: &mut Vec<u8>, zxid: Zxid) {
    out.packet(PacketType::Ack, zxid, None);
}

pub(crate) fn hello(out: &mut Vec<u8>, follower: bool, accepted: Epoch, me: ServerId, config_version: i64) {
    let kind = if follower { PacketType::FollowerInfo } else { PacketType::ObserverInfo };
    let info = LearnerInfo { server_id: me.0, protocol_version: LEARNER_PROTOCOL_VERSION, config_version };
    out.packet(kind, accepted.start(), Some(&info.to_bytes()));
}

pub(crate) fn request(out: &mut Vec<u8>, data: &[u8], auth_info: Option<Vec<Id<'static>>>) {
    let packet =
        QuorumPacket { auth_info, ..QuorumPacket::new(PacketType::Request, Zxid(-1), Some(data.into())) };
    packet.encode(&mut wire::Writer::new(out));
}

pub(crate) fn pong(out: &mut Vec<u8>, zxid: Zxid, touched: &[TouchedSession]) {
    let data: Vec<u8> = touched.iter().flat_map(Encode::to_bytes).collect();
    out.packet(PacketType::Ping, zxid, Some(&data));
}

pub(crate) fn revalidated(out: &mut Vec<u8>, session: SessionId, valid: bool) {
    let mut data = session.0.to_be_bytes().to_vec();
    data.push(u8::from(valid));
    out.packet(PacketType::Revalidate, Zxid(-1), Some(&data));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_out_whole_however_they_were_cut() {
        let mut bytes = Vec::new();
        ack(&mut bytes, Zxid(7));
        hello(&mut bytes, true, Epoch(2), ServerId(3), 9);
        for cut in 0..bytes.len() {
            let mut inbox = Inbox::new(Limits::default());
            let mut seen = Vec::new();
            for part in [&bytes[..cut], &bytes[cut..]] {
                inbox.push(part);
                while let Some(message) = inbox.next(FromLearner::understand).expect("good bytes") {
                    seen.push(message);
                }
            }
            let info = LearnerInfo { server_id: 3, protocol_version: 0x10000, config_version: 9 };
            let hello = FromLearner::Hello { follower: true, accepted: Epoch(2), info };
            assert_eq!(seen, [FromLearner::Ack(Zxid(7)), hello], "cut at {cut}");
        }
    }

    /// Everything here makes an Apache leader close the connection too, or worse (reference: quorum-protocol §13).
    #[test]
    fn what_learners_must_not_send_is_refused() {
        let refused = |kind, zxid, data: Option<&[u8]>| {
            let mut bytes = Vec::new();
            bytes.packet(kind, Zxid(zxid), data);
            let mut inbox = Inbox::new(Limits::default());
            inbox.push(&bytes);
            inbox.next(FromLearner::understand).is_err()
        };
        assert!(refused(PacketType::Ping, 0, None));
        assert!(refused(PacketType::Ping, 0, Some(&[0; 13])));
        assert!(!refused(PacketType::Ping, 0, Some(&[])));
        assert!(refused(PacketType::AckEpoch, 0, Some(&[0; 3])));
        assert!(refused(PacketType::FollowerInfo, 0, Some(&[0; 8])));
        assert!(refused(PacketType::FollowerInfo, 0, Some(&[0; 20])), "an old protocol version");
        assert!(refused(PacketType::FollowerInfo, -1, Some(&[0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0])));
    }

    #[test]
    fn a_length_that_cannot_be_is_refused_and_the_inbox_is_bounded() {
        let mut inbox = Inbox::new(Limits::default());
        inbox.push(&[0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 0xff, 0xff, 0xff]);
        assert!(inbox.next(FromLeader::understand).is_err());
        let mut inbox = Inbox::new(Limits::default());
        let all = Limits::default().field_max + BESIDES_DATA_MAX;
        let endless = [&[0; 12][..], &[0xff; 4], &[0x7f, 0xff, 0xff, 0xff], &vec![0; all]].concat();
        inbox.push(&endless);
        assert!(inbox.next(FromLeader::understand).is_err(), "credentials without end");
    }
}
