//! Axial slices in radiological orientation, and sampling of them.

use ndarray::{Array2, ArrayView3, Axis};
use relevox_volume::Geometry;

/// Orientation and spacing of axial slices: rows down, columns to the right.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// Millimetres between rows and between columns.
    spacing_mm: [f64; 2],
    flip_rows: bool,
    flip_columns: bool,
    /// Letters of the left and the right edge; none if the stored axes are not those of the body.
    sides: Option<[&'static str; 2]>,
}

impl View {
    /// Returns the view of slices along the slowest axis, with anterior up and the patient's right on the left, as given
    /// by the affine (NIfTI's: to right, anterior and superior). An array whose axes are not closest to the body's in
    /// the order z, y, x is shown as stored, without letters.
    pub fn axial(geometry: &Geometry) -> Self {
        let affine = &geometry.world_from_voxel;
        let nearest = |axis: usize| {
            (0..3).max_by(|&a, &b| affine[a][axis].abs().total_cmp(&affine[b][axis].abs())).unwrap_or(axis)
        };
        let [_, dy, dx] = geometry.spacing_mm;
        let stored = Self { spacing_mm: [dy, dx], flip_rows: false, flip_columns: false, sides: None };
        if [0, 1, 2].map(nearest) != [0, 1, 2] {
            return stored;
        }
        Self {
            flip_rows: affine[1][1] > 0.0,
            flip_columns: affine[0][0] > 0.0,
            sides: Some(["R", "L"]),
            ..stored
        }
    }

    /// Returns a slice of a volume on that grid.
    pub(super) fn cut<T: Copy>(&self, volume: ArrayView3<'_, T>, z: usize) -> Array2<T> {
        let mut slice = volume.index_axis_move(Axis(0), z.min(volume.len_of(Axis(0)).saturating_sub(1)));
        if self.flip_rows {
            slice.invert_axis(Axis(0));
        }
        if self.flip_columns {
            slice.invert_axis(Axis(1));
        }
        slice.to_owned()
    }

    /// Width and height of a slice in millimetres, of a volume with shape `[z, y, x]`.
    pub(super) fn size_mm(&self, shape: [usize; 3]) -> [f64; 2] {
        [shape[2] as f64 * self.spacing_mm[1], shape[1] as f64 * self.spacing_mm[0]]
    }

    pub(super) fn sides(&self) -> Option<[&'static str; 2]> {
        self.sides
    }
}

/// Returns the slice with the largest area of a mask; the middle one if the mask is empty.
pub fn widest_slice(mask: ArrayView3<'_, bool>) -> usize {
    let count = |z: usize| mask.index_axis(Axis(0), z).iter().filter(|inside| **inside).count();
    let depth = mask.len_of(Axis(0));
    let best = (0..depth).max_by_key(|&z| (count(z), std::cmp::Reverse(z)));
    best.filter(|&z| count(z) > 0).unwrap_or(depth / 2)
}

/// Borders between different neighbours of a slice, in columns and rows. Outside the slice, all values are `around`.
pub(super) fn borders<T: PartialEq>(slice: &Array2<T>, around: Option<T>) -> Vec<[(f32, f32); 2]> {
    let (rows, columns) = slice.dim();
    let at = |row: isize, column: isize| -> Option<&T> {
        let inside = (0..rows as isize).contains(&row) && (0..columns as isize).contains(&column);
        if inside { slice.get((row as usize, column as usize)) } else { around.as_ref() }
    };
    let differ = |a: Option<&T>, b: Option<&T>| matches!((a, b), (Some(a), Some(b)) if a != b);
    let mut found = Vec::new();
    for row in 0..=rows as isize {
        for column in 0..=columns as isize {
            let (x, y) = (column as f32, row as f32);
            if differ(at(row, column), at(row - 1, column)) {
                found.push([(x, y), (x + 1.0, y)]);
            }
            if differ(at(row, column), at(row, column - 1)) {
                found.push([(x, y), (x, y + 1.0)]);
            }
        }
    }
    found
}

/// Interpolates a slice linearly, at shares of its width and height.
pub(super) fn smooth(slice: &Array2<f32>, x: f32, y: f32) -> f32 {
    let (rows, columns) = slice.dim();
    let between = |at: f32, n: usize| {
        let at = (at * n as f32 - 0.5).clamp(0.0, (n - 1) as f32);
        (at as usize, (at as usize + 1).min(n - 1), at.fract())
    };
    let (left, right, fx) = between(x, columns);
    let (top, bottom, fy) = between(y, rows);
    let mix = |a: f32, b: f32, share: f32| a + (b - a) * share;
    mix(
        mix(slice[(top, left)], slice[(top, right)], fx),
        mix(slice[(bottom, left)], slice[(bottom, right)], fx),
        fy,
    )
}

/// Samples a slice without interpolation, at shares of its width and height.
pub(super) fn nearest<T: Copy>(slice: &Array2<T>, x: f32, y: f32) -> T {
    let (rows, columns) = slice.dim();
    let index = |at: f32, n: usize| ((at * n as f32) as usize).min(n - 1);
    slice[(index(y, rows), index(x, columns))]
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, arr2};

    use super::*;

    fn affine(x: f64, y: f64) -> [[f64; 4]; 3] {
        [[x, 0.0, 0.0, 0.0], [0.0, y, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]
    }

    /// A voxel at the patient's anterior right is drawn at the upper left, for every stored orientation.
    #[test]
    fn anterior_right_is_upper_left() {
        for (x, y) in [(-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0)] {
            let geometry = Geometry::from_affine([1, 4, 5], affine(x, y));
            let (row, column) = (if y < 0.0 { 0 } else { 3 }, if x < 0.0 { 0 } else { 4 });
            let mut volume = Array3::from_elem([1, 4, 5], 0u8);
            volume[(0, row, column)] = 1;
            let view = View::axial(&geometry);
            assert_eq!(view.cut(volume.view(), 0)[(0, 0)], 1, "{x} {y}");
            assert_eq!(view.sides(), Some(["R", "L"]));
        }
    }

    #[test]
    fn other_axis_orders_have_no_letters() {
        let turned = [[0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];
        assert_eq!(View::axial(&Geometry::from_affine([2, 2, 2], turned)).sides(), None);
    }

    #[test]
    fn the_widest_slice_has_the_largest_area() {
        let mut mask = Array3::from_elem([5, 2, 2], false);
        assert_eq!(widest_slice(mask.view()), 2);
        mask[(1, 0, 0)] = true;
        mask[(3, 0, 0)] = true;
        assert_eq!(widest_slice(mask.view()), 1);
        mask[(3, 1, 1)] = true;
        assert_eq!(widest_slice(mask.view()), 3);
    }

    #[test]
    fn a_pixel_has_four_borders() {
        assert_eq!(borders(&arr2(&[[false, false], [false, true]]), Some(false)).len(), 4);
        assert_eq!(borders(&arr2(&[[0, 0], [0, 1]]), None).len(), 2);
    }

    #[test]
    fn smooth_interpolates_and_nearest_does_not() {
        let slice = arr2(&[[0.0, 1.0], [0.0, 1.0]]);
        assert_eq!(
            (smooth(&slice, 0.25, 0.5), smooth(&slice, 0.5, 0.5), smooth(&slice, 1.0, 0.0)),
            (0.0, 0.5, 1.0)
        );
        assert_eq!((nearest(&slice, 0.49, 0.9), nearest(&slice, 1.0, 1.0)), (0.0, 1.0));
    }
}
