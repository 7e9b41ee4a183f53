//! A case as a network's input.

use ndarray::{Array3, Array4, ArrayView3, Axis};
use rayon::prelude::*;

use crate::preparation::Names;
use crate::scale::{Findings, Scale, Unscalable};
use crate::{
    CaseFiles, Error, Frame, Geometry, Intensity, Orientation, Preparation, ScanFile, ValidPreprocess, Volume,
};

/// A preprocessed case: the sequences as channels of one image, with the masks and the frame that belong to it.
///
/// If negative intensities were clipped, scaling keeps 0 at 0 and the brain mask is of non-zero voxels, the image is
/// exactly 0 wherever `brain` is false.
#[derive(Clone, Debug)]
pub struct Study {
    /// Identifier of the case.
    pub case: String,
    /// Scaled intensities on the network's grid, `[c, z, y, x]`.
    pub image: Array4<f32>,
    /// Voxels that count as brain in any sequence (in any scan voxel that contributes, if resampled or downsampled).
    pub brain: Array3<bool>,
    /// Voxels with any label in the segmentation (in at least half of a block's voxels), if the case has one.
    pub tumour: Option<Array3<bool>>,
    /// Mapping between the network's grid and the scan's.
    pub frame: Frame,
    /// What was found in the files, and what was done to them.
    pub preparation: Preparation,
    channels: Vec<String>,
}

/// One sequence on the network's grid.
struct Sequence {
    image: Array3<f32>,
    brain: Array3<bool>,
    /// Brain on the turned scan's grid.
    scan_brain: Array3<bool>,
    frame: Frame,
    findings: Findings,
    nan_background: f64,
}

impl Study {
    /// Reads and preprocesses the files of a case: sets NaN outside the brain and (if set) negative intensities to 0,
    /// turns the scan to the settings' orientation, scales each sequence by statistics of its whole volume, resamples it,
    /// takes the centre crop, padded with zeros, and averages blocks of voxels.
    ///
    /// # Errors
    /// Every error names the case or the file, so that the caller can leave the case out or report it:
    ///
    /// - [`Error::MissingSequence`] if the case has no file for a sequence of the settings.
    /// - [`Error::SameFile`] if two sequences have the same file.
    /// - The errors of [`ScanFile::read`] and [`ScanFile::read_labels`] if a file cannot be read.
    /// - [`Error::NonFinite`] or [`Error::Constant`] if the intensities of a sequence cannot be scaled, and
    ///   [`Error::InvalidSetting`] if the settings' percentiles, window or standard deviation leave no difference between them.
    /// - [`Error::GridMismatch`] if a file lies on another grid than the first sequence. If the settings name an orientation,
    ///   the grids are compared after the turn to it, so that files may be stored in different ones.
    /// - [`Error::Format`] if the settings name an orientation and a file does not state its own.
    pub fn load(files: &CaseFiles, preprocess: &ValidPreprocess) -> Result<Study, Error> {
        let paths = preprocess
            .sequences()
            .iter()
            .map(|name| {
                files.sequence(name).ok_or_else(|| Error::MissingSequence {
                    case: files.id.clone(),
                    sequence: name.clone(),
                    found: files.sequences.iter().map(|(name, _)| name.clone()).collect(),
                })
            })
            .collect::<Result<Vec<&ScanFile>, _>>()?;
        files.require_different_files()?;
        // Of several errors, the first in channel order is returned, independent of the threads.
        let scans: Vec<Result<_, Error>> = paths.par_iter().map(|file| read(&files.id, file)).collect();
        let scans = scans.into_iter().collect::<Result<Vec<_>, _>>()?;
        let frame = frame(paths[0], scans[0].0.geometry.clone(), preprocess)?;
        let mut framed = Vec::with_capacity(scans.len());
        for (&file, (scan, nan)) in paths.iter().zip(scans) {
            let own = require_same_grid(&files.id, (paths[0], &frame), file, &scan.geometry, preprocess)?;
            framed.push((file, scan.voxels, nan, own));
        }
        let sequences: Vec<Result<Sequence, Error>> = framed
            .into_par_iter()
            .map(|(file, voxels, nan, frame)| prepare(&files.id, file, voxels, nan, frame, preprocess))
            .collect();
        let sequences = sequences.into_iter().collect::<Result<Vec<_>, _>>()?;

        let mut preparation = prepared(&frame, &sequences, preprocess);
        let [nz, ny, nx] = frame.shape();
        let mut image = Array4::zeros([sequences.len(), nz, ny, nx]);
        let mut brain = Array3::from_elem(frame.shape(), false);
        for (mut channel, sequence) in image.axis_iter_mut(Axis(0)).zip(sequences) {
            channel.assign(&sequence.image);
            brain.zip_mut_with(&sequence.brain, |all, one| *all |= one);
        }
        let tumour = match &files.segmentation {
            None => None,
            Some(file) => {
                let labels = file.read_outline()?;
                let own =
                    require_same_grid(&files.id, (paths[0], &frame), file, &labels.geometry, preprocess)?;
                let distance = frame.oriented().largest_corner_distance_mm(&own.oriented());
                preparation.grid_distance_mm = preparation.grid_distance_mm.max(distance);
                let turned = own.turned(labels.voxels.view());
                preparation.tumour_outside_crop = share_outside(&own, turned.mapv(|label| label > 0).view());
                Some(majority_mask(turned, &own))
            }
        };
        let channels = preprocess.sequences().to_vec();
        Ok(Study { case: files.id.clone(), image, brain, tumour, frame, preparation, channels })
    }

    /// Creates a study from a network's input that another program has preprocessed, `[c, z, y, x]`. Its grid states no
    /// orientation ([`Geometry::unoriented`], 1 mm); voxels that are not 0 in some channel count as brain.
    ///
    /// # Errors
    /// Returns [`Error::NonFinite`] if a value is NaN or infinite, [`Error::ShapeMismatch`] if there is another number of
    /// names than of channels, and [`Error::InvalidSetting`] if the grid has no voxel or more than 1 048 576 along an axis.
    pub fn from_tensor(case: String, image: Array4<f32>, channels: Vec<String>) -> Result<Study, Error> {
        let (c, z, y, x) = image.dim();
        if channels.len() != c {
            return Err(Error::ShapeMismatch {
                what: "channels of the tensor",
                expected: vec![channels.len()],
                found: vec![c],
            });
        }
        if let Some(((c, z, y, x), &value)) = image.indexed_iter().find(|(_, value)| !value.is_finite()) {
            return Err(Error::NonFinite { what: format!("{case}: element {:?}", [c, z, y, x]), value });
        }
        let frame = Frame::whole(Geometry::unoriented([z, y, x], [1.0; 3]))?;
        let brain = image.map_axis(Axis(0), |values| values.iter().any(|&value| value != 0.0));
        Ok(Study { case, image, brain, tumour: None, frame, preparation: Preparation::none(), channels })
    }

    /// Names of the image's channels, in order.
    pub fn channel_names(&self) -> &[String] {
        &self.channels
    }

    /// Returns the index of a channel.
    ///
    /// # Errors
    /// Returns [`Error::UnknownName`], which lists the channels, if there is none of that name.
    pub fn channel_index(&self, name: &str) -> Result<usize, Error> {
        self.channels.iter().position(|channel| channel == name).ok_or_else(|| Error::UnknownName {
            what: "channel",
            expected: format!("one of {}", self.channels.join(", ")),
            found: name.to_owned(),
        })
    }

    /// Returns a view of a channel, `[z, y, x]`.
    ///
    /// # Errors
    /// Returns [`Error::UnknownName`], which lists the channels, if there is none of that name.
    pub fn channel(&self, name: &str) -> Result<ArrayView3<'_, f32>, Error> {
        Ok(self.image.index_axis(Axis(0), self.channel_index(name)?))
    }
}

/// Reads a scan and sets NaN outside the brain to 0. Also returns the share of such voxels.
fn read(case: &str, file: &ScanFile) -> Result<(Volume<f32>, f64), Error> {
    let mut scan = file.read()?;
    let cleared = scan.clear_background_nan(&format!("case {case}: {file}"))?;
    let share = cleared as f64 / scan.voxels.len() as f64;
    Ok((scan, share))
}

/// Scales a sequence and maps it to the network's grid.
fn prepare(
    case: &str,
    file: &ScanFile,
    voxels: Array3<f32>,
    nan_background: f64,
    frame: Frame,
    preprocess: &ValidPreprocess,
) -> Result<Sequence, Error> {
    let raw = frame.turned(voxels.view());
    let (scale, findings) =
        Scale::measure(raw, preprocess).map_err(|reason| unscalable(case, file, reason, preprocess))?;
    let scan_brain = raw.map(|&value| scale.is_signal(value));
    let (mut image, brain) = if frame.is_resampled() {
        (frame.interpolate(raw.map(|&value| scale.apply(value)).view()), frame.spread(scan_brain.view()))
    } else {
        (block_means(raw, &frame, scale), block_signal(scan_brain.view(), &frame))
    };
    if frame.is_resampled() && preprocess.intensity().is_unit_range() {
        // Weights sum to 1 up to rounding.
        image.mapv_inplace(|value| value.clamp(0.0, 1.0));
    }
    Ok(Sequence { image, brain, scan_brain, frame, findings, nan_background })
}

fn unscalable(case: &str, file: &ScanFile, reason: Unscalable, preprocess: &ValidPreprocess) -> Error {
    let (low, width, smallest, largest) = match reason {
        Unscalable::Constant(value) => {
            let clips = value == 0.0 && preprocess.settings().clip_negative;
            let clipped = if clips { " after negative values were set to 0 (clip_negative)" } else { "" };
            return Error::Constant { case: case.to_owned(), path: file.path.clone(), value, clipped };
        }
        Unscalable::Flattened { low, width, smallest, largest } => (low, width, smallest, largest),
    };
    let found = match preprocess.intensity() {
        Intensity::Percentile { low: from, high: to, .. } => {
            format!("percentiles {from} and {to}, which are {low} and {}", low + width)
        }
        Intensity::Window { low, high } => {
            format!("a window of {low} to {high} for intensities of {smallest} to {largest}")
        }
        other => format!("{} with a width of {width}", other.kind()),
    };
    Error::InvalidSetting {
        setting: "intensity",
        expected: format!("a scaling under which the voxels of case {case}, {file}, differ"),
        found,
    }
}

/// Creates the frame of a file's grid. A file without an orientation is refused where one is needed.
fn frame(file: &ScanFile, geometry: Geometry, preprocess: &ValidPreprocess) -> Result<Frame, Error> {
    Frame::centred(geometry, preprocess).map_err(|error| match error {
        Error::InvalidSetting { setting: "orientation", .. } => Error::Format {
            path: file.path.clone(),
            expected: "a header that states the orientation (sform or qform code above 0), or orientation = \"stored\"",
            found: "both codes 0".to_owned(),
        },
        other => other,
    })
}

/// Averages the scaled voxels of each block, with 0 as padding.
fn block_means(raw: ArrayView3<f32>, frame: &Frame, scale: Scale) -> Array3<f32> {
    let mut image = Array3::zeros(frame.shape());
    frame.for_each_voxel(raw, |at, value| image[at] += scale.apply(value));
    if frame.downsample() > 1 {
        let block = frame.downsample().pow(3) as f32;
        image.mapv_inplace(|v: f32| v / block);
    }
    image
}

/// Finds the network voxels whose block contains any brain.
fn block_signal(brain: ArrayView3<bool>, frame: &Frame) -> Array3<bool> {
    let mut mask = Array3::from_elem(frame.shape(), false);
    frame.for_each_voxel(brain, |at, value| mask[at] |= value);
    mask
}

/// Finds the network voxels of which at least half of the block is labelled.
fn majority_mask(labels: ArrayView3<u32>, frame: &Frame) -> Array3<bool> {
    let block = frame.downsample().pow(3) as u32;
    frame.count_labelled(labels).mapv(|n| 2 * n >= block)
}

fn prepared(frame: &Frame, sequences: &[Sequence], preprocess: &ValidPreprocess) -> Preparation {
    let scan = frame.scan();
    let names = preprocess.sequences();
    let largest = |value: &dyn Fn(&Sequence) -> f64| {
        let all = sequences.iter().zip(names).map(|(sequence, name)| (value(sequence), name));
        let (value, name) = all.reduce(|a, b| if b.0 > a.0 { b } else { a }).unwrap_or((0.0, &names[0]));
        (value, name.clone())
    };
    let (clipped_by_limits, clipped_name) = largest(&|sequence| sequence.findings.clipped_by_limits);
    let (air_not_zero, air) = largest(&|sequence| sequence.findings.air_not_zero);
    let (nan_background, nan) = largest(&|sequence| sequence.nan_background);
    let (dimmest, bright_name) = largest(&|sequence| -sequence.findings.bright.unwrap_or(f64::INFINITY));
    let mut brain = sequences[0].scan_brain.clone();
    for sequence in &sequences[1..] {
        brain.zip_mut_with(&sequence.scan_brain, |all, one| *all |= one);
    }
    let oriented = frame.oriented();
    let distances =
        sequences.iter().map(|sequence| oriented.largest_corner_distance_mm(&sequence.frame.oriented()));
    let [dz, dy, dx] = scan.spacing_mm;
    let stored_codes = scan.has_orientation().then(|| scan.axis_codes());
    let clipped = sequences.iter().map(|sequence| sequence.findings.clipped).fold(0.0, f64::max);
    let disagreeing = sequences.iter().zip(names).filter_map(|(sequence, name)| {
        let (sform, qform) = sequence.frame.scan().disagreement()?;
        Some((name.clone(), sform, qform))
    });
    let stored_otherwise = sequences.iter().zip(names).filter_map(|(sequence, name)| {
        let codes = sequence.frame.scan().axis_codes();
        (codes != scan.axis_codes()).then(|| (name.clone(), codes))
    });
    Preparation {
        disagreeing: disagreeing.collect(),
        stored_otherwise: stored_otherwise.collect(),
        oriented: preprocess.orientation() != Orientation::Stored,
        clipped_by_limits,
        stored_codes,
        turned_to: frame.is_turned().then(|| oriented.axis_codes()),
        oblique_degrees: scan.obliqueness_degrees(),
        stored_spacing_mm: [dx, dy, dz],
        resampled_to_mm: match (frame.is_resampled(), preprocess.spacing()) {
            (true, crate::Spacing::Millimetres(mm)) => Some(mm),
            _ => None,
        },
        brain_outside_crop: share_outside(frame, brain.view()).unwrap_or(0.0),
        tumour_outside_crop: None,
        clipped,
        air_not_zero,
        bright: Some(-dimmest).filter(|share| share.is_finite()),
        nan_background,
        grid_distance_mm: distances.fold(0.0, f64::max),
        names: Names { clipped: clipped_name, air, bright: bright_name, nan },
    }
}

/// Share of a mask's voxels outside the crop, or `None` if the mask is empty.
fn share_outside(frame: &Frame, turned: ArrayView3<bool>) -> Option<f64> {
    let (all, inside) = frame.count_inside(turned);
    (all > 0).then(|| (all - inside) as f64 / all as f64)
}

/// Returns the frame of a file of the case.
///
/// # Errors
/// Returns [`Error::GridMismatch`] unless the file's voxels, turned, lie where those of the first file do.
fn require_same_grid(
    case: &str,
    first: (&ScanFile, &Frame),
    file: &ScanFile,
    geometry: &Geometry,
    preprocess: &ValidPreprocess,
) -> Result<Frame, Error> {
    let (first_file, first_frame) = first;
    let own = frame(file, geometry.clone(), preprocess)?;
    let (expected, found) = (first_frame.oriented(), own.oriented());
    if expected.same_grid(&found) {
        return Ok(first_frame.of_file(own));
    }
    let turned = if first_frame.is_turned() || own.is_turned() {
        format!(" after turning to {}", preprocess.orientation())
    } else {
        String::new()
    };
    let voxels = |[z, y, x]: [usize; 3]| format!("{x} x {y} x {z} voxels{turned}");
    let (expected, found) = if expected.shape != found.shape {
        (voxels(expected.shape), voxels(found.shape))
    } else {
        let distance = expected.largest_corner_distance_mm(&found);
        (
            format!("the affine {:?}{turned}", expected.world_from_voxel),
            format!("{:?}, which moves a corner by {distance} mm", found.world_from_voxel),
        )
    };
    Err(Error::GridMismatch {
        case: case.to_owned(),
        path: file.path.clone(),
        first: first_file.path.clone(),
        expected,
        found,
    })
}
