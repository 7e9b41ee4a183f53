//! The page to look into, and the overview as a picture.

use ndarray::{Array3, Axis};
use relevox::report::Error;
use relevox::report::viewer::{Image, RegionExtent, region_extents};
use relevox::volume::{Geometry, Study};
use relevox::{Depiction, MethodResult, OverviewVolumes, PageVolumes};

use crate::place::Place;

/// An explanation to show, and where its image lies.
pub(crate) struct Subject<'a> {
    depiction: Depiction<'a>,
    study: &'a Study,
    place: Place,
    grid: Geometry,
}

impl<'a> Subject<'a> {
    pub(crate) fn new(depiction: Depiction<'a>, study: &'a Study, place: Place) -> Self {
        let grid = place.geometry(study.brain.dim().into());
        Self { depiction, study, place, grid }
    }

    /// Makes the page.
    ///
    /// # Errors
    /// Returns an error if the page cannot be encoded.
    pub(crate) fn page(&self) -> Result<String, Error> {
        let Self { depiction, study, place, grid } = self;
        let Depiction { explanation, main, .. } = depiction;
        let scans: Vec<Array3<f32>> = study.image.outer_iter().map(|channel| place.turned(channel)).collect();
        let names = study.channel_names().iter().cloned();
        let others = explanation.results.iter().filter(|result| result.method != main.method);
        let results: Vec<&MethodResult> = std::iter::once(*main).chain(others).collect();
        let maps: Vec<Array3<f32>> =
            results.iter().map(|result| place.turned(result.map.voxels.view())).collect();
        let labels = self.labels();
        let volumes = PageVolumes {
            grid,
            images: names.zip(&scans).map(|(name, voxels)| Image { name, voxels: voxels.view() }).collect(),
            maps: results.into_iter().zip(maps.iter().map(|map| map.view())).collect(),
            labels: labels.view(),
            outline: None,
        };
        depiction.page(volumes, Vec::new())
    }

    /// Draws slices through the most relevant region.
    ///
    /// # Errors
    /// Returns an error if the figure cannot be drawn.
    pub(crate) fn overview(&self) -> Result<Vec<u8>, Error> {
        let Self { depiction, study, place, grid } = self;
        let scan = place.turned(study.image.index_axis(Axis(0), 0));
        let map = place.turned(depiction.main.map.voxels.view());
        let labels = self.labels();
        let volumes = OverviewVolumes {
            grid,
            oriented: grid.has_orientation(),
            in_mm: grid.has_orientation(),
            scan_name: &study.channel_names()[0],
            scan: scan.view(),
            map: map.view(),
            labels: labels.view(),
            extents: &self.extents(&labels),
        };
        depiction.overview(&volumes)
    }

    fn labels(&self) -> Array3<u32> {
        self.place.turned(self.depiction.explanation.regions.labels())
    }

    fn extents(&self, labels: &Array3<u32>) -> Vec<RegionExtent> {
        let background = self.depiction.explanation.regions.background();
        let mut extents = region_extents(labels.view(), &self.grid);
        extents.retain(|extent| Some(extent.id) != background);
        extents
    }
}
