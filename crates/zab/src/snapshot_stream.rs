//! Where a snapshot stream ends: nothing but its own structure says it (reference: quorum-protocol §5.5).

use wire::{DecodeError, Limits};

/// Bytes of a node behind its data: the key of its ACL and a persisted stat.
const NODE_TAIL: u64 = 8 + 60;
/// Text behind the end mark.
pub(crate) const SIGNATURE: &[u8] = b"\0\0\0\x0aBenWasHere";

/// Follows a stream from its first byte to the signature, in constant memory.
#[derive(Debug)]
pub(crate) struct SnapshotScanner {
    expects: Expects,
    /// Bytes of a fixed-size piece that began in an earlier chunk.
    partial: Vec<u8>,
    limit: u64,
    seen: u64,
}

/// The next piece.
#[derive(Clone, Copy, Debug)]
enum Expects {
    SessionCount,
    AclCount,
    /// A key and the length of its list.
    Acl {
        left: u32,
    },
    /// Permissions, and then two strings.
    AclEntry {
        acls: u32,
        left: u32,
    },
    AclText {
        acls: u32,
        left: u32,
        texts: u8,
    },
    PathLength,
    /// A path of one byte: `/` ends the tree.
    ShortPath,
    DataLength,
    Signature,
    /// Bytes of no interest, then something else.
    Skip {
        bytes: u64,
        then: Then,
    },
}

#[derive(Clone, Copy, Debug)]
enum Then {
    AclCount,
    AclText { acls: u32, left: u32, texts: u8 },
    DataLength,
    PathLength,
}

/// What a chunk was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Scanned {
    /// Bytes of it that belong to the stream, with the signature.
    pub(crate) used: usize,
    /// Bytes of it that belong to the stream, without the signature.
    pub(crate) content: usize,
    /// Did the stream end?
    pub(crate) end: bool,
}

impl SnapshotScanner {
    pub(crate) fn new(limits: Limits) -> SnapshotScanner {
        let limit = limits.field_max as u64;
        SnapshotScanner { expects: Expects::SessionCount, partial: Vec::new(), limit, seen: 0 }
    }

    /// Goes through the next bytes.
    ///
    /// # Errors
    /// When they are no snapshot stream.
    pub(crate) fn scan(&mut self, bytes: &[u8]) -> Result<Scanned, DecodeError> {
        let mut used = 0;
        let mut content = None;
        loop {
            if let Expects::Skip { bytes: left, then } = self.expects {
                let step = left.min((bytes.len() - used) as u64);
                used += step as usize;
                self.expects = Expects::Skip { bytes: left - step, then };
                if left > step {
                    break;
                }
                self.expects = then.into();
            }
            if matches!(self.expects, Expects::Signature) && content.is_none() {
                // What of the signature was held back before is not content either.
                content = Some(used);
            }
            let missing = self.piece_len() - self.partial.len();
            let step = missing.min(bytes.len() - used);
            self.partial.extend_from_slice(&bytes[used..used + step]);
            used += step;
            if step < missing {
                break;
            }
            let piece = std::mem::take(&mut self.partial);
            if matches!(self.expects, Expects::Signature) {
                if piece != SIGNATURE {
                    return Err(self.invalid("a snapshot without its signature"));
                }
                self.seen += used as u64;
                return Ok(Scanned { used, content: content.unwrap_or(used), end: true });
            }
            self.expects = self.read(&piece)?;
        }
        self.seen += used as u64;
        Ok(Scanned { used, content: content.unwrap_or(used), end: false })
    }

    fn piece_len(&self) -> usize {
        match self.expects {
            Expects::Acl { .. } => 12,
            Expects::ShortPath => 1,
            Expects::Signature => SIGNATURE.len(),
            _ => 4,
        }
    }

    fn read(&self, piece: &[u8]) -> Result<Expects, DecodeError> {
        let int = |at: usize| i32::from_be_bytes([piece[at], piece[at + 1], piece[at + 2], piece[at + 3]]);
        Ok(match self.expects {
            Expects::SessionCount => {
                Expects::Skip { bytes: 12 * u64::from(self.count(int(0))?), then: Then::AclCount }
            }
            Expects::AclCount => acls(self.count(int(0))?),
            Expects::Acl { left } => acl_entries(left - 1, int(8).max(0) as u32),
            Expects::AclEntry { acls, left } => Expects::AclText { acls, left: left - 1, texts: 2 },
            Expects::AclText { acls, left, texts } => {
                let then = Then::AclText { acls, left, texts: texts - 1 };
                Expects::Skip { bytes: self.length(int(0))?, then }
            }
            Expects::PathLength if int(0) == 1 => Expects::ShortPath,
            Expects::PathLength => Expects::Skip { bytes: self.length(int(0))?, then: Then::DataLength },
            Expects::ShortPath if piece == b"/" => Expects::Signature,
            Expects::ShortPath => Expects::DataLength,
            Expects::DataLength => {
                Expects::Skip { bytes: self.length(int(0))? + NODE_TAIL, then: Then::PathLength }
            }
            Expects::Signature | Expects::Skip { .. } => unreachable!("handled by the caller"),
        })
    }

    fn count(&self, count: i32) -> Result<u32, DecodeError> {
        u32::try_from(count).map_err(|_| self.invalid("a negative count in a snapshot"))
    }

    /// Bytes behind a length; -1 is nothing.
    fn length(&self, length: i32) -> Result<u64, DecodeError> {
        match u64::try_from(length) {
            Ok(length) if length <= self.limit => Ok(length),
            Err(_) if length == -1 => Ok(0),
            _ => Err(DecodeError::UnreasonableLength { length, offset: self.seen as usize }),
        }
    }

    fn invalid(&self, what: &'static str) -> DecodeError {
        DecodeError::Invalid { what, offset: self.seen as usize }
    }
}

fn acls(left: u32) -> Expects {
    if left == 0 { Expects::PathLength } else { Expects::Acl { left } }
}

fn acl_entries(lists: u32, left: u32) -> Expects {
    if left == 0 { acls(lists) } else { Expects::AclEntry { acls: lists, left } }
}

impl From<Then> for Expects {
    fn from(then: Then) -> Expects {
        match then {
            Then::AclCount => Expects::AclCount,
            Then::AclText { acls, left, texts: 0 } => acl_entries(acls, left),
            Then::AclText { acls, left, texts } => Expects::AclText { acls, left, texts },
            Then::DataLength => Expects::DataLength,
            Then::PathLength => Expects::PathLength,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::{Decode, PacketType, QuorumPacket, Reader};

    /// The stream that an Apache leader sent to a joining server.
    fn captured() -> Vec<u8> {
        let bytes = include_bytes!("../../../testdata/quorum-captures/395-reconfig-joiner-snap.leader.bin");
        let mut r = Reader::new(bytes);
        while QuorumPacket::decode(&mut r).expect("a packet").kind() != Some(PacketType::Snap) {}
        r.rest().to_vec()
    }

    #[test]
    fn a_stream_ends_where_apache_ended_it_however_it_is_cut() {
        let bytes = captured();
        for size in [1, 2, 3, 7, 64, bytes.len()] {
            let mut scanner = SnapshotScanner::new(Limits::default());
            let (mut used, mut content) = (0, 0);
            for chunk in bytes.chunks(size) {
                let scanned = scanner.scan(chunk).expect("a snapshot");
                used += scanned.used;
                content += scanned.content;
                if scanned.end {
                    break;
                }
            }
            assert_eq!((used, content), (785, 785 - SIGNATURE.len()), "in chunks of {size}");
        }
    }

    #[test]
    fn a_stream_without_its_signature_is_refused() {
        let mut bytes = captured()[..785].to_vec();
        bytes[784] = b'f';
        assert!(SnapshotScanner::new(Limits::default()).scan(&bytes).is_err());
        assert!(SnapshotScanner::new(Limits::default()).scan(&[0xff; 4]).is_err(), "a negative count");
        assert!(
            SnapshotScanner::new(Limits::default())
                .scan(&[0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff])
                .is_err(),
            "an endless path"
        );
    }
}
