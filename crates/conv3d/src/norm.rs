//! Batch normalisation with ReLU, the sum of two tensors with ReLU, and ReLU, for the CPU: parallel, with as few passes over
//! memory as possible.
//!
//! The sums of a channel are computed by one task, in float64 and in a fixed order, so that results do not depend on the
//! threads.

use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Storage, Tensor, bail,
};
use rayon::prelude::*;
use std::ops::Deref;

use crate::BatchNorm;

/// Smallest number of values per task.
const TASK: usize = 1 << 13;

/// [`super::batch_norm_train`] for float32 on the CPU.
pub(super) fn batch_norm_train(x: &Tensor, norm: BatchNorm<'_>) -> Result<(Tensor, Tensor, Tensor)> {
    let BatchNorm { gamma, beta, epsilon, relu } = norm;
    let x = x.contiguous()?;
    let moments = Rows::of(&x)?.moments(host(&x.storage_and_layout())?);
    let statistic = |pick: fn(&(f64, f64)) -> f64| -> Result<Tensor> {
        let values: Vec<f32> = moments.iter().map(|moments| pick(moments) as f32).collect();
        Tensor::from_vec(values, moments.len(), x.device())
    };
    let (mean, variance) = (statistic(|moments| moments.0)?, statistic(|moments| moments.1)?);
    let centre = moments.iter().map(|moments| moments.0 as f32).collect();
    let inverse = moments.iter().map(|moments| (1.0 / (moments.1 + epsilon).sqrt()) as f32).collect();
    let op = Normalise { centre, inverse, relu, of_batch: true };
    Ok((x.apply_op3(&gamma.contiguous()?, &beta.contiguous()?, op)?, mean, variance))
}

/// [`super::batch_norm_eval`] for float32 on the CPU; no gradient flows to mean and variance.
pub(super) fn batch_norm_eval(
    x: &Tensor,
    mean: &Tensor,
    variance: &Tensor,
    norm: BatchNorm<'_>,
) -> Result<Tensor> {
    let BatchNorm { gamma, beta, epsilon, relu } = norm;
    let centre = mean.to_vec1::<f32>()?;
    let variance = variance.to_vec1::<f32>()?;
    let inverse = variance.iter().map(|&v| (1.0 / (f64::from(v) + epsilon).sqrt()) as f32).collect();
    let op = Normalise { centre, inverse, relu, of_batch: false };
    x.contiguous()?.apply_op3(&gamma.contiguous()?, &beta.contiguous()?, op)
}

/// [`super::add_relu`] for float32 on the CPU.
pub(super) fn add_relu(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    a.contiguous()?.apply_op2(&b.contiguous()?, AddRelu)
}

/// [`super::relu`] for float32 on the CPU.
pub(super) fn relu(x: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Relu)
}

/// A batch as rows of voxels: row r belongs to channel r mod `channels`.
#[derive(Clone, Copy)]
struct Rows {
    batch: usize,
    channels: usize,
    voxels: usize,
}

impl Rows {
    fn of(x: &Tensor) -> Result<Self> {
        let (batch, channels, d, h, w) = x.dims5()?;
        Ok(Self { batch, channels, voxels: d * h * w })
    }

    fn count(&self) -> usize {
        self.batch * self.voxels
    }

    /// Returns the number of rows per task.
    fn per_task(&self) -> usize {
        TASK.div_ceil(self.voxels.max(1))
    }

    /// Computes a value per channel, in parallel, from its rows in order.
    fn by_channel<T: Send>(&self, of: impl Fn(usize, &mut dyn Iterator<Item = usize>) -> T + Sync) -> Vec<T> {
        let at_least = TASK.div_ceil(self.count().max(1));
        (0..self.channels)
            .into_par_iter()
            .with_min_len(at_least)
            .map(|channel| {
                of(channel, &mut (0..self.batch).map(|n| (n * self.channels + channel) * self.voxels))
            })
            .collect()
    }

    /// Computes mean and biased variance per channel.
    fn moments(&self, x: &[f32]) -> Vec<(f64, f64)> {
        let count = self.count() as f64;
        self.by_channel(|_, starts| {
            let [mut sum, mut squares] = [0.0; 2];
            for start in starts {
                let row = &x[start..start + self.voxels];
                sum += total(row.chunks(LANES).map(|part| padded(part, |value| value)));
                squares += total(row.chunks(LANES).map(|part| padded(part, |value| value * value)));
            }
            let mean = sum / count;
            (mean, (squares / count - mean * mean).max(0.0))
        })
    }
}

const LANES: usize = 8;

/// Returns up to [`LANES`] values in float64, padded with 0.
#[inline(always)]
fn padded(part: &[f32], of: impl Fn(f64) -> f64) -> [f64; LANES] {
    let mut lanes = [0.0; LANES];
    for (lane, &value) in lanes.iter_mut().zip(part) {
        *lane = of(f64::from(value));
    }
    lanes
}

/// Sums lane by lane, then the lanes in order.
#[inline(always)]
fn total(parts: impl Iterator<Item = [f64; LANES]>) -> f64 {
    let mut lanes = [0.0; LANES];
    for part in parts {
        for (lane, value) in lanes.iter_mut().zip(part) {
            *lane += value;
        }
    }
    lanes.iter().sum()
}

/// `(x − centre) · inverse · γ + β` per channel, then ReLU if `relu`.
struct Normalise {
    centre: Vec<f32>,
    inverse: Vec<f32>,
    relu: bool,
    /// `true` if centre and inverse are the statistics of the batch, through which gradients flow.
    of_batch: bool,
}

impl Normalise {
    /// Computes the gradients of β and γ: sums over a channel of the gradient and of its product with the normalised
    /// input.
    fn sums(&self, rows: Rows, x: &[f32], y: &[f32], gradient: &[f32]) -> Vec<(f64, f64)> {
        rows.by_channel(|channel, starts| {
            let (centre, inverse) = (f64::from(self.centre[channel]), f64::from(self.inverse[channel]));
            let [mut of_beta, mut of_gamma] = [0.0; 2];
            for start in starts {
                let range = start..start + rows.voxels;
                let mut lanes = [[0.0f64; LANES]; 2];
                let parts = gradient[range.clone()].chunks(LANES);
                let parts = parts.zip(x[range.clone()].chunks(LANES)).zip(y[range].chunks(LANES));
                for ((gradient, x), y) in parts {
                    for (lane, ((&gradient, &x), &y)) in gradient.iter().zip(x).zip(y).enumerate() {
                        let gradient = f64::from(self.passed(gradient, y));
                        lanes[0][lane] += gradient;
                        lanes[1][lane] += gradient * (f64::from(x) - centre);
                    }
                }
                of_beta += lanes[0].iter().sum::<f64>();
                of_gamma += lanes[1].iter().sum::<f64>() * inverse;
            }
            (of_beta, of_gamma)
        })
    }

    /// Returns the output's gradient behind the ReLU.
    #[inline(always)]
    fn passed(&self, gradient: f32, y: f32) -> f32 {
        if self.relu && y <= 0.0 { 0.0 } else { gradient }
    }
}

impl CustomOp3 for Normalise {
    fn name(&self) -> &'static str {
        "batch-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        gamma: &CpuStorage,
        gamma_layout: &Layout,
        beta: &CpuStorage,
        beta_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, gamma, beta) =
            (values(x, x_layout)?, values(gamma, gamma_layout)?, values(beta, beta_layout)?);
        let &[batch, channels, d, h, w] = x_layout.dims() else {
            bail!("batch norm: expected [n, c, d, h, w], found {:?}", x_layout.dims())
        };
        let rows = Rows { batch, channels, voxels: d * h * w };
        let mut y = vec![0.0; x.len()];
        let floor = if self.relu { 0.0 } else { f32::NEG_INFINITY };
        let (to, from) = (y.par_chunks_mut(rows.voxels), x.par_chunks(rows.voxels));
        to.zip(from).enumerate().with_min_len(rows.per_task()).for_each(|(row, (y, x))| {
            let channel = row % channels;
            let scale = gamma[channel] * self.inverse[channel];
            let (centre, shift) = (self.centre[channel], beta[channel]);
            for (y, &x) in y.iter_mut().zip(x) {
                let value = (x - centre) * scale + shift;
                // Unlike `max`, this propagates a NaN.
                *y = if value < floor { floor } else { value };
            }
        });
        Ok((CpuStorage::F32(y), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        gamma: &Tensor,
        beta: &Tensor,
        y: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let rows = Rows::of(x)?;
        let gradient = gradient.contiguous()?;
        let learned = gamma.track_op() || beta.track_op();
        let gamma_values = gamma.to_vec1::<f32>()?;
        let [x_guard, y_guard, gradient_guard] = [x, y, &gradient].map(Tensor::storage_and_layout);
        let (x_values, y_values) = (host(&x_guard)?, host(&y_guard)?);
        let gradient = host(&gradient_guard)?;
        let sums = if self.of_batch || learned {
            self.sums(rows, x_values, y_values, gradient)
        } else {
            vec![(0.0, 0.0); rows.channels]
        };
        let count = if self.of_batch { rows.count() as f64 } else { f64::INFINITY };
        let of_x = x.track_op().then(|| {
            let mut of_x = vec![0.0; x_values.len()];
            let to = of_x.par_chunks_mut(rows.voxels).enumerate().with_min_len(rows.per_task());
            to.for_each(|(row, of_x)| {
                let channel = row % rows.channels;
                let (centre, inverse) = (self.centre[channel], self.inverse[channel]);
                let scale = gamma_values[channel] * inverse;
                let mean = (sums[channel].0 / count) as f32;
                let slope = (sums[channel].1 / count) as f32 * inverse;
                let range = row * rows.voxels..(row + 1) * rows.voxels;
                let inputs = x_values[range.clone()].iter().zip(&y_values[range.clone()]);
                for ((of_x, &gradient), (&x, &y)) in of_x.iter_mut().zip(&gradient[range]).zip(inputs) {
                    *of_x = scale * (self.passed(gradient, y) - mean - (x - centre) * slope);
                }
            });
            of_x
        });
        let of_x = of_x.map(|of_x| Tensor::from_vec(of_x, x.shape(), x.device())).transpose()?;
        if !learned {
            return Ok((of_x, None, None));
        }
        let vector = |pick: fn(&(f64, f64)) -> f64| {
            let values: Vec<f32> = sums.iter().map(|sums| pick(sums) as f32).collect();
            Tensor::from_vec(values, rows.channels, x.device())
        };
        Ok((of_x, Some(vector(|sums| sums.1)?), Some(vector(|sums| sums.0)?)))
    }
}

/// `max(a + b, 0)`.
struct AddRelu;

impl CustomOp2 for AddRelu {
    fn name(&self) -> &'static str {
        "add-relu"
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        a_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (a, b) = (values(a, a_layout)?, values(b, b_layout)?);
        let mut y = vec![0.0; a.len()];
        y.par_chunks_mut(TASK).zip(a.par_chunks(TASK).zip(b.par_chunks(TASK))).for_each(|(y, (a, b))| {
            for (y, (&a, &b)) in y.iter_mut().zip(a.iter().zip(b)) {
                let sum = a + b;
                *y = if sum < 0.0 { 0.0 } else { sum };
            }
        });
        Ok((CpuStorage::F32(y), a_layout.shape().clone()))
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        y: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let passed = behind_relu(y, gradient)?;
        Ok((Some(passed.clone()), Some(passed)))
    }
}

/// `max(x, 0)`.
struct Relu;

impl CustomOp1 for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = values(x, layout)?;
        let mut y = vec![0.0; x.len()];
        y.par_chunks_mut(TASK).zip(x.par_chunks(TASK)).for_each(|(y, x)| {
            for (y, &x) in y.iter_mut().zip(x) {
                // Unlike `max`, this propagates a NaN.
                *y = if x < 0.0 { 0.0 } else { x };
            }
        });
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, y: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        behind_relu(y, gradient).map(Some)
    }
}

/// Returns the gradient of a ReLU's input from that of its output `y`.
fn behind_relu(y: &Tensor, gradient: &Tensor) -> Result<Tensor> {
    let gradient = gradient.contiguous()?;
    let [y_guard, gradient_guard] = [y, &gradient].map(Tensor::storage_and_layout);
    let (y_values, gradient) = (host(&y_guard)?, host(&gradient_guard)?);
    let mut passed = vec![0.0; gradient.len()];
    let from = y_values.par_chunks(TASK).zip(gradient.par_chunks(TASK));
    passed.par_chunks_mut(TASK).zip(from).for_each(|(passed, (y, gradient))| {
        for (passed, (&y, &gradient)) in passed.iter_mut().zip(y.iter().zip(gradient)) {
            *passed = if y <= 0.0 { 0.0 } else { gradient };
        }
    });
    Tensor::from_vec(passed, y.shape(), y.device())
}

/// Returns the values of a contiguous float32 tensor on the CPU.
fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(values), Some((start, end))) => Ok(&values[start..end]),
        _ => bail!("batch norm: expected contiguous float32 values"),
    }
}

/// Returns the values of a contiguous float32 tensor on the CPU, from its locked storage.
fn host<'a>((storage, layout): &'a (impl Deref<Target = Storage>, &Layout)) -> Result<&'a [f32]> {
    match &**storage {
        Storage::Cpu(storage) => values(storage, layout),
        _ => bail!("batch norm: expected a tensor on the CPU"),
    }
}
