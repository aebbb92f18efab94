//! The clients' part of a round: accepting, reading, writing, and what becomes of connections that end.

use super::Running;
use crate::machine::Machine;
use crate::net::conn::{Conn, Phase, ReadOutcome};
use crate::net::table::token;
use mio::Interest;
use mio::event::Event;
use node::{ConnId, Input, NoteLevel, Outputs};
use std::io;

/// How long a closed connection may take to accept what was queued before.
const FLUSH_PATIENCE_US: u64 = 5_000_000;
/// How long a shut down connection may take to close its side.
const LINGER_PATIENCE_US: u64 = 1_000_000;
/// Empty buffers kept for the machine to fill.
const SPARE_BUFFERS: usize = 512;

impl<M: Machine> Running<M> {
    pub(super) fn connection_event(&mut self, id: ConnId, event: &Event) {
        let Some(conn) = self.table.find(id) else { return };
        if event.is_writable() {
            conn.set_writable();
            if conn.pending() > 0 && !conn.dirty {
                conn.dirty = true;
                self.dirty.push(id);
            }
        }
        let broken = event.is_error() || (event.is_read_closed() && event.is_write_closed());
        if event.is_read_closed() || broken {
            conn.ended = true;
        }
        if event.is_readable() || conn.ended {
            conn.readable = true;
            if broken && conn.paused {
                self.ended.push(id);
            } else if !conn.paused && !conn.listed {
                conn.listed = true;
                self.ready.push(id);
            }
        }
    }

    pub(super) fn accept(&mut self) {
        for i in 0..self.parts.listeners.len() {
            let listener = &mut self.parts.listeners[i];
            if listener.blocked_until_us.is_some_and(|until| until > self.now.mono_us) || !listener.ready {
                continue;
            }
            listener.blocked_until_us = None;
            let accepted = listener.accept(self.now.mono_us);
            for (mut stream, peer) in accepted.streams {
                let Some(id) = self.table.reserve() else { continue };
                let interest = Interest::READABLE | Interest::WRITABLE;
                if self.poll.registry().register(&mut stream, token(id), interest).is_err() {
                    self.table.release(id);
                    continue;
                }
                self.table.insert(id, Conn::new(stream));
                self.parts.machine.step(self.now, Input::Accepted { conn: id, peer }, &mut self.parts.out);
            }
            if let Some(e) = accepted.trouble {
                self.log_accept_trouble(&e);
            }
        }
    }

    /// At most one line in ten seconds: this is where a server without descriptors spends its time.
    fn log_accept_trouble(&mut self, e: &io::Error) {
        let due = self.accept_trouble_logged_us.is_none_or(|at| self.now.mono_us >= at + 10_000_000);
        if due {
            self.accept_trouble_logged_us = Some(self.now.mono_us);
            let line = format!(
                "cannot accept connections: {e}; trying again every 100 ms (open file limit reached? see ulimit -n)"
            );
            (self.parts.log)(NoteLevel::Error, &line);
        }
    }

    pub(super) fn read_ready(&mut self) {
        let ready = std::mem::take(&mut self.ready);
        for &id in &ready {
            let Some(conn) = self.table.find(id) else { continue };
            conn.listed = false;
            if conn.paused || !conn.readable {
                continue;
            }
            match conn.read(&mut self.buffer) {
                ReadOutcome::Bytes(n) => {
                    if conn.readable {
                        conn.listed = true;
                        self.ready.push(id);
                    }
                    if conn.phase == Phase::Open {
                        let bytes = &self.buffer[..n];
                        self.parts.machine.step(
                            self.now,
                            Input::Received { conn: id, bytes },
                            &mut self.parts.out,
                        );
                    }
                }
                ReadOutcome::Nothing => {}
                ReadOutcome::End => {
                    conn.readable = false;
                    conn.ended = true;
                    self.ended.push(id);
                }
            }
        }
        if self.ready.is_empty() {
            self.ready = ready;
            self.ready.clear();
        }
    }

    pub(super) fn send(&mut self, id: ConnId, bytes: Vec<u8>) {
        let Some(conn) = self.table.find(id) else { return };
        if conn.phase != Phase::Open || bytes.is_empty() {
            return;
        }
        if !conn.dirty {
            conn.dirty = true;
            self.dirty.push(id);
        }
        let spare = conn.queue(bytes);
        keep_spare(&mut self.parts.out, spare);
    }

    pub(super) fn close(&mut self, id: ConnId) {
        let Some(conn) = self.table.find(id) else { return };
        if conn.phase != Phase::Open {
            return;
        }
        let deadline_us = self.now.mono_us + FLUSH_PATIENCE_US;
        conn.phase = Phase::Flushing { deadline_us };
        self.flushing.push_back((deadline_us, id));
        if !conn.dirty {
            conn.dirty = true;
            self.dirty.push(id);
        }
    }

    pub(super) fn resume(&mut self, id: ConnId) {
        let Some(conn) = self.table.find(id) else { return };
        conn.paused = false;
        if conn.readable && !conn.listed {
            conn.listed = true;
            self.ready.push(id);
        }
    }

    /// One write for every connection with something queued. True if the machine was told something.
    pub(super) fn write_dirty(&mut self) -> bool {
        let mut told = false;
        let mut dirty = std::mem::take(&mut self.dirty);
        for id in dirty.drain(..) {
            let Some(conn) = self.table.find(id) else { continue };
            conn.dirty = false;
            let before = conn.pending();
            if conn.flush().is_err() {
                conn.ended = true;
                self.ended.push(id);
                continue;
            }
            let pending = conn.pending();
            if pending == 0 {
                if let Some(spare) = conn.take_spare() {
                    keep_spare(&mut self.parts.out, spare);
                }
                if matches!(conn.phase, Phase::Flushing { .. }) {
                    self.written_out(id);
                    told = true;
                    continue;
                }
            }
            // The machine counts what it sends as written unless it hears otherwise.
            let news = pending > 0 && (pending != before || !conn.told_pending);
            if news || (pending == 0 && conn.told_pending) || conn.paused {
                conn.told_pending = pending > 0;
                if conn.phase == Phase::Open {
                    told = true;
                    self.parts.machine.step(
                        self.now,
                        Input::Written { conn: id, pending },
                        &mut self.parts.out,
                    );
                }
            }
        }
        if self.dirty.is_empty() {
            self.dirty = dirty;
        }
        told
    }

    /// The last byte of a connection the machine has closed is with the kernel.
    fn written_out(&mut self, id: ConnId) {
        let Some(conn) = self.table.find(id) else { return };
        if conn.shutdown_write() {
            let deadline_us = self.now.mono_us + LINGER_PATIENCE_US;
            conn.phase = Phase::Lingering { deadline_us };
            conn.paused = false;
            if conn.readable && !conn.listed {
                conn.listed = true;
                self.ready.push(id);
            }
            self.lingering.push_back((deadline_us, id));
            self.parts.machine.step(self.now, Input::Disconnected { conn: id }, &mut self.parts.out);
        } else {
            self.drop_connection(id);
        }
    }

    /// Connections that ended in this round. True if the machine was told something.
    pub(super) fn bury_ended(&mut self) -> bool {
        let mut told = false;
        for id in std::mem::take(&mut self.ended) {
            let Some(conn) = self.table.find(id) else { continue };
            // A client that has shut down its sending side still gets what was said before.
            let flushing = matches!(conn.phase, Phase::Flushing { .. });
            if flushing && conn.pending() > 0 && conn.flush().is_ok() && conn.pending() > 0 {
                continue;
            }
            match conn.phase {
                Phase::Lingering { .. } => self.remove(id),
                Phase::Open | Phase::Flushing { .. } => {
                    self.drop_connection(id);
                    told = true;
                }
            }
        }
        told
    }

    /// Ends a connection the machine still knows.
    pub(super) fn drop_connection(&mut self, id: ConnId) {
        self.remove(id);
        self.parts.machine.step(self.now, Input::Disconnected { conn: id }, &mut self.parts.out);
    }

    pub(super) fn remove(&mut self, id: ConnId) {
        if let Some(mut conn) = self.table.remove(id) {
            // Closing the descriptor would do as well; an error here means it is gone already.
            let _ = self.poll.registry().deregister(conn.stream_mut());
        }
    }
}

fn keep_spare(out: &mut Outputs, mut spare: Vec<u8>) {
    if spare.capacity() > 0 && out.spare.len() < SPARE_BUFFERS {
        spare.clear();
        out.spare.push(spare);
    }
}
