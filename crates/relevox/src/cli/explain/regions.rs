//! The regions of the study.

use anyhow::Context;
use relevox_experiment::failure::invalid_input;
use relevox_volume::preparation::percent;
use relevox_volume::{Study, like_intensities};
use slic3d::Supervoxels;

use super::super::labels::{Background, read_labels};
use super::super::library_error::of_command;
use super::args::ExplainArgs;
use super::notes::Notes;
use super::subject::{AnyModel, Subject};
use super::tensor;
use super::work::Work;
use crate::regions::has_background;
use crate::{Method, Regions, SlicRegions};

/// Share of the brain in no region of given labels from which it is said.
const OUTSIDE_LABELS: f64 = 0.01;

/// Reads or computes the partition. Options precede the contract's partition. Also returns the settings of SLIC that computed it.
///
/// # Errors
/// Returns an error that names the file or the option.
pub(super) fn of(
    args: &ExplainArgs,
    subject: &Subject,
    notes: &mut Notes,
) -> anyhow::Result<(Supervoxels, Option<SlicRegions>)> {
    let Subject { model, study, .. } = subject;
    let regions = match (&args.labels, model) {
        (Some(path), AnyModel::Scans(_)) => {
            let mut say = |line| notes.assume(line);
            Regions::Given(read_labels(path, args.background, &study.frame, &mut say)?)
        }
        (Some(path), AnyModel::Tensor(_)) => {
            let labels = tensor::read_labels(path)?;
            let mut say = |line| notes.assume(line);
            let background = Background::of(args.background, labels.iter(), path, &mut say);
            let regions = Supervoxels::from_labels(labels, background);
            Regions::Given(regions.with_context(|| path.display().to_string())?)
        }
        (None, AnyModel::Scans(_)) => Regions::Slic(of_scans(args, subject, notes)),
        (None, AnyModel::Tensor(_)) => Regions::Slic(of_tensor(args, study, notes)?),
    };
    let settings = match &regions {
        Regions::Slic(settings) => Some(settings.clone()),
        Regions::Given(_) => None,
    };
    let found = regions.of(study).map_err(|error| match (&args.labels, of_command(error)) {
        (Some(path), error) => error.context(path.display().to_string()),
        (None, error) => error,
    })?;
    if let Some(path) = &args.labels {
        let outside = share_outside(&found, study);
        if outside > OUTSIDE_LABELS {
            notes.warn(format!(
                "{}: {} of the brain is in no region, and has no relevance",
                path.display(),
                percent(outside)
            ));
        }
        if let Some(divided) = like_intensities(found.labels(), found.background()) {
            notes.warn(format!(
                "{}: {} of neighbouring voxels lie in different regions, as in an image of intensities; expected a label volume",
                path.display(),
                percent(divided)
            ));
        }
    }
    Ok((found, settings))
}

/// Returns the share of the brain that is in no region.
fn share_outside(regions: &Supervoxels, study: &Study) -> f64 {
    let brain = study.brain.iter().filter(|inside| **inside).count();
    let labels = regions.labels();
    let is_outside = |(label, inside): &(&u32, &bool)| **inside && Some(**label) == regions.background();
    let outside = labels.iter().zip(&study.brain).filter(is_outside).count();
    outside as f64 / brain.max(1) as f64
}

/// Returns the partitions that the method `averaged` averages with the regions.
///
/// # Errors
/// Returns an input error if a requested one is of an unknown sequence, is named twice, or none differs from the regions.
pub(super) fn averaged(
    work: &Work<'_>,
    subject: &Subject,
    notes: &mut Notes,
) -> anyhow::Result<Vec<Regions>> {
    if !work.methods.contains(&Method::Averaged) {
        return Ok(Vec::new());
    }
    let (args, names) = (work.args, subject.study.channel_names());
    // What these regions are was said before.
    let own = match &subject.model {
        AnyModel::Scans(_) => of_scans(args, subject, &mut Notes::quiet()),
        AnyModel::Tensor(_) => of_tensor(args, &subject.study, &mut Notes::quiet())?,
    };
    let mut others = Vec::with_capacity(args.partitions.len());
    for (name, count) in &args.partitions {
        let sequence = match &subject.model {
            AnyModel::Scans(_) if names.contains(name) => name.clone(),
            AnyModel::Scans(_) => {
                let expected = names.join(", ");
                return Err(invalid_input(format!(
                    "--partitions: expected a sequence of {expected}, found {name}"
                )));
            }
            AnyModel::Tensor(_) => channel("--partitions", name, names)?,
        };
        let other = SlicRegions { sequence, count: *count, ..own.clone() };
        if others.contains(&other) {
            return Err(invalid_input(format!(
                "--partitions: expected each once, found {name}:{count} twice"
            )));
        }
        others.push(other);
    }
    if others.is_empty() {
        others = own.averaged_with(names);
    }
    if args.labels.is_none() {
        others.retain(|other| *other != own);
    }
    if others.is_empty() {
        let (name, count) = (&own.sequence, own.count);
        return Err(invalid_input(format!(
            "--partitions: expected one that differs from the regions, found {name}:{count} alone"
        )));
    }
    let all = others.iter().map(described).collect::<Vec<_>>().join("; ");
    notes.assume(format!("averaged with the map of these regions: {all}"));
    Ok(others.into_iter().map(Regions::Slic).collect())
}

fn of_scans(args: &ExplainArgs, subject: &Subject, notes: &mut Notes) -> SlicRegions {
    let (contract, known) = (subject.model.regions(), subject.study.channel_names());
    let mut settings = contract.cloned().unwrap_or_else(|| {
        let mut settings = SlicRegions::default();
        if args.sequence.is_none() && !known.contains(&settings.sequence) {
            let first = known[0].clone();
            notes.assume(format!("regions of {first}, since the network has no {}", settings.sequence));
            settings.sequence = first;
        }
        settings
    });
    settings.sequence = args.sequence.clone().unwrap_or(settings.sequence);
    settings = with_options(settings, args, &subject.study);
    notes.assume(described(&settings));
    settings
}

/// Describes a partition.
fn described(settings: &SlicRegions) -> String {
    let SlicRegions { count, sequence, compactness, masked, .. } = settings;
    let within = if masked.unwrap_or_default() { " within the brain" } else { "" };
    format!("{count} regions of {sequence}{within}, compactness {compactness}")
}

/// Regions of the first channel, or of that of `--sequence`, by name or index.
fn of_tensor(args: &ExplainArgs, study: &Study, notes: &mut Notes) -> anyhow::Result<SlicRegions> {
    let names = study.channel_names();
    let sequence = match args.sequence.as_deref() {
        None => names[0].clone(),
        Some(text) => channel("--sequence", text, names)?,
    };
    let settings = with_options(SlicRegions { sequence, ..SlicRegions::default() }, args, study);
    notes.assume(described(&settings));
    Ok(settings)
}

/// Returns the channel of a tensor that an option selects by name or index.
fn channel(option: &str, text: &str, names: &[String]) -> anyhow::Result<String> {
    if names.iter().any(|known| known == text) {
        return Ok(text.to_owned());
    }
    text.parse::<usize>().ok().and_then(|index| names.get(index)).cloned().ok_or_else(|| {
        let (last, names) = (names.len() - 1, names.join(", "));
        invalid_input(format!(
            "{option}: expected a channel from 0 to {last}, or one of {names}, found {text}"
        ))
    })
}

/// Returns the settings with those of the options; whether only the brain is segmented is then known.
fn with_options(settings: SlicRegions, args: &ExplainArgs, study: &Study) -> SlicRegions {
    let masked = args.masked.or(settings.masked).unwrap_or_else(|| has_background(study.brain.view()));
    SlicRegions {
        count: args.regions.unwrap_or(settings.count),
        compactness: args.compactness.unwrap_or(settings.compactness),
        masked: Some(masked),
        ..settings
    }
}
