//! A case as a network's input.

use std::path::Path;

use ndarray::{Array3, Array4, ArrayView3, Axis};
use rayon::prelude::*;

use crate::intensity::{self, IntensityRange, Unusable};
use crate::{CaseFiles, Error, Frame, Geometry, ScanFile, ValidPreprocess};

/// A preprocessed case: the sequences as channels of one image, with the masks and the frame that belong to it.
///
/// If negative intensities were clipped, the image is exactly 0 wherever `brain` is false.
#[derive(Clone, Debug)]
pub struct Study {
    /// Identifier of the case.
    pub case: String,
    /// Intensities in 0..1 on the network's grid, `[c, z, y, x]`.
    pub image: Array4<f32>,
    /// Voxels with a raw intensity other than 0 in any sequence (in any scan voxel of a block, if downsampled).
    pub brain: Array3<bool>,
    /// Voxels with any label in the segmentation (in at least half of a block's scan voxels), if the case has one.
    pub tumour: Option<Array3<bool>>,
    /// Mapping between the network's grid and the scan's.
    pub frame: Frame,
    channels: Vec<String>,
}

/// One sequence on the network's grid.
struct Sequence {
    image: Array3<f32>,
    brain: Array3<bool>,
    geometry: Geometry,
}

impl Study {
    /// Reads and preprocesses the files of a case: clips negative intensities (if set), normalises each sequence by the
    /// minimum and maximum of its whole volume, takes the centre crop, padded with zeros, and averages blocks of voxels.
    ///
    /// # Errors
    /// Every error names the case or the file, so that the caller can leave the case out or report it:
    ///
    /// - [`Error::MissingSequence`] if the case has no file for a sequence of the settings.
    /// - The errors of [`nifti::read`] and [`nifti::read_labels`] if a file cannot be read.
    /// - [`Error::NonFinite`] or [`Error::Constant`] if the intensities of a sequence cannot be normalised.
    /// - [`Error::GridMismatch`] if a file lies on another grid than the first sequence.
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
        let loaded: Vec<Result<Sequence, Error>> =
            paths.par_iter().map(|path| load_sequence(&files.id, path, preprocess)).collect();
        // The first error in channel order, independent of the threads.
        let sequences = loaded.into_iter().collect::<Result<Vec<_>, _>>()?;

        let first = (paths[0], sequences[0].geometry.clone());
        for (path, sequence) in paths.iter().zip(&sequences) {
            require_same_grid(&files.id, (&first.0.path, &first.1), &path.path, &sequence.geometry)?;
        }
        let frame = Frame::centred(first.1.clone(), preprocess);
        let [nz, ny, nx] = frame.shape();
        let mut image = Array4::zeros([sequences.len(), nz, ny, nx]);
        let mut brain = Array3::from_elem(frame.shape(), false);
        for (mut channel, sequence) in image.axis_iter_mut(Axis(0)).zip(sequences) {
            channel.assign(&sequence.image);
            brain.zip_mut_with(&sequence.brain, |all, one| *all |= one);
        }
        let tumour = match &files.segmentation {
            None => None,
            Some(path) => {
                let labels = path.read_labels()?;
                require_same_grid(&files.id, (&first.0.path, &first.1), &path.path, &labels.geometry)?;
                Some(intensity::majority_mask(labels.voxels.view(), &frame))
            }
        };
        let channels = preprocess.sequences().to_vec();
        Ok(Study { case: files.id.clone(), image, brain, tumour, frame, channels })
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
            expected: self.channels.join(", "),
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

fn load_sequence(case: &str, path: &ScanFile, preprocess: &ValidPreprocess) -> Result<Sequence, Error> {
    let scan = path.read()?;
    let raw = scan.voxels.view();
    let range =
        IntensityRange::measure(raw, preprocess.clip_negative()).map_err(|unusable| match unusable {
            Unusable::NonFinite { index_zyx: [z, y, x], value } => {
                let what = format!("case {case}: {path}: voxel z {z}, y {y}, x {x}");
                Error::NonFinite { what, value }
            }
            Unusable::Constant { value } => {
                Error::Constant { case: case.to_owned(), path: path.path.clone(), value }
            }
        })?;
    let frame = Frame::centred(scan.geometry.clone(), preprocess);
    let brain = intensity::signal_mask(raw, &frame, range);
    Ok(Sequence { image: intensity::block_means(raw, &frame, range), brain, geometry: scan.geometry })
}

fn require_same_grid(
    case: &str,
    first: (&Path, &Geometry),
    path: &Path,
    found: &Geometry,
) -> Result<(), Error> {
    let (first_path, expected) = first;
    if expected.same_grid(found) {
        return Ok(());
    }
    let voxels = |[z, y, x]: [usize; 3]| format!("{x} x {y} x {z} voxels");
    let (expected, found) = if expected.shape != found.shape {
        (voxels(expected.shape), voxels(found.shape))
    } else {
        let distance = expected.largest_corner_distance_mm(found);
        (
            format!("the affine {:?}", expected.world_from_voxel),
            format!("{:?}, which moves a corner by {distance} mm", found.world_from_voxel),
        )
    };
    Err(Error::GridMismatch {
        case: case.to_owned(),
        path: path.to_owned(),
        first: first_path.to_owned(),
        expected,
        found,
    })
}
