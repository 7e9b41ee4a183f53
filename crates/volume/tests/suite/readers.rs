//! Files of which the format leaves the reading open, or that are slightly wrong: the decision for each, with what
//! nibabel and SimpleITK read. `docs/FORMATS.md` gives the reasons.

use std::fs;
use std::path::Path;

use relevox_volume::{Geometry, ScanFile, Volume, nifti};

use Reading::*;

/// What is read from a case.
#[derive(Clone, Copy)]
enum Reading {
    /// Both readers agree, and we with them.
    AsBoth,
    /// As nibabel reads it; SimpleITK reads something else, or nothing.
    AsNibabel,
    /// As SimpleITK reads it.
    AsSimpleItk,
    /// As the case `plain` is read, unlike both readers.
    AsPlain,
    /// The voxels and the spacing that both readers read; they disagree on the orientation, which is unknown.
    WithoutOrientation,
    /// Refused, with these words in the message.
    Refused(&'static str),
}

const DECISIONS: [(&str, Reading); 68] = [
    ("plain", AsBoth),
    ("offset 0", AsPlain),
    ("offset 348", Refused("expected a whole voxel offset of 352 or more (544 in NIfTI-2), or 0, found 348")),
    ("offset with an extension", AsBoth),
    ("codes 0", WithoutOrientation),
    ("codes 0, pixdim negative", WithoutOrientation),
    ("codes 0, pixdim 0", Refused("neither sform nor qform, and pixdim [0.0, 0.0, 0.0]")),
    ("qform", AsBoth),
    ("qform, pixdim negative", AsNibabel),
    ("qform, qfac 0", AsBoth),
    ("qform not finite", Refused("qform [NaN")),
    ("sform unlike qform", AsBoth),
    ("sform aligned, qform of the scanner", AsNibabel),
    ("sform sheared with qform", AsNibabel),
    ("sform 0 with qform", AsSimpleItk),
    ("sform not finite with qform", AsPlain),
    ("sform flat with qform", AsSimpleItk),
    ("sform 0 alone", Refused("sform [[0.0, 0.0, 0.0, 0.0]")),
    ("sform with qform not finite", AsBoth),
    ("metres", AsSimpleItk),
    ("microns", AsSimpleItk),
    ("unit unknown", AsBoth),
    ("magic of a pair", AsBoth),
    ("magic of a pair, offset 0", Refused("the header of a NIfTI pair (.hdr and .img) without its voxels")),
    ("no magic", Refused("an Analyze 7.5 header, which does not store an orientation; convert it")),
    ("size of the header 0", AsBoth),
    ("slope 0", AsNibabel),
    ("slope NaN", AsNibabel),
    ("slope with an infinite intercept", Refused("expected a finite scl_inter, found scl_inter inf")),
    ("slope and intercept", AsBoth),
    ("bitpix 0", AsBoth),
    ("3 zeros after the voxels", AsBoth),
    ("a slice of zeros after the voxels", Refused("expected 400 bytes as its header requires, found 424")),
    ("other bytes after the voxels", Refused("expected 400 bytes as its header requires, found 403")),
    ("cut", Refused("expected 48 bytes of voxels, found 44")),
    ("dim 4 is 0", AsSimpleItk),
    ("dim 4 is -1", AsSimpleItk),
    ("dim 3 is 0", Refused("expected 3 dimensions of 1 to 32767 voxels, found dimensions 4 x 3 x 0")),
    ("two dimensions", Refused("found 2 dimensions: 4 x 6")),
    ("4D", Refused("found 3 volumes (4 x 3 x 2 x 3); select one as a.nii#0 to a.nii#2")),
    ("4D #1", AsBoth),
    ("4D #3", Refused("found #3; the file has 3 volumes (4 x 3 x 2 x 3), #0 to #2")),
    ("5D #2", AsBoth),
    ("NIfTI-2 little", AsNibabel),
    ("NIfTI-2 big", AsNibabel),
    ("NIfTI-2 offset 0", AsPlain),
    ("NIfTI-2 4D #1", AsNibabel),
    ("zeros after gzip", AsBoth),
    ("other bytes after gzip", Refused("found a damaged one: bytes other than zeros after its end")),
    ("two members", AsBoth),
    ("two members with zeros between", AsNibabel),
    ("gzip without its checksum", Refused("expected an intact gzip stream")),
    ("plain with a name of gzip", AsSimpleItk),
    ("gzip with a plain name", AsPlain),
    ("next to a plain file", AsNibabel),
    ("pair by .hdr", AsBoth),
    ("pair by .img", AsBoth),
    ("pair compressed", AsBoth),
    ("pair by .img.gz", AsBoth),
    ("pair with only .img.gz compressed", AsSimpleItk),
    ("pair with an extender", AsBoth),
    ("pair with an offset", AsBoth),
    ("pair with the magic of a single file", Refused("expected 48 bytes of voxels, found 0")),
    ("pair without .img", Refused("expected the voxels of this header (.img or .img.gz) in the same folder")),
    ("pair without .hdr", Refused("found voxels without their header; put it (.hdr) into the same folder")),
    ("pair 4D #2", AsBoth),
    ("Analyze 7.5", Refused("an Analyze 7.5 header, which does not store an orientation; convert it")),
    ("NIfTI-2 pair", AsNibabel),
];

/// A case of the fixture.
struct Case {
    name: String,
    file: ScanFile,
    /// Affine (12 numbers) and voxels by nibabel and by SimpleITK, unless they refuse the file.
    by_nibabel: Option<Vec<f64>>,
    by_simple_itk: Option<Vec<f64>>,
}

/// Writes the files of the fixture's cases, each case to its own folder below `root`.
fn cases(root: &Path) -> Vec<Case> {
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/readers.csv");
    let mut reader = csv::Reader::from_path(table).unwrap();
    assert!(reader.headers().unwrap()[0].starts_with("nibabel "));
    let records = reader.records().map(Result::unwrap).enumerate();
    let case = |(i, record): (usize, csv::StringRecord)| {
        let folder = root.join(i.to_string());
        fs::create_dir(&folder).unwrap();
        let mut first = None;
        for file in record[1].split(' ') {
            let (name, hex) = file.split_once('=').unwrap();
            fs::write(folder.join(name), crate::nibabel_parity::bytes_of(hex)).unwrap();
            first = first.or(Some(folder.join(name)));
        }
        let numbers = |cell: &str| match cell {
            "refused" => None,
            numbers => Some(numbers.split(' ').map(|n| n.parse().unwrap()).collect()),
        };
        Case {
            name: record[0].to_owned(),
            file: ScanFile { path: first.unwrap(), volume: record[2].parse().ok() },
            by_nibabel: numbers(&record[3]),
            by_simple_itk: numbers(&record[4]),
        }
    };
    records.map(case).collect()
}

/// Affine and voxels of a scan, x fastest.
fn numbers(scan: &Volume<f32>) -> Vec<f64> {
    let affine = scan.geometry.world_from_voxel.into_iter().flatten();
    affine.chain(scan.voxels.iter().map(|&v| f64::from(v))).collect()
}

fn close(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-5 * (1.0 + b.abs()))
}

/// Spacing and voxels of a reader's numbers.
fn spacing_and_voxels(numbers: &[f64]) -> Vec<f64> {
    let (affine, voxels) = numbers.split_at(12);
    let length = |axis: usize| (0..3).map(|row| affine[4 * row + axis].powi(2)).sum::<f64>().sqrt();
    (0..3).map(length).chain(voxels.iter().copied()).collect()
}

#[test]
fn every_case_is_read_as_decided() {
    let root = tempfile::tempdir().unwrap();
    let cases = cases(root.path());
    let plain = numbers(&cases[0].file.read().unwrap());
    assert!(cases.iter().map(|case| case.name.as_str()).eq(DECISIONS.map(|(name, _)| name)));
    for (case, (name, decision)) in cases.iter().zip(DECISIONS) {
        let read = case.file.read();
        if let Refused(words) = decision {
            let message = read.expect_err(name).to_string();
            assert!(message.contains(words) && !message.contains('\n'), "{name}: {message}");
            continue;
        }
        let found = numbers(&read.unwrap_or_else(|error| panic!("{name}: {error}")));
        let agrees = |other: &Option<Vec<f64>>| other.as_ref().is_some_and(|other| close(&found, other));
        let (nibabel, simple_itk) = (agrees(&case.by_nibabel), agrees(&case.by_simple_itk));
        let expected = match decision {
            AsBoth => (true, true),
            AsNibabel => (true, false),
            AsSimpleItk => (false, true),
            AsPlain => {
                assert!(close(&found, &plain), "{name}: {found:?}");
                (false, false)
            }
            _ => {
                for other in [&case.by_nibabel, &case.by_simple_itk] {
                    let other = spacing_and_voxels(other.as_ref().unwrap());
                    assert!(close(&spacing_and_voxels(&found), &other), "{name}: {found:?}, {other:?}");
                }
                (false, false)
            }
        };
        assert_eq!((nibabel, simple_itk), expected, "{name}: {found:?}");
    }
}

/// A transform that was not used is not written either: readers of the map use the one that was.
#[test]
fn an_unusable_transform_is_not_written() {
    let root = tempfile::tempdir().unwrap();
    for case in cases(root.path()) {
        let Ok(scan) = case.file.read() else { continue };
        let path = root.path().join("copy.nii");
        nifti::write(&path, &scan).unwrap();
        let copy: Geometry = nifti::read(&path).unwrap().geometry;
        assert_eq!(copy.world_from_voxel, scan.geometry.world_from_voxel, "{}", case.name);
        let header = fs::read(&path).unwrap();
        let sform_code = i16::from_le_bytes([header[254], header[255]]);
        let srow = header[280..328].as_chunks().0.iter().map(|&b| f32::from_le_bytes(b));
        assert!(sform_code <= 0 || srow.map(f32::abs).sum::<f32>() > 0.0, "{}", case.name);
    }
}
