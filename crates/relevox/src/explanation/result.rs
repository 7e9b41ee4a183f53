//! The result of one method.

use std::fmt::Write;

use ndarray::{Array3, ArrayView3};
use relevox_eval::{LabelFree, MapValues, RegionOverlap};
use relevox_relevance::{Attribution, RelevanceMap, Sign, Target, mean_by_region};
use slic3d::Supervoxels;

use crate::{Error, MaskRule, Method};

/// What one method found, on the network's grid.
#[derive(Clone, Debug)]
pub struct MethodResult {
    /// The method.
    pub method: Method,
    /// A signed value for each region: above 0 where it is evidence for the target, in units of the logit (of the
    /// probability, by perturbation). Of a map by voxel, the mean of its relevance.
    pub attribution: Attribution,
    /// Relevance of each region, 0 to 100. Of a map by voxel, the mean over the region.
    pub relevance: Vec<f64>,
    /// Relevance of each voxel, 0 to 100.
    pub map: RelevanceMap,
    /// How the threshold was found.
    pub rule: LabelFree,
    /// Relevance from which voxels are in the mask; `None` if all values are equal.
    pub threshold: Option<f64>,
    /// Voxels of at least this relevance, without small connected components.
    pub mask: Array3<bool>,
}

impl MethodResult {
    /// Columns of the table that [`MethodResult::to_csv`] returns.
    pub const COLUMNS: [&'static str; 4] = ["region", "voxels", "value", "relevance"];

    /// Creates the result of values by region.
    pub(crate) fn of_regions(
        method: Method,
        regions: &Supervoxels,
        attribution: Attribution,
        (rule, brain): (&MaskRule, ArrayView3<'_, bool>),
    ) -> Result<Self, Error> {
        let relevance = attribution.relevance(Sign::Magnitude);
        let map = RelevanceMap::paint(regions, &relevance)?;
        let inside = RegionOverlap::count(regions.labels(), regions.ids(), regions.background(), brain)?;
        let values = MapValues::by_region(&relevance, inside.inside());
        Self::with_mask(method, attribution, relevance, map, &values, rule)
    }

    /// Creates the result of a method that pools over cases, of a case with these outputs.
    pub(crate) fn pooled(
        method: Method,
        regions: &Supervoxels,
        values: Vec<f64>,
        outputs: (Vec<f32>, Target),
        to_mask: (&MaskRule, ArrayView3<'_, bool>),
    ) -> Result<Self, Error> {
        Self::of_regions(method, regions, attribution(regions, values, outputs), to_mask)
    }

    /// Creates the result of a map by voxel, of a case with these outputs.
    pub(crate) fn of_voxels(
        method: Method,
        regions: &Supervoxels,
        outputs: (Vec<f32>, Target),
        map: RelevanceMap,
        (rule, brain): (&MaskRule, ArrayView3<'_, bool>),
    ) -> Result<Self, Error> {
        let relevance = mean_by_region(regions, map.voxels.view())?;
        let attribution = attribution(regions, relevance.clone(), outputs);
        let values = MapValues::by_voxel(&map.voxels, brain.iter());
        Self::with_mask(method, attribution, relevance, map, &values, rule)
    }

    fn with_mask(
        method: Method,
        attribution: Attribution,
        relevance: Vec<f64>,
        map: RelevanceMap,
        values: &MapValues,
        rule: &MaskRule,
    ) -> Result<Self, Error> {
        let threshold = values.threshold(rule.threshold)?;
        let mask = map.mask(threshold, rule.smallest_component);
        Ok(Self { method, attribution, relevance, map, rule: rule.threshold, threshold, mask })
    }

    /// Returns the indices of the regions, the most relevant first; equally relevant ones in the order of their ids.
    pub fn ranking(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.relevance.len()).collect();
        order.sort_by(|&a, &b| self.relevance[b].total_cmp(&self.relevance[a]));
        order
    }

    /// Returns values and relevance by region as CSV with the columns [`MethodResult::COLUMNS`], floats in the shortest decimal
    /// form that reads back exactly.
    pub fn to_csv(&self) -> String {
        let mut table = Self::COLUMNS.join(",") + "\n";
        let Attribution { ids, voxels, values, .. } = &self.attribution;
        for (((id, voxels), value), relevance) in ids.iter().zip(voxels).zip(values).zip(&self.relevance) {
            // Writing to a string cannot fail.
            let _ = writeln!(table, "{id},{voxels},{value},{relevance}");
        }
        table
    }
}

/// Values by region, of a case with these outputs.
fn attribution(
    regions: &Supervoxels,
    values: Vec<f64>,
    (original, target): (Vec<f32>, Target),
) -> Attribution {
    let (ids, voxels) = (regions.ids().to_vec(), regions.voxel_counts().to_vec());
    Attribution::of_values(ids, voxels, values, original, target)
}
