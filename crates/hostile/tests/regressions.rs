//! What the fuzzer found once, told in a way that a reader can follow.

use hostile::run;
use wire::{Acl, Encode, Txn, TxnHeader, TxnRecord, Zxid};

/// A step of [`hostile`]'s target `history`: a length and a payload.
fn record(payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as u16).to_be_bytes(), payload].concat()
}

fn txn(zxid: i64, txn: Txn<'_>) -> Vec<u8> {
    let client_id = wire::SessionId(7);
    let header = TxnHeader { client_id, cxid: 0, zxid: Zxid(zxid), time_ms: 1, txn_type: txn.txn_type() };
    record(&TxnRecord { header, txn, digest: None }.to_bytes())
}

const SESSION: Txn<'_> = Txn::CreateSession { timeout_ms: 4000 };

/// Apache takes a record of length 0 for the end of the log, whatever follows. We did too, wrote an index for the log, and
/// at the next start called the same bytes damage.
#[test]
fn what_one_start_ignores_at_the_end_of_a_log_the_next_one_does_not_refuse() {
    let log = [vec![0], txn(1, SESSION), record(b"")].concat();
    run("history", &log);
}

/// `//a` was applied as another name of `/a`: the digest was that of a path that no snapshot gives back.
#[test]
fn a_path_with_an_empty_name_in_it_is_no_second_name_of_a_node() {
    let create = |path: &'static str| {
        let create = wire::CreateTxn {
            path: Some(path.into()),
            data: None,
            acl: Some(vec![Acl::open()]),
            ephemeral: false,
            parent_cversion: 1,
        };
        Txn::Create { op: wire::OpCode::Create, create }
    };
    run("history", &[vec![0], txn(1, SESSION), txn(2, create("//a"))].concat());
    let delete = Txn::Delete { path: Some("//a".into()) };
    run("history", &[vec![0], txn(1, SESSION), txn(2, create("/a")), txn(3, delete)].concat());
}

/// A log before an empty one was not needed, so that damage in it was no matter; but the empty one was removed, and at the
/// next start the log before it was the newest.
#[test]
fn a_log_is_judged_as_if_the_empty_ones_behind_it_were_not_there() {
    let file = |kind: u8, zxid: u8, bytes: &[u8]| [&[kind, zxid, 0, bytes.len() as u8], bytes].concat();
    run("directory", &[vec![1], file(0, 0, &[9; 20]), file(0, 1, b"")].concat());
}

/// A ttl beyond 40 bits became an owner that no snapshot may hold: the log was replayed, a snapshot of it written, and
/// at the next start that snapshot refused.
#[test]
fn a_ttl_that_no_snapshot_can_hold_is_refused_where_it_stands() {
    for ttl_ms in [-1, 0, 1 << 40, i64::MAX] {
        let create = Txn::CreateTtl {
            path: Some("/t".into()),
            data: None,
            acl: Some(vec![Acl::open()]),
            parent_cversion: 1,
            ttl_ms,
        };
        let multi = Txn::Multi { ops: vec![create.clone()] };
        for hostile_txn in [create, multi] {
            // With extended types: only then the owner is looked at closely.
            run("history", &[vec![2], txn(1, SESSION), txn(2, hostile_txn)].concat());
        }
    }
}
