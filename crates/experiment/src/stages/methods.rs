//! Which methods have a map of a case, and what each is made from.

use slic3d::Supervoxels;

use super::diffuse::{self, DIFFUSED, INTENSITY};
use super::scores::read_csv;
use super::{Partition, Session, explain, explained, maps};
use crate::run::Inputs;

/// How a method's map comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Region scores under a fill.
    Fill,
    /// Region relevance by another explainer.
    Explained,
    /// Grad-CAM and all else that is no map of the selected regions.
    Voxels,
}

/// A method of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Method {
    /// As files and tables name it.
    pub name: String,
    /// How its map comes about.
    pub kind: Kind,
}

/// The methods of the run that are there for every scored case.
pub fn everywhere(session: &Session) -> Vec<Method> {
    let config = &session.config;
    let fills = config.evaluate.fills.iter().map(|fill| (fill.as_str(), Kind::Fill));
    let diffused = diffuse::wanted(config).then_some((DIFFUSED, Kind::Explained));
    let intensity = (!config.evaluate.intensity.is_empty()).then_some((INTENSITY, Kind::Explained));
    let all = fills.chain([(maps::GRADCAM, Kind::Voxels)]).chain(diffused).chain(intensity);
    all.map(|(name, kind)| Method { name: name.to_owned(), kind }).collect()
}

/// The methods that explain some cases only.
pub fn sometimes(session: &Session) -> Vec<Method> {
    let names = session.config.explain.methods.iter();
    names.map(|name| Method { name: name.clone(), kind: explain::kind(name) }).collect()
}

/// The methods of a case; `explained` says whether it is one of those that further explainers explain.
pub fn of_case(session: &Session, explained: bool) -> Vec<Method> {
    let mut methods = everywhere(session);
    if explained {
        methods.extend(sometimes(session));
    }
    methods
}

impl Method {
    /// The table that its map is painted from.
    pub fn table(&self, partition: &Partition, case: &str) -> Option<String> {
        match self.kind {
            Kind::Fill => Some(partition.scores_file(case, &self.name)),
            Kind::Explained => Some(explained::file(partition, case, &self.name)),
            Kind::Voxels => None,
        }
    }

    /// Its relevance by region of the selected partition; nothing for a map of voxels.
    ///
    /// # Errors
    /// A table that can't be read.
    pub fn relevance(
        &self,
        session: &Session,
        partition: &Partition,
        case: &str,
    ) -> anyhow::Result<Option<Vec<f64>>> {
        let Some(table) = self.table(partition, case) else { return Ok(None) };
        let path = session.run.path(&table);
        Ok(Some(match self.kind {
            Kind::Fill => read_csv(&path)?.relevance(),
            _ => explained::read(&path)?.relevance,
        }))
    }

    /// What its map is made from, where it is painted from a table.
    ///
    /// # Errors
    /// A table or labels that are not there.
    pub fn map_inputs(
        &self,
        session: &Session,
        partition: &Partition,
        case: &str,
    ) -> anyhow::Result<Option<Inputs>> {
        let Some(table) = self.table(partition, case) else { return Ok(None) };
        let labels = session.run.hash(&partition.regions_file(case))?;
        let scores = session.run.hash(&table)?;
        Ok(Some(session.scans.inputs(case)?.file("labels", &labels).file("scores", &scores)))
    }
}

/// Voxels of the brain in each region.
pub fn brain_voxels(regions: &Supervoxels, brain: ndarray::ArrayView3<'_, bool>) -> Vec<f64> {
    let mut counts = vec![0.0; regions.len()];
    ndarray::Zip::from(regions.labels()).and(brain).for_each(|&id, &inside| {
        if inside
            && Some(id) != regions.background()
            && let Some(region) = regions.index_of(id)
        {
            counts[region] += 1.0;
        }
    });
    counts
}
