//! The machine itself: what it holds, and what happens in a step.

use crate::admission::{Rng, TokenBucket};
use crate::clients::Clients;
use crate::config::NodeConfig;
use crate::connection::{Connection, Phase, Waiting};
use crate::io::{Admin, ConnId, Halt, Input, Membership, Note, NoteLevel, Now, Outputs};
use crate::member::Member;
use crate::pipeline::Pipeline;
use crate::sessions::{SessionPhase, Sessions};

use crate::stats::{ResponseSizes, Stats};
use crate::upkeep::{Purge, Snapshots, Sweep};
use std::net::SocketAddr;
use store::{DiskError, Recovered, Ticket};
use tree::{PrepContext, SessionState, Tree};
use wire::{Limits, SessionId};

/// What `gtmk` answers before any `stmk`.
const DEFAULT_TRACE_MASK: i64 = 306;

/// One standalone server. Everything it does is a consequence of [`Node::step`]'s arguments.
pub struct Node {
    pub(crate) config: NodeConfig,
    pub(crate) now: Now,
    pub(crate) started_ms: u64,
    pub(crate) rng: Rng,
    pub(crate) tree: Tree,
    pub(crate) skip_acl: bool,
    pub(crate) log_limits: Limits,
    pub(crate) sessions: Sessions,
    pub(crate) clients: Clients,
    pub(crate) tokens: TokenBucket,
    pub(crate) pipeline: Pipeline,
    /// The replicated side, unless the server is alone.
    pub(crate) member: Option<Box<Member>>,
    pub(crate) snapshots: Snapshots,
    pub(crate) sweep: Sweep,
    pub(crate) purge: Option<Purge>,
    pub(crate) stats: Stats,
    /// Requests taken and not yet answered; transactions until they are applied.
    pub(crate) in_process: usize,
    /// Bytes of large requests among them.
    pub(crate) large_bytes: usize,
    /// What `stmk` set; nothing is traced by it.
    pub(crate) trace_mask: i64,
    /// Asked to stop: nothing new is taken.
    pub(crate) stopping: bool,
    halted: bool,
}

impl Node {
    /// A server that goes on where the files ended. Sessions that exist get their full timeout from now on.
    pub fn new(config: NodeConfig, recovered: Recovered, seed: u64, now: Now, out: &mut Outputs) -> Node {
        let mut node = Node::start(config, recovered, None, seed, now);
        let now_ms = node.now_ms();
        for (&id, &timeout_ms) in node.tree.sessions() {
            node.sessions.restore(id, timeout_ms, now_ms);
        }
        node.end_dead_sessions(out);
        out.wake_at_us = Some(now.mono_us);
        node
    }

    /// A member of an ensemble, which begins to look for a leader.
    pub fn join(
        config: NodeConfig,
        membership: Membership,
        recovered: Recovered,
        seed: u64,
        now: Now,
        out: &mut Outputs,
    ) -> Node {
        let mut node = Node::start(config, recovered, Some(membership), seed, now);
        node.write_config_node();
        out.wake_at_us = Some(now.mono_us);
        node
    }

    fn start(
        config: NodeConfig,
        recovered: Recovered,
        membership: Option<Membership>,
        seed: u64,
        now: Now,
    ) -> Node {
        let last = recovered.end_of_history();
        let Recovered { tree, log, replayed, milestones, recent, .. } = recovered;
        let mut rng = Rng::new(seed);
        let now_ms = now.mono_us / 1000;
        let tick_ms = config.tick_time_ms.max(1) as u64;
        let sessions = Sessions::new(config.server_id, tick_ms, now.wall_ms, rng.next());
        let idle_bucket_ms = config.connections.sessionless_timeout_ms;
        let member =
            membership.map(|membership| Box::new(Member::new(membership, last, recent, now.mono_us)));
        Node {
            now,
            started_ms: now_ms,
            skip_acl: tree.config().skip_acl,
            log_limits: Limits { field_max: i32::MAX as usize },
            sessions,
            clients: Clients::new(idle_bucket_ms, rng.next()),
            tokens: TokenBucket::new(config.connections.throttle.clone(), now_ms),
            pipeline: Pipeline::new(log, config.batch.clone(), tree.last_zxid(), Rng::new(rng.next())),
            snapshots: Snapshots::new(config.store.clone()),
            sweep: Sweep::new(&config.sweep, now_ms),
            purge: config.purge.as_ref().map(|purge| Purge::new(purge, now_ms)),
            stats: Stats::new(replayed, &milestones),
            in_process: 0,
            large_bytes: 0,
            trace_mask: DEFAULT_TRACE_MASK,
            stopping: false,
            halted: false,
            rng,
            tree,
            config,
            member,
        }
    }

    /// Ephemeral nodes whose session is not there any more go with a transaction of their own, so that the log tells the
    /// whole story. (Apache removes them from memory alone.)
    pub(crate) fn end_dead_sessions(&mut self, out: &mut Outputs) {
        let owners = self.tree.ephemeral_owners();
        let dead: Vec<SessionId> = owners.filter(|owner| !self.tree.sessions().contains_key(owner)).collect();
        for session in dead {
            self.note_warn(out, || format!("Removing ephemeral nodes of session {session}, which is gone"));
            let context = PrepContext { session, ..self.own_context() };
            let record = self.pipeline.projection.prepare_close_session(&self.tree, &context);
            self.pipeline.append(&record, None, self.now.mono_us);
        }
    }

    /// Takes one input and appends to `out` what it leads to. Most of it is put off to [`Input::Flush`]. After a
    /// [`Outputs::halt`] nothing happens any more.
    pub fn step(&mut self, now: Now, input: Input<'_>, out: &mut Outputs) {
        if self.halted {
            return;
        }
        assert!(now.mono_us >= self.now.mono_us, "the monotonic clock does not go back");
        self.now = now;
        match input {
            Input::Tick => {}
            Input::Accepted { conn, peer } => self.accepted(conn, peer, out),
            Input::Received { conn, bytes } => self.received(conn, bytes, out),
            Input::Written { conn, pending } => self.written(conn, pending),
            Input::Disconnected { conn } => self.disconnected(conn, out),
            Input::DiskDone { ticket, result } => self.disk_done(ticket, result, out),
            Input::Peer(input) => self.peer_input(input),
            Input::Recovered(result) => self.recovered(result, out),
            Input::History { learner, slice } => self.history_read(learner, slice),
            Input::Admin(wish) => self.admin(wish),
            Input::Flush => self.flush(out),
        }
    }

    /// The settings.
    pub fn config(&self) -> &NodeConfig {
        &self.config
    }

    /// The mask of `gtmk` and `stmk`.
    pub fn trace_mask(&self) -> i64 {
        self.trace_mask
    }

    /// The applied state.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The end of a round, in an order that matters: what is durable is applied before anything new is read from clients,
    /// and the log batch is formed last, with all there is.
    fn flush(&mut self, out: &mut Outputs) {
        self.apply_durable(out);
        self.tick_peer();
        self.carry_out(out);
        self.start_read_only(out);
        self.expire_sessions(out);
        self.close_silent_connections(out);
        self.sweep(out);
        self.resume_stalled(out);
        self.snapshot(out);
        self.purge(out);
        self.carry_out(out);
        self.pipeline.flush(self.now.mono_us, out, &mut self.stats.metrics);
        if self.line_is_idle() {
            self.pipeline.tidy(self.now.mono_us, out);
        }
        self.stop_if_done(out);
        self.stats.sent += self.clients.hand_over(out);
        self.stats.metrics.watch_bytes += std::mem::take(&mut self.clients.event_bytes);
        out.wake_at_us = self.wake_at_us();
    }

    fn wake_at_us(&mut self) -> Option<u64> {
        let us = |ms: u64| ms * 1000;
        [
            self.sessions.next_check_ms().map(us),
            self.member.as_ref().and_then(|member| member.wake_at_us(self.now.mono_us)),
            self.read_only_at_us(),
            self.clients.idle.next_ms().map(us),
            self.sweep.next_ms().filter(|_| self.leads()).map(us),
            self.purge.as_ref().map(|purge| us(purge.next_ms())),
            self.pipeline.flush_at_us(),
            self.pipeline.tidy_at_us().filter(|_| self.line_is_idle()),
            self.can_make_snapshot().then_some(self.now.mono_us),
            self.can_resume().then_some(self.now.mono_us),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn accepted(&mut self, id: ConnId, peer: SocketAddr, out: &mut Outputs) {
        let limits = &self.config.connections;
        let crowded = limits.total_max > 0 && self.clients.count() >= limits.total_max;
        let many = limits.per_address_max > 0 && self.clients.count_from(peer.ip()) >= limits.per_address_max;
        if self.stopping || crowded || many {
            self.stats.metrics.connection_rejected += 1;
            if many {
                let (ip, max) = (peer.ip(), self.config.connections.per_address_max);
                self.note_warn(out, || format!("Too many connections from /{ip} - max is {max}"));
            } else if crowded {
                let max = limits.total_max;
                self.note_warn(out, || format!("Too many connections max allowed is {max}"));
            }
            return self.clients.refuse(id);
        }
        let idle_ms = limits.sessionless_timeout_ms;
        let conn = Connection::new(id, peer, tree::auth::ip_id(peer.ip()), self.now.wall_ms);
        self.clients.insert(Box::new(conn), self.now.mono_us / 1000, idle_ms);
    }

    fn written(&mut self, id: ConnId, pending: usize) {
        if let Some(slot) = self.clients.find(id) {
            self.clients.at_mut(slot).unsent = pending;
            self.touch_idle(slot);
        }
    }

    fn disconnected(&mut self, id: ConnId, out: &mut Outputs) {
        if let Some(slot) = self.clients.find(id) {
            let conn = self.clients.at(slot);
            if let (Phase::Open { .. }, peer, Some(session)) = (conn.phase, conn.peer, conn.session) {
                let session = self.sessions.at(session).id;
                self.note_info(out, || {
                    format!(
                        "Unable to read additional data from client, it probably closed the socket: \
                         address = /{peer}, session = {session}"
                    )
                });
            }
            self.let_go(slot);
            self.clients.remove(slot);
        }
    }

    /// Closes a connection once its output is written. Its session goes on; its transactions are carried out.
    pub(crate) fn close(&mut self, slot: u32) {
        self.let_go(slot);
        self.clients.close(slot);
    }

    /// Drops what a connection waits for and its hold on its session.
    fn let_go(&mut self, slot: u32) {
        let conn = self.clients.at_mut(slot);
        for waiting in std::mem::take(&mut conn.waiting) {
            let request = match waiting {
                Waiting::Write { request, .. } => request,
                Waiting::Read { request, .. }
                | Waiting::Sync { request, .. }
                | Waiting::Ready { request, .. } => {
                    self.in_process -= 1;
                    request
                }
            };
            self.large_bytes -= request.large_bytes;
        }
        conn.waiting_bytes = 0;
        conn.outstanding = 0;
        if let Some(session) = conn.session.take() {
            let bound = &mut self.sessions.at_mut(session).conn;
            if *bound == Some(slot) {
                *bound = None;
                self.forget_unbound_session(session);
            }
        }
    }

    /// I/O on a connection proves that somebody is there. A connection without a session is not saved by it: it must ask
    /// for one in time.
    pub(crate) fn touch_idle(&mut self, slot: u32) {
        let now_ms = self.now.mono_us / 1000;
        self.clients.touch_idle(slot, now_ms);
    }

    fn disk_done(&mut self, ticket: Ticket, result: Result<(), DiskError>, out: &mut Outputs) {
        if self.snapshots.is_flying(ticket) {
            return self.snapshot_written(ticket, result, out);
        }
        if self.is_in_line(ticket) {
            return self.line_done(result, out);
        }
        if self.pipeline.lane.take_tidied(ticket) {
            if let Err(error) = result {
                self.halt(Halt::Disk(error), out);
            }
            return;
        }
        assert!(self.pipeline.is_flying(ticket), "only a batch under way can end");
        match self.pipeline.completed(result, self.now.mono_us) {
            Ok(took_us) => {
                self.stats.metrics.fsynctime.add(took_us / 1000);
                self.pipeline.flush(self.now.mono_us, out, &mut self.stats.metrics);
            }
            Err(error) => {
                self.stats.metrics.unrecoverable_error_count += 1;
                self.halt(Halt::Disk(error), out);
            }
        }
    }

    fn admin(&mut self, wish: Admin) {
        match wish {
            Admin::ResetServerStats => {
                self.stats.reset();
                self.clients.sizes = ResponseSizes::default();
                self.member.iter_mut().for_each(|member| member.course.reset_proposals());
            }
            Admin::ResetConnectionStats => self.clients.iter_mut().for_each(|conn| conn.figures.reset()),
            Admin::WordAnswered { buffers } => self.stats.sent += buffers,
            Admin::Loaded { took_ms } => self.stats.metrics.dbinittime.add(took_ms),
            Admin::TakeSnapshot => self.snapshots.wanted = true,
            Admin::Shutdown => self.stopping = true,
        }
    }

    fn stop_if_done(&mut self, out: &mut Outputs) {
        let line_is_done = self.line_is_idle() || self.pipeline.lane.is_finished();
        let busy = !self.pipeline.is_idle() || !line_is_done;
        if !self.stopping || busy || self.pipeline.lane.finish(out) {
            return;
        }
        let slots: Vec<u32> = self.clients.iter().map(|conn| conn.id.slot()).collect();
        for slot in slots {
            self.close(slot);
        }
        self.halt(Halt::Stopped, out);
    }

    fn line_is_idle(&self) -> bool {
        self.member.as_ref().is_none_or(|member| member.is_idle())
    }

    pub(crate) fn halt(&mut self, why: Halt, out: &mut Outputs) {
        self.halted = true;
        out.halt = Some(why);
    }

    /// Sessions whose time is over end with a transaction, like those that are closed.
    fn expire_sessions(&mut self, out: &mut Outputs) {
        if self.stopping || self.sessions.next_check_ms().is_none_or(|at| at > self.now_ms()) {
            return;
        }
        for slot in self.sessions.expired(self.now_ms()) {
            let local = self.sessions.at(slot).is_local();
            // Only the leader knows of everybody who speaks for a session that others know.
            if !local && !self.leads() {
                continue;
            }
            let session = self.sessions.at_mut(slot);
            session.phase = SessionPhase::Closing;
            let (id, timeout_ms) = (session.id, session.timeout_ms);
            self.stats.metrics.stale_sessions_expired += 1;
            self.note_info(out, || format!("Expiring session {id}, timeout of {timeout_ms}ms exceeded"));
            if local {
                self.forget_session(id);
                continue;
            }
            let context = PrepContext { session: id, ..self.own_context() };
            let record = self.pipeline.projection.prepare_close_session(&self.tree, &context);
            self.pipeline.append(&record, None, self.now.mono_us);
        }
    }

    /// For transactions that no client asked for.
    pub(crate) fn own_context(&self) -> PrepContext<'static> {
        PrepContext {
            session: SessionId(0),
            session_state: SessionState::Valid,
            cxid: 0,
            zxid: self.pipeline.next_zxid(),
            time_ms: self.now.wall_ms,
            credentials: &[],
        }
    }

    fn close_silent_connections(&mut self, out: &mut Outputs) {
        if self.clients.idle.next_ms().is_none_or(|at| at > self.now_ms()) {
            return;
        }
        for slot in self.clients.silent(self.now.mono_us / 1000) {
            let conn = self.clients.at(slot);
            if conn.phase == Phase::Fresh {
                self.stats.metrics.sessionless_connections_expired += 1;
            }
            let peer = conn.peer;
            self.note_info(out, || format!("Closing connection of /{peer}: nothing heard in time"));
            self.close(slot);
        }
    }

    /// Goes on with connections whose reason to wait is gone.
    fn resume_stalled(&mut self, out: &mut Outputs) {
        if self.clients.stalled.is_empty() {
            return;
        }
        for id in std::mem::take(&mut self.clients.stalled) {
            let Some(slot) = self.clients.find(id) else { continue };
            if !matches!(self.clients.at(slot).phase, Phase::Open { .. }) {
                continue;
            }
            if self.must_wait(slot) {
                self.clients.stalled.push(id);
                continue;
            }
            self.clients.unstall(slot);
            self.take_buffered(slot, out);
        }
    }

    /// Has handing over the output already removed somebody's reason to wait? The shell only reports what it could not
    /// write at once.
    fn can_resume(&mut self) -> bool {
        let stalled: Vec<u32> = self.clients.stalled.iter().filter_map(|id| self.clients.find(*id)).collect();
        stalled
            .into_iter()
            .any(|slot| matches!(self.clients.at(slot).phase, Phase::Open { .. }) && !self.must_wait(slot))
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.now.mono_us / 1000
    }

    pub(crate) fn note_debug(&self, out: &mut Outputs, text: impl FnOnce() -> String) {
        out.notes.push(Note { level: NoteLevel::Debug, text: text() });
    }

    pub(crate) fn note_info(&self, out: &mut Outputs, text: impl FnOnce() -> String) {
        out.notes.push(Note { level: NoteLevel::Info, text: text() });
    }

    pub(crate) fn note_warn(&self, out: &mut Outputs, text: impl FnOnce() -> String) {
        out.notes.push(Note { level: NoteLevel::Warn, text: text() });
    }
}
