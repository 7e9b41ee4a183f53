//! Figure 2: slices through the tumours of a few test cases, with Grad-CAM and relevance maps; and one case under all
//! methods.

use std::collections::BTreeSet;
use std::sync::Arc;

use ndarray::{Array3, Axis};
use relevox_volume::Study;

use super::{Drawn, Picture};
use crate::stages::methods::of_case;
use crate::stages::{explain, maps};
use relevox_report::figures::{Comparison, ComparisonCase, ComparisonMap, View, widest_slice};
use relevox_report::tables::{CaseRow, Method, Threshold, wording};

/// The methods that are shown, as far as the run has them.
const METHODS: [Method; 3] = [Method::GradCam, Method::Learned, Method::Blank];

/// Methods whose maps are interpolated; all others are constant over regions or boxes.
const SMOOTH: [Method; 2] = [Method::GradCam, Method::GradCamPlusPlus];

struct Shown<'a> {
    row: &'a CaseRow,
    study: Arc<Study>,
    about: String,
    maps: Vec<(Method, Array3<f32>)>,
}

/// Draws it: half of the cases positive, half negative, where there are both.
pub fn draw(picture: &Picture<'_>) -> Drawn {
    let shown: Vec<Shown<'_>> =
        chosen(picture).into_iter().map(|row| load(picture, row, &METHODS)).collect::<anyhow::Result<_>>()?;
    if shown.is_empty() {
        return Ok(None);
    }
    let cases = shown.iter().map(|case| row(picture, case)).collect();
    let figure = Comparison { sequences: picture.session.scans.sequences(), cases };
    Ok(Some(figure.png()?))
}

/// Draws the positive case that most methods have a map of, the first of those.
pub fn draw_all(picture: &Picture<'_>) -> Drawn {
    let cases = picture.shown_cases();
    let mut counted = Vec::new();
    for row in cases {
        counted.push((row.positive, known(picture, row)?.len(), row));
    }
    // `max_by_key` would take the last of several.
    let Some((_, _, row)) = counted.into_iter().rev().max_by_key(|&(positive, maps, _)| (positive, maps))
    else {
        return Ok(None);
    };
    let shown = load(picture, row, &Method::ALL)?;
    if shown.maps.is_empty() {
        return Ok(None);
    }
    Ok(Some(self::row(picture, &shown).side_by_side()?))
}

/// The methods that have a map of a case under the run's config.
fn known(picture: &Picture<'_>, row: &CaseRow) -> anyhow::Result<BTreeSet<Method>> {
    let session = picture.session;
    let explained = explain::cases(session)?.contains(&row.case);
    Ok(of_case(session, explained).into_iter().collect())
}

fn chosen<'a>(picture: &'a Picture<'_>) -> Vec<&'a CaseRow> {
    let (all, wanted) = (picture.shown_cases(), picture.session.config.evaluate.figure_cases);
    // Positive cases stand first, negative ones last.
    let front = wanted.div_ceil(2).min(all.len());
    let back = all.iter().skip(front).rev().take(wanted / 2);
    all.iter().take(front).chain(back).copied().collect()
}

fn load<'a>(picture: &Picture<'_>, row: &'a CaseRow, methods: &[Method]) -> anyhow::Result<Shown<'a>> {
    let session = picture.session;
    let study = session.scans.study(&row.case)?;
    let class = if row.positive { "positive" } else { "negative" };
    let about = format!("{class}, p = {}", wording::decimal(row.probability));
    let known = known(picture, row)?;
    let maps = methods
        .iter()
        .copied()
        .filter(|method| known.contains(method))
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
                title: method.label(),
                map: map.view(),
                by_region: !SMOOTH.contains(method),
                dice: shown.row.dice.get(method).and_then(|dice| dice.get(&Threshold::Oracle)).copied(),
            })
            .collect(),
    }
}
