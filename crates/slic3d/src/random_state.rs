//! The part of NumPy's legacy `RandomState` that draws seed points: MT19937, bounded integers, shuffle.
//!
//! M. Matsumoto, T. Nishimura: "Mersenne twister: a 623-dimensionally equidistributed uniform pseudo-random number
//! generator", ACM TOMACS 8 (1998), DOI 10.1145/272991.272995.

const WORDS: usize = 624;
const MIDDLE: usize = 397;

/// A Mersenne twister seeded as `numpy.random.RandomState(seed)` is.
pub(crate) struct RandomState {
    words: [u32; WORDS],
    /// The words, tempered.
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

    /// The next draws, all at once: no word depends on a recent one, so the loops are vectorised.
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

    /// For each `i` from `n − 1` down to 1, a uniform integer of 0..=i, by rejection under the smallest mask of ones that
    /// covers `i`: the places that a shuffle of `n` swaps with place `i`.
    fn swaps(&mut self, n: u32) -> Vec<u32> {
        let mut swaps = vec![0; n as usize];
        let mut i = n.saturating_sub(1);
        while i > 0 {
            let mask = u32::MAX >> i.leading_zeros();
            // A rejected draw is written over by the next: every other draw would be a branch mispredicted.
            while i > mask >> 1 {
                let place = self.next_u32() & mask;
                swaps[i as usize] = place;
                i -= u32::from(place <= i);
            }
        }
        swaps
    }

    /// `choice(n, size, replace=False)`, sorted: the head of a shuffled 0..n.
    ///
    /// The shuffle is followed backwards from the `size` places of the head, as bits of a set: what stands in place `i` after
    /// the swap with place `j` stood in `j` before.
    pub(crate) fn sorted_choice(&mut self, n: u32, size: usize) -> Vec<u32> {
        let swaps = self.swaps(n);
        let mut chosen = vec![0_u64; (n as usize).div_ceil(64)];
        (0..size.min(n as usize)).for_each(|place| chosen[place / 64] |= 1 << (place % 64));
        for (place, &other) in swaps.iter().enumerate().skip(size) {
            let other = other as usize;
            let bit = chosen[other / 64] >> (other % 64) & 1;
            chosen[other / 64] ^= bit << (other % 64);
            chosen[place / 64] |= bit << (place % 64);
        }
        let bits = |(word, &bits): (usize, &u64)| {
            let mut left = bits;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                Some(word as u32 * 64 + bit)
            })
        };
        chosen.iter().enumerate().flat_map(bits).collect()
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

    /// The generator's published check value: the 10 000th draw of seed 5489 (ISO C++ 26.5.5).
    #[test]
    fn ten_thousandth_draw_is_the_published_one() {
        let mut state = RandomState::new(5489);
        let last = (0..10_000).map(|_| state.next_u32()).last();
        assert_eq!(last, Some(4_123_659_995));
    }

    /// The shuffle as NumPy writes it.
    fn plain_choice(state: &mut RandomState, n: u32, size: usize) -> Vec<u32> {
        let mut indices: Vec<u32> = (0..n).collect();
        for i in (1..n).rev() {
            let mask = u32::MAX >> i.leading_zeros();
            let place = std::iter::repeat_with(|| state.next_u32() & mask).find(|&place| place <= i);
            indices.swap(i as usize, place.unwrap() as usize);
        }
        indices.truncate(size);
        indices.sort_unstable();
        indices
    }

    #[test]
    fn choice_is_the_head_of_a_shuffle() {
        for n in [1, 2, 3, 64, 65, 1000, 4097] {
            for size in [0, 1, n as usize / 3, n as usize] {
                let (mut fast, mut plain) = (RandomState::new(n), RandomState::new(n));
                for _ in 0..3 {
                    assert_eq!(
                        fast.sorted_choice(n, size),
                        plain_choice(&mut plain, n, size),
                        "{size} of {n}"
                    );
                }
            }
        }
    }

    #[test]
    fn choice_has_no_repeats_and_stays_in_range() {
        let chosen = RandomState::new(123).sorted_choice(50, 20);
        assert_eq!(chosen.len(), 20);
        assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]) && chosen[19] < 50);
    }
}
