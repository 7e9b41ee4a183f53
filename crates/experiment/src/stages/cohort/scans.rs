//! The cases of a run with their scans.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use relevox_volume::{CohortCase, LeftOut, Split, Study, ValidPreprocess};
use serde_json::{Value, json};

use super::findings::{empty_segmentations, findings};
use super::inspection::Inspection;
use super::inspector::{Hashes, Inspector};
use super::left_out::{LEFT_OUT, left_out_summary};
use super::preprocess_input::preprocess_input;
use crate::config::ValidConfig;
use crate::failure::invalid_input;
use crate::run::{Inputs, hash_bytes, resolve_links};
use crate::stages::studies::StudyCache;

/// Cases left out that a line names.
const NAMED: usize = 3;

/// Cases of a run, with their splits.
#[derive(Debug)]
pub struct Scans {
    cases: Vec<CohortCase>,
    left_out: Vec<LeftOut>,
    notes: Vec<String>,
    hashes: BTreeMap<String, Hashes>,
    pub(super) inspections: BTreeMap<String, Inspection>,
    preprocess: ValidPreprocess,
    pub(super) inputs: Inputs,
    studies: StudyCache,
}

impl Scans {
    /// Creates the scans of inspected cases. `notes` are lines about the cohort as a whole.
    pub(super) fn new(
        config: &ValidConfig,
        cases: Vec<CohortCase>,
        left_out: Vec<LeftOut>,
        notes: Vec<String>,
        inspector: Inspector,
    ) -> Self {
        let Inspector { hashes, rows: inspections, studies, .. } = inspector;
        let rows: BTreeMap<&str, Value> = cases
            .iter()
            .map(|case| {
                let hashes = &hashes[case.id()];
                (case.id(), json!([case.group, case.label, case.split, hashes.sequences, hashes.seg]))
            })
            .collect();
        let preprocess = config.preprocess().clone();
        let inputs = Inputs::new()
            .setting("preprocess", &preprocess_input(preprocess.settings()))
            .setting("cases", &rows);
        Self { cases, left_out, notes, hashes, inspections, preprocess, inputs, studies }
    }

    /// Requires that no scan lies in the run's folder, where the run could overwrite or remove it.
    ///
    /// # Errors
    /// Returns an [`InputError`](crate::failure::InputError) that names the first such scan.
    pub fn refuse_inside(&self, root: &Path) -> anyhow::Result<()> {
        let folder = resolve_links(root);
        for case in &self.cases {
            for path in case.files.paths() {
                if path.canonicalize().is_ok_and(|path| path.starts_with(&folder)) {
                    return Err(invalid_input(format!(
                        "case {}: expected scans outside of the run folder {}, found {}; select another folder with --out",
                        case.id(),
                        root.display(),
                        path.display()
                    )));
                }
            }
        }
        Ok(())
    }

    /// Computes a hash of the cases, their labels and splits, and the content of their files.
    pub fn fingerprint(&self) -> String {
        hash_bytes(self.inputs.to_value().to_string().as_bytes())
    }

    /// All cases, by name.
    pub fn cases(&self) -> &[CohortCase] {
        &self.cases
    }

    /// Cases that can't be used, by name.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// Describes the cases left out on one line, if there are any.
    pub fn left_out_line(&self) -> Option<String> {
        let (count, all) = (self.left_out.len(), self.left_out.len() + self.cases.len());
        let summary = left_out_summary(&self.left_out, NAMED);
        (count > 0).then(|| format!("{count} of {all} cases left out, listed in {LEFT_OUT}: {summary}"))
    }

    /// Lists what was found in the files of the cases and done to them, counted over the cohort, one line each.
    pub fn findings(&self) -> Vec<String> {
        let rows: Vec<&Inspection> =
            self.cases.iter().filter_map(|case| self.inspections.get(case.id())).collect();
        let found = findings(&rows, self.preprocess.settings());
        let segmented = self.cases.iter().filter_map(|case| {
            case.files.segmentation.as_ref()?;
            Some((case.split?, self.inspections.get(case.id())?))
        });
        let empty = empty_segmentations(segmented);
        self.notes.iter().cloned().chain(found).chain(empty).collect()
    }

    /// Sequences, in the order of the image's channels.
    pub fn sequences(&self) -> &[String] {
        self.preprocess.sequences()
    }

    /// Settings of the preprocessing.
    pub fn preprocess(&self) -> &ValidPreprocess {
        &self.preprocess
    }

    /// Cases of a split, by name.
    pub fn split(&self, split: Split) -> impl Iterator<Item = &CohortCase> {
        self.cases.iter().filter(move |case| case.split == Some(split))
    }

    /// Returns the preprocessed scans of a case.
    ///
    /// # Errors
    /// Returns an error that names the file if it can't be read.
    pub fn study(&self, case: &str) -> anyhow::Result<Arc<Study>> {
        self.studies.get(case)
    }

    /// Number of a case's tumour voxels on the network's grid; 0 without a segmentation.
    ///
    /// # Errors
    /// Returns an error if the case is not in the cohort.
    pub fn tumour_voxels(&self, case: &str) -> anyhow::Result<usize> {
        let found =
            self.inspections.get(case).with_context(|| format!("{case}: not a case of this cohort"))?;
        Ok(found.tumour_voxels)
    }

    /// Returns the inputs of every artefact computed from a case: the content of its scans, and the preprocessing.
    ///
    /// # Errors
    /// Returns an error if the case is not in the cohort.
    pub fn inputs(&self, case: &str) -> anyhow::Result<Inputs> {
        let hashes = self.hashes.get(case).with_context(|| format!("{case}: not a case of this cohort"))?;
        let preprocess = preprocess_input(self.preprocess.settings());
        Ok(Inputs::new().file("scan", &hashes.sequences).setting("preprocess", &preprocess))
    }

    /// Content hash of a case's segmentation, if it has one.
    pub fn seg_hash(&self, case: &str) -> Option<&str> {
        self.hashes.get(case)?.seg.as_deref()
    }

    /// Returns the inputs of training: the scans, labels and splits of the training and validation cases.
    pub fn training_inputs(&self) -> Inputs {
        let rows: BTreeMap<&str, Value> = self
            .cases
            .iter()
            .filter(|case| case.split != Some(Split::Test))
            .map(|case| {
                let scan = &self.hashes[case.id()].sequences;
                (case.id(), json!([case.label, case.split, scan]))
            })
            .collect();
        let preprocess = preprocess_input(self.preprocess.settings());
        Inputs::new().setting("preprocess", &preprocess).setting("cases", &rows)
    }
}
