//! Which snapshots are worth a try (reference: storage-formats §4.3).

use super::snappy::SNAPPY_MAGIC;
use super::{END_MARK, GZIP_MAGIC};
use crate::read_at::read_fully;
use crate::{Compression, Dir, Disk, DiskError, DiskFile, FileName, names};
use wire::Zxid;

/// At most so many are tried, newest first.
const CANDIDATES_MAX: usize = 100;
/// A plain snapshot is at least that long, in bytes.
const PLAIN_LEN_MIN: u64 = 10;

/// A file named like a snapshot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SnapshotCandidate {
    /// Which.
    pub file: FileName,
    /// From its name.
    pub zxid: Zxid,
    /// From its name.
    pub compression: Compression,
    /// Size in bytes.
    pub bytes: u64,
    /// Does it begin or end as a snapshot must? Files that do not are leftovers of a crash and quietly skipped.
    pub looks_valid: bool,
}

/// All files named like snapshots, newest first; at most 100 that look valid.
///
/// # Errors
/// When the directory or a file cannot be read.
pub fn snapshot_candidates(disk: &mut dyn Disk) -> Result<Vec<SnapshotCandidate>, DiskError> {
    let mut named: Vec<SnapshotCandidate> = disk
        .list(Dir::Snap)?
        .into_iter()
        .filter_map(|(name, bytes)| {
            let zxid = names::snapshot_zxid(&name)?;
            let compression = names::name_compression(&name);
            let file = FileName::new(Dir::Snap, name);
            Some(SnapshotCandidate { file, zxid, compression, bytes, looks_valid: false })
        })
        .collect();
    named.sort_by(|a, b| b.zxid.cmp(&a.zxid).then_with(|| a.file.name.cmp(&b.file.name)));
    let mut valid = 0;
    for candidate in &mut named {
        candidate.looks_valid = valid < CANDIDATES_MAX && looks_valid(disk, candidate)?;
        valid += usize::from(candidate.looks_valid);
    }
    Ok(named)
}

fn looks_valid(disk: &mut dyn Disk, candidate: &SnapshotCandidate) -> Result<bool, DiskError> {
    let mut file = DiskFile::new(disk, candidate.file.clone());
    let mut begins_with = |expected: &[u8]| -> Result<bool, DiskError> {
        let mut start = vec![0; expected.len()];
        let n = read_fully(&mut file, 0, &mut start)?;
        Ok(start[..n] == *expected)
    };
    match candidate.compression {
        Compression::Gzip => begins_with(&GZIP_MAGIC),
        Compression::Snappy => begins_with(&SNAPPY_MAGIC),
        Compression::None if candidate.bytes < PLAIN_LEN_MIN => Ok(false),
        Compression::None => {
            let mut end = END_MARK;
            let at = candidate.bytes - end.len() as u64;
            let n = read_fully(&mut file, at, &mut end)?;
            Ok(n == END_MARK.len() && end == END_MARK)
        }
    }
}
