//! File names: what belongs to whom (reference: storage-formats §1, "Names").

use crate::{Compression, Dir, FileName};
use wire::Zxid;

/// The transaction log that starts with `zxid`.
pub fn log_file(zxid: Zxid) -> FileName {
    FileName::new(Dir::Log, format!("log.{:x}", zxid.0))
}

/// The snapshot taken at `zxid`.
pub fn snapshot_file(zxid: Zxid, compression: Compression) -> FileName {
    FileName::new(Dir::Snap, format!("snapshot.{:x}{}", zxid.0, suffix(compression)))
}

/// Where a snapshot is written before it gets its name. Apache would take `snapshot.5.tmp` for a snapshot; its first
/// part must be another word.
pub fn snapshot_temp_file(zxid: Zxid, compression: Compression) -> FileName {
    FileName::new(Dir::Snap, format!("tmp-snapshot.{:x}{}", zxid.0, suffix(compression)))
}

/// The index beside the log that starts with `zxid`; see [`crate::LogIndex`]. Apache's purge deletes whatever begins
/// with `log.`, hence the prefix.
pub fn index_file(zxid: Zxid) -> FileName {
    FileName::new(Dir::Log, format!("idx-log.{:x}", zxid.0))
}

/// The zxid of a log's name; `None` for other files.
pub fn log_zxid(name: &str) -> Option<Zxid> {
    zxid_behind(name, "log")
}

/// The zxid of a snapshot's name; `None` for other files.
pub fn snapshot_zxid(name: &str) -> Option<Zxid> {
    zxid_behind(name, "snapshot")
}

/// The zxid of an index's name; `None` for other files.
pub fn index_zxid(name: &str) -> Option<Zxid> {
    zxid_behind(name, "idx-log")
}

/// How a snapshot's name says it is compressed: by its last part, in any case of letters.
pub fn name_compression(name: &str) -> Compression {
    match name.rsplit('.').next() {
        Some(last) if last.eq_ignore_ascii_case("gz") => Compression::Gzip,
        Some(last) if last.eq_ignore_ascii_case("snappy") => Compression::Snappy,
        _ => Compression::None,
    }
}

/// Part 0 must be the word and part 1 a signed 64-bit hex number from 0 up; further parts do not matter.
fn zxid_behind(name: &str, word: &str) -> Option<Zxid> {
    let mut parts = name.split('.');
    if parts.next() != Some(word) {
        return None;
    }
    i64::from_str_radix(parts.next()?, 16).ok().filter(|zxid| *zxid >= 0).map(Zxid)
}

fn suffix(compression: Compression) -> &'static str {
    match compression {
        Compression::None => "",
        Compression::Gzip => ".gz",
        Compression::Snappy => ".snappy",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_apache_reads_them() {
        assert_eq!(log_zxid("log.3a"), Some(Zxid(0x3a)));
        assert_eq!(log_zxid("log.3a.idx"), Some(Zxid(0x3a)), "further parts do not matter");
        assert_eq!(log_zxid("log.foo"), None);
        assert_eq!(log_zxid("log"), None);
        assert_eq!(log_zxid("idx-log.3a"), None);
        assert_eq!(snapshot_zxid("snapshot.ffffffffffffffff"), None, "beyond the signed range");
        assert_eq!(snapshot_zxid("snapshot.-1"), None);
        assert_eq!(snapshot_zxid("snapshot.31.gz"), Some(Zxid(0x31)));
        assert_eq!(snapshot_zxid("tmp-snapshot.31.gz"), None);
        assert_eq!(name_compression("snapshot.31.GZ"), Compression::Gzip);
        assert_eq!(name_compression("snapshot.abc"), Compression::None);
        assert_eq!(name_compression("snapshot.45.tmp"), Compression::None);
    }

    #[test]
    fn names_are_written_in_lower_case_hex() {
        assert_eq!(log_file(Zxid(0x1_0000_00af)).name, "log.1000000af");
        assert_eq!(snapshot_file(Zxid(0x2f), Compression::Snappy).name, "snapshot.2f.snappy");
        assert_eq!(index_zxid(&index_file(Zxid(7)).name), Some(Zxid(7)));
    }
}
