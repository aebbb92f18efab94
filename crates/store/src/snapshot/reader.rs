//! Reading a snapshot front to back. Which parts follow the nodes is told by how many bytes are left, not by our own
//! settings (reference: storage-formats §4.1).

use super::snappy::SnappyReader;
use super::{END_MARK, SEAL_LEN, SNAPSHOT_MAGIC};
use crate::read_at::{ReadAt, Sequential};
use crate::{Compression, DiskError};
use flate2::read::GzDecoder;
use simd_adler32::Adler32;
use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read};
use std::ops::Range;
use wire::{Acl, Decode, DecodeError, Limits, Reader, SessionId, StatPersisted, TxnDigest, Zxid};

/// Read at a time, in bytes; a longer node makes the window grow to hold it.
const BLOCK_LEN: usize = 256 << 10;
const HEADER_LEN: usize = 16;
const STAT_LEN: usize = 60;
/// Part 7: zxid, version, digest.
const DIGEST_LEN: usize = 20;
/// Part 8.
const LAST_ZXID_LEN: usize = 8;

/// The file header; only its magic number means anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SnapshotHeader {
    /// 2.
    pub version: i32,
    /// -1.
    pub dbid: i64,
}

/// One znode as stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SnapshotNode<'r> {
    /// The full path; the root is `""`.
    pub path: Cow<'r, str>,
    /// Null and empty are different.
    pub data: Option<&'r [u8]>,
    /// A key of the ACL table, or -1 for world:anyone with all permissions.
    pub acl_id: i64,
    /// Stored form of the stat.
    pub stat: StatPersisted,
}

/// What follows the nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SnapshotTail {
    /// Part 7: the tree's digest right after that zxid. A zxid of 0 or less means that none was known.
    pub digest: Option<(Zxid, TxnDigest)>,
    /// Part 8: the last zxid applied when the snapshot ended.
    pub last_zxid: Option<Zxid>,
}

/// Why a snapshot cannot be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SnapshotError {
    /// Where in the uncompressed stream, in bytes.
    pub offset: u64,
    /// What is wrong there.
    pub kind: SnapshotErrorKind,
}

/// See [`SnapshotError`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SnapshotErrorKind {
    /// The disk cannot read it.
    Disk(DiskError),
    /// The compressed stream is damaged.
    Compression(String),
    /// The stream ends before the snapshot does.
    EndsEarly,
    /// Not "ZKSN".
    BadMagic(i32),
    /// A record that is not one.
    Decode(DecodeError),
    /// A checksum differs.
    BadSeal {
        /// As stored.
        stored: i64,
        /// Of the bytes that are there.
        computed: i64,
    },
    /// The text behind a checksum is not `/`.
    BadEndMark,
    /// The bytes behind the nodes are no known set of parts.
    UnknownTail(usize),
    /// The nodes do not make a tree.
    Tree(String),
    /// It was taken before the transaction that is in its name: another file's bytes.
    OlderThanItsName(Zxid),
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {} of the stream: ", self.offset)?;
        match &self.kind {
            SnapshotErrorKind::Disk(error) => error.fmt(f),
            SnapshotErrorKind::Compression(reason) => write!(f, "the compressed stream is damaged: {reason}"),
            SnapshotErrorKind::EndsEarly => f.write_str("the snapshot ends early"),
            SnapshotErrorKind::BadMagic(found) => {
                write!(f, "mismatching magic headers {found} != {SNAPSHOT_MAGIC}")
            }
            SnapshotErrorKind::Decode(error) => error.fmt(f),
            SnapshotErrorKind::BadSeal { stored, computed } => {
                write!(f, "CRC corruption: 0x{stored:x} is stored, 0x{computed:x} is computed")
            }
            SnapshotErrorKind::BadEndMark => f.write_str("the mark behind a checksum is damaged"),
            SnapshotErrorKind::UnknownTail(bytes) => write!(f, "{bytes} bytes behind the nodes are unknown"),
            SnapshotErrorKind::Tree(reason) => f.write_str(reason),
            SnapshotErrorKind::OlderThanItsName(zxid) => {
                write!(f, "it was taken at transaction {zxid}, before the one in its name")
            }
        }
    }
}

impl std::error::Error for SnapshotError {}

/// Reads the parts in their order: [`sessions`](SnapshotReader::sessions), [`acls`](SnapshotReader::acls),
/// [`node`](SnapshotReader::node) until it says `None`, [`tail`](SnapshotReader::tail). Nothing is proven before the
/// tail has been read: its checksums cover everything before. Memory is bounded by the longest node allowed.
pub struct SnapshotReader<'s> {
    input: Box<dyn Read + 's>,
    limits: Limits,
    window: Vec<u8>,
    /// `window[..hashed]` is in `adler`, `window[..pos]` has been consumed, `window[..filled]` has been read.
    hashed: usize,
    pos: usize,
    filled: usize,
    /// The stream offset of `window[0]`.
    base: u64,
    adler: Adler32,
    header: SnapshotHeader,
}

impl<'s> SnapshotReader<'s> {
    /// A reader behind the file header.
    ///
    /// # Errors
    /// When there is no header of a snapshot.
    pub fn open(
        source: impl ReadAt + 's,
        compression: Compression,
        limits: Limits,
    ) -> Result<SnapshotReader<'s>, SnapshotError> {
        let source = Sequential::new(source);
        let input: Box<dyn Read + 's> = match compression {
            Compression::None => Box::new(source),
            Compression::Gzip => Box::new(GzDecoder::new(io::BufReader::with_capacity(64 << 10, source))),
            Compression::Snappy => {
                Box::new(SnappyReader::new(io::BufReader::with_capacity(64 << 10, source)))
            }
        };
        let mut reader = SnapshotReader {
            input,
            limits,
            window: Vec::new(),
            hashed: 0,
            pos: 0,
            filled: 0,
            base: 0,
            adler: Adler32::new(),
            header: SnapshotHeader { version: 0, dbid: 0 },
        };
        reader.read_header()?;
        Ok(reader)
    }

    fn read_header(&mut self) -> Result<(), SnapshotError> {
        let (magic, version, dbid) = self.read_fixed(HEADER_LEN, |r| Ok((r.int()?, r.int()?, r.long()?)))?;
        if magic != SNAPSHOT_MAGIC {
            return Err(SnapshotError { offset: 0, kind: SnapshotErrorKind::BadMagic(magic) });
        }
        self.header = SnapshotHeader { version, dbid };
        Ok(())
    }

    /// How much of the uncompressed stream has been consumed, in bytes.
    pub fn position(&self) -> u64 {
        self.base + self.pos as u64
    }

    /// The file header.
    pub fn header(&self) -> SnapshotHeader {
        self.header
    }

    /// Part 2: ids and timeouts in ms.
    ///
    /// # Errors
    /// When the stream is damaged.
    pub fn sessions(&mut self, mut each: impl FnMut(SessionId, i32)) -> Result<(), SnapshotError> {
        for _ in 0..self.read_count()? {
            let (id, timeout_ms) = self.read_fixed(12, |r| Ok((SessionId(r.long()?), r.int()?)))?;
            each(id, timeout_ms);
        }
        Ok(())
    }

    /// Part 3: keys and lists.
    ///
    /// # Errors
    /// When the stream is damaged.
    pub fn acls(&mut self, mut each: impl FnMut(i64, Vec<Acl<'static>>)) -> Result<(), SnapshotError> {
        for _ in 0..self.read_count()? {
            let (id, acl) = self.read_acl()?;
            each(id, acl);
        }
        Ok(())
    }

    /// Part 4: the next node; `None` at part 5.
    ///
    /// # Errors
    /// When the stream is damaged.
    #[inline]
    pub fn node(&mut self) -> Result<Option<SnapshotNode<'_>>, SnapshotError> {
        let limits = self.limits;
        let layout = loop {
            match NodeLayout::of(&self.window[self.pos..self.filled], limits) {
                Ok(Some(layout)) => break layout,
                Ok(None) => self.read_more()?,
                Err(error) => return Err(self.decode_error(error)),
            }
        };
        let start = self.pos;
        self.pos += layout.len;
        if layout.is_end {
            return Ok(None);
        }
        Ok(Some(layout.node(&self.window[start..start + layout.len], limits)))
    }

    /// Parts 6 to 8, and the end of the stream. Only now is what was read proven.
    ///
    /// # Errors
    /// When a checksum differs or the tail is damaged.
    pub fn tail(mut self) -> Result<SnapshotTail, SnapshotError> {
        self.read_seal()?;
        let left = self.rest_len(DIGEST_LEN + LAST_ZXID_LEN + 2 * SEAL_LEN)?;
        let (has_digest, has_last_zxid) = match left {
            0 => (false, false),
            left if left == DIGEST_LEN + SEAL_LEN => (true, false),
            left if left == LAST_ZXID_LEN + SEAL_LEN => (false, true),
            left if left == DIGEST_LEN + LAST_ZXID_LEN + 2 * SEAL_LEN => (true, true),
            left => return Err(self.error(SnapshotErrorKind::UnknownTail(left))),
        };
        let mut tail = SnapshotTail::default();
        if has_digest {
            let digest = self.read_fixed(DIGEST_LEN, |r| Ok((Zxid(r.long()?), TxnDigest::decode(r)?)))?;
            self.read_seal()?;
            tail.digest = Some(digest);
        }
        if has_last_zxid {
            tail.last_zxid = Some(self.read_fixed(LAST_ZXID_LEN, |r| Ok(Zxid(r.long()?)))?);
            self.read_seal()?;
        }
        Ok(tail)
    }

    fn read_seal(&mut self) -> Result<(), SnapshotError> {
        self.hash_consumed();
        let computed = i64::from(self.adler.finish());
        self.fill(SEAL_LEN)?;
        let stored = self.read_fixed(8, |r| r.long())?;
        if stored != computed {
            return Err(self.error(SnapshotErrorKind::BadSeal { stored, computed }));
        }
        if self.window[self.pos..self.pos + END_MARK.len()] != END_MARK {
            return Err(self.error(SnapshotErrorKind::BadEndMark));
        }
        self.pos += END_MARK.len();
        Ok(())
    }

    /// How many bytes are left, as far as it matters: more than `max` counts as `max + 1`.
    fn rest_len(&mut self, max: usize) -> Result<usize, SnapshotError> {
        while self.filled - self.pos <= max {
            if self.read_block()? == 0 {
                break;
            }
        }
        Ok((self.filled - self.pos).min(max + 1))
    }

    /// A count of elements; a negative one is none.
    fn read_count(&mut self) -> Result<i32, SnapshotError> {
        self.read_fixed(4, |r| r.int())
    }

    /// A record of a known size.
    fn read_fixed<T>(
        &mut self,
        len: usize,
        read: impl FnOnce(&mut Reader<'_>) -> Result<T, DecodeError>,
    ) -> Result<T, SnapshotError> {
        self.fill(len)?;
        match read(&mut Reader::new(&self.window[self.pos..self.pos + len])) {
            Ok(value) => {
                self.pos += len;
                Ok(value)
            }
            Err(error) => Err(self.decode_error(error)),
        }
    }

    /// An entry of the ACL table, whose size is not known: tried with ever more of the stream.
    fn read_acl(&mut self) -> Result<(i64, Vec<Acl<'static>>), SnapshotError> {
        loop {
            let mut reader = Reader::with_limits(&self.window[self.pos..self.filled], self.limits);
            let entry =
                reader.long().and_then(|id| Ok((id, reader.vector(Acl::decode)?.unwrap_or_default())));
            match entry {
                Ok((id, acl)) => {
                    let entry = (id, acl.into_iter().map(Acl::into_owned).collect());
                    self.pos += reader.position();
                    return Ok(entry);
                }
                Err(DecodeError::Eof { .. }) => self.read_more()?,
                Err(error) => return Err(self.decode_error(error)),
            }
        }
    }

    /// At least `len` bytes from the current position.
    fn fill(&mut self, len: usize) -> Result<(), SnapshotError> {
        while self.filled - self.pos < len {
            self.read_more()?;
        }
        Ok(())
    }

    fn read_more(&mut self) -> Result<(), SnapshotError> {
        match self.read_block()? {
            0 => Err(self.error(SnapshotErrorKind::EndsEarly)),
            _ => Ok(()),
        }
    }

    /// Reads what the input gives at once; 0 is the end.
    fn read_block(&mut self) -> Result<usize, SnapshotError> {
        self.hash_consumed();
        self.window.copy_within(self.pos..self.filled, 0);
        self.base += self.pos as u64;
        self.filled -= self.pos;
        (self.pos, self.hashed) = (0, 0);
        if self.window.len() < self.filled + BLOCK_LEN {
            self.window.resize((self.filled + BLOCK_LEN).next_multiple_of(BLOCK_LEN), 0);
        }
        match self.input.read(&mut self.window[self.filled..]) {
            Ok(n) => {
                self.filled += n;
                Ok(n)
            }
            Err(error) => Err(self.error(kind_of(error))),
        }
    }

    fn hash_consumed(&mut self) {
        self.adler.write(&self.window[self.hashed..self.pos]);
        self.hashed = self.pos;
    }

    fn error(&self, kind: SnapshotErrorKind) -> SnapshotError {
        SnapshotError { offset: self.position(), kind }
    }

    fn decode_error(&self, error: DecodeError) -> SnapshotError {
        self.error(SnapshotErrorKind::Decode(error))
    }
}

impl fmt::Debug for SnapshotReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotReader")
            .field("header", &self.header)
            .field("offset", &self.position())
            .finish_non_exhaustive()
    }
}

fn kind_of(error: io::Error) -> SnapshotErrorKind {
    match error.downcast::<DiskError>() {
        Ok(disk) => SnapshotErrorKind::Disk(disk),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => SnapshotErrorKind::EndsEarly,
        Err(error) => SnapshotErrorKind::Compression(error.to_string()),
    }
}

/// Where the parts of a node stand in its bytes.
pub(super) struct NodeLayout {
    pub(super) is_end: bool,
    path: Range<usize>,
    data: Option<Range<usize>>,
    pub(super) len: usize,
}

impl NodeLayout {
    /// The layout of the node that `bytes` begin with; `None` when they do not hold it whole.
    #[inline]
    pub(super) fn of(bytes: &[u8], limits: Limits) -> Result<Option<NodeLayout>, DecodeError> {
        let Some(path_len) = run_length(bytes, 0, limits)? else { return Ok(None) };
        let Some(path_len) = path_len.known() else {
            return Err(DecodeError::Invalid { what: "a node without a path", offset: 0 });
        };
        let path = 4..4 + path_len;
        if bytes.len() >= END_MARK.len() && bytes[..END_MARK.len()] == END_MARK {
            return Ok(Some(NodeLayout { is_end: true, path, data: None, len: END_MARK.len() }));
        }
        let Some(data_len) = run_length(bytes, path.end, limits)? else { return Ok(None) };
        let data_start = path.end + 4;
        let data = data_len.known().map(|len| data_start..data_start + len);
        let len = data.as_ref().map_or(data_start, |data| data.end) + 8 + STAT_LEN;
        Ok((bytes.len() >= len).then_some(NodeLayout { is_end: false, path, data, len }))
    }

    /// The node itself, from just its bytes.
    #[inline]
    pub(super) fn node<'b>(&self, bytes: &'b [u8], limits: Limits) -> SnapshotNode<'b> {
        let mut rest = Reader::with_limits(&bytes[self.len - STAT_LEN - 8..], limits);
        let acl_id = rest.long().unwrap_or_default();
        let stat = StatPersisted::decode(&mut rest).unwrap_or_default();
        SnapshotNode {
            path: wire::java_text(&bytes[self.path.clone()]),
            data: self.data.clone().map(|data| &bytes[data]),
            acl_id,
            stat,
        }
    }
}

/// A length that was read: of so many bytes, or of nothing at all.
#[derive(Clone, Copy)]
struct RunLength(i32);

impl RunLength {
    fn known(self) -> Option<usize> {
        usize::try_from(self.0).ok()
    }
}

/// The length that stands at `at`; `None` when the bytes end before.
#[inline]
fn run_length(bytes: &[u8], at: usize, limits: Limits) -> Result<Option<RunLength>, DecodeError> {
    let Some(field) = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>()) else { return Ok(None) };
    let length = i32::from_be_bytes(*field);
    if length < -1 || length > limits.field_max as i32 {
        return Err(DecodeError::UnreasonableLength { length, offset: at });
    }
    Ok(Some(RunLength(length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_a_snapshot_reads_as_one_in_the_log() {
        // An encoded surrogate: one character to Java, three malformed bytes to Rust.
        let path = b"/a\xed\xa0\x80b";
        let mut bytes = (path.len() as i32).to_be_bytes().to_vec();
        bytes.extend_from_slice(path);
        bytes.extend_from_slice(&(-1i32).to_be_bytes());
        bytes.extend_from_slice(&[0; 8 + STAT_LEN]);
        let layout = NodeLayout::of(&bytes, Limits::default()).unwrap().unwrap();
        let node = layout.node(&bytes, Limits::default());
        assert_eq!((&*node.path, node.data), ("/a\u{fffd}b", None));
        assert_eq!(node.path, wire::java_text(path));
    }
}
