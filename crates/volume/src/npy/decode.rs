//! The array in a stream of `.npy`.

use std::io::{self, Read};
use std::path::Path;

use ndarray::{ArrayD, IxDyn, ShapeBuilder};
use npyz::{DType, Deserialize, NpyFile, Order, TypeChar};

use crate::Error;

/// Magic, version and the length of the header: at most 12 bytes.
const PREFIX: usize = 12;
/// Largest header; NumPy's limit is 10 000 bytes.
const LARGEST_HEADER: usize = 10_000;
/// Nesting of a numeric array's header: a dictionary that contains a tuple. More is a structured array, or hostile.
const DEEPEST_HEADER: usize = 4;
const LARGEST_ARRAY_BYTES: f64 = (1_u64 << 60) as f64;
/// Values that are allocated before any of them was read.
const FIRST_VALUES: usize = 1 << 20;

const EXPECTED: &str = "an array of numbers as numpy.save writes it";

/// A value as stored, in double precision.
#[derive(Clone, Copy)]
pub(super) struct Value {
    pub(super) number: f64,
    /// Whether double precision rounds the value.
    pub(super) rounded: bool,
}

/// Decodes an array. `most_bytes` is the largest size of the stream that the file's length allows; `convert` maps each value,
/// given in the stored order with its index.
pub(super) fn decode<T: Clone>(
    path: &Path,
    mut source: impl Read,
    most_bytes: u64,
    convert: impl FnMut(usize, Value) -> Result<T, Error>,
) -> Result<(ArrayD<T>, String), Error> {
    let header = read_header(path, &mut source)?;
    let file = NpyFile::new(io::Cursor::new(&header)).map_err(|error| format(path, error.to_string()))?;
    let (shape, order, dtype) = (file.shape().to_vec(), file.order(), file.dtype());
    let DType::Plain(kind) = &dtype else {
        return Err(format(path, format!("a structured array of {}", dtype.descr())));
    };
    let width = kind.num_bytes().unwrap_or(0) as u64;
    let mut values = 1_u64;
    for &axis in &shape {
        values = values.checked_mul(axis).ok_or_else(|| format(path, format!("the shape {shape:?}")))?;
    }
    let expected_bytes = values.saturating_mul(width);
    let stored = Stored { path, expected_bytes, values };
    if expected_bytes > most_bytes {
        return Err(stored.truncated(most_bytes.min(expected_bytes), "the file is too short"));
    }
    let descr = dtype.descr().trim_matches('\'').to_owned();
    let npy = NpyFile::with_header(file.header().clone(), &mut source);
    let exact = |number: f64| Value { number, rounded: false };
    let decoded = match (kind.type_char(), width) {
        (TypeChar::Float, 2) => stored.read(npy, |v: npyz::half::f16| exact(v.to_f64()), convert),
        (TypeChar::Float, 4) => stored.read(npy, |v: f32| exact(f64::from(v)), convert),
        (TypeChar::Float, 8) => stored.read(npy, exact, convert),
        (TypeChar::Int, 1) => stored.read(npy, |v: i8| exact(f64::from(v)), convert),
        (TypeChar::Int, 2) => stored.read(npy, |v: i16| exact(f64::from(v)), convert),
        (TypeChar::Int, 4) => stored.read(npy, |v: i32| exact(f64::from(v)), convert),
        (TypeChar::Int, 8) => {
            let value = |v: i64| Value { number: v as f64, rounded: v as f64 as i128 != i128::from(v) };
            stored.read(npy, value, convert)
        }
        (TypeChar::Uint, 1) => stored.read(npy, |v: u8| exact(f64::from(v)), convert),
        (TypeChar::Uint, 2) => stored.read(npy, |v: u16| exact(f64::from(v)), convert),
        (TypeChar::Uint, 4) => stored.read(npy, |v: u32| exact(f64::from(v)), convert),
        (TypeChar::Uint, 8) => {
            let value = |v: u64| Value { number: v as f64, rounded: v as f64 as i128 != i128::from(v) };
            stored.read(npy, value, convert)
        }
        (TypeChar::Bool, _) => stored.read(npy, |v: bool| exact(f64::from(u8::from(v))), convert),
        _ => return Err(format(path, format!("values of type {descr}"))),
    }?;
    match source.read(&mut [0]) {
        Ok(0) => {}
        Ok(_) => {
            let expected_bytes = header.len() as u64 + expected_bytes;
            return Err(Error::Overlong { path: path.to_owned(), expected_bytes, found: "more".to_owned() });
        }
        Err(error) => return Err(format(path, error.to_string())),
    }
    let axes: Vec<usize> = shape.iter().map(|&axis| axis as usize).collect();
    let array = ArrayD::from_shape_vec(IxDyn(&axes).set_f(order == Order::Fortran), decoded)
        .map_err(|_| format(path, format!("the shape {shape:?}")))?;
    Ok((if array.is_standard_layout() { array } else { array.as_standard_layout().into_owned() }, descr))
}

/// The size of an array as its header states it.
struct Stored<'a> {
    path: &'a Path,
    expected_bytes: u64,
    values: u64,
}

impl Stored<'_> {
    fn truncated(&self, found_bytes: u64, reason: &str) -> Error {
        Error::Truncated {
            path: self.path.to_owned(),
            expected_bytes: self.expected_bytes,
            found_bytes,
            reason: reason.to_owned(),
        }
    }

    /// Reads the values, and allocates as they come.
    fn read<S: Deserialize, T>(
        &self,
        file: NpyFile<impl Read>,
        widen: impl Fn(S) -> Value,
        mut convert: impl FnMut(usize, Value) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let source = file.data::<S>().map_err(|error| format(self.path, error.to_string()))?;
        let mut values = Vec::new();
        let too_large = |_| format(self.path, format!("{} values, more than memory holds", self.values));
        values
            .try_reserve(usize::try_from(self.values).unwrap_or(usize::MAX).min(FIRST_VALUES))
            .map_err(too_large)?;
        for value in source {
            let value = value.map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => {
                    let width = self.expected_bytes / self.values.max(1);
                    self.truncated(values.len() as u64 * width, "the file ends")
                }
                _ => format(self.path, error.to_string()),
            })?;
            if values.len() == values.capacity() {
                values.try_reserve(values.len().max(1)).map_err(too_large)?;
            }
            values.push(convert(values.len(), widen(value))?);
        }
        Ok(values)
    }
}

/// Reads the header's bytes, after checks that keep its parser from allocating or nesting without bound.
fn read_header(path: &Path, source: &mut impl Read) -> Result<Vec<u8>, Error> {
    let mut header = vec![0; PREFIX - 2];
    let short = |_| format(path, "a file that ends before its header".to_owned());
    source.read_exact(&mut header).map_err(short)?;
    if !header.starts_with(b"\x93NUMPY") {
        return Err(format(path, describe(&header)));
    }
    let length = match header[6] {
        1 => usize::from(u16::from_le_bytes([header[8], header[9]])),
        _ => {
            let mut upper = [0; 2];
            source.read_exact(&mut upper).map_err(short)?;
            header.extend(upper);
            u32::from_le_bytes([header[8], header[9], upper[0], upper[1]]) as usize
        }
    };
    if length > LARGEST_HEADER {
        return Err(format(path, format!("a header of {length} bytes")));
    }
    let start = header.len();
    header.resize(start + length, 0);
    source
        .read_exact(&mut header[start..])
        .map_err(|_| format(path, "a file that ends inside its header".to_owned()))?;
    let brackets = header[start..].iter().filter(|byte| b"([{".contains(byte)).count();
    if brackets > DEEPEST_HEADER {
        return Err(format(path, "a structured array".to_owned()));
    }
    let text = String::from_utf8_lossy(&header[start..]);
    if !has_small_integers(&text) {
        return Err(format(path, format!("the header {}", text.trim())));
    }
    Ok(header)
}

/// Describes a file that does not start as an array does, by its first bytes.
fn describe(head: &[u8]) -> String {
    const SIGNATURES: [(&[u8], &str); 10] = [
        (
            b"\x1f\x8b",
            "a gzip file, such as a scan in .nii.gz; give a scan by --scan, or save its array with numpy.save",
        ),
        (b"\x5c\x01\0\0", NIFTI),
        (b"\0\0\x01\x5c", NIFTI),
        (b"\x1c\x02\0\0", NIFTI),
        (b"\0\0\x02\x1c", NIFTI),
        (
            b"PK\x03\x04",
            "a zip archive: of PyTorch (.pt, .pth), save its tensor with numpy.save(FILE, tensor.numpy()); of NumPy, name it .npz",
        ),
        (b"\x80", "a pickled object; save its array with numpy.save"),
        (b"\x89HDF", "an HDF5 file; save its array with numpy.save"),
        (b"MATLAB ", "a MATLAB file; save its array with numpy.save"),
        (b"NRRD", "an NRRD file; save its array with numpy.save"),
    ];
    const NIFTI: &str = "a NIfTI file; give a scan by --scan, or save its array with numpy.save";
    let known = SIGNATURES.into_iter().find(|(signature, _)| head.starts_with(signature));
    known
        .map_or("a file without the magic bytes of .npy; save the array with numpy.save", |(_, what)| what)
        .to_owned()
}

/// Returns whether all integers of a header are decimal and their product, which bounds the array's bytes, is small: the
/// parser multiplies them without a check.
fn has_small_integers(header: &str) -> bool {
    let digits = |c: char| c.is_ascii_digit();
    let mut runs = header.split(|c: char| !(digits(c) || c.is_ascii_alphabetic() || c == '_'));
    let decimal = runs.all(|run| match run.find(digits) {
        Some(at) => run[at..].chars().all(digits),
        None => true,
    });
    let numbers = header.split(|c: char| !digits(c)).filter_map(|number| number.parse::<f64>().ok());
    decimal && numbers.map(|number| number.max(1.0)).product::<f64>() < LARGEST_ARRAY_BYTES
}

pub(super) fn format(path: &Path, found: String) -> Error {
    let found = found.split_whitespace().collect::<Vec<_>>().join(" ");
    Error::Format { path: path.to_owned(), expected: EXPECTED, found }
}
