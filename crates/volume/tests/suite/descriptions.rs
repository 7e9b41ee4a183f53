//! What viewers show of a written map.

use std::fs;

use ndarray::Array3;
use relevox_volume::nifti::{self, Description, Intent};
use relevox_volume::{Error, Geometry, Volume};

fn map() -> Volume<f32> {
    let geometry = Geometry::axis_aligned([2, 3, 4], [1.0; 3]);
    Volume { voxels: Array3::from_shape_fn([2, 3, 4], |(z, y, x)| (z + y + x) as f32), geometry }
}

fn text(field: &[u8]) -> &str {
    std::str::from_utf8(field).unwrap().trim_end_matches('\0')
}

/// Offsets of the NIfTI-1 standard: intent_code 68, cal_max 124, cal_min 128, descrip 148, intent_name 328.
#[test]
fn a_description_is_stored_in_its_fields_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, described) = (folder.path().join("plain.nii"), folder.path().join("described.nii"));
    let f32_at = |bytes: &[u8], at: usize| f32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let labels = Volume { voxels: map().voxels.mapv(|v| v as u32), geometry: map().geometry };
    let relevance = Description::relevance("occlusion, target HGG");
    let supervoxels = Description::labels("supervoxels", "100 regions of FLAIR");
    for (description, code, range) in [(&relevance, 1001_i16, [0.0, 100.0]), (&supervoxels, 1002, [0.0, 0.0])]
    {
        if description.intent == Intent::Label {
            nifti::write_labels(&plain, &labels).unwrap();
            nifti::write_label_map(&described, &labels, description).unwrap();
            assert_eq!(nifti::read_labels(&described).unwrap(), labels);
        } else {
            nifti::write(&plain, &map()).unwrap();
            nifti::write_map(&described, &map(), description).unwrap();
            assert_eq!(nifti::read(&described).unwrap(), map());
        }
        let mut bytes = fs::read(&described).unwrap();
        assert_eq!(bytes[68..70], code.to_le_bytes());
        assert_eq!([f32_at(&bytes, 128), f32_at(&bytes, 124)], range);
        assert_eq!(text(&bytes[148..228]), description.text);
        assert_eq!(text(&bytes[328..344]), description.name);
        let plain = fs::read(&plain).unwrap();
        for field in [68..70, 124..132, 148..228, 328..344] {
            bytes[field.clone()].copy_from_slice(&plain[field]);
        }
        assert_eq!(bytes, plain);
    }
}

#[test]
fn a_description_that_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("map.nii.gz");
    let base = Description::relevance("text");
    for (description, name) in [
        (Description { name: "x".repeat(16), ..base.clone() }, "description.name"),
        (Description { name: "µ".to_owned(), ..base.clone() }, "description.name"),
        (Description { text: "x".repeat(80), ..base.clone() }, "description.text"),
        (Description { text: "a\nb".to_owned(), ..base.clone() }, "description.text"),
        (Description { range: Some([1.0, 1.0]), ..base.clone() }, "description.range"),
        (Description { range: Some([0.0, f32::NAN]), ..base.clone() }, "description.range"),
    ] {
        let error = nifti::write_map(&path, &map(), &description).unwrap_err();
        assert!(matches!(&error, Error::InvalidSetting { setting, .. } if *setting == name), "{error}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let longest = Description { name: "x".repeat(15), text: "x".repeat(79), ..base };
    nifti::write_map(&path, &map(), &longest).unwrap();
}
