//! What was asked for and what was promised: the judge of a recovery.
//!
//! The history takes every transaction on its way to the disk, in order, and notes up to which one somebody was told. A
//! recovered tree must be the one after some transaction of it that is not before the last promised one: then nothing that
//! was acknowledged is missing, and nothing is there that was never asked for.

use std::fmt::Write as _;
use std::rc::Rc;
use tree::{NodeRef, Tree, TreeConfig};
use wire::{Reader, TxnRecord, Zxid};

/// All transactions of one standalone server's life, over any number of crashes.
pub struct History {
    config: TreeConfig,
    /// The first one has zxid 1, and no number is missing.
    txns: Vec<Txn>,
    /// The tree before the first one.
    empty: Rc<str>,
    promised: Zxid,
    /// After the last transaction; made again when it is needed.
    tree: Option<Tree>,
}

#[derive(Clone)]
struct Txn {
    payload: Rc<[u8]>,
    /// The tree behind it.
    picture: Rc<str>,
}

impl History {
    /// Nothing has happened.
    pub fn new(config: TreeConfig) -> History {
        let empty = picture(&Tree::new(config.clone())).into();
        History { config, txns: Vec::new(), empty, promised: Zxid::ZERO, tree: None }
    }

    /// The same history, going its own way from here.
    #[must_use]
    pub fn fork(&self) -> History {
        let History { config, txns, empty, promised, tree: _ } = self;
        History {
            config: config.clone(),
            txns: txns.clone(),
            empty: Rc::clone(empty),
            promised: *promised,
            tree: None,
        }
    }

    /// A transaction is on its way to the disk.
    ///
    /// # Panics
    /// When it is no transaction, or not the next one.
    pub fn issue(&mut self, payload: &[u8]) {
        let record = TxnRecord::decode(&mut Reader::new(payload)).expect("a transaction");
        assert_eq!(record.header.zxid, self.issued().next(), "transactions are issued in order");
        if self.tree.is_none() {
            self.tree = Some(self.replayed());
        }
        let tree = self.tree.as_mut().expect("just made");
        tree.apply(&record.header, &record.txn, &mut |_| {});
        let picture = picture(tree).into();
        self.txns.push(Txn { payload: payload.into(), picture });
    }

    /// Somebody was told that everything up to `zxid` is safe.
    ///
    /// # Panics
    /// When it was never issued.
    pub fn promise(&mut self, zxid: Zxid) {
        assert!(zxid <= self.issued(), "{zxid} is promised and was never issued");
        self.promised = self.promised.max(zxid);
    }

    /// A quorum has decided against everything behind `zxid`: the promise is taken back, as only a leader may.
    pub fn give_up_behind(&mut self, zxid: Zxid) {
        self.promised = self.promised.min(zxid);
    }

    /// The last transaction that is, or was, on its way.
    pub fn issued(&self) -> Zxid {
        Zxid(self.txns.len() as i64)
    }

    /// The last transaction that somebody was told about.
    pub fn promised(&self) -> Zxid {
        self.promised
    }

    /// A transaction by its number.
    pub fn payload(&self, zxid: Zxid) -> Option<&[u8]> {
        let at = usize::try_from(zxid.0).ok()?.checked_sub(1)?;
        self.txns.get(at).map(|txn| &*txn.payload)
    }

    /// Judges a recovered tree. On success what is not in it will never be.
    ///
    /// # Errors
    /// What is missing, or what was invented.
    pub fn survived(&mut self, tree: &Tree) -> Result<(), String> {
        let zxid = tree.last_zxid();
        self.check(tree)?;
        if zxid < self.issued() {
            self.txns.truncate(zxid.0 as usize);
            self.tree = None;
        }
        Ok(())
    }

    /// Judges a recovered tree.
    ///
    /// # Errors
    /// What is missing, or what was invented.
    pub fn check(&self, tree: &Tree) -> Result<(), String> {
        let zxid = tree.last_zxid();
        let (promised, issued) = (self.promised, self.issued());
        if zxid < promised {
            return Err(format!("recovered up to {zxid}, but {promised} was acknowledged"));
        }
        if zxid > issued {
            return Err(format!("recovered up to {zxid}, but nothing behind {issued} was ever asked for"));
        }
        let expected = match zxid.0 {
            0 => &self.empty,
            n => &self.txns[n as usize - 1].picture,
        };
        let found = picture(tree);
        if found != **expected {
            let line = expected.lines().zip(found.lines()).find(|(a, b)| a != b);
            let (a, b) = line.unwrap_or(("(its end)", "(its end)"));
            return Err(format!("the tree at {zxid} is another one: expected\n  {a}\nfound\n  {b}"));
        }
        if tree.digest() != tree.recomputed_digest() {
            return Err(format!("the digest at {zxid} is not that of the nodes"));
        }
        Ok(())
    }

    fn replayed(&self) -> Tree {
        let mut tree = Tree::new(self.config.clone());
        for txn in &self.txns {
            let record = TxnRecord::decode(&mut Reader::new(&txn.payload)).expect("decoded before");
            tree.apply(&record.header, &record.txn, &mut |_| {});
        }
        tree
    }
}

/// Everything that a tree holds, as text with a line for each node and session.
pub fn picture(tree: &Tree) -> String {
    let mut out = String::new();
    let mut write = |line: std::fmt::Arguments<'_>| writeln!(out, "{line}").expect("memory does not fail");
    for (session, timeout_ms) in tree.sessions() {
        let mut ephemerals: Vec<String> = tree.ephemerals(*session).collect();
        ephemerals.sort_unstable();
        write(format_args!("session {session} {timeout_ms} {ephemerals:?}"));
    }
    let mut paths = vec!["/".to_owned()];
    while let Some(path) = paths.pop() {
        let node = tree.node(&path).expect("a child is there");
        write_node(&mut write, &path, &node);
        let parent = if path == "/" { "" } else { path.as_str() };
        let mut names: Vec<&str> = node.children().collect();
        names.sort_unstable_by(|a, b| b.cmp(a));
        paths.extend(names.into_iter().map(|name| format!("{parent}/{name}")));
    }
    write(format_args!("digest {}", tree.digest()));
    out
}

fn write_node(write: &mut impl FnMut(std::fmt::Arguments<'_>), path: &str, node: &NodeRef<'_>) {
    write(format_args!("{path} acl {:?}", node.acl()));
    if path.ends_with("/zookeeper_stats") {
        // Kept in memory beside the log, and counted anew when a snapshot is loaded (reference: storage-formats §3.4).
        return write(format_args!("{path} {:?}", node.persisted()));
    }
    write(format_args!("{path} {:?} {:?}", node.persisted(), node.stat()));
    let data = node.data().map(|data| String::from_utf8_lossy(data));
    write(format_args!("{path} data {data:?}"));
}
