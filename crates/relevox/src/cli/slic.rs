//! `slic`: supervoxels of one volume, or of several volumes as channels of one image.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use ndarray::{Array3, ArrayView4, Axis, CowArray, Ix4};
use relevox_experiment::failure::invalid_input;
use relevox_experiment::interrupt;
use relevox_experiment::run::check_writable;
use relevox_volume::{ScanFile, Volume, nifti};
use serde_json::json;
use slic3d::{Sigma, Slic};

use super::grids::{on_grid_of, read_scan};
use super::output::refuse_overwriting;
use super::print_result;
use crate::DEFAULT_COMPACTNESS;

/// Segments a NIfTI volume into supervoxels, as scikit-image's `slic` does, with its defaults but for the compactness.
///
/// Intensities of any type are converted to float32: labels are those that scikit-image gives for float32 images. It computes images
/// of other types in double precision, with labels that may differ.
#[derive(Clone, Debug, Args)]
pub struct SlicArgs {
    /// A 3D NIfTI volume; of a 4D file, FILE#0 to FILE#N.
    pub input: PathBuf,
    /// Output file for the labels.
    pub output: PathBuf,
    /// Requested number of regions.
    #[arg(long, default_value_t = 100)]
    pub regions: usize,
    /// Balances spatial proximity against intensity similarity; higher is more compact.
    #[arg(long, default_value_t = DEFAULT_COMPACTNESS)]
    pub compactness: f64,
    /// Maximum number of k-means iterations.
    #[arg(long, default_value_t = 10)]
    pub iterations: usize,
    /// Additional channel on the same grid; may be repeated. Compactness is relative to all channels together.
    #[arg(long, value_name = "VOLUME.nii.gz")]
    pub channel: Vec<PathBuf>,
    /// Standard deviation of Gaussian smoothing in voxels: one value, or z,y,x.
    #[arg(long, value_delimiter = ',', default_value = "0", conflicts_with_all = ["kernel_z", "kernel_y", "kernel_x"])]
    pub sigma: Vec<f64>,
    /// Smoothing kernel along z (symmetric, odd length), in place of a Gaussian.
    #[arg(long, value_delimiter = ',', value_name = "WEIGHTS")]
    pub kernel_z: Vec<f64>,
    /// Smoothing kernel along y.
    #[arg(long, value_delimiter = ',', value_name = "WEIGHTS")]
    pub kernel_y: Vec<f64>,
    /// Smoothing kernel along x.
    #[arg(long, value_delimiter = ',', value_name = "WEIGHTS")]
    pub kernel_x: Vec<f64>,
    /// Voxel spacing: z,y,x, or `header` for the file's.
    #[arg(long, default_value = "1,1,1")]
    pub spacing: String,
    /// Restricts the segmentation to voxels where this volume is not 0; ids then start at 1.
    #[arg(long, value_name = "MASK.nii.gz")]
    pub mask: Option<PathBuf>,
    /// Restricts the segmentation to voxels where the input or an additional channel is not 0.
    #[arg(long, conflicts_with = "mask")]
    pub masked: bool,
    /// Does not merge disconnected and small parts.
    #[arg(long)]
    pub no_connectivity: bool,
    /// Minimum size of a part relative to the mean region; smaller parts are merged.
    #[arg(long, default_value_t = 0.5)]
    pub min_size_factor: f64,
    /// Maximum size of a part relative to the mean region; larger parts are split.
    #[arg(long, default_value_t = 3.0)]
    pub max_size_factor: f64,
    /// Runs SLIC-zero: compactness adapts to each region.
    #[arg(long)]
    pub slic_zero: bool,
    /// First label; voxels outside a mask get 0, which `explain --labels` takes for background.
    #[arg(long, default_value_t = 1)]
    pub start_label: u32,
    /// Not in scikit-image: makes every region one 6-connected component.
    #[arg(long)]
    pub strict_connectivity: bool,
    /// Not in scikit-image: returns exactly the requested number of regions, or the nearest that the mask's components
    /// allow.
    #[arg(long)]
    pub exact_count: bool,
    /// Not in scikit-image: spaces seeds and search windows in the units of --spacing, for anisotropic voxels.
    #[arg(long)]
    pub physical_windows: bool,
}

/// Writes the labels on the volume's own grid and prints `labels`, `seconds` and the algorithm's report.
///
/// # Errors
/// Returns an error if a file cannot be read or written, or an option is invalid.
pub fn run(args: &SlicArgs) -> anyhow::Result<()> {
    let inputs = [&args.input].into_iter().chain(&args.channel).chain(&args.mask);
    let inputs: Vec<PathBuf> = inputs.map(|path| ScanFile::parse(&path.to_string_lossy()).path).collect();
    refuse_overwriting(&args.output, inputs.iter().map(PathBuf::as_path))?;
    check_output(&args.output)?;
    let volume = read_scan(&args.input)?;
    let image = channels(args, &volume)?;
    let mask = read_mask(args, &volume, image.view())?;
    if let (Some(path), Some(mask)) = (&args.mask, &mask)
        && !mask.iter().any(|inside| *inside)
    {
        return Err(invalid_input(format!(
            "--mask {}: expected voxels that are not 0, found none",
            path.display()
        )));
    }
    let slic = parameters(args, &volume)?;
    let start = Instant::now();
    let (supervoxels, report) = slic
        .segment_with_report(image.view(), mask.as_ref().map(|mask| mask.view()))
        .map_err(|error| invalid_input(format!("{}: {error}", args.input.display())))?;
    let seconds = start.elapsed().as_secs_f64();
    interrupt::check()?;
    let found = supervoxels.len();
    // The voxels are not needed any more: large volumes take gigabytes.
    drop(image);
    let Volume { voxels, geometry } = volume;
    drop(voxels);
    nifti::write_labels(&args.output, &Volume { voxels: supervoxels.into_labels(), geometry })?;
    print_result(&json!({
        "labels": found,
        "precision": "float32",
        "seconds": seconds,
        "requested": report.requested,
        "seeds": report.seeds,
        "dead": report.empty,
        "iterations": report.iterations,
        "converged": report.converged,
    }))
}

/// Checks that the labels can be written.
fn check_output(output: &Path) -> anyhow::Result<()> {
    let name = output.to_string_lossy();
    if !name.ends_with(".nii") && !name.ends_with(".nii.gz") {
        return Err(invalid_input(format!("{name}: expected a name ending in .nii or .nii.gz")));
    }
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(invalid_input(format!("{name}: expected an existing folder {}", folder.display())));
    }
    check_writable(folder)
}

/// Stacks the volume and the additional channels, `[c, z, y, x]`. A single volume is not copied.
fn channels<'a>(args: &SlicArgs, volume: &'a Volume) -> anyhow::Result<CowArray<'a, f32, Ix4>> {
    let first = volume.voxels.view().insert_axis(Axis(0));
    if args.channel.is_empty() {
        return Ok(first.into());
    }
    let mut image = first.to_owned();
    for path in &args.channel {
        let channel = on_grid_of(path, "a channel", volume, &args.input)?.voxels;
        image.append(Axis(0), channel.view().insert_axis(Axis(0)))?;
    }
    Ok(image.into())
}

fn read_mask(
    args: &SlicArgs,
    volume: &Volume,
    image: ArrayView4<'_, f32>,
) -> anyhow::Result<Option<Array3<bool>>> {
    let Some(path) = &args.mask else {
        let inside = || image.map_axis(Axis(0), |values| values.iter().any(|&value| value != 0.0));
        return Ok(args.masked.then(inside));
    };
    Ok(Some(on_grid_of(path, "a mask", volume, &args.input)?.voxels.mapv(|value| value != 0.0)))
}

fn parameters(args: &SlicArgs, volume: &Volume) -> anyhow::Result<Slic> {
    let sigma = match args.sigma.as_slice() {
        &[sigma] => Sigma::from(sigma),
        &[z, y, x] => Sigma::from([z, y, x]),
        other => return Err(invalid_input(format!("--sigma: expected one value or z,y,x, found {other:?}"))),
    };
    let slic = Slic::new(args.regions)
        .compactness(args.compactness)
        .iterations(args.iterations)
        .sigma(sigma)
        .spacing(spacing(&args.spacing, volume, &args.input)?)
        .enforce_connectivity(!args.no_connectivity)
        .min_size_factor(args.min_size_factor)
        .max_size_factor(args.max_size_factor)
        .slic_zero(args.slic_zero)
        .strict_connectivity(args.strict_connectivity)
        .exact_count(args.exact_count)
        .physical_windows(args.physical_windows);
    let kernels = [&args.kernel_z, &args.kernel_y, &args.kernel_x].map(Vec::clone);
    let slic = if kernels.iter().all(Vec::is_empty) { slic } else { slic.smoothing_kernels(kernels) };
    Ok(slic.start_label(args.start_label))
}

fn spacing(text: &str, volume: &Volume, path: &Path) -> anyhow::Result<[f64; 3]> {
    if text == "header" {
        return Ok(volume.geometry.spacing_mm);
    }
    let values: Result<Vec<f64>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    values.ok().and_then(|values| <[f64; 3]>::try_from(values).ok()).ok_or_else(|| {
        invalid_input(format!("--spacing: expected z,y,x or `header` (of {}), found {text}", path.display()))
    })
}
