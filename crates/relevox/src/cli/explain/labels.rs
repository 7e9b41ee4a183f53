//! Labels of a cohort's cases, and the output that stands for them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use relevox_experiment::failure::invalid_input;
use relevox_experiment::progress::print_status;
use relevox_relevance::LabelTest;
use relevox_volume::{Cohort, Split};

use super::scans::Scans;
use super::work::Work;
use crate::Method;

const METHOD: Method = Method::PooledLabel;

/// Returns the labels of the cohort's cases, true for label 1, and says which output is taken for that class.
///
/// # Errors
/// Returns an input error if one of `cases` has no class, all have the same, or the explained output may differ between cases.
pub(super) fn of_cohort<'a>(
    work: &Work<'_>,
    scans: &Scans,
    cases: impl Iterator<Item = &'a String>,
) -> anyhow::Result<BTreeMap<String, bool>> {
    let target = scans.target_of_all(work.args.target.as_deref()).map_err(|found| {
        invalid_input(format!(
            "--method {METHOD}: expected --target, the output that stands for the cohort's label 1, found {found}"
        ))
    })?;
    let path = work.args.scans.cohort.as_ref().context("expected a cohort")?;
    let cohort = Cohort::open(path, scans.preprocess().sequences())?;
    let labels: BTreeMap<String, bool> =
        cohort.cases.iter().map(|case| (case.id().to_owned(), case.label)).collect();
    let without: BTreeSet<&str> =
        cases.map(String::as_str).filter(|case| !labels.contains_key(*case)).collect();
    let of_one = cohort.left_out.iter().find(|left_out| without.contains(left_out.case.as_str()));
    if let Some(left_out) = of_one {
        return Err(invalid_input(format!(
            "--method {METHOD}: expected the class of every case, found {} without, such as {}: {}",
            without.len(),
            left_out.case,
            left_out.reason
        )));
    }
    cohort.require_both_classes(None)?;
    // Of n other patients, a mean has at most √n of its standard deviations.
    let (patients, errors) = (cohort.groups().len(), LabelTest::default().errors);
    if ((patients - 1) as f64).sqrt() < errors {
        let least = (errors * errors).ceil() + 1.0;
        print_status(format!(
            "warning: {METHOD}: of {patients} patients no evidence can be beyond chance; that takes {least} at least, and many more in \
             practice"
        ));
    }
    let trained = cohort.of(Split::Train).count();
    if trained > 0 {
        print_status(format!(
            "warning: {METHOD}: {trained} cases are of the training split: a network is right about the cases that it was trained \
             on, whatever their classes; leave them out"
        ));
    }
    print_status(format!(
        "{METHOD}: label 1 (HGG) of the cohort is taken for {target}; the network must not have been trained on these cases"
    ));
    Ok(labels)
}
