//! Networks of an ensemble, and their files.

use crate::config::Config;
use crate::run::stream_seed;

/// Folder of the classifier.
pub(super) const FOLDER: &str = "classifier";

/// Folder of a network of an ensemble.
pub(super) fn folder_of(number: usize) -> String {
    format!("{FOLDER}/network-{number}")
}

/// Number of the network whose folder has this name; `None` for another name.
pub(super) fn number_of(name: &str) -> Option<usize> {
    name.strip_prefix("network-")?.parse().ok()
}

/// A network of the ensemble.
///
/// Networks differ in the seeds of their initial weights, batch order and augmentation. The first equals the network of
/// a configuration with a single one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    number: usize,
    /// Number of networks.
    total: usize,
}

impl Member {
    /// Returns all networks of a configuration.
    pub fn all(config: &Config) -> Vec<Self> {
        let total = config.classifier.networks;
        (1..=total).map(|number| Self { number, total }).collect()
    }

    /// Artefact with the network: the folder of its files.
    pub(super) fn folder(&self) -> String {
        match self.total {
            1 => FOLDER.to_owned(),
            _ => folder_of(self.number),
        }
    }

    fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.folder())
    }

    /// Artefact with the weights of the selected epoch.
    pub fn best(&self) -> String {
        self.file("best.safetensors")
    }

    /// Artefact with the weights after an epoch, from 1.
    pub fn epoch(&self, epoch: usize) -> String {
        self.file(&format!("epoch-{epoch:03}.safetensors"))
    }

    /// File with the state that training resumes from.
    pub(super) fn last(&self) -> String {
        self.file("last.safetensors")
    }

    /// Artefact with the losses by epoch.
    pub fn history(&self) -> String {
        self.file("history.csv")
    }

    /// Artefact with the settings of the selected partition, next to the weights.
    pub fn regions(&self) -> String {
        self.file("regions.toml")
    }

    /// Name of a random number stream of this network.
    pub(super) fn stream(&self, name: &str) -> String {
        match self.number {
            1 => name.to_owned(),
            number => format!("{name}-{number}"),
        }
    }

    /// Seed of the initial weights and of the batch order.
    pub(super) fn seed(&self, config: &Config) -> u64 {
        stream_seed(config.seed, &self.stream("classifier"))
    }

    /// Name for progress messages.
    pub(super) fn title(&self) -> String {
        match self.total {
            1 => "train".to_owned(),
            total => format!("train {}/{total}", self.number),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::Layers;

    #[test]
    fn networks_have_separate_files_and_seeds() {
        let mut config = (*Layers::default().resolve().unwrap().config).clone();
        let single = Member::all(&config);
        assert_eq!(single.len(), 1);
        assert_eq!(single[0].best(), "classifier/best.safetensors");
        config.classifier.networks = 3;
        let three = Member::all(&config);
        assert_eq!(three[1].epoch(7), "classifier/network-2/epoch-007.safetensors");
        assert_eq!(three[0].seed(&config), single[0].seed(&config));
        let seeds: BTreeSet<u64> = three.iter().map(|member| member.seed(&config)).collect();
        let files: BTreeSet<String> = three.iter().map(Member::last).collect();
        assert_eq!((seeds.len(), files.len()), (3, 3));
    }
}
