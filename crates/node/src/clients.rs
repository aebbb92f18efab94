//! All client connections of the server, their watches, and what is to be handed to the shell for them.

use crate::connection::{Connection, Phase};
use crate::expiry::ExpiryQueue;
use crate::io::{ConnId, Outputs};
use crate::stats::ResponseSizes;
use crate::watches::{Table, Watches};
use std::collections::BTreeMap;
use std::net::IpAddr;
use tree::{Change, ChangeKind};
use wire::{Acl, NOTIFICATION_XID, ReplyHeader, WatcherEvent, Writer, Zxid, event_type, perms};
use wire::{finish_frame, start_frame};

/// State of a WatcherEvent on the wire: always "SyncConnected".
const STATE_SYNC_CONNECTED: i32 = 3;

/// Bytes of a frame's length in front of it, which Apache counts nowhere.
pub(crate) const FRAME_LENGTH_BYTES: usize = 4;

/// How many buffers given back by the shell are kept.
const SPARE_MAX: usize = 256;

/// Connections by slot, and the lists that the next [`Clients::hand_over`] empties.
#[derive(Debug)]
pub(crate) struct Clients {
    pub(crate) slots: Vec<Option<Box<Connection>>>,
    count: usize,
    per_address: BTreeMap<IpAddr, usize>,
    pub(crate) watches: Watches,
    /// Connections whose silence is measured.
    pub(crate) idle: ExpiryQueue,
    /// Connections that are not read, oldest first; some entries may be out of date.
    pub(crate) stalled: Vec<ConnId>,
    dirty: Vec<u32>,
    closes: Vec<ConnId>,
    /// Slots that were stalled or went on since the shell was last told.
    pause_changes: Vec<u32>,
    /// Buffers to write output into.
    spare: Vec<Vec<u8>>,
    /// Of every frame made but handshakes.
    pub(crate) sizes: ResponseSizes,
    /// Bytes of events since somebody last took the number.
    pub(crate) event_bytes: u64,
    /// Scratch: who hears of the event at hand, and the event's frame.
    recipients: Vec<u32>,
    event: Vec<u8>,
}

/// How often each kind of event was delivered for one change: created, deleted, data, children.
pub(crate) type EventCounts = [u64; 4];

impl Clients {
    /// No connections; silence is measured in buckets of `idle_bucket_ms`.
    pub(crate) fn new(idle_bucket_ms: u64, seed: u64) -> Clients {
        Clients {
            slots: Vec::new(),
            count: 0,
            per_address: BTreeMap::new(),
            watches: Watches::new(seed),
            idle: ExpiryQueue::new(idle_bucket_ms),
            stalled: Vec::new(),
            dirty: Vec::new(),
            closes: Vec::new(),
            pause_changes: Vec::new(),
            spare: Vec::new(),
            sizes: ResponseSizes::default(),
            event_bytes: 0,
            recipients: Vec::new(),
            event: Vec::new(),
        }
    }

    /// Connections that the shell has and we know, closing ones included.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Connections from one address.
    pub(crate) fn count_from(&self, address: IpAddr) -> usize {
        self.per_address.get(&address).copied().unwrap_or(0)
    }

    /// Takes in a connection that must close within `idle_ms` unless it makes progress.
    pub(crate) fn insert(&mut self, mut conn: Box<Connection>, now_ms: u64, idle_ms: u64) {
        let slot = conn.id.slot();
        if self.slots.len() <= slot as usize {
            self.slots.resize_with(slot as usize + 1, || None);
        }
        assert!(self.slots[slot as usize].is_none(), "a slot is used again only after its disconnect");
        conn.deadline = self.idle.insert(slot, now_ms, idle_ms);
        *self.per_address.entry(conn.peer.ip()).or_default() += 1;
        self.slots[slot as usize] = Some(conn);
        self.count += 1;
    }

    /// The slot of a connection that is known.
    pub(crate) fn find(&self, id: ConnId) -> Option<u32> {
        self.get(id.slot()).filter(|c| c.id == id).map(|_| id.slot())
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&Connection> {
        self.slots.get(slot as usize)?.as_deref()
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut Connection> {
        self.slots.get_mut(slot as usize)?.as_deref_mut()
    }

    pub(crate) fn at(&self, slot: u32) -> &Connection {
        self.get(slot).expect("the connection is there")
    }

    pub(crate) fn at_mut(&mut self, slot: u32) -> &mut Connection {
        self.get_mut(slot).expect("the connection is there")
    }

    /// All connections in the order of their slots.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.slots.iter().flatten().map(|c| &**c)
    }

    /// All connections in the order of their slots.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Connection> {
        self.slots.iter_mut().flatten().map(|c| &mut **c)
    }

    /// Forgets a connection that the shell no longer has.
    pub(crate) fn remove(&mut self, slot: u32) -> Option<Box<Connection>> {
        let conn = self.slots.get_mut(slot as usize)?.take()?;
        self.count -= 1;
        self.watches.remove_connection(slot);
        let address = conn.peer.ip();
        let left = self.count_from(address) - 1;
        if left == 0 {
            self.per_address.remove(&address);
        } else {
            self.per_address.insert(address, left);
        }
        Some(conn)
    }

    /// Asks the shell to close a connection once its output is written, and forgets its watches.
    pub(crate) fn close(&mut self, slot: u32) {
        self.watches.remove_connection(slot);
        let conn = self.slots[slot as usize].as_deref_mut().expect("the connection is there");
        if conn.phase != Phase::Closed {
            conn.phase = Phase::Closed;
            conn.input = Vec::new();
            self.closes.push(conn.id);
        }
    }

    /// Refuses a connection that was never taken in.
    pub(crate) fn refuse(&mut self, id: ConnId) {
        self.closes.push(id);
    }

    /// A connection that is about to get output.
    pub(crate) fn writable(&mut self, slot: u32) -> &mut Connection {
        let conn = self.slots[slot as usize].as_deref_mut().expect("the connection is there");
        if !conn.dirty {
            conn.dirty = true;
            self.dirty.push(slot);
            if conn.output.capacity() == 0 {
                conn.output = self.spare.pop().unwrap_or_default();
            }
        }
        conn
    }

    /// A connection that is about to get output, and the watch tables.
    pub(crate) fn writable_and_watches(&mut self, slot: u32) -> (&mut Connection, &mut Watches) {
        self.writable(slot);
        let conn = self.slots[slot as usize].as_deref_mut().expect("the connection is there");
        (conn, &mut self.watches)
    }

    /// Stops reading from a connection; [`Clients::unstall`] goes on with it.
    pub(crate) fn stall(&mut self, slot: u32, now_us: u64) {
        let conn = self.slots[slot as usize].as_deref_mut().expect("the connection is there");
        if conn.stalled_since_us.is_none() {
            conn.stalled_since_us = Some(now_us);
            self.stalled.push(conn.id);
            self.pause_changes.push(slot);
        }
    }

    /// Reads from a connection again.
    pub(crate) fn unstall(&mut self, slot: u32) {
        let conn = self.slots[slot as usize].as_deref_mut().expect("the connection is there");
        if conn.stalled_since_us.take().is_some() {
            self.pause_changes.push(slot);
        }
    }

    /// Somebody is there. A connection without a session must ask for one in time, whatever it sends.
    pub(crate) fn touch_idle(&mut self, slot: u32, now_ms: u64) {
        if let Phase::Open { timeout_ms } = self.at(slot).phase {
            self.close_after(slot, now_ms, timeout_ms);
        }
    }

    /// Puts off the end of a silent connection.
    pub(crate) fn close_after(&mut self, slot: u32, now_ms: u64, timeout_ms: i32) {
        let conn = self.slots[slot as usize].as_deref_mut().expect("the connection is there");
        self.idle.touch(&mut conn.deadline, slot, now_ms, timeout_ms.max(0) as u64);
    }

    /// The slots of connections that have been silent for too long.
    pub(crate) fn silent(&mut self, now_ms: u64) -> Vec<u32> {
        let mut silent = Vec::new();
        while let Some((bucket, slots)) = self.idle.pop(now_ms) {
            for slot in slots {
                let Some(conn) = self.slots.get_mut(slot as usize).and_then(|c| c.as_deref_mut()) else {
                    continue;
                };
                if self.idle.check(&mut conn.deadline, slot, bucket) && conn.phase != Phase::Closed {
                    silent.push(slot);
                }
            }
        }
        silent
    }

    /// Delivers a change's events to all who watch (reference: client-protocol §7.2); returns how many of each kind.
    pub(crate) fn notify(&mut self, change: &Change<'_>, zxid: Zxid, skip_acl: bool) -> EventCounts {
        let mut counts = [0; 4];
        if self.watches.count() == 0 {
            return counts;
        }
        self.watches.begin_event();
        match change.kind {
            ChangeKind::Created => {
                counts[0] = self.fire(
                    &[Table::Data],
                    event_type::NODE_CREATED,
                    change.path,
                    zxid,
                    change.acl,
                    skip_acl,
                );
            }
            ChangeKind::DataChanged => {
                counts[2] = self.fire(
                    &[Table::Data],
                    event_type::NODE_DATA_CHANGED,
                    change.path,
                    zxid,
                    change.acl,
                    skip_acl,
                );
                return counts;
            }
            ChangeKind::Deleted => {
                let tables = &[Table::Data, Table::Child];
                counts[1] =
                    self.fire(tables, event_type::NODE_DELETED, change.path, zxid, change.acl, skip_acl);
            }
        }
        self.watches.begin_event();
        let kind = event_type::NODE_CHILDREN_CHANGED;
        counts[3] = self.fire(&[Table::Child], kind, change.parent, zxid, change.parent_acl, skip_acl);
        counts
    }

    /// One event to the watchers of `path` in the tables. The frame is made once for all of them; who may not read the
    /// node has lost a one-shot watch and hears nothing (reference: client-protocol §7.5).
    fn fire(
        &mut self,
        tables: &[Table],
        event_type: i32,
        path: &str,
        zxid: Zxid,
        acl: &[Acl<'static>],
        skip_acl: bool,
    ) -> u64 {
        let mut recipients = std::mem::take(&mut self.recipients);
        for &table in tables {
            self.watches.fire(table, path, &mut recipients);
        }
        let mut delivered = 0;
        if !recipients.is_empty() {
            self.event.clear();
            write_event(&mut self.event, event_type, zxid.0, path);
            let bytes = self.event.len() - FRAME_LENGTH_BYTES;
            for slot in recipients.drain(..) {
                if tree::acl::allows(skip_acl, acl, perms::READ, &self.at(slot).credentials) {
                    let event = std::mem::take(&mut self.event);
                    let conn = self.writable(slot);
                    conn.output.extend_from_slice(&event);
                    conn.frames += 1;
                    self.sizes.add(bytes);
                    self.event_bytes += bytes as u64;
                    delivered += 1;
                    self.event = event;
                }
            }
        }
        self.recipients = recipients;
        delivered
    }

    /// Gives everything collected to the shell; returns how many frames were sent.
    pub(crate) fn hand_over(&mut self, out: &mut Outputs) -> u64 {
        let mut frames = 0;
        self.spare.append(&mut out.spare);
        self.spare.truncate(SPARE_MAX);
        for slot in self.dirty.drain(..) {
            let Some(conn) = self.slots[slot as usize].as_deref_mut() else { continue };
            conn.dirty = false;
            let output = std::mem::take(&mut conn.output);
            if output.is_empty() {
                self.spare.push(output);
                continue;
            }
            frames += u64::from(conn.frames);
            conn.figures.sent += u64::from(conn.frames);
            conn.frames = 0;
            out.sends.push((conn.id, output));
        }
        out.closes.append(&mut self.closes);
        for slot in self.pause_changes.drain(..) {
            let Some(conn) = self.slots[slot as usize].as_deref_mut() else { continue };
            let pause = conn.stalled_since_us.is_some();
            if pause != conn.paused && conn.phase != Phase::Closed {
                conn.paused = pause;
                if pause { out.pauses.push(conn.id) } else { out.resumes.push(conn.id) }
            }
        }
        frames
    }
}

/// A notification's frame.
pub(crate) fn write_event(out: &mut Vec<u8>, event_type: i32, zxid: i64, path: &str) {
    let at = start_frame(out);
    let mut writer = Writer::new(out);
    writer.record(&ReplyHeader { xid: NOTIFICATION_XID, zxid, err: 0 });
    writer.record(&WatcherEvent { event_type, state: STATE_SYNC_CONNECTED, path: Some(path.into()) });
    finish_frame(out, at);
}
