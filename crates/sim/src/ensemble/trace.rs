//! What a run did: a hash to compare runs by, and a log to read.

/// Follows a run. Two runs of one seed have the same hash at every point.
#[derive(Default)]
pub struct Trace {
    hash: [u64; 2],
    /// Events so far.
    pub events: u64,
    /// Print every line of the log.
    pub is_verbose: bool,
}

impl Trace {
    /// The hash of everything so far.
    pub fn hash(&self) -> u128 {
        (u128::from(self.hash[0]) << 64) | u128::from(self.hash[1])
    }

    pub(super) fn mix(&mut self, value: u64) {
        let [a, b] = self.hash;
        let a = (a ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        let b = (b.rotate_left(17) ^ a ^ value.rotate_left(32)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        self.hash = [a ^ (b >> 31), b];
    }

    pub(super) fn mix_bytes(&mut self, bytes: &[u8]) {
        self.mix(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
    }

    /// A line of the log, made only if somebody reads it.
    pub(super) fn say(&self, now_us: u64, line: impl FnOnce() -> String) {
        if self.is_verbose {
            println!("{:>12.6} {}", now_us as f64 / 1e6, line());
        }
    }
}
