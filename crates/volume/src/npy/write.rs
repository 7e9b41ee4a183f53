//! Writing arrays.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use ndarray::ArrayViewD;
use npyz::{WriteOptions, WriterBuilder};

use crate::{Error, atomic};

/// Writes an array in C order, under a temporary name that is renamed when the file is complete.
///
/// # Errors
/// Returns [`Error::Io`] if the file cannot be written.
pub fn write(path: &Path, array: ArrayViewD<'_, f32>) -> Result<(), Error> {
    let mut bytes = Vec::new();
    encode(&mut bytes, array).map_err(|source| cannot_write(path, source))?;
    atomic::write(path, &bytes)
}

/// Writes an array in C order at once, without flushing it to the disk: for files that another process reads next.
///
/// # Errors
/// Returns [`Error::Io`] if the file cannot be written.
pub fn write_unflushed(path: &Path, array: ArrayViewD<'_, f32>) -> Result<(), Error> {
    let write = || {
        let mut file = BufWriter::new(File::create(path)?);
        encode(&mut file, array)?;
        file.flush()
    };
    write().map_err(|source| cannot_write(path, source))
}

fn encode(out: &mut dyn Write, array: ArrayViewD<'_, f32>) -> io::Result<()> {
    let shape: Vec<u64> = array.shape().iter().map(|&axis| axis as u64).collect();
    let mut writer = WriteOptions::<f32>::new().default_dtype().shape(&shape).writer(out).begin_nd()?;
    writer.extend(array.iter().copied())?;
    writer.finish()
}

fn cannot_write(path: &Path, source: io::Error) -> Error {
    Error::Io { path: path.to_owned(), action: "write", source }
}
