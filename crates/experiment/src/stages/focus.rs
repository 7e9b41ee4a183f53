//! Blank maps of a few validation cases over the epochs of training: what Figure 3 shows, and whether the
//! classifier "focuses more on a single region" as its validation loss falls.
//!
//! Source: Rajapaksa and Khalvati (2022), appendix A.1.

use relevox_report::tables::Method;
use relevox_volume::Split;

use super::network::Network;
use super::scores::{Question, Scorer};
use super::{Partition, Session, Work, grid};
use crate::progress::Progress;

/// The fill that it is shown under.
pub const FILL: Method = Method::Blank;

/// The epochs looked at: evenly spread, the first and the last among them.
pub fn epochs(trained: usize, wanted: usize) -> Vec<usize> {
    if wanted == 0 || wanted >= trained {
        return (1..=trained).collect();
    }
    if wanted == 1 {
        return vec![trained];
    }
    (0..wanted).map(|i| 1 + (i * (trained - 1) + (wanted - 1) / 2) / (wanted - 1)).collect()
}

/// The validation cases looked at: the first with a tumour, positive ones before the others.
///
/// # Errors
/// A scan that can't be read.
pub fn cases(session: &Session) -> anyhow::Result<Vec<String>> {
    let mut cases: Vec<(bool, String)> = Vec::new();
    for case in session.scans.split(Split::Validation) {
        if grid::tumour_voxels(session, case.id())? > 0 {
            cases.push((!case.label, case.id().to_owned()));
        }
    }
    cases.sort();
    cases.truncate(session.config.evaluate.focus_cases);
    Ok(cases.into_iter().map(|(_, case)| case).collect())
}

/// The scores of a case at an epoch.
pub fn file(epoch: usize, case: &str) -> String {
    format!("focus/epoch-{epoch:03}/{case}.csv")
}

/// Scores the chosen cases at the chosen epochs.
///
/// # Errors
/// What labels and scores meet.
pub fn run(session: &Session, partition: &Partition) -> anyhow::Result<Work> {
    let cases = cases(session)?;
    let epochs = epochs(session.config.classifier.epochs, session.config.evaluate.focus_epochs);
    let progress = Progress::start("focus", epochs.len() * cases.len(), "maps");
    let mut work = Work::default();
    for epoch in epochs {
        let network = Network::after(session, epoch)?;
        let scorer = Scorer { classifier: network.classifier(), hash: &network.hash, learned: None };
        for case in &cases {
            let asked = Question { case, partition, fill: FILL };
            work.count(scorer.make(session, &file(epoch, case), asked)?);
            progress.advance(1);
        }
    }
    Ok(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_are_spread_from_first_to_last() {
        assert_eq!(epochs(5, 0), [1, 2, 3, 4, 5]);
        assert_eq!(epochs(3, 8), [1, 2, 3]);
        assert_eq!(epochs(100, 1), [100]);
        for (trained, wanted) in [(100, 8), (20, 8), (9, 8), (100, 99)] {
            let chosen = epochs(trained, wanted);
            assert_eq!((chosen[0], chosen[wanted - 1], chosen.len()), (1, trained, wanted));
            assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]), "{chosen:?}");
        }
    }
}
