//! Clients that fill a server: every kind of node and transaction, sessions that stay and one that nobody comes back to.

use crate::patience::{PATIENCE, patient};
use crate::picture::superuser;
use crate::process::Server;
use crate::rng::Rng;
use client::{Connection, Options};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use wire::{Acl, CreateMode, ErrorCode, Id, MultiOp, OpCode, PASSWORD_LEN, Request, Response, SessionId};

/// Longer than a case takes on any machine.
const LONG_MS: i32 = 120_000;
/// For the session whose end is waited for. It, too, outlives a machine that stands still for some seconds.
const SHORT_MS: i32 = 15_000;
/// Requests under way at once.
const DEPTH: usize = 16;
/// Names that nodes get: few, so that requests meet.
const NAMES: u64 = 30;

/// The clients of a directory, whichever server has it.
pub(super) struct Filling {
    rng: Rng,
    /// Makes nodes that stay.
    worker: Client,
    /// Owns ephemeral nodes and comes back.
    owner: Client,
    /// Owns one ephemeral node and does not come back.
    leaver: Client,
    /// When the server last heard of it.
    leaver_heard: Instant,
}

/// A client that keeps its session over its connections.
struct Client {
    connection: Connection,
    session: (SessionId, [u8; PASSWORD_LEN]),
    timeout_ms: i32,
}

impl Client {
    fn new(address: SocketAddr, timeout_ms: i32) -> Result<Client, String> {
        let connection =
            Connection::connect_any(&[address], &patient(timeout_ms)).map_err(|error| error.to_string())?;
        let session = (connection.session(), connection.password());
        Ok(Client { connection, session, timeout_ms })
    }

    fn renew(&mut self, address: SocketAddr) -> Result<(), String> {
        let options = Options { session: Some(self.session), ..patient(self.timeout_ms) };
        self.connection = Connection::connect_any(&[address], &options)
            .map_err(|error| format!("session {} is not taken up: {error}", self.session.0))?;
        Ok(())
    }

    /// Sends requests, a few at a time. The server may refuse what it wants.
    fn ask(&mut self, requests: &[Request<'static>]) -> Result<(), String> {
        for some in requests.chunks(DEPTH) {
            for request in some {
                self.connection.send(request).map_err(|error| error.to_string())?;
            }
            for _ in some {
                self.connection.recv().map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }
}

impl Filling {
    /// With `expires`, the session of the one who does not come back is a short one.
    pub(super) fn new(address: SocketAddr, seed: u64, expires: bool) -> Result<Filling, String> {
        let mut filling = Filling {
            rng: Rng::new(seed),
            worker: Client::new(address, LONG_MS)?,
            owner: Client::new(address, LONG_MS)?,
            leaver: Client::new(address, if expires { SHORT_MS } else { LONG_MS })?,
            leaver_heard: Instant::now(),
        };
        filling.authenticate()?;
        filling.worker.ask(&filling_once())?;
        let ephemeral = CreateMode::Ephemeral;
        filling.owner.ask(&[create("/owned", b"by one who comes back", ephemeral)])?;
        filling.leaver.ask(&[create("/left", b"by one who does not", ephemeral)])?;
        Ok(filling)
    }

    fn authenticate(&mut self) -> Result<(), String> {
        self.worker.connection.authenticate("digest", b"super:test").map_err(|error| error.to_string())
    }

    /// So many requests of all kinds. Everybody has been heard of then.
    pub(super) fn write(&mut self, count: usize) -> Result<(), String> {
        let requests: Vec<Request<'static>> = (0..count).map(|_| self.request()).collect();
        self.worker.ask(&requests)?;
        let ephemeral = create(&format!("/e-{}", self.rng.below(9)), b"e", CreateMode::Ephemeral);
        // After a case's last check only the worker is left.
        let _gone = self.owner.ask(&[ephemeral, create("/s-", b"s", CreateMode::EphemeralSequential)]);
        self.leaver_heard = Instant::now();
        let _gone = self.leaver.ask(&[Request::Ping]);
        Ok(())
    }

    /// All clients come to another server, or to the same one again.
    pub(super) fn renew(&mut self, address: SocketAddr) -> Result<(), String> {
        self.worker.renew(address)?;
        self.authenticate()?;
        self.owner.renew(address)?;
        self.leaver_heard = Instant::now();
        self.leaver.renew(address)
    }

    /// Writes until the server is killed; returns how many of the nodes below `/load` were acknowledged, and asked for.
    pub(super) fn load_until_killed(&mut self, server: Server) -> Result<(u64, u64), String> {
        self.worker.ask(&[create("/load", b"", CreateMode::Persistent)])?;
        let patience = Duration::from_millis(300 + self.rng.below(500) as u64);
        let connection = &mut self.worker.connection;
        std::thread::scope(|scope| {
            let load = scope.spawn(move || load(connection));
            std::thread::sleep(patience);
            drop(server);
            load.join().map_err(|_| "the load has panicked".to_owned())?
        })
    }

    /// What was acknowledged under load is there, nothing is missing before the last one, and nothing was never asked for.
    pub(super) fn check_load(
        &mut self,
        address: SocketAddr,
        (acknowledged, asked): (u64, u64),
    ) -> Result<u64, String> {
        let mut connection = superuser(address)?;
        let request = Request::GetChildren { path: Some("/load".into()), watch: false };
        let reply = connection.call(&request).map_err(|error| error.to_string())?;
        let Ok(Response::Children(Some(names))) = reply.response() else {
            return Err(format!("no children of /load: {:?}", reply.header));
        };
        let numbers = names.iter().flatten().filter_map(|name| name.strip_prefix("n-")?.parse().ok());
        let mut numbers: Vec<u64> = numbers.collect();
        numbers.sort_unstable();
        let count = numbers.len() as u64;
        if numbers != (0..count).collect::<Vec<_>>() || count < acknowledged || count > asked {
            return Err(format!(
                "{acknowledged} of {asked} writes were acknowledged under load, but {count} are there, the last \
                 {:?}",
                numbers.last()
            ));
        }
        connection.close().map_err(|error| error.to_string())?;
        Ok(acknowledged)
    }

    /// The owner's session goes on, and takes its nodes with it when it ends; with `expires`, so does that of the one who
    /// does not come back.
    pub(super) fn check_sessions(&mut self, address: SocketAddr, expires: bool) -> Result<(), String> {
        self.worker.renew(address)?;
        self.authenticate()?;
        self.owner.renew(address)?;
        self.expect("/owned", true)?;
        self.expect("/left", true).map_err(|error| {
            let (silent, timeout) = (self.leaver_heard.elapsed(), self.leaver.timeout_ms);
            format!(
                "{error}, {:.1} s after its owner was last heard of, whose timeout is {timeout} ms",
                silent.as_secs_f64()
            )
        })?;
        self.owner.ask(&[Request::CloseSession])?;
        self.expect("/owned", false)?;
        let end = Instant::now() + Duration::from_millis(SHORT_MS as u64) + PATIENCE;
        while expires && self.is_there("/left")? {
            if Instant::now() > end {
                return Err("a session that nobody comes back to does not expire".to_owned());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    fn expect(&mut self, path: &str, there: bool) -> Result<(), String> {
        if self.is_there(path)? != there {
            return Err(format!("{path} should {}be there", if there { "" } else { "not " }));
        }
        Ok(())
    }

    fn is_there(&mut self, path: &str) -> Result<bool, String> {
        let request = Request::Exists { path: Some(path.to_owned().into()), watch: false };
        let reply = self.worker.connection.call(&request).map_err(|error| error.to_string())?;
        match reply.header.err {
            0 => Ok(true),
            err if err == ErrorCode::NoNode.code() => Ok(false),
            err => Err(format!("exists {path}: {err}")),
        }
    }

    fn request(&mut self) -> Request<'static> {
        let path = self.path();
        let data = self.data();
        match self.rng.below(16) {
            0..5 => create(&path, &data, CreateMode::Persistent),
            5 => create("/q/n-", &data, CreateMode::PersistentSequential),
            6..10 => Request::SetData { path: Some(path.into()), data: Some(data.into()), version: -1 },
            10 => Request::Delete { path: Some(path.into()), version: -1 },
            11 => Request::SetData { path: Some(path.into()), data: None, version: 2 },
            12 => Request::SetAcl { path: Some(path.into()), acl: Some(self.acl()), version: -1 },
            13 => create(&format!("/k{}", self.rng.below(5)), &data, CreateMode::Container),
            14 => create(&format!("/t{}", self.rng.below(5)), &data, CreateMode::PersistentWithTtl),
            _ => Request::Multi { ops: (0..2 + self.rng.below(3)).map(|_| self.part()).collect() },
        }
    }

    fn part(&mut self) -> MultiOp<'static> {
        let path = Some(self.path().into());
        match self.rng.below(6) {
            0..3 => MultiOp::SetData { path, data: Some(self.data().into()), version: -1 },
            3 => MultiOp::Check { path, version: -1 },
            4 => MultiOp::Delete { path, version: -1 },
            _ => {
                let (data, acl, flags) = (Some(self.data().into()), Some(self.acl()), 0);
                MultiOp::Create { op: OpCode::Create, path, data, acl, flags, ttl: -1 }
            }
        }
    }

    fn path(&mut self) -> String {
        let n = self.rng.bits() % NAMES;
        match self.rng.below(3) {
            0 => format!("/p/ü-{n}"),
            1 => format!("/q/{n}"),
            _ => format!("/p/c/{n}"),
        }
    }

    /// Now and then long.
    fn data(&mut self) -> Vec<u8> {
        let len = if self.rng.percent(5) { 5000 } else { 60 };
        let len = self.rng.below(len);
        (0..len).map(|_| self.rng.bits() as u8).collect()
    }

    fn acl(&mut self) -> Vec<Acl<'static>> {
        let digest = Id::new("digest", "alice:aYXlLOpEooaV1cRAvUL1fp9Qt7E=");
        match self.rng.below(3) {
            0 => vec![Acl { perms: 31, id: digest }, Acl { perms: 1, id: Id::new("world", "anyone") }],
            1 => vec![Acl { perms: 31, id: Id::new("ip", "127.0.0.1") }],
            _ => vec![Acl::open()],
        }
    }
}

/// What is there from the beginning, a quota included.
fn filling_once() -> Vec<Request<'static>> {
    let persistent = CreateMode::Persistent;
    [
        ("/p", &b""[..]),
        ("/p/c", b"c"),
        ("/q", b"q"),
        ("/zookeeper/quota/q", b""),
        ("/zookeeper/quota/q/zookeeper_limits", b"count=1000,bytes=100000"),
        ("/zookeeper/quota/q/zookeeper_stats", b"count=0,bytes=0"),
    ]
    .map(|(path, data)| create(path, data, persistent))
    .into()
}

fn create(path: &str, data: &[u8], mode: CreateMode) -> Request<'static> {
    let (op, ttl) = match mode {
        CreateMode::Container => (OpCode::CreateContainer, -1),
        CreateMode::PersistentWithTtl => (OpCode::CreateTtl, 360_000_000),
        _ => (OpCode::Create, -1),
    };
    let (path, data, acl) =
        (Some(path.to_owned().into()), Some(data.to_vec().into()), Some(vec![Acl::open()]));
    Request::Create { op, path, data, acl, flags: mode.flags(), ttl }
}

/// Creates nodes until the connection breaks.
fn load(connection: &mut Connection) -> Result<(u64, u64), String> {
    let (mut acknowledged, mut asked) = (0, 0);
    loop {
        while asked < acknowledged + DEPTH as u64 {
            let request = create(&format!("/load/n-{asked}"), &asked.to_be_bytes(), CreateMode::Persistent);
            asked += 1;
            if connection.send(&request).is_err() {
                return Ok((acknowledged, asked));
            }
        }
        let Ok(reply) = connection.recv() else { return Ok((acknowledged, asked)) };
        reply.check().map_err(|error| format!("a write under load is refused: {error}"))?;
        acknowledged += 1;
    }
}
