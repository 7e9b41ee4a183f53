//! Reading arrays.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use ndarray::{Array3, ArrayD, Ix3};

use super::archive;
use super::array::NpyArray;
use super::array_file::ArrayFile;
use super::decode::{Value, decode};
use crate::{Error, labels};

impl ArrayFile {
    /// Reads the array in single precision.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if the file cannot be read, [`Error::Format`] if it is of another format or its values are not
    /// numbers, [`Error::Truncated`] or [`Error::Overlong`] if the header does not describe its length,
    /// [`Error::UnknownName`], which lists the names, if the archive does not have the array or has several and none is
    /// named, and [`Error::NonFinite`] if single precision cannot hold a finite value.
    pub fn read(&self) -> Result<NpyArray, Error> {
        let mut rounded = 0;
        let (values, dtype) = self.decode(|index, value: Value| {
            let single = value.number as f32;
            rounded +=
                usize::from(value.rounded || (f64::from(single) != value.number && !value.number.is_nan()));
            if single.is_infinite() && value.number.is_finite() {
                let what = format!("{self}: value {index} of {:e} in single precision", value.number);
                return Err(Error::NonFinite { what, value: single });
            }
            Ok(single)
        })?;
        Ok(NpyArray { values, dtype, rounded })
    }

    /// Reads an array of labels, `[z, y, x]`, of any type: whole numbers, or values within 0.01 of one, as scaled integers are.
    ///
    /// # Errors
    /// As [`ArrayFile::read`], with [`Error::Format`] if the array does not have three axes, and [`Error::NotLabels`] if a
    /// value is not a label from 0 to 2³² − 1.
    pub fn read_labels(&self) -> Result<Array3<u32>, Error> {
        let (values, _) = self.decode(|_, value: Value| Ok(value.number))?;
        let found = values.shape().to_vec();
        let values = values.into_dimensionality::<Ix3>().map_err(|_| Error::Format {
            path: self.path.clone(),
            expected: "labels with the axes [z, y, x]",
            found: format!("the shape {found:?}"),
        })?;
        match values.indexed_iter().find(|(_, value)| labels::nearest(**value).is_none()) {
            Some(((z, y, x), &found)) => {
                Err(Error::NotLabels { path: self.path.clone(), index_zyx: [z, y, x], found })
            }
            None => Ok(values.mapv(|value| labels::nearest(value).unwrap_or_default())),
        }
    }

    fn decode<T: Clone>(
        &self,
        convert: impl FnMut(usize, Value) -> Result<T, Error>,
    ) -> Result<(ArrayD<T>, String), Error> {
        let failed = |source| Error::Io { path: self.path.clone(), action: "read", source };
        let file = File::open(&self.path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Err(failed(std::io::ErrorKind::IsADirectory.into()));
        }
        let read = |path: &Path, source: &mut dyn Read, most| decode(path, source, most, convert);
        match self.path.extension() {
            Some(extension) if extension.eq_ignore_ascii_case("npz") => {
                archive::visit(&self.path, self.name.as_deref(), file, |path, source, most| {
                    read(path, &mut BufReader::new(source), most)
                })
            }
            _ => read(&self.path, &mut BufReader::new(file), metadata.len()),
        }
    }
}
