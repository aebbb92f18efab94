//! The election port: one connection per pair of servers (reference: quorum-protocol §2).
//!
//! The server with the larger id keeps the connection it made; one with the smaller id says who it is, hangs up, and is dialled
//! back. Only the newest message to a server matters, so there is a queue of one.

use crate::context::Context;
use crate::io::{ConnId, DialId, Port};
use crate::{Address, ServerId};
use std::collections::BTreeMap;
use wire::{ElectionHandshake, NOTIFICATION_MAX, Notification};

/// Connections that have not said who they are.
const STRANGERS_MAX: usize = 128;
/// Servers outside the configuration that are talked to: observers of old, and those that want to join.
const GUESTS_MAX: usize = 128;
/// Between two complaints about one server that does not answer.
const COMPLAINT_PAUSE_US: u64 = 60_000_000;
/// The id by which an observer of old calls itself.
const ANONYMOUS: i64 = i64::MAX;

#[derive(Debug, Default)]
pub(crate) struct Mesh {
    links: BTreeMap<ServerId, MeshLink>,
    conns: BTreeMap<ConnId, Conn>,
    dials: BTreeMap<DialId, ServerId>,
    /// Anonymous observers get the ids -1, -2, …
    anonymous: i64,
}

/// What is known of another server.
#[derive(Debug, Default)]
struct MeshLink {
    conn: Option<ConnId>,
    dial: Option<DialId>,
    /// When it was dialled last, and until when it may take to call back.
    dialled_at_us: u64,
    calls_back_until_us: u64,
    /// The newest message, until there is a connection with room for it.
    queue: Option<Vec<u8>>,
    /// The last message ever sent. It is repeated on a new connection, because nobody knows if it arrived.
    last: Option<Vec<u8>>,
    /// Where it says it can be dialled.
    advertised: Vec<Address>,
    /// When the log said last that it cannot be reached; it is told again when it was there in between.
    complained_us: Option<u64>,
}

#[derive(Debug)]
enum Conn {
    /// The handshake is not complete.
    Stranger { bytes: Vec<u8>, deadline_us: u64 },
    /// It is the connection of a server.
    Known { server: ServerId, bytes: Vec<u8>, pending: usize },
}

impl MeshLink {
    /// Says in the log that a server does not answer, once in a while.
    fn complain(&mut self, server: ServerId, ctx: &mut Context<'_>) {
        if self.complained_us.is_some_and(|at_us| ctx.now_us < at_us + COMPLAINT_PAUSE_US) {
            return;
        }
        self.complained_us = Some(ctx.now_us);
        let member = ctx.settings.config.ensemble.members.get(&server).map(|spec| &spec.election);
        let known = if self.advertised.is_empty() { member } else { Some(&self.advertised) };
        let addresses: Vec<String> = known.into_iter().flatten().map(ToString::to_string).collect();
        let addresses = addresses.join("|");
        ctx.out.warn(format!("Cannot open channel to {server} at election address {addresses}"));
    }
}

impl Mesh {
    /// Sends a notification, now or as soon as there is a connection. An older one that still waits is dropped.
    pub(crate) fn send(&mut self, to: ServerId, notification: &Notification, ctx: &mut Context<'_>) {
        let payload = notification.encode();
        let mut frame = (payload.len() as i32).to_be_bytes().to_vec();
        frame.extend_from_slice(&payload);
        let link = self.links.entry(to).or_default();
        link.queue = Some(frame);
        match link.conn {
            Some(conn) => self.flush(to, conn, ctx),
            None => self.dial(to, ctx),
        }
    }

    /// Dials a server that should have been heard by now, unless there is a connection or one is on its way.
    pub(crate) fn call(&mut self, server: ServerId, ctx: &mut Context<'_>) {
        if self.links.entry(server).or_default().calls_back_until_us <= ctx.now_us {
            self.dial(server, ctx);
        }
    }

    pub(crate) fn accepted(&mut self, conn: ConnId, ctx: &mut Context<'_>) {
        let strangers = self.conns.values().filter(|conn| matches!(conn, Conn::Stranger { .. })).count();
        if strangers >= STRANGERS_MAX {
            return ctx.out.closes.push(conn);
        }
        let deadline_us = ctx.now_us + ctx.settings.sync_us;
        self.conns.insert(conn, Conn::Stranger { bytes: Vec::new(), deadline_us });
    }

    pub(crate) fn owns(&self, conn: ConnId) -> bool {
        self.conns.contains_key(&conn)
    }

    pub(crate) fn owns_dial(&self, dial: DialId) -> bool {
        self.dials.contains_key(&dial)
    }

    /// A dial has ended; names the server if it cannot be reached.
    pub(crate) fn dialled(
        &mut self,
        dial: DialId,
        conn: Option<ConnId>,
        ctx: &mut Context<'_>,
    ) -> Option<ServerId> {
        let server = self.dials.remove(&dial)?;
        let link = self.links.entry(server).or_default();
        link.dial = None;
        let Some(conn) = conn else {
            if link.conn.is_some() {
                return None;
            }
            link.complain(server, ctx);
            return Some(server);
        };
        let me = ctx.settings.me();
        if server > me && link.conn.is_some() {
            // It has dialled in the meantime.
            ctx.out.closes.push(conn);
            return None;
        }
        let hello = handshake(ctx).encode(ctx.settings.config.multi_address);
        ctx.out.send(conn).extend_from_slice(&hello);
        if server > me {
            ctx.out.closes.push(conn);
            // Our hello, its dial and its hello are two round trips; this dial was one.
            link.calls_back_until_us = ctx.now_us + 2 * (ctx.now_us - link.dialled_at_us);
        } else {
            self.adopt(server, conn, Vec::new(), ctx);
        }
        None
    }

    pub(crate) fn written(&mut self, conn: ConnId, left: usize, ctx: &mut Context<'_>) {
        if let Some(Conn::Known { server, pending, .. }) = self.conns.get_mut(&conn) {
            *pending = left;
            let server = *server;
            self.flush(server, conn, ctx);
        }
    }

    /// A connection is gone; names the server if it was the one to it.
    pub(crate) fn closed(&mut self, conn: ConnId) -> Option<ServerId> {
        let Some(Conn::Known { server, .. }) = self.conns.remove(&conn) else { return None };
        let link = self.links.get_mut(&server)?;
        link.conn.take_if(|current| *current == conn).map(|_| server)
    }

    /// Bytes of a connection; returns the notifications they complete.
    pub(crate) fn received(
        &mut self,
        conn: ConnId,
        bytes: &[u8],
        ctx: &mut Context<'_>,
    ) -> Vec<(ServerId, Notification)> {
        if let Some(Conn::Stranger { bytes: start, .. }) = self.conns.get_mut(&conn) {
            start.extend_from_slice(bytes);
            match ElectionHandshake::decode(start) {
                Ok(None) => return Vec::new(),
                Ok(Some((hello, used))) => {
                    let rest = start.split_off(used);
                    self.greeted(conn, &hello, rest, ctx);
                }
                Err(error) => {
                    ctx.out.warn(format!("an election connection began with nonsense: {error}"));
                    self.drop_conn(conn, ctx);
                }
            }
        } else if let Some(Conn::Known { bytes: buffer, .. }) = self.conns.get_mut(&conn) {
            buffer.extend_from_slice(bytes);
        }
        self.notifications(conn, ctx)
    }

    pub(crate) fn tick(&mut self, ctx: &mut Context<'_>) {
        let late =
            |conn: &Conn| matches!(conn, Conn::Stranger { deadline_us, .. } if *deadline_us <= ctx.now_us);
        let late: Vec<ConnId> = self.conns.iter().filter(|(_, conn)| late(conn)).map(|(id, _)| *id).collect();
        for conn in late {
            self.drop_conn(conn, ctx);
        }
        for conn in self.conns.values() {
            if let Conn::Stranger { deadline_us, .. } = conn {
                ctx.out.wake(*deadline_us);
            }
        }
    }

    /// The other side has said who it is.
    fn greeted(&mut self, conn: ConnId, hello: &ElectionHandshake, rest: Vec<u8>, ctx: &mut Context<'_>) {
        let server = if hello.server_id == ANONYMOUS {
            self.anonymous -= 1;
            ServerId(self.anonymous)
        } else {
            ServerId(hello.server_id)
        };
        let me = ctx.settings.me();
        let is_member = ctx.settings.config.ensemble.members.contains_key(&server);
        let guests = self.links.keys().filter(|id| !ctx.settings.config.ensemble.members.contains_key(id));
        if server == me || (!is_member && !self.links.contains_key(&server) && guests.count() >= GUESTS_MAX) {
            ctx.out.warn(format!("refusing an election connection of server {server}"));
            return self.drop_conn(conn, ctx);
        }
        let link = self.links.entry(server).or_default();
        link.advertised = hello.addresses.as_deref().map(dialable).unwrap_or_default();
        if server > me {
            return self.adopt(server, conn, rest, ctx);
        }
        // The connection that stays is ours to make.
        let old = link.conn.take();
        self.drop_conn(conn, ctx);
        if let Some(old) = old {
            self.drop_conn(old, ctx);
        }
        self.dial(server, ctx);
    }

    /// From now on this is the connection of that server.
    fn adopt(&mut self, server: ServerId, conn: ConnId, rest: Vec<u8>, ctx: &mut Context<'_>) {
        self.conns.insert(conn, Conn::Known { server, bytes: rest, pending: 0 });
        let link = self.links.entry(server).or_default();
        if let Some(old) = link.conn.replace(conn) {
            self.drop_conn(old, ctx);
        }
        let link = self.links.entry(server).or_default();
        link.conn = Some(conn);
        link.complained_us = None;
        ctx.out.note(format!("Connected to server {server} for elections"));
        if link.queue.is_none() {
            link.queue = link.last.clone();
        }
        self.flush(server, conn, ctx);
    }

    fn drop_conn(&mut self, conn: ConnId, ctx: &mut Context<'_>) {
        self.closed(conn);
        ctx.out.closes.push(conn);
    }

    fn flush(&mut self, server: ServerId, conn: ConnId, ctx: &mut Context<'_>) {
        let Some(Conn::Known { pending: 0, .. }) = self.conns.get(&conn) else { return };
        let Some(link) = self.links.get_mut(&server).filter(|link| link.conn == Some(conn)) else { return };
        if let Some(frame) = link.queue.take() {
            ctx.out.send(conn).extend_from_slice(&frame);
            link.last = Some(frame);
        }
    }

    /// Dials a server, unless that is being done: a member at its configured address, others where they say they are.
    fn dial(&mut self, server: ServerId, ctx: &mut Context<'_>) {
        let Some(link) = self.links.get_mut(&server) else { return };
        let member = ctx.settings.config.ensemble.members.get(&server);
        let addresses = if link.advertised.is_empty() {
            member.map(|spec| &spec.election)
        } else {
            Some(&link.advertised)
        };
        let (None, None, Some(addresses)) = (link.conn, link.dial, addresses) else { return };
        let timeout_us = ctx.settings.config.cnx_timeout_ms * 1000;
        let dial = ctx.dials.dial(Port::Election, addresses.clone(), timeout_us, ctx.out);
        link.dial = Some(dial);
        link.dialled_at_us = ctx.now_us;
        self.dials.insert(dial, server);
    }

    fn notifications(&mut self, conn: ConnId, ctx: &mut Context<'_>) -> Vec<(ServerId, Notification)> {
        let mut out = Vec::new();
        loop {
            let Some(Conn::Known { server, bytes, .. }) = self.conns.get_mut(&conn) else { return out };
            let Some(length) = bytes.first_chunk::<4>().map(|length| i32::from_be_bytes(*length)) else {
                return out;
            };
            let Some(length) = usize::try_from(length).ok().filter(|n| (1..=NOTIFICATION_MAX).contains(n))
            else {
                ctx.out.warn(format!("server {server} sent a vote of {length} bytes"));
                self.drop_conn(conn, ctx);
                return out;
            };
            if bytes.len() < 4 + length {
                return out;
            }
            let rest = bytes.split_off(4 + length);
            let frame = std::mem::replace(bytes, rest);
            match Notification::decode(&frame[4..]) {
                Ok(notification) => out.push((*server, notification)),
                Err(error) => ctx.out.warn(format!("a vote of server {server} makes no sense: {error}")),
            }
        }
    }
}

/// This server's own election addresses.
fn handshake(ctx: &Context<'_>) -> ElectionHandshake {
    let me = ctx.settings.me();
    let spec = ctx.settings.config.ensemble.members.get(&me);
    let addresses =
        spec.map(|spec| spec.election.iter().map(ToString::to_string).collect::<Vec<_>>().join("|"));
    ElectionHandshake { server_id: me.0, addresses }
}

/// The addresses of a handshake that somebody else can dial: `0.0.0.0` is none.
fn dialable(text: &str) -> Vec<Address> {
    let addresses = text.split('|').filter_map(|address| {
        let (host, port) = address.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Some(Address { host, port: port.parse().ok()? })
    });
    addresses.filter(|address| !is_wildcard(&address.host)).collect()
}

fn is_wildcard(host: &str) -> bool {
    host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_unspecified())
}
