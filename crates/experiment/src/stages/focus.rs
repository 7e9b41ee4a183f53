//! Scores of a few validation cases over the epochs of training, for Figure 3 and the paper's claim that the classifier
//! "focuses more on a single region" as its validation loss falls.
//!
//! Source: Rajapaksa and Khalvati (2022), appendix A.1.

use relevox_report::tables::Method;
use relevox_volume::Split;

use super::network::Network;
use super::partition::Partition;
use super::scores::{ScoreRequest, Scorer};
use super::session::Session;
use super::work::Work;
use crate::progress::Progress;

/// Fill of the scores.
pub const FILL: Method = Method::Blank;

/// Returns evenly spaced epochs, including the first and the last.
pub fn epochs(trained: usize, count: usize) -> Vec<usize> {
    if count == 0 || count >= trained {
        return (1..=trained).collect();
    }
    if count == 1 {
        return vec![trained];
    }
    (0..count).map(|i| 1 + (i * (trained - 1) + (count - 1) / 2) / (count - 1)).collect()
}

/// Returns the first validation cases with a tumour, positive cases before negative ones.
///
/// # Errors
/// Returns an error if a scan can't be read.
pub fn cases(session: &Session) -> anyhow::Result<Vec<String>> {
    let mut cases: Vec<(bool, String)> = Vec::new();
    for case in session.scans.split(Split::Validation) {
        if session.scans.tumour_voxels(case.id())? > 0 {
            cases.push((!case.label, case.id().to_owned()));
        }
    }
    cases.sort();
    cases.truncate(session.config.evaluate.focus_cases);
    Ok(cases.into_iter().map(|(_, case)| case).collect())
}

/// Artefact with the scores of a case after an epoch.
pub fn file(epoch: usize, case: &str) -> String {
    format!("focus/epoch-{epoch:03}/{case}.csv")
}

/// Scores these cases after these epochs, or a share of these scores.
///
/// # Errors
/// Returns an error if labels or weights are missing, or the network fails.
pub fn run(session: &Session, partition: &Partition) -> anyhow::Result<Work> {
    let cases = cases(session)?;
    let epochs = epochs(session.config.classifier.epochs, session.config.evaluate.focus_epochs);
    // There are few cases: epochs are divided as well.
    let length = epochs.len() * cases.len();
    let progress = Progress::start("focus", length, "maps");
    let mut work = Work::default();
    for (row, epoch) in epochs.into_iter().enumerate() {
        let owned: Vec<&String> = cases
            .iter()
            .enumerate()
            .filter(|(column, _)| session.run.share.owns(row * cases.len() + column, length))
            .map(|(_, case)| case)
            .collect();
        if owned.is_empty() {
            continue;
        }
        let network = Network::after(session, epoch)?;
        let scorer = Scorer { classifier: network.classifier(), hash: &network.hash, learned: None };
        for case in owned {
            let request = ScoreRequest { case, partition, fill: FILL };
            work.count(scorer.make(session, &file(epoch, case), request)?);
            progress.advance(1);
        }
    }
    Ok(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_are_evenly_spaced_from_first_to_last() {
        assert_eq!(epochs(5, 0), [1, 2, 3, 4, 5]);
        assert_eq!(epochs(3, 8), [1, 2, 3]);
        assert_eq!(epochs(100, 1), [100]);
        for (trained, count) in [(100, 8), (20, 8), (9, 8), (100, 99)] {
            let chosen = epochs(trained, count);
            assert_eq!((chosen[0], chosen[count - 1], chosen.len()), (1, trained, count));
            assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]), "{chosen:?}");
        }
    }
}
