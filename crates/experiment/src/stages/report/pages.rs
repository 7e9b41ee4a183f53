//! A page to look into for each test case.

use std::fs;

use anyhow::Context;
use rayon::prelude::*;
use relevox_report::tables::{CaseRow, Method, MethodKind, Threshold, wording};
use relevox_report::viewer::{Image, Outline, Overlay, OverlayThreshold, RegionRow, Regions, Viewer};
use slic3d::Supervoxels;

use super::comparison::{available, select};
use super::results::Results;
use crate::interrupt;
use crate::progress::Progress;
use crate::run::{Inputs, replace};
use crate::stages::maps::{self, NetworkMap};
use crate::stages::scores::read_csv;
use crate::stages::threshold::values_of;
use crate::stages::work::Work;

/// Folder of the pages in a run.
const FOLDER: &str = "pages";

/// Makes the pages that are not current. Returns the name of each case with the path of its page, relative to the report.
///
/// # Errors
/// Returns an error if an artefact can't be read or written.
pub fn make(
    results: &Results<'_>,
    inputs: &Inputs,
    work: &mut Work,
) -> anyhow::Result<Vec<(String, String)>> {
    let session = results.session;
    let shown = shown(results);
    let progress = Progress::start("report", shown.len(), "pages");
    let of_case = |row: &CaseRow| {
        interrupt::check()?;
        let artefact = format!("{FOLDER}/{}.html", row.case);
        let is_new = !session.run.is_current(&artefact, inputs)? && {
            let html = page(results, row).with_context(|| format!("making {artefact}"))?;
            session.run.make(&artefact, inputs, |path| replace(path, html.as_bytes()))?
        };
        progress.advance(1);
        Ok((is_new, (row.case.clone(), artefact)))
    };
    let pages: Vec<(bool, (String, String))> =
        shown.into_par_iter().map(of_case).collect::<anyhow::Result<_>>()?;
    let (new, made): (Vec<bool>, Vec<(String, String)>) = pages.into_iter().unzip();
    new.into_iter().for_each(|is_new| work.count(is_new));
    // Pages of cases that are no longer selected.
    let folder = session.run.path(FOLDER);
    if folder.is_dir() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let artefact = format!("{FOLDER}/{}", entry?.file_name().to_string_lossy());
            if artefact.ends_with(".html") && !made.iter().any(|(_, page)| *page == artefact) {
                session.run.discard(&artefact)?;
            }
        }
    }
    Ok(made)
}

/// Selects the test cases that have a page, in the order of their names.
fn shown<'a>(results: &'a Results<'_>) -> Vec<&'a CaseRow> {
    let most = match results.session.config.evaluate.page_cases {
        0 => usize::MAX,
        most => most,
    };
    let in_figure = select(results);
    let is_in_figure = |row: &&CaseRow| in_figure.iter().any(|shown| shown.case == row.case);
    let (mut shown, others): (Vec<&CaseRow>, Vec<&CaseRow>) = results.cases.iter().partition(is_in_figure);
    shown.extend(others);
    shown.truncate(most);
    shown.sort_by(|a, b| a.case.cmp(&b.case));
    shown
}

/// The page of a case on the network's grid.
fn page(results: &Results<'_>, row: &CaseRow) -> anyhow::Result<String> {
    let (session, partition) = (results.session, &results.partition);
    let study = session.scans.study(&row.case)?;
    let regions = partition.regions(session, &row.case)?;
    let grid = study.frame.geometry();
    let methods = available(results, row)?;
    let maps: Vec<(Method, NetworkMap)> = methods
        .iter()
        .map(|&method| Ok((method, maps::load(session, &study, &regions, partition, method)?)))
        .collect::<anyhow::Result<_>>()?;
    let rule = session.config.evaluate.mask;
    let mut overlays = Vec::with_capacity(maps.len());
    for (method, map) in &maps {
        let values = values_of(&map.voxels, &study, &regions, map.relevance.as_deref())?;
        let threshold = values
            .threshold(rule)?
            .map(|value| OverlayThreshold { value, rule: Threshold::from(rule).label().to_owned() });
        let range = Some([0.0, 100.0]);
        overlays.push(Overlay { range, threshold, ..Overlay::new(method.label(), map.voxels.view()) });
    }
    let class = if row.positive { "positive" } else { "negative" };
    let sequence = &partition.sequence;
    let mut images: Vec<Image<'_>> = study
        .channel_names()
        .iter()
        .zip(study.image.outer_iter())
        .map(|(name, voxels)| Image { name: name.clone(), voxels })
        .collect();
    images.sort_by_key(|image| image.name != *sequence);
    let facts = [
        ("Class", class.to_owned()),
        ("Probability of the positive class", wording::decimal(row.probability)),
        ("Supervoxels", format!("{} of {}", regions.len(), wording::sequence(sequence))),
    ];
    let viewer = Viewer {
        title: study.case.clone(),
        images,
        overlays,
        regions: regions_of(results, row, &regions, &methods)?,
        outline: study
            .tumour
            .as_ref()
            .map(|tumour| Outline { name: "expert".to_owned(), voxels: tumour.view() }),
        facts: facts.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        ..Viewer::on(&grid)
    };
    Ok(viewer.to_html()?)
}

/// The regions with the scores of the first fill, if there is one.
fn regions_of<'a>(
    results: &Results<'_>,
    row: &CaseRow,
    regions: &'a Supervoxels,
    methods: &std::collections::BTreeSet<Method>,
) -> anyhow::Result<Option<Regions<'a>>> {
    let Some(&fill) = methods.iter().find(|method| method.kind() == MethodKind::Fill) else {
        return Ok(None);
    };
    let (session, partition) = (results.session, &results.partition);
    let scores = read_csv(&session.run.path(&partition.scores_file(&row.case, fill)))?;
    let mut order: Vec<usize> = (0..scores.rows.len()).collect();
    order.sort_by(|&a, &b| scores.rows[b].relevance.total_cmp(&scores.rows[a].relevance));
    let rows = order.into_iter().enumerate().map(|(at, region)| {
        let row = &scores.rows[region];
        RegionRow { id: row.id, rank: at + 1, delta_p: Some(row.delta_p), delta_logit: Some(row.delta_logit) }
    });
    Ok(Some(Regions { labels: regions.labels(), rows: rows.collect() }))
}
