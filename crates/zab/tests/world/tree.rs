//! A tree that is nothing but the list of its transactions, in the clothes of a snapshot stream.

use wire::{Reader, Writer, Zxid};
use zab::Txn;

/// No sessions, no ACLs, one node whose data is the list, and the end mark.
pub fn encode(txns: &[Txn]) -> Vec<u8> {
    let mut data = Vec::new();
    let mut w = Writer::new(&mut data);
    for txn in txns {
        w.long(txn.zxid.0);
        w.buffer(Some(&txn.bytes));
    }
    let mut out = Vec::new();
    let mut w = Writer::new(&mut out);
    w.int(0);
    w.int(0);
    w.ustring(Some("/txns"));
    w.buffer(Some(&data));
    w.raw(&[0; 68]);
    w.ustring(Some("/"));
    out
}

pub fn decode(bytes: &[u8]) -> Vec<Txn> {
    let mut r = Reader::new(bytes);
    assert_eq!((r.int(), r.int()), (Ok(0), Ok(0)));
    assert_eq!(r.ustring().expect("a path").as_deref(), Some("/txns"));
    let data = r.buffer().expect("data").expect("data");
    assert_eq!(&r.rest()[68..], b"\0\0\0\x01/", "the stream ends with its end mark");
    let mut txns = Vec::new();
    let mut r = Reader::new(&data);
    while !r.is_empty() {
        let zxid = Zxid(r.long().expect("a zxid"));
        let bytes = r.buffer().expect("bytes").expect("bytes");
        txns.push(Txn { zxid, bytes: bytes.as_ref().into() });
    }
    txns
}

/// An error transaction that differs by its tag and has `size` bytes more than it needs.
pub fn txn(zxid: Zxid, tag: u64, size: usize) -> Txn {
    let mut bytes = Vec::new();
    let mut w = Writer::new(&mut bytes);
    w.long(tag as i64);
    w.int(0);
    w.long(zxid.0);
    w.long(0);
    w.int(-1);
    w.int(-101);
    w.raw(&vec![tag as u8; size]);
    Txn { zxid, bytes: bytes.into() }
}
