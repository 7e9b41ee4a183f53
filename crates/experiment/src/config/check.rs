//! Ranges that values must lie in. A message names key, allowed range and value found.

use std::fmt::Display;
use std::ops::RangeInclusive;

use super::{Config, Select};
use crate::failure::input;

/// Explainers by name, as `explain.methods` lists them.
pub const EXPLAINERS: [&str; 6] = ["lime", "rise", "gradcam_pp", "occlusion", "partitions", "random_weights"];

/// Fills by name, as `evaluate.fills` and `grid.fills` list them.
pub const FILLS: [&str; 5] = ["learned", "blank", "min", "max", "mean"];

impl Config {
    /// Checks every value.
    ///
    /// # Errors
    /// The first value that is out of range.
    pub fn check(&self) -> anyhow::Result<()> {
        self.check_cohort()?;
        self.check_networks()?;
        self.check_partitions()?;
        self.check_explainers()?;
        self.check_evaluation()
    }

    fn check_cohort(&self) -> anyhow::Result<()> {
        self.phantom.validate().map_err(|error| input(format!("config: {error}")))?;
        let cohort = &self.cohort;
        filled("cohort.source", !cohort.source.is_empty(), "`phantom` or a path")?;
        within("cohort.min_cases", cohort.min_cases, 3..=100_000)?;
        for (key, share) in
            [("train", cohort.train), ("validation", cohort.validation), ("test", cohort.test)]
        {
            within(&format!("cohort.{key}"), share, 0.01..=0.98)?;
        }
        let sum = cohort.train + cohort.validation + cohort.test;
        if (sum - 1.0).abs() > 1e-6 {
            return Err(input(format!(
                "config: cohort.train, cohort.validation and cohort.test: expected shares that add up to 1, found {sum}"
            )));
        }
        if cohort.folds != 0 {
            within("cohort.folds", cohort.folds, 3..=100)?;
        }
        within("cohort.fold", cohort.fold, 0..=cohort.folds)?;
        different("seeds", &self.seeds)?;
        let preprocess = &self.preprocess;
        filled("preprocess.sequences", !preprocess.sequences.is_empty(), "at least one sequence")?;
        for (i, name) in preprocess.sequences.iter().enumerate() {
            let plain = !name.is_empty()
                && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            if !plain || preprocess.sequences[..i].contains(name) {
                return Err(input(format!(
                    "config: preprocess.sequences: expected different names of a-z, 0-9 and _, found {name:?}"
                )));
            }
        }
        within("preprocess.downsample", preprocess.downsample, 1..=16)?;
        for size in preprocess.crop {
            within("preprocess.crop", size, 8..=1024)?;
            if size % preprocess.downsample != 0 {
                return Err(input(format!(
                    "config: preprocess.crop: expected multiples of preprocess.downsample = {}, found {size}",
                    preprocess.downsample
                )));
            }
        }
        let smallest = preprocess.crop.into_iter().min().unwrap_or(0);
        within("augment.shift_voxels", self.augment.shift_voxels, 0..=smallest / 2)?;
        within("augment.intensity", f64::from(self.augment.intensity), 0.0..=1.0)
    }

    fn check_networks(&self) -> anyhow::Result<()> {
        let classifier = &self.classifier;
        one_of("classifier.depth", &classifier.depth, &[10, 18, 34, 50])?;
        within("classifier.width", classifier.width, 1..=512)?;
        one_of("classifier.stem_stride", &classifier.stem_stride, &[1, 2])?;
        within("classifier.epochs", classifier.epochs, 1..=10_000)?;
        within("classifier.batch", classifier.batch, 1..=1_024)?;
        within("classifier.learning_rate", classifier.learning_rate, 1e-8..=10.0)?;
        within("classifier.weight_decay", classifier.weight_decay, 0.0..=1.0)?;
        within("classifier.networks", classifier.networks, 1..=100)?;
        within("classifier.positive_weight", classifier.positive_weight, 1e-3..=1e3)?;
        let fill = &self.fill;
        within("fill.widths (levels)", fill.widths.len(), 1..=6)?;
        for &width in &fill.widths {
            within("fill.widths", width, 1..=1_024)?;
        }
        within("fill.cases", fill.cases, 1..=10_000)?;
        within("fill.passes", fill.passes, 1..=10_000)?;
        within("fill.batch", fill.batch, 1..=1_024)?;
        within("fill.learning_rate", fill.learning_rate, 1e-8..=10.0)?;
        within("fill.epsilon", fill.epsilon, 1e-12..=1.0)
    }

    fn check_partitions(&self) -> anyhow::Result<()> {
        let sequences: Vec<&str> = self.preprocess.sequences.iter().map(String::as_str).collect();
        let regions = &self.regions;
        if regions.select == Select::Fixed {
            one_of("regions.sequence", &regions.sequence.as_str(), &sequences)?;
        }
        // More regions than voxels can't be made.
        let voxels = self.preprocess.shape().into_iter().product::<usize>().min(1_000_000);
        within("regions.count", regions.count, 1..=voxels)?;
        within("regions.compactness", regions.compactness, 1e-6..=1e6)?;
        within("regions.sigma", regions.sigma, 0.0..=100.0)?;
        within("regions.iterations", regions.iterations, 1..=1_000)?;
        let grid = &self.grid;
        for sequence in &grid.sequences {
            one_of("grid.sequences", &sequence.as_str(), &sequences)?;
        }
        different("grid.sequences", &grid.sequences)?;
        filled("grid.counts", !grid.counts.is_empty(), "at least one number of regions")?;
        for &count in &grid.counts {
            within("grid.counts", count, 1..=voxels)?;
        }
        different("grid.counts", &grid.counts)?;
        filled("grid.compactness", !grid.compactness.is_empty(), "at least one compactness")?;
        for &compactness in &grid.compactness {
            within("grid.compactness", compactness, 1e-6..=1e6)?;
        }
        different("grid.compactness", &grid.compactness)?;
        filled("grid.fills", !grid.fills.is_empty(), "at least one fill")?;
        for fill in &grid.fills {
            // The learned fill is trained on the partition that the grid selects.
            one_of("grid.fills", &fill.as_str(), &FILLS[1..])?;
        }
        different("grid.fills", &grid.fills)
    }

    fn check_explainers(&self) -> anyhow::Result<()> {
        let diffuse = &self.diffuse;
        for fill in &diffuse.fills {
            one_of("diffuse.fills", &fill.as_str(), &FILLS[1..])?;
        }
        different("diffuse.fills", &diffuse.fills)?;
        filled("diffuse.scores", !diffuse.scores.is_empty(), "at least one kind of score")?;
        filled("diffuse.readings", !diffuse.readings.is_empty(), "\"magnitude\", \"positive\" or both")?;
        filled("diffuse.lambdas", !diffuse.lambdas.is_empty(), "at least one lambda")?;
        for &lambda in &diffuse.lambdas {
            within("diffuse.lambdas", lambda, 0.0..=1e6)?;
        }
        different("diffuse.lambdas", &diffuse.lambdas)?;
        filled("diffuse.scales", !diffuse.scales.is_empty(), "at least one scale")?;
        for &scale in &diffuse.scales {
            within("diffuse.scales", scale, 1e-3..=1e3)?;
        }
        different("diffuse.scales", &diffuse.scales)?;
        filled("diffuse.borders", !diffuse.borders.is_empty(), "false, true or both")?;
        let explain = &self.explain;
        for method in &explain.methods {
            one_of("explain.methods", &method.as_str(), &EXPLAINERS)?;
        }
        different("explain.methods", &explain.methods)?;
        one_of("explain.fill", &explain.fill.as_str(), &FILLS[1..])?;
        within("explain.lime_samples", explain.lime_samples, 1..=1_000_000)?;
        within("explain.lime_ridge", explain.lime_ridge, 1e-12..=1e6)?;
        within("explain.rise_samples", explain.rise_samples, 2..=1_000_000)?;
        within("explain.rise_keep", explain.rise_keep, 0.01..=0.99)?;
        within("explain.rise_cells", explain.rise_cells, 0..=64)?;
        within("explain.occlusion_size", explain.occlusion_size, 1..=512)?;
        within("explain.occlusion_overlap", explain.occlusion_overlap, 1..=explain.occlusion_size.min(8))?;
        within("explain.curve_points", explain.curve_points, 0..=1_000)?;
        within("explain.infidelity_samples", explain.infidelity_samples, 0..=100_000)
    }

    fn check_evaluation(&self) -> anyhow::Result<()> {
        let evaluate = &self.evaluate;
        filled("evaluate.fills", !evaluate.fills.is_empty(), "at least one fill")?;
        for fill in &evaluate.fills {
            one_of("evaluate.fills", &fill.as_str(), &FILLS)?;
        }
        different("evaluate.fills", &evaluate.fills)?;
        within("evaluate.bootstrap", evaluate.bootstrap, 100..=1_000_000)?;
        within("evaluate.random_repeats", evaluate.random_repeats, 1..=10_000)?;
        let sequences: Vec<&str> = self.preprocess.sequences.iter().map(String::as_str).collect();
        if !evaluate.intensity.is_empty() {
            one_of("evaluate.intensity", &evaluate.intensity.as_str(), &sequences)?;
        }
        within("evaluate.island", evaluate.island, 0.0..=1.0)?;
        within("evaluate.ranks", evaluate.ranks, 1..=50)?;
        within("evaluate.cumulative", evaluate.cumulative, 1..=50)?;
        within("evaluate.focus_epochs", evaluate.focus_epochs, 0..=10_000)?;
        within("evaluate.focus_cases", evaluate.focus_cases, 1..=10_000)?;
        within("evaluate.figure_cases", evaluate.figure_cases, 1..=100)
    }
}

fn within<T: PartialOrd + Display>(key: &str, value: T, allowed: RangeInclusive<T>) -> anyhow::Result<()> {
    if allowed.contains(&value) {
        return Ok(());
    }
    let (low, high) = (allowed.start(), allowed.end());
    Err(input(format!("config: {key}: expected {low} to {high}, found {value}")))
}

fn one_of<T: PartialEq + Display>(key: &str, value: &T, allowed: &[T]) -> anyhow::Result<()> {
    if allowed.contains(value) {
        return Ok(());
    }
    let names: Vec<String> = allowed.iter().map(ToString::to_string).collect();
    Err(input(format!("config: {key}: expected one of {}, found {value}", names.join(", "))))
}

fn different<T: PartialEq + Display>(key: &str, values: &[T]) -> anyhow::Result<()> {
    match values.iter().enumerate().find(|(index, value)| values[..*index].contains(value)) {
        None => Ok(()),
        Some((_, again)) => {
            Err(input(format!("config: {key}: expected values that differ, found {again} again")))
        }
    }
}

fn filled(key: &str, holds: bool, expected: &str) -> anyhow::Result<()> {
    if holds { Ok(()) } else { Err(input(format!("config: {key}: expected {expected}, found none"))) }
}
