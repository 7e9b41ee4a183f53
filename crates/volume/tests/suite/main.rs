//! From files to a network's input and back: on generated files, on files written by nibabel, and on BraTS scans.

#![allow(clippy::unwrap_used, reason = "a panic is the failure of a test")]

mod augmentation;
mod bad_files;
mod bad_manifests;
mod bad_settings;
mod cohorts;
mod descriptions;
mod fixtures;
mod inspections;
mod intensity_parity;
mod layouts;
mod nibabel_parity;
mod npy;
mod orientation_parity;
mod orientations;
mod other_formats;
mod phantoms;
mod placement;
mod readers;
mod real_parity;
mod real_scans;
mod resampling_parity;
mod round_trip;
mod scans;
#[cfg(feature = "serde")]
mod settings_files;
mod single_cases;
mod splits;
mod streams;
mod studies;
mod volumes;
mod warnings;
