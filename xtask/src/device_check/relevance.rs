//! Compares the relevance of a phantom's regions and a U-Net's fill, dense and incremental, with the CPU's.

use ndarray::{Array4, Axis};
use relevox_models::candle_core::Device;
use relevox_models::engine::{Engine, Network};
use relevox_models::graph::tensor::TensorGraph;
use relevox_models::{Parameters, Precision, ResNet3d, ResNetConfig, UNet3d, UNetConfig};
use relevox_perturb::learned::LearnedFill;
use relevox_perturb::{ConstantFill, Fill, FillKind};
use relevox_relevance::{Classifier, NetworkClassifier, RegionLogits, region_logits, silent};
use relevox_volume::phantom::{PhantomConfig, generate};
use serde_json::json;
use slic3d::{Slic, Supervoxels};

use super::checks::{Checks, distance};
use super::fallback::dense_network;
use super::tolerance::Allowed;

/// A change of a logit that is large compared with the rounding of float32.
const LARGE: f64 = 1e-3;

/// Name and whether passes are dense.
const WAYS: [(&str, bool); 2] = [("whole", true), ("incremental", false)];

/// Four sequences of a phantom, each scaled to 0..1, and regions of the third.
///
/// # Errors
/// Returns an error if the segmentation fails.
pub(super) fn phantom(
    case: usize,
    shape: [usize; 3],
    spacing_mm: f64,
    regions: usize,
) -> anyhow::Result<(Array4<f32>, Supervoxels)> {
    let config = PhantomConfig { shape, spacing_mm: [spacing_mm; 3], ..PhantomConfig::default() };
    let case = generate(&config.check()?, 1, case);
    let [z, y, x] = shape;
    let mut image = Array4::zeros((case.sequences.len(), z, y, x));
    for (mut into, (_, sequence)) in image.outer_iter_mut().zip(&case.sequences) {
        let largest = sequence.iter().copied().fold(1.0f32, f32::max);
        into.assign(&sequence.mapv(|value| value / largest));
    }
    let slic = Slic::new(regions).compactness(0.1).exact_count(true);
    let regions = slic.segment_volume(image.index_axis(Axis(0), 2), None)?;
    Ok((image, regions))
}

/// Builds a network with the same weights on every device.
///
/// # Errors
/// Returns an error if a tensor operation fails.
pub(super) fn network(config: &ResNetConfig, device: &Device) -> anyhow::Result<ResNet3d> {
    Ok(ResNet3d::new(config, Parameters::seeded(2, device).frozen_builder())?)
}

/// Scores a phantom's regions and fills them.
///
/// # Errors
/// Returns an error if scoring on the CPU fails, stdout is closed, or the user interrupts.
pub(super) fn run(checks: &Checks, device: &Device, precision: Precision) -> anyhow::Result<()> {
    let (image, regions) = phantom(0, [30, 36, 30], 5.5, 24)?;
    let brain = image.index_axis(Axis(0), 0).mapv(|value| value > 0.0);
    let fill = ConstantFill::new(FillKind::Max, image.view(), brain.view())?;
    let config = ResNetConfig { depth: 18, width: 8, ..ResNetConfig::default() };
    let scored = |classifier: &dyn Classifier| -> anyhow::Result<RegionLogits> {
        Ok(region_logits(&*classifier.baseline(image.view())?, &regions, &fill, &silent)?)
    };
    let resnet = |device: &Device, way: Way| -> anyhow::Result<RegionLogits> {
        let engine = Engine::new(network(&config, device)?, device.clone())?;
        scored(&NetworkClassifier::from(way.set(engine)?))
    };
    changes_agree(checks, device, precision, "phantom", resnet)?;
    let dense = |device: &Device, way: Way| -> anyhow::Result<RegionLogits> {
        let graph = dense_network().graph(Parameters::seeded(2, device).frozen_builder())?;
        let engine = Engine::new(TensorGraph::new(graph, device)?, device.clone())?;
        scored(&NetworkClassifier::of_engine(way.set(engine)?)?)
    };
    changes_agree(checks, device, precision, "phantom, DenseNet", dense)?;
    filled(checks, device, precision, &image, &regions)
}

/// How an engine computes patches.
#[derive(Clone, Copy)]
struct Way {
    dense: bool,
    compiled: bool,
}

impl Way {
    fn set<N: Network>(self, engine: Engine<N>) -> anyhow::Result<Engine<N>> {
        Ok(engine.compiled(self.compiled)?.dense(self.dense))
    }
}

/// Compares the changes of a logit by the regions of a phantom.
fn changes_agree(
    checks: &Checks,
    device: &Device,
    precision: Precision,
    what: &str,
    score: impl Fn(&Device, Way) -> anyhow::Result<RegionLogits>,
) -> anyhow::Result<()> {
    let expected = score(&Device::Cpu, Way { dense: true, compiled: true })?;
    // Change of the logit by each region.
    let moves = |logits: &RegionLogits| -> Vec<f32> {
        logits.perturbed.iter().map(|logit| logit - logits.original[0]).collect()
    };
    let expected_moves = moves(&expected);
    let largest = expected_moves.iter().fold(0.0, |most: f64, by| most.max(f64::from(by.abs())));
    checks.note(&format!("{what}: the largest change of a logit"), json!(largest), largest > LARGE)?;
    let allowed = Allowed::at(precision).network;
    let compare = |name: &str, dense: bool| -> anyhow::Result<()> {
        // The CPU uses the same path as a GPU.
        let found = score(device, Way { dense, compiled: false })?;
        let off = distance(&found.original, &expected.original, largest);
        checks.off(&format!("{what}, {name}: logit"), off, allowed)?;
        let off = distance(&moves(&found), &expected_moves, LARGE);
        let regions = expected_moves.len();
        checks.off(&format!("{what}, {name}: changes of it by {regions} regions"), off, allowed)?;
        let same = found.changed == expected.changed;
        checks.note(&format!("{what}, {name}: voxels changed"), json!(same), same)
    };
    for (name, dense) in WAYS {
        checks.part(&format!("{what}, {name}"), compare(name, dense))?;
    }
    Ok(())
}

/// Compares a U-Net's fill of the regions.
fn filled(
    checks: &Checks,
    device: &Device,
    precision: Precision,
    image: &Array4<f32>,
    regions: &Supervoxels,
) -> anyhow::Result<()> {
    let config = UNetConfig { widths: vec![4, 8, 16], ..UNetConfig::default() };
    let on = |device: &Device| -> anyhow::Result<Engine<UNet3d>> {
        let unet = UNet3d::new(&config, Parameters::seeded(3, device).frozen_builder())?;
        Ok(Engine::new(unet, device.clone())?)
    };
    let score = |engine: Engine<UNet3d>, image: &Array4<f32>| -> anyhow::Result<Vec<f32>> {
        let all: Vec<usize> = (0..regions.len()).collect();
        let patches = LearnedFill::from(engine).patches(image.view(), regions, &all)?;
        Ok(patches.iter().flat_map(|patch| patch.as_slice().iter().copied()).collect())
    };
    let expected = score(on(&Device::Cpu)?.dense(true), image)?;
    // The U-Net's output on zeros: a device that ignores its input must not pass.
    let on_zeros = score(on(&Device::Cpu)?, &Array4::zeros(image.dim()))?;
    let apart = distance(&on_zeros, &expected, LARGE);
    checks.note("learned fill: distance from its values on zeros", json!(apart), apart > 10.0 * LARGE)?;
    let allowed = Allowed::at(precision).network;
    for (name, dense) in WAYS {
        let name = format!("learned fill, {name}");
        let compare = || -> anyhow::Result<()> {
            let found = score(on(device)?.compiled(false)?.dense(dense), image)?;
            checks.off(&name, distance(&found, &expected, LARGE), allowed)
        };
        checks.part(&name, compare())?;
    }
    Ok(())
}
