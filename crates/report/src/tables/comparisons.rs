//! The paired comparisons that a short summary shows.

use super::method::Method::{self, Blank, Diffused, GradCam, Intensity, Learned, Random, RandomDiffused};
use super::summary::{Difference, Summary};
use super::threshold::Threshold;

/// The paper's claims, then whether diffusion adds to them and passes its controls.
const HEADLINE: [(Method, Method); 8] = [
    (Learned, GradCam),
    (Learned, Blank),
    (Learned, Random),
    (Blank, GradCam),
    (Blank, Random),
    (Diffused, Blank),
    (Diffused, RandomDiffused),
    (Diffused, Intensity),
];

/// Paired differences in oracle Dice that answer the paper's claims, most important first.
pub fn headline_differences(summary: &Summary) -> Vec<&Difference> {
    let find = |(method, over): &(Method, Method)| {
        summary
            .differences
            .iter()
            .find(|one| one.dice == Threshold::Oracle && one.method == *method && one.over == *over)
    };
    HEADLINE.iter().filter_map(find).collect()
}
