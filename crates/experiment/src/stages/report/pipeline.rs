//! Figure 1: the pipeline, on the run's first positive test case with a tumour.

use ndarray::{Axis, s};
use relevox_perturb::Fill;
use relevox_relevance::RelevanceMap;

use super::{Drawn, Picture};
use crate::stages::scores::{constant, read_csv};
use relevox_report::figures::{Pipeline, View, widest_slice};
use relevox_report::tables::Method;

/// Draws it, with the region that moves the classifier most, replaced by a constant.
pub fn draw(picture: &Picture<'_>) -> Drawn {
    let (session, partition) = (picture.session, &picture.partition);
    let fills = &session.config.evaluate.fills;
    let fill =
        [Method::Blank, Method::Min, Method::Max, Method::Mean].into_iter().find(|fill| fills.contains(fill));
    let (Some(row), Some(fill)) = (picture.shown_cases().into_iter().next(), fill) else { return Ok(None) };
    let case = row.case.clone();
    let study = session.scans.study(&case)?;
    let regions = partition.read(&session.run, &session.scans, &case, &session.config.regions, "regions")?;
    let scores = read_csv(&session.run.path(&partition.scores_file(&case, fill)))?;
    let top = scores.rows.iter().enumerate().max_by(|a, b| a.1.relevance.total_cmp(&b.1.relevance));
    let Some((region, score)) = top else { return Ok(None) };
    let mut perturbed = study.image.clone();
    constant(fill, &study)?.perturb(study.image.view(), &regions, region)?.apply(&mut perturbed.view_mut());
    let map = RelevanceMap::paint(&regions, &scores)?;
    let inside = regions.labels().mapv(|id| id == score.id);
    let channel = picture.channel();
    let figure = Pipeline {
        case: &case,
        sequence: &partition.sequence,
        view: View::axial(&study.frame.geometry()),
        slice: widest_slice(inside.view()),
        scan: study.image.index_axis(Axis(0), channel),
        labels: regions.labels(),
        regions: regions.len(),
        perturbed_id: score.id,
        perturbed: perturbed.slice(s![channel, .., .., ..]),
        fill,
        p_original: score.p_original,
        p_perturbed: score.p_perturbed,
        relevance: map.voxels.view(),
        truth: study.tumour.as_ref().map(|tumour| tumour.view()),
    };
    Ok(Some(figure.png()?))
}
