//! Cuts windows out of a layer after each patch of a batch: a gather from cached values, recomputed values and padding.

use super::boxes::Place;
use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

/// A cached layer of the unperturbed image.
pub(super) struct Layer {
    /// `[c, voxels]`.
    pub values: Tensor,
    /// Voxels by axis.
    pub size: [usize; 3],
}

impl Layer {
    /// Creates a layer from values `[1, c, z, y, x]`.
    pub(super) fn new(values: &Tensor) -> Result<Self> {
        let (_, _, z, y, x) = values.dims5()?;
        Ok(Self { values: values.detach().squeeze(0)?.flatten_from(1)?.contiguous()?, size: [z, y, x] })
    }
}

/// Recomputed windows of a layer, one per patch.
pub(super) struct Changed {
    /// `[n, c, size…]`.
    pub values: Tensor,
    /// Positions of the windows.
    pub place: Place,
}

/// Cuts `size` voxels, `step` apart, from each of `starts` on, out of the layer after each patch.
///
/// # Shapes
/// `[n, c, size…]`.
///
/// # Errors
/// Returns an error if there are more voxels than 32-bit indices, or if an operation fails.
pub(super) fn cut(
    layer: &Layer,
    changed: &Changed,
    starts: &[[isize; 3]],
    size: [usize; 3],
    step: [usize; 3],
    outside: f32,
) -> Result<Tensor> {
    let (count, channels, ..) = changed.values.dims5()?;
    let (cached, window) = (layer.values.dim(1)?, changed.place.size.iter().product::<usize>());
    let beyond = cached + count * window;
    let Ok(beyond) = u32::try_from(beyond) else {
        bail!("windows: a batch of {count} has {}", conv3d::TOO_LARGE)
    };
    let voxels = size.iter().product::<usize>();
    let mut indices = vec![0u32; count * voxels];
    indices.par_chunks_mut(voxels.max(1)).zip(starts).enumerate().for_each(|(index, (indices, start))| {
        let from =
            Source { layer: layer.size, start: changed.place.starts[index], window: changed.place.size };
        from.fill(indices, *start, size, step, [0, (cached + index * window) as u32, beyond]);
    });
    let device = layer.values.device();
    let recomputed = changed.values.transpose(0, 1)?.contiguous()?.reshape((channels, count * window))?;
    let padding = Tensor::full(outside, (channels, 1), device)?;
    let source = Tensor::cat(&[&layer.values, &recomputed, &padding], 1)?;
    let indices = Tensor::from_vec(indices, count * voxels, device)?;
    let [z, y, x] = size;
    source.index_select(&indices, 1)?.reshape((channels, count, z, y, x))?.transpose(0, 1)?.contiguous()
}

/// Source of a layer's voxels after one patch.
struct Source {
    layer: [usize; 3],
    /// The recomputed window.
    start: [usize; 3],
    window: [usize; 3],
}

impl Source {
    /// The column of each voxel: of the layer, of the window, or of the padding, which begin at `columns`.
    fn fill(
        &self,
        indices: &mut [u32],
        start: [isize; 3],
        size: [usize; 3],
        step: [usize; 3],
        columns: [u32; 3],
    ) {
        let [cached, recomputed, beyond] = columns;
        // Along an axis: the voxel in the layer, and in the window, where it lies there.
        let along = |axis: usize| -> Vec<Option<(usize, Option<usize>)>> {
            let place = |at: usize| {
                let at = usize::try_from(start[axis] + (at * step[axis]) as isize).ok()?;
                let inside = at.checked_sub(self.start[axis]).filter(|at| *at < self.window[axis]);
                (at < self.layer[axis]).then_some((at, inside))
            };
            (0..size[axis]).map(place).collect()
        };
        let [planes, rows, columns] = [along(0), along(1), along(2)];
        let mut target = indices.iter_mut();
        for plane in &planes {
            for row in &rows {
                for (column, index) in columns.iter().zip(&mut target) {
                    *index = match (plane, row, column) {
                        (Some((z, wz)), Some((y, wy)), Some((x, wx))) => match (wz, wy, wx) {
                            (Some(z), Some(y), Some(x)) => {
                                recomputed + ((z * self.window[1] + y) * self.window[2] + x) as u32
                            }
                            _ => cached + ((z * self.layer[1] + y) * self.layer[2] + x) as u32,
                        },
                        _ => beyond,
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
    use relevox_grid::Box3;

    #[test]
    fn a_cut_reads_the_window_the_layer_and_the_padding() {
        let values: Vec<f32> = (0..2 * 27).map(|i| i as f32).collect();
        let whole = Tensor::from_vec(values, (1, 2, 3, 3, 3), &Device::Cpu).unwrap();
        let layer = Layer::new(&whole).unwrap();
        let recomputed = Tensor::full(-1f32, (1, 2, 1, 1, 2), &Device::Cpu).unwrap();
        let place =
            Place { starts: vec![[1, 1, 1]], size: [1, 1, 2], boxes: vec![Box3::new([1; 3], [2, 2, 3])] };
        let changed = Changed { values: recomputed, place };
        let found = cut(&layer, &changed, &[[1, 1, -1]], [1, 1, 5], [1; 3], 9.0).unwrap();
        let found = found.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(found, [9.0, 12.0, -1.0, -1.0, 9.0, 9.0, 39.0, -1.0, -1.0, 9.0]);
        let strided = cut(&layer, &changed, &[[0, 0, 0]], [1, 1, 2], [2; 3], 9.0).unwrap();
        assert_eq!(strided.flatten_all().unwrap().to_vec1::<f32>().unwrap(), [0.0, 2.0, 27.0, 29.0]);
    }
}
