//! The profiles that ship with the program.

use clap::ValueEnum;

/// A named config under `profiles/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// A synthetic cohort in at most 15 minutes on two cores; its numbers mean something.
    Desk,
    /// Desk's sizes for scans of 240×240×155 voxels of 1 mm, as BraTS has them: what `--cohort` alone takes.
    Scans,
    /// Every part of the experiment in at most a minute; its numbers mean nothing.
    Smoke,
    /// The cohort that `data/hemispheres.py` makes from BraTS cases.
    Hemispheres,
    /// The paper's own sizes, for `--cohort BRATS_DIR`.
    Paper,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 5] = [Self::Desk, Self::Scans, Self::Smoke, Self::Hemispheres, Self::Paper];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Desk => "desk",
            Self::Scans => "scans",
            Self::Smoke => "smoke",
            Self::Hemispheres => "hemispheres",
            Self::Paper => "paper",
        }
    }

    /// Its file. Desk's holds every key, the others' what differs from it.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::flatten;
    use crate::config::{Layers, Source};

    /// The settings of a profile's text, each with the lines above it.
    fn documented(text: &str) -> Vec<(String, Vec<&str>)> {
        let (mut section, mut comment, mut found) = (String::new(), Vec::new(), Vec::new());
        for line in text.lines().map(str::trim) {
            if let Some(words) = line.strip_prefix('#') {
                comment.push(words.trim());
            } else if let Some(name) = line.strip_prefix('[') {
                section = format!("{}.", name.trim_end_matches(']'));
                comment.clear();
            } else if let Some((key, _)) = line.split_once(" = ") {
                found.push((format!("{section}{key}"), std::mem::take(&mut comment)));
            } else {
                comment.clear();
            }
        }
        found
    }

    #[test]
    fn desk_documents_every_key_and_no_other() {
        let config = Layers::default().resolve().unwrap().config;
        let keys: Vec<String> = flatten(&config.to_table().unwrap()).into_keys().collect();
        let mut documented = documented(Profile::Desk.text());
        documented.sort();
        let named: Vec<&String> = documented.iter().map(|(key, _)| key).collect();
        assert_eq!(named, keys.iter().collect::<Vec<_>>());
        for (key, comment) in documented {
            assert!(comment.join(" ").len() > 12, "{key} is not explained");
        }
    }

    #[test]
    fn other_profiles_say_only_what_differs() {
        let desk = Layers::default().resolve().unwrap().config;
        for profile in Profile::ALL.into_iter().filter(|&profile| profile != Profile::Desk) {
            let layers = Layers { base: Some(Source::profile(profile)), ..Layers::default() };
            let config = layers.resolve().unwrap().config;
            let different: Vec<String> =
                crate::config::differences(&desk, &config).unwrap().into_iter().map(|d| d.key).collect();
            for (key, _) in documented(profile.text()) {
                assert!(different.contains(&key), "{}: {key} is as in desk", profile.name());
            }
        }
    }
}
