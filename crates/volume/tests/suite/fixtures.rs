//! Tables in `tests/fixtures`, written by the scripts there.

use std::path::Path;

use csv::StringRecord;
use ndarray::Array3;

/// Reads the rows of a table after the line with the versions of the libraries that made it.
pub fn rows(name: &str) -> Vec<StringRecord> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(path).unwrap();
    reader.records().map(|row| row.unwrap()).collect()
}

/// The cells of a row, from first to last.
pub struct Cells<'a>(csv::StringRecordIter<'a>);

impl<'a> Cells<'a> {
    pub fn of(row: &'a StringRecord) -> Self {
        Self(row.iter())
    }

    pub fn text(&mut self) -> &'a str {
        self.0.next().unwrap()
    }

    pub fn number(&mut self) -> f64 {
        self.text().parse().unwrap()
    }

    /// Three numbers along x, y, z, in the order z, y, x.
    pub fn zyx(&mut self) -> [f64; 3] {
        let [x, y, z] = std::array::from_fn(|_| self.number());
        [z, y, x]
    }

    pub fn shape(&mut self) -> [usize; 3] {
        self.zyx().map(|n| n as usize)
    }

    pub fn affine(&mut self) -> [[f64; 4]; 3] {
        std::array::from_fn(|_| std::array::from_fn(|_| self.number()))
    }

    /// The remaining cells, which are all the voxels of the shape.
    pub fn rest(self, shape: [usize; 3]) -> Array3<f64> {
        let values: Vec<f64> = self.0.map(|cell| cell.parse().unwrap()).collect();
        Array3::from_shape_vec(shape, values).unwrap()
    }

    pub fn voxels(&mut self, shape: [usize; 3]) -> Array3<f64> {
        Array3::from_shape_simple_fn(shape, || self.number())
    }
}
