//! Pooling of dense `f32` volumes, forward and backward.
//!
//! A row of outputs first reduces the rows of its windows element by element, then the windows along x. A task is a channel
//! or a plane of one, processed in order, so that results do not depend on the threads.

use super::conv_ops::{values, with_values};
use crate::Pool3dParams;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;
use std::ops::Range;

/// [`crate::max_pool3d`] of `f32` tensors on the CPU.
pub(crate) fn max_pool3d(x: &Tensor, params: Pool3dParams) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Pool { params, kind: Kind::Max })
}

/// [`crate::avg_pool3d`] of `f32` tensors on the CPU.
pub(crate) fn avg_pool3d(x: &Tensor, params: Pool3dParams) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Pool { params, kind: Kind::Mean })
}

/// [`crate::global_avg_pool3d`] of `f32` tensors on the CPU.
pub(crate) fn global_avg_pool3d(x: &Tensor) -> Result<Tensor> {
    let (n, c, d, h, w) = x.dims5()?;
    x.reshape((n, c, d * h * w))?.contiguous()?.apply_op1(Mean)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Max,
    Mean,
}

struct Pool {
    params: Pool3dParams,
    kind: Kind,
}

/// A pooling of one shape.
struct Windows {
    params: Pool3dParams,
    input: [usize; 3],
    output: [usize; 3],
    rows: usize,
}

impl Windows {
    fn of(dims: &[usize], params: Pool3dParams) -> Result<Windows> {
        let &[n, c, d, h, w] = dims else { bail!("pooling: expected [n, c, d, h, w], found {dims:?}") };
        let Some(output) = params.output_size([d, h, w]) else {
            bail!("pooling: the window of {params:?} does not fit input {dims:?}")
        };
        Ok(Windows { params, input: [d, h, w], output, rows: n * c })
    }

    fn input_len(&self) -> usize {
        self.input.iter().product()
    }

    fn output_len(&self) -> usize {
        self.output.iter().product()
    }

    /// Returns the inputs of a window along an axis.
    fn taps(&self, axis: usize, at: usize) -> Range<usize> {
        self.params.geometry().reads_along(axis, at..at + 1, self.input[axis])
    }

    /// Returns the indices in a channel of the rows `[z][y]` that an output row reads.
    fn rows_of(&self, z: usize, y: usize) -> impl Iterator<Item = usize> + use<> {
        let [_, height, width] = self.input;
        let across = self.taps(1, y);
        self.taps(0, z).flat_map(move |z| across.clone().map(move |y| (z * height + y) * width))
    }

    /// `output[…] = reduce over the window`, starting from `start`.
    fn reduce(
        &self,
        x: &[f32],
        y: &mut [f32],
        start: f32,
        of: impl Fn(f32, f32) -> f32 + Sync + Copy,
        end: f32,
    ) {
        let [depth, height, width] = self.output;
        let along: Vec<Range<usize>> = (0..width).map(|at| self.taps(2, at)).collect();
        y.par_chunks_mut((height * width).max(1)).enumerate().for_each_init(
            || vec![0.0f32; self.input[2]],
            |row, (plane, y)| {
                let (channel, z) = (plane / depth, plane % depth);
                let x = &x[channel * self.input_len()..][..self.input_len()];
                for (at, y) in y.chunks_exact_mut(width).enumerate() {
                    row.fill(start);
                    for from in self.rows_of(z, at) {
                        let from = &x[from..from + row.len()];
                        row.iter_mut().zip(from).for_each(|(sum, &value)| *sum = of(*sum, value));
                    }
                    for (y, taps) in y.iter_mut().zip(&along) {
                        *y = end * row[taps.clone()].iter().fold(start, |sum, &value| of(sum, value));
                    }
                }
            },
        );
    }

    /// Adds each output's gradient to the first input of its window that equals the output.
    fn max_gradient(&self, x: &[f32], y: &[f32], gradient: &[f32], to: &mut [f32]) {
        let [depth, height, width] = self.output;
        let along: Vec<Range<usize>> = (0..width).map(|at| self.taps(2, at)).collect();
        let (from, onto) = (self.output_len(), self.input_len());
        to.par_chunks_mut(onto.max(1)).enumerate().for_each(|(channel, to)| {
            let x = &x[channel * onto..][..onto];
            let (y, gradient) = (&y[channel * from..][..from], &gradient[channel * from..][..from]);
            let mut rows = Vec::new();
            for row in 0..depth * height {
                rows.clear();
                rows.extend(self.rows_of(row / height, row % height));
                for (at, taps) in along.iter().enumerate() {
                    let (value, gradient) = (y[row * width + at], gradient[row * width + at]);
                    let found = rows.iter().find_map(|start| {
                        let at =
                            taps.clone().find(|&tap| x[start + tap] == value || x[start + tap].is_nan())?;
                        Some(start + at)
                    });
                    if let Some(found) = found {
                        to[found] += gradient;
                    }
                }
            }
        });
    }

    /// Spreads each output's gradient evenly over its window.
    fn mean_gradient(&self, gradient: &[f32], to: &mut [f32]) {
        let [depth, height, width] = self.output;
        let along: Vec<Range<usize>> = (0..width).map(|at| self.taps(2, at)).collect();
        let share = 1.0 / self.params.kernel.iter().product::<usize>() as f32;
        let (from, onto) = (self.output_len(), self.input_len());
        to.par_chunks_mut(onto.max(1)).enumerate().for_each(|(channel, to)| {
            let gradient = &gradient[channel * from..][..from];
            let mut spread = vec![0.0f32; self.input[2]];
            for row in 0..depth * height {
                spread.fill(0.0);
                for (taps, &gradient) in along.iter().zip(&gradient[row * width..]) {
                    spread[taps.clone()].iter_mut().for_each(|sum| *sum += share * gradient);
                }
                for start in self.rows_of(row / height, row % height) {
                    let onto = &mut to[start..start + spread.len()];
                    onto.iter_mut().zip(&spread).for_each(|(sum, &value)| *sum += value);
                }
            }
        });
    }
}

impl CustomOp1 for Pool {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Max => "max-pool3d",
            Kind::Mean => "avg-pool3d",
        }
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = values(storage, layout)?;
        let windows = Windows::of(layout.dims(), self.params)?;
        let mut y = vec![0.0; windows.rows * windows.output_len()];
        match self.kind {
            Kind::Max => {
                // A NaN is propagated: no value compares larger.
                let larger = |a: f32, b: f32| if b > a || b.is_nan() { b } else { a };
                windows.reduce(x, &mut y, f32::NEG_INFINITY, larger, 1.0);
            }
            Kind::Mean => {
                let share = 1.0 / self.params.kernel.iter().product::<usize>() as f32;
                windows.reduce(x, &mut y, 0.0, |a, b| a + b, share);
            }
        }
        let [d, h, w] = windows.output;
        let shape = Shape::from((layout.dims()[0], layout.dims()[1], d, h, w));
        Ok((CpuStorage::F32(y), shape))
    }

    fn bwd(&self, x: &Tensor, y: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let windows = Windows::of(x.dims(), self.params)?;
        let mut to = vec![0.0; x.elem_count()];
        match self.kind {
            Kind::Max => with_values([x, y, &gradient.contiguous()?], |[x, y, gradient]| {
                windows.max_gradient(x, y, gradient, &mut to);
            })?,
            Kind::Mean => with_values([&gradient.contiguous()?], |[gradient]| {
                windows.mean_gradient(gradient, &mut to);
            })?,
        }
        Ok(Some(Tensor::from_vec(to, x.shape(), x.device())?))
    }
}

/// The mean of each row of `[n, c, voxels]`.
struct Mean;

impl CustomOp1 for Mean {
    fn name(&self) -> &'static str {
        "global-avg-pool3d"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = values(storage, layout)?;
        let &[n, c, voxels] = layout.dims() else { bail!("pooling: found {:?}", layout.dims()) };
        let mean = |channel: usize| {
            let row = &x[channel * voxels..][..voxels];
            let sum: f64 = row.chunks(64).map(|run| f64::from(run.iter().sum::<f32>())).sum();
            (sum / voxels as f64) as f32
        };
        let y: Vec<f32> = (0..n * c).into_par_iter().with_min_len(16).map(mean).collect();
        Ok((CpuStorage::F32(y), Shape::from((n, c))))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let voxels = x.dim(2)?;
        let mut to = vec![0.0; x.elem_count()];
        with_values([&gradient.contiguous()?], |[gradient]| {
            to.par_chunks_mut(voxels.max(1)).with_min_len(16).zip(gradient).for_each(|(to, &gradient)| {
                to.fill(gradient / voxels as f32);
            });
        })?;
        Ok(Some(Tensor::from_vec(to, x.shape(), x.device())?))
    }
}
