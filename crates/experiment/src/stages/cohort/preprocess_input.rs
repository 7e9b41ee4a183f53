//! Settings of the preprocessing as an input of artefacts.

use relevox_volume::Preprocess;
use serde_json::{Value, json};

/// Returns the settings of the preprocessing as an input of artefacts. Newer keys are omitted at the values that applied
/// before they existed, so that the artefacts of older run folders remain current.
pub(super) fn preprocess_input(preprocess: &Preprocess) -> Value {
    let earlier = [
        ("orientation", json!("stored")),
        ("spacing_mm", json!("stored")),
        ("intensity", json!({ "kind": "minmax" })),
        ("brain", json!("nonzero")),
    ];
    let mut value = json!(preprocess);
    if let Some(keys) = value.as_object_mut() {
        keys.retain(|key, value| !earlier.iter().any(|(name, earlier)| name == key && earlier == value));
    }
    value
}

#[cfg(test)]
mod tests {
    use relevox_volume::{Intensity, Orientation};

    use super::*;

    #[test]
    fn artefacts_of_older_run_folders_remain_current() {
        let before = json!({
            "sequences": ["t1", "t1ce", "t2", "flair"], "crop": [128, 128, 128], "downsample": 1, "clip_negative": true
        });
        let old: Preprocess = serde_json::from_value(before.clone()).unwrap();
        assert_eq!(preprocess_input(&old), before);
        let turned = Preprocess { orientation: Orientation::LPS, ..old.clone() };
        assert_eq!(preprocess_input(&turned)["orientation"], "LPS");
        let scaled = Preprocess { intensity: Intensity::ROBUST, ..old };
        assert_eq!(preprocess_input(&scaled)["intensity"]["kind"], "percentile");
    }
}
