//! What all subjects of a call have in common.

use relevox_experiment::device::DeviceOptions;
use relevox_experiment::failure::invalid_input;
use relevox_perturb::FillKind;
use relevox_volume::Study;

use super::args::ExplainArgs;
use super::methods::{FillOption, LoadedFill};
use super::notes::Notes;
use crate::{FillSource, Method};

/// What all subjects of a call have in common.
pub(super) struct Work<'a> {
    pub(super) args: &'a ExplainArgs,
    /// Methods of single cases.
    pub(super) methods: Vec<Method>,
    /// Methods that are then learned over the cases.
    pub(super) pooled: Vec<Method>,
    fill: LoadedFill,
    /// Whether progress is shown by region.
    pub(super) shows_regions: bool,
}

impl<'a> Work<'a> {
    /// Loads what is the same for all subjects.
    ///
    /// # Errors
    /// Returns an error that names the option.
    pub(super) fn load(
        args: &'a ExplainArgs,
        device: &DeviceOptions,
        notes: &mut Notes,
    ) -> anyhow::Result<Self> {
        let mut methods = args.methods.methods(notes);
        if let Some((_, twice)) =
            methods.iter().enumerate().find(|(at, method)| methods[..*at].contains(method))
        {
            return Err(invalid_input(format!("--method: expected each method once, found {twice} twice")));
        }
        let pooled: Vec<Method> = methods.iter().copied().filter(|method| method.is_pooled()).collect();
        methods.retain(|method| !method.is_pooled());
        if let Some(method) = pooled.first().filter(|_| !args.scans.are_several()) {
            return Err(invalid_input(format!(
                "--method {method}: expected several cases, which it learns from, found one"
            )));
        }
        if pooled.contains(&Method::PooledLabel) && args.scans.cohort.is_none() {
            return Err(invalid_input(
                "--method pooled-label: expected --cohort, which states the cases' classes, found single cases",
            ));
        }
        if pooled.contains(&Method::AveragedPooled) && !methods.contains(&Method::Averaged) {
            return Err(invalid_input(
                "--method averaged-pooled: expected averaged too, which it is learned from, as in averaged,averaged-pooled",
            ));
        }
        if !args.partitions.is_empty() && !methods.contains(&Method::Averaged) {
            return Err(invalid_input(
                "--partitions: expected --method averaged, which averages them, found none",
            ));
        }
        if args.methods.samples.is_some() && !methods.iter().any(|method| method.uses_coalitions()) {
            let found = methods.iter().map(|method| method.name()).collect::<Vec<_>>().join(", ");
            return Err(invalid_input(format!(
                "--samples: expected --method lime, kernel-shap, hierarchical or rise, which draw samples, found {found}"
            )));
        }
        if args.command.is_some()
            && let Some(cam) = methods.iter().find(|method| method.cam().is_some())
        {
            return Err(invalid_input(format!(
                "--method: expected methods of a program, which has no feature maps, found {cam}"
            )));
        }
        let fill = args.methods.load_fill(&device.open()?, notes)?;
        let work = Self { args, methods, pooled, fill, shows_regions: !args.scans.are_several() };
        work.pooled_from()?;
        Ok(work)
    }

    /// Returns the method whose relevance `pooled` and `pooled-label` pool, if one of them is asked for: the first by region.
    ///
    /// # Errors
    /// Returns an input error if there is none.
    pub(super) fn pooled_from(&self) -> anyhow::Result<Option<Method>> {
        let Some(pooled) = self.pooled.iter().find(|method| method.is_by_region()) else { return Ok(None) };
        let first = self.methods.iter().copied().find(|method| method.is_by_region());
        Ok(Some(first.ok_or_else(|| {
            invalid_input(format!(
                "--method {pooled}: expected a method by region too, such as diffused,{pooled}, found none"
            ))
        })?))
    }

    /// Returns the fill.
    pub(super) fn fill(&self) -> FillSource<'_> {
        self.fill.source()
    }

    /// Validates that a learned fill gets what it is trained on.
    ///
    /// # Errors
    /// Returns an input error that states the value.
    pub(super) fn check_fill(&self, study: &Study) -> anyhow::Result<()> {
        let LoadedFill::Learned(_) = &self.fill else { return Ok(()) };
        match study.image.iter().find(|value| !(0.0..=1.0).contains(*value)) {
            Some(value) => Err(invalid_input(format!(
                "--fill learned: expected intensities from 0 to 1, which its U-Net is trained on, found {value}"
            ))),
            None => Ok(()),
        }
    }

    /// Returns whether values of the brain alone are used.
    pub(super) fn uses_brain(&self) -> bool {
        !matches!(&self.args.methods.fill, Some(FillOption::Constant(FillKind::Blank)))
    }
}
