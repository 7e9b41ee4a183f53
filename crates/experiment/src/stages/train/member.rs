//! The networks that a config asks for: one, or several whose mean logit decides.

use crate::config::Config;
use crate::run::stream_seed;

/// What training leaves.
pub(super) const FOLDER: &str = "classifier";

/// One of the networks, and where it leaves what.
///
/// They differ in the seed of their weights, of the order of the scans and of how these are varied. The first is the one
/// that a config which asks for one alone would train.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    number: usize,
    /// Of how many.
    of: usize,
}

impl Member {
    /// All of a config.
    pub fn all(config: &Config) -> Vec<Self> {
        let of = config.classifier.networks;
        (1..=of).map(|number| Self { number, of }).collect()
    }

    fn file(&self, name: &str) -> String {
        match self.of {
            1 => format!("{FOLDER}/{name}"),
            _ => format!("{FOLDER}/network-{}/{name}", self.number),
        }
    }

    /// The weights of the epoch that is kept.
    pub fn best(&self) -> String {
        self.file("best.safetensors")
    }

    /// The weights after an epoch, from 1.
    pub fn epoch(&self, epoch: usize) -> String {
        self.file(&format!("epoch-{epoch:03}.safetensors"))
    }

    /// The state that training goes on from.
    pub(super) fn last(&self) -> String {
        self.file("last.safetensors")
    }

    /// Losses and validation by epoch.
    pub fn history(&self) -> String {
        self.file("history.csv")
    }

    /// The name of what is drawn for it.
    pub(super) fn stream(&self, name: &str) -> String {
        match self.number {
            1 => name.to_owned(),
            number => format!("{name}-{number}"),
        }
    }

    /// The seed of its weights and of the order of the scans.
    pub(super) fn seed(&self, config: &Config) -> u64 {
        stream_seed(config.seed, &self.stream("classifier"))
    }

    /// For progress.
    pub(super) fn title(&self) -> String {
        match self.of {
            1 => "train".to_owned(),
            of => format!("train {}/{of}", self.number),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::Layers;

    #[test]
    fn networks_have_files_and_seeds_of_their_own() {
        let mut config = (*Layers::default().resolve().unwrap().config).clone();
        let alone = Member::all(&config);
        assert_eq!(alone.len(), 1);
        assert_eq!(alone[0].best(), "classifier/best.safetensors");
        config.classifier.networks = 3;
        let three = Member::all(&config);
        assert_eq!(three[1].epoch(7), "classifier/network-2/epoch-007.safetensors");
        assert_eq!(three[0].seed(&config), alone[0].seed(&config));
        let seeds: BTreeSet<u64> = three.iter().map(|member| member.seed(&config)).collect();
        let files: BTreeSet<String> = three.iter().map(Member::last).collect();
        assert_eq!((seeds.len(), files.len()), (3, 3));
    }
}
