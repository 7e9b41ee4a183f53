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
    pub(super) methods: Vec<Method>,
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
        let methods = args.methods.methods(notes);
        if let Some((_, twice)) =
            methods.iter().enumerate().find(|(at, method)| methods[..*at].contains(method))
        {
            return Err(invalid_input(format!("--method: expected each method once, found {twice} twice")));
        }
        let fill = args.methods.load_fill(&device.open()?, notes)?;
        Ok(Self { args, methods, fill, shows_regions: !args.scans.are_several() })
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
