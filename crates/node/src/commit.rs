//! Durable transactions are applied: events first, then the answer, then whatever waited behind it
//! (reference: client-protocol §7.4, §10).

use crate::clients::{Clients, FRAME_LENGTH_BYTES};
use crate::connection::{Connection, Credentials, Phase, Ready, RequestInfo, Waiting};
use crate::io::{ConnId, Outputs};
use crate::member::{corrected, not_read_only};
use crate::node::Node;
use crate::pipeline::Entry;
use crate::reads;
use crate::sessions::SessionPhase;
use tree::{TxnDetail, TxnResult};
use wire::{
    ErrorCode, MultiResult, OpCode, PING_XID, Reader, ReplyHeader, SessionId, Txn, TxnHeader, TxnRecord,
    Writer, Zxid,
};

/// Bytes of the header in front of every request.
const REQUEST_HEADER_BYTES: usize = 8;

impl Node {
    /// Applies every batch that is durable.
    pub(crate) fn apply_durable(&mut self, out: &mut Outputs) {
        while let Some((proof, batch)) = self.pipeline.take_durable() {
            let mut start = 0;
            for entry in &batch.entries {
                assert!(entry.zxid <= proof.get(), "only what is durable is applied");
                self.apply(*entry, &batch.payloads[start..entry.end], out);
                start = entry.end;
            }
            self.pipeline.recycle(batch);
        }
    }

    pub(crate) fn apply(&mut self, entry: Entry, payload: &[u8], out: &mut Outputs) {
        let record = TxnRecord::decode(&mut Reader::with_limits(payload, self.log_limits))
            .expect("a record that was just encoded can be decoded");
        let TxnRecord { header, txn, digest } = &record;
        assert!(self.is_next(header.zxid), "transactions are applied in order");
        let (clients, metrics) = (&mut self.clients, &mut self.stats.metrics);
        let skip_acl = self.skip_acl;
        let result = self.tree.apply(header, txn, &mut |change| {
            metrics.traffic.wrote(change.path, change.data_bytes);
            let counts = clients.notify(&change, header.zxid, skip_acl);
            metrics.count_events(counts);
        });
        self.pipeline.projection.applied(header.zxid);
        let age_ms = self.now.wall_ms.saturating_sub(header.time_ms).max(0);
        self.stats.metrics.propagation_latency.add(age_ms as u64);
        if let Some(digest) = digest {
            if !self.tree.check_digest(digest) {
                self.stats.digest_mismatch(header.zxid, out);
            }
            self.stats.keep_digest(header.zxid, self.tree.digest());
        }
        self.in_process -= usize::from(entry.origin.is_some());
        match txn {
            Txn::CreateSession { .. } => self.session_created(header, entry.origin, out),
            Txn::CloseSession { .. } => self.session_closed(header, entry.origin, &result),
            _ => self.answer_write(entry, &result),
        }
    }

    /// Zxids have no gaps inside an epoch; a new epoch begins with its first number.
    fn is_next(&self, zxid: Zxid) -> bool {
        let last = self.tree.last_zxid();
        zxid == last.next() || (self.is_member() && zxid.epoch() > last.epoch() && zxid.counter() == 1)
    }

    fn session_created(&mut self, header: &TxnHeader, origin: Option<ConnId>, out: &mut Outputs) {
        let session = header.client_id;
        // A learner knows only its own.
        let Some(session_slot) = self.sessions.find(session) else { return };
        if self.sessions.at(session_slot).phase == SessionPhase::Creating {
            self.sessions.at_mut(session_slot).phase = SessionPhase::Open;
        }
        let Some(slot) = origin.and_then(|id| self.clients.find(id)) else { return };
        let Phase::Connecting { timeout_ms, has_read_only, since_us } = self.clients.at(slot).phase else {
            return;
        };
        self.sessions.touch(session_slot, self.now_ms());
        self.welcome(slot, session, timeout_ms, has_read_only, out);
        let latency_ms = self.now_ms() - since_us / 1000;
        self.stats.latency.add(latency_ms);
        self.stats.metrics.updatelatency.add(latency_ms);
        self.clients.unstall(slot);
        self.take_buffered(slot, out);
    }

    /// The session is gone. Who asked for it gets an answer; then the connection is closed (reference:
    /// client-protocol §8.2).
    fn session_closed(&mut self, header: &TxnHeader, origin: Option<ConnId>, result: &TxnResult<'_>) {
        let entry = Entry { zxid: header.zxid, end: 0, origin };
        self.answer_write(entry, result);
        if let Some(learning) = self.learning() {
            learning.comes_through_nobody(header.client_id);
        }
        self.forget_session(header.client_id);
    }

    /// Ends a session here, with its connection.
    pub(crate) fn forget_session(&mut self, session: SessionId) {
        let Some(session_slot) = self.sessions.find(session) else { return };
        if let Some(slot) = self.sessions.at(session_slot).conn {
            self.close(slot);
        }
        // It may have gone with its connection.
        if self.sessions.find(session).is_some() {
            self.sessions.remove(session_slot);
        }
    }

    /// Answers the connection that waits for a transaction, if it is still there, and lets go on what waited behind it.
    fn answer_write(&mut self, entry: Entry, result: &TxnResult<'_>) {
        let Some(slot) = entry.origin.and_then(|id| self.clients.find(id)) else { return };
        let conn = self.clients.writable(slot);
        if conn.phase == Phase::Closed {
            return;
        }
        if matches!(conn.phase, Phase::Connecting { .. }) {
            // The leader did not want the session.
            return self.close(slot);
        }
        let Some(Waiting::Write { zxid, request, refusal }) = conn.waiting.pop_front() else {
            panic!("a connection's queue starts with its oldest transaction")
        };
        assert!(zxid.is_none_or(|zxid| zxid == entry.zxid), "transactions are answered in order");
        let corrected = refusal.map(|refusal| corrected(result, refusal));
        let result = corrected.as_ref().unwrap_or(result);
        if is_moved(result) {
            // The client has gone to another server: this connection is a leftover (reference: client-protocol §2.5).
            self.released(slot, request);
            return self.close(slot);
        }
        let zxid = self.tree.last_zxid().0;
        let from = conn.output.len();
        write_answer(conn, request, zxid, result);
        self.answered(slot, request, zxid, from);
        self.released(slot, request);
        self.drain(slot);
    }

    /// Gives the answers at the front of the queue that need not wait any longer.
    pub(crate) fn drain(&mut self, slot: u32) {
        loop {
            let output_max = self.config.connections.output_bytes_max;
            let conn = self.clients.at_mut(slot);
            if conn.phase == Phase::Closed {
                return;
            }
            match conn.waiting.front() {
                None if conn.phase == Phase::Draining => return self.close(slot),
                None | Some(Waiting::Write { .. } | Waiting::Sync { done: false, .. }) => return,
                // Answers to a client that does not read are not kept without end.
                Some(_) if conn.output_len() >= output_max => return self.close(slot),
                Some(_) => {}
            }
            match conn.waiting.pop_front().expect("there is a front") {
                Waiting::Read { frame, credentials, request } => {
                    conn.waiting_bytes -= frame.len();
                    self.read(slot, request, &frame[REQUEST_HEADER_BYTES..], Some(credentials));
                }
                Waiting::Ready { reply, request } => {
                    if self.give(slot, request, reply) {
                        return self.close(slot);
                    }
                }
                Waiting::Sync { frame, request, .. } => {
                    conn.waiting_bytes -= frame.len();
                    self.read(slot, request, &frame[REQUEST_HEADER_BYTES..], None);
                }
                Waiting::Write { .. } => unreachable!("a write stops the queue"),
            }
        }
    }

    /// Answers at once, or queues the answer behind the session's outstanding writes. An answer that closes the connection
    /// ends its input at once.
    pub(crate) fn ready(&mut self, slot: u32, request: RequestInfo, reply: Ready) {
        let conn = self.clients.at_mut(slot);
        if reply.closes() {
            conn.phase = Phase::Draining;
        }
        if !conn.waiting.is_empty() {
            conn.waiting.push_back(Waiting::Ready { reply, request });
        } else if self.give(slot, request, reply) {
            self.close(slot);
        }
    }

    /// Writes a ready answer; says whether the connection is to be closed behind it.
    fn give(&mut self, slot: u32, request: RequestInfo, reply: Ready) -> bool {
        let last = self.tree.last_zxid().0;
        let conn = self.clients.writable(slot);
        let from = conn.output.len();
        let xid = request.xid;
        let nothing = |_: &mut Writer<'_>| {};
        match reply {
            Ready::Err(err) => {
                let xid = if request.op == Some(OpCode::Ping) { PING_XID } else { xid };
                conn.reply(ReplyHeader { xid, zxid: last, err }, nothing);
            }
            Ready::NotReadOnly => not_read_only(conn, xid, last),
            Ready::Closed => conn.reply(ReplyHeader { xid, zxid: last, err: 0 }, nothing),
            Ready::Auth { err, .. } => conn.reply(ReplyHeader { xid, zxid: 0, err }, nothing),
            Ready::SaslNullToken => conn.reply(ReplyHeader { xid, zxid: 0, err: 0 }, |w| w.buffer(None)),
            Ready::Unimplemented => {
                let err = ErrorCode::Unimplemented.code();
                conn.reply(ReplyHeader { xid, zxid: -1, err }, nothing);
            }
        }
        if matches!(reply, Ready::Err(_) | Ready::Closed) {
            self.answered(slot, request, last, from);
        } else {
            self.measure(slot, from);
        }
        self.done(slot, request);
        reply.closes()
    }

    /// Executes a read against the applied state, with the credentials it came with.
    pub(crate) fn read(
        &mut self,
        slot: u32,
        request: RequestInfo,
        body: &[u8],
        credentials: Option<Credentials>,
    ) {
        let op = request.op.expect("a read has an operation");
        let zxid = self.tree.last_zxid().0;
        let (conn, watches) = self.clients.writable_and_watches(slot);
        let session = self.sessions.at(conn.session.expect("an open connection has a session")).id;
        let from = conn.output.len();
        let mut reader = reads::Reader {
            tree: &self.tree,
            watches,
            conn: slot,
            session,
            credentials: credentials.as_ref().unwrap_or(&conn.credentials),
            skip_acl: self.skip_acl,
            watches_max: self.config.connections.watches_per_connection_max,
            out: &mut conn.output,
            frames: 0,
            traffic: &mut self.stats.metrics.traffic,
        };
        reader.answer(request.xid, op, &mut Reader::with_limits(body, self.config.limits));
        conn.frames += reader.frames;
        self.answered(slot, request, zxid, from);
        self.done(slot, request);
    }

    /// Accounts for an answer of the pipeline whose bytes start at `from` of the output.
    fn answered(&mut self, slot: u32, request: RequestInfo, zxid: i64, from: usize) {
        let now_us = self.now.mono_us;
        let latency_ms = now_us / 1000 - request.received_us / 1000;
        self.clients.at_mut(slot).figures.answered(request, zxid, now_us / 1000, latency_ms);
        self.stats.answered(request, latency_ms);
        let bytes = self.measure(slot, from);
        // Apache answers pings before it counts.
        if request.op != Some(OpCode::Ping) {
            self.stats.metrics.response_bytes += bytes;
        }
    }

    /// Takes the sizes of the frames that start at `from` of the output: events, then the reply, whose size is returned.
    fn measure(&mut self, slot: u32, from: usize) -> u64 {
        let Clients { slots, sizes, event_bytes, .. } = &mut self.clients;
        let output = &slots[slot as usize].as_deref().expect("the connection is there").output;
        let mut rest = &output[from..];
        let mut last = 0;
        while let Some((length, frames)) = rest.split_first_chunk::<FRAME_LENGTH_BYTES>() {
            *event_bytes += last;
            let length = u32::from_be_bytes(*length) as usize;
            sizes.add(length);
            last = length as u64;
            rest = &frames[length..];
        }
        last
    }

    /// A request that is no transaction has got its answer, or will get none.
    pub(crate) fn done(&mut self, slot: u32, request: RequestInfo) {
        self.in_process -= 1;
        self.released(slot, request);
    }

    /// A connection's request no longer counts against the connection. (A transaction is in process until it is applied,
    /// whether or not somebody still waits for it.)
    fn released(&mut self, slot: u32, request: RequestInfo) {
        self.large_bytes -= request.large_bytes;
        let conn = self.clients.at_mut(slot);
        conn.outstanding -= usize::from(request.xid > 0);
    }
}

/// Was the request refused because its session lives elsewhere by now?
fn is_moved(result: &TxnResult<'_>) -> bool {
    let moved = Some(ErrorCode::SessionMoved);
    let in_part = |result: &MultiResult<'_>| matches!(result, MultiResult::Error(code) if *code == moved);
    result.err == moved || matches!(&result.detail, TxnDetail::Multi(results) if results.iter().any(in_part))
}

fn write_answer(conn: &mut Connection, request: RequestInfo, zxid: i64, result: &TxnResult<'_>) {
    let err = result.err.map_or(0, ErrorCode::code);
    let header = ReplyHeader { xid: request.xid, zxid, err };
    if err != 0 {
        return conn.reply(header, |_| {});
    }
    conn.reply(header, |w| match &result.detail {
        TxnDetail::None => {}
        TxnDetail::Create { path, stat } => {
            w.text(path);
            if request.op != Some(OpCode::Create) {
                w.record(stat);
            }
        }
        TxnDetail::SetData(stat) | TxnDetail::SetAcl(stat) => w.record(stat),
        TxnDetail::Reconfig { data, stat } => {
            w.buffer(Some(data));
            w.record(stat);
        }
        TxnDetail::Multi(results) => MultiResult::encode_all(results, w),
    });
}
