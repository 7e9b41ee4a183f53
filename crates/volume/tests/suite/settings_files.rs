//! Settings in TOML and JSON: round trips, shorthands, old checkpoints, and messages for wrong values.

use relevox_volume::{BrainMask, Intensity, Orientation, PercentileOver, Preprocess, Spacing, ZScoreOver};
use serde::{Deserialize, Serialize};

use crate::scans::brats_sequences;

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Of<T> {
    value: T,
}

#[track_caller]
fn survives<T>(value: T)
where
    T: Serialize + for<'de> Deserialize<'de> + PartialEq + std::fmt::Debug + Clone,
{
    let of = Of { value };
    let text = toml::to_string(&of).unwrap();
    assert_eq!(toml::from_str::<Of<T>>(&text).unwrap(), of, "{text}");
    let text = serde_json::to_string(&of).unwrap();
    assert_eq!(serde_json::from_str::<Of<T>>(&text).unwrap(), of, "{text}");
    let value = serde_json::to_value(&of).unwrap();
    assert_eq!(serde_json::from_value::<Of<T>>(value).unwrap(), of);
}

#[track_caller]
fn reads<T>(toml_value: &str, expected: T)
where
    T: for<'de> Deserialize<'de> + PartialEq + std::fmt::Debug,
{
    let found = toml::from_str::<Of<T>>(&format!("value = {toml_value}")).unwrap();
    assert_eq!(found.value, expected, "{toml_value}");
}

#[track_caller]
fn refuses<T>(toml_value: &str, words: &[&str])
where
    T: for<'de> Deserialize<'de> + std::fmt::Debug,
{
    let message = toml::from_str::<Of<T>>(&format!("value = {toml_value}")).unwrap_err().to_string();
    for word in words {
        assert!(message.contains(word), "{toml_value}: {message:?} does not contain {word:?}");
    }
}

fn intensities() -> Vec<Intensity> {
    vec![
        Intensity::MinMax,
        Intensity::ROBUST,
        Intensity::Percentile { low: 0.5, high: 99.5, over: PercentileOver::All },
        Intensity::ZScore { over: ZScoreOver::NonZero },
        Intensity::ZScore { over: ZScoreOver::All },
        Intensity::Window { low: -1000.0, high: 400.5 },
        Intensity::None,
    ]
}

#[test]
fn settings_survive_toml_and_json() {
    for intensity in intensities() {
        survives(intensity);
        let preprocess = Preprocess {
            intensity,
            orientation: "PIR".parse().unwrap(),
            spacing_mm: Spacing::Millimetres([1.0, 0.9, 6.0]),
            brain: BrainMask::Otsu,
            ..Preprocess::default()
        };
        survives(preprocess);
    }
    survives(Preprocess::default());
    for spacing in [Spacing::Stored, Spacing::Millimetres([1.0, 0.5, 6.25])] {
        survives(spacing);
    }
    for orientation in [Orientation::Stored, Orientation::LPS, "RAS".parse().unwrap()] {
        survives(orientation);
    }
    for brain in [BrainMask::NonZero, BrainMask::Otsu] {
        survives(brain);
    }
}

#[test]
fn shorthands_and_defaults() {
    reads("\"zscore\"", Intensity::ZScore { over: ZScoreOver::NonZero });
    reads("\"minmax\"", Intensity::MinMax);
    reads("\"percentile\"", Intensity::ROBUST);
    reads("\"none\"", Intensity::None);
    reads("{ kind = \"minmax\" }", Intensity::MinMax);
    reads("{ kind = \"none\" }", Intensity::None);
    reads("{ kind = \"percentile\" }", Intensity::ROBUST);
    let ninety_five = Intensity::Percentile { low: 5.0, high: 95.0, over: PercentileOver::All };
    reads("{ kind = \"percentile\", low = 5, high = 95, over = \"all\" }", ninety_five);
    reads("{ kind = \"zscore\", over = \"all\" }", Intensity::ZScore { over: ZScoreOver::All });
    reads("{ kind = \"window\", low = -100, high = 400 }", Intensity::Window { low: -100.0, high: 400.0 });
    reads("[1, 1, 6]", Spacing::Millimetres([1.0, 1.0, 6.0]));
    reads("[1, 0.5, 6.0]", Spacing::Millimetres([1.0, 0.5, 6.0]));
    reads("\"stored\"", Spacing::Stored);
    reads("\"stored\"", Orientation::Stored);
    reads("\"lps\"", Orientation::LPS);
    reads("\"otsu\"", BrainMask::Otsu);
}

#[test]
fn wrong_values_are_named_with_the_right_ones() {
    refuses::<Intensity>(
        "\"z-score\"",
        &["intensity", "minmax, percentile, zscore, window, none", "z-score"],
    );
    refuses::<Intensity>("\"window\"", &["{ kind = \"window\", low = .., high = .. }"]);
    refuses::<Intensity>("{ kind = \"window\", low = 1 }", &["missing field `high`"]);
    refuses::<Intensity>("{ kind = \"minmax\", low = 1 }", &["unknown field `low`"]);
    refuses::<Intensity>("{ kind = \"zscore\", over = \"brain\" }", &["nonzero", "all", "brain"]);
    refuses::<Intensity>("{ low = 1, high = 2 }", &["kind"]);
    refuses::<Intensity>("{ kind = \"scale\" }", &["scale", "minmax", "none"]);
    refuses::<Intensity>("3", &["an intensity such as \"zscore\""]);
    refuses::<Spacing>("\"native\"", &["native", "\"stored\", or three numbers in millimetres"]);
    refuses::<Spacing>("[1, 1]", &["length 2", "three numbers in millimetres"]);
    refuses::<Spacing>("[1, 1, 1, 9]", &["length 4", "three numbers in millimetres"]);
    refuses::<Spacing>("1.0", &["three numbers in millimetres"]);
    refuses::<Spacing>("[1, \"a\", 1]", &["expected f64"]);
    refuses::<Orientation>("\"LPX\"", &["orientation", "stored, LPS, RAS", "LPX"]);
    refuses::<Orientation>("\"LLS\"", &["orientation", "stored, LPS, RAS", "LLS"]);
    refuses::<BrainMask>("\"head\"", &["head", "nonzero", "otsu"]);
}

/// Checkpoints without the newer keys mean what was computed when they were written.
#[test]
fn an_old_checkpoint_means_stored_axes_and_min_max() {
    let text = r#"{"sequences":["t1","t1ce","t2","flair"],"crop":[128,128,128],"downsample":1,"clip_negative":true}"#;
    let found: Preprocess = serde_json::from_str(text).unwrap();
    let expected = Preprocess {
        sequences: brats_sequences(),
        orientation: Orientation::Stored,
        spacing_mm: Spacing::Stored,
        intensity: Intensity::MinMax,
        crop: [128; 3],
        downsample: 1,
        clip_negative: true,
        brain: BrainMask::NonZero,
    };
    assert_eq!(found, expected);
    let message =
        serde_json::from_str::<Preprocess>(&text.replace("crop", "window")).unwrap_err().to_string();
    assert!(message.contains("unknown field `window`"), "{message}");
}

#[test]
fn values_out_of_range() {
    let refused = |preprocess: Preprocess, words: &[&str]| {
        let message = preprocess.check().unwrap_err().to_string();
        for word in words {
            assert!(message.contains(word), "{message:?} does not contain {word:?}");
        }
        assert_eq!(message.lines().count(), 1);
    };
    for mm in [0.0, -1.0, 0.009, 100.1, f64::NAN, f64::INFINITY] {
        let spacing_mm = Spacing::Millimetres([1.0, mm, 1.0]);
        refused(Preprocess { spacing_mm, ..Preprocess::default() }, &["spacing_mm: expected", "0.01 to 100"]);
    }
    for (low, high) in
        [(-0.1, 99.0), (0.0, 100.1), (50.0, 50.0), (60.0, 40.0), (f64::NAN, 99.0), (0.0, f64::NAN)]
    {
        let intensity = Intensity::Percentile { low, high, over: PercentileOver::Brain };
        refused(Preprocess { intensity, ..Preprocess::default() }, &["intensity: expected percentiles"]);
    }
    for (low, high) in [(5.0, 5.0), (6.0, 5.0), (f64::NEG_INFINITY, 5.0), (0.0, f64::NAN)] {
        let intensity = Intensity::Window { low, high };
        refused(Preprocess { intensity, ..Preprocess::default() }, &["intensity: expected a window"]);
    }
}
