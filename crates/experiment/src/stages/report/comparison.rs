//! Figure 2: slices through the tumours of some test cases, with Grad-CAM and relevance maps; and one case with all
//! methods.

use std::collections::BTreeSet;
use std::sync::Arc;

use ndarray::{Array3, Axis};
use relevox_volume::Study;

use super::results::{Drawn, Results};
use crate::stages::methods::of_case;
use crate::stages::{explain, maps};
use relevox_report::figures::{Comparison, ComparisonCase, ComparisonMap, View, widest_slice};
use relevox_report::tables::{CaseRow, Method, Threshold, wording};

/// Methods of the figure, if the run has them.
const METHODS: [Method; 3] = [Method::GradCam, Method::Learned, Method::Blank];

/// Methods whose maps are interpolated; all others are constant over regions or boxes.
const SMOOTH: [Method; 2] = [Method::GradCam, Method::GradCamPlusPlus];

/// A case with its maps.
struct Shown<'a> {
    row: &'a CaseRow,
    study: Arc<Study>,
    about: String,
    maps: Vec<(Method, Array3<f32>)>,
}

/// Draws the figure: half of the cases positive, half negative, if there are both.
pub fn draw(results: &Results<'_>) -> Drawn {
    let shown: Vec<Shown<'_>> =
        select(results).into_iter().map(|row| load(results, row, &METHODS)).collect::<anyhow::Result<_>>()?;
    if shown.is_empty() {
        return Ok(None);
    }
    let cases = shown.iter().map(|case| row(results, case)).collect::<anyhow::Result<_>>()?;
    let figure = Comparison { sequences: results.session.scans.sequences(), cases };
    Ok(Some(figure.png()?))
}

/// Methods of the picture at the top of the report, if the run has them.
const MAIN: [Method; 3] = [Method::Diffused, Method::Blank, Method::GradCam];

/// Draws the first positive case with the most maps under every method.
pub fn draw_all(results: &Results<'_>) -> Drawn {
    draw_one(results, &Method::ALL, 5)
}

/// Draws the same case under the main methods.
pub fn draw_main(results: &Results<'_>) -> Drawn {
    draw_one(results, &MAIN, 2)
}

fn draw_one(results: &Results<'_>, methods: &[Method], across: usize) -> Drawn {
    let cases = results.tumour_cases();
    let mut counted = Vec::new();
    for row in cases {
        counted.push((row.positive, available(results, row)?.len(), row));
    }
    // `max_by_key` returns the last of several maxima.
    let Some((_, _, row)) = counted.into_iter().rev().max_by_key(|&(positive, maps, _)| (positive, maps))
    else {
        return Ok(None);
    };
    let shown = load(results, row, methods)?;
    if shown.maps.is_empty() {
        return Ok(None);
    }
    Ok(Some(self::row(results, &shown)?.side_by_side(across)?))
}

/// Returns the methods with a map of a case.
pub(super) fn available(results: &Results<'_>, row: &CaseRow) -> anyhow::Result<BTreeSet<Method>> {
    let session = results.session;
    let explained = explain::cases(session)?.contains(&row.case);
    Ok(of_case(session, explained).into_iter().collect())
}

/// Selects the first positive and the last negative cases.
pub(super) fn select<'a>(results: &'a Results<'_>) -> Vec<&'a CaseRow> {
    let (all, count) = (results.tumour_cases(), results.session.config.evaluate.figure_cases);
    // Positive cases come first, negative cases last.
    let front = count.div_ceil(2).min(all.len());
    let back = all.iter().skip(front).rev().take(count / 2);
    all.iter().take(front).chain(back).copied().collect()
}

fn load<'a>(results: &Results<'_>, row: &'a CaseRow, methods: &[Method]) -> anyhow::Result<Shown<'a>> {
    let session = results.session;
    let study = session.scans.study(&row.case)?;
    let regions = results.partition.regions(session, &row.case)?;
    let class = if row.positive { "positive" } else { "negative" };
    let about = format!("{class}, p = {}", wording::decimal(row.probability));
    let available = available(results, row)?;
    let maps = methods
        .iter()
        .copied()
        .filter(|method| available.contains(method))
        .map(|method| {
            let map = maps::load(session, &study, &regions, &results.partition, method)?;
            Ok((method, map.voxels))
        })
        .collect::<anyhow::Result<_>>()?;
    Ok(Shown { row, study, about, maps })
}

fn row<'a>(results: &Results<'_>, shown: &'a Shown<'_>) -> anyhow::Result<ComparisonCase<'a>> {
    let study = &shown.study;
    Ok(ComparisonCase {
        case: &study.case,
        about: shown.about.clone(),
        view: View::axial(&study.frame.geometry()),
        slice: study.tumour.as_ref().map_or(0, |tumour| widest_slice(tumour.view())),
        scans: study.image.axis_iter(Axis(0)).collect(),
        under: study.channel_index(&results.partition.sequence)?,
        truth: study.tumour.as_ref().map(|tumour| tumour.view()),
        maps: shown
            .maps
            .iter()
            .map(|(method, map)| ComparisonMap {
                title: method.label(),
                map: map.view(),
                by_region: !SMOOTH.contains(method),
                dice: shown.row.dice.get(method).and_then(|dice| dice.get(&Threshold::Oracle)).copied(),
            })
            .collect(),
    })
}
