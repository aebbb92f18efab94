//! The executor's side of a snapshot: checksums and compression on the way into a file.

use super::END_MARK;
use super::snappy::SnappyWriter;
use crate::Compression;
use flate2::write::GzEncoder;
use simd_adler32::Adler32;
use std::fmt;
use std::io::{self, Write};

/// Takes what [`crate::DiskOp::SnapshotData`] and [`crate::DiskOp::SnapshotSeal`] carry and writes the file's bytes into
/// `W`. Whoever carries the operations out makes one at `SnapshotBegin`, and finishes it and syncs the file at `SnapshotEnd`.
pub struct SnapshotSink<W: Write> {
    adler: Adler32,
    out: Encoder<W>,
}

enum Encoder<W: Write> {
    Plain(W),
    Gzip(GzEncoder<W>),
    Snappy(Box<SnappyWriter<W>>),
}

impl<W: Write> SnapshotSink<W> {
    /// A sink at the start of a file.
    ///
    /// # Errors
    /// `out`'s own.
    pub fn new(out: W, compression: Compression) -> io::Result<SnapshotSink<W>> {
        let out = match compression {
            Compression::None => Encoder::Plain(out),
            // Speed over size, as Apache's default is the middle: a snapshot competes with the server for two cores.
            Compression::Gzip => Encoder::Gzip(GzEncoder::new(out, flate2::Compression::fast())),
            Compression::Snappy => Encoder::Snappy(Box::new(SnappyWriter::new(out)?)),
        };
        Ok(SnapshotSink { adler: Adler32::new(), out })
    }

    /// Bytes of the logical stream.
    ///
    /// # Errors
    /// `out`'s own.
    pub fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.adler.write(bytes);
        match &mut self.out {
            Encoder::Plain(out) => out.write_all(bytes),
            Encoder::Gzip(out) => out.write_all(bytes),
            Encoder::Snappy(out) => out.write_all(bytes),
        }
    }

    /// The checksum of everything so far and the end mark; both count for the next seal.
    ///
    /// # Errors
    /// `out`'s own.
    pub fn seal(&mut self) -> io::Result<()> {
        let mut seal = i64::from(self.adler.finish()).to_be_bytes().to_vec();
        seal.extend_from_slice(&END_MARK);
        self.data(&seal)
    }

    /// Everything compressed and written; `out` back, which still has to be flushed and synced.
    ///
    /// # Errors
    /// `out`'s own.
    pub fn finish(self) -> io::Result<W> {
        match self.out {
            Encoder::Plain(out) => Ok(out),
            Encoder::Gzip(out) => out.finish(),
            Encoder::Snappy(out) => out.finish(),
        }
    }
}

impl<W: Write> fmt::Debug for SnapshotSink<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotSink").finish_non_exhaustive()
    }
}
