//! Cache of preprocessed scans, limited by the available memory.
//!
//! Artefacts record the content hash of the scans that they are made from, computed when the cohort was found. A scan is read
//! later: one that was changed in between is refused, because the record would be that of another scan.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use anyhow::Context;
use relevox_volume::{CaseFiles, CohortCase, Study, ValidPreprocess};

use crate::failure::invalid_input;
use crate::run::{available_memory, hash_file};

/// Capacity if the available memory is unknown.
const DEFAULT_BYTES: u64 = 2 << 30;

/// Reads studies, and caches as many as fit into half of the memory available at the start.
#[derive(Debug)]
pub struct StudyCache {
    cases: HashMap<String, Case>,
    preprocess: ValidPreprocess,
    room: AtomicUsize,
}

#[derive(Debug)]
struct Case {
    files: CaseFiles,
    /// State of the case's files at the time of hashing.
    hashed: Vec<HashedFile>,
    study: Mutex<Option<Arc<Study>>>,
}

/// A file with its content hash.
#[derive(Clone, Debug)]
pub struct HashedFile {
    path: PathBuf,
    /// Size and time of modification before it was hashed.
    seen: Option<(u64, SystemTime)>,
    /// Hash of its content.
    pub sha256: String,
}

impl HashedFile {
    /// Hashes a file.
    ///
    /// # Errors
    /// Returns an [`InputError`](crate::failure::InputError) if it can't be read.
    pub fn read(path: PathBuf) -> anyhow::Result<Self> {
        let seen = seen(&path);
        let sha256 = hash_file(&path)?;
        Ok(Self { path, seen, sha256 })
    }

    /// Requires the content that was hashed: compared only if size or time differ.
    fn require_unchanged(&self) -> anyhow::Result<()> {
        if self.seen.is_some() && self.seen == seen(&self.path) {
            return Ok(());
        }
        if hash_file(&self.path)? == self.sha256 {
            return Ok(());
        }
        Err(invalid_input(format!(
            "{}: was changed while this command was running; run the same command again when no other program writes to it",
            self.path.display()
        )))
    }
}

fn seen(path: &Path) -> Option<(u64, SystemTime)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.len(), metadata.modified().ok()?))
}

impl StudyCache {
    /// Creates an empty cache.
    pub fn new(cases: &[CohortCase], preprocess: &ValidPreprocess) -> Self {
        let case = |case: &CohortCase| {
            (
                case.id().to_owned(),
                Case { files: case.files.clone(), hashed: Vec::new(), study: Mutex::new(None) },
            )
        };
        let room = available_memory().map_or(DEFAULT_BYTES, |bytes| bytes / 2);
        Self {
            cases: cases.iter().map(case).collect(),
            preprocess: preprocess.clone(),
            room: AtomicUsize::new(usize::try_from(room).unwrap_or(usize::MAX)),
        }
    }

    /// Stores the files of a case as they were hashed, before its study is read.
    pub fn set_hashed(&mut self, case: &str, hashed: Vec<HashedFile>) {
        if let Some(case) = self.cases.get_mut(case) {
            case.hashed = hashed;
        }
    }

    /// Returns the study of a case.
    ///
    /// # Errors
    /// Returns an error that names the file if it can't be read, or was changed since it was hashed.
    pub fn get(&self, case: &str) -> anyhow::Result<Arc<Study>> {
        let case = self.cases.get(case).with_context(|| format!("{case}: not a case of this cohort"))?;
        let cached = || case.study.lock().ok().and_then(|study| study.clone());
        if let Some(study) = cached() {
            return Ok(study);
        }
        let loaded = Study::load(&case.files, &self.preprocess);
        // Also after a failure: half a file, which another program is writing, is no unusable scan.
        case.hashed.iter().try_for_each(HashedFile::require_unchanged)?;
        let study = Arc::new(loaded?);
        let bytes = study.image.len() * size_of::<f32>() + study.brain.len() * 2;
        let fits = self.room.try_update(Ordering::Relaxed, Ordering::Relaxed, |room| room.checked_sub(bytes));
        if fits.is_ok()
            && let Ok(mut cached) = case.study.lock()
        {
            *cached = Some(Arc::clone(&study));
        }
        Ok(study)
    }
}
