//! `view`: opens the page of an explanation, or makes one from volumes on one grid.

mod opener;
mod scores;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use ndarray::Array3;
use relevox_experiment::failure::invalid_input;
use relevox_experiment::progress::print_status;
use relevox_report::viewer::{Image, Outline, Overlay, OverlayThreshold, RegionRow, Regions, Viewer};
use relevox_volume::{ScanFile, Volume, atomic};
use serde_json::json;

use super::grids::{on_grid_of, read_scan, require_grid_of};
use super::output::refuse_overwriting;
use super::print_result;

/// The page of an explanation's folder.
const PAGE: &str = "index.html";

/// Opens a page, or makes one.
#[derive(Clone, Debug, Args)]
pub struct ViewArgs {
    /// The folder of an explanation; or scans and, last, a map, all on one grid. Of a 4D file, FILE#0 to FILE#N.
    #[arg(required = true, value_name = "DIR | SCAN… MAP")]
    pub paths: Vec<PathBuf>,
    /// Page to write.
    #[arg(long, short, value_name = "OUT.html")]
    pub out: Option<PathBuf>,
    /// Threshold of the mask that is shown first [default: half of the map's largest value].
    #[arg(long, requires = "out")]
    pub threshold: Option<f64>,
    /// Segmentation whose outline is shown; the Dice coefficient counts its voxels other than 0.
    #[arg(long, value_name = "SEGMENTATION.nii.gz", requires = "out")]
    pub outline: Option<PathBuf>,
    /// Regions to list, as labels. Label 0 is background unless --scores lists it.
    #[arg(long, value_name = "LABELS.nii.gz", requires = "out")]
    pub labels: Option<PathBuf>,
    /// Scores of the regions, as `explain` writes them; without it, regions are ranked by the map.
    #[arg(long, value_name = "SCORES.csv", requires = "labels")]
    pub scores: Option<PathBuf>,
    /// Does not open the page.
    #[arg(long)]
    pub no_open: bool,
}

/// Opens the page with the desktop's program and prints `page` and `opened`. A desktop without such a program is no error.
///
/// # Errors
/// Returns an error if a file cannot be read or written, there is no page to open, or grids differ.
pub fn run(args: &ViewArgs) -> anyhow::Result<()> {
    let page = match (&args.out, args.paths.as_slice()) {
        (Some(out), [scans @ .., map]) if !scans.is_empty() => {
            write_page(args, scans, map, out)?;
            out.clone()
        }
        (None, [folder]) if folder.is_dir() => existing_page(folder)?,
        (None, [path]) => {
            return Err(invalid_input(format!(
                "{}: expected the folder of an explanation, or scans and a map with -o OUT.html",
                path.display()
            )));
        }
        (None, _) => return Err(invalid_input("view: expected -o OUT.html for the page of these files")),
        (Some(_), _) => return Err(invalid_input("view -o: expected at least one scan and, last, a map")),
    };
    let page = page.canonicalize().with_context(|| format!("finding {}", page.display()))?;
    let opened = !args.no_open
        && opener::open(&page).inspect_err(|error| print_status(format!("view: {error}"))).is_ok();
    let bytes = page.metadata()?.len();
    print_result(&json!({ "page": page, "bytes": bytes, "opened": opened }))
}

fn existing_page(folder: &Path) -> anyhow::Result<PathBuf> {
    let page = folder.join(PAGE);
    if page.is_file() {
        return Ok(page);
    }
    Err(invalid_input(format!("{}: expected {PAGE}, as `explain` writes it, found none", folder.display())))
}

fn write_page(args: &ViewArgs, scans: &[PathBuf], map: &Path, out: &Path) -> anyhow::Result<()> {
    let more = args.outline.iter().chain(&args.labels).chain(&args.scores);
    let inputs: Vec<PathBuf> =
        args.paths.iter().chain(more).map(|path| ScanFile::parse(&path.to_string_lossy()).path).collect();
    refuse_overwriting(out, inputs.iter().map(PathBuf::as_path))?;
    let first = read_scan(&scans[0])?;
    let on_grid = |path: &PathBuf, what| on_grid_of(path, what, &first, &scans[0]);
    let others = scans[1..].iter().map(|path| on_grid(path, "a scan")).collect::<anyhow::Result<Vec<_>>>()?;
    let map_volume = on_grid_of(map, "a map", &first, &scans[0])?;
    let outline = args.outline.as_ref().map(|path| on_grid(path, "a segmentation")).transpose()?;
    let outline = outline.map(|volume| volume.voxels.mapv(|value| value != 0.0));
    let labels = args.labels.as_ref().map(|path| read_regions(path, &first, &scans[0])).transpose()?;
    let rows = labels.as_ref().map(|labels| region_rows(args, labels, &map_volume)).transpose()?;
    let named: Vec<&Path> = args.paths.iter().chain(&args.outline).map(PathBuf::as_path).collect();
    let (case, names) = names(&named);
    let voxels = std::iter::once(&first).chain(&others);
    let images = names
        .iter()
        .zip(voxels)
        .map(|(name, volume)| Image { name: name.clone(), voxels: volume.voxels.view() });
    let map_name = &names[scans.len()];
    let threshold = args.threshold.map(|value| OverlayThreshold { value, rule: "--threshold".to_owned() });
    let mut facts: Vec<(String, String)> =
        named.iter().zip(&names).map(|(path, name)| (name.clone(), file_name(path))).collect();
    facts.push(("relevox".to_owned(), env!("CARGO_PKG_VERSION").to_owned()));
    let viewer = Viewer {
        title: if case.is_empty() { map_name.clone() } else { format!("{case}: {map_name}") },
        images: images.collect(),
        overlays: vec![Overlay { threshold, ..Overlay::new(map_name, map_volume.voxels.view()) }],
        regions: labels.as_ref().zip(rows).map(|(labels, rows)| Regions { labels: labels.view(), rows }),
        outline: names
            .get(scans.len() + 1)
            .zip(outline.as_ref())
            .map(|(name, voxels)| Outline { name: name.clone(), voxels: voxels.view() }),
        facts,
        ..Viewer::on(&first.geometry)
    };
    let html = viewer.to_html().map_err(|error| match error {
        error @ (relevox_report::Error::NonFinite { .. } | relevox_report::Error::Empty { .. }) => {
            invalid_input(error)
        }
        error => error.into(),
    })?;
    Ok(atomic::write(out, html.as_bytes())?)
}

/// Splits the files' names at the last separator of what all of them start with, the case: `case_t1`, `case_map`.
fn names(paths: &[&Path]) -> (String, Vec<String>) {
    let names: Vec<String> = paths.iter().map(|path| name(path)).collect();
    let Some((first, others)) = names.split_first() else { return Default::default() };
    let shared = |end: &usize| {
        others.iter().all(|name| name.get(..=*end) == first.get(..=*end) && name.len() > end + 1)
    };
    let cut = first.char_indices().filter(|(_, c)| matches!(c, '_' | '-')).map(|(at, _)| at).rfind(shared);
    match cut.filter(|cut| first.len() > cut + 1) {
        Some(cut) => (first[..cut].to_owned(), names.iter().map(|name| name[cut + 1..].to_owned()).collect()),
        None => (String::new(), names),
    }
}

/// Name of a file without folder and extension; of a 4D file with the index of its volume.
fn name(path: &Path) -> String {
    let file = ScanFile::parse(&path.to_string_lossy());
    let name = file_name(&file.path);
    let stem = [".nii.gz", ".nii", ".hdr", ".img"].iter().find_map(|extension| name.strip_suffix(extension));
    let stem = stem.unwrap_or(&name).to_owned();
    file.volume.map_or(stem.clone(), |volume| format!("{stem}#{volume}"))
}

/// Pages are passed on: they name files, not the folders of whoever made them.
fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn read_regions(path: &Path, first: &Volume, first_path: &Path) -> anyhow::Result<Array3<u32>> {
    let volume: Volume<u32> = ScanFile::parse(&path.to_string_lossy()).read_labels()?;
    require_grid_of(&volume, path, "labels", first, first_path)?;
    Ok(volume.voxels)
}

fn region_rows(args: &ViewArgs, labels: &Array3<u32>, map: &Volume) -> anyhow::Result<Vec<RegionRow>> {
    match &args.scores {
        Some(path) => {
            let rows = scores::read(path)?;
            let known: BTreeSet<u32> = labels.iter().copied().collect();
            match rows.iter().find(|row| !known.contains(&row.id)) {
                Some(row) => Err(invalid_input(format!(
                    "{}: expected regions of --labels, found region {}, which no voxel has",
                    path.display(),
                    row.id
                ))),
                None => Ok(rows),
            }
        }
        None => Ok(scores::ranked_by_map(labels, &map.voxels)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_names_start_with_is_the_case() {
        let split = |paths: &[&str]| names(&paths.iter().map(Path::new).collect::<Vec<_>>());
        let owned = |names: [&str; 2]| names.map(str::to_owned).to_vec();
        assert_eq!(split(&["a/c_1_t1.nii.gz", "c_1_map.nii"]), ("c_1".to_owned(), owned(["t1", "map"])));
        assert_eq!(split(&["t1.nii", "t2.nii"]), (String::new(), owned(["t1", "t2"])));
        assert_eq!(split(&["c_t1.nii", "c_t1_map.nii"]), ("c".to_owned(), owned(["t1", "t1_map"])));
        assert_eq!(split(&["c_.nii", "c_.nii"]).0, "");
    }

    #[test]
    fn files_are_named_without_folder_and_extension() {
        for (path, expected) in
            [("a/t1.nii.gz", "t1"), ("b.c.nii", "b.c"), ("4d.nii.gz#2", "4d#2"), ("x", "x")]
        {
            assert_eq!(name(Path::new(path)), expected);
        }
    }
}
