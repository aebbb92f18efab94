//! The event loop with a toy machine: sockets, back-pressure, closing, stopping.

use node::{Admin, ConnId, Halt, Input, Now, Outputs};
use server::testing::TempDir;
use server::{
    Clock, DiskCounters, EventLoop, FilesConfig, Lanes, ListenConfig, Listener, Machine, Parts, Stop,
};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use store::{Dir, DiskBatch, DiskOp, FileName, Lane, Ticket};

/// What the toy has seen, for the tests to look at.
#[derive(Default, Debug)]
struct Seen {
    accepted: usize,
    disconnected: Vec<ConnId>,
    received_bytes: usize,
    pending_max: usize,
}

/// Answers each byte: `w` writes to the disk and echoes when that is durable, `q` answers `bye` and closes, `x` closes
/// silently, `b` answers a mebibyte, `p` pauses for 100 ms, `r` is a four-letter word; others are echoed.
struct Toy {
    seen: Arc<Mutex<Seen>>,
    tickets: u64,
    writes: BTreeMap<u64, ConnId>,
    resume_at: Vec<(u64, ConnId)>,
}

impl Machine for Toy {
    fn step(&mut self, now: Now, input: Input<'_>, out: &mut Outputs) {
        let mut seen = self.seen.lock().unwrap();
        match input {
            Input::Accepted { .. } => seen.accepted += 1,
            Input::Received { conn, bytes } => {
                seen.received_bytes += bytes.len();
                drop(seen);
                for byte in bytes {
                    self.obey(now, conn, *byte, out);
                }
            }
            Input::Written { pending, .. } => seen.pending_max = seen.pending_max.max(pending),
            Input::Disconnected { conn } => seen.disconnected.push(conn),
            Input::DiskDone { ticket, result } => {
                result.unwrap();
                out.sends.push((self.writes.remove(&ticket.0).unwrap(), b"w".to_vec()));
            }
            Input::Admin(Admin::Shutdown) => out.halt = Some(Halt::Stopped),
            Input::Admin(_) | Input::Peer(_) | Input::Recovered(_) | Input::History { .. } => {}
            Input::Flush => out.wake_at_us = self.resume_at.iter().map(|(at, _)| *at).min(),
            Input::Tick => {
                let (due, later) = self.resume_at.drain(..).partition(|(at, _)| *at <= now.mono_us);
                self.resume_at = later;
                out.resumes.extend(due.into_iter().map(|(_, conn)| conn));
            }
        }
    }

    fn word(&mut self, _now: Now, _conn: ConnId, word: [u8; 4], _out: &mut Outputs) -> Vec<u8> {
        word.repeat(1000)
    }
}

impl Toy {
    fn obey(&mut self, now: Now, conn: ConnId, byte: u8, out: &mut Outputs) {
        match byte {
            b'w' => {
                self.tickets += 1;
                self.writes.insert(self.tickets, conn);
                let file = FileName::new(Dir::Log, format!("log.{:x}", self.tickets));
                let ops = vec![
                    DiskOp::Create { file: file.clone() },
                    DiskOp::WriteAt { file: file.clone(), offset: 3, bytes: b"data".to_vec() },
                    DiskOp::Sync { file: file.clone() },
                    DiskOp::SyncDir { dir: Dir::Log },
                    DiskOp::Close { file },
                ];
                out.disk.push(DiskBatch { ticket: Ticket(self.tickets), lane: Lane::Log, ops });
            }
            b'q' => {
                out.sends.push((conn, b"bye".to_vec()));
                out.closes.push(conn);
            }
            b'x' => out.closes.push(conn),
            b'b' => out.sends.push((conn, vec![b'b'; 1 << 20])),
            b'p' => {
                out.pauses.push(conn);
                self.resume_at.push((now.mono_us + 100_000, conn));
            }
            b'r' => out.words.push((conn, *b"ruok")),
            other => out.sends.push((conn, vec![other])),
        }
    }
}

struct Running {
    address: SocketAddr,
    stop: Stop,
    thread: JoinHandle<Halt>,
    seen: Arc<Mutex<Seen>>,
    dir: TempDir,
}

impl Running {
    fn start() -> Running {
        let dir = TempDir::new();
        let files = FilesConfig {
            log_dir: dir.path().to_owned(),
            snap_dir: dir.path().to_owned(),
            log_parent_dir: dir.path().to_owned(),
            force_sync: true,
            sync_warning: Duration::from_secs(1),
            counters: Arc::new(DiskCounters::default()),
        };
        let listen =
            ListenConfig { address: "127.0.0.1:0".parse().unwrap(), backlog: 1000, keep_alive: true };
        let listener = Listener::bind(&listen).unwrap();
        let address = listener.address();
        let event_loop = EventLoop::new().unwrap();
        let stop = Stop::new(event_loop.waker());
        let lanes = Lanes::start(&files, event_loop.waker()).unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let toy = Toy { seen: Arc::clone(&seen), tickets: 0, writes: BTreeMap::new(), resume_at: Vec::new() };
        let stopping = stop.clone();
        let thread = std::thread::spawn(move || {
            let log = Box::new(|level, text: &str| eprintln!("{level:?} {text}"));
            let parts = Parts {
                machine: toy,
                out: Outputs::default(),
                listeners: vec![listener],
                lanes,
                peers: None,
                clock: Clock::start(),
                stop: stopping,
                log,
            };
            event_loop.run(parts).unwrap()
        });
        Running { address, stop, thread, seen, dir }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    fn end(self) {
        self.stop.ask().unwrap();
        assert_eq!(self.thread.join().unwrap(), Halt::Stopped);
    }
}

fn ask(stream: &mut TcpStream, request: &[u8], reply_bytes: usize) -> Vec<u8> {
    stream.write_all(request).unwrap();
    let mut reply = vec![0; reply_bytes];
    stream.read_exact(&mut reply).unwrap();
    reply
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !done() {
        assert!(Instant::now() < end, "timed out: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn echoes_and_writes_to_the_disk_before_it_says_so() {
    let server = Running::start();
    let mut client = server.connect();
    assert_eq!(ask(&mut client, b"hello", 5), b"hello");
    assert_eq!(ask(&mut client, b"w", 1), b"w");
    assert_eq!(std::fs::read(server.dir.path().join("log.1")).unwrap(), b"\0\0\0data");
    server.end();
}

#[test]
fn a_close_comes_behind_the_last_bytes_and_is_reported_once() {
    let server = Running::start();
    let mut client = server.connect();
    client.write_all(b"azq").unwrap();
    let mut all = Vec::new();
    client.read_to_end(&mut all).unwrap();
    assert_eq!(all, b"azbye");
    drop(client);
    let mut silent = server.connect();
    silent.write_all(b"x").unwrap();
    assert_eq!(silent.read(&mut [0; 10]).unwrap_or(0), 0);
    drop(silent);
    until("both are reported", || server.seen.lock().unwrap().disconnected.len() >= 2);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(server.seen.lock().unwrap().disconnected.len(), 2);
    server.end();
}

#[test]
fn a_word_is_answered_even_if_the_client_has_shut_down_its_side() {
    let server = Running::start();
    let mut client = server.connect();
    client.write_all(b"ruok\n").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut all = Vec::new();
    client.read_to_end(&mut all).unwrap();
    assert_eq!(all.len(), 4000);
    server.end();
}

#[test]
fn a_paused_connection_is_not_read_and_is_not_forgotten() {
    let server = Running::start();
    let mut client = server.connect();
    assert_eq!(ask(&mut client, b"ap", 1), b"a");
    let started = Instant::now();
    let big = vec![b'z'; 3 << 20];
    let mut reader = client.try_clone().unwrap();
    let echo = std::thread::spawn(move || {
        let mut all = vec![0; 3 << 20];
        reader.read_exact(&mut all).unwrap();
        all
    });
    client.write_all(&big).unwrap();
    assert_eq!(echo.join().unwrap(), big);
    assert!(started.elapsed() >= Duration::from_millis(90));
    server.end();
}

#[test]
fn a_slow_reader_is_reported_and_keeps_nobody_else_waiting() {
    let server = Running::start();
    let mut slow = server.connect();
    slow.write_all(&[b'b'; 64]).unwrap();
    until("its queue is noticed", || server.seen.lock().unwrap().pending_max > 0);
    let mut other = server.connect();
    assert_eq!(ask(&mut other, b"k", 1), b"k");
    let mut all = vec![0; 64 << 20];
    slow.read_exact(&mut all).unwrap();
    assert!(all.iter().all(|b| *b == b'b'));
    assert_eq!(ask(&mut slow, b"k", 1), b"k");
    server.end();
}

#[test]
fn a_slow_reader_gets_all_that_was_sent_before_a_close() {
    let server = Running::start();
    let mut slow = server.connect();
    slow.write_all(b"bbbbbbbbq").unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let mut all = Vec::new();
    slow.read_to_end(&mut all).unwrap();
    assert_eq!(all.len(), (8 << 20) + 3);
    server.end();
}

#[test]
fn thousands_of_connections_come_and_go() {
    let server = Running::start();
    let mut steady = server.connect();
    for round in 0..20 {
        let mut clients: Vec<TcpStream> = (0..200).map(|_| server.connect()).collect();
        for client in &mut clients {
            client.write_all(b"n").unwrap();
        }
        for client in &mut clients[..100] {
            assert_eq!(ask(client, b"", 1), b"n");
        }
        drop(clients);
        assert_eq!(ask(&mut steady, b"s", 1), b"s", "round {round}");
    }
    until("all are gone", || server.seen.lock().unwrap().disconnected.len() == 4000);
    assert_eq!(server.seen.lock().unwrap().accepted, 4001);
    server.end();
}

#[test]
fn a_stop_closes_connections_and_frees_the_port() {
    let server = Running::start();
    let mut client = server.connect();
    assert_eq!(ask(&mut client, b"a", 1), b"a");
    let address = server.address;
    server.end();
    match client.read(&mut [0; 1]) {
        Ok(n) => assert_eq!(n, 0),
        Err(e) => assert_eq!(e.kind(), ErrorKind::ConnectionReset),
    }
    Listener::bind(&ListenConfig { address, backlog: -1, keep_alive: false }).unwrap();
}
