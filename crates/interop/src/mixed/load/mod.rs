//! Clients that work while servers come and go, and what they can claim afterwards.
//!
//! Each worker is a thread with sessions of its own and is the only one that writes below its path, so it knows what has to be
//! there: what was acknowledged, and of what was not answered either all or nothing.

mod counter;
mod holder;
mod mover;
mod sequence;
mod watcher;
mod writer;

use super::claims::Claim;
use client::{Error, Options, Servers, Session, SessionEvent};
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use wire::{Acl, CreateMode, OpCode, Request};

/// Longer than any server is away.
const SESSION_MS: i32 = 30_000;
/// Between two requests of a worker: the logs stay small enough to be read afterwards.
const PAUSE: Duration = Duration::from_millis(4);

/// The workers, under way.
pub(crate) struct Load {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<Vec<Claim>>>,
}

/// What has been done.
#[derive(Clone, Default, Debug)]
pub(crate) struct Done {
    /// Acknowledged writes.
    pub(crate) writes: u64,
    /// Watches that were set and fired.
    pub(crate) watches: u64,
    /// Moves of a session to another server.
    pub(crate) moves: u64,
    /// What was done to servers meanwhile, the beginning first.
    pub(crate) acts: Vec<Act>,
}

/// Something that was done to a server, and what the clients felt of it until the next act.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    pub(crate) what: String,
    /// Did it take the leader away?
    pub(crate) leaderless: bool,
    /// The longest time in which no write was acknowledged.
    pub(crate) gap: Duration,
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms {}", self.gap.as_millis(), self.what)
    }
}

impl Done {
    /// Another load's, behind this one's.
    pub(crate) fn add(&mut self, other: Done) {
        self.writes += other.writes;
        self.watches += other.watches;
        self.moves += other.moves;
        self.acts.extend(other.acts);
    }
}

/// What the workers have in common.
#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// The first thing that should not have happened.
    trouble: Mutex<Option<String>>,
    writes: AtomicU64,
    watches: AtomicU64,
    moves: AtomicU64,
    pace: Mutex<Pace>,
}

/// When writes are acknowledged.
#[derive(Default)]
struct Pace {
    last_write: Option<Instant>,
    acts: Vec<Act>,
}

/// What a worker gets.
#[derive(Clone)]
struct Bench {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    /// In the names of its nodes, so that a second load finds its place free.
    name: String,
}

type Worker = fn(&Bench) -> Result<Vec<Claim>, String>;

const WORKERS: [(&str, Worker); 7] = [
    ("writer", writer::work),
    ("second writer", writer::work),
    ("sequence", sequence::work),
    ("counter", counter::work),
    ("watcher", watcher::work),
    ("mover", mover::work),
    ("holder", holder::work),
];

impl Load {
    /// Starts the workers, each of which knows all servers; `round` tells this load from earlier ones.
    pub(crate) fn start(addresses: &[SocketAddr], round: usize) -> Result<Load, String> {
        let shared = Arc::new(Shared::default());
        shared.pace().acts.push(Act {
            what: "in the beginning".to_owned(),
            leaderless: false,
            gap: Duration::ZERO,
        });
        let mut workers = Vec::new();
        for (index, (what, work)) in WORKERS.into_iter().enumerate() {
            let mut addresses = addresses.to_vec();
            let first = index % addresses.len();
            addresses.rotate_left(first);
            let bench = Bench { shared: Arc::clone(&shared), addresses, name: format!("w{round}-{index}") };
            let run = move || {
                work(&bench).unwrap_or_else(|error| {
                    bench.shared.fail(format!("{what}: {error}"));
                    Vec::new()
                })
            };
            let thread = thread::Builder::new().name(what.to_owned()).spawn(run);
            workers.push(thread.map_err(|error| format!("cannot start a thread: {error}"))?);
        }
        Ok(Load { shared, workers })
    }

    /// From here on the clients feel this.
    pub(crate) fn note(&self, what: String, leaderless: bool) {
        self.shared.pace().acts.push(Act { what, leaderless, gap: Duration::ZERO });
    }

    /// Has nothing gone wrong so far?
    pub(crate) fn check(&self) -> Result<(), String> {
        match &*self.shared.trouble() {
            Some(trouble) => Err(trouble.clone()),
            None => Ok(()),
        }
    }

    /// Lets it work for a while.
    pub(crate) fn go_on(&self, time: Duration) -> Result<(), String> {
        thread::sleep(time);
        self.check()
    }

    /// Ends it: what was done, and what has to be there. Sessions end with their ephemerals, unless a claim says otherwise.
    pub(crate) fn stop(self) -> Result<(Done, Vec<Claim>), String> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let mut claims = Vec::new();
        for worker in self.workers {
            claims.extend(worker.join().map_err(|_| "a worker has panicked".to_owned())?);
        }
        if let Some(trouble) = self.shared.trouble().take() {
            return Err(trouble);
        }
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Shared { writes, watches, moves, pace, .. } = &*self.shared;
        let acts = std::mem::take(&mut pace.lock().unwrap_or_else(PoisonError::into_inner).acts);
        Ok((Done { writes: get(writes), watches: get(watches), moves: get(moves), acts }, claims))
    }
}

impl Shared {
    fn trouble(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, what: String) {
        self.trouble().get_or_insert(what);
    }

    fn goes_on(&self) -> bool {
        thread::sleep(PAUSE);
        !self.stop.load(Ordering::Relaxed)
    }

    /// A write was acknowledged.
    fn wrote(&self) {
        self.writes.fetch_add(1, Ordering::Relaxed);
        let mut pace = self.pace();
        let last = pace.last_write.replace(Instant::now());
        if let (Some(last), Some(act)) = (last, pace.acts.last_mut()) {
            act.gap = act.gap.max(last.elapsed());
        }
    }

    fn pace(&self) -> std::sync::MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bench {
    /// A session that must not expire. Events go to `on_event`.
    fn session(&self, mut on_event: impl FnMut(SessionEvent) + Send + 'static) -> Result<Session, String> {
        let text: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        let servers: Servers = text.join(",").parse().map_err(said)?;
        let shared = Arc::clone(&self.shared);
        Session::open(&servers, &options(), move |event| {
            if event == SessionEvent::Expired {
                shared.fail("a session expired".to_owned());
            }
            on_event(event);
        })
        .map_err(said)
    }

    /// Where a worker's nodes are.
    fn path(&self, rest: &str) -> String {
        format!("/{}{rest}", self.name)
    }

    /// Makes a node; it may be there already if an earlier attempt was not answered.
    fn make(&self, session: &Session, path: &str, data: &[u8]) -> Result<(), String> {
        let again = |error: &Error| error.code() == Some(wire::ErrorCode::NodeExists);
        loop {
            match session.call(&create(path, data, CreateMode::Persistent)).and_then(|reply| reply.check()) {
                Ok(()) => return Ok(()),
                Err(error) if again(&error) => return Ok(()),
                Err(error) => unanswered(error)?,
            }
        }
    }
}

fn options() -> Options {
    let request_timeout = Duration::from_secs(20);
    Options { session_timeout_ms: SESSION_MS, request_timeout, ..Options::default() }
}

/// A connection that broke or a server that says nothing is in the nature of things; a refusal is not.
fn unanswered(error: Error) -> Result<(), String> {
    match error {
        Error::Server(_) | Error::UnknownCode(_) | Error::SessionExpired | Error::Protocol(_) => {
            Err(error.to_string())
        }
        _ => Ok(()),
    }
}

fn said(error: Error) -> String {
    error.to_string()
}

fn create<'a>(path: &'a str, data: &'a [u8], mode: CreateMode) -> Request<'a> {
    Request::Create {
        op: OpCode::Create,
        path: Some(path.into()),
        data: Some(data.into()),
        acl: Some(vec![Acl::open()]),
        flags: mode.flags(),
        ttl: -1,
    }
}

fn set<'a>(path: &'a str, data: &'a [u8], version: i32) -> Request<'a> {
    Request::SetData { path: Some(path.into()), data: Some(data.into()), version }
}
