//! Relevance pooled over several explained cases.

use relevox_relevance::{PooledCase, Progress, ValidPooling};
use relevox_volume::Study;

use crate::{Error, Explanation, MaskRule, Method, MethodResult};

/// A case whose relevance is pooled.
#[derive(Clone, Copy, Debug)]
pub struct PoolMember<'a> {
    /// The explanation of the case.
    pub explanation: &'a Explanation,
    /// The case, as it was explained.
    pub study: &'a Study,
    /// The method by region whose relevance is pooled.
    pub from: Method,
    /// The patient: cases of one never learn from each other.
    pub group: &'a str,
}

/// Pools the relevance of several cases: that of each case is predicted from the appearance of its regions by a forest that
/// learned from other patients' cases ([`Pooling`](relevox_relevance::Pooling)). Returns the result of [`Method::Pooled`] of
/// each case.
///
/// # Errors
/// Returns [`Error::InvalidSetting`] if a case lacks its method or that has no value per region, and [`Error::Relevance`] if
/// the cases are of fewer than two patients, differ in their number of channels, or `progress`, which is called with the number
/// of finished cases, cancels.
pub fn pool(
    members: &[PoolMember<'_>],
    settings: &ValidPooling,
    mask: &MaskRule,
    progress: Progress<'_>,
) -> Result<Vec<MethodResult>, Error> {
    let case = |member: &PoolMember<'_>| {
        let PoolMember { explanation, study, from, group } = *member;
        let result = explanation.result(from).filter(|result| result.method.is_by_region());
        let result = result.ok_or_else(|| {
            let computed = explanation.results.iter().map(|result| result.method);
            let known: Vec<&str> =
                computed.filter(|method| method.is_by_region()).map(Method::name).collect();
            let expected = format!("a method by region that was computed ({})", known.join(", "));
            Error::setting("pooled relevance: method", expected, from)
        })?;
        let (image, brain) = (study.image.view(), study.brain.view());
        let relevance = result.relevance.clone();
        Ok(PooledCase::of(group.to_owned(), image, brain, &explanation.regions, relevance)?)
    };
    let cases: Vec<PooledCase> = members.iter().map(case).collect::<Result<_, Error>>()?;
    let found = settings.cross_fitted(&cases, progress)?;
    let results = members.iter().zip(found).map(|(member, values)| {
        let PoolMember { explanation, study, .. } = member;
        let Explanation { regions, outputs, target, .. } = explanation;
        MethodResult::pooled(regions, values, (outputs.clone(), *target), (mask, study.brain.view()))
    });
    results.collect()
}
