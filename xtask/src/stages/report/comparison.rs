//! Figure 2: slices through the tumours of a few test cases, with Grad-CAM and relevance maps.

use std::sync::Arc;

use ndarray::{Array3, Axis};
use relevox_volume::Study;

use super::{Drawn, Picture};
use crate::figures::{Comparison, ComparisonCase, ComparisonMap, View, widest_slice};
use crate::stages::maps;
use crate::tables::{CaseRow, wording};

/// The methods that are shown, as far as the run has them.
const METHODS: [&str; 3] = [maps::GRADCAM, "learned", "blank"];

struct Shown<'a> {
    row: &'a CaseRow,
    study: Arc<Study>,
    about: String,
    maps: Vec<(&'static str, Array3<f32>)>,
}

/// Draws it: half of the cases positive, half negative, where there are both.
pub fn draw(picture: &Picture<'_>) -> Drawn {
    let shown: Vec<Shown<'_>> =
        chosen(picture).into_iter().map(|row| load(picture, row)).collect::<anyhow::Result<_>>()?;
    if shown.is_empty() {
        return Ok(None);
    }
    let cases = shown.iter().map(|case| row(picture, case)).collect();
    let figure = Comparison { sequences: picture.session.scans.sequences(), cases };
    figure.png().map(Some)
}

fn chosen<'a>(picture: &'a Picture<'_>) -> Vec<&'a CaseRow> {
    let (all, wanted) = (picture.shown_cases(), picture.session.config.evaluate.figure_cases);
    // Positive cases stand first, negative ones last.
    let front = wanted.div_ceil(2).min(all.len());
    let back = all.iter().skip(front).rev().take(wanted / 2);
    all.iter().take(front).chain(back).copied().collect()
}

fn load<'a>(picture: &Picture<'_>, row: &'a CaseRow) -> anyhow::Result<Shown<'a>> {
    let session = picture.session;
    let study = session.scans.study(&row.case)?;
    let class = if row.positive { "positive" } else { "negative" };
    let about = format!("{class}, p = {}", wording::decimal(row.probability));
    let fills = &session.config.evaluate.fills;
    let has = |method: &&str| *method == maps::GRADCAM || fills.iter().any(|fill| fill == method);
    let maps = METHODS
        .into_iter()
        .filter(has)
        .map(|method| Ok((method, maps::read(session, &study, method)?)))
        .collect::<anyhow::Result<_>>()?;
    Ok(Shown { row, study, about, maps })
}

fn row<'a>(picture: &Picture<'_>, shown: &'a Shown<'_>) -> ComparisonCase<'a> {
    let study = &shown.study;
    ComparisonCase {
        case: &study.case,
        about: shown.about.clone(),
        view: View::axial(&study.frame.geometry()),
        slice: study.tumour.as_ref().map_or(0, |tumour| widest_slice(tumour.view())),
        scans: study.image.axis_iter(Axis(0)).collect(),
        under: picture.channel(),
        truth: study.tumour.as_ref().map(|tumour| tumour.view()),
        maps: shown
            .maps
            .iter()
            .map(|(method, map)| ComparisonMap {
                title: wording::method(method),
                map: map.view(),
                by_region: *method != maps::GRADCAM,
                dice: shown.row.dice.get(*method).and_then(|dice| dice.get("oracle")).copied(),
            })
            .collect(),
    }
}
