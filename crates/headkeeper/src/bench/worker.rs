//! One thread of the load: an event loop over its connections.

use super::args::{Kind, Plan};
use super::prepare::{self, Nodes};
use super::stop::Stop;
use client::Connection;
use hdrhistogram::Histogram;
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use wire::{Acl, Decode, Encode, OpCode, PING_XID, Reader, ReplyHeader, Request, RequestHeader, Writer};

const READ_BYTES: usize = 64 << 10;
/// Longer answers than this are a mistake.
const FRAME_BYTES_MAX: usize = 256 << 20;
/// How long after the end answers are awaited.
const DRAIN: Duration = Duration::from_secs(10);
/// Latencies are kept in ns with three digits, up to ten minutes.
const LATENCY_NS_MAX: u64 = 600_000_000_000;

/// What was measured.
#[derive(Debug, Default)]
pub struct Tally {
    /// Per kind, in [`Kind::ALL`]'s order; `None` where nothing was done.
    pub latency_ns: [Option<Histogram<u64>>; Kind::ALL.len()],
    /// Refusals by code, inside the measured time.
    pub errors: BTreeMap<i32, u64>,
    /// Answers to the connection that got the fewest, and to the one that got the most.
    pub per_connection: Option<(u64, u64)>,
    /// Connections that broke before the end, and the last reason.
    pub lost: usize,
    /// Why the last of them broke.
    pub lost_reason: Option<String>,
}

impl Tally {
    /// Counts an answer.
    pub fn record(&mut self, kind: Kind, latency_ns: u64) {
        self.latency_ns[kind as usize].get_or_insert_with(new_histogram).saturating_record(latency_ns);
    }

    /// Takes in the answers of a connection, or of several.
    fn share(&mut self, fewest: u64, most: u64) {
        let (low, high) = self.per_connection.unwrap_or((u64::MAX, 0));
        self.per_connection = Some((low.min(fewest), high.max(most)));
    }

    /// Adds another thread's figures.
    pub fn add(&mut self, other: Tally) {
        for (mine, theirs) in self.latency_ns.iter_mut().zip(other.latency_ns) {
            match (mine.as_mut(), theirs) {
                (Some(mine), Some(theirs)) => mine.add(&theirs).expect("the same bounds in all threads"),
                (None, theirs) => *mine = theirs,
                (Some(_), None) => {}
            }
        }
        for (code, count) in other.errors {
            *self.errors.entry(code).or_default() += count;
        }
        other.per_connection.into_iter().for_each(|(fewest, most)| self.share(fewest, most));
        self.lost += other.lost;
        self.lost_reason = other.lost_reason.or(self.lost_reason.take());
    }
}

/// An empty histogram of latencies.
pub fn new_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3).expect("constant bounds")
}

/// What all connections of a thread share.
struct Shared {
    nodes: Arc<Nodes>,
    data: Vec<u8>,
    /// Kinds with their weights summed up.
    choices: Vec<(Kind, u32)>,
    acl: Vec<Acl<'static>>,
    depth: usize,
    /// ns between two requests of a connection, when paced.
    pace_ns: Option<u64>,
    ping_after_ns: u64,
    path: String,
    random: u64,
}

impl Shared {
    fn random(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        // The high half of a product: no division in the hot path.
        ((u128::from(self.random) * u128::from(below)) >> 64) as u64
    }

    fn kind(&mut self) -> Kind {
        let total = self.choices.last().map_or(1, |(_, sum)| *sum);
        let pick = self.random(u64::from(total)) as u32;
        self.choices.iter().find(|(_, sum)| pick < *sum).map_or(Kind::Get, |(kind, _)| *kind)
    }
}

/// A connection's half of the work.
struct Client {
    stream: TcpStream,
    number: usize,
    output: Vec<u8>,
    written: usize,
    input: Vec<u8>,
    start: usize,
    end: usize,
    /// When each request in flight was sent (or due), in ns since the start, and what it is. Pings by the tool itself are not here.
    in_flight: VecDeque<(u64, Kind)>,
    next_xid: i32,
    /// Own nodes made and deleted so far.
    created: u64,
    deleted: u64,
    due_ns: u64,
    sent_ns: u64,
    /// Answers inside the measured time.
    counted: u64,
    open: bool,
}

/// One thread's connections, connected and idle.
pub struct Worker {
    poll: Poll,
    clients: Vec<Client>,
    shared: Shared,
    done: Arc<AtomicU64>,
    stop: Stop,
}

impl Worker {
    /// Connects the connections `index`, `index + threads`, ...
    pub fn connect(
        plan: &Plan,
        index: usize,
        nodes: Arc<Nodes>,
        done: Arc<AtomicU64>,
        stop: Stop,
    ) -> Result<Worker, String> {
        let poll = Poll::new().map_err(|e| format!("cannot make an event loop: {e}"))?;
        let mut clients = Vec::new();
        for number in (index..plan.connections).step_by(plan.threads).take_while(|_| !stop.is_asked()) {
            let address = plan.addresses[number % plan.addresses.len()];
            let connection = Connection::connect_any(&[address], &prepare::options(plan))
                .map_err(|e| format!("connection {} of {}: {e}", number + 1, plan.connections))?;
            let client = Client::new(number, connection, &poll, Token(clients.len()));
            clients.push(client.map_err(|e| format!("cannot use a connection: {e}"))?);
        }
        let mut sum = 0;
        let choices = plan.mix.iter().map(|(kind, weight)| {
            sum += weight;
            (*kind, sum)
        });
        let shared = Shared {
            nodes,
            data: prepare::payload(plan.size),
            choices: choices.collect(),
            acl: vec![Acl::open()],
            depth: plan.depth,
            pace_ns: plan.rate.map(|rate| (1e9 * plan.connections as f64 / rate) as u64),
            ping_after_ns: plan.session_timeout_ms.max(3000) as u64 / 3 * 1_000_000,
            path: String::new(),
            random: (plan.seed ^ 0x9E37_79B9_7F4A_7C15).wrapping_mul(index as u64 * 2 + 1) | 1,
        };
        Ok(Worker { poll, clients, shared, done, stop })
    }

    /// Runs until `until`, or until asked to stop; what completes between `from` and `until` counts.
    pub fn run(mut self, begin: Instant, from: Instant, until: Instant) -> io::Result<Tally> {
        let ns = |when: Instant| when.saturating_duration_since(begin).as_nanos() as u64;
        let (from_ns, mut until_ns) = (ns(from), ns(until));
        let mut tally = Tally::default();
        let mut events = Events::with_capacity(1024);
        self.start(begin, &mut tally);
        loop {
            let now_ns = ns(Instant::now());
            if self.stop.is_asked() {
                // Answers are still awaited: what is created behind our back could not be removed.
                until_ns = until_ns.min(now_ns);
            }
            if now_ns >= until_ns && (self.all_answered() || now_ns >= until_ns + DRAIN.as_nanos() as u64) {
                self.clients.iter().for_each(|client| tally.share(client.counted, client.counted));
                return Ok(tally);
            }
            let wait = if self.shared.pace_ns.is_some() && now_ns < until_ns {
                self.pace(now_ns, &mut tally)
            } else {
                Duration::from_millis(200)
            };
            match self.poll.poll(&mut events, Some(wait)) {
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            let mut completed = 0;
            for event in &events {
                let client = &mut self.clients[event.token().0];
                if !client.open {
                    continue;
                }
                match client.turn(event, begin, (from_ns, until_ns), &mut self.shared, &mut tally) {
                    Ok(answers) => completed += answers,
                    Err(e) => client.lose(&e, &mut tally),
                }
            }
            self.done.fetch_add(completed, Ordering::Relaxed);
        }
    }

    /// The first requests of every connection; paced connections begin at staggered times.
    fn start(&mut self, begin: Instant, tally: &mut Tally) {
        let now_ns = begin.elapsed().as_nanos() as u64;
        let count = self.clients.len() as u64;
        for (i, client) in self.clients.iter_mut().enumerate() {
            client.due_ns = now_ns + self.shared.pace_ns.unwrap_or(0) * i as u64 / count;
            client.sent_ns = now_ns;
            client.top_up(now_ns, &mut self.shared);
            if let Err(e) = client.write() {
                client.lose(&e, tally);
            }
        }
    }

    /// Sends what is due; returns how long there is nothing to do.
    fn pace(&mut self, now_ns: u64, tally: &mut Tally) -> Duration {
        let mut next_ns = now_ns + 200_000_000;
        for client in self.clients.iter_mut().filter(|client| client.open) {
            client.top_up(now_ns, &mut self.shared);
            if let Err(e) = client.write() {
                client.lose(&e, tally);
            } else if client.in_flight.len() < self.shared.depth {
                next_ns = next_ns.min(client.due_ns);
            }
        }
        Duration::from_nanos(next_ns.saturating_sub(now_ns).max(50_000))
    }

    fn all_answered(&self) -> bool {
        self.clients.iter().all(|client| !client.open || client.in_flight.is_empty())
    }
}

impl Client {
    fn new(number: usize, connection: Connection, poll: &Poll, token: Token) -> io::Result<Client> {
        let (stream, early) = connection.into_socket().into_parts();
        stream.set_read_timeout(None)?;
        stream.set_write_timeout(None)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        let mut input = early;
        let end = input.len();
        input.resize(end + READ_BYTES, 0);
        Ok(Client {
            stream,
            number,
            output: Vec::new(),
            written: 0,
            input,
            start: 0,
            end,
            in_flight: VecDeque::new(),
            next_xid: 1,
            created: 0,
            deleted: 0,
            due_ns: 0,
            sent_ns: 0,
            counted: 0,
            open: true,
        })
    }

    /// Reads all answers that are there, counts them, sends as many new requests. Returns how many answers came.
    fn turn(
        &mut self,
        event: &Event,
        begin: Instant,
        (from_ns, until_ns): (u64, u64),
        shared: &mut Shared,
        tally: &mut Tally,
    ) -> io::Result<u64> {
        let mut answers = 0;
        if event.is_readable() || event.is_read_closed() {
            loop {
                let drained = self.read()?;
                let now_ns = begin.elapsed().as_nanos() as u64;
                answers += self.answers(now_ns, (from_ns..until_ns).contains(&now_ns), tally)?;
                if now_ns < until_ns {
                    self.top_up(now_ns, shared);
                }
                if drained {
                    break;
                }
            }
        }
        self.write()?;
        Ok(answers)
    }

    /// Reads once; true when nothing more is there for now.
    fn read(&mut self) -> io::Result<bool> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.input.len() - self.end < READ_BYTES / 2 {
            self.input.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            if self.input.len() - self.end < READ_BYTES / 2 {
                self.input.resize(self.input.len() * 2, 0);
            }
        }
        let room = self.input.len() - self.end;
        match self.stream.read(&mut self.input[self.end..]) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            // A read that leaves room has emptied the socket: the next byte raises a new event.
            Ok(n) => {
                self.end += n;
                Ok(n < room)
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(true),
            Err(e) if e.kind() == ErrorKind::Interrupted => Ok(false),
            Err(e) => Err(e),
        }
    }

    fn answers(&mut self, now_ns: u64, counts: bool, tally: &mut Tally) -> io::Result<u64> {
        let mut answers = 0;
        while let Some(prefix) = self.input[self.start..self.end].first_chunk::<4>() {
            let length = u32::from_be_bytes(*prefix) as usize;
            let wrong = |what: &str| io::Error::new(ErrorKind::InvalidData, what);
            if length > FRAME_BYTES_MAX {
                return Err(wrong("a frame of unreasonable length"));
            }
            let Some(frame) = self.input[self.start..self.end].get(4..4 + length) else { break };
            let header = ReplyHeader::decode(&mut Reader::new(frame))
                .map_err(|_| wrong("a frame without a header"))?;
            self.start += 4 + length;
            let oldest = self.in_flight.front();
            if header.xid == PING_XID && !oldest.is_some_and(|(_, kind)| *kind == Kind::Ping) {
                continue;
            }
            let Some((sent_ns, kind)) = self.in_flight.pop_front() else {
                return Err(wrong("an answer to nothing"));
            };
            answers += 1;
            if counts {
                self.counted += 1;
                tally.record(kind, now_ns.saturating_sub(sent_ns));
                if header.err != 0 {
                    *tally.errors.entry(header.err).or_default() += 1;
                }
            }
        }
        Ok(answers)
    }

    /// Buffers requests until `depth` are in flight, or until the next one is not due yet.
    fn top_up(&mut self, now_ns: u64, shared: &mut Shared) {
        while self.in_flight.len() < shared.depth {
            let at_ns = match shared.pace_ns {
                None => now_ns,
                Some(_) if self.due_ns > now_ns => break,
                Some(pace) => {
                    self.due_ns += pace;
                    self.due_ns - pace
                }
            };
            let kind = match shared.kind() {
                Kind::Delete if self.deleted == self.created => Kind::Create,
                kind => kind,
            };
            self.in_flight.push_back((at_ns, kind));
            self.put(kind, shared);
            self.sent_ns = now_ns;
        }
        if self.in_flight.is_empty() && now_ns.saturating_sub(self.sent_ns) > shared.ping_after_ns {
            self.put_request(PING_XID, &Request::Ping);
            self.sent_ns = now_ns;
        }
    }

    fn put(&mut self, kind: Kind, shared: &mut Shared) {
        let mut path = std::mem::take(&mut shared.path);
        let xid = if kind == Kind::Ping { PING_XID } else { self.next_xid };
        self.next_xid = if self.next_xid == i32::MAX { 1 } else { self.next_xid + 1 };
        match kind {
            Kind::Create => {
                shared.nodes.own_path(self.number, self.created, &mut path);
                self.created += 1;
            }
            Kind::Delete => {
                shared.nodes.own_path(self.number, self.deleted, &mut path);
                self.deleted += 1;
            }
            Kind::Children => {
                let pick = shared.random(shared.nodes.directories() as u64) as usize;
                shared.nodes.directory(pick, &mut path);
            }
            _ => {
                let pick = shared.random(shared.nodes.count() as u64) as usize;
                shared.nodes.path(pick, &mut path);
            }
        }
        let at = Some(path.as_str().into());
        let data = Some(shared.data.as_slice().into());
        match kind {
            Kind::Get => self.put_request(xid, &Request::GetData { path: at, watch: false }),
            Kind::Set => self.put_request(xid, &Request::SetData { path: at, data, version: -1 }),
            Kind::Exists => self.put_request(xid, &Request::Exists { path: at, watch: false }),
            Kind::Children => self.put_request(xid, &Request::GetChildren { path: at, watch: false }),
            Kind::Delete => self.put_request(xid, &Request::Delete { path: at, version: -1 }),
            Kind::Sync => self.put_request(xid, &Request::Sync { path: at }),
            Kind::Ping => self.put_request(xid, &Request::Ping),
            Kind::Create => {
                let acl = Some(std::mem::take(&mut shared.acl));
                let request = Request::Create { op: OpCode::Create, path: at, data, acl, flags: 0, ttl: -1 };
                self.put_request(xid, &request);
                if let Request::Create { acl: Some(acl), .. } = request {
                    // The list goes back to where it came from: one allocation for all creates.
                    shared.acl = acl.into_iter().map(Acl::into_owned).collect();
                }
            }
        }
        shared.path = path;
    }

    fn put_request(&mut self, xid: i32, request: &Request<'_>) {
        let at = wire::start_frame(&mut self.output);
        let mut w = Writer::new(&mut self.output);
        w.record(&RequestHeader { xid, op: request.op().code() });
        request.encode(&mut w);
        wire::finish_frame(&mut self.output, at);
    }

    /// Writes what is buffered, as far as the socket takes it; the rest goes with the next event.
    fn write(&mut self) -> io::Result<()> {
        while self.written < self.output.len() {
            match self.stream.write(&self.output[self.written..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => self.written += n,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        self.output.clear();
        self.written = 0;
        Ok(())
    }

    fn lose(&mut self, reason: &io::Error, tally: &mut Tally) {
        self.open = false;
        tally.lost += 1;
        tally.lost_reason = Some(match reason.kind() {
            ErrorKind::UnexpectedEof => "the server closed the connection".into(),
            _ => reason.to_string(),
        });
    }
}
