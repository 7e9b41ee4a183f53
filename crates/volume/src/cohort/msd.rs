//! Data sets of 4D files with a `dataset.json`, as of the Medical Segmentation Decathlon: `modality` names the volumes of
//! each image, `training` lists images and labels. nnU-Net's copies with one file for each channel (`_0000`, …) are read
//! as well.
//!
//! Reference: Antonelli et al., "The Medical Segmentation Decathlon", Nature Communications 13:4128, 2022,
//! doi:10.1038/s41467-022-30695-9.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::case_id::whole;
use super::scans::{self, file_name, name_list, stem};
use super::sequence_names::SequenceNames;
use crate::{Error, ScanFile};

/// Name of the description of a data set.
pub(super) const DATASET: &str = "dataset.json";
/// Keys of the names of the channels: the Decathlon's, then nnU-Net's.
const CHANNELS: [&str; 2] = ["modality", "channel_names"];
const IMAGES: &str = "imagesTr";
const LABELS: &str = "labelsTr";
/// Folders above a 4D file that may hold its `dataset.json`.
const FOLDERS_ABOVE: usize = 3;
/// Largest description, in bytes.
const LARGEST_DATASET: u64 = 64 << 20;

/// A data set with a `dataset.json`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DataSet {
    /// Its folder.
    pub folder: PathBuf,
    /// Names of the volumes of an image by index.
    channels: BTreeMap<usize, String>,
    /// Images with the labels of those that have them, relative to the folder.
    training: Vec<(Vec<String>, Option<String>)>,
}

/// A case of a data set.
#[derive(Debug)]
pub(super) struct DataSetCase {
    /// Name of the image without extensions.
    pub id: String,
    /// The image.
    pub image: PathBuf,
    /// Volume of each sequence that the data set has.
    pub sequences: Vec<(String, ScanFile)>,
    /// The tumour's segmentation.
    pub segmentation: Option<ScanFile>,
    /// Missing sequences and files.
    pub lacks: Vec<String>,
}

impl DataSetCase {
    /// A file of the case, if each of its channels has one.
    pub fn channel_file(&self) -> Option<&Path> {
        let (_, file) = self.sequences.first()?;
        (file.volume.is_none() && !self.image.is_file()).then_some(file.path.as_path())
    }
}

/// Reads the `dataset.json` of a folder, if it has one that names channels.
pub(super) fn read(folder: &Path) -> Result<Option<DataSet>, Error> {
    let path = folder.join(DATASET);
    if !path.is_file() {
        return Ok(None);
    }
    let unreadable = |source| Error::Io { path: path.clone(), action: "read", source };
    let bytes = fs::metadata(&path).map_err(unreadable)?.len();
    let invalid =
        |found| Error::Format { path: path.clone(), expected: "JSON with modality and training", found };
    if bytes > LARGEST_DATASET {
        return Err(invalid(format!("{bytes} bytes")));
    }
    let text = fs::read(&path).map_err(unreadable)?;
    let mut data_set = parse(folder, &text).map_err(invalid)?;
    if let Some(data_set) = &mut data_set
        && data_set.training.is_empty()
    {
        data_set.training = list_training(folder);
    }
    Ok(data_set)
}

/// Lists the images of a data set that does not list them itself, as nnU-Net's second version does not.
fn list_training(folder: &Path) -> Vec<(Vec<String>, Option<String>)> {
    let mut names = BTreeSet::new();
    for scan in scans::list(&folder.join(IMAGES)).unwrap_or_default().scans {
        let extensions = scan.name.get(scan.stem.len()..).unwrap_or_default();
        let case = channel_of(&scan.stem).map_or(scan.stem.as_str(), |(case, _)| case);
        names.insert(format!("{case}{extensions}"));
    }
    let label = |name: &String| {
        let label = format!("{LABELS}/{name}");
        folder.join(&label).is_file().then_some(label)
    };
    names.iter().map(|name| (vec![format!("{IMAGES}/{name}")], label(name))).collect()
}

/// Divides the name of a nnU-Net file of one channel, `case_0001`, into case and channel.
pub(super) fn channel_of(stem: &str) -> Option<(&str, usize)> {
    let (case, end) = stem.rsplit_once('_')?;
    let is_channel = end.len() == 4 && end.chars().all(|c| c.is_ascii_digit());
    Some((case, end.parse().ok().filter(|_| is_channel)?))
}

fn parse(folder: &Path, text: &[u8]) -> Result<Option<DataSet>, String> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let json: Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let lists_images = json.get("training").is_some_and(Value::is_array);
    let none = Value::Object(serde_json::Map::new());
    let names = match CHANNELS.iter().find_map(|key| json.get(key)) {
        Some(names) => names,
        None if lists_images => &none,
        None => return Ok(None),
    };
    let mut channels = BTreeMap::new();
    let mut add = |index: Option<usize>, name: &Value| match (index, name.as_str()) {
        (Some(index), Some(name)) => {
            channels.insert(index, name.to_owned());
            Ok(())
        }
        _ => Err("a channel other than a number and a name".to_owned()),
    };
    match names {
        Value::Object(names) => names.iter().try_for_each(|(index, name)| add(index.parse().ok(), name))?,
        Value::Array(names) => {
            names.iter().enumerate().try_for_each(|(index, name)| add(Some(index), name))?
        }
        _ => return Err("no list of channels".to_owned()),
    }
    let mut training = Vec::new();
    for entry in json.get("training").and_then(Value::as_array).into_iter().flatten() {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let images = match entry.get("image").unwrap_or(entry) {
            Value::Array(images) => images.iter().map(text).collect::<Option<Vec<_>>>(),
            image => text(image).map(|image| vec![image]),
        };
        match images {
            Some(images) if !images.is_empty() => training.push((images, entry.get("label").and_then(text))),
            _ => return Err("an entry of training without an image".to_owned()),
        }
    }
    Ok(Some(DataSet { folder: folder.to_owned(), channels, training }))
}

impl DataSet {
    /// Returns whether the data set has images.
    pub fn has_images(&self) -> bool {
        !self.training.is_empty()
    }

    /// Finds the data set of a 4D file: the nearest `dataset.json` in its folder or one of those above it.
    pub fn of_file(file: &Path) -> Result<Option<DataSet>, Error> {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = whole(folder.unwrap_or(Path::new(".")));
        for folder in folder.ancestors().take(FOLDERS_ABOVE + 1) {
            if let Some(data_set) = read(folder)? {
                return Ok(Some(data_set));
            }
        }
        Ok(None)
    }

    /// Returns whether an image has several volumes, one for each channel.
    pub fn has_several_channels(&self) -> bool {
        self.channels.len() > 1
    }

    /// Says how to give the channels of a case with one file for each, of which `file` is one.
    pub fn channel_advice(&self, file: &Path, names: &SequenceNames) -> String {
        let mut example = None;
        let (name, first) = (file_name(file), names.names().next().unwrap_or("t1"));
        if let Some((case, _)) = stem(&name).and_then(channel_of) {
            let extensions = stem(&name).and_then(|stem| name.get(stem.len()..)).unwrap_or_default();
            let channel = self.channels.iter().find(|(_, channel)| names.of_name(channel) == Some(0));
            example = channel.map(|(index, _)| file.with_file_name(format!("{case}_{index:04}{extensions}")));
        }
        let example = example.filter(|path| path.is_file()).unwrap_or_else(|| file.to_owned());
        format!("give each channel as --scan NAME=FILE, such as --scan {first}={}", example.display())
    }

    /// The channels' names, for messages.
    pub fn channel_names(&self) -> String {
        name_list(self.channels.values().map(String::as_str))
    }

    /// Selects the volume of each sequence in an image; adds those that are missing or ambiguous to `lacks`.
    pub fn select(
        &self,
        image: &Path,
        names: &SequenceNames,
        lacks: &mut Vec<String>,
    ) -> Vec<(String, ScanFile)> {
        let several = self.has_several_channels();
        let file = |index: usize| ScanFile { path: image.to_owned(), volume: several.then_some(index) };
        self.select_by(names, lacks, |index| Some(file(index)))
    }

    fn select_by(
        &self,
        names: &SequenceNames,
        lacks: &mut Vec<String>,
        file: impl Fn(usize) -> Option<ScanFile>,
    ) -> Vec<(String, ScanFile)> {
        let mut selected = Vec::new();
        for (wanted, sequence) in names.names().enumerate() {
            let fitting: Vec<usize> = self
                .channels
                .iter()
                .filter(|(_, name)| names.of_name(name) == Some(wanted))
                .map(|(index, _)| *index)
                .collect();
            match fitting.as_slice() {
                [] if self.channels.is_empty() => {
                    let [modality, channel_names] = CHANNELS;
                    lacks.push(format!(
                        "no {sequence} channel: expected the channels by index in {modality} or {channel_names} of {DATASET}, \
                         found none"
                    ));
                }
                [] => lacks.push(format!("no {sequence} channel ({DATASET} names {})", self.channel_names())),
                [index] => match file(*index) {
                    Some(file) => selected.push((sequence.to_owned(), file)),
                    None => lacks.push(format!("no file for the {sequence} channel")),
                },
                _ => lacks.push(format!("more than one {sequence} channel in {DATASET}")),
            }
        }
        selected
    }

    /// Lists the cases with their files.
    pub fn cases(&self, names: &SequenceNames) -> Vec<DataSetCase> {
        self.training.iter().map(|(images, label)| self.case(images, label.as_deref(), names)).collect()
    }

    /// A path of the description, without `.` in it.
    fn path(&self, relative: &str) -> PathBuf {
        self.folder.join(relative).components().collect()
    }

    fn case(&self, images: &[String], label: Option<&str>, names: &SequenceNames) -> DataSetCase {
        let first = images.first().map(String::as_str).unwrap_or_default();
        let image = self.path(first);
        let name = file_name(&image);
        let id = stem(&name).unwrap_or(&name).to_owned();
        let mut lacks = Vec::new();
        let sequences = if images.len() > 1 {
            self.select_by(names, &mut lacks, |index| {
                let path = self.path(images.get(index)?);
                path.is_file().then(|| ScanFile::from(path))
            })
        } else if image.is_file() {
            self.select(&image, names, &mut lacks)
        } else {
            // nnU-Net lists `x.nii.gz` for `x_0000.nii.gz`, `x_0001.nii.gz`, …
            let channel = |index: usize| {
                let extensions = name.get(id.len()..).unwrap_or_default();
                image.with_file_name(format!("{id}_{index:04}{extensions}"))
            };
            if self.channels.keys().any(|&index| channel(index).is_file()) {
                self.select_by(names, &mut lacks, |index| {
                    Some(channel(index)).filter(|path| path.is_file()).map(ScanFile::from)
                })
            } else {
                lacks.push(format!("no file at {first}"));
                Vec::new()
            }
        };
        let segmentation = label.and_then(|label| {
            let path = self.path(label);
            if path.is_file() {
                return Some(ScanFile::from(path));
            }
            lacks.push(format!("no file at {label}"));
            None
        });
        DataSetCase { id, image, sequences, segmentation, lacks }
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const TASK01: &[u8] =
        br#"{"name": "BRATS", "modality": {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"},
        "labels": {"0": "background", "1": "edema"}, "numTraining": 1,
        "training": [{"image": "./imagesTr/BRATS_001.nii.gz", "label": "./labelsTr/BRATS_001.nii.gz"}],
        "test": ["./imagesTs/BRATS_002.nii.gz"]}"#;

    #[test]
    fn the_channels_of_task_01() {
        let set = parse(Path::new("x"), TASK01).unwrap().unwrap();
        let names = SequenceNames::new(&["t1", "t1ce", "t2", "flair"].map(str::to_owned));
        let mut lacks = Vec::new();
        let selected = set.select(Path::new("a.nii.gz"), &names, &mut lacks);
        let found: Vec<String> = selected.iter().map(|(name, file)| format!("{name}={file}")).collect();
        let expected = ["t1=a.nii.gz#1", "t1ce=a.nii.gz#2", "t2=a.nii.gz#3", "flair=a.nii.gz#0"];
        assert_eq!((found.as_slice(), lacks.len()), (&expected.map(str::to_owned)[..], 0));
    }

    #[test]
    fn other_json_is_no_data_set() {
        assert_eq!(parse(Path::new("x"), b"{\"a\": 1}"), Ok(None));
        assert_eq!(parse(Path::new("x"), b"[]"), Ok(None));
        for text in ["", "{", "{\"modality\": 3}", "{\"modality\": {\"a\": \"T1\"}}"] {
            assert!(parse(Path::new("x"), text.as_bytes()).is_err(), "{text}");
        }
        let deep = "[".repeat(100_000);
        assert!(parse(Path::new("x"), deep.as_bytes()).is_err());
    }

    #[test]
    fn a_description_is_found_some_folders_above_a_file_but_no_further() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("dataset.json"), TASK01).unwrap();
        let mut folder = root.path().to_owned();
        for above in 0..FOLDERS_ABOVE + 2 {
            std::fs::create_dir_all(&folder).unwrap();
            let found = DataSet::of_file(&folder.join("scan.nii.gz")).unwrap();
            assert_eq!(found.is_some(), above <= FOLDERS_ABOVE, "{above} above");
            folder.push("deeper");
        }
    }

    #[test]
    fn mutated_descriptions_are_read_without_panic() {
        let names = SequenceNames::new(&["t1".to_owned()]);
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        for _ in 0..4000 {
            let mut bytes = TASK01.to_vec();
            for _ in 0..rng.random_range(1..5) {
                let at = rng.random_range(0..bytes.len());
                match rng.random_range(0..4) {
                    0 => bytes[at] = rng.random(),
                    1 => bytes.insert(at, b"{}[]\",:0"[rng.random_range(0..8)]),
                    2 => drop(bytes.remove(at)),
                    _ => bytes[at] = b"{}[]\",:0"[rng.random_range(0..8)],
                }
            }
            if let Ok(Some(set)) = parse(Path::new("absent"), &bytes) {
                let _ = set.cases(&names);
            }
        }
    }
}
