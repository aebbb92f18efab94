//! `cargo xtask mixed`: an ensemble of three whose servers are replaced one by one, Apache's by ours and back, while clients
//! write.

use crate::apache;
use crate::differential::binary;
use crate::workspace::target;
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use client::{Error, Options, Servers, Session, SessionEvent, four_letter_word};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};
use wire::{Acl, CreateMode, OpCode, Request, Response};

/// How long a server may take to find its place.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the clients go on between two replacements.
const PAUSE: Duration = Duration::from_secs(2);
const SERVERS: usize = 3;

/// Replaces the servers of a live ensemble.
#[derive(Args)]
pub(crate) struct Mixed {
    /// The first of nine ports: of the clients, then of the servers.
    #[arg(long, default_value_t = 26200)]
    port: u16,
    /// A binary to run instead of building one.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Kill with -9 instead of stopping with SIGTERM.
    #[arg(long)]
    kill: bool,
    /// Rounds: each replaces all three by ours and all three by Apache's.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
}

pub(crate) fn run(arguments: Mixed) -> Result<()> {
    let binary = binary(arguments.binary.clone())?;
    apache::classpath()?;
    let directory = target().join("mixed").join(arguments.port.to_string());
    let _ = fs::remove_dir_all(&directory);
    let mut ensemble = Ensemble { port: arguments.port, directory, binary, children: Vec::new() };
    for place in 0..SERVERS {
        let child = ensemble.start(place, Kind::Apache)?;
        ensemble.children.push(child);
    }
    ensemble.wait_settled()?;
    let clients = Clients::start(&ensemble)?;
    for round in 0..arguments.rounds {
        for kind in [Kind::Headkeeper, Kind::Apache] {
            // The leader last, then first: so each side leads a mixed ensemble and follows in one.
            for place in ensemble.order(kind)? {
                let mode = ensemble.mode(place).unwrap_or_default();
                let started = Instant::now();
                ensemble.stop(place, arguments.kill)?;
                ensemble.children[place] = ensemble.start(place, kind)?;
                ensemble.wait_settled()?;
                println!(
                    "round {round}: server {} was {mode}, is {kind:?} now, leader {}, after {} ms",
                    place + 1,
                    ensemble.leader().map_or(0, |leader| leader + 1),
                    started.elapsed().as_millis()
                );
                sleep(PAUSE);
                clients.check()?;
            }
        }
    }
    clients.finish(&ensemble)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Apache,
    Headkeeper,
}

struct Ensemble {
    port: u16,
    directory: PathBuf,
    binary: PathBuf,
    children: Vec<Child>,
}

impl Ensemble {
    fn client_port(&self, place: usize) -> u16 {
        self.port + place as u16
    }

    fn start(&self, place: usize, kind: Kind) -> Result<Child> {
        let data = self.directory.join((place + 1).to_string());
        fs::create_dir_all(&data)?;
        fs::write(data.join("myid"), format!("{}\n", place + 1))?;
        let port = |base: u16, place: usize| self.port + base + place as u16;
        let mut settings = vec!["initLimit=10".to_owned(), "syncLimit=5".to_owned()];
        settings.extend(
            (0..SERVERS).map(|n| format!("server.{}=127.0.0.1:{}:{}", n + 1, port(3, n), port(6, n))),
        );
        let output = File::options().create(true).append(true).open(data.join("output"))?;
        let mut command = match kind {
            Kind::Apache => apache::server_command(&apache::Start {
                port: self.client_port(place),
                data,
                settings,
                properties: Vec::new(),
                java_flags: vec!["-Xmx512m".to_owned(), "-XX:+UseSerialGC".to_owned()],
            })?,
            Kind::Headkeeper => {
                let file = data.join("zoo.cfg");
                fs::write(&file, apache::configuration_text(&data, self.client_port(place), &settings)?)?;
                let mut command = Command::new(&self.binary);
                command.arg("serve").arg(file);
                command
            }
        };
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        command.spawn().context("cannot start a server")
    }

    fn stop(&mut self, place: usize, kill: bool) -> Result<()> {
        let child = &mut self.children[place];
        if kill {
            child.kill()?;
        } else {
            crate::workspace::run(Command::new("kill").arg(child.id().to_string()))?;
        }
        child.wait()?;
        Ok(())
    }

    /// Everybody but the leader first if ours come, the leader first if Apache's come back.
    fn order(&self, kind: Kind) -> Result<Vec<usize>> {
        let leader = self.leader().context("nobody leads")?;
        let mut order: Vec<usize> = (0..SERVERS).filter(|place| *place != leader).collect();
        match kind {
            Kind::Headkeeper => order.push(leader),
            Kind::Apache => order.insert(0, leader),
        }
        Ok(order)
    }

    fn leader(&self) -> Option<usize> {
        (0..SERVERS).find(|place| self.mode(*place).is_some_and(|mode| mode == "leader"))
    }

    fn mode(&self, place: usize) -> Option<String> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.client_port(place)));
        let answer = four_letter_word(address, "srvr", Duration::from_secs(2)).ok()?;
        answer.lines().find_map(|line| line.strip_prefix("Mode: ")).map(str::to_owned)
    }

    /// One leads, the others follow.
    fn wait_settled(&mut self) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let modes: Vec<Option<String>> = (0..SERVERS).map(|place| self.mode(place)).collect();
            let count = |wanted: &str| modes.iter().flatten().filter(|mode| *mode == wanted).count();
            if count("leader") == 1 && count("follower") == SERVERS - 1 {
                return Ok(());
            }
            for (place, child) in self.children.iter_mut().enumerate() {
                if let Some(status) = child.try_wait()? {
                    bail!("server {} ended: {status}; see {}", place + 1, self.directory.display());
                }
            }
            sleep(Duration::from_millis(50));
        }
        bail!("the servers do not settle; see {}", self.directory.display())
    }
}

impl Drop for Ensemble {
    fn drop(&mut self) {
        for child in &mut self.children {
            // It has ended already if this fails.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What the clients have seen.
#[derive(Default)]
struct Seen {
    stop: AtomicBool,
    expired: AtomicUsize,
    /// Paths whose creation was acknowledged.
    acknowledged: Mutex<BTreeSet<String>>,
    longest_gap_ms: AtomicUsize,
    trouble: Mutex<Option<String>>,
}

struct Clients {
    seen: Arc<Seen>,
    /// Holds an ephemeral node from beginning to end.
    holder: Session,
    writer: thread::JoinHandle<()>,
}

const PARENT: &str = "/mixed";
const HELD: &str = "/held";

impl Clients {
    fn start(ensemble: &Ensemble) -> Result<Clients> {
        let seen = Arc::new(Seen::default());
        let holder = open(ensemble, &seen)?;
        holder.call(&create(PARENT, CreateMode::Persistent))?.check()?;
        holder.call(&create(HELD, CreateMode::Ephemeral))?.check()?;
        let session = open(ensemble, &seen)?;
        let theirs = Arc::clone(&seen);
        let writer = thread::spawn(move || {
            if let Err(error) = write(&session, &theirs) {
                let mut trouble = theirs.trouble.lock().unwrap_or_else(PoisonError::into_inner);
                *trouble = Some(error.to_string());
            }
        });
        Ok(Clients { seen, holder, writer })
    }

    fn check(&self) -> Result<()> {
        let trouble = self.seen.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        ensure!(trouble.is_none(), "the writer failed: {}", trouble.as_deref().unwrap_or_default());
        ensure!(self.seen.expired.load(Ordering::Relaxed) == 0, "a session expired");
        Ok(())
    }

    /// Every server has everything that was acknowledged, and all the same.
    fn finish(self, ensemble: &Ensemble) -> Result<()> {
        self.seen.stop.store(true, Ordering::Relaxed);
        self.check()?;
        let Clients { seen, holder, writer } = self;
        ensure!(writer.join().is_ok(), "the writer panicked");
        let acknowledged = seen.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut first: Option<BTreeSet<String>> = None;
        for place in 0..SERVERS {
            let servers: Servers = format!("127.0.0.1:{}", ensemble.client_port(place)).parse()?;
            let session = Session::open(&servers, &Options::default(), |_| {})?;
            session.call(&Request::Sync { path: Some("/".into()) })?.check()?;
            let names = children(&session, PARENT)?;
            let missing: Vec<_> = acknowledged.difference(&names).collect();
            ensure!(missing.is_empty(), "server {} lacks what was acknowledged: {missing:?}", place + 1);
            let same = first.as_ref().is_none_or(|first| *first == names);
            ensure!(same, "server {} has other children than server 1", place + 1);
            let reply = session.call(&Request::Exists { path: Some(HELD.into()), watch: false })?;
            let Response::Stat(stat) = reply.response()? else { bail!("an odd answer to exists") };
            ensure!(stat.ephemeral_owner == holder.id().0, "the ephemeral node changed hands");
            first = Some(names);
        }
        println!(
            "{} writes acknowledged, all there on every server; longest time without one: {} ms; no session lost",
            acknowledged.len(),
            seen.longest_gap_ms.load(Ordering::Relaxed)
        );
        Ok(())
    }
}

fn open(ensemble: &Ensemble, seen: &Arc<Seen>) -> Result<Session> {
    let addresses: Vec<String> =
        (0..SERVERS).map(|place| format!("127.0.0.1:{}", ensemble.client_port(place))).collect();
    let servers: Servers = addresses.join(",").parse()?;
    let seen = Arc::clone(seen);
    let options = Options { session_timeout_ms: 30_000, ..Options::default() };
    Ok(Session::open(&servers, &options, move |event| {
        if event == SessionEvent::Expired {
            seen.expired.fetch_add(1, Ordering::Relaxed);
        }
    })?)
}

/// Creates one node after the other. What breaks off in the middle may or may not have happened.
fn write(session: &Session, seen: &Seen) -> Result<()> {
    let (mut number, mut last) = (0, Instant::now());
    while !seen.stop.load(Ordering::Relaxed) {
        let name = format!("n{number:08}");
        let result = session.call(&create(&format!("{PARENT}/{name}"), CreateMode::Persistent));
        match result.and_then(|reply| reply.check()) {
            Ok(()) => {
                seen.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
                let gap = last.elapsed().as_millis() as usize;
                seen.longest_gap_ms.fetch_max(gap, Ordering::Relaxed);
                last = Instant::now();
            }
            Err(Error::Server(code)) => bail!("creating {name}: {code:?}"),
            Err(_) => {}
        }
        number += 1;
        sleep(Duration::from_millis(2));
    }
    Ok(())
}

fn children(session: &Session, path: &str) -> Result<BTreeSet<String>> {
    let reply = session.call(&Request::GetChildren { path: Some(path.into()), watch: false })?;
    let Response::Children(Some(names)) = reply.response()? else { bail!("an odd answer to getChildren") };
    Ok(names.into_iter().flatten().map(std::borrow::Cow::into_owned).collect())
}

fn create(path: &str, mode: CreateMode) -> Request<'_> {
    let acl = Some(vec![Acl::open()]);
    Request::Create {
        op: OpCode::Create,
        path: Some(path.into()),
        data: None,
        acl,
        flags: mode.flags(),
        ttl: -1,
    }
}
