//! Images into blocked activations, and back.

use super::window::Window;
use rayon::prelude::*;

/// Writes an image `[c, z, y, x]` of `size` voxels into a window that holds its whole layer; where the layer is larger,
/// zeros follow the image.
pub(crate) fn pack(image: &[f32], channels: usize, size: [usize; 3], window: &Window, to: &mut [f32]) {
    let [depth, height, width] = size;
    let (pitch, planes) = (window.pitch, window.size[0]);
    let halo = (-window.start[2]) as usize;
    to.par_chunks_mut(window.plane_len().max(1)).enumerate().for_each(|(plane, to)| {
        let (block, z) = (plane / planes, plane % planes);
        if z >= depth {
            return to.fill(0.0);
        }
        for (y, row) in to.chunks_exact_mut(window.row_len()).enumerate() {
            row.fill(0.0);
            if y >= height {
                continue;
            }
            for lane in 0..pitch.min(channels - block * pitch) {
                let c = block * pitch + lane;
                let from = &image[((c * depth + z) * height + y) * width..][..width];
                let voxels = row[halo * pitch + lane..].iter_mut().step_by(pitch);
                voxels.zip(from).for_each(|(to, &value)| *to = value);
            }
        }
    });
}

/// Reads the first `size` voxels of each channel as `[c, z, y, x]`.
pub(crate) fn unpack(window: &Window, values: &[f32], size: [usize; 3], to: &mut [f32]) {
    let [depth, height, width] = size;
    to.par_chunks_mut((height * width).max(1)).enumerate().for_each(|(plane, to)| {
        let (c, z) = (plane / depth, plane % depth);
        for (y, to) in to.chunks_exact_mut(width).enumerate() {
            let at = window.at(c / window.pitch, [z as isize, y as isize, 0]) + c % window.pitch;
            let from = values[at..].iter().step_by(window.pitch);
            to.iter_mut().zip(from).for_each(|(to, &value)| *to = value);
        }
    });
}
