//! Cuts windows out of a layer after each patch of a batch: a gather from cached values, recomputed values and padding.

use super::boxes::Place;
use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

/// A cached layer of the unperturbed image, `[c, voxels]`.
pub(super) struct Layer(Tensor);

impl Layer {
    /// Creates a layer from values `[1, c, z, y, x]`.
    pub(super) fn new(values: &Tensor) -> Result<Self> {
        Ok(Self(values.detach().squeeze(0)?.flatten_from(1)?.contiguous()?))
    }
}

/// Recomputed windows of a layer, one per patch.
#[derive(Clone)]
pub(super) struct Changed {
    /// `[n, c, size…]`.
    pub values: Tensor,
    /// Positions of the windows.
    pub place: Place,
}

/// A layer after each patch of a batch: its cached values, and windows of recomputed ones.
pub(super) struct Patched<'a> {
    /// The cached layer; without it, only the windows are read.
    pub cached: Option<&'a Layer>,
    /// `[n, c, window…]`.
    pub values: &'a Tensor,
    /// First voxel of each window. A window may exceed the layer.
    pub starts: &'a [[isize; 3]],
    /// Voxels of the layer by axis.
    pub layer: [usize; 3],
    /// Value of padding voxels outside the layer.
    pub outside: f32,
}

impl Patched<'_> {
    /// Cuts `size` voxels, `step` apart, from each of `starts` on, out of the layer after each patch.
    ///
    /// # Shapes
    /// `[n, c, size…]`.
    ///
    /// # Errors
    /// Returns an error if there are more voxels than 32-bit indices, or if an operation fails.
    pub(super) fn cut(&self, starts: &[[isize; 3]], size: [usize; 3], step: [usize; 3]) -> Result<Tensor> {
        let (count, channels, z, y, x) = self.values.dims5()?;
        let window = z * y * x;
        let cached = self.cached.map_or(Ok(0), |layer| layer.0.dim(1))?;
        let beyond = cached + count * window;
        let Ok(beyond) = u32::try_from(beyond) else {
            bail!("windows: a batch of {count} has {}", conv3d::TOO_LARGE)
        };
        let voxels = size.iter().product::<usize>();
        let mut indices = vec![0u32; count * voxels];
        indices.par_chunks_mut(voxels.max(1)).zip(starts).enumerate().for_each(
            |(index, (indices, start))| {
                let from = Source { layer: self.layer, start: self.starts[index], window: [z, y, x] };
                let columns = Columns {
                    cached: self.cached.map(|_| 0),
                    recomputed: (cached + index * window) as u32,
                    padding: beyond,
                };
                from.fill(indices, *start, size, step, &columns);
            },
        );
        let device = self.values.device();
        let recomputed = self.values.transpose(0, 1)?.contiguous()?.reshape((channels, count * window))?;
        let padding = Tensor::full(self.outside, (channels, 1), device)?;
        let source = match self.cached {
            Some(layer) => Tensor::cat(&[&layer.0, &recomputed, &padding], 1)?,
            None => Tensor::cat(&[&recomputed, &padding], 1)?,
        };
        let indices = Tensor::from_vec(indices, count * voxels, device)?;
        let [z, y, x] = size;
        source.index_select(&indices, 1)?.reshape((channels, count, z, y, x))?.transpose(0, 1)?.contiguous()
    }
}

/// Source of a layer's voxels after one patch.
struct Source {
    layer: [usize; 3],
    /// The recomputed window.
    start: [isize; 3],
    window: [usize; 3],
}

/// The first columns of the layer, if it is cached, of the window, and of the padding.
struct Columns {
    cached: Option<u32>,
    recomputed: u32,
    padding: u32,
}

impl Source {
    /// Sets the column of each voxel.
    fn fill(
        &self,
        indices: &mut [u32],
        start: [isize; 3],
        size: [usize; 3],
        step: [usize; 3],
        from: &Columns,
    ) {
        // Along an axis: the voxel in the layer, and in the window, where it lies there.
        let along = |axis: usize| -> Vec<Option<(usize, Option<usize>)>> {
            let place = |at: usize| {
                let at = start[axis] + (at * step[axis]) as isize;
                let inside = usize::try_from(at - self.start[axis]).ok();
                let at = usize::try_from(at).ok()?;
                (at < self.layer[axis]).then_some((at, inside.filter(|at| *at < self.window[axis])))
            };
            (0..size[axis]).map(place).collect()
        };
        let [planes, rows, columns] = [along(0), along(1), along(2)];
        let mut target = indices.iter_mut();
        for plane in &planes {
            for row in &rows {
                for (column, index) in columns.iter().zip(&mut target) {
                    *index = match (plane, row, column) {
                        (Some((z, wz)), Some((y, wy)), Some((x, wx))) => match (wz, wy, wx, from.cached) {
                            (Some(z), Some(y), Some(x), _) => {
                                from.recomputed + ((z * self.window[1] + y) * self.window[2] + x) as u32
                            }
                            (.., Some(cached)) => {
                                cached + ((z * self.layer[1] + y) * self.layer[2] + x) as u32
                            }
                            (.., None) => from.padding,
                        },
                        _ => from.padding,
                    };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn a_cut_reads_the_window_the_layer_and_the_padding() {
        let values: Vec<f32> = (0..2 * 27).map(|i| i as f32).collect();
        let whole = Tensor::from_vec(values, (1, 2, 3, 3, 3), &Device::Cpu).unwrap();
        let layer = Layer::new(&whole).unwrap();
        let recomputed = Tensor::full(-1f32, (1, 2, 1, 1, 2), &Device::Cpu).unwrap();
        let patched = Patched {
            cached: Some(&layer),
            values: &recomputed,
            starts: &[[1; 3]],
            layer: [3; 3],
            outside: 9.0,
        };
        let cut = |patched: &Patched<'_>, start, size, step| {
            let found = patched.cut(&[start], size, step).unwrap();
            found.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        let found = cut(&patched, [1, 1, -1], [1, 1, 5], [1; 3]);
        assert_eq!(found, [9.0, 12.0, -1.0, -1.0, 9.0, 9.0, 39.0, -1.0, -1.0, 9.0]);
        assert_eq!(cut(&patched, [0; 3], [1, 1, 2], [2; 3]), [0.0, 2.0, 27.0, 29.0]);
        let windows_only = Patched { cached: None, ..patched };
        assert_eq!(cut(&windows_only, [1, 1, 0], [1, 1, 3], [1; 3]), [9.0, -1.0, -1.0, 9.0, -1.0, -1.0]);
    }

    #[test]
    fn a_window_may_exceed_the_layer() {
        let values = Tensor::arange(0f32, 5.0, &Device::Cpu).unwrap().reshape((1, 1, 1, 1, 5)).unwrap();
        let starts = [[0, 0, -2]];
        let patched =
            Patched { cached: None, values: &values, starts: &starts, layer: [1, 1, 2], outside: 9.0 };
        let found = patched.cut(&[[0, 0, -1]], [1, 1, 4], [1; 3]).unwrap();
        assert_eq!(found.flatten_all().unwrap().to_vec1::<f32>().unwrap(), [9.0, 2.0, 3.0, 9.0]);
    }
}
