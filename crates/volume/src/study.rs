//! All sequences of a case on one grid, as a network sees them.

use std::path::Path;

use ndarray::{Array3, Array4, Axis};
use rayon::prelude::*;

use crate::preprocess::{self, Intensities, Unusable};
use crate::{CaseFiles, Error, Frame, Geometry, Preprocess, nifti};

/// A case ready for a network, and the way back to its scan.
///
/// With `clip_negative`, the image is exactly 0 wherever `brain` is false.
#[derive(Clone, Debug)]
pub struct Study {
    /// The case's name.
    pub case: String,
    /// `[c, z, y, x]`, 0..1, cropped and downsampled.
    pub image: Array4<f32>,
    /// Where any sequence's raw value is not 0 (in any scan voxel of a block, where the image is downsampled).
    pub brain: Array3<bool>,
    /// Where the segmentation has any label (in half of a block's scan voxels or more), if there is one.
    pub tumour: Option<Array3<bool>>,
    /// The way back to the scan's own grid.
    pub frame: Frame,
}

/// One sequence on the network's grid.
struct Sequence {
    image: Array3<f32>,
    brain: Array3<bool>,
    geometry: Geometry,
}

impl Study {
    /// Reads a case's files and prepares them: negative raw values to 0 (if so configured), min-max per sequence over
    /// the whole scan, centre crop with zero padding, block mean.
    ///
    /// # Errors
    /// Where a file cannot be read, the sequences or the segmentation lie on different grids, a voxel is not finite,
    /// or a sequence has one value throughout.
    pub fn load(files: &CaseFiles, preprocess: &Preprocess) -> Result<Study, Error> {
        preprocess.validate()?;
        if files.sequences.len() != preprocess.sequences.len() {
            return Err(Error::Sequences {
                case: files.case.clone(),
                expected: preprocess.sequences.clone(),
                found: files.sequences.clone(),
            });
        }
        let loaded: Vec<Result<Sequence, Error>> =
            files.sequences.par_iter().map(|path| load_sequence(&files.case, path, preprocess)).collect();
        // The first failure in the config's order, whichever thread was first.
        let sequences = loaded.into_iter().collect::<Result<Vec<_>, _>>()?;

        let first = (files.sequences[0].as_path(), sequences[0].geometry.clone());
        for (path, sequence) in files.sequences.iter().zip(&sequences) {
            require_same_grid(&files.case, (first.0, &first.1), path, &sequence.geometry)?;
        }
        let frame = Frame::centred(first.1.clone(), preprocess.crop, preprocess.downsample);
        let [nz, ny, nx] = frame.shape();
        let mut image = Array4::zeros([sequences.len(), nz, ny, nx]);
        let mut brain = Array3::from_elem(frame.shape(), false);
        for (mut channel, sequence) in image.axis_iter_mut(Axis(0)).zip(sequences) {
            channel.assign(&sequence.image);
            brain.zip_mut_with(&sequence.brain, |all, one| *all |= one);
        }
        let tumour = match &files.seg {
            None => None,
            Some(path) => {
                let labels = nifti::read_labels(path)?;
                require_same_grid(&files.case, (first.0, &first.1), path, &labels.geometry)?;
                Some(preprocess::tumour(labels.voxels.view(), &frame))
            }
        };
        Ok(Study { case: files.case.clone(), image, brain, tumour, frame })
    }
}

fn load_sequence(case: &str, path: &Path, preprocess: &Preprocess) -> Result<Sequence, Error> {
    let scan = nifti::read(path)?;
    let raw = scan.voxels.view();
    let intensities = Intensities::measure(raw, preprocess.clip_negative).map_err(|unusable| {
        let (case, path) = (case.to_owned(), path.to_owned());
        match unusable {
            Unusable::NotFinite { index_zyx, found } => Error::NotFinite { case, path, index_zyx, found },
            Unusable::Constant { value } => Error::Constant { case, path, value },
        }
    })?;
    let frame = Frame::centred(scan.geometry.clone(), preprocess.crop, preprocess.downsample);
    let mut brain = Array3::from_elem(frame.shape(), false);
    preprocess::mark_signal(raw, &frame, intensities, &mut brain);
    Ok(Sequence { image: preprocess::image(raw, &frame, intensities), brain, geometry: scan.geometry })
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
        let away = expected.largest_corner_distance_mm(found);
        (
            format!("the affine {:?}", expected.world_from_voxel),
            format!("{:?}, which puts a corner {away} mm away", found.world_from_voxel),
        )
    };
    Err(Error::Grid {
        case: case.to_owned(),
        path: path.to_owned(),
        first: first_path.to_owned(),
        expected,
        found,
    })
}
