//! Facts about a file, without a network.

use std::collections::BTreeMap;

use crate::{Error, Geometry, ScanFile};

/// Most labels that [`LabelFacts`] lists.
const MOST_LABELS: usize = 20;

/// Grid and header of a file.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct GridFacts {
    /// Number of voxels along the stored x, y and z axes.
    pub shape: [usize; 3],
    /// Millimetres between voxel centres along x, y, z.
    pub spacing_mm: [f64; 3],
    /// Directions of the stored x, y and z axes (nibabel's axis codes), unless the header does not state them.
    pub orientation: Option<String>,
    /// Largest angle between a stored axis and the patient's axis that its code names.
    pub oblique_degrees: f64,
    /// `sform_code` of the header.
    pub sform_code: i16,
    /// `qform_code` of the header.
    pub qform_code: i16,
}

/// Facts about a file of intensities.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct FileFacts {
    /// The grid.
    pub grid: GridFacts,
    /// Smallest and largest finite value.
    pub range: [f32; 2],
    /// Share of voxels other than 0 and NaN.
    pub nonzero: f64,
    /// Share of negative voxels among those other than 0.
    pub negative: f64,
    /// Share of voxels that are NaN or infinite.
    pub not_finite: f64,
    /// Share of voxels other than 0 in the eight corners of the volume, a tenth of each axis long: above 0 where the scan
    /// has noise or an offset in the air.
    pub corners_nonzero: f64,
}

/// Facts about a file of labels.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LabelFacts {
    /// The grid.
    pub grid: GridFacts,
    /// Number of voxels of each label other than 0, of at most 20 labels.
    pub voxels: BTreeMap<u32, usize>,
    /// Number of labels other than 0.
    pub labels: usize,
}

impl From<&Geometry> for GridFacts {
    fn from(geometry: &Geometry) -> Self {
        let [nz, ny, nx] = geometry.shape;
        let [dz, dy, dx] = geometry.spacing_mm;
        let header = geometry.orientation();
        Self {
            shape: [nx, ny, nz],
            spacing_mm: [dx, dy, dz],
            orientation: geometry.has_orientation().then(|| geometry.axis_codes().to_string()),
            oblique_degrees: geometry.obliqueness_degrees(),
            sform_code: header.sform_code,
            qform_code: header.qform_code,
        }
    }
}

/// Reads a file and describes it.
///
/// # Errors
/// Returns the errors of [`ScanFile::read`].
pub fn inspect(file: &ScanFile) -> Result<FileFacts, Error> {
    let scan = file.read()?;
    let voxels = scan.voxels.view();
    let count = |test: &dyn Fn(f32) -> bool| voxels.iter().filter(|value| test(**value)).count();
    let (mut smallest, mut largest) = (f32::INFINITY, f32::NEG_INFINITY);
    for &value in voxels.iter().filter(|value| value.is_finite()) {
        (smallest, largest) = (smallest.min(value), largest.max(value));
    }
    let all = voxels.len().max(1) as f64;
    let is_signal = |value: f32| value != 0.0 && !value.is_nan();
    let signal = count(&is_signal);
    Ok(FileFacts {
        grid: GridFacts::from(&scan.geometry),
        range: [smallest, largest],
        nonzero: signal as f64 / all,
        negative: count(&|value| value < 0.0) as f64 / signal.max(1) as f64,
        not_finite: count(&|value| !value.is_finite()) as f64 / all,
        corners_nonzero: crate::foreground::corner_share(voxels, is_signal),
    })
}

/// Reads the outline of a finding and describes its labels.
///
/// # Errors
/// Returns the errors of [`ScanFile::read_outline`].
pub fn inspect_labels(file: &ScanFile) -> Result<LabelFacts, Error> {
    let labels = file.read_outline()?;
    let mut voxels: BTreeMap<u32, usize> = BTreeMap::new();
    for &label in labels.voxels.iter().filter(|label| **label != 0) {
        *voxels.entry(label).or_default() += 1;
    }
    let count = voxels.len();
    let listed = voxels.into_iter().take(MOST_LABELS).collect();
    Ok(LabelFacts { grid: GridFacts::from(&labels.geometry), voxels: listed, labels: count })
}
