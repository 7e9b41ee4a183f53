//! Relevance pooled over several explained cases.

use relevox_relevance::{
    LabelledCase, PooledCase, Progress, RelevanceMap, Sign, ValidLabelTest, ValidPooling,
    scale_signed_to_100, scale_to_100,
};
use relevox_volume::Study;
use slic3d::Supervoxels;

use crate::{Error, Explanation, MaskRule, Method, MethodResult, PartitionRelevance};

/// A case whose relevance is pooled.
#[derive(Clone, Copy, Debug)]
pub struct PoolMember<'a> {
    /// The explanation of the case.
    pub explanation: &'a Explanation,
    /// The case, as it was explained.
    pub study: &'a Study,
    /// The method whose relevance is pooled: one by region, or [`Method::Averaged`].
    pub from: Method,
    /// The patient: cases of one never learn from each other.
    pub group: &'a str,
}

/// Pools the relevance of several cases: that of each case is predicted from the appearance of its regions by a forest that
/// learned from other patients' cases ([`Pooling`](relevox_relevance::Pooling)). Returns the result of [`Method::Pooled`] of
/// each case; of [`Method::Averaged`] that of [`Method::AveragedPooled`], for which each partition's relevance is pooled, and averaged
/// with the maps that it was learned from.
///
/// # Errors
/// Returns [`Error::InvalidSetting`] if a case lacks its method, that has no value per region, or only some are averaged over as many
/// partitions, and [`Error::Relevance`] if the cases are of fewer than two patients, differ in their number of channels, or `progress`, which
/// is called with the number of finished cases (of each partition), cancels.
pub fn pool(
    members: &[PoolMember<'_>],
    settings: &ValidPooling,
    mask: &MaskRule,
    progress: Progress<'_>,
) -> Result<Vec<MethodResult>, Error> {
    if members.first().is_some_and(|first| first.from == Method::Averaged) {
        return pool_averaged(members, settings, mask, progress);
    }
    let case = |member: &PoolMember<'_>| {
        let relevance = member.result()?.relevance.clone();
        member.case(&member.explanation.regions, relevance)
    };
    let cases: Vec<PooledCase> = members.iter().map(case).collect::<Result<_, Error>>()?;
    let found = settings.cross_fitted(&cases, progress)?;
    let results = members.iter().zip(found);
    results.map(|(member, values)| member.pooled(Method::Pooled, values, mask)).collect()
}

/// Pools what speaks for the labels of several cases, one label each, true for the class that the explained output stands for: the
/// signed values of a case's regions, scaled to its largest magnitude, are evidence for its label, and a region of a case has the
/// evidence of those regions of other patients that look most like it, if a test of the labels keeps it
/// ([`LabelTest`](relevox_relevance::LabelTest)). Returns the result of [`Method::PooledLabel`] of each case; where nothing is kept, its map
/// is 0 everywhere.
///
/// The classifier must not have been trained on the cases: it is right about those, whatever their labels.
///
/// # Errors
/// Returns [`Error::InvalidSetting`] if there is another number of labels than of cases, a case lacks its method, that has no signed
/// values by region, or the cases' explained outputs differ, and [`Error::Relevance`] if the cases are of fewer than two patients or of one
/// class, differ in their number of channels, or `progress`, which is called with the number of finished cases, cancels.
pub fn pool_for_label(
    members: &[PoolMember<'_>],
    labels: &[bool],
    test: &ValidLabelTest,
    mask: &MaskRule,
    progress: Progress<'_>,
) -> Result<Vec<MethodResult>, Error> {
    if labels.len() != members.len() {
        let expected = format!("one for each of {} cases", members.len());
        return Err(Error::setting("evidence for labels: labels", expected, labels.len()));
    }
    let mut targets = members.iter().map(|member| member.explanation.target);
    if let Some(first) = targets.next()
        && let Some(other) = targets.find(|target| *target != first)
    {
        let expected = format!("output {} of every case, as of the first", first.output);
        return Err(Error::setting("evidence for labels: target", expected, other.output));
    }
    let case = |(member, &label): (&PoolMember<'_>, &bool)| {
        let result = member.result()?;
        if result.method.is_pooled() {
            return Err(Error::setting(
                "evidence for labels: method",
                "one with signed values",
                result.method,
            ));
        }
        let case =
            member.case(&member.explanation.regions, scale_signed_to_100(&result.attribution.values))?;
        Ok(LabelledCase { case, label })
    };
    let cases: Vec<LabelledCase> = members.iter().zip(labels).map(case).collect::<Result<_, Error>>()?;
    let found = test.evidence(&cases, progress)?;
    let results = members.iter().zip(found);
    results.map(|(member, found)| member.pooled(Method::PooledLabel, test.tested(&found), mask)).collect()
}

/// Pools the relevance on each partition.
fn pool_averaged(
    members: &[PoolMember<'_>],
    settings: &ValidPooling,
    mask: &MaskRule,
    progress: Progress<'_>,
) -> Result<Vec<MethodResult>, Error> {
    let partitions = members.first().map_or(0, |first| first.explanation.partitions.len());
    for PoolMember { explanation, from, .. } in members {
        let found = if *from == Method::Averaged { explanation.partitions.len() } else { 0 };
        if found == 0 || found != partitions {
            let expected = format!("{} over {} partitions", Method::Averaged, partitions.max(2));
            return Err(Error::setting("pooled relevance: method", expected, format!("{from} over {found}")));
        }
    }
    let mut maps: Vec<Vec<RelevanceMap>> = vec![Vec::new(); members.len()];
    for partition in 0..partitions {
        let of = |member: &PoolMember<'_>| {
            let PartitionRelevance { regions, attribution } = &member.explanation.partitions[partition];
            member.case(regions, attribution.relevance(Sign::Magnitude))
        };
        let cases: Vec<PooledCase> = members.iter().map(of).collect::<Result<_, Error>>()?;
        let found = settings.cross_fitted(&cases, progress)?;
        for (((member, case), values), maps) in members.iter().zip(&cases).zip(found).zip(&mut maps) {
            let regions = &member.explanation.partitions[partition].regions;
            maps.extend(own_and_pooled(regions, &case.relevance, &values)?);
        }
    }
    let results = members.iter().zip(maps).map(|(member, maps)| {
        let Explanation { regions, outputs, target, .. } = member.explanation;
        let (of, map) = ((outputs.clone(), *target), RelevanceMap::average(&maps)?);
        MethodResult::of_voxels(Method::AveragedPooled, regions, of, map, (mask, member.study.brain.view()))
    });
    results.collect()
}

/// Maps of a partition's relevance and of what was predicted for it, each from 0 to 100.
pub(crate) fn own_and_pooled(
    regions: &Supervoxels,
    relevance: &[f64],
    predicted: &[f64],
) -> Result<[RelevanceMap; 2], Error> {
    let predicted = scale_to_100(predicted).unwrap_or_else(|| vec![0.0; predicted.len()]);
    Ok([RelevanceMap::paint(regions, relevance)?, RelevanceMap::paint(regions, &predicted)?])
}

impl PoolMember<'_> {
    /// Returns the result of the method whose relevance is pooled.
    fn result(&self) -> Result<&MethodResult, Error> {
        let Self { explanation, from, .. } = *self;
        explanation.result(from).filter(|result| result.method.is_by_region()).ok_or_else(|| {
            let computed = explanation.results.iter().map(|result| result.method);
            let known: Vec<&str> =
                computed.filter(|method| method.is_by_region()).map(Method::name).collect();
            let expected = format!("a method by region that was computed ({})", known.join(", "));
            Error::setting("pooled relevance: method", expected, from)
        })
    }

    /// Returns the result of a method that pools.
    fn pooled(&self, method: Method, values: Vec<f64>, mask: &MaskRule) -> Result<MethodResult, Error> {
        let Explanation { regions, outputs, target, .. } = self.explanation;
        let to_mask = (mask, self.study.brain.view());
        MethodResult::pooled(method, regions, values, (outputs.clone(), *target), to_mask)
    }

    fn case(&self, regions: &Supervoxels, relevance: Vec<f64>) -> Result<PooledCase, Error> {
        let (image, brain) = (self.study.image.view(), self.study.brain.view());
        Ok(PooledCase::of(self.group.to_owned(), image, brain, regions, relevance)?)
    }
}
