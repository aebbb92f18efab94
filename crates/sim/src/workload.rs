//! What clients ask for: a seeded stream of writes over few paths, so that they meet.

use crate::Rng;
use wire::{Acl, CreateMode, Id, MultiOp, OpCode, Request, Ustring};

/// Parents and leaves; small enough for conflicts.
const PARENTS: [&str; 4] = ["/a", "/b", "/c", "/a/d"];
const NAMES: [&str; 4] = ["w", "x", "y", "z"];

/// A stream of writes.
#[derive(Clone, Debug)]
pub struct Workload {
    rng: Rng,
    /// Every value is written once, so that an old one is noticed.
    next_value: u64,
}

impl Workload {
    /// The stream of `rng`.
    pub fn new(rng: Rng) -> Workload {
        Workload { rng, next_value: 0 }
    }

    /// The next write.
    pub fn request(&mut self) -> Request<'static> {
        match self.rng.below(20) {
            0..6 => self.create(),
            6..10 => Request::SetData { path: self.path(), data: self.data(), version: -1 },
            10..13 => Request::Delete { path: self.path(), version: -1 },
            13 => Request::SetData { path: self.path(), data: self.data(), version: 1 },
            14 => Request::SetAcl { path: self.path(), acl: Some(self.acl()), version: -1 },
            15 => self.quota(),
            _ => self.multi(),
        }
    }

    fn create(&mut self) -> Request<'static> {
        let (op, mode) = match self.rng.below(10) {
            0..2 => (OpCode::Create, CreateMode::Ephemeral),
            2 => (OpCode::Create2, CreateMode::PersistentSequential),
            3 => (OpCode::Create, CreateMode::EphemeralSequential),
            4 => (OpCode::CreateContainer, CreateMode::Container),
            5..7 => {
                let path = Some(PARENTS[self.rng.below(4) as usize].into());
                let (op, flags) = (OpCode::Create, CreateMode::Persistent.flags());
                return Request::Create {
                    op,
                    path,
                    data: self.data(),
                    acl: Some(self.acl()),
                    flags,
                    ttl: -1,
                };
            }
            7 => (OpCode::Create2, CreateMode::Persistent),
            _ => (OpCode::Create, CreateMode::Persistent),
        };
        let (path, data, acl) = (self.path(), self.data(), Some(self.acl()));
        Request::Create { op, path, data, acl, flags: mode.flags(), ttl: -1 }
    }

    fn multi(&mut self) -> Request<'static> {
        let count = 2 + self.rng.below(3);
        let ops = (0..count).map(|_| self.part()).collect();
        Request::Multi { ops }
    }

    fn part(&mut self) -> MultiOp<'static> {
        match self.rng.below(8) {
            0..3 => match self.create() {
                Request::Create { op, path, data, acl, flags, ttl } => {
                    MultiOp::Create { op, path, data, acl, flags, ttl }
                }
                _ => unreachable!("a creation"),
            },
            3..6 => MultiOp::SetData { path: self.path(), data: self.data(), version: -1 },
            6 => MultiOp::Check { path: Some("/".into()), version: -1 },
            _ => MultiOp::Delete { path: self.path(), version: -1 },
        }
    }

    /// A limit that nobody enforces, and the count of what is below it.
    fn quota(&mut self) -> Request<'static> {
        let (path, data) = match self.rng.below(3) {
            0 => ("/zookeeper/quota/a", None),
            1 => ("/zookeeper/quota/a/zookeeper_limits", Some(&b"count=5,bytes=-1"[..])),
            _ => ("/zookeeper/quota/a/zookeeper_stats", Some(&b"count=0,bytes=0"[..])),
        };
        let flags = CreateMode::Persistent.flags();
        let (path, data) = (Some(path.into()), data.map(Into::into));
        Request::Create { op: OpCode::Create, path, data, acl: Some(vec![Acl::open()]), flags, ttl: -1 }
    }

    fn path(&mut self) -> Ustring<'static> {
        let parent = PARENTS[self.rng.below(PARENTS.len() as u64) as usize];
        match self.rng.below(4) {
            0 => Some(parent.into()),
            _ => Some(format!("{parent}/{}", NAMES[self.rng.below(NAMES.len() as u64) as usize]).into()),
        }
    }

    /// Now and then long enough for several sectors.
    fn data(&mut self) -> wire::Buffer<'static> {
        self.next_value += 1;
        let mut data = format!("value {}", self.next_value).into_bytes();
        let more = match self.rng.below(12) {
            0 => 3000,
            1..3 => 700,
            3..6 => 200,
            _ => 0,
        };
        data.resize(data.len() + self.rng.below(more + 1) as usize, b'.');
        if self.rng.below(10) == 0 { None } else { Some(data.into()) }
    }

    fn acl(&mut self) -> Vec<Acl<'static>> {
        match self.rng.below(4) {
            0 => vec![Acl::open(), Acl { perms: 1, id: Id::new("ip", "10.0.0.1") }],
            1 => vec![Acl { perms: 31, id: Id::new("ip", "127.0.0.1") }, Acl::open()],
            _ => vec![Acl::open()],
        }
    }
}
