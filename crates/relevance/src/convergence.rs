//! Convergence of explainers that sample.

/// The change of an estimate between two numbers of samples.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Convergence {
    /// Number of samples so far.
    pub samples: usize,
    /// `‖v − v′‖ / ‖v‖`, where `v` are the values now and `v′` those at the checkpoint before: 0 if nothing moved, 1 if all
    /// values became 0.
    pub change: f64,
}

/// Returns the numbers of samples at which an estimate is recorded: every tenth part, and the end.
pub(crate) fn checkpoints(samples: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (1..=10).map(|part| samples * part / 10).filter(|&n| n > 0).collect();
    all.dedup();
    all
}

/// Records an estimate at its checkpoints.
#[derive(Debug, Default)]
pub(crate) struct Track {
    last: Option<Vec<f64>>,
    steps: Vec<Convergence>,
}

impl Track {
    /// Records the estimate at a number of samples.
    pub(crate) fn record(&mut self, samples: usize, values: &[f64]) {
        if let Some(last) = &self.last {
            let norm = |squares: f64| squares.sqrt();
            let moved = norm(values.iter().zip(last).map(|(a, b)| (a - b) * (a - b)).sum());
            let length = norm(values.iter().map(|a| a * a).sum());
            let change = match (moved, length) {
                (0.0, _) => 0.0,
                (_, 0.0) => 1.0,
                _ => moved / length,
            };
            self.steps.push(Convergence { samples, change });
        }
        self.last = Some(values.to_vec());
    }

    /// Returns the last estimate with its history.
    pub(crate) fn finish(self) -> (Vec<f64>, Vec<Convergence>) {
        (self.last.unwrap_or_default(), self.steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_that_stands_still_has_converged() {
        assert_eq!(checkpoints(25), [2, 5, 7, 10, 12, 15, 17, 20, 22, 25]);
        assert_eq!(checkpoints(3), [1, 2, 3]);
        let mut track = Track::default();
        track.record(1, &[3.0, 0.0]);
        track.record(2, &[3.0, 4.0]);
        track.record(3, &[3.0, 4.0]);
        track.record(4, &[0.0, 0.0]);
        let (values, convergence) = track.finish();
        assert_eq!(values, [0.0, 0.0]);
        let steps = [(2, 0.8), (3, 0.0), (4, 1.0)].map(|(samples, change)| Convergence { samples, change });
        assert_eq!(convergence, steps);
    }
}
