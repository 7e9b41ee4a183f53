//! The folder of a run: its artefacts, and the inputs each was made from.
//!
//! Every artefact has a sidecar, `ARTEFACT.made.json`, with its inputs: settings by value, files by content hash. An
//! artefact is *current* if its sidecar lists the inputs that it would be made from now, and its files are as they were
//! written: the sidecar has their sizes and hashes. Only this decides whether a command makes an artefact again, so an
//! interrupted command resumes where it stopped. Sidecars contain no times: equal inputs give equal bytes.

mod artefacts;
mod available;
mod folder;
mod guards;
mod hash;
mod host;
mod inputs;
mod manifest;
mod open;
mod sidecar;
mod stage_record;
mod verify;
mod write;
mod written;

#[cfg(test)]
pub(crate) use artefacts::ARTEFACTS;
pub use artefacts::MANIFEST;
pub use available::available_memory;
pub use folder::Run;
pub use guards::resolve_links;
pub use hash::{hash_bytes, hash_file, stream_seed};
pub use host::{Host, git_revision, load_average, peak_memory_mib, reset_peak_memory};
pub use inputs::Inputs;
pub use manifest::{Outcome, StageTimer};
pub use open::{CONFIG, OpenMode, RunSpec, Unusable};
pub use sidecar::{SIDECAR, State, not_found, require, unavailable};
pub use stage_record::{StageRecord, StageState};
pub use verify::{Verified, verify};
pub use write::{check_writable, replace};
pub use written::Written;
