//! Regular grids of points with equal spacing along all axes (`skimage.util.regular_grid`).

/// A regular grid: first index and step along each axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Grid {
    pub(crate) start: [usize; 3],
    pub(crate) step: [usize; 3],
}

/// Returns a grid of approximately `points` points, each at the centre of a cube of voxels. An axis shorter than the
/// step has one point, at its middle.
pub(crate) fn regular_grid(shape: [usize; 3], points: usize) -> Grid {
    spaced_grid(shape, [1.0; 3], points)
}

/// Returns a [`regular_grid`] whose cells are cubes in physical space, for voxels `spacing` apart.
pub(crate) fn spaced_grid(shape: [usize; 3], spacing: [f64; 3], points: usize) -> Grid {
    let voxels = shape.iter().map(|&n| n as f64).product::<f64>();
    let points = points as f64;
    if voxels <= points {
        return Grid { start: [0; 3], step: [1; 3] };
    }
    let extent = [0, 1, 2].map(|axis| shape[axis] as f64 * spacing[axis]);
    let mut axes = [0, 1, 2];
    axes.sort_by(|&a, &b| extent[a].total_cmp(&extent[b]));
    let lengths = axes.map(|axis| extent[axis]);
    let mut steps = [(extent.iter().product::<f64>() / points).powf(1.0 / 3.0); 3];
    if lengths.iter().zip(&steps).any(|(length, step)| length < step) {
        for short in 0..3 {
            steps[short] = lengths[short];
            if short < 2 {
                let rest: f64 = lengths[short + 1..].iter().product();
                let step = (rest / points).powf(1.0 / (2 - short) as f64);
                steps[short + 1..].fill(step);
            }
            if lengths.iter().zip(&steps).all(|(length, step)| length >= step) {
                break;
            }
        }
    }
    let mut grid = Grid { start: [0; 3], step: [1; 3] };
    for (rank, &axis) in axes.iter().enumerate() {
        let step = steps[rank] / spacing[axis];
        grid.start[axis] = ((step / 2.0).floor() as usize).min(shape[axis] - 1);
        grid.step[axis] = (step.round_ties_even() as usize).max(1);
    }
    grid
}

impl Grid {
    /// Returns the points inside `shape` in row-major order.
    pub(crate) fn points(&self, shape: [usize; 3]) -> Vec<[f64; 3]> {
        let along = |axis: usize| (self.start[axis]..shape[axis]).step_by(self.step[axis]).map(|i| i as f64);
        along(0).flat_map(|z| along(1).flat_map(move |y| along(2).map(move |x| [z, y, x]))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples in the documentation of `regular_grid`, with an axis of one voxel added to the two of the first.
    #[test]
    fn steps_equal_those_of_the_reference() {
        assert_eq!(regular_grid([1, 20, 40], 8), Grid { start: [0, 5, 5], step: [1, 10, 10] });
        assert_eq!(regular_grid([3, 20, 40], 8), Grid { start: [1, 5, 5], step: [3, 10, 10] });
        assert_eq!(regular_grid([3, 20, 40], 8).points([3, 20, 40]).len(), 8);
    }

    #[test]
    fn a_point_per_voxel_covers_every_voxel() {
        assert_eq!(regular_grid([2, 3, 4], 24).points([2, 3, 4]).len(), 24);
    }
}
