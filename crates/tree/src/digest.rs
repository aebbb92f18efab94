//! The tree's digest: a CRC-32 per node, summed up (reference: storage-formats §5).
//!
//! A node's CRC covers its path, its data and 60 bytes of stat, in this order. The CRC after path and data is kept with
//! the node, so that a change of the stat alone (a parent's, with every child) costs 60 bytes, however large the data.

use wire::StatPersisted;

/// The CRC over path and data: where a node's digest starts from.
pub(crate) fn prefix(path: &str, data: Option<&[u8]>) -> u32 {
    update(update(0, path.as_bytes()), data.unwrap_or(&[]))
}

/// A node's digest from its prefix and stat. The order of fields is not that of the stat in snapshots.
pub(crate) fn node(prefix: u32, stat: &StatPersisted) -> u32 {
    let mut bytes = [0; 60];
    let longs = [stat.czxid, stat.mzxid, stat.pzxid, stat.ctime, stat.mtime];
    for (at, long) in longs.into_iter().enumerate() {
        bytes[at * 8..at * 8 + 8].copy_from_slice(&long.to_be_bytes());
    }
    bytes[40..44].copy_from_slice(&stat.version.to_be_bytes());
    bytes[44..48].copy_from_slice(&stat.cversion.to_be_bytes());
    bytes[48..52].copy_from_slice(&stat.aversion.to_be_bytes());
    bytes[52..60].copy_from_slice(&stat.ephemeral_owner.to_be_bytes());
    update(prefix, &bytes)
}

/// From this length on the carry-less multiplication of `crc32fast` beats our tables.
const LONG: usize = 192;

/// Continues a CRC-32 (IEEE) over `bytes`; 0 starts one.
fn update(crc: u32, bytes: &[u8]) -> u32 {
    if bytes.len() >= LONG {
        let mut hasher = crc32fast::Hasher::new_with_initial(crc);
        hasher.update(bytes);
        return hasher.finalize();
    }
    let mut state = !crc;
    let (blocks, rest) = bytes.as_chunks::<16>();
    for block in blocks {
        state = block16(state, block);
    }
    let (blocks, rest) = rest.as_chunks::<4>();
    for block in blocks {
        let x = state ^ u32::from_le_bytes(*block);
        state = TABLES[3][(x & 0xff) as usize]
            ^ TABLES[2][(x >> 8 & 0xff) as usize]
            ^ TABLES[1][(x >> 16 & 0xff) as usize]
            ^ TABLES[0][(x >> 24) as usize];
    }
    for byte in rest {
        state = state >> 8 ^ TABLES[0][((state ^ u32::from(*byte)) & 0xff) as usize];
    }
    !state
}

/// Sixteen bytes at once: one table per position.
fn block16(state: u32, block: &[u8; 16]) -> u32 {
    let mut bytes = *block;
    for (byte, state) in bytes.iter_mut().zip(state.to_le_bytes()) {
        *byte ^= state;
    }
    bytes.iter().zip(TABLES.iter().rev()).fold(0, |sum, (byte, table)| sum ^ table[usize::from(*byte)])
}

/// `TABLES[n][b]` is the CRC state of byte `b` followed by `n` zero bytes.
static TABLES: [[u32; 256]; 16] = tables();

const fn tables() -> [[u32; 256]; 16] {
    let mut tables = [[0; 256]; 16];
    let mut byte = 0;
    while byte < 256 {
        let mut state = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            state = if state & 1 == 1 { state >> 1 ^ 0xedb8_8320 } else { state >> 1 };
            bit += 1;
        }
        tables[0][byte] = state;
        byte += 1;
    }
    let mut n = 1;
    while n < 16 {
        let mut byte = 0;
        while byte < 256 {
            let before: u32 = tables[n - 1][byte];
            tables[n][byte] = before >> 8 ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        n += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_agree_with_crc32fast_at_every_length_and_start() {
        let bytes: Vec<u8> = (0..400u32).map(|i| (i * 7 + i / 13) as u8).collect();
        for length in 0..bytes.len() {
            for start in [0, 1, 0xdead_beef] {
                let mut hasher = crc32fast::Hasher::new_with_initial(start);
                hasher.update(&bytes[..length]);
                assert_eq!(
                    update(start, &bytes[..length]),
                    hasher.finalize(),
                    "{length} bytes after {start:x}"
                );
            }
        }
    }

    /// Vectors from Apache (reference: storage-formats §5): the fresh tree's two counted nodes.
    #[test]
    fn the_fresh_nodes_have_apaches_digests() {
        let stat = StatPersisted::default();
        assert_eq!(node(prefix("", Some(b"")), &stat), 68_323_592);
        assert_eq!(node(prefix("/zookeeper", Some(b"")), &stat), 1_303_661_912);
    }
}
