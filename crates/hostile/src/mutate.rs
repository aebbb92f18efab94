//! A mutation engine in one page: enough to search near the seeds where no fuzzer is installed.

/// Values that stand at the edges of lengths, counts and codes.
const EDGES: [i32; 14] =
    [0, 1, -1, -2, 4, 16, 255, 256, 0xffff, 0xf_ffff, 0x10_0000, i32::MAX, i32::MIN, i32::MAX - 12];

/// Changes inputs, always in the same way from the same seed.
#[derive(Clone, Debug)]
pub struct Mutator {
    state: u64,
}

impl Mutator {
    /// Chance, frozen.
    pub fn new(seed: u64) -> Mutator {
        Mutator { state: seed }
    }

    /// A number below `end`; 0 for an empty range.
    fn below(&mut self, end: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % (end as u64).max(1)) as usize
    }

    /// One of the seeds, with one to eight changes, and at most `len_max` bytes long.
    pub fn mutation(&mut self, seeds: &[Vec<u8>], len_max: usize) -> Vec<u8> {
        let mut input = seeds.get(self.below(seeds.len())).cloned().unwrap_or_default();
        for _ in 0..=self.below(8) {
            self.change(&mut input, seeds);
        }
        input.truncate(len_max);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let at = self.below(input.len());
        let length = self.below((input.len() - at).min(32)) + 1;
        let end = (at + length).min(input.len());
        match self.below(9) {
            0 if !input.is_empty() => input[at] ^= 1 << self.below(8),
            1 if !input.is_empty() => input[at] = self.below(256) as u8,
            2 => input.insert(at, self.below(256) as u8),
            3 => drop(input.drain(at..end)),
            4 => {
                let copied = input[at..end].to_vec();
                let to = self.below(input.len() + 1);
                input.splice(to..to, copied);
            }
            5 => {
                let edge = EDGES[self.below(EDGES.len())].to_be_bytes();
                let end = (at + 4).min(input.len());
                input.splice(at..end, edge);
            }
            6 => input.truncate(at),
            7 => {
                let other = &seeds[self.below(seeds.len())];
                let from = self.below(other.len());
                let end = (from + self.below(64)).min(other.len());
                input.splice(at..at, other[from..end].iter().copied());
            }
            _ => {
                let random: Vec<u8> = (0..length).map(|_| self.below(256) as u8).collect();
                input.splice(at..end, random);
            }
        }
    }
}
