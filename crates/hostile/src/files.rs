//! Single files: logs, snapshots and indexes of any content.

use store::{Compression, LogIndex, LogReader, ReadAt, SnapshotReader, record_behind, zeros_only};
use wire::{Limits, Zxid};

/// A log from its header on, and every way to look at its end.
pub fn txn_log(input: &[u8]) {
    let mut source = input;
    let limits = Limits::default();
    let Ok(mut reader) = LogReader::open(&mut source, limits) else { return };
    let mut records = 0;
    while let Some(record) = reader.next_record().expect("memory can be read") {
        let _ = record.txn(limits);
        records += 1;
        assert!(records <= input.len(), "records without bytes");
    }
    let end = reader.end().expect("a log that was read has an end").offset();
    assert!(end <= input.len() as u64 + 1, "an end at {end}, behind the file");
    let _ = zeros_only(&mut source, end).expect("memory can be read");
    let behind = record_behind(&mut source, end, Zxid(0), limits).expect("memory can be read");
    assert!(behind.is_none_or(|(at, _)| at >= end));
}

/// A snapshot; the first byte says how it is compressed.
pub fn snapshot(input: &[u8]) {
    let Some((kind, bytes)) = input.split_first() else { return };
    let compression = [Compression::None, Compression::Gzip, Compression::Snappy][usize::from(*kind % 3)];
    let _ = read_snapshot(bytes, compression);
}

fn read_snapshot(bytes: impl ReadAt, compression: Compression) -> Result<(), store::SnapshotError> {
    let mut reader = SnapshotReader::open(bytes, compression, Limits::default())?;
    reader.sessions(|_, _| {})?;
    reader.acls(|_, _| {})?;
    let mut before = reader.position();
    while reader.node()?.is_some() {
        assert!(reader.position() > before, "a node without bytes");
        before = reader.position();
    }
    reader.tail().map(drop)
}

/// The file beside a log that knows how far it was synced; the first byte is the log's zxid.
pub fn log_index(input: &[u8]) {
    let Some((zxid, bytes)) = input.split_first() else { return };
    let log = Zxid(i64::from(*zxid));
    let index = LogIndex::parse(log, bytes);
    let written = index.to_bytes(log);
    assert!(bytes.starts_with(&written) || index.lines.is_empty(), "an index says what is not in it");
    assert_eq!(LogIndex::parse(log, &written), index);
    let _ = (index.end(), index.last_zxid());
}
