//! `inspect`: what a file, a case or a cohort holds, and what a network's contract would do with it.

use std::path::{Path, PathBuf};

use clap::Args;
use rayon::prelude::*;
use relevox_experiment::interrupt;
use relevox_experiment::progress::{Progress, print_status};
use relevox_volume::{
    CaseFiles, FileFacts, LabelFacts, Outline, Preparation, Preprocess, ScanFile, Study, ValidInput, inspect,
    inspect_labels,
};
use serde_json::{Value, json};

use super::library_error::of_command;
use super::listed::{Listed, ListedCase};
use super::print_for_programs;
use super::scans::contract_keys;
use super::table::Table;
use crate::{ContractKeys, Model};

/// Describes a scan, a case or a cohort: shape, spacing, orientation, intensities, segmentation, grade, and what a network's
/// contract would do with it. Needs no network; the first command for scans that are new.
#[derive(Clone, Debug, Args)]
pub struct InspectArgs {
    /// A NIfTI file (of a 4D file, one volume as FILE#0), a case's folder, or a cohort's folder or manifest.
    pub path: PathBuf,
    /// Contract of a network's input: shows what it would do with each case.
    #[arg(long, value_name = "I.toml")]
    pub input: Option<PathBuf>,
    /// Model whose contract is used: an ONNX file, or weights.
    #[arg(
        long = "model",
        visible_alias = "weights",
        value_name = "W.onnx|W.pth|W.safetensors",
        conflicts_with = "input"
    )]
    pub weights: Option<PathBuf>,
    /// Replaces one key of the contract; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub input_set: Vec<String>,
    /// Sequences of a case [default: the contract's, else t1, t1ce, t2, flair].
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub sequences: Vec<String>,
}

/// Prints a table on stderr, and one JSON object on stdout unless that is a terminal.
///
/// # Errors
/// Returns an error if nothing can be read at the path, or the contract is invalid.
pub fn run(args: &InspectArgs) -> anyhow::Result<()> {
    let contract = contract(args)?;
    let path = &args.path;
    let text = path.to_string_lossy();
    let file = ScanFile::parse(&text);
    if !path.is_dir() && !text.to_lowercase().ends_with(".csv") {
        let facts = inspect(&file)?;
        let mut table = Table::of_files();
        table.file(&file.to_string(), &facts);
        table.print();
        return print_for_programs(&json!({ "file": file.to_string(), "facts": facts }));
    }
    let sequences = sequences(args, contract.as_ref());
    match case_in(path, &sequences) {
        Some(files) => {
            let case = describe_case(&files, contract.as_ref())?;
            case.print();
            print_for_programs(&case.json())
        }
        None => cohort(path, &sequences, contract.as_ref()),
    }
}

fn contract(args: &InspectArgs) -> anyhow::Result<Option<ValidInput>> {
    let mut keys = match (&args.input, &args.weights) {
        (Some(path), _) => contract_keys(path)?,
        (None, Some(weights)) => Model::contract_of(weights).map_err(of_command)?,
        (None, None) if args.input_set.is_empty() => return Ok(None),
        (None, None) => ContractKeys::empty("--input-set"),
    };
    for assignment in &args.input_set {
        keys.set(assignment).map_err(of_command)?;
    }
    let channels = keys.get("channels").and_then(toml::Value::as_array).map_or(4, Vec::len);
    let contract = keys.check(channels, 1).map_err(of_command)?;
    Ok(Some(contract.input.check()?))
}

fn sequences(args: &InspectArgs, contract: Option<&ValidInput>) -> Vec<String> {
    match contract {
        _ if !args.sequences.is_empty() => args.sequences.clone(),
        Some(input) => input.preprocess().sequences().to_vec(),
        None => Preprocess::default().sequences,
    }
}

/// Finds the sequences in the folder of a case: those that are there. `None` if the path is not a case's folder.
fn case_in(path: &Path, sequences: &[String]) -> Option<CaseFiles> {
    if !path.is_dir() {
        return None;
    }
    let mut case: Option<CaseFiles> = None;
    for name in sequences {
        let Ok(found) = CaseFiles::in_folder(path, std::slice::from_ref(name)) else { continue };
        match &mut case {
            Some(case) => case.sequences.extend(found.sequences),
            None => case = Some(found),
        }
    }
    if let Some(case) = &mut case
        && let Ok(Outline::Found(file)) = CaseFiles::outline_of(path, sequences)
    {
        case.segmentation = Some(file);
    }
    case
}

/// Facts about a case.
struct Described {
    id: String,
    files: Vec<(String, Result<FileFacts, String>)>,
    segmentation: Option<Result<LabelFacts, String>>,
    prepared: Option<Result<Preparation, String>>,
}

fn describe_case(files: &CaseFiles, contract: Option<&ValidInput>) -> anyhow::Result<Described> {
    interrupt::check()?;
    let facts = files
        .sequences
        .par_iter()
        .map(|(name, file)| (name.clone(), inspect(file).map_err(|error| error.to_string())));
    let prepared = contract.map(|input| {
        Study::load(files, input.preprocess())
            .map(|study| study.preparation)
            .map_err(|error| error.to_string())
    });
    let labels =
        files.segmentation.as_ref().map(|file| inspect_labels(file).map_err(|error| error.to_string()));
    Ok(Described { id: files.id.clone(), files: facts.collect(), segmentation: labels, prepared })
}

impl Described {
    fn print(&self) {
        let mut table = Table::of_files();
        for (name, facts) in &self.files {
            match facts {
                Ok(facts) => table.file(name, facts),
                Err(error) => print_status(format!("{name}: {error}")),
            }
        }
        table.print();
        match &self.segmentation {
            None => {}
            Some(Ok(found)) => print_status(format!("segmentation: {}", labels(found))),
            Some(Err(error)) => print_status(format!("segmentation: {error}")),
        }
        match &self.prepared {
            None => {}
            Some(Ok(prepared)) => {
                print_status(format!("with the contract: {}", prepared.summary()));
                prepared.warnings().iter().for_each(|warning| print_status(format!("warning: {warning}")));
            }
            Some(Err(error)) => print_status(format!("with the contract: refused: {error}")),
        }
    }

    fn json(&self) -> Value {
        let files: serde_json::Map<String, Value> =
            self.files.iter().map(|(name, facts)| (name.clone(), outcome(facts))).collect();
        json!({
            "case": self.id,
            "files": files,
            "segmentation": self.segmentation.as_ref().map(outcome),
            "prepared": self.prepared.as_ref().map(|prepared| match prepared {
                Ok(prepared) => json!({ "summary": prepared.summary(), "warnings": prepared.warnings() }),
                Err(error) => json!({ "error": error }),
            }),
        })
    }
}

fn outcome<T: serde::Serialize>(facts: &Result<T, String>) -> Value {
    match facts {
        Ok(facts) => json!(facts),
        Err(error) => json!({ "error": error }),
    }
}

fn cohort(path: &Path, sequences: &[String], contract: Option<&ValidInput>) -> anyhow::Result<()> {
    let cohort = Listed::open(path, sequences)?;
    let progress = Progress::start("inspect", cohort.cases.len(), "cases");
    let described: Vec<anyhow::Result<Described>> = cohort
        .cases
        .par_iter()
        .map(|case| {
            let described = describe_case(&case.files, contract);
            progress.advance(1);
            described
        })
        .collect();
    drop(progress);
    let described = described.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let mut table = Table::of_cases();
    for (case, facts) in cohort.cases.iter().zip(&described) {
        table.case(case, facts.files.first().and_then(|(_, facts)| facts.as_ref().ok()), note(facts));
    }
    table.print();
    for left_out in &cohort.left_out {
        print_status(format!("left out: {}: {}", left_out.case, left_out.reason));
    }
    cohort.notes.iter().for_each(print_status);
    print_status(format!("{} cases, {} left out", cohort.cases.len(), cohort.left_out.len()));
    let cases: Vec<Value> =
        cohort.cases.iter().zip(&described).map(|(case, facts)| row(case, facts)).collect();
    let left_out: Vec<Value> = cohort
        .left_out
        .iter()
        .map(|left_out| json!({ "case": left_out.case, "reason": left_out.reason }))
        .collect();
    print_for_programs(
        &json!({ "cohort": path, "cases": cases, "left_out": left_out, "notes": cohort.notes }),
    )
}

/// What is wrong with a case, or how it was prepared.
fn note(case: &Described) -> String {
    let error = case.files.iter().find_map(|(_, facts)| facts.as_ref().err());
    let error = error.or_else(|| case.segmentation.as_ref()?.as_ref().err());
    match (error, &case.prepared) {
        (Some(error), _) | (None, Some(Err(error))) => error.clone(),
        (None, Some(Ok(prepared))) => {
            let lines = std::iter::once(prepared.summary()).chain(prepared.warnings());
            lines.collect::<Vec<_>>().join("; ")
        }
        (None, None) => String::new(),
    }
}

fn row(case: &ListedCase, facts: &Described) -> Value {
    let mut row = facts.json();
    row["group"] = json!(case.group);
    row["label"] = json!(case.label.map(usize::from));
    row["split"] = json!(case.split.map(|split| split.name()));
    row
}

/// Lists the labels of a segmentation with their voxels, and says of how many where it lists a part.
fn labels(found: &LabelFacts) -> String {
    let listed = found.voxels.iter().map(|(label, voxels)| format!("{label}: {voxels}"));
    let listed = listed.collect::<Vec<_>>().join(", ");
    match found.labels {
        0 => "no label other than 0".to_owned(),
        all if all > found.voxels.len() => {
            format!("{all} labels, of which the first {} have the voxels {{{listed}}}", found.voxels.len())
        }
        _ => format!("labels {{{listed}}}"),
    }
}

#[cfg(test)]
mod tests {
    use relevox_volume::{Geometry, GridFacts};

    use super::*;

    #[test]
    fn a_list_of_a_part_of_the_labels_says_of_how_many() {
        let grid = GridFacts::from(&Geometry::axis_aligned([1, 2, 3], [1.0; 3]));
        let of = |voxels: &[(u32, usize)], count| {
            labels(&LabelFacts {
                grid: grid.clone(),
                voxels: voxels.iter().copied().collect(),
                labels: count,
            })
        };
        assert_eq!(of(&[], 0), "no label other than 0");
        assert_eq!(of(&[(1, 5), (4, 7)], 2), "labels {1: 5, 4: 7}");
        assert_eq!(of(&[(1, 5), (2, 6)], 72), "72 labels, of which the first 2 have the voxels {1: 5, 2: 6}");
    }
}
