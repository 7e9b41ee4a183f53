//! From files to a network's input and back: on generated files, on files written by nibabel, and on BraTS scans.

#![allow(clippy::unwrap_used, reason = "a panic is the failure of a test")]

mod augmentation;
mod bad_files;
mod bad_manifests;
mod bad_settings;
mod cohorts;
mod fixtures;
mod intensity_parity;
mod nibabel_parity;
mod orientation_parity;
mod orientations;
mod phantoms;
mod placement;
mod real_parity;
mod real_scans;
mod resampling_parity;
mod round_trip;
mod scans;
#[cfg(feature = "serde")]
mod settings_files;
mod splits;
mod streams;
mod studies;
mod warnings;
