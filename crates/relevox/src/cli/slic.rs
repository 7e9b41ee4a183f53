//! `slic`: the supervoxels of one volume, or of several that are channels of one image.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use ndarray::{Array3, Array4, Axis};
use relevox_experiment::failure::input;
use relevox_experiment::interrupt;
use relevox_experiment::run::probe;
use relevox_volume::{Volume, nifti};
use serde_json::json;
use slic3d::{Report, Sigma, Slic, Supervoxels};

use super::print_result;

/// Supervoxels of one volume. Defaults are scikit-image's.
#[derive(Clone, Debug, Args)]
pub struct SlicArgs {
    /// A 3D NIfTI volume.
    pub input: PathBuf,
    /// Where the labels go.
    pub output: PathBuf,
    /// Regions asked for.
    #[arg(long, default_value_t = 100)]
    pub regions: usize,
    /// Weight of nearness against likeness.
    #[arg(long, default_value_t = 10.0)]
    pub compactness: f64,
    /// Most iterations of k-means.
    #[arg(long, default_value_t = 10)]
    pub iterations: usize,
    /// Another channel, on the same grid; may be given several times. A region's compactness weighs all of them.
    #[arg(long, value_name = "VOLUME.nii.gz")]
    pub channel: Vec<PathBuf>,
    /// Gaussian smoothing beforehand: one width, or z,y,x in voxels.
    #[arg(long, value_delimiter = ',', default_value = "0", conflicts_with_all = ["kernel_z", "kernel_y", "kernel_x"])]
    pub sigma: Vec<f64>,
    /// Smoothing along z by these weights, symmetric and odd in number, in place of a Gaussian's.
    #[arg(long, value_delimiter = ',', value_name = "WEIGHTS")]
    pub kernel_z: Vec<f64>,
    /// Smoothing along y.
    #[arg(long, value_delimiter = ',', value_name = "WEIGHTS")]
    pub kernel_y: Vec<f64>,
    /// Smoothing along x.
    #[arg(long, value_delimiter = ',', value_name = "WEIGHTS")]
    pub kernel_x: Vec<f64>,
    /// Distance between voxels: z,y,x, or `header` for the file's.
    #[arg(long, default_value = "1,1,1")]
    pub spacing: String,
    /// Only where this volume is not 0; ids then start at 1.
    #[arg(long, value_name = "MASK.nii.gz")]
    pub mask: Option<PathBuf>,
    /// Only where the input itself, or another channel, is not 0.
    #[arg(long, conflicts_with = "mask")]
    pub masked: bool,
    /// Leaves disconnected and small parts as they are.
    #[arg(long)]
    pub no_connectivity: bool,
    /// Parts under this share of the mean size are merged.
    #[arg(long, default_value_t = 0.5)]
    pub min_size_factor: f64,
    /// Parts are cut at this multiple of the mean size.
    #[arg(long, default_value_t = 3.0)]
    pub max_size_factor: f64,
    /// SLIC-zero: compactness adapts to each region.
    #[arg(long)]
    pub slic_zero: bool,
    /// The first id [default: 0, with a mask 1].
    #[arg(long)]
    pub start_label: Option<u32>,
    /// Beyond scikit-image: every region is one 6-connected part.
    #[arg(long)]
    pub strict_connectivity: bool,
    /// Beyond scikit-image: as many regions as asked for, or the nearest number that the mask's parts allow.
    #[arg(long)]
    pub exact_count: bool,
    /// Beyond scikit-image: seeds and search windows laid out in the units of --spacing, for voxels that are no cubes.
    #[arg(long)]
    pub physical_windows: bool,
}

const TIMED_RUNS: usize = 3;

/// Reads, divides, writes the labels on the volume's own grid, prints how it went: `labels` and `seconds`, and what was
/// asked for and became of it.
///
/// # Errors
/// Files that can't be read or written, options that can't be met.
pub fn run(args: &SlicArgs) -> anyhow::Result<()> {
    place(&args.output)?;
    let volume = nifti::read(&args.input)?;
    let image = channels(args, &volume)?;
    let mask = read_mask(args, &volume, &image)?;
    let slic = parameters(args, &volume)?;
    let mut seconds = Vec::with_capacity(TIMED_RUNS);
    let mut found: Option<(Supervoxels, Report)> = None;
    for _ in 0..TIMED_RUNS {
        interrupt::check()?;
        let start = Instant::now();
        let made = slic
            .segment_with_report(image.view(), mask.as_ref().map(|mask| mask.view()))
            .map_err(|error| input(format!("{}: {error}", args.input.display())))?;
        seconds.push(start.elapsed().as_secs_f64());
        found = Some(made);
    }
    seconds.sort_by(f64::total_cmp);
    if let Some((supervoxels, report)) = found {
        let labels = supervoxels.labels().to_owned();
        nifti::write_labels(&args.output, &Volume { voxels: labels, geometry: volume.geometry })?;
        print_result(&json!({
            "labels": supervoxels.len(),
            "seconds": seconds[TIMED_RUNS / 2],
            "requested": report.requested,
            "seeds": report.seeds,
            "dead": report.dead,
            "iterations": report.iterations,
            "converged": report.converged,
        }))?;
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

/// The volume and the other channels, `[c, z, y, x]`.
fn channels(args: &SlicArgs, volume: &Volume) -> anyhow::Result<Array4<f32>> {
    let mut image = volume.voxels.clone().insert_axis(Axis(0));
    for path in &args.channel {
        let channel = on_grid(args, volume, path, "a channel")?;
        image.append(Axis(0), channel.view().insert_axis(Axis(0)))?;
    }
    Ok(image)
}

fn read_mask(args: &SlicArgs, volume: &Volume, image: &Array4<f32>) -> anyhow::Result<Option<Array3<bool>>> {
    let Some(path) = &args.mask else {
        let inside = || image.map_axis(Axis(0), |values| values.iter().any(|&value| value != 0.0));
        return Ok(args.masked.then(inside));
    };
    Ok(Some(on_grid(args, volume, path, "a mask")?.mapv(|value| value != 0.0)))
}

/// The voxels of another volume, which has to lie as the first does.
fn on_grid(args: &SlicArgs, volume: &Volume, path: &Path, what: &str) -> anyhow::Result<Array3<f32>> {
    let other = nifti::read(path)?;
    if !other.geometry.same_grid(&volume.geometry) {
        return Err(input(format!(
            "{}: expected {what} on the grid of {}, {}, found {}",
            path.display(),
            args.input.display(),
            grid(volume),
            grid(&other)
        )));
    }
    Ok(other.voxels)
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
        .slic_zero(args.slic_zero)
        .strict_connectivity(args.strict_connectivity)
        .exact_count(args.exact_count)
        .physical_windows(args.physical_windows);
    let kernels = [&args.kernel_z, &args.kernel_y, &args.kernel_x].map(Vec::clone);
    let slic = if kernels.iter().all(Vec::is_empty) { slic } else { slic.smoothing_kernels(kernels) };
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
