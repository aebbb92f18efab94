//! Jute primitives: big-endian integers, length-prefixed strings and buffers, counted vectors
//! (reference: client-protocol §1.2).

use crate::{Buffer, Ustring};
use std::borrow::Cow;
use std::fmt;

/// `jute.maxbuffer`'s default, in bytes.
pub const DEFAULT_JUTE_MAX_BUFFER: usize = 0xf_ffff;

/// How long a single string or buffer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest string or buffer accepted, in bytes: `jute.maxbuffer` + `zookeeper.jute.maxbuffer.extrasize`.
    pub field_max: usize,
}

impl Limits {
    /// The limit that follows from `jute.maxbuffer` and the extra size (at least 1024), both in bytes; the sum is
    /// capped at 2^31-1.
    pub fn new(jute_max_buffer: usize, extra: usize) -> Limits {
        Limits { field_max: jute_max_buffer.saturating_add(extra.max(1024)).min(i32::MAX as usize) }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits::new(DEFAULT_JUTE_MAX_BUFFER, DEFAULT_JUTE_MAX_BUFFER)
    }
}

/// Why bytes are not the record they should be. The offset counts from the start of the slice given to [`Reader::new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The bytes end before the record does.
    Eof {
        /// Where more bytes were needed.
        offset: usize,
    },
    /// A string or buffer length is negative (and not -1) or above the limit.
    UnreasonableLength {
        /// The length read.
        length: i32,
        /// Where it stands.
        offset: usize,
    },
    /// A value that the layout does not allow, such as an unknown type in a multi.
    Invalid {
        /// What is wrong.
        what: &'static str,
        /// Where it stands.
        offset: usize,
    },
    /// Bytes that are a record, with a value that upstream's server trips over: a multi of such takes no zxid.
    Unacceptable {
        /// What is wrong.
        what: &'static str,
        /// Where it stands.
        offset: usize,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::Eof { offset } => write!(f, "the record ends early, at byte {offset}"),
            DecodeError::UnreasonableLength { length, offset } => {
                write!(f, "Unreasonable length = {length} at byte {offset}")
            }
            DecodeError::Invalid { what, offset } | DecodeError::Unacceptable { what, offset } => {
                write!(f, "{what} at byte {offset}")
            }
        }
    }
}

impl std::error::Error for DecodeError {}

/// Reads jute values from a byte slice; borrows strings and buffers from it.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    pos: usize,
    limits: Limits,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes` with the default limits.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader::with_limits(bytes, Limits::default())
    }

    /// A reader at the start of `bytes`.
    pub fn with_limits(bytes: &'a [u8], limits: Limits) -> Reader<'a> {
        Reader { bytes, pos: 0, limits }
    }

    /// Bytes consumed so far.
    pub fn position(&self) -> usize {
        self.pos
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.pos..]
    }

    /// Is everything read?
    pub fn is_empty(&self) -> bool {
        self.pos == self.bytes.len()
    }

    /// The error for a value that the layout does not allow, at the current position.
    pub fn invalid(&self, what: &'static str) -> DecodeError {
        DecodeError::Invalid { what, offset: self.pos }
    }

    /// The error for a value that upstream's record class does not accept, at the current position.
    pub fn unacceptable(&self, what: &'static str) -> DecodeError {
        DecodeError::Unacceptable { what, offset: self.pos }
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], DecodeError> {
        let rest = self.rest();
        if rest.len() < n {
            return Err(DecodeError::Eof { offset: self.bytes.len() });
        }
        self.pos += n;
        Ok(&rest[..n])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8, DecodeError> {
        Ok(self.take(1)?[0])
    }

    /// A bool: any non-zero byte is true.
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.byte()? != 0)
    }

    /// A 4-byte integer.
    pub fn int(&mut self) -> Result<i32, DecodeError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// An 8-byte integer.
    pub fn long(&mut self) -> Result<i64, DecodeError> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// A length-prefixed byte run; `None` for length -1.
    fn run(&mut self) -> Result<Option<&'a [u8]>, DecodeError> {
        let offset = self.pos;
        let length = self.int()?;
        if length == -1 {
            return Ok(None);
        }
        if length < 0 || length as usize > self.limits.field_max {
            return Err(DecodeError::UnreasonableLength { length, offset });
        }
        Ok(Some(self.take(length as usize)?))
    }

    /// A buffer.
    pub fn buffer(&mut self) -> Result<Buffer<'a>, DecodeError> {
        Ok(self.run()?.map(Cow::Borrowed))
    }

    /// A string; malformed UTF-8 becomes U+FFFD, as in Java's decoder.
    pub fn ustring(&mut self) -> Result<Ustring<'a>, DecodeError> {
        Ok(self.run()?.map(java_text))
    }

    /// A vector's elements; `None` for count -1, empty for a count below that. Capacity follows the bytes that are really
    /// there, never the count.
    pub fn vector<T>(
        &mut self,
        mut element: impl FnMut(&mut Reader<'a>) -> Result<T, DecodeError>,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        let count = self.int()?;
        if count == -1 {
            return Ok(None);
        }
        let mut out = Vec::with_capacity((count.max(0) as usize).min(self.rest().len() / 4).min(64));
        for _ in 0..count.max(0) {
            if self.is_empty() {
                return Err(DecodeError::Eof { offset: self.pos });
            }
            out.push(element(self)?);
        }
        Ok(Some(out))
    }

    /// A vector of strings.
    pub fn ustrings(&mut self) -> Result<Option<Vec<Ustring<'a>>>, DecodeError> {
        self.vector(|r| r.ustring())
    }
}

/// UTF-8 as Java's decoder reads it: malformed parts become U+FFFD, and so does an encoded surrogate as a whole, for which
/// Rust's decoder puts one per byte.
pub fn java_text(bytes: &[u8]) -> Cow<'_, str> {
    let mut rest = match std::str::from_utf8(bytes) {
        Ok(text) => return Cow::Borrowed(text),
        Err(_) => bytes,
    };
    let mut text = String::with_capacity(bytes.len());
    while let Err(e) = std::str::from_utf8(rest) {
        let (valid, malformed) = rest.split_at(e.valid_up_to());
        text.push_str(&String::from_utf8_lossy(valid));
        text.push(char::REPLACEMENT_CHARACTER);
        let length = match malformed {
            [0xed, 0xa0..=0xbf, 0x80..=0xbf, ..] => 3,
            [0xed, 0xa0..=0xbf, ..] => 2,
            _ => e.error_len().unwrap_or(malformed.len()),
        };
        rest = &malformed[length..];
    }
    text.push_str(&String::from_utf8_lossy(rest));
    Cow::Owned(text)
}

/// Appends jute values to a byte vector.
#[derive(Debug)]
pub struct Writer<'v> {
    out: &'v mut Vec<u8>,
}

impl<'v> Writer<'v> {
    /// A writer that appends to `out`.
    pub fn new(out: &'v mut Vec<u8>) -> Writer<'v> {
        Writer { out }
    }

    /// One byte.
    pub fn byte(&mut self, v: u8) {
        self.out.push(v);
    }

    /// A bool, as 0 or 1.
    pub fn bool(&mut self, v: bool) {
        self.out.push(u8::from(v));
    }

    /// A 4-byte integer.
    pub fn int(&mut self, v: i32) {
        self.out.extend_from_slice(&v.to_be_bytes());
    }

    /// An 8-byte integer.
    pub fn long(&mut self, v: i64) {
        self.out.extend_from_slice(&v.to_be_bytes());
    }

    /// Bytes as they are, without a length.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// A buffer; `None` is length -1.
    pub fn buffer(&mut self, v: Option<&[u8]>) {
        match v {
            None => self.int(-1),
            Some(bytes) => {
                self.int(bytes.len() as i32);
                self.out.extend_from_slice(bytes);
            }
        }
    }

    /// A string that is present.
    ///
    /// Characters outside the basic plane leave as two three-byte surrogates, which is what Apache's encoder
    /// writes (reference: client-protocol §1.2).
    pub fn text(&mut self, v: &str) {
        if v.bytes().all(|b| b < 0xf0) {
            return self.buffer(Some(v.as_bytes()));
        }
        let at = self.out.len();
        self.int(0);
        let start = self.out.len();
        for unit in v.encode_utf16() {
            match unit {
                0..0x80 => self.out.push(unit as u8),
                0x80..0x800 => {
                    self.out.extend_from_slice(&[0xc0 | (unit >> 6) as u8, 0x80 | (unit & 0x3f) as u8])
                }
                _ => self.out.extend_from_slice(&[
                    0xe0 | (unit >> 12) as u8,
                    0x80 | ((unit >> 6) & 0x3f) as u8,
                    0x80 | (unit & 0x3f) as u8,
                ]),
            }
        }
        let length = (self.out.len() - start) as i32;
        self.out[at..start].copy_from_slice(&length.to_be_bytes());
    }

    /// A string; `None` is length -1.
    pub fn ustring(&mut self, v: Option<&str>) {
        match v {
            None => self.int(-1),
            Some(text) => self.text(text),
        }
    }

    /// A vector; `None` is count -1.
    pub fn vector<T>(&mut self, v: Option<&[T]>, mut element: impl FnMut(&mut Writer<'_>, &T)) {
        match v {
            None => self.int(-1),
            Some(items) => {
                self.int(items.len() as i32);
                for item in items {
                    element(self, item);
                }
            }
        }
    }

    /// A vector of strings.
    pub fn ustrings(&mut self, v: Option<&[Ustring<'_>]>) {
        self.vector(v, |w, s| w.ustring(s.as_deref()));
    }

    /// A record.
    pub fn record(&mut self, v: &impl Encode) {
        v.encode(self);
    }
}

/// A record that can be written.
pub trait Encode {
    /// Appends the record's fields in order.
    fn encode(&self, w: &mut Writer<'_>);

    /// The record alone, as bytes.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut Writer::new(&mut out));
        out
    }
}

/// A record that can be read; it may borrow from the bytes.
pub trait Decode<'a>: Sized {
    /// Reads the record's fields in order and leaves the reader behind them.
    ///
    /// # Errors
    /// When the bytes are not such a record.
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError>;
}

/// Opens a frame in `out`: leaves room for the length and returns where the frame starts, for [`finish_frame`].
pub fn start_frame(out: &mut Vec<u8>) -> usize {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    at
}

/// Closes the frame that [`start_frame`] opened at `at`: fills in its length.
pub fn finish_frame(out: &mut [u8], at: usize) {
    let length = (out.len() - at - 4) as i32;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_tell_null_from_empty() {
        let mut out = Vec::new();
        let mut w = Writer::new(&mut out);
        w.ustring(None);
        w.ustring(Some(""));
        w.ustring(Some("/a"));
        assert_eq!(out, [255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 2, b'/', b'a']);
        let mut r = Reader::new(&out);
        assert_eq!(r.ustring(), Ok(None));
        assert_eq!(r.ustring(), Ok(Some("".into())));
        assert_eq!(r.ustring(), Ok(Some("/a".into())));
        assert!(r.is_empty());
    }

    #[test]
    fn supplementary_characters_leave_as_two_surrogates() {
        let mut out = Vec::new();
        Writer::new(&mut out).text("a\u{1F600}");
        assert_eq!(out, [0, 0, 0, 7, b'a', 0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80]);
    }

    #[test]
    fn malformed_utf8_reads_as_replacement_characters() {
        let mut r = Reader::new(&[0, 0, 0, 1, 0xff]);
        assert_eq!(r.ustring(), Ok(Some("\u{fffd}".into())));
    }

    /// What Java 17 makes of them.
    #[test]
    fn malformed_utf8_reads_as_in_java() {
        let vectors: [(&[u8], &str); 14] = [
            (b"\xed\x9f\xbf", "\u{d7ff}"),
            (b"\xed\xa0\xbd", "?"),
            (b"\xed\xbf\xbf", "?"),
            (b"a\xed\xa0\xbdb", "a?b"),
            (b"\xed\xa0\xbd\xed\xb8\x80", "??"),
            (b"\xed\xa0\xbd\xed", "??"),
            (b"\xed\xa0", "?"),
            (b"\xed\xa0A", "?A"),
            (b"\xedAA", "?AA"),
            (b"\xf0\x9f\x98", "?"),
            (b"\xf0\x9fA", "?A"),
            (b"\xf0\x80\x80\x80", "????"),
            (b"\xe0\x80", "??"),
            (b"\xc0\x80", "??"),
        ];
        for (bytes, text) in vectors {
            assert_eq!(java_text(bytes), text.replace('?', "\u{fffd}"), "{bytes:x?}");
        }
    }

    #[test]
    fn lengths_are_limited_and_counts_are_not_trusted() {
        let limits = Limits { field_max: 2 };
        let mut r = Reader::with_limits(&[0, 0, 0, 3, 1, 2, 3], limits);
        assert_eq!(r.buffer(), Err(DecodeError::UnreasonableLength { length: 3, offset: 0 }));
        let mut r = Reader::new(&[0xff, 0xff, 0xff, 0xfe]);
        assert_eq!(r.buffer(), Err(DecodeError::UnreasonableLength { length: -2, offset: 0 }));
        let mut r = Reader::new(&[0x7f, 0xff, 0xff, 0xff]);
        assert_eq!(r.ustrings(), Err(DecodeError::Eof { offset: 4 }));
        let mut r = Reader::new(&[0xff, 0xff, 0xff, 0xfe]);
        assert_eq!(r.ustrings(), Ok(Some(vec![])), "a count below -1 is an empty vector");
    }

    #[test]
    fn the_field_limit_is_buffer_plus_extra() {
        assert_eq!(Limits::default().field_max, 2 * 0xf_ffff);
        assert_eq!(Limits::new(100, 0).field_max, 1124);
        assert_eq!(Limits::new(i32::MAX as usize, i32::MAX as usize).field_max, i32::MAX as usize);
    }
}
