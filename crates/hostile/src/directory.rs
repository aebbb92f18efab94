//! Whole data directories: recovery believes them or refuses them, and what it repaired stays repaired.

use crate::world::MemoryDisk;
use store::{
    Compression, Dir, FileName, SnapshotSink, StoreConfig, encode_record, log_header, names, recover,
};
use tree::TreeConfig;
use wire::{Limits, Zxid};

/// Files of any names and contents: per file a byte for its kind, one for its zxid, two for its length, its bytes.
pub fn directory(input: &[u8]) {
    let Some((settings, mut rest)) = input.split_first() else { return };
    let mut disk = MemoryDisk::default();
    while let Some((head, behind)) = rest.split_first_chunk::<4>() {
        let [kind, zxid, high, low] = *head;
        let length = usize::from(u16::from_be_bytes([high, low])).min(behind.len());
        let (bytes, next) = behind.split_at(length);
        rest = next;
        disk.files.insert(name(kind, Zxid(i64::from(zxid)), bytes), content(kind, bytes));
    }
    recovers(disk, *settings);
}

/// A log whose framing and checksums are good and whose transactions are anything: per record two bytes for its length.
pub fn history(input: &[u8]) {
    let Some((settings, mut rest)) = input.split_first() else { return };
    let mut log = log_header().to_vec();
    while let Some((length, behind)) = rest.split_first_chunk::<2>() {
        let (record, next) = behind.split_at(usize::from(u16::from_be_bytes(*length)).min(behind.len()));
        encode_record(&mut log, record);
        rest = next;
    }
    let mut disk = MemoryDisk::default();
    disk.files.insert(names::log_file(Zxid(1)), log);
    recovers(disk, *settings);
}

fn name(kind: u8, zxid: Zxid, bytes: &[u8]) -> FileName {
    match kind % 10 {
        0 | 7 => names::log_file(zxid),
        1 | 8 => names::snapshot_file(zxid, Compression::None),
        2 => names::snapshot_file(zxid, Compression::Gzip),
        3 | 9 => names::snapshot_file(zxid, Compression::Snappy),
        4 => names::index_file(zxid),
        5 => names::snapshot_temp_file(zxid, Compression::None),
        _ => {
            let dir = [Dir::Log, Dir::Snap, Dir::LogParent][bytes.len() % 3];
            FileName::new(
                dir,
                String::from_utf8_lossy(&bytes[..bytes.len().min(30)]).replace(['/', '\0'], "_"),
            )
        }
    }
}

/// Kinds 7 to 9 get the seals that make their reader go on: what is in them is believed.
fn content(kind: u8, bytes: &[u8]) -> Vec<u8> {
    match kind % 10 {
        7 => {
            let mut log = log_header().to_vec();
            bytes.chunks(60).for_each(|record| encode_record(&mut log, record));
            log
        }
        8 => sealed(bytes, Compression::None),
        9 => sealed(bytes, Compression::Snappy),
        _ => bytes.to_vec(),
    }
}

fn sealed(bytes: &[u8], compression: Compression) -> Vec<u8> {
    let mut sink = SnapshotSink::new(Vec::new(), compression).expect("memory does not fail");
    sink.data(bytes).expect("memory does not fail");
    sink.seal().expect("memory does not fail");
    sink.finish().expect("memory does not fail")
}

/// Recovers twice: a refusal changes nothing, and what was accepted once is accepted again, the same.
fn recovers(mut disk: MemoryDisk, settings: u8) {
    let config = StoreConfig {
        prealloc_bytes: 0,
        snapshot_trust_empty: settings & 1 != 0,
        extended_types: settings & 2 != 0,
        force_sync: settings & 4 == 0,
        digest_enabled: settings & 8 == 0,
        limits: Limits::new(1 << 16, 1 << 16),
        ..StoreConfig::default()
    };
    let tree_config = TreeConfig {
        extended_types: config.extended_types,
        digest_enabled: config.digest_enabled,
        emulate_353_ttl: settings & 16 != 0,
        ..TreeConfig::default()
    };
    let before = disk.files.clone();
    match recover(&mut disk, &config, tree_config.clone()) {
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert_eq!(disk.files, before, "a refusal leaves the directory as it was: {error}");
        }
        Ok(first) => {
            let again = recover(&mut disk, &config, tree_config);
            let again = again.unwrap_or_else(|error| {
                panic!("recovered once ({:?}), then refused: {error}", first.notices)
            });
            assert_eq!(again.last_zxid(), first.last_zxid());
            assert_eq!(again.tree.digest(), first.tree.digest());
            assert_eq!(again.tree.node_count(), first.tree.node_count());
            if config.digest_enabled {
                assert_eq!(first.tree.recomputed_digest(), first.tree.digest());
            }
        }
    }
}
