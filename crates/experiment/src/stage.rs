//! Names of the stages of a run, in their order.

use clap::ValueEnum;

/// A stage of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Stage {
    /// Generates the synthetic cohort if it is used, and reads every scan.
    Cohort,
    /// Trains the networks of the classifier; without a shard, then predicts every case.
    Train,
    /// Scores partitions and fills; without a shard, then selects a partition.
    Grid,
    /// Computes the selected partition of each case.
    Regions,
    /// Trains the learned fills.
    PerturbTrain,
    /// Scores the selected partition with every fill.
    Score,
    /// Selects the settings of diffused relevance.
    Select,
    /// Diffuses scores.
    Diffuse,
    /// Diffuses the scores of all partitions of the pool; without a shard, then pools them.
    Pool,
    /// Runs the other explainers.
    Explain,
    /// Scores cases after epochs of the training.
    Focus,
    /// Makes maps and masks.
    Maps,
    /// Measures the faithfulness of maps.
    Faithfulness,
    /// Computes tables and the summary.
    Evaluate,
    /// Draws figures and writes the report.
    Report,
}

impl Stage {
    /// All stages, in their order.
    pub const ALL: [Self; 15] = [
        Self::Cohort,
        Self::Train,
        Self::Grid,
        Self::Regions,
        Self::PerturbTrain,
        Self::Score,
        Self::Select,
        Self::Diffuse,
        Self::Pool,
        Self::Explain,
        Self::Focus,
        Self::Maps,
        Self::Faithfulness,
        Self::Evaluate,
        Self::Report,
    ];

    /// Name on the command line, in status lines and in the manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cohort => "cohort",
            Self::Train => "train",
            Self::Grid => "grid",
            Self::Regions => "regions",
            Self::PerturbTrain => "perturb-train",
            Self::Score => "score",
            Self::Select => "select",
            Self::Diffuse => "diffuse",
            Self::Pool => "pool",
            Self::Explain => "explain",
            Self::Focus => "focus",
            Self::Maps => "maps",
            Self::Faithfulness => "faithfulness",
            Self::Evaluate => "evaluate",
            Self::Report => "report",
        }
    }

    /// Returns true if the stage has work that shards divide: by case, by network, or by learned fill.
    pub fn has_shares(self) -> bool {
        !matches!(self, Self::Cohort | Self::Select | Self::Evaluate | Self::Report)
    }

    /// Returns true if the stage has work that needs all shares, and is done without a shard.
    pub fn has_whole(self) -> bool {
        !self.has_shares() || matches!(self, Self::Train | Self::Grid | Self::Pool)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_command_line() {
        for stage in Stage::ALL {
            assert_eq!(stage.to_possible_value().unwrap().get_name(), stage.name());
        }
        assert!(Stage::ALL.is_sorted());
        assert_eq!(Stage::ALL.as_slice(), Stage::value_variants());
    }
}
