//! Frames: a length, then so many bytes (reference: client-protocol §1.1).

use wire::{Encode, Request, RequestHeader, Writer, finish_frame, start_frame};

/// More than any server here may send.
const FRAME_MAX: usize = 64 << 20;

/// Bytes that have come, until they make frames.
#[derive(Clone, Default, Debug)]
pub(crate) struct Frames(Vec<u8>);

impl Frames {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The next whole frame.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        let Some((length, rest)) = self.0.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        if length > FRAME_MAX {
            return Err(format!("a frame of {length} bytes"));
        }
        let Some(frame) = rest.get(..length).map(<[u8]>::to_vec) else { return Ok(None) };
        self.0.drain(..4 + length);
        Ok(Some(frame))
    }
}

/// A record in a frame.
pub(crate) fn framed(record: &impl Encode) -> Vec<u8> {
    let mut bytes = Vec::new();
    let at = start_frame(&mut bytes);
    record.encode(&mut Writer::new(&mut bytes));
    finish_frame(&mut bytes, at);
    bytes
}

/// Appends a request's frame.
pub(crate) fn write_request(bytes: &mut Vec<u8>, xid: i32, request: &Request<'_>) {
    let at = start_frame(bytes);
    let mut w = Writer::new(bytes);
    RequestHeader { xid, op: request.op().code() }.encode(&mut w);
    request.encode(&mut w);
    finish_frame(bytes, at);
}
