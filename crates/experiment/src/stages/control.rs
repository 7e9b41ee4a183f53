//! The cases of the control variate of the learned fill: a few of the training split, of both labels in turn, in which its values
//! are put as well.

use std::sync::Arc;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use relevox_perturb::Fill;
use relevox_relevance::{Baseline, Classifier, Error, RegionScores, Target, controlled_logits};
use relevox_volume::{CohortCase, Split, Study};
use slic3d::Supervoxels;

use super::session::Session;
use crate::interrupt;
use crate::run::{hash_bytes, stream_seed};

/// Scans of the control's cases.
pub struct Control(Vec<Arc<Study>>);

impl Control {
    /// Reads the scans.
    ///
    /// # Errors
    /// Returns an error if a scan can't be read.
    pub fn load(session: &Session) -> anyhow::Result<Self> {
        cases(session)
            .into_iter()
            .map(|case| session.scans.study(case.id()))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Scores the regions of a scan, less the mean effect of the same values in the control's scans.
    ///
    /// # Errors
    /// Returns the error of the classifier or the fill.
    pub fn score(
        &self,
        classifier: &dyn Classifier,
        baseline: &dyn Baseline,
        regions: &Supervoxels,
        fill: &dyn Fill,
    ) -> Result<RegionScores, Error> {
        let images: Vec<_> = self.0.iter().map(|study| study.image.view()).collect();
        let flow = |_| interrupt::flow();
        let logits = controlled_logits(classifier, baseline, &images, regions, fill, &flow)?;
        RegionScores::from_logits(regions, &logits, &Target::default())
    }
}

/// Computes a hash of the cases and their scans.
///
/// # Errors
/// Returns an error if a case is not in the cohort.
pub fn hash(session: &Session) -> anyhow::Result<String> {
    let mut scans = Vec::new();
    for case in cases(session) {
        scans.push(serde_json::json!([case.id(), session.scans.inputs(case.id())?.to_value()]));
    }
    Ok(hash_bytes(serde_json::to_string(&scans)?.as_bytes()))
}

fn cases(session: &Session) -> Vec<&CohortCase> {
    let mut cases: Vec<&CohortCase> = session.scans.split(Split::Train).collect();
    cases.shuffle(&mut ChaCha8Rng::seed_from_u64(stream_seed(session.config.seed, "fill/control")));
    in_turn(cases, |case| case.label, session.config.fill.control_cases)
}

/// Returns the first `count` items, of both labels in turn as long as there are both.
fn in_turn<T>(items: Vec<T>, label: impl Fn(&T) -> bool, count: usize) -> Vec<T> {
    let (positive, negative): (Vec<T>, Vec<T>) = items.into_iter().partition(label);
    let (mut positive, mut negative) = (positive.into_iter(), negative.into_iter());
    let mut found = Vec::new();
    while found.len() < count {
        let next = match found.len() % 2 {
            0 => positive.next().or_else(|| negative.next()),
            _ => negative.next().or_else(|| positive.next()),
        };
        let Some(next) = next else { break };
        found.push(next);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::in_turn;

    #[test]
    fn labels_take_turns() {
        let of = |count| in_turn(vec![1, 2, -3, 4, -5, 6], |item| *item > 0, count);
        assert_eq!(of(4), [1, -3, 2, -5]);
        assert_eq!(of(9), [1, -3, 2, -5, 4, 6]);
    }
}
