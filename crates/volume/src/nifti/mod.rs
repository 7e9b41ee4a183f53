//! NIfTI-1 files, `.nii` and `.nii.gz`.
//!
//! Supported are single-file NIfTI-1 volumes with 3 dimensions (or more, if the others are 1), with voxels of 8- to
//! 64-bit signed or unsigned integers, float32 or float64, in either byte order; `scl_slope` and `scl_inter` are
//! applied. Anything else is rejected with an error that names it. NIfTI stores x fastest, which is C order `[z, y, x]`,
//! so voxels need no transposition.
//!
//! The sizes in a header are not trusted. They are compared with the length of the file, if it is known, before
//! anything is allocated, and memory grows with the voxels that have been decoded. A file that ends before its last
//! voxel or continues after it is rejected, because its header cannot describe it. Extensions between header and voxels
//! are skipped.
//!
//! Reference: the NIfTI-1 data format, <https://nifti.nimh.nih.gov/nifti-1>.

mod decode;
mod header;
mod read;
mod write;

pub use read::{read, read_from, read_labels, read_labels_from};
pub use write::{write, write_labels};
