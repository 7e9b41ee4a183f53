//! The overview as a picture, and the page to look into.

use anyhow::Context;
use ndarray::{Array3, ArrayView3};
use relevox_experiment::failure::invalid_input;
use relevox_relevance::Link;
use relevox_report::figures::{Overview, OverviewRegion};
use relevox_report::tables::wording::{change, probability, significant};
use relevox_report::viewer::{
    Image, Outline, Overlay, OverlayThreshold, RegionExtent, RegionRow, Regions, Viewer,
};
use relevox_volume::{Geometry, Volume};

use super::args::ExplainArgs;
use super::subject::Subject;
use crate::{Explanation, MethodResult};

/// Regions that the overview outlines.
const OUTLINED: usize = 5;
/// Marks voxels outside the network's grid, which belong to no region.
const OUTSIDE: u32 = u32::MAX;

/// What pictures show.
pub(super) struct Pictures<'a> {
    pub(super) args: &'a ExplainArgs,
    pub(super) subject: &'a Subject,
    pub(super) explanation: &'a Explanation,
    /// Extents of the regions on the network's grid, in the order of the partition.
    pub(super) extents: &'a [RegionExtent],
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
        let order = main.ranking();
        let regions = order.iter().take(OUTLINED).enumerate().map(|(at, &region)| OverviewRegion {
            id: extents[region].id,
            rank: at + 1,
            about: self.about_region(main, region),
        });
        let sequence = self.sequence()?;
        let image = study.image.index_axis(ndarray::Axis(0), study.channel_index(&sequence)?);
        let grid = study.frame.geometry();
        let fill =
            if main.method.is_by_region() { format!(", fill {}", explanation.fill()) } else { String::new() };
        let overview = Overview {
            title: &study.case,
            about: &format!("{}. {}{fill}", self.answer(), main.method.label()),
            grid: &grid,
            oriented: study.frame.scan().has_orientation(),
            scan: image,
            scan_name: &sequence,
            map: main.map.voxels.view(),
            by_region: main.method.is_by_region(),
            labels: explanation.regions.labels(),
            regions: if main.map.flat { Vec::new() } else { regions.collect() },
            centre: order.first().map_or([0; 3], |&region| extents[region].centre),
        };
        Ok(overview.png()?)
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
        let viewer = Viewer {
            title: study.case.clone(),
            images: scans
                .iter()
                .map(|(name, voxels)| Image { name: name.clone(), voxels: voxels.view() })
                .collect(),
            overlays: maps.iter().map(|(result, map)| overlay(result, map.voxels.view())).collect(),
            regions: Some(Regions { labels: labels.view(), rows: self.rows()? }),
            outline: subject
                .outline
                .as_ref()
                .map(|expert| Outline { name: "expert".to_owned(), voxels: expert.voxels.view() }),
            facts: self.facts()?,
            ..Viewer::on(grid)
        };
        viewer.to_html().with_context(|| format!("case {}: the page", study.case))
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
        let of_regions = self.args.sequence.clone().filter(known);
        let of_contract = self.subject.model.regions().map(|regions| regions.sequence.clone());
        let default = Some("t2".to_owned());
        let found = [of_regions, of_contract, default].into_iter().flatten().find(|name| known(name));
        Ok(found.unwrap_or_else(|| names[0].clone()))
    }

    /// The classifier's answer, such as "HGG: p = 0.93".
    fn answer(&self) -> String {
        let Self { subject, explanation, .. } = self;
        let target = explanation.target;
        let class = subject.model.network().class(target.output);
        match target.link {
            Link::Value => format!("{class} = {:.4}", explanation.logit()),
            _ => match probability(explanation.probability()) {
                bounded if bounded.starts_with('>') => format!("{class}: p {bounded}"),
                p => format!("{class}: p = {p}"),
            },
        }
    }

    fn about_region(&self, main: &MethodResult, region: usize) -> String {
        let ml = self.extents[region].ml;
        let relevance = main.relevance[region];
        let changes = self.explanation.scores.as_ref().map(|scores| {
            let row = &scores.rows[region];
            match self.explanation.target.link {
                Link::Value => format!("Δ {}, ", change(row.delta_logit, 3)),
                _ => format!("Δp {}, Δlogit {}, ", change(row.delta_p, 3), change(row.delta_logit, 2)),
            }
        });
        format!("relevance {relevance:.0}, {}{} ml", changes.unwrap_or_default(), significant(ml, 1))
    }

    fn rows(&self) -> anyhow::Result<Vec<RegionRow>> {
        let Self { explanation, .. } = self;
        let is_value = explanation.target.link == Link::Value;
        let rows = self.main()?.ranking().into_iter().enumerate().map(|(at, region)| {
            let scores = explanation.scores.as_ref().map(|scores| scores.rows[region]);
            RegionRow {
                id: explanation.regions.ids()[region],
                rank: at + 1,
                delta_p: scores.filter(|_| !is_value).map(|row| row.delta_p),
                delta_logit: scores.map(|row| row.delta_logit),
            }
        });
        Ok(rows.collect())
    }

    fn facts(&self) -> anyhow::Result<Vec<(String, String)>> {
        let Self { args, explanation, .. } = self;
        let target = explanation.target;
        let mut facts: Vec<(&str, String)> = vec![("Answer", self.answer())];
        if target.link != Link::Value {
            facts.push(("Logit", format!("{:.4}", explanation.logit())));
        }
        let outputs: Vec<String> = explanation.outputs.iter().map(|output| format!("{output:.4}")).collect();
        facts.push(("Outputs", outputs.join(", ")));
        match &args.command {
            Some(command) => facts.push(("Program", command.clone())),
            None => {
                let names =
                    args.weights.iter().map(|path| path.file_name().unwrap_or_default().to_string_lossy());
                facts.push(("Model", names.collect::<Vec<_>>().join(", ")));
            }
        }
        facts.push(("Regions", explanation.regions.len().to_string()));
        facts.push(("Fill", explanation.fill().to_owned()));
        if self.subject.files.is_none() {
            facts.push(("Voxels", "of unknown size; 1000 are counted as a millilitre".to_owned()));
        }
        if let Some(outline) = &self.subject.outline {
            let name = outline.file.path().file_name().unwrap_or_default().to_string_lossy();
            facts.push((
                "Expert’s outline",
                format!("{name}: compared with masks; no relevance depends on it"),
            ));
        }
        facts.push(("Relevox", env!("CARGO_PKG_VERSION").to_owned()));
        Ok(facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

fn overlay<'a>(result: &MethodResult, voxels: ArrayView3<'a, f32>) -> Overlay<'a> {
    let threshold = result.threshold.map(|value| {
        let threshold = relevox_report::tables::Threshold::from(result.rule);
        OverlayThreshold { value, rule: threshold.label().to_owned() }
    });
    Overlay { range: Some([0.0, 100.0]), threshold, ..Overlay::new(result.method.label(), voxels) }
}
