//! Built-in profiles.

use clap::ValueEnum;

/// A built-in configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// The whole experiment on a synthetic cohort, in at most 15 minutes on two cores.
    Desk,
    /// Sizes of `desk` for scans of 240×240×155 voxels of 1 mm, as in BraTS: the default with `--cohort`.
    Scans,
    /// Every stage in at most a minute, for tests; the results are meaningless.
    Smoke,
    /// Hemispheres of BraTS cases, as written by `data/hemispheres.py`.
    Hemispheres,
    /// The paper's sizes, for `--cohort BRATS_DIR`.
    Paper,
}

impl Profile {
    /// All profiles.
    pub const ALL: [Self; 5] = [Self::Desk, Self::Scans, Self::Smoke, Self::Hemispheres, Self::Paper];

    /// Name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Desk => "desk",
            Self::Scans => "scans",
            Self::Smoke => "smoke",
            Self::Hemispheres => "hemispheres",
            Self::Paper => "paper",
        }
    }

    /// Contents of the TOML file: every key for `desk`, only the keys that differ for the others.
    pub fn text(self) -> &'static str {
        match self {
            Self::Desk => include_str!("../../profiles/desk.toml"),
            Self::Scans => include_str!("../../profiles/scans.toml"),
            Self::Smoke => include_str!("../../profiles/smoke.toml"),
            Self::Hemispheres => include_str!("../../profiles/hemispheres.toml"),
            Self::Paper => include_str!("../../profiles/paper.toml"),
        }
    }
}
