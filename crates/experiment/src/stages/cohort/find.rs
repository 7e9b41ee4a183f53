//! Finding, drawing and splitting of the cases.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context;
use relevox_volume::{Cohort, CohortCase, LeftOut, Split, split};

use super::inspector::Inspector;
use super::left_out::left_out_summary;
use super::scans::Scans;
use crate::config::{PHANTOM, ValidConfig};
use crate::failure::invalid_input;
use crate::program;
use crate::run::{Unusable, stream_seed};

/// Unusable cases that a message names if it does not name all.
const NAMED: usize = 3;

impl Scans {
    /// Finds the cases of the configured cohort, and reads every scan unless the run folder shows that this was done
    /// before. Cases that can't be used are left out, all together, before the splits are drawn. Writes nothing.
    ///
    /// # Errors
    /// Returns an error if the cohort has too few usable cases or a single class, and if `unusable` refuses a case that
    /// can't be used.
    pub fn find(config: &ValidConfig, root: &Path, unusable: Unusable) -> anyhow::Result<Self> {
        let (source, unusable) = match config.cohort.source.as_str() {
            // The run's own scans are all usable, unless something happened to them.
            PHANTOM => (root.join(PHANTOM), Unusable::Refuse),
            path => (PathBuf::from(path), unusable),
        };
        let Cohort { cases, mut left_out, mut notes } = Cohort::open(&source, &config.preprocess.sequences)?;
        let listed = cases.len() + left_out.len();
        let mut inspector = Inspector::new(config, root, &cases);
        let mut usable = cases;
        let drawn = loop {
            require_enough(config, &usable, &left_out, &source)?;
            let drawn = draw(config, usable.clone(), &left_out, &source)?;
            let found = inspector.inspect(&drawn.cases)?;
            let is_last = found.is_empty();
            usable.retain(|case| found.iter().all(|unusable| unusable.case != case.id()));
            left_out.extend(found);
            left_out.sort_by(|a, b| a.case.cmp(&b.case));
            refuse(unusable, &inspector, &left_out, listed, &source)?;
            if is_last {
                break drawn;
            }
        };
        let cohort = assign(config, drawn, &source)?;
        notes.extend(cohort.notes);
        check_splits(&cohort.cases, &left_out)?;
        Ok(Self::new(config, cohort.cases, left_out, notes, inspector))
    }
}

/// Draws cases at random, if the configuration does.
fn draw(
    config: &ValidConfig,
    cases: Vec<CohortCase>,
    left_out: &[LeftOut],
    source: &Path,
) -> anyhow::Result<Cohort> {
    let mut cohort = Cohort { cases, ..Cohort::default() };
    let settings = &config.cohort;
    if settings.draw_positive == 0 && settings.draw_negative == 0 {
        return Ok(cohort);
    }
    let count = |label| cohort.cases.iter().filter(|case| case.label == label).count();
    let size = |draw: usize, label| if draw == 0 { count(label) } else { draw };
    let (positive, negative) = (size(settings.draw_positive, true), size(settings.draw_negative, false));
    split::draw(&mut cohort, positive, negative, stream_seed(config.seed, "draw")).map_err(|error| {
        let key = match &error {
            relevox_volume::Error::TooFew { class, .. } => format!(": cohort.draw_{class}"),
            _ => String::new(),
        };
        let without = without(left_out);
        anyhow::Error::from(error).context(format!("{}{key}{without}", source.display()))
    })?;
    Ok(cohort)
}

/// Assigns the splits, or the folds.
fn assign(config: &ValidConfig, mut cohort: Cohort, source: &Path) -> anyhow::Result<Cohort> {
    let settings = &config.cohort;
    if settings.folds > 0 {
        // Folds replace the splits of a manifest, with which some cases would never be tested.
        let fold_of = split::folds(&cohort, settings.folds, stream_seed(config.seed, "folds"));
        let (test, next) = (settings.fold.max(1) - 1, settings.fold.max(1) % settings.folds);
        for (case, fold) in cohort.cases.iter_mut().zip(fold_of) {
            case.split = Some(match fold {
                fold if fold == test => Split::Test,
                fold if fold == next => Split::Validation,
                _ => Split::Train,
            });
        }
    }
    let seed = stream_seed(config.seed, "split");
    split::assign(&mut cohort, config.split_sizes(), seed)
        .with_context(|| format!("{}: cohort.train, cohort.validation and cohort.test", source.display()))?;
    let training = cohort.of(Split::Train).count();
    let share = settings.validation / (settings.train + settings.validation);
    let moved = if share > 0.0 { split::draw_validation(&mut cohort, share, seed) } else { 0 };
    if moved > 0 {
        cohort.notes.push(format!(
            "no case is marked for validation: {moved} of {training} training cases were drawn for it, by cohort.train and \
             cohort.validation"
        ));
    }
    Ok(cohort)
}

/// Refuses cases that can't be used, where the run does not leave them out.
fn refuse(
    unusable: Unusable,
    inspector: &Inspector,
    left_out: &[LeftOut],
    listed: usize,
    source: &Path,
) -> anyhow::Result<()> {
    let source = source.display();
    match unusable {
        Unusable::Refuse if !left_out.is_empty() => Err(invalid_input(format!(
            "{source}: expected {listed} usable cases, found {} that can't be used: {}",
            left_out.len(),
            left_out_summary(left_out, left_out.len())
        ))),
        Unusable::RefuseIfUsed => {
            let used: Vec<LeftOut> =
                left_out.iter().filter(|case| inspector.used(&case.case)).cloned().collect();
            if used.is_empty() {
                return Ok(());
            }
            Err(invalid_input(format!(
                "{source}: expected the cases that this run was made from, found {} that can't be used any more: {}; restore the \
                 files, or run `{} … --update` to continue without {}, which repeats the training",
                used.len(),
                left_out_summary(&used, NAMED),
                program::name(),
                if used.len() == 1 { "it" } else { "them" }
            )))
        }
        Unusable::Refuse | Unusable::LeaveOut => Ok(()),
    }
}

/// Requires the minimum number of cases, and both classes.
fn require_enough(
    config: &ValidConfig,
    cases: &[CohortCase],
    left_out: &[LeftOut],
    source: &Path,
) -> anyhow::Result<()> {
    let (found, needed) = (cases.len(), config.cohort.min_cases);
    let (source, without) = (source.display(), without(left_out));
    if found < needed {
        return Err(invalid_input(format!(
            "{source}: expected at least {needed} usable cases, found {found}{}; cohort.min_cases sets the minimum",
            without_all(left_out)
        )));
    }
    for label in [true, false] {
        if cases.iter().all(|case| case.label != label) {
            let class = if label { "positive" } else { "negative" };
            return Err(invalid_input(format!(
                "{source}: expected cases of both classes, found {found} and none of them {class}{without}"
            )));
        }
    }
    Ok(())
}

fn check_splits(cases: &[CohortCase], left_out: &[LeftOut]) -> anyhow::Result<()> {
    for split in Split::ALL {
        let of_split = || cases.iter().filter(|case| case.split == Some(split));
        let [negative, positive] =
            [false, true].map(|label| of_split().filter(|case| case.label == label).count());
        if positive + negative == 0 || (split == Split::Train && positive.min(negative) == 0) {
            let expected = if split == Split::Train { "cases of both classes" } else { "at least one case" };
            let patients = cases.iter().map(|case| &case.group).collect::<BTreeSet<_>>().len();
            return Err(invalid_input(format!(
                "the {split} split: expected {expected}, found {positive} positive and {negative} negative{}; the cohort's {} \
                 cases are of {}, each in one split: cohort.train, cohort.validation and cohort.test (or cohort.folds) set \
                 the sizes, a manifest's columns group and split the patients and their splits",
                without(left_out),
                cases.len(),
                if patients == 1 { "1 patient".to_owned() } else { format!("{patients} patients") }
            )));
        }
    }
    Ok(())
}

/// Describes some of the cases left out, for a message about too few of the others.
fn without(left_out: &[LeftOut]) -> String {
    without_first(left_out, NAMED)
}

/// Describes all cases left out.
fn without_all(left_out: &[LeftOut]) -> String {
    without_first(left_out, left_out.len())
}

fn without_first(left_out: &[LeftOut], most: usize) -> String {
    match left_out.len() {
        0 => String::new(),
        count => format!(" ({count} left out: {})", left_out_summary(left_out, most)),
    }
}

#[cfg(test)]
mod tests {
    use relevox_volume::CaseFiles;

    use super::*;
    use crate::config::Layers;

    fn case(id: &str, group: &str, label: bool, split: Option<Split>) -> CohortCase {
        let files = CaseFiles { id: id.to_owned(), sequences: Vec::new(), segmentation: None };
        CohortCase { files, group: group.to_owned(), label, split }
    }

    #[test]
    fn too_few_cases_are_refused_with_the_key_and_all_reasons() {
        let config = Layers::default().resolve().unwrap().config;
        let left_out: Vec<LeftOut> =
            (0..9).map(|i| LeftOut { case: format!("c{i}"), reason: format!("reason {i}") }).collect();
        let cases = [case("a", "a", true, None)];
        let error = require_enough(&config, &cases, &left_out, Path::new("data")).unwrap_err().to_string();
        assert!(error.contains("c8: reason 8") && error.contains("cohort.min_cases sets"), "{error}");
    }

    #[test]
    fn an_empty_split_says_how_many_patients_there_are() {
        let train = Some(Split::Train);
        let cases = [case("a", "p", true, train), case("b", "p", true, train), case("c", "q", false, train)];
        let error = check_splits(&cases, &[]).unwrap_err().to_string();
        for part in ["the validation split", "3 cases are of 2 patients", "cohort.validation", "group"] {
            assert!(error.contains(part), "{error}");
        }
    }
}
