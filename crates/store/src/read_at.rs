//! Reading files in large blocks.

use crate::{Disk, DiskError, FileName};
use std::fmt;
use std::io;

/// Bytes that can be read at any offset: a file behind a [`Disk`], a slice, or whatever an offline tool opens.
pub trait ReadAt {
    /// Reads into `buf` from `offset`; returns how many bytes were there, 0 only at the end (or for an empty `buf`).
    ///
    /// # Errors
    /// When the bytes cannot be read.
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize, DiskError>;
}

impl ReadAt for &[u8] {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize, DiskError> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.get(at..)).unwrap_or_default();
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }
}

/// One file of a disk.
pub struct DiskFile<'d> {
    disk: &'d mut dyn Disk,
    file: FileName,
}

impl<'d> DiskFile<'d> {
    /// That file; it need not exist until it is read.
    pub fn new(disk: &'d mut dyn Disk, file: FileName) -> DiskFile<'d> {
        DiskFile { disk, file }
    }
}

impl fmt::Debug for DiskFile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DiskFile").field(&self.file.name).finish()
    }
}

impl ReadAt for DiskFile<'_> {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize, DiskError> {
        self.disk.read_at(&self.file, offset, buf)
    }
}

/// Reads until `buf` is full or the bytes end; returns how many bytes there were.
pub(crate) fn read_fully(source: &mut dyn ReadAt, offset: u64, buf: &mut [u8]) -> Result<usize, DiskError> {
    let mut filled = 0;
    while filled < buf.len() {
        match source.read_at(offset + filled as u64, &mut buf[filled..])? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}

/// A [`ReadAt`] from its start to its end, for decompressors. The disk's own error travels inside the `io::Error`.
pub(crate) struct Sequential<R> {
    source: R,
    offset: u64,
}

impl<R: ReadAt> Sequential<R> {
    pub(crate) fn new(source: R) -> Sequential<R> {
        Sequential { source, offset: 0 }
    }
}

impl<R: ReadAt> io::Read for Sequential<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read_at(self.offset, buf).map_err(io::Error::other)?;
        self.offset += n as u64;
        Ok(n)
    }
}
