//! The explanation of one subject, and its files.

use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use relevox_experiment::failure::invalid_input;
use relevox_experiment::interrupt;
use relevox_experiment::progress::{Progress, print_status};
use relevox_experiment::run::replace;
use relevox_relevance::{Classifier, Link, MinimalSets, RegionScores, Target};
use relevox_report::tables::wording::change;
use relevox_volume::{OutputTarget, npy};
use serde_json::Value;

use super::super::library_error::of_command;
use super::args::ExplainArgs;
use super::expect::Agreed;
use super::notes::Notes;
use super::pictures::Pictures;
use super::subject::Subject;
use super::work::Work;
use super::{document, expect, files, regions, result, tensor};
use crate::{Error, ExplainOptions, Explanation, Method, Regions};

/// Change of the probability below which a map says little.
const SMALL_CHANGE: f64 = 0.01;
/// Largest difference between two answers of a program to the same input, relative to the largest output.
const REPEATED: f32 = 1e-3;

/// Explains a subject and writes its files into a folder. Returns the explanation and the result for stdout.
///
/// # Errors
/// Returns an error if the classifier fails, options do not fit the subject, or a file cannot be written.
pub(super) fn explain(
    work: &Work<'_>,
    subject: &Subject,
    out: &Path,
    mut notes: Notes,
) -> anyhow::Result<(Explanation, Value)> {
    let Work { args, methods, .. } = work;
    let Subject { model, study, files, first, .. } = subject;
    let network = model.network();
    let named = || named(args, subject);
    let (regions, partition) = regions::of(args, subject, &mut notes)?;
    if let Some(expected) = &args.expect {
        let baseline = network.baseline(study.image.view());
        let baseline = baseline.map_err(|error| of_command(error.into())).with_context(named)?;
        if expect::check(expected, baseline.logits(), network.link())? == Agreed::Probabilities {
            notes.say("--expect: agrees with the probabilities of the outputs, which are logits");
        }
    }
    let target = target(args, subject, &mut notes)?;
    work.check_fill(study)?;
    let mut options = ExplainOptions {
        regions: Regions::Given(regions),
        partitions: regions::averaged(work, subject, &mut notes)?,
        methods: methods.clone(),
        settings: args.methods.settings(),
        fill: work.fill(),
        target,
        by_sequence: args.by_sequence,
        sets: args.sets.map(|answer| MinimalSets { answer }),
        mask: args.methods.rule(),
        progress: &|_| interrupt::flow(),
    };
    let Regions::Given(given) = &options.regions else { anyhow::bail!("expected a partition") };
    let steps = options.steps(given.len(), study).map_err(of_command)?;
    let bar = work.shows_regions.then(|| Progress::start("explain", steps, "steps"));
    let advance = |done: usize| {
        bar.iter().for_each(|bar| bar.advance(done));
        interrupt::flow()
    };
    options.progress = &advance;
    let start = Instant::now();
    let explanation = crate::explain(network, study, &options).map_err(of_command).with_context(named)?;
    let seconds = start.elapsed().as_secs_f64();
    drop(bar);
    warn_of_flat_maps(&explanation, &mut notes);
    say_small_changes(&explanation, &notes);
    say_sequences(&explanation, &notes);
    say_without_regions(&explanation, &notes);
    if explanation.sets.as_ref().is_some_and(|sets| sets.necessary.is_none()) {
        notes.warn(
            "--sets: the answer survives the replacement of every region: no set of regions decides it"
                .to_owned(),
        );
    }
    if let Some(first) = first {
        check_repeated(first, &explanation.outputs, &mut notes);
    }
    let result = result::result(args, subject, &explanation, partition.as_ref(), seconds, &notes)?;
    let extents = document::extents(study, &explanation.regions);
    let document = document::document(args, subject, &explanation, &extents, &result)?;
    let pictures = Pictures { args, subject, explanation: &explanation, extents: &extents, notes: &notes };
    let pictures = match args.no_pictures || args.bids_derivatives {
        true => None,
        false => {
            Some([(files::OVERVIEW, pictures.overview()?), (files::PAGE, pictures.page()?.into_bytes())])
        }
    };
    if !args.bids_derivatives {
        files::discard_earlier(out)?;
    }
    match files {
        Some(files) if args.bids_derivatives => {
            let sidecar = result::sidecar(args, files, &result)?;
            explanation.write_bids(out, &study.case, &sidecar).map_err(of_command)?;
        }
        _ => explanation.write(out).map_err(of_command)?,
    }
    if files.is_none() {
        write_arrays(out, &explanation)?;
    }
    if args.bids_derivatives {
        return Ok((explanation, result));
    }
    for (name, bytes) in pictures.iter().flatten() {
        replace(&out.join(name), bytes)?;
    }
    document::write(out, &document)?;
    if pictures.is_some() && work.shows_regions {
        print_status(format!("{}: open it in a browser", out.join(files::PAGE).display()));
    }
    Ok((explanation, result))
}

/// Names what is explained, and by what, for errors.
fn named(args: &ExplainArgs, subject: &Subject) -> String {
    let weights: Vec<String> = args.weights.iter().map(|path| path.display().to_string()).collect();
    let with = args.command.clone().unwrap_or_else(|| weights.join(", "));
    let study = &subject.study;
    match &args.tensor {
        Some(tensor) => format!("{tensor}, with {with}{}", tensor::of_channels_last(study.image.shape())),
        None => {
            let [z, y, x] = study.frame.crop();
            format!("case {}, centre crop of {x} x {y} x {z} voxels (x, y, z), with {with}", study.case)
        }
    }
}

/// Returns the explained output, and says if the network's prediction selects it.
fn target(args: &ExplainArgs, subject: &Subject, notes: &mut Notes) -> anyhow::Result<Target> {
    use relevox_volume::Error::InvalidSetting;
    let network = subject.model.network();
    let requested = args.target.as_deref().map(OutputTarget::parse);
    let found = network.target(requested.as_ref(), subject.study.image.view());
    let target = found.map_err(|error| match error {
        Error::Volume(InvalidSetting { setting: "target", expected, found }) if requested.is_some() => {
            invalid_input(format!("--target: expected {expected}, found {found}"))
        }
        error => of_command(error).context(named(args, subject)),
    })?;
    if requested.is_none() && network.outputs() > 1 && network.output().target.is_none() {
        notes.assume(format!("explaining the predicted class, {}", network.class(target.output)));
    }
    Ok(target)
}

/// Warns of maps that rank nothing, and says why they do not.
fn warn_of_flat_maps(explanation: &Explanation, notes: &mut Notes) {
    for result in explanation.results.iter().filter(|result| result.map.flat) {
        let (method, regions) = (result.method, explanation.regions.len());
        let reason = match result.attribution.magnitudes.iter().all(|&value| value == 0.0) {
            _ if method == Method::Averaged => {
                "in no partition does the change of one region differ from that of the others".to_owned()
            }
            true if method == Method::Perturb && explanation.target.link != Link::Value => {
                "no region changes the probability".to_owned()
            }
            true if method.is_by_region() => "no region changes the output".to_owned(),
            true => "the last feature map holds no evidence for the predicted class".to_owned(),
            false if regions == 1 => "there is one region, and nothing to compare it with".to_owned(),
            false => format!("all {regions} regions change the output equally"),
        };
        notes.warn(format!("{method}: {reason}: the relevance map is 0 everywhere"));
    }
}

/// Says how much each sequence contributes, if each was perturbed on its own.
fn say_sequences(explanation: &Explanation, notes: &Notes) {
    let output = if explanation.target.link == Link::Value { "output" } else { "logit" };
    let mean = |(name, scores): &(String, RegionScores)| {
        format!("{name} {}", change(result::mean_change(scores), 3).trim_start_matches('+'))
    };
    if !explanation.by_sequence.is_empty() {
        let all = explanation.by_sequence.iter().map(mean).collect::<Vec<_>>().join(", ");
        notes.say(format!("mean change of the {output} when a region of one sequence is replaced: {all}"));
    }
}

/// Says if no region matters much: relevance is relative to the largest change, however small.
fn say_small_changes(explanation: &Explanation, notes: &Notes) {
    let Some(scores) = explanation.scores.as_ref().filter(|_| explanation.target.link != Link::Value) else {
        return;
    };
    let largest = scores.rows.iter().map(|row| row.delta_p.abs()).fold(0.0, f64::max);
    if largest > 0.0 && largest < SMALL_CHANGE {
        notes.say(format!(
            "the largest change of the probability by one region is {}: maps are scaled to 0–100 however small the changes are",
            change(largest, 3).trim_start_matches('+')
        ));
    }
}

/// Says what the classifier takes the fill itself for.
fn say_without_regions(explanation: &Explanation, notes: &Notes) {
    let Some(without) = explanation.without_regions else { return };
    let (fill, logit) = (explanation.fill(), explanation.logit());
    notes.say(match explanation.target.link {
        Link::Value => {
            format!("with every region replaced ({fill}), the output is {without:.3} instead of {logit:.3}")
        }
        Link::Sigmoid | Link::Softmax => format!(
            "with every region replaced ({fill}), the logit is {without:.3} instead of {logit:.3}, the probability {:.3} instead of {:.3}",
            explanation.target.probability(without),
            explanation.probability()
        ),
    });
}

/// Warns if a program did not repeat its first answer.
fn check_repeated(first: &[f32], again: &[f32], notes: &mut Notes) {
    let largest = first.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    if first.iter().zip(again).any(|(a, b)| (a - b).abs() > REPEATED * largest) {
        notes.warn(format!(
            "the program answered {first:?} and then {again:?} for the same input; a classifier in evaluation mode \
             repeats its answer"
        ));
    }
}

/// Writes the maps of a tensor in its own axes.
fn write_arrays(out: &Path, explanation: &Explanation) -> anyhow::Result<()> {
    for result in &explanation.results {
        npy::write(&out.join(files::array(result.method)), result.map.voxels.view().into_dyn())?;
    }
    for (sequence, scores) in &explanation.by_sequence {
        let map = scores.map(&explanation.regions)?;
        npy::write(&out.join(files::array_of_sequence(sequence)), map.voxels.view().into_dyn())?;
    }
    Ok(())
}
