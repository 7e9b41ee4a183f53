//! `cargo xtask bench regions`: time of a real case's relevance map by layer.

use anyhow::Context;
use ndarray::s;
use relevox_models::plan::Plan;
use relevox_models::{Parameters, ResNet3d, ResNetConfig, UNet3d, UNetConfig, checkpoint, device};
use serde_json::json;

use super::peak::Peak;
use super::scan::{Layer, T2, blanked, isolated, load, profile, segment};
use super::slic::case_folder;
use crate::cli::RegionsBenchArgs;
use relevox::cli::print_result;
use relevox_experiment::progress::print_status;

/// Computes the change of every region with a network of seeded weights, or of a file.
///
/// # Errors
/// Returns an error if the case can't be read or the network does not fit it.
pub(super) fn run(args: &RegionsBenchArgs) -> anyhow::Result<()> {
    let folder = case_folder(args.case.as_ref())?;
    let study = load(&folder, args.size)?;
    let regions = segment(&study, T2, args.regions)?;
    let cpu = device("cpu")?;
    let parameters = Parameters::seeded(0, &cpu);
    let (plan, image, boxes) = if let Some(model) = &args.model {
        let network = checkpoint::load_onnx(model, Some([args.size; 3]))?;
        let channels = if network.graph.channels() == 1 { T2..T2 + 1 } else { 0..study.image.dim().0 };
        let image = study.image.slice(s![channels, .., .., ..]).to_owned();
        let patches = blanked(image.view(), &regions)?;
        (Plan::new(&network.graph)?, image, patches)
    } else if args.depth == 0 {
        let unet = UNet3d::new(&UNetConfig::default(), parameters.frozen_builder())?;
        (Plan::unet(&unet)?, study.image.map(|_| 0.0), isolated(&study, &regions)?)
    } else {
        let config =
            ResNetConfig { depth: args.depth, stem_stride: [args.stem_stride; 3], ..ResNetConfig::default() };
        let network = ResNet3d::new(&config, parameters.builder())?;
        let image = study.image.as_standard_layout().into_owned();
        (Plan::resnet(&network)?, image, blanked(study.image.view(), &regions)?)
    };
    let layers = profile(&plan, image.view(), &boxes)?;
    let peak = Peak::measure();
    for of in &layers {
        let Layer { layer, size: [z, y, x], dense_gflop, gflop, seconds, .. } = of;
        let share = if *dense_gflop > 0.0 { 100.0 * gflop / dense_gflop } else { 0.0 };
        let rate = gflop / seconds;
        print_status(format!(
            "{layer:<44} {z:>3}×{y:>3}×{x:>3} {gflop:>8.1} GFLOP ({share:>5.1} % of dense passes) {seconds:>7.3} s {rate:>6.0} GFLOP/s{}",
            of.floor(peak)
                .map_or_else(String::new, |floor| format!(", {:.1} times the floor", seconds / floor))
        ));
    }
    let whole =
        plan.operations(study.frame.shape()).context("expected a volume that the network fits into")?;
    print_result(&json!({
        "regions": regions.len(),
        "seconds": layers.iter().map(|layer| layer.seconds).sum::<f64>(),
        "gflop": layers.iter().map(|layer| layer.gflop).sum::<f64>(),
        "dense_gflop": whole as f64 * regions.len() as f64 / 1e9,
        "threads": rayon::current_num_threads(),
        "layers": layers,
        "peak": peak,
    }))
}
