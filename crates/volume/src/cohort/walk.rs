//! The search of a folder for the folders of cases and for tables of grades.

use std::path::{Path, PathBuf};

use super::case_id::{case_id, is_subject, whole};
use super::grades::{self, Grades};
use super::left_out::LeftOut;
use super::msd::{self, DataSet};
use super::scans::{self, Listing, Scan, file_name};
use super::sequence_names::SequenceNames;
use super::{folder, foreign};
use crate::Error;

/// Largest depth of a case's folder below the cohort's.
pub(super) const LARGEST_DEPTH: usize = 6;
/// Folders of a BIDS data set with results and raw material. They hold masks of the cases, but no cases.
const NOT_CASES: [&str; 4] = ["derivatives", "sourcedata", "code", "stimuli"];

/// Folders next to those, which hold the cases if the data set's own folder does not.
const RAW: &str = "rawdata";

/// The folder of a case.
#[derive(Debug)]
pub(super) struct Found {
    /// The folder.
    pub folder: PathBuf,
    /// Identifier of the case.
    pub id: String,
    /// Class by the nearest folder called HGG or LGG.
    pub grade: Option<bool>,
    /// Its scans.
    pub scans: Vec<Scan>,
}

/// A data set with a `dataset.json`, and the class by the nearest folder called HGG or LGG.
#[derive(Debug)]
pub(super) struct FoundDataSet {
    /// The data set.
    pub data_set: DataSet,
    /// The class.
    pub grade: Option<bool>,
}

/// What a search finds.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// Folders with a sequence of the settings.
    pub cases: Vec<Found>,
    /// Folders of scans of which none is named as a sequence of the settings.
    pub unknown: Vec<Found>,
    /// Data sets of 4D files.
    pub data_sets: Vec<FoundDataSet>,
    /// Tables of grades.
    pub grades: Grades,
    /// Scans outside of the folders of cases.
    pub loose: folder::Loose,
    /// Folders that cannot be read, and folders of images in other formats.
    pub left_out: Vec<LeftOut>,
}

/// Searches a folder.
pub(super) fn search(root: &Path, names: &SequenceNames) -> Result<Search, Error> {
    let mut walk = Walk { names, found: Search::default(), above: Vec::new() };
    let listing = scans::list(root)?;
    let grade = grades::class(&file_name(&whole(root)));
    walk.visit(root, listing, grade, 0)?;
    let whole = whole(root);
    if let Some(parent) = whole.parent()
        && file_name(&whole) == RAW
    {
        for folder in NOT_CASES {
            walk.collect_loose(&parent.join(folder), 0);
        }
    }
    let Walk { mut found, .. } = walk;
    if let Some(parent) = whole.parent() {
        for table in scans::entries(parent).unwrap_or_default().iter().filter(|path| grades::is_table(path)) {
            found.grades.add(table)?;
        }
    }
    Ok(found)
}

/// Collects the scans of a BIDS subject in the folders of results next to the subject's own: `derivatives/sub-01` and
/// `derivatives/PIPELINE/sub-01`.
pub(super) fn derivatives_of(case: &Path, subject: &str) -> folder::Loose {
    let names = SequenceNames::new(&[]);
    let mut walk = Walk { names: &names, found: Search::default(), above: Vec::new() };
    let own = whole(case);
    let Some(data_set) = own.ancestors().find(|folder| file_name(folder) == subject).and_then(Path::parent)
    else {
        return walk.found.loose;
    };
    let raw = Some(data_set).filter(|folder| file_name(folder) == RAW).and_then(Path::parent);
    for results in NOT_CASES.iter().flat_map(|name| {
        let places = [Some(data_set), raw];
        places.into_iter().flatten().map(|folder| folder.join(name)).collect::<Vec<_>>()
    }) {
        let pipelines = scans::list(&results).map(|listing| listing.folders).unwrap_or_default();
        for folder in [results].into_iter().chain(pipelines) {
            walk.collect_loose(&folder.join(subject), 0);
        }
    }
    walk.found.loose
}

struct Walk<'a> {
    names: &'a SequenceNames,
    found: Search,
    /// The folders above the current one, without links.
    above: Vec<PathBuf>,
}

impl Walk<'_> {
    fn visit(
        &mut self,
        folder: &Path,
        listing: Listing,
        grade: Option<bool>,
        depth: usize,
    ) -> Result<(), Error> {
        for table in listing.others.iter().filter(|path| grades::is_table(path)) {
            self.found.grades.add(table)?;
        }
        match msd::read(folder) {
            Ok(Some(data_set)) if data_set.has_images() => {
                self.found.data_sets.push(FoundDataSet { data_set, grade });
                return Ok(());
            }
            Ok(_) => {}
            Err(error) => {
                self.found.left_out.push(LeftOut { case: case_id(folder), reason: error.to_string() });
            }
        }
        let Listing { scans, folders, others } = listing;
        let known = scans.iter().any(|scan| self.names.of_scan(scan).is_some());
        // A stray scan next to the folders of cases does not make their parent a case.
        if known || (!scans.is_empty() && folders.is_empty()) {
            let found = Found { folder: folder.to_owned(), id: case_id(folder), grade, scans };
            if known {
                self.found.cases.push(found);
            } else {
                self.add_loose(&found.scans);
                self.found.unknown.push(found);
            }
            return Ok(());
        }
        self.add_loose(&scans);
        if depth > 0
            && folders.is_empty()
            && let Some(reason) = foreign::describe(&others)
        {
            self.found
                .left_out
                .push(LeftOut { case: case_id(folder), reason: format!("no NIfTI file, but {reason}") });
        }
        if depth < LARGEST_DEPTH {
            self.descend(folder, folders, grade, depth)?;
        }
        Ok(())
    }

    fn descend(
        &mut self,
        folder: &Path,
        folders: Vec<PathBuf>,
        grade: Option<bool>,
        depth: usize,
    ) -> Result<(), Error> {
        let real = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        self.above.push(real);
        let is_bids =
            folders.iter().map(|folder| file_name(folder)).any(|name| is_subject(&name) || name == RAW);
        for folder in folders {
            // A link to a folder above would repeat it.
            let real = folder.canonicalize().unwrap_or_else(|_| folder.clone());
            if self.above.contains(&real) {
                continue;
            }
            let name = file_name(&folder);
            if is_bids && NOT_CASES.contains(&name.as_str()) {
                self.collect_loose(&folder, depth + 1);
                continue;
            }
            match scans::list(&folder) {
                Ok(listing) => {
                    self.visit(&folder, listing, grades::class(&name).or(grade), depth + 1)?;
                }
                Err(error) => {
                    self.found.left_out.push(LeftOut { case: case_id(&folder), reason: error.to_string() });
                }
            }
        }
        self.above.pop();
        Ok(())
    }

    /// Collects all scans below a folder of results.
    fn collect_loose(&mut self, folder: &Path, depth: usize) {
        let Ok(listing) = scans::list(folder) else { return };
        self.add_loose(&listing.scans);
        if depth < LARGEST_DEPTH {
            for folder in listing.folders.iter().filter(|folder| !folder.is_symlink()) {
                self.collect_loose(folder, depth + 1);
            }
        }
    }

    fn add_loose(&mut self, scans: &[Scan]) {
        for scan in scans {
            self.found.loose.entry(scan.stem.to_ascii_lowercase()).or_default().push(scan.clone());
        }
    }
}
