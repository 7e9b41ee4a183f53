//! The part of NumPy's legacy `RandomState` that draws seed points: MT19937, bounded integers, shuffle.
//!
//! M. Matsumoto, T. Nishimura: "Mersenne twister: a 623-dimensionally equidistributed uniform pseudo-random number
//! generator", ACM TOMACS 8 (1998), DOI 10.1145/272991.272995.

const WORDS: usize = 624;
const MIDDLE: usize = 397;

/// A Mersenne twister seeded as `numpy.random.RandomState(seed)` is.
pub(crate) struct RandomState {
    words: [u32; WORDS],
    next: usize,
}

impl RandomState {
    pub(crate) fn new(seed: u32) -> Self {
        let mut words = [seed; WORDS];
        for i in 1..WORDS {
            let before = words[i - 1];
            words[i] = (before ^ (before >> 30)).wrapping_mul(1_812_433_253).wrapping_add(i as u32);
        }
        RandomState { words, next: WORDS }
    }

    fn twist(&mut self) {
        for i in 0..WORDS {
            let joined = (self.words[i] & 0x8000_0000) | (self.words[(i + 1) % WORDS] & 0x7fff_ffff);
            let odd = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            self.words[i] = self.words[(i + MIDDLE) % WORDS] ^ (joined >> 1) ^ odd;
        }
        self.next = 0;
    }

    fn next_u32(&mut self) -> u32 {
        if self.next == WORDS {
            self.twist();
        }
        let mut word = self.words[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    /// A uniform integer of 0..=max, by rejection under the smallest mask of ones that covers `max`.
    fn up_to(&mut self, max: u32) -> u32 {
        if max == 0 {
            return 0;
        }
        let mask = u32::MAX >> max.leading_zeros();
        loop {
            let value = self.next_u32() & mask;
            if value <= max {
                return value;
            }
        }
    }

    /// `choice(n, size, replace=False)`, sorted: the head of a shuffled 0..n.
    pub(crate) fn sorted_choice(&mut self, n: u32, size: usize) -> Vec<u32> {
        let mut indices: Vec<u32> = (0..n).collect();
        for i in (1..n).rev() {
            let j = self.up_to(i);
            indices.swap(i as usize, j as usize);
        }
        indices.truncate(size);
        indices.sort_unstable();
        indices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The generator's published check value: the 10 000th draw of seed 5489 (ISO C++ 26.5.5).
    #[test]
    fn ten_thousandth_draw_is_the_published_one() {
        let mut state = RandomState::new(5489);
        let last = (0..10_000).map(|_| state.next_u32()).last();
        assert_eq!(last, Some(4_123_659_995));
    }

    #[test]
    fn choice_has_no_repeats_and_stays_in_range() {
        let chosen = RandomState::new(123).sorted_choice(50, 20);
        assert_eq!(chosen.len(), 20);
        assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]) && chosen[19] < 50);
    }
}
