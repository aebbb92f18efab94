//! Cases in which servers grow slow: very many sessions, watches, children, and very large data.
//!
//! Each case says what it took on the server it was given; the numbers of the two servers stand side by side in the report.

use super::machine::cpu_seconds;
use super::subject::Server;
use anyhow::{Context, Result, bail, ensure};
use client::{Caller, Connection, Options};
use std::thread;
use std::time::{Duration, Instant};
use wire::{Acl, MultiOp, OpCode, Request, Response, Stat};

const ROOT: &str = "/strain";
/// Connections are opened by so many threads: each handshake waits for a transaction.
const OPENERS: usize = 64;
const CHILDREN: usize = 100_000;
const LISTINGS: usize = 9;
/// What these cases want from the server: sessions that outlast any of them.
pub(super) const SETTINGS: &str = "maxSessionTimeout=600000";
const LONG_TIMEOUT_MS: i32 = 600_000;
/// For sessions that shall expire, but not before all of them are open.
const SHORT_TIMEOUT_MS: i32 = 30_000;
const PATIENCE: Duration = Duration::from_secs(120);
/// The flag of an ephemeral node.
const EPHEMERAL: i32 = 1;

/// What a case took: a name, a number and its unit.
pub(super) type Figure = (String, f64, &'static str);

/// All cases, on a server that holds nothing else.
pub(super) fn run(server: &Server, sessions: usize) -> Result<Vec<Figure>> {
    let mut bystander = connect(server, LONG_TIMEOUT_MS)?;
    create(&mut bystander, ROOT, b"", 0)?;
    let mut figures = Vec::new();
    listing(server, &mut bystander, &mut figures)?;
    crowd(server, &mut bystander, sessions, &mut figures)?;
    expiry(server, &mut bystander, sessions, &mut figures)?;
    Ok(figures)
}

/// A node with very many children, listed by one client while another reads something small.
fn listing(server: &Server, client: &mut Connection, figures: &mut Vec<Figure>) -> Result<()> {
    create(client, "/strain/many", b"", 0)?;
    let names: Vec<String> = (0..CHILDREN).map(|n| format!("/strain/many/n{n:09}")).collect();
    let requests: Vec<Request<'_>> = names
        .chunks(500)
        .map(|batch| Request::Multi { ops: batch.iter().map(|path| create_op(path)).collect() })
        .collect();
    for reply in client.call_all(&requests)? {
        reply.check()?;
    }
    let list = Request::GetChildren { path: Some("/strain/many".into()), watch: false };
    let cpu = cpu_seconds(server.pid())?;
    let mut times_ms = Vec::new();
    for _ in 0..LISTINGS {
        let started = Instant::now();
        let reply = client.call(&list)?;
        times_ms.push(started.elapsed().as_secs_f64() * 1000.0);
        let Response::Children(Some(children)) = reply.response()? else { bail!("no list") };
        ensure!(children.len() == CHILDREN, "{} children are listed", children.len());
    }
    let cpu_ms = (cpu_seconds(server.pid())? - cpu) * 1000.0 / LISTINGS as f64;
    times_ms.sort_by(f64::total_cmp);
    figures.push((format!("list {CHILDREN} children, median"), times_ms[LISTINGS / 2], "ms"));
    figures.push((format!("list {CHILDREN} children, server CPU each"), cpu_ms, "ms"));
    Ok(())
}

/// Many sessions: what they cost when nothing happens, and when one node that all watch changes.
fn crowd(server: &Server, writer: &mut Connection, sessions: usize, figures: &mut Vec<Figure>) -> Result<()> {
    let before = server.rss_bytes()?;
    let started = Instant::now();
    let mut crowd = open(server, sessions, LONG_TIMEOUT_MS)?;
    figures.push((format!("open {sessions} sessions"), started.elapsed().as_secs_f64(), "s"));
    create(writer, "/strain/watched", b"0", 0)?;
    let watch = Request::GetData { path: Some("/strain/watched".into()), watch: true };
    for connection in &mut crowd {
        connection.send(&watch)?;
        connection.flush()?;
    }
    for connection in &mut crowd {
        connection.recv()?.check()?;
    }
    let bytes = server.rss_bytes()?.saturating_sub(before) as f64 / sessions as f64;
    figures.push(("resident per session with one watch".into(), bytes, "bytes"));

    let cpu = cpu_seconds(server.pid())?;
    thread::sleep(Duration::from_secs(5));
    let share = (cpu_seconds(server.pid())? - cpu) / 5.0 * 100.0;
    figures.push((format!("{sessions} idle sessions"), share, "% of a CPU"));

    let cpu = cpu_seconds(server.pid())?;
    let started = Instant::now();
    let set =
        Request::SetData { path: Some("/strain/watched".into()), data: Some(b"1"[..].into()), version: -1 };
    writer.call(&set)?.check()?;
    let answered = started.elapsed();
    for connection in &mut crowd {
        connection.next_notification(PATIENCE)?.context("a watch did not fire")?;
    }
    let fired = started.elapsed();
    let cpu_us = (cpu_seconds(server.pid())? - cpu) * 1e6 / sessions as f64;
    figures.push((format!("{sessions} watches fire, the writer has its answer"), ms(answered), "ms"));
    figures.push((format!("{sessions} watches fire, the last event arrives"), ms(fired), "ms"));
    figures.push(("server CPU per event".into(), cpu_us, "us"));
    Ok(())
}

/// Many sessions that end at once by silence, each with an ephemeral node.
fn expiry(
    server: &Server,
    bystander: &mut Connection,
    sessions: usize,
    figures: &mut Vec<Figure>,
) -> Result<()> {
    create(bystander, "/strain/ephemerals", b"", 0)?;
    let mut crowd = open(server, sessions, SHORT_TIMEOUT_MS)?;
    // The request also makes all of them equally old.
    for (n, connection) in crowd.iter_mut().enumerate() {
        let node = create_request(format!("/strain/ephemerals/n{n}"), b"", EPHEMERAL);
        connection.send(&node)?;
        connection.flush()?;
    }
    for connection in &mut crowd {
        connection.recv()?.check()?;
    }
    drop(crowd);
    let mut left = children(bystander, "/strain/ephemerals")?;
    let (mut began, mut cpu) = (None, 0.0);
    let mut slowest = Duration::ZERO;
    let deadline = Instant::now() + PATIENCE;
    while left > 0 {
        ensure!(Instant::now() < deadline, "{left} sessions did not expire");
        let started = Instant::now();
        let now_left = children(bystander, "/strain/ephemerals")?;
        slowest = slowest.max(started.elapsed());
        if began.is_none() {
            cpu = cpu_seconds(server.pid())?;
        }
        if now_left < left && began.is_none() {
            began = Some(started);
        }
        left = now_left;
        thread::sleep(Duration::from_millis(1));
    }
    let took = began.map_or(Duration::ZERO, |began| began.elapsed());
    let cpu_us = (cpu_seconds(server.pid())? - cpu) * 1e6 / sessions as f64;
    figures.push((format!("{sessions} sessions expire, from the first to the last node"), ms(took), "ms"));
    figures.push(("slowest read of a bystander meanwhile".into(), ms(slowest), "ms"));
    figures.push(("server CPU per expired session".into(), cpu_us, "us"));
    Ok(())
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn connect(server: &Server, timeout_ms: i32) -> Result<Connection> {
    let options = Options {
        session_timeout_ms: timeout_ms,
        connect_timeout: PATIENCE,
        request_timeout: PATIENCE,
        ..Options::default()
    };
    Ok(Connection::connect_any(&[server.address], &options)?)
}

fn open(server: &Server, sessions: usize, timeout_ms: i32) -> Result<Vec<Connection>> {
    let share = |i: usize| sessions / OPENERS + usize::from(i < sessions % OPENERS);
    thread::scope(|scope| {
        let openers: Vec<_> = (0..OPENERS)
            .map(|i| {
                scope.spawn(move || (0..share(i)).map(|_| connect(server, timeout_ms)).collect::<Result<_>>())
            })
            .collect();
        let mut all = Vec::new();
        for opener in openers {
            let opened: Vec<Connection> = opener.join().expect("an opener does not panic")?;
            all.extend(opened);
        }
        Ok(all)
    })
}

fn create(connection: &mut Connection, path: &str, data: &[u8], flags: i32) -> Result<()> {
    connection.call(&create_request(path.to_owned(), data, flags))?.check()?;
    Ok(())
}

fn create_request(path: String, data: &[u8], flags: i32) -> Request<'_> {
    Request::Create {
        op: OpCode::Create,
        path: Some(path.into()),
        data: Some(data.into()),
        acl: Some(vec![Acl::open()]),
        flags,
        ttl: -1,
    }
}

fn create_op(path: &str) -> MultiOp<'_> {
    MultiOp::Create {
        op: OpCode::Create,
        path: Some(path.into()),
        data: Some(b""[..].into()),
        acl: Some(vec![Acl::open()]),
        flags: 0,
        ttl: -1,
    }
}

fn children(connection: &mut Connection, path: &str) -> Result<i32> {
    let reply = connection.call(&Request::Exists { path: Some(path.into()), watch: false })?;
    match reply.response()? {
        Response::Stat(Stat { num_children, .. }) => Ok(num_children),
        other => bail!("{path}: {other:?}"),
    }
}
