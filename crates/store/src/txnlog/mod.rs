//! The transaction log's format (reference: storage-formats §2).
//!
//! ```text
//! file   = header record* [zero padding]
//! header = i32 "ZKLG" | i32 version 2 | i64 dbid 0
//! record = i64 Adler-32 of the payload | i32 length | payload | byte 'B'
//! ```

mod reader;
mod writer;

pub use reader::{Fault, LogEnd, LogReader, LogRecord, StartFault, record_behind, zeros_only};
pub use writer::{LogBatch, LogWriter};

/// Bytes of the file header.
pub const LOG_HEADER_LEN: u64 = 16;
/// "ZKLG".
pub const LOG_MAGIC: i32 = 0x5A4B_4C47;
/// Bytes of a record besides its payload.
pub const RECORD_OVERHEAD: usize = 13;

const LOG_VERSION: i32 = 2;
const RECORD_END: u8 = b'B';
/// Checksum and length, which stand before the payload.
const RECORD_START_LEN: usize = 12;

/// The file header.
pub fn log_header() -> [u8; LOG_HEADER_LEN as usize] {
    let mut header = [0; LOG_HEADER_LEN as usize];
    header[0..4].copy_from_slice(&LOG_MAGIC.to_be_bytes());
    header[4..8].copy_from_slice(&LOG_VERSION.to_be_bytes());
    header
}

/// Appends one record to `out`. The payload is a [`wire::TxnRecord`]'s bytes.
pub fn encode_record(out: &mut Vec<u8>, payload: &[u8]) {
    out.reserve(payload.len() + RECORD_OVERHEAD);
    out.extend_from_slice(&record_checksum(payload).to_be_bytes());
    out.extend_from_slice(&(payload.len() as i32).to_be_bytes());
    out.extend_from_slice(payload);
    out.push(RECORD_END);
}

/// Adler-32 of the payload alone, zero-extended.
fn record_checksum(payload: &[u8]) -> i64 {
    i64::from(simd_adler32::adler32(&payload))
}
