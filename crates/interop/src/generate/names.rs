//! Paths and data: few names, so that sequences meet; and all the ways to be wrong.

use crate::rng::Rng;

/// A path as it travels, which need not be UTF-8; `None` is null.
pub(super) type Path = Option<Vec<u8>>;

const NAMES: &[&str] = &["a", "b", "c", "d"];

/// A path that may well exist.
pub(super) fn likely(rng: &mut Rng) -> String {
    match rng.below(20) {
        0 => "/".to_owned(),
        1 => "/zookeeper".to_owned(),
        2 => quota(rng),
        3 => sequential(rng),
        4 => special(rng),
        5..7 => watched(rng),
        _ => plain(rng),
    }
}

fn plain(rng: &mut Rng) -> String {
    let depth = 1 + rng.weighted(&[5, 4, 2, 1]);
    (0..depth).map(|_| format!("/{}", rng.pick(NAMES))).collect()
}

fn sequential(rng: &mut Rng) -> String {
    let base = plain(rng);
    format!("{base}-{:010}", rng.below(12))
}

/// A name for container or TTL nodes, directly under the root or one below.
pub(super) fn special(rng: &mut Rng) -> String {
    let name = rng.pick(&["/k1", "/k2", "/t1", "/t2"]);
    if rng.percent(40) { format!("{name}/{}", rng.pick(NAMES)) } else { (*name).to_owned() }
}

/// A path that anybody can read, if it exists.
pub(super) fn watched(rng: &mut Rng) -> String {
    (*rng.pick(&["/w", "/w/a", "/w/b", "/wx"])).to_owned()
}

/// A container's or TTL node's own path.
pub(super) fn collected(rng: &mut Rng) -> String {
    let parent = if rng.percent(75) { String::new() } else { format!("/{}", rng.pick(NAMES)) };
    format!("{parent}/{}", rng.pick(&["k1", "k2", "t1", "t2", "k-", "t-"]))
}

/// Something in the quota tree.
pub(super) fn quota(rng: &mut Rng) -> String {
    let inside = *rng.pick(&["", "/a", "/a/b", "/b", "/c", "/a/b/c"]);
    let leaf = *rng.pick(&["", "/zookeeper_limits", "/zookeeper_stats"]);
    format!("/zookeeper/quota{inside}{leaf}")
}

/// A text for a limits node.
pub(super) fn limits(rng: &mut Rng) -> Vec<u8> {
    let mut number = || match rng.below(4) {
        0 => -1,
        1 => rng.between(0, 5),
        2 => rng.between(0, 300),
        _ => rng.between(1000, 5000),
    };
    let (count, bytes, hard_bytes, hard_count) = (number(), number(), number(), number());
    match rng.below(5) {
        0 => format!("count={count},bytes={bytes}"),
        1 => format!("count={count},bytes={bytes}=;byteHardLimit={hard_bytes};countHardLimit={hard_count}"),
        2 => format!("count={count},bytes={bytes}=;countHardLimit={hard_count}"),
        3 => format!("count={count},bytes={bytes}=;byteHardLimit={hard_bytes}"),
        _ => {
            (*rng.pick(&["count=3", "byteHardLimit=20", "", "count=-1,bytes=-1", "countHardLimit=2;count=1"]))
                .to_owned()
        }
    }
    .into_bytes()
}

/// Mostly a likely path, sometimes one that is wrong.
pub(super) fn any(rng: &mut Rng) -> Path {
    if rng.percent(90) {
        return Some(likely(rng).into_bytes());
    }
    let wrong: &[Option<&[u8]>] = &[
        None,
        Some(b""),
        Some(b"x"),
        Some(b"x/y"),
        Some(b"a/"),
        Some(b"/a/"),
        Some(b"/nope/"),
        Some(b"//"),
        Some(b"//a"),
        Some(b"/a//b"),
        Some(b"/a/."),
        Some(b"/a/.."),
        Some(b"/./a"),
        Some(b"/../a"),
        Some(b"/a/..."),
        Some(b"/a..b"),
        Some(b"/.a"),
        Some(b"/\0"),
        Some(b"/a\0b"),
        Some(b"\0"),
        Some(b"/\x01"),
        Some(b"/a\x1f"),
        Some(b"/\x7f"),
        Some(b"/ "),
        Some(b"/\t"),
        Some("/\u{9f}".as_bytes()),
        Some("/\u{a0}".as_bytes()),
        Some("/\u{d7ff}".as_bytes()),
        Some("/\u{e000}".as_bytes()),
        Some("/\u{f8ff}".as_bytes()),
        Some("/\u{f900}".as_bytes()),
        Some("/\u{ffef}".as_bytes()),
        Some("/\u{fff0}".as_bytes()),
        Some("/\u{ffff}".as_bytes()),
        Some("/\u{1F600}".as_bytes()),
        Some("/ü".as_bytes()),
        Some("/日本/語".as_bytes()),
        Some("/日本".as_bytes()),
        Some(b"/\xff"),
        Some(b"/\xc3"),
        Some(b"/\xed\xa0\xbd"),
        Some(b"/\xed\xa0\xbd\xed\xb8\x80"),
        Some(b"/\xed\xa0"),
        Some(b"/\xed\xa0a"),
        Some(b"/\xe2\x82"),
        Some(b"/\xf0\x9f\x98"),
        Some(b"/zookeeper/config"),
        Some(b"/zookeeper/quota"),
        Some(b"/zookeeper/x"),
        Some(b"/zookeeper/config/x"),
        Some(b"/zookeeper/quota/"),
        Some(b"zookeeper"),
    ];
    if rng.percent(5) {
        let n = if rng.percent(5) { 30_000 } else { rng.between(100, 3000) as usize };
        return Some([b"/".to_vec(), vec![b'l'; n]].concat());
    }
    rng.pick(wrong).map(<[u8]>::to_vec)
}

/// What getEphemerals is asked for.
pub(super) fn prefix(rng: &mut Rng) -> Path {
    match rng.below(10) {
        0..4 => any(rng),
        4..7 => Some(b"/".to_vec()),
        7 => Some(rng.pick(&["/\t", " ", "\0 ", "\u{2003}", "\u{85}", " /", "/ a"]).as_bytes().to_vec()),
        _ => {
            // Any beginning of a path will do.
            let path = likely(rng).into_bytes();
            Some(path[..rng.between(1, path.len() as i64) as usize].to_vec())
        }
    }
}

/// A node's data.
pub(super) fn data(rng: &mut Rng) -> Option<Vec<u8>> {
    match rng.below(10) {
        0 => None,
        1 => Some(vec![]),
        2..7 => {
            let n = rng.between(1, 20) as usize;
            Some(rng.bytes(n))
        }
        7..9 => Some(vec![b'd'; rng.below(300)]),
        _ => Some(vec![b'D'; rng.below(5000)]),
    }
}

/// An expected version.
pub(super) fn version(rng: &mut Rng) -> i32 {
    match rng.below(10) {
        0..6 => -1,
        6..9 => rng.below(4) as i32,
        _ => *rng.pick(&[-2, i32::MIN, i32::MAX, 100]),
    }
}
