//! ROC curve, area under it, and accuracy of scores for two classes.
//!
//! Hanley, J. A. and McNeil, B. J., "The meaning and use of the area under a receiver operating characteristic (ROC)
//! curve", Radiology 143(1), 1982, doi:10.1148/radiology.143.1.7063747.

use crate::checks::{at_least, both_classes, finite, same_shape};
use crate::error::Error;
use crate::rank::mid_ranks;

/// A point of a ROC curve, where `score ≥ threshold` is classified as positive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RocPoint {
    /// The threshold; infinite at the start of the curve.
    pub threshold: f64,
    /// Fraction of the negative cases classified as positive.
    pub false_positive_rate: f64,
    /// Fraction of the positive cases classified as positive.
    pub true_positive_rate: f64,
}

/// Validates scores and labels and returns the numbers of positive and negative cases.
fn classes(scores: &[f64], labels: &[bool]) -> Result<(usize, usize), Error> {
    same_shape("labels", &[scores.len()], &[labels.len()])?;
    finite("scores", scores)?;
    both_classes(labels)
}

/// Computes the area under the ROC curve: the probability that a positive case has a higher score than a negative one,
/// where ties count one half (the Mann-Whitney statistic).
///
/// # Shapes
/// One label per score.
///
/// # Errors
/// Returns [`Error::ShapeMismatch`] if the lengths differ, [`Error::NonFinite`] if a score is NaN or infinite, and
/// [`Error::OneClass`] if a class has no case.
pub fn roc_auc(scores: &[f64], labels: &[bool]) -> Result<f64, Error> {
    let (positive, negative) = classes(scores, labels)?;
    let rank_sum: f64 =
        mid_ranks(scores).iter().zip(labels).filter(|(_, label)| **label).map(|(rank, _)| rank).sum();
    let (p, n) = (positive as f64, negative as f64);
    Ok((rank_sum - p * (p + 1.0) / 2.0) / (p * n))
}

/// Computes the ROC curve from (0, 0) to (1, 1), with one point per distinct score. Its area by the trapezoidal rule is
/// [`roc_auc`].
///
/// # Shapes
/// One label per score.
///
/// # Errors
/// Returns [`Error::ShapeMismatch`] if the lengths differ, [`Error::NonFinite`] if a score is NaN or infinite, and
/// [`Error::OneClass`] if a class has no case.
pub fn roc_curve(scores: &[f64], labels: &[bool]) -> Result<Vec<RocPoint>, Error> {
    let (positive, negative) = classes(scores, labels)?;
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let mut points =
        vec![RocPoint { threshold: f64::INFINITY, false_positive_rate: 0.0, true_positive_rate: 0.0 }];
    let (mut true_positives, mut false_positives) = (0, 0);
    for (position, &index) in order.iter().enumerate() {
        true_positives += usize::from(labels[index]);
        false_positives += usize::from(!labels[index]);
        if order.get(position + 1).is_none_or(|&next| scores[next] != scores[index]) {
            points.push(RocPoint {
                threshold: scores[index],
                false_positive_rate: false_positives as f64 / negative as f64,
                true_positive_rate: true_positives as f64 / positive as f64,
            });
        }
    }
    Ok(points)
}

/// Computes the fraction of cases that `score ≥ threshold` classifies correctly.
///
/// # Shapes
/// One label per score.
///
/// # Errors
/// Returns [`Error::ShapeMismatch`] if the lengths differ, [`Error::TooFew`] if there are no cases and
/// [`Error::NonFinite`] if a score is NaN or infinite.
pub fn accuracy(scores: &[f64], labels: &[bool], threshold: f64) -> Result<f64, Error> {
    same_shape("labels", &[scores.len()], &[labels.len()])?;
    at_least("cases", 1, scores.len())?;
    finite("scores", scores)?;
    let right = scores.iter().zip(labels).filter(|(score, label)| (**score >= threshold) == **label).count();
    Ok(right as f64 / scores.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_count_one_half() {
        assert_eq!(roc_auc(&[0.5, 0.5], &[true, false]), Ok(0.5));
        assert_eq!(roc_auc(&[0.9, 0.5, 0.5], &[true, true, false]), Ok(0.75));
    }

    #[test]
    fn a_single_class_is_rejected() {
        assert_eq!(roc_auc(&[0.1, 0.2], &[true, true]), Err(Error::OneClass { positive: 2, negative: 0 }));
        assert_eq!(roc_auc(&[], &[]), Err(Error::OneClass { positive: 0, negative: 0 }));
    }

    #[test]
    fn a_score_at_the_threshold_is_positive() {
        assert_eq!(accuracy(&[0.5, 0.4, 0.6], &[true, true, false], 0.5), Ok(1.0 / 3.0));
    }
}
