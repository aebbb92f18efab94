//! Random histories: whatever happens, the promises hold.

mod world;

use proptest::prelude::*;
use std::collections::BTreeSet;
use tree::{SessionState, Tree, TreeConfig, TreeLoader};
use wire::{Acl, Id, OpCode, Reader, Request, SessionId, TxnRecord, Zxid};
use world::*;

const PATHS: [&str; 9] = ["/a", "/b", "/a/x", "/a/y", "/a/x/p", "/a/x/q", "/b/z", "/", "/zookeeper/quota"];

#[derive(Clone, Debug)]
enum Step {
    Write { request: Request<'static>, session: i64, alice: bool },
    Close { session: i64 },
    Sweep { path: &'static str },
}

fn path() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&PATHS[..])
}

fn data() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["", "one", "two", "a longer one"][..])
}

fn acl() -> impl Strategy<Value = Vec<Acl<'static>>> {
    prop_oneof![
        6 => Just(vec![Acl::open()]),
        1 => Just(vec![Acl::new(1, "world", "anyone")]),
        1 => Just(vec![Acl::new(31, "auth", "")]),
        1 => Just(vec![Acl::new(31, "digest", "alice:hash"), Acl::new(1, "world", "anyone")]),
    ]
}

fn creation() -> impl Strategy<Value = Request<'static>> {
    let op = prop::sample::select(&[OpCode::Create, OpCode::Create2, OpCode::CreateContainer][..]);
    let plain = (op, path(), data(), acl(), 0..=4).prop_map(|(op, path, data, acl, flags)| Request::Create {
        op,
        path: Some(path.into()),
        data: Some(data.as_bytes().into()),
        acl: Some(acl),
        flags,
        ttl: -1,
    });
    let with_ttl = (path(), 1..50i64).prop_map(|(path, time)| ttl(path, time));
    prop_oneof![8 => plain, 1 => with_ttl]
}

fn part() -> impl Strategy<Value = Request<'static>> {
    prop_oneof![
        4 => creation(),
        2 => (path(), -1..2).prop_map(|(path, version)| delete(path, version)),
        3 => (path(), data(), -1..2).prop_map(|(path, data, version)| set(path, data, version)),
        1 => (path(), -1..2).prop_map(|(path, version)| check(path, version)),
    ]
}

fn request() -> impl Strategy<Value = Request<'static>> {
    prop_oneof![
        8 => part(),
        1 => (path(), acl(), -1..2).prop_map(|(path, acl, version)| set_acl(path, acl, version)),
        3 => prop::collection::vec(part(), 0..4).prop_map(multi),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (request(), 1..4i64, any::<bool>())
            .prop_map(|(request, session, alice)| Step::Write { request, session, alice }),
        1 => (1..4i64).prop_map(|session| Step::Close { session }),
        1 => path().prop_map(|path| Step::Sweep { path }),
    ]
}

fn steps(length: usize) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..length)
}

/// A world and the sessions that have ended in it.
struct History {
    world: World,
    ended: BTreeSet<i64>,
}

impl History {
    fn new() -> History {
        History { world: World::with_extended_types(), ended: BTreeSet::new() }
    }

    fn prepare(&mut self, step: &Step) {
        let world = &mut self.world;
        match step {
            Step::Write { request, session, alice } => {
                world.session = SessionId(*session);
                let ended = self.ended.contains(session);
                world.session_state = if ended { SessionState::Closing } else { SessionState::Valid };
                world.credentials.truncate(1);
                if *alice {
                    world.credentials.push(Id::new("digest", "alice:hash"));
                }
                world.prepare(request.clone());
            }
            Step::Close { session } => {
                world.session = SessionId(*session);
                self.ended.insert(*session);
                world.prepare_close_session();
            }
            Step::Sweep { path } => {
                world.prepare_sweep(path);
            }
        }
    }
}

fn replay(tree: &mut Tree, log: &[Vec<u8>], after: Zxid) {
    for bytes in log {
        let record = TxnRecord::decode(&mut Reader::new(bytes)).expect("a record");
        if record.header.zxid > after {
            tree.apply(&record.header, &record.txn, &mut |_| {});
        }
    }
}

/// A snapshot as Apache writes it: node by node, parents first, while records from `log` go on being applied; `pace` says
/// how many before each node.
fn fuzzy(tree: &mut Tree, log: &[Vec<u8>], pace: &[usize]) -> Tree {
    let (start, mut log) = (tree.last_zxid(), log.iter());
    let mut pace = pace.iter().cycle();
    let mut loader = TreeLoader::new(tree.config().clone());
    for (id, timeout) in tree.sessions() {
        loader.session(*id, *timeout);
    }
    let mut number = 0;
    let mut paths = vec![String::new()];
    while let Some(path) = paths.pop() {
        for bytes in log.by_ref().take(*pace.next().expect("a cycle")) {
            replay(tree, std::slice::from_ref(bytes), Zxid::ZERO);
        }
        let Some(node) = tree.node(&path) else { continue };
        number += 1;
        loader.acl(number, node.acl().to_vec());
        loader.node(&path, node.data(), number, &node.persisted()).expect("a parent first");
        paths.extend(node.children().map(|name| format!("{path}/{name}")));
    }
    replay(tree, &log.cloned().collect::<Vec<_>>(), Zxid::ZERO);
    loader.finish(start).expect("a tree")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Writes that wait for each other get the outcomes they would get one by one; the world checks each digest against
    /// the prepared one and against a recomputation.
    #[test]
    fn outstanding_writes_are_as_if_one_by_one(
        steps in steps(60),
        lags in prop::collection::vec(0..6usize, 1..20),
    ) {
        let (mut eager, mut lazy) = (History::new(), History::new());
        let (mut expected, mut outcomes) = (Vec::new(), Vec::new());
        for (step, lag) in steps.iter().zip(lags.iter().cycle()) {
            eager.prepare(step);
            expected.push(eager.world.apply_next());
            lazy.prepare(step);
            while lazy.world.log.len() > *lag {
                outcomes.push(lazy.world.apply_next());
            }
        }
        while !lazy.world.log.is_empty() {
            outcomes.push(lazy.world.apply_next());
        }
        prop_assert_eq!(outcomes, expected);
        prop_assert_eq!(state(&lazy.world.tree), state(&eager.world.tree));
        prop_assert_eq!(lazy.world.projection.record_count(), 0);
    }

    /// A snapshot taken in pieces between writes is the tree at its zxid.
    #[test]
    fn a_snapshot_is_the_tree_when_it_began(
        before in steps(40),
        meanwhile in steps(40),
        sizes in prop::collection::vec(0..300usize, 1..10),
    ) {
        let mut history = History::new();
        for step in &before {
            history.prepare(step);
            history.world.apply_next();
        }
        let expected = state(&history.world.tree);
        let (id, head) = history.world.tree.begin_snapshot();
        let (mut nodes, mut more) = (Vec::new(), true);
        for (step, size) in meanwhile.iter().zip(sizes.iter().cycle()) {
            if more && *size > 0 {
                more = history.world.tree.snapshot_chunk(id, &mut nodes, *size);
            }
            history.prepare(step);
            history.world.apply_next();
        }
        while more {
            // A slice of nothing would never end.
            more = history.world.tree.snapshot_chunk(id, &mut nodes, sizes[0].max(1));
        }
        let loaded = load(history.world.tree.config().clone(), &head, &nodes).expect("parents before children");
        prop_assert_eq!(state(&loaded), expected);
    }

    /// Snapshots that begin, go on, end and are dropped as they like: each is the tree when it began.
    #[test]
    fn snapshots_do_not_disturb_one_another(
        steps in steps(120),
        acts in prop::collection::vec((0..8usize, 0..20usize, 1..200usize), 120),
    ) {
        let mut history = History::new();
        let mut snapshots = Vec::new();
        for (step, (act, which, size)) in steps.iter().zip(acts) {
            history.prepare(step);
            history.world.apply_next();
            let tree = &mut history.world.tree;
            if act < 3 && tree.snapshots_free() > 0 {
                let (id, head) = tree.begin_snapshot();
                snapshots.push((id, head, state(tree), Vec::new()));
            } else if act == 3 && which < snapshots.len() {
                tree.abort_snapshot(snapshots.swap_remove(which).0);
            } else if which < snapshots.len() {
                let (id, _, _, nodes) = &mut snapshots[which];
                if !tree.snapshot_chunk(*id, nodes, size) {
                    let (_, head, expected, nodes) = snapshots.swap_remove(which);
                    let loaded = load(tree.config().clone(), &head, &nodes).expect("parents before children");
                    prop_assert_eq!(state(&loaded), expected);
                }
            }
        }
        let tree = &mut history.world.tree;
        for (id, head, expected, mut nodes) in snapshots {
            while tree.snapshot_chunk(id, &mut nodes, 100) {}
            let loaded = load(tree.config().clone(), &head, &nodes).expect("parents before children");
            prop_assert_eq!(state(&loaded), expected);
        }
    }

    /// Replaying the log over a fuzzy snapshot ends where the log ends (reference: storage-formats §3.2).
    #[test]
    fn replay_over_a_fuzzy_snapshot_converges(
        steps in steps(80),
        at in 0..80usize,
        pace in prop::collection::vec(0..6usize, 1..10),
    ) {
        let mut history = History::new();
        let mut log = Vec::new();
        for step in &steps {
            history.prepare(step);
            log.extend(history.world.log.last().cloned());
            history.world.apply_next();
        }
        let (early, late) = log.split_at(at.min(log.len()));
        let mut tree = Tree::new(TreeConfig { extended_types: true, ..TreeConfig::default() });
        replay(&mut tree, early, Zxid::ZERO);
        let start = tree.last_zxid();
        let mut loaded = fuzzy(&mut tree, late, &pace);
        replay(&mut loaded, &log, start);
        prop_assert_eq!(state(&tree), state(&history.world.tree));
        prop_assert_eq!(state(&loaded), state(&history.world.tree));
        prop_assert_eq!(loaded.digest(), loaded.recomputed_digest());
    }
}
