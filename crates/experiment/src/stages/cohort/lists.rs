//! The lists of a cohort: cases, cases left out, and what was found in the files of each.

use std::path::Path;

use relevox_volume::{INFORMATION_COLUMNS, ScanFile};

use super::inspection::{self, INSPECTED, rounded};
use super::left_out::{LEFT_OUT, left_out_csv};
use super::scans::Scans;
use crate::run::{Inputs, Run, hash_bytes, replace};
use crate::stages::work::Work;

/// Artefact that lists the cases; other runs accept it as a manifest.
pub const COHORT: &str = "cohort.csv";

impl Scans {
    /// Writes the lists of cases and records the cohort's fingerprint in the manifest.
    ///
    /// # Errors
    /// Returns an error if a file can't be written.
    pub fn record(&self, run: &Run) -> anyhow::Result<Work> {
        let inspected = inspection::to_csv(self.inspections.values().filter(|row| !row.transient))?;
        let rows = Inputs::new().file("rows", &hash_bytes(&inspected));
        let read = run.make(INSPECTED, &rows, |path| replace(path, &inspected))?;
        let listed = run.make_with(COHORT, &self.list_inputs(run.root())?, |path| {
            replace(&run.path(LEFT_OUT), &left_out_csv(self.left_out())?)?;
            replace(path, &self.cohort_csv(run.root())?)?;
            Ok(vec![LEFT_OUT.to_owned()])
        })?;
        run.record_cohort(&self.fingerprint())?;
        Ok(Work::from_iter([read, listed]))
    }

    /// Requires the lists of these cases in a run's folder.
    ///
    /// # Errors
    /// Returns [`Unavailable`](crate::failure::Unavailable) if the lists are missing or of other cases.
    pub fn require_recorded(&self, run: &Run) -> anyhow::Result<()> {
        run.require(COHORT, &self.list_inputs(run.root())?, "reproduce --stage cohort")
    }

    /// Returns the inputs of the lists: in addition to the content of the cases, their paths and the cases left out.
    fn list_inputs(&self, root: &Path) -> anyhow::Result<Inputs> {
        let inputs = self.inputs.clone().file("left_out", &hash_bytes(&left_out_csv(self.left_out())?));
        Ok(inputs.file("paths", &hash_bytes(&self.cohort_csv(root)?)))
    }

    fn cohort_csv(&self, root: &Path) -> anyhow::Result<Vec<u8>> {
        // Paths inside the run folder are relative to it, so that the bytes do not depend on its location.
        let relative = |file: &ScanFile| {
            let path = file.path.strip_prefix(root).unwrap_or(&file.path).to_owned();
            ScanFile { path, volume: file.volume }.to_string()
        };
        let mut table = csv::Writer::from_writer(Vec::new());
        let fixed = ["case", "group", "label", "split"];
        let sequences = self.sequences().iter().map(String::as_str);
        table.write_record(fixed.into_iter().chain(sequences).chain(["seg"]).chain(INFORMATION_COLUMNS))?;
        for case in self.cases() {
            let split = case.split.map(|split| split.to_string()).unwrap_or_default();
            let label = usize::from(case.label).to_string();
            let mut row = vec![case.id().to_owned(), case.group.clone(), label, split];
            row.extend(case.files.sequences.iter().map(|(_, file)| relative(file)));
            row.push(case.files.segmentation.as_ref().map(relative).unwrap_or_default());
            if let Some(found) = self.inspections.get(case.id()) {
                let share = |share: f64| rounded(share).to_string();
                row.push(found.orientation.clone().unwrap_or_default());
                row.push(found.spacing());
                row.push(share(found.brain_outside_crop));
                row.push(found.tumour_outside_crop.map(share).unwrap_or_default());
                row.push(share(found.clipped));
                row.push(share(found.air_not_zero));
            }
            table.write_record(row)?;
        }
        Ok(table.into_inner()?)
    }
}
