//! NumPy's `.npy` and `.npz` files.
//!
//! Arrays of any numeric type, either byte order and either order of the axes are read; nothing that a header says about
//! its size is allocated before the bytes are there. Objects (pickles) are refused.
//!
//! Reference: NEP 1, <https://numpy.org/neps/nep-0001-npy-format.html>.

mod archive;
mod array;
mod array_file;
mod decode;
mod read;
mod write;

pub use array::NpyArray;
pub use array_file::ArrayFile;
pub use write::{write, write_unflushed};
