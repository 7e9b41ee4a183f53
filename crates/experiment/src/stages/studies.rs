//! Studies in memory: each is read once, as long as memory lasts.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::Context;
use relevox_volume::{CaseFiles, CohortCase, Study, ValidPreprocess};

use crate::run::available_memory;

/// What to keep where the system does not say how much memory there is.
const KEPT_BYTES: u64 = 2 << 30;

/// Reads studies and keeps those that fit into half of the memory that was free.
#[derive(Debug)]
pub struct StudyCache {
    cases: HashMap<String, Case>,
    preprocess: ValidPreprocess,
    room: AtomicUsize,
}

#[derive(Debug)]
struct Case {
    files: CaseFiles,
    study: Mutex<Option<Arc<Study>>>,
}

impl StudyCache {
    /// No study is read yet.
    pub fn new(cases: &[CohortCase], preprocess: &ValidPreprocess) -> Self {
        let case = |case: &CohortCase| {
            (case.id().to_owned(), Case { files: case.files.clone(), study: Mutex::new(None) })
        };
        let room = available_memory().map_or(KEPT_BYTES, |bytes| bytes / 2);
        Self {
            cases: cases.iter().map(case).collect(),
            preprocess: preprocess.clone(),
            room: AtomicUsize::new(usize::try_from(room).unwrap_or(usize::MAX)),
        }
    }

    /// A case's study.
    ///
    /// # Errors
    /// Files that can't be read or used, by name.
    pub fn get(&self, case: &str) -> anyhow::Result<Arc<Study>> {
        let case = self.cases.get(case).with_context(|| format!("{case}: not a case of this cohort"))?;
        let kept = || case.study.lock().ok().and_then(|study| study.clone());
        if let Some(study) = kept() {
            return Ok(study);
        }
        let study = Arc::new(Study::load(&case.files, &self.preprocess)?);
        let bytes = study.image.len() * size_of::<f32>() + study.brain.len() * 2;
        let fits = self.room.try_update(Ordering::Relaxed, Ordering::Relaxed, |room| room.checked_sub(bytes));
        if fits.is_ok()
            && let Ok(mut kept) = case.study.lock()
        {
            *kept = Some(Arc::clone(&study));
        }
        Ok(study)
    }
}
