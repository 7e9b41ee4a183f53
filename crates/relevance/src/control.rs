//! Effects of a fill without what its values do anywhere: the effect of the same values in other scans is subtracted.
//!
//! Where a fill's values are themselves evidence, a region's effect has two causes: what was removed and what was put in
//! its place. The second is estimated by putting the same values in the same place of other cases' scans, where nothing of
//! this case is removed: a control variate with coefficient 1 (S. S. Lavenberg and P. D. Welch, "A perspective on the use
//! of control variables to increase the efficiency of Monte Carlo simulations", Management Science 27(3), 1981,
//! <https://doi.org/10.1287/mnsc.27.3.322>), or a difference in differences. The differences are of outputs, not of
//! probabilities, which saturate at another level in each scan.
//!
//! **What it finds.** Of a linear classifier exactly what replacing the region with the mean of the other scans' voxels
//! would: the inserted values cancel. Where the effect of the values depends on what lies around, they cancel in part. A
//! region that is evidence in the other scans too is not found.

use relevox_perturb::{Box3, Fill, ImageView, Patch, Result as FillResult};
use slic3d::Supervoxels;

use crate::region_logits::{RegionLogits, patches, region_logits};
use crate::{Baseline, Classifier, Error, Progress};

/// Computes the outputs of a scan with each region replaced in turn, as [`region_logits`], and adds the mean change that the same
/// values cause at the region's voxels of other scans, so that differences from the scan's own outputs are without it.
///
/// Without other scans the result is that of [`region_logits`]. A region that the fill does not change stays as it is.
/// `progress` is called with the number of finished regions, of one scan more than there are other scans.
///
/// # Shapes
/// The partition is `[z, y, x]`, the scan and each of the `others` `[c, z, y, x]`.
///
/// # Errors
/// As [`region_logits`], and [`Error::ShapeMismatch`] if another scan has another shape.
pub fn controlled_logits(
    classifier: &dyn Classifier,
    baseline: &dyn Baseline,
    others: &[ImageView<'_>],
    regions: &Supervoxels,
    fill: &dyn Fill,
    progress: Progress<'_>,
) -> Result<RegionLogits, Error> {
    let image = baseline.image();
    let all: Vec<usize> = (0..regions.len()).collect();
    let mut patched = Vec::with_capacity(all.len());
    for batch in all.chunks(baseline.batch_size().max(1)) {
        patched.extend(patches(fill, image, regions, batch)?);
    }
    let known = KnownPatches { name: fill.name(), patches: &patched, from: image };
    let mut result = region_logits(baseline, regions, &known, progress)?;
    for &other in others {
        if other.dim() != image.dim() {
            return Err(Error::ShapeMismatch {
                what: "the shape of another scan",
                expected: image.shape().to_vec(),
                found: other.shape().to_vec(),
            });
        }
        let found = region_logits(&*classifier.baseline(other)?, regions, &known, progress)?;
        for (mut into, from) in result.perturbed.rows_mut().into_iter().zip(found.perturbed.rows()) {
            for ((into, from), original) in into.iter_mut().zip(from).zip(&found.original) {
                *into += (original - from) / others.len() as f32;
            }
        }
    }
    Ok(result)
}

/// Values of regions of one scan, for the same voxels of any scan.
struct KnownPatches<'a> {
    name: &'a str,
    /// By region.
    patches: &'a [Patch],
    /// The scan that they are of.
    from: ImageView<'a>,
}

impl Fill for KnownPatches<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn patches(
        &self,
        image: ImageView<'_>,
        regions: &Supervoxels,
        batch: &[usize],
    ) -> FillResult<Vec<Patch>> {
        let labels = regions.labels();
        batch
            .iter()
            .map(|&region| {
                let (known, id) = (&self.patches[region], regions.ids()[region]);
                let bounds = Box3::from(regions.bounds(region));
                let mut patch = Patch::copied(image, bounds)?;
                if known.changed_voxels(self.from)? == 0 {
                    return Ok(patch);
                }
                if known.bounds() != bounds {
                    return Err(relevox_perturb::Error::ShapeMismatch {
                        what: "the box of a fill's patch",
                        expected: bounds.size().to_vec(),
                        found: known.bounds().size().to_vec(),
                    });
                }
                let [oz, oy, ox] = bounds.start;
                for ((channel, z, y, x), value) in patch.values_mut().indexed_iter_mut() {
                    if labels[[oz + z, oy + y, ox + x]] == id {
                        *value = known.values()[[channel, z, y, x]];
                    }
                }
                Ok(patch)
            })
            .collect()
    }
}
