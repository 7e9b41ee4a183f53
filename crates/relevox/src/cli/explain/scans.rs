//! Cases' scans, prepared as the contract of a classifier's input states.

use std::path::Path;
use std::sync::Arc;

use ndarray::ArrayView4;
use relevox_experiment::device::DeviceOptions;
use relevox_relevance::Classifier;
use relevox_volume::{AxisOrder, CaseFiles, OutputTarget, Study, ValidInput, ValidPreprocess};

use super::super::library_error::of_command;
use super::super::output::refuse_overwriting;
use super::external;
use super::files;
use super::notes::Notes;
use super::options::model_options;
use super::outline::ExpertOutline;
use super::subject::{AnyModel, Subject};
use super::work::Work;
use crate::{Contract, Model};

/// What explains all cases of a call.
pub(super) enum Scans {
    /// A network, loaded once.
    Network(Arc<Model>),
    /// A program, started for each case, whose size it is told.
    Command { contract: Box<Contract>, input: Box<ValidInput> },
}

impl Scans {
    /// Loads the network, or the contract of a program.
    ///
    /// # Errors
    /// Returns an error that names the file, the key or the option.
    pub(super) fn load(work: &Work<'_>, device: &DeviceOptions, notes: &mut Notes) -> anyhow::Result<Self> {
        let args = work.args;
        let options = model_options(args)?;
        if args.command.is_none() {
            let model = Model::load_with(&args.weights, &device.open()?, &options).map_err(of_command)?;
            model.network().assumed().iter().for_each(|line| notes.assume(line.clone()));
            return Ok(Self::Network(Arc::new(model)));
        }
        let (contract, replaced) = options.contract().map_err(of_command)?;
        replaced.into_iter().for_each(|line| notes.assume(line));
        let input = contract.input.clone().check()?;
        Ok(Self::Command { contract: Box::new(contract), input: Box::new(input) })
    }

    /// Returns the preprocessing of the input.
    pub(super) fn preprocess(&self) -> &ValidPreprocess {
        match self {
            Self::Network(model) => model.preprocess(),
            Self::Command { input, .. } => input.preprocess(),
        }
    }

    /// Names the output that is explained in every case, of `requested`, of the contract or the only one.
    ///
    /// # Errors
    /// Describes what is explained if that may differ between cases.
    pub(super) fn target_of_all(&self, requested: Option<&str>) -> Result<String, String> {
        let (output, outputs) = match self {
            Self::Network(model) => (model.network().output(), Some(model.network().outputs())),
            Self::Command { contract, .. } => (&contract.input.output, None),
        };
        let name =
            |index: usize| output.class(index).map_or_else(|| format!("output {index}"), str::to_owned);
        match (requested.map(OutputTarget::parse).or_else(|| output.target.clone()), outputs) {
            (Some(OutputTarget::Index(index)), _) => Ok(name(index)),
            (Some(OutputTarget::Name(class)), _) => Ok(class),
            (None, Some(1)) => Ok(name(0)),
            (None, Some(outputs)) => Err(format!("the predicted class of each case, of {outputs}")),
            (None, None) => {
                Err("a program, whose number of outputs is not known before it starts".to_owned())
            }
        }
    }

    /// Describes the contract and the partition that it states, to tell whether they are the same again.
    pub(super) fn key(&self) -> String {
        match self {
            Self::Network(model) => format!("{:?} {:?}", model.input().settings(), model.regions()),
            Self::Command { contract, .. } => format!("{contract:?}"),
        }
    }

    /// Reads and prepares a case, whose results go to `out`.
    ///
    /// # Errors
    /// Returns an error that names the file or the program.
    pub(super) fn open(
        &self,
        work: &Work<'_>,
        files: CaseFiles,
        out: &Path,
        notes: &mut Notes,
    ) -> anyhow::Result<Subject> {
        for output in files::names(&work.methods) {
            refuse_overwriting(&out.join(output), files.paths())?;
        }
        // The classifier's side never sees the outline.
        let scans = CaseFiles { segmentation: None, ..files.clone() };
        let study = Study::load(&scans, self.preprocess()).map_err(|error| of_command(error.into()))?;
        let (model, first) = match self {
            Self::Network(model) => (Arc::clone(model), None),
            Self::Command { contract, input } => {
                let command = work.args.command.as_deref().unwrap_or_default();
                let classifier = external::start(work.args, command, tensor(&study, input.axes()))?;
                let first = Some(classifier.first().to_vec());
                (Arc::new(Model::new(classifier, (**contract).clone()).map_err(of_command)?), first)
            }
        };
        notes.prepared(&study);
        let outline = ExpertOutline::of(&files, &study, work.args.scans.outline.is_some(), notes)?;
        Ok(Subject { model: AnyModel::Scans(model), study, files: Some(files), outline, first })
    }
}

/// The image as the network takes it.
fn tensor(study: &Study, axes: AxisOrder) -> ArrayView4<'_, f32> {
    match axes {
        AxisOrder::Zyx => study.image.view(),
        AxisOrder::Xyz => study.image.view().permuted_axes([0, 3, 2, 1]),
    }
}
