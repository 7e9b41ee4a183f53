//! A case's scans, prepared as the contract of a classifier's input states.

use ndarray::ArrayView4;
use relevox_experiment::device::DeviceOptions;
use relevox_volume::{AxisOrder, CaseFiles, Study, ValidPreprocess};

use super::super::library_error::of_command;
use super::super::output::refuse_overwriting;
use super::args::ExplainArgs;
use super::external;
use super::files::{SCORES, VOLUME};
use super::notes::Notes;
use super::options::model_options;
use super::subject::{AnyModel, Subject};
use crate::Model;

/// Loads the model and reads the case.
///
/// # Errors
/// Returns an error that names the file, the key or the option.
pub(super) fn open(args: &ExplainArgs, device: &DeviceOptions, notes: &mut Notes) -> anyhow::Result<Subject> {
    let options = model_options(args)?;
    let Some(command) = &args.command else {
        let model = Model::load_with(&args.weights, &device.open()?, &options).map_err(of_command)?;
        let (files, study) = read(args, model.preprocess())?;
        model.network().assumed().iter().for_each(|line| notes.assume(line.clone()));
        notes.prepared(&study);
        return Ok(Subject {
            model: AnyModel::Scans(Box::new(model)),
            study,
            files: Some(files),
            first: None,
        });
    };
    let (contract, replaced) = options.contract().map_err(of_command)?;
    let input = contract.input.clone().check()?;
    let (files, study) = read(args, input.preprocess())?;
    let classifier = external::start(args, command, tensor(&study, input.axes()))?;
    let first = Some(classifier.first().to_vec());
    let model = Model::new(classifier, contract).map_err(of_command)?;
    replaced.into_iter().for_each(|line| notes.assume(line));
    notes.prepared(&study);
    Ok(Subject { model: AnyModel::Scans(Box::new(model)), study, files: Some(files), first })
}

fn read(args: &ExplainArgs, preprocess: &ValidPreprocess) -> anyhow::Result<(CaseFiles, Study)> {
    let files = args.scans.files(preprocess.sequences())?;
    for output in [SCORES, VOLUME] {
        refuse_overwriting(&args.out.join(output), files.paths())?;
    }
    let study = Study::load(&files, preprocess).map_err(|error| of_command(error.into()))?;
    Ok((files, study))
}

/// The image as the network takes it.
fn tensor(study: &Study, axes: AxisOrder) -> ArrayView4<'_, f32> {
    match axes {
        AxisOrder::Zyx => study.image.view(),
        AxisOrder::Xyz => study.image.view().permuted_axes([0, 3, 2, 1]),
    }
}
