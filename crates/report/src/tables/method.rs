//! Explanation methods, controls and bounds by name.

use super::by_name::by_name;

/// How the relevance of a method is obtained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MethodKind {
    /// Region scores under a fill.
    Fill,
    /// Region relevance from anything other than a fill.
    Regions,
    /// A map by voxel, independent of the selected partition.
    Voxels,
    /// A control: the mean over shuffled region scores, which has no map.
    Shuffled,
    /// The best Dice that any choice of regions can reach.
    Bound,
}

/// A method that explains a classifier, or a control or bound that methods are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Perturbation with the U-Net's fill.
    Learned,
    /// Perturbation with 0.
    Blank,
    /// Perturbation with the sequence's minimum.
    Min,
    /// Perturbation with the sequence's maximum.
    Max,
    /// Perturbation with the sequence's mean.
    Mean,
    /// Perturbation with the values of a U-Net that learned to take the predicted class away.
    LearnedSigned,
    /// Perturbation with intensities of the case's other regions, selected by a U-Net.
    LearnedTissue,
    /// Perturbation with the U-Net's fill, less the effect of the same values in other cases.
    LearnedControl,
    /// Perturbation scores diffused over similar neighbouring regions.
    Diffused,
    /// Diffused relevance that other cases give to regions of the same appearance.
    Pooled,
    /// Evidence for the label that other cases give to regions of the same appearance.
    PooledLabel,
    /// Mean map of several partitions' diffused relevance.
    Averaged,
    /// Mean map of several partitions' diffused and pooled relevance.
    AveragedPooled,
    /// LIME or KernelSHAP on regions.
    Lime,
    /// Shapley values along a tree of regions.
    Hierarchical,
    /// RISE.
    Rise,
    /// Sliding-window occlusion.
    Occlusion,
    /// Mean map of the grid's partitions.
    Partitions,
    /// Grad-CAM.
    GradCam,
    /// Grad-CAM++.
    GradCamPlusPlus,
    /// Control: mean intensity of each region.
    Intensity,
    /// Control: shuffled region scores.
    Random,
    /// Control: shuffled region scores, diffused.
    RandomDiffused,
    /// Control: shuffled region scores, diffused and pooled.
    PooledRandom,
    /// Control: evidence for shuffled labels, pooled.
    PooledLabelRandom,
    /// Control: mean intensity of each region, pooled.
    PooledIntensity,
    /// Control: region scores of an untrained network.
    RandomWeights,
    /// Best Dice that any choice of regions can reach.
    Ceiling,
}

by_name! {
    Method, "method",
    /// Returns how its relevance is obtained.
    kind: MethodKind {
        Learned = "learned", "Learned fill", Fill;
        Blank = "blank", "Blank", Fill;
        Min = "min", "Min", Fill;
        Max = "max", "Max", Fill;
        Mean = "mean", "Mean", Fill;
        LearnedSigned = "learned_signed", "Learned, signed", Fill;
        LearnedTissue = "learned_tissue", "Learned, own tissue", Fill;
        LearnedControl = "learned_control", "Learned, less control", Fill;
        Diffused = "diffused", "Diffused", Regions;
        Pooled = "pooled", "Pooled", Regions;
        PooledLabel = "pooled_label", "Pooled, for the label", Regions;
        Averaged = "averaged", "Averaged", Voxels;
        AveragedPooled = "averaged_pooled", "Averaged, pooled", Voxels;
        Lime = "lime", "LIME", Regions;
        Hierarchical = "hierarchical", "Hierarchical", Regions;
        Rise = "rise", "RISE", Regions;
        Occlusion = "occlusion", "Occlusion", Regions;
        Partitions = "partitions", "Partitions averaged", Voxels;
        GradCam = "gradcam", "Grad-CAM", Voxels;
        GradCamPlusPlus = "gradcam_pp", "Grad-CAM++", Voxels;
        Intensity = "intensity", "Brightness control", Regions;
        Random = "random", "Random control", Shuffled;
        RandomDiffused = "random_diffused", "Random, diffused", Shuffled;
        PooledRandom = "pooled_random", "Random, pooled", Regions;
        PooledLabelRandom = "pooled_label_random", "Random labels, pooled", Regions;
        PooledIntensity = "pooled_intensity", "Brightness, pooled", Regions;
        RandomWeights = "random_weights", "Untrained network", Regions;
        Ceiling = "ceiling", "Supervoxel ceiling", Bound;
    }
}

impl Method {
    /// Methods of a kind, in the order of tables.
    pub fn of_kind(kind: MethodKind) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |method| method.kind() == kind)
    }

    /// Returns whether it is a fill that is trained.
    pub fn is_learned(self) -> bool {
        matches!(self, Self::Learned | Self::LearnedSigned | Self::LearnedTissue | Self::LearnedControl)
    }

    /// Position in tables and figures.
    pub fn rank(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn names_are_distinct_and_parse() {
        for (index, method) in Method::ALL.into_iter().enumerate() {
            assert_eq!(method.name().parse::<Method>().unwrap(), method);
            assert_eq!((method.to_string(), method.rank()), (method.name().to_owned(), index));
        }
        let error = "grey".parse::<Method>().unwrap_err().to_string();
        assert!(error.starts_with("method: expected one of learned, blank") && error.ends_with("found grey"));
    }

    #[test]
    fn maps_are_written_in_the_order_of_names() {
        let by_method: BTreeMap<Method, usize> = Method::ALL.into_iter().map(|one| (one, 1)).collect();
        let by_name: BTreeMap<&str, usize> = Method::ALL.into_iter().map(|one| (one.name(), 1)).collect();
        let text = serde_json::to_string(&by_method).unwrap();
        assert_eq!(text, serde_json::to_string(&by_name).unwrap());
        assert_eq!(serde_json::from_str::<BTreeMap<Method, usize>>(&text).unwrap(), by_method);
    }
}
