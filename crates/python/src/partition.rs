//! Partitions and fills from what Python passes.

use ndarray::{Array3, ArrayView3, ArrayView4};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use relevox::perturb::{ConstantFill, FillKind};
use relevox::slic3d::Supervoxels;

use crate::failure::invalid;

/// A partition's label in Python that stands for [`u32::MAX`], which is SLIC's −1.
const BELOW_ZERO: i64 = -1;

/// Creates a partition from labels, each from −1 to 2³² − 2.
///
/// # Errors
/// Returns a `ValueError` if a label is out of range, or there is no region.
pub(crate) fn partition(labels: ArrayView3<'_, i64>, background: Option<i64>) -> PyResult<Supervoxels> {
    let wrong = |found: i64| {
        let expected = "labels from -1 to 4294967294";
        PyValueError::new_err(format!("labels: expected {expected}, found {found}"))
    };
    let narrow = |label: i64| match label {
        BELOW_ZERO => Some(u32::MAX),
        label => u32::try_from(label).ok().filter(|&label| label != u32::MAX),
    };
    if let Some(&label) = labels.iter().find(|&&label| narrow(label).is_none()) {
        return Err(wrong(label));
    }
    let background = background.map(|label| narrow(label).ok_or_else(|| wrong(label))).transpose()?;
    let labels: Array3<u32> = labels.mapv(|label| narrow(label).unwrap_or_default());
    Supervoxels::from_labels(labels, background).map_err(invalid)
}

/// What replaces regions: a statistic of the brain by its name, or one value for each channel.
#[derive(FromPyObject)]
pub(crate) enum FillArgument {
    /// `blank`, `min`, `max` or `mean`.
    Name(String),
    /// One value for each channel.
    Values(Vec<f32>),
}

/// Creates a fill for an image.
///
/// # Errors
/// Returns a `ValueError` if there is no such fill, it has another number of channels, or the mask is empty.
pub(crate) fn fill(
    argument: FillArgument,
    image: ArrayView4<'_, f32>,
    mask: ArrayView3<'_, bool>,
) -> PyResult<ConstantFill> {
    match argument {
        FillArgument::Name(name) => {
            let kind = FillKind::CONSTANT.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
                let names = FillKind::CONSTANT.map(FillKind::name).join(", ");
                PyValueError::new_err(format!(
                    "fill: expected one of {names}, or a value for each channel, found {name}"
                ))
            })?;
            ConstantFill::new(kind, image, mask).map_err(invalid)
        }
        FillArgument::Values(values) if values.len() != image.dim().0 => {
            let (channels, found) = (image.dim().0, values.len());
            Err(PyValueError::new_err(format!(
                "fill: expected {channels} values, one for each channel, found {found}"
            )))
        }
        FillArgument::Values(values) => ConstantFill::from_values("constant", values).map_err(invalid),
    }
}
