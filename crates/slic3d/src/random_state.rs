//! The subset of NumPy's legacy `RandomState` that samples seed points: MT19937, bounded integers, shuffle.
//!
//! Matsumoto, M. and Nishimura, T., "Mersenne twister: a 623-dimensionally equidistributed uniform pseudo-random number
//! generator", ACM TOMACS 8, 1998, doi:10.1145/272991.272995.

const WORDS: usize = 624;
const MIDDLE: usize = 397;

/// A Mersenne twister that draws the numbers of `numpy.random.RandomState(seed)`.
pub(crate) struct RandomState {
    words: [u32; WORDS],
    /// The tempered words.
    draws: [u32; WORDS],
    next: usize,
}

impl RandomState {
    pub(crate) fn new(seed: u32) -> Self {
        let mut words = [seed; WORDS];
        for i in 1..WORDS {
            let before = words[i - 1];
            words[i] = (before ^ (before >> 30)).wrapping_mul(1_812_433_253).wrapping_add(i as u32);
        }
        RandomState { words, draws: words, next: WORDS }
    }

    /// Computes the next block of draws. No word depends on a recent one, so that the loops vectorise.
    fn twist(&mut self) {
        let words = &mut self.words;
        let mixed = |here: u32, after: u32| {
            let joined = (here & 0x8000_0000) | (after & 0x7fff_ffff);
            (joined >> 1) ^ ((joined & 1) * 0x9908_b0df)
        };
        for i in 0..WORDS - MIDDLE {
            words[i] = words[i + MIDDLE] ^ mixed(words[i], words[i + 1]);
        }
        for i in WORDS - MIDDLE..WORDS - 1 {
            words[i] = words[i + MIDDLE - WORDS] ^ mixed(words[i], words[i + 1]);
        }
        words[WORDS - 1] = words[MIDDLE - 1] ^ mixed(words[WORDS - 1], words[0]);
        for (draw, &word) in self.draws.iter_mut().zip(words.iter()) {
            *draw = tempered(word);
        }
        self.next = 0;
    }

    fn next_u32(&mut self) -> u32 {
        if self.next == WORDS {
            self.twist();
        }
        let draw = self.draws[self.next];
        self.next += 1;
        draw
    }

    /// Draws the swaps of a shuffle of 0..n: for each `i` from `n − 1` down to 1 a uniform integer in 0..=i, by rejection under
    /// the smallest mask of ones that covers `i`.
    pub(crate) fn shuffle(&mut self, n: u32) -> Shuffle {
        let mut swaps = vec![0; n as usize];
        let mut i = n.saturating_sub(1);
        while i > 0 {
            let mask = u32::MAX >> i.leading_zeros();
            // The next draw overwrites a rejected one: a branch would be mispredicted every other time.
            while i > mask >> 1 {
                let partner = self.next_u32() & mask;
                swaps[i as usize] = partner;
                i -= u32::from(partner <= i);
            }
        }
        Shuffle { swaps }
    }
}

/// A shuffle of 0..n.
pub(crate) struct Shuffle {
    /// The position that each one is swapped with, from the last on.
    swaps: Vec<u32>,
}

impl Shuffle {
    /// Returns the first `size` elements after the shuffle, sorted: with those of `RandomState`,
    /// `choice(n, size, replace=False)`.
    ///
    /// The shuffle is traced backwards from the first `size` positions, held as a bit set: the element at position `i`
    /// after the swap with position `j` was at `j` before.
    pub(crate) fn sorted_head(&self, size: usize) -> Vec<u32> {
        let n = self.swaps.len();
        let mut chosen = vec![0_u64; n.div_ceil(64)];
        (0..size.min(n)).for_each(|position| chosen[position / 64] |= 1 << (position % 64));
        for (position, &other) in self.swaps.iter().enumerate().skip(size) {
            let other = other as usize;
            let bit = chosen[other / 64] >> (other % 64) & 1;
            chosen[other / 64] ^= bit << (other % 64);
            chosen[position / 64] |= bit << (position % 64);
        }
        let mut sorted = Vec::with_capacity(size.min(n));
        for (word, mut remaining) in (0..).zip(chosen) {
            while remaining != 0 {
                sorted.push(word * 64 + remaining.trailing_zeros());
                remaining &= remaining - 1;
            }
        }
        sorted
    }
}

fn tempered(mut word: u32) -> u32 {
    word ^= word >> 11;
    word ^= (word << 7) & 0x9d2c_5680;
    word ^= (word << 15) & 0xefc6_0000;
    word ^ (word >> 18)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The 10,000th draw of seed 5489 is the check value that ISO C++ 26.5.5 publishes.
    #[test]
    fn the_ten_thousandth_draw_is_the_published_one() {
        let mut state = RandomState::new(5489);
        let last = (0..10_000).map(|_| state.next_u32()).last();
        assert_eq!(last, Some(4_123_659_995));
    }

    /// The same sample by NumPy's forward shuffle.
    fn plain_choice(state: &mut RandomState, n: u32, size: usize) -> Vec<u32> {
        let mut indices: Vec<u32> = (0..n).collect();
        for i in (1..n).rev() {
            let mask = u32::MAX >> i.leading_zeros();
            let partner = std::iter::repeat_with(|| state.next_u32() & mask).find(|&partner| partner <= i);
            indices.swap(i as usize, partner.unwrap() as usize);
        }
        indices.truncate(size);
        indices.sort_unstable();
        indices
    }

    #[test]
    fn a_choice_is_the_head_of_a_shuffle() {
        for n in [1, 2, 3, 64, 65, 1000, 4097] {
            for size in [0, 1, n as usize / 3, n as usize] {
                let (mut fast, mut plain) = (RandomState::new(n), RandomState::new(n));
                for _ in 0..3 {
                    assert_eq!(
                        fast.shuffle(n).sorted_head(size),
                        plain_choice(&mut plain, n, size),
                        "{size} of {n}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_choice_has_no_repeats_and_stays_in_range() {
        let chosen = RandomState::new(123).shuffle(50).sorted_head(20);
        assert_eq!(chosen.len(), 20);
        assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]) && chosen[19] < 50);
    }
}
