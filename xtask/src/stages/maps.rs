//! Relevance maps: 0..100, on the scan's own grid and affine, one file for each case and method.

use ndarray::Array3;
use relevox_relevance::RelevanceMap;
use relevox_volume::{Frame, Study, nifti};

use super::network::Network;
use super::scores::read_csv;
use super::{Partition, Session, Work};
use crate::interrupt;
use crate::progress::Progress;
use crate::run::Inputs;

/// The name of Grad-CAM among the methods.
pub const GRADCAM: &str = "gradcam";

/// A case's map.
pub fn file(case: &str, method: &str) -> String {
    format!("maps/{case}/{method}.nii.gz")
}

/// What a fill's map is made from.
///
/// # Errors
/// Scores or labels that are not there.
pub fn fill_inputs(
    session: &Session,
    case: &str,
    partition: &Partition,
    fill: &str,
) -> anyhow::Result<Inputs> {
    let labels = session.run.hash(&partition.regions_file(case))?;
    let scores = session.run.hash(&partition.scores_file(case, fill))?;
    Ok(session.scans.inputs(case)?.file("labels", &labels).file("scores", &scores))
}

/// What a Grad-CAM map is made from.
///
/// # Errors
/// A case that the cohort does not have.
pub fn gradcam_inputs(session: &Session, case: &str, classifier: &str) -> anyhow::Result<Inputs> {
    Ok(session.scans.inputs(case)?.file("classifier", classifier).setting("method", &GRADCAM))
}

/// Makes the maps of every fill, and Grad-CAM's.
///
/// # Errors
/// What reading scores and writing maps meets.
pub fn run(session: &Session, network: &Network, partition: &Partition) -> anyhow::Result<Work> {
    let cases = session.scored_cases();
    let fills = &session.config.evaluate.fills;
    let progress = Progress::start("maps", cases.len() * (fills.len() + 1), "maps");
    let mut work = Work::default();
    for case in cases {
        let name = &case.case;
        for fill in fills {
            interrupt::check()?;
            let inputs = fill_inputs(session, name, partition, fill)?;
            work.count(session.run.make(&file(name, fill), &inputs, |path| {
                let study = session.scans.study(name)?;
                let regions =
                    partition.read(&session.run, &session.scans, name, &session.config.regions, "regions")?;
                let scores = read_csv(&session.run.path(&partition.scores_file(name, fill)))?;
                let map = RelevanceMap::paint(&regions, &scores)?;
                Ok(nifti::write(path, &study.frame.to_scan(map.voxels.view()))?)
            })?);
            progress.advance(1);
        }
        interrupt::check()?;
        let inputs = gradcam_inputs(session, name, &network.hash)?;
        work.count(session.run.make(&file(name, GRADCAM), &inputs, |path| {
            let study = session.scans.study(name)?;
            let map = network.grad_cam(study.image.view())?;
            Ok(nifti::write(path, &study.frame.to_scan(map.voxels.view()))?)
        })?);
        progress.advance(1);
    }
    Ok(work)
}

/// A map of the run back on the network's grid, exactly as it was before it was laid on the scan's: a block
/// of scan voxels holds one value.
///
/// # Errors
/// A map that can't be read or lies on another grid.
pub fn read(session: &Session, study: &Study, method: &str) -> anyhow::Result<Array3<f32>> {
    let path = session.run.path(&file(&study.case, method));
    let map = nifti::read(&path)?;
    if map.voxels.shape() != study.frame.scan.shape {
        return Err(crate::failure::input(format!(
            "{}: expected the scan's {:?} voxels (z, y, x), found {:?}",
            path.display(),
            study.frame.scan.shape,
            map.voxels.shape()
        )));
    }
    Ok(to_network(&map.voxels, &study.frame))
}

fn to_network(map: &Array3<f32>, frame: &Frame) -> Array3<f32> {
    let factor = frame.downsample.max(1);
    Array3::from_shape_fn(frame.shape(), |(z, y, x)| {
        // The first voxel of the block that lies in the scan: a crop may reach over its edge.
        let mut voxel = [0; 3];
        for (axis, index) in [z, y, x].into_iter().enumerate() {
            let first = frame.start[axis] + (index * factor) as isize;
            let last = first + factor as isize;
            if last <= 0 || first >= frame.scan.shape[axis] as isize {
                return 0.0;
            }
            voxel[axis] = first.max(0) as usize;
        }
        map[voxel]
    })
}

#[cfg(test)]
mod tests {
    use relevox_volume::Geometry;

    use super::*;

    #[test]
    fn maps_come_back_from_the_scan_as_they_went() {
        for (scan, crop, downsample) in
            [([9, 8, 10], [4, 6, 8], 2), ([6, 7, 8], [9, 9, 6], 3), ([5, 5, 5], [5, 5, 5], 1)]
        {
            let frame = Frame::centred(Geometry::axis_aligned(scan, [1.0; 3]), crop, downsample);
            let mut next = 0.0;
            let map = Array3::from_shape_fn(frame.shape(), |_| {
                next += 1.0;
                next
            });
            let back = to_network(&frame.to_scan(map.view()).voxels, &frame);
            for (index, &value) in back.indexed_iter() {
                assert!(value == map[index] || value == 0.0, "{index:?}");
            }
            if crop.iter().zip(scan).all(|(crop, scan)| *crop <= scan) {
                assert_eq!(back, map);
            }
        }
    }
}
