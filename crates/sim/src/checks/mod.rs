//! What clients may see, judged while they see it (reference: simulation §2.8).
//!
//! [`Checks`] is told everything that clients see and every transaction that is committed, and objects to the first thing
//! that ZooKeeper's guarantees forbid. It judges by the reference model (`model`), which shares no logic with the server,
//! along the one sequence of committed transactions. What it keeps is bounded by the run.
//!
//! | | Guarantee | File |
//! |---|---|---|
//! | C1 | linearizable writes | `linearizable_writes` |
//! | C2 | FIFO client order | `fifo_order` |
//! | C3 | a session never goes back | `monotonic_sessions` |
//! | C4 | a read is the state at the zxid of its answer | `exact_reads` |
//! | C5 | sequential consistency | no file: it follows from C1, C3 and C4 for all sessions |
//! | C6 | events before the data they tell of | `watch_before_data` |
//! | C7 | setWatches tells what was missed | `watch_resume` |
//! | C8 | ephemeral nodes live as long as their session | `ephemeral_lifetimes` |
//! | C9 | a session ends when its client is silent for its timeout | `session_expiry` |
//! | C10 | numbers of sequential nodes | `sequential_nodes` |
//! | C11 | multi is atomic | `multi_atomicity` |
//! | C12 | what was acknowledged is there in the end | `durability` |
//! | C13 | sync | `sync` |
//! | C14 | availability | `availability` |
//!
//! C9, C13 and C14 hold only where the run demands them ([`Expectations`]).

mod availability;
mod counts;
mod durability;
mod ephemeral_lifetimes;
mod exact_reads;
mod expectations;
mod fifo_order;
mod held;
mod linearizable_writes;
mod monotonic_sessions;
mod multi_atomicity;
mod requests;
mod sequential_nodes;
mod session_expiry;
#[cfg(test)]
mod story;
mod sync;
mod timeline;
mod violation;
mod watch_before_data;
mod watch_resume;
mod watches;

pub use counts::Counts;
pub use expectations::{Calm, Expectations, ExpiryBounds};
pub use held::Held;
pub use violation::Violation;

use crate::clients::ClientEvent;
use availability::Availability;
use durability::Durability;
use ephemeral_lifetimes::EphemeralLifetimes;
use fifo_order::FifoOrder;
use linearizable_writes::LinearizableWrites;
use monotonic_sessions::MonotonicSessions;
use requests::{Asked, Conn, Requests, is_write};
use sequential_nodes::SequentialNodes;
use session_expiry::SessionExpiry;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::rc::Rc;
use timeline::{Timeline, has_effect, is_moved};
use watch_resume::WatchResume;
use watches::{Due, Watched};
use wire::{AUTH_XID, OpCode, Reader, Request, SessionId, Txn, TxnRecord, Zxid};

/// All checks of a run.
#[derive(Clone, Debug)]
pub struct Checks {
    requests: Requests,
    timeline: Timeline,
    /// By client, of its connection.
    watched: BTreeMap<usize, (Watched, WatchResume)>,
    linearizable_writes: LinearizableWrites,
    fifo_order: FifoOrder,
    monotonic_sessions: MonotonicSessions,
    ephemeral_lifetimes: EphemeralLifetimes,
    sequential_nodes: SequentialNodes,
    durability: Durability,
    session_expiry: SessionExpiry,
    availability: Availability,
    /// Sessions that only their own server knew at first, and when they became global; none where there is no such thing.
    local: Option<BTreeMap<SessionId, Option<u64>>>,
    expectations: Expectations,
    /// When a client last did something.
    now_us: u64,
    counts: Counts,
}

impl Checks {
    /// Checks of a run that has not begun.
    pub fn new(options: model::Options) -> Checks {
        Checks {
            requests: Requests::default(),
            timeline: Timeline::new(options),
            watched: BTreeMap::new(),
            linearizable_writes: LinearizableWrites::default(),
            fifo_order: FifoOrder::default(),
            monotonic_sessions: MonotonicSessions::default(),
            ephemeral_lifetimes: EphemeralLifetimes::default(),
            sequential_nodes: SequentialNodes::default(),
            durability: Durability::default(),
            session_expiry: SessionExpiry::default(),
            availability: Availability::default(),
            local: None,
            expectations: Expectations::default(),
            now_us: 0,
            counts: Counts::default(),
        }
    }

    /// How much was judged so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Servers begin sessions of their own (`localSessionsEnabled`), and make them global when that is needed.
    pub fn allow_local_sessions(&mut self) {
        self.local = Some(BTreeMap::new());
        self.timeline.allow_local_sessions();
    }

    /// Some servers learn from followers (`observerMasterPort`).
    pub fn allow_observer_masters(&mut self) {
        self.timeline.allow_observer_masters();
    }

    /// From now on more is demanded, or less.
    pub fn expect(&mut self, expectations: Expectations) {
        self.expectations = expectations;
    }

    /// A client saw or did something.
    ///
    /// # Errors
    /// What it must not have seen.
    pub fn client(&mut self, at_us: u64, client: usize, event: &ClientEvent) -> Result<(), Violation> {
        self.now_us = at_us;
        self.session_expiry.pass_time(at_us, self.expectations.expiry)?;
        self.judge(client, event).map_err(|mut violation| {
            violation.facts.push_str(&format!(" (client {client} at {at_us} µs)"));
            violation
        })
    }

    fn judge(&mut self, client: usize, event: &ClientEvent) -> Result<(), Violation> {
        match event {
            ClientEvent::Connected { server, renews, user, .. } => {
                let conn = self.requests.connect(self.now_us, client, *server, *renews, *user);
                let watched = Watched::new(conn.credentials.clone());
                self.watched.insert(client, (watched, WatchResume::default()));
                Ok(())
            }
            ClientEvent::SessionGiven { session, .. } => {
                self.counts.sessions += 1;
                self.welcome(client, *session);
                self.given(client, *session)
            }
            ClientEvent::SessionRenewed { session, .. } => {
                self.counts.renewals += 1;
                self.welcome(client, *session);
                Ok(())
            }
            ClientEvent::SessionExpired { session } => {
                self.counts.expiries += 1;
                let was_silent = self.session_expiry.is_silent(*session, self.now_us);
                if !self.was_local(client, *session) {
                    self.ephemeral_lifetimes.expired(*session, was_silent);
                }
                Ok(())
            }
            ClientEvent::Asked { xid, request } => {
                self.asked(client, *xid, request);
                Ok(())
            }
            ClientEvent::Answered { xid, zxid, err, body } => {
                self.answered(client, *xid, (*zxid, *err, body))
            }
            ClientEvent::Notified { zxid, kind, state, path } => {
                if *state != 3 {
                    return nonsense(format!("an event with the state {state}"));
                }
                self.notified(client, Due { zxid: Zxid(*zxid), kind: *kind, path: path.clone() })
            }
            ClientEvent::Lost { outstanding, by_client } => {
                self.counts.unknown += outstanding.len() as u64;
                self.watched.remove(&client);
                let conn = self.requests.lost(client);
                let asked = conn.iter().flat_map(|conn| &conn.asked);
                Availability::lost(self.now_us, client, *by_client, asked, self.expectations.calm)
            }
            ClientEvent::Garbled(what) => nonsense(what.clone()),
        }
    }

    /// A transaction is committed: called once for each, in their order, before any client is told of it.
    ///
    /// # Errors
    /// What must not have been committed.
    pub fn committed(&mut self, zxid: Zxid, payload: &[u8]) -> Result<(), Violation> {
        let record = match TxnRecord::decode(&mut Reader::new(payload)) {
            Ok(record) if record.header.zxid == zxid && zxid > self.timeline.last() => record,
            other => {
                let last = self.timeline.last();
                return nonsense(format!("committed as {zxid}, behind {last}: {}", shown(&other)));
            }
        };
        self.counts.transactions += 1;
        self.counts.without_digest += u64::from(record.digest.is_none());
        let name = (record.header.client_id, record.header.cxid);
        let write = self.requests.committed(name);
        self.linearizable_writes.committed(&record, write.as_ref())?;
        match &record.txn {
            txn if write.is_none() || is_moved(txn) => {}
            txn if has_effect(txn) => self.fifo_order.happened(name, zxid)?,
            _ => self.fifo_order.failed(name),
        }
        multi_atomicity::committed(&record)?;
        self.ephemeral_lifetimes.committed(&record)?;
        self.sequential_nodes.committed(&record, write.as_ref().map(|write| &*write.request))?;
        match record.txn {
            Txn::CreateSession { timeout_ms } => {
                let was_local = self.local.as_mut().and_then(|local| local.get_mut(&name.0));
                if let Some(since_us) = was_local {
                    self.counts.upgrades += 1;
                    since_us.get_or_insert(self.now_us);
                }
                self.session_expiry.created(self.now_us, name.0, timeout_ms);
            }
            Txn::CloseSession { .. } => {
                self.fifo_order.closed(name.0);
                self.session_expiry.closed(name.0, write.is_some());
            }
            _ => {}
        }
        let step = self.timeline.push(&record, write.as_ref());
        LinearizableWrites::compare(&record, write.as_ref(), step)
    }

    /// A leader proposes the end of a session, which may never be committed.
    pub fn ending(&mut self, session: SessionId) {
        self.ephemeral_lifetimes.ending(session);
    }

    /// The server that a client asks, if it is connected.
    pub fn server_of(&self, client: usize) -> Option<usize> {
        self.requests.conn(client).map(|conn| conn.server)
    }

    /// A server whose history ends there is about to be heard on the end of a session.
    pub fn answered_from(&mut self, session: SessionId, last: Zxid) {
        self.ephemeral_lifetimes.answered_from(session, last);
    }

    /// The run is over: everything is healed, and these servers have come to rest.
    ///
    /// # Errors
    /// What is missing or different.
    pub fn finish(&mut self, servers: &[Held]) -> Result<(), Violation> {
        for held in servers {
            self.ephemeral_lifetimes.finish(held)?;
            self.durability.finish(held, &mut self.timeline)?;
        }
        self.ephemeral_lifetimes.finish_expired()?;
        self.session_expiry.finish(self.now_us, self.expectations.expiry)?;
        self.availability.finish(self.now_us, self.requests.under_way(), self.expectations.calm)
    }

    /// A new session; its number says which server's own it can be.
    fn given(&mut self, client: usize, session: SessionId) -> Result<(), Violation> {
        let server = self.requests.conn(client).map(|conn| conn.server as u64 + 1);
        match &mut self.local {
            Some(local)
                if !self.ephemeral_lifetimes.is_global(session) && server == Some(session.0 as u64 >> 56) =>
            {
                self.counts.local_sessions += 1;
                local.insert(session, None);
                Ok(())
            }
            _ => self.ephemeral_lifetimes.given(session),
        }
    }

    /// Did only one server know the session when the client's connection began? Then any other one tells the truth when it says
    /// that there is no such session, and the client may hear that late.
    fn was_local(&self, client: usize, session: SessionId) -> bool {
        let (Some(conn), Some(local)) = (self.requests.conn(client), &self.local) else { return false };
        local.get(&session).is_some_and(|since_us| since_us.is_none_or(|since_us| since_us >= conn.at_us))
    }

    /// Is it the end of a session that no other server knows? Nothing is to be done for it but to answer.
    fn ends_locally(&self, session: SessionId, request: &Request<'_>) -> bool {
        let is_local = self.local.as_ref().is_some_and(|local| local.contains_key(&session));
        *request == Request::CloseSession && is_local && !self.ephemeral_lifetimes.is_global(session)
    }

    fn welcome(&mut self, client: usize, session: SessionId) {
        self.requests.welcome(client, session);
        if let Some(conn) = self.requests.conn(client) {
            self.session_expiry.heard(session, conn.at_us);
            self.session_expiry.sent(session, self.now_us);
        }
    }

    fn asked(&mut self, client: usize, xid: i32, request: &Request<'static>) {
        let (at_us, after) = (self.now_us, self.linearizable_writes.told());
        self.requests.ask(client, Asked { xid, request: Rc::new(request.clone()), at_us, after });
        let Some(Conn { serial, session: Some(session), .. }) = self.requests.conn(client) else { return };
        if is_write(request) {
            self.fifo_order.asked((*session, xid), *serial);
        }
        if *request == Request::CloseSession {
            self.ephemeral_lifetimes.ending(*session);
        }
        if xid != AUTH_XID {
            self.session_expiry.sent(*session, at_us);
        }
    }

    fn answered(&mut self, client: usize, xid: i32, reply: (i64, i32, &[u8])) -> Result<(), Violation> {
        let Some((asked, in_turn)) = self.requests.answer(client, xid) else {
            return nonsense(format!("an answer to request {xid}, which nobody asked for"));
        };
        let Some(conn) = self.requests.conn(client) else { return nonsense("an answer on no connection") };
        if !in_turn {
            let waiting: Vec<i32> = conn.asked.iter().map(|asked| asked.xid).collect();
            return FifoOrder::out_of_turn(client, xid, &waiting);
        }
        if xid == AUTH_XID {
            return if reply == (0, 0, &[]) {
                Ok(())
            } else {
                nonsense(format!("the answer {reply:?} to auth"))
            };
        }
        let (request, zxid, err, body) = (Rc::clone(&asked.request), Zxid(reply.0), reply.1, reply.2);
        let Some(session) = conn.session else {
            return nonsense(format!("an answer to {xid} before the welcome"));
        };
        if !is_write(&request)
            && *request != Request::Ping
            && let Some((later, at)) =
                self.timeline.first_of(session, conn.asked.iter().map(|asked| asked.xid))
            && at <= zxid
        {
            return FifoOrder::ahead(client, xid, zxid, later);
        }
        let (server, serial, credentials) = (conn.server, conn.serial, conn.credentials.clone());
        self.monotonic_sessions.answer(session, (server, serial), zxid)?;
        if !self.timeline.is_reached(zxid) {
            let last = self.timeline.last();
            return nonsense(format!("an answer from {zxid}, but nothing behind {last} is committed"));
        }
        self.durability.told(zxid);
        self.session_expiry.heard(session, asked.at_us);
        let Some((watched, resume)) = self.watched.get_mut(&client) else { return nonsense("no connection") };
        watch_before_data::packet(client, watched, zxid, &self.timeline)?;
        if let Request::SetWatches(lists) | Request::SetWatches2(lists) = &*request {
            let missed = watched.set(zxid, lists, &mut self.timeline);
            self.counts.watches_set_again += 1;
            self.counts.missed_events += missed.len() as u64;
            return resume.answered(client, &missed, err, body);
        }
        resume.other_packet(client)?;
        watch_before_data::answered(client, watched, &request, err, body)?;
        watched.registered(&request, err);
        if is_write(&request) {
            self.counts.writes += 1;
            self.counts.failed_writes += u64::from(err != 0);
            self.availability.answered(self.now_us, client, &asked, self.expectations.calm)?;
            if self.ends_locally(session, &request) {
                self.counts.local_ends += 1;
                return if (err, body) == (0, &[]) {
                    Ok(())
                } else {
                    nonsense(format!("{err} for closeSession"))
                };
            }
            if let Request::Multi { ops } = &*request {
                self.counts.multis += 1;
                multi_atomicity::answered(ops, reply.0, err, body)?;
            }
            return self.linearizable_writes.answered((session, xid), &request, reply, &self.timeline);
        }
        if is_about_watches(&request) {
            return Ok(());
        }
        self.counts.reads += 1;
        if request.op() == OpCode::Sync && self.expectations.sync_sees_everything {
            sync::answered(session, server, zxid, asked.after)?;
        }
        let reader = exact_reads::Reader { session, server, credentials: &credentials };
        exact_reads::answered(reader, &request, reply, &mut self.timeline)
    }

    fn notified(&mut self, client: usize, event: Due) -> Result<(), Violation> {
        self.counts.events += 1;
        let Some(conn) = self.requests.conn(client) else { return nonsense("an event on no connection") };
        let Some((watched, resume)) = self.watched.get_mut(&client) else { return nonsense("no connection") };
        if event.zxid == Zxid(-1) {
            resume.notified(event);
            return Ok(());
        }
        resume.other_packet(client)?;
        if let Some(session) = conn.session {
            self.monotonic_sessions.event(session, (conn.server, conn.serial), event.zxid)?;
        }
        watch_before_data::notified(client, watched, &event, &self.timeline)
    }
}

fn is_about_watches(request: &Request<'_>) -> bool {
    matches!(request.op(), OpCode::AddWatch | OpCode::CheckWatches | OpCode::RemoveWatches)
}

/// What no server may say, whatever happened before.
fn nonsense(facts: impl Into<String>) -> Result<(), Violation> {
    Err(Violation::new("C0 sense", "client protocol §1, §3: frames, headers and special xids", facts))
}

/// For a violation's text: not too long.
fn shown(value: &impl Debug) -> String {
    const CHARS_MAX: usize = 500;
    let text = format!("{value:?}");
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
