//! `cargo xtask slic`: the supervoxels of one volume.

use std::path::Path;
use std::time::Instant;

use ndarray::Array3;
use relevox_volume::{Volume, nifti};
use serde_json::json;
use slic3d::{Sigma, Slic, Supervoxels};

use super::print_result;
use crate::cli::SlicArgs;
use crate::failure::input;
use crate::interrupt;
use crate::run::probe;

const TIMED_RUNS: usize = 3;

/// Reads, divides, writes the labels on the volume's own grid, prints `{"labels", "seconds"}`.
///
/// # Errors
/// Files that can't be read or written, options that can't be met.
pub fn run(args: &SlicArgs) -> anyhow::Result<()> {
    place(&args.output)?;
    let volume = nifti::read(&args.input)?;
    let mask = read_mask(args, &volume)?;
    let slic = parameters(args, &volume)?;
    let mut seconds = Vec::with_capacity(TIMED_RUNS);
    let mut supervoxels: Option<Supervoxels> = None;
    for _ in 0..TIMED_RUNS {
        interrupt::check()?;
        let start = Instant::now();
        let made = slic
            .segment_volume(volume.voxels.view(), mask.as_ref().map(|mask| mask.view()))
            .map_err(|error| input(format!("{}: {error}", args.input.display())))?;
        seconds.push(start.elapsed().as_secs_f64());
        supervoxels = Some(made);
    }
    seconds.sort_by(f64::total_cmp);
    if let Some(supervoxels) = supervoxels {
        let labels = supervoxels.labels().to_owned();
        nifti::write_labels(&args.output, &Volume { voxels: labels, geometry: volume.geometry })?;
        print_result(&json!({"labels": supervoxels.len(), "seconds": seconds[TIMED_RUNS / 2]}))?;
    }
    Ok(())
}

/// Whether the labels can be written where they should go.
fn place(output: &Path) -> anyhow::Result<()> {
    let name = output.to_string_lossy();
    if !name.ends_with(".nii") && !name.ends_with(".nii.gz") {
        return Err(input(format!("{name}: expected a name ending in .nii or .nii.gz")));
    }
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(input(format!("{name}: expected a folder, {}, that is there", folder.display())));
    }
    probe(folder)
}

fn read_mask(args: &SlicArgs, volume: &Volume) -> anyhow::Result<Option<Array3<bool>>> {
    let Some(path) = &args.mask else {
        return Ok(args.masked.then(|| volume.voxels.mapv(|value| value != 0.0)));
    };
    let mask = nifti::read(path)?;
    if !mask.geometry.same_grid(&volume.geometry) {
        return Err(input(format!(
            "{}: expected a mask on the grid of {}, {}, found {}",
            path.display(),
            args.input.display(),
            grid(volume),
            grid(&mask)
        )));
    }
    Ok(Some(mask.voxels.mapv(|value| value != 0.0)))
}

fn grid(volume: &Volume) -> String {
    let [z, y, x] = volume.geometry.shape;
    format!("{x} x {y} x {z} voxels starting at {:.3?} mm", volume.geometry.world([0.0; 3]))
}

fn parameters(args: &SlicArgs, volume: &Volume) -> anyhow::Result<Slic> {
    let sigma = match args.sigma.as_slice() {
        &[sigma] => Sigma::from(sigma),
        &[z, y, x] => Sigma::from([z, y, x]),
        other => return Err(input(format!("--sigma: expected one value or z,y,x, found {other:?}"))),
    };
    let slic = Slic::new(args.regions)
        .compactness(args.compactness)
        .iterations(args.iterations)
        .sigma(sigma)
        .spacing(spacing(&args.spacing, volume, &args.input)?)
        .enforce_connectivity(!args.no_connectivity)
        .min_size_factor(args.min_size_factor)
        .max_size_factor(args.max_size_factor)
        .slic_zero(args.slic_zero);
    Ok(match args.start_label {
        Some(label) => slic.start_label(label),
        None => slic,
    })
}

fn spacing(text: &str, volume: &Volume, path: &Path) -> anyhow::Result<[f64; 3]> {
    if text == "header" {
        return Ok(volume.geometry.spacing_mm);
    }
    let values: Result<Vec<f64>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    values.ok().and_then(|values| <[f64; 3]>::try_from(values).ok()).ok_or_else(|| {
        input(format!("--spacing: expected z,y,x or `header` (of {}), found {text}", path.display()))
    })
}
