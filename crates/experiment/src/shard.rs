//! Shares of a run's work, so that several processes, also on several hosts, can work in one run folder at the same time.
//!
//! No locks are needed: each artefact that is made in shares belongs to one shard, by the position of its case, network or learned
//! fill. What is made from the work of several shards is made without a shard, after them.

use std::fmt;
use std::str::FromStr;

/// One of several shares, such as the third of eight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    number: usize,
    count: usize,
}

impl Shard {
    /// Returns all of several shares.
    pub fn all(count: usize) -> impl Iterator<Item = Self> {
        (1..=count).map(move |number| Self { number, count })
    }

    /// Number of the share, from 1.
    pub fn number(self) -> usize {
        self.number
    }

    /// Number of shares.
    pub fn count(self) -> usize {
        self.count
    }

    /// Returns true if the shard owns the item at a position.
    pub fn owns(self, position: usize) -> bool {
        position % self.count == self.number - 1
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.count)
    }
}

impl FromStr for Shard {
    type Err = String;

    /// Parses `I/N`, with `I` from 1 to `N`.
    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (number, count) = text.split_once('/')?;
            let shard = Self { number: number.parse().ok()?, count: count.parse().ok()? };
            (1..=shard.count).contains(&shard.number).then_some(shard)
        };
        parse().ok_or_else(|| format!("expected I/N with I from 1 to N, such as 3/8, found {text}"))
    }
}

/// The share of a command in a run: a shard's, or all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// The shard; `None` for all.
    pub shard: Option<Shard>,
    /// Position of the run among those of a cross-validation or of several seeds, so that few items of many runs are
    /// spread over the shards.
    pub run: usize,
}

impl Share {
    /// Returns true if the share includes the item at a position in a list.
    pub fn owns(&self, position: usize, length: usize) -> bool {
        self.shard.is_none_or(|shard| shard.owns(self.run * length + position))
    }

    /// Returns true for all of the work.
    pub fn is_whole(&self) -> bool {
        self.shard.is_none()
    }

    /// Returns the items of a list that the share includes.
    pub fn of<T>(&self, items: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>) -> Vec<T> {
        let items = items.into_iter();
        let length = items.len();
        items.enumerate().filter(|(position, _)| self.owns(*position, length)).map(|(_, item)| item).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_parsed() {
        assert_eq!("3/8".parse::<Shard>().unwrap().to_string(), "3/8");
        for wrong in ["0/8", "9/8", "3", "3/", "/8", "-1/8", "1/0", "a/b", "1/2/3"] {
            let error = wrong.parse::<Shard>().unwrap_err();
            assert!(error.contains("expected I/N") && error.contains(wrong), "{error}");
        }
    }

    #[test]
    fn every_item_belongs_to_one_shard_and_shares_differ_by_at_most_one() {
        for count in 1..6 {
            for (length, run) in [(0, 0), (1, 0), (1, 3), (7, 2), (12, 1)] {
                let items: Vec<usize> = (0..length).collect();
                let mut shares = Vec::new();
                for number in 1..=count {
                    let share = Share { shard: Some(Shard { number, count }), run };
                    shares.push(share.of(items.iter().copied()));
                }
                let [least, most] = [shares.iter().map(Vec::len).min(), shares.iter().map(Vec::len).max()];
                assert!(most.unwrap() - least.unwrap() <= 1, "{shares:?}");
                let mut all = shares.concat();
                all.sort_unstable();
                assert_eq!(all, items);
            }
        }
    }

    #[test]
    fn single_items_of_several_runs_belong_to_different_shards() {
        let owner = |run| {
            (1..=3).find(|&number| Share { shard: Some(Shard { number, count: 3 }), run }.owns(0, 1)).unwrap()
        };
        assert_eq!([0, 1, 2, 3].map(owner), [1, 2, 3, 1]);
        assert!(Share::default().owns(5, 7) && Share::default().is_whole());
    }
}
