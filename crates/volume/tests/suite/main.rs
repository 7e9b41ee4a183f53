//! From files to a network's input and back: on generated files, on files written by nibabel, and on BraTS scans.

#![allow(clippy::unwrap_used, reason = "a panic is the failure of a test")]

mod augmentation;
mod bad_files;
mod bad_manifests;
mod bad_settings;
mod cohorts;
mod descriptions;
mod layouts;
mod nibabel_parity;
mod other_formats;
mod phantoms;
mod placement;
mod readers;
mod real_scans;
mod round_trip;
mod scans;
mod single_cases;
mod splits;
mod streams;
mod studies;
mod volumes;
