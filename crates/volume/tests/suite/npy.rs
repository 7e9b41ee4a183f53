//! NumPy's files: written by NumPy itself, damaged, and written here.

use std::fs;
use std::path::{Path, PathBuf};

use ndarray::{Array2, Array3, Array4, ArrayD, array};
use relevox_volume::npy::{self, ArrayFile};
use relevox_volume::{Error, Study};

fn fixture(name: &str) -> ArrayFile {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/npy");
    ArrayFile::parse(folder.join(name).to_str().unwrap())
}

fn values(name: &str) -> ArrayD<f32> {
    fixture(name).read().unwrap().values
}

/// The fixtures' elements.
fn expected(value: impl Fn(f32) -> f32) -> ArrayD<f32> {
    ArrayD::from_shape_fn(vec![2, 3, 4], |at| value((12 * at[0] + 4 * at[1] + at[2]) as f32))
}

#[test]
fn every_numeric_type_and_order_of_numpy_is_read() {
    for name in ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "version-2"] {
        assert_eq!(values(&format!("{name}.npy")), expected(|v| v), "{name}");
    }
    for name in ["little-f2", "little-f4", "big-f4", "big-f8", "fortran"] {
        let found = fixture(&format!("{name}.npy")).read().unwrap();
        assert_eq!(found.values, expected(|v| v * 0.5 - 3.0), "{name}");
        assert_eq!(found.rounded, 0, "{name}");
        assert!(found.values.is_standard_layout(), "{name}");
    }
    assert_eq!(values("bool.npy"), expected(|v| v % 2.0));
    assert_eq!(fixture("big-f8.npy").read().unwrap().dtype, ">f8");
}

#[test]
fn rounded_values_are_counted() {
    let found = fixture("rounded.npy").read().unwrap();
    assert_eq!((found.rounded, found.dtype.as_str()), (2, "<f8"));
    assert_eq!(found.values.as_slice().unwrap(), [0.1, 0.5, 16_777_216.0]);
}

#[test]
fn arrays_of_archives_are_found_by_name() {
    assert_eq!(values("one.npz"), expected(|v| v));
    assert_eq!(values("one.npz#image"), expected(|v| v));
    assert_eq!(values("two.npz#mask"), expected(|v| v));
    assert_eq!(values("compressed.npz#mask"), expected(|v| v));
    assert_eq!(values("compressed.npz#image"), ArrayD::<f32>::zeros(vec![40, 40]));
    for (name, part) in [("two.npz", "image, mask"), ("two.npz#seg", "seg"), ("one.npz#mask", "image")] {
        let error = fixture(name).read().unwrap_err();
        assert!(matches!(error, Error::UnknownName { .. }), "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn what_is_no_array_of_numbers_is_refused() {
    for (name, part) in [
        ("objects.npy", "|O"),
        ("complex.npy", "<c16"),
        ("records.npy", "structured"),
        ("npy-version.txt", "read"),
    ] {
        let error = fixture(name).read().unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(part), "{error}");
        assert_eq!(error.lines().count(), 1);
    }
    let text = fixture("numpy-version.txt").read().unwrap_err();
    assert!(matches!(text, Error::Format { .. }), "{text}");
}

#[test]
fn other_formats_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for (start, part) in [
        (&b"\x1f\x8b"[..], "a gzip file, such as a scan in .nii.gz; give a scan by --scan"),
        (b"\x5c\x01\0\0", "a NIfTI file; give a scan by --scan"),
        (b"PK\x03\x04", "numpy.save(FILE, tensor.numpy())"),
        (b"\x80\x02", "a pickled object; save its array with numpy.save"),
        (b"plain", "a file without the magic bytes of .npy; save the array with numpy.save"),
    ] {
        let file = written(folder.path(), "a.npy", &[start, &[b' '; 40]].concat());
        let error = file.read().unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

/// Writes bytes under a name in a new folder.
fn written(folder: &Path, name: &str, bytes: &[u8]) -> ArrayFile {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    ArrayFile { path, name: None }
}

fn bytes_of(name: &str) -> Vec<u8> {
    fs::read(fixture(name).path).unwrap()
}

#[test]
fn a_file_that_ends_within_its_values_states_how_many_bytes_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = bytes_of("u2.npy");
    // Of 24 values of two bytes, 20 are whole.
    let error = written(folder.path(), "a.npy", &bytes[..bytes.len() - 7]).read().unwrap_err();
    assert!(matches!(error, Error::Truncated { expected_bytes: 48, found_bytes: 40, .. }), "{error}");
}

#[test]
fn damaged_files_are_refused_wherever_they_are_cut_or_changed() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["u2.npy", "version-2.npy", "one.npz", "compressed.npz"] {
        let bytes = bytes_of(name);
        for length in 0..bytes.len() {
            let cut = written(folder.path(), name, &bytes[..length]).read();
            assert!(cut.is_err(), "{name}: {length} bytes of {}", bytes.len());
        }
        let error = written(folder.path(), name, &[&bytes[..], b"x"].concat()).read();
        assert!(error.is_err() || name.ends_with("npz"), "{name}: a byte more");
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0xff;
            // Whatever comes of it, it must not panic.
            let _ = written(folder.path(), name, &changed).read();
        }
    }
    let mut wrong_sum = bytes_of("one.npz");
    let last = wrong_sum.windows(4).rposition(|bytes| bytes == 23.0_f32.to_le_bytes()).unwrap();
    wrong_sum[last] ^= 1;
    let error = written(folder.path(), "sum.npz", &wrong_sum).read().unwrap_err().to_string();
    assert!(error.contains("sum.npz#image") && error.contains("checksum"), "{error}");
}

fn with_header(text: &str) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.extend([0; 8]);
    bytes
}

#[test]
fn hostile_headers_allocate_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let header = |shape: &str| format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}");
    let shapes = [
        "(1000000000000,)",
        "(4294967295, 4294967295, 4294967295)",
        "(18446744073709551615, 2)",
        "(-1, 2)",
        "(99999999999999999999999999,)",
        "(0xffffffffffffffff, 2)",
        "(4_294_967_295, 4_294_967_295, 4_294_967_295)",
        "((((((((2,),),),),),),),)",
        "(3,)",
    ];
    for shape in shapes {
        let error = written(folder.path(), "a.npy", &with_header(&header(shape))).read().unwrap_err();
        assert_eq!(error.to_string().lines().count(), 1, "{error}");
    }
    for text in [String::new(), "{".to_owned(), "(".repeat(9000), "{'descr': '<f4'}".to_owned()] {
        let error = written(folder.path(), "a.npy", &with_header(&text)).read().unwrap_err();
        assert!(matches!(error, Error::Format { .. }), "{error}");
    }
    let mut long = b"\x93NUMPY\x02\x00".to_vec();
    long.extend(u32::MAX.to_le_bytes());
    assert!(written(folder.path(), "a.npy", &long).read().unwrap_err().to_string().contains("header of"));
}

#[test]
fn labels_are_whole_numbers() {
    assert_eq!(fixture("u8.npy").read_labels().unwrap()[[1, 2, 3]], 23);
    assert_eq!(fixture("version-2.npy").read_labels().unwrap()[[0, 1, 0]], 4);
    assert!(matches!(fixture("little-f4.npy").read_labels(), Err(Error::NotLabels { .. })));
    assert!(matches!(fixture("rounded.npy").read_labels(), Err(Error::Format { .. })));

    // Scaled integers are not exact.
    let folder = tempfile::tempdir().unwrap();
    let labels = |values: [f32; 2]| {
        let path = folder.path().join("a.npy");
        npy::write(&path, Array3::from_shape_fn((1, 1, 2), |(.., x)| values[x]).view().into_dyn()).unwrap();
        ArrayFile { path, name: None }.read_labels()
    };
    assert_eq!(labels([1.00001, 2.992]).unwrap(), array![[[1, 3]]]);
    for (values, at) in [([1.0, 2.98], 1), ([-1.0, 0.0], 0), ([0.0, f32::NAN], 1), ([5e9, 0.0], 0)] {
        let error = labels(values).unwrap_err();
        assert!(
            matches!(error, Error::NotLabels { index_zyx: [0, 0, x], found, .. } if x == at && (found == f64::from(values[at]) || found.is_nan())),
            "{error}"
        );
    }
}

#[test]
fn written_arrays_are_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("a.npy");
    let array = array![[1.5_f32, -2.0, f32::MIN_POSITIVE], [0.0, 7.0, f32::MAX]];
    // The transposed view is written in C order, too.
    for view in [array.view(), array.t()] {
        for write in [npy::write, npy::write_unflushed] {
            write(&path, view.into_dyn()).unwrap();
            let back = ArrayFile { path: path.clone(), name: None }.read().unwrap();
            assert_eq!(back.values, view.into_dyn());
            assert_eq!(back.dtype, "<f4");
        }
    }
    let missing = folder.path().join("missing/a.npy");
    assert!(matches!(npy::write(&missing, Array2::zeros((1, 1)).view().into_dyn()), Err(Error::Io { .. })));
}

#[test]
fn values_beyond_single_precision_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let text = "{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}";
    let mut bytes = with_header(text);
    let end = bytes.len() - 8;
    bytes[end..].copy_from_slice(&1e300_f64.to_le_bytes());
    let error = written(folder.path(), "a.npy", &bytes).read().unwrap_err();
    assert!(matches!(error, Error::NonFinite { .. }) && error.to_string().contains("1e300"), "{error}");
}

#[test]
fn a_tensor_is_a_study_as_it_is() {
    let image = Array4::from_shape_fn((2, 3, 4, 5), |(c, z, y, x)| (c * z * y * x) as f32 - 1.0);
    let names = vec!["a".to_owned(), "b".to_owned()];
    let study = Study::from_tensor("x.npy".to_owned(), image.clone(), names.clone()).unwrap();
    assert_eq!(study.image, image);
    assert_eq!(study.frame.shape(), [3, 4, 5]);
    let map = study.frame.to_scan(study.channel("b").unwrap()).unwrap();
    assert_eq!(map.voxels, study.channel("b").unwrap());
    assert_eq!(map.geometry.world([1.0, 2.0, 3.0]), [3.0, 2.0, 1.0]);
    let mut bad = image.clone();
    bad[[1, 2, 3, 4]] = f32::NAN;
    let error = Study::from_tensor("x.npy".to_owned(), bad, names.clone()).unwrap_err().to_string();
    assert!(error.contains("x.npy") && error.contains("[1, 2, 3, 4]") && error.contains("NaN"), "{error}");
    assert!(Study::from_tensor(String::new(), image, names[..1].to_vec()).is_err());
    assert!(Study::from_tensor(String::new(), Array4::zeros((2, 0, 1, 1)), names).is_err());
}
