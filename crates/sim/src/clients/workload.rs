//! What the application asks for: a seeded stream of requests about few nodes, so that clients meet
//! (reference: simulation §2.7).

use super::paths::{HOT_MAX, path};
use super::watching::Watching;
use super::{User, session::Session};
use crate::Rng;
use std::collections::{BTreeMap, VecDeque};
use wire::{Acl, Buffer, CreateMode, Id, MultiOp, OpCode, Reader, Request, Response, Stat, Ustring, perms};

/// Sequential nodes that a client leaves alone; older ones are deleted.
const SEQUENTIALS_MAX: usize = 6;
/// Versions that a client remembers.
const VERSIONS_MAX: usize = 40;

/// What has a quota now and then.
const QUOTAS: [&str; 3] = ["/zookeeper/quota/a", "/zookeeper/quota/c", "/zookeeper/quota/k"];
const LIMITS: &str = "/zookeeper_limits";
const USAGE: &str = "/zookeeper_stats";

/// The kinds of requests.
const KINDS: [Kind; 22] = [
    Kind::Create,
    Kind::CreateEphemeral,
    Kind::CreateSequential,
    Kind::CreateSpecial,
    Kind::Delete,
    Kind::SetData,
    Kind::SetDataVersion,
    Kind::SetAcl,
    Kind::Multi,
    Kind::GetData,
    Kind::Exists,
    Kind::GetChildren,
    Kind::GetChildren2,
    Kind::GetAcl,
    Kind::GetEphemerals,
    Kind::CountAll,
    Kind::MultiRead,
    Kind::AddWatch,
    Kind::RemoveWatches,
    Kind::Sync,
    Kind::Quota,
    Kind::Usage,
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Create,
    CreateEphemeral,
    CreateSequential,
    CreateSpecial,
    Delete,
    SetData,
    SetDataVersion,
    SetAcl,
    Multi,
    GetData,
    Exists,
    GetChildren,
    GetChildren2,
    GetAcl,
    GetEphemerals,
    CountAll,
    MultiRead,
    AddWatch,
    RemoveWatches,
    Sync,
    Quota,
    Usage,
}

/// The mix of a run, the same for all its clients.
#[derive(Clone, Debug)]
pub struct WorkloadSetup {
    /// About how many nodes everything is: 1 to 20.
    hot: u64,
    /// The largest values.
    value_bytes_max: u64,
    /// Of a hundred reads that can set a watch, how many do.
    watch_percent: u64,
    /// By kind.
    weights: [u64; KINDS.len()],
}

impl WorkloadSetup {
    /// Draws a mix: every run neglects something.
    pub fn draw(rng: &mut Rng) -> WorkloadSetup {
        let weights = std::array::from_fn(|at| match KINDS[at] {
            // Nothing ever happens without nodes.
            Kind::Create => 2 + rng.below(6),
            Kind::Delete | Kind::SetData => 1 + rng.below(5),
            Kind::Sync | Kind::RemoveWatches | Kind::SetAcl | Kind::CountAll => rng.below(2),
            Kind::Quota | Kind::Usage => rng.below(2),
            _ => [0, 1, 2, 4, 6][rng.below(5) as usize],
        });
        WorkloadSetup {
            hot: 1 + rng.below(HOT_MAX),
            value_bytes_max: [16, 200, 3000, 60_000][rng.below(4) as usize],
            watch_percent: [0, 10, 40, 90][rng.below(4) as usize],
            weights,
        }
    }

    /// A bit of everything, so that much is written: few nodes, and no value of more than some sectors.
    pub(crate) fn plain() -> WorkloadSetup {
        let weights = KINDS.map(|kind| match kind {
            Kind::Create | Kind::SetData => 4,
            Kind::Multi => 3,
            _ => 1,
        });
        WorkloadSetup { hot: HOT_MAX, value_bytes_max: 3000, watch_percent: 0, weights }
    }
}

/// The stream of one client.
#[derive(Clone, Debug)]
pub struct Workload {
    setup: WorkloadSetup,
    rng: Rng,
    user: Option<User>,
    /// Every value is written once, so that an old one is noticed.
    next_value: u64,
    name: usize,
    /// Versions as last seen.
    versions: BTreeMap<String, i32>,
    /// Sequential nodes that this client made.
    sequentials: VecDeque<String>,
}

impl Workload {
    /// The stream of the client with the number `name`.
    pub fn new(setup: WorkloadSetup, name: usize, user: Option<User>, rng: Rng) -> Workload {
        Workload {
            setup,
            rng,
            user,
            next_value: 0,
            name,
            versions: BTreeMap::new(),
            sequentials: VecDeque::new(),
        }
    }

    /// The next request.
    pub(crate) fn request(&mut self, session: &Session) -> Request<'static> {
        if self.sequentials.len() > SEQUENTIALS_MAX {
            let path = self.sequentials.pop_front().map(Into::into);
            return Request::Delete { path, version: -1 };
        }
        let kind = self.kind();
        self.write_of(kind).unwrap_or_else(|| self.read(kind, &session.watching))
    }

    /// The next one that is no read.
    pub(crate) fn write(&mut self) -> Request<'static> {
        loop {
            let kind = self.kind();
            if let Some(request) = self.write_of(kind) {
                return request;
            }
        }
    }

    fn write_of(&mut self, kind: Kind) -> Option<Request<'static>> {
        Some(match kind {
            Kind::Create => self.create(OpCode::Create, CreateMode::Persistent, -1),
            Kind::CreateEphemeral => self.create(OpCode::Create2, CreateMode::Ephemeral, -1),
            Kind::CreateSequential => {
                let mode = self.one_of([CreateMode::PersistentSequential, CreateMode::EphemeralSequential]);
                let op = self.one_of([OpCode::Create, OpCode::Create2]);
                self.create(op, mode, -1)
            }
            Kind::CreateSpecial => self.create_special(),
            Kind::Delete => Request::Delete { path: self.path(), version: self.often_any() },
            Kind::SetData => Request::SetData { path: self.path(), data: self.data(), version: -1 },
            Kind::SetDataVersion => self.set_seen_version(),
            Kind::SetAcl => {
                Request::SetAcl { path: self.path(), acl: Some(self.acl()), version: self.often_any() }
            }
            Kind::Multi => self.multi(),
            Kind::Quota => self.quota(),
            _ => return None,
        })
    }

    fn read(&mut self, kind: Kind, watching: &Watching) -> Request<'static> {
        let (path, watch) = (self.path(), self.rng.chance(self.setup.watch_percent));
        match kind {
            Kind::GetData => Request::GetData { path, watch },
            Kind::Exists => Request::Exists { path, watch },
            Kind::GetChildren => Request::GetChildren { path, watch },
            Kind::GetChildren2 => Request::GetChildren2 { path, watch },
            Kind::GetAcl => Request::GetAcl { path },
            Kind::GetEphemerals => Request::GetEphemerals { prefix: self.one_of([path, None]) },
            Kind::CountAll => Request::GetAllChildrenNumber { path },
            Kind::AddWatch => Request::AddWatch { path, mode: self.rng.below(2) as i32 },
            Kind::RemoveWatches => self.remove_watches(watching),
            Kind::Sync => Request::Sync { path },
            Kind::Usage => {
                let path = Some(format!("{}{USAGE}", self.one_of(QUOTAS)).into());
                Request::GetData { path, watch }
            }
            _ => {
                let ops = (0..1 + self.rng.below(5)).map(|_| {
                    let path = self.path();
                    if self.rng.chance(50) {
                        MultiOp::GetData { path }
                    } else {
                        MultiOp::GetChildren { path }
                    }
                });
                Request::MultiRead { ops: ops.collect() }
            }
        }
    }

    /// What answers teach: versions, and the names of sequential nodes.
    pub(crate) fn answered(&mut self, request: &Request<'_>, err: i32, body: &[u8]) {
        if err != 0 {
            return;
        }
        match (request, Response::decode(request.op(), &mut Reader::new(body))) {
            (
                Request::Create { flags, .. },
                Ok(Response::Path(Some(path)) | Response::PathStat(Some(path), _)),
            ) if CreateMode::from_flags(*flags).is_some_and(CreateMode::is_sequential) => {
                self.sequentials.push_back(path.into_owned());
            }
            (Request::GetData { path, .. }, Ok(Response::Data(_, stat))) => self.saw(path, stat),
            (Request::SetData { path, .. } | Request::Exists { path, .. }, Ok(Response::Stat(stat))) => {
                self.saw(path, stat)
            }
            _ => {}
        }
    }

    fn saw(&mut self, path: &Ustring<'_>, stat: Stat) {
        if self.versions.len() >= VERSIONS_MAX {
            self.versions.clear();
        }
        self.versions.extend(path.as_deref().map(|path| (path.to_owned(), stat.version)));
    }

    fn kind(&mut self) -> Kind {
        let mut at = self.rng.below(self.setup.weights.iter().sum());
        for (kind, weight) in KINDS.iter().zip(self.setup.weights) {
            if at < weight {
                return *kind;
            }
            at -= weight;
        }
        Kind::Create
    }

    fn create(&mut self, op: OpCode, mode: CreateMode, ttl: i64) -> Request<'static> {
        let path = match mode.is_sequential() {
            true => self.path().map(|path| format!("{path}/s-").into()),
            false => self.path(),
        };
        let (data, acl) = (self.data(), Some(self.acl()));
        Request::Create { op, path, data, acl, flags: mode.flags(), ttl }
    }

    /// Containers and nodes with a time to live.
    fn create_special(&mut self) -> Request<'static> {
        let ttl = 1 + self.rng.below(60_000) as i64;
        match self.rng.below(4) {
            0 => self.create(OpCode::CreateTtl, CreateMode::PersistentWithTtl, ttl),
            1 => self.create(OpCode::CreateTtl, CreateMode::PersistentSequentialWithTtl, ttl),
            _ => self.create(OpCode::CreateContainer, CreateMode::Container, -1),
        }
    }

    /// With the version that was seen last: as good as a lock.
    fn set_seen_version(&mut self) -> Request<'static> {
        let path = self.path();
        let seen = path.as_deref().and_then(|path| self.versions.get(path)).copied();
        let version = seen.unwrap_or(self.rng.below(3) as i32);
        Request::SetData { path, data: self.data(), version }
    }

    fn multi(&mut self) -> Request<'static> {
        let count = if self.rng.chance(10) { 2 + self.rng.below(19) } else { 2 + self.rng.below(3) };
        let mut ops: Vec<MultiOp<'static>> = (0..count).map(|_| self.part()).collect();
        if self.rng.chance(15) {
            let at = self.rng.below(count) as usize;
            ops[at] = MultiOp::Check { path: Some("/zookeeper/not there".into()), version: -1 };
        }
        Request::Multi { ops }
    }

    fn part(&mut self) -> MultiOp<'static> {
        match self.rng.below(8) {
            0..3 => {
                let mode = self.one_of([
                    CreateMode::Persistent,
                    CreateMode::Ephemeral,
                    CreateMode::PersistentSequential,
                    CreateMode::EphemeralSequential,
                ]);
                let op = self.one_of([OpCode::Create, OpCode::Create2]);
                let path = if mode.is_sequential() {
                    // Deleted again by nobody in particular: so be it within one parent that comes and goes.
                    self.path().map(|path| format!("{path}/m-").into())
                } else {
                    self.path()
                };
                let (data, acl) = (self.data(), Some(self.acl()));
                MultiOp::Create { op, path, data, acl, flags: mode.flags(), ttl: -1 }
            }
            3..6 => MultiOp::SetData { path: self.path(), data: self.data(), version: -1 },
            6 => MultiOp::Check { path: self.path(), version: -1 },
            _ => MultiOp::Delete { path: self.path(), version: -1 },
        }
    }

    /// A quota comes and goes as a whole, and none is below another: then what is counted is what there is, and a server that
    /// has counted anew at a start says the same as the others.
    fn quota(&mut self) -> Request<'static> {
        let subject = self.one_of(QUOTAS);
        let path = |name| Some(format!("{subject}{name}").into());
        let create = |name, data: &'static str| {
            let (data, acl, flags) = (Some(data.as_bytes().into()), Some(vec![Acl::open()]), 0);
            MultiOp::Create { op: OpCode::Create, path: path(name), data, acl, flags, ttl: -1 }
        };
        let delete = |name| MultiOp::Delete { path: path(name), version: -1 };
        let ops = match self.rng.below(3) {
            0 => [USAGE, LIMITS, ""].map(delete),
            _ => [create("", ""), create(LIMITS, "count=5,bytes=-1"), create(USAGE, "count=0,bytes=0")],
        };
        Request::Multi { ops: ops.to_vec() }
    }

    fn remove_watches(&mut self, watching: &Watching) -> Request<'static> {
        let known =
            watching.any(self.rng.next_u64()).map(|(path, kind)| (Some(path.to_owned().into()), kind));
        let (path, kind) = match known {
            Some(known) if self.rng.chance(80) => known,
            _ => (self.path(), 1 + self.rng.below(5) as i32),
        };
        let watch_type = if self.rng.chance(20) { 3 } else { kind };
        match self.rng.below(3) {
            0 => Request::CheckWatches { path, watch_type },
            _ => Request::RemoveWatches { path, watch_type },
        }
    }

    fn path(&mut self) -> Ustring<'static> {
        Some(path(self.rng.below(self.setup.hot)).into())
    }

    /// Mostly -1, which is any version.
    fn often_any(&mut self) -> i32 {
        if self.rng.chance(75) { -1 } else { self.rng.below(3) as i32 }
    }

    fn data(&mut self) -> Buffer<'static> {
        self.next_value += 1;
        let mut data = format!("{}.{}", self.name, self.next_value).into_bytes();
        let more = match self.rng.below(20) {
            0 => self.setup.value_bytes_max,
            1..6 => 40,
            _ => 0,
        };
        data.resize(data.len() + self.rng.below(more + 1) as usize, b'.');
        if self.rng.below(20) == 0 { None } else { Some(data.into()) }
    }

    /// Mostly open. Somebody always has all permissions, so that no node is closed for ever.
    fn acl(&mut self) -> Vec<Acl<'static>> {
        let user = self.user.unwrap_or(User::Alice).id();
        let master = Acl { perms: perms::ALL, id: user };
        match self.rng.below(20) {
            0 => vec![master, Acl::new(perms::ALL & !(1 << self.rng.below(5)), "world", "anyone")],
            1 if self.user.is_some() => vec![Acl { perms: perms::ALL, id: Id::new("auth", "") }, Acl::open()],
            2 => vec![Acl::open(), Acl::open(), master],
            _ => vec![Acl::open()],
        }
    }

    fn one_of<T: Clone, const N: usize>(&mut self, choices: [T; N]) -> T {
        choices[self.rng.below(N as u64) as usize].clone()
    }
}
