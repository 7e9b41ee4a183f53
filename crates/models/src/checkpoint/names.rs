//! Names of parameters as people store them: with the prefixes of wrappers, and next to tensors of other things.

use candle_core::Tensor;
use std::collections::BTreeMap;

/// Prefixes that wrappers add: `DataParallel` and `DistributedDataParallel` (`module.`), Lightning (`model.`, `net.`),
/// `torch.compile` (`_orig_mod.`), and networks in networks.
const PREFIXES: [&str; 7] = ["module.", "model.", "_orig_mod.", "net.", "network.", "backbone.", "encoder."];
/// Tensors of a loss or of an average of weights, which are not the network's.
const OTHERS: [&str; 5] = ["criterion.", "loss.", "loss_fn.", "loss_function.", "n_averaged"];

/// Leaves out tensors that are not the network's, then removes the prefixes that all names share.
pub(super) fn stripped(mut tensors: BTreeMap<String, Tensor>) -> BTreeMap<String, Tensor> {
    tensors.retain(|name, _| {
        !name.ends_with("num_batches_tracked") && !OTHERS.iter().any(|other| name.starts_with(other))
    });
    while let Some(prefix) = shared(&tensors) {
        let rest = |name: String| name.strip_prefix(prefix).map_or(name.clone(), str::to_owned);
        tensors = tensors.into_iter().map(|(name, tensor)| (rest(name), tensor)).collect();
    }
    tensors
}

/// Returns the prefix that all names share, if it is one of a wrapper.
fn shared(tensors: &BTreeMap<String, Tensor>) -> Option<&'static str> {
    let all = |prefix: &&str| !tensors.is_empty() && tensors.keys().all(|name| name.starts_with(*prefix));
    PREFIXES.into_iter().find(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device};

    fn names(names: &[&str]) -> Vec<String> {
        let zero = Tensor::zeros(1, DType::F32, &Device::Cpu).unwrap();
        let tensors = names.iter().map(|name| (name.to_string(), zero.clone())).collect();
        stripped(tensors).into_keys().collect()
    }

    #[test]
    fn prefixes_that_all_share_are_removed() {
        assert_eq!(
            names(&["module.model.conv1.weight", "module.model.fc.bias"]),
            ["conv1.weight", "fc.bias"]
        );
        assert_eq!(names(&["_orig_mod.module.net.fc.bias"]), ["fc.bias"]);
        assert_eq!(names(&["module.conv1.weight", "fc.bias"]), ["fc.bias", "module.conv1.weight"]);
        assert_eq!(names(&["modules.conv1.weight"]), ["modules.conv1.weight"]);
        assert!(names(&[]).is_empty());
    }

    #[test]
    fn tensors_that_are_not_the_network_s_are_left_out() {
        let found =
            names(&["model.fc.bias", "criterion.weight", "model.bn1.num_batches_tracked", "n_averaged"]);
        assert_eq!(found, ["fc.bias"]);
    }
}
