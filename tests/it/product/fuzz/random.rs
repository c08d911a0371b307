//! Numbers that a seed repeats, and choices made with them.

/// xorshift64*, by Vigna (2016): small, and the same on every machine.
pub struct FuzzRandom(u64);

impl FuzzRandom {
    /// The same seed gives the same numbers.
    pub fn new(seed: u64) -> FuzzRandom {
        // Zero would stay zero, and seeds in a row should not begin alike.
        let mut random = FuzzRandom((seed ^ 0x9E37_79B9_7F4A_7C15).wrapping_mul(0xBF58_476D_1CE4_E5B9) | 1);
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Below `limit`; 0 when that is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 11) as usize % limit.max(1)
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, share: usize) -> bool {
        self.below(100) < share
    }

    /// One of these.
    pub fn one<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// So many bytes of any value.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }

    /// Small numbers most of the time, up to `limit`.
    pub fn size(&mut self, limit: usize) -> usize {
        let limit = if self.percent(80) { limit.min(100) } else { limit };
        self.below(limit + 1)
    }
}
