//! Hashing and reading of cases. A case whose files were read before, under the same settings, is not read again.

use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;
use relevox_volume::{CohortCase, Error, LeftOut, ScanFile};

use super::inspection::{self, Inspection};
use super::preprocess_input::preprocess_input;
use crate::config::ValidConfig;
use crate::failure::InputError;
use crate::interrupt;
use crate::progress::Progress;
use crate::run::{Inputs, hash_bytes};
use crate::stages::studies::{HashedFile, StudyCache};

/// Content hashes of a case's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hashes {
    /// Hash of all sequences.
    pub sequences: String,
    /// Hash of the segmentation.
    pub seg: Option<String>,
}

/// Cases that were read, and the inspections that an earlier command stored.
#[derive(Debug)]
pub(super) struct Inspector {
    settings: String,
    stored: BTreeMap<String, Inspection>,
    /// Content hashes by case, of those whose files can be hashed.
    pub hashes: BTreeMap<String, Hashes>,
    /// Inspections by case.
    pub rows: BTreeMap<String, Inspection>,
    /// Preprocessed scans.
    pub studies: StudyCache,
}

impl Inspector {
    /// Creates an inspector of cases, with the inspections of a run folder.
    pub fn new(config: &ValidConfig, root: &Path, cases: &[CohortCase]) -> Self {
        let settings = Inputs::new().setting("preprocess", &preprocess_input(&config.preprocess));
        Self {
            settings: hash_bytes(settings.to_value().to_string().as_bytes()),
            stored: inspection::read(root),
            hashes: BTreeMap::new(),
            rows: BTreeMap::new(),
            studies: StudyCache::new(cases, config.preprocess()),
        }
    }

    /// Inspects the cases that were not inspected yet, each in full, and returns those that can't be used.
    ///
    /// # Errors
    /// Returns an error if the user interrupts it.
    pub fn inspect(&mut self, cases: &[CohortCase]) -> anyhow::Result<Vec<LeftOut>> {
        let new: Vec<&CohortCase> = cases.iter().filter(|case| !self.rows.contains_key(case.id())).collect();
        let progress = Progress::start("cohort: check", new.len(), "cases");
        let hashed: Vec<(&CohortCase, Result<HashedCase, String>)> = new
            .into_par_iter()
            .map(|case| {
                interrupt::check()?;
                let hashes = hash_case(case)?;
                progress.advance(1);
                anyhow::Ok((case, hashes))
            })
            .collect::<Result<_, _>>()?;
        drop(progress);
        let mut unread = Vec::new();
        for (case, hashes) in hashed {
            let id = case.id().to_owned();
            match hashes {
                Ok((hashes, files)) => {
                    self.studies.set_hashed(&id, files);
                    match self.stored.get(&id).filter(|row| self.is_current(row, &hashes)) {
                        Some(row) => drop(self.rows.insert(id.clone(), row.clone())),
                        None => unread.push(case),
                    }
                    self.hashes.insert(id, hashes);
                }
                Err(reason) => {
                    let row = Inspection { transient: true, ..Inspection::unusable(reason) };
                    self.insert(id, row);
                }
            }
        }
        let progress = Progress::start("cohort", unread.len(), "cases");
        let read: Vec<(String, Inspection)> = unread
            .into_par_iter()
            .map(|case| {
                interrupt::check()?;
                let row = self.read(case)?;
                progress.advance(1);
                anyhow::Ok((case.id().to_owned(), row))
            })
            .collect::<Result<_, _>>()?;
        drop(progress);
        read.into_iter().for_each(|(id, row)| self.insert(id, row));
        let unusable = cases.iter().filter_map(|case| {
            let reason = self.rows.get(case.id())?.reason.clone()?;
            Some(LeftOut { case: case.id().to_owned(), reason })
        });
        Ok(unusable.collect())
    }

    /// Returns whether an earlier command used a case under the same settings.
    pub fn used(&self, case: &str) -> bool {
        self.stored.get(case).is_some_and(|row| row.settings == self.settings && row.reason.is_none())
    }

    fn is_current(&self, row: &Inspection, hashes: &Hashes) -> bool {
        row.settings == self.settings && row.files == files(hashes)
    }

    fn insert(&mut self, id: String, row: Inspection) {
        let files = self.hashes.get(&id).map(files).unwrap_or_default();
        let row = Inspection { case: id.clone(), files, settings: self.settings.clone(), ..row };
        self.rows.insert(id, row);
    }

    fn read(&self, case: &CohortCase) -> anyhow::Result<Inspection> {
        let error = match self.studies.get(case.id()) {
            Ok(study) if study.brain.iter().any(|&inside| inside) => return Ok(Inspection::usable(&study)),
            Ok(study) => {
                let [z, y, x] = study.frame.crop();
                let reason = format!(
                    "no voxel of the brain inside the centre crop of {x} x {y} x {z} voxels (x, y, z)"
                );
                return Ok(Inspection::unusable(reason));
            }
            Err(error) => error,
        };
        let Some(of_scan) = error.downcast_ref::<Error>() else { return Err(error) };
        let text = of_scan.to_string();
        let reason = text.strip_prefix(&format!("case {}: ", case.id())).unwrap_or(&text).to_owned();
        Ok(Inspection { transient: matches!(of_scan, Error::Io { .. }), ..Inspection::unusable(reason) })
    }
}

/// Hash of all files of a case.
fn files(hashes: &Hashes) -> String {
    let seg = hashes.seg.as_deref().unwrap_or("none");
    hash_bytes(format!("{} {seg}", hashes.sequences).as_bytes())
}

/// Content hashes of a case, and its files as they were hashed.
type HashedCase = (Hashes, Vec<HashedFile>);

/// Hashes the files of a case, or returns why one can't be read.
fn hash_case(case: &CohortCase) -> anyhow::Result<Result<HashedCase, String>> {
    let hash = || -> anyhow::Result<HashedCase> {
        let mut files = Vec::new();
        let sequences = case.files.sequences.iter();
        let sequences: Vec<String> =
            sequences.map(|(_, file)| hash_scan(file, &mut files)).collect::<Result<_, _>>()?;
        let seg = case.files.segmentation.as_ref().map(|file| hash_scan(file, &mut files)).transpose()?;
        Ok((Hashes { sequences: hash_bytes(sequences.join(" ").as_bytes()), seg }, files))
    };
    match hash() {
        Err(error) if error.is::<InputError>() => Ok(Err(error.to_string())),
        other => other.map(Ok),
    }
}

/// Hashes the content of a scan, with the index of its volume in a 4D file, and adds its files.
fn hash_scan(scan: &ScanFile, files: &mut Vec<HashedFile>) -> anyhow::Result<String> {
    let hashed: Vec<HashedFile> =
        scan.files().into_iter().map(HashedFile::read).collect::<anyhow::Result<_>>()?;
    let hash = match hashed.as_slice() {
        [single] => single.sha256.clone(),
        // A pair of header and voxels.
        all => {
            let hashes: Vec<&str> = all.iter().map(|file| file.sha256.as_str()).collect();
            hash_bytes(hashes.join(" ").as_bytes())
        }
    };
    files.extend(hashed);
    Ok(scan.volume.map_or(hash.clone(), |volume| format!("{hash}#{volume}")))
}

#[cfg(test)]
mod tests {
    use relevox_volume::CaseFiles;

    use super::*;
    use crate::config::Layers;
    use crate::run::replace;

    fn case(id: &str, file: &Path) -> CohortCase {
        let sequences = ["t1", "t1ce", "t2", "flair"].map(|name| (name.to_owned(), file.into()));
        let files = CaseFiles { id: id.into(), sequences: sequences.into(), segmentation: None };
        CohortCase { files, group: id.into(), label: true, split: None }
    }

    #[test]
    fn files_that_cannot_be_opened_are_tried_again_and_those_that_are_no_scan_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let [absent, text] = ["absent.nii", "text.nii"].map(|name| folder.path().join(name));
        std::fs::write(&text, "not a scan".repeat(60)).unwrap();
        let cases = [case("a", &absent), case("b", &text)];
        let config = Layers::default().resolve().unwrap().config;
        let mut inspector = Inspector::new(&config, folder.path(), &cases);
        let reasons: Vec<String> =
            inspector.inspect(&cases).unwrap().into_iter().map(|unusable| unusable.reason).collect();
        assert!(reasons[0].contains("absent.nii: expected a readable file"), "{reasons:?}");
        assert!(reasons[1].contains("text.nii"), "{reasons:?}");
        assert!(inspector.rows["a"].transient && !inspector.rows["b"].transient);

        // What was found is stored by content, and is not a use of the case.
        let stored = inspection::to_csv([&inspector.rows["b"]]).unwrap();
        replace(&folder.path().join(inspection::INSPECTED), &stored).unwrap();
        let mut next = Inspector::new(&config, folder.path(), &cases);
        assert_eq!(next.inspect(&cases).unwrap().len(), 2);
        assert_eq!(next.rows["b"], inspector.rows["b"]);
        assert!(!next.used("a") && !next.used("b"));
    }
    #[test]
    fn a_scan_that_was_changed_after_it_was_hashed_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let scan = folder.path().join("scan.nii");
        let geometry = relevox_volume::Geometry::axis_aligned([8; 3], [1.0; 3]);
        let write = |value: f32| {
            let voxels = ndarray::Array3::from_shape_fn([8; 3], |(z, y, x)| value + (z * y * x) as f32);
            let volume = relevox_volume::Volume { voxels, geometry: geometry.clone() };
            relevox_volume::nifti::write(&scan, &volume).unwrap();
        };
        write(0.0);
        let mut cases = [case("a", &scan)];
        cases[0].files.sequences.truncate(1);
        let set = ["preprocess.crop=[8, 8, 8]", "preprocess.sequences=[\"t1\"]"].map(str::to_owned);
        let config = Layers { set: set.into(), ..Layers::default() };
        let config = config.resolve().unwrap().config;
        let hashed = || {
            let mut inspector = Inspector::new(&config, folder.path(), &cases);
            assert!(inspector.inspect(&cases).unwrap().is_empty());
            // As in a later command, which reads nothing at first.
            let mut studies = StudyCache::new(&cases, config.preprocess());
            studies.set_hashed("a", hash_case(&cases[0]).unwrap().unwrap().1);
            studies
        };
        hashed().get("a").unwrap();
        let studies = hashed();
        write(1.0);
        let error = studies.get("a").unwrap_err();
        assert!(error.is::<InputError>() && error.to_string().contains("was changed while"), "{error}");
        // Written again with the same content, and read in part.
        write(0.0);
        studies.get("a").unwrap();
        let studies = hashed();
        std::fs::write(&scan, b"half").unwrap();
        assert!(studies.get("a").unwrap_err().to_string().contains("was changed while"));
        // A file that cannot be read as a scan is left out.
        assert_eq!(Inspector::new(&config, folder.path(), &cases).inspect(&cases).unwrap().len(), 1);
    }
}
