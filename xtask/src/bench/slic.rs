//! `cargo xtask bench slic`: compares supervoxels of a real scan with scikit-image's and SimpleITK's, all sides in turn.

use std::path::{Path, PathBuf};

use anyhow::Context;
use ndarray::{Array3, Axis};
use relevox_volume::{CaseFiles, Preprocess, Study};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use slic3d::Slic;

use super::measured::Measured;
use super::peer::{Peer, timed};
use super::performance::{self, Comparison, processor, text};
use super::timing::median;
use crate::cli::SlicBenchArgs;
use relevox::cli::print_result;
use relevox_experiment::failure::invalid_input;
use relevox_experiment::interrupt;
use relevox_experiment::progress::print_status;
use relevox_experiment::run::{Host, git_revision, load_average};

/// Section of docs/PERFORMANCE.md.
pub(super) const COMPARISON: Comparison = Comparison { name: "slic", section };

/// The segmented sequences, which together define the brain mask.
const SEQUENCES: [&str; 4] = ["t1", "t1ce", "t2", "flair"];
const CROP: [usize; 3] = [128; 3];
/// Whole BraTS scan, of which one sequence is segmented.
const SCAN: [usize; 3] = [155, 240, 240];
const OF_SCAN: &str = "t2";
const COMPACTNESS: [f64; 4] = [0.01, 0.1, 1.0, 10.0];
const REGIONS: [usize; 3] = [50, 250, 1000];

/// A case: image and settings.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Case {
    sequence: String,
    size: [usize; 3],
    regions: usize,
    masked: bool,
    compactness: f64,
}

impl Case {
    fn name(&self) -> String {
        let size = if self.size == SCAN { "240×240×155" } else { "128³" };
        let masked = if self.masked { ", masked" } else { "" };
        format!(
            "{}, {size}, {} regions, compactness {}{masked}",
            self.sequence, self.regions, self.compactness
        )
    }
}

/// A case with the samples of all sides, in the order of measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Compared {
    name: String,
    case: Case,
    /// Voxels inside the mask.
    voxels: usize,
    /// Regions found.
    found: usize,
    /// Distances computed for each voxel and iteration.
    distances: f64,
    /// Voxels whose label differs from scikit-image's.
    differing_voxels: usize,
    /// Load average before each round.
    load: Vec<Option<f64>>,
    ours_seconds: Vec<f64>,
    scikit_image_seconds: Vec<f64>,
    simpleitk_seconds: Vec<f64>,
}

/// Runs all cases and updates the samples and the page. Resumes an interrupted run, and reuses cases measured with `--only`, on the
/// same machine, with the same source, scan and options.
///
/// # Errors
/// Returns an error if a case can't be read, a peer can't be run, a file can't be written, or labels differ from
/// scikit-image's.
pub(super) fn run(args: &SlicBenchArgs) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("finding the workspace")?;
    let folder = case_folder(args.case.as_ref())?;
    let mut result = json!({
        "machine": Host::current(),
        "threads": rayon::current_num_threads(),
        "revision": git_revision(),
        "scan": folder.file_name().unwrap_or_default().display().to_string(),
    });
    let mut of = result.clone();
    of["peers"] = json!(args.peers);
    of["samples"] = json!(args.samples);
    let mut measured = Measured::<(Compared, Value)>::open(root, COMPARISON.name, of);
    let mut compared = Vec::new();
    for case in cases().into_iter().filter(|case| case.name().contains(&args.only)) {
        interrupt::check()?;
        let name = case.name();
        match measured.find(|(before, _)| before.name == name) {
            Some(before) => compared.push(before.clone()),
            None => {
                let new = compare(args, root, &folder, case)?;
                measured.add(new.clone())?;
                compared.push(new);
            }
        }
    }
    let (compared, versions): (Vec<Compared>, Vec<Value>) = compared.into_iter().unzip();
    let Some(versions) =
        versions.into_iter().reduce(|one, other| if one == other { one } else { Value::Null })
    else {
        return Err(invalid_input(format!("--only: expected a part of a case's name, found {}", args.only)));
    };
    let wrong: Vec<&str> =
        compared.iter().filter(|case| case.differing_voxels > 0).map(|case| case.name.as_str()).collect();
    result["versions"] = versions;
    result["cases"] = json!(compared);
    if args.only.is_empty() {
        let same_versions = !result["versions"].is_null();
        if same_versions && wrong.is_empty() {
            performance::write(root, &COMPARISON, &result)?;
        }
        // Only now: a page that cannot be written does not cost the measurements.
        measured.forget()?;
        anyhow::ensure!(same_versions, "the peers were upgraded while they were measured: run it again");
    }
    print_result(&result)?;
    anyhow::ensure!(wrong.is_empty(), "labels differ from scikit-image's: {}", wrong.join("; "));
    Ok(())
}

/// Cases of the comparison: a grid over all sequences of the crop, and the whole scan.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for masked in [false, true] {
        let case = |sequence: &str, size, regions, compactness| Case {
            sequence: sequence.to_owned(),
            size,
            regions,
            masked,
            compactness,
        };
        for sequence in SEQUENCES {
            for compactness in COMPACTNESS {
                cases.extend(REGIONS.map(|regions| case(sequence, CROP, regions, compactness)));
            }
        }
        cases.extend([0.1, 10.0].map(|compactness| case(OF_SCAN, SCAN, 100, compactness)));
    }
    cases
}

/// Returns the named case, or the first in `RELEVOX_REAL_DATA`.
pub(super) fn case_folder(named: Option<&PathBuf>) -> anyhow::Result<PathBuf> {
    if let Some(folder) = named {
        return Ok(folder.clone());
    }
    let all = std::env::var_os("RELEVOX_REAL_DATA").map(PathBuf::from).ok_or_else(|| {
        invalid_input("--case: expected a case's folder, or RELEVOX_REAL_DATA to name a folder of cases")
    })?;
    let unreadable = |error| invalid_input(format!("RELEVOX_REAL_DATA {}: {error}", all.display()));
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(&all).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    let none = || invalid_input(format!("RELEVOX_REAL_DATA {}: expected folders of cases", all.display()));
    folders.into_iter().next().ok_or_else(none)
}

/// Loads the centre of one sequence of a scan, scaled to 0..1 as in the experiment, and its brain mask.
fn load(folder: &Path, sequence: &str, size: [usize; 3]) -> anyhow::Result<(Array3<f32>, Array3<bool>)> {
    let sequences: Vec<String> = SEQUENCES.map(str::to_owned).into();
    let files = CaseFiles::in_folder(folder, &sequences)?;
    let preprocess = Preprocess { sequences, crop: size, ..Preprocess::default() };
    let study = Study::load(&files, &preprocess.check()?)?;
    let image = study.channel(sequence)?.as_standard_layout().into_owned();
    Ok((image, study.brain.as_standard_layout().into_owned()))
}

fn compare(
    args: &SlicBenchArgs,
    root: &Path,
    folder: &Path,
    case: Case,
) -> anyhow::Result<(Compared, Value)> {
    let name = case.name();
    print_status(format!("bench: {name}"));
    let (image, brain) = load(folder, &case.sequence, case.size)?;
    let mask = case.masked.then(|| brain.view());
    let voxels = mask.map_or(image.len(), |mask| mask.iter().filter(|&&inside| inside).count());
    let shared = tempfile::tempdir().context("creating a folder to share with the peer")?;
    let bytes: Vec<u8> = image.iter().flat_map(|value| value.to_le_bytes()).collect();
    std::fs::write(shared.path().join("image.f32"), bytes)?;
    std::fs::write(shared.path().join("mask.u8"), brain.iter().map(|&b| u8::from(b)).collect::<Vec<_>>())?;
    let mut request = serde_json::to_value(&case)?;
    request["folder"] = json!(shared.path());
    let mut peer = Peer::start(&args.peers, root, "slic.py", &request, "skimage and SimpleITK")?;

    let slic = Slic::new(case.regions).compactness(case.compactness);
    let segment = || slic.segment_with_report(image.view().insert_axis(Axis(0)), mask);
    let (supervoxels, report) = segment()?;
    peer.ask("labels")?;
    let theirs = std::fs::read(shared.path().join("labels.u32"))?;
    anyhow::ensure!(
        theirs.len() == 4 * image.len(),
        "peer: expected {} bytes of labels, found {}",
        4 * image.len(),
        theirs.len()
    );
    let pairs = supervoxels.labels().into_iter().zip(theirs.chunks_exact(4));
    let differing_voxels = pairs.filter(|(ours, theirs)| ours.to_le_bytes() != **theirs).count();
    let mut compared = Compared {
        name,
        voxels,
        found: supervoxels.len(),
        distances: report.distances as f64 / (voxels * report.iterations) as f64,
        differing_voxels,
        case,
        load: Vec::new(),
        ours_seconds: Vec::new(),
        scikit_image_seconds: Vec::new(),
        simpleitk_seconds: Vec::new(),
    };
    drop(supervoxels);
    for _ in 0..args.samples {
        compared.load.push(load_average());
        compared.ours_seconds.push(timed(|| Ok(segment()?))?);
        compared.scikit_image_seconds.push(peer.timed("scikit-image")?);
        compared.simpleitk_seconds.push(peer.timed("simpleitk")?);
    }
    let versions = peer.versions.clone();
    Ok((compared, versions))
}

fn section(result: &Value) -> anyhow::Result<String> {
    let versions = &result["versions"];
    let mut section = format!(
        "## Supervoxels\n\n`cargo xtask bench slic --peers PYTHON`, {} threads of {}, compared with scikit-image {} and SimpleITK \
         {}, on a real scan ({}); medians, and ratios of the medians. Masks are brain masks. Our labels are scikit-image's, compared in the same run; SimpleITK implements a different SLIC, without a mask and with 5 iterations instead of 10. Distances are those that k-means computes for each voxel and iteration; the search windows hold about 64 clusters. Load is the load average during the measurement.\n\n\
         | case | distances | milliseconds | scikit-image | times | SimpleITK | times | voxels that differ | load |\n\
         |---|---|---|---|---|---|---|---|---|\n",
        result["threads"],
        processor(&result["machine"]),
        text(versions, "scikit-image"),
        text(versions, "SimpleITK"),
        text(result, "scan"),
    );
    let mut least = [(f64::INFINITY, String::new()), (f64::INFINITY, String::new())];
    for case in Vec::<Compared>::deserialize(&result["cases"])? {
        let [ours, scikit_image, simpleitk] =
            [&case.ours_seconds, &case.scikit_image_seconds, &case.simpleitk_seconds]
                .map(|seconds| 1e3 * median(seconds));
        let load: Vec<f64> = case.load.into_iter().flatten().collect();
        let load = if load.is_empty() { "unknown".to_owned() } else { format!("{:.1}", median(&load)) };
        section += &format!(
            "| {} | {:.1} | {ours:.1} | {scikit_image:.0} | {:.1} | {simpleitk:.0} | {:.1} | {} | {load} |\n",
            case.name,
            case.distances,
            scikit_image / ours,
            simpleitk / ours,
            case.differing_voxels,
        );
        for (least, peer) in least.iter_mut().zip([scikit_image, simpleitk]) {
            if peer / ours < least.0 {
                *least = (peer / ours, case.name.clone());
            }
        }
    }
    let [(to_scikit_image, case), (to_simpleitk, other)] = least;
    section += &format!(
        "\nOf these cases, the smallest ratios are {to_scikit_image:.1} to scikit-image ({case}) and {to_simpleitk:.1} to SimpleITK ({other}).\n"
    );
    Ok(section)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds_medians_and_their_ratios() {
        let case =
            Case { sequence: "t2".to_owned(), size: SCAN, regions: 100, masked: true, compactness: 0.1 };
        let compared = Compared {
            name: case.name(),
            case,
            voxels: 1,
            found: 1,
            distances: 2.25,
            differing_voxels: 0,
            load: vec![Some(1.0), None, Some(2.0)],
            ours_seconds: vec![0.3, 0.01, 0.02],
            scikit_image_seconds: vec![1.0, 0.5, 0.4],
            simpleitk_seconds: vec![0.1],
        };
        let versions = json!({"scikit-image": "0.26.0", "SimpleITK": "2.5"});
        let section = section(&json!({"threads": 2, "versions": versions, "cases": [compared]})).unwrap();
        assert!(section.contains("compared with scikit-image 0.26.0 and SimpleITK 2.5"), "{section}");
        let name = "t2, 240×240×155, 100 regions, compactness 0.1, masked";
        let row = format!("| {name} | 2.2 | 20.0 | 500 | 25.0 | 100 | 5.0 | 0 | 1.5 |\n");
        assert!(section.contains(&row), "{section}");
        let least = format!(
            "Of these cases, the smallest ratios are 25.0 to scikit-image ({name}) and 5.0 to SimpleITK ({name}).\n"
        );
        assert!(section.ends_with(&least), "{section}");
    }
}
