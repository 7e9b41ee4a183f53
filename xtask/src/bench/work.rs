//! Timed cases: a forward pass, a training step, a convolution.

use candle_core::{Device, Tensor};
use relevox_models::adam::{Adam, AdamConfig};
use relevox_models::conv3d::{Conv3dParams, conv3d};
use relevox_models::plan::Plan;
use relevox_models::{Parameters, ResNet3d, ResNetConfig, UNet3d, UNetConfig, loss};
use serde::{Deserialize, Serialize};

use relevox_experiment::failure::invalid_input;

/// Kind of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Forward,
    Train,
    Conv,
}

/// A case, as both sides receive it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Case {
    pub(super) kind: Kind,
    /// Depth of the ResNet; 0 is the U-Net of the `paper` profile.
    pub(super) depth: usize,
    pub(super) stem_stride: usize,
    pub(super) width: usize,
    pub(super) channels: [usize; 2],
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) size: [usize; 3],
    pub(super) batch: usize,
}

impl Default for Case {
    fn default() -> Self {
        Case {
            kind: Kind::Forward,
            depth: 18,
            stem_stride: 2,
            width: 64,
            channels: [64; 2],
            kernel: 3,
            stride: 1,
            size: [128; 3],
            batch: 1,
        }
    }
}

impl Case {
    /// Name in tables.
    pub(super) fn name(&self) -> String {
        let [z, y, x] = self.size;
        let size = if z == y && y == x { format!("{z}³") } else { format!("{z}×{y}×{x}") };
        let batch = self.batch;
        if self.kind == Kind::Conv {
            let ([from, to], kernel) = (self.channels, self.kernel);
            return format!("conv {from}→{to}, {kernel}³, stride {}, on {batch}×{size}", self.stride);
        }
        let what = if self.kind == Kind::Train { "training step" } else { "forward" };
        if self.depth == 0 {
            return format!("U-Net {what}, {batch}×4×{size}");
        }
        let width = if self.width == 64 { String::new() } else { format!(", width {}", self.width) };
        format!("ResNet-{} {what}, stem stride {}{width}, {batch}×4×{size}", self.depth, self.stem_stride)
    }

    fn shape(&self) -> [usize; 5] {
        let channels = if self.kind == Kind::Conv { self.channels[0] } else { 4 };
        let [z, y, x] = self.size;
        [self.batch, channels, z, y, x]
    }

    fn config(&self) -> ResNetConfig {
        let (depth, stem_stride, width) = (self.depth, self.stem_stride, self.width);
        ResNetConfig { depth, stem_stride: [stem_stride; 3], width, ..ResNetConfig::default() }
    }

    fn plan(&self) -> anyhow::Result<Plan> {
        let parameters = Parameters::seeded(0, &Device::Cpu);
        Ok(match self.depth {
            0 => Plan::unet(&UNet3d::new(&UNetConfig::default(), parameters.frozen_builder())?)?,
            _ => Plan::resnet(&ResNet3d::new(&self.config(), parameters.frozen_builder())?)?,
        })
    }
}

/// A case with network, weights and batch.
pub(super) struct Work {
    gflop: f64,
    task: Task,
}

enum Task {
    Forward { plan: Plan, batch: Vec<f32>, shape: [usize; 5] },
    Train { network: ResNet3d, adam: Adam, batch: Tensor, labels: Vec<bool> },
    Conv { x: Tensor, weight: Tensor, params: Conv3dParams },
}

impl Work {
    /// Creates network, weights and batch.
    ///
    /// # Errors
    /// Returns an input error if the volume is too small for the kernels.
    pub(super) fn new(case: &Case) -> anyhow::Result<Work> {
        let shape = case.shape();
        let batch = Tensor::rand(0f32, 1.0, &shape, &Device::Cpu)?;
        let too_small =
            || invalid_input(format!("{}: expected a volume that the kernels fit into", case.name()));
        if case.kind == Kind::Conv {
            let ([from, to], k) = (case.channels, case.kernel);
            let weight = Tensor::rand(-1f32, 1.0, (to, from, k, k, k), &Device::Cpu)?;
            let params = Conv3dParams::cubic(case.stride, k / 2);
            let voxels: usize = params.output_size(case.size, [k; 3]).ok_or_else(too_small)?.iter().product();
            let gflop = (2 * case.batch * voxels * weight.elem_count()) as f64 / 1e9;
            return Ok(Work { gflop, task: Task::Conv { x: batch, weight, params } });
        }
        let plan = case.plan()?;
        let forward = plan.operations(case.size).ok_or_else(too_small)? as f64 * case.batch as f64 / 1e9;
        if case.kind == Kind::Forward {
            let batch = batch.flatten_all()?.to_vec1()?;
            return Ok(Work { gflop: forward, task: Task::Forward { plan, batch, shape } });
        }
        if case.depth == 0 {
            return Err(invalid_input(
                "bench train --depth: expected a ResNet, found 0 (the U-Net is trained through a classifier)",
            ));
        }
        let parameters = Parameters::seeded(0, &Device::Cpu);
        let network = ResNet3d::new(&case.config(), parameters.builder())?;
        let adam = Adam::new(parameters.trainable(), AdamConfig::default())?;
        let labels = (0..case.batch).map(|index| index % 2 == 0).collect();
        // The gradients of weights and inputs cost about a forward pass each.
        Ok(Work { gflop: 3.0 * forward, task: Task::Train { network, adam, batch, labels } })
    }

    /// Operations of a run, in 10⁹; a training step counts as three forward passes.
    pub(super) fn gflop(&self) -> f64 {
        self.gflop
    }

    /// Runs the case once.
    ///
    /// # Errors
    /// Returns an error if a tensor operation fails.
    pub(super) fn once(&mut self) -> anyhow::Result<()> {
        match &mut self.task {
            Task::Forward { plan, batch, shape } => {
                std::hint::black_box(plan.forward(batch, *shape)?);
            }
            Task::Conv { x, weight, params } => {
                std::hint::black_box(conv3d(x, weight, None, *params)?);
            }
            Task::Train { network, adam, batch, labels } => {
                let loss = loss::bce_with_logits(&network.forward_t(batch, true)?.squeeze(1)?, labels, 1.0)?;
                adam.step(&loss.backward()?, 1e-3)?;
            }
        }
        Ok(())
    }
}
