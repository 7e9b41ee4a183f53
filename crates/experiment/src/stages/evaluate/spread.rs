//! Variation between complete runs with different seeds.

use std::collections::BTreeMap;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::files::SUMMARY;
use crate::run::{Inputs, Run, hash_file, replace};
use relevox_report::tables::{Method, Number, Summary, Threshold};

/// Artefact with the variation.
pub const SPREAD: &str = "spread.json";

/// A result over several runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Mean over the runs that have the result.
    pub mean: f64,
    /// Standard deviation (n − 1); `None` for a single run.
    pub deviation: Option<f64>,
    /// Result of each run, in the order of the seeds.
    pub runs: Vec<Option<f64>>,
}

/// Variation of all results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spreads {
    /// Seeds of the runs.
    pub seeds: Vec<u64>,
    /// Area under the ROC curve on the test split.
    pub test_auc: Option<Spread>,
    /// Mean Dice by method and threshold.
    pub dice: BTreeMap<Method, BTreeMap<Threshold, Spread>>,
}

impl Spread {
    /// Returns `None` if no run has the result.
    fn of(runs: Vec<Option<f64>>) -> Option<Self> {
        let found: Vec<f64> = runs.iter().copied().flatten().collect();
        if found.is_empty() {
            return None;
        }
        let n = found.len() as f64;
        let mean = found.iter().sum::<f64>() / n;
        let squares = found.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        Some(Self { mean, deviation: (n > 1.0).then(|| (squares / (n - 1.0)).sqrt()), runs })
    }
}

/// Compares the runs of several seeds, each in its folder, and writes the result to the folder above. Returns true if
/// it was not current.
///
/// # Errors
/// Returns an error if a run has no summary.
pub fn run(run: &Run, seeds: &[u64], folders: &[String]) -> anyhow::Result<bool> {
    let mut inputs = Inputs::new().setting("seeds", &seeds);
    for folder in folders {
        let name = format!("{folder}/{SUMMARY}");
        inputs = inputs.file(&name, &hash_file(&run.path(&name))?);
    }
    run.make(SPREAD, &inputs, |path| {
        let read = |folder: &String| -> anyhow::Result<Summary> {
            let path = run.path(&format!("{folder}/{SUMMARY}"));
            let text = std::fs::read(&path)?;
            serde_json::from_slice(&text).with_context(|| format!("reading {}", path.display()))
        };
        let summaries: Vec<Summary> = folders.iter().map(read).collect::<anyhow::Result<_>>()?;
        let mut text = serde_json::to_string_pretty(&between(seeds, &summaries))?;
        text.push('\n');
        replace(path, text.as_bytes())
    })
}

fn between(seeds: &[u64], summaries: &[Summary]) -> Spreads {
    let spread = |of: &dyn Fn(&Summary) -> Option<&Number>| {
        Spread::of(summaries.iter().map(|summary| of(summary)?.mean).collect())
    };
    let mut dice: BTreeMap<Method, BTreeMap<Threshold, Spread>> = BTreeMap::new();
    for method in summaries.iter().flat_map(|summary| summary.dice.keys()) {
        for threshold in Threshold::ALL {
            let found = spread(&|summary: &Summary| summary.dice.get(method)?.get(threshold));
            if let Some(found) = found {
                dice.entry(*method).or_default().insert(threshold, found);
            }
        }
    }
    Spreads { seeds: seeds.to_vec(), test_auc: spread(&|summary| Some(&summary.classifier.test_auc)), dice }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviation_is_around_the_mean_of_the_runs() {
        let mut other = relevox_report::tables::sample::summary();
        let one = relevox_report::tables::sample::summary();
        let blank = other.dice.get_mut(&Method::Blank).unwrap();
        blank.oracle.mean = blank.oracle.mean.map(|mean| mean + 0.125);
        other.dice.remove(&Method::Lime);
        let found = between(&[1, 2], &[one.clone(), other]);
        let blank = &found.dice[&Method::Blank][&Threshold::Oracle];
        assert!((blank.mean - one.dice[&Method::Blank].oracle.mean.unwrap() - 0.0625).abs() < 1e-12);
        assert!((blank.deviation.unwrap() - 0.125 / 2.0_f64.sqrt()).abs() < 1e-12);
        let lime = &found.dice[&Method::Lime][&Threshold::Otsu];
        assert_eq!((lime.deviation, lime.runs.len(), lime.runs[1]), (None, 2, None));
        assert_eq!(found.test_auc.unwrap().deviation, Some(0.0));
    }
}
