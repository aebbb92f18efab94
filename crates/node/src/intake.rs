//! From bytes to requests: frames, limits, and the first decision on each request.

use crate::connection::{Phase, Ready, RequestInfo, Waiting};
use crate::io::{ConnId, Outputs};
use crate::member::{is_refused, own_state};
use crate::node::Node;
use crate::sessions::{Owner, SessionPhase};
use std::sync::Arc;
use tree::PrepContext;
use wire::{Decode, DecodeError, ErrorCode, OpCode, Reader, Request, RequestHeader};

/// Output that may wait for a client before its requests are left unread, in bytes.
const OUTPUT_STALL_BYTES: usize = 1 << 20;
/// Requests of one connection that may wait behind its own writes.
const WAITING_MAX: usize = 4096;
/// Bytes of them.
const WAITING_BYTES_MAX: usize = 4 << 20;
/// Bytes that may come in while the handshake is under way.
const CONNECTING_BYTES_MAX: usize = 64 << 10;
/// Bytes of transactions on their way to the disk; above it nobody with work under way is read.
const PIPELINE_BYTES_MAX: usize = 64 << 20;
/// Room that an emptied input buffer may keep.
const INPUT_KEEP_BYTES: usize = 4 << 10;

/// The four-letter words (reference: operations §3.2); the last one is the interrupt sequence of telnet.
const WORDS: [&[u8; 4]; 18] = [
    b"conf", b"cons", b"crst", b"dirs", b"dump", b"envi", b"gtmk", b"hash", b"isro", b"mntr", b"ruok",
    b"srst", b"srvr", b"stat", b"stmk", b"wchc", b"wchp", b"wchs",
];
const TELNET_INTERRUPT: &[u8; 4] = &[0xff, 0xf4, 0xff, 0xfd];

impl Node {
    /// Bytes from a client.
    pub(crate) fn received(&mut self, id: ConnId, bytes: &[u8], out: &mut Outputs) {
        let Some(slot) = self.clients.find(id) else { return };
        self.touch_idle(slot);
        let conn = self.clients.at_mut(slot);
        if self.stopping || matches!(conn.phase, Phase::Closed | Phase::Draining) {
            return;
        }
        if conn.input.is_empty() && conn.stalled_since_us.is_none() {
            let taken = self.take_frames(slot, bytes, out);
            if taken < bytes.len() {
                self.clients.at_mut(slot).input.extend_from_slice(&bytes[taken..]);
            }
        } else {
            conn.input.extend_from_slice(bytes);
            if conn.stalled_since_us.is_none() {
                self.take_buffered(slot, out);
            }
        }
    }

    /// Takes what can be taken of the bytes that were left lying.
    pub(crate) fn take_buffered(&mut self, slot: u32, out: &mut Outputs) {
        let mut input = std::mem::take(&mut self.clients.at_mut(slot).input);
        let taken = self.take_frames(slot, &input, out);
        let conn = self.clients.at_mut(slot);
        if matches!(conn.phase, Phase::Closed | Phase::Draining) {
            return;
        }
        input.drain(..taken);
        if !input.is_empty() || input.capacity() <= INPUT_KEEP_BYTES {
            conn.input = input;
        }
    }

    /// Takes whole frames from the front of `bytes` until something holds the connection back; returns how many bytes
    /// are done with.
    fn take_frames(&mut self, slot: u32, bytes: &[u8], out: &mut Outputs) -> usize {
        let mut at = 0;
        loop {
            let rest = &bytes[at..];
            let phase = self.clients.at(slot).phase;
            match phase {
                Phase::Closed | Phase::Draining => return bytes.len(),
                Phase::Connecting { .. } => {
                    if rest.len() > CONNECTING_BYTES_MAX {
                        self.clients.stall(slot, self.now.mono_us);
                    }
                    return at;
                }
                Phase::Fresh | Phase::Open { .. } => {}
            }
            let Some(head) = rest.first_chunk::<4>() else { return at };
            if phase == Phase::Fresh && (WORDS.contains(&head) || head == TELNET_INTERRUPT) {
                if head == b"stmk" {
                    let Some(mask) = rest[4..].first_chunk::<8>() else { return at };
                    self.trace_mask = i64::from_be_bytes(*mask);
                }
                self.word(slot, *head, out);
                return bytes.len();
            }
            let length = i32::from_be_bytes(*head);
            if length < 0 || length as usize > self.config.jute_max_buffer {
                self.note_length_error(slot, length, out);
                self.close_behind_answers(slot);
                return bytes.len();
            }
            let Some(frame) = rest[4..].get(..length as usize) else { return at };
            if self.must_wait(slot) {
                self.clients.stall(slot, self.now.mono_us);
                return at;
            }
            at += 4 + frame.len();
            self.frame(slot, frame, phase, out);
        }
    }

    fn note_length_error(&self, slot: u32, length: i32, out: &mut Outputs) {
        let (peer, max) = (self.clients.at(slot).peer, self.config.jute_max_buffer);
        self.note_warn(out, || {
            format!(
                "Len error. A message from /{peer} with advertised length of {length} is either a malformed message or \
                 too large to process (length is greater than jute.maxbuffer={max})"
            )
        });
    }

    /// A command of an operator instead of a handshake; the shell answers and closes.
    fn word(&mut self, slot: u32, word: [u8; 4], out: &mut Outputs) {
        self.stats.received += 1;
        self.stats.metrics.bytes_received_count += word.len() as u64;
        let conn = self.clients.at_mut(slot);
        conn.figures.received += 1;
        conn.phase = Phase::Closed;
        out.words.push((conn.id, word));
    }

    /// Is there a reason to leave the connection's next request unread?
    pub(crate) fn must_wait(&mut self, slot: u32) -> bool {
        let limits = &self.config.requests;
        let member_bytes = self.member.as_ref().map_or(0, |member| member.unapplied_bytes());
        let (in_process, pipeline_bytes) = (self.in_process, self.pipeline.bytes() + member_bytes);
        let throttled = limits.throttle_max > 0 && in_process >= limits.throttle_max;
        let crowded = in_process > limits.global_outstanding_max || pipeline_bytes > PIPELINE_BYTES_MAX;
        let now_us = self.now.mono_us;
        let conn = self.clients.at_mut(slot);
        if throttled && conn.throttled_since_us.is_none() {
            conn.throttled_since_us = Some(now_us);
            self.stats.metrics.request_throttle_wait_count += 1;
        }
        throttled
            || (crowded && conn.outstanding >= 1)
            || conn.output_len() >= OUTPUT_STALL_BYTES
            || conn.waiting.len() >= WAITING_MAX
            || conn.waiting_bytes >= WAITING_BYTES_MAX
    }

    fn frame(&mut self, slot: u32, frame: &[u8], phase: Phase, out: &mut Outputs) {
        self.stats.received += 1;
        self.stats.metrics.bytes_received_count += frame.len() as u64 + 4;
        self.clients.at_mut(slot).figures.received += 1;
        if phase == Phase::Fresh {
            return self.connect(slot, frame, out);
        }
        let mut body = Reader::with_limits(frame, self.config.limits);
        let Ok(header) = RequestHeader::decode(&mut body) else { return self.close_behind_answers(slot) };
        self.request(slot, header, body, frame, out);
    }

    fn request(
        &mut self,
        slot: u32,
        header: RequestHeader,
        mut body: Reader<'_>,
        frame: &[u8],
        out: &mut Outputs,
    ) {
        let op = OpCode::from_code(header.op);
        let throttled_us = self.throttled_us(slot);
        let Some(large_bytes) = self.large_request(frame.len()) else {
            return self.close_behind_answers(slot);
        };
        let received_us = self.now.mono_us - throttled_us;
        let request = RequestInfo { xid: header.xid, op, received_us, large_bytes };
        self.in_process += 1;
        self.large_bytes += large_bytes;
        let conn = self.clients.at_mut(slot);
        conn.outstanding += usize::from(header.xid > 0);
        match op {
            Some(OpCode::Auth) => return self.authenticate(slot, request, &mut body, out),
            Some(OpCode::Sasl) => return self.sasl(slot, request, &mut body),
            _ => {}
        }
        if !self.has_required_credentials(slot) {
            let err = ErrorCode::SessionClosedRequireSaslAuth.code();
            return self.ready(slot, request, Ready::Auth { err, close: true });
        }
        let session = self.clients.at(slot).session.expect("an open connection has a session");
        if !self.sessions.touch(session, self.now_ms()) {
            // Its session is ending: no answer (reference: client-protocol §3).
            return self.done(slot, request);
        }
        if self.sessions.at(session).owner != Owner::Here && !op.is_some_and(is_write) {
            // It speaks through another server by now (reference: client-protocol §2.5). A write takes a zxid to learn it.
            return self.reject(slot, request);
        }
        self.touch_for_leader(session);
        if let Some(verdict) = self.throttle_verdict(slot, op, throttled_us) {
            return match verdict {
                Throttled::Stale => self.reject(slot, request),
                Throttled::Refused => self.ready(slot, request, Ready::Err(ErrorCode::ThrottledOp.code())),
            };
        }
        let Some(op) = op.filter(|op| may_ask(*op)) else {
            return self.ready(slot, request, Ready::Unimplemented);
        };
        let local = self.sessions.at(session).is_local();
        if self.is_read_only() && is_refused(op, local) {
            return self.ready(slot, request, Ready::NotReadOnly);
        }
        if op == OpCode::CloseSession && local {
            self.sessions.at_mut(session).phase = SessionPhase::Closing;
            return self.ready(slot, request, Ready::Closed);
        }
        if is_write(op) {
            return self.write(slot, request, op, &mut body, out);
        }
        if op == OpCode::Sync && self.learning().is_some() {
            return self.forward_sync(slot, request, frame, body.rest());
        }
        if self.clients.at(slot).waiting.is_empty() {
            return self.read(slot, request, body.rest(), None);
        }
        let conn = self.clients.at_mut(slot);
        let credentials = Arc::clone(&conn.credentials);
        conn.waiting_bytes += frame.len();
        conn.waiting.push_back(Waiting::Read { frame: frame.into(), credentials, request });
    }

    /// A request that ends its connection without an answer.
    pub(crate) fn reject(&mut self, slot: u32, request: RequestInfo) {
        self.done(slot, request);
        self.close_behind_answers(slot);
    }

    /// Takes nothing more from a connection and closes it when what came before is answered. Apache does not wait: these
    /// answers are lost there, and with them what the client would know of its writes.
    fn close_behind_answers(&mut self, slot: u32) {
        let conn = self.clients.at_mut(slot);
        if conn.waiting.is_empty() {
            self.close(slot);
        } else {
            conn.phase = Phase::Draining;
        }
    }

    /// Prepares a write against everything before it and puts it on its way.
    fn write(
        &mut self,
        slot: u32,
        request: RequestInfo,
        op: OpCode,
        body: &mut Reader<'_>,
        out: &mut Outputs,
    ) {
        let record = body.rest();
        let decoded = match Request::decode(op, body) {
            Ok(Request::CloseSession) => Decoded::Close,
            Ok(decoded) => Decoded::Request(decoded),
            // An undecodable multi still takes a zxid, an undecodable single operation does not (reference:
            // client-protocol §3); nor does a multi with a null ACL list.
            Err(DecodeError::Unacceptable { .. }) => {
                return self.ready(slot, request, Ready::Err(ErrorCode::MarshallingError.code()));
            }
            Err(_) if op == OpCode::Multi => Decoded::Undecodable,
            Err(_) => return self.ready(slot, request, Ready::Err(ErrorCode::MarshallingError.code())),
        };
        let session_slot = self.clients.at(slot).session.expect("an open connection has a session");
        let refusal = match &decoded {
            Decoded::Request(request) => self.prepare_session(slot, session_slot, request),
            Decoded::Close | Decoded::Undecodable => None,
        };
        if self.learning().is_some() {
            self.forward(slot, request.xid, op, record);
            return self.wait_for_write(slot, session_slot, Waiting::Write { zxid: None, request, refusal });
        }
        let conn = self.clients.at(slot);
        let session = self.sessions.at(session_slot);
        let zxid = self.pipeline.next_zxid();
        let context = PrepContext {
            session: session.id,
            session_state: own_state(session),
            cxid: request.xid,
            zxid,
            time_ms: self.now.wall_ms,
            credentials: &conn.credentials,
        };
        let (projection, tree) = (&mut self.pipeline.projection, &self.tree);
        let record = match decoded {
            Decoded::Request(request) => projection.prepare(tree, &context, request),
            Decoded::Close => projection.prepare_close_session(tree, &context),
            Decoded::Undecodable => projection.prepare_error(&context, ErrorCode::MarshallingError),
        };
        self.pipeline.append(&record, Some(conn.id), self.now.mono_us);
        self.note_quota_excesses(out);
        self.wait_for_write(slot, session_slot, Waiting::Write { zxid: Some(zxid), request, refusal: None });
    }

    /// What a hard quota refused just now, for the metrics and the log.
    pub(crate) fn note_quota_excesses(&mut self, out: &mut Outputs) {
        for excess in self.pipeline.projection.take_quota_excesses() {
            self.stats.metrics.traffic.exceeded_quota(&excess.path);
            self.note_warn(out, || excess.to_string());
        }
    }

    fn wait_for_write(&mut self, slot: u32, session_slot: u32, waiting: Waiting) {
        let closes =
            matches!(&waiting, Waiting::Write { request, .. } if request.op == Some(OpCode::CloseSession));
        let conn = self.clients.at_mut(slot);
        conn.waiting.push_back(waiting);
        if closes {
            conn.phase = Phase::Draining;
            self.sessions.at_mut(session_slot).phase = SessionPhase::Closing;
        }
    }

    /// How long the request throttle has held the connection back.
    fn throttled_us(&mut self, slot: u32) -> u64 {
        let since = self.clients.at_mut(slot).throttled_since_us.take();
        since.map_or(0, |since| self.now.mono_us.saturating_sub(since))
    }

    /// What to count for a large request; none if there is no room for it.
    fn large_request(&mut self, bytes: usize) -> Option<usize> {
        let limits = &self.config.requests;
        if limits.large_threshold.is_none_or(|threshold| bytes <= threshold) {
            return Some(0);
        }
        if self.large_bytes + bytes > limits.large_bytes_max {
            self.stats.metrics.large_requests_rejected += 1;
            return None;
        }
        Some(bytes)
    }

    /// What becomes of a request that the throttle held back for so long.
    fn throttle_verdict(&mut self, slot: u32, op: Option<OpCode>, waited_us: u64) -> Option<Throttled> {
        if waited_us == 0 {
            return None;
        }
        let limits = &self.config.requests;
        let Phase::Open { timeout_ms } = self.clients.at(slot).phase else { return None };
        if limits.stale_latency_check && waited_us > timeout_ms.max(0) as u64 * 1000 {
            self.stats.metrics.stale_requests += 1;
            if limits.drop_stale {
                self.stats.metrics.stale_requests_dropped += 1;
                return Some(Throttled::Stale);
            }
        }
        let exempt = matches!(op, Some(OpCode::Ping | OpCode::CreateSession | OpCode::CloseSession));
        if limits.throttled_op_wait_ms > 0 && waited_us > limits.throttled_op_wait_ms * 1000 && !exempt {
            self.stats.metrics.throttled_ops += 1;
            return Some(Throttled::Refused);
        }
        None
    }
}

/// What a write turned out to be.
enum Decoded<'a> {
    Request(Request<'a>),
    Close,
    Undecodable,
}

enum Throttled {
    /// The connection is closed.
    Stale,
    /// Answered THROTTLEDOP.
    Refused,
}

/// May a client ask for this by itself? check belongs into a multi, and two operations are the server's own
/// (reference: client-protocol §3, §4.4, §4.11).
fn may_ask(op: OpCode) -> bool {
    !matches!(op, OpCode::Check | OpCode::CreateSession | OpCode::DeleteContainer)
}

/// Does it become a transaction?
pub(crate) fn is_write(op: OpCode) -> bool {
    matches!(
        op,
        OpCode::Create
            | OpCode::Create2
            | OpCode::CreateContainer
            | OpCode::CreateTtl
            | OpCode::Delete
            | OpCode::SetData
            | OpCode::SetAcl
            | OpCode::Multi
            | OpCode::Reconfig
            | OpCode::CloseSession
    )
}
