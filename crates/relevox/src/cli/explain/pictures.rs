//! The overview as a picture, and the page to look into.

use anyhow::Context;
use ndarray::Array3;
use relevox_experiment::failure::invalid_input;
use relevox_report::viewer::{Image, Outline, RegionExtent};
use relevox_volume::{Geometry, Volume};

use super::args::ExplainArgs;
use super::notes::Notes;
use super::subject::Subject;
use crate::{Depiction, Explanation, MethodResult, OverviewVolumes, PageVolumes};

/// Marks voxels outside the network's grid, which belong to no region.
const OUTSIDE: u32 = u32::MAX;

/// What pictures show.
pub(super) struct Pictures<'a> {
    pub(super) args: &'a ExplainArgs,
    pub(super) subject: &'a Subject,
    pub(super) explanation: &'a Explanation,
    /// Extents of the regions on the network's grid, in the order of the partition.
    pub(super) extents: &'a [RegionExtent],
    /// Assumptions and warnings.
    pub(super) notes: &'a Notes,
}

impl Pictures<'_> {
    /// Draws the slices through the most relevant region.
    ///
    /// # Errors
    /// Returns an input error if there is no such sequence, or an error if the figure cannot be drawn.
    pub(super) fn overview(&self) -> anyhow::Result<Vec<u8>> {
        let Self { subject, explanation, extents, .. } = self;
        let study = &subject.study;
        let main = self.main()?;
        let sequence = self.sequence()?;
        let volumes = OverviewVolumes {
            grid: &study.frame.geometry(),
            oriented: study.frame.scan().has_orientation(),
            in_mm: subject.files.is_some(),
            scan_name: &sequence,
            scan: study.image.index_axis(ndarray::Axis(0), study.channel_index(&sequence)?),
            map: main.map.voxels.view(),
            labels: explanation.regions.labels(),
            extents,
        };
        Ok(self.depiction(main, &self.class()).overview(&volumes)?)
    }

    /// Makes the page, on the scan's own grid.
    ///
    /// # Errors
    /// Returns an error if a scan cannot be read, or the page cannot be made.
    pub(super) fn page(&self) -> anyhow::Result<String> {
        let Self { subject, explanation, .. } = self;
        let (study, frame) = (&subject.study, &subject.study.frame);
        let grid: &Geometry = frame.scan();
        let scans = self.scans()?;
        let maps: Vec<(&MethodResult, Volume<f32>)> = explanation
            .results
            .iter()
            .map(|result| Ok((result, explanation.scan_map(result)?)))
            .collect::<anyhow::Result<_>>()?;
        // On the way to the scan's grid, voxels outside the network's get 0.
        let shifted = explanation.regions.labels().mapv(|label| label.wrapping_add(1));
        let background = explanation.regions.background();
        let labels: Array3<u32> =
            frame.to_scan(shifted.view())?.voxels.mapv(|label| match label.wrapping_sub(1) {
                label if Some(label) == background => OUTSIDE,
                label => label,
            });
        let volumes = PageVolumes {
            grid,
            images: scans
                .iter()
                .map(|(name, voxels)| Image { name: name.clone(), voxels: voxels.view() })
                .collect(),
            maps: maps.iter().map(|(result, map)| (*result, map.voxels.view())).collect(),
            labels: labels.view(),
            outline: subject
                .outline
                .as_ref()
                .map(|expert| Outline { name: "expert".to_owned(), voxels: expert.voxels.view() }),
        };
        let page = self.depiction(self.main()?, &self.class()).page(volumes, self.facts());
        page.with_context(|| format!("case {}: the page", study.case))
    }

    fn depiction<'b>(&'b self, main: &'b MethodResult, class: &'b str) -> Depiction<'b> {
        Depiction { title: &self.subject.study.case, explanation: self.explanation, main, class }
    }

    /// Name of the target's class.
    fn class(&self) -> String {
        self.subject.model.network().class(self.explanation.target.output)
    }

    /// What the page says besides the answer: what computed the outputs, and what is unusual about the volumes.
    fn facts(&self) -> Vec<(&'static str, String)> {
        let file_name =
            |path: &std::path::Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut facts = vec![match &self.args.command {
            Some(command) => ("Program", command.clone()),
            None => {
                let names: Vec<String> = self.args.weights.iter().map(|path| file_name(path)).collect();
                ("Model", names.join(", "))
            }
        }];
        if self.subject.files.is_none() {
            facts.push(("Voxels", "of unknown size; 1000 are counted as a millilitre".to_owned()));
        }
        if let Some(outline) = &self.subject.outline {
            let name = file_name(outline.file.path());
            facts.push((
                "Expert’s outline",
                format!("{name}: compared with masks; no relevance depends on it"),
            ));
        }
        let warnings = self.notes.warnings.iter().map(|warning| ("Warning", warning.clone()));
        facts.extend(warnings);
        facts
    }

    fn main(&self) -> anyhow::Result<&MethodResult> {
        self.explanation.results.first().context("expected a method")
    }

    /// The scans as stored, by sequence; of a tensor, its channels. The pictured sequence is first.
    fn scans(&self) -> anyhow::Result<Vec<(String, Array3<f32>)>> {
        let study = &self.subject.study;
        let mut scans: Vec<(String, Array3<f32>)> = match &self.subject.files {
            Some(files) => files
                .sequences
                .iter()
                .map(|(name, file)| {
                    let mut volume = file.read()?;
                    volume.clear_background_nan(&file.to_string())?;
                    Ok((name.clone(), volume.voxels))
                })
                .collect::<anyhow::Result<_>>()?,
            None => {
                let channels = study.channel_names().iter().zip(study.image.outer_iter());
                channels.map(|(name, voxels)| (name.clone(), voxels.to_owned())).collect()
            }
        };
        let first = self.sequence()?;
        scans.sort_by_key(|(name, _)| *name != first);
        Ok(scans)
    }

    /// The sequence below maps: that of the option, else that of the regions, else the first.
    fn sequence(&self) -> anyhow::Result<String> {
        let names = self.subject.study.channel_names();
        let known = |name: &String| names.contains(name);
        if let Some(name) = &self.args.png_sequence {
            let expected = || format!("--png-sequence: expected one of {}, found {name}", names.join(", "));
            return if known(name) { Ok(name.clone()) } else { Err(invalid_input(expected())) };
        }
        if self.subject.files.is_none() {
            // Regions of a tensor are those of its first channel, unless the option selects another by name or index.
            let index = self.args.sequence.as_deref().and_then(|text| text.parse::<usize>().ok());
            let named = self.args.sequence.clone().filter(known);
            let at = index.and_then(|index| names.get(index)).cloned();
            return Ok(named.or(at).unwrap_or_else(|| names[0].clone()));
        }
        let of_regions = self.args.sequence.clone().filter(known);
        let of_contract = self.subject.model.regions().map(|regions| regions.sequence.clone());
        let default = Some("t2".to_owned());
        let found = [of_regions, of_contract, default].into_iter().flatten().find(|name| known(name));
        Ok(found.unwrap_or_else(|| names[0].clone()))
    }
}
