//! How well scores tell two classes apart.
//!
//! Hanley and McNeil, "The meaning and use of the area under a receiver operating characteristic (ROC) curve",
//! Radiology 143(1), 1982, doi:10.1148/radiology.143.1.7063747.

use crate::error::{Error, at_least, finite, same_shape};
use crate::rank::mid_ranks;

/// One point of a ROC curve: what calling `score ≥ threshold` positive gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RocPoint {
    /// The threshold; infinite at the curve's start.
    pub threshold: f64,
    /// Share of the negatives called positive.
    pub false_positive_rate: f64,
    /// Share of the positives called positive.
    pub true_positive_rate: f64,
}

fn classes(scores: &[f64], labels: &[bool]) -> Result<(usize, usize), Error> {
    same_shape("labels", &[scores.len()], &[labels.len()])?;
    finite("scores", scores)?;
    let positive = labels.iter().filter(|label| **label).count();
    let negative = labels.len() - positive;
    if positive == 0 || negative == 0 {
        return Err(Error::OneClass { positive, negative });
    }
    Ok((positive, negative))
}

/// Area under the ROC curve: the chance that a positive case scores higher than a negative one, ties
/// counting half (the Mann-Whitney statistic).
///
/// # Shapes
/// One label per score.
///
/// # Errors
/// [`Error::Shape`], [`Error::NotFinite`], [`Error::OneClass`].
pub fn roc_auc(scores: &[f64], labels: &[bool]) -> Result<f64, Error> {
    let (positive, negative) = classes(scores, labels)?;
    let rank_sum: f64 =
        mid_ranks(scores).iter().zip(labels).filter(|(_, label)| **label).map(|(rank, _)| rank).sum();
    let (p, n) = (positive as f64, negative as f64);
    Ok((rank_sum - p * (p + 1.0) / 2.0) / (p * n))
}

/// The ROC curve, from (0, 0) to (1, 1), one point for every distinct score; equal scores make one straight
/// step, so that the trapezoids under the curve sum to [`roc_auc`].
///
/// # Shapes
/// One label per score.
///
/// # Errors
/// [`Error::Shape`], [`Error::NotFinite`], [`Error::OneClass`].
pub fn roc_curve(scores: &[f64], labels: &[bool]) -> Result<Vec<RocPoint>, Error> {
    let (positive, negative) = classes(scores, labels)?;
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let mut points =
        vec![RocPoint { threshold: f64::INFINITY, false_positive_rate: 0.0, true_positive_rate: 0.0 }];
    let (mut hits, mut alarms) = (0, 0);
    for (position, &index) in order.iter().enumerate() {
        hits += usize::from(labels[index]);
        alarms += usize::from(!labels[index]);
        if order.get(position + 1).is_none_or(|&next| scores[next] != scores[index]) {
            points.push(RocPoint {
                threshold: scores[index],
                false_positive_rate: alarms as f64 / negative as f64,
                true_positive_rate: hits as f64 / positive as f64,
            });
        }
    }
    Ok(points)
}

/// Share of the cases where `score ≥ threshold` says the label.
///
/// # Shapes
/// One label per score.
///
/// # Errors
/// [`Error::Shape`], [`Error::TooFew`] for no case, [`Error::NotFinite`].
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
    fn ties_count_half() {
        assert_eq!(roc_auc(&[0.5, 0.5], &[true, false]), Ok(0.5));
        assert_eq!(roc_auc(&[0.9, 0.5, 0.5], &[true, true, false]), Ok(0.75));
    }

    #[test]
    fn one_class_is_undefined() {
        assert_eq!(roc_auc(&[0.1, 0.2], &[true, true]), Err(Error::OneClass { positive: 2, negative: 0 }));
        assert_eq!(roc_auc(&[], &[]), Err(Error::OneClass { positive: 0, negative: 0 }));
    }

    #[test]
    fn accuracy_at_the_threshold_is_positive() {
        assert_eq!(accuracy(&[0.5, 0.4, 0.6], &[true, true, false], 0.5), Ok(1.0 / 3.0));
    }
}
