//! Single requests of every operation.

use super::{acl, multi, names};
use crate::item::Frame;
use crate::profile::Profile;
use crate::rng::Rng;
use wire::{OpCode, Writer};

fn frame(op: OpCode, write: impl FnOnce(&mut Writer<'_>)) -> Frame {
    let mut body = Vec::new();
    write(&mut Writer::new(&mut body));
    Frame { xid: None, op: op.code(), body, relative: None }
}

/// Any request; one in fifty is damaged on the way, a few have a strange xid.
pub(super) fn any(rng: &mut Rng, profile: &Profile) -> Frame {
    let mut frame = match rng.below(100) {
        0..25 => create(rng, profile),
        25..33 => delete(rng),
        33..44 => set_data(rng),
        44..48 => set_acl(rng),
        48..56 => multi::multi(rng),
        56..59 => multi::multi_read(rng),
        59..62 => quota(rng),
        62..64 => reconfig(rng),
        64..68 => set_watches(rng, profile.skip_acl),
        68..74 => watch(rng),
        _ => read(rng),
    };
    match rng.below(100) {
        0 => frame.body.truncate(rng.below(frame.body.len() + 1)),
        1 => {
            let n = rng.between(1, 9) as usize;
            frame.body.extend(rng.bytes(n));
        }
        2 if !frame.body.is_empty() => {
            let at = rng.below(frame.body.len());
            frame.body[at] ^= 1 << rng.below(8);
        }
        3 if rng.percent(50) => {
            let n = rng.below(60);
            frame.body = rng.bytes(n);
        }
        4 => frame.xid = Some(*rng.pick(&[0, -3, -8, -2, -4, i32::MIN, i32::MAX, 5, 5])),
        // A length inside the record that is too long, negative, or more than the frame holds.
        5 if frame.body.len() >= 4 && rng.percent(30) => {
            let length = *rng.pick(&[-2, i32::MIN, i32::MAX, 65_536, 131_072, 131_073, 70_000]);
            frame.body[..4].copy_from_slice(&length.to_be_bytes());
        }
        _ => {}
    }
    frame
}

fn create(rng: &mut Rng, profile: &Profile) -> Frame {
    let (op, flags, path) = match rng.below(40) {
        0..3 => (OpCode::CreateContainer, 4, Some(names::collected(rng).into_bytes())),
        3..5 => {
            // Whatever the flags say, a container; an ephemeral one would be somebody's for the session check only.
            (
                OpCode::CreateContainer,
                *rng.pick(&[0, 1, 2, 3, 5, 6, 7]),
                Some(names::collected(rng).into_bytes()),
            )
        }
        5..8 => (OpCode::CreateTtl, *rng.pick(&[5, 5, 6]), Some(names::collected(rng).into_bytes())),
        8 => (OpCode::CreateTtl, rng.between(-1, 8) as i32, Some(names::collected(rng).into_bytes())),
        9 => (
            *rng.pick(&[OpCode::Create, OpCode::Create2]),
            *rng.pick(&[4, 5, 6, 7, -1, 100]),
            names::any(rng),
        ),
        10..24 => (OpCode::Create, *rng.pick(&[0, 0, 0, 1, 2, 3]), names::any(rng)),
        _ => (OpCode::Create2, *rng.pick(&[0, 0, 0, 1, 2, 3]), names::any(rng)),
    };
    let data = names::data(rng);
    let list = acl::any(rng);
    let ttls: &[i64] = if profile.extended_types {
        &[1, 1000, 3_600_000, (1 << 40) - 1, 1 << 40, 0, -1, i64::MAX, i64::MIN]
    } else {
        &[1, 1000, 0, -1]
    };
    let ttl = *rng.pick(ttls);
    frame(op, |w| {
        w.buffer(path.as_deref());
        w.buffer(data.as_deref());
        w.vector(list.as_deref(), |w, entry| w.record(entry));
        w.int(flags);
        if op == OpCode::CreateTtl {
            w.long(ttl);
        }
    })
}

/// Creations of ephemeral nodes and a little else, for a session that is going to expire.
pub(super) fn ephemeral(rng: &mut Rng) -> Frame {
    if rng.percent(15) {
        return read(rng);
    }
    let (path, data) = (names::likely(rng), names::data(rng));
    let flags = *rng.pick(&[1, 1, 3, 0]);
    frame(OpCode::Create2, |w| {
        w.buffer(Some(path.as_bytes()));
        w.buffer(data.as_deref());
        w.vector(Some(&[wire::Acl::open()]), |w, entry| w.record(entry));
        w.int(flags);
    })
}

fn delete(rng: &mut Rng) -> Frame {
    let (path, version) = (names::any(rng), names::version(rng));
    frame(OpCode::Delete, |w| {
        w.buffer(path.as_deref());
        w.int(version);
    })
}

fn set_data(rng: &mut Rng) -> Frame {
    let (path, data, version) = (names::any(rng), names::data(rng), names::version(rng));
    frame(OpCode::SetData, |w| {
        w.buffer(path.as_deref());
        w.buffer(data.as_deref());
        w.int(version);
    })
}

fn set_acl(rng: &mut Rng) -> Frame {
    let (path, list, version) = (names::any(rng), acl::any(rng), names::version(rng));
    frame(OpCode::SetAcl, |w| {
        w.buffer(path.as_deref());
        w.vector(list.as_deref(), |w, entry| w.record(entry));
        w.int(version);
    })
}

/// The steps of a client that sets a quota, in any order.
fn quota(rng: &mut Rng) -> Frame {
    let path = names::quota(rng);
    let data = if path.ends_with("zookeeper_limits") {
        Some(names::limits(rng))
    } else if path.ends_with("zookeeper_stats") {
        Some(b"count=0,bytes=0".to_vec())
    } else {
        None
    };
    match rng.below(10) {
        0..7 => frame(OpCode::Create, |w| {
            w.buffer(Some(path.as_bytes()));
            w.buffer(data.as_deref());
            w.vector(Some(&[wire::Acl::open()]), |w, entry| w.record(entry));
            w.int(0);
        }),
        7..9 => frame(OpCode::SetData, |w| {
            w.buffer(Some(path.as_bytes()));
            w.buffer(data.as_deref());
            w.int(-1);
        }),
        _ => frame(OpCode::Delete, |w| {
            w.buffer(Some(path.as_bytes()));
            w.int(-1);
        }),
    }
}

fn reconfig(rng: &mut Rng) -> Frame {
    let mut text = || {
        *rng.pick::<Option<&str>>(&[None, Some(""), Some("3"), Some("server.2=h:1:2;3"), Some("nonsense")])
    };
    let (joining, leaving, members) = (text(), text(), text());
    let id = *rng.pick(&[-1, 0, 5]);
    frame(OpCode::Reconfig, |w| {
        w.ustring(joining);
        w.ustring(leaving);
        w.ustring(members);
        w.long(id);
    })
}

/// `anywhere`: on any path. Otherwise the three lists with catching up name what anybody can read.
fn set_watches(rng: &mut Rng, anywhere: bool) -> Frame {
    let op = *rng.pick(&[OpCode::SetWatches, OpCode::SetWatches2]);
    let lists = if op == OpCode::SetWatches { 3 } else { 5 };
    let mut out = frame(op, |w| {
        w.long(0);
        for n in 0..lists {
            match rng.below(60) {
                0 => w.int(-1),
                1 => w.int(-5),
                _ => {
                    let mut path = || match rng.below(40) {
                        0 => None,
                        _ if anywhere || n >= 3 => names::any(rng),
                        1..3 => Some(b"not/there".to_vec()),
                        _ => Some(names::watched(rng).into_bytes()),
                    };
                    let first = [path(), path(), path()];
                    let paths = &first[..rng.below(4)];
                    w.vector(Some(paths), |w, path| w.buffer(path.as_deref()));
                }
            }
        }
    });
    out.relative = Some(-rng.between(0, 30));
    if rng.percent(70) {
        out.xid = Some(wire::SET_WATCHES_XID);
    }
    out
}

fn watch(rng: &mut Rng) -> Frame {
    let path = names::any(rng);
    let (op, number) = match rng.below(10) {
        0..5 => (OpCode::AddWatch, *rng.pick(&[0, 0, 0, 1, 1, 1, 2, -1])),
        5..8 => (OpCode::RemoveWatches, rng.between(0, 6) as i32),
        _ => (OpCode::CheckWatches, rng.between(0, 6) as i32),
    };
    frame(op, |w| {
        w.buffer(path.as_deref());
        w.int(number);
    })
}

/// A request that changes nothing.
pub(super) fn read(rng: &mut Rng) -> Frame {
    use OpCode::*;
    let op = *rng.pick(&[
        Exists,
        Exists,
        Exists,
        GetData,
        GetData,
        GetData,
        GetChildren,
        GetChildren,
        GetChildren2,
        GetChildren2,
        GetAcl,
        Sync,
        Ping,
        GetEphemerals,
        GetAllChildrenNumber,
        WhoAmI,
    ]);
    let (path, watch, prefix) = (names::any(rng), rng.percent(40), names::prefix(rng));
    frame(op, |w| {
        if op == GetEphemerals {
            w.buffer(prefix.as_deref());
        } else if !matches!(op, Ping | WhoAmI) {
            w.buffer(path.as_deref());
        }
        if matches!(op, Exists | GetData | GetChildren | GetChildren2) {
            w.bool(watch);
        }
    })
}

/// What client libraries send right behind a handshake.
pub(super) fn on_reconnect(rng: &mut Rng, profile: &Profile) -> Frame {
    match rng.below(3) {
        0 => auth(rng),
        1 => set_watches(rng, profile.skip_acl),
        _ => read(rng),
    }
}

/// An auth packet that is accepted, or a sasl one on a server without SASL.
pub(super) fn auth(rng: &mut Rng) -> Frame {
    if rng.percent(10) {
        let token = names::data(rng).unwrap_or_default();
        return frame(OpCode::Sasl, |w| w.buffer(Some(&token)));
    }
    let mut out = match rng.below(10) {
        0 => auth_of(Some("ip"), Some(b"")),
        1 => auth_of(
            Some("digest"),
            Some(*rng.pick::<&[u8]>(&[b"nocolon", b"", b":", b"a:b:c", b"\xff:\xfe", b"\xed\xa0\xbd:p"])),
        ),
        2 | 3 => auth_of(Some("digest"), Some(b"super:test")),
        4 => auth_of(Some("digest"), Some(b"super:wrong")),
        _ => auth_of(Some("digest"), Some(rng.pick(acl::USERS).0.as_bytes())),
    };
    out.xid = *rng.pick(&[Some(wire::AUTH_XID), Some(wire::AUTH_XID), None]);
    out
}

/// An auth packet after which the server closes the connection.
pub(super) fn failing_auth(rng: &mut Rng) -> Frame {
    match rng.below(5) {
        0 => auth_of(Some("world"), Some(b"anyone")),
        1 => auth_of(Some("digest"), None),
        2 => auth_of(Some(*rng.pick(&["foo", "", "auth", "super", "sasl", "x509"])), Some(b"a:b")),
        3 => auth_of(None, Some(b"a:b")),
        _ => {
            // A record that ends too soon, or a sasl packet without a token.
            let mut out = auth_of(Some("digest"), Some(b"u1:p1"));
            if rng.percent(30) {
                out.op = OpCode::Sasl.code();
                out.body = vec![0xff; 4];
            } else {
                out.body.truncate(rng.below(12));
            }
            out
        }
    }
}

fn auth_of(scheme: Option<&str>, auth: Option<&[u8]>) -> Frame {
    let mut out = frame(OpCode::Auth, |w| {
        // Its type is not looked at.
        w.int(auth.map_or(0, |auth| auth.len() as i32 - 5));
        w.ustring(scheme);
        w.buffer(auth);
    });
    out.xid = Some(wire::AUTH_XID);
    out
}

/// A write whose payload is exactly `size` bytes.
pub(super) fn of_size(rng: &mut Rng, size: usize) -> Frame {
    let path = format!("/{}", rng.pick(&["big1", "big2"]));
    let build = |op: OpCode, n: usize| {
        frame(op, |w| {
            w.buffer(Some(path.as_bytes()));
            w.buffer(Some(&vec![b'B'; n]));
            if op == OpCode::SetData {
                w.int(-1);
            } else {
                w.vector(Some(&[wire::Acl::open()]), |w, entry| w.record(entry));
                w.int(0);
            }
        })
    };
    let op = *rng.pick(&[OpCode::Create, OpCode::SetData]);
    let empty = build(op, 0).body.len() + 8;
    build(op, size.saturating_sub(empty))
}
