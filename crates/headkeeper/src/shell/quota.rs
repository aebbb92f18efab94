//! Quotas: nodes below /zookeeper/quota in a format of their own (reference: client-protocol §9).

use super::command::{DelQuota, SetQuota};
use super::failure::Failure;
use super::output::Output;
use super::target::{Target, unexpected};
use client::subtree;
use serde_json::{Value, json};
use std::fmt;
use wire::{Acl, ErrorCode, OpCode, Request, Response};

const ROOT: &str = "/zookeeper/quota";
const LIMITS: &str = "zookeeper_limits";
const STATS: &str = "zookeeper_stats";
const UNLIMITED: i64 = -1;

/// Limits, or usage: -1 is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Quota {
    count: i64,
    bytes: i64,
    /// Present in the text at all; older tools do not write them.
    hard: Option<(i64, i64)>,
}

impl Quota {
    const NONE: Quota = Quota { count: UNLIMITED, bytes: UNLIMITED, hard: None };

    /// Whatever is missing, empty or malformed is unlimited.
    fn parse(text: &str) -> Quota {
        let mut quota = Quota::NONE;
        let (mut count_hard, mut bytes_hard) = (None, None);
        for entry in text.split([',', ';']) {
            let mut parts = entry.split('=');
            let (key, value) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
            let value = value.trim().parse().unwrap_or(UNLIMITED);
            match key.trim() {
                "count" => quota.count = value,
                "bytes" => quota.bytes = value,
                "countHardLimit" => count_hard = Some(value),
                "byteHardLimit" => bytes_hard = Some(value),
                _ => {}
            }
        }
        if count_hard.is_some() || bytes_hard.is_some() {
            quota.hard = Some((count_hard.unwrap_or(UNLIMITED), bytes_hard.unwrap_or(UNLIMITED)));
        }
        quota
    }

    fn count_hard(self) -> i64 {
        self.hard.map_or(UNLIMITED, |hard| hard.0)
    }

    fn bytes_hard(self) -> i64 {
        self.hard.map_or(UNLIMITED, |hard| hard.1)
    }

    fn is_none(self) -> bool {
        [self.count, self.bytes, self.count_hard(), self.bytes_hard()] == [UNLIMITED; 4]
    }

    fn json(self) -> Value {
        json!({
            "count": self.count,
            "bytes": self.bytes,
            "count_hard": self.count_hard(),
            "bytes_hard": self.bytes_hard(),
        })
    }
}

/// The canonical text: the extra `=` keeps the hard limits from parsers that do not know them.
impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "count={},bytes={}", self.count, self.bytes)?;
        match self.hard {
            Some((count, bytes)) => write!(f, "=;byteHardLimit={bytes};countHardLimit={count}"),
            None => Ok(()),
        }
    }
}

/// `listquota`
pub fn list(target: &Target, path: &str) -> Result<Output, Failure> {
    let node = target.absolute(path)?;
    let Some(limits) = read(target, &limits_path(&node))? else { return Err(no_quota(path)) };
    let stats = read(target, &stats_path(&node))?;
    let shown = |quota: Option<Quota>| quota.map_or_else(|| "none".to_owned(), |quota| quota.to_string());
    let text = format!("Output quota for {path} {limits}\nOutput stat for {path} {}\n", shown(stats));
    let used = stats.map(|stats| json!({ "count": stats.count, "bytes": stats.bytes }));
    Ok(Output::text(text, json!({ "path": path, "quota": limits.json(), "used": used })))
}

/// `setquota`
pub fn set(target: &Target, args: &SetQuota) -> Result<Output, Failure> {
    let node = target.absolute(&args.path)?;
    if node == "/" || node.starts_with("/zookeeper") {
        let message = format!("{} cannot have a quota", args.path);
        return Err(Failure::refused(message, "only nodes below /, outside /zookeeper"));
    }
    target.call(&args.path, &Request::Exists { path: Some(node.as_str().into()), watch: false })?;
    refuse_overlap(target, &node)?;
    let before = read(target, &limits_path(&node))?;
    let quota = merged(before.unwrap_or(Quota::NONE), args);
    match before {
        Some(_) => {
            let data = Some(quota.to_string().into_bytes().into());
            let request = Request::SetData { path: Some(limits_path(&node).into()), data, version: -1 };
            target.call(&args.path, &request)?;
        }
        None => create(target, &node, quota)?,
    }
    let used = read(target, &stats_path(&node))?;
    let warning = used.map_or_else(String::new, |used| warning(quota, used));
    Ok(Output::text(warning, json!({ "path": args.path, "quota": quota.json() })))
}

fn merged(before: Quota, args: &SetQuota) -> Quota {
    Quota {
        count: args.count.unwrap_or(before.count),
        bytes: args.bytes.unwrap_or(before.bytes),
        hard: Some((
            args.count_hard.unwrap_or(before.count_hard()),
            args.bytes_hard.unwrap_or(before.bytes_hard()),
        )),
    }
}

fn warning(quota: Quota, used: Quota) -> String {
    let exceeded = |limit: i64, used: i64| limit != UNLIMITED && limit < used;
    let mut out = String::new();
    if exceeded(quota.count, used.count) || exceeded(quota.count_hard(), used.count) {
        out.push_str(&format!(
            "[Warning]: the count quota you create is less than the existing count:{}\n",
            used.count
        ));
    }
    if exceeded(quota.bytes, used.bytes) || exceeded(quota.bytes_hard(), used.bytes) {
        out.push_str(&format!(
            "[Warning]: the bytes quota you create is less than the existing bytes:{}\n",
            used.bytes
        ));
    }
    out
}

/// Only one quota on the way from the root to a leaf: servers check the deepest one only.
fn refuse_overlap(target: &Target, node: &str) -> Result<(), Failure> {
    for (end, _) in node.match_indices('/').skip(1) {
        let parent = &node[..end];
        if read(target, &limits_path(parent))?.is_some() {
            let (node, parent) = (target.shown(node), target.shown(parent));
            return Err(Failure::refused(
                format!("{node} has a parent {parent} which has a quota"),
                "`delquota` removes it there first",
            ));
        }
    }
    let top = format!("{ROOT}{node}");
    let mut caller = target.session().as_ref();
    let below = match subtree::list(&mut caller, &top) {
        Ok(below) => below,
        Err(e) if e.code() == Some(ErrorCode::NoNode) => return Ok(()),
        Err(e) => return Err(Failure::of(e, &top)),
    };
    let own = limits_path(node);
    let other = below.iter().find(|path| path.ends_with(&format!("/{LIMITS}")) && **path != own);
    match other
        .and_then(|path| path.strip_prefix(ROOT))
        .and_then(|path| path.strip_suffix(&format!("/{LIMITS}")))
    {
        Some(child) => {
            let (node, child) = (target.shown(node), target.shown(child));
            Err(Failure::refused(
                format!("{node} has a child {child} which has a quota"),
                "`delquota` removes it there first",
            ))
        }
        None => Ok(()),
    }
}

/// The nodes on the way have no data; the server fills in the stats.
fn create(target: &Target, node: &str, quota: Quota) -> Result<(), Failure> {
    let top = format!("{ROOT}{node}");
    let ends = top.match_indices('/').map(|(at, _)| at).skip(3).chain([top.len()]);
    for end in ends {
        create_node(target, &top[..end], None)?;
    }
    create_node(target, &limits_path(node), Some(quota.to_string()))?;
    create_node(target, &stats_path(node), Some(Quota { count: 0, bytes: 0, hard: None }.to_string()))
}

fn create_node(target: &Target, path: &str, data: Option<String>) -> Result<(), Failure> {
    let request = Request::Create {
        op: OpCode::Create,
        path: Some(path.into()),
        data: data.map(|text| text.into_bytes().into()),
        acl: Some(vec![Acl::open()]),
        flags: 0,
        ttl: -1,
    };
    match target.call(path, &request) {
        Err(failure) if failure.code() != Some(ErrorCode::NodeExists) => Err(failure),
        _ => Ok(()),
    }
}

/// `delquota`
pub fn delete(target: &Target, args: &DelQuota) -> Result<Output, Failure> {
    let node = target.absolute(&args.path)?;
    let Some(before) = read(target, &limits_path(&node))? else { return Err(no_quota(&args.path)) };
    let keep = |named: bool, limit: i64| if named { UNLIMITED } else { limit };
    let some = args.count || args.bytes || args.count_hard || args.bytes_hard;
    let quota = Quota {
        count: keep(args.count, before.count),
        bytes: keep(args.bytes, before.bytes),
        hard: before.hard.map(|(count, bytes)| (keep(args.count_hard, count), keep(args.bytes_hard, bytes))),
    };
    if some && !quota.is_none() {
        let data = Some(quota.to_string().into_bytes().into());
        target.call(
            &args.path,
            &Request::SetData { path: Some(limits_path(&node).into()), data, version: -1 },
        )?;
        return Ok(Output::done(json!({ "path": args.path, "quota": quota.json() })));
    }
    for path in [limits_path(&node), stats_path(&node)] {
        delete_node(target, &path, ErrorCode::NoNode)?;
    }
    // Ancestors that served this quota alone go too.
    let mut top = format!("{ROOT}{node}");
    while top.len() > ROOT.len() && delete_node(target, &top, ErrorCode::NotEmpty)? {
        top.truncate(top.rfind('/').unwrap_or(0));
    }
    Ok(Output::done(json!({ "path": args.path, "quota": null })))
}

/// Deletes a node; false if it is still there for the given reason.
fn delete_node(target: &Target, path: &str, forgiven: ErrorCode) -> Result<bool, Failure> {
    match target.call(path, &Request::Delete { path: Some(path.into()), version: -1 }) {
        Ok(_) => Ok(true),
        Err(failure) if failure.code() == Some(forgiven) => Ok(false),
        Err(failure) => Err(failure),
    }
}

fn read(target: &Target, path: &str) -> Result<Option<Quota>, Failure> {
    let reply = match target.call(path, &Request::GetData { path: Some(path.into()), watch: false }) {
        Err(failure) if failure.code() == Some(ErrorCode::NoNode) => return Ok(None),
        reply => reply?,
    };
    match reply.response().map_err(|e| Failure::of(e, path))? {
        Response::Data(data, _) => {
            Ok(Some(Quota::parse(&String::from_utf8_lossy(data.as_deref().unwrap_or_default()))))
        }
        other => Err(unexpected(path, &other)),
    }
}

fn no_quota(path: &str) -> Failure {
    Failure::refused(format!("Quota does not exist for {path}"), "`setquota -n COUNT -b BYTES PATH` sets one")
}

fn limits_path(node: &str) -> String {
    format!("{ROOT}{node}/{LIMITS}")
}

fn stats_path(node: &str) -> String {
    format!("{ROOT}{node}/{STATS}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canonical_text_reads_back() {
        for text in ["count=5,bytes=-1", "count=-1,bytes=-1=;byteHardLimit=10;countHardLimit=3"] {
            assert_eq!(Quota::parse(text).to_string(), text);
        }
    }

    #[test]
    fn odd_texts_mean_unlimited() {
        for text in ["", "count=,bytes=", "count=x", "nonsense", "count"] {
            assert_eq!(Quota::parse(text), Quota::NONE, "{text:?}");
        }
        assert_eq!(Quota::parse("countHardLimit=3").hard, Some((3, UNLIMITED)));
    }

    #[test]
    fn a_limit_below_what_is_there_is_warned_of() {
        let used = Quota::parse("count=5,bytes=10");
        assert_eq!(warning(Quota::parse("count=5,bytes=10"), used), "");
        assert!(warning(Quota::parse("count=4"), used).contains("less than the existing count:5"));
        assert!(warning(Quota::parse("byteHardLimit=9"), used).contains("existing bytes:10"));
    }
}
