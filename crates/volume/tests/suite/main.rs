//! Scans from files to a network's input and back, on files made here, by nibabel, and by BraTS.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod augmentation;
mod bad_files;
mod bad_manifests;
mod cohorts;
mod nibabel_parity;
mod phantoms;
mod placement;
mod real_scans;
mod round_trip;
mod scans;
mod splits;
mod studies;
