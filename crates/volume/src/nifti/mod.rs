//! NIfTI files: `.nii`, `.nii.gz`, and pairs of `.hdr` and `.img`.
//!
//! Read are NIfTI-1 and NIfTI-2 files of one volume with 3 dimensions, or one volume of a file with more dimensions,
//! with voxels of 8- to 64-bit signed or unsigned integers, float32 or float64, in either byte order; `scl_slope` and
//! `scl_inter` are applied. Anything else is rejected with an error that names it, and how to convert it if it is
//! another format. Written are single NIfTI-1 files. NIfTI stores x fastest, which is C order `[z, y, x]`, so voxels
//! need no transposition.
//!
//! The sizes in a header are not trusted. They are compared with the length of the file, if it is known, before
//! anything is allocated, and memory grows with the voxels that have been decoded. A file that ends before its last
//! voxel or continues after it is rejected, because its header cannot describe it; only zeros may follow, fewer than a
//! slice of them and at most 4096 bytes. Extensions between header and voxels are skipped.
//!
//! Where the format leaves room and readers disagree, `docs/FORMATS.md` lists what is done and why.
//!
//! Reference: the data formats, <https://nifti.nimh.nih.gov/nifti-1> and <https://nifti.nimh.nih.gov/nifti-2>.

mod decode;
mod description;
mod fields;
mod gzip;
mod header;
mod other_formats;
mod pair;
mod read;
mod voxel_type;
mod write;

pub(crate) use pair::files;
pub(crate) use read::count_volumes;

pub use description::{Description, Intent};
pub use read::{read, read_from, read_label_volume, read_labels, read_labels_from, read_volume};
pub use write::{write, write_label_map, write_labels, write_map};
