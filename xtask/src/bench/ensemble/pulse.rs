//! A client that writes one thing after the other and remembers when it was answered.

use client::{Connection, Error, Options};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use wire::{Acl, CreateMode, OpCode, Request};

/// Between two attempts to find a server: short beside what is measured.
const RETRY: Duration = Duration::from_millis(1);
/// Rates are taken over so much time.
pub(super) const SLICE: Duration = Duration::from_millis(100);
/// Requests under way of a client that fills the servers.
pub(super) const DEPTH: usize = 16;
/// Znodes made in one transaction.
const BATCH: usize = 1000;

/// The client, at work.
pub(super) struct Pulse {
    stop: Arc<AtomicBool>,
    answered: Arc<Mutex<Vec<Instant>>>,
    thread: JoinHandle<Result<(), String>>,
}

impl Pulse {
    /// Begins to write at the first of the servers, `depth` requests at a time; goes to the next one when it has to, with the
    /// same session.
    pub(super) fn start(servers: &[SocketAddr], depth: usize) -> Result<Pulse, String> {
        let stop = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(Mutex::new(Vec::new()));
        let servers = servers.to_vec();
        let mut connection = connect(&servers, &Options::default())?;
        make(&mut connection, "/pulse")?;
        let (stopped, answers) = (Arc::clone(&stop), Arc::clone(&answered));
        let work = move || {
            while !stopped.load(Ordering::Relaxed) {
                let answered = || answers.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
                match beat(&mut connection, depth, answered) {
                    Ok(()) => {}
                    Err(Error::Server(code)) => return Err(format!("a write was refused: {code:?}")),
                    Err(_) => connection = again(&servers, &connection, &stopped)?,
                }
            }
            connection.close().map_err(|error| error.to_string())
        };
        Ok(Pulse { stop, answered, thread: thread::spawn(work) })
    }

    /// Waits for the first answer after `since`.
    pub(super) fn next_after(&self, since: Instant, patience: Duration) -> Result<Duration, String> {
        while since.elapsed() < patience {
            let last = self.answered.lock().unwrap_or_else(PoisonError::into_inner).last().copied();
            // What was under way at that moment may still be answered.
            if last.is_some_and(|last| last > since) {
                return Ok(self.gap_around(since));
            }
            thread::sleep(RETRY);
        }
        Err(format!("no write was answered for {patience:?}"))
    }

    /// The first answer after `since`, from there.
    fn gap_around(&self, since: Instant) -> Duration {
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let first = answered.iter().find(|at| **at > since).copied().unwrap_or(since);
        first - since
    }

    /// The longest time without an answer from `since` on.
    pub(super) fn longest_gap(&self, since: Instant) -> Duration {
        self.longest_gap_between(since, Instant::now())
    }

    /// The longest time without an answer between these moments.
    pub(super) fn longest_gap_between(&self, since: Instant, until: Instant) -> Duration {
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let between: Vec<Instant> =
            answered.iter().copied().filter(|at| (since..=until).contains(at)).collect();
        between.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(until - since)
    }

    /// How many writes were answered in each whole slice of time between these moments.
    pub(super) fn slices(&self, since: Instant, until: Instant) -> Vec<usize> {
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let slices = (until - since).as_millis() / SLICE.as_millis();
        let mut counts = vec![0; slices as usize];
        for at in answered.iter().filter(|at| **at >= since) {
            let slice = (*at - since).as_millis() / SLICE.as_millis();
            if let Some(count) = counts.get_mut(slice as usize) {
                *count += 1;
            }
        }
        counts
    }

    /// Ends it; the session was kept all the time.
    pub(super) fn end(self) -> Result<(), String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| "the writer has panicked".to_owned())?
    }
}

fn beat(connection: &mut Connection, depth: usize, mut answered: impl FnMut()) -> Result<(), Error> {
    for _ in 0..depth {
        let data = Some(b"beat".as_slice().into());
        connection.send(&Request::SetData { path: Some("/pulse".into()), data, version: -1 })?;
    }
    connection.flush()?;
    for _ in 0..depth {
        connection.recv()?.check()?;
        answered();
    }
    Ok(())
}

/// The same session at another server.
fn again(servers: &[SocketAddr], old: &Connection, stopped: &AtomicBool) -> Result<Connection, String> {
    let session = Some((old.session(), old.password()));
    let options = Options { session, last_zxid_seen: old.last_zxid(), ..patient(Options::default()) };
    while !stopped.load(Ordering::Relaxed) {
        match Connection::connect_any(servers, &options) {
            Ok(mut connection) => {
                connection.continue_from(old);
                return Ok(connection);
            }
            Err(Error::SessionExpired) => return Err("the session expired".to_owned()),
            Err(_) => thread::sleep(RETRY),
        }
    }
    Err("no server was found before the end".to_owned())
}

/// A server that takes a connection and says nothing is left soon.
fn patient(options: Options) -> Options {
    Options { connect_timeout: Duration::from_millis(500), ..options }
}

pub(super) fn connect(servers: &[SocketAddr], options: &Options) -> Result<Connection, String> {
    Connection::connect_any(servers, options).map_err(|error| error.to_string())
}

fn make(connection: &mut Connection, path: &str) -> Result<(), String> {
    match connection.call(&create(path, b"")).and_then(|reply| reply.check()) {
        Err(error) if error.code() != Some(wire::ErrorCode::NodeExists) => Err(error.to_string()),
        _ => Ok(()),
    }
}

/// So many changes of one node, several under way.
pub(super) fn change(connection: &mut Connection, count: usize) -> Result<(), String> {
    make(connection, "/pulse")?;
    for _ in 0..count.div_ceil(BATCH) {
        beat(connection, BATCH, || {}).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// So many znodes of 100 bytes, a thousand in a transaction.
pub(super) fn fill(connection: &mut Connection, count: usize) -> Result<(), String> {
    let data = [b'x'; 100];
    for batch in 0..count.div_ceil(BATCH) {
        let parent = format!("/fill-{batch:06}");
        make(connection, &parent)?;
        let op = |n: usize| wire::MultiOp::Create {
            op: OpCode::Create,
            path: Some(format!("{parent}/n{n:06}").into()),
            data: Some(data.as_slice().into()),
            acl: Some(vec![Acl::open()]),
            flags: CreateMode::Persistent.flags(),
            ttl: -1,
        };
        let request = Request::Multi { ops: (0..BATCH).map(op).collect() };
        connection.call(&request).and_then(|reply| reply.check()).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn create<'a>(path: &'a str, data: &'a [u8]) -> Request<'a> {
    Request::Create {
        op: OpCode::Create,
        path: Some(path.into()),
        data: Some(data.into()),
        acl: Some(vec![Acl::open()]),
        flags: CreateMode::Persistent.flags(),
        ttl: -1,
    }
}
