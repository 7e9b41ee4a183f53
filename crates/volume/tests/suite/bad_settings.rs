//! Settings out of range: each is rejected with a message that names it.

use relevox_volume::augment::Augment;
use relevox_volume::split::Counts;
use relevox_volume::split::Sizes;
use relevox_volume::{Error, Preprocess, Split};

use crate::scans::settings;

#[track_caller]
fn rejected<T: std::fmt::Debug>(checked: Result<T, Error>, name: &str) {
    let error = checked.expect_err(name);
    assert!(matches!(error, Error::InvalidSetting { setting, .. } if setting == name), "{error}");
    assert!(error.to_string().starts_with(&format!("{name}: expected ")), "{error}");
}

#[test]
fn preprocessing() {
    let named = |names: &[&str]| Preprocess {
        sequences: names.iter().map(|name| name.to_string()).collect(),
        ..settings(0, [4, 4, 4], 1)
    };
    let cases: [(&str, Preprocess); 10] = [
        ("sequences", named(&["t1", "t1"])),
        ("sequences", named(&["label"])),
        ("sequences", named(&[""])),
        ("sequences", named(&[])),
        ("crop", settings(1, [4, 0, 4], 1)),
        ("crop", settings(1, [4, 4, 1025], 1)),
        ("crop", settings(1, [2_000_000_000; 3], 1)),
        ("crop", settings(1, [usize::MAX; 3], 1)),
        ("downsample", settings(1, [4, 4, 4], 0)),
        ("downsample", settings(1, [4, 4, 6], 4)),
    ];
    for (name, settings) in cases {
        rejected(settings.check(), name);
    }
}

#[test]
fn augmentation() {
    for rotate_degrees in [-1.0, 181.0, f32::NAN] {
        rejected(Augment { rotate_degrees, ..Augment::default() }.check(), "rotate_degrees");
    }
    for scale in [-0.1, 1.1, f32::NAN] {
        rejected(Augment { scale, ..Augment::default() }.check(), "scale");
    }
    rejected(Augment { shift_voxels: 1025, ..Augment::default() }.check(), "shift_voxels");
    for intensity in [-0.1, 1.1, f32::NAN] {
        rejected(Augment { intensity, ..Augment::default() }.check(), "intensity");
    }
    for hide in [-0.1, 0.95, f32::NAN] {
        rejected(Augment { hide, hide_voxels: 4, ..Augment::default() }.check(), "hide");
    }
    for empty in [-0.1, 1.1, f32::NAN] {
        rejected(Augment { empty, ..Augment::default() }.check(), "empty");
    }
    for hide_voxels in [0, 1025] {
        rejected(Augment { hide: 0.5, hide_voxels, ..Augment::default() }.check(), "hide_voxels");
    }
}

#[test]
fn counts_that_overflow() {
    let counts = Counts { train: usize::MAX, validation: 1, test: 1 };
    rejected(Sizes::from(counts).check(), "train, validation and test");
}

#[test]
fn split_names() {
    for split in Split::ALL {
        assert_eq!(split.to_string().parse::<Split>().unwrap(), split);
    }
    let message = "dev".parse::<Split>().unwrap_err().to_string();
    assert_eq!(message, "split: expected one of train, validation, test, found dev");
}
