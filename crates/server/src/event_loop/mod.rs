//! The event loop: sockets and the machine on one thread, disks on theirs.
//!
//! A round takes everything that is there (readable bytes of all connections, finished disk batches), lets the machine
//! work on it, hands its disk batch over and then writes every connection that has something queued once. Batches set
//! their own size: the busier the server, the more one system call carries.

mod clients;

use crate::clock::Clock;
use crate::disk::lanes::{Done, Lanes, News};
use crate::machine::Machine;
use crate::net::conn::Phase;
use crate::net::listen::Listener;
use crate::net::peers::{Peers, Turn};
use crate::net::table::Table;
use crate::stop::Stop;
use mio::{Events, Interest, Poll, Token, Waker};
use node::{Admin, ConnId, Halt, Input, NoteLevel, Now, Outputs};
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

/// One read takes at most so much from one connection.
const READ_BUFFER_BYTES: usize = 256 * 1024;
/// Events taken from the kernel at once.
const EVENTS_PER_POLL: usize = 1024;
/// How long the machine may take to finish after it was asked to stop.
const STOP_PATIENCE_US: u64 = 10_000_000;

const WAKER: Token = Token(usize::MAX);
const FIRST_LISTENER: usize = usize::MAX - 16;

/// Where log lines go.
pub type Log = Box<dyn FnMut(NoteLevel, &str) + Send>;

/// The loop's parts before it runs.
pub struct EventLoop {
    poll: Poll,
    waker: Arc<Waker>,
}

impl EventLoop {
    /// The kernel's side of the loop.
    ///
    /// # Errors
    /// When the system gives no event queue.
    pub fn new() -> io::Result<EventLoop> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        Ok(EventLoop { poll, waker })
    }

    /// Wakes the loop from another thread.
    pub fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// Runs the machine until it halts.
    ///
    /// # Errors
    /// When the system refuses to wait for events or to watch the listeners.
    pub fn run<M: Machine>(self, parts: Parts<M>) -> io::Result<Halt> {
        let mut running = Running {
            poll: self.poll,
            now: parts.clock.now(),
            parts,
            table: Table::default(),
            buffer: vec![0; READ_BUFFER_BYTES],
            ready: Vec::new(),
            dirty: Vec::new(),
            ended: Vec::new(),
            flushing: VecDeque::new(),
            lingering: VecDeque::new(),
            wake_at_us: None,
            stop_deadline_us: None,
            accept_trouble_logged_us: None,
            halt: None,
        };
        running.watch_listeners()?;
        running.settle();
        let mut events = Events::with_capacity(EVENTS_PER_POLL);
        while running.halt.is_none() {
            running.round(&mut events)?;
        }
        Ok(running.finish())
    }
}

/// What the loop brings together.
pub struct Parts<M> {
    /// Decides everything.
    pub machine: M,
    /// What the machine's start wanted done, and from then on what every step wants.
    pub out: Outputs,
    /// Bound already; accepting begins now.
    pub listeners: Vec<Listener>,
    /// Woken through [`EventLoop::waker`].
    pub lanes: Lanes,
    /// The other servers, for a member of an ensemble.
    pub peers: Option<Peers>,
    /// The one the machine was started with.
    pub clock: Clock,
    /// How others end the loop.
    pub stop: Stop,
    /// Where lines go.
    pub log: Log,
}

/// Everything the running loop knows.
struct Running<M> {
    poll: Poll,
    parts: Parts<M>,
    now: Now,
    table: Table,
    buffer: Vec<u8>,
    /// Connections to read from in this round (or the next, if they had more than a buffer's worth).
    ready: Vec<ConnId>,
    /// Connections with something to write.
    dirty: Vec<ConnId>,
    /// Connections whose peer is gone, to be looked at once the outputs are carried out.
    ended: Vec<ConnId>,
    /// In order of their deadlines, since each wait has one length.
    flushing: VecDeque<(u64, ConnId)>,
    lingering: VecDeque<(u64, ConnId)>,
    wake_at_us: Option<u64>,
    stop_deadline_us: Option<u64>,
    accept_trouble_logged_us: Option<u64>,
    halt: Option<Halt>,
}

impl<M: Machine> Running<M> {
    fn watch_listeners(&mut self) -> io::Result<()> {
        for (i, listener) in self.parts.listeners.iter_mut().enumerate() {
            let token = Token(FIRST_LISTENER + i);
            self.poll.registry().register(&mut listener.inner, token, Interest::READABLE)?;
            listener.ready = true;
        }
        match &mut self.parts.peers {
            Some(peers) => peers.watch(self.poll.registry()),
            None => Ok(()),
        }
    }

    fn round(&mut self, events: &mut Events) -> io::Result<()> {
        match self.poll.poll(events, self.patience()) {
            Err(e) if e.kind() == ErrorKind::Interrupted => events.clear(),
            other => other?,
        }
        self.now = self.parts.clock.now();
        let mut woken = false;
        for event in events.iter() {
            match event.token() {
                WAKER => woken = true,
                token if Peers::owns(token) => {
                    self.parts.peers.iter_mut().for_each(|peers| peers.event(event))
                }
                Token(t) if t >= FIRST_LISTENER => self.listener_ready(t - FIRST_LISTENER),
                Token(t) => self.connection_event(ConnId(t as u64), event),
            }
        }
        self.accept();
        self.read_ready();
        self.with_peers(|peers, turn| peers.turn(turn));
        if woken {
            self.take_completions();
            self.obey_stop();
        }
        self.run_timers();
        self.settle();
        Ok(())
    }

    /// How long the next wait for events may last.
    fn patience(&self) -> Option<Duration> {
        if !self.ready.is_empty()
            || self.parts.peers.as_ref().is_some_and(Peers::is_eager)
            || self.parts.listeners.iter().any(|l| l.ready && l.blocked_until_us.is_none())
        {
            return Some(Duration::ZERO);
        }
        let timers = [
            self.wake_at_us,
            self.stop_deadline_us,
            self.flushing.front().map(|(at, _)| *at),
            self.lingering.front().map(|(at, _)| *at),
        ];
        let blocked = self.parts.listeners.iter().filter_map(|l| l.blocked_until_us);
        let peers = self.parts.peers.as_ref().and_then(Peers::blocked_until_us);
        let next_us = timers.into_iter().flatten().chain(blocked).chain(peers).min()?;
        let now_us = self.parts.clock.now().mono_us;
        // Rounded up to the kernel's milliseconds: waking early would only mean waking twice.
        Some(Duration::from_millis(next_us.saturating_sub(now_us).div_ceil(1000)))
    }

    // ---- what happened outside

    fn listener_ready(&mut self, index: usize) {
        if let Some(listener) = self.parts.listeners.get_mut(index) {
            listener.ready = true;
        }
    }

    fn take_completions(&mut self) {
        for news in self.parts.lanes.take_news() {
            let input = match news {
                News::Done(Done { ticket, result, slow_sync }) => {
                    if let Some(slow) = slow_sync {
                        (self.parts.log)(NoteLevel::Warn, &slow);
                    }
                    Input::DiskDone { ticket, result }
                }
                News::Recovered(result) => Input::Recovered(result),
                News::History { learner, slice } => Input::History { learner, slice },
                News::Dialled(ended) => {
                    self.with_peers(|peers, turn| peers.dialled(ended, turn));
                    continue;
                }
            };
            self.parts.machine.step(self.now, input, &mut self.parts.out);
        }
        // The next log batch is here already: the disk works on it while the machine answers for this one.
        self.submit_batches();
    }

    fn obey_stop(&mut self) {
        if self.parts.stop.is_asked() && self.stop_deadline_us.is_none() {
            self.stop_deadline_us = Some(self.now.mono_us + STOP_PATIENCE_US);
            self.parts.listeners.clear();
            self.parts.machine.step(self.now, Input::Admin(Admin::Shutdown), &mut self.parts.out);
        }
    }

    fn run_timers(&mut self) {
        let now_us = self.now.mono_us;
        if self.wake_at_us.is_some_and(|at| at <= now_us) {
            self.wake_at_us = None;
            self.parts.machine.step(self.now, Input::Tick, &mut self.parts.out);
        }
        if self.stop_deadline_us.is_some_and(|at| at <= now_us) {
            (self.parts.log)(NoteLevel::Warn, "stopping without waiting any longer for the disk");
            self.halt = Some(Halt::Stopped);
        }
        while self.flushing.front().is_some_and(|(at, _)| *at <= now_us) {
            let (_, id) = self.flushing.pop_front().expect("looked at above");
            if self.table.find(id).is_some_and(|conn| matches!(conn.phase, Phase::Flushing { .. })) {
                self.drop_connection(id);
            }
        }
        while self.lingering.front().is_some_and(|(at, _)| *at <= now_us) {
            let (_, id) = self.lingering.pop_front().expect("looked at above");
            self.remove(id);
        }
    }

    // ---- what the machine wants

    /// Carries outputs out until there are none: carrying out can itself be news for the machine.
    fn settle(&mut self) {
        loop {
            self.parts.machine.step(self.now, Input::Flush, &mut self.parts.out);
            self.carry_out();
            // Other servers first: what they are sent has a way to go before any client gets an answer.
            let peers = self.with_peers(|peers, turn| peers.carry_out(turn)).unwrap_or(false);
            let written = self.write_dirty();
            let gone = self.bury_ended();
            if !(written | gone | peers) || self.halt.is_some() {
                return;
            }
        }
    }

    fn carry_out(&mut self) {
        self.submit_batches();
        for note in self.parts.out.notes.drain(..) {
            (self.parts.log)(note.level, &note.text);
        }
        // Set anew by every Flush.
        self.wake_at_us = self.parts.out.wake_at_us.take();
        if let Some(keep) = self.parts.out.purge.take() {
            self.parts.lanes.purge(keep);
        }
        if let Some(recover) = self.parts.out.recover.take() {
            self.parts.lanes.recover(recover);
        }
        for query in self.parts.out.histories.drain(..) {
            self.parts.lanes.read(query);
        }
        let words = std::mem::take(&mut self.parts.out.words);
        for (id, word) in words {
            let answer = self.parts.machine.word(self.now, id, word, &mut self.parts.out);
            self.send(id, answer);
            self.close(id);
        }
        let mut sends = std::mem::take(&mut self.parts.out.sends);
        for (id, bytes) in sends.drain(..) {
            self.send(id, bytes);
        }
        self.parts.out.sends = sends;
        for id in std::mem::take(&mut self.parts.out.closes) {
            self.close(id);
        }
        for id in std::mem::take(&mut self.parts.out.pauses) {
            if let Some(conn) = self.table.find(id) {
                conn.paused = true;
            }
        }
        for id in std::mem::take(&mut self.parts.out.resumes) {
            self.resume(id);
        }
        if let Some(halt) = self.parts.out.halt.take() {
            self.halt = Some(halt);
        }
    }

    /// Lets the connections to other servers do something, if this is a member of an ensemble.
    fn with_peers<T>(&mut self, work: impl FnOnce(&mut Peers, &mut Turn<'_, M>) -> T) -> Option<T> {
        let peers = self.parts.peers.as_mut()?;
        let mut turn = Turn {
            registry: self.poll.registry(),
            now: self.now,
            machine: &mut self.parts.machine,
            out: &mut self.parts.out,
            buffer: &mut self.buffer,
            log: &mut *self.parts.log,
        };
        Some(work(peers, &mut turn))
    }

    fn submit_batches(&mut self) {
        for batch in self.parts.out.disk.drain(..) {
            self.parts.lanes.submit(batch);
        }
    }

    /// Last bytes out, files closed.
    fn finish(mut self) -> Halt {
        for id in self.table.ids() {
            if let Some(mut conn) = self.table.remove(id) {
                // Best effort: the peer finds its connection closed either way.
                let _ = conn.flush();
                conn.shutdown_write();
            }
        }
        let halt = self.halt.expect("the loop ends with a reason");
        self.parts.lanes.end(matches!(halt, Halt::Stopped));
        halt
    }
}
