//! Resampling of dense `f32` volumes, forward and backward.
//!
//! Every output is a weighted mean of two inputs along each axis. A row of outputs first combines the four nearest rows of
//! inputs, then interpolates along x. The backward pass uses the same weights, one task per channel.

use super::conv_ops::{values, with_values};
use crate::Mode;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

/// [`crate::upsample3d`] of `f32` tensors on the CPU.
pub(crate) fn upsample3d(x: &Tensor, size: [usize; 3], mode: Mode) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Upsample { size, mode })
}

struct Upsample {
    size: [usize; 3],
    mode: Mode,
}

/// Position of an output along an axis: between inputs `low` and `high`, at `share` of the distance.
#[derive(Clone, Copy)]
struct Place {
    low: usize,
    high: usize,
    share: f32,
}

impl Upsample {
    fn places(&self, axis: usize, from: usize) -> Vec<Place> {
        let to = self.size[axis];
        let place = |at: usize| {
            let place = match self.mode {
                Mode::Nearest => (at * from / to) as f64,
                _ if from == to => at as f64,
                Mode::Trilinear { align_corners: true } => {
                    at as f64 * (from - 1) as f64 / (to.max(2) - 1) as f64
                }
                Mode::Trilinear { align_corners: false } => {
                    ((at as f64 + 0.5) * from as f64 / to as f64 - 0.5).max(0.0)
                }
            };
            let low = (place.floor() as usize).min(from - 1);
            Place { low, high: (low + 1).min(from - 1), share: (place - low as f64) as f32 }
        };
        (0..to).map(place).collect()
    }

    fn shape(&self, dims: &[usize]) -> Result<([usize; 2], [usize; 3])> {
        let &[n, c, d, h, w] = dims else { bail!("upsample3d: expected [n, c, d, h, w], found {dims:?}") };
        if self.size.contains(&0) || [d, h, w].contains(&0) {
            bail!("upsample3d: sizes must be at least 1, found {dims:?} to {:?}", self.size)
        }
        Ok(([n, c], [d, h, w]))
    }
}

/// Input rows of an output row and their weights.
fn around(z: Place, y: Place, [_, height, width]: [usize; 3]) -> [(usize, f32); 4] {
    let row = |z: usize, y: usize| (z * height + y) * width;
    [
        (row(z.low, y.low), (1.0 - z.share) * (1.0 - y.share)),
        (row(z.low, y.high), (1.0 - z.share) * y.share),
        (row(z.high, y.low), z.share * (1.0 - y.share)),
        (row(z.high, y.high), z.share * y.share),
    ]
}

impl CustomOp1 for Upsample {
    fn name(&self) -> &'static str {
        "upsample3d"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = values(storage, layout)?;
        let ([n, c], from) = self.shape(layout.dims())?;
        let [depth, height, width] = self.size;
        let places: [Vec<Place>; 3] = std::array::from_fn(|axis| self.places(axis, from[axis]));
        let channel: usize = from.iter().product();
        let mut y = vec![0.0; n * c * depth * height * width];
        y.par_chunks_mut(height * width).enumerate().for_each_init(
            || vec![0.0f32; from[2]],
            |mixed, (plane, y)| {
                let x = &x[plane / depth * channel..][..channel];
                for (row, &across) in y.chunks_exact_mut(width).zip(&places[1]) {
                    mixed.fill(0.0);
                    for (start, weight) in around(places[0][plane % depth], across, from) {
                        if weight != 0.0 {
                            let from = &x[start..start + mixed.len()];
                            mixed.iter_mut().zip(from).for_each(|(sum, &value)| *sum += weight * value);
                        }
                    }
                    for (value, place) in row.iter_mut().zip(&places[2]) {
                        let low = mixed[place.low];
                        *value = if place.share == 0.0 {
                            low
                        } else {
                            low + place.share * (mixed[place.high] - low)
                        };
                    }
                }
            },
        );
        Ok((CpuStorage::F32(y), Shape::from((n, c, depth, height, width))))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let (_, from) = self.shape(x.dims())?;
        let [depth, height, width] = self.size;
        let places: [Vec<Place>; 3] = std::array::from_fn(|axis| self.places(axis, from[axis]));
        let channel: usize = from.iter().product();
        let mut to = vec![0.0; x.elem_count()];
        with_values([&gradient.contiguous()?], |[gradient]| {
            let gradients = gradient.par_chunks(depth * height * width);
            to.par_chunks_mut(channel).zip(gradients).for_each(|(to, gradient)| {
                let mut mixed = vec![0.0f32; from[2]];
                for (row, gradient) in gradient.chunks_exact(width).enumerate() {
                    mixed.fill(0.0);
                    for (&gradient, place) in gradient.iter().zip(&places[2]) {
                        mixed[place.low] += (1.0 - place.share) * gradient;
                        mixed[place.high] += place.share * gradient;
                    }
                    for (start, weight) in around(places[0][row / height], places[1][row % height], from) {
                        if weight != 0.0 {
                            let onto = &mut to[start..start + mixed.len()];
                            onto.iter_mut().zip(&mixed).for_each(|(sum, &value)| *sum += weight * value);
                        }
                    }
                }
            });
        })?;
        Ok(Some(Tensor::from_vec(to, x.shape(), x.device())?))
    }
}
