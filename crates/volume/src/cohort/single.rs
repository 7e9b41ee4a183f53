//! Opening single cases: the folder of one, or a 4D file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::case::CaseFiles;
use super::case_id::{case_id, is_subject, whole};
use super::folder::{CaseNames, Loose, Outline};
use super::msd::{DataSet, channel_of};
use super::scans::{self, Scan, file_name};
use super::sequence_names::SequenceNames;
use super::walk::{self, Search};
use super::{assemble, folder};
use crate::{Error, nifti};

const ONE_CASE: &str = "the folder of one case";
const CASE: &str = "the folder of one case, or a 4D file with its channels";

/// Where the files of a single case are.
enum Located {
    /// Files by sequence in a folder, and scans elsewhere below the folder that was given.
    Scans { folder: PathBuf, id: String, scans: Vec<Scan>, loose: Loose },
    /// A 4D file and the data set that describes it.
    DataSet { data_set: DataSet, path: PathBuf },
}

impl CaseFiles {
    /// Lists the files of the sequences in the folder of one case, in any of the layouts of [`Cohort::open`]: the folder
    /// of the files itself, the folder of a BIDS subject or session, or a folder with one 4D file that is described by a
    /// `dataset.json` there or above. The segmentation is not listed; see [`CaseFiles::outline_of`].
    ///
    /// # Errors
    /// - [`Error::Io`] if the folder cannot be read.
    /// - [`Error::IncompleteCase`] if it lacks one of `sequences`, or has several files of one; the message names them and
    ///   what is there.
    /// - [`Error::Format`] if it has several cases; the message names one to give instead.
    ///
    /// [`Cohort::open`]: crate::Cohort::open
    pub fn in_folder(folder: &Path, sequences: &[String]) -> Result<CaseFiles, Error> {
        let names = SequenceNames::new(sequences);
        locate(folder, sequences, &names)?.files(&names)
    }

    /// Finds the expert's segmentation of the tumour of the case that [`CaseFiles::in_folder`] lists, or
    /// [`CaseFiles::in_4d_file`] if the path is a file, by the names that [`Cohort::open`] knows.
    ///
    /// # Errors
    /// As those functions, except that no sequence needs to be complete.
    ///
    /// [`Cohort::open`]: crate::Cohort::open
    pub fn outline_of(case: &Path, sequences: &[String]) -> Result<Outline, Error> {
        let names = SequenceNames::new(sequences);
        if case.is_dir() {
            return Ok(locate(case, sequences, &names)?.outline(&names));
        }
        let data_set = DataSet::of_file(case)?;
        let located = data_set.map(|data_set| Located::DataSet { data_set, path: case.to_owned() });
        Ok(located.map_or(Outline::Absent, |found| found.outline(&names)))
    }

    /// Lists the volumes of the sequences in a 4D file, by the names of channels in the `dataset.json` of its folder or of
    /// one of the three above. The segmentation is not listed; see [`CaseFiles::outline_of`].
    ///
    /// # Errors
    /// - [`Error::Io`] or [`Error::Format`] if the `dataset.json` cannot be read.
    /// - [`Error::Format`] if there is none, or the file has one volume: the caller can name each sequence by itself, as
    ///   `file.nii.gz#0` or `t1.nii.gz`; also if it is a table of cases.
    /// - [`Error::IncompleteCase`] if it does not name one of `sequences`; the message names the channels.
    pub fn in_4d_file(path: &Path, sequences: &[String]) -> Result<CaseFiles, Error> {
        let names = SequenceNames::new(sequences);
        path.metadata().map_err(|source| Error::Io { path: path.to_owned(), action: "read", source })?;
        let refuse = |expected, found| Err(Error::Format { path: path.to_owned(), expected, found });
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv")) {
            return refuse(CASE, "a table; a manifest of cases is given as --cohort".to_owned());
        }
        // The file's own error is that of reading it.
        let is_3d = nifti::count_volumes(path).is_ok_and(|volumes| volumes == 1);
        let first = sequences.first().map_or("t1", String::as_str);
        match DataSet::of_file(path)? {
            Some(data_set) if is_3d && data_set.has_several_channels() => {
                refuse(CASE, format!("one channel; {}", data_set.channel_advice(path, &names)))
            }
            Some(data_set) => Located::DataSet { data_set, path: path.to_owned() }.files(&names),
            None if is_3d => refuse(
                CASE,
                format!(
                    "one volume; give each sequence as --scan NAME=FILE, such as --scan {first}={}",
                    path.display()
                ),
            ),
            None => refuse(
                "a dataset.json in its folder or above that names its channels",
                format!("none; give each channel as --scan {first}={}#0", path.display()),
            ),
        }
    }
}

/// Finds the one case in a folder or below it.
fn locate(folder: &Path, sequences: &[String], names: &SequenceNames) -> Result<Located, Error> {
    let listing = scans::list(folder)?;
    if listing.scans.iter().any(|scan| names.of_scan(scan).is_some()) {
        let (folder, id) = (folder.to_owned(), case_id(folder));
        return Ok(Located::Scans { folder, id, scans: listing.scans, loose: Loose::new() });
    }
    if let [only] = listing.scans.as_slice()
        && let Some(data_set) = DataSet::of_file(&only.path)?
    {
        return Ok(Located::DataSet { data_set, path: only.path.clone() });
    }
    let mut search = walk::search(folder, names)?;
    if search.cases.len() == 1 && search.data_sets.is_empty() {
        let case = search.cases.remove(0);
        let (folder, id, scans) = (case.folder, case.id, case.scans);
        return Ok(Located::Scans { folder, id, scans, loose: search.loose });
    }
    if let Some(found) = several(folder, &search, names) {
        return Err(Error::Format { path: folder.to_owned(), expected: ONE_CASE, found });
    }
    let scans: Vec<Scan> = if listing.scans.is_empty() {
        search.unknown.into_iter().next().map(|found| found.scans).unwrap_or_default()
    } else {
        listing.scans
    };
    let mut lacks = Vec::new();
    folder::select(&scans, names, &mut lacks);
    if scans.is_empty() {
        let reason = search.left_out.first().map(|left_out| left_out.reason.clone());
        lacks = vec![reason.map_or_else(|| assemble::describe_empty(folder), Ok)?];
    }
    if let [only] = scans.as_slice() {
        let first = sequences.first().map_or("t1", String::as_str);
        let path = only.path.display();
        lacks.push(format!("if it is a 4D file, give each channel as --scan {first}={path}#0"));
    }
    Err(Error::IncompleteCase { path: folder.to_owned(), found: lacks.join("; ") })
}

impl Located {
    /// Lists the files of the sequences.
    fn files(&self, names: &SequenceNames) -> Result<CaseFiles, Error> {
        let mut lacks = Vec::new();
        let (path, id, sequences) = match self {
            Self::Scans { folder, id, scans, .. } => {
                (folder, id.clone(), folder::select(scans, names, &mut lacks))
            }
            Self::DataSet { data_set, path } => {
                let name = file_name(&whole(path));
                let id = scans::stem(&name).unwrap_or(&name).to_owned();
                (path, id, data_set.select(path, names, &mut lacks))
            }
        };
        if lacks.is_empty() {
            return Ok(CaseFiles { id, sequences, segmentation: None });
        }
        Err(Error::IncompleteCase { path: path.clone(), found: lacks.join("; ") })
    }

    /// Finds the segmentation.
    fn outline(&self, names: &SequenceNames) -> Outline {
        match self {
            Self::Scans { folder, id, scans, loose } => {
                let case = CaseNames::new(id, scans, names);
                let find = |loose| folder::segmentation(scans, &case, names, loose, &mut Vec::new());
                let subject = assemble::subject(id);
                match find(loose) {
                    Outline::Absent | Outline::Unnamed(_) if is_subject(subject) => {
                        find(&walk::derivatives_of(folder, subject))
                    }
                    found => found,
                }
            }
            Self::DataSet { data_set, path } => {
                let file = whole(path);
                let listed = data_set.cases(names).into_iter().find(|case| whole(&case.image) == file);
                let label = listed.and_then(|case| case.segmentation);
                label.map_or(Outline::Absent, Outline::Found)
            }
        }
    }
}

/// Describes the cases below a folder, if there are several, and says how to give one.
fn several(folder: &Path, search: &Search, names: &SequenceNames) -> Option<String> {
    let one_of = |cases: usize, example: &Path| {
        format!("{cases} cases; give one of them, such as {}", example.display())
    };
    let of_data_sets = || search.data_sets.iter().map(|found| &found.data_set);
    let count =
        search.cases.len() + of_data_sets().map(|data_set| data_set.cases(names).len()).sum::<usize>();
    if let Some(case) = search.cases.first() {
        return Some(one_of(count, &case.folder));
    }
    for data_set in of_data_sets() {
        if let Some(case) = data_set.cases(names).first() {
            return Some(match case.channel_file() {
                Some(file) => by_channel(count, data_set, file, names),
                None => one_of(count, &case.image),
            });
        }
    }
    // The images of a data set: files of which none is named as a sequence.
    let scans = scans::list(folder).ok()?.scans;
    let (first, data_set) =
        scans.first().and_then(|scan| Some((scan, DataSet::of_file(&scan.path).ok()??)))?;
    let cases: BTreeSet<&str> = scans
        .iter()
        .map(|scan| channel_of(&scan.stem).map_or(scan.stem.as_str(), |(case, _)| case))
        .collect();
    match scans.len() {
        0 | 1 => None,
        files if cases.len() < files && data_set.has_several_channels() => {
            Some(by_channel(cases.len(), &data_set, &first.path, names))
        }
        files => Some(one_of(files, &first.path)),
    }
}

/// Describes cases with one file for each channel.
fn by_channel(cases: usize, data_set: &DataSet, file: &Path, names: &SequenceNames) -> String {
    let cases = if cases == 1 { "one case".to_owned() } else { format!("{cases} cases") };
    let advice = data_set.channel_advice(file, names);
    format!("{cases} with one file for each channel; of one case, {advice}")
}
