//! The one table of differences that a comparison puts up with, each with its row in `docs/differences.md` or the reason
//! why it is none.

use crate::item::Frame;
use std::collections::BTreeMap;
use wire::{MultiOp, OpCode, Request};

macro_rules! tolerances {
    ($($name:ident: $why:literal;)*) => {
        /// A kind of difference that is put up with.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Tolerance { $(#[doc = $why] $name,)* }

        impl Tolerance {
            /// Why it is put up with.
            pub fn why(self) -> &'static str {
                match self { $(Tolerance::$name => $why,)* }
            }
        }
    };
}

tolerances! {
    AclOrder: "Scheme auth expands in set order at Apache (differences: several credentials).";
    AuthOvertakes: "Apache's auth and sasl replies overtake earlier replies, ours keep the order (differences: auth replies).";
    SwallowedReplies: "A close after an unknown opcode, a failed auth or a bad frame swallows earlier replies at Apache; ours sends them first (differences: replies before a close).";
    CloseOrder: "Deletions of a closing session come in hash order at Apache (differences: a session that ends).";
    BehindClose: "Requests pipelined behind closeSession are dropped or refused: a race at Apache (differences: behind closeSession).";
    PartialMultiRead: "A multiRead with forbidden operations gets -5 without the partial body (differences: multiRead).";
}

/// How often each was needed.
pub type Tolerated = BTreeMap<Tolerance, u64>;

/// Why a frame is never sent in a comparison, if so: the two do different things with it on purpose, so
/// that the trees would part. The story tests look at these one by one.
pub fn unsent(frame: &Frame) -> Option<&'static str> {
    if frame.op == OpCode::CreateSession.code() {
        return Some(
            "createSession from a client: Apache answers without a header (differences: createSession)",
        );
    }
    if frame.op == OpCode::DeleteContainer.code() {
        return Some(
            "deleteContainer from a client: the sweep's own operation (differences: deleteContainer)",
        );
    }
    match frame.request()? {
        Request::Multi { ops } => ops.iter().find_map(unsent_op),
        Request::Create { op, path, flags, ttl, acl, data } => unsent_create(op, path.as_deref(), flags, ttl)
            .or_else(|| unsent_limits(path.as_deref(), data.as_deref()))
            .or_else(|| unsent_acl(path.as_deref().filter(|path| *path != "/"), acl.as_deref())),
        Request::SetData { path, data, .. } => unsent_stats(path.as_deref(), data.as_deref()),
        Request::SetAcl { path, acl, .. } => unsent_acl(path.as_deref(), acl.as_deref()),
        Request::AddWatch { path: None, .. } => Some("addWatch on null is useless (differences: addWatch)"),
        Request::SetWatches2(lists) => {
            let null = |list: &Option<Vec<wire::Ustring<'_>>>| list.iter().flatten().any(Option::is_none);
            let any = null(&lists.persistent) || null(&lists.persistent_recursive);
            any.then_some("a persistent watch on null is useless (differences: addWatch)")
        }
        _ => None,
    }
}

/// Is it a multi that fails as a whole while its operations are prepared?
pub fn leaves_traces(frame: &Frame) -> bool {
    let Some(Request::Multi { ops }) = frame.request() else { return false };
    let absent = |entry: &wire::Acl<'_>| entry.id.scheme.is_none() || entry.id.id.is_none();
    ops.iter().any(|op| match op {
        MultiOp::Create { acl, .. } => acl.iter().flatten().any(absent) || op.path().is_none(),
        other => other.path().is_none(),
    })
}

/// Lists that make a sequence dull, or a watch on them one of those that differ.
fn unsent_acl(path: Option<&str>, acl: Option<&[wire::Acl<'_>]>) -> Option<&'static str> {
    let path = path?;
    let open = acl.is_none_or(|list| *list == [wire::Acl::open()] || list.is_empty());
    match path {
        "/" if !open => Some("a root that shuts everybody out makes the rest of the sequence dull"),
        _ if path.starts_with(WATCHED) && !open => {
            Some("setWatches asks for READ here (differences: setWatches)")
        }
        _ => None,
    }
}

/// Nodes below it are readable for all, so that setWatches does the same with them at both servers.
pub const WATCHED: &str = "/w";

fn unsent_op(op: &MultiOp<'_>) -> Option<&'static str> {
    match op {
        MultiOp::Create { op, path, flags, ttl, acl, data } => {
            unsent_create(*op, path.as_deref(), *flags, *ttl)
                .or_else(|| unsent_limits(path.as_deref(), data.as_deref()))
                .or_else(|| unsent_acl(path.as_deref().filter(|path| *path != "/"), acl.as_deref()))
        }
        MultiOp::SetData { path, data, .. } => unsent_stats(path.as_deref(), data.as_deref()),
        _ => None,
    }
}

fn unsent_create(op: OpCode, path: Option<&str>, flags: i32, ttl: i64) -> Option<&'static str> {
    if op == OpCode::CreateTtl && (0..5).contains(&flags) && ttl < 0 {
        return Some("createTTL without TTL flags and with a negative ttl (differences: createTTL)");
    }
    let path = path?;
    if path.starts_with("/zookeeper/quota/zookeeper_") {
        return Some("a limits or stats node without a path (differences: directly below the quota node)");
    }
    // The tree digest is compared without them, since their stored owner cannot be read.
    let last = path.rsplit('/').next().unwrap_or("");
    let collected = matches!(op, OpCode::CreateContainer | OpCode::CreateTtl);
    (collected && !last.starts_with(['k', 't'])).then_some("containers and TTL nodes are named k.. and t..")
}

fn unsent_stats(path: Option<&str>, data: Option<&[u8]>) -> Option<&'static str> {
    let stats = path.is_some_and(|path| path.ends_with("/zookeeper_stats"));
    (stats && data != Some(b"count=0,bytes=0"))
        .then_some("bad text in a stats node (differences: what cannot be read)")
        .or_else(|| unsent_limits(path, data))
}

fn unsent_limits(path: Option<&str>, data: Option<&[u8]>) -> Option<&'static str> {
    let limits = path.is_some_and(|path| path.ends_with("/zookeeper_limits"));
    let number = |pair: &str| pair.split('=').nth(1).is_some_and(|value| value.parse::<i64>().is_ok());
    let readable = |text: &str| text.is_empty() || text.split([',', ';']).all(number);
    let text = data.and_then(|data| std::str::from_utf8(data).ok());
    (limits && !text.is_some_and(readable))
        .then_some("bad text in a limits node (differences: what cannot be read)")
}
