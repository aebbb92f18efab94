//! snappy-java's stream framing, which is not the official snappy frame format (reference: storage-formats §4.2).
//!
//! ```text
//! stream = 0x82 "SNAPPY" 0x00 | i32 version 1 | i32 lowest compatible version 1 | chunk*
//! chunk  = i32 compressed length | raw snappy block of at most 32768 bytes of input
//! ```

use std::io::{self, Read, Write};

/// The first bytes of a stream.
pub(super) const SNAPPY_MAGIC: [u8; 8] = *b"\x82SNAPPY\0";
const VERSION: u32 = 1;
/// Input is cut every so many bytes when writing.
const CHUNK_LEN: usize = 32768;
/// Accepted when reading, in bytes: writers may be set to larger blocks.
const COMPRESSED_CHUNK_MAX: usize = 64 << 20;

/// Compresses what is written into it.
pub(super) struct SnappyWriter<W> {
    inner: W,
    chunk: Vec<u8>,
    compressed: Vec<u8>,
    encoder: snap::raw::Encoder,
}

impl<W: Write> SnappyWriter<W> {
    pub(super) fn new(mut inner: W) -> io::Result<SnappyWriter<W>> {
        inner.write_all(&SNAPPY_MAGIC)?;
        inner.write_all(&VERSION.to_be_bytes())?;
        inner.write_all(&VERSION.to_be_bytes())?;
        Ok(SnappyWriter {
            inner,
            chunk: Vec::with_capacity(CHUNK_LEN),
            compressed: vec![0; snap::raw::max_compress_len(CHUNK_LEN)],
            encoder: snap::raw::Encoder::new(),
        })
    }

    /// Everything out, and the writer underneath back.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.write_chunk()?;
        Ok(self.inner)
    }

    fn write_chunk(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let n = self.encoder.compress(&self.chunk, &mut self.compressed).map_err(io::Error::other)?;
        self.inner.write_all(&(n as u32).to_be_bytes())?;
        self.inner.write_all(&self.compressed[..n])?;
        self.chunk.clear();
        Ok(())
    }
}

impl<W: Write> Write for SnappyWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = bytes.len().min(CHUNK_LEN - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..n]);
        if self.chunk.len() == CHUNK_LEN {
            self.write_chunk()?;
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Decompresses what it reads.
pub(super) struct SnappyReader<R> {
    inner: R,
    started: bool,
    compressed: Vec<u8>,
    chunk: Vec<u8>,
    pos: usize,
}

impl<R: Read> SnappyReader<R> {
    pub(super) fn new(inner: R) -> SnappyReader<R> {
        SnappyReader { inner, started: false, compressed: Vec::new(), chunk: Vec::new(), pos: 0 }
    }

    fn read_start(&mut self) -> io::Result<()> {
        let mut start = [0; 16];
        self.inner.read_exact(&mut start)?;
        if start[..8] != SNAPPY_MAGIC {
            return Err(invalid("not a snappy stream"));
        }
        if start[12..16] != VERSION.to_be_bytes() {
            return Err(invalid("a snappy stream of another version"));
        }
        self.started = true;
        Ok(())
    }

    /// The next chunk; false at the end of the stream.
    fn read_chunk(&mut self) -> io::Result<bool> {
        let mut length = [0; 4];
        match read_up_to(&mut self.inner, &mut length)? {
            0 => return Ok(false),
            4 => {}
            _ => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
        let length = u32::from_be_bytes(length) as usize;
        if length > COMPRESSED_CHUNK_MAX {
            return Err(invalid("a snappy chunk of unreasonable length"));
        }
        self.compressed.clear();
        let there = (&mut self.inner).take(length as u64).read_to_end(&mut self.compressed)?;
        if there < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let bytes = snap::raw::decompress_len(&self.compressed).map_err(io::Error::other)?;
        // No snappy block expands by more than this, so a length that claims more is a lie.
        if bytes > length.saturating_mul(64).max(64) {
            return Err(invalid("a snappy chunk that claims to expand beyond what is possible"));
        }
        self.chunk.resize(bytes, 0);
        let n = snap::raw::Decoder::new()
            .decompress(&self.compressed, &mut self.chunk)
            .map_err(io::Error::other)?;
        self.chunk.truncate(n);
        self.pos = 0;
        Ok(true)
    }
}

impl<R: Read> Read for SnappyReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if !self.started {
            self.read_start()?;
        }
        while self.pos == self.chunk.len() {
            if !self.read_chunk()? {
                return Ok(0);
            }
        }
        let n = buf.len().min(self.chunk.len() - self.pos);
        buf[..n].copy_from_slice(&self.chunk[self.pos..self.pos + n]);
        self.pos += n;
        Ok(n)
    }
}

fn read_up_to(inner: &mut impl Read, buf: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buf.len() {
        match inner.read(&mut buf[filled..])? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        for len in [0, 1, 32767, 32768, 32769, 100_000] {
            let input: Vec<u8> = (0..len).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
            let mut writer = SnappyWriter::new(Vec::new()).expect("a vector");
            writer.write_all(&input).expect("a vector");
            let stream = writer.finish().expect("a vector");
            let mut output = Vec::new();
            SnappyReader::new(&stream[..]).read_to_end(&mut output).expect("a stream");
            assert_eq!(output, input);
        }
    }

    #[test]
    fn a_lying_chunk_is_refused_without_its_memory() {
        let mut stream = SNAPPY_MAGIC.to_vec();
        stream.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 5]);
        stream.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
        let read = SnappyReader::new(&stream[..]).read_to_end(&mut Vec::new());
        assert!(read.is_err());
    }
}
