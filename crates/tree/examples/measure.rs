//! What a write costs in time and a znode in memory: `cargo run --release -p tree --example measure [ZNODES]`.

use std::hint::black_box;
use std::time::{Duration, Instant};
use tree::{PrepContext, Projection, SessionState, SnapshotHead, Tree, TreeConfig, TreeLoader};
use wire::{
    Acl, Decode, Encode, Id, OpCode, Reader, Request, SessionId, StatPersisted, TxnRecord, Writer, Zxid,
};

const DATA: [u8; 100] = [7; 100];
const PARENTS: usize = 100;
const BATCH: usize = 1000;

fn main() {
    let nodes: usize = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let before = resident_bytes();
    let mut bench = Bench::new();
    bench.run("create parents", (0..PARENTS).map(|n| create(format!("/parent{n}"))));
    let start = Instant::now();
    bench.run("create", (0..nodes).map(|n| create(path(n))));
    println!("(all in all {:.2?})", start.elapsed());
    let bytes = (resident_bytes() - before) as f64 / nodes as f64;
    println!("memory: {bytes:.0} bytes resident per znode of {nodes}");
    bench.run("set, same length", (0..nodes / 2).map(|n| set(path(n * 7919 % nodes), &DATA)));
    bench.run("set, other length", (0..nodes / 2).map(|n| set(path(n * 7919 % nodes), &DATA[..90])));
    bench.run("delete", (0..nodes / 4).map(|n| Request::Delete { path: Some(path(n).into()), version: -1 }));
    println!("digest {:x}, {} nodes", bench.tree.digest(), bench.tree.node_count());
    let (head, records) = snapshot(&mut bench.tree);
    drop(bench);
    load(&head, &records);
}

fn path(n: usize) -> String {
    format!("/parent{}/n{n:09}", n % PARENTS)
}

fn create(path: String) -> Request<'static> {
    Request::Create {
        op: OpCode::Create,
        path: Some(path.into()),
        data: Some(DATA[..].into()),
        acl: Some(vec![Acl::open()]),
        flags: 0,
        ttl: -1,
    }
}

fn set(path: String, data: &'static [u8]) -> Request<'static> {
    Request::SetData { path: Some(path.into()), data: Some(data.into()), version: -1 }
}

struct Bench {
    tree: Tree,
    projection: Projection,
    zxid: Zxid,
}

impl Bench {
    fn new() -> Bench {
        Bench { tree: Tree::new(TreeConfig::default()), projection: Projection::new(), zxid: Zxid::ZERO }
    }

    /// Prepares, writes down, reads back and applies in batches, as a server under load does.
    fn run(&mut self, what: &str, requests: impl Iterator<Item = Request<'static>>) {
        let credentials = [Id::new("ip", "127.0.0.1")];
        let (mut preparing, mut encoding, mut applying) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        let mut count = 0u32;
        let mut requests = requests.peekable();
        let mut bytes = Vec::new();
        while requests.peek().is_some() {
            let batch: Vec<Request<'static>> = requests.by_ref().take(BATCH).collect();
            count += batch.len() as u32;
            let start = Instant::now();
            let mut records = Vec::with_capacity(BATCH);
            for request in batch {
                self.zxid = self.zxid.next();
                let ctx = PrepContext {
                    session: SessionId(1),
                    session_state: SessionState::Valid,
                    cxid: 1,
                    zxid: self.zxid,
                    time_ms: 1_700_000_000_000,
                    credentials: &credentials,
                };
                records.push(self.projection.prepare(&self.tree, &ctx, request));
            }
            preparing += start.elapsed();
            let start = Instant::now();
            bytes.clear();
            let mut ends = Vec::with_capacity(BATCH);
            for record in &records {
                record.encode(&mut Writer::new(&mut bytes));
                ends.push(bytes.len());
            }
            let mut at = 0;
            let mut decoded = Vec::with_capacity(BATCH);
            for end in ends {
                decoded.push(TxnRecord::decode(&mut Reader::new(&bytes[at..end])).expect("a record"));
                at = end;
            }
            encoding += start.elapsed();
            let start = Instant::now();
            for record in &decoded {
                let result = self.tree.apply(&record.header, &record.txn, &mut |change| {
                    black_box(change);
                });
                assert_eq!(result.err, None, "{what}");
            }
            self.projection.applied(self.zxid);
            applying += start.elapsed();
        }
        println!(
            "{what}: prepare {} + apply {} = {} ns; encode and decode {} ns",
            (preparing / count).as_nanos(),
            (applying / count).as_nanos(),
            ((preparing + applying) / count).as_nanos(),
            (encoding / count).as_nanos(),
        );
    }
}

fn snapshot(tree: &mut Tree) -> (SnapshotHead, Vec<u8>) {
    let start = Instant::now();
    let (id, head) = tree.begin_snapshot();
    println!("snapshot: begin {:.2?}", start.elapsed());
    let mut records = Vec::new();
    while tree.snapshot_chunk(id, &mut records, 1 << 20) {}
    println!("snapshot: {} MB in {:.2?}", records.len() >> 20, start.elapsed());
    (head, records)
}

fn load(head: &SnapshotHead, records: &[u8]) {
    let start = Instant::now();
    let mut loader = TreeLoader::new(TreeConfig::default());
    for (id, list) in &head.acls {
        loader.acl(*id, list.clone());
    }
    let mut r = Reader::new(records);
    while !r.is_empty() {
        let path = r.ustring().expect("a path").expect("a path");
        let data = r.buffer().expect("data");
        let acl = r.long().expect("an id");
        let stat = StatPersisted::decode(&mut r).expect("a stat");
        loader.node(&path, data.as_deref(), acl, &stat).expect("a tree");
    }
    let tree = loader.finish(head.zxid).expect("a tree");
    assert_eq!(tree.digest(), head.digest);
    println!("load: {} nodes in {:.2?}", tree.node_count(), start.elapsed());
}

/// The resident memory of this process; 0 where there is no `/proc`.
fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).map_or(0, |pages| pages * 4096)
}
