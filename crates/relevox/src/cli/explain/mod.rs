//! `explain`: relevance of the regions of one case or tensor, with given weights or an external program.

mod args;
mod expect;
mod external;
mod files;
mod notes;
mod options;
mod regions;
mod result;
mod scans;
mod subject;
mod tensor;

use std::time::Instant;

use anyhow::Context;
use relevox_experiment::device::DeviceOptions;
use relevox_experiment::failure::invalid_input;
use relevox_experiment::interrupt;
use relevox_experiment::progress::Progress;
use relevox_experiment::run::check_writable;
use relevox_perturb::FillKind;
use relevox_relevance::{Classifier, Target};
use relevox_volume::{OutputTarget, npy};

use super::library_error::of_command;
use super::output::refuse_inside;
use super::print_result;
use crate::{Error, ExplainOptions, Explanation, Regions, explain};
use notes::Notes;
use subject::{AnyModel, Subject};

pub use args::ExplainArgs;

/// Largest difference between two answers of a program to the same input, relative to the largest output.
const REPEATED: f32 = 1e-3;

/// Explains the case or tensor; writes `scores.csv`, `relevance.nii.gz` and, of a tensor, `relevance.npy`; prints one JSON
/// object with `logit` and `probability` (of a plain value, `value`), `logits`, `target`, `regions`, `seconds`, `assumed` and
/// `warnings`.
///
/// # Errors
/// Returns an error if a file cannot be read or written, or files and options do not fit together.
pub fn run(args: &ExplainArgs, device: &DeviceOptions) -> anyhow::Result<()> {
    if args.command.is_some() {
        device.require_cpu("explain --command")?;
    }
    if let Some(case) = &args.scans.case {
        refuse_inside(&args.out, case)?;
    }
    check_writable(&args.out)?;
    let mut notes = Notes::default();
    let subject = match &args.tensor {
        Some(tensor) => tensor::open(args, tensor, device, &mut notes)?,
        None => scans::open(args, device, &mut notes)?,
    };
    let Subject { model, study, files, first } = &subject;
    let network = model.network();
    let named = || named(args, &subject);
    let regions = regions::of(args, &subject, &mut notes)?;
    if let Some(expected) = &args.expect {
        let baseline = network.baseline(study.image.view());
        let baseline = baseline.map_err(|error| of_command(error.into())).with_context(named)?;
        expect::check(expected, baseline.logits())?;
    }
    let target = target(args, &subject, &mut notes)?;
    if matches!(model, AnyModel::Tensor(_)) && (args.masked || args.fill != FillKind::Blank) {
        notes.assume("voxels that are 0 in every channel count as background".to_owned());
    }
    let passes = if args.by_sequence { 1 + study.channel_names().len() } else { 1 };
    let progress = Progress::start("explain", passes * regions.len(), "regions");
    let start = Instant::now();
    let options = ExplainOptions {
        regions: Regions::Given(regions),
        fill: args.fill,
        by_sequence: args.by_sequence,
        target,
        progress: &|done| {
            progress.advance(done);
            interrupt::flow()
        },
    };
    let explanation = explain(network, study, &options).map_err(of_command).with_context(named)?;
    let seconds = start.elapsed().as_secs_f64();
    drop(progress);
    if explanation.scores.flat {
        notes.warn("no region changes the output: the relevance map is 0 everywhere".to_owned());
    }
    if let Some(first) = first {
        check_repeated(first, &explanation.scores.original, &mut notes);
    }
    let result = result::result(args, model, &explanation, seconds, &notes);
    match files {
        Some(files) if args.bids_derivatives => {
            let sidecar = result::sidecar(args, files, &result)?;
            explanation.write_bids(&args.out, &study.case, &sidecar).map_err(of_command)?;
        }
        Some(_) => explanation.write(&args.out).map_err(of_command)?,
        None => write_tensor(args, &explanation)?,
    }
    print_result(&result)
}

/// Names what is explained, and by what, for errors.
fn named(args: &ExplainArgs, subject: &Subject) -> String {
    let weights: Vec<String> = args.weights.iter().map(|path| path.display().to_string()).collect();
    let with = args.command.clone().unwrap_or_else(|| weights.join(", "));
    let study = &subject.study;
    match &args.tensor {
        Some(tensor) => format!("{tensor}, with {with}"),
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

/// Writes the files of a tensor's explanation.
fn write_tensor(args: &ExplainArgs, explanation: &Explanation) -> anyhow::Result<()> {
    explanation.write(&args.out).map_err(of_command)?;
    let map = explanation.map().map_err(of_command)?;
    npy::write(&args.out.join(files::ARRAY), map.voxels.view().into_dyn())?;
    for (sequence, scores) in &explanation.by_sequence {
        let map = scores.map(&explanation.regions)?;
        npy::write(&args.out.join(format!("relevance-{sequence}.npy")), map.voxels.view().into_dyn())?;
    }
    Ok(())
}
